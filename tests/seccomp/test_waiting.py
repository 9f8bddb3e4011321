"""A call that waits ends as it would without the wall, and holds up nobody else meanwhile."""

from __future__ import annotations

import pytest

from tests.support.walled import NOBODY, run

pytestmark = pytest.mark.kernel

#: A listener whose queue is full, so that a connect to it stays on its way: `port`; `room()` lets one in.
FULL = """
import select, signal, threading, time
full = socket.socket(); full.bind(("127.0.0.1", 0)); full.listen(0); port = full.getsockname()[1]
fillers = []
while True:
    one = socket.socket(); one.setblocking(False); one.connect_ex(("127.0.0.1", port))
    fillers.append(one)
    if not select.select([], [one], [], 0.3)[1]:
        break

def until_blocked(pid, tid=None):
    "Waits until the thread sleeps in its call: the wall's wait, or the kernel's own for a connection."
    place = f"/proc/{pid}/task/{tid or pid}"
    while True:
        at = open(place + "/syscall").read().split()[0]
        if at == CONNECT and open(place + "/stat").read().rpartition(")")[2].split()[0] in "SD":
            return

CONNECT = {"x86_64": "42", "aarch64": "203"}[os.uname().machine]

def fork(act):
    pid = os.fork()
    if not pid:
        try:
            act()
        finally:
            os._exit(0)
    return pid
"""

INTERRUPTED = (
    FULL
    + """
def wait():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        socket.socket().connect(("127.0.0.1", port))
    except KeyboardInterrupt:
        say(keyboard=True)
pid = fork(wait); until_blocked(pid); os.kill(pid, signal.SIGINT); os.waitpid(pid, 0)

def raw_wait(restart):
    hits = []
    signal.signal(signal.SIGUSR1, lambda *_: hits.append(1))
    signal.siginterrupt(signal.SIGUSR1, not restart)
    result = raw("connect", socket.socket(), inet(port), 16)
    say(**{f"restart_{restart}": [result, len(hits)]})
pid = fork(lambda: raw_wait(False)); until_blocked(pid); os.kill(pid, signal.SIGUSR1); os.waitpid(pid, 0)

# With SA_RESTART the handler runs when the call is begun anew, so only its end shows: a connection that comes late.
def raw_timed():
    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.siginterrupt(signal.SIGUSR1, False)
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 30, 0))
    say(timed_restart=raw("connect", made, inet(port), 16))
pid = fork(raw_timed); until_blocked(pid); os.kill(pid, signal.SIGUSR1); os.waitpid(pid, 0)

pid = fork(lambda: socket.socket().connect(("127.0.0.1", port)))
until_blocked(pid); os.kill(pid, signal.SIGKILL); say(killed=os.waitpid(pid, 0)[1])
pid = fork(lambda: socket.socket().connect(("127.0.0.1", port)))
until_blocked(pid); os.kill(pid, signal.SIGTERM); say(ended=os.waitpid(pid, 0)[1])
pid = fork(lambda: socket.socket().connect(("127.0.0.1", port)))
until_blocked(pid); os.kill(pid, signal.SIGSTOP); say(stopped=os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]))
os.kill(pid, signal.SIGCONT); os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
"""
)

TIMED = (
    FULL
    + """
made = socket.socket(); made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 300_000))
begun = time.monotonic(); say(expired=raw("connect", made, inet(port), 16))
say(in_time=0.2 < time.monotonic() - begun < 2, again=raw("connect", made, inet(port), 16))
"""
)

LATE = (
    FULL
    + """
done = []
def wait():
    made = socket.socket(); made.connect(("127.0.0.1", port))
    done.append([made.getblocking(), made.getpeername()[1] == port])
    done.append(became(lambda: made.connect(("127.0.0.1", port))))
thread = threading.Thread(target=wait); thread.start()
until_blocked(os.getpid(), thread.native_id)
full.settimeout(0.2)
while thread.is_alive():
    try:
        full.accept()
    except OSError:
        pass
say(late=done)
other = socket.socket(); other.setblocking(False)
begun = errno.errorcode.get(other.connect_ex(("127.0.0.1", port)))
say(begun=begun)
"""
)

BUSY = (
    FULL
    + """
blocked = [fork(lambda: socket.socket().connect(("127.0.0.1", port))) for _ in range(3)]
for pid in blocked: until_blocked(pid)
fine = server(); slowest = 0
for _ in range(200):
    begun = time.monotonic(); made = socket.create_connection(fine.getsockname()); fine.accept()[0].close()
    slowest = max(slowest, time.monotonic() - begun); made.close()
say(slowest=slowest)
for pid in blocked: os.kill(pid, signal.SIGKILL)
for pid in blocked: os.waitpid(pid, 0)
time.sleep(0.2)  # one sweep of the supervisor's, which this process must outlive
"""
)

SIGNALS = """
import signal, time
mine = socket.socket(type=socket.SOCK_DGRAM); hits = []
signal.signal(signal.SIGALRM, lambda *_: hits.append(1)); signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
result = raw("connect", mine, inet(9), 16)
signal.setitimer(signal.ITIMER_REAL, 0)
say(result=result)
"""

