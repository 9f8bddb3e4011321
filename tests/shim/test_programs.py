"""Every way to start a program: one act is one question, about the program that starts; allowed it runs as ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.shim.guests import DENY, LOG, guarded, plain, said, write
from tests.support.interpreters import Interpreter

#: name -> (code that prints what came of it, event on the line, program, argv). `{bin}` is a folder with a program
#: `tool` in it, which prints its own arguments and folder.
WAYS: dict[str, tuple[str, str, str, list[str]]] = {
    "list": ("print(run(['tool', 'a b']))", "subprocess.Popen", "{bin}/tool", ["tool", "a b"]),
    "str": ("print(run('tool'))", "subprocess.Popen", "{bin}/tool", ["tool"]),
    "shell": ("print(run('tool x', shell=True))", "subprocess.Popen", "/bin/sh", ["/bin/sh", "-c", "tool x"]),
    "shell of one's own": (
        "print(run('tool y', shell=True, executable='/bin/bash'))", "subprocess.Popen", "/bin/bash",
        ["/bin/bash", "-c", "tool y"],
    ),
    "path-like": ("print(run([Path('{bin}/tool'), Path('x')]))", "subprocess.Popen", "{bin}/tool", ["{bin}/tool", "x"]),
    "bytes": ("print(run([b'{bin}/tool', b'x']))", "subprocess.Popen", "{bin}/tool", ["{bin}/tool", "x"]),
    "subclass": ("print(run([Text('tool'), Text('x')]))", "subprocess.Popen", "{bin}/tool", ["tool", "x"]),
    "executable": (
        "print(run(['other', 'x'], executable='{bin}/tool'))", "subprocess.Popen", "{bin}/tool", ["other", "x"],
    ),
    "environment": ("print(run(['tool'], env={{'PATH': '{bin}:/bin'}}))", "subprocess.Popen", "{bin}/tool", ["tool"]),
    "folder": ("print(run(['./tool'], cwd='{bin}'))", "subprocess.Popen", "{bin}/./tool", ["./tool"]),
    "preexec": ("print(run(['tool'], preexec_fn=lambda: None))", "subprocess.Popen", "{bin}/tool", ["tool"]),
    "kept open": (
        "r, w = os.pipe(); print(run(['tool'], pass_fds=[w], close_fds=True))", "subprocess.Popen", "{bin}/tool",
        ["tool"],
    ),
    "not closed": ("print(run(['{bin}/tool'], close_fds=False))", "subprocess.Popen", "{bin}/tool", ["{bin}/tool"]),
    "session": ("print(run(['tool'], start_new_session=True))", "subprocess.Popen", "{bin}/tool", ["tool"]),
    "user": ("print(run(['tool'], user=os.getuid()))", "subprocess.Popen", "{bin}/tool", ["tool"]),
    "os.system": ("print(os.system('tool s'))", "os.system", "/bin/sh", ["sh", "-c", "tool s"]),
    "os.popen": ("print(os.popen('tool p').read())", "subprocess.Popen", "/bin/sh", ["/bin/sh", "-c", "tool p"]),
    "posix_spawn": (
        "wait(os.posix_spawn('{bin}/tool', ['tool', 'a'], os.environ))", "os.posix_spawn", "{bin}/tool", ["tool", "a"],
    ),
    "posix_spawn bytes": (
        "wait(os.posix_spawn(b'{bin}/tool', (b'tool', 'a'), {{b'PATH': b'/bin'}}))", "os.posix_spawn", "{bin}/tool",
        ["tool", "a"],
    ),
    "posix_spawnp": (
        "wait(os.posix_spawnp('tool', ['tool', 'b'], os.environ))", "os.posix_spawn", "{bin}/tool", ["tool", "b"],
    ),
    "execv": ("fork(os.execv, '{bin}/tool', ['tool', 'c'])", "os.exec", "{bin}/tool", ["tool", "c"]),
    "execve": (
        "fork(os.execve, Path('{bin}/tool'), ['tool', 'c'], os.environ)", "os.exec", "{bin}/tool", ["tool", "c"],
    ),
    "execve descriptor": (
        "fork(os.execve, os.open('/bin/true', os.O_RDONLY), ['true'], os.environ)", "os.exec",
        "{true}", ["true"],
    ),
    "execvp": ("fork(os.execvp, 'tool', ['tool', 'd'])", "os.exec", "{bin}/tool", ["tool", "d"]),
    "execvpe": ("fork(os.execvpe, 'tool', ['tool', 'd'], os.environ)", "os.exec", "{bin}/tool", ["tool", "d"]),
    "execlp": ("fork(os.execlp, 'tool', 'tool', 'd')", "os.exec", "{bin}/tool", ["tool", "d"]),
    "relative": ("os.chdir('{bin}'); fork(os.execv, './tool', ['tool'])", "os.exec", "{bin}/./tool", ["tool"]),
    "spawnv": ("print(os.spawnv(os.P_WAIT, '{bin}/tool', ['tool', 'e']))", "os.exec", "{bin}/tool", ["tool", "e"]),
    "spawnlp": ("print(os.spawnlp(os.P_WAIT, 'tool', 'tool', 'e'))", "os.exec", "{bin}/tool", ["tool", "e"]),
    "spawnvpe": (
        "print(os.spawnvpe(os.P_WAIT, 'tool', ['tool'], os.environ))", "os.exec", "{bin}/tool", ["tool"],
    ),
    "asyncio": ("print(asyncio.run(start('tool', 'g')))", "subprocess.Popen", "{bin}/tool", ["tool", "g"]),
    "asyncio shell": (
        "print(asyncio.run(start_shell('tool g')))", "subprocess.Popen", "/bin/sh", ["/bin/sh", "-c", "tool g"],
    ),
    # The last one: its child goes on in the script when nothing starts.
    "pty": ("print(pty.spawn(['tool', 'f']))", "os.exec", "{bin}/tool", ["tool", "f"]),
}  # fmt: skip

PRELUDE = """\
import asyncio, os, pty, subprocess, sys
from pathlib import Path
os.environ["PATH"] = "/nonexistent:{bin}:/usr/bin:/bin"
class Text(str): pass
def run(*args, **options):
    done = subprocess.run(*args, stdout=subprocess.PIPE, **options)
    return done.returncode, done.stdout
