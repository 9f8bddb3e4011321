"""What the domain keeps in, and what it must leave alone, at each ABI that this kernel can play.

An older ABI is the domain of that ABI on this kernel. What each act comes to is one table; without a domain all of it
works, and that is looked at first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from netguard.seccomp import landlock

FENCED = str(Path(__file__).with_name("fenced.py"))

pytestmark = pytest.mark.kernel

#: As root, and as somebody who is not; who is not root can be only himself.
USERS = {"root": 0, "ordinary": 65534} if os.geteuid() == 0 else {"ordinary": os.geteuid()}

#: What each act comes to without a domain.
FREE = {
    "tcp-connect": "ok", "tcp-bind": "ok", "udp": "ok", "abstract": "ok", "abstract-letter": "ok",
    "kill": "ok", "pidfd-signal": "ok", "owner": "ok", "queue": "ok",
    "arrived": "kill pidfd-signal owner queue", "group": "arrived",
    "memory": "only outside", "memory-call": "only outside", "environment": "OUTSIDE",
    "descriptors": "ok", "descriptor": "ok", "trace": "ok",
    "rename": "ok", "rename-over": "ok", "link": "ok", "unnamed": "ok", "across": "EXDEV", "own-domain": "ok",
    "own-child": "15", "own-thread": "15", "own-group": "15", "own-sockets": "ok",
    "helped": "@letters127.0.0.1",
}  # fmt: skip

#: What is different in a domain: from which ABI on, and whether only where somebody else connects for it.
TRACING = {
    "memory": "EACCES", "memory-call": "EPERM", "environment": "EACCES",
    "descriptors": "EACCES", "descriptor": "EPERM", "trace": "EPERM",
}  # fmt: skip
TCP = {"tcp-connect": "EACCES", "tcp-bind": "EACCES"}
ABSTRACT = {"abstract": "EPERM", "abstract-letter": "EPERM"}
SIGNALS = {"kill": "EPERM", "pidfd-signal": "EPERM", "queue": "EPERM", "arrived": "", "group": "kept in"}
CHANGES = [(2, False, TRACING), (4, True, TCP), (6, True, ABSTRACT), (6, False, SIGNALS)]


def expected(number: int, brokered: bool) -> dict[str, str]:
    """What each act comes to in this domain."""
    found = dict(FREE)
    for oldest, only_brokered, changed in CHANGES:
        if number >= oldest and (brokered or not only_brokered):
            found |= changed
    return found


def run(number: int, uid: int, brokered: bool) -> dict[str, str]:
    words = [str(number), str(uid), "brokered" if brokered else "alone"]
    done = subprocess.run(
        [sys.executable, "-I", "-S", FENCED, *words],
        env={"OUTSIDE": "1"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.parametrize("brokered", [True, False], ids=["brokered", "alone"])
@pytest.mark.parametrize("uid", USERS.values(), ids=USERS)
@pytest.mark.parametrize("number", [*range(landlock.abi() + 1), *([99] if landlock.abi() >= 6 else [])])
def test_domain_keeps_in_what_it_says_and_nothing_else(number: int, uid: int, brokered: bool) -> None:
    """Number 0 is the control, and 1 is as 0; 99 is a kernel newer than any known."""
    found = run(number, uid, brokered)
    wanted = expected(min(number, landlock.abi()), brokered)
    if uid == 0 and number >= 2:
        # Since Linux 6.14 or so CAP_PERFMON alone lets root read what is not memory: environ, maps.
        assert found.pop("environment") in ("EACCES", "OUTSIDE")
        del wanted["environment"]
    assert found == wanted


@pytest.mark.parametrize(
    ("number", "holds"),
    [
        pytest.param(0, (0, False, False, False), id="none"),
        pytest.param(1, (1, False, False, False), id="would-break-renames"),
        pytest.param(2, (2, False, False, True), id="5.19"),
        pytest.param(3, (3, False, False, True), id="6.2"),
        pytest.param(4, (4, True, False, True), id="6.7"),
        pytest.param(5, (5, True, False, True), id="6.10"),
        pytest.param(6, (6, True, True, True), id="6.12"),
        pytest.param(99, (99, True, True, True), id="newer"),
    ],
)
def test_fence_says_what_holds(number: int, holds: tuple[object, ...]) -> None:
    fence = landlock.fence(number)
    assert (fence.abi, fence.tcp, fence.scope, fence.ptrace) == holds
    assert bool(fence.note) == (holds[1:] != (True, True, True))


ALONE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from netguard.seccomp import abi, landlock
"""

DEPTH = """
abi.prctl(38, 1)
fence = landlock.fence(2)
try:
    for depth in range(100):
        landlock.restrict(fence)
except OSError as error:
    print(error.errno, depth, len(os.listdir("/proc/self/fd")))
"""


def alone(script: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ALONE + script, str(Path(__file__).parents[2]), *words],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


def test_failure_is_told_and_leaves_nothing_open() -> None:
    """The kernel has room for 16 domains, one in the other; a sandbox around us may have used them."""
    error, depth, descriptors = alone(DEPTH).split()
    assert (error, depth) == ("7", "16")
    assert int(descriptors) == 4  # the three, and the one that lists them


def test_domain_without_no_new_privs_is_refused() -> None:
    """Who is not root may not take himself privileges that a setuid program then lacks: it is said, not passed over."""
    script = """
if os.getuid() == 0:
    os.setuid(65534)
try:
    landlock.restrict(landlock.fence(landlock.abi()))
except PermissionError as error:
    print(error.errno)
"""
    assert alone(script) == "1\n"


LISTED = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from netguard.seccomp import abi, landlock
from netguard.seccomp.images import chain
named, changed, other, folder = sys.argv[2:]
def start(path):
    child = os.fork()
    if not child:
        try:
            os.execv(path, [path])
        except OSError as error:
            os._exit(error.errno)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
def known(path):
    about = os.stat(path)
    return path, about.st_dev, about.st_ino
before = [start(path) for path in (named, changed, other)]
files = [known(path) for first in (named, changed) for path in chain(first)] + [("/none", 1, 1)]
os.rename(other + "2", changed)
abi.no_new_privs()
landlock.restrict(landlock.fence(landlock.abi()), files=files)
os.rename(other, os.path.join(folder, "moved"))  # files are no affair of the list's
open(os.path.join(folder, "made"), "w").close()
print(json.dumps([before, [start(path) for path in (named, changed, os.path.join(folder, "moved"))]]))
"""


@pytest.mark.skipif(landlock.abi() < 2, reason="Landlock from ABI 2 on")
def test_only_listed_files_start_and_a_changed_one_is_another(tmp_path: Path) -> None:
    names = [tmp_path / name for name in ("named", "changed", "other", "other2")]
    for name in names:
        name.write_bytes(Path("/bin/true").read_bytes())
        name.chmod(0o755)
    (tmp_path / "folder").mkdir()
    words = [LISTED, str(Path(FENCED).parents[2]), *map(str, names[:3]), str(tmp_path / "folder")]
    command = [sys.executable, "-B", "-c", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [[0, 0, 0], [0, 13, 13]]
