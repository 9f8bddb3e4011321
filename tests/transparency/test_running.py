"""The runner tells what a guard changes from what it does not, and comes to an end."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.isolation import missing
from tests.transparency import bounded
from tests.transparency.differences import KNOWN, WALLED, known, unexpected
from tests.transparency.running import BARE, GUARDED, HANGS, INJECTED, NO_WALL, RUN, Ended, Suite, compare

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "transparency.md"


@pytest.fixture(autouse=True)
def isolation() -> None:
    if missing():
        pytest.skip(missing())


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "STANDSTILL", 3)


@pytest.mark.kernel
def test_the_wall_is_tried_where_there_is_one() -> None:
    assert RUN in GUARDED


def test_what_differs_is_told() -> None:
    found = compare(Suite(sys.executable, "noticing.Noticing"))
    assert len(found.tests) == 5
    for mode in GUARDED:
        told = {one.test.rpartition(".")[2]: (one.bare.outcome, one.guarded.outcome) for one in found.differences[mode]}
        assert told == {
            "test_that_fails_under_guard": ("passed", "failed"),
            "test_that_fails_under_guard_when_not_alone": ("passed", "failed"),
        }


class Played:
    """A suite of one test that fails in the given mode for so many runs."""

    def __init__(self, mode: str, fails: int) -> None:
        self.mode, self.fails = mode, fails

    def run(self, mode: str, only: Sequence[str] = ()) -> dict[str, Ended]:
        if mode != self.mode:
            return {"test": Ended("passed", "")}
        self.fails -= 1
        return {"test": Ended("passed" if self.fails < 0 else "failed", "")}


PLAYS = [(NO_WALL, 1, 0), (NO_WALL, 3, 0), (BARE, 2, 0), (NO_WALL, 99, 1), (BARE, 99, 1)]


@pytest.mark.parametrize(("mode", "fails", "told"), PLAYS)
def test_only_what_differs_each_time_is_a_difference(mode: str, fails: int, told: int) -> None:
    assert len(compare(Played(mode, fails)).differences[NO_WALL]) == told  # type: ignore[arg-type]


@pytest.mark.usefixtures("impatience")
def test_a_test_that_hangs_or_kills_holds_up_no_other() -> None:
    found = Suite(sys.executable, "noticing.Hanging").run(BARE)
    outcomes = {name.rpartition(".")[2]: ended.outcome for name, ended in found.items() if "Hanging" in name}
    assert outcomes == {"test_1_hangs": HANGS, "test_2_kills": HANGS, "test_3_passes": "passed"}


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("end", ["sleep 1; exit 3", "sleep 600"])
def test_nothing_is_left_behind(end: str, tmp_path: Path) -> None:
    """Also not what has a session of its own."""
    command = ["sh", "-c", f"setsid sh -c 'echo $$ > left; exec sleep 600' & while ! [ -s left ]; do :; done; {end}"]
    left = tmp_path / "left"
    status = bounded.run(command, tmp_path, os.environ, tmp_path / "output", lambda: None)
    assert status == (bounded.HUNG if end == "sleep 600" else 3)
    pid = int(left.read_text())
    until = time.monotonic() + 10
    while alive(pid):  # what was killed takes a moment to end
        assert time.monotonic() < until


def alive(pid: int) -> bool:
    """Whether it runs: what was killed and nobody waits for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def test_the_table_is_strict() -> None:
    table = {"one": "why", "some.Class": "why"}
    tests = frozenset(("one", "some.Class.first", "some.Class.second", "some.Classes", "new"))
    assert unexpected(["one", "some.Class.second"], tests, table) == {}
    assert list(unexpected(["one", "some.Class.first", "some.Classes"], tests, table)) == ["some.Classes"]
    assert list(unexpected([], tests, table)) == ["one", "some.Class"]
    assert unexpected([], frozenset(("new",)), table) == {}


def test_what_differs_behind_the_wall_is_for_the_wall_alone() -> None:
    assert set(known(RUN)) - set(known(INJECTED)) == set(WALLED)


def sections() -> Iterator[tuple[str, str]]:
    """(heading, what stands below it) of the page."""
    for section in PAGE.read_text("utf-8").split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        yield heading, text


def test_the_page_says_which_tests_notice_what() -> None:
    said = {(name, heading) for heading, text in sections() for name in re.findall(r"`(test_\w+|\w+Test)`", text)}
    assert said == {(name.rpartition(".")[2], heading) for name, heading in {**KNOWN, **WALLED}.items()}
