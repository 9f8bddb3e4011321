"""When a run did what it did: each act in its moment, in fixed memory, drawn to scale on lines that fit."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from netguard.views.rhythm import BUCKETS, SECOND, Rhythm, bars, lasting
from netguard.views.summary import Tally
from netguard.views.table import RED, Table
from netguard.views.text import columns_of
from tests.views.runs import Record, dns, hostile_record

START = 7 * SECOND


def drawn(rhythm: Rhythm, end: float, width: int = 80, utf8: bool = True, colour: bool = False) -> list[str]:
    table = Table(width, colour, utf8)
    rhythm.draw(table, START + int(end * SECOND))
    return [row.rstrip("\n") for row in table.lines]


def ran(*acts: tuple[float, Record]) -> Rhythm:
    rhythm = Rhythm(START)
    for second, record in acts:
        rhythm.add(record, START + int(second * SECOND))
    return rhythm


def steady(seconds: int, each: int = 10) -> list[tuple[float, Record]]:
    return [(at / each, dns("a.example")) for at in range(seconds * each)]


def test_steady_run_with_a_burst_of_denials() -> None:
    rhythm = ran(*steady(10)[:50], *[(5.05, dns("b.example", "deny"))] * 5, *steady(10)[55:])
    assert drawn(rhythm, 9.99) == [
        "over time   ████████████████████  100 acts in 10.0 s, at most 10/s",
        "denied      ··········█·········  5, at most 5/s",
    ]


def test_scale_is_linear_and_begins_at_nothing() -> None:
    assert bars([0, 1, 2, 3, 4, 5, 6, 7, 8], 20, True) == "·▁▂▃▄▅▆▇█"
    assert bars([0, 1, 400, 800], 20, True) == "·▁▄█"
    assert bars([0, 1, 2, 3, 4, 5, 6, 7, 8], 20, False) == "_.:-=+*%#"
    assert bars([1, 1, 0, 0, 4, 0], 3, True) == "▄·█"


def test_nothing_is_drawn_of_a_run_that_is_short_or_did_little() -> None:
    assert drawn(ran(*steady(2, 9)), 2) == []
    assert drawn(ran(*[(0.5, dns("a.example"))] * 50), 0.9) == []
    assert len(drawn(ran(*steady(2)), 2)) == 1


def test_no_act_is_lost_however_long_the_run() -> None:
    rhythm = Rhythm(START)
    rng = random.Random(1)
    now = START
    for _ in range(3_000):
        now += rng.randrange(10**9)
        rhythm.add(dns("a.example", rng.choice(["log", "deny"])), now)
    assert sum(rhythm.acts) == 3_000
    assert len(rhythm.acts) == len(rhythm.denied) == BUCKETS
    used = rhythm.bucket(now) + 1
    assert BUCKETS // 2 < used <= BUCKETS
    assert not any(rhythm.acts[used:])


def test_acts_stay_in_their_moment_when_buckets_are_joined() -> None:
    rhythm = ran((1.0, dns("a.example")), (100.0, dns("a.example", "deny")))
    step = rhythm.step / SECOND
    assert [at for at, count in enumerate(rhythm.acts) if count] == [int(1 / step), int(100 / step)]
    assert [at for at, count in enumerate(rhythm.denied) if count] == [int(100 / step)]


def test_acts_without_a_line_are_spread_over_the_second_they_were_counted_in() -> None:
    rhythm = ran((1.0, {"kind": "count", "counts": {"a": 30, "b": 20}}))
    assert sum(rhythm.acts) == pytest.approx(50)
    assert len({round(count, 6) for count in rhythm.acts if count}) == 1
    assert sum(map(bool, rhythm.acts)) == SECOND // rhythm.step + 1
    before = rhythm.acts[:]
    rhythm.add({"kind": "count", "counts": {"a": 7}}, START + int(1.1 * SECOND))
    later = [at for at, count in enumerate(rhythm.acts) if count != before[at]]
    assert later == list(range(SECOND // rhythm.step, 11 * SECOND // (10 * rhythm.step) + 1))  # since the line before


def test_what_would_have_been_denied_says_so() -> None:
    rhythm = ran(*steady(3), (3.0, dns("a.example", "log", would="deny")))
    assert drawn(rhythm, 3.5)[1].startswith("would deny  ")
    rhythm = ran(*steady(3), (3.0, dns("a.example", "deny", would="deny")))
    assert drawn(rhythm, 3.5)[1].startswith("denied  ")


@pytest.mark.parametrize(
    ("seconds", "acts", "peak"),
    [(2, 100, "50/s"), (60, 60, "1/s"), (3_600, 60, "1/min"), (36_000, 20, "2/h")],
)
def test_peak_is_a_rate_that_can_be_read(seconds: int, acts: int, peak: str) -> None:
    rhythm = ran(*[(at * seconds / acts, dns("a.example")) for at in range(acts)])
    shown = drawn(rhythm, seconds - 0.001)[0].rpartition("at most ")[2]
    amount, _, unit = shown.partition("/")
    wanted, _, of = peak.partition("/")
    assert unit == of
    assert int(wanted) <= int(amount) <= 2 * int(wanted) + 2


@pytest.mark.parametrize(
    ("time", "text"),
    [(0.0, "0.0 s"), (12.34, "12.3 s"), (60, "1 min 0 s"), (3_599, "59 min 59 s"), (3_600, "1 h 0 min"),
     (90_000, "25 h 0 min")],
)  # fmt: skip
def test_time_is_told_as_people_say_it(time: float, text: str) -> None:
    assert lasting(int(time * SECOND)) == text


@pytest.mark.parametrize("width", range(40, 201))
@pytest.mark.parametrize("utf8", [True, False])
def test_lines_fit_and_are_alike_in_length(width: int, utf8: bool) -> None:
    for seconds in (2, 9, 60):
        lines = drawn(ran(*steady(seconds, 10), (seconds / 2, dns("a", "deny"))), seconds, width, utf8)
        assert len(lines) == 2
        assert all(columns_of(line) <= width for line in lines)
        assert utf8 or all(line.isascii() for line in lines)
        drawings = [line[12:].partition("  ")[0] for line in lines]
        assert len(drawings[0]) == len(drawings[1]) >= 8


def test_denials_are_painted() -> None:
    lines = drawn(ran(*steady(3), (1.0, dns("a", "deny"))), 3, colour=True)
    assert not lines[0].startswith("\x1b")
    assert lines[1].startswith(f"{RED}denied")


def test_clock_that_goes_backwards_or_far_ahead_does_no_harm() -> None:
    rhythm = ran((-5.0, dns("a")), (-9.0, {"kind": "count", "counts": {"a": 3}}))
    rhythm.add(dns("a"), 2**63)
    assert sum(rhythm.acts) == pytest.approx(5)
    assert drawn(rhythm, 0) == []


def test_lines_that_are_no_act_count_nothing() -> None:
    others: list[Record] = [
        {"kind": "result", "of": 1}, {"kind": "coverage"}, {"kind": ["dns"], "verdict": "deny"}, {"kind": "dns"}, {},
        {"kind": "count"}, {"kind": "count", "counts": 7}, {"kind": "count", "counts": {"a": "x", "b": -3, "c": True}},
        {"kind": "tamper", "verdict": "deny"},
    ]  # fmt: skip
    assert sum(ran(*[(1.0, record) for record in others]).acts) == 0


def test_memory_is_fixed() -> None:
    rhythm = Rhythm(START)
    tracemalloc.start()
    for at in range(20_000):
        rhythm.add(dns("a"), START + at * 10**9)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 20_000


@pytest.mark.parametrize("seed", range(10))
def test_hostile_records_are_drawn_or_passed_over(seed: int) -> None:
    rng = random.Random(seed)
    records = [hostile_record(rng) for _ in range(300)]
    rhythm = ran(*[(at / 50, record) for at, record in enumerate(records)])
    assert len(drawn(rhythm, 6)) in (1, 2)


def test_summary_has_it_below_the_totals() -> None:
    tally = Tally()
    rhythm = Rhythm(START)
    for second, record in steady(3):
        tally.add(record)
        rhythm.add(record, START + int(second * SECOND))
    text = tally.render(80, False, rhythm=rhythm, now=START + 3 * SECOND).splitlines()
    assert text[-2] == "netguard: 30 decisions: 30 logged"
    assert text[-1].startswith("over time   ")
