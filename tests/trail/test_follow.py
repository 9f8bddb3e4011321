"""A trail is read while it grows: whole lines only, each once, and whatever else stands there does no harm."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from netguard.errors import TrailError
from netguard.trail import follow
from netguard.trail.follow import Follow
from netguard.trail.writer import open_trail


def seqs(trail: Follow) -> list[object]:
    return [record.get("seq") for record, _ in trail.more()]


def add(path: Path, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


def test_lines_of_a_real_writer_come_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    trail = Follow(str(path))
    assert (seqs(trail), trail.left) == ([], 0)
    writer = open_trail(str(path), "one")
    writer.write({"kind": "coverage"})
    assert seqs(trail) == [0]
    writer.write({"kind": "connect", "verdict": "log"})
    writer.close({"exit": 0})
    assert seqs(trail) == [1, 2]
    assert (seqs(trail), trail.unreadable, trail.behind, trail.ended) == ([], 0, False, False)


def test_sizes_are_those_of_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "t"
    add(path, b'{"seq":1}\n{"seq":22}\n')
    assert [size for _, size in Follow(str(path)).more()] == [9, 10]


def test_unfinished_line_waits_for_its_rest(tmp_path: Path) -> None:
    path = tmp_path / "t"
    add(path, b'{"seq":0}\n{"se')
    trail = Follow(str(path))
    assert seqs(trail) == [0]
    add(path, b'q":1}')
    assert seqs(trail) == []
    add(path, b'\n\n{"seq":2}\n')
    assert (seqs(trail), trail.unreadable) == ([1, 2], 0)


def test_what_is_no_record_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "t"
    add(path, b'nonsense\n[1]\n"x"\n\xff\n{"seq":1}\n' + b"[" * 60_000 + b"\n")
    trail = Follow(str(path))
    assert (seqs(trail), trail.unreadable) == ([1], 5)


def test_over_long_line_is_one_unreadable_line_however_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "t"
    trail = Follow(str(path))
    for _ in range(5):
        add(path, b"x" * 50_000)
        assert seqs(trail) == []
        assert len(trail.rest) < 65_536
    add(path, b'\n{"seq":1}\n')
    assert (seqs(trail), trail.unreadable) == ([1], 1)
    add(path, b'{"a":"' + b"y" * 70_000 + b'"}\n{"seq":2}\n')
    assert (seqs(trail), trail.unreadable) == ([2], 2)


def test_one_call_reads_a_bounded_piece_and_says_that_there_is_more(tmp_path: Path) -> None:
    path = tmp_path / "t"
    line = b'{"seq":7}\n'
    count = 3 * follow.PIECE // len(line)
    add(path, line * count)
    trail = Follow(str(path))
    assert len(trail.more()) <= follow.PIECE // len(line)
    assert trail.behind
    assert trail.left > follow.PIECE
    found = 0
    while trail.behind:
        found += len(trail.more())
    assert (found > count // 2, trail.left) == (True, 0)


def test_reading_begins_where_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t"
    add(path, b'{"seq":0}\n')
    trail = Follow(str(path), start=path.stat().st_size)
    add(path, b'{"seq":5}\n')
    assert seqs(trail) == [5]


def test_file_that_was_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "t"
    add(path, b'{"seq":0}\n{"seq":1}\n')
    trail = Follow(str(path))
    assert (seqs(trail), trail.shrunk) == ([0, 1], False)
    os.truncate(path, 5)
    assert (seqs(trail), trail.shrunk) == ([], True)


def test_stream_ends(tmp_path: Path) -> None:
    read, write = os.pipe()
    try:
        trail = Follow(f"/dev/fd/{read}")
        assert (seqs(trail), trail.ended, trail.left) == ([], False, 0)
        os.write(write, b'{"seq":0}\n{"seq"')
        assert seqs(trail) == [0]
        os.write(write, b":1}\n")
        assert (seqs(trail), trail.ended) == ([1], False)
        os.close(write)
        assert (seqs(trail), trail.ended, seqs(trail)) == ([], True, [])
        trail.close()
        trail.close()
    finally:
        os.close(read)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_descriptor_that_is_shared_keeps_its_mode() -> None:
    """O_NONBLOCK belongs to the open file, and so to every process that has it."""
    read, write = os.pipe()
    try:
        seqs(Follow(f"/dev/fd/{read}"))
        assert os.get_blocking(read)
    finally:
        os.close(read)
        os.close(write)


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrailError, match="is a folder"):
        Follow(str(tmp_path)).more()


def test_file_that_may_not_be_read_is_an_error() -> None:
    with pytest.raises(TrailError, match="cannot read the trail"):
        Follow("/proc/self/mem").more()
