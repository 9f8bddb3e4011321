"""A granted start is found once, by who asked or who was forked, and stands for nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netguard.supervisor import announced
from netguard.supervisor.announced import Announced, Granted
from netguard.supervisor.surroundings import Surroundings

START = ("/bin/true", ("true", "a"))
NONE: frozenset[str] = frozenset()


def known(uncovered: frozenset[str] = NONE, seq: int = 7) -> Announced:
    found = Announced()
    found.grant(10, START, Granted(5.0, uncovered, seq))
    return found


@pytest.mark.parametrize(
    ("pids", "start", "uncovered", "now", "taken"),
    [
        ([10], START, NONE, 1.0, True),
        ([11, 10], START, NONE, 1.0, True),
        ([11], START, NONE, 1.0, False),
        ([10], ("/bin/false", START[1]), NONE, 1.0, False),
        ([10], (START[0], ("true", "b")), NONE, 1.0, False),
        ([10], (START[0], ("true a",)), NONE, 1.0, False),
        ([10], START, frozenset(["LD_PRELOAD"]), 1.0, False),
        ([10], START, NONE, 5.0, False),
    ],
)
def test_grant_is_for_this_start_alone(
    pids: list[int], start: tuple[str, tuple[str, ...]], uncovered: frozenset[str], now: float, taken: bool
) -> None:
    found = known()
    assert (found.take(pids, start, uncovered, now) is not None) == taken
    assert (found.take([10], START, NONE, 1.0) is None) == taken, "it is used up, or still there"


def test_what_was_told_to_speak_against_the_guard_may_be_less_in_the_end() -> None:
    assert known(frozenset(["-I", "LD_PRELOAD"])).take([10], START, frozenset(["-I"]), 1.0)


def test_shells_end_of_options_is_the_c_librarys() -> None:
    found = Announced()
    found.grant(10, ("/bin/dash", ("sh", "-c", "x")), Granted(5.0, NONE, 1))
    assert found.take([10], ("/bin/dash", ("sh", "-c", "--", "x")), NONE, 1.0)
    found.grant(10, ("/bin/dash", ("sh", "-c", "--", "x")), Granted(5.0, NONE, 1))
    assert found.take([10], ("/bin/dash", ("sh", "-c", "--", "x")), NONE, 1.0)
    assert not found.known


def test_no_more_is_kept_than_a_run_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announced, "MAX_KNOWN", 4)
    monkeypatch.setattr(announced, "MAX_SAME", 3)
    found = Announced()
    for number in range(20):
        found.grant(10, START, Granted(5.0, NONE, number))
    assert [one.seq for one in found.known[(10, *announced.digest(START))]] == [17, 18, 19]
    for number in range(20):
        found.grant(number, START, Granted(5.0, NONE, 1))
    assert len(found.known) <= 4
    found.sweep(9.0)
    assert not found.known


# The environments of what starts

RUN = {"PYTHONPATH": "/starter", "NETGUARD_CHANNEL": "@a", "NETGUARD_RUN": "r", "LD_LIBRARY_PATH": "/own"}
BASE = [f"{name}={value}".encode() for name, value in RUN.items()]


@pytest.mark.parametrize(
    ("environ", "new", "leads"),
    [
        (BASE, [], True),
        ([], [], False),
        ([*BASE[1:], b"PYTHONPATH=/starter:/x"], [], True),
        ([*BASE[1:], b"PYTHONPATH=/x:/starter"], [], False),
        ([*BASE, b"PYTHONPATH=/x"], [], False),
        ([*BASE, b"PYTHONPYCACHEPREFIX=/x"], [], False),
        ([*BASE, b"PYTHONPYCACHEPREFIX="], [], True),
        ([*BASE, b"LD_PRELOAD=/x"], ["LD_PRELOAD"], True),
        ([*BASE, b"LD_PRELOAD="], [], True),
        ([*BASE, b"LD_LIBRARY_PATH=/x"], ["LD_LIBRARY_PATH"], True),
        ([*BASE[:3], b"LD_LIBRARY_PATH=/x"], ["LD_LIBRARY_PATH"], True),
        ([b"NETGUARD_CHANNEL=@b", *BASE[2:]], ["NETGUARD_CHANNEL"], True),
        ([b"=", b"x", b"\xff=\xff", *BASE], [], True),
    ],
)
def test_environment_is_read_as_what_starts_reads_it(environ: list[bytes], new: list[str], leads: bool) -> None:
    carried, names, found = Surroundings(RUN).against(environ, os.getpid())
    assert (names, found) == (new, leads)
    assert bool(carried) == bool(new)


def test_what_a_process_was_started_with_is_not_new_below_it(tmp_path: Path) -> None:
    about = Surroundings(RUN)
    environ = [*BASE, b"LD_PRELOAD=/x"]
    carried, new, _ = about.against(environ, os.getpid())
    assert new
    about.starts(os.getppid(), carried)
    assert about.against(environ, os.getpid())[1] == []
    assert about.against([*BASE, b"LD_PRELOAD=/y"], os.getpid())[1] == ["LD_PRELOAD"]
    about.starts(os.getppid(), frozenset())
    assert about.against(environ, os.getpid())[1] == ["LD_PRELOAD"]
    about.starts(os.getpid(), frozenset([(b"LD_PRELOAD", b"x" * 5_000)]))
    assert not about.brought
    about.brought[os.getpid()] = 1, carried  # of an earlier process of that number
    assert about.against(environ, os.getpid())[1] == ["LD_PRELOAD"]
