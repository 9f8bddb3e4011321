"""Recorded before it happens: whatever is killed or filled up at whatever moment, no act is without its line."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netguard.trail.verify import verify
from tests.supervisor.running import Running, is_alive, running
from tests.support.guard import read_trail, run_guarded
from tests.support.listening import Listening

#: Connects to the port given, again and again, from threads and processes; prints its pid first.
KNOCKER = """
import os, socket, sys, threading
print(os.getpid(), flush=True)
def knock():
    while True:
        try:
            socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10).close()
        except ConnectionError:
            pass  # the server's queue was full
for _ in range(int(sys.argv[2])):
    if os.fork() == 0:
        break
threads = [threading.Thread(target=knock, daemon=True) for _ in range(int(sys.argv[3]))]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


class Counting(Listening):
    """A server that only counts."""

    def serve(self, connection: socket.socket) -> None:
        return


@pytest.fixture
def server() -> Iterator[Counting]:
    with Counting(socket.AF_INET, ("127.0.0.1", 0)) as server:
        yield server


def wait_for(condition: Callable[[], bool], run: Running) -> None:
    """Looks again and again; a run that ends meanwhile is a failure."""
    while not condition():
        assert run.process.poll() is None, run.process.communicate()


def lines_of_connects(trail: Path) -> int:
    """Connects on record. What a killed supervisor left of a last line is no line."""
    whole = trail.read_bytes().rpartition(b"\n")[0]
    return sum(b'"kind":"connect"' in line for line in whole.split(b"\n"))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("victim", ["guest", "supervisor"])
def test_no_act_is_without_its_line_when_one_of_them_is_killed(
    tmp_path: Path, server: Counting, victim: str, seed: int
) -> None:
    chance = random.Random(seed)
    many = chance.choice([(0, 1), (0, 4), (2, 2)])
    with running(tmp_path, ["-c", KNOCKER, str(server.port), *map(str, many)]) as run:
        guest = int(run.process.stdout.readline())
        after = chance.randint(1, 150)
        wait_for(lambda: server.connections >= after, run)
        os.kill(guest if victim == "guest" else run.process.pid, signal.SIGKILL)
        run.process.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.process.pid, signal.SIGKILL)  # whoever of the guest's is left must not go on knocking
        reached = server.connections
    assert after <= reached <= lines_of_connects(run.trail)
    report = verify(str(run.trail), live=True)
    assert report.whole, report.first_bad


def test_guest_whose_supervisor_was_killed_is_denied_and_ends(tmp_path: Path, server: Counting) -> None:
    script = """
import os, socket, sys, netguard
print(os.getppid(), flush=True)
sys.stdin.readline()
for _ in range(2):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
        print("reached")
    except netguard.Denied as error:
        print(error.rule)
"""
    with running(tmp_path, ["-c", script, str(server.port)], options=["--wall", "off"]) as run:
        supervisor = int(run.process.stdout.readline())
        assert supervisor == run.process.pid
        os.kill(supervisor, signal.SIGKILL)
        run.process.wait(30)
        run.process.stdin.write("\n")
        run.process.stdin.flush()
        assert run.process.stdout.read() == "no-supervisor\nno-supervisor\n"
    assert server.connections == 0


def test_guest_that_outlives_the_run_is_denied(tmp_path: Path, server: Counting) -> None:
    """A daemon has left its parent, its session and its terminal; nobody is left to ask. Behind a wall it is ended."""
    script = """
import os, socket, sys
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    with open(sys.argv[2]) as gate:  # until the run is over
        gate.read()
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
        result = "reached"
    except OSError as error:
        result = type(error).__name__
    with open(sys.argv[3], "w") as out:
        out.write(result)
    os._exit(0)
os.wait()
"""
    gate, out = tmp_path / "gate", tmp_path / "out"
    os.mkfifo(gate)
    os.mkfifo(out)
    null = subprocess.DEVNULL
    args = ["-c", script, str(server.port), str(gate), str(out)]
    with running(tmp_path, args, options=["--wall", "off"], stdin=null, stdout=null, stderr=null) as run:
        assert run.process.wait(30) == 0
        gate.write_text("")
        assert out.read_text() == "Denied"
    assert server.connections == 0


# A trail that takes no more lines

