"""A guest whose sockets are made for it: they are its own in every way, and what it does with others' leads nowhere.

Each case of `test_act` runs so as well (`test_guest_sees_no_difference`); here is what is this mode's alone.
"""

# ruff: noqa: E501  # one line a statement of the guest, so that it can be read beside the others

from __future__ import annotations

import pytest

from tests.support.walled import NOBODY, run

pytestmark = pytest.mark.kernel

KINDS = r"""
import array, fcntl, select, stat, threading
def flags(fd): return fcntl.fcntl(fd, fcntl.F_GETFD), fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK
def made(family, kind, protocol=0):
    fd = libc.socket(family, kind, protocol)
    return list(flags(fd)) + [fd > 2] if fd >= 0 else errno.errorcode[ctypes.get_errno()]
CLOEXEC, NONBLOCK = socket.SOCK_CLOEXEC, socket.SOCK_NONBLOCK
say(plain=made(2, 1), cloexec=made(2, 1 | CLOEXEC), nonblocking=made(10, 2 | NONBLOCK), both=made(1, 5 | CLOEXEC | NONBLOCK))
say(netlink=made(16, 3, 0), strange=made(1, 1 | 1 << 20), wrong=made(1, 9), other=made(2, 1, 132))
pair = (ctypes.c_int * 2)()
say(pair=libc.socketpair(1, 1 | CLOEXEC, 0, pair), flags=flags(pair[0]), fault=raw("socketpair", 1, 1, 0, ctypes.c_void_p(8)))
say(sent=os.write(pair[0], b"x"), got=os.read(pair[1], 5).decode())
L = server(); L.setblocking(False)
say(nobody=became(L.accept), inval=raw("accept4", L, None, None, 1 << 30))
c = socket.create_connection(L.getsockname()); L.setblocking(True)
room = ctypes.create_string_buffer(128); size = ctypes.c_uint(8)
fd = libc.accept4(L.fileno(), room, ctypes.byref(size), CLOEXEC)
say(accepted=flags(fd), size=size.value, told=room.raw[:8] == inet(c.getsockname()[1])[:8], rest=room.raw[8:10].hex())
c = [socket.create_connection(L.getsockname()) for _ in range(2)]
say(fault_accept=raw("accept", L, ctypes.c_void_p(8), ctypes.byref(ctypes.c_uint(16))), negative=raw("accept", L, room, ctypes.byref(ctypes.c_uint(-1))))
say(not_listening=raw("accept", socket.socket(), None, None), datagram=raw("accept", socket.socket(type=2), None, None))
L.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("qq", 0, 200_000))
while raw("accept", L, None, None) != "EAGAIN": pass
limit = __import__("resource"); limit.setrlimit(limit.RLIMIT_NOFILE, (3, 4096)); say(full=made(2, 1))
"""

WAITING = r"""
import select, signal, threading, time
L = server(); port = L.getsockname()[1]; got = []
threads = [threading.Thread(target=lambda: got.append(L.accept()[0].recv(5))) for _ in range(3)]
for thread in threads: thread.start()
for n in range(3): socket.create_connection(("127.0.0.1", port)).sendall(b"%d" % n)
for thread in threads: thread.join()
say(all=sorted(piece.decode() for piece in got))
signal.signal(signal.SIGALRM, lambda *_: None); signal.siginterrupt(signal.SIGALRM, True)
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1); say(interrupted=raw("accept", L, None, None)); signal.setitimer(signal.ITIMER_REAL, 0)
L.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("qq", 0, 200_000)); say(late=raw("accept", L, None, None))
child = os.fork()
if not child:
    L.accept(); os._exit(1)
time.sleep(0.1); os.kill(child, signal.SIGKILL); os.waitpid(child, 0)
c = socket.create_connection(("127.0.0.1", port)); c.sendall(b"later")
L.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, bytes(16)); say(after_a_killed_one=L.accept()[0].recv(9).decode())
"""

#: With another thread the supervisor has to send it: the kernel could be shown another socket.
PASSED = r"""
import fcntl, tempfile, threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
a, b = socket.socketpair(); L = server(); E = __import__("select").epoll()
def passed(fd, data=b"x"):
    socket.send_fds(a, [data], [fd]); return socket.recv_fds(b, 9, 1)[1][0]
r, w = os.pipe(); p = passed(r); os.write(w, b"pipe"); say(pipe=os.read(p, 9).decode(), mode=fcntl.fcntl(p, 3) & 3)
f = tempfile.TemporaryFile(); f.write(b"content"); f.flush(); f.seek(3)
g = passed(f.fileno()); say(file=os.read(g, 9).decode(), file_mode=fcntl.fcntl(g, 3) & 3)
n = open("/etc/passwd"); say(read_only=fcntl.fcntl(passed(n.fileno()), 3) & 3, write=became(lambda: os.write(passed(n.fileno()), b"x")))
m = os.memfd_create("x"); os.write(m, b"memory"); say(memory=os.pread(passed(m), 9, 0).decode())
s = socket.socket(); t = socket.socket(fileno=passed(s.fileno())); s.close()
say(used=became(lambda: t.connect(L.getsockname())), whole=became(lambda: t.sendmsg([b"x"])))
say(event=became(lambda: passed(os.eventfd(0))), epoll=became(lambda: passed(E.fileno())))
say(device=became(lambda: passed(os.open("/dev/null", 2))), own=became(lambda: passed(os.open("/proc/self/maps", 0))))
say(folder=os.listdir(passed(os.open("/proc/sys", 0) if 0 else os.open("/usr", 0)))[:0], bad=became(lambda: passed(999)))
d = os.open("/etc/passwd", os.O_PATH); say(path=became(lambda: os.read(passed(d), 1)))
"""

