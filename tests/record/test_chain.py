"""A line is its head and what stands behind it; a record that is written again has the same line each time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netguard.record import line
from netguard.record.chain import Again, Writer
from netguard.record.hidden import Hider
from netguard.trail.redact import Redactor

RECORDS: dict[str, dict[str, object]] = {
    "ordinary": {"kind": "connect", "verdict": "log", "why": "token=abcdefgh", "dst": {"ip": "192.0.2.1"}},
    "odd": {"kind": "connect", "why": "\x7f\udcff", "tags": {"ü": "‮"}, "unheard": {1: {2, 3}}},
    "long": {"kind": "connect", "why": "x" * 100_000},
    "without keys": {},
    "with the writer's keys": {"kind": "connect", "seq": 99, "run": "another"},
}


class Nowhere:
    """Keeps what is written."""

    torn, size = b"", 0

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def put(self, data: bytes) -> tuple[int, str]:
        self.lines.append(data)
        return len(data), ""

    def foul(self, now_ns: int) -> str:
        return ""

    def accept(self) -> None: ...

    def at_line_start(self) -> bool:
        return True

    def close(self) -> None: ...


@pytest.mark.parametrize("ms", [0.0, 0.037, 12.5, 1e-7, 999_999_999.123, float("nan"), float("inf"), 3, True, "x"])
@pytest.mark.parametrize("errno", [0, 111, -(2**31), True, None, 1.5])
def test_an_outcome_is_what_the_encoder_makes_of_it(ms: object, errno: object) -> None:
    record: dict[str, object] = {"kind": "result", "of": 17, "errno": errno, "ms": ms}
    made = line.outcome(record)
    numbers = type(errno) is int and type(ms) is float and ms - ms == 0.0
    assert (made is not None) is numbers
    if made is not None:
        assert json.loads(made) == record
        assert list(json.loads(made)) == list(line.OUTCOME)
        assert made == line.encode(record) or ms == 1e-7  # which encoders spell differently


def test_only_a_result_is_made_by_hand() -> None:
    assert line.outcome({"kind": "count", "of": 1, "errno": 0, "ms": 1.0}) is None


@pytest.mark.parametrize("redactor", [Hider, Redactor])
@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("limit", [65_536, 4_096, 600])
def test_a_record_that_is_written_again_has_the_same_line(name: str, limit: int, redactor: Any) -> None:
    place = Nowhere()
    writer = Writer(
        place, "run-1", redactor(), chain='a "quoted" ü', limit=limit, clock=lambda: 10**18, mono=lambda: 7
    )
    writer.write({"kind": "coverage", "event": "run"})
    again = Again(RECORDS[name])
    for record in (RECORDS[name], again, again, again):
        writer.write(record)
    shown: list[dict[str, object]] = [json.loads(one) for one in place.lines]
    assert all(len(one) < limit for one in place.lines)
    assert [one.pop("seq") for one in shown] == [0, 1, 2, 3, 4]
    heads = [(one.pop("prev"), one.pop("ts"), one.pop("mono_ns"), one.pop("run"), one.pop("chain")) for one in shown]
    assert len({head[0] for head in heads}) == 5
    assert {head[1:] for head in heads} == {("2001-09-09T01:46:40.000000Z", 7, "run-1", 'a "quoted" ü')}
    assert [one.pop("v") for one in shown] == [1] * 5
    assert shown[1] == shown[2] == shown[3] == shown[4]
    assert bool(again.tail) is (name in ("ordinary", "without keys", "with the writer's keys"))
