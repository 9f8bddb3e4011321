"""What a guest tries on the supervisor that acts for it: others' rights, other meanings, endless calls, bad memory."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.support.walled import NOBODY, run

pytestmark = [pytest.mark.kernel, pytest.mark.hostile]

UNSPEC = """
sent = {}
four, six = socket.socket(type=socket.SOCK_DGRAM), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
v6 = struct.pack("<H", 0) + inet6(evil, "::ffff:127.0.0.1")[2:]
sent["unspec on v4"] = raw("sendto", four, b"x", 1, 0, inet(evil, family=0), 16)
sent["v4 on v6"] = raw("sendto", six, b"x", 1, 0, inet(evil), 16)
sent["unspec on v6"] = raw("sendto", six, b"x", 1, 0, inet(evil, family=0), 16)
sent["unspec v6 on v6"] = raw("sendto", six, b"x", 1, 0, v6, 28)
sent["mapped"] = raw("sendto", six, b"x", 1, 0, inet6(evil, "::ffff:127.0.0.1"), 28)
sent["any"] = raw("sendto", four, b"x", 1, 0, inet(evil, "0.0.0.0"), 16)
sent["any v6"] = raw("sendto", six, b"x", 1, 0, inet6(evil, "::"), 28)
sent["mapped any"] = raw("sendto", six, b"x", 1, 0, inet6(evil, "::ffff:0.0.0.0"), 28)
sent["connect v4 on v6"] = raw("connect", socket.socket(10, 2), inet(evil), 16)
sent["high word"] = libc.syscall(SENDTO, ctypes.c_long(four.fileno() | 1 << 40), b"x", 1, 0, inet(evil), 16)
say(**sent)
"""

#: What reaches an inbox on 127.0.0.1 of these, without the wall.
REACH = ("unspec on v4", "v4 on v6", "mapped", "any", "mapped any", "connect v4 on v6")


def test_every_spelling_of_an_address_is_decided() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as evil:
        evil.bind(("127.0.0.1", 0))
        evil.setblocking(False)
        port = evil.getsockname()[1]
        given = {"evil": port, "SENDTO": {"x86_64": 44, "aarch64": 206}[os.uname().machine]}
        bare = run(UNSPEC, wall="off", given=given).said
        for what in REACH:
            assert bare[what] in (0, 1), what
        while True:
            try:
                evil.recv(9)
            except BlockingIOError:
                break
        held = run(UNSPEC, given=given, deny_ports=[port])
        assert not [what for what in (*REACH, "any v6", "high word") if held.said[what] in (0, 1)]
        with pytest.raises(BlockingIOError):
            evil.recv(9)
    assert held.said["unspec on v6"] == bare["unspec on v6"] == "EDESTADDRREQ"
    assert {tuple(one["where"]) for one in held.calls("sendto") if one["kind"]} == {
        (4, 0x7F000001), (4, 0), (6, 0),
    }  # fmt: skip


DEPUTY = """
say(port=became(lambda: socket.socket().bind(("127.0.0.1", 81))))
say(path=became(lambda: socket.socket(socket.AF_UNIX).connect(path)))
one, other = socket.socketpair()
say(pair=became(lambda: one.sendmsg([b"x"])))
d = socket.socket(type=socket.SOCK_DGRAM)
say(mark=became(lambda: d.sendmsg([b"x"], [(1, 36, struct.pack("i", 5))], 0, ("127.0.0.1", 9))))
say(connects=became(lambda: socket.socket(type=socket.SOCK_DGRAM).connect(("127.0.0.1", 9))))
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
say(crowd=became(lambda: one.sendmsg([b"x"])))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="has to be root to lend a right")
def test_supervisor_lends_its_rights_to_nobody(tmp_path: Path) -> None:
    path = str(tmp_path / "root")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and folder != Path("/tmp"):
            break
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(8)
        os.chmod(path, 0o600)
        ours = run(DEPUTY, given={"path": path})
        theirs = run(DEPUTY, given={"path": path}, as_guest=NOBODY)
    assert [ours.said[what] for what in ("port", "path", "pair", "connects")] == [None, None, 1, None]
    assert [theirs.said[what] for what in ("port", "path", "crowd")] == ["EACCES"] * 3
    assert theirs.said["pair"] == 1, "the kernel carries it out, with its own rights"
    assert theirs.said["mark"] in ("EACCES", "EPERM")
    assert theirs.said["connects"] is None


