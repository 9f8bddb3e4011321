"""One line among many: the right one, with what came of it, whatever stands around it."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from netguard.errors import TrailError
from netguard.trail.pick import LATER, MOST, Pick, pick


def act(seq: int, verdict: str = "log", run: str = "r", **keys: object) -> dict[str, object]:
    return {"v": 1, "seq": seq, "run": run, "kind": "connect", "verdict": verdict, **keys}


def result(of: int, seq: int = 90, run: str = "r", **keys: object) -> dict[str, object]:
    return {"v": 1, "seq": seq, "run": run, "kind": "result", "of": of, **keys}


def lines(*records: dict[str, object]) -> list[bytes]:
    return [json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in records]


def picked(wanted: int | str, *records: dict[str, object], run: str = "", chain: str = "") -> Pick:
    pick = Pick(wanted, run, chain)
    for raw in lines(*records):
        pick.take(raw)
    return pick


def seqs(pick: Pick) -> list[object]:
    return [each.record["seq"] for each in pick.found.values()]


def test_line_by_its_number_with_what_came_of_it() -> None:
    found = picked(3, act(1), act(3, x=1), act(13), act(30), result(3, ms=1), result(30), result(13), result(3, seq=91))
    (only,) = found.found.values()
    assert only.record == act(3, x=1)
    assert [record for record, _ in only.later] == [result(3, ms=1), result(3, seq=91)]
    assert only.raw == lines(act(3, x=1))[0]


def test_result_at_the_end_of_its_line_counts() -> None:
    record = {"v": 1, "seq": 4, "run": "r", "kind": "result", "of": 3}
    assert len(picked(3, act(3), record).found["r", ""].later) == 1


def test_last_and_last_denied() -> None:
    records = [act(1, "deny"), act(2), act(3, would="deny"), result(3), act(4), result(4), {"seq": 5, "run": "r"}]
    assert seqs(picked("last", *records)) == [4]
    assert len(picked("last", *records).found["r", ""].later) == 1
    assert seqs(picked("last-denied", *records)) == [3]
    assert len(picked("last-denied", *records).found["r", ""].later) == 1
    assert seqs(picked("last-denied", *records[:2])) == [1]
    assert not picked("last-denied", act(1)).found


def test_numbers_in_other_places_mean_nothing() -> None:
    said = act(1, why='"seq":3,', tags={"seq": 3, "verdict": "deny"})
    assert not picked(3, said, act(1, tags={"seq": 3, "of": 3})).found
    assert not picked("last-denied", said).found
    found = picked(3, act(3), act(4, tags={"of": 3, "x": 1}), result(3, run="other"))
    assert not found.found["r", ""].later


def test_runs_and_chains_are_told_apart() -> None:
    records = [act(3), act(3, run="s"), act(3, run="s", chain="1-a"), act(3, run="s", chain="2-b"), result(3, run="s")]
    found = picked(3, *records)
    assert list(found.found) == [("r", ""), ("s", ""), ("s", "1-a"), ("s", "2-b")]
    assert [len(each.later) for each in found.found.values()] == [0, 1, 0, 0]
    assert list(picked(3, *records, run="s", chain="2").found) == [("s", "2-b")]
    records += [act(3, run="s", chain="2-b.1"), act(3, run="s", chain="20-c")]
    assert list(picked(3, *records, chain="2").found) == [("s", "2-b"), ("s", "2-b.1")]
    assert list(picked(3, *records, chain="2-b").found) == [("s", "2-b")]  # whose beginning another's name is
    assert list(picked("last", *records, run="r").found) == [("r", "")]


def test_two_lines_of_one_number_in_a_chain_are_told() -> None:
    found = picked(3, act(3, x=1), act(3, x=2))
    assert (seqs(found), found.found["r", ""].twins, found.found["r", ""].record["x"]) == ([3], 1, 1)


def test_what_is_kept_is_bounded() -> None:
    found = picked(3, *[act(3, run=f"r{number}") for number in range(MOST + 5)])
    assert (len(found.found), found.more) == (MOST, 5)
    found = picked(3, act(3), *[result(3, seq=seq) for seq in range(4, LATER + 40)])
    assert len(found.found["r", ""].later) == LATER
    assert found.found["r", ""].beyond == 36
    many = [act(3, run=f"r{number}") for number in range(3)]
    found = picked(3, *many, *[result(3, seq=seq, run=f"r{seq % 3}") for seq in range(4, 3 * LATER)])
    assert sum(len(each.later) for each in found.found.values()) == LATER


def test_later_version_is_refused() -> None:
    with pytest.raises(TrailError, match="of version 2: this netguard reads version 1"):
        picked(3, {**act(3), "v": 2})


@pytest.mark.parametrize("raw", [b"", b"\0", b'"seq":3,\n', b'{"seq":3,', b'[{"seq":3,}]', b'{"seq":3,"seq":1}'])
def test_what_is_no_line_is_passed_over(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(raw + b"\n" + lines(act(3))[0])
    assert seqs(pick(str(tmp_path / "t"), 3)) == [3]


def test_unreadable_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrailError, match=r"cannot read the trail .*none: No such file"):
        pick(str(tmp_path / "none"), 3)
    with pytest.raises(TrailError, match=r"cannot read the trail .*: Is a directory"):
        pick(str(tmp_path), 3)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    with path.open("wb") as file:
        for seq in range(20_000):
            file.write(lines(act(seq % 7, "deny", why="w" * 500))[0])
        file.write(b"x" * 5_000_000)
    pick(str(path), 3)
    tracemalloc.start()
    try:
        pick(str(path), 3)
        pick(str(path), "last")
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
