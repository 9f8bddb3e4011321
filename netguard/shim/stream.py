"""Places for lines that somebody reads as they come: a pipe or device that was handed over, and a unix socket."""

from __future__ import annotations

import _socket
import sys
from fcntl import F_GETFL, fcntl
from posix import O_APPEND, O_CLOEXEC, O_NONBLOCK, O_WRONLY, dup, getuid, stat
from posix import open as open_file

from .asker import reach_out
from .borrowed import borrow
from .high import lift
from .sink import EBADF, Sink, identity

ENOENT, EPROTOTYPE = 2, 91

_SOCKET = _socket.socket
_UNIX, _SEQPACKET, _STREAM, _DGRAM = _socket.AF_UNIX, _socket.SOCK_SEQPACKET, _socket.SOCK_STREAM, _socket.SOCK_DGRAM
_NOW = _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL
_SOL_SOCKET, _PEERCRED, _SO_TYPE = _socket.SOL_SOCKET, _socket.SO_PEERCRED, _socket.SO_TYPE


class PipeSink(Sink):
    """A pipe, a terminal or another device that was handed over.

    number: where it was handed over. The descriptor in use is an opening of its own of the same thing, so that
    `O_NONBLOCK` set on the guest's touches nothing here and nothing here touches the guest's.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)
        self.fd = self.again()
        self.flags = fcntl(self.fd, F_GETFL)

    def again(self) -> int:
        """Opens what the number leads to, if it is still that. Without /proc a copy of the number has to do."""
        if identity(self.number) != self.identity:
            raise OSError(EBADF, f"descriptor {self.number} is not open any more, or is another")
        try:
            return lift(open_file(f"/proc/self/fd/{self.number}", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_APPEND))
        except OSError:
            return lift(dup(self.number))


class SocketSink(Sink):
    """A unix socket: one message a line, or a stream of lines."""

    def __init__(self, sock: _socket.socket, address: str | bytes | None, number: int = -1) -> None:
        self.sock = sock
        self.address = address
        self.number = number
        self.peer = reader(sock, address)
        self.name = name_of(sock)
        super().__init__(sock.fileno())

    def ours(self) -> bool:
        """Also whether it still leads to the same name: a datagram socket can be connected elsewhere."""
        return super().ours() and name_of(self.sock) == self.name

    def mark(self) -> tuple[int, int]:
        return self.identity if self.address is None else self.peer

    def again(self) -> int:
        """A new connection, if the same process answers. What was handed over is taken again by its number."""
        if self.address is None:
            if identity(self.number) != self.identity:
                raise OSError(EBADF, f"descriptor {self.number} is not open any more, or is another")
            found = borrow(lift(dup(self.number)))
        else:
            found = connected(self.address)
            if reader(found, self.address) != self.peer:
                found.close()
                raise OSError(EBADF, "somebody else answers in its reader's name")
            self.identity = identity(found.fileno())
        self.sock.detach()  # the number is the guest's by now
        self.sock = found
        return found.fileno()

    def send(self, data: bytes) -> int:
        return self.sock.send(data, _NOW)

    def close(self) -> None:
        """Closes it, unless the number is the guest's by now."""
        if self.ours():
            self.sock.close()
        else:
            self.sock.detach()
        self.fd = -1


def name_of(sock: _socket.socket) -> object:
    """What the socket is connected to, None for nothing."""
    try:
        return sock.getpeername()
    except OSError:
        return None


def reader(sock: _socket.socket, address: str | bytes | None) -> tuple[int, int]:
    """Who reads at the other end, by the kernel's word: (process, user), struct ucred of unix(7).

    Of a datagram socket the kernel says nothing of the kind, so its file has to do.

    A reader of another user's may be another process after a restart: no guest can be it. One of the guest's own user
    may not.
    """
    if sock.getsockopt(_SOL_SOCKET, _SO_TYPE) == _DGRAM and type(address) is str:
        status = stat(address)
        return status.st_dev, status.st_ino
    attested = sock.getsockopt(_SOL_SOCKET, _PEERCRED, 12)
    pid, uid = [int.from_bytes(attested[at : at + 4], sys.byteorder) for at in (0, 4)]
    return (0, uid) if uid != getuid() else (pid, uid)


def connected(address: str | bytes) -> _socket.socket:
    """A connection to the unix socket, of whatever type it is, under a high number. Raises OSError."""
    refusal = OSError(ENOENT, "there is no such socket")
    for kind in (_SEQPACKET, _STREAM, _DGRAM):
        sock = _SOCKET(_UNIX, kind)
        sock.settimeout(None)
        try:
            reach_out(sock, address)
        except OSError as error:
            sock.close()
            if error.errno != EPROTOTYPE:  # for a path of another type; of an abstract name nobody knows that
                refusal = error
            continue
        return borrow(lift(sock.detach()))
    raise refusal
