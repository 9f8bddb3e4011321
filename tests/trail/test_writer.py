"""The writer: a returned number is a line on disk, and whatever goes wrong is a refusal and a `tamper` line."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from netguard.errors import TrailError
from netguard.record import line
from netguard.record.chain import MIN_BYTES, RESERVE
from netguard.trail import encoder, sink
from netguard.trail.redact import Redactor
from netguard.trail.verify import verify
from netguard.trail.writer import Writer, open_stream, open_trail

COVERAGE: dict[str, object] = {"kind": "coverage", "netguard": "0"}
ACT: dict[str, object] = {"kind": "connect", "verdict": "log", "rule": "r", "why": "w", "dst": {"host": "h", "port": 1}}


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(one) for one in path.read_bytes().splitlines()]


def until_refused(writer: Writer, most: int) -> str:
    for _ in range(most):
        try:
            writer.write(ACT)
        except TrailError as error:
            return str(error)
    return "never refused"


def started(path: Path, run: str = "one", **options: object) -> Writer:
    writer = open_trail(str(path), run, **options)  # type: ignore[arg-type]
    assert writer.write(COVERAGE) == 0
    return writer


def test_lines_form_a_chain(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    writer = started(path)
    assert [writer.write(ACT), writer.write({"kind": "result", "of": 1}), writer.close({"exit": 0})] == [1, 2, 3]
    raw = path.read_bytes().split(b"\n")[:-1]
    assert [json.loads(one)["kind"] for one in raw] == ["coverage", "connect", "result", "close"]
    for before, after in pairwise(raw):
        assert json.loads(after)["prev"] == hashlib.sha256(b"\0" + before).hexdigest()
    assert json.loads(raw[0])["prev"] == "0" * 64
    assert verify(str(path)).whole


def test_a_line_says_who_wrote_it_and_when(tmp_path: Path) -> None:
    ticks = iter([1_000_000_000_123_456_789, 1_000_000_000_999_999_999, 1_000_000_001_000_000_000, 999_000_000])
    path = tmp_path / "t.jsonl"
    writer = open_trail(str(path), "run-1", clock=lambda: next(ticks), mono=lambda: 77)
    for record in (COVERAGE, ACT, ACT):
        writer.write(record)
    writer.close({})
    shown = lines_of(path)
    assert [one["ts"] for one in shown] == [
        "2001-09-09T01:46:40.123456Z", "2001-09-09T01:46:40.999999Z", "2001-09-09T01:46:41.000000Z",
        "1970-01-01T00:00:00.999000Z",
    ]  # fmt: skip
    assert list(shown[1])[:7] == ["v", "seq", "prev", "ts", "mono_ns", "run", "kind"]
    assert shown[1]["mono_ns"] == 77
    assert shown[1]["run"] == "run-1"


def test_keys_stand_in_the_contracts_order_and_the_writers_own_win(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    writer = started(path)
    own = {"seq": 99, "prev": "x", "run": "other", "v": 7}
    writer.write({"zeta": 1, "why": "w", "verdict": "log", **own, "kind": "dns"})
    shown = lines_of(path)[1]
    assert list(shown) == ["v", "seq", "prev", "ts", "mono_ns", "run", "kind", "verdict", "why", "zeta"]
    assert (shown["v"], shown["seq"], shown["run"]) == (1, 1, "one")


def test_a_chain_is_named_where_a_run_has_several(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    writer = started(path, chain="4242-17")
    writer.close({})
    assert {one["chain"] for one in lines_of(path)} == {"4242-17"}
    assert verify(str(path)).chains[0].chain == "4242-17"


def test_credentials_never_reach_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    writer = started(path, redactor=Redactor(["very-secret-value"]))
    token = "ghp_" + "a1" * 18
    for _ in range(2):  # the second time from memory
        proc = {"argv": ["x", "--password", "hunter2"], "cwd": "/very-secret-value"}
        writer.write({**ACT, "why": f"{token}", "proc": proc})
    writer.write({**ACT, "why": "x" * 5_000 + token, "tags": {"a": "\udcff" + token}})  # the long way round
    text = path.read_text()
    assert not re.search("ghp_|hunter2|very-secret-value", text)
    assert verify(str(path)).whole


def test_odd_and_long_text_makes_no_line_fail(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    writer = started(path)
    for text in ("\udcff", "\x00\x1b\u2028\x85", "x" * 1_000_000, "\U0001f600" * 50_000):
        writer.write({**ACT, "why": text, "exec": {"argv": [text] * 40}})
    writer.close({"reason": "\udcff" * 100_000})
    assert verify(str(path)).whole
    assert max(len(one) for one in path.read_bytes().splitlines(keepends=True)) < line.MAX_LINE


def test_the_file_is_private_and_closed_in_children(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        writer = started(tmp_path / "t.jsonl")
    finally:
        os.umask(old)
    assert (tmp_path / "t.jsonl").stat().st_mode & 0o777 == 0o600
    assert not os.get_inheritable(writer.sink.fd)


def test_a_chain_begins_with_its_coverage_and_has_one(tmp_path: Path) -> None:
    writer = open_trail(str(tmp_path / "t.jsonl"), "one")
    with pytest.raises(TrailError, match="coverage"):
        writer.write(ACT)
    writer.write(COVERAGE)
    with pytest.raises(TrailError, match="coverage"):
        writer.write(COVERAGE)
    assert writer.write(ACT) == 1


def test_nothing_is_written_after_close(tmp_path: Path) -> None:
    writer = started(tmp_path / "t.jsonl")
    assert writer.close({}) == 1
    assert writer.close({}) == 1
    with pytest.raises(TrailError, match="closed"):
        writer.write(ACT)


def test_a_second_run_is_added_to_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    started(path, "one").close({})
    started(path, "two").close({})
    report = verify(str(path))
    assert report.whole
    assert report.runs == ("one", "two")


def test_a_second_writer_at_the_same_time_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    first = started(path)
    with pytest.raises(TrailError, match="another run"):
        open_trail(str(path), "two")
    assert first.write(ACT) == 1
    first.close({})
    started(path, "two").close({})
    assert verify(str(path)).whole


@pytest.mark.parametrize("kind", ["symlink", "dangling", "hard link", "fifo", "folder", "no trail", "no folder"])
def test_what_is_no_file_of_its_own_is_refused(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "t.jsonl", tmp_path / "other"
    other.write_bytes(b"print('hello')\n")
    match kind:
        case "symlink":
            path.symlink_to(other)
        case "dangling":
            path.symlink_to(tmp_path / "nothing")
        case "hard link":
            os.link(other, path)
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "no trail":
            path = other
        case "no folder":
            path = tmp_path / "missing" / "t.jsonl"
    with pytest.raises(TrailError):
        open_trail(str(path), "one")
    assert other.read_bytes() == b"print('hello')\n"


TAMPERING = ["append", "append half a line", "truncate", "empty", "delete", "replace", "rename", "second name"]


@pytest.mark.parametrize("how", TAMPERING)
def test_another_hand_on_the_file_is_a_refusal(tmp_path: Path, how: str) -> None:
    path = tmp_path / "t.jsonl"
    now = iter(range(0, 10**12, sink.PATH_CHECK_NS))  # each look at the clock is as late as the path check needs
    writer = started(path, mono=lambda: next(now))
    writer.write(ACT)
    before = path.read_bytes()
    held = os.open(path, os.O_RDONLY)
    match how:
        case "append" | "append half a line":
            with path.open("ab") as file:
                file.write(b"{}\n" if how == "append" else b"{}")
        case "truncate":
            os.truncate(path, len(before) - 10)
        case "empty":
            os.truncate(path, 0)
        case "delete":
            path.unlink()
        case "replace":
            copy = tmp_path / "copy"
            copy.write_bytes(before)
            copy.replace(path)
        case "rename":
            path.rename(tmp_path / "moved")
        case "second name":
            os.link(path, tmp_path / "second")
    for _ in range(2):
        with pytest.raises(TrailError, match="no more lines"):
            writer.write(ACT)
    raw = os.pread(held, 100_000, 0)
    os.close(held)
    last = json.loads(raw.splitlines()[-1])
    assert (last["kind"], last["event"]) == ("tamper", "trail.changed")
    assert sum(b'"trail.changed"' in one for one in raw.splitlines()) == 1
    writer.close({})


def test_only_a_file_is_watched(tmp_path: Path) -> None:
    assert started(tmp_path / "t.jsonl").watched
    with (tmp_path / "out").open("wb") as out:
        writer = open_stream(out.fileno(), "one")
        assert not writer.watched
        writer.write(COVERAGE)
        os.write(out.fileno(), b"the guest's own print\n")
        assert writer.write(ACT) == 1
        writer.close({})
        os.fstat(out.fileno())  # a borrowed descriptor stays open
    assert [b'"v":' in one for one in (tmp_path / "out").read_bytes().splitlines()] == [True, False, True, True]


CHILD = """
import resource, sys
sys.path[:] = {path!r}
from netguard.errors import TrailError
from netguard.trail.writer import open_trail
writer = open_trail({file!r}, "one")
writer.write({{"kind": "coverage"}})
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
def limit(size): resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
act = {{"kind": "connect", "verdict": "log", "rule": "r", "why": "w" * 300}}
"""


def child(path: Path, program: str) -> None:
    """Run in an interpreter of its own: a limit on the size of files concerns everything in a process."""
    code = CHILD.format(path=sys.path, file=str(path)) + program
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_torn_line_is_denied_ended_and_named(tmp_path: Path) -> None:
    """RLIMIT_FSIZE lets the first bytes of a line through, as a disk that fills up does."""
    path = tmp_path / "t.jsonl"
    program = """