FULL_BUFFER = """
import signal, threading, time
a, b = socket.socketpair(); a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
big = os.urandom(300_000); got = []
def read():
    while sum(map(len, got)) < len(big):
        got.append(b.recv(5_000))
thread = threading.Thread(target=read)
threading.Timer(0.2, thread.start).start()
say(all_=a.sendmsg([big]) == len(big)); thread.join(); say(same=b"".join(got) == big)
a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 200_000))
say(part=0 < a.sendmsg([big]) < len(big), then=became(lambda: a.sendmsg([b"x"])))
r, w = os.pipe(); c, d = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
c.setblocking(False); sent = 0
try:
    while True: sent += c.send(b"x" * 1000)
except BlockingIOError: c.setblocking(True)
threading.Timer(0.2, lambda: [d.recv(2000) for _ in range(sent // 1000)]).start()
say(rights=became(lambda: socket.send_fds(c, [b"f"], [w])))
os.chdir("/tmp"); name = "\\0netguard-test-%d" % os.getpid()
inbox = server(socket.AF_UNIX, name, socket.SOCK_DGRAM); out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
out.setblocking(False)
try:
    while True: out.sendto(b"x", name)
except BlockingIOError: out.setblocking(True)
threading.Timer(0.2, lambda: inbox.recv(10)).start()
say(dgram=became(lambda: out.sendto(b"late", name)))
L = socket.socket(socket.AF_UNIX); L.bind(name + "s"); L.listen(0); kept = []
while True:
    one = socket.socket(socket.AF_UNIX); one.setblocking(False); kept.append(one)
    if one.connect_ex(name + "s"): break
say(backlog=became(lambda: one.connect(name + "s")))
def accept():
    for _ in range(2): kept.append(L.accept()[0])
threading.Timer(0.2, accept).start()
one = socket.socket(socket.AF_UNIX); say(unix_late=became(lambda: one.connect(name + "s")), blocks=one.getblocking())
# An interrupted send tells how far it got.
e, f = socket.socketpair(); hits = []
signal.signal(signal.SIGALRM, lambda *_: hits.append(1)); signal.setitimer(signal.ITIMER_REAL, 0.3)
say(interrupted=0 < e.sendmsg([bytes(1_000_000)]) < 1_000_000, hits=hits)
"""

FASTOPEN = """
import threading
L = server(); got = []
def serve():
    for _ in range(2):
        one, _ = L.accept(); piece = b""
        while more := one.recv(65536): piece += more
        got.append(len(piece))
thread = threading.Thread(target=serve); thread.start()
for size in (4, 900_000):
    f = socket.socket(); left = size
    left -= f.sendto(b"f" * size, 0x20000000, L.getsockname())
    while left: left -= f.send(b"f" * left)
    f.close()
thread.join(); say(got=got)
quick = socket.socket(); quick.setblocking(False)
say(nonblocking=became(lambda: quick.sendto(b"fast", 0x20000000, L.getsockname())))
r = socket.socket(); r.bind(("127.0.0.1", 0))
say(refused=became(lambda: socket.socket().sendto(b"fast", 0x20000000, r.getsockname())))
"""


def alike(guest: str, uid: int | None = None) -> dict[str, object]:
    bare, walled = run(guest, wall="off", uid=uid), run(guest, uid=uid)
    assert (bare.status, walled.status) == (0, 0), bare.text + walled.text
    assert walled.said == bare.said
    return walled.said


@pytest.mark.parametrize("uid", [None, NOBODY], ids=["as we are", "ordinary user"])
@pytest.mark.parametrize(
    "guest",
    [INTERRUPTED, TIMED, LATE, FULL_BUFFER, FASTOPEN],
    ids=["interrupted", "timed", "late", "full buffer", "fast open"],
)
def test_guest_waits_as_it_would(guest: str, uid: int | None) -> None:
    assert alike(guest, uid)


def test_connect_that_waits_holds_up_no_other() -> None:
    walled = run(BUSY)
    assert walled.said["slowest"] < 0.5
    assert walled.longest < 0.5
    assert walled.vanished == 3, "who is killed is let go"


def test_signals_do_not_keep_a_call_from_ending() -> None:
    """A signal every 5 ms, a decision that takes 20: the call ends, and is made once."""
    walled = run(SIGNALS, slow=0.02)
    assert walled.said == {"result": 0}
    assert len(walled.calls("connect")) == 1


REPEATED = """
import signal, time
L = server(); inbox = server(kind=socket.SOCK_DGRAM); out = socket.socket(type=socket.SOCK_DGRAM)
signal.signal(signal.SIGALRM, lambda *_: None); signal.siginterrupt(signal.SIGALRM, restarts is False)
one, other = socket.socketpair()
def interrupted(act):
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    while (result := act()) == "EINTR": pass
    return result
made = socket.socket()
say(connects=interrupted(lambda: raw("connect", made, L.getsockname() and inet(L.getsockname()[1]), 16)))
say(sends=interrupted(lambda: raw("sendto", out, b"once", 4, 0, inet(inbox.getsockname()[1]), 16)))
segment = ctypes.create_string_buffer(b"once"); vector = ctypes.create_string_buffer(
    struct.pack("<QQ", ctypes.addressof(segment), 4))
header = struct.pack("<QI4xQQQQi4x", 0, 0, ctypes.addressof(vector), 1, 0, 0, 0)
say(streams=interrupted(lambda: raw("sendmsg", one, header, 0)))
inbox.setblocking(False)
say(datagrams=[became(lambda: len(inbox.recv(99))) for _ in range(2)], stream=len(other.recv(99)))
"""


@pytest.mark.parametrize("restarts", [True, False], ids=["begun anew", "EINTR"])
def test_call_that_a_signal_takes_from_us_is_carried_out_once(restarts: bool) -> None:
    """On a kernel that lets a signal end the wait, after the act and before its answer."""
    walled = run(REPEATED, slow=0.1, slow_answer=True, killable=False, given={"restarts": restarts})
    assert walled.said == {"connects": 0, "sends": 4, "streams": 4, "datagrams": [4, "EAGAIN"], "stream": 4}
    assert len(walled.calls("connect")) == 2, "it was interrupted"
