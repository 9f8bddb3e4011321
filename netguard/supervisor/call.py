"""One notified call on its way from the kernel to its answer: whom the session's answer is for."""

from __future__ import annotations

from netguard.seccomp import libraries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netguard.seccomp.arguments import Wanted
    from netguard.seccomp.callers import Caller
    from netguard.supervisor.redirects import Proxy
    from netguard.supervisor.wall import Wall


class Call:
    """One call.

    id:      by which the kernel knows it.  fd: the guest's own number of the socket.
    wanted:  what it asks for, with our copy of that socket.  caller: who.
    waiting: whether its answer is delayed.  seq: the record of its act, 0 without one.  started: when it was begun.
    own:     whether its destination was the run's own when that was decided.
    at:      the address that it was made from.
    instead: what is done in place of carrying it out.
    proxy:   where it ends in place of its destination, None for there.  servers: see Original.
    """

    __slots__ = (
        "_library", "at", "caller", "fd", "id", "instead", "own", "proxy", "seq", "servers", "started", "waiting",
        "wall", "wanted",
    )  # fmt: skip

    def __init__(self, id: int, fd: int, wanted: Wanted, caller: Caller, wall: Wall, at: int) -> None:
        self.id = id
        self.fd = fd
        self.wanted = wanted
        self.caller = caller
        self.wall = wall
        self.waiting = False
        self.own = False
        self.instead: Callable[[Call], None] | None = None
        self.proxy: Proxy | None = None
        self.servers: tuple[str, ...] | None = None
        self.seq = 0
        self.started = 0.0
        self.at = at
        self._library: str | None = None

    def library(self) -> str:
        """The library whose code made it, else the program: looked up when it is first asked for, while it waits."""
        if self._library is None:
            self._library = libraries.caller_of(self.caller, self.at) or self.wall.process_of(self.caller).exe
        return self._library

    def answer(self, number: str, verdict: str, rest: tuple[str, ...], seq: int) -> None:
        """Takes what was decided, and has it carried out."""
        delayed, self.waiting = self.waiting, False
        self.wall.settle(self, verdict, rest, seq, delayed=delayed)

    def cut_off(self) -> None:
        """A call has no line that could be closed; it is denied."""
        self.answer("", "deny", (), 0)
