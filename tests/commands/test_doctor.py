"""What `netguard doctor` says of a machine: of this one, and of what sandboxes of several kinds leave of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from netguard.seccomp import causes, landlock, tiers
from netguard.seccomp.machine import look
from netguard.seccomp.notify import ADD_FD

pytestmark = pytest.mark.kernel

SANDBOXED = str(Path(__file__).parents[1] / "support" / "sandboxed.py")

LISTENER = {"listener", "killable", "sockets"}
LANDLOCK = {"tracing", "tcp", "signals"}
LOOKING = {"descriptors", "memory"}

#: What this machine itself does not have.
WANTING = {ability.name for ability in tiers.abilities(look(), tiers.probe(look())) if not ability.on}

#: Sandbox -> its rules, the tier, what is off, and what is told of the reason and of what helps.
SANDBOXES = {
    "none": ([], "A", set(), "", ""),
    "docker": (
        ["pidfd_getfd=EPERM", "kcmp=EPERM", "clone3=ENOSYS"], "B", {"descriptors"}, "as Docker's does",
        "docker run --cap-add SYS_PTRACE",
    ),
    "old-engine": (["pidfd_getfd=ENOSYS"], "B", {"descriptors"}, "older than the kernel", "a newer engine"),
    "no-looking": (
        ["pidfd_getfd=EPERM", "process_vm_writev=EPERM"], "C", LOOKING, "forbids pidfd_getfd", "SYS_PTRACE",
    ),
    "no-sockets": (
        ["pidfd_getfd=EPERM", f"ioctl@{ADD_FD}=EINVAL"], "C", {"descriptors", "sockets"}, "pidfd_getfd", "SYS_PTRACE",
    ),
    "ends-who-looks": (["pidfd_getfd=KILL"], "B", {"descriptors"}, "forbids pidfd_getfd", "SYS_PTRACE"),
    "listener": (["listener"], "C", LISTENER, "decides on this one's system calls already", "outside of it"),
    "no-listener": (["seccomp&8=EPERM"], "C", LISTENER, "forbids a seccomp listener", "outside of it"),
    "as-gvisor": (["seccomp&8=EINVAL"], "C", LISTENER, "forbids a seccomp listener", "outside of it"),
    "no-filter": (["seccomp=EPERM"], "D", {"filter", *LISTENER}, "forbids seccomp filters", "allow seccomp(2)"),
    "no-seccomp": (["seccomp=ENOSYS"], "D", {"filter", *LISTENER}, "forbids seccomp filters", "allow seccomp(2)"),
    "not-killable": (["seccomp&32=EINVAL"], "A", {"killable"}, "", ""),
    "no-subreaper": (["prctl:36=EPERM"], "A", {"subreaper"}, "", ""),
    "no-landlock": (["landlock_create_ruleset=ENOSYS"], "A", LANDLOCK, "", ""),
    "off-landlock": (["landlock_create_ruleset=EOPNOTSUPP"], "A", LANDLOCK, "", ""),
    "no-domain": (["landlock_restrict_self=EPERM"], "A", LANDLOCK, "", ""),
    "domains": (["domains"], "A", LANDLOCK, "", ""),
    "several": (
        ["seccomp&8=EPERM", "pidfd_getfd=EPERM"], "C", {*LISTENER, "descriptors"},
        "forbids a seccomp listener; ", "allow seccomp(2) in its profile; docker run",
    ),
}  # fmt: skip


def doctor(rules: list[str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netguard", "doctor", *options]
    inside = [sys.executable, "-I", "-S", SANDBOXED, *rules, "--", *command] if rules else command
    return subprocess.run(inside, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(("rules", "letter", "off", "why", "remedy"), SANDBOXES.values(), ids=SANDBOXES)
def test_doctor_names_tier_reason_and_help(rules: list[str], letter: str, off: set[str], why: str, remedy: str) -> None:
    done = doctor(rules, "--json")
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert {ability["name"] for ability in said["abilities"] if not ability["on"]} == off | WANTING
    assert said["tier"] == letter
    assert why in said["why"]
    assert remedy in said["remedy"]
    assert bool(said["why"]) == (letter != "A")
    assert said["decides"] == (letter in "AB")
    assert done.returncode == (0 if letter in "AB" else 1)
    assert said["machine"]["filtered"] == bool(rules and rules != ["domains"])
    if letter == "D":
        assert said["landlock"] is None
    else:
        assert said["landlock"]["ptrace"] == ("tracing" not in off | WANTING)
        assert said["landlock"]["tcp"] == ("tcp" not in off | WANTING)


@pytest.mark.parametrize(("rules", "letter", "off", "why", "remedy"), SANDBOXES.values(), ids=SANDBOXES)
def test_words_are_those_of_the_object(rules: list[str], letter: str, off: set[str], why: str, remedy: str) -> None:
    """In 80 columns, the tier on the first line, an ability a line, with reason and help where it is off."""
    done, said = doctor(rules), json.loads(doctor(rules, "--json").stdout)
    lines = done.stdout.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert lines[0].startswith(f"tier {letter}: ")
    text = re.sub(r"\s+", " ", done.stdout)
    assert f"why: {said['why']} what helps: {said['remedy']}" in text or letter == "A"
    for ability in said["abilities"]:
        assert f"{'on' if ability['on'] else 'off'} {ability['name']} {ability['purpose']}" in text
        assert f"why: {ability['why']} what helps: {ability['remedy'] or 'nothing'}" in text or ability["on"]
    assert text.count("what helps: ") == (letter != "A") + len(off | WANTING)


def test_doctor_says_what_the_user_has_who_asks() -> None:
    """An ordinary user has as much as root; only, the interpreter must be one that he may read."""
    ordinary = [
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
        "--inh-caps=-all,+dac_override", "--ambient-caps=+dac_override", "--bounding-set=-sys_ptrace",
    ]  # fmt: skip
    prefix = [] if os.geteuid() else ordinary
    command = [*prefix, sys.executable, "-m", "netguard", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert {ability["name"] for ability in said["abilities"] if not ability["on"]} >= WANTING
    assert said["machine"]["landlock"] == landlock.abi()
    if not look().yama:
        assert said["tier"] == json.loads(doctor([], "--json").stdout)["tier"]


def test_run_inside_of_a_run_is_told_so(tmp_path: Path) -> None:
    """There can be one wall: one reason, and one way out."""
    command = [sys.executable, "-m", "netguard", "doctor", "--json"]
    words = ["--wall", "require", "--quiet", "--log", str(tmp_path / "trail.jsonl"), "--", *command]
    outer = [sys.executable, "-m", "netguard", "run", *words]
    done = subprocess.run(outer, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert said["tier"] == "C"
    assert said["why"].startswith("this process runs inside of netguard run")
    assert ";" not in said["why"]
    assert said["remedy"] == "run netguard outside of it"


def test_page_tells_of_every_ability_and_tier() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "this-machine.md").read_text(encoding="utf-8")
    for name, purpose in tiers.ABILITIES.items():
        since = "{}.{}".format(*causes.SINCE[name]) if name in causes.SINCE else "[0-9.]*"
        assert re.search(rf"(?m)^\| `{name}` \| {re.escape(purpose)} \| {since} ?\| .+ \|$", page), name
    for letter, (held, lost) in tiers.MEANING.items():
        lacks = rf"(?:{re.escape(lost)}|as in tier C.*) ?"
        assert re.search(rf"(?m)^\| {letter} \| {re.escape(held)} \| {lacks}\|$", page), letter


@pytest.mark.slow
def test_call_that_never_returns_is_given_up() -> None:
    """An outer sandbox may hold a call and not answer."""
    said = json.loads(doctor(["pidfd_getfd=HOLD"], "--json").stdout)
    off = {ability["name"]: ability["why"] for ability in said["abilities"] if not ability["on"]}
    assert set(off) == {"descriptors", *LISTENER, *WANTING}
    assert said["tier"] == "C"
