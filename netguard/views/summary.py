"""The end of a run on one screen: what was denied, logged and let through, and which line of code asked for it.

`Tally` sees every record of a run, so it keeps counts and never records: its memory is bounded whatever the guest
does, and a flood of one sort of act cannot push another sort out of the table.
"""

from __future__ import annotations

from netguard.views.group import LONG, VERDICTS, Group
from netguard.views.subject import ALARMS, NETWORK, SUBJECTS, alarm_text, found_text
from netguard.views.table import BOLD, GREEN, RED, YELLOW, Row, Table
from netguard.views.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netguard.views.group import Key
    from netguard.views.rhythm import Rhythm
    from netguard.views.subject import Record

#: Destinations kept for each (verdict, kind); the next ones are counted together. A flood of look-ups fills the room
#: of look-ups only. 2,000 groups of 1 KB are 2 MB.
ROOM = 2_000
#: Alerts kept; rules that may have counts.
ALERTS, RULES = 5, 1_000
#: Look-ups that wait for the line with their answers; a resolver has far fewer under way.
LOOKUPS = 1_024
#: No count is taken for larger: a forged trail may hold numbers that Python refuses to print.
MOST = 2**63
#: Rows shown. Denials go first and may not take the last rows from the rest: noise must bury nothing.
ROWS, ROWS_FOR_THE_REST, ROWS_OF_COUNTS = 20, 8, 8
#: From which share on a limit is worth a word at the end, and how many of them.
NEARLY, LIMITS = 0.8, 5

OTHERS = "(others)"

#: Why the guard is not in most programs; any other reason is worth a second look. Reasons told apart.
NOT_PYTHON, REASONS = "not Python", 8

#: Names in count lines that are no rule's, with the kind and the words that stand for them in the table.
NO_RULES = {"connection": ("http", "(its connection decided)"), "local": ("dns", "(stays on this machine)")}
UNTOLD = ("", "(no line of its own)")
NOTHING: dict[str, Any] = {}

#: How the totals line says each word.
SAID = {"logged": "logged", "denied": "denied", "would deny": "would have been denied", "allowed": "allowed"}

class Tally:
    """Counts of a run. `add` every record as it is written, `render` at the end.

    groups:   by key, in the order of their first record.
    counted:  acts without a line of their own, by verdict and rule.
    dry_run:  nothing is denied; also learnt from records that say what they would have been.
    blind:    the program that was run is no Python and there is no wall, so nothing of its own was seen.
    found:    what was found that a person must not miss, and in how many acts.
    walled:   there is a wall, so that what other programs reach is seen too.
    outside:  programs that were started without the guard, by why.
    limits:   by rule and limit, how full it was at its fullest, and for whom.
    """

    __slots__ = (
        "alerts", "alerts_more", "blind", "counted", "dry_run", "found", "groups", "limits", "lookups", "others",
        "outside", "rooms", "unreadable", "walled",
    )  # fmt: skip

    def __init__(self, dry_run: bool = False) -> None:
        self.groups: dict[Key, Group] = {}
        self.others: dict[tuple[str, str], Group] = {}
        self.rooms: dict[tuple[str, str], int] = {}
        self.lookups: dict[object, Group] = {}
        self.counted: dict[tuple[str, str], int] = {}
        self.outside: dict[str, int] = {}
        self.found: dict[str, int] = {}
        self.limits: dict[tuple[str, str], tuple[float, str]] = {}
        self.alerts: list[str] = []
        self.alerts_more = 0
        self.unreadable = 0
        self.dry_run = dry_run
        self.blind = False
        self.walled = False

    def add(self, record: Record, seq: object = None) -> Group | None:
        """One record more; returns the group of a decision. Total: what cannot be read as a record is counted.

        seq: its number on the trail, where it does not stand on the record, as while it is written.
        """
        group = None
        try:
            kind = record["kind"]
            subject = SUBJECTS.get(kind)
            if subject is None:
                self.note(kind, record)
                return None
            key = (kind, record["verdict"], record.get("would"), record.get("rule"), *subject(record))
            group = self.groups.get(key)
            if group is None:
                group = self.open(key, record)
            group.count += 1
            if "findings" in record:
                self.find(group, found_text(record)[:LONG])
            if kind == "dns":
                self.await_answers(group, record, record.get("seq", seq))
            elif kind == "exec" and not group.denied:
                self.started(group, record)
            elif kind in NETWORK:
                dst = record.get("dst") or NOTHING
                group.own = group.own and dst.get("own") is True
                address = dst.get("ip")
                if address is not None and address not in group.addresses:
                    group.learn(address)
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
            self.unreadable += 1
        return group

    def open(self, key: Key, record: Record) -> Group:
        """The group of a key that was not met before, or that is too long or too late to be kept whole."""
        key = tuple(short(part) for part in key)
        if (key[1], key[2] == "deny") not in VERDICTS:
            raise ValueError(f"no such verdict: {key[1]!r}")
        self.dry_run = self.dry_run or (key[2] == "deny" and key[1] != "deny")
        group = self.groups.get(key)
        if group is not None:
            return group
        room = (str(key[0]), VERDICTS[str(key[1]), key[2] == "deny"][0])
        taken = self.rooms.get(room, 0)
        if taken >= ROOM:
            if room not in self.others:
                self.others[room] = Group((*key[:3], "", OTHERS, "", None, None), {})
            return self.others[room]
        self.rooms[room] = taken + 1
        self.groups[key] = Group(key, record)
        return self.groups[key]

    def await_answers(self, group: Group, record: Record, seq: object) -> None:
        """A look-up: its answers stand in its own line, or in the result that follows it."""
        for address in record.get("dns", NOTHING).get("answers") or ():
            group.learn(address)
        if len(self.lookups) >= LOOKUPS:
            self.lookups.clear()
        self.lookups[record.get("run"), record.get("chain"), seq] = group

    def find(self, group: Group, found: str) -> None:
        """What was found in an act, if it is more than a remark."""
        if found:
            group.found = group.found or found.partition(" (")[0]
            found = found if found in self.found or len(self.found) < REASONS else OTHERS
            self.found[found] = self.found.get(found, 0) + 1

    def started(self, group: Group, record: Record) -> None:
        """A program that was let through: whether the guard covers it."""
        word, _, why = str(record["exec"].get("shim", "")).partition(": ")
        if word == "off":
            group.uncovered = group.uncovered or why != NOT_PYTHON
            why = why[:LONG] if len(self.outside) < REASONS else OTHERS
            self.outside[why] = self.outside.get(why, 0) + 1

    def note(self, kind: object, record: Record) -> None:
        """A line of the trail's own."""
        if kind == "result":
            group = self.lookups.pop((record.get("run"), record.get("chain"), record.get("of")), None)
            if group is not None:
                for address in record.get("dns", NOTHING).get("answers") or ():
                    group.learn(address)
        elif kind == "count":
            word, _, _ = VERDICTS[record.get("verdict", "allow"), False]
            counts = record["counts"] if "counts" in record else {record["rule"]: record["n"]}
            for rule, count in counts.items():
                self.count(word, str(rule)[:LONG], int(count))
            for limit in record.get("limits") or ():
                self.used(limit)
        elif kind == "coverage":
            self.cover(record)
        elif kind in ALARMS:
            self.alarm(record)

    def cover(self, record: Record) -> None:
        """What a run covers, or one of its processes."""
        if "wall" in record:
            self.walled = record["wall"] == "on"
        self.blind = self.blind or (str(record.get("hooks")).startswith("off") and not self.walled)

    def count(self, word: str, rule: str, count: int) -> None:
        """Acts that left no line of their own."""
        key = (word, rule if len(self.counted) < RULES or (word, rule) in self.counted else OTHERS)
        self.counted[key] = self.counted.get(key, 0) + min(MOST, max(0, count))

    def used(self, limit: Record) -> None:
        """How full a limit was: the fullest of it is kept."""
        fill = limit["fill"]
        key = str(limit["rule"])[:LONG], str(limit["limit"])[:LONG]
        if not (NEARLY <= fill <= 1.0) or (len(self.limits) >= RULES and key not in self.limits):
            return
        if fill > self.limits.get(key, (0.0, ""))[0]:
            self.limits[key] = fill, str(limit.get("key", ""))[:LONG]

    def alarm(self, record: Record) -> None:
        """A line that stands above everything else; the first few of them, and how many more."""
        if len(self.alerts) < ALERTS:
            self.alerts.append(alarm_text(record)[:LONG])
        else:
            self.alerts_more += 1

    def every(self) -> list[Group]:
        """All groups, those of the overflow behind."""
        return [*self.groups.values(), *self.others.values()]

    def render(
        self, width: int, colour: bool, *, trail: str = "", utf8: bool = True,
        rhythm: Rhythm | None = None, now: int = 0,
    ) -> str:  # fmt: skip
        """The summary, lines ended by LF.

        width:  columns of the terminal; under 40 is taken for 40.
        colour: paint it (the caller knows whether the stream is a terminal and NO_COLOR is unset).
        trail:  path of the trail, for the last line.
        utf8:   False: the stream's encoding is not UTF-8, so stay with ASCII.
        rhythm: when it all happened, until `now`.
        """
        table = Table(max(40, width), colour, utf8)
        for alarm in self.alerts:
            table.cut_line(f"netguard: {alarm}", BOLD + RED)
        if self.alerts_more:
            table.line(f"netguard: {self.alerts_more:,} more tamper and alert lines are in the trail", BOLD + RED)
        table.rows(self.sections(), self.decisions())
        table.line(f"netguard: {self.totals()}", BOLD)
        for found, acts in self.found.items():
            table.cut_line(f"netguard: found {found} in {plural(acts, 'act')}", YELLOW)
        if rhythm is not None:
            rhythm.draw(table, now)
        for text in self.nearly():
            table.cut_line(text, YELLOW)
        if self.outside:
            whys = sorted(self.outside.items(), key=lambda item: (-item[1], item[0]))
            text = ", ".join([f"{count:,} {plain(why, utf8=utf8)}" for why, count in whys])
            seen = "so seen by the wall alone" if self.walled else "so not seen"
            table.line(f"started without the guard, {seen}: {text}", YELLOW)
        if self.dry_run:
            table.line("dry run: nothing was denied", BOLD)
        if self.unreadable:
            table.line(f"{plural(self.unreadable, 'record')} could not be read", RED)
        if trail:
            path = plain(trail, utf8=utf8)
            table.line(f"trail: {path}")
            table.line(f"check: netguard verify {shell_word(path)}")
        return "".join(table.lines)

    def sections(self) -> list[tuple[list[Row], str]]:
        """Rows with the line that folds the rest of them: what was denied, what was not, what left no line."""
        groups = sorted(self.every(), key=lambda group: (VERDICTS[group.verdict, group.would][2], -group.count))
        denied = [group for group in groups if group.denied]
        rest = [group for group in groups if not group.denied]
        room = ROWS - min(len(rest), ROWS_FOR_THE_REST)
        silent = sorted(self.counted.items(), key=lambda item: -item[1])
        more = len(silent) - ROWS_OF_COUNTS
        counts = [silent_row(word, rule, count) for (word, rule), count in silent[:ROWS_OF_COUNTS]]
        return [
            folded(denied, room),
            folded(rest, ROWS - min(len(denied), room)),
            (counts, f"{plural(more, 'more rule')} with acts that left no line" if more > 0 else ""),
        ]

    def nearly(self) -> list[str]:
        """The limits that were nearly used up, or wholly: raw, the fullest first, and how many more there were."""
        full = sorted(self.limits.items(), key=lambda item: -item[1][0])
        lines = [
            f"limit {'used up' if fill == 1.0 else f'{fill:.0%} used'}: {limit}, rule {rule}{key and f', for {key}'}"
            for (rule, limit), (fill, key) in full[:LIMITS]
        ]
        more = len(full) - LIMITS
        return [*lines, f"and {plural(more, 'more limit')} nearly used up"] if more > 0 else lines

    def decisions(self) -> int:
        """All of them, those without a line too."""
        return sum([group.count for group in self.every()]) + sum(self.counted.values())

    def totals(self) -> str:
        """`12 decisions: 8 logged, 3 denied, 1 allowed silently`"""
        sums = dict.fromkeys(SAID, 0)
        for group in self.every():
            sums[group.word] += group.count
        silent = 0
        for (word, _), count in self.counted.items():
            if word == "allowed":
                silent += count
            else:
                sums[word] += count
        parts = [f"{sums[word]:,} {said}" for word, said in SAID.items() if sums[word]]
        if silent:
            parts.append(f"{silent:,} allowed silently")
        total = silent + sum(sums.values())
        if not total and self.blind:
            return "no decisions: nothing was watched but the Python in it, and that asked for nothing"
        if not total:
            return "no decisions: nothing asked for the network, a program or a credential file"
        return f"{plural(total, 'decision')}: {', '.join(parts)}"


def silent_row(word: str, rule: str, count: int) -> Row:
    """What one rule let through without lines."""
    kind, text = NO_RULES.get(rule, UNTOLD)
    return Row(word, GREEN, kind, text, "", count, "" if kind else rule, ("", ""), False)


def short(part: object) -> object:
    """A key's part that cannot take more room than a line of text, whatever a forged trail holds."""
    if part is None or (type(part) is int and -MOST < part < MOST):
        return part
    text = part if type(part) is str else str(part)
    return text if len(text) <= LONG else text[: LONG - 1] + "…"


def folded(groups: list[Group], room: int) -> tuple[list[Row], str]:
    """The first `room` groups as rows, the others as a line that counts them."""
    more = groups[room:]
    acts = sum(group.count for group in more)
    fold = f"{plural(len(more), 'more row')}, {plural(acts, 'decision')}: {words_of(more)}" if more else ""
    return [group.row() for group in groups[:room]], fold


def words_of(groups: list[Group]) -> str:
    """`denied connect, denied dns`: what is in a fold, each once."""
    return ", ".join(dict.fromkeys(f"{group.word} {group.kind}" for group in groups))


def plural(count: int, noun: str) -> str:
    """`1 decision`, `1,204 decisions`"""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def shell_word(path: str) -> str:
    """A path as a person can paste it into a shell (`shlex` would do it, and would load `re`)."""
    plain_word = path.isascii() and all(char.isalnum() or char in "/._-+:@%=," for char in path)
    return path if plain_word else "'" + path.replace("'", "'\\''") + "'"
