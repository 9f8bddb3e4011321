"""A socket object on a descriptor that others have as well: making it changes nothing for them."""

from __future__ import annotations

import _socket

_SOCKET = _socket.socket

#: 0 where the platform has no such flag.
NONBLOCK: int = getattr(_socket, "SOCK_NONBLOCK", 0)


def borrow(fd: int) -> _socket.socket:
    """The socket behind a descriptor, which closes it in the end. It waits for nothing. Raises OSError.

    With a default time-out, which the guest may have set, C makes each new object's descriptor non-blocking, and with
    it the guest's own, which is the same to the kernel. It leaves alone what is said to be non-blocking already.
    """
    return _SOCKET(-1, NONBLOCK, -1, fd) if NONBLOCK else _SOCKET(fileno=fd)