#: Asks twice, with the supervisor's limit on file sizes set to what its trail has, and then to no limit.
FILLED = """
import os, resource, socket, sys, netguard
def knock(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        print("reached")
    except netguard.Denied as error:
        print(error.rule, "disk" if "trail cannot be written" in str(error) else error)
port, extra = map(int, sys.argv[1:3])
knock(port)
whole = resource.prlimit(os.getppid(), resource.RLIMIT_FSIZE)
resource.prlimit(os.getppid(), resource.RLIMIT_FSIZE, (os.path.getsize(sys.argv[3]) + extra, whole[1]))
knock(port)
knock(port)
resource.prlimit(os.getppid(), resource.RLIMIT_FSIZE, whole)
knock(port)
"""


@pytest.mark.parametrize("extra", [0, 1, 100, 300])
def test_full_disk_denies_until_there_is_room_again(tmp_path: Path, server: Counting, extra: int) -> None:
    """Also in the middle of a line: what was torn is told of, and the chain goes on."""
    with running(tmp_path, ["-c", FILLED, str(server.port), str(extra), str(tmp_path / "trail.jsonl")]) as run:
        out, err = run.process.communicate(timeout=60)
    assert out == "reached\ntrail disk\ntrail disk\nreached\n", err
    assert server.connections == 2
    assert err.count("the trail takes") + err.count("TAMPER") >= 1, err
    assert lines_of_connects(run.trail) >= 2
    report = verify(str(run.trail))
    assert report.whole, report.first_bad


def test_trail_that_cannot_be_finished_is_a_failure_of_ours(tmp_path: Path, server: Counting) -> None:
    script = FILLED.rpartition("resource.prlimit")[0]
    with running(tmp_path, ["-c", script, str(server.port), "0", str(tmp_path / "trail.jsonl")]) as run:
        out, err = run.process.communicate(timeout=60)
    assert out == "reached\ntrail disk\ntrail disk\n"
    assert run.process.returncode == 125, err
    assert err.splitlines()[-1] == "netguard: the line could not be put on record: File too large"


def test_trail_that_was_cut_denies_and_says_so(tmp_path: Path, server: Counting) -> None:
    script = """
import os, socket, sys, netguard
os.truncate(sys.argv[2], 100)
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
except netguard.Denied as error:
    print(error.rule)
"""
    with running(tmp_path, ["-c", script, str(server.port), str(tmp_path / "trail.jsonl")]) as run:
        out, err = run.process.communicate(timeout=60)
    assert (out, server.connections) == ("trail\n", 0)
    assert "bytes where" in err


@pytest.mark.parametrize("option", ["--log", "--log-fd"])
def test_trail_that_is_full_from_the_start_runs_nothing(option: str) -> None:
    with open("/dev/full", "wb") as full:
        fd = full.fileno()
        value = "/dev/full" if option == "--log" else str(fd)
        command = [sys.executable, "-m", "netguard", "run", option, value, "-c", "print('ran')"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, pass_fds=(fd,), check=False)
    assert (ran.returncode, ran.stdout) == (125, "")
    assert "No space left on device" in ran.stderr


# Order


def test_outcome_follows_its_act_and_counts_add_up(server: Counting) -> None:
    rules = f"""
version: 1
default: deny
rules:
  - {{log: connect, to: "127.0.0.1:{server.port}"}}
  - {{allow: connect, to: "127.0.0.1:9"}}
"""
    script = """
import socket, sys, threading
def knock():
    for port in (int(sys.argv[1]), 9, 10) * 20:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            pass
threads = [threading.Thread(target=knock) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    result = run_guarded(["-c", script, str(server.port)], rules=rules)
    assert result.status == 0, result.stderr
    assert len(result.lines("connect", verdict="log")) == 80 == server.connections
    assert len(result.lines("connect", verdict="deny")) == 80
    counts: dict[str, int] = {}
    for line in result.lines("count"):
        for rule, count in line["counts"].items():
            counts[rule] = counts.get(rule, 0) + count
    assert sum(counts.values()) == 80
    [close] = result.lines("close")
    assert close["decisions"] == 240
    by_seq = {line["seq"]: line for line in result.trail}
    outcomes = result.lines("result")
    assert len(outcomes) == 80
    assert all(by_seq[line["of"]]["verdict"] == "log" and line["errno"] == 0 for line in outcomes)


def last(trail: Path) -> dict[str, Any]:
    return read_trail(trail)[-1]


def test_guest_killed_by_its_own_signal_closes_the_trail(tmp_path: Path) -> None:
    with running(tmp_path, ["-c", "import os; os.kill(os.getpid(), 9)"]) as run:
        assert run.process.wait(30) == 137
    assert last(run.trail)["signal"] == 9
    assert not is_alive(run.process.pid)
