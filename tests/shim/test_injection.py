"""The guard without a supervisor: asked for by variables alone, in any interpreter, from any place."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.inject.environments import bare
from tests.shim.guests import acts, guarded, plain, said, write
from tests.support.echo import TcpEcho
from tests.support.guard import Result
from tests.support.injection import ROOT, STARTER, asking, compiled, run_injected, verified
from tests.support.interpreters import Interpreter, interpreters
from tests.support.isolation import Namespace

RULES = """
version: 1
default: log
rules:
  - {name: closed, deny: connect, to: "127.0.0.9", because: "nobody is at home"}
  - {name: quiet, allow: [connect, dns], to: ["127.0.0.1:1-9", "localhost:7"]}
  - {name: no-tools, deny: exec, program: curl}
"""

MEETS = """
import json, socket, sys
met = []
for host, port in [("127.0.0.9", 80), ("127.0.0.1", 7), ("localhost", 7), ("127.0.0.1", 99)]:
    try:
        socket.create_connection((host, port), 5)
        met.append("open")
    except OSError as error:
        met.append(type(error).__name__)
print(json.dumps(met))
"""

MET = ["Denied", "ConnectionRefusedError", "ConnectionRefusedError", "ConnectionRefusedError"]


def injected(
    folder: Path, code: str, interpreter: Interpreter | None = None, rules: str = RULES, **how: Any
) -> Result:
    python = (interpreter or interpreters()[0]).path
    return run_injected([python, write(folder, code)], folder, rules, **how)


def test_a_guest_decides_and_records_by_itself(interpreter: Interpreter, tmp_path: Path) -> None:
    bare = plain(tmp_path, [interpreter.path, write(tmp_path, MEETS)])
    assert said(bare) == ["ConnectionRefusedError"] * 4  # the control: without the guard nothing is denied
    run = injected(tmp_path, MEETS, interpreter)
    assert (run.status, run.stderr) == (0, "")
    assert said(run) == MET
    assert acts(run) == [("connect", "socket.connect", "deny"), ("connect", "socket.connect", "log")]
    first, *_, counted, last = run.trail
    assert (first["kind"], first["event"], first["seq"]) == ("coverage", "injection", 0)
    assert first["policy"] == hashlib.sha256((tmp_path / "compiled.policy").read_bytes()).hexdigest()
    assert first["chain"].startswith(f"{first['proc']['pid']}-")
    assert (counted["kind"], counted["counts"]) == ("count", {"quiet": 2})
    assert (last["kind"], last["decisions"]) == ("close", 4)
    report = verified(tmp_path / "trail.jsonl")
    assert report["whole"], report
    assert report["unclosed"] == 0


LIMITED = """\
version: 1
rules: [{name: few, allow: connect, to: "127.0.0.1", limit: {connections: 4/h, per: process}}]
"""

HALF = """\
import os, socket, sys
for _ in range(2):
    socket.socket().connect_ex(("127.0.0.1", 7))
child = os.fork()
if child == 0:
    try:
        socket.socket().connect(("127.0.0.9", 7))
    except OSError:
        pass
    sys.exit()
