"""A run at one moment, as values: what every page of the live view is made of. Texts are raw: pages make them plain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from netguard.views.group import LONG, Group
from netguard.views.subject import ALARMS, alarm_text, code_text, found_text, full_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.views.subject import Record

    #: run, chain, seq: which act a line belongs to.
    Act = tuple[object, object, object]


class Event:
    """One line of the trail that is shown: a decision, an alarm.

    number:  counts events from 1, so that one stays selected while others arrive.
    word:    the verdict as people read it; for an alarm, its kind.
    results: what was learnt later about how it ended.
    """

    __slots__ = ("act", "found", "number", "record", "results", "size", "word")

    def __init__(self, number: int, record: Record, word: str, act: Act, size: int) -> None:
        self.number = number
        self.record = record
        self.word = word
        self.act = act
        self.size = size
        self.results: list[Record] = []
        self.found = ""

    @property
    def bad(self) -> bool:
        """Whether it is shown in red: denied, or would have been, or an alarm, or something was found."""
        return self.word not in ("logged", "allowed") or bool(found_text(self.record))

    def text(self) -> str:
        """What a filter looks through, in lower case, raw."""
        if not self.found:
            record = self.record
            about = alarm_text(record) if record.get("kind") in ALARMS else full_text(record)
            parts = (self.word, record.get("kind"), about, record.get("rule"), code_text(record), found_text(record))
            self.found = " ".join([str(part)[:LONG] for part in parts]).rstrip().lower()
        return self.found


class Destination(NamedTuple):
    """One row of what was reached or asked for, as it stood at the snapshot."""

    group: Group
    times: int
    sent: int
    received: int

    def text(self) -> str:
        """What a filter looks through, in lower case, raw."""
        group = self.group
        return f"{group.word} {group.kind} {group.text()} {group.rule} {' '.join(group.code)}".lower()


class Limit(NamedTuple):
    """A limit near its edge, raw."""

    rule: str
    limit: str
    key: str
    fill: float


@dataclass(frozen=True)
class Snapshot:
    """A run at one moment. Texts are raw.

    run, command, mode: the newest run's; "" while no first line has come.
    runs, chains:  how many the trail has; processes: guarded interpreters that have reported.
    coverage:      (what people call the layer, what the trail says of it).
    started, now:  seconds since the epoch; of an ended run, `now` is its last line.
    ended:         how the run ended; "" while it runs.
    rates:         (let through, denied) in each second, the last one being that of `now`.
    words:         how many decisions of each word; silent: how many of the allowed have no line of their own.
    destinations:  denied ones first, then by count; hidden: how many more there are.
    events:        the newest first.
    findings:      alarms and what was found, the newest first; findings_more: how many are no longer kept.
    limits:        near their edge, the fullest first.
    """

    run: str
    command: str
    mode: str
    runs: int
    chains: int
    processes: int
    coverage: tuple[tuple[str, str], ...]
    started: int
    now: int
    ended: str
    rates: tuple[tuple[int, int], ...]
    words: tuple[tuple[str, int], ...]
    silent: int
    destinations: tuple[Destination, ...]
    hidden: int
    events: tuple[Event, ...]
    findings: tuple[str, ...]
    findings_more: int
    limits: tuple[Limit, ...]
    unreadable: int

    @property
    def rate(self) -> int:
        """Decisions in the last whole second."""
        return sum(self.rates[-2]) if len(self.rates) > 1 else 0

    @property
    def decisions(self) -> int:
        """How many there were in all."""
        return sum([count for _, count in self.words])
