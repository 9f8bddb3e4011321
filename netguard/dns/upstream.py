"""Asks name servers, from the loop in which everything else waits: nothing in here blocks, and there are no threads.

Each question is an exchange: one server after the other is asked, each on a fresh connected socket under a random
number, over UDP, and over TCP where the answer is too long for that. All that a server can do is answer, and what it
says otherwise costs a bounded time: wrong packets are counted until the server is given up, every try has its time, a
turn of the loop reads only so much. Whoever asks the same meanwhile waits for the same exchange.
"""

from __future__ import annotations

# The C half of `socket`: the same class without the enums, which cost 4 ms at start-up.
import _socket as socket
import os
import select
import time

from netguard.dns.codes import BADVERS, FORMERR, MAX_MESSAGE, NOERROR, NOTIMP, NXDOMAIN
from netguard.dns.malformed import Malformed
from netguard.dns.message import parse_answer
from netguard.dns.query import encode_query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netguard.dns.message import Message
    from netguard.dns.query import Query
    from netguard.dns.servers import Servers

    Done = Callable[[Message | None], None]
    Key = tuple[bytes, bool, bool, bool, tuple[str, ...]]

#: Where name servers listen (RFC 1035 section 4.2).
PORT = 53

#: Exchanges at once, each with a socket of its own; a run that resolves as fast as it can has some hundred.
MAX_UNDER_WAY = 512

#: Who may wait for one exchange: a crowd of threads that all want the same. Each costs some 50 us when it ends.
MAX_ASKERS = 256

#: Packets on one socket that are no answer to what was asked. It is connected, so each was sent in the server's name:
#: somebody guesses, and is not given more tries.
MAX_LIES = 8

#: Packets that are read of one socket, and exchanges whose time is up, in one turn of the loop.
A_TURN = 4
OVERDUE_A_TURN = 32

#: What a server answers that does not know EDNS (RFC 6891 section 7), and what is an answer to the question.
NO_EDNS = (FORMERR, NOTIMP, BADVERS)
ANSWERS = (NOERROR, NXDOMAIN)

#: Octets of the length before a message over TCP (RFC 1035 section 4.2.2).
LENGTH = 2


class Asking:
    """One who waits for an exchange."""

    __slots__ = ("done", "exchange", "upstream")

    def __init__(self, upstream: Upstream, exchange: Exchange, done: Done) -> None:
        self.upstream = upstream
        self.exchange = exchange
        self.done = done

    def cancel(self) -> None:
        """Waits no more. When nobody does, the servers are asked no more."""
        askers = self.exchange.askers
        if self in askers:
            askers.remove(self)
            if not askers:
                self.upstream.drop(self.exchange)


class Exchange:
    """One question under way.

    plan:     the servers that are still to be asked, in order; each stands in it once a try.
    server:   the one that is being asked.  sock: to it.  tcp: by which of the two ways; stream: whether from the start.
    number:   under which it is asked.  edns: whether with EDNS.  lies: wrong packets on this socket.
    deadline: until when this try has time.
    out, heard: over TCP, what is still to be sent, and what has come.
    last:     what a server said that is no answer: passed on when none has one.
    """

    __slots__ = ("askers", "deadline", "edns", "heard", "key", "last", "lies", "number", "out", "plan", "query",
                 "server", "sock", "stream", "tcp", "timeout")  # fmt: skip

    def __init__(self, key: Key, query: Query, servers: Servers) -> None:
        self.key = key
        self.query = query
        self.askers: list[Asking] = []
        self.plan = list(servers.addresses) * servers.attempts
        self.timeout = servers.timeout
        self.server = ""
        self.stream = servers.tcp
        self.sock: socket.socket | None = None
        self.tcp = False
        self.number = 0
        self.edns = True
        self.lies = 0
        self.deadline = 0.0
        self.out = b""
        self.heard = bytearray()
        self.last: Message | None = None


