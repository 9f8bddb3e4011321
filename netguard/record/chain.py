"""The chain: each record becomes a line that names the line before it, and is on record before `write` returns.

An act may happen only after `write` returned its line's number. Whatever goes wrong raises NotRecorded and the line
does not count: the caller denies. The next call mends what can be mended and says so on a `tamper` line of its own.
Not for several threads, and not after a fork: one process writes one chain.

A file may hold several runs one after the other; each is a chain of its own, from its `coverage` to its `close`.
"""

from __future__ import annotations

import time

from . import NotRecorded, line
from .keys import KEYS, NO_LINE, STAMPED, VERSION, begins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import NoReturn, Protocol

    class Sink(Protocol):
        """Where lines go. torn: the unfinished line that was found at its end. size: bytes that are there."""

        torn: bytes
        size: int

        def put(self, data: bytes) -> tuple[int, str]:
            """Takes bytes; returns how many arrived, and why not all ("" if they did)."""

        def foul(self, now_ns: int) -> str:
            """What somebody else did to the place since the last line, "" if nothing."""

        def accept(self) -> None:
            """Takes the place as it is now."""

        def at_line_start(self) -> bool:
            """Whether what is written next begins a line."""

        def close(self) -> None:
            """The end."""

    class Redactor(Protocol):
        """Hides credentials."""

        def onto(
            self,
            shown: dict[str, object],
            record: Mapping[str, object],
            keys: Iterable[str],
            pack: Callable[[object], bytes] | None,
        ) -> dict[str, object]:
            """`shown` with these keys of a record, each string shown safely."""

#: A trail is bounded, so that a noisy guest cannot fill the disk: 1 GB, in bytes.
MAX_BYTES = 1_000_000_000
#: Kept free at the end: one half for `tamper` lines, the other for the `close` line, so that both always fit.
RESERVE = 16_384
MIN_BYTES = 4 * RESERVE
SECOND = 1_000_000_000
#: What stays on a line even if all else had to go.
KEPT = ("kind", "of", "verdict", "rule", "event", "torn")


class Again(dict[str, object]):
    """A record that is written more than once: what is the same on each of its lines is made once.

    It must not change. tail: that part of its lines, b"" before the first or where it has to be cut to fit.
    """

    __slots__ = ("tail",)

    def __init__(self, record: Mapping[str, object]) -> None:
        super().__init__(record)
        self.tail = b""


