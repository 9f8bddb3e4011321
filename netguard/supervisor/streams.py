"""Queries over TCP: each behind its length (RFC 1035 section 4.2.2), many on one connection, answered as they are done.

A connection is one process's as long as it lasts. Whoever sends what is no query, or takes no answers, is hung up on.
"""

from __future__ import annotations

import _socket as socket
import select
import time
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.supervisor.asking import Asked
    from netguard.supervisor.loop import Loop
    from netguard.supervisor.redirects import Original

#: Connections. One more takes the place of that which was idle longest.
MAX_STREAMS = 64

#: Queries of one connection that are being answered; the others wait in its socket.
MAX_ASKED = 16

#: Octets of a query, and of answers that nobody takes.
MAX_QUERY, MAX_UNSENT = 4_096, 256 << 10

#: Octets of an answer.
MAX_ANSWER = 0xFFFF

#: Seconds for which a connection may be idle, or take no answer.
IDLE = 10.0

#: Octets that are read at one time.
PIECE = 16 << 10


class Stream:
    """One connection: whose, what has come of it, what is being answered, what is to be sent, when it is idle."""

    __slots__ = ("asked", "busy", "events", "heard", "original", "sock", "unsent", "until")

    def __init__(self, sock: socket.socket, original: Original) -> None:
        self.sock = sock
        self.original = original
        self.heard = bytearray()
        self.unsent = bytearray()
        self.asked: dict[int, Asked | None] = {}
        self.events = select.EPOLLIN
        self.until = 0.0
        self.busy = False  # whether its queries are being taken


class Streams:
    """All connections, the one that was idle longest first."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.listening: dict[int, socket.socket] = {}
        self.streams: dict[int, Stream] = {}
        self.numbers = 0

    def __contains__(self, fd: int) -> bool:
        return fd in self.streams or fd in self.listening

    def listen(self, sock: socket.socket) -> None:
        """Takes connections of this socket."""
        self.listening[sock.fileno()] = sock
        self.loop.poll.register(sock, select.EPOLLIN)

    def ready(self, fd: int, events: int) -> None:
        """A socket has something, or room."""
        if fd in self.listening:
            self._accept(self.listening[fd])
            return
        stream = self.streams[fd]
        if events & select.EPOLLOUT:
            self._send(stream)
        if events & ~select.EPOLLOUT and fd in self.streams:
            self._hear(stream)

    def give_up(self, fd: int) -> None:
        """Ends a connection that a fault of ours has to do with."""
        if fd in self.streams:
            self._end(self.streams[fd])

    def tick(self, now: float) -> None:
        """Once a second: ends what is idle."""
        for stream in [stream for stream in self.streams.values() if stream.until <= now]:
            if stream.asked and not stream.unsent:
                self._stir(stream)  # it waits for us
            else:
                self._end(stream)

    def close(self) -> None:
        """The run is over."""
        for stream in list(self.streams.values()):
            self._end(stream)
        for sock in self.listening.values():
            sock.close()

    def _accept(self, listening: socket.socket) -> None:
        try:
            fd, client = listening._accept()  # type: ignore[attr-defined]  # what `socket.accept` calls
        except OSError:
            return  # it is gone, or we have no descriptor left: it waits
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        original = self.loop.redirects.original(client, listening.getsockname())
        if original is None:
            sock.close()
            return
        self.loop.redirects.forget(original)
        if len(self.streams) >= MAX_STREAMS:
            self._end(next(iter(self.streams.values())))
        stream = Stream(sock, original)
        self.streams[fd] = stream
        self.loop.poll.register(fd, stream.events)
        self._stir(stream)

    def _stir(self, stream: Stream) -> None:
        """It is not idle."""
        fd = stream.sock.fileno()
        stream.until = time.monotonic() + IDLE
        self.streams[fd] = self.streams.pop(fd)

    def _end(self, stream: Stream) -> None:
        """Hangs up; nobody waits for what is being asked."""
        fd = stream.sock.fileno()
        self.loop.poll.unregister(fd)
        del self.streams[fd]
        stream.sock.close()
        asked, stream.asked = stream.asked, {}
        for one in asked.values():
            if one is not None:
                one.cancel()

    def _is_open(self, stream: Stream) -> bool:
        return self.streams.get(stream.sock.fileno()) is stream

    def _poll(self, stream: Stream) -> None:
        """What to wait for: no further query while as many are being answered as may be."""
        events = select.EPOLLIN if len(stream.asked) < MAX_ASKED else 0
        if stream.unsent:
            events = select.EPOLLOUT
        if events != stream.events:
            stream.events = events
            self.loop.poll.modify(stream.sock, events)

    def _hear(self, stream: Stream) -> None:
        try:
            data = stream.sock.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end(stream)
            return
        stream.heard += data
        self._stir(stream)
        self._take(stream)

    def _take(self, stream: Stream) -> None:
        """Asks what has come, as far as there is room for the answers. Those that are there at once are sent in here,
        and not from within: a thousand queries in one piece would be as many calls inside of each other."""
        stream.busy = True
        while self._is_open(stream) and len(stream.asked) < MAX_ASKED and not stream.unsent:
            data = self._query(stream)
            if data is None:
                break
            self._ask(stream, data)
            if stream.unsent:
                self._push(stream)
        stream.busy = False
        if self._is_open(stream):
            self._poll(stream)

    def _query(self, stream: Stream) -> bytes | None:
        """The next query, None when it is not all there. What is none ends the connection."""
        heard = stream.heard
        length = int.from_bytes(heard[:2], "big")
        if len(heard) >= 2 and not 0 < length <= MAX_QUERY:
            self.loop.names.hostile(stream.original.process, "no DNS over TCP: a query of 0 or more than 4096 octets")
            self._end(stream)
            return None
        if len(heard) < 2 + length:
            return None
        data = bytes(heard[2 : 2 + length])
        del heard[: 2 + length]
        return data

    def _ask(self, stream: Stream, data: bytes) -> None:
        self.numbers += 1
        number = self.numbers
        stream.asked[number] = None
        reply = partial(self._answer, stream, number)
        original = stream.original
        asked = self.loop.names.ask(original.process, data, MAX_ANSWER, reply, original.servers)
        if number in stream.asked:
            stream.asked[number] = asked

    def _answer(self, stream: Stream, number: int, answer: bytes) -> None:
        """Takes an answer, b"" for none."""
        if not self._is_open(stream) or number not in stream.asked:
            return
        del stream.asked[number]
        if answer:
            stream.unsent += len(answer).to_bytes(2, "big") + answer
        if not stream.busy:
            self._send(stream)

    def _send(self, stream: Stream) -> None:
        """Sends what there is room for, and goes on with what else was asked when that is all of it."""
        self._push(stream)
        if self._is_open(stream):
            self._take(stream)

    def _push(self, stream: Stream) -> None:
        """Sends what there is room for; whoever takes nothing is hung up on in the end."""
        try:
            sent = stream.sock.send(stream.unsent, socket.MSG_NOSIGNAL) if stream.unsent else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._end(stream)
            return
        if sent:
            del stream.unsent[:sent]
            self._stir(stream)
        if len(stream.unsent) > MAX_UNSENT:
            self._end(stream)
