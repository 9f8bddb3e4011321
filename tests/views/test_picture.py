"""The picture of a run: what each record adds to it, that its memory is bounded, and that no record can break it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from netguard.views import picture
from netguard.views.picture import Picture, command_text
from netguard.views.snapshot import Snapshot
from tests.support.guard import run_guarded
from tests.views.runs import AUDIT_RUN, DRY_RUN, KINDS, WRONG, Record, connect, dns, hostile_record, native, started

NOW = 1_800_000_000


def at(second: int, record: Record, seq: int = 1) -> Record:
    """A record with the time of `NOW` and so many seconds."""
    from datetime import datetime, timezone

    stamp = datetime.fromtimestamp(NOW + second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.123456Z")
    return {**record, "ts": stamp, "seq": seq, "run": "01JD"}


def of(records: list[Any], now: float = NOW) -> Snapshot:
    shown = Picture()
    for record in records:
        shown.add(record, 100)
    return shown.snapshot(now)


def result(of: int, **keys: object) -> Record:
    return {"kind": "result", "of": of, "run": "01JD", "seq": of + 100, **keys}


FIRST: Record = {
    "kind": "coverage", "event": "run", "run": "01JD", "seq": 0, "hooks": "asked for", "wall": "off: none",
    "http_view": "off: no", "mode": "run", "command": ["/usr/bin/python3", "job.py", "-v"],
}  # fmt: skip


def test_real_run_is_shown_as_it_was() -> None:
    code = "import socket\nfor port in (80, 81):\n    try: socket.create_connection(('169.254.169.254', port), 1)\n"
    run = run_guarded(["-c", code + "    except OSError: pass\n"], rules="version: 1\ndefault: deny\n")
    shown = of(run.trail, 0)
    assert shown.words == (("denied", 2),)
    assert [one.group.text() for one in shown.destinations] == ["169.254.169.254:80", "169.254.169.254:81"]
    assert [event.record["dst"]["port"] for event in shown.events] == [81, 80]
    assert (shown.processes, shown.runs, shown.chains, shown.unreadable) == (1, 1, 1, 0)
    assert shown.ended == "ended, exit 0"
    assert shown.now - shown.started < 10
    assert sum([sum(second) for second in shown.rates]) == shown.decisions == 2
    assert dict(shown.coverage)["hooks"] == "asked for"
    assert shown.command.startswith("python")
    assert " -c " in shown.command


def test_words_and_silent_acts_add_up() -> None:
    shown = of([*AUDIT_RUN, *DRY_RUN])
    assert dict(shown.words) == {"denied": 3, "would deny": 1, "logged": 11, "allowed": 1103}
    assert (shown.silent, shown.decisions) == (1103, 1118)


def test_denied_destinations_come_first_then_the_most() -> None:
    records = [dns("a.example")] + [dns("b.example")] * 5 + [connect("", "192.0.2.1", 80, "deny")]
    shown = of([at(0, record, seq) for seq, record in enumerate(records)])
    assert [(one.group.text(), one.times) for one in shown.destinations] == [
        ("192.0.2.1:80", 1), ("b.example", 5), ("a.example", 1),
    ]  # fmt: skip
    assert shown.hidden == 0
    assert shown.destinations[0].text().rstrip() == "denied connect 192.0.2.1:80 audit"


def test_destinations_in_a_snapshot_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "DESTINATIONS", 3)
    shown = of([dns(f"{n}.example") for n in range(10)])
    assert (len(shown.destinations), shown.hidden) == (3, 7)


def test_snapshot_does_not_change_while_records_come() -> None:
    shown = Picture()
    shown.add(at(0, dns("a.example")))
    before = shown.snapshot(NOW)
    shown.add(at(0, dns("a.example")))
    assert (before.destinations[0].times, before.decisions, len(before.events)) == (1, 1, 1)


# Bytes and results


def test_bytes_of_results_reach_the_destination_of_their_act() -> None:
    records = [
        at(0, connect("a.example", "192.0.2.1", 443), 1),
        at(0, connect("b.example", "192.0.2.2", 443), 2),
        result(1, bytes_out=100, bytes_in=2000),
        result(1, bytes_out=1),
        result(2, bytes_out=-5, bytes_in="x"),
        result(9, bytes_out=7),
        {**result(1, bytes_out=10**6), "run": "another"},
        {**result(1, bytes_out=10**6), "chain": "7-f"},
    ]
    found = {one.group.text(): (one.sent, one.received) for one in of(records).destinations}
    assert found == {"a.example:443": (101, 2000), "b.example:443": (0, 0)}


def test_results_and_alerts_are_kept_with_their_event() -> None:
    records = [at(0, dns("a.example"), 1), *[result(1, ms=n) for n in range(9)]]
    assert [record["ms"] for record in of(records).events[0].results] == [0, 1, 2, 3]
    alert = {"kind": "alert", "run": "01JD", "of": 1, "findings": [{"id": "late"}]}
    shown = of([*records[:2], alert])
    assert [record["kind"] for record in shown.events[1].results] == ["result", "alert"]
    full = of([*records, alert])
    assert len(full.events[1].results) == 4


def test_acts_that_wait_for_a_result_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "ACTS", 2)
    shown = Picture()
    for seq in range(5):
        shown.add(at(0, dns("a.example"), seq))
    assert [act[2] for act in shown.acts] == [3, 4]


# Events


def test_events_are_the_newest_and_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "EVENTS", 3)
    shown = Picture()
    for seq in range(5):
        shown.add(at(0, dns(f"{seq}.example"), seq))
    events = shown.snapshot(NOW).events
    assert [event.record["dns"]["name"][0] for event in events] == ["4", "3", "2"]
    assert [event.number for event in events] == [5, 4, 3]
    assert sorted(event.number for event in shown.waiting.values()) == [3, 4, 5]


def test_events_are_bounded_in_bytes_and_one_is_always_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "EVENT_BYTES", 250)
    shown = Picture()
    for seq in range(5):
        shown.add(at(0, dns("a.example"), seq), 100)
    assert (len(shown.events), shown.bytes) == (2, 200)
    shown.add(at(0, dns("a.example")), 1000)
    assert (len(shown.events), shown.bytes) == (1, 1000)


def test_lines_that_pretend_to_be_the_same_act_do_not_grow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "EVENTS", 2)
    shown = Picture()
    for _ in range(5):
        shown.add(at(0, dns("a.example"), 7))
    assert (len(shown.events), len(shown.waiting)) == (2, 1)


def test_event_says_what_a_filter_looks_through() -> None:
    record = connect("API.example", "192.0.2.1", 443, "deny", rule="no-api", code={"file": "/a/Job.py", "line": 3})
    tamper = {"kind": "tamper", "why": "The Trail"}
    events = of([record, tamper]).events
    assert events[1].text() == "denied connect api.example:443 no-api job.py:3"
    assert events[1].text() == events[1].found  # made once
    assert "tamper: the trail" in events[0].text()
    assert [event.bad for event in events] == [True, True]
    assert [event.bad for event in of([dns("a"), started("ls", findings=[{"id": "x"}])]).events] == [True, False]


# Findings


def test_alarms_and_findings_are_told_the_newest_first() -> None:
    found = dns("x.example", findings=[{"id": "dns-tunnel", "severity": "high"}])
    bare = dns("y.example", findings=["?"])
    unnamed = dns("z.example", findings=[{}])
    shown = of([*DRY_RUN, found, bare, unnamed])
    assert shown.findings[:3] == (
        "FOUND something: dns z.example", "FOUND something: dns y.example", "FOUND dns-tunnel (high): dns x.example",
    )  # fmt: skip
    assert shown.findings[4] == "TAMPER: trail.jsonl is 12 bytes longer than netguard made it"
    assert shown.findings_more == 0


def test_remark_is_no_alarm_and_a_finding_is() -> None:
    shown = of([native("info"), native("medium")])
    assert shown.findings == ("FOUND native (medium): connect 192.0.2.7:443",)
    assert [event.bad for event in shown.events] == [True, False]
    assert [event.text() for event in shown.events] == [
        "logged connect 192.0.2.7:443 audit  native (medium)", "logged connect 192.0.2.7:443 audit",
    ]  # fmt: skip


def test_what_a_guest_does_buries_no_alarm() -> None:
    flood = [native("medium")] * (3 * picture.FINDINGS)
    shown = of([{"kind": "tamper", "why": "first"}, *flood, {"kind": "tamper", "why": "last"}])
    assert (shown.findings[0], shown.findings[-1]) == ("TAMPER: last", "TAMPER: first")
    assert len(shown.findings) + shown.findings_more == len(flood) + 2
    many = [{"kind": "tamper", "why": str(number)} for number in range(picture.FINDINGS)]
    assert len([text for text in of([*many, *flood[:9]]).findings if text.startswith("TAMPER")]) >= picture.FINDINGS - 1


def test_findings_are_bounded() -> None:
    shown = of([{"kind": "tamper", "why": "x" * 10_000}] * (picture.FINDINGS + 7))
    assert (len(shown.findings), shown.findings_more) == (picture.FINDINGS, 7)
    assert len(shown.findings[0]) < 2_000


# Rate


def test_rate_is_counted_by_the_trail_s_own_seconds() -> None:
    count = {"kind": "count", "counts": {"a": 10, "b": -3, "c": "x", "d": True}}
    records = [
        at(0, dns("a")), at(0, dns("a")), at(1, count), at(3, dns("a", "deny")), at(3, dns("a")),
    ]  # fmt: skip
    shown = of(records, NOW + 4.5)
    assert shown.rates == ((2, 0), (10, 0), (0, 0), (1, 1), (0, 0))
    assert (shown.rate, shown.started, shown.now) == (2, NOW, NOW + 4)
    assert of(records[:1], NOW + 0.1).rate == 0


def test_rate_of_an_ended_run_stands_still() -> None:
    records = [FIRST, at(0, dns("a")), at(2, {"kind": "close", "run": "01JD", "exit": 3})]
    shown = of(records, NOW + 9_999)
    assert (shown.rates, shown.now, shown.ended) == (((1, 0), (0, 0), (0, 0)), NOW + 2, "ended, exit 3")


def test_seconds_are_bounded_in_store_and_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "SECONDS", 5)
    monkeypatch.setattr(picture, "SHOWN", 3)
    shown = Picture()
    for second in range(9):
        shown.add(at(second, dns("a")))
    assert sorted(shown.rates) == [NOW + second for second in range(4, 9)]
    assert shown.snapshot(NOW + 8).rates == ((1, 0), (1, 0), (1, 0))


@pytest.mark.parametrize("stamp", [None, 7, "", "now", "2026-99-99T00:00:00.0Z", "0001-01-01T00:00:00Z", "9" * 99])
def test_time_that_is_none_counts_to_the_second_before(stamp: object) -> None:
    shown = of([at(0, dns("a")), {**dns("b"), "ts": stamp}, at(0, dns("c"))], NOW)
    assert shown.decisions == 3
    assert len(shown.rates) <= picture.SHOWN


# Limits


def limits(second: int, *limits: object) -> Record:
    return at(second, {"kind": "count", "counts": {}, "limits": list(limits)})


def limit(rule: str, fill: object, key: str = "k") -> Record:
    return {"rule": rule, "limit": "60/min", "key": key, "fill": fill}


def test_limits_near_their_edge_are_shown_the_fullest_first() -> None:
    record = limits(0, limit("a", 0.79), limit("b", 0.8), limit("c", 1), limit("d", 7.5), limit("e", 0.93))
    shown = of([record]).limits
    assert [(one.rule, one.fill) for one in shown] == [("c", 1.0), ("d", 1.0), ("e", 0.93), ("b", 0.8)]
    assert shown[0][:3] == ("c", "60/min", "k")


def test_limit_goes_when_it_is_emptier_or_was_not_heard_of_for_long() -> None:
    assert of([limits(0, limit("a", 0.9)), limits(1, limit("a", 0.5))]).limits == ()
    assert of([limits(0, limit("a", 0.9)), at(10, dns("x"))]).limits
    assert of([limits(0, limit("a", 0.9)), at(11, dns("x"))]).limits == ()


def test_limits_are_bounded() -> None:
    shown = of([limits(0, *[limit("a", 0.9, f"k{n:03}") for n in range(100)])])
    assert [one.key for one in shown.limits] == [f"k{n:03}" for n in range(100 - picture.LIMITS, 100)]


WRONG_FILLS = [{"fill": value} for value in ("x", True, None, float("nan"), float("inf"))]


@pytest.mark.parametrize("forged", [None, 7, {}, "x", [7], [{}], WRONG_FILLS, [limit("a", 10**400)]])
def test_forged_limits_show_nothing(forged: object) -> None:
    assert of([at(0, {"kind": "count", "counts": {"a": 1}, "limits": forged})]).limits == ()


def test_limit_with_values_of_other_types_is_text() -> None:
    shown = of([limits(0, {"rule": ["x"], "limit": 7, "fill": 1, "key": "y" * 9_000})]).limits[0]
    assert shown[:2] == ("['x']", "7")
    assert len(shown.key) <= 256


# Runs, chains, processes


def test_run_that_follows_another_in_one_trail_is_shown_as_running() -> None:
    closed = {"kind": "close", "run": "01JD", "signal": 9, "reason": "r" * 999}
    shown = of([FIRST, closed])
    assert shown.ended.startswith("ended, signal 9, rrr")
    assert len(shown.ended) < 300
    again = of([FIRST, closed, {**FIRST, "run": "02", "mode": "dry-run", "command": None}])
    assert (again.ended, again.run, again.runs, again.mode, again.command) == ("", "02", 2, "dry-run", "")


def test_chains_of_processes_end_when_the_last_is_closed() -> None:
    chains: list[Record] = [{**FIRST, "chain": name, "command": []} for name in ("1-a", "2-b")]
    closes: list[Record] = [{"kind": "close", "run": "01JD", "chain": name} for name in ("1-a", "2-b")]
    one = of([*chains, closes[0]])
    assert (one.ended, one.chains, one.processes, one.runs) == ("", 2, 2, 1)
    assert of([*chains, *closes]).ended == "ended"


def test_processes_are_counted_as_they_report() -> None:
    process: Record = {"kind": "coverage", "event": "process", "hooks": "on"}
    shown = of([FIRST, process, process])
    assert shown.processes == 2
    assert dict(shown.coverage) == {"hooks": "asked for", "wall": "off: none", "requests": "off: no"}


def test_chains_told_apart_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "PARTS", 3)
    shown = of([{**FIRST, "run": str(n)} for n in range(9)])
    assert (shown.runs, shown.chains, shown.run) == (3, 3, "8")


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["/usr/bin/python3", "job.py", "-v"], "job.py -v"),
        (["/usr/bin/python3", "-m", "pytest"], "python3 -m pytest"),
        (["/usr/bin/python3.12", "-c", "pass"], "python3.12 -c pass"),
        (["/usr/bin/python3"], "/usr/bin/python3"),
        (["git", "clone"], "git clone"),
        ([], ""), (None, ""), ("job.py", ""), ([7, None], "7 None"),
        (["x" * 999, "y" * 999], "x" * 256),
    ],
)  # fmt: skip
def test_command_is_shown_without_its_interpreter(command: object, text: str) -> None:
    assert command_text({"command": command}) == text


def test_nothing_yet() -> None:
    shown = Picture().snapshot(NOW, 3)
    assert (shown.command, shown.run, shown.rates, shown.rate, shown.unreadable) == ("", "", ((0, 0),), 0, 3)
    assert shown.started == shown.now == NOW


# Anything


@pytest.mark.parametrize("record", [{}, {"kind": None}, {"kind": []}, {"kind": "connect", "verdict": "maybe"}])
def test_what_is_no_decision_is_counted_as_unreadable_or_passed_over(record: Record) -> None:
    assert of([record]).decisions == 0


@pytest.mark.parametrize("kind", [*KINDS, "coverage", "close", "seal", "nobody-knows"])
def test_add_is_total(kind: str) -> None:
    """Every key of every kind with every wrong value."""
    names = ("ts", "run", "chain", "seq", "of", "verdict", "would", "rule", "dst", "dns", "http", "exec", "code",
             "counts", "limits", "findings", "exit", "signal", "reason", "hooks", "command", "mode", "event",
             "bytes_out", "why")  # fmt: skip
    shown = Picture()
    for name in names:
        for wrong in WRONG:
            shown.add({**connect("a", "192.0.2.1", 1), "counts": {"a": 1}, "kind": kind, name: wrong}, 10)
            assert shown.snapshot(NOW)


def test_hostile_records_are_taken() -> None:
    rng = random.Random(7)
    shown = Picture()
    for _ in range(2_000):
        shown.add(hostile_record(rng), 500)
    found = shown.snapshot(NOW)
    assert found.decisions > 500
    assert found.findings