class Upstream:
    """The exchanges of one run.

    port: of every server.  lies: wrong packets so far.
    """

    def __init__(self, poll: select.epoll, port: int = PORT) -> None:
        self.poll = poll
        self.port = port
        self.lies = 0
        self.exchanges: dict[Key, Exchange] = {}
        self.sockets: dict[int, Exchange] = {}
        self.first = 0.0  # no exchange's time is up before
        self.room = bytearray(MAX_MESSAGE + LENGTH)

    def __contains__(self, fd: int) -> bool:
        return fd in self.sockets

    def ask(self, query: Query, servers: Servers, done: Done) -> Asking | None:
        """Asks the servers; `done` is called once with what came, perhaps before this returns: None when nothing did.

        Returns who waits, None when it is over already.
        """
        key = query.key, query.do, query.cd, query.ad, servers.addresses
        exchange = self.exchanges.get(key)
        if exchange is None and len(self.exchanges) < MAX_UNDER_WAY:
            exchange = self.exchanges[key] = Exchange(key, query, servers)
            asking = Asking(self, exchange, done)
            exchange.askers.append(asking)
            self._step(exchange, self._next)
            return asking if asking in exchange.askers else None
        if exchange is None or len(exchange.askers) >= MAX_ASKERS:
            done(None)
            return None
        asking = Asking(self, exchange, done)
        exchange.askers.append(asking)
        return asking

    def drop(self, exchange: Exchange) -> None:
        """Nobody waits for it any more."""
        self._hang_up(exchange)
        if self.exchanges.get(exchange.key) is exchange:
            del self.exchanges[exchange.key]

    def close(self) -> None:
        """The run is over: nobody is answered any more."""
        for exchange in list(self.exchanges.values()):
            exchange.askers.clear()
            self.drop(exchange)

    # What time brings

    def until(self) -> float | None:
        """When something is to be done by itself."""
        return self.first if self.exchanges else None

    def due(self, now: float) -> None:
        """Goes on to the next server where one has not answered in time. Raises for a fault of ours, as `ready`."""
        if not self.exchanges or now < self.first:
            return
        overdue = [exchange for exchange in self.exchanges.values() if exchange.deadline <= now]
        for exchange in overdue[:OVERDUE_A_TURN]:
            self._step(exchange, self._next)
        self.first = min([exchange.deadline for exchange in self.exchanges.values()], default=0.0)

    # One try

    def _next(self, exchange: Exchange) -> None:
        """Asks the next server, or ends the exchange when all have been."""
        while exchange.plan:
            exchange.server = exchange.plan.pop(0)
            if self._send(exchange, tcp=exchange.stream):
                return
            self._strike(exchange)
        self._end(exchange, exchange.last)

    def _strike(self, exchange: Exchange) -> None:
        """This server is not asked again."""
        exchange.plan = [server for server in exchange.plan if server != exchange.server]

    def _fail(self, exchange: Exchange) -> None:
        """This server is of no use for the question: it says so, or does not do as it should."""
        self._strike(exchange)
        self._next(exchange)

    def _send(self, exchange: Exchange, *, tcp: bool) -> bool:
        """Begins a try; False when the system does not let us."""
        self._hang_up(exchange)
        exchange.tcp, exchange.lies = tcp, 0
        exchange.number = int.from_bytes(os.urandom(2), "big")
        packet = encode_query(exchange.query, exchange.number, edns=exchange.edns)
        try:
            kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
            sock = exchange.sock = open_socket(exchange.server, self.port, kind)
            if tcp:
                exchange.out, exchange.heard = len(packet).to_bytes(LENGTH, "big") + packet, bytearray()
            else:
                sock.send(packet)
            self.poll.register(sock.fileno(), select.EPOLLOUT if tcp else select.EPOLLIN)
        except OSError:
            self._hang_up(exchange)
            return False
        self.sockets[sock.fileno()] = exchange
        exchange.deadline = time.monotonic() + exchange.timeout
        self.first = min(self.first, exchange.deadline) if len(self.exchanges) > 1 else exchange.deadline
        return True

    def _hang_up(self, exchange: Exchange) -> None:
        sock, exchange.sock = exchange.sock, None
        if sock is not None:
            if self.sockets.pop(sock.fileno(), None):
                self.poll.unregister(sock.fileno())
            sock.close()

    def _end(self, exchange: Exchange, message: Message | None) -> None:
        """The exchange is over, with this."""
        self.drop(exchange)
        askers, exchange.askers = exchange.askers, []
        for asking in askers:
            asking.done(message)

    # What a server says

    def ready(self, fd: int, events: int) -> None:
        """Something has come, or can be sent, on one of our sockets."""
        exchange = self.sockets.get(fd)
        if exchange is not None:
            self._step(exchange, self._go_on)

    def _step(self, exchange: Exchange, step: Callable[[Exchange], None]) -> None:
        """Does the next step of an exchange. A fault of ours ends it without an answer, and is the caller's."""
        try:
            step(exchange)
        except Exception:
            self._end(exchange, None)
            raise

    def _go_on(self, exchange: Exchange) -> None:
        """Hears or says what can be heard or said on an exchange's socket."""
        sock = exchange.sock
        if sock is None:
            return
        try:
            if not exchange.tcp:
                self._hear(exchange, sock)
            elif exchange.out:
                self._say(exchange, sock)
            else:
                self._hear_stream(exchange, sock)
        except BlockingIOError:
            pass
        except OSError:  # nobody is there, or the connection is cut
            self._fail(exchange)

    def _hear(self, exchange: Exchange, sock: socket.socket) -> None:
        """Reads some datagrams. Raises OSError."""
        for _ in range(A_TURN):
            length = sock.recv_into(self.room)
            if self._take(exchange, bytes(self.room[:length])):
                return
            self.lies += 1
            exchange.lies += 1
            if exchange.lies >= MAX_LIES:
                self._fail(exchange)
                return

    def _say(self, exchange: Exchange, sock: socket.socket) -> None:
        """Sends what the connection takes. Raises OSError, also when there is none."""
        exchange.out = exchange.out[sock.send(exchange.out) :]
        if not exchange.out:
            self.poll.modify(sock.fileno(), select.EPOLLIN)

    def _hear_stream(self, exchange: Exchange, sock: socket.socket) -> None:
        """Reads a part of the one message that is asked for. Raises OSError."""
        length = sock.recv_into(self.room)
        if not length:
            raise ConnectionResetError
        heard = exchange.heard
        heard += self.room[:length]
        size = int.from_bytes(heard[:LENGTH], "big") + LENGTH
        if len(heard) >= size > LENGTH and not self._take(exchange, bytes(heard[LENGTH:size])):
            self.lies += 1
            self._fail(exchange)
        elif size == LENGTH and len(heard) >= LENGTH:
            self._fail(exchange)  # a message of nothing

    def _take(self, exchange: Exchange, data: bytes) -> bool:
        """One message; whether it is an answer to what was asked, which then goes its way."""
        if data[:LENGTH] != exchange.number.to_bytes(2, "big"):
            return False
        try:
            message = parse_answer(data, time.monotonic())
        except Malformed:
            self._fail(exchange)  # who knows the number is the server
            return True
        if exchange.edns and message.rcode in NO_EDNS and (not message.key or message.key == exchange.query.key):
            exchange.edns = False
            exchange.plan.insert(0, exchange.server)
            self._next(exchange)
        elif not message.answers(exchange.query, exchange.number):
            return False
        elif message.truncated:
            if exchange.tcp or not self._send(exchange, tcp=True):
                self._fail(exchange)
        elif message.rcode not in ANSWERS:
            exchange.last = message
            self._fail(exchange)
        else:
            self._end(exchange, message)
        return True


def open_socket(server: str, port: int, kind: int) -> socket.socket:
    """A socket that is connected to the server, or on its way. Raises OSError.

    The address is one by its form, so nobody is asked what it means; only an interface's name is looked up.
    """
    host, _, zone = server.partition("%")
    place: tuple[object, ...] = (host, port)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if zone and family == socket.AF_INET6:
            place = (host, port, 0, int(zone) if zone.isdigit() else socket.if_nametoindex(zone))
        sock.connect(place)
    except BlockingIOError:
        pass
    except (OSError, OverflowError, ValueError) as error:
        sock.close()
        raise OSError(f"{server}: {error}") from None
    return sock
