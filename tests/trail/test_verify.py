"""The verifier: finds every change to a small trail, calls no whole trail broken, and survives any bytes."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path

import pytest

from netguard.commands import verify as command
from netguard.errors import TrailError
from netguard.record import line
from netguard.record.keys import NO_LINE
from netguard.trail.verify import verify
from netguard.trail.writer import open_trail


def make(path: Path, runs: int = 1, acts: int = 4) -> bytes:
    """A small trail, whole and closed."""
    for number in range(runs):
        writer = open_trail(str(path), f"run-{number}")
        writer.write({"kind": "coverage", "netguard": "0"})
        for port in range(acts):
            writer.write({"kind": "connect", "verdict": "log", "rule": "r", "why": "w", "dst": {"port": port}})
            writer.write({"kind": "result", "of": writer.seq - 1, "errno": 0})
        writer.close({"exit": 0})
    return path.read_bytes()


def chain(*records: dict[str, object]) -> bytes:
    """Lines that chain rightly, whatever they say."""
    body, prev = b"", NO_LINE
    for seq, record in enumerate(records):
        one = line.encode({"v": 1, "seq": seq, "prev": prev, "ts": "t", "run": "r", **record})
        prev = line.leaf(one)
        body += one + b"\n"
    return body


COVERAGE: dict[str, object] = {"kind": "coverage"}


def test_a_whole_trail_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    make(path, runs=2)
    report = verify(str(path))
    assert report.whole
    assert (report.first_bad, report.unclosed, report.torn, report.tail, report.lines) == (None, 0, 0, 0, 20)
    assert report.runs == ("run-0", "run-1")
    assert [(each.run, each.lines, each.closed) for each in report.chains] == [("run-0", 10, True), ("run-1", 10, True)]
    assert report.chains[0].first <= report.chains[0].last


def test_chains_may_be_interleaved(tmp_path: Path) -> None:
    a = chain(COVERAGE, {"kind": "dns"}, {"kind": "close"}).splitlines(keepends=True)
    b = chain({**COVERAGE, "chain": "c"}, {"kind": "close", "chain": "c"}).splitlines(keepends=True)
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"".join([a[0], b[0], a[1], b[1], a[2]]))
    assert verify(str(path)).whole


def test_a_change_of_any_byte_is_found(tmp_path: Path) -> None:
    """One bit and one whole byte, at each place. Only the last line's own text has no line after it that names it."""
    path = tmp_path / "t.jsonl"
    raw = make(path, acts=1)
    last = raw[:-1].rfind(b"\n") + 1
    for place in range(len(raw)):
        for change in (0x01, 0x80):
            path.write_bytes(raw[:place] + bytes([raw[place] ^ change]) + raw[place + 1 :])
            report = verify(str(path))
            if place < last:
                assert report.first_bad, (place, change)


def test_a_change_of_the_last_line_is_found_if_the_line_says_so(tmp_path: Path) -> None:
    """Nothing pins the last line: its place in the chain does, its own words do not. The reference says so."""
    path = tmp_path / "t.jsonl"
    raw = make(path, acts=1)
    start = raw[:-1].rfind(b"\n") + 1
    for key in (b'"v":1', b'"seq":3', b'"prev":"', b'"kind":"', b'"run":"'):
        place = raw.index(key, start) + len(key) - 1
        path.write_bytes(raw[:place] + b"\0" + raw[place + 1 :])
        assert not verify(str(path)).whole


