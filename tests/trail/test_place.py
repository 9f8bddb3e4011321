"""Which file a person means by a word, and what is said where it means none or several."""

from __future__ import annotations

from pathlib import Path

import pytest

from netguard.errors import TrailError
from netguard.trail.place import trail_of

OLD, NEW, BARE = "01M8F4QBHDYAJC6TK8MM7SYKMG", "01M8F9NMSB3JJKM8B7R9FPTPZX", "01M8FZZZZZZZZZZZZZZZZZZZZZ"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of runs: an old one, a newer one, and one that wrote its trail elsewhere."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "netguard" / "runs"
    for name in (OLD, NEW, BARE):
        (runs / name).mkdir(parents=True)
    for name in (OLD, NEW):
        (runs / name / "trail.jsonl").touch()
    return runs


def test_no_word_is_the_newest_run_that_has_a_trail(folder: Path) -> None:
    assert trail_of() == str(folder / NEW / "trail.jsonl")


def test_names_that_are_no_run_are_not_the_newest(folder: Path) -> None:
    """Whoever may write into the folder cannot put a name there that is after all others."""
    for name in ("~", "zz", "ZZZZZZZZZZZZZZZZZZZZZZZZZZZ", "UUUUUUUUUUUUUUUUUUUUUUUUUU"):
        (folder / name).mkdir()
        (folder / name / "trail.jsonl").touch()
    assert trail_of() == str(folder / NEW / "trail.jsonl")


@pytest.mark.parametrize("word", [NEW, NEW[:6], NEW[:6].lower()])
def test_run_is_named_by_a_beginning(folder: Path, word: str) -> None:
    assert trail_of(word) == str(folder / NEW / "trail.jsonl")


def test_file_or_folder_comes_before_a_run_of_that_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "01M8F4").touch()
    (tmp_path / "kept").mkdir()
    assert trail_of("01M8F4") == "01M8F4"
    assert trail_of("kept") == "kept/trail.jsonl"
    assert trail_of(str(folder / OLD)) == str(folder / OLD / "trail.jsonl")


@pytest.mark.parametrize("word", ["none.jsonl", "./01M8", "/none/01M8", "trail"])
def test_what_can_be_no_run_is_a_file(folder: Path, word: str) -> None:
    assert trail_of(word) == word


def test_several_runs_are_named_newest_first(folder: Path) -> None:
    with pytest.raises(TrailError, match=f"3 runs begin with 01m8: {BARE}, {NEW}, {OLD}$"):
        trail_of("01m8")
    for number in range(4):
        (folder / f"01M8A{number:021}").mkdir()
    with pytest.raises(TrailError, match=r"7 runs .* and 2 more$"):
        trail_of("01M8")


def test_no_such_run_is_told(folder: Path) -> None:
    with pytest.raises(TrailError, match=f"no file 02AB here, and no run that begins so in {folder}"):
        trail_of("02AB")


def test_no_run_at_all_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(TrailError, match=r"no run with a trail in .*; name a file"):
        trail_of()
