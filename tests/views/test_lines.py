"""A line of the trail as one plain line: it says what happened, in the same place, and nothing gets out of it."""

from __future__ import annotations

import random

import pytest

from netguard.views.lines import event_line
from tests.views.runs import AUDIT_RUN, DRY_RUN, KINDS, WRONG, Record, code, connect, dns, hostile_record, native

STAMP = {"ts": "2026-11-22T10:00:00.123456Z"}

LINES: list[tuple[Record, str]] = [
    (
        connect("api.test", "192.0.2.7", 443, code=code(12, "ask")),
        "logged connect api.test:443 (rule audit, agent.py:12 ask)",
    ),
    (dns("a.test", "allow", rule="default"), "allowed dns a.test (default)"),
    (
        connect("", "169.254.169.254", 80, "deny", rule="metadata", why="credentials live there", code=code(41, "get")),
        "denied connect 169.254.169.254:80 (rule metadata, agent.py:41 get) — credentials live there",
    ),
    (connect("", "192.0.2.1", 53, would="deny", proto="udp"), "would deny connect 192.0.2.1:53/udp (rule audit)"),
    (dns("a.test", "deny", rule="default deny"), "denied dns a.test (rule default deny)"),
    (native("info"), "logged connect 192.0.2.7:443 (rule audit)"),
    (native("medium"), "logged connect 192.0.2.7:443 (rule audit) — found native (medium)"),
    (native("medium", "deny", why="no"), "denied connect 192.0.2.7:443 (rule audit) — no; found native (medium)"),
    ({"kind": "coverage", "event": "run", "run": "01", "hooks": "on", "wall": "on", "tier": "A", "landlock": "ABI 7"},
     "run 01: hooks on; wall on; tier A; landlock ABI 7"),
    ({"kind": "tamper", "why": "the trail is shorter"}, "TAMPER: the trail is shorter"),
    ({"kind": "alert", "findings": [{"id": "x"}]}, "ALERT: x"),
    ({"kind": "count", "counts": {"own": 1100, "pypi": 3}}, "allowed 1,103 acts in silence: 1,100 by own, 3 by pypi"),
    ({"kind": "coverage", "event": "run", "run": "01", "hooks": "asked for", "wall": "off: none"},
     "run 01: hooks asked for; wall off: none"),
    (
        {"kind": "coverage", "event": "process", "python": "3.12.1", "proc": {"pid": 7}},
        "guarded process 7, Python 3.12.1",
    ),
    ({"kind": "close", "exit": 3}, "ended exit 3"),
    ({"kind": "connect", "verdict": "maybe"}, "unreadable record"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "line"), LINES, ids=[row[1][:30] for row in LINES])
def test_lines_say_what_happened(record: Record, line: str) -> None:
    assert event_line({**record, **STAMP}) == f"10:00:00.123 {line}"


@pytest.mark.parametrize("record", [{"kind": "result"}, {"kind": "seal"}, {"kind": "count", "counts": {}}, {}])
def test_what_is_no_news_is_no_line(record: Record) -> None:
    assert event_line(record) == ""


@pytest.mark.parametrize("stamp", [None, 7, "", "2026-11-22", "\x1b[2J" * 9, "2026-11-22T\x1b[31m:00.123456Z"])
def test_time_that_is_none_has_its_place(stamp: object) -> None:
    line = event_line({**dns("a"), "ts": stamp})
    assert " logged dns a (" in line
    assert line.isprintable()


def test_ascii_stays_ascii() -> None:
    line = event_line({**dns("é", "deny", why="ü"), **STAMP}, utf8=False)
    assert line == r"10:00:00.123 denied dns \xe9 (rule audit) - \xfc"


def test_nothing_gets_out_of_its_line() -> None:
    rng = random.Random(5)
    for record in [*AUDIT_RUN, *DRY_RUN, *[hostile_record(rng) for _ in range(3_000)]]:
        for utf8 in (True, False):
            line = event_line(record, utf8=utf8)
            assert "".join(c for c in line if c != "\u0301").isprintable(), line
            assert len(line) < 1_000


@pytest.mark.parametrize("kind", [*KINDS, "coverage", "close"])
def test_line_is_total(kind: str) -> None:
    for name in "verdict would rule dst dns exec code counts findings proc why event".split():
        for wrong in WRONG:
            assert isinstance(event_line({**connect("a", "192.0.2.1", 1), "kind": kind, name: wrong}), str)
