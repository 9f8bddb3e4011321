"""The guest sees what it would see without the wall: each case runs with and without it and must end alike."""

# ruff: noqa: E501
from __future__ import annotations

import pytest

from tests.support.walled import NOBODY, run

pytestmark = pytest.mark.kernel

MATRIX = r'''
import threading, select, asyncio, subprocess, tempfile, signal, time
L = server(); port = L.getsockname()[1]
c = socket.socket()
say(blocking=became(lambda: c.connect(("127.0.0.1", port))))
a, peer = L.accept()
say(peer=peer == c.getsockname(), data=became(lambda: (c.sendall(b"hi"), a.recv(2))[1].decode()), blocks=c.getblocking())
say(again=became(lambda: c.connect(("127.0.0.1", port))))
r = socket.socket(); r.bind(("127.0.0.1", 0))
say(refused=became(lambda: socket.create_connection(r.getsockname())))
n = socket.socket(); n.setblocking(False)
say(nonblocking=errno.errorcode.get(n.connect_ex(("127.0.0.1", port))))
select.select([], [n], [], 5)
say(then=n.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), still=n.getblocking())
L.accept()
say(timeout=became(lambda: socket.create_connection(("127.0.0.1", port), timeout=5)))
L.accept()
L6 = server(socket.AF_INET6, ("::1", 0)); six = socket.socket(socket.AF_INET6)
say(six=became(lambda: six.connect(L6.getsockname())))
mapped = socket.socket(socket.AF_INET6)
say(mapped=became(lambda: mapped.connect(("::ffff:127.0.0.1", port))))
say(tcp6_takes_v4=raw("connect", socket.socket(socket.AF_INET6), inet(port), 16))
say(any_=became(lambda: socket.socket().connect(("0.0.0.0", port))))
U = server(kind=socket.SOCK_DGRAM); up = U.getsockname()
u = socket.socket(type=socket.SOCK_DGRAM)
say(sendto=became(lambda: (u.sendto(b"x" * 1000, up), len(U.recv(2000)))[1]))
say(udp_connect=became(lambda: u.connect(up)), largest=became(lambda: (u.send(b"z" * 65507), len(U.recv(70000)))[1]))
v = socket.socket(type=socket.SOCK_DGRAM)
say(sendto_largest=became(lambda: (v.sendto(b"z" * 65507, up), len(U.recv(70000)))[1]))
say(too_large=became(lambda: v.sendto(b"z" * 65508, up)), far_too_large=became(lambda: v.sendto(b"z" * (2 << 20), up)))
say(sendmsg=became(lambda: (v.sendmsg([b"ab", b"cd"], [], 0, up), U.recv(10))[1].decode()))
say(empty=became(lambda: (v.sendmsg([], [], 0, up), U.recv(10))[1].decode()))
say(no_address=became(lambda: socket.socket(type=socket.SOCK_DGRAM).sendmsg([b"x"])))
say(disconnect=raw("connect", u, bytes(16), 16), then_send=became(lambda: u.send(b"x")))
say(fault=raw("connect", v, ctypes.c_void_p(8), 16), fault_high=raw("connect", v, ctypes.c_void_p(2**64 - 4096), 16))
say(bad=raw("connect", 999, inet(port), 16), bad_and_fault=raw("connect", 999, ctypes.c_void_p(8), 16))
null = os.open("/dev/null", 0); path_fd = os.open("/", os.O_PATH)
say(no_socket=raw("connect", null, inet(port), 16), no_socket_fault=raw("connect", null, ctypes.c_void_p(8), 16), o_path=raw("connect", path_fd, inet(port), 16))
say(bind_no_socket=raw("bind", null, ctypes.c_void_p(8), 16), listen_no_socket=raw("listen", null, 1), send_no_socket=raw("sendto", null, b"x", 1, 0, inet(port), 16))
say(long=raw("connect", v, inet(port), 4096), negative=raw("connect", v, inet(port), -1))
say(short=[raw("connect", v, inet(port), n) for n in (0, 1, 2, 8, 15)])
say(short_tcp=[raw("connect", socket.socket(), inet(port), n) for n in (0, 1, 2, 8, 15)])
say(short_send=[raw("sendto", v, b"x", 1, 0, inet(up[1]), n) for n in (1, 2, 15)])
say(short6=[raw("connect", socket.socket(10, 2), inet6(port), n) for n in (2, 23, 24, 27, 28)])
say(family=raw("connect", socket.socket(), inet(port, family=77), 16), family_udp=raw("sendto", v, b"x", 1, 0, inet(port, family=77), 16))
say(six_on_four=raw("connect", socket.socket(), inet6(port), 28))
say(listen_again=became(lambda: L.listen(128)), bind_again=became(lambda: L.bind(("127.0.0.1", 0))))
say(listen_udp=became(lambda: U.listen(1)))
auto = socket.socket(); say(autobind=became(lambda: auto.listen(1)), auto=auto.getsockname()[1] > 0)
say(taken=became(lambda: socket.socket().bind(("127.0.0.1", port))), elsewhere=became(lambda: socket.socket().bind(("192.0.2.1", 0))))
errors = []
def many():
    try:
        for _ in range(25): socket.create_connection(("127.0.0.1", port)).close()
    except OSError as error: errors.append(repr(error))
def accept():
    while True: L.accept()[0].close()
threading.Thread(target=accept, daemon=True).start()
threads = [threading.Thread(target=many) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
say(threads=errors)
say(child=subprocess.run([PYTHON, "-I", "-S", "-c", "import socket; socket.create_connection(('127.0.0.1', %d))" % port]).returncode)
async def talk():
    _, w = await asyncio.open_connection("127.0.0.1", port); w.close()
asyncio.run(talk()); say(asyncio="ok")
one, other = socket.socketpair(); other.close()
say(pipe=became(lambda: one.sendmsg([b"x"])), quiet_pipe=became(lambda: one.sendmsg([b"x"], [], socket.MSG_NOSIGNAL)))
pid = os.fork()
if not pid:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL); one.sendmsg([b"x"]); os._exit(0)
say(sigpipe=os.waitpid(pid, 0)[1])
say(unconnected_tcp=became(lambda: socket.socket().sendmsg([b"x"])), named_tcp=became(lambda: socket.socket().sendto(b"x", ("127.0.0.1", port))))
'''

