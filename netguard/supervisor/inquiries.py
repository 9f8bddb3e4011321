"""Lines by which a proxy in a process of its own asks what its connections were meant for. Whoever holds one is ours.

A question is a frame of the connection's protocol, the other end's host and port, and the proxy's own; the answer one
of the host and the port that were meant and the process, or of one empty text where nobody was sent there.
"""

from __future__ import annotations

import _socket as socket
import select

from netguard.core.address import format_ip
from netguard.core.question import to_int
from netguard.core.wire import pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.supervisor.redirects import Redirects

#: Bytes of a question: two addresses.
MAX_QUESTION = 256

#: Protocols that may be asked about.
PROTOCOLS = ("tcp", "udp")


class Inquiries:
    """All such lines of one run."""

    def __init__(self, poll: select.epoll, redirects: Redirects) -> None:
        self.poll = poll
        self.redirects = redirects
        self.lines: dict[int, socket.socket] = {}

    def __contains__(self, fd: int) -> bool:
        return fd in self.lines

    def open(self) -> socket.socket:
        """Returns the proxy's end of a new line. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self.lines[ours.fileno()] = ours
        self.poll.register(ours, select.EPOLLIN)
        return theirs

    def ready(self, fd: int) -> None:
        """Answers one question. What is none ends the line: it is no proxy of ours any more."""
        line = self.lines[fd]
        try:
            frame = line.recv(MAX_QUESTION)
            line.send(self.answer(frame), socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return
        except (OSError, ValueError):
            self.close(fd)

    def answer(self, frame: bytes) -> bytes:
        """What is said to a question. Raises ValueError for what is none."""
        proto, host, port, own_host, own_port = unpack(frame)
        if proto not in PROTOCOLS:
            raise ValueError("a protocol that nobody knows")
        found = self.redirects.original((host, to_int(port)), (own_host, to_int(own_port)), proto)
        if found is None or found.where is None:
            return pack(("",))
        return pack((format_ip(found.where), str(found.port), str(found.process.pid)))

    def close(self, fd: int) -> None:
        """Ends a line."""
        self.poll.unregister(fd)
        self.lines.pop(fd).close()
