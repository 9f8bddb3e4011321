"""Whoever answers the hook's questions: what is asked of one, and what it raises when there is no answer."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Asker(Protocol):
        """Who answers questions: a channel to the supervisor, or a guest's own decider."""

        lines: Any  # a `_thread._local`

        @property
        def address(self) -> object:
            """What it connects to itself, by this very object."""

        def ask(self, op: str, fields: tuple[str, ...]) -> list[str]:
            """Returns the answer's fields: verdict, number of the record, what belongs to them. Raises Lost."""

        def tell(self, op: str, fields: tuple[str, ...]) -> None:
            """Says what has no answer."""

#: The events that opening a line, or writing one, raises. A rule may name them; asking about them would have no end.
OPENING = frozenset(("socket.__new__", "fcntl.fcntl", "time.sleep"))


class Lost(Exception):
    """The supervisor cannot be asked."""
