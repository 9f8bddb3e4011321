"""The guest sees what it would see without the wall: each case runs with and without it and must end alike."""

from __future__ import annotations

import pytest

from tests.support.walled import NOBODY, run

pytestmark = pytest.mark.kernel

MATRIX = r"""
import threading, select, asyncio, subprocess, tempfile, signal, time
L = server(); port = L.getsockname()[1]
c = socket.socket()
say(blocking=became(lambda: c.connect(("127.0.0.1", port))))
a, peer = L.accept()
say(peer=peer == c.getsockname())
say(data=became(lambda: (c.sendall(b"hi"), a.recv(2))[1].decode()))
say(blocks=c.getblocking())
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
say(no_socket=raw("connect", null, inet(port), 16))
say(no_socket_fault=raw("connect", null, ctypes.c_void_p(8), 16))
say(o_path=raw("connect", path_fd, inet(port), 16))
say(bind_no_socket=raw("bind", null, ctypes.c_void_p(8), 16))
say(listen_no_socket=raw("listen", null, 1))
say(send_no_socket=raw("sendto", null, b"x", 1, 0, inet(port), 16))
say(long=raw("connect", v, inet(port), 4096), negative=raw("connect", v, inet(port), -1))
say(short=[raw("connect", v, inet(port), n) for n in (0, 1, 2, 8, 15)])
say(short_tcp=[raw("connect", socket.socket(), inet(port), n) for n in (0, 1, 2, 8, 15)])
say(short_send=[raw("sendto", v, b"x", 1, 0, inet(up[1]), n) for n in (1, 2, 15)])
say(short6=[raw("connect", socket.socket(10, 2), inet6(port), n) for n in (2, 23, 24, 27, 28)])
say(family=raw("connect", socket.socket(), inet(port, family=77), 16))
say(family_udp=raw("sendto", v, b"x", 1, 0, inet(port, family=77), 16))
say(six_on_four=raw("connect", socket.socket(), inet6(port), 28))
say(listen_again=became(lambda: L.listen(128)), bind_again=became(lambda: L.bind(("127.0.0.1", 0))))
say(listen_udp=became(lambda: U.listen(1)))
auto = socket.socket(); say(autobind=became(lambda: auto.listen(1)), auto=auto.getsockname()[1] > 0)
say(taken=became(lambda: socket.socket().bind(("127.0.0.1", port))))
say(elsewhere=became(lambda: socket.socket().bind(("192.0.2.1", 0))))
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
code = "import socket; socket.create_connection(('127.0.0.1', %d))" % port
say(child=subprocess.run([PYTHON, "-I", "-S", "-c", code]).returncode)
async def talk():
    _, w = await asyncio.open_connection("127.0.0.1", port); w.close()
asyncio.run(talk()); say(asyncio="ok")
one, other = socket.socketpair(); other.close()
say(pipe=became(lambda: one.sendmsg([b"x"])), quiet_pipe=became(lambda: one.sendmsg([b"x"], [], socket.MSG_NOSIGNAL)))
pid = os.fork()
if not pid:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL); one.sendmsg([b"x"]); os._exit(0)
say(sigpipe=os.waitpid(pid, 0)[1])
say(unconnected_tcp=became(lambda: socket.socket().sendmsg([b"x"])))
say(named_tcp=became(lambda: socket.socket().sendto(b"x", ("127.0.0.1", port))))
"""

