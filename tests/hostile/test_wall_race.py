"""A guest that changes what a call means while it is looked at: what was decided is what happens."""

from __future__ import annotations

import socket
from typing import NamedTuple

import pytest

from netguard.seccomp.abi import NUMBERS
from tests.support.walled import run

pytestmark = [pytest.mark.kernel, pytest.mark.hostile]

#: What is flipped lies in memory that another process shares, so that no interpreter's lock stands between the two.
SHARED = """
import mmap, signal, threading, time
shared = mmap.mmap(-1, 4096); base = ctypes.addressof(ctypes.c_char.from_buffer(shared))
shared[0:16] = inet(good)
"""

FLIPPED = (
    SHARED
    + """
flipper = os.fork()
if not flipper:
    one, other = struct.pack(">H", good), struct.pack(">H", evil)
    while True:
        shared[2:4] = other; shared[2:4] = one

segment = struct.pack("<QQ", base + 200, 1); shared[300:316] = segment
header = struct.pack("<QI4xQQQQi4x", base, 16, base + 300, 1, 0, 0, 0); shared[400:456] = header
many = header + bytes(8); shared[500:564] = many
sender = socket.socket(type=socket.SOCK_DGRAM)

def connect():
    libc.connect(sender.fileno(), ctypes.c_void_p(base), 16)
    return libc.send(sender.fileno(), b"x", 1, 0)

acts = {
    "sendto": lambda: libc.sendto(sender.fileno(), ctypes.c_void_p(base + 200), 1, 0, ctypes.c_void_p(base), 16),
    "sendmsg": lambda: libc.sendmsg(sender.fileno(), ctypes.c_void_p(base + 400), 0),
    "sendmmsg": lambda: libc.sendmmsg(sender.fileno(), ctypes.c_void_p(base + 500), 1, 0),
    "connect": connect,
}
end = time.monotonic() + seconds; sent = 0
while time.monotonic() < end:
    sent += acts[act]() == 1
os.kill(flipper, signal.SIGKILL); os.waitpid(flipper, 0)
say(sent=sent)
"""
)

SWAPPED = (
    SHARED
    + """
# One descriptor number, two sockets: a TCP one whose address is not looked at, and a datagram one whose address is.
stream, datagram = socket.socketpair()[0], socket.socket(type=socket.SOCK_DGRAM)
number = os.dup(stream.fileno()); stop = []
def swap():
    while not stop:
        os.dup2(datagram.fileno(), number); os.dup2(stream.fileno(), number)
threading.Thread(target=swap).start()
target = inet(evil)
end = time.monotonic() + seconds
while time.monotonic() < end:
    libc.sendto(number, b"x", 1, 0x40, target, 16)
stop.append(1)
"""
)


class Arrived(NamedTuple):
    """How many datagrams came to the port that is allowed, and to the one that is not."""

    good: int
    evil: int


def drain(inbox: socket.socket) -> int:
    inbox.setblocking(False)
    count = 0
    try:
        while inbox.recv(9):
            count += 1
    except BlockingIOError:
        return count
    return count


def race(guest: str, act: str = "", *, wall: str = "on", seconds: float = 0.8) -> Arrived:
    with socket.socket(type=socket.SOCK_DGRAM) as good, socket.socket(type=socket.SOCK_DGRAM) as evil:
        ports = []
        for inbox in (good, evil):
            inbox.bind(("127.0.0.1", 0))
            ports.append(inbox.getsockname()[1])
        given = {"good": ports[0], "evil": ports[1], "act": act, "seconds": seconds}
        done = run(guest, wall=wall, deny_ports=[ports[1]], given=given)
        assert done.status == 0, done.text
        return Arrived(drain(good), drain(evil))


@pytest.mark.parametrize("wall", ["on", "hold"])
@pytest.mark.parametrize("act", ["sendto", "sendmsg", "sendmmsg", "connect"])
def test_address_that_flips_reaches_only_what_was_granted(act: str, wall: str) -> None:
    assert race(FLIPPED, act, wall="check").evil, "a check alone lets it through: the race is real"
    held = race(FLIPPED, act, wall=wall)
    assert not held.evil
    assert held.good


@pytest.mark.parametrize("wall", ["on", "hold"])
def test_descriptor_that_is_swapped_is_the_one_that_was_looked_at(wall: str) -> None:
    assert race(SWAPPED, wall="off").evil
    assert not race(SWAPPED, wall=wall).evil


#: One number, two sockets: a unix one, which may listen, and one of INET that was never bound. Were that one to listen,
#: it would take a port of every interface.
LISTENS = """
import threading, time
def fresh():
    made = socket.socket(socket.AF_UNIX); made.bind(""); return made
unix, inet_ = fresh(), socket.socket()
number = os.dup(unix.fileno()); stop = []
say(refused=became(lambda: socket.socket().listen(1)))
def swap():
    while not stop:
        os.dup2(inet_.fileno(), number); os.dup2(unix.fileno(), number)
threading.Thread(target=swap).start()
end = time.monotonic() + seconds; reached = 0
while time.monotonic() < end:
    libc.listen(number, 1)
    if inet_.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        reached += 1; break
stop.append(1)
say(reached=reached, listens=unix.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
"""


def test_socket_that_listens_is_the_one_that_was_looked_at() -> None:
    spec = {"deny_listen": ["tcp"], "given": {"seconds": 1.5}}
    checked = run(LISTENS, wall="check", **spec)
    assert checked.said == {"refused": "EACCES", "reached": 1, "listens": checked.said["listens"]}, "the race is real"
    held = run(LISTENS, **spec)
    assert held.status == 0, held.text
    assert held.said == {"refused": "EACCES", "reached": 0, "listens": 1}


#: The same, and datagrams in place of a stream's, by a process that shares its descriptors and is no thread.
SHARES = """
said = libc.syscall(clone, 0x400 | 17, 0, 0, 0, 0)
if said == 0: os._exit(0)
say(clone=said if said >= 0 else errno.errorcode[ctypes.get_errno()])
if said > 0: os.waitpid(said, 0)
"""


def test_no_process_shares_the_descriptors_of_one_that_is_left_alone_with_them() -> None:
    given = {"clone": NUMBERS["clone"]}
    assert run(SHARES, wall="off", given=given).said["clone"] > 0
    assert run(SHARES, given=given).said["clone"] == "EPERM"


#: A message that may go by itself while its process is alone, and no longer when it has a thread.
CROWD = """
import threading
a, b = socket.socketpair()
a.sendmsg([b"x"])
threading.Thread(target=threading.Event().wait, daemon=True).start()
a.sendmsg([b"x"])
"""


def test_message_goes_by_itself_only_from_a_process_of_one_thread() -> None:
    assert [one.get("goes_on", False) for one in run(CROWD).calls("sendmsg")] == [True, False]


LETTER = """
box = server(socket.AF_UNIX, "", socket.SOCK_DGRAM); name = box.getsockname()
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendmsg([b"x"], [], 0, name)
socket.socket(type=socket.SOCK_DGRAM).sendmsg([b"x"], [], 0, ("127.0.0.1", 9))
a, b = socket.socketpair(type=socket.SOCK_DGRAM); a.sendmsg([b"x"])
"""


def test_datagram_never_goes_by_itself() -> None:
    """Its address stands in memory, and a process that is alone may share that."""
    assert not [one for one in run(LETTER).seen if "goes_on" in one]