def wait(pid):
    print(os.waitpid(pid, 0)[1])
def fork(function, *args):
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        try:
            function(*args)
        except OSError as error:
            os._exit(error.errno)
    wait(pid)
async def start(*args):
    process = await asyncio.create_subprocess_exec(*args, stdout=subprocess.PIPE)
    return (await process.communicate())[0], process.returncode
async def start_shell(*args):
    process = await asyncio.create_subprocess_shell(*args, stdout=subprocess.PIPE)
    return (await process.communicate())[0], process.returncode
"""


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """Where the program is."""
    folder = tmp_path / "bin"
    folder.mkdir()
    tool = folder / "tool"
    tool.write_text("#!/bin/sh\necho \"$(pwd)\" \"$@\"\n")
    tool.chmod(0o755)
    return {"bin": str(folder), "true": str(Path("/bin/true").resolve())}


def fill(text: Any, places: dict[str, str]) -> Any:
    """`{bin}` and the like filled in, also inside a list."""
    return [fill(item, places) for item in text] if isinstance(text, list) else text.format(**places)


def test_each_way_is_one_question_about_what_starts(
    interpreter: Interpreter, places: dict[str, str], tmp_path: Path
) -> None:
    """Everything in one guest, so that no way can lean on another's look-up; each prints what it prints unguarded."""
    start = "print({!r}, flush=True)\nos.chdir('/')\n{}"
    acts = "\n".join(start.format(name, fill(way[0], places)) for name, way in WAYS.items())
    code = f"{fill(PRELUDE, places)}\n{acts}\n"
    bare = plain(tmp_path, [interpreter.path, write(tmp_path, code)])
    run = guarded(tmp_path, code, interpreter, rules=LOG)
    assert (run.stdout, run.status) == (bare.stdout, 0), run.stderr
    lines = [(line["event"], line["exec"]["program"], line["exec"]["argv"]) for line in run.lines("exec")]
    assert lines == [(way[1], *fill([way[2], way[3]], places)) for way in WAYS.values()]
    assert len(lines) == len([line for line in run.trail if "verdict" in line])


