"""The guard's own variables: kept for children whatever the guest does, and never seen by it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from netguard.shim.arguments import Hostile
from netguard.shim.environment import Environment, Hold
from tests.shim.guests import ALLOW, LOG, STARTER, guarded, plain, said, write
from tests.support.guard import run_guarded
from tests.support.interpreters import Interpreter, interpreters

#: What a program can see of its environment, in itself, after a reload, in a sub-interpreter and in a child.
VIEW = """\
import importlib, json, os, posix, subprocess, sys
def rows(places):
    return sorted(map(str, places.items()))
def view():
    return [dict(os.environ), rows(posix.environ), rows(os.environb), os.getenv("PYTHONPATH"), sys.path,
            str(sys.flags), sys.pycache_prefix, sorted(sys._xoptions)]
if sys.argv[1:]:
    print(json.dumps(view()))
    raise SystemExit
found = [view()]
if hasattr(os, "reload_environ"):
    os.reload_environ()
    found.append(view())
del sys.modules["posix"]
import posix
found.append(rows(posix.environ))
child = [sys.executable, __file__, "child"]
for env in (None, {}, dict(os.environ), {"PYTHONPATH": ":relative:/x", "PYTHONPYCACHEPREFIX": "/tmp/c"}):
    found.append(json.loads(subprocess.run(child, env=env, stdout=-1).stdout))
os.environ["PYTHONPATH"] = "/set/by/the/guest"
del os.environ["HOME"]
found.append(json.loads(subprocess.run(child, stdout=-1).stdout))
try:
    import _interpreters as sub
except ImportError:
    import _xxsubinterpreters as sub
read, write = os.pipe()
code = f"import os, sys, json; os.write({write}, json.dumps([sorted(os.environ.items()), sys.path]).encode())"
(getattr(sub, "run_string", None) or sub.exec)(sub.create(), code)
found.append([row for row in json.loads(os.read(read, 99999)) if row])
print(json.dumps(found, default=str))
"""

#: The user's own, before netguard.
SETTINGS: dict[str, Mapping[str, str | None]] = {
    "nothing": {},
    "a path": {"PYTHONPATH": "/one::/two/../three:/one:"},
    "an empty path": {"PYTHONPATH": ""},
    "a cache": {"PYTHONPYCACHEPREFIX": "/tmp/cache-of-the-user"},
    "both, and what is not text": {"PYTHONPATH": "/caf\udce9", "PYTHONPYCACHEPREFIX": ""},
}


@pytest.mark.parametrize("what", SETTINGS)
def test_environment_is_that_of_a_plain_run(what: str, interpreter: Interpreter, tmp_path: Path) -> None:
    """All of `os.environ`, `sys.path` and `sys.flags`, also in children, sub-interpreters and fresh modules."""
    env = {**SETTINGS[what], "PYTHONDONTWRITEBYTECODE": "1", "XDG_STATE_HOME": str(tmp_path)}
    bare = said(plain(tmp_path, [interpreter.path, write(tmp_path, VIEW)], env=env))
    seen = said(guarded(tmp_path, VIEW, interpreter, rules=ALLOW, env=env))
    assert "NETGUARD" not in str(seen)
    assert STARTER not in str(seen)
    assert seen == bare


def test_path_of_the_first_program_runs_nothing_before_the_guard(tmp_path: Path) -> None:
    """`encodings` comes from the path before any `sitecustomize`: in a plain run, and never in the guest."""
    interpreter = interpreters()[0]  # the supervisor's own, which is not to fail on the trap
    evil = tmp_path / "evil"
    (evil / "encodings").mkdir(parents=True)
    trap = "import posix\nposix.write(1, b'trap %d\\n' % posix.getpid())\n"
    code = "import encodings, inspect; print(inspect.getsource(encodings))"
    source = plain(tmp_path, [interpreter.path, "-c", code]).stdout
    folder = plain(tmp_path, [interpreter.path, "-c", "import encodings; print(encodings.__path__[0])"]).stdout.strip()
    (evil / "encodings" / "__init__.py").write_text(f"{trap}__path__.append({folder!r})\n{source}")
    words = [interpreter.path, "-c", "import os; print('guest', os.getpid(), flush=True)"]
    bare = plain(tmp_path, words, env={"PYTHONPATH": str(evil)}).stdout.split()
    assert bare[0] == "trap"
    assert bare[1] == bare[3]
    run = run_guarded(["--", *words], rules=ALLOW, options=["--quiet"], env={"PYTHONPATH": str(evil)})
    trapped, guest = ([line.split()[1] for line in run.stdout.splitlines() if line.startswith(what)] for what in
                      ("trap", "guest"))  # fmt: skip
    assert len(guest) == 1
    assert guest[0] not in trapped, "the supervisor's own Python is the user's affair"


def test_shell_between_may_put_a_path_together(interpreter: Interpreter, tmp_path: Path) -> None:
    """It sees our path and the user's apart; what comes out is what it meant."""
    code = 'import json, os, sys; print(json.dumps([os.environ.get("PYTHONPATH"), sys.path]))'
    line = f"PYTHONPATH=/mine:$PYTHONPATH:/last exec {interpreter.path} -c '{code}'"
    bare = plain(tmp_path, ["sh", "-c", line], env={"PYTHONPATH": "/users"})
    run = run_guarded(["--", "sh", "-c", line], rules=ALLOW, options=["--quiet"], env={"PYTHONPATH": "/users"},
                      cwd=tmp_path)  # fmt: skip
    assert said(run) == said(bare)
    assert said(run)[0] == "/mine:/users:/last"