os.waitpid(child, 0)
"""


def test_how_full_limits_are_is_told_by_the_process_that_used_them(tmp_path: Path) -> None:
    """Once: a child that was forked meanwhile has nothing of its own to tell."""
    run = injected(tmp_path, HALF, rules=LIMITED)
    assert run.status == 0, run.stderr
    assert len({line["chain"] for line in run.trail}) == 2
    (counted,) = [line for line in run.trail if line["kind"] == "count"]
    pid = counted["chain"].partition("-")[0]
    limit = {"rule": "few", "limit": "connections 4/h per process", "key": pid, "fill": 0.5}
    assert (counted["counts"], counted["limits"]) == ({"few": 2}, [limit])


def test_a_denial_has_the_line_of_code_and_the_rule(tmp_path: Path) -> None:
    run = injected(tmp_path, MEETS)
    (denial,) = run.lines("connect", verdict="deny")
    assert (denial["rule"], denial["why"]) == ("closed", "nobody is at home")
    assert denial["dst"] == {"ip": "127.0.0.9", "port": 80, "proto": "tcp"}
    assert denial["code"]["file"] == str(tmp_path / "guest.py")
    assert denial["code"]["line"] == 6
    (logged,) = run.lines("connect", verdict="log")
    (result,) = run.lines("result", of=logged["seq"])
    assert result["errno"] == 111


def lay_out(folder: Path) -> Path:
    """The guest's part and nothing else, as an image would hold it."""
    root = folder / "guard"
    clean = shutil.ignore_patterns("__pycache__")
    for part in ("core", "record", "shim"):
        shutil.copytree(f"{ROOT}/netguard/{part}", root / "netguard" / part, ignore=clean)
    for name in ("denied.py", "resolver.py"):
        shutil.copy(f"{ROOT}/netguard/{name}", root / "netguard")
    shutil.copytree(STARTER, root / "sitecustomize", ignore=clean)
    return root


def zipped(root: Path) -> Path:
    """The same as an archive."""
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*.py")):
            archive.write(file, file.relative_to(root))
    return path


def read_only(root: Path) -> None:
    for path in [root, *root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)


@pytest.mark.parametrize("place", ["folder", "folder above", "zip", "zip above"])
def test_the_guest_part_is_enough(interpreter: Interpreter, tmp_path: Path, place: str) -> None:
    """No site-packages of netguard's, its folder read-only, or in a zip; nothing is written beside it."""
    root = lay_out(tmp_path)
    home = zipped(root) if "zip" in place else root
    read_only(root)
    starter = str(home) if "above" in place else f"{home}/sitecustomize"
    run = injected(tmp_path, MEETS, interpreter, starter=starter)
    assert (said(run), run.stderr) == (MET, "")
    if os.geteuid() != 0:  # who is root writes where nobody may
        assert not list(root.rglob("__pycache__"))


def test_the_wheel_s_layout_guards_too(tmp_path: Path) -> None:
    root = lay_out(tmp_path)
    shutil.move(root / "sitecustomize", root / "netguard" / "starter")
    run = injected(tmp_path, MEETS, starter=str(root / "netguard" / "starter"))
    assert said(run) == MET


def test_nothing_is_loaded_that_a_bare_interpreter_has_not(interpreter: Interpreter, tmp_path: Path) -> None:
    code = "import sys; modules = sorted(sys.modules); import json; print(json.dumps(modules))"
    before = set(said(plain(tmp_path, [interpreter.path, write(tmp_path, code)])))
    after = set(said(injected(tmp_path, code, interpreter)))
    assert after - before <= {"_socket", "_json", "_sha2", "_sha256", "pwd", "atexit", "fcntl", "zipimport"}


def test_without_a_request_nothing_starts(tmp_path: Path) -> None:
    code = "import sys; print(len([name for name in sys.modules if 'netguard' in name]))"
    run = plain(tmp_path, [interpreters()[0].path, write(tmp_path, code)], env={"PYTHONPATH": STARTER})
    assert (run.stdout, run.stderr) == ("0\n", "")


