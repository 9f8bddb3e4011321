"""What a person at the terminal sees of a run: denials as they come, the summary at its end. Writes to stderr alone."""

from __future__ import annotations

import os
import sys
import time

from netguard.views.denial import Repeats, denial_line, key_of
from netguard.views.rhythm import Rhythm
from netguard.views.subject import ALARMS
from netguard.views.summary import Tally

TYPE_CHECKING = False
if TYPE_CHECKING:
    Line = dict[str, object]

#: Lines that are counted together, at the latest: nobody who waits for a line has to wait for that.
MANY = 1_024

#: Alarms told at once in a run; the summary says how many more there were.
ALARMS_TOLD = 10


class Screen:
    """The terminal's side of one run.

    quiet:   nothing but netguard's own failures and what was done to the guard (`tamper`).
    dry_run: the summary says that nothing was denied.
    audit:   nobody gave rules, so the summary ends with those that would allow what was seen.
    trail:   the trail's path, "" when it went to a descriptor.
    """

    def __init__(self, *, quiet: bool, dry_run: bool, audit: bool, trail: str) -> None:
        self.quiet = quiet
        self.audit = audit
        self.trail = trail
        # None where standard error is closed: what is said then goes nowhere.
        self.encoding = getattr(sys.stderr, "encoding", None) or "ascii"
        self.utf8 = is_utf8(self.encoding)
        self.colour = coloured(2)
        self.alarms = 0
        self.tally = Tally(dry_run)
        self.rhythm = Rhythm(time.monotonic_ns())
        self.repeats = Repeats(utf8=self.utf8)
        self.note = ""  # a line below the summary
        self.uncounted: list[tuple[Line, int, int]] = []  # (line, its number on the trail, when)

    def tell(self, text: str, urgent: bool = False) -> None:
        """Writes one line. A terminal that is gone must not end the run."""
        if self.quiet and not urgent:
            return
        try:
            os.write(2, (text + "\n").encode(self.encoding, "backslashreplace"))
        except OSError:
            pass

    def seen(self, line: Line, seq: int) -> None:
        """Takes a line that is on the trail, as its number `seq`."""
        self.uncounted.append((line, seq, time.monotonic_ns()))
        if len(self.uncounted) >= MANY:
            self.count()

    def count(self) -> None:
        """Counts what it has taken."""
        for line, seq, now in self.uncounted:
            self.tally.add(line, seq)
            self.rhythm.add(line, now)
        self.uncounted.clear()

    def say(self, line: Line) -> None:
        """Tells of an alarm, or of a denial unless it is the same as one a moment ago."""
        if line["kind"] in ALARMS:
            self.alarms += 1
            if self.alarms <= ALARMS_TOLD:
                self.tell(denial_line(line, utf8=self.utf8), urgent=True)
            return
        now = time.monotonic()
        if self.repeats.seen(key_of(line, utf8=self.utf8), now):
            self.tell(denial_line(line, utf8=self.utf8))

    def tick(self, now: float) -> None:
        """Once a second: how often what was told has repeated."""
        self.count()
        for text in self.repeats.due(now):
            self.tell(text)

    def suggest(self, path: str) -> None:
        """Writes the rules that would allow just what the run did. Raises OSError."""
        from netguard.views.suggest import suggest

        self.count()
        with open(path, "w", encoding="utf-8") as file:
            file.write(suggest(self.tally))

    def summary(self) -> None:
        """The end of the run."""
        self.count()
        for text in self.repeats.flush():
            self.tell(text)
        if self.quiet:
            return
        text = self.tally.render(
            width(), self.colour, trail=self.trail, utf8=self.utf8, rhythm=self.rhythm, now=time.monotonic_ns()
        )
        if self.note:
            text += self.note + "\n"
        if self.audit and self.tally.groups:
            from netguard.views.suggest import suggest

            text += "\nThe rules that would allow just this (netguard run --rules FILE …):\n\n" + suggest(self.tally)
        self.tell(text.rstrip("\n"))


def is_utf8(encoding: str | None) -> bool:
    """Whether a stream of this encoding can carry any character."""
    return (encoding or "").lower().replace("-", "") == "utf8"


def coloured(fd: int) -> bool:
    """Whether colours are wanted where this descriptor leads to."""
    return os.isatty(fd) and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def width(fd: int = 2) -> int:
    """Columns as COLUMNS says, else of the terminal behind this descriptor, 80 where there is none."""
    said = os.environ.get("COLUMNS", "")
    if said.isascii() and said.isdigit() and 0 < int(said) < 10_000:
        return int(said)
    try:
        return os.get_terminal_size(fd).columns or 80
    except OSError:
        return 80
