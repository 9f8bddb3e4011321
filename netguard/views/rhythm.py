"""When a run did what it did: acts over time as one line of small bars, denials below it on a line of their own.

The scale is linear and begins at nothing, so a bar twice as high is twice as many; each line has its own, and says in
numbers how many there were and how many at most, since a few denials would not show beside a thousand grants. An act
that left no line is known by the second, and spread over it.

Memory is fixed: when the run outgrows its buckets, two become one.
"""

from __future__ import annotations

from netguard.views.subject import SUBJECTS
from netguard.views.summary import MOST
from netguard.views.table import RED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.views.subject import Record
    from netguard.views.table import Table

SECOND = 1_000_000_000
#: Buckets: more than half are in use once some have been joined, and all fit into 80 columns beside the numbers. How
#: long each is at first: a part of a second, so that doubled and doubled again it becomes one.
BUCKETS, FIRST = 36, SECOND // 64
#: Fewer acts than these, or a shorter run, are no picture: the table says all there is.
LEAST_ACTS, LEAST_TIME = 20, SECOND
#: Columns of a label with its gap, and the least that are left to the bars beside what is said in numbers.
LABEL, LEAST = 12, 16

#: Nothing, then from the lowest to the highest.
BARS, BARS_ASCII = "·▁▂▃▄▅▆▇█", "_.:-=+*%#"


class Rhythm:
    """Acts and denials of a run in equal steps of time. Times are nanoseconds of one monotonic clock.

    dry_run: nothing was denied; it would have been.
    """

    __slots__ = ("acts", "counted", "denied", "dry_run", "start", "step")

    def __init__(self, start: int) -> None:
        self.start = start
        self.step = FIRST
        self.acts = [0.0] * BUCKETS
        self.denied = [0.0] * BUCKETS
        self.counted = start  # when the last count line came: what the next one counts came after it
        self.dry_run = False

    def add(self, record: Record, now: int) -> None:
        """One line of the trail, written now. Total."""
        kind = record.get("kind")
        if kind == "count":
            counts = record.get("counts")
            found = [count for count in counts.values() if type(count) is int] if isinstance(counts, dict) else []
            begin, self.counted = max(self.counted, now - SECOND), max(self.counted, now)
            self.spread(sum([min(MOST, max(0, count)) for count in found]), begin, now)
        elif "verdict" in record and type(kind) is str and kind in SUBJECTS:
            at = self.bucket(now)
            self.acts[at] += 1
            would = record.get("would") == "deny"
            if would or record["verdict"] == "deny":
                self.denied[at] += 1
                self.dry_run = self.dry_run or (would and record["verdict"] != "deny")

    def bucket(self, now: int) -> int:
        """The bucket of a moment; a clock that goes backwards is taken to stand at the beginning."""
        while now - self.start >= BUCKETS * self.step:
            self.acts, self.denied = joined(self.acts), joined(self.denied)
            self.step *= 2
        return max(0, now - self.start) // self.step

    def spread(self, count: int, begin: int, end: int) -> None:
        """So many acts that came between two moments, nobody knows when."""
        last = self.bucket(end)
        first = min(last, self.bucket(begin))
        for at in range(first, last + 1):
            self.acts[at] += count / (last - first + 1)

    def draw(self, table: Table, now: int) -> None:
        """The lines, on a table; none where there is nothing to see."""
        total, time = round(sum(self.acts)), now - self.start
        if total < LEAST_ACTS or time < LEAST_TIME:
            return
        used = self.bucket(now) + 1
        denied = round(sum(self.denied))
        rows = [("over time", self.acts, f"{total:,} acts in {lasting(time)}", "")]
        if denied:
            rows.append(("would deny" if self.dry_run else "denied", self.denied, f"{denied:,}", RED))
        says = [f"{text}, at most {self.peak(row[:used])}" for _, row, text, _ in rows]
        room = table.width - LABEL - max([len(text) for text in says]) - 2
        if room < LEAST:
            says, room = [""] * len(rows), table.width - LABEL
        for (label, row, _, ink), text in zip(rows, says, strict=True):
            table.line(f"{label:<{LABEL}}{bars(row[:used], room, table.utf8)}  {text}".rstrip(" "), ink)

    def peak(self, row: list[float]) -> str:
        """The most within any one second, or within a step where that is longer: `310/s`, `12/min`."""
        steps = max(1, SECOND // self.step)
        most = max([sum(row[at : at + steps]) for at in range(max(1, len(row) - steps + 1))])
        rate = most * SECOND / (steps * self.step)
        return f"{rate:,.0f}/s" if rate >= 1 else f"{rate * 60:,.0f}/min" if rate * 60 >= 1 else f"{rate * 3600:,.0f}/h"


def joined(row: list[float]) -> list[float]:
    """The row with each two of its buckets made one."""
    return [row[at] + row[at + 1] for at in range(0, BUCKETS, 2)] + [0.0] * (BUCKETS // 2)


def bars(row: list[float], room: int, utf8: bool) -> str:
    """One sign a bucket, or for so many together as the room asks for. Only nothing at all looks like nothing."""
    signs = BARS if utf8 else BARS_ASCII
    each = -(-len(row) // room)
    sums = [sum(row[at : at + each]) for at in range(0, len(row), each)]
    most = max(sums)
    return "".join([signs[-int(-8 * count // most)] for count in sums])


def lasting(time: int) -> str:
    """`2.4 s`, `3 min 20 s`, `2 h 5 min`."""
    seconds = time // SECOND
    if seconds < 60:
        return f"{time / SECOND:.1f} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600:,} h {seconds % 3600 // 60} min"