def test_a_socket_that_is_handed_over_stays_as_it_was(interpreter: Interpreter, tmp_path: Path) -> None:
    """Each process takes it anew; a default time-out of the guest's does nothing to what others write to."""
    code = """
    import os, socket
    socket.setdefaulttimeout(0.2)
    if os.fork() == 0:
        socket.socket().connect_ex(("127.0.0.1", 99))
        os._exit(0)
    assert os.wait()[1] == 0
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        env = {"NETGUARD_LOG": None, "NETGUARD_LOG_FD": str(theirs.fileno())}
        run = injected(tmp_path, code, interpreter, env=env, pass_fds=[theirs.fileno()])
        assert run.status == 0, run.stderr
        assert os.get_blocking(theirs.fileno())
        theirs.close()
        lines = [json.loads(line) for line in iter(lambda: ours.recv(9_999), b"")]
    assert len({line["chain"] for line in lines}) == 2
    assert "connect" in [line["kind"] for line in lines]


BROKEN = {
    "a name that nobody knows": ({"NETGUARD_POLCY": "/x"}, "NETGUARD_POLCY is set, which this version does not know"),
    "no policy": ({"NETGUARD_POLICY": None}, "neither NETGUARD_POLICY nor NETGUARD_CHANNEL"),
    "no place for lines": ({"NETGUARD_LOG": None}, "one of NETGUARD_LOG and NETGUARD_LOG_FD must be"),
    "two places": ({"NETGUARD_LOG_FD": "3"}, "one of NETGUARD_LOG and NETGUARD_LOG_FD must be"),
    "a policy that is not there": ({"NETGUARD_POLICY": "/nonexistent"}, "cannot be read: No such file"),
    "a policy that is none": ({"NETGUARD_POLICY": __file__}, "is no compiled policy"),
    "a policy that is a socket": ({"NETGUARD_POLICY": "unix:/x"}, "NETGUARD_POLICY=unix:/x: not absolute"),
    "a relative policy": ({"NETGUARD_POLICY": "compiled.policy"}, "not absolute"),
    "a relative log": ({"NETGUARD_LOG": "trail.jsonl"}, "not absolute"),
    "another policy": ({"NETGUARD_POLICY_SHA256": "0" * 64}, "it was changed"),
    "a digest that is none": ({"NETGUARD_POLICY_SHA256": "0"}, "64 hex digits"),
    "a run that is no name": ({"NETGUARD_RUN": "a b"}, "a name of 1 to 64"),
    "a descriptor that is none": ({"NETGUARD_LOG": None, "NETGUARD_LOG_FD": "two"}, "not a descriptor's number"),
    "standard error": ({"NETGUARD_LOG": None, "NETGUARD_LOG_FD": "2"}, "programs send 0 to 2 elsewhere"),
    "a closed descriptor": ({"NETGUARD_LOG": None, "NETGUARD_LOG_FD": "77"}, "cannot be opened: Bad file descriptor"),
    "a log that cannot be made": ({"NETGUARD_LOG": "/nonexistent/log"}, "cannot be opened: No such file"),
    "a socket that nobody made": ({"NETGUARD_LOG": "unix:/nonexistent"}, "cannot be opened"),
    "tags that are none": ({"NETGUARD_TAGS": "job"}, "KEY=VALUE"),
    "a dry run of a kind": ({"NETGUARD_DRY_RUN": "yes"}, "1 or 0"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_guard_that_cannot_be_as_asked_stops_the_program(tmp_path: Path, name: str) -> None:
    changes, text = BROKEN[name]
    run = injected(tmp_path, "print('ran')", env=changes)
    assert run.status == 125
    assert "ran" not in run.stdout
    assert text in run.stderr
    assert run.stderr.count("\n") == 1
    assert run.stderr.startswith("netguard: the guard could not start, so the program was stopped: ")


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.8"])
def test_a_python_that_cannot_be_guarded_is_stopped(tmp_path: Path, version: str) -> None:
    found = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{version}.*/bin/python"))
    if not found or not os.access(found[0], os.X_OK):
        pytest.skip(f"no CPython {version} here")
    # Python 2 would put its compiled form right beside the starter.
    run = run_injected([str(found[0]), "-B", "-c", "print('ran')"], tmp_path, RULES)
    assert (run.status, run.stdout) == (125, "")
    assert f"Python {version} has no hooks" in run.stderr


def test_twice_is_once(interpreter: Interpreter, tmp_path: Path) -> None:
    """The path names the starter and the folder above it, and a `.pth` line runs it as well."""
    starter = f"{STARTER}:{ROOT}"
    again = f"""
