"""What comes after the program's end: what it has left behind goes on under watch for a while, and is then ended.

Nothing runs on unwatched. A program that leaves nothing behind is not waited for at all.
"""

from __future__ import annotations

import math
import time

from netguard.supervisor import guest, signals
from netguard.supervisor.stragglers import counted, descendants, end_all, is_alone, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
else:
    import _signal as signal  # the same functions without the enums, which cost 4 ms at start-up

#: Seconds that processes may outlive the program; then they are ended. `--keep-stragglers` waits for them.
GRACE = 5.0

#: Seconds after which a person is told what is waited for. Most of what is left behind has ended by then.
TOLD = 1.0

#: Signals after which they are ended at once.
ENDING = frozenset((signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT))

#: Signals of the keyboard that stop a job. What was left behind has them too; while we are stopped its calls wait.
STOPPING = frozenset((signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))


class After:
    """The time after the end.

    others: processes below netguard that are not the guest's.  keep: wait for as long as it takes.
    tell:   says a line to the person at the terminal.
    """

    def __init__(self, others: frozenset[int], tell: Callable[[str], None], *, keep: bool = False) -> None:
        self.others = others
        self.tell = tell
        self.keep = keep
        self.gone: Callable[[], bool] = lambda: is_alone(others)  # whether all have ended
        self.ended = 0  # how many were ended
        self.left = 0  # and how many of them could not be

    def wait(self, turn: Callable[[], bool], inbox: signals.Inbox) -> None:
        """Until nothing is left. turn: one of the loop's, at least one a second; whether signals have come."""
        until = time.monotonic() + (math.inf if self.keep else GRACE)
        tells = time.monotonic() + TOLD
        while not self.gone():
            now = time.monotonic()
            if now >= until:
                break
            if now >= tells:
                tells = math.inf
                self._tell(until - now)
            if turn():
                came = {arrival.signum for arrival in inbox.drain()}
                guest.reap()
                if came & ENDING:
                    break
                for signum in came & STOPPING:
                    signals.stop_like(signum)
                    until += time.monotonic() - now
        self.end()

    def end(self) -> None:
        """Ends what is left."""
        self.ended, self.left = end_all(self.others, self.gone)

    def words(self) -> str:
        """What was done, "" for nothing."""
        if not self.ended:
            return ""
        rest = f"; {self.left} of them could not be" if self.left else ""
        return f"{counted(self.ended)} outlived the program and {'was' if self.ended == 1 else 'were'} ended{rest}"

    def _tell(self, seconds: float) -> None:
        found = descendants(self.others)
        if found:
            more = "waiting until they end" if self.keep else f"they have {seconds:.0f} s more"
            self.tell(f"netguard: the program has ended and has left {named(found)}; {more}, Ctrl-C ends them now")
