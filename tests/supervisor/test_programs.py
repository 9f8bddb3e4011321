"""Each program that a run starts is decided once and has one line, whoever starts it and in whatever language."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.supervisor.running import running
from tests.supervisor.test_wall import LIMIT
from tests.support.guard import Result, run_guarded

pytestmark = pytest.mark.kernel

LOG = "version: 1\ndefault: log\n"

#: What starts programs from C, past every hook: `posix_spawn` of the C library, found by an import that needs no rule.
SPAWN = """
import ctypes, os, sys
def spawn(*words):
    argv = (ctypes.c_char_p * (len(words) + 1))(*[word.encode() for word in words], None)
    pid = ctypes.c_int()
    environ = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "environ")
    error = ctypes.CDLL(None).posix_spawn(ctypes.byref(pid), words[0].encode(), None, None, argv, environ)
    return error or os.waitpid(pid.value, 0)[1]
"""


def run(code: str, *words: str, rules: str = LOG, **more: Any) -> Result:
    return run_guarded(["-c", code, *words], rules=rules, wall="require", options=["--quiet"], **more)


def shell(text: str, rules: str = LOG, **more: Any) -> Result:
    """Runs a shell's text: no Python in it, so no witness."""
    options = more.pop("options", ["--quiet"])
    return run_guarded(["--", "/bin/sh", "-c", text], rules=rules, wall="require", options=options, **more)


def starts(done: Result) -> list[tuple[str, str, list[str]]]:
    """Program, verdict and layers of each start on record."""
    return [
        (os.path.basename(line["exec"]["program"]), line["verdict"], line["layers"]) for line in done.lines("exec")
    ]


# Who asks


def test_what_a_shell_starts_is_decided_and_on_record(tmp_path: Path) -> None:
    rules = LOG + "rules:\n  - {name: no-cat, deny: exec, program: cat, because: it reads}\n"
    done = shell("cd / && true; env true; cat /etc/hostname", rules)
    assert done.status == 126
    assert "Permission denied" in done.stderr
    line = next(line for line in done.lines("exec") if line["rule"] == "no-cat")
    assert (line["verdict"], line["event"], line["layers"]) == ("deny", "execve", ["kernel"])
    assert line["exec"]["argv"] == ["cat", "/etc/hostname"]
    assert line["exec"]["path"] if "path" in line["exec"] else line["exec"]["program"] == shutil.which("cat")
    assert line["why"] == "it reads"
    assert line["proc"]["exe"] == os.path.realpath("/bin/sh")
    assert line["findings"][0]["severity"] == "info"
    names = [name for name, _, _ in starts(done)]
    assert names[:2] == ["env", "true"]


def test_line_names_the_folder_and_the_processes_above(tmp_path: Path) -> None:
    done = shell(f"cd {tmp_path}; sh -c 'cd /; env true; :'; :", cwd="/")
    line = next(line for line in done.lines("exec") if line["exec"]["argv"] == ["true"])
    sh = os.path.realpath("/bin/sh")
    above = line["exec"]["parents"]
    assert [one["exe"] for one in above] == [sh, sh]
    assert line["proc"]["ppid"] == above[0]["pid"]
    assert line["proc"]["cwd"] == "/"


ASKED = """
import os, subprocess, sys
subprocess.run(["true", "run"], check=True)
os.system("true; :")
os.waitpid(os.posix_spawn("/bin/true", ["true", "spawn"], os.environ), 0)
if not os.fork():
    os.execvp("true", ["true", "forked"])
os.wait()
subprocess.run("true", shell=True, preexec_fn=lambda: os.chdir("/"), check=True)
fd = os.open("/bin/true", os.O_RDONLY)
if not os.fork():
    os.execve(fd, ["true", "opened"], os.environ)
os.wait()
os.execv("/bin/true", ["true", "became"])
"""


