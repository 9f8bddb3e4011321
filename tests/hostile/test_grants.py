"""What was granted is what is done: no grant serves for another protocol, socket, call, program or place."""

from __future__ import annotations

import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.hostile.natives import alone, said, walled
from tests.support.echo import UnixEcho

pytestmark = [pytest.mark.kernel, pytest.mark.hostile]


class Pair:
    """A TCP server and an inbox for datagrams at one port."""

    def __init__(self) -> None:
        self.tcp = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port: int = self.tcp.getsockname()[1]
        self.udp = socket.socket(type=socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.udp.setblocking(False)

    def rule(self, verdict: str, proto: str) -> str:
        """Grants one of them."""
        return f"- {{{verdict}: connect, to: '127.0.0.1:{self.port}', proto: {proto}}}\n"

    def close(self) -> None:
        """Ends both."""
        self.tcp.close()
        self.udp.close()

    def heard(self) -> bytes:
        """The next datagram, b"" if there is none."""
        try:
            return self.udp.recv(99)
        except BlockingIOError:
            return b""


@pytest.fixture
def pair() -> Iterator[Pair]:
    with closing(Pair()) as made:
        yield made


OTHER_PROTOCOL = """
say(tcp=raw("connect", socket.socket(), inet(port), 16))
one = udp()
say(udp=raw("connect", one, inet(port), 16), sent=try_(one.send, b"out"))
"""


def test_grant_of_tcp_is_none_of_udp(pair: Pair, tmp_path: Path) -> None:
    """The same call with the same bytes, a moment later, on a socket of another protocol."""
    assert said(alone(tmp_path, OTHER_PROTOCOL, port=pair.port)) == {"tcp": 0, "udp": 0, "sent": 3}
    assert pair.heard() == b"out"
    pair.tcp.accept()[0].close()
    held = walled(tmp_path, OTHER_PROTOCOL, pair.rule("log", "tcp"), port=pair.port)
    assert said(held) == {"tcp": 0, "udp": "EACCES", "sent": "EDESTADDRREQ"}
    assert pair.heard() == b""
    lines = [(line["dst"]["proto"], line["verdict"]) for line in held.lines("connect")]
    assert lines == [("tcp", "log"), ("udp", "deny")]


INTERRUPTED = """
port_ = inet(port)
def handler(*_):
    one = udp()
    say(udp=raw("connect", one, port_, 16), sent=try_(one.send, b"out"))
signal.signal(signal.SIGALRM, handler)
signal.siginterrupt(signal.SIGALRM, True)
fillers = [socket.socket() for _ in range(8)]
for one in fillers:
    one.setblocking(False)
    one.connect_ex(("127.0.0.1", port))
time.sleep(1.5)  # until what was granted for the fillers is no longer known
signal.setitimer(signal.ITIMER_REAL, 0.3)
raw("connect", socket.socket(), port_, 16)
"""


def test_call_that_a_signal_interrupts_grants_nothing_to_its_handler(pair: Pair, tmp_path: Path) -> None:
    """The kernel makes the call once more after the handler, and that is no new act. What the handler does is."""
    with closing(Pair()) as first:
        assert said(alone(tmp_path, INTERRUPTED, port=first.port)) == {"udp": 0, "sent": 3}
        assert first.heard() == b"out"
    held = walled(tmp_path, INTERRUPTED, pair.rule("log", "tcp"), port=pair.port)
    assert said(held) == {"udp": "EACCES", "sent": "EDESTADDRREQ"}, held.stderr
    assert pair.heard() == b""


SAME_PORT = """
one = udp()
say(connect=raw("connect", one, inet(port), 16))
two = udp()
say(bind=raw("bind", two, inet(port), 16))
"""


def test_destination_that_is_remembered_is_no_grant_to_listen_there(pair: Pair, tmp_path: Path) -> None:
    pair.udp.close()
    assert said(alone(tmp_path, SAME_PORT, port=pair.port)) == {"connect": 0, "bind": 0}
    held = walled(tmp_path, SAME_PORT, pair.rule("allow", "udp"), port=pair.port)
    assert said(held) == {"connect": 0, "bind": "EACCES"}
    assert held.verdicts("listen") == ["deny"]


OWN_NO_MORE = """
own = udp()
own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
own.bind(("127.0.0.1", port))
one = udp()
say(own=raw("sendto", one, b"own", 3, 0, inet(port), 16), got=own.recv(9).decode())
own.close()
say(other=raw("sendto", one, b"out", 3, 0, inet(port), 16))
"""


def test_datagrams_to_the_runs_own_socket_end_with_it(tmp_path: Path) -> None:
    """Behind it another program's may listen, on all addresses."""
    with socket.socket(type=socket.SOCK_DGRAM) as behind:
        behind.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        behind.bind(("0.0.0.0", 0))
        behind.setblocking(False)
        port = behind.getsockname()[1]
        assert said(alone(tmp_path, OWN_NO_MORE, port=port)) == {"own": 3, "got": "own", "other": 3}
        assert behind.recv(9) == b"out"
        held = walled(tmp_path, OWN_NO_MORE, "- {allow: listen}\n- {allow: connect, to: '@self'}\n", port=port)
        assert said(held) == {"own": 3, "got": "own", "other": "EACCES"}
        with pytest.raises(BlockingIOError):
            behind.recv(9)


BECOMES = """
if sys.argv[1:] == ["after"]:
    say(after=raw("connect", socket.socket(), inet(port), 16))
else:
    say(before=raw("connect", socket.socket(), inet(port), 16))
    print(json.dumps(said), flush=True)
    HOW(other, [other, "-I", "-S", __file__, "after"])
"""

#: Ways to become another program: plain, and from a thread, while the process's first one calls all the time.
EXECS = {
    "plain": "os.execv",
    "thread": """
def hammer(other, argv):
    one = udp()
    threading.Thread(target=os.execv, args=(other, argv)).start()
    while True:
        raw("connect", socket.socket(), inet(port), 16)
hammer""",
}


@pytest.mark.parametrize("how", EXECS)
def test_program_that_a_process_becomes_has_its_own_rights(how: str, pair: Pair, tmp_path: Path) -> None:
    """Both are Python, under two names; one of them may connect."""
    other = tmp_path / "other-program"
    shutil.copy(Path(sys.executable).resolve(), other)
    before, _, after = EXECS[how].strip().rpartition("\n")
    code = f"{before}\n{BECOMES.replace('HOW', after)}"
    threading.Thread(target=accept, args=(pair.tcp,), daemon=True).start()
    rules = f"- {{log: connect, to: '127.0.0.1:{pair.port}', process: '{Path(sys.executable).resolve()}'}}\n"
    rules += f"- {{allow: exec, program: {other}, unguarded: true}}\n"
    for _ in range(1 if how == "plain" else 8):
        held = walled(tmp_path, code, rules, port=pair.port, other=str(other))
        assert said(held) == {"after": "EACCES"}, held.stderr
        exes = {(line["proc"]["exe"], line["verdict"]) for line in held.lines("connect")}
        assert exes == {(str(Path(sys.executable).resolve()), "log"), (str(other), "deny")}


def accept(server: socket.socket) -> None:
    try:
        while True:
            server.accept()[0].close()
    except OSError:
        pass


SWAP = """
place, mine = base + "/swapped", base + "/mine"
server = socket.socket(socket.AF_UNIX); server.bind(mine); server.listen(1000)
reached = []
def swap():
    while not done:
        os.link(outside, place + "x"); os.rename(place + "x", place)
        os.symlink(mine, place + "x"); os.rename(place + "x", place)
def take():
    while True: server.accept()[0].close()
done = []
threading.Thread(target=take, daemon=True).start()
swapper = threading.Thread(target=swap); swapper.start()
until = time.monotonic() + 4
while time.monotonic() < until:
    one = socket.socket(socket.AF_UNIX)
    if raw("connect", one, struct.pack("<H", 1) + place.encode() + bytes(1), len(place) + 3) == 0:
        reached.append(1)
done.append(1); swapper.join()
say(tried=True, connects=len(reached) > 0)
"""


@pytest.mark.parametrize("own", [True, False], ids=["own", "path"])
def test_path_that_changes_after_it_was_followed_leads_nowhere_else(own: bool, tmp_path: Path) -> None:
    """The socket that was found is the one that is decided on, and not what its path leads to a moment later."""
    with UnixEcho(str(tmp_path / "outside")) as outside:
        given = {"base": str(tmp_path), "outside": outside.path}
        assert said(alone(tmp_path, SWAP, **given)) == {"tried": True, "connects": True}
        assert outside.connections > 0
        for name in ("mine", "swapped"):
            (tmp_path / name).unlink()
        before = outside.connections
        to = "@self" if own else f"unix:{tmp_path}/mine"
        held = walled(tmp_path, SWAP, f"- {{allow: listen}}\n- {{allow: connect, to: '{to}'}}\n", **given)
        assert said(held) == {"tried": True, "connects": True}, held.stderr
        assert outside.connections == before
