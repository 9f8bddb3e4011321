"""Says whether a trail is whole, or which line is the first that is wrong. Total: any bytes give a report.

What it can prove is what a chain can prove: that no line was changed, dropped, added or moved by someone who could not
rewrite everything after it. Someone who can write the whole file can make a new chain; only a copy of a line kept
elsewhere shows that. A cut at a line's end shows as a missing `close`, which is also what a killed run leaves.
"""

from __future__ import annotations

from typing import NamedTuple

from netguard.errors import TrailError
from netguard.record import line
from netguard.record.keys import NO_LINE, VERSION, begins
from netguard.trail.encoder import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Run(NamedTuple):
    """One chain of the file. first, last: the times on its first and last line, as they stand there."""

    run: str
    chain: str
    lines: int
    closed: bool
    first: str
    last: str


class Report(NamedTuple):
    """What was found.

    whole:     every line is in its place.
    runs:      the chains, in the order they begin.
    first_bad: (line number from 1, what is wrong with it), None if nothing is.
    unclosed:  runs without `close`: still running, killed, or cut off. Reported, not called broken.
    torn:      unfinished lines that a `tamper` line accounts for.
    tamper:    other `tamper` lines: what the writer itself noticed.
    tail:      bytes after the last line feed.
    lines:     lines in all.
    """

    whole: bool
    runs: tuple[Run, ...]
    first_bad: tuple[int, str] | None
    unclosed: int
    torn: int
    tamper: int
    tail: int
    lines: int


class Chain:
    """What is known of a chain so far."""

    __slots__ = ("chain", "closed", "first", "last", "lines", "prev", "run", "seq")

    def __init__(self, run: str, chain: str, first: str) -> None:
        self.run = run
        self.chain = chain
        self.first = first
        self.last = first
        self.lines = 0
        self.closed = False
        self.seq = 0
        self.prev = NO_LINE

    def seen(self) -> Run:
        """What the report says of it."""
        return Run(self.run, self.chain, self.lines, self.closed, self.first, self.last)


