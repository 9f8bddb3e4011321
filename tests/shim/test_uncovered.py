"""Starts that the guard does not cover: shown to escape it, told with their reason, and refused to a rule by name.

A rule that names a program means it under the guard; `unguarded: true` says otherwise.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netguard.core.compiled import dump
from netguard.policy.load import load_policy
from tests.shim.guests import STARTER, guarded, plain, said, write
from tests.support.echo import TcpEcho
from tests.support.interpreters import Interpreter

#: Starts with `{python}`, `{folder}` and a child `{folder}/child.py` that connects and says what came of it.
PRELUDE = """\
import json, os, subprocess, sys
def run(words, **options):
    try:
        return subprocess.run(words, stdout=-1, stderr=-3, text=True, **options).stdout.strip()
    except PermissionError as error:
        return error.rule
def env(**more):
    return dict(os.environ, **more)
"""

CHILD = """\
import socket
try:
    socket.socket().connect(("127.0.0.1", {port}))
    print("reached")
except PermissionError as error:
    print("held")
"""

#: What a child does with a ._pth beside its interpreter: nobody reads it before 3.11.
PTH = "reached from 3.11 on"

#: call -> (the reason on record, what a child says that was let through).
STARTS = {
    "run(['{python}', '{folder}/child.py'])": ("", "held"),
    "run(['{python}', '-I', '{folder}/child.py'])": ("-I", "reached"),
    "run(['{python}', '-E', '{folder}/child.py'])": ("-E", "reached"),
    "run(['{python}', '-uS', '{folder}/child.py'])": ("-S", "reached"),
    "run(['{folder}/script'])": ("-I", "reached"),
    "run(['{folder}/linked', '-I', '{folder}/child.py'])": ("-I", "reached"),
    "run(['{python}', '-X', 'pycache_prefix={folder}/cache', '{folder}/child.py'])": ("-X pycache_prefix", "held"),
    "run(['{python}', '-W', 'error::child.Kind', '{folder}/child.py'])": ("-W", "held"),
    "run(['{python}', '{folder}/child.py'], env=env(PYTHONWARNINGS='error::child.Kind'))": ("PYTHONWARNINGS", "held"),
    "run(['{python}', '{folder}/child.py'], env=env(PYTHONWARNINGS='error'))": ("", "held"),
    "run(['{python}', '{folder}/child.py'], env=env(LD_PRELOAD='{folder}/none.so'))": ("LD_PRELOAD", "held"),
    "run(['{python}', '{folder}/child.py'], env=env(HOME='{folder}'))": ("", "held"),
    "(os.environ.update(LD_LIBRARY_PATH='{folder}'), run(['{python}', '{folder}/child.py']), "
    "os.environ.pop('LD_LIBRARY_PATH'))[1]": ("LD_LIBRARY_PATH", "held"),
    "run(['{python}', '{folder}/child.py'], env=env(OPENSSL_CONF='x', PYTHONUSERBASE='/x'))": (
        "OPENSSL_CONF, PYTHONUSERBASE", "held",
    ),
    "run(['{folder}/emptied'])": ("env -i", "reached"),
    "run(['{folder}/set'])": ("PYTHONPATH", "reached"),
    "run(['{folder}/beside', '{folder}/child.py'])": ("._pth", PTH),
    "run(['{folder}/by_line'])": ("._pth", PTH),
    "run(['./place/python', '{folder}/child.py'], executable='{python}')": ("._pth", PTH),
}  # fmt: skip


@pytest.fixture
def port() -> Iterator[int]:
    with TcpEcho() as echo:
        yield echo.port


def script(folder: Path, python: str, port: int) -> str:
    write(folder, CHILD.format(port=port), "child.py")
    (folder / "script").write_text(f"#!{python} -I\n{CHILD.format(port=port)}")
    (folder / "script").chmod(0o755)
    (folder / "linked").symlink_to(python)
    first_lines = {
        "emptied": f"/usr/bin/env -S -i {python}",
        "set": f"/usr/bin/env -S PYTHONPATH= {python}",
        "by_line": folder / "beside",
    }
    for name, line in first_lines.items():
        (folder / name).write_text(f"#!{line}\n{CHILD.format(port=port)}")
        (folder / name).chmod(0o755)
    (folder / "place").mkdir(exist_ok=True)
    library = subprocess.run(
        [python, "-c", "import sys; print(*sys.path[1:], sep='\\n')"], stdout=-1, check=True
    ).stdout
    for place in (folder / "beside", folder / "place" / "python"):
        place.unlink(missing_ok=True)
        place.symlink_to(python)
        place.with_name(place.name + "._pth").write_bytes(library)
    calls = [call.format(python=python, folder=folder) for call in STARTS]
    return f"{PRELUDE}print(json.dumps([eval(call) for call in {calls!r}]))"


def outcomes(interpreter: Interpreter) -> list[str]:
    """What each child says that was let through."""
    read = "reached" if interpreter.version >= (3, 11) else "held"
    return [read if outcome == PTH else outcome for _, outcome in STARTS.values()]


def refusals(interpreter: Interpreter) -> list[str]:
    """The same where only a start under the guard is let through."""
    reasons = [reason for reason, _ in STARTS.values()]
    return ["default" if reason else told for reason, told in zip(reasons, outcomes(interpreter), strict=True)]


def rules(port: int, *more: str) -> str:
    lines = [f'deny: connect, to: "127.0.0.1:{port}"', *more]
    return "version: 1\ndefault: deny\nrules:\n" + "".join([f"  - {{{line}}}\n" for line in lines])


PROGRAMS = "program: ['python*', script, linked, emptied, set, beside, by_line]"


def test_start_is_on_record_with_why_the_guard_does_not_cover_it(
    interpreter: Interpreter, port: int, tmp_path: Path
) -> None:
    """Unguarded, each child reaches its target; let through, each does what its reason says."""
    code = script(tmp_path, interpreter.path, port)
    assert set(said(plain(tmp_path, [interpreter.path, write(tmp_path, code)]))) == {"reached"}
    run = guarded(tmp_path, code, interpreter, rules=rules(port, "log: exec"))
    assert said(run) == outcomes(interpreter)
    shims = [line["exec"]["shim"] for line in run.lines("exec")]
    assert shims == [f"off: {reason}" if reason else "on" for reason, _ in STARTS.values()]


def test_rule_that_names_programs_means_them_under_the_guard(
    interpreter: Interpreter, port: int, tmp_path: Path
) -> None:
    code = script(tmp_path, interpreter.path, port)
    run = guarded(tmp_path, code, interpreter, rules=rules(port, f"allow: exec, {PROGRAMS}"))
    assert said(run) == refusals(interpreter)
    whys = {line["why"] for line in run.lines("exec", verdict="deny")}
    assert all("under the guard only" in why and "unguarded: true would" in why for why in whys)
    run = guarded(tmp_path, code, interpreter, rules=rules(port, f"log: exec, {PROGRAMS}, unguarded: true"))
    assert said(run) == outcomes(interpreter)


def test_guest_without_a_supervisor_judges_the_same(interpreter: Interpreter, port: int, tmp_path: Path) -> None:
    """There the guest itself looks at the program and its first line."""
    (tmp_path / "rules.yaml").write_text(rules(port, f"log: exec, {PROGRAMS}"))
    (tmp_path / "policy").write_text(dump(load_policy([str(tmp_path / "rules.yaml")])))
    place = {"NETGUARD_POLICY": str(tmp_path / "policy"), "NETGUARD_LOG": str(tmp_path / "lines")}
    code = write(tmp_path, script(tmp_path, interpreter.path, port))
    run = plain(tmp_path, [interpreter.path, code], env={"PYTHONPATH": STARTER, **place})
    assert said(run) == refusals(interpreter)


def test_any_other_program_is_no_more_and_no_less_than_that(interpreter: Interpreter, tmp_path: Path) -> None:
    """By its name it is let through as ever, but not with code brought along."""
    code = f"""{PRELUDE}print(json.dumps([
        run(["true"]), run(["true"], env=env(LD_PRELOAD="/x.so")), run(["true"], env=env(LD_PRELOAD="")),
        run("true", shell=True), os.system("true"),
    ]))"""
    text = "version: 1\ndefault: deny\nrules: [{log: exec, program: ['true', sh]}]\n"
    run = guarded(tmp_path, code, interpreter, rules=text)
    assert said(run) == ["", "default", "", "", 0]
    assert [line["exec"]["shim"] for line in run.lines("exec", verdict="log")] == ["off: not Python"] * 4


def test_run_inside_a_run_is_told_and_tells_what_its_guest_brings(tmp_path: Path, port: int) -> None:
    """The inner guest asks the inner supervisor, so the outer is told; and it still hears of each act."""
    write(tmp_path, CHILD.format(port=port), "child.py")
    (tmp_path / "inner.yaml").write_text("version: 1\ndefault: log\n")
    start = "subprocess.run(['true'], env={'LD_PRELOAD': ''}); subprocess.run(['true'], env={'LD_AUDIT': '/x.so'})"
    command = [sys.executable, "-m", "netguard", "run", "--quiet", "--rules", str(tmp_path / "inner.yaml"), "--log",
               str(tmp_path / "inner.jsonl")]  # fmt: skip
    code = f"""\
        import subprocess
        for words in (["{tmp_path}/child.py"], ["-c", "import subprocess; {start}"]):
            print(subprocess.run([*{command!r}, *words], stdout=-1, text=True).stdout.strip(), flush=True)
    """
    here = Interpreter(sys.version_info[:2], sys.executable)
    run = guarded(tmp_path, code, here, rules=rules(port, "log: any"))
    assert run.stdout.split() == ["held"], run.stderr
    shims = [line["exec"]["shim"] for line in run.lines("exec")]
    assert shims.count("off: NETGUARD_CHANNEL") == 2
    assert "off: LD_AUDIT, NETGUARD_CHANNEL" in shims
    assert json.loads((tmp_path / "inner.jsonl").read_text().splitlines()[0])["why"].startswith("inside another run")