def test_start_that_python_asked_for_is_one_decision_and_one_line(any_python: str) -> None:
    """The line is the witness's, with its line of code; the kernel's is its outcome, and names the process."""
    done = run_guarded(["--", any_python, "-c", ASKED], rules=LOG, wall="require", options=["--quiet"])
    assert done.status == 0, done.stderr
    lines = done.lines("exec")
    assert [line["layers"] for line in lines] == [["hook"]] * len(lines)
    assert len(lines) == 7
    assert all(line["code"]["line"] for line in lines)
    ends = {line["of"]: line for line in done.lines("result")}
    found = [ends[line["seq"]] for line in lines]
    assert [(end["event"][:6], end["layers"]) for end in found] == [("execve", ["kernel"])] * 7
    became = ends[lines[-1]["seq"]]["proc"]["pid"]
    assert became == lines[-1]["proc"]["pid"]
    assert ends[lines[0]["seq"]]["proc"]["pid"] != lines[0]["proc"]["pid"]
    assert done.lines("close")[0]["decisions"] == len([line for line in done.trail if "verdict" in line])


@pytest.fixture(params=["3.9", "3.14", "ours"])
def any_python(request: pytest.FixtureRequest) -> str:
    """An old interpreter, one whose `fork_exec` has an event, and this one."""
    if request.param == "ours":
        return sys.executable
    found = sorted(Path.home().glob(f".pyenv/versions/{request.param}.*/bin/python3")) or [
        Path(path) for path in [shutil.which(f"python{request.param}")] if path
    ]
    if not found:
        pytest.skip(f"Python {request.param}")
    return str(found[-1])


def test_start_that_is_allowed_in_silence_is_counted_once() -> None:
    code = "import subprocess\nfor _ in range(3): subprocess.run(['true'])"
    done = run(code, rules="version: 1\ndefault: deny\nrules:\n  - {name: true, allow: exec, program: 'true'}\n")
    assert done.status == 0, done.stderr
    counts: dict[str, int] = {}
    for line in done.lines("count"):
        for rule, count in line["counts"].items():
            counts[rule] = counts.get(rule, 0) + count
    assert counts.get("True", counts.get("true")) == 3
    assert not done.lines("exec")


def test_start_that_no_witness_announced_is_native() -> None:
    code = SPAWN + "print(spawn('/bin/true', 'a'))"
    done = run(code)
    [line] = [line for line in done.lines("exec") if line["exec"]["program"] == "/bin/true"]
    assert line["layers"] == ["kernel"]
    assert line["findings"][0]["severity"] == "medium"
    assert "code" not in line


def test_grant_serves_once_and_for_nothing_else() -> None:
    """The witness asks for one start; what C starts in its place, or once more, is decided by itself."""
    code = SPAWN + """
import subprocess
subprocess.run(["/bin/true", "a"])
spawn("/bin/true", "a"), spawn("/bin/true", "b")
"""
    done = run(code)
    lines = [line for line in done.lines("exec") if line["exec"]["program"] == "/bin/true"]
    assert [line["layers"] for line in lines] == [["hook"], ["kernel"], ["kernel"]]
    assert len([line for line in done.lines("result") if line["of"] == lines[0]["seq"]]) == 1


def test_denial_reaches_python_with_its_rule_and_every_other_starter_as_an_error() -> None:
    code = SPAWN + """
import subprocess
for start in (lambda: subprocess.run(["true"]), lambda: os.execv("/bin/true", ["true"]), lambda: os.system("true")):
    try:
        start()
    except PermissionError as error:
        print(type(error).__name__, error.rule)
print(spawn("/bin/true"))
"""
    rules = LOG + "rules:\n  - {name: none, deny: exec}\n"
    done = run(code, rules=rules)
    assert done.stdout.split("\n")[:4] == ["Denied none"] * 3 + ["13"], done.stderr


# What is no start


