"""Many callers at once behind the wall: each gets its answer, each act is on record, nothing is left over."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from netguard.trail.verify import verify
from tests.supervisor.running import Running, running
from tests.support.guard import run_guarded

pytestmark = pytest.mark.kernel

#: Ports that are logged, denied and allowed in silence by their number's last digit.
RULES = """
version: 1
default: deny
rules:
  - {name: silent, allow: connect, to: "127.0.0.1:20000-20999"}
  - {name: told, log: connect, to: "127.0.0.1:21000-21999"}
  - {name: inbound, allow: listen}
"""

#: PROCESSES of THREADS threads. Each thread makes ROUNDS acts of each kind, in order, on sockets of its own, and checks
#: how each ends: nobody serves those ports, so what is granted is refused by the kernel.
STORM = """
import os, socket, sys, threading
PROCESSES, THREADS, ROUNDS = map(int, sys.argv[1:])
EXPECTED = {20000: ConnectionRefusedError, 21000: ConnectionRefusedError, 22000: PermissionError}
wrong = []
def once(port, kind):
    with socket.socket() as sock:
        try:
            sock.connect(("127.0.0.1", port))
        except OSError as error:
            return type(error) is kind or type(error).__mro__[1] is kind
def work(number):
    for turn in range(ROUNDS):
        for base, kind in EXPECTED.items():
            if not once(base + turn, kind):
                wrong.append((number, base + turn))
def threads():
    found = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    [one.start() for one in found]
    [one.join() for one in found]
    return bool(wrong)
children = []
for _ in range(PROCESSES):
    pid = os.fork()
    if not pid:
        os._exit(threads())
    children.append(pid)
statuses = [os.waitpid(pid, 0)[1] for pid in children]
print("wrong" if any(statuses) else "done", flush=True)
sys.stdin.read()
"""


def descriptors(run: Running) -> int:
    """Of the supervisor. Only root may count them: it does not let itself be read."""
    return len(os.listdir(f"/proc/{run.process.pid}/fd")) if os.geteuid() == 0 else 0


@pytest.mark.parametrize("shape", [(1, 64, 5), (64, 1, 5), (8, 8, 5)], ids=["threads", "processes", "both"])
def test_every_caller_gets_its_answer_and_every_act_is_accounted_for(
    tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    script = tmp_path / "storm.py"
    script.write_text(STORM)
    processes, threads, rounds = shape
    many = processes * threads * rounds
    args = [str(script), *map(str, shape)]
    with running(tmp_path, args, rules=RULES, options=["--quiet", "--wall", "require"]) as run:
        assert run.process.stdout is not None
        assert run.process.stdout.readline() == "done\n"
        end = time.monotonic() + 20
        while (left := descriptors(run)) > 24 + 2 * 64:  # two of each thread that may call again
            assert time.monotonic() < end, left
            time.sleep(0.05)
        _, errors = run.process.communicate("", timeout=60)
        assert (run.process.returncode, errors) == (0, "")
    acts = run.lines("connect")
    assert sorted(line["dst"]["port"] for line in acts if line["verdict"] == "log") == sorted(
        [21_000 + turn for turn in range(rounds)] * (processes * threads)
    )
    assert sum(line["verdict"] == "deny" for line in acts) == many
    counted = sum(line["counts"].get("silent", 0) for line in run.lines("count"))
    assert counted == many
    assert run.lines("close")[0]["decisions"] == len(acts) + counted
    assert sorted(line["of"] for line in run.lines("result")) == [
        line["seq"] for line in acts if line["verdict"] == "log"
    ]
    turns = [(line["proc"]["tid"], line["dst"]["port"]) for line in acts if line["verdict"] == "log"]
    for caller in {tid for tid, _ in turns}:
        ports = [port for tid, port in turns if tid == caller]
        assert ports == sorted(ports)
    assert run.lines("tamper") == []
    assert verify(str(run.trail)).whole


def test_what_the_guest_closes_is_closed(tmp_path: Path) -> None:
    """Our copy of its socket is gone before it hears how its call ended; else the other side would not hear of the end
    until we let go, and an address would stay taken."""
    code = """
import socket
server = socket.create_server(("127.0.0.1", 0))
place = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
place.bind(("127.0.0.1", 0))
address = place.getsockname()
place.close()
for _ in range(100):
    sock = socket.create_connection(server.getsockname())
    there, _ = server.accept()
    sock.close()
    there.setblocking(False)
    assert there.recv(1) == b""
    there.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(address)
"""
    result = run_guarded(["-c", code], rules="version: 1\ndefault: log\n", options=["--wall", "require"])
    assert (result.status, result.stdout) == (0, ""), result.stderr


def test_how_the_last_acts_ended_is_on_record_before_the_close(tmp_path: Path) -> None:
    code = "import socket\nfor _ in range(50): socket.socket().connect_ex(('127.0.0.1', 1))"
    result = run_guarded(["-c", code], rules="version: 1\ndefault: log\n", options=["--wall", "require"])
    assert result.status == 0, result.stderr
    acts = [line["seq"] for line in result.lines("connect")]
    assert [line["of"] for line in result.lines("result")] == acts
    assert len(acts) == 50
    assert result.trail[-1]["kind"] == "close"
