"""The main page of the live view: a snapshot and what a person has chosen become lines, for any size of screen.

Guest text is made plain here, cell by cell; columns depend on the width alone, so nothing moves while events arrive.
"""

from __future__ import annotations

from errno import errorcode
from typing import NamedTuple

from netguard.views.amounts import duration, millis, number, plural, size
from netguard.views.group import TAILS
from netguard.views.layout import destination_columns, event_columns, share
from netguard.views.line import BOLD, DIM, GREEN, HEAD, NONE, RED, WARN, Line, row
from netguard.views.lines import clock
from netguard.views.subject import ALARMS, alarm_text, code_parts, full_text
from netguard.views.summary import SAID
from netguard.views.text import columns_of, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netguard.views.keys import State
    from netguard.views.snapshot import Destination, Event, Limit, Snapshot

#: A narrower screen gets lines of this width all the same, and cuts them.
LEAST_WIDTH = 40
#: Columns of the rate at most: one a second.
RATE = 120

#: How each word of a verdict is painted; any other is an alarm.
PAINT = {"logged": NONE, "allowed": GREEN, "denied": RED, "would deny": RED}
#: Columns whose numbers stand at the right.
RIGHT = ("count", "sent", "received")


class Signs(NamedTuple):
    """What is drawn and not written."""

    mark: str
    dot: str
    bars: str
    full: str
    empty: str
    cursor: str
    arrows: str
    enter: str


SIGNS = Signs("›", " · ", " ▁▂▃▄▅▆▇█", "█", "░", "▏", "↑↓", "⏎")
ASCII = Signs(">", ", ", " .,:-=+*#", "#", ".", "_", "up/dn", "Enter")


class Look(NamedTuple):
    """The screen: its size in columns and rows, whether it has colours, whether it knows more than ASCII."""

    width: int
    height: int
    colour: bool = True
    utf8: bool = True

    @property
    def signs(self) -> Signs:
        """What it is drawn with."""
        return SIGNS if self.utf8 else ASCII


def matching(snapshot: Snapshot, state: State) -> list[Event]:
    """The events that the filter lets through, the newest first."""
    wanted = state.filter.lower()
    return [event for event in snapshot.events if wanted in event.text()] if wanted else list(snapshot.events)


def board(snapshot: Snapshot, state: State, look: Look) -> list[Line]:
    """All lines but the last, at most `look.height - 1`; one at least."""
    look = look._replace(width=max(LEAST_WIDTH, look.width))
    wanted = state.filter.lower()
    reached = [one for one in snapshot.destinations if wanted in one.text()] if wanted else snapshot.destinations
    limits, findings = snapshot.limits, snapshot.findings
    rows = share(look.height, findings=len(findings), limits=len(limits), destinations=len(reached))
    dry = snapshot.mode == "dry-run" or any([word == "would deny" for word, _ in snapshot.words])
    return [
        title(snapshot, state, look),
        *[coverage(snapshot, look)] * rows.coverage,
        *[totals(snapshot, look)] * rows.totals,
        *[rate(snapshot, look)] * rows.rate,
        *[Line()] * rows.space,
        *noticed(snapshot, look, rows.findings),
        *near(limits, look, rows.limits),
        *destinations(snapshot, reached, look, rows.destinations, dry),
        *[Line()] * rows.air,
        *events(matching(snapshot, state), state, look, rows.events, dry),
    ]


# Lines above the tables


def title(snapshot: Snapshot, state: State, look: Look) -> Line:
    """What runs, and how it stands."""
    told, style = status(snapshot, state, look)
    room = look.width - len(told) - 13
    command = plain(snapshot.command or "waiting for the first line", max(8, room), utf8=look.utf8)
    line = Line(" ").add("netguard", BOLD).add("  ").add(command)
    gap = look.width - 11 - columns_of(command) - columns_of(told)
    return line.add(" " * gap).add(told, style) if gap >= 1 else line


def status(snapshot: Snapshot, state: State, look: Look) -> tuple[str, str]:
    """Running, paused or ended, and for how long; the style of it."""
    lasted = duration(snapshot.now - snapshot.started)
    if state.paused:
        return f"paused at {lasted}", WARN
    if snapshot.ended:
        told = plain(snapshot.ended, 20, utf8=look.utf8)
        return f"{told} after {lasted}", GREEN if snapshot.ended == "ended, exit 0" else WARN
    return f"running {lasted}", GREEN


