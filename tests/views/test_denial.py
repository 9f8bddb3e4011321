"""One line a denial, and repeats that are counted instead of printed."""

from __future__ import annotations

import random

import pytest

from netguard.views.denial import ROOM, WINDOW, Repeats, denial_line, key_of
from netguard.views.text import columns_of
from tests.views.runs import AUDIT_RUN, Record, connect, dns, hostile_record, line, started

DENIED = [record for record in AUDIT_RUN if record.get("verdict") == "deny"]
METADATA = DENIED[0]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (
            METADATA,
            "netguard: denied connect 169.254.169.254:80 — instance credentials live there "
            "(rule metadata, agent.py:41 fetch_token)",
        ),
        (
            dns("evil.example", "deny", rule="default", code={"file": "a.py", "line": 3, "func": "<module>"}),
            "netguard: denied dns evil.example — no rule matches (default deny, a.py:3)",
        ),
        (
            started("curl", "-s", "http://x/", verdict="deny", rule="no-shell", why="shells are not needed here"),
            "netguard: denied exec curl -s http://x/ — shells are not needed here (rule no-shell)",
        ),
        (
            connect("", "::1", 53, proto="udp", would="deny", rule="r"),
            "netguard: would deny connect [::1]:53/udp — a rule denies it (rule r)",
        ),
        (
            line("audit", "deny", "guard", event="sys.addaudithook"),
            "netguard: denied audit sys.addaudithook — a rule denies it (rule guard)",
        ),
        ({"kind": "dns", "verdict": "deny"}, "netguard: denied dns (unreadable) — no rule matches (default deny)"),
        (
            line("connect", "deny", "hostile-argument", why="a host that is no exact text", event="socket.connect"),
            "netguard: denied connect (unreadable) — a host that is no exact text (rule hostile-argument)",
        ),
        (
            line("exec", "deny", "hostile-argument", why="no exact text", exec={"program": "?"}),
            "netguard: denied exec (unreadable) — no exact text (rule hostile-argument)",
        ),
        (
            line("connect", "deny", "r", dst={"proto": "family-17"}, because="no raw sockets"),
            "netguard: denied connect family 17 — no raw sockets (rule r)",
        ),
        (
            connect("", "192.0.2.7", 443, "deny", rule="r", layers=["kernel"], proc={"exe": "/usr/bin/curl"}),
            "netguard: denied connect 192.0.2.7:443 — a rule denies it (rule r, curl)",
        ),
        (
            connect("", "192.0.2.7", 443, "deny", rule="r", layers=["kernel"], proc={"exe": "/usr/bin/curl"},
                    code={"library": "/usr/lib/libcurl.so.4"}),
            "netguard: denied connect 192.0.2.7:443 — a rule denies it (rule r, libcurl in curl)",
        ),
        (
            connect("", "192.0.2.7", 443, "deny", rule="r", layers=["kernel"], proc={"exe": "/usr/bin/go"},
                    code={"library": "/usr/bin/go"}),
            "netguard: denied connect 192.0.2.7:443 — a rule denies it (rule r, go)",
        ),
        (
            connect("", "192.0.2.7", 443, "deny", rule="r", layers=["hook", "kernel"], proc={"exe": "/usr/bin/python"}),
            "netguard: denied connect 192.0.2.7:443 — a rule denies it (rule r)",
        ),
    ],
)
def test_denial_says_what_why_and_where(record: Record, said: str) -> None:
    assert denial_line(record) == said


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"kind": "tamper", "event": "trail", "why": "cut\n\x1b[2J"}, "netguard: TAMPER: cut\\n\\x1b[2J"),
        ({"kind": "alert", "findings": [{"id": "fronting", "why": "two names"}]}, "netguard: ALERT: two names"),
        ({"kind": "alert", "findings": [7]}, "netguard: ALERT: see the trail"),
    ],
)
def test_alarm_is_told_as_what_it_is(record: Record, said: str) -> None:
    assert denial_line(record) == said


def test_denial_in_ascii() -> None:
    assert denial_line(METADATA, utf8=False).isascii()
    assert " - instance credentials" in denial_line(METADATA, utf8=False)


def test_repeated_denial_says_how_often() -> None:
    said = (
        "netguard: denied connect 169.254.169.254:80 … repeated 14 more times (rule metadata, agent.py:41 fetch_token)"
    )
    assert denial_line(METADATA, 14) == said
    assert "repeated once more" in denial_line(METADATA, 1)


def test_repeats_within_a_second_are_counted() -> None:
    repeats, key = Repeats(), key_of(METADATA)
    assert repeats.seen(key, 10.0)
    assert not any(repeats.seen(key, 10.0 + number / 100) for number in range(14))
    assert repeats.due(10.9) == []
    assert repeats.next_due() == 10.0 + WINDOW
    assert repeats.due(11.0) == [denial_line(METADATA, 14)]
    assert repeats.flush() == []


def test_a_denial_after_a_quiet_second_is_news() -> None:
    repeats, key = Repeats(), key_of(METADATA)
    assert repeats.seen(key, 10.0)
    assert repeats.due(11.5) == []
    assert repeats.next_due() is None
    assert repeats.seen(key, 11.5)


def test_denials_that_go_on_are_one_line_a_second() -> None:
    repeats, key, lines = Repeats(), key_of(METADATA), 0
    for number in range(1000):
        now = number / 100
        lines += len(repeats.due(now)) + repeats.seen(key, now)
    assert lines == 10
    assert repeats.flush() == [denial_line(METADATA, 100)]


def test_denials_from_another_line_or_of_another_destination_are_news() -> None:
    repeats = Repeats()
    records = [
        METADATA,
        {**METADATA, "code": {"file": "agent.py", "line": 42, "func": "fetch_token"}},
        {**METADATA, "rule": "other"},
        {**METADATA, "dst": {"ip": "169.254.169.254", "port": 81}},
        {**METADATA, "verdict": "log", "would": "deny"},
    ]
    assert all(repeats.seen(key_of(record), 1.0) for record in records)


def test_a_flood_of_different_denials_is_bounded_and_told() -> None:
    repeats, printed = Repeats(), 0
    for number in range(5000):
        printed += repeats.seen(key_of(dns(f"n{number}.example", "deny")), 1.0 + number / 10_000)
    assert printed == ROOM
    assert len(repeats.counts) == ROOM
    told = repeats.due(3.0)
    assert told == [f"netguard: … and {5000 - ROOM:,} more denied; the trail has each"]


def test_a_flood_that_goes_on_is_told_of_while_it_does() -> None:
    """Denials that hold their places by repeating do not silence the count of those that found none."""
    repeats, told = Repeats(), []
    for number in range(30):
        now = number / 10
        told += repeats.due(now)
        for place in range(ROOM + 5):
            repeats.seen(key_of(dns(f"n{place}.example", "deny")), now)
    assert sum("more denied" in said for said in told) == 2


@pytest.mark.parametrize("seed", range(20))
def test_hostile_records_make_one_bounded_printable_line(seed: int) -> None:
    rng, repeats = random.Random(seed), Repeats()
    for number in range(200):
        record = hostile_record(rng)
        for utf8 in (True, False):
            said = denial_line(record, rng.randrange(2), utf8=utf8)
            assert said.isprintable()
            assert columns_of(said) < 700
            assert utf8 or said.isascii()
        repeats.seen(key_of(record), number / 1000)
    assert all(said.isprintable() for said in repeats.flush())