def test_places_along_path_where_nothing_is_leave_no_line(tmp_path: Path) -> None:
    places = [tmp_path / str(number) for number in range(10)]
    for place in places[:9]:
        place.mkdir()
    (places[3] / "tool").mkdir()  # a folder
    (places[4] / "tool").write_text("#!/bin/sh\n")  # no right to start it
    (places[9]).symlink_to("/bin")
    search = ":".join(map(str, places))
    done = shell(f"PATH={search}; true; env true a; tool; /none", env={"PATH": "/usr/bin:/bin"})
    assert done.status == 127
    assert [line["exec"]["argv"] for line in done.lines("exec")] == [["env", "true", "a"], ["true", "a"]]
    assert "Permission denied" in done.stderr


def test_file_of_no_format_is_no_start_and_its_shell_is_one(tmp_path: Path) -> None:
    file = tmp_path / "plain"
    file.write_text("true a\n")
    file.chmod(0o755)
    done = run(f"import os\ntry: os.execv({str(file)!r}, ['x'])\nexcept OSError as error: print(error.strerror)")
    assert done.stdout == "Exec format error\n"
    assert not [line for line in done.lines("exec") if line["layers"] == ["kernel"]]


def test_script_is_one_start(tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text("#!/bin/sh\n:\n")
    file.chmod(0o755)
    done = shell(f"{file} a; :")
    assert [line["exec"]["argv"] for line in done.lines("exec")] == [[str(file), "a"]]


# Guarded or not


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("{python} -c ''", ""),
        ("{python} -I -c ''", "-I"),
        ("PYTHONPATH= {python} -c ''", "an environment without the guard"),
        ("PYTHONPATH=/mine:$PYTHONPATH {python} -c ''", "an environment without the guard"),
        ("NETGUARD_RUN=other {python} -c ''", "an environment without the guard"),
        ("PYTHONPYCACHEPREFIX=/mine {python} -c ''", "an environment without the guard"),
        ("exec env -i {python} -c ''", "an environment without the guard"),
        ("LD_PRELOAD=/mine.so {python} -c ''", "LD_PRELOAD"),
        ("LD_LIBRARY_PATH=/mine /bin/true", "LD_LIBRARY_PATH"),
        ("NETGUARD_CHANNEL=@other {python} -c ''", "NETGUARD_CHANNEL"),
    ],
)
def test_rule_that_names_a_program_means_it_under_the_guard(words: str, reason: str) -> None:
    """As where Python starts it."""
    python = os.path.realpath(sys.executable)
    for unguarded in ("false", "true"):
        rule = f"{{log: exec, program: [env, 'true', {python}], unguarded: {unguarded}}}"
        rules = f"version: 1\ndefault: deny\nrules:\n  - {rule}\n"
        done = shell(f"{words.format(python=python)}; :", rules)
        line = done.lines("exec")[-1]
        granted = not reason or unguarded == "true"
        assert line["verdict"] == ("log" if granted else "deny"), line
        if reason:
            assert line["exec"]["shim"] == f"off: {reason}"
            if not granted:
                assert f"not with {reason}" in line["why"]
        else:
            assert line["exec"]["shim"] == "on"


def test_what_a_start_was_granted_with_is_not_new_below_it() -> None:
    rules = "version: 1\ndefault: deny\nrules:\n  - {log: exec, program: [sh, env], unguarded: true}\n"
    rules += "  - {log: exec, program: 'true'}\n"
    done = shell("LD_LIBRARY_PATH=/mine sh -c 'true; env true a; :'; LD_LIBRARY_PATH=/mine /bin/true b; :", rules)
    told = [(line["exec"]["argv"], line["verdict"], line["exec"]["shim"]) for line in done.lines("exec")]
    assert (["true", "a"], "log", "off: not Python") in told
    assert (["/bin/true", "b"], "deny", "off: LD_LIBRARY_PATH") in told