def test_each_way_is_denied(interpreter: Interpreter, places: dict[str, str], tmp_path: Path) -> None:
    """Nothing starts, and each refusal is one line; whoever can hear it hears Denied."""
    marker = tmp_path / "ran"
    tool = Path(places["bin"]) / "tool"
    tool.write_text(f"#!/bin/sh\necho ran >> {marker}\n")
    acts = "\n".join(
        f"try:\n    os.chdir('/')\n    {fill(way[0], places)}\nexcept OSError as error:\n    print('NO', error.errno)"
        for way in WAYS.values()
    )
    code = f"{fill(PRELUDE, places)}\n{acts}\n"
    plain(tmp_path, [interpreter.path, write(tmp_path, code)])
    # pty.spawn's output is not the script's, and execve of a descriptor starts another program.
    assert len(marker.read_text().splitlines()) == len(WAYS) - 1
    marker.unlink()
    run = guarded(tmp_path, code, interpreter, rules=DENY, flags=["-u"])
    assert run.status == 0, run.stderr
    assert not marker.exists()
    told = [(line["verdict"], line["event"]) for line in run.lines("exec")]
    assert told == [("deny", way[1]) for way in WAYS.values()]
    # What runs in a child of its own (fork, spawn*) ends with its status there; the pty's child prints as we do.
    assert run.stdout.count("NO 13") == sum(way[1] != "os.exec" for way in WAYS.values()) + 1


MISSING = """
run(['no-such-program'])
run(['/no/such/program'])
run(['/etc/passwd/program'])
run(['{bin}'])
run(['/etc/passwd'])
run(['tool'], cwd='/no/such/folder')
run([''])
run([])
run(['tool', 5])
run([5])
run(None)
run(['tool'], env={{'A=B': 'c'}})
run(['tool'], env={{'A': 5}})
run(['to\\0ol'])
run(['tool'], executable='no-such-program')
os.execv('no-such-program', ['x'])
os.execv('/no/such/program', ['x'])
os.execv('/etc/passwd/program', ['x'])
os.execv('/etc/passwd', ['x'])
os.execv('{bin}/tool', [])
os.execv('{bin}/tool', 'abc')
os.execv('{bin}/tool', iter(['x']))
os.execv('{bin}/tool', [''])
os.execv('{bin}/tool', [5])
os.execv(5.5, ['x'])
os.execve('{bin}/tool', ['x'], None)
os.execve('{bin}/tool', ['x'], ['A=b'])
os.execve('{bin}/tool', ['x'], {{'A': 5}})
os.execve(9999, ['x'], {{}})
os.execvp('no-such-program', ['x'])
os.execvp('', ['x'])
os.execvp('no/such/program', ['x'])
os.posix_spawn('/no/such/program', ['x'], {{}})
os.posix_spawn('{bin}/tool', [], {{}})
os.posix_spawn('{bin}/tool', 'abc', {{}})
os.posix_spawn('{bin}/tool', ['x'], 5)
os.posix_spawn('{bin}/tool', ['x'], {{}}, file_actions=5)
os.posix_spawnp('no-such-program', ['x'], {{}})
os.spawnv(os.P_WAIT, '/no/such/program', ['x'])
os.spawnv(os.P_WAIT, 'x', 'abc')
os.spawnlp(os.P_WAIT, 'no-such-program', 'x')
""".strip().splitlines()


def test_what_starts_nothing_fails_as_without_a_guard(
    interpreter: Interpreter, places: dict[str, str], tmp_path: Path
) -> None:
    """The same error with the same file name, and no line for a program that is not there."""
    calls = fill(MISSING, places)
    code = f"""{fill(PRELUDE, places)}
import json
def told(call):
    try:
        return repr(eval(call))
    except Exception as error:
        return f"{{type(error).__module__}}.{{type(error).__qualname__}} {{error}}"
print(json.dumps([told(call) for call in {calls!r}]))
"""
    bare = said(plain(tmp_path, [interpreter.path, write(tmp_path, code)]))
    run = guarded(tmp_path, code, interpreter, rules=DENY.replace("deny", "log"))
    differing = [row for row in zip(calls, bare, said(run), strict=True) if row[1] != row[2]]
    assert not differing, "\n".join(map(str, differing))
    # A name that is empty leads to the folders of PATH.
    existing = {places["bin"], places["bin"] + "/", places["bin"] + "/tool", "/etc/passwd", "/bin/", "/usr/bin/"}
    assert {line["exec"]["program"] for line in run.lines("exec")} <= existing