CONTROL = """
inbox = server(kind=socket.SOCK_DGRAM); inbox.setblocking(False); target = inbox.getsockname()
inbox6 = server(socket.AF_INET6, ("::1", 0), socket.SOCK_DGRAM); inbox6.setblocking(False)
four, six = socket.socket(type=socket.SOCK_DGRAM), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
def send(*control, made=four, to=target):
    return became(lambda: made.sendmsg([b"x"], control, 0, to))
source = socket.inet_aton("127.0.0.9")
say(options=send((0, 7, bytes(4))), ttl=send((0, 2, struct.pack("i", 9))), mark=send((1, 36, struct.pack("i", 1))))
say(source=send((0, 8, struct.pack("i", 0) + source + bytes(4))))
say(elsewhere=send((0, 8, struct.pack("i", 77) + source * 2)))
got = []
try:
    while True: got.append(inbox.recvfrom(9)[1][0])
except BlockingIOError: say(got=got)
for kind in (3, 4, 5, 54, 55, 57, 59):
    say(**{f"six {kind}": send((41, kind, bytes(24)), made=six, to=inbox6.getsockname())})
say(hops=send((41, 52, struct.pack("i", 9)), made=six, to=inbox6.getsockname()))
say(rights=send((1, 1, struct.pack("i", 0))))
"""


def test_ancillary_data_carries_no_route() -> None:
    bare, walled = run(CONTROL, wall="off").said, run(CONTROL).said
    refused = ["options", "mark", *[f"six {kind}" for kind in (3, 4, 5, 54, 55, 57, 59)]]
    assert {walled.pop(what) for what in refused} == {"EPERM"}
    assert bare["elsewhere"] == "ENODEV", "the kernel looks for the interface that is named"
    assert walled == {
        **{what: value for what, value in bare.items() if what not in refused},
        "elsewhere": 1,
        "got": ["127.0.0.1", "127.0.0.9", "127.0.0.9"],
    }


RELISTEN = """
L = server()
made = socket.socket(); made.connect(L.getsockname())
say(undone=raw("connect", made, bytes(16), 16))
shown = made.getsockname()
say(listens=became(lambda: made.listen(1)), shown=shown[1] > 0, at=made.getsockname()[0])
bound = socket.socket(); bound.bind(("127.0.0.1", 0)); bound.listen(1)
"""


def test_socket_that_was_connected_before_is_decided_when_it_listens() -> None:
    done = run(RELISTEN)
    assert done.said["listens"] is None
    assert done.said["at"] == "0.0.0.0"
    asked = done.calls("listen")
    assert [one["kind"] for one in asked] == ["", "listen", ""], "what was bound by us needs no second decision"
    assert (asked[1]["where"], asked[1]["port"]) == ([4, 0], 0)


#: A process sets sockets to blocking, over and over, while threads connect them to where nobody answers.
STALLED = """
import fcntl, mmap, signal, threading, time
full = socket.socket(); full.bind(("127.0.0.1", 0)); full.listen(0); port = full.getsockname()[1]
fillers = [socket.socket() for _ in range(8)]
for one in fillers: one.setblocking(False); one.connect_ex(("127.0.0.1", port))
tried = [socket.socket() for _ in range(30)]
shared = mmap.mmap(-1, 4096); shared[0] = tried[0].fileno()
flipper = os.fork()
if not flipper:
    while True: fcntl.fcntl(shared[0], fcntl.F_SETFL, 0)
for one in tried:
    shared[0] = one.fileno()
    threading.Thread(target=libc.connect, args=(one.fileno(), inet(port), 16), daemon=True).start()
    time.sleep(0.05)
os.kill(flipper, signal.SIGKILL); os.waitpid(flipper, 0)
begun = time.monotonic(); socket.socket(type=socket.SOCK_DGRAM).connect(("127.0.0.1", 9))
say(took=time.monotonic() - begun)
os._exit(0)
"""

LINGERING = """
import threading, time
L = server(); made = socket.create_connection(L.getsockname()); peer, _ = L.accept()
peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
made.setblocking(False)
try:
    while True: made.send(bytes(1 << 20))
except BlockingIOError: pass
made.setblocking(True)
made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 20))
number = made.detach()
# One thread waits in a send with a copy of ours behind it; the socket's last own descriptor is closed meanwhile.
pid = os.fork()
if not pid:
    libc.sendmsg(number, struct.pack("<QI4xQQQQi4x", 0, 0, *SEGMENT, 0, 0, 0), 0); os._exit(0)
os.close(number)
time.sleep(0.5); os.kill(pid, 9); os.waitpid(pid, 0)
time.sleep(0.3)
begun = time.monotonic(); socket.socket(type=socket.SOCK_DGRAM).connect(("127.0.0.1", 9))
say(took=time.monotonic() - begun)
os._exit(0)
"""


def test_nothing_that_a_guest_does_to_its_socket_holds_up_the_loop() -> None:
    walled = run(STALLED)
    assert walled.said["took"] < 1
    assert walled.longest < 1


def test_socket_that_lingers_does_not_hold_up_the_loop() -> None:
    source = LINGERING.replace("*SEGMENT", "base, 1").replace(
        "# One", 'room = ctypes.create_string_buffer(64); base = ctypes.addressof(room)\n'
        'room[0:16] = struct.pack("<QQ", base + 32, 8)\n# One', 1,
    )  # fmt: skip
    walled = run(source)
    assert walled.said["took"] < 1
    assert walled.longest < 1


