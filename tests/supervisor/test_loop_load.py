"""Many acts and many askers: memory stays flat, nobody waits for ever, no line is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from netguard.trail.verify import verify
from tests.supervisor.running import run_client, running
from tests.support.guard import run_guarded

RULES = """
version: 1
default: deny
rules:
  - {allow: connect, to: "127.0.0.1:1-20000"}
  - {log: connect, to: "127.0.0.1:20001-40000"}
  - {allow: dns, to: localhost}
"""

#: Asks for many things, each a little different from the last; says how the supervisor's memory has grown, in KiB.
MILLION = """
import sys
def memory():
    with open(f"/proc/{os.getppid()}/status") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1])
line = Line()
def acts(first, last):
    for number in range(first, last):
        line.ask(1 + number % 60_000)
        if number % 50 == 0:
            line.lookup("localhost")
            line.send("result", "0", str(number), "0", "1")
        if number % 1_000 == 0:
            Line(why="again").ask()
            line.question("hostile", "connect", f"e{number}", "no", *CODE)
warm, most = int(WARM), int(MOST)
acts(0, warm)
before = memory()
acts(warm, most)
print(memory() - before)
"""


@pytest.mark.slow
def test_memory_is_flat_over_a_million_acts(tmp_path: Path) -> None:
    script = MILLION.replace("WARM", "'150000'").replace("MOST", "'1000000'")
    result = run_client(tmp_path, script, rules=RULES, options=["--quiet", "--log", "/dev/null"], timeout=900)
    assert result.status == 0, result.stderr
    assert int(result.stdout) < 4_096


def test_memory_is_flat_over_some_acts(tmp_path: Path) -> None:
    script = MILLION.replace("WARM", "'10000'").replace("MOST", "'20000'")
    result = run_client(tmp_path, script, rules=RULES, options=["--quiet", "--log", "/dev/null"], timeout=120)
    assert result.status == 0, result.stderr
    assert int(result.stdout) < 8_192


CROWD = """
import os, socket, sys, threading
processes, threads, rounds = map(int, sys.argv[1:4])
def knock(seed):
    for number in range(rounds):
        with socket.socket() as sock:
            sock.connect_ex(("127.0.0.1", 1 + (seed * 7919 + number * 104729) % 9))
        if number % 10 == 0:
            socket.gethostbyname("localhost")
children = []
for child in range(processes):
    pid = os.fork()
    if pid == 0:
        crowd = [threading.Thread(target=knock, args=(child * threads + one,)) for one in range(threads)]
        for one in crowd: one.start()
        for one in crowd: one.join()
        os._exit(0)
    children.append(pid)
print(sum(os.waitpid(pid, 0)[1] for pid in children))
"""


@pytest.mark.parametrize(
    "size", [(8, 4, 20), pytest.param((64, 8, 100), marks=pytest.mark.slow)], ids=["some", "crowd"]
)
def test_crowd_of_processes_and_threads_is_served_and_recorded(tmp_path: Path, size: tuple[int, int, int]) -> None:
    with running(tmp_path, ["-c", CROWD, *map(str, size)], options=["--quiet"]) as run:
        out, err = run.process.communicate(timeout=600)
        assert (run.process.returncode, out) == (0, "0\n"), err
        processes, threads, rounds = size
        assert len(run.lines("connect")) == processes * threads * rounds
        assert run.lines("tamper") == []
    report = verify(str(run.trail))
    assert report.whole, report.first_bad


def test_guest_that_starts_threads_for_ever_is_served(tmp_path: Path) -> None:
    """Each thread's connection goes when the thread does."""
    script = """
import socket, threading
def knock():
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", 9)) in (13, 111)
for _ in range(3_000):
    thread = threading.Thread(target=knock)
    thread.start()
    thread.join()
"""
    result = run_guarded(["-c", script], rules=RULES, options=["--quiet"], timeout=120)
    assert result.status == 0, result.stderr
    assert result.lines("tamper") == []
