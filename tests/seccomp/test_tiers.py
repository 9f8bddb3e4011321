"""Which tier a machine is, and in what words: the table of reasons by values, and trials that leave nothing behind.

What real sandboxes leave of this machine is tried in `tests/commands/test_doctor.py`.
"""

from __future__ import annotations

import errno
import os
import string
import subprocess
import sys
from pathlib import Path

import pytest

from netguard.seccomp import causes, tiers
from netguard.seccomp.machine import About, look

ROOT = str(Path(__file__).parents[2])

ALL = dict.fromkeys(tiers.ABILITIES, 0)
NEW = {"release": "6.18.1", "landlock": 7}

#: Machine -> what is known of it, what fails there, the tier, the reason, what helps.
MACHINES = {
    "all": (NEW, {}, "A", "", ""),
    "other-system": (
        {"system": "Darwin", "machine": "arm64"}, {"machine": errno.ENOSYS}, "D", "this is Darwin", "run it on Linux",
    ),
    "other-machine": (
        {**NEW, "machine": "riscv64"}, {"machine": errno.ENOSYS}, "D", "system calls of riscv64", "x86_64 or aarch64",
    ),
    "4.19": ({"release": "4.19.0-27-amd64"}, {"listener": errno.EINVAL}, "C", "Linux 4.19.0-27-amd64", "Linux 5.0"),
    "5.4": (
        {"release": "5.4.0"}, {"descriptors": errno.ENOSYS, "sockets": errno.EINVAL}, "C", "pidfd_getfd", "Linux 5.6",
    ),
    "5.10": ({"release": "5.10.223"}, {"sockets": errno.EINVAL}, "A", "", ""),
    "no-filters": (NEW, dict.fromkeys(["filter", "listener"], errno.EINVAL), "D", "seccomp filters", "CONFIG_SECCOMP"),
    "yama-2": (
        {**NEW, "yama": 2}, dict.fromkeys(["descriptors", "memory"], errno.EPERM), "C", "ptrace_scope is 2",
        "sysctl kernel.yama.ptrace_scope=1",
    ),
    "yama-3": (
        {**NEW, "yama": 3}, dict.fromkeys(["descriptors", "memory"], errno.EPERM), "C", "ptrace_scope is 3",
        "start the machine with kernel.yama.ptrace_scope=1",
    ),
    "yama-1-is-no-reason": (
        {**NEW, "yama": 1}, dict.fromkeys(["descriptors", "memory"], errno.EPERM), "C", "a security module", "SELinux",
    ),
    "gvisor": (
        {"release": "4.4.0", "version": causes.GVISOR},
        dict.fromkeys(["listener", "sockets"], errno.EINVAL) | {"descriptors": errno.ENOSYS}, "C",
        "gVisor does not have a seccomp listener", "",
    ),
    "gvisor-by-release": (
        {"release": "4.19.0-gvisor"}, {"listener": errno.EINVAL}, "C", "gVisor does not have a seccomp listener", "",
    ),
    "in-netguard": (
        {**NEW, "filtered": True, "guarded": True},
        dict.fromkeys(["listener", "killable", "sockets", "descriptors", "memory"], errno.EPERM), "C",
        "this process runs inside of netguard run, whose wall holds it and leaves no room for a second one",
        "run netguard outside of it",
    ),
    "half-a-remedy-is-none": (
        NEW, {"listener": errno.EBUSY, "memory": errno.EIO}, "C", "process_vm_writev(2): Input/output error", "",
    ),
    "looked-and-was-ended": (NEW, {"descriptors": -1}, "B", "pidfd_getfd(2): who tries it is ended", ""),
    "release-without-numbers": ({"release": "unknown"}, {"listener": errno.EINVAL}, "C", "this kernel", "Linux 5.0"),
}  # fmt: skip


@pytest.mark.parametrize(("known", "failed", "letter", "why", "remedy"), MACHINES.values(), ids=MACHINES)
def test_machine_has_a_tier_with_its_reason(
    known: dict[str, object], failed: dict[str, int], letter: str, why: str, remedy: str
) -> None:
    tier = tiers.judge(About(**known), {**ALL, **failed})
    assert tier.letter == letter
    assert why in tier.why
    assert remedy in tier.remedy
    assert bool(tier.why) == (letter != "A")
    assert bool(tier.remedy) == bool(remedy)
    why = f"{tier.why}; {tier.remedy}" if tier.remedy else tier.why
    assert tier.refusal() == ("" if letter in "AB" else why)


@pytest.mark.parametrize(
    ("missing", "letter"),
    [
        ("", "A"), ("killable", "A"), ("subreaper", "A"), ("sockets", "A"), ("tracing", "A"), ("tcp", "A"),
        ("signals", "A"), ("descriptors", "B"), ("descriptors sockets", "C"), ("memory", "C"), ("listener", "C"),
        ("filter", "D"), ("no_new_privs", "D"), ("machine", "D"),
    ],
)  # fmt: skip
def test_tier_is_the_best_whose_needs_are_met(missing: str, letter: str) -> None:
    errors = {**ALL, **dict.fromkeys(missing.split(), errno.EPERM)}
    assert tiers.judge(About(**NEW), errors).letter == letter


