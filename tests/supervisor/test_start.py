"""Behind which wall a guest starts, where a sandbox around the supervisor leaves only a part of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from netguard.seccomp import landlock

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]
SANDBOXED = str(ROOT / "tests" / "support" / "sandboxed.py")
ABI = landlock.abi()

STARTS = """
import os, sys
sys.path.insert(0, sys.argv[1])
from netguard.errors import StartError
from netguard.supervisor.start import ready
from netguard.supervisor.target import Target
try:
    start = ready(Target("/bin/cat", ("cat", "/proc/self/status"), False, "cat"), {}, (), (), sys.argv[2])
except StartError as error:
    print(error)
    sys.exit(125)
tier = start.tier
abi = tier and tier.fence and tier.fence.abi
print("tier", tier.letter if tier else "none", "listener" if start.listener else "", "ABI", abi)
print("record", start.said(), flush=True)
pid = start.go()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""

#: Sandbox -> its rules, what the supervisor says of the wall, and how many filters are around the guest besides those.
WALLS = {
    "none": ([], f"tier A listener ABI {ABI}", 1),
    "landlock-forbidden": (["landlock_restrict_self=EPERM"], "tier A listener ABI 0", 1),
    "landlock-full": (["domains"], "tier A listener ABI 0", 1),
    "docker": (["pidfd_getfd=EPERM"], f"tier B listener ABI {ABI}", 1),
    "listener-forbidden": (["seccomp&8=EPERM"], f"tier C  ABI {ABI}", 1),
    "both": (["landlock_restrict_self=EPERM", "seccomp&8=EPERM"], "tier C  ABI 0", 1),
    "filter-forbidden": (["seccomp=EPERM"], "tier D  ABI None", 0),
}


#: Where the wall decides, so that it is enough for who requires one.
HOLDING = ("tier A", "tier B")


def started(rules: list[str], wall: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", STARTS, str(ROOT), wall]
    inside = [sys.executable, "-I", "-S", SANDBOXED, *rules, "--", *command]
    return subprocess.run(inside, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("rules", "said", "filters"), WALLS.values(), ids=WALLS)
def test_guest_starts_behind_what_is_said(rules: list[str], said: str, filters: int) -> None:
    """Never behind less: what is on record is what the guest itself finds around it."""
    done = started(rules, "auto")
    assert (done.returncode, done.stderr) == (0, "")
    first, record, *status = done.stdout.splitlines()
    assert first == said
    assert record.partition("'wall': ")[2][1:].startswith("on") == said.startswith(HOLDING)
    found = dict(line.split(":\t", 1) for line in status)
    assert int(found["Seccomp_filters"]) == filters + len([rule for rule in rules if "=" in rule])


@pytest.mark.parametrize(("rules", "said", "filters"), WALLS.values(), ids=WALLS)
def test_wall_that_is_required_is_there_or_nothing_starts(rules: list[str], said: str, filters: int) -> None:
    done = started(rules, "require")
    if said.startswith(HOLDING):
        assert done.stdout.startswith(said)
        assert done.returncode == 0
    else:
        assert done.stdout.startswith("--wall require: ")
        assert (done.returncode, len(done.stdout.splitlines())) == (125, 1)


def test_no_wall_is_put_up_where_none_is_wanted() -> None:
    done = started([], "off")
    assert done.stdout.startswith("tier none  ABI None\n")
    assert "\nSeccomp_filters:\t0\n" in done.stdout