AROUND = """\
import _imp, json, os, posix, sys
fresh = _imp.create_builtin(posix.__spec__)
_imp.exec_builtin(fresh)
def told(act, *args):
    try:
        act(*args)
        return "done"
    except PermissionError as error:
        return error.rule
env = {b"PATH": b"/bin"}
found = [
    told(fresh.putenv, b"PYTHONPATH", b"/evil"), told(fresh.unsetenv, b"NETGUARD_CHANNEL"),
    told(fresh.putenv, b"NETGUARD_RUN", b"x"), told(fresh.putenv, b"NETGUARD_OTHER", b"x"),
    told(fresh.putenv, b"PYTHONPYCACHEPREFIX", b"/evil"), told(fresh.putenv, b"HARMLESS", b"x"),
    told(fresh.posix_spawn, "/bin/true", ["true"], env), told(fresh.posix_spawn, "/bin/true", ["true"], os.environ),
    told(fresh.execve, "/bin/true", ["true"], env),
    told(os.putenv, "PYTHONPATH", "/fine"), told(os.unsetenv, "NETGUARD_CHANNEL"), told(os.environ.clear),
]
print(json.dumps(found))
"""


def test_whoever_goes_around_the_wrappers_is_refused(interpreter: Interpreter, tmp_path: Path) -> None:
    run = guarded(tmp_path, AROUND, interpreter, rules=ALLOW)
    refused = ["hostile-argument"]
    assert said(run) == [*refused * 5, "done", *refused * 3, "done", "done", "done"]


RACES = """\
import json, os, subprocess, sys, threading
names = []
def change():
    try:
        os.environ["LD_LIBRARY_PATH"] = "/evil"
        names.append("set")
    except PermissionError as error:
        names.append(error.rule)
def told():
    read, write = os.pipe()
    def before():
        change()
        os.write(write, names[-1].encode())
    subprocess.run(["true"], preexec_fn=before)
    return os.read(read, 99).decode()
found = [told()]
os.environ.pop("LD_LIBRARY_PATH", None)
subprocess.run(["true"], env={}, preexec_fn=change)
change()
print(json.dumps([*found, *names, os.environ.get("LD_LIBRARY_PATH")]))
"""


def test_environment_does_not_change_between_question_and_start(interpreter: Interpreter, tmp_path: Path) -> None:
    """`preexec_fn` runs after the question; it may not bring what was not told. Afterwards all is as ever."""
    assert said(plain(tmp_path, [interpreter.path, write(tmp_path, RACES)])) == ["set", "set", "/evil"]
    run = guarded(tmp_path, RACES, interpreter, rules=LOG)
    assert said(run) == ["hostile-argument", "set", "/evil"]