UNIX = r'''
import tempfile
d = tempfile.mkdtemp(); os.chdir(d); os.umask(0o027)
S = server(socket.AF_UNIX, "rel.sock")
say(name=S.getsockname(), mode=oct(os.stat("rel.sock").st_mode))
c = socket.socket(socket.AF_UNIX); say(relative=became(lambda: c.connect("rel.sock")), peer=c.getpeername())
say(again=became(lambda: c.connect("rel.sock")))
say(absolute=became(lambda: socket.socket(socket.AF_UNIX).connect(d + "/rel.sock")))
os.mkdir("sub"); os.chdir("sub"); say(up=became(lambda: socket.socket(socket.AF_UNIX).connect("../rel.sock")))
here = os.open("..", os.O_PATH)
say(by_fd=became(lambda: socket.socket(socket.AF_UNIX).connect(f"/proc/self/fd/{here}/rel.sock")))
say(by_dev=became(lambda: socket.socket(socket.AF_UNIX).connect(f"/dev/fd/{here}/rel.sock")))
say(by_cwd=became(lambda: socket.socket(socket.AF_UNIX).connect("/proc/self/cwd/../rel.sock")))
pinned = os.open("../rel.sock", os.O_PATH)
say(by_pin=became(lambda: socket.socket(socket.AF_UNIX).connect(f"/proc/self/fd/{pinned}")))
say(bind_by_fd=became(lambda: server(socket.AF_UNIX, f"/proc/self/fd/{here}/made.sock")), made=os.path.exists("../made.sock"))
say(none=became(lambda: socket.socket(socket.AF_UNIX).connect("nope")), taken=became(lambda: socket.socket(socket.AF_UNIX).bind("../rel.sock")))
say(no_folder=became(lambda: socket.socket(socket.AF_UNIX).bind("no/such")), empty=raw("bind", socket.socket(1), struct.pack("<H", 1) + bytes(1), 3))
open("file", "w"); say(no_sock=became(lambda: socket.socket(socket.AF_UNIX).connect("file")))
say(type_=became(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).connect("../rel.sock")))
name = "\0netguard-test-%d" % os.getpid(); A = server(socket.AF_UNIX, name)
say(abstract=became(lambda: socket.socket(socket.AF_UNIX).connect(name)), gone=became(lambda: socket.socket(socket.AF_UNIX).connect(name + "x")))
auto = socket.socket(socket.AF_UNIX); say(auto=raw("bind", auto, struct.pack("<H", 1), 2), auto_name=len(auto.getsockname()))
G = server(socket.AF_UNIX, "dg.sock", socket.SOCK_DGRAM); g = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
say(dgram=became(lambda: (g.sendto(b"q", "dg.sock"), G.recv(9))[1].decode()), dgram_none=became(lambda: g.sendto(b"q", "nope")))
say(dgram_connect=became(lambda: g.connect("dg.sock")), undo=raw("connect", g.fileno(), bytes(2), 2), undone=became(lambda: g.send(b"x")))
say(long=[raw("connect", socket.socket(1), struct.pack("<H", 1) + b"a" * n, n + 2) for n in (0, 1, 108, 109, 126, 127)])
say(other=raw("connect", socket.socket(1), inet(1), 16), stream_named=became(lambda: c.sendto(b"x", "../rel.sock")))
Q = server(socket.AF_UNIX, "seq.sock", socket.SOCK_SEQPACKET); q = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
say(seqpacket=became(lambda: q.connect("seq.sock")))
a, b = socket.socketpair(); r, w = os.pipe()
socket.send_fds(a, [b"f"], [w]); _, fds, _, _ = socket.recv_fds(b, 1, 1); os.write(fds[0], b"pp")
say(rights=os.read(r, 9).decode(), bad_right=became(lambda: socket.send_fds(a, [b"f"], [999])), many=became(lambda: socket.send_fds(a, [b"f"], [w] * 254)))
socket.send_fds(a, [b"f"], [w] * 253); say(most=len(socket.recv_fds(b, 1, 253)[1]))
who = struct.pack("iII", os.getpid(), os.geteuid(), os.getegid())
say(creds=became(lambda: a.sendmsg([b"x"], [(1, 2, who)])))
say(bad_control=became(lambda: a.sendmsg([b"x"], [(1, 99, b"1234")])))
'''

