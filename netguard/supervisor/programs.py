"""The calls that start programs: they are seen, and go on."""

from __future__ import annotations

from netguard.seccomp.notify import CONTINUE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.seccomp.notify import Notification
    from netguard.supervisor.wall import Wall

#: The calls that start a program.
STARTS = ("execve", "execveat")


class Programs:
    """The programs that one run starts."""

    def __init__(self, wall: Wall) -> None:
        self.wall = wall

    def handle(self, call: Notification) -> None:
        """One call. Raises OSError: the errno that the guest gets."""
        self.wall.callers.executes(call.tid)
        self.wall.listener.answer(call.id, flags=CONTINUE)