UNIX = r"""
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
say(bind_by_fd=became(lambda: server(socket.AF_UNIX, f"/proc/self/fd/{here}/made.sock")))
say(made=os.path.exists("../made.sock"))
say(none=became(lambda: socket.socket(socket.AF_UNIX).connect("nope")))
say(taken=became(lambda: socket.socket(socket.AF_UNIX).bind("../rel.sock")))
say(no_folder=became(lambda: socket.socket(socket.AF_UNIX).bind("no/such")))
say(empty=raw("bind", socket.socket(1), struct.pack("<H", 1) + bytes(1), 3))
open("file", "w"); say(no_sock=became(lambda: socket.socket(socket.AF_UNIX).connect("file")))
say(type_=became(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).connect("../rel.sock")))
name = "\0netguard-test-%d" % os.getpid(); A = server(socket.AF_UNIX, name)
say(abstract=became(lambda: socket.socket(socket.AF_UNIX).connect(name)))
say(gone=became(lambda: socket.socket(socket.AF_UNIX).connect(name + "x")))
auto = socket.socket(socket.AF_UNIX)
say(auto=raw("bind", auto, struct.pack("<H", 1), 2))
say(auto_name=len(auto.getsockname()))
G = server(socket.AF_UNIX, "dg.sock", socket.SOCK_DGRAM); g = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
say(dgram=became(lambda: (g.sendto(b"q", "dg.sock"), G.recv(9))[1].decode()))
say(dgram_none=became(lambda: g.sendto(b"q", "nope")))
say(dgram_connect=became(lambda: g.connect("dg.sock")))
say(undo=raw("connect", g.fileno(), bytes(2), 2))
say(undone=became(lambda: g.send(b"x")))
say(long=[raw("connect", socket.socket(1), struct.pack("<H", 1) + b"a" * n, n + 2) for n in (0, 1, 108, 109, 126, 127)])
say(other=raw("connect", socket.socket(1), inet(1), 16), stream_named=became(lambda: c.sendto(b"x", "../rel.sock")))
Q = server(socket.AF_UNIX, "seq.sock", socket.SOCK_SEQPACKET); q = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
say(seqpacket=became(lambda: q.connect("seq.sock")))
a, b = socket.socketpair(); r, w = os.pipe()
socket.send_fds(a, [b"f"], [w]); _, fds, _, _ = socket.recv_fds(b, 1, 1); os.write(fds[0], b"pp")
say(rights=os.read(r, 9).decode())
say(bad_right=became(lambda: socket.send_fds(a, [b"f"], [999])))
say(many=became(lambda: socket.send_fds(a, [b"f"], [w] * 254)))
socket.send_fds(a, [b"f"], [w] * 253); say(most=len(socket.recv_fds(b, 1, 253)[1]))
who = struct.pack("iII", os.getpid(), os.geteuid(), os.getegid())
say(creds=became(lambda: a.sendmsg([b"x"], [(1, 2, who)])))
say(bad_control=became(lambda: a.sendmsg([b"x"], [(1, 99, b"1234")])))
"""

BIG = r"""
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
"""


MANY = r"""
one, two = server(kind=socket.SOCK_DGRAM), server(kind=socket.SOCK_DGRAM)
held = []
def put(data):
    held.append(ctypes.create_string_buffer(data, len(data)))
    return ctypes.addressof(held[-1])
def message(data, to=b"", control=b"", many=1):
    vector = put(struct.pack("<QQ", put(data), len(data)) * many)
    name, part = put(to) if to else 0, put(control) if control else 0
    return struct.pack("<QI4xQQQQi4x", name, len(to), vector, many, part, len(control), 0) + bytes(8)
def send(made, messages, flags=0):
    "Sends all, as a program does that looks at the count; what each call told of the lengths."
    told = []
    while messages:
        at = put(b"".join(messages))
        count = raw("sendmmsg", made, ctypes.c_void_p(at), len(messages), flags)
        if type(count) is not int: return [*told, count]
        whole = ctypes.string_at(at, 64 * len(messages))
        told += [struct.unpack_from("<I", whole, 64 * n + 56)[0] for n in range(count)]
        messages = messages[count:]
    return told
def got(box):
    box.setblocking(False); found = []
    try:
        while True: found.append(box.recv(99).decode())
    except BlockingIOError: return found
to_one, to_two = inet(one.getsockname()[1]), inet(two.getsockname()[1])
out = socket.socket(type=socket.SOCK_DGRAM)
say(same=send(out, [message(b"a", to_one), message(b"bb", to_one), message(b"ccc", to_one)]))
say(got_same=got(one))
say(mixed=send(out, [message(b"a", to_one), message(b"bb", to_two), message(b"ccc", to_one)]))
say(one=got(one), two=got(two))
say(fails=send(out, [message(b"a", to_one), message(b"x" * 70000, to_one), message(b"ccc", to_one)]))
say(before=got(one))
say(segments=send(out, [message(b"ab", to_one, many=3)]), got_segments=got(one))
say(unaddressed=send(out, [message(b"a")]))
out.connect(one.getsockname()); say(connected=send(out, [message(b"a"), message(b"b")]), got_connected=got(one))
a, b = socket.socketpair(); r, w = os.pipe()
rights = struct.pack("<Qiii", 20, 1, 1, w) + bytes(4)
say(rights=send(a, [message(b"x", control=rights), message(b"y", control=rights)]))
say(came=[len(socket.recv_fds(b, 1, 9)[1]) for _ in range(2)])
def odd(size): return message(b"x", control=struct.pack("<Qii", size, 1, 1) + bytes(16))
say(odd=[raw("sendmsg", a, odd(size), 0) for size in (0, 15, 16, 17, 33, 2**63)])
"""