def test_a_cut_anywhere_is_found_or_reported(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    raw = make(path, acts=1)
    for end in range(len(raw)):
        path.write_bytes(raw[:end])
        report = verify(str(path))
        if end and raw[end - 1 : end] == b"\n":
            assert report.whole
            assert report.unclosed == 1
        else:
            assert report.first_bad, end
            assert end == 0 or report.tail == len(raw[:end].rpartition(b"\n")[2])


def test_a_cut_in_a_live_trail_is_a_tail(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    raw = make(path, acts=1)
    path.write_bytes(raw[:-5])
    report = verify(str(path), live=True)
    assert report.whole
    assert (report.unclosed, report.lines) == (1, 3)
    assert report.tail > 0


def test_a_dropped_doubled_or_swapped_line_is_found(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    lines = make(path).splitlines(keepends=True)
    for at in range(len(lines)):
        dropped = lines[:at] + lines[at + 1 :]
        path.write_bytes(b"".join(dropped))
        report = verify(str(path))
        assert report.first_bad or (at == len(lines) - 1 and report.unclosed == 1)
        path.write_bytes(b"".join(lines[: at + 1] + lines[at:]))
        assert verify(str(path)).first_bad == (at + 2, reason(verify(str(path)).first_bad))
        for other in range(at):
            swapped = list(lines)
            swapped[at], swapped[other] = swapped[other], swapped[at]
            path.write_bytes(b"".join(swapped))
            assert verify(str(path)).first_bad, (at, other)


def reason(bad: tuple[int, str] | None) -> str:
    return bad[1] if bad else ""


@pytest.mark.parametrize(
    ("raw", "number", "says"),
    [
        (b"", 1, "no run"),
        (b"\n", 1, "not a line"),
        (b"{}\n", 1, "no version"),
        (chain({**COVERAGE, "v": 2}), 1, "version 2; this netguard reads version 1"),
        (chain({**COVERAGE, "v": True}), 1, "no version"),
        (chain({**COVERAGE, "v": 0}), 1, "no version"),
        (chain({"kind": "dns"}), 1, "begins with its coverage"),
        (chain(COVERAGE, COVERAGE), 2, "coverage again"),
        (chain(COVERAGE, {"kind": "close"}, {"kind": "dns"}), 3, "after its chain's close"),
        (chain(COVERAGE, {"kind": "result", "of": 1}), 2, "result of line 1"),
        (chain(COVERAGE, {"kind": "result", "of": -1}), 2, "result of line -1"),
        (chain(COVERAGE, {"kind": "result", "of": True}), 2, "result of line"),
        (chain(COVERAGE, {"kind": "result"}), 2, "result of line"),
        (chain(COVERAGE, {"kind": "dns", "seq": 5}), 2, "seq is 5, 1 expected"),
        (chain(COVERAGE, {"kind": "dns", "prev": "0"}), 2, "prev does not match"),
        (chain(COVERAGE, {"kind": 7}), 2, "lacks seq, run or kind"),
        (chain(COVERAGE, {"kind": "dns", "run": None}), 2, "lacks seq, run or kind"),
        (chain({**COVERAGE, "chain": 3}), 1, "chain is not a name"),
        (b"junk\n" + chain(COVERAGE, {"kind": "dns"}), 1, "no tamper line accounts"),
        (chain(COVERAGE) + b"junk\n", 2, "no tamper line accounts"),
        (chain(COVERAGE) + b"x" * 70_000 + b"\n", 2, "longer than 65535 bytes"),
        (chain(COVERAGE) + b"x" * 65_535 + b"\n", 2, "longer than 65535 bytes"),
        (chain(COVERAGE) + b"junk", 2, "4 bytes without a line feed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path: Path, raw: bytes, number: int, says: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(raw)
    report = verify(str(path))
    assert not report.whole
    assert report.first_bad
    assert report.first_bad[0] == number
    assert says in report.first_bad[1]


def test_a_torn_line_is_excused_by_the_tamper_line_that_names_it(tmp_path: Path) -> None:
    torn = line.torn_hash(b'{"v":1,"se')
    named: dict[str, object] = {"kind": "tamper", "event": "trail.torn", "torn": torn, "why": "w"}
    a = chain(COVERAGE, named, {"kind": "close"}).splitlines(keepends=True)
    path = tmp_path / "t.jsonl"
    path.write_bytes(a[0] + b'{"v":1,"se\n' + a[1] + a[2])
    assert verify(str(path)).torn == 1
    assert verify(str(path)).whole
    path.write_bytes(a[0] + b'{"v":1,"SE\n' + a[1] + a[2])
    assert verify(str(path)).first_bad == (2, "not a line of a trail, and no tamper line accounts for it")


def test_one_change_is_one_complaint_about_the_right_line(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    raw = make(path)
    path.write_bytes(raw.replace(b'"port":2', b'"port":3'))
    assert verify(str(path)).first_bad == (7, "prev does not match the line before")


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(TrailError, match="cannot read"):
            verify(str(path))


# The command


def run(*argv: str) -> int:
    parser = ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(argv))


def test_the_command_says_whole_and_what_that_is_worth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "t.jsonl")
    assert run(str(tmp_path / "t.jsonl")) == 0
    out = capsys.readouterr().out
    assert out.startswith("whole: 1 run, 10 lines, closed\n")
    assert "self-attested" in out


def test_the_command_shows_the_first_wrong_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = make(tmp_path / "t.jsonl")
    (tmp_path / "t.jsonl").write_bytes(raw.replace(b'"port":2', b'"port":3'))
    assert run(str(tmp_path / "t.jsonl")) == 1
    assert capsys.readouterr().out.startswith("broken: line 7: prev does not match the line before\n")


def test_the_command_reports_a_missing_close(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.jsonl").write_bytes(chain({**COVERAGE, "run": "a\x1b[2Jb"}))
    assert run(str(tmp_path / "t.jsonl")) == 0
    out = capsys.readouterr().out
    assert out.startswith("whole: 1 run, 1 line, not closed\n")
    assert "no close line: a\\x1b[2Jb (still running, killed, or cut off at the end of a line)" in out


def test_the_command_gives_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "t.jsonl")
    assert run(str(tmp_path / "t.jsonl"), "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["whole"], shown["first_bad"], shown["lines"], shown["grade"]) == (True, None, 10, "self-attested")
    assert shown["runs"] == ["run-0"]
    assert shown["chains"][0]["run"] == "run-0"
    (tmp_path / "t.jsonl").write_bytes(b"junk\n")
    assert run(str(tmp_path / "t.jsonl"), "--json") == 1
    assert json.loads(capsys.readouterr().out)["first_bad"]["line"] == 1


def test_the_command_ends_with_2_for_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TrailError) as caught:
        run(str(tmp_path / "nothing"))
    assert caught.value.exit_code == 2
