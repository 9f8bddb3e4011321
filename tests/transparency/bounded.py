"""Runs a command that may hang or leave processes behind: in a network that nothing leaves, and with an end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.isolation import isolated

#: Seconds without progress until a command counts as hung. The longest of CPython's tests that run here takes a minute.
STANDSTILL = 150

#: What such a command ends with.
HUNG = -1


def run(
    command: Sequence[str], folder: Path, env: Mapping[str, str], output: Path, progress: Callable[[], object]
) -> int:
    """Returns the command's status. Whatever it started has ended afterwards.

    progress: what must differ from time to time; else the command is killed and the answer is HUNG.
    """
    with open(output, "ab") as file:
        process = subprocess.Popen(
            isolated(command), cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            start_new_session=True,
        )  # fmt: skip
    network = ""
    moved, before = time.monotonic(), progress()
    try:
        while time.monotonic() - moved < STANDSTILL:
            try:
                return process.wait(1 if network else 0.01)
            except subprocess.TimeoutExpired:
                network = network or network_of(process.pid)
            now = progress()
            if now != before:
                moved, before = time.monotonic(), now
        return HUNG
    finally:
        process.kill()
        process.wait()
        while left := members(network):  # what was killed is there until it has ended
            for pid in left:
                kill(pid)


def kill(pid: int) -> None:
    """Ends a process, if it has not ended meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def network_of(pid: int | str) -> str:
    """The network namespace that a process has to itself and its children; "" for the one that we are in."""
    try:
        found = os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""
    return "" if found == os.readlink("/proc/self/ns/net") else found


def members(network: str) -> list[int]:
    """Who is in it."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal() and network and network_of(name) == network]
