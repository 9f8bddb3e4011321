"""What the session wants done, in order. Who runs it, the supervisor's loop or a guest without one, does it.

A Record must be on disk before anything behind it in the same list happens; when it cannot be written, they turn
every answer behind it into a denial. So "recorded before it happens" is the order of a list and nothing else.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    from .lookups import Pending

    #: Who asked, and so whom an answer is for: a connection or the asking process itself. It is only passed on.
    Asker = Any
    Command = Union["Record", "Reply", "LookUp", "Later", "Say", "CutOff"]


class Record:
    """Put this on the trail."""

    __slots__ = ("line",)

    def __init__(self, line: dict[str, object]) -> None:
        self.line = line


class Reply:
    """Answer a question: `verdict`, then the number of the record before it in the list ("0" if none), then `rest`.

    rule: whose grant it is, where the same question would be granted again as long as nothing else changes.
    """

    __slots__ = ("number", "rest", "rule", "to", "verdict")

    def __init__(self, to: Asker, number: str, verdict: str, *rest: str) -> None:
        self.to = to
        self.number = number
        self.verdict = verdict
        self.rest = rest
        self.rule = ""


class LookUp:
    """Look a name up, then call `lookups.looked_up` with this very object, its `seq` being the record before it."""

    __slots__ = ("function", "name", "number", "numbers", "pending", "seq", "service", "started", "to")

    def __init__(
        self, to: Asker, number: str, function: str, name: str, service: str, numbers: tuple[int, ...], pending: Pending
    ) -> None:
        self.to = to
        self.number = number
        self.function = function
        self.name = name
        self.service = service
        self.numbers = numbers
        self.pending = pending
        self.seq = 0
        self.started = 0.0


class Later:
    """Do these after so many seconds: a rule's limit says "delay"."""

    __slots__ = ("commands", "seconds")

    def __init__(self, seconds: float, commands: list[Command]) -> None:
        self.seconds = seconds
        self.commands = commands


class Say:
    """Tell the person at the terminal of a denial."""

    __slots__ = ("line",)

    def __init__(self, line: dict[str, object]) -> None:
        self.line = line


class CutOff:
    """Close a connection whose sender does not keep to the protocol."""

    __slots__ = ("to",)

    def __init__(self, to: Asker) -> None:
        self.to = to