def coverage(snapshot: Snapshot, look: Look) -> Line:
    """Which layers are on; why one is not stands on a page of its own."""
    parts = [layer(name, value, snapshot, look) for name, value in snapshot.coverage]
    if snapshot.mode == "dry-run":
        parts.insert(0, ("dry run", WARN))
    if snapshot.processes:
        parts.append((plural(snapshot.processes, "process", "processes"), NONE))
    if snapshot.runs > 1:
        parts.append((f"{snapshot.runs:,} runs in this trail", NONE))
    if snapshot.unreadable:
        parts.append((f"{plural(snapshot.unreadable, 'line', 'lines')} not readable", RED))
    return joined(parts, look)


def layer(name: str, value: str, snapshot: Snapshot, look: Look) -> tuple[str, str]:
    """One layer in two words."""
    word = plain(value.partition(":")[0], 14, utf8=look.utf8)
    if word == "asked for" and snapshot.processes:
        word = "on"  # a guarded interpreter has reported
    return f"{name} {word}", GREEN if word.startswith("on") else WARN if word.startswith("off") else NONE


def totals(snapshot: Snapshot, look: Look) -> Line:
    """`1,204 decisions · 1,190 logged · 14 denied`"""
    parts = [(plural(snapshot.decisions, "decision", "decisions"), BOLD)]
    for word, count in snapshot.words:
        silent = snapshot.silent if word == "allowed" else 0
        parts.append((f"{number(count)} {SAID[word]}" + f" ({number(silent)} in silence)" * bool(silent), PAINT[word]))
    return joined(parts, look)


def joined(parts: Sequence[tuple[str, str]], look: Look) -> Line:
    """Plain parts in one line, as many as fit."""
    line, used = Line(" "), 1
    for at, (text, style) in enumerate(parts):
        dot = look.signs.dot if at else ""
        used += columns_of(dot) + columns_of(text)
        if used > look.width:
            break
        line.add(dot, DIM).add(text, style)
    return line


def rate(snapshot: Snapshot, look: Look) -> Line:
    """Decisions a second, now and before; red where one was denied."""
    head = f" {number(snapshot.rate) + '/s':>8} "
    peak = max([sum(second) for second in snapshot.rates], default=0)
    tail = f" peak {number(peak)}/s"
    room = min(RATE, look.width - len(head) - len(tail))
    seconds = snapshot.rates[-room:]
    line = Line(head, BOLD).add(" " * (room - len(seconds)))
    for let, denied in seconds:
        line.add(bar(let + denied, peak, look.signs.bars), RED if denied else NONE)
    return line.add(tail, DIM)


