"""Says whether a trail is whole, or which line is the first that is wrong. Total: any bytes give a report.

What it can prove is what a chain can prove: that no line was changed, dropped, added or moved by someone who could not
rewrite everything after it. Someone who can write the whole file can make a new chain; only a copy of a line kept
elsewhere shows that. A cut at a line's end shows as a missing `close`, which is also what a killed run leaves.

In one file the chains of many processes may stand between each other. Each is followed by itself, so their order among
each other proves nothing, and a whole chain that somebody else added looks like any other.
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

#: A name is short, or one line could make every later one cost its length.
MAX_NAME = 128
#: So many chains are followed, at about 700 bytes each: more than a day of a busy machine.
MAX_CHAINS = 500_000
#: So many unreadable lines wait for the `tamper` line that accounts for them. A full disk leaves one a process.
MAX_PENDING = 1_024
#: How the first line of a forked child's chain names the chain that it was forked from.
FORKED = "forked from "


class Chain(NamedTuple):
    """One chain of the file, as its lines tell it.

    run, chain:  the run's name, and the chain's where a run has several ("PID-HEX" in injection).
    forked_from: the chain of the process that it was forked from, as it says itself; "" if it says nothing.
    lines:       how many.
    closed:      its last line is `close`.
    first, last: the times on its first and last line, as they stand there.
    line:        the number of its first line in the file.
    bad:         the number of its first line that is wrong, None if none is.
    """

    run: str
    chain: str
    forked_from: str
    lines: int
    closed: bool
    first: str
    last: str
    line: int
    bad: int | None


class Report(NamedTuple):
    """What was found.

    whole:     every line is in its place.
    runs:      the names of the runs, in the order they begin.
    chains:    the chains, in the order they begin.
    first_bad: (line number from 1, what is wrong with it), None if nothing is.
    unclosed:  chains without `close`: still running, killed, or cut off. Reported, not called broken.
    orphans:   chains that say they were forked from one that is not here.
    torn:      unfinished lines that a `tamper` line accounts for.
    tamper:    other `tamper` lines: what the writer itself noticed.
    tail:      bytes after the last line feed.
    lines:     lines in all.
    """

    whole: bool
    runs: tuple[str, ...]
    chains: tuple[Chain, ...]
    first_bad: tuple[int, str] | None
    unclosed: int
    orphans: int
    torn: int
    tamper: int
    tail: int
    lines: int


class Strand:
    """A chain that is being followed."""

    __slots__ = ("bad", "chain", "closed", "first", "forked_from", "last", "line", "lines", "prev", "run", "seq")

    def __init__(self, run: str, chain: str, first: str, line: int, forked_from: str) -> None:
        self.run = run
        self.chain = chain
        self.forked_from = forked_from
        self.first = first
        self.last = first
        self.line = line
        self.lines = 0
        self.closed = False
        self.bad = 0
        self.seq = 0
        self.prev = NO_LINE

    def seen(self) -> Chain:
        """What the report says of it."""
        return Chain(
            self.run, self.chain, self.forked_from, self.lines, self.closed, self.first, self.last, self.line,
            self.bad or None,
        )  # fmt: skip


class Check:
    """Reads lines one after the other and keeps the first complaint."""

    def __init__(self, live: bool) -> None:
        self.live = live
        self.chains: dict[tuple[str, str], Strand] = {}
        self.runs: dict[str, str] = {}  # each name once, so that its chains share it
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
            self.wait_for(line.torn_hash(body))
            return
        reason = self.wrong(record)
        if reason:
            self.bad(self.number, reason)
        self.follow(record, body, bool(reason))

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
        if not is_name(run):
            return "run is not a name"
        if not is_name(record.get("chain", "")):
            return "chain is not a name"
        strand = self.chains.get(key_of(record))
        if strand is None and len(self.chains) >= MAX_CHAINS:
            return f"begins one chain too many: of one file {MAX_CHAINS:,} are followed; give the others by themselves"
        reason = misplaced(strand, record, seq, kind)
        self.account(record, kind)
        return f"chain {record['chain']}: {reason}" if reason and record.get("chain") else reason

    def wait_for(self, torn: str) -> None:
        """An unreadable line, at the present number, must be named by a `tamper` line: its writer's next, wherever."""
        if torn in self.pending:
            self.bad(self.number, "not a line of a trail, and the same as one before it")
        elif len(self.pending) >= MAX_PENDING:
            self.bad(self.number, "not a line of a trail, and one of too many")
        else:
            self.pending[torn] = self.number

    def account(self, record: dict[str, object], kind: str) -> None:
        """Count a `tamper` line, and what it accounts for."""
        torn = record.get("torn")
        if kind == "tamper" and isinstance(torn, str) and self.pending.pop(torn, 0):
            self.torn += 1
        elif kind == "tamper" and record.get("event") != "trail.torn":
            self.tamper += 1

    def follow(self, record: dict[str, object], body: bytes, bad: bool) -> None:
        """Go on from this line, right or wrong, so that one change is one complaint."""
        run, seq, stamp = record.get("run"), record.get("seq"), record.get("ts")
        if not is_name(run) or type(seq) is not int or not is_name(record.get("chain", "")):
            return
        when = stamp[:40] if isinstance(stamp, str) else ""
        strand = self.chains.get(key_of(record)) or self.begin(record, when)
        if strand is None:
            return
        if bad and not strand.bad:
            strand.bad = self.number
        strand.last = when
        strand.lines += 1
        strand.closed = strand.closed or record.get("kind") == "close"
        strand.seq = seq + 1
        strand.prev = line.leaf(body)

    def begin(self, record: dict[str, object], when: str) -> Strand | None:
        """The chain that begins with this line; None if there are too many to follow."""
        if len(self.chains) >= MAX_CHAINS:
            return None
        run, chain = key_of(record)
        run = self.runs.setdefault(run, run)
        strand = self.chains[run, chain] = Strand(run, chain, when, self.number, forked_from(record))
        return strand

    def lacks(self, run: str, chain: str) -> bool:
        """Whether there is no such chain here."""
        return (run, chain) not in self.chains

    def report(self) -> Report:
        """What was found, after the last line."""
        for number in self.pending.values():
            self.bad(number, "not a line of a trail, and no tamper line accounts for it")
        if not self.chains and not self.first_bad:
            self.bad(1, "no run is on record here")
        chains = tuple([strand.seen() for strand in self.chains.values()])
        return Report(
            whole=self.first_bad is None,
            runs=tuple(self.runs),
            chains=chains,
            first_bad=self.first_bad,
            unclosed=sum([not chain.closed for chain in chains]),
            orphans=sum([self.lacks(each.run, each.forked_from) for each in chains if each.forked_from]),
            torn=self.torn,
            tamper=self.tamper,
            tail=self.tail,
            lines=self.number,
        )


