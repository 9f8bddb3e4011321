"""Runs tests bare and guarded and says which of them end otherwise. No opinion on which of them may."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.support.guard import clean_environment
from tests.support.injection import asking
from tests.support.kernel import seccomp_missing
from tests.transparency import bounded

#: Rules that let everything happen and put everything on record.
LOG_ALL = "version: 1\ndefault: log\n"

#: How a command is run: not at all guarded, under a supervisor behind the wall or without it, or with the guard in it
#: by its environment alone.
BARE, RUN, NO_WALL, INJECTED = "bare", "run", "run without the wall", "injected"
GUARDED = (NO_WALL, INJECTED) if seccomp_missing() else (RUN, NO_WALL, INJECTED)

#: What `netguard run` is told in each.
WALL = {RUN: "require", NO_WALL: "off"}

#: How often tests that came out otherwise are run without the others, bare and guarded, before that counts.
AGAIN = 3

GUEST = Path(__file__).parent / "guest"


class Ended(NamedTuple):
    """How a test ended: a word, and what it said about it."""

    outcome: str
    why: str


#: Of a test that is not there.
ABSENT = Ended("not run", "")

#: Of a test that has begun and not ended: what its process was killed for, or what killed it.
HANGS = "hung"

#: The name by which the process stands among its tests.
PROCESS = "(the process)"


class Difference(NamedTuple):
    """A test that ends otherwise under guard, each time."""

    test: str
    bare: Ended
    guarded: Ended

    def __str__(self) -> str:
        return f"{self.test}: {self.bare.outcome} bare, {self.guarded.outcome} guarded\n{self.guarded.why}"


class Suite(NamedTuple):
    """Tests that one interpreter runs: of a module of CPython's, or of a project whose sources lie in a folder."""

    python: str
    module: str = ""
    sources: Path | None = None

    def run(self, mode: str, only: Sequence[str] = ()) -> dict[str, Ended]:
        """How each test ended. One that hangs is ended, and the others go on without it."""
        found: dict[str, Ended] = {}
        while True:
            now = self.part(mode, only, list(found))
            found.update(now)
            if not any(ended.outcome == HANGS for ended in now.values()):
                return found

    def part(self, mode: str, only: Sequence[str], without: Sequence[str]) -> dict[str, Ended]:
        """As `run`, up to the first test that hangs or takes the process with it."""
        with tempfile.TemporaryDirectory(prefix="netguard-transparency-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            lines, order, work, output = folder / "outcomes", folder / "order", folder / "work", folder / "output"
            lines.touch()
            work.mkdir()
            wanted = {"module": self.module, "outcomes": str(lines), "only": list(only), "without": list(without)}
            order.write_text(json.dumps(wanted), "utf-8")
            script = GUEST / ("project.py" if self.sources else "cpython.py")
            command, env = guarded([self.python, str(script), str(order)], mode, folder)
            status = bounded.run(command, self.sources or work, env, output, lambda: lines.stat().st_size)
            said = output.read_text("utf-8", "replace")[-10_000:]
            assert (folder / "trail.jsonl").exists() == (mode != BARE), said
            return {**outcomes(lines), PROCESS: Ended(f"ended with {status}", said)}


def guarded(words: Sequence[str], mode: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command and its environment for a mode. Trails lie in the folder, which goes away with them."""
    env = clean_environment(str(folder), {"TMPDIR": str(folder / "work")})
    if mode == INJECTED:
        env.update(asking(folder, LOG_ALL))
    if mode not in WALL:
        return list(words), env
    rules = folder / "rules.yaml"
    rules.write_text(LOG_ALL)
    options = ["--quiet", "--wall", WALL[mode], "--rules", str(rules), "--log", str(folder / "trail.jsonl")]
    return [sys.executable, "-m", "netguard", "run", *options, "--", *words], env


def outcomes(path: Path) -> dict[str, Ended]:
    """What the tests wrote; of two lines about the same test the last counts."""
    lines = map(json.loads, path.read_text("utf-8").splitlines())
    return {line["test"]: Ended(line["outcome"], line["why"]) for line in lines}


def compared(bare: dict[str, Ended], guarded: dict[str, Ended]) -> list[Difference]:
    """The tests that did not end alike."""
    pairs = [(test, bare.get(test, ABSENT), guarded.get(test, ABSENT)) for test in {**bare, **guarded}]
    return [Difference(*pair) for pair in pairs if pair[1].outcome != pair[2].outcome]


class Comparison(NamedTuple):
    """One suite in all modes: what its tests are, and by mode those that end otherwise under guard, each time."""

    tests: frozenset[str]
    differences: dict[str, list[Difference]]


def compare(suite: Suite) -> Comparison:
    """Runs a suite in all modes at once, and what differs once more."""
    bare, *others = side_by_side(suite, (BARE, *GUARDED))
    found = {mode: compared(bare, other) for mode, other in zip(GUARDED, others, strict=True)}
    return Comparison(
        frozenset(bare) - {PROCESS},
        {mode: confirmed(suite, mode, differences) for mode, differences in found.items()},
    )


def side_by_side(suite: Suite, modes: Sequence[str], only: Sequence[str] = ()) -> list[dict[str, Ended]]:
    """How the tests ended in each mode."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda mode: suite.run(mode, only), modes))


def confirmed(suite: Suite, mode: str, found: list[Difference]) -> list[Difference]:
    """Those differences that are there each time: by themselves, or among all the others once more."""
    left = found
    for _ in range(AGAIN):
        left = again(suite, mode, left, only=True)
    others = again(suite, mode, [one for one in found if one not in left], only=False)
    return [one for one in found if one in left or one in others]


def again(suite: Suite, mode: str, found: list[Difference], *, only: bool) -> list[Difference]:
    """Those of some differences that are there in one more run: of the tests that differ, or of all."""
    if not found:
        return []
    tests = [one.test for one in found if one.test != PROCESS] if only else []
    if only and not tests:
        return []
    differing = {one.test for one in compared(*side_by_side(suite, (BARE, mode), tests))}
    return [one for one in found if one.test in differing and (one.test != PROCESS or not only)]
