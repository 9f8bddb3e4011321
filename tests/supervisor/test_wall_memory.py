"""What the wall remembers of a run is bounded, and never by forgetting what is still needed."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from netguard.supervisor import notes as notes_module
from netguard.supervisor.notes import Notes
from tests.hostile.natives import program
from tests.soak.observer import ENTRY
from tests.supervisor.running import running

LOG = "version: 1\ndefault: log\n"

BEGUN = """
import os, socket, sys
address = ("127.0.0.1", int(sys.argv[1]))
for _ in range(9):  # threads that begin, and are never heard of again
    pid = os.fork()
    if not pid:
        lasting = socket.socket()
        lasting.setblocking(False)
        lasting.connect_ex(address)
        os._exit(0)
    os.waitpid(pid, 0)
socket.create_connection(address, timeout=5).close()
"""


@pytest.mark.kernel
def test_connects_that_nobody_finished_leave_room_for_those_that_are(tmp_path: Path) -> None:
    few = "from netguard.supervisor import acting; acting.MAX_KNOWN = 4"
    with socket.create_server(("127.0.0.1", 0)) as server:
        args = ["-c", BEGUN, str(server.getsockname()[1])]
        with running(tmp_path, args, rules=LOG, wall="require", fault=few) as run:
            _, errors = run.process.communicate("", timeout=30)
    assert run.process.returncode == 0, errors
    acts = [line["seq"] for line in run.lines("connect")]
    assert len(acts) == 10
    assert [line["of"] for line in run.lines("result")] == acts[-1:]


#: Datagrams to many places from many processes, and then nothing.
SCATTERED = """
import os, socket, sys
for number in range(1, 21):
    pid = os.fork()
    if not pid:
        socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", (f"127.0.0.{number}", 9))
        os._exit(0)
    os.waitpid(pid, 0)
print("sent", flush=True)
sys.stdin.read()
"""


@pytest.mark.kernel
def test_destinations_of_datagrams_are_forgotten_after_their_time(tmp_path: Path) -> None:
    observed = tmp_path / "observed"
    short = "from netguard.supervisor import wall; wall.UDP_MEMORY = 4.0\n" + ENTRY.format(str(observed))
    with running(tmp_path, ["-c", SCATTERED], rules=LOG, wall="require", fault=short) as run:
        assert run.process.stdout
        assert run.process.stdout.readline() == "sent\n"
        assert wait_for(observed, '"loop.wall.udp": 20,')
        assert wait_for(observed, '"loop.wall.udp": 0,')
        run.process.communicate("", timeout=30)


def wait_for(path: Path, text: str) -> bool:
    """Until a file's last line has a text."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if path.exists() and path.read_text().splitlines() and text in path.read_text().splitlines()[-1]:
            return True
        time.sleep(0.05)
    return False


#: Children that are killed while their connect is delayed.
DELAYED = """
socket.create_connection(("127.0.0.1", port)).close()
pids = []
for _ in range(40):
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        sock = socket.socket()
        os.write(write, b".")
        sock.connect(("127.0.0.1", port))
        os._exit(0)
    pids.append(pid)
    os.read(read, 1)
    os.close(read)
    os.close(write)
print("waiting", flush=True)
sys.stdin.readline()
for pid in pids:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
print("killed", flush=True)
sys.stdin.read()
"""


@pytest.mark.kernel
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may count the supervisor's descriptors")
def test_callers_that_are_killed_while_they_are_delayed_keep_no_descriptors(tmp_path: Path) -> None:
    rules = LOG + "rules:\n  - {log: connect, limit: {connections: 10/min, burst: 1, over: delay}}\n"
    none_kept = "from netguard.seccomp import callers; callers.MAX_CALLERS = 1"
    with socket.create_server(("127.0.0.1", 0)) as server:
        args = ["--", *program(tmp_path, DELAYED, port=server.getsockname()[1])]
        with running(tmp_path, args, rules=rules, wall="require", fault=none_kept) as run:
            assert run.process.stdout
            assert run.process.stdin
            assert run.process.stdout.readline() == "waiting\n"
            before = descriptors(run.process.pid, 4)
            run.process.stdin.write("\n")
            run.process.stdin.flush()
            assert run.process.stdout.readline() == "killed\n"
            until = time.monotonic() + 5
            while descriptors(run.process.pid, 0) > before - 4 and time.monotonic() < until:
                time.sleep(0.05)
            assert descriptors(run.process.pid, 0) <= before - 4, "those of four that waited for up to half a minute"


def descriptors(pid: int, sockets: int) -> int:
    """The sockets of a process, once it has at least so many."""
    until = time.monotonic() + 30
    while True:
        folder = f"/proc/{pid}/fd"
        found = [name for name in os.listdir(folder) if linked(f"{folder}/{name}").startswith("socket:")]
        if len(found) >= sockets or time.monotonic() > until:
            return len(found)
        time.sleep(0.05)


def linked(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


@pytest.fixture
def notes() -> Iterator[Notes]:
    with closing(select.epoll()) as poll:
        found = Notes(poll, lambda pid, text: None)
        yield found
        for witness in found.known.values():
            for sock in witness.sockets:
                sock.close()


def said(pid: int, sock: socket.socket, many: int, kind: bytes = b"udp") -> None:
    for number in range(many):
        thread, port = b"%d" % (pid * 1000 + number), b"%d" % number
        sock.send(b"\0".join([b"note", thread, b"connect", b"socket.connect", kind, b"127.0.0.1", port, b"", b""]))


@pytest.mark.parametrize("kind", [b"udp", b"tcp"])
def test_notes_of_all_together_are_bounded(notes: Notes, monkeypatch: pytest.MonkeyPatch, kind: bytes) -> None:
    monkeypatch.setattr(notes_module, "MAX_ALL", 100)
    ends = [(pid, notes.open(pid)) for pid in range(1, 6)]
    for pid, end in ends:
        assert end
        said(pid, end, 30, kind)
        end.close()
    notes.hear()
    assert not any([witness.calls or witness.datagrams for witness in notes.known.values()])


def test_those_who_say_much_keep_nobody_waiting(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes_module, "MAX_A_SECOND", 50)
    ends = [(pid, notes.open(pid)) for pid in range(1, 6)]
    for pid, end in ends:
        assert end
        said(pid, end, 30)
    notes.hear()
    kept = [len(witness.datagrams) for witness in notes.known.values()]
    assert kept == [0, 0, 0, 30, 30], "two were heard, and come last now"
    notes.hear()
    notes.hear()
    assert {len(witness.datagrams) for witness in notes.known.values()} == {30}
    for _, end in ends:
        assert end
        end.close()


def test_socket_that_cannot_be_made_leaves_nothing(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(24, "no descriptor is left")

    monkeypatch.setattr(notes_module.socket, "socketpair", none)
    assert notes.open(7) is None
    assert notes.known == {}