def test_rule_may_name_the_event_of_a_variable(interpreter: Interpreter, tmp_path: Path) -> None:
    rules = "version: 1\ndefault: allow\nrules: [{deny: 'audit:os.putenv'}]\n"
    code = """\
        import os
        try:
            os.environ["A"] = "b"
        except PermissionError as error:
            print(error.rule, "A" in os.environ)
    """
    run = guarded(tmp_path, code, interpreter, rules=rules)
    assert run.stdout.split()[1:] == ["False"]
    assert [line["verdict"] for line in run.lines("audit", event="os.putenv")] == ["deny"]


LOADED = """\
import json, os, subprocess
found = []
for value in ("/tmp/evil.cnf", ""):
    try:
        os.environ["OPENSSL_CONF"] = value
        found.append("set")
    except PermissionError as error:
        found.append(error.rule)
found.append(subprocess.run(["true"]).returncode)
print(json.dumps(found))
"""


def test_variable_that_loads_native_code_here_is_native_code(interpreter: Interpreter, tmp_path: Path) -> None:
    """OpenSSL reads it when `ssl` is first used, and no event follows; a denied one is not set."""
    rules = "version: 1\ndefault: log\nrules: [{deny: native}]\n"
    run = guarded(tmp_path, LOADED, interpreter, rules=rules)
    assert said(run)[1:] == ["set", 0]
    [line] = run.lines("native")
    assert (line["event"], line["native"], line["rule"]) == ("os.putenv", {"path": "/tmp/evil.cnf"}, said(run)[0])
    assert [line["exec"]["shim"] for line in run.lines("exec")] == ["off: not Python"]
    run = guarded(tmp_path, LOADED, interpreter, rules=LOG)
    assert said(run) == ["set", "set", 0]


# Environment by itself

STARTED = {b"NETGUARD_CHANNEL": b"@c", b"NETGUARD_LOG_FD": b"9", b"PYTHONPATH": b"/ours", b"NETGUARD_PYTHONPATH": b"/x"}


@pytest.fixture
def environment() -> Environment:
    return Environment({**STARTED, b"LD_PRELOAD": b"users.so"}, b"/ours")


GUARD = {b"NETGUARD_CHANNEL": b"@c", b"NETGUARD_LOG_FD": b"9", b"PYTHONPATH": b"/ours"}


def test_every_variable_of_the_guard_is_kept(environment: Environment) -> None:
    assert environment.mapping({}) == GUARD
    assert environment.entries([]) == [b"%b=%b" % pair for pair in GUARD.items()]
    assert environment.mapping({"NETGUARD_CHANNEL": "@evil", "NETGUARD_NEW": "x", "A": "b"}) == {**GUARD, b"A": b"b"}
    assert environment.entries(None) is None


def test_first_of_two_values_is_the_one_that_is_judged(environment: Environment) -> None:
    found = environment.entries([b"A=1", b"PYTHONPATH=/one", b"A=2", b"PYTHONPATH=/two"])
    assert isinstance(found, list)
    assert {b"A=1", b"NETGUARD_PYTHONPATH=/one"} < set(found)
    assert len(found) == 5


@pytest.mark.parametrize("fds", [(), (3, 20), (9,)])
def test_trail_s_descriptor_is_handed_on(environment: Environment, fds: tuple[int, ...]) -> None:
    assert environment.passed(fds) == tuple(sorted({*fds, 9}))
    assert Environment({}, b"/ours").passed(fds) == fds


@pytest.mark.parametrize("fds", [[3], None, ("a",)])
def test_descriptors_that_are_none_are_for_c_to_refuse(environment: Environment, fds: object) -> None:
    assert environment.passed(fds) is fds


ACT: Any = ("", "", "", "", "/bin/x", ("x",))