def misplaced(strand: Strand | None, record: dict[str, object], seq: int, kind: str) -> str:
    """What is wrong with a line's link to its chain, "" if nothing."""
    expected = strand.seq if strand else 0
    if strand and strand.closed:
        return "stands after its chain's close line"
    if seq != expected:
        return f"seq is {seq}, {expected} expected"
    if record.get("prev") != (strand.prev if strand else NO_LINE):
        return "prev does not match the line before"
    if (seq == 0) != begins(record):
        return "a chain begins with its coverage line" if seq == 0 else "a chain's coverage again, in the middle of it"
    of = record.get("of")
    if kind == "result" and (type(of) is not int or not 0 <= of < seq):
        return f"result of line {of!s:.20}, which is no earlier line"
    return ""


def is_name(value: object) -> bool:
    """Whether this can be the name of a run or chain."""
    return isinstance(value, str) and len(value) <= MAX_NAME


def key_of(record: dict[str, object]) -> tuple[str, str]:
    """Which chain a line says it belongs to."""
    return str(record.get("run")), str(record.get("chain", ""))


def forked_from(record: dict[str, object]) -> str:
    """The chain that the first line of a forked child's names; "" if it names none."""
    why = record.get("why")
    if record.get("seq") != 0 or not isinstance(why, str) or not why.startswith(FORKED):
        return ""
    name = why[len(FORKED) :].partition(" ")[0]
    return name if is_name(name) else ""


def lines_of(path: str | int) -> Iterator[bytes]:
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