def test_script_by_way_of_env_may_start_as_the_runs_own(tmp_path: Path) -> None:
    """It was asked for on the command line, and is no act of the guest's; what it starts then is."""
    search = tmp_path / "bin"
    search.mkdir()
    (search / "python-here").symlink_to(sys.executable)
    script = tmp_path / "tool"
    script.write_text("#!/usr/bin/env python-here\nimport os\nprint('ran')\nos.execv('/bin/true', ['true'])\n")
    script.chmod(0o755)
    path = f"{search}:/usr/bin:/bin"
    rules = "version: 1\ndefault: deny\n"
    done = run_guarded(["--", str(script)], rules=rules, wall="require", options=["--quiet"], env={"PATH": path})
    assert done.stdout == "ran\n", done.stderr
    assert [line["exec"]["program"] for line in done.lines("exec")] == ["/bin/true"]
    again = run_guarded(["--", "/bin/sh", "-c", str(script)], rules=rules, wall="require", env={"PATH": path})
    assert again.stdout == ""


def test_wrapper_ends_in_the_runs_own_python_and_in_nothing_else(tmp_path: Path) -> None:
    """`python` on PATH is a script of a shell's with many; once the Python has reported, a start is a start."""
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nenv true\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    code = "import os\nprint('ran', flush=True)\nos.execv(os.environ['AGAIN'], ['x', '-c', 'print(2)'])"
    rules = "version: 1\ndefault: deny\n"
    env = {"AGAIN": sys.executable}
    done = run_guarded(["--", str(wrapper), "-c", code], rules=rules, wall="require", options=["--quiet"], env=env)
    assert done.stdout == "ran\n", done.stderr
    assert [line["exec"]["argv"][0] for line in done.lines("exec")] == ["env", "env", "x"][-len(done.lines("exec")) :]
    assert {line["verdict"] for line in done.lines("exec")} == {"deny"}
    blind = run_guarded(["--", str(wrapper), "-m", "x"], rules=rules, wall="require", env={"PATH": "/bin"})
    assert blind.lines("coverage", event="process")


# What goes wrong


@pytest.mark.parametrize(("fault", "outcome"), [("", "0"), (LIMIT, "13")], ids=["control", "full"])
def test_nothing_starts_that_cannot_be_put_on_record(tmp_path: Path, fault: str, outcome: str) -> None:
    fill = "import contextlib, socket\nfor _ in range(40):\n    with contextlib.suppress(OSError):\n"
    fill += "        socket.socket().connect(('127.0.0.1', 9))\n"
    code = SPAWN + "spawn('/bin/true')\n" + fill + "print(spawn('/bin/true'))"
    with running(tmp_path, ["-c", code], fault=fault, wall="require") as running_:
        out, err = running_.process.communicate(timeout=60)
    assert out.split() == [outcome], err


FAULT = """
from netguard.supervisor.surroundings import Surroundings
def broken(*args): raise RuntimeError("broken")
Surroundings.against = broken
"""


@pytest.mark.parametrize(("fault", "outcome"), [("", "0"), (FAULT, "13")], ids=["control", "broken"])
def test_fault_of_ours_starts_nothing(tmp_path: Path, fault: str, outcome: str) -> None:
    with running(tmp_path, ["-c", SPAWN + "print(spawn('/bin/true'))"], fault=fault, wall="require") as running_:
        out, err = running_.process.communicate(timeout=60)
        lines = running_.lines("tamper")
    assert out.split() == [outcome], err
    assert bool(lines) == bool(fault)


# What a person is told


def test_program_that_the_filter_leaves_nothing_to_do_is_told_of_once(tmp_path: Path) -> None:
    tool = tmp_path / "strace"
    tool.write_text("#!/bin/sh\n:\n")
    tool.chmod(0o755)
    done = shell(f"{tool}; {tool} -f; :", options=[])
    said = [line for line in done.stderr.splitlines() if line.startswith("netguard: strace")]
    assert len(said) == 1
    assert "--wall off" in said[0]
    denied = shell(f"{tool}; :", LOG + "rules:\n  - deny: exec\n", options=[])
    assert "netguard: strace" not in denied.stderr
