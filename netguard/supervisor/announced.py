"""Starts of programs that a witness has asked about and was granted, until the kernel sees them: one act is one
decision and one line, whoever hears of it later.

What the witness said gives no right to anything else: the same program with the same arguments and no more that speaks
against its guard, by the process that asked or by one that it has just forked, once.
"""

from __future__ import annotations

from netguard.record.line import leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netguard.supervisor.peer import Peer

    Start = tuple[str, tuple[str, ...]]
    Key = tuple[int, str, str]

#: Seconds that a grant waits for its start: what `preexec_fn` does comes between.
PATIENCE = 10.0

#: Different starts that are on their way at once, and the same ones of one process: far more than a run has.
MAX_KNOWN, MAX_SAME = 1_024, 64

#: What the C library's `system` puts into the shell's arguments, and Python does not know of.
SHELL, ENDED = ("sh", "-c"), "--"


class Granted:
    """One start that was granted. until: when it is given up.  uncovered: what was said to speak against its guard.
    seq: its record, 0 where it was let through in silence."""

    __slots__ = ("seq", "uncovered", "until")

    def __init__(self, until: float, uncovered: frozenset[str], seq: int) -> None:
        self.until = until
        self.uncovered = uncovered
        self.seq = seq


class Announced:
    """(process, program, its arguments' digest) -> the starts that were granted. A guest may ask for long ones."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[Key, list[Granted]] = {}

    def grant(self, pid: int, start: Start, granted: Granted) -> None:
        """A process may start this, once."""
        if len(self.known) >= MAX_KNOWN:
            self.known.clear()
        starts = self.known.setdefault((pid, *digest(start)), [])
        starts.append(granted)
        del starts[:-MAX_SAME]

    def take(self, pids: Iterable[int], start: Start, uncovered: frozenset[str], now: float) -> Granted | None:
        """What one of these processes was granted for this start, which is used up with it; None for nothing."""
        if not self.known:
            return None
        same = {digest(start), digest(without_end(start))}
        for pid in pids:  # mostly one of the first two; the others cost a look each
            for key in [(pid, *one) for one in same]:
                for granted in self.known.get(key, ()):
                    if granted.until > now and uncovered <= granted.uncovered:
                        self.drop(key, granted)
                        return granted
        return None

    def drop(self, key: Key, granted: Granted) -> None:
        """This one is used up."""
        starts = self.known[key]
        starts.remove(granted)
        if not starts:
            del self.known[key]

    def sweep(self, now: float) -> None:
        """Forgets those that never came."""
        for key, starts in list(self.known.items()):
            starts[:] = [one for one in starts if one.until > now]
            if not starts:
                del self.known[key]


class Asking:
    """A witness that asks whether a program may start, in the place of its line: what it is granted is told.

    granted: hears of the record's number.
    """

    __slots__ = ("granted", "peer")

    def __init__(self, peer: Peer, granted: Callable[[int], None]) -> None:
        self.peer = peer
        self.granted = granted

    @property
    def waiting(self) -> bool:
        """Whether its answer is still to come."""
        return self.peer.waiting

    @waiting.setter
    def waiting(self, value: bool) -> None:
        self.peer.waiting = value

    def answer(self, number: str, verdict: str, rest: tuple[str, ...], seq: int) -> None:
        """Passes the answer on. What is granted is known before: the program may start at once."""
        if verdict in ("allow", "log") and not self.peer.closed:
            self.granted(seq)
        self.peer.answer(number, verdict, rest, seq)

    def cut_off(self) -> None:
        """Hangs up."""
        self.peer.cut_off()


def digest(start: Start) -> tuple[str, str]:
    """The program, and what stands for its arguments: none of them has a NUL in it."""
    real, argv = start
    return real, leaf("\0".join(argv).encode("utf-8", "surrogateescape"))


def without_end(start: Start) -> Start:
    """The start as Python asked for it where the C library has added to it."""
    real, argv = start
    return (real, (*SHELL, *argv[3:])) if argv[:2] == SHELL and argv[2:3] == (ENDED,) else start