for room in (1, 100, 300):
    limit(writer.sink.size + room)
    for more in (0, 40):  # a line feed and then 39 bytes of the line that was to explain it
        limit(resource.getrlimit(resource.RLIMIT_FSIZE)[0] + more)
        try: writer.write(act)
        except TrailError: pass
        else: raise SystemExit("a torn line was taken for a whole one")
    limit(soft)
    assert writer.write(act) == writer.seq - 1
writer.close({})
"""
    child(path, program)
    report = verify(str(path))
    assert report.first_bad is None
    assert report.torn == 6
    raw = path.read_bytes().splitlines()
    torn = [one for one in raw if encoder.parse(one) is None]
    named = [json.loads(one)["torn"] for one in raw if b'"trail.torn"' in one]
    assert named == [hashlib.sha256(one).hexdigest() for one in torn]


def test_of_lines_written_together_those_that_arrived_whole_count(tmp_path: Path) -> None:
    """The next is ended and named, and those behind it never were."""
    path = tmp_path / "t.jsonl"
    program = """
whole = 0
for room in range(1, 1200, 41):
    limit(writer.sink.size + room)
    first = writer.seq
    try: assert writer.write_all([act] * 3) == first
    except TrailError: assert writer.seq < first + 3
    limit(soft)
    assert writer.write_all([act] * 2) == writer.seq - 2
    whole += writer.seq - first