def bar(count: int, peak: int, bars: str) -> str:
    """One second as a sign: blank only where nothing happened."""
    return bars[max(1, count * (len(bars) - 1) // peak)] if count and peak else bars[0]


# Tables


def heading(columns: Sequence[tuple[str, int]], look: Look, name: str = "") -> Line:
    """The names of columns, as a line that parts what is above from what is below."""
    cells = [(column or name, HEAD, ">" if column in RIGHT else "") for column, _ in columns]
    text = row(cells, columns, look.utf8, "").text
    return Line(" ").add(text + " " * (look.width - 1 - columns_of(text)), HEAD)


def noticed(snapshot: Snapshot, look: Look, rows: int) -> list[Line]:
    """Alarms, and what was found."""
    if not rows:
        return []
    count = len(snapshot.findings) + snapshot.findings_more
    lines = [heading([(f"noticed: {number(count)}", look.width - 1)], look)]
    for text in snapshot.findings[: rows - 1]:
        lines.append(Line(" ").add(plain(text, look.width - 1, utf8=look.utf8), RED))
    return lines


def near(limits: Sequence[Limit], look: Look, rows: int) -> list[Line]:
    """Limits that are nearly used up."""
    if not rows:
        return []
    lines = [heading([("limits near their edge", look.width - 1)], look)]
    rule, each, long = (11, 11, 6) if look.width < 80 else (16, 24, 14) if look.width < 120 else (24, 30, 20)
    columns = [("", width) for width in (rule, each, long, 5, look.width - rule - each - long - 5 - 9)]
    columns = columns if columns[-1][1] >= 8 else columns[:-1]
    for limit in limits[: rows - 1]:
        full = round(limit.fill * long)
        style = RED if limit.fill >= 1 else WARN
        cells = [
            (limit.rule, NONE, ""),
            (limit.limit, DIM, ""),
            (look.signs.full * full + look.signs.empty * (long - full), style, ""),
            (f"{int(limit.fill * 100)} %", style, ">"),
            (limit.key, DIM, "<"),
        ]
        lines.append(row(cells[: len(columns)], columns, look.utf8))
    return lines


def destinations(
    snapshot: Snapshot, reached: Sequence[Destination], look: Look, rows: int, dry: bool
) -> list[Line]:
    """Destinations, programs and files: denied ones first, then those with most acts."""
    if not rows:
        return []
    columns = destination_columns(look.width, dry, any([one.sent or one.received for one in reached]))
    more = len(reached) - (rows - 1) + snapshot.hidden
    name = f"destination, {number(more)} more" if more > 0 else "destination"
    return [heading(columns, look, name), *[destination(one, columns, look) for one in reached[: rows - 1]]]


def destination(one: Destination, columns: Sequence[tuple[str, int]], look: Look) -> Line:
    """One of them as a row."""
    group = one.group
    shown = group.row()
    whole = columns_of(plain(shown.text + shown.extra, utf8=look.utf8)) <= dict(columns)[""]
    cells = {
        "verdict": (group.word, PAINT[group.word], ""),
        "kind": (group.kind, DIM, ""),
        "": (shown.text + shown.extra if whole else shown.text, NONE, "<" if shown.tail else ""),
        "count": (number(one.times), NONE, ">"),
        "sent": (size(one.sent), DIM, ">"),
        "received": (size(one.received), DIM, ">"),
        "rule": (group.rule, DIM, ""),
        "asked by": (code(group.code, columns, look), DIM, "<"),
    }
    return row([cells[column] for column, _ in columns], columns, look.utf8)


def events(found: Sequence[Event], state: State, look: Look, rows: int, dry: bool) -> list[Line]:
    """The newest events, or those around the selected one."""
    if rows < 1:
        return []
    columns = event_columns(look.width, dry)
    head = [heading(columns, look, "event, newest first")] if rows > 2 else []
    room = rows - len(head)
    at = next((at for at, event in enumerate(found) if event.number <= state.selected), 0)
    first = max(0, min(at - room // 2, len(found) - room)) if state.selected else 0
    lines = [event_row(event, columns, look, state) for event in found[first : first + room]]
    if not lines:
        lines = [Line(" ").add("nothing passes the filter" if state.filter else "no events yet", DIM)]
    return [*head, *lines]


def event_row(event: Event, columns: Sequence[tuple[str, int]], look: Look, state: State) -> Line:
    """One event as a row."""
    record = event.record
    kind = str(record.get("kind"))
    alarm = kind in ALARMS
    cells = {
        "time": (clock(record.get("ts"))[:8], DIM, ""),
        "verdict": (event.word, PAINT.get(event.word, RED), ""),
        "kind": ("" if alarm else kind, DIM, ""),
        "": (
            alarm_text(record).partition(": ")[2] if alarm else full_text(record),
            RED if event.bad else NONE,
            "<" if kind in TAILS else "",
        ),
        "outcome": (outcome(event), DIM, ""),
        "rule": ("" if alarm else str(record.get("rule") or ""), DIM, ""),
        "asked by": (code(code_parts(record), columns, look), DIM, "<"),
    }
    chosen = event.number == state.selected
    mark = look.signs.mark if chosen else " "
    return row([cells[column] for column, _ in columns], columns, look.utf8, mark, chosen=chosen)


def code(parts: tuple[str, str], columns: Sequence[tuple[str, int]], look: Look) -> str:
    """File and line, raw, with the function where both can be shown whole."""
    whole = " ".join([part for part in parts if part])
    return whole if columns_of(plain(whole, utf8=look.utf8)) <= dict(columns).get("asked by", 0) else parts[0]


def outcome(event: Event) -> str:
    """How an act ended, as far as its results say."""
    for record in event.results:
        code, status, ms = record.get("errno"), record.get("status"), record.get("ms")
        if type(code) is int and code:
            return errorcode.get(code, f"errno {number(abs(code))}")
        took = millis(ms) if isinstance(ms, (int, float)) and 0 <= ms < 1e9 else ""
        if type(status) is int and 0 <= status < 1000:
            return f"{status} {took}".rstrip()
        if took:
            return took
    return ""


