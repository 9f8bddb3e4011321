"""Name servers on loopback that the guest's questions end at: over UDP and TCP, on 127.0.0.1 and ::1.

Who asks is whoever the kernel says is at the other end, if it was sent here: nobody else gets an answer, another user
of this machine no more than a process of the run that was not sent. What is asked and answered is `naming`'s; here is
only what carries it, each part of it bounded.
"""

from __future__ import annotations

import _socket as socket
import errno
import select

from netguard.supervisor.redirects import Proxy
from netguard.supervisor.streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.supervisor.loop import Loop
    from netguard.supervisor.redirects import Address, Original

#: Octets of a query. One that is longer is cut here, and refused as what it then is.
MAX_QUERY = 4_096

#: Octets of an answer in a datagram. What a query has room for is less.
MAX_DATAGRAM = 4_096

#: Datagrams that are taken at one time, of each socket: more than its buffer of 208 KiB has room for, so that none of
#: those is left which were sent before. One of a single octet takes 768 there.
A_TURN = 512

#: Ports that are tried, to have the same one over UDP and TCP.
TRIES = 64


class Responder:
    """The sockets of one run, made when they are first needed."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.proxy: Proxy | None = None
        self.datagrams: dict[int, socket.socket] = {}
        self.streams = Streams(loop)

    def __contains__(self, fd: int) -> bool:
        return fd in self.datagrams or fd in self.streams

    def open(self) -> Proxy:
        """Where it is. Raises OSError."""
        if self.proxy is None:
            port = self._open(socket.AF_INET, "127.0.0.1")
            try:
                self.proxy = Proxy(port, self._open(socket.AF_INET6, "::1"))
            except OSError as error:  # a machine without IPv6: a server there is refused
                if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    raise
                self.proxy = Proxy(port)
        return self.proxy

    def is_at(self, where: tuple[int, int], port: int) -> bool:
        """Whether an address is ours, to which nobody comes by himself."""
        if self.proxy is None or port not in (self.proxy.port, self.proxy.port6):
            return False
        return where[1] >> 24 == 127 or where[1] == 0 if where[0] == 4 else where[1] in (0, 1)

    def _open(self, family: int, host: str) -> int:
        """A socket of each kind, at one port."""
        for _ in range(TRIES):
            datagram = _made(family, socket.SOCK_DGRAM)
            stream = None
            try:
                datagram.bind((host, 0))
                port: int = datagram.getsockname()[1]
                stream = _made(family, socket.SOCK_STREAM)
                stream.bind((host, port))
                stream.listen(64)
            except OSError as error:
                datagram.close()
                if stream is not None:
                    stream.close()
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            self.datagrams[datagram.fileno()] = datagram
            self.loop.poll.register(datagram, select.EPOLLIN)
            self.streams.listen(stream)
            return port
        raise OSError(errno.EADDRINUSE, "no port is free over both UDP and TCP")

    def ready(self, fd: int, events: int) -> None:
        """One of the sockets has something, or room."""
        if fd in self.datagrams:
            self._hear(self.datagrams[fd])
        else:
            self.streams.ready(fd, events)

    def hear(self) -> None:
        """Takes what was sent up to now: a port that is somebody else's from now on was its sender's until then."""
        for sock in self.datagrams.values():
            self._hear(sock)

    def _hear(self, sock: socket.socket) -> None:
        server = sock.getsockname()
        for _ in range(A_TURN):
            try:
                data, client = sock.recvfrom(MAX_QUERY + 1)
            except BlockingIOError:
                return
            except OSError:
                continue  # what we have answered came to nobody
            original = self.loop.redirects.original(client, server, "udp")
            if original is not None:
                self._ask(sock, client, original, data)

    def _ask(self, sock: socket.socket, client: Address, original: Original, data: bytes) -> None:
        """Has one query answered. When the answer takes a while, its socket may be gone, and its port another's."""
        later = False

        def reply(answer: bytes) -> None:
            if answer and (not later or self.loop.redirects.original(client, sock.getsockname(), "udp") is original):
                try:
                    sock.sendto(answer, client)
                except OSError:
                    pass  # it is gone, or has no room: it asks again

        self.loop.names.ask(original.process, data, MAX_DATAGRAM, reply, original.servers)
        later = True

    def give_up(self, fd: int) -> None:
        """A fault of ours has to do with this socket: a connection ends."""
        self.streams.give_up(fd)

    def tick(self, now: float) -> None:
        """Once a second."""
        self.streams.tick(now)

    def close(self) -> None:
        """The run is over."""
        for sock in self.datagrams.values():
            sock.close()
        self.streams.close()


def _made(family: int, kind: int) -> socket.socket:
    """A socket that does not wait. IPv4 is not what an IPv6 one is for."""
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock
