"""The one line on stderr that tells a person, at once, what was denied, by which rule, and which line of code asked."""

from __future__ import annotations

from netguard.views.subject import ALARMS, alarm_text, code_text, full_text
from netguard.views.text import CUT, CUT_ASCII, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.views.subject import Record

    #: verb, kind, destination, rule, code line: what makes two denials the same to a reader. All plain.
    Key = tuple[str, str, str, str, str]

#: Columns of each part: a denial is one line that a person reads, not the trail.
KIND, SUBJECT, WHY, RULE, CODE = 20, 160, 240, 60, 80

#: Seconds in which repeats are counted and not printed.
WINDOW = 1.0
#: Denials told apart at any one time. A guest that tries a thousand names a second gets so many lines, then one that
#: counts the rest: its noise can neither fill the disk behind stderr nor push the first denials off the screen.
ROOM = 64


def key_of(record: Record, *, utf8: bool = True) -> Key:
    """What a denial says about itself, each part plain and bounded. Total on any record."""
    kind = str(record.get("kind"))
    verb = "denied" if record.get("verdict") == "deny" else "would deny"
    return (
        verb,
        plain(kind, KIND, utf8=utf8),
        plain(full_text(record), SUBJECT, tail=kind != "exec", utf8=utf8),
        plain(record.get("rule") or "default", RULE, utf8=utf8),
        plain(code_text(record), CODE, utf8=utf8),
    )


def denial_line(record: Record, repeated: int = 0, *, utf8: bool = True) -> str:
    """`netguard: denied connect 169.254.169.254:80 — instance credentials live there (rule metadata, agent.py:41 get)`

    A tamper or alert line says what it is: `netguard: TAMPER: the trail is shorter than it was`.

    repeated: how many more of it there were since; then the line says that instead of why.
    utf8:     False: the stream's encoding is not UTF-8.
    No line end: the caller adds it.
    """
    if record.get("kind") in ALARMS:
        return plain(f"netguard: {alarm_text(record)}", WHY, utf8=utf8)
    key = key_of(record, utf8=utf8)
    if repeated:
        return repeat_line(key, repeated, utf8=utf8)
    default = key[3] == "default"
    why = record.get("because") or record.get("why") or ("no rule matches" if default else "a rule denies it")
    return f"{head(key)} {'—' if utf8 else '-'} {plain(why, WHY, utf8=utf8)} {tail_of(key)}"


def repeat_line(key: Key, count: int, *, utf8: bool = True) -> str:
    """`netguard: denied connect 169.254.169.254:80 … repeated 14 more times (rule metadata, agent.py:41 get)`"""
    times = "once more" if count == 1 else f"{count:,} more times"
    return f"{head(key)} {CUT if utf8 else CUT_ASCII} repeated {times} {tail_of(key)}"


def head(key: Key) -> str:
    """Who speaks, what happened, to what."""
    return f"netguard: {key[0]} {key[1]} {key[2]}"


def tail_of(key: Key) -> str:
    """Rule and code line in brackets."""
    rule = "default deny" if key[3] == "default" else f"rule {key[3]}"
    return f"({rule}, {key[4]})" if key[4] else f"({rule})"


class Repeats:
    """Which denials are news. Times are seconds of one clock that never goes back, given by the caller.

    The first of its key is printed; those within `WINDOW` of it are counted and told by one line when the window is
    over. While they go on, that is one line a window.
    """

    __slots__ = ("beyond", "counts", "since", "utf8")

    def __init__(self, *, utf8: bool = True) -> None:
        self.utf8 = utf8
        self.since: dict[Key, float] = {}  # in the order of their windows' ends
        self.counts: dict[Key, int] = {}
        self.beyond = 0

    def seen(self, key: Key, now: float) -> bool:
        """One denial. Returns whether its line is to be printed; call `due` first, so that old windows are closed."""
        if key in self.counts:
            self.counts[key] += 1
            return False
        if len(self.counts) >= ROOM:
            self.beyond += 1
            return False
        self.since[key] = now
        self.counts[key] = 0
        return True

    def due(self, now: float) -> list[str]:
        """The lines of all windows that are over, to be printed now; [] most of the time."""
        lines = []
        ended = False
        while self.since:
            key = next(iter(self.since))
            if now - self.since[key] < WINDOW:
                break
            ended = True
            lines += self.close(key)
            if self.counts[key]:
                self.since[key], self.counts[key] = now, 0
            else:
                del self.counts[key]
        return lines + self.rest() if ended else lines

    def next_due(self) -> float | None:
        """When `due` should be called at the latest; None: not before the next denial."""
        return self.since[next(iter(self.since))] + WINDOW if self.since else None

    def flush(self) -> list[str]:
        """All that is still to be told, at the end of a run."""
        lines = [line for key in list(self.since) for line in self.close(key)]
        self.counts.clear()
        return lines + self.rest()

    def close(self, key: Key) -> list[str]:
        """Ends a window: its line, if there were repeats."""
        del self.since[key]
        count = self.counts[key]
        return [repeat_line(key, count, utf8=self.utf8)] if count else []

    def rest(self) -> list[str]:
        """What found no room of its own, as one line."""
        count, self.beyond = self.beyond, 0
        mark = CUT if self.utf8 else CUT_ASCII
        return [f"netguard: {mark} and {count:,} more denied; the trail has each"] if count else []
