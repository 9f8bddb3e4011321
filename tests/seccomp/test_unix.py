"""Who each side of a unix socket is told the other is: bare and under the wall, as root and as an ordinary user.

`own` is the process that called, `guard` the supervisor that carried the call out for it. User and group are always the
caller's own.
"""

from __future__ import annotations

import os

import pytest

from tests.support.walled import NOBODY, run

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="becomes an ordinary user"),
]

#: `told(who)`: whose process number the kernel says, and whether user and group are ours.
HEAD = r"""
import array, contextlib, tempfile, threading, time
os.chdir(tempfile.mkdtemp())
SOL, PEER, PASS, CREDS = socket.SOL_SOCKET, socket.SO_PEERCRED, socket.SO_PASSCRED, socket.SCM_CREDENTIALS
UNIX, STREAM, DGRAM, SEQ = socket.AF_UNIX, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET
guard = os.getppid()
if crowd: threading.Thread(target=threading.Event().wait, daemon=True).start()
def told(data, other):
    pid, uid, gid = struct.unpack("iII", data)
    assert (uid, gid) == (os.geteuid(), os.getegid()), (uid, gid)
    return {other: "own", guard: "guard"}.get(pid, f"{pid}, not {other} nor {guard}")
def peer(sock, other): return told(sock.getsockopt(SOL, PEER, 12), other)
def sender(sock, other):
    data, parts, flags, _ = sock.recvmsg(64, 256)
    return told(next(body for level, kind, body in parts if (level, kind) == (SOL, CREDS))[:12], other)
def own(pid=None): return [(SOL, CREDS, struct.pack("iII", pid or os.getpid(), os.geteuid(), os.getegid()))]
@contextlib.contextmanager
def child(do):
    "A process that does something and stays until it is left."
    r, w = os.pipe(); pid = os.fork()
    if not pid:
        os.close(w)
        try:
            if crowd: threading.Thread(target=threading.Event().wait, daemon=True).start()
            held = do(); os.read(r, 1)
        except BaseException: sys.excepthook(*sys.exc_info()); os._exit(1)
        os._exit(0)
    os.close(r); yield pid; os.close(w); assert os.waitpid(pid, 0)[1] == 0
"""

CONNECTIONS = r"""
abstract = "\0netguard-%d" % os.getpid()
for name, kind, place in (("stream", STREAM, "st"), ("seqpacket", SEQ, "sq"), ("abstract", STREAM, abstract)):
    with server(UNIX, place, kind) as S:
        here = os.getpid()
        def client():
            c = socket.socket(UNIX, kind); c.connect(place)
            say(**{name + " the server": peer(c, here)})
            c.send(b"send"); c.sendmsg([b"sendmsg"]); c.sendmsg([b"said"], own())
            return c
        S.setsockopt(SOL, PASS, 1)
        with child(client) as pid:
            a, _ = S.accept(); a.setsockopt(SOL, PASS, 1)
            say(**{name + " the client": peer(a, pid)})
            if kind == SEQ:
                say(**{name + " " + how: sender(a, pid) for how in ("send", "sendmsg", "said")})
"""

LETTERS = r"""
with server(UNIX, "box", DGRAM) as box:
    box.setsockopt(SOL, PASS, 1)
    def post():
        s = socket.socket(UNIX, DGRAM)
        s.sendto(b"x", "box"); s.sendmsg([b"x"], [], 0, "box"); s.sendmsg([b"x"], own(), 0, "box")
        s.connect("box"); s.send(b"x"); s.sendmsg([b"x"]); s.sendmsg([b"x"], own())
    with child(post) as pid:
        for how in ("sendto", "sendmsg", "said", "send connected", "sendmsg connected", "said connected"):
            say(**{how: sender(box, pid)})
"""

PAIRS = r"""
for name, kind in (("stream", STREAM), ("seqpacket", SEQ), ("dgram", DGRAM)):
    a, b = socket.socketpair(UNIX, kind); b.setsockopt(SOL, PASS, 1)
    def talk():
        for act in (lambda: a.send(b"x"), lambda: a.sendmsg([b"x"]), lambda: a.sendmsg([b"x"], own())):
            act(); a.recv(1) # what is not read yet may be told together
    with child(talk) as pid:
        for how in ("send", "sendmsg", "said"):
            say(**{name + " " + how: sender(b, pid)}); b.send(b"y")
        say(**{name + " the pair": peer(b, os.getpid())})
"""

#: What a process says of itself that it is not.
LIES = r"""
a, b = socket.socketpair()
for kind in (STREAM, SEQ, DGRAM):
    a, b = socket.socketpair(UNIX, kind); b.setsockopt(SOL, PASS, 1)
    say(**{f"pid {kind}": became(lambda: a.sendmsg([b"x"], own(os.getppid())))})
    lie = struct.pack("iII", os.getpid(), os.geteuid() + 1, os.getegid())
    say(**{f"uid {kind}": became(lambda: a.sendmsg([b"x"], [(SOL, CREDS, lie)]))})
"""

USERS = pytest.mark.parametrize("uid", [None, NOBODY], ids=["root", "ordinary user"])
CROWDS = pytest.mark.parametrize("crowd", [False, True], ids=["one thread", "two threads"])


def said(guest: str, uid: int | None, crowd: bool, **spec: object) -> dict[str, object]:
    result = run(HEAD + guest, uid=uid, given={"crowd": crowd}, **spec)  # type: ignore[arg-type]
    assert result.status == 0, result.text
    return result.said


@USERS
@CROWDS
@pytest.mark.parametrize("guest", [CONNECTIONS, LETTERS, PAIRS], ids=["connections", "letters", "pairs"])
def test_without_a_wall_all_is_ones_own(guest: str, uid: int | None, crowd: bool) -> None:
    assert set(said(guest, uid, crowd, wall="off").values()) == {"own"}


@USERS
@CROWDS
def test_server_is_itself_where_it_listens_alone(uid: int | None, crowd: bool) -> None:
    """A connection is made for the client, which is then the supervisor to the server; and so is the server to its
    client, where another thread of its could change the socket while it is looked at."""
    there = "guard" if crowd else "own"
    each = {"the server": there, "the client": "guard"}
    sent = {"send": "own", "sendmsg": there, "said": there}
    expected = {f"{kind} {what}": who for kind in ("stream", "seqpacket", "abstract") for what, who in each.items()}
    expected |= {f"seqpacket {what}": who for what, who in sent.items()}
    assert said(CONNECTIONS, uid, crowd) == expected


@USERS
@CROWDS
def test_letters_with_an_address_are_the_supervisors(uid: int | None, crowd: bool) -> None:
    found = said(LETTERS, uid, crowd)
    assert found.pop("send connected") == "own"
    assert set(found.values()) == {"guard"}


@USERS
@CROWDS
def test_pairs_are_ones_own_where_one_is_alone(uid: int | None, crowd: bool) -> None:
    found = said(PAIRS, uid, crowd)
    guarded = {name for name, who in found.items() if who == "guard"}
    kinds = ("dgram", "stream", "seqpacket") if crowd else ("dgram",)
    assert guarded == {f"{kind} {what}" for kind in kinds for what in ("sendmsg", "said")}
    assert set(found.values()) == {"own", "guard"}


@CROWDS
def test_nobody_says_that_he_is_somebody_else(crowd: bool) -> None:
    bare = said(LIES, NOBODY, crowd, wall="off")
    assert set(bare.values()) == {"EPERM"}
    assert said(LIES, NOBODY, crowd) == bare
