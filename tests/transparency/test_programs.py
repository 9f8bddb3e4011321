"""Programs that are hard on a guard do behind the wall what they do without one: signals, crowds, many processes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import pytest

from tests.support.echo import TcpEcho
from tests.support.guard import Result, run_guarded
from tests.support.kernel import seccomp_missing
from tests.transparency.running import GUEST, LOG_ALL

#: An agent's script may talk to itself; else to nobody.
OWN_ALONE = """\
version: 1
default: deny
rules:
  - {allow: any, to: "@self"}
  - {allow: [exec, native, file]}
"""


def walled(script: str, *words: str, rules: str = LOG_ALL) -> Result:
    command = ["--", sys.executable, str(GUEST / script), *words]
    return run_guarded(command, rules=rules, options=["--quiet"], wall="require", timeout=120)


def bare(script: str, *words: str) -> str:
    command = [sys.executable, str(GUEST / script), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.kernel
def test_signal_ends_a_connect_that_waits_as_without_a_guard() -> None:
    """Within a second: a Ctrl-C, an alarm, a time-out; and a handler that returns lets it wait on."""
    expected = {
        "keyboard": ["KeyboardInterrupt", True],
        "alarm": ["ProcessLookupError", True],
        "time_out": ["TimeoutError", True],
        "connects": [True, True],
    }
    assert json.loads(bare("signals.py")) == expected
    run = walled("signals.py")
    assert json.loads(run.stdout) == expected, run.stderr


@pytest.mark.kernel
def test_crowds_of_threads_forks_and_programs_lose_nothing() -> None:
    run = walled("crowds.py")
    assert run.stdout, run.stderr
    assert json.loads(run.stdout) == {"threads": 0, "forks": 0, "children": 0, "spawns": 0}
    lines = run.lines("connect")
    assert len(lines) == 64 * 10 + 8 * 10 + 200
    assert {tuple(line["layers"]) for line in lines} == {("hook", "kernel")}
    assert not run.lines("tamper")


@pytest.mark.kernel
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_a_program_may_talk_to_each_other(method: str) -> None:
    run = walled("processes.py", method, rules=OWN_ALONE)
    assert (run.status, run.stdout) == (0, "ok\n"), run.stderr
    assert not [line for line in run.trail if line.get("verdict") == "deny"]


@pytest.mark.skipif(bool(seccomp_missing()), reason=seccomp_missing())
@pytest.mark.skipif(os.geteuid() != 0, reason="root, who alone may become another user")
def test_child_that_changes_its_user_gets_no_rights_of_the_supervisor() -> None:
    """Where it needs none, nothing changes."""
    with TcpEcho() as server:
        alone = json.loads(bare("another_user.py", str(server.port)))
        run = walled("another_user.py", str(server.port))
    assert alone == {"connects": 0, "binds": 0, "binds low": errno.EACCES, "sends": 0, "unix": errno.ECONNREFUSED}
    assert json.loads(run.stdout) == {**alone, "unix": errno.EACCES}, run.stderr