class Writer:
    """Writes one run's chain of lines.

    sink:      where the lines go.
    run:       the run's name, on every line. chain: which process's chain, where a run has several.
    redactor:  hides credentials in everything that is written.
    max_bytes: what the file may hold in all; past it every act is denied.
    limit:     a line with its line feed is no longer than this, in bytes.
    clock, mono: nanoseconds since 1970 in UTC, and of the monotonic clock.
    """

    #: What is raised; a supervisor's is an error that a person may read.
    failure: type[NotRecorded] = NotRecorded

    def __init__(
        self,
        sink: Sink,
        run: str,
        redactor: Redactor,
        *,
        chain: str = "",
        max_bytes: int = MAX_BYTES,
        limit: int = line.MAX_LINE,
        clock: Callable[[], int] = time.time_ns,
        mono: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if max_bytes < MIN_BYTES:
            raise self.failure(f"a trail needs at least {MIN_BYTES} bytes")
        self.sink = sink
        named = {"run": run, "chain": chain} if chain else {"run": run}
        self.names = line.encode(named).decode()[1:-1]  # as they stand on every line
        self.redactor = redactor
        self.max_bytes = max_bytes
        self.room = max_bytes - RESERVE
        self.limit = limit
        self.clock = clock
        self.mono = mono
        self.seq = 0
        self.prev = NO_LINE
        self.torn = sink.torn  # the unfinished line that stands at the end now
        self.torn_whole = False  # whether it is this chain's and lacks its line feed alone: it may still become a line
        self.owed: list[tuple[str, str]] = []  # torn lines that a `tamper` line must still name: (hash, why)
        self.refusal = ""  # why nothing more is written, ever
        self.layouts: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.second = -SECOND  # the second that `prefix` shows, in nanoseconds
        self.prefix = ""

    def write(self, record: Mapping[str, object], *, awaited: bool = True) -> int:
        """Put a record on record and return its number in the chain.

        Adds v, seq, prev, ts, mono_ns and run. The chain's first record must be its run's `coverage`.
        awaited: whether something waits for it; else what others did to the place is looked at with the next.
        Raises NotRecorded when the line is not on record whole: it was not written, the act must not happen.
        """
        now = self.mono()
        self.look(now, awaited)
        if (self.seq == 0 or record.get("kind") == "coverage") and (self.seq == 0) != begins(record):
            raise self.failure("a chain begins with its run's coverage line, and has one")
        return self.put(self.line(record, now), self.room)

    def write_all(self, records: Iterable[Mapping[str, object]]) -> int:
        """Put several records on record with one write, and return the first one's number; none of them is `coverage`.

        Raises NotRecorded when not all of them are on record whole.
        """
        now = self.mono()
        self.look(now)
        first, before = self.seq, self.prev
        bodies = []
        for record in records:
            bodies.append(self.line(record, now))
            self.advance(bodies[-1])  # the next one names it
        data = b"".join([body + b"\n" for body in bodies])
        self.seq, self.prev = first, before
        self.hold(len(data), self.room)
        written, why = self.sink.put(data)
        for body in bodies:
            if written <= len(body):
                self.tear(body, written, why)
            self.advance(body)
            written -= len(body) + 1
        return first

    def look(self, now: int, awaited: bool = True) -> None:
        """See whether the trail may be written; say first what must be said first. Raises NotRecorded."""
        if self.refusal:
            raise self.failure(f"the trail takes no more lines: {self.refusal}")
        foul = self.sink.foul(now) if awaited else ""
        if foul:
            self.refuse_for(foul)
        if self.torn or self.owed:
            self.flush_owed()

    def close(self, record: Mapping[str, object]) -> int:
        """Write the last line, `kind: close`, for which room is kept, and close the file whatever happens."""
        if self.refusal == "closed":
            return self.seq - 1
        try:
            self.flush_owed()
            body = self.line({"kind": "close", **record}, self.mono(), RESERVE // 2)
            return self.put(body, self.max_bytes)
        finally:
            self.refusal = "closed"
            self.sink.close()

    def refuse_for(self, foul: str) -> None:
        """Somebody else wrote, cut, moved or deleted the file: one last `tamper` line, then nothing more."""
        self.refusal = foul
        self.torn, self.owed = b"", []  # what stands in the file now is no longer ours to explain
        self.sink.accept()
        if not self.sink.at_line_start():
            self.sink.put(b"\n")
        if self.seq:
            record = {"kind": "tamper", "event": "trail.changed", "why": foul}
            self.put(self.line(record, self.mono()), self.max_bytes - RESERVE // 2)
        raise self.failure(f"the trail takes no more lines: {foul}")

    def flush_owed(self) -> None:
        """End an unfinished line, and name each such line on a `tamper` line. Raises NotRecorded while that fails."""
        if self.torn:
            self.end_torn()
        while self.owed and self.seq:
            torn, why = self.owed[0]
            record = {"kind": "tamper", "event": "trail.torn", "why": why, "torn": torn}
            self.put(self.line(record, self.mono()), self.max_bytes - RESERVE // 2)
            del self.owed[0]

    def end_torn(self) -> None:
        """Give the unfinished line its line feed: it is never cut off, so that nothing written is ever removed."""
        written, why = self.sink.put(b"\n")
        if not written:
            raise self.failure(f"the trail's unfinished line could not be ended: {why}")
        torn, self.torn = self.torn, b""
        if self.torn_whole:
            self.advance(torn)  # only its line feed was missing: now it is a line, though its act was denied
            self.owed.append((line.torn_hash(torn), "the line before was completed late: what it tells did not happen"))
        else:
            self.owed.append((line.torn_hash(torn), f"{len(torn)} bytes of a line were written, then writing failed"))
        self.torn_whole = False

    def put(self, body: bytes, room: int) -> int:
        """Write one line and only then advance the chain."""
        self.hold(len(body) + 1, room)
        written, why = self.sink.put(body + b"\n")
        if why:
            self.tear(body, written, why)
        self.advance(body)
        return self.seq - 1

    def hold(self, size: int, room: int) -> None:
        """See whether so much still fits. Raises NotRecorded, for good."""
        if self.sink.size + size > room:
            self.refusal = self.refusal or f"it is full ({self.max_bytes} bytes)"
            raise self.failure(f"the trail takes no more lines: {self.refusal}")

    def tear(self, body: bytes, written: int, why: str) -> NoReturn:
        """Only so much of a line was written: it is ended, and told, before the next."""
        self.torn = body[:written]
        self.torn_whole = bool(written) and written == len(body)
        raise self.failure(f"the line could not be put on record: {why}")

    def advance(self, body: bytes) -> None:
        """The line is on record: the next one names it."""
        self.prev = line.leaf(body)
        self.seq += 1

    def line(self, record: Mapping[str, object], now: int, limit: int = line.MAX_LINE) -> bytes:
        """The line that a record would be at `now` (monotonic), credentials hidden, keys in the contract's order."""
        head = self.head(now)
        limit = min(limit, self.limit) - len(head)
        kept = record.tail if type(record) is Again else b""
        if kept and len(kept) < limit - 1:
            return head + kept
        tail, whole = self.tail(record, limit)
        if whole and type(record) is Again:
            record.tail = tail
        return head + tail

    def head(self, now: int) -> bytes:
        """The writer's own part of a line. `ts` is RFC 3339 in UTC; the part before its dot is made once a second."""
        clock = self.clock()
        rest = clock - self.second
        if not 0 <= rest < SECOND:
            self.second = clock - clock % SECOND
            self.prefix = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(self.second // SECOND))
            rest = clock - self.second
        ts = f"{self.prefix}{rest // 1000:06d}Z"
        chained = f'{{"v":{VERSION},"seq":{self.seq},"prev":"{self.prev}"'
        return f'{chained},"ts":"{ts}","mono_ns":{now},{self.names}'.encode()

    def tail(self, record: Mapping[str, object], limit: int) -> tuple[bytes, bool]:
        """What follows the head, shorter than `limit` with its line feed; and whether it is all of the record."""
        keys = tuple(record)
        body = line.outcome(record) if keys == line.OUTCOME else None
        if body is not None and len(body) < limit - 1:
            return b"," + body[1:], True
        keys = self.layouts.get(keys) or self.layout(keys)
        try:
            body = line.quick(self.redactor.onto({}, record, keys, line.packer()), limit)
        except line.NOT_JSON:
            body = None
        whole = body is not None
        if body is None:
            body = line.fit(self.redactor.onto({}, record, keys, None), KEPT, limit)
        return (b"," + body[1:] if len(body) > len(b"{}") else b"}"), whole

    def layout(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """A record's keys in the order of `records.KEYS`, then those it does not know. The writer's own are its own."""
        known = [key for key in KEYS if key in keys]
        order = (*known, *(key for key in keys if key not in KEYS and key not in STAMPED))
        if len(self.layouts) < 1_024:
            self.layouts[keys] = order
        return order