assert whole > 100
writer.close({})
"""
    child(path, program)
    report = verify(str(path))
    assert report.first_bad is None
    raw = path.read_bytes().splitlines()
    torn = [one for one in raw if encoder.parse(one) is None]
    assert len(torn) == report.torn > 20
    named = [json.loads(one)["torn"] for one in raw if encoder.parse(one) is not None and b'"trail.torn"' in one]
    assert set(named) >= {hashlib.sha256(one).hexdigest() for one in torn}


def test_a_line_that_lacks_only_its_line_feed_is_denied_and_told(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    program = """
body = writer.line(act, 0)
limit(writer.sink.size + len(body))
writer.mono = lambda: 0
try: writer.write(act)
except TrailError: pass
else: raise SystemExit("taken for whole")
limit(soft)
assert writer.write(act) == 3, writer.seq
writer.close({})
"""
    child(path, program)
    assert verify(str(path)).first_bad is None
    assert [one["kind"] for one in lines_of(path)] == ["coverage", "connect", "tamper", "connect", "close"]
    assert "did not happen" in str(lines_of(path)[2]["why"])


def test_a_full_disk_denies_until_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    program = """
limit(writer.sink.size)
for _ in range(3):
    try: writer.write(act)
    except TrailError as error: assert "large" in str(error), error
    else: raise SystemExit("written to a full disk")