S = {STARTER!r} + "/sitecustomize.py"
exec(compile(open(S).read(), S, "exec"), {{"__name__": "netguard.pth", "__file__": S}})
"""
    run = injected(tmp_path, again + MEETS, interpreter, starter=starter)
    assert said(run) == MET
    assert acts(run) == [("connect", "socket.connect", "deny"), ("connect", "socket.connect", "log")]
    assert len(run.lines("coverage")) == 1


def test_tags_session_and_run_stand_on_the_lines(tmp_path: Path) -> None:
    rules = RULES + "  - {name: job, deny: connect, to: '127.0.0.8', tags: {job: nightly}}\n"
    code = MEETS.replace("127.0.0.1\", 99", "127.0.0.8\", 99")
    env = {"NETGUARD_RUN": "run-7", "NETGUARD_SESSION": "s-1", "NETGUARD_TAGS": "job=nightly,team=a"}
    run = injected(tmp_path, code, rules=rules, env=env)
    assert [line["rule"] for line in run.lines("connect", verdict="deny")] == ["closed", "job"]
    assert {line["run"] for line in run.trail} == {"run-7"}
    assert run.lines("connect")[0]["tags"] == {"session": "s-1", "job": "nightly", "team": "a"}


def test_a_dry_run_denies_nothing(tmp_path: Path) -> None:
    run = injected(tmp_path, MEETS, env={"NETGUARD_DRY_RUN": "1"})
    assert said(run) == ["ConnectionRefusedError"] * 4
    assert run.lines("connect")[0]["would"] == "deny"


def test_secrets_are_hidden(tmp_path: Path) -> None:
    code = """
    import subprocess, os
    for argv in (["true", "--password", "hunter22-x"], ["true", "https://bob:s3cret-pass@host.test/"],
                 ["true", os.environ["API_TOKEN"]], ["true", "ghp_" + "a1" * 20],
                 ["true", "Authorization: Bearer abcdef123456"]):
        subprocess.run(argv)
    """
    run = injected(tmp_path, code, env={"API_TOKEN": "tok-very-secret-1"})
    text = (tmp_path / "trail.jsonl").read_text()
    assert len(run.lines("exec")) == 5
    for secret in ("hunter22-x", "s3cret-pass", "tok-very-secret-1", "a1a1a1", "abcdef123456"):
        assert secret not in text
    assert "[redacted 17]" in text


def test_names_are_decided_on_and_their_addresses_leased(netns: Namespace, tmp_path: Path) -> None:
    """A denied name sends no packet; an address is judged by the name it was given for; a private one is refused."""
    dns = netns.open(
        "dns", names={"api.example.test": ["192.0.2.7"], "evil.example.test": ["192.0.2.8"],
                      "inside.example.test": ["10.0.0.7"]}, port=53,
    )  # fmt: skip
    api = netns.open("http", port=80, host="0.0.0.0")
    rules = """
    version: 1
    default: deny
    rules:
      - {name: api, log: any, to: "api.example.test:80", private: true}
      - {name: inside, log: any, to: "inside.example.test:80"}
    """
    code = """
    import json, socket, urllib.request
    met = []
    for name in ("api.example.test", "evil.example.test", "inside.example.test"):
        try:
            met.append(urllib.request.urlopen(f"http://{name}/", timeout=5).status)
        except OSError as error:
            met.append(type(getattr(error, "reason", error)).__name__)
    for address in ("192.0.2.7", "192.0.2.8"):
        try:
            socket.create_connection((address, 80), 5)
            met.append("open")
        except OSError as error:
            met.append(type(error).__name__)
    print(json.dumps(met))
    """
    run = injected(tmp_path, code, rules=rules, within=netns)
    assert said(run) == [200, "Denied", "Denied", "open", "Denied"], run.stderr
    asked = {name for name, _ in dns.seen()["questions"]}
    assert asked == {"api.example.test", "inside.example.test"}
    assert len(api.seen()["hits"]) == 1
    assert [(line["verdict"], line["dns"]["name"]) for line in run.lines("dns")] == [
        ("log", "api.example.test"), ("deny", "evil.example.test"), ("log", "inside.example.test"),
        ("deny", "inside.example.test"),
    ]  # fmt: skip


def test_own_servers_are_the_run_s_own(tcp_echo: TcpEcho, tmp_path: Path) -> None:
    """A listener of the process's, also in a fork of it; not one of somebody else's."""
    rules = "version: 1\ndefault: deny\nrules:\n  - {allow: any, to: '@self'}\n"
    code = f"""
    import json, os, socket
    server = socket.create_server(("127.0.0.1", 0))
    def tries(port):
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return "open"
        except OSError as error:
            return type(error).__name__
    met = [tries(server.getsockname()[1]), tries({tcp_echo.port})]
    r, w = os.pipe()
    if os.fork() == 0:
        os.write(w, tries(server.getsockname()[1]).encode())
        os._exit(0)
    os.wait()
    met.append(os.read(r, 99).decode())
    port = server.getsockname()[1]
    server.close()
    met.append(tries(port))
    print(json.dumps(met))
    """
    assert said(injected(tmp_path, code, rules=rules)) == ["open", "Denied", "open", "Denied"]


def test_the_policy_is_checked_again_by_children(tmp_path: Path) -> None:
    """A guest that writes another policy over the first has no child that goes by it."""
    code = """
    import os, subprocess, sys
    path = sys.argv[1]
    with open(path, "w") as file:
        file.write("netguard-policy 1\\ndefault allow\\nend 0\\n")
    done = subprocess.run([sys.executable, "-c", "print('ran')"], capture_output=True, text=True)
    print(done.returncode, done.stdout, done.stderr)
    """
    env = asking(tmp_path, RULES)
    run = run_injected([interpreters()[0].path, write(tmp_path, code), env["NETGUARD_POLICY"]], tmp_path, RULES)
    assert "125" in run.stdout
    assert "ran" not in run.stdout
    assert "it was changed" in run.stdout
    assert compiled(tmp_path, RULES)  # the control: untouched, it is taken
    assert said(injected(tmp_path, MEETS)) == MET


@pytest.mark.parametrize("event", ["socket.__new__", "fcntl.fcntl", "time.sleep"])
def test_a_rule_may_name_an_event_that_the_guard_itself_raises(tmp_path: Path, event: str) -> None:
    """Asking about what asking raises would have no end."""
    rules = RULES + f"  - {{name: seen, log: 'audit:{event}'}}\n"
    code = "import os, time\nif os.fork() == 0:\n    time.sleep(0)\n    os._exit(0)\nos.wait()\n" + MEETS
    run = injected(tmp_path, code, rules=rules)
    assert said(run) == MET, run.stderr
    assert verified(tmp_path / "trail.jsonl")["whole"]


def test_a_child_refuses_another_log(tmp_path: Path) -> None:
    """As a shell between would have it: the file is moved, and the next Python finds another in its place."""
    shell = 'mv "$1" "$1.old"; "$0" -c "print(1)"; echo $?'
    code = f"""
    import os, sys
    os.execv("/bin/sh", ["sh", "-c", {shell!r}, sys.executable, sys.argv[1]])
    """
    words = [interpreters()[0].path, write(tmp_path, code), str(tmp_path / "trail.jsonl")]
    run = run_injected(words, tmp_path, RULES)
    assert run.stdout.split() == ["125"]
    assert "not what the run began with" in run.stderr


def test_a_sub_interpreter_is_of_the_same_run(interpreter: Interpreter, tmp_path: Path) -> None:
    module = "_interpreters" if interpreter.version >= (3, 13) else "_xxsubinterpreters"
    run_it = "exec" if interpreter.version >= (3, 13) else "run_string"
    code = f"""
    import {module} as interpreters
    inner = interpreters.create()
    interpreters.{run_it}(inner, '''if 1:
        import socket
        try:
            socket.create_connection(("127.0.0.9", 80), 5)
        except OSError as error:
            print(type(error).__name__, flush=True)
    ''')
    """
    run = injected(tmp_path, code, interpreter)
    assert run.stdout == "Denied\n", run.stderr
    assert len({line["run"] for line in run.trail}) == 1
    assert len({line["chain"] for line in run.trail}) == 2


def test_the_collector_is_as_the_program_would_find_it(interpreter: Interpreter, tmp_path: Path) -> None:
    """But that it does not look through what was there before: not in a sub-interpreter, whose memory would be lost."""
    module = "_interpreters" if interpreter.version >= (3, 13) else "_xxsubinterpreters"
    run_it = "exec" if interpreter.version >= (3, 13) else "run_string"
    code = f"""
    import sys
    print("gc" in sys.modules, flush=True)
    tells = '''if 1:
        import gc
        class Ring:
            def __init__(self): self.ring = self
        Ring()
        print(gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.callbacks, gc.garbage, gc.collect() > 0)
        print(gc.get_freeze_count(), flush=True)
    '''
    exec(tells)
    import {module} as interpreters
    interpreters.{run_it}(interpreters.create(), tells)
    """
    before = plain(tmp_path, [interpreter.path, write(tmp_path, code)]).stdout.splitlines()
    for run in injected(tmp_path, code, interpreter), guarded(tmp_path, code, interpreter):
        after = run.stdout.splitlines()
        assert int(after[2]) - int(before[2]) > 1_000, run.stderr
        assert [*after[:2], *after[3:]] == [*before[:2], *before[3:]]


#: A line of a `.pth` file, which runs before any `sitecustomize`: whoever loads a module of ours by it would be heard.
LISTENS = (
    "import sys, types; exec(\"class F:\\n @staticmethod\\n def find_spec(n, p=None, t=None):\\n"
    "  if n.startswith('netguard'): print('asked for', n)\\nsys.meta_path.insert(0, F)\\n"
    "sys.modules['netguard.core.decide'] = types.SimpleNamespace(decide=None)\")\n"
)


def test_nobody_s_finder_is_asked_for_our_modules(interpreter: Interpreter, tmp_path: Path) -> None:
    """Nor is a module taken that somebody has put under the name of one of ours."""
    place = bare(interpreter.path, tmp_path / "venv")
    (Path(place.sites[0]) / "a.pth").write_text(LISTENS)
    control = run_injected([place.python, "-c", "try: import netguard.x\nexcept ImportError: pass"], tmp_path, RULES)
    assert "asked for netguard" in control.stdout
    run = run_injected([place.python, write(tmp_path, MEETS)], tmp_path, RULES)
    assert said(run) == MET, run.stderr
    assert "asked for" not in run.stdout


def test_the_same_act_again_names_who_did_it(tmp_path: Path) -> None:
    """What is remembered of an act is the thread's and the process's own."""
    code = """
        import os, socket, threading
        def knock():
            for _ in range(3):
                socket.socket().connect_ex(("127.0.0.1", 99))
            return threading.get_native_id(), os.getpid()
        knock()
        thread = threading.Thread(target=knock)
        thread.start()
        thread.join()
        if os.fork() == 0:
            knock()
            os._exit(0)
        os.wait()
        knock()
    """
    run = injected(tmp_path, code)
    assert run.status == 0, run.stderr
    told = [(line["proc"]["pid"], line["proc"]["tid"]) for line in run.lines("connect")]
    parent, thread, child = told[0], told[3], told[6]
    assert told == [parent] * 3 + [thread] * 3 + [child] * 3 + [parent] * 3
    assert parent[0] == thread[0] != child[0] == child[1]
    assert len({parent, thread, child}) == 3
    assert sorted(line["of"] for line in run.lines("result")) == sorted(line["seq"] for line in run.lines("connect"))
    assert [line["decisions"] for line in run.lines("close")] == [3, 9]