POOLS = """\
import json, multiprocessing, os, socket, sys
def act(number):
    try:
        socket.socket().connect(("127.0.0.1", 9))
    except ConnectionRefusedError:
        return number
if __name__ == "__main__":
    found = {}
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            found[method] = pool.map(act, [1, 2, 3])
    print(json.dumps(found))
"""


def test_multiprocessing_is_guarded_by_each_method(interpreter: Interpreter, tmp_path: Path) -> None:
    """Every worker's act is asked about, from that worker; the programs are the interpreter, one line each."""
    run = guarded(tmp_path, POOLS, interpreter, rules=LOG)
    assert said(run) == {method: [1, 2, 3] for method in ("fork", "spawn", "forkserver")}
    connects = [line for line in run.lines("connect") if line["dst"].get("port") == 9]
    assert len(connects) == 9
    assert len({line["proc"]["pid"] for line in connects}) >= 3
    # Two spawned workers, the fork server, and one or two trackers of resources.
    programs = [Path(line["exec"]["program"]).name for line in run.lines("exec")]
    assert 4 <= len(programs) <= 6
    assert all(name.startswith("python") for name in programs)


def test_long_command_line_is_told_whole_or_refused(interpreter: Interpreter, tmp_path: Path) -> None:
    """A rule sees every argument, or the program does not start: nothing hides behind a limit of ours."""
    rules = 'version: 1\ndefault: allow\nrules: [{deny: exec, args: "*--hidden*"}]\n'
    code = """\
        import json, subprocess, os
        def start(args):
            try:
                return subprocess.run(args).returncode
            except PermissionError as error:
                return error.rule
        print(json.dumps([
            start(["true"] + ["x"] * 2000 + ["--shown"]),
            start(["true", "y" * 60000, "--shown"]),
            start(["true"] + ["x"] * 2000 + ["--hidden"]),
            start(["true", "y" * 60000 + "--hidden"]),
            start(["true"] + ["z" * 1000] * 1000),
        ]))
    """
    results = said(guarded(tmp_path, code, interpreter, rules=rules))
    assert results[:2] == [0, 0]
    assert all("deny" in str(rule) or ":" in str(rule) for rule in results[2:4]), results
    assert results[4] == "hostile-argument"


def test_program_that_was_judged_is_started_wherever_the_child_goes(
    interpreter: Interpreter, places: dict[str, str], tmp_path: Path
) -> None:
    """`preexec_fn` runs after the question, and could lead a relative path to another program."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "tool").symlink_to("/bin/false")
    code = f"""\
        import os, subprocess
        os.chdir({places["bin"]!r})
        print(subprocess.run(["./tool"], preexec_fn=lambda: os.chdir({str(other)!r}), stdout=-3).returncode)
    """
    assert plain(tmp_path, [interpreter.path, write(tmp_path, code)]).stdout == "1\n"
    run = guarded(tmp_path, code, interpreter, rules=LOG)
    assert run.stdout == "0\n"
    assert [line["exec"]["program"] for line in run.lines("exec")] == [f"{places['bin']}/./tool"]


def test_allowed_program_is_one_at_its_path(
    interpreter: Interpreter, places: dict[str, str], tmp_path: Path
) -> None:
    """By path; the same name elsewhere is another program."""
    rules = f"version: 1\ndefault: deny\nrules: [{{allow: exec, program: '{places['bin']}/tool'}}]\n"
    other = tmp_path / "other"
    other.mkdir()
    (other / "tool").symlink_to("/bin/true")
    code = f"""\
        import json, os, subprocess
        def start(*args, **options):
            try:
                return subprocess.run(*args, **options, stdout=subprocess.DEVNULL).returncode
            except PermissionError as error:
                return error.rule
        def spawnp():
            try:
                return os.waitpid(os.posix_spawnp("tool", ["tool"], os.environ), 0)[1]
            except PermissionError as error:
                return error.rule
        found = []
        for folder in ({places['bin']!r}, {str(other)!r}):
            os.environ["PATH"] = folder
            os.chdir(folder)
            found += [start(["tool"]), start(["./tool"]), start(["./tool"], cwd={places['bin']!r}), spawnp()]
        print(json.dumps(found))
    """
    assert said(guarded(tmp_path, code, interpreter, rules=rules)) == [0, 0, 0, 0, "default", "default", 0, "default"]
