"""Where a run's lines go besides the answer: the trail, the screen, the tally."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Line = dict[str, object]


class Outlet:
    """What takes a line.

    write: puts it on the trail, or raises TrailError.  write_all: several, together.
    say: tells of it.  tick: once a second.  tell: says a sentence that is about no line.
    """

    __slots__ = ("say", "tell", "tick", "write", "write_all")

    def __init__(
        self,
        write: Callable[[Line], int],
        write_all: Callable[[list[Line]], None],
        say: Callable[[Line], None],
        tick: Callable[[float], None],
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.write = write
        self.write_all = write_all
        self.say = say
        self.tick = tick
        self.tell = tell
