"""Runs `netguard run` as a user does, in a process of its own, and reads the trail it left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.support.isolation import Namespace

SANDBOXED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sandboxed.py")

#: What is around netguard as Docker's default profile would be: there the wall is tier B.
DOCKER = (sys.executable, "-I", "-S", SANDBOXED, "docker", "--")

#: `TESTS_IN=docker` runs every guarded run of the tests so.
AROUND = DOCKER if os.environ.get("TESTS_IN") == "docker" else ()


class Result(NamedTuple):
    """What came of a run. `trail` is every line of the trail, in order."""

    status: int
    stdout: str
    stderr: str
    trail: list[dict[str, Any]]

    def lines(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        """The trail's lines of one kind whose other keys have the values given."""
        found = (line for line in self.trail if line.get("kind") == kind)
        return [line for line in found if all(line.get(key) == value for key, value in wanted.items())]

    def verdicts(self, kind: str) -> list[str]:
        """The verdicts of one kind, in order."""
        return [line["verdict"] for line in self.lines(kind)]


def read_trail(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Every line of a trail; none when it was never made."""
    try:
        with open(path, "rb") as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return []


def clean_environment(folder: str, changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """The tests' own environment without what would steer Python, a proxy or netguard; `None` takes a name away."""
    steering = ("PYTHON", "NETGUARD", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    env = {name: value for name, value in os.environ.items() if not name.upper().startswith(steering)}
    env["XDG_STATE_HOME"] = os.path.join(folder, "state")  # a run with a folder of its own leaves it here
    for name, value in (changes or {}).items():
        env.pop(name, None)
        if value is not None:
            env[name] = value
    return env


def run_guarded(
    args: Sequence[str],
    *,
    rules: str | None = None,
    options: Sequence[str] = (),
    python: str = sys.executable,
    within: Namespace | None = None,
    before: Sequence[str] = (),
    env: Mapping[str, str | None] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    stdin: str | None = None,
    timeout: float = 30,
    wall: str = "auto",
) -> Result:
    """Run `netguard run OPTIONS ARGS`.

    args:    what follows the options: a script and its arguments, `-c` and code, `-m` and a module, `--` and a command.
    rules:   the text of a rule file, or None for the default.
    options: further options of `run`.
    python:  the supervisor's interpreter, which must have netguard installed.
    within:  the namespace to run in, supervisor and guest alike.
    before:  a command that starts netguard, as another user for example: the run's folder is then everybody's.
    env:     changes to the environment; None as a value takes a name away.
    timeout: seconds; past them the whole run is killed and subprocess.TimeoutExpired raised. Nothing may hang.
    wall:    "off" where the witness alone is the subject.
    """
    with tempfile.TemporaryDirectory(prefix="netguard-test-") as folder:
        log = os.path.join(folder, "trail.jsonl")
        if before:
            os.chmod(folder, 0o777)
        command = [*before, *AROUND, python, "-m", "netguard", "run", "--log", log, "--wall", wall]
        if rules is not None:
            command += ["--rules", os.path.join(folder, "rules.yaml")]
            with open(command[-1], "w", encoding="utf-8") as file:
                file.write(rules)
        command += [*options, *args]
        process = subprocess.Popen(
            within.command(command) if within else command,
            env=clean_environment(folder, env),
            cwd=cwd or folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        with process:
            try:
                stdout, stderr = process.communicate(stdin or "", timeout)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)  # the guest too: it holds the other end of the pipes
                raise
        return Result(process.returncode, stdout, stderr, read_trail(log))