limit(soft)
assert writer.write(act) == 1
writer.close({})
"""
    child(path, program)
    assert verify(str(path)).whole
    assert verify(str(path)).torn == 0


def test_dev_full_takes_no_line() -> None:
    writer = open_trail("/dev/full", "one")
    with pytest.raises(TrailError, match="No space"):
        writer.write(COVERAGE)
    with pytest.raises(TrailError, match="No space"):
        writer.close({})


def test_a_torn_first_line_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    program = """
writer.close({})
writer = open_trail(%r, "two")
limit(writer.sink.size + 20)
try: writer.write({"kind": "coverage"})
except TrailError: pass
else: raise SystemExit("taken for whole")
limit(soft)
assert writer.write({"kind": "coverage"}) == 0
assert writer.write(act) == 2
writer.close({})
""" % str(path)  # fmt: skip  # noqa: UP031  # the program has braces of its own
    child(path, program)
    report = verify(str(path))
    assert (report.first_bad, report.torn, len(report.runs)) == (None, 1, 2)


def test_a_line_that_a_dead_run_left_unfinished_is_ended_and_named(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    writer = started(path)
    writer.write(ACT)
    writer.sink.close()
    os.truncate(path, path.stat().st_size - 40)
    writer = started(path, "two")
    writer.write(ACT)
    writer.close({})
    report = verify(str(path))
    assert (report.first_bad, report.torn, report.unclosed) == (None, 1, 1)


def test_a_full_trail_denies_and_still_closes(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    writer = started(path, max_bytes=MIN_BYTES)
    refused = until_refused(writer, 10_000)
    assert "full" in refused
    with pytest.raises(TrailError, match="full"):
        writer.write({"kind": "count"})  # however short: what is on record must not depend on a line's length
    assert path.stat().st_size > MIN_BYTES - RESERVE - 1_000
    writer.close({"reason": "x" * 100_000})
    assert path.stat().st_size <= MIN_BYTES
    report = verify(str(path))
    assert report.whole
    assert not report.unclosed


def test_a_bound_that_leaves_no_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrailError, match="at least"):
        open_trail(str(tmp_path / "t.jsonl"), "one", max_bytes=1_000)
    open_trail(str(tmp_path / "t.jsonl"), "one")  # and the file was let go


def test_a_pipe_takes_whole_lines_however_slowly_it_is_read() -> None:
    reader, end = os.pipe()
    os.set_blocking(end, False)
    got = bytearray()

    def read() -> None:
        while piece := os.read(reader, 1_000):
            got.extend(piece)

    thread = threading.Thread(target=read)
    thread.start()
    writer = open_stream(end, "one")
    writer.write(COVERAGE)
    for _ in range(200):
        writer.write({**ACT, "why": "x" * 3_000})
    writer.write({**ACT, "exec": {"argv": ["x" * 4_000] * 14}})
    writer.close({})
    os.close(end)
    thread.join()
    os.close(reader)
    assert got.count(b"\n") == 203
    assert all(encoder.parse(bytes(one)) for one in got.splitlines())


def test_a_pipe_that_nobody_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "STREAM_WAIT_MS", 50)
    reader, end = os.pipe()
    writer = open_stream(end, "one")
    writer.write(COVERAGE)
    assert "nobody read" in until_refused(writer, 1_000)
    os.close(reader)
    with pytest.raises(TrailError, match="Broken pipe"):
        writer.write(ACT)
    os.close(end)


def test_a_socket_takes_lines() -> None:
    here, there = socket.socketpair()
    with here, there:
        writer = open_stream(here.fileno(), "one")
        writer.write(COVERAGE)
        writer.close({})
        assert there.recv(10_000).count(b"\n") == 2


def test_a_descriptor_that_is_not_open_is_refused() -> None:
    with pytest.raises(TrailError, match="descriptor 987"):
        open_stream(987, "one")


@pytest.mark.parametrize("rounds", range(5))
def test_killing_the_writer_loses_no_line_that_it_reported(tmp_path: Path, rounds: int) -> None:
    """Each number is told to this process only after `write` returned it; then the writer is killed at any moment."""
    path = tmp_path / "t.jsonl"
    code = CHILD.format(path=sys.path, file=str(path)) + "while True: print(writer.write(act), flush=True)\n"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    told = [int(process.stdout.readline()) for _ in range(20 + 37 * rounds)]
    process.send_signal(signal.SIGKILL)
    told += [int(one) for one in process.stdout.read().split("\n")[:-1]]
    process.wait()
    process.stdout.close()
    report = verify(str(path), live=True)
    assert report.first_bad is None
    assert report.lines > told[-1]
    assert report.unclosed == 1
    assert told == list(range(1, told[-1] + 1))
