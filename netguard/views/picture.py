"""What a run looks like at one moment: every record goes in, a frozen snapshot comes out. Pure; the clock is passed in.

Everything kept is bounded, so the memory of a viewer does not depend on what the guest does: counts and not records,
but for the newest events, which are bounded in number and in the length of their lines together. Nothing here is made
plain: that is done once, where a text becomes a line on a screen.

A record may be forged (a trail in injection is written by the guest), so `add` is total and trusts no shape.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from heapq import nlargest
from math import isfinite

from netguard.views.group import LONG, VERDICTS
from netguard.views.snapshot import Destination, Event, Limit, Snapshot
from netguard.views.subject import ALARMS, SUBJECTS, alarm_text, found_text, full_text
from netguard.views.summary import MOST, Tally, short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.views.group import Group
    from netguard.views.snapshot import Act
    from netguard.views.subject import Record

#: Newest events kept, and the bytes that their lines may have together; a line may be 64 KiB.
EVENTS, EVENT_BYTES = 1_000, 8 << 20
#: Results kept of one event. An act has one, or two.
RESULTS = 4
#: Acts whose result may still come and adds bytes to their destination.
ACTS = 4_096
#: Seconds of the rate that are kept, and shown at most.
SECONDS, SHOWN = 600, 120
#: Destinations in a snapshot; findings and limits kept.
DESTINATIONS, FINDINGS, LIMITS = 1_000, 50, 64
#: How what was found in an act begins, which no alarm does.
FOUND = "FOUND"
#: How full a limit is to be shown, and for how many seconds after it was last heard of: it empties by itself.
EDGE, LIMIT_AGE = 0.8, 10
#: Runs, chains and processes told apart.
PARTS = 10_000

#: Layers in the order they are shown: key of the coverage line, what people call it.
LAYERS = (("hooks", "hooks"), ("wall", "wall"), ("http_view", "requests"), ("trail", "trail"),
          ("tier", "tier"), ("landlock", "landlock"))  # fmt: skip


class Picture:
    """A run as its records come. `add` each, `snapshot` when a screen is due."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.events: deque[Event] = deque()
        self.bytes = self.number = 0
        self.waiting: dict[Act, Event] = {}
        self.acts: dict[Act, Group] = {}
        self.rates: dict[int, list[int]] = {}
        self.words: dict[str, int] = {}
        self.silent = 0
        self.findings: deque[str] = deque()
        self.found = 0
        self.limits: dict[tuple[str, str, str], tuple[float, int]] = {}
        self.first: Record = {}
        self.open: set[tuple[object, object]] = set()
        self.runs: set[object] = set()
        self.chains: set[tuple[object, object]] = set()
        self.processes = 0
        self.ended = ""
        self.head, self.second, self.started = "", 0, 0

    def add(self, record: Record, size: int = 0) -> None:
        """One record more, with the length of its line. Total."""
        try:
            self.take(record, size)
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError):
            self.tally.unreadable += 1

    def take(self, record: Record, size: int) -> None:
        """What a record of its kind adds."""
        stamp = record.get("ts")
        if type(stamp) is str and not stamp.startswith(self.head or "-"):
            self.turn(stamp[:19])
        kind = record.get("kind")
        if kind == "result":
            self.result(record)  # before the tally, which keeps look-ups by their number alone
        group = self.tally.add(record)
        if group is not None:
            self.decided(record, group, size)
        elif kind not in SUBJECTS:
            other = OTHERS.get(str(kind))
            if other is not None:
                other(self, record, size)

    def turn(self, head: str) -> None:
        """The next second begins, as the trail counts them."""
        try:
            self.second = int(datetime.fromisoformat(head + "+00:00").timestamp())
        except (ValueError, OverflowError):
            return
        self.head = head
        self.started = self.started or self.second

    # Kinds

    def decided(self, record: Record, group: Group, size: int) -> None:
        """A decision."""
        word = group.word
        self.words[word] = self.words.get(word, 0) + 1
        self.rate(1, denied=group.denied)
        act = (record.get("run"), record.get("chain"), record.get("seq"))
        if len(self.acts) >= ACTS:
            del self.acts[next(iter(self.acts))]
        self.acts[act] = group
        self.keep(Event(0, record, word, act, size))
        found = found_text(record)
        if found:
            self.find(f"{FOUND} {found}: {group.kind} {full_text(record)}")

    def result(self, record: Record) -> None:
        """How an act ended: to its event, and its bytes to its destination."""
        act = (record.get("run"), record.get("chain"), record.get("of"))
        event = self.waiting.get(act)
        if event is not None and len(event.results) < RESULTS:
            event.results.append(record)
        group = self.acts.get(act)
        if group is not None:
            group.sent += amount(record.get("bytes_out"))
            group.received += amount(record.get("bytes_in"))

    def counted(self, record: Record, size: int) -> None:
        """What was let through in silence, and how full limits are."""
        del size
        counts = record.get("counts")
        for count in counts.values() if type(counts) is dict else ():
            count = amount(count)
            self.words["allowed"] = self.words.get("allowed", 0) + count
            self.silent += count
            self.rate(count, denied=False)
        limits = record.get("limits")
        for limit in limits if type(limits) is list else ():
            self.fill(limit)

    def fill(self, limit: object) -> None:
        """One limit, as a count line tells of it."""
        if type(limit) is not dict:
            return
        fill = limit.get("fill")
        if not isinstance(fill, (int, float)) or isinstance(fill, bool) or not isfinite(fill):
            return
        rule, text, key = [str(limit.get(name, ""))[:LONG] for name in ("rule", "limit", "key")]
        self.limits.pop((rule, text, key), None)
        if len(self.limits) >= LIMITS:
            del self.limits[next(iter(self.limits))]
        self.limits[rule, text, key] = (min(1.0, max(0.0, float(fill))), self.second)

    def covered(self, record: Record, size: int) -> None:
        """What a run or one of its processes covers."""
        del size
        if record.get("event") == "process":
            self.processes += 1
            return
        run, chain = record.get("run"), record.get("chain")
        if chain is not None:
            self.processes += 1  # in injection each guarded process has a chain of its own
        if len(self.chains) < PARTS:
            self.runs.add(run)
            self.chains.add((run, chain))
            self.open.add((run, chain))
        self.first = record
        self.ended = ""

    def closed(self, record: Record, size: int) -> None:
        """The end of a chain; of the run, if it was the last that was open."""
        del size
        self.open.discard((record.get("run"), record.get("chain")))
        if self.open:
            return
        numbers = [f"{name} {record[name]}" for name in ("exit", "signal") if type(record.get(name)) is int]
        reason = record.get("reason")
        self.ended = ", ".join(["ended", *numbers, *([reason[:LONG]] if type(reason) is str else [])])

    def alarm(self, record: Record, size: int) -> None:
        """What must not be missed. An alert about an earlier act belongs to that too."""
        about = self.waiting.get((record.get("run"), record.get("chain"), record.get("of"))) if "of" in record else None
        if about is not None and len(about.results) < RESULTS:
            about.results.append(record)
        self.find(alarm_text(record))
        self.keep(Event(0, record, str(record["kind"]), (None, None, None), size))

    # Bounded stores

    def keep(self, event: Event) -> None:
        """An event more; the oldest go."""
        self.number += 1
        event.number = self.number
        self.events.append(event)
        self.waiting[event.act] = event
        self.bytes += event.size
        while len(self.events) > EVENTS or (self.bytes > EVENT_BYTES and len(self.events) > 1):
            old = self.events.popleft()
            self.bytes -= old.size
            if self.waiting.get(old.act) is old:
                del self.waiting[old.act]

    def find(self, text: str) -> None:
        """Something found. The oldest goes where there is no room, an alarm last: a guest's acts must not bury one."""
        self.found += 1
        if len(self.findings) >= FINDINGS:
            self.findings.remove(next((each for each in self.findings if each.startswith(FOUND)), self.findings[0]))
        self.findings.append(text[: 4 * LONG])

    def rate(self, count: int, *, denied: bool) -> None:
        """Decisions of this second."""
        second = self.rates.get(self.second)
        if second is None:
            if len(self.rates) >= SECONDS:
                del self.rates[next(iter(self.rates))]
            second = self.rates[self.second] = [0, 0]
        second[denied] += count

    # Out

    def snapshot(self, now: float, unreadable: int = 0) -> Snapshot:
        """The run as it stands. now: seconds since the epoch. unreadable: lines that were no records at all."""
        first = self.first
        end = self.second if self.ended else max(int(now), self.second)
        groups = self.tally.every()
        shown = nlargest(DESTINATIONS, groups, key=weight)
        return Snapshot(
            run=text_of(first.get("run")),
            command=command_text(first),
            mode=text_of(first.get("mode")),
            runs=len(self.runs),
            chains=len(self.chains),
            processes=self.processes,
            coverage=tuple([(name, text_of(first[key])) for key, name in LAYERS if key in first]),
            started=self.started or end,
            now=end,
            ended=self.ended,
            rates=self.history(end),
            words=tuple([(word, self.words[word]) for word in WORDS if self.words.get(word)]),
            silent=self.silent,
            destinations=tuple([Destination(one, one.count, one.sent, one.received) for one in shown]),
            hidden=len(groups) - len(shown),
            events=tuple(reversed(self.events)),
            findings=tuple(reversed(self.findings)),
            findings_more=self.found - len(self.findings),
            limits=self.near(end),
            unreadable=unreadable + self.tally.unreadable,
        )

    def history(self, end: int) -> tuple[tuple[int, int], ...]:
        """The last seconds up to `end`, as far as the run reaches back."""
        seconds = min(SHOWN, max(1, end - self.started + 1)) if self.started else 1
        found = [self.rates.get(second, (0, 0)) for second in range(end - seconds + 1, end + 1)]
        return tuple([(let, denied) for let, denied in found])

    def near(self, end: int) -> tuple[Limit, ...]:
        """Limits near their edge that were heard of lately."""
        found = [
            Limit(*key, fill)
            for key, (fill, second) in self.limits.items()
            if fill >= EDGE and end - second <= LIMIT_AGE
        ]
        return tuple(sorted(found, key=lambda limit: (-limit.fill, limit)))


#: What the trail's own kinds add.
OTHERS = {
    "count": Picture.counted,
    "coverage": Picture.covered,
    "close": Picture.closed,
    **dict.fromkeys(ALARMS, Picture.alarm),
}

#: The verdicts' words in the order they are told.
WORDS = tuple(dict.fromkeys([word for word, _, _ in VERDICTS.values()]))


def weight(group: Group) -> tuple[bool, int]:
    """What comes first: what was denied, then what is most."""
    return group.denied, group.count


def amount(value: object) -> int:
    """A number of bytes or acts as a line tells it; 0 for what is none."""
    return min(value, MOST) if type(value) is int and value > 0 else 0


def text_of(value: object) -> str:
    """A value of the first line as text that is not too long."""
    return "" if value is None else str(short(value))


def command_text(first: Record) -> str:
    """What was started: the script and its arguments, without the path of the interpreter before them."""
    command = first.get("command")
    if type(command) is not list or not command:
        return ""
    words = [str(word) for word in command[:16]]
    program = words[0].rpartition("/")[2]
    if program.startswith("python") and len(words) > 1:
        words = words[1:] if words[1] not in ("-c", "-m") else [program, *words[1:]]
    return " ".join(words)[:LONG]
