"""Which sockets were bound to an address that was granted: to listen there is nothing more to decide.

The kernel tells a socket's address and not how it came to it: one that was connected and let go again still shows a
port and listens at another, on every interface. So only what was bound here counts.
"""

from __future__ import annotations

import _socket

#: SO_COOKIE of <asm/socket.h>.
_SO_COOKIE = 57

#: Sockets that are remembered. One that is forgotten is decided once more.
MAX_BOUND = 4096

_bound: dict[int, None] = {}


def remember(sock: int) -> None:
    """The socket has been bound to an address that was granted."""
    if len(_bound) >= MAX_BOUND:
        del _bound[next(iter(_bound))]
    _bound[cookie(sock)] = None


def are_granted(sock: int) -> bool:
    """Whether the socket has."""
    return cookie(sock) in _bound


def cookie(sock: int) -> int:
    """A number that no other socket has or will have."""
    held = _socket.socket(fileno=sock)
    try:
        return int.from_bytes(held.getsockopt(_socket.SOL_SOCKET, _SO_COOKIE, 8), "little")
    finally:
        held.detach()