def test_nothing_known_is_nothing_promised() -> None:
    assert tiers.judge(About(**NEW), {}).letter == "D"


@pytest.mark.parametrize(
    ("error", "words"),
    [(errno.EOPNOTSUPP, "switched off"), (errno.E2BIG, "16"), (errno.ENOSYS, "without"), (errno.EIO, "output")],
)
def test_fence_that_failed_is_not_promised(error: int, words: str) -> None:
    known = About(release="6.18.1", landlock=0 if error in (errno.EOPNOTSUPP, errno.ENOSYS) else 7)
    tier = tiers.judge(known, {**ALL, **dict.fromkeys(tiers.FENCED, error)})
    assert (tier.letter, tier.fence.abi, tier.fence.ptrace) == ("A", 0, False)
    if known.landlock:
        assert words in tier.fence.note
    told = {ability.name: ability.why for ability in tiers.abilities(known, {"tracing": error})}
    assert words in told["tracing"]


@pytest.mark.parametrize("abi", range(9))
def test_fence_is_the_kernels(abi: int) -> None:
    errors = {**ALL, "tcp": errno.ENOSYS if abi < 4 else 0, "signals": errno.ENOSYS if abi < 6 else 0}
    fence = tiers.judge(About(release="6.1.0", landlock=abi), errors).fence
    assert (fence.ptrace, fence.tcp, fence.scope) == (abi >= 2, abi >= 4, abi >= 6)


def test_every_cause_can_be_worded() -> None:
    """The last fits whatever there is; braces are those that are known."""
    for number, (names, *_, why, remedy) in enumerate(causes.CAUSES):
        for name in names.split() or tiers.ABILITIES:
            assert "{" not in "".join(causes.words(number, name, errno.EPERM, About(**NEW)))
        assert {field for _, field, *_ in string.Formatter().parse(why + remedy) if field} <= {
            "what", "since", "release", "system", "machine", "abi", "error"
        }  # fmt: skip
    assert causes.CAUSES[-1][:2] == ("", ())


def test_tables_speak_of_the_same() -> None:
    assert {name for _, needs in tiers.NEEDS for name in needs} <= set(tiers.ABILITIES)
    assert {*causes.SINCE, *tiers.FENCED} <= set(tiers.ABILITIES) == set(causes.CALLED)
    assert set(tiers.MEANING) == {letter for letter, _ in tiers.NEEDS}
    assert {name for names, *_ in causes.CAUSES for name in names.split()} <= set(tiers.ABILITIES)


# On this machine

BEFORE_AND_AFTER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from netguard.seccomp import tiers
from netguard.seccomp.machine import look

def state():
    status = [line for line in open("/proc/self/status") if line.startswith(("Seccomp", "NoNewPrivs", "Threads"))]
    return status, sorted(os.listdir("/proc/self/fd")), open("/proc/self/task/%d/children" % os.getpid()).read()

before = state()
print("unflushed", end="")
errors = tiers.probe(look())
print(" once")
assert state() == before, (before, state())
assert not any(errors[name] for name in ("filter", "listener", "machine")), errors
tier = tiers.after({step: int(sys.argv[3]) for step in sys.argv[2].split()})
print(tier.letter, tier.fence and tier.fence.abi, tier.why or tier.fence.note)
"""


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("step", "error", "said"),
    [
        ("listener", errno.EBUSY, "C 7 another process decides on this one's system calls already"),
        ("filter", errno.EIO, "D None seccomp filters: Input/output error"),
        ("descriptors", errno.EPERM, "B 7 "),
        ("landlock", errno.E2BIG, "A 0 "),
        ("landlock listener", errno.EBUSY, "C 0 another process decides"),
        ("", errno.EBUSY, "A 7 "),
        ("start", errno.EIO, "D None start: Input/output error"),
    ],
)
def test_step_that_failed_is_missing_whatever_the_trials_say(step: str, error: int, said: str) -> None:
    """And trying leaves the process as it was: no filter, no child, no descriptor, nothing printed twice."""
    words = [sys.executable, "-I", "-S", "-c", BEFORE_AND_AFTER, ROOT, step, str(error)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    first, second = done.stdout.splitlines()
    assert first == "unflushed once"
    assert second.startswith(said.replace(" 7 ", f" {look().landlock} "))


ELSEWHERE = """
import os, sys
sys.path.insert(0, sys.argv[1])
linux = os.uname()
os.uname = lambda: os.uname_result(("Darwin", *linux[1:4], "arm64"))
sys.modules["ctypes"] = None  # no call of Linux's is there to be found
from netguard.commands import main
sys.exit(main(["doctor"]))
"""


def test_other_systems_are_told_that_there_is_no_wall() -> None:
    words = [sys.executable, "-I", "-c", ELSEWHERE, ROOT]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("tier D: the witness alone decides")
    assert "why: the wall is Linux's, and this is Darwin" in done.stdout
    assert f"system    Darwin {os.uname().release}, arm64" in done.stdout