class Check:
    """Reads lines one after the other and keeps the first complaint."""

    def __init__(self, live: bool) -> None:
        self.live = live
        self.chains: dict[tuple[str, str], Chain] = {}
        self.first_bad: tuple[int, str] | None = None
        self.pending: dict[str, int] = {}  # hash of an unreadable line -> its number, until a `tamper` line names it
        self.number = self.torn = self.tamper = self.tail = 0

    def bad(self, number: int, reason: str) -> None:
        """A complaint: the one about the earliest line is kept."""
        if self.first_bad is None or number < self.first_bad[0]:
            self.first_bad = (number, reason)

    def take(self, raw: bytes) -> None:
        """One line with its line feed, or what stands after the last one."""
        self.number += 1
        if len(raw) >= line.MAX_LINE:
            self.bad(self.number, f"longer than {line.MAX_LINE - 1} bytes")
            return
        if not raw.endswith(b"\n"):
            self.take_tail(raw)
            return
        body = raw[:-1]
        record = parse(body)
        if record is None:
            self.pending[line.torn_hash(body)] = self.number
            return
        reason = self.wrong(record)
        if reason:
            self.bad(self.number, reason)
        self.follow(record, body)

    def take_tail(self, raw: bytes) -> None:
        """Bytes without a line feed: a line that is being written, or was cut."""
        self.tail = len(raw)
        if not self.live:
            self.bad(self.number, f"{len(raw)} bytes without a line feed: cut in the middle, or still being written")
        self.number -= 1

    def wrong(self, record: dict[str, object]) -> str:
        """What is wrong with a line in its place, "" if nothing. Looks at the version before all else."""
        version, seq, run, kind = (record.get(key) for key in ("v", "seq", "run", "kind"))
        if type(version) is not int or version < 1:
            return "has no version: not a line of a trail"
        if version > VERSION:
            return f"is of version {version}; this netguard reads version {VERSION}: use a newer one"
        if type(seq) is not int or not isinstance(run, str) or not isinstance(kind, str):
            return "lacks seq, run or kind"
        if not isinstance(record.get("chain", ""), str):
            return "chain is not a name"
        return self.misplaced(record, seq, kind) or self.unaccounted(record, kind)

    def misplaced(self, record: dict[str, object], seq: int, kind: str) -> str:
        """What is wrong with its link to the chain."""
        chain = self.chains.get(key_of(record))
        expected = chain.seq if chain else 0
        if chain and chain.closed:
            return "stands after its run's close line"
        if seq != expected:
            return f"seq is {seq}, {expected} expected"
        if record.get("prev") != (chain.prev if chain else NO_LINE):
            return "prev does not match the line before"
        if (seq == 0) != begins(record):
            return "a run begins with its coverage line" if seq == 0 else "a run's coverage again, in the middle of it"
        of = record.get("of")
        if kind == "result" and (type(of) is not int or not 0 <= of < seq):
            return f"result of line {of!s:.20}, which is no earlier line"
        return ""

    def unaccounted(self, record: dict[str, object], kind: str) -> str:
        """Unreadable lines before this one must be named by it. A new run's coverage comes first, though."""
        torn = record.get("torn")
        if kind == "tamper" and isinstance(torn, str) and self.pending.pop(torn, 0):
            self.torn += 1
        elif kind == "tamper" and record.get("event") != "trail.torn":
            self.tamper += 1
        if self.pending and kind not in ("tamper", "coverage"):
            self.give_up_pending()
        return ""

    def give_up_pending(self) -> None:
        """Nobody accounted for these lines."""
        for number in self.pending.values():
            self.bad(number, "not a line of a trail, and no tamper line accounts for it")
        self.pending.clear()

    def follow(self, record: dict[str, object], body: bytes) -> None:
        """Go on from this line, right or wrong, so that one change is one complaint."""
        run, seq, stamp = record.get("run"), record.get("seq"), record.get("ts")
        if not isinstance(run, str) or type(seq) is not int or not isinstance(record.get("chain", ""), str):
            return
        when = stamp[:40] if isinstance(stamp, str) else ""
        chain = self.chains.get(key_of(record))
        if chain is None:
            chain = self.chains[key_of(record)] = Chain(run, str(record.get("chain", "")), when)
        chain.last = when
        chain.lines += 1
        chain.closed = chain.closed or record.get("kind") == "close"
        chain.seq = seq + 1
        chain.prev = line.leaf(body)

    def report(self) -> Report:
        """What was found, after the last line."""
        self.give_up_pending()
        if not self.chains and not self.first_bad:
            self.bad(1, "no run is on record here")
        runs = tuple(chain.seen() for chain in self.chains.values())
        unclosed = sum(not run.closed for run in runs)
        whole = self.first_bad is None
        return Report(whole, runs, self.first_bad, unclosed, self.torn, self.tamper, self.tail, self.number)


def key_of(record: dict[str, object]) -> tuple[str, str]:
    """Which chain a line says it belongs to."""
    return str(record.get("run")), str(record.get("chain", ""))


def lines_of(path: str) -> Iterator[bytes]:
    """The lines of a file with their line feeds. Of an over-long one the first MAX_LINE bytes, so memory is bounded."""
    with open(path, "rb") as file:
        while raw := file.readline(line.MAX_LINE):
            yield raw
            while len(raw) == line.MAX_LINE and not raw.endswith(b"\n"):
                raw = file.readline(line.MAX_LINE)


def verify(path: str, *, live: bool = False) -> Report:
    """Check a trail.

    path: the file. live: it is being written, so bytes after the last line feed are no fault.
    Raises TrailError only if the file cannot be read.
    """
    check = Check(live)
    try:
        for raw in lines_of(path):
            check.take(raw)
    except OSError as error:
        raise TrailError(f"cannot read the trail {path}: {error.strerror}") from error
    return check.report()