MEMORY = """
import mmap
page = mmap.PAGESIZE
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
def edge(tail):
    "The address of `tail` at the very end of a page with nothing behind it."
    at = libc.mmap(None, 2 * page, 3, 0x22, -1, 0); libc.munmap(at + page, page)
    ctypes.memmove(at + page - len(tail), tail, len(tail)); return ctypes.c_void_p(at + page - len(tail))
inbox = server(kind=socket.SOCK_DGRAM); port = inbox.getsockname()[1]
d = socket.socket(type=socket.SOCK_DGRAM)
say(fits=raw("connect", d, edge(inet(port)), 16), cut=raw("connect", d, edge(inet(port)[:15]), 16))
say(data=raw("sendto", d, edge(b"abc"), 3, 0, inet(port), 16))
say(cut_data=raw("sendto", d, edge(b"abc"), 4, 0, inet(port), 16))
vector = struct.pack("<QQ", edge(b"abc").value, 3)
def header(vector, many=1): return struct.pack("<QI4xQQQQi4x", 0, 0, edge(vector).value, many, 0, 0, 0)
say(message=raw("sendmsg", d, edge(header(vector)), 0), cut_header=raw("sendmsg", d, edge(header(vector)[:55]), 0))
say(cut_vector=raw("sendmsg", d, edge(header(vector, 2)), 0), many=raw("sendmsg", d, edge(header(vector, 1025)), 0))
say(negative=raw("sendmsg", d, edge(header(struct.pack("<QQ", 4096, 2**64 - 1))), 0))
say(name=raw("sendmsg", d, edge(struct.pack("<QI4xQQQQi4x", 8, 16, 0, 0, 0, 0, 0)), 0))
say(name_length=raw("sendmsg", d, edge(struct.pack("<QI4xQQQQi4x", 8, 2**32 - 1, 0, 0, 0, 0, 0)), 0))
say(control=raw("sendmsg", d, edge(struct.pack("<QI4xQQQQi4x", 0, 0, 0, 0, 8, 16, 0)), 0))
a, b = socket.socketpair(); a.setblocking(False)
half = struct.pack("<QQQQ", edge(b"abc").value, 3, 8, 5)
say(stream=raw("sendmsg", a, edge(header(half, 2)), 0) in ("EFAULT", 3))
mm = header(vector) + bytes(8)
say(sendmmsg=raw("sendmmsg", d, edge(mm + mm), 2, 0), sendmmsg_none=raw("sendmmsg", d, edge(mm), 0, 0))
say(sendmmsg_cut=raw("sendmmsg", d, edge(mm), 2, 0), sendmmsg_bad=raw("sendmmsg", d, ctypes.c_void_p(8), 1, 0))
"""


def test_memory_that_ends_is_a_fault_as_it_would_be() -> None:
    bare, walled = run(MEMORY, wall="off"), run(MEMORY)
    assert (bare.status, walled.status) == (0, 0), bare.text + walled.text
    assert walled.said == bare.said


STORM = """
import signal, threading
L = server(); address = L.getsockname()
def accept():
    while True: L.accept()[0].close()
threading.Thread(target=accept, daemon=True).start()
def hammer():
    while True: socket.create_connection(address).close()
born = []
for _ in range(12):
    pid = os.fork()
    if not pid:
        for _ in range(4): threading.Thread(target=hammer, daemon=True).start()
        hammer()
    born.append(pid)
for _ in range(150):
    pid = os.fork()
    if not pid:
        socket.create_connection(address).close(); os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
for pid in born: os.kill(pid, signal.SIGKILL)
for pid in born: os.waitpid(pid, 0)
say(after=became(lambda: socket.create_connection(address)))
os._exit(0)
"""


def test_storm_of_processes_that_die_in_their_calls_leaves_nothing() -> None:
    walled = run(STORM)
    assert walled.said == {"after": "ok"}, walled.text
    assert walled.longest < 1


CROWD = """
import threading, time
full = socket.socket(); full.bind(("127.0.0.1", 0)); full.listen(0); address = full.getsockname()
for one in [socket.socket() for _ in range(8)]: one.setblocking(False); one.connect_ex(address)
made = [socket.socket() for _ in range(60)]; said = []
def wait(one): said.append(became(lambda: one.connect(address)))
for one in made: threading.Thread(target=wait, args=(one,), daemon=True).start()
while len(said) < 20: time.sleep(0.05)
say(said=sorted(set(said)), other=became(lambda: socket.socket(type=socket.SOCK_DGRAM).connect(address)))
os._exit(0)
"""


def test_crowd_that_waits_leaves_descriptors_for_others() -> None:
    walled = run(CROWD, files=300)
    assert walled.said == {"said": ["ENOBUFS"], "other": None}
