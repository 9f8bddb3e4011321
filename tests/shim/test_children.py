"""A Python that guarded code starts is guarded: whatever starts it, in whatever environment, of whatever version.

Each row is first shown to reach its target without a guard. Then each child must meet a denial, on record from its pid,
and nothing that a hostile environment brings along may run before the guard.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from netguard.core.compiled import dump
from netguard.paths import PACKAGE
from netguard.policy.load import load_policy
from tests.shim.guests import STARTER, plain
from tests.support.echo import TcpEcho
from tests.support.guard import clean_environment, run_guarded
from tests.support.interpreters import Interpreter, interpreters

SCRIPT = str(Path(__file__).with_name("starters.py"))
#: What a forged cache would have in place of our own code.
OURS = [STARTER + "/sitecustomize.py", PACKAGE + "/shim/start.py"]

WITH_ENVIRONMENT = ["run", "run_open", "run_preexec", "shell", "execve", "spawnve", "posix_spawn", "posix_spawnp",
                    "aio"]  # fmt: skip
WITHOUT = ["system", "popen", "ptys", "fork_exec", "fork", "spawn", "forkserver", "pool", "shebang", "interpreter"]
ENVIRONMENTS = ["inherited", "empty", "copied", "cleaned", "hostile", "cached", "forged"]
#: A fork and a sub-interpreter have the guard in them already; a fork server lives on in the environment it began with.
BOTH = [*WITH_ENVIRONMENT, "system", "popen", "ptys", "fork_exec", "spawn"]

#: The whole matrix, for one interpreter; the others take every way once and every environment more than once.
ALL = [(way, name) for way in WITH_ENVIRONMENT for name in ENVIRONMENTS] + [(way, "inherited") for way in WITHOUT]
ALL += [(way, "cleared") for way in BOTH]
SOME = [(way, ENVIRONMENTS[-1 - at % 7]) for at, way in enumerate(WITH_ENVIRONMENT)]
SOME += [(way, "inherited") for way in WITHOUT] + [("run", "cleared"), ("system", "cleared")]


class Outcome(NamedTuple):
    """What became of the children: by tag, and what a trap said."""

    children: dict[str, tuple[int, str]]
    traps: list[tuple[str, str]]

    def outcomes(self) -> dict[str, str]:
        return {tag: outcome for tag, (_, outcome) in self.children.items()}


def read(results: Path) -> Outcome:
    rows = [line.split() for line in results.read_text().splitlines()]
    children = {tag: (int(pid), outcome) for tag, pid, outcome in rows if not tag.startswith("evil")}
    return Outcome(children, [(tag, outcome) for tag, _, outcome in rows if tag.startswith("evil")])


@pytest.fixture
def target() -> Iterator[int]:
    with TcpEcho() as echo:
        yield echo.port


def denied_pids(lines: list[dict[str, Any]]) -> set[int]:
    return {line["proc"]["pid"] for line in lines if (line["kind"], line.get("verdict")) == ("connect", "deny")}


def words(folder: Path, python: Interpreter, port: int, rows: list[tuple[str, str, str]]) -> list[str]:
    folder.mkdir()
    results = folder / "results"
    results.touch()
    return [python.path, SCRIPT, str(results), str(port), str(folder), json.dumps(rows), json.dumps(OURS)]


def started(tmp_path: Path, python: Interpreter, port: int, rows: list[tuple[str, str, str]]) -> None:
    """Plain, then guarded."""
    tags = {f"{way}/{name}/{Path(path).name}" for way, name, path in rows}
    bare = plain(tmp_path, words(tmp_path / "bare", python, port, rows))
    found = read(tmp_path / "bare" / "results")
    assert found.outcomes() == dict.fromkeys(tags, "reached"), bare.stderr
    hostile = {name for _, name, _ in rows} & {"hostile", "cached", "cleared"}
    assert {outcome for _, outcome in found.traps} == ({"reached"} if hostile else set())

    rules = f'version: 1\ndefault: log\nrules: [{{deny: connect, to: "127.0.0.1:{port}"}}]\n'
    command = words(tmp_path / "held", python, port, rows)
    run = run_guarded(["--", *command], rules=rules, options=["--quiet"], cwd=tmp_path, timeout=100, wall="off")
    found = read(tmp_path / "held" / "results")
    assert found.outcomes() == dict.fromkeys(tags, "Denied"), run.stderr
    assert {outcome for _, outcome in found.traps} <= {"Denied"}, found.traps
    assert {pid for pid, _ in found.children.values()} <= denied_pids(run.trail)
    assert {line["exec"]["shim"] for line in run.lines("exec")} <= {"on", "off: not Python"}


def test_child_is_guarded_by_every_way_in_every_environment(target: int, tmp_path: Path) -> None:
    python = interpreters()[0]
    started(tmp_path, python, target, [(way, name, python.path) for way, name in ALL])


def test_child_is_guarded_on_every_version(interpreter: Interpreter, target: int, tmp_path: Path) -> None:
    started(tmp_path, interpreter, target, [(way, name, interpreter.path) for way, name in SOME])


ALONE = [("run", "inherited"), ("run", "empty"), ("run_open", "copied"), ("execve", "hostile"),
         ("posix_spawn", "empty"), ("fork_exec", "inherited"), ("fork", "inherited"), ("spawn", "inherited"),
         ("pool", "inherited"), ("system", "cleared")]  # fmt: skip


@pytest.mark.parametrize("where", ["path", "descriptor"])
def test_child_is_guarded_without_a_supervisor(
    where: str, interpreter: Interpreter, target: int, tmp_path: Path
) -> None:
    """The policy and the place for the lines are handed on; a descriptor too, though `close_fds` closes the others."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(f'version: 1\ndefault: log\nrules: [{{deny: connect, to: "127.0.0.1:{target}"}}]\n')
    (tmp_path / "policy").write_text(dump(load_policy([str(rules)])))
    log = tmp_path / "lines"
    rows = [(way, name, interpreter.path) for way, name in ALONE]
    command = words(tmp_path / "held", interpreter, target, rows)
    with log.open("ab") as file:
        place = {"NETGUARD_LOG": str(log)} if where == "path" else {"NETGUARD_LOG_FD": str(file.fileno())}
        asked = {"PYTHONPATH": STARTER, "NETGUARD_POLICY": str(tmp_path / "policy"), **place}
        fds = [file.fileno()] if where == "descriptor" else []
        env = clean_environment(str(tmp_path), asked)
        done = subprocess.run(
            command, env=env, cwd=tmp_path, pass_fds=fds, capture_output=True, text=True, timeout=60, check=False
        )
    found = read(tmp_path / "held" / "results")
    tags = {f"{way}/{name}/{Path(path).name}" for way, name, path in rows}
    assert found.outcomes() == dict.fromkeys(tags, "Denied"), done.stderr
    assert {outcome for _, outcome in found.traps} <= {"Denied"}, found.traps
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {pid for pid, _ in found.children.values()} <= denied_pids(lines)


def test_child_of_another_version_or_environment_is_guarded(target: int, tmp_path: Path) -> None:
    """The starter is one for all of them, and a virtual environment inherits the path."""
    python = interpreters()[0]
    venv = tmp_path / "venv"
    subprocess.run([python.path, "-I", "-m", "venv", "--without-pip", str(venv)], check=True)
    (venv / "bin/python").rename(venv / "bin/python3-of-a-venv")
    others = [*[found.path for found in interpreters()[1:]], str(venv / "bin/python3-of-a-venv")]
    rows = [(way, name, path) for path in others for way, name in [("run", "empty"), ("posix_spawn", "hostile")]]
    started(tmp_path, python, target, rows)