@pytest.mark.parametrize(
    "env",
    [
        {}, {b"A": b"b"}, {**GUARD, b"NETGUARD_NEW": b"x"}, {**GUARD, b"PYTHONPATH": b"/evil:/ours"}, [b"A"], (), "x",
        {**GUARD, b"PYTHONPYCACHEPREFIX": b"/x"}, {"A": "b"},
        [*[b"%b=%b" % pair for pair in GUARD.items()], b"A=1", b"A=2"],
    ],
)  # fmt: skip
def test_environment_without_the_guard_is_hostile(environment: Environment, env: object) -> None:
    with pytest.raises(Hostile):
        environment.told(ACT, ("/bin/x", ["x"], env))


def told(environment: Environment, env: object) -> str:
    return environment.told(ACT, ("/bin/x", ["x"], env))[3]


def test_variables_that_bring_code_are_told_when_they_are_new(environment: Environment) -> None:
    assert told(environment, None) == ""
    assert told(environment, environment.mapping({})) == ""
    assert told(environment, environment.mapping({"LD_PRELOAD": "users.so"})) == ""
    both = {"LD_PRELOAD": "evil.so", "PYTHONHOME": "/x"}
    assert told(environment, environment.mapping(both)) == "LD_PRELOAD PYTHONHOME"
    assert told(environment, environment.entries([b"OPENSSL_CONF=/x", b"HOME=/x"])) == "OPENSSL_CONF"
    assert environment.heard("os.putenv", (b"LD_AUDIT", b"x")) is None
    environment.changed((b"LD_AUDIT", b"x"))
    assert told(environment, None) == "LD_AUDIT"
    assert told(environment, environment.mapping({})) == ""
    environment.changed((b"LD_AUDIT",))
    assert told(environment, None) == ""


def test_hold_of_another_thread_of_a_former_process_binds_nobody(environment: Environment) -> None:
    hold = Hold(environment, None)
    hold.pid, hold.thread = -1, -1
    with hold:
        assert environment.heard("os.putenv", (b"LD_AUDIT", b"x")) is None
    with Hold(environment, None), pytest.raises(Hostile):
        environment.heard("os.putenv", (b"LD_AUDIT", b"y"))
    with Hold(environment, {}):
        assert environment.heard("os.putenv", (b"LD_AUDIT", b"y")) is None


def test_environment_of_a_run_inside_is_its_own_and_told(environment: Environment) -> None:
    inner = {b"NETGUARD_INSIDE": b"1", b"NETGUARD_CHANNEL": b"@inner", b"PYTHONPATH": b"/theirs"}
    assert environment.mapping(inner) == inner
    assert told(environment, inner) == "NETGUARD_CHANNEL"
    same = {**inner, b"NETGUARD_CHANNEL": b"@c"}
    assert environment.mapping(same) == {**GUARD, b"NETGUARD_PYTHONPATH": b"/theirs"}


@pytest.mark.parametrize(
    ("found", "path"),
    [
        ({}, None),
        ({"PYTHONPATH": "/ours"}, None),
        ({"PYTHONPATH": ""}, ""),
        ({"PYTHONPATH": "/ours", "NETGUARD_PYTHONPATH": ""}, ""),
        ({"PYTHONPATH": "/ours:/x"}, "/x"),
        ({"PYTHONPATH": "/a:/ours/:/b", "NETGUARD_PYTHONPATH": "/x:"}, "/a:/x::/b"),
        ({"PYTHONPATH": "/ours:/b:/ours", "NETGUARD_PYTHONPATH": "/x"}, "/x:/b"),
        ({"PYTHONPATH": "/elsewhere", "NETGUARD_PYTHONPATH": "/x"}, "/elsewhere"),
        ({"NETGUARD_PYTHONPATH": "/x"}, None),
    ],
)
def test_path_is_shown_as_it_was_set(environment: Environment, found: dict[str, str], path: str | None) -> None:
    shown = environment.shown({os.fsencode(name): os.fsencode(value) for name, value in found.items()})
    assert shown == ({} if path is None else {b"PYTHONPATH": os.fsencode(path)})
