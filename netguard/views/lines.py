"""One line of the trail as one plain line of text, for where there is no screen: pipes, logs, CI, `grep`."""

from __future__ import annotations

from netguard.views.denial import SUBJECT, WHY, key_of
from netguard.views.group import VERDICTS
from netguard.views.subject import ALARMS, SUBJECTS, alarm_text, found_text
from netguard.views.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.views.subject import Record

#: Layers that a line about coverage names.
LAYERS = ("hooks", "wall", "tier", "landlock", "http_view")


def event_line(record: Record, *, utf8: bool = True) -> str:
    """`10:00:01.123 denied connect 169.254.169.254:80 (rule metadata, agent.py:41 get) — why`; "" for what is no news.

    Words always stand in the same place, so that `grep ' denied connect '` and `awk '$2 == "denied"'` work. No line
    end: the caller adds it. Total on any record.
    """
    try:
        text = told(record, utf8)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        text = "unreadable record"
    return f"{clock(record.get('ts'))} {text}" if text else ""


def told(record: Record, utf8: bool) -> str:
    """The line without its time."""
    kind = record.get("kind")
    if kind in SUBJECTS:
        return decision(record, utf8)
    if kind in ALARMS:
        return plain(alarm_text(record), WHY, utf8=utf8)
    if kind == "coverage":
        return covered(record, utf8)
    if kind == "count":
        return counted(record, utf8)
    if kind == "close":
        numbers = [f" {name} {record[name]}" for name in ("exit", "signal", "reason") if name in record]
        return plain("ended" + "".join(numbers), WHY, utf8=utf8)
    return ""


def decision(record: Record, utf8: bool) -> str:
    """A decision; of a denial, why; what was found in it."""
    word, _, _ = VERDICTS[record["verdict"], record.get("would") == "deny"]
    _, kind, about, rule, code = key_of(record, utf8=utf8)
    by = rule if rule == "default" else f"rule {rule}"
    text = f"{word} {kind} {about} ({by}, {code})" if code else f"{word} {kind} {about} ({by})"
    denied = "deny" in (record["verdict"], record.get("would"))
    why, found = denied and (record.get("because") or record.get("why")), found_text(record)
    more = [plain(why, WHY, utf8=utf8)] if why else []
    more += [f"found {plain(found, SUBJECT, utf8=utf8)}"] if found else []
    return f"{text} {'—' if utf8 else '-'} {'; '.join(more)}" if more else text


def covered(record: Record, utf8: bool) -> str:
    """What a run or a process of it covers."""
    if record.get("event") == "process":
        proc = record.get("proc")
        pid = proc.get("pid") if isinstance(proc, dict) else None
        return plain(f"guarded process {pid}, Python {record.get('python')}", SUBJECT, utf8=utf8)
    layers = [f"{name} {record[name]}" for name in LAYERS if name in record]
    return plain(f"run {record.get('run')}: {'; '.join(layers)}", 2 * WHY, utf8=utf8)


def counted(record: Record, utf8: bool) -> str:
    """How many acts were let through without a line of their own, by rule."""
    counts = record["counts"]
    if not counts:
        return ""
    parts = ", ".join([f"{int(count):,} by {rule}" for rule, count in counts.items()])
    return plain(f"allowed {sum([int(count) for count in counts.values()]):,} acts in silence: {parts}", WHY, utf8=utf8)


def clock(stamp: object) -> str:
    """The time of day on a line, as it stands there (UTC)."""
    text = stamp if type(stamp) is str else ""
    return plain(text[11:23]) if len(text) > 22 and text[10] == "T" else "--:--:--.---"