BIG = r'''
import threading
a, b = socket.socketpair(); got = []
def read():
    while True:
        piece = b.recv(1 << 16)
        if not piece: break
        got.append(piece)
t = threading.Thread(target=read); t.start()
big = os.urandom(3 << 20); sent = 0
while sent < len(big): sent += a.sendmsg([big[sent:sent + 700_000], big[sent + 700_000:]])
a.shutdown(socket.SHUT_WR); t.join(); say(same=b"".join(got) == big)
c, d = socket.socketpair(); c.setblocking(False)
sent = c.sendmsg([bytes(1 << 20)]); say(some=0 < sent < 1 << 20, full=became(lambda: c.sendmsg([bytes(1)])))
say(dontwait=became(lambda: (c.setblocking(True), c.sendmsg([bytes(1)], [], socket.MSG_DONTWAIT))))
'''


def both(guest: str, uid: int | None, **spec: object) -> tuple[dict[str, object], dict[str, object]]:
    bare, walled = run(guest, wall="off", uid=uid, **spec), run(guest, uid=uid, **spec)
    assert bare.status == 0, bare.text
    assert walled.status == 0, walled.text
    return bare.said, walled.said


@pytest.mark.parametrize("uid", [None, NOBODY], ids=["as we are", "ordinary user"])
@pytest.mark.parametrize("guest", [MATRIX, UNIX, BIG], ids=["inet", "unix", "big"])
def test_guest_sees_no_difference(guest: str, uid: int | None) -> None:
    bare, walled = both(guest, uid)
    assert walled == bare
    assert bare
