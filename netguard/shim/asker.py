"""Whoever answers the hook's questions: what is asked of one, and what it raises when there is no answer."""

from __future__ import annotations

from _thread import _local

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any, Protocol

    class Asker(Protocol):
        """Who answers questions: a channel to the supervisor, or a guest's own decider."""

        lines: Any  # a `_thread._local`

        def ask(self, op: str, fields: tuple[str, ...]) -> list[str]:
            """Returns the answer's fields: verdict, number of the record, what belongs to them. Raises Lost."""

        def note(self, op: str, fields: tuple[str, ...]) -> None:
            """Announces the system call that comes next; only where there is a wall."""

        def tell(self, op: str, fields: tuple[str, ...]) -> None:
            """Says what has no answer."""

#: The events that opening a line, or writing one, raises. A rule may name them; asking about them would have no end.
OPENING = frozenset(("socket.__new__", "fcntl.fcntl", "time.sleep"))

#: How many signals in a row may interrupt one wait for the supervisor; past it the act is denied.
INTERRUPTIONS = 1_000


class Lost(Exception):
    """The supervisor cannot be asked."""


#: Per thread: the socket that the guard itself is about to connect.
_reaching = _local()


def reach_out(sock: _socket.socket, address: str | bytes) -> None:
    """Connects a socket of the guard's own, which is no act of the guest's. Raises OSError."""
    _reaching.sock = sock
    try:
        sock.connect(address)
    finally:
        _reaching.sock = None


def is_ours(sock: object) -> bool:
    """Whether this connect is the guard's. It is so once: a hook of the guest's comes next, and sees the socket too."""
    found = getattr(_reaching, "sock", None)
    if found is None or found is not sock:
        return False
    _reaching.sock = None
    return True