CLOSED = r"""
import select, time
L = server(); port = L.getsockname()[1]
def until(what, seconds=2):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end: time.sleep(0.001)
    return what()
c = socket.create_connection(("127.0.0.1", port)); s, _ = L.accept()
c.close(); begun = time.monotonic(); say(end=s.recv(5).decode(), soon=time.monotonic() - begun < 0.5)
c = socket.create_connection(("127.0.0.1", port)); s, _ = L.accept(); kept = os.dup(c.fileno()); child = os.fork()
if not child:
    time.sleep(0.4); os.write(kept, b"child"); os._exit(0)
c.close(); os.close(kept); say(still=s.recv(9).decode(), then=s.recv(9).decode()); os.waitpid(child, 0)
a, b = socket.socketpair(); x, y = socket.socketpair(); socket.send_fds(x, [b"f"], [a.fileno()]); a.close()
time.sleep(0.5); say(under_way=b.setblocking(False) or became(lambda: b.recv(1)))
got = socket.socket(fileno=socket.recv_fds(y, 5, 1)[1][0]); say(arrived=became(lambda: got.sendmsg([b"there"])))
b.setblocking(True); say(read=b.recv(9).decode())
L.close(); say(refused=raw("connect", socket.socket(), inet(port), 16))
again = socket.socket(); say(bound=became(lambda: again.bind(("127.0.0.1", port))))
u = server(kind=2); where = u.getsockname(); u.close(); v = socket.socket(type=2); say(udp=became(lambda: v.bind(where)))
fds = [libc.socket(2, 1, 0) for _ in range(300)]; [os.close(fd) for fd in fds]
"""

#: Sockets that were not made here: one from before, and one that came over a socket from outside.
STRANGE = r"""
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
old = socket.socket(fileno=given_fd)
say(connect=raw("connect", old, inet(9), 16), send_to=raw("sendto", old, b"x", 1, 0, inet(9), 16), message=became(lambda: old.sendmsg([b"x"], [], 0, ("127.0.0.1", 9))))
say(bind=raw("bind", old, inet(0), 16), passed=became(lambda: socket.send_fds(socket.socketpair()[0], [b"x"], [given_fd])), plain=became(lambda: old.send(b"x")))
"""


@pytest.mark.parametrize("uid", [None, NOBODY], ids=["as we are", "ordinary user"])
@pytest.mark.parametrize("guest", [KINDS, WAITING], ids=["kinds", "waiting"])
def test_socket_is_what_the_kernel_would_have_made(guest: str, uid: int | None) -> None:
    bare, held = run(guest, wall="off", uid=uid), run(guest, wall="hold", uid=uid)
    assert (bare.status, held.status) == (0, 0), bare.text + held.text
    assert held.said == bare.said


def test_descriptor_is_handed_on_as_far_as_it_can_be_had() -> None:
    bare, held = run(PASSED, wall="off"), run(PASSED, wall="hold")
    assert (bare.status, held.status) == (0, 0), bare.text + held.text
    lost = {name: value for name, value in held.said.items() if value != bare.said[name]}
    assert lost == dict.fromkeys(["event", "epoll", "device", "own"], "EPERM")


def test_what_the_guest_has_closed_is_closed_and_what_it_has_not_is_not() -> None:
    bare, held = run(CLOSED, wall="off"), run(CLOSED, wall="hold")
    assert (bare.status, held.status) == (0, 0), bare.text + held.text
    assert held.said == bare.said


def test_nothing_is_done_on_a_socket_from_elsewhere() -> None:
    held = run("import struct\n" + STRANGE, wall="hold", inherited=True)
    assert held.status == 0, held.text
    plain = held.said.pop("plain")
    assert plain != "EACCES"  # it goes where the socket was connected to, as in every tier
    assert held.said == dict.fromkeys(["connect", "send_to", "message", "bind", "passed"], "EACCES")


MANY = """
found = set()
for _ in range(2000):
    fd = libc.socket(2, 1, 0); found.add(fd > 2 and os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")); os.close(fd)
say(found=sorted(found))
"""


def test_a_socket_is_given_however_often_we_are_interrupted() -> None:
    """The kernel takes a descriptor back whose giver is interrupted, and ends the call with 0: standard input."""
    assert run(MANY, wall="hold", alarms=0.0003).said == {"found": [True]}
