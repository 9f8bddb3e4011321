"""The chain: each record becomes a line that names the line before it, and is on record before `write` returns.

An act may happen only after `write` returned its line's number. Whatever goes wrong raises TrailError and the line
does not count: the caller denies. The next call mends what can be mended and says so on a `tamper` line of its own.
Not for several threads, and not after a fork: one process writes one chain.

A file may hold several runs one after the other; each is a chain of its own, from its `coverage` to its `close`.
"""

from __future__ import annotations

import time

from netguard.errors import TrailError
from netguard.trail import line
from netguard.trail.records import KEYS, NO_LINE, STAMPED, VERSION, begins
from netguard.trail.redact import Redactor
from netguard.trail.sink import FileSink, StreamSink, open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: A trail is bounded, so that a noisy guest cannot fill the disk: 1 GB, in bytes.
MAX_BYTES = 1_000_000_000
#: Kept free at the end: one half for `tamper` lines, the other for the `close` line, so that both always fit.
RESERVE = 16_384
MIN_BYTES = 4 * RESERVE
SECOND = 1_000_000_000
#: What stays on a line even if all else had to go.
KEPT = (*STAMPED, "kind", "of", "verdict", "rule", "event", "torn")


class Writer:
    """Writes one run's chain of lines.

    sink:      where the lines go.
    run:       the run's name, on every line. chain: which process's chain, where a run has several.
    redactor:  hides credentials in everything that is written.
    max_bytes: what the file may hold in all; past it every act is denied.
    clock, mono: nanoseconds since 1970 in UTC, and of the monotonic clock.
    """

    def __init__(
        self,
        sink: FileSink | StreamSink,
        run: str,
        *,
        redactor: Redactor | None = None,
        chain: str = "",
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], int] = time.time_ns,
        mono: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if max_bytes < MIN_BYTES:
            raise TrailError(f"a trail needs at least {MIN_BYTES} bytes")
        self.sink = sink
        self.run = run
        self.chain = chain
        self.redactor = redactor or Redactor()
        self.max_bytes = max_bytes
        self.room = max_bytes - RESERVE
        self.clock = clock
        self.mono = mono
        self.seq = 0
        self.prev = NO_LINE
        self.torn = sink.torn  # the unfinished line that stands at the end now
        self.torn_ours = False  # whether it is this chain's, so that it may still become a line
        self.owed: list[tuple[str, str]] = []  # torn lines that a `tamper` line must still name: (hash, why)
        self.refusal = ""  # why nothing more is written, ever
        self.layouts: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.second = -SECOND  # the second that `prefix` shows, in nanoseconds
        self.prefix = ""

    @property
    def watched(self) -> bool:
        """Whether somebody else's hand on the file would be noticed: true for files, not for streams."""
        return isinstance(self.sink, FileSink)

    def write(self, record: Mapping[str, object]) -> int:
        """Put a record on record and return its number in the chain.

        Adds v, seq, prev, ts, mono_ns and run. The chain's first record must be its run's `coverage`.
        Raises TrailError when the line is not on record whole: it was not written, the act must not happen.
        """
        now = self.mono()
        if self.refusal:
            raise TrailError(f"the trail takes no more lines: {self.refusal}")
        foul = self.sink.foul(now)
        if foul:
            self.refuse_for(foul)
        if self.torn or self.owed:
            self.flush_owed()
        if (self.seq == 0 or record.get("kind") == "coverage") and (self.seq == 0) != begins(record):
            raise TrailError("a chain begins with its run's coverage line, and has one")
        return self.put(self.line(record, now), self.room)

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
        raise TrailError(f"the trail takes no more lines: {foul}")

    def flush_owed(self) -> None:
        """End an unfinished line, and name each such line on a `tamper` line. Raises TrailError while that fails."""
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
            raise TrailError(f"the trail's unfinished line could not be ended: {why}")
        torn, self.torn = self.torn, b""
        if self.torn_ours and line.parse(torn) is not None:
            self.advance(torn)  # only its line feed was missing: now it is a line, though its act was denied
            self.owed.append((line.torn_hash(torn), "the line before was completed late: what it tells did not happen"))
        else:
            self.owed.append((line.torn_hash(torn), f"{len(torn)} bytes of a line were written, then writing failed"))
        self.torn_ours = False

    def put(self, body: bytes, room: int) -> int:
        """Write one line and only then advance the chain."""
        if self.sink.size + len(body) + 1 > room:
            self.refusal = self.refusal or f"it is full ({self.max_bytes} bytes)"
            raise TrailError(f"the trail takes no more lines: {self.refusal}")
        written, why = self.sink.put(body + b"\n")
        if why:
            self.torn = body[:written]
            self.torn_ours = bool(written)
            raise TrailError(f"the line could not be put on record: {why}")
        self.advance(body)
        return self.seq - 1

    def advance(self, body: bytes) -> None:
        """The line is on record: the next one names it."""
        self.prev = line.leaf(body)
        self.seq += 1

    def line(self, record: Mapping[str, object], now: int, limit: int = line.MAX_LINE) -> bytes:
        """The line that a record would be at `now` (monotonic), credentials hidden, keys in the contract's order."""
        keys = tuple(record)
        keys = self.layouts.get(keys) or self.layout(keys)
        try:
            body = line.quick(self.redactor.onto(self.stamp(now), record, keys, line.packer()), limit)
        except line.NOT_JSON:
            body = None
        return body or line.fit(self.redactor.onto(self.stamp(now), record, keys, None), KEPT, limit)

    def stamp(self, now: int) -> dict[str, object]:
        """The writer's own part of a line. `ts` is RFC 3339 in UTC; the part before its dot is made once a second."""
        clock = self.clock()
        rest = clock - self.second
        if not 0 <= rest < SECOND:
            self.second = clock - clock % SECOND
            self.prefix = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(self.second // SECOND))
            rest = clock - self.second
        ts = f"{self.prefix}{rest // 1000:06d}Z"
        stamped = {"v": VERSION, "seq": self.seq, "prev": self.prev, "ts": ts, "mono_ns": now, "run": self.run}
        return {**stamped, "chain": self.chain} if self.chain else stamped

    def layout(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """A record's keys in the order of `records.KEYS`, then those it does not know. The writer's own are its own."""
        known = [key for key in KEYS if key in keys]
        order = (*known, *(key for key in keys if key not in KEYS and key not in STAMPED))
        if len(self.layouts) < 1_024:
            self.layouts[keys] = order
        return order


def open_trail(
    path: str,
    run: str,
    *,
    redactor: Redactor | None = None,
    chain: str = "",
    max_bytes: int = MAX_BYTES,
    clock: Callable[[], int] = time.time_ns,
    mono: Callable[[], int] = time.monotonic_ns,
    warm: bool = True,
) -> Writer:
    """A writer on the file at `path`, made if it is not there (0600); another run's trail is added to.

    warm: import the fast encoder now. With False the caller promises to call `line.warm()` before guest code runs,
          and may meanwhile write lines, more slowly; it hides 15-25 ms behind the guest's own start.
    Raises TrailError as `sink.open_file` does.
    """
    if warm:
        line.warm()
    sink = open_file(path)
    try:
        return Writer(sink, run, redactor=redactor, chain=chain, max_bytes=max_bytes, clock=clock, mono=mono)
    except BaseException:
        sink.close()
        raise


def open_stream(
    fd: int,
    run: str,
    *,
    redactor: Redactor | None = None,
    chain: str = "",
    max_bytes: int = MAX_BYTES,
    clock: Callable[[], int] = time.time_ns,
    mono: Callable[[], int] = time.monotonic_ns,
    warm: bool = True,
) -> Writer:
    """A writer on a descriptor that somebody handed over: `--log -`, `--log-fd N`. It is not closed at the end.

    Raises TrailError if it is not open.
    """
    if warm:
        line.warm()
    try:
        sink = StreamSink(fd)
    except OSError as error:
        raise TrailError(f"descriptor {fd} cannot carry a trail: {error.strerror}") from error
    return Writer(sink, run, redactor=redactor, chain=chain, max_bytes=max_bytes, clock=clock, mono=mono)