FLAGS = r"""
inbox = server(kind=socket.SOCK_DGRAM); target = inbox.getsockname(); out = socket.socket(type=socket.SOCK_DGRAM)
out.sendto(b"a", socket.MSG_MORE, target); out.sendto(b"b", 0, target); say(corked=inbox.recv(9).decode())
say(unknown=became(lambda: out.sendto(b"x", 0x10, target)), confirm=became(lambda: out.sendto(b"x", 0x800, target)))
say(oob_datagram=became(lambda: out.sendto(b"x", socket.MSG_OOB, target)))
say(compat=became(lambda: out.sendto(b"x", -(2**31), target)))
say(compat_message=became(lambda: out.sendmsg([b"x"], [], -(2**31), target)))
L = server(); made = socket.create_connection(L.getsockname()); peer, _ = L.accept()
say(oob=became(lambda: (made.sendmsg([b"!"], [], socket.MSG_OOB), peer.recv(1, socket.MSG_OOB))[1].decode()))
say(named=became(lambda: made.sendto(b"named", ("192.0.2.1", 9))), came=peer.recv(9).decode())
made.shutdown(socket.SHUT_WR); say(shut=became(lambda: made.sendmsg([b"x"])))
say(zero=became(lambda: out.sendto(b"zero", 0x4000000, target)))
out.connect(target); out.shutdown(socket.SHUT_WR); say(shut_datagram=became(lambda: out.sendmsg([b"x"])))
say(interfaces=[name for _, name in socket.if_nameindex()][:1])
routes = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
say(netlink=became(lambda: routes.bind((0, 0))), other=became(lambda: routes.sendto(b"", (0, 0))))
"""


def both(guest: str, uid: int | None, **spec: object) -> tuple[dict[str, object], dict[str, object]]:
    bare, walled = run(guest, wall="off", uid=uid, **spec), run(guest, uid=uid, **spec)
    assert bare.status == 0, bare.text
    assert walled.status == 0, walled.text
    return bare.said, walled.said


#: With it no call is left to the kernel.
CROWD = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"


@pytest.mark.parametrize("uid", [None, NOBODY], ids=["as we are", "ordinary user"])
@pytest.mark.parametrize(
    "guest",
    [MATRIX, UNIX, CROWD + UNIX, BIG, MANY, CROWD + MANY, FLAGS],
    ids=["inet", "unix", "unix-threads", "big", "many", "many-threads", "flags"],
)
def test_guest_sees_no_difference(guest: str, uid: int | None) -> None:
    bare, walled = both(guest, uid)
    assert walled == bare
    assert bare


#: What is otherwise where the guest's sockets are made for it: that a peer is gone is known a moment later; what is no
#: socket is told before its arguments are read, and a descriptor that is but a place in the file system as one.
HELD = {"sigpipe": 0, "quiet_pipe": 1, "pipe": 1, "no_socket_fault": "ENOTSOCK", "o_path": "ENOTSOCK"}


@pytest.mark.parametrize("uid", [None, NOBODY], ids=["as we are", "ordinary user"])
@pytest.mark.parametrize("guest", [MATRIX, UNIX, BIG, MANY, FLAGS], ids=["inet", "unix", "big", "many", "flags"])
def test_guest_whose_sockets_are_made_for_it_sees_what_is_told(guest: str, uid: int | None) -> None:
    bare, held = run(guest, wall="off", uid=uid), run(guest, wall="hold", uid=uid)
    assert (bare.status, held.status) == (0, 0), bare.text + held.text
    assert held.said == {name: HELD.get(name, value) for name, value in bare.said.items()}


def test_pages_cannot_be_lent() -> None:
    """MSG_ZEROCOPY fails as where the kernel can lend no more pages, and programs copy then."""
    guest = """
out = socket.socket(); L = server(); out.connect(L.getsockname()); out.setsockopt(socket.SOL_SOCKET, 60, 1)
say(lent=became(lambda: out.sendmsg([b"x" * 9000], [], 0x4000000)), copied=became(lambda: out.sendmsg([b"x"])))
"""
    assert run(guest).said == {"lent": "ENOBUFS", "copied": 1}


def test_one_call_of_many_messages_is_one_decision() -> None:
    walled = run(MANY)
    assert walled.said["same"] == [1, 2, 3]
    asked = [one["port"] for one in walled.calls("sendmmsg")]
    assert len([port for port in asked if port]) == 7, "three to one address, then one after another, then what fails"
