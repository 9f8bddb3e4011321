"""A guest that gets at its run's trail: what follows is denied, somebody is told, and the trail itself says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.supervisor.running import running
from tests.support.isolation import missing

pytestmark = pytest.mark.hostile

#: What a guest does to the trail `T`, and what is said of it.
ATTACKS = {
    "deleted": ("os.unlink(T)", "has 0 names"),
    "renamed": ("os.rename(T, T + '.old')", "path leads to something else"),
    "replaced": ("os.rename(T, T + '.old'); open(T, 'w').close()", "path leads to something else"),
    "replaced by a link": ("os.rename(T, T + '.old'); os.symlink(T + '.old', T)", "path leads to something else"),
    "linked": ("os.link(T, T + '.link')", "has 2 names"),
    "emptied": ("os.truncate(T, 0)", "bytes where"),
    "cut": ("os.truncate(T, os.path.getsize(T) - 20)", "bytes where"),
    "appended to": ("open(T, 'a').write('{\"v\":1}\\n')", "bytes where"),
}

GUEST = """
import os, socket, sys, time, netguard
T, port = sys.argv[1], int(sys.argv[2])
def knock():
    try:
        socket.create_connection(("127.0.0.1", port), 5)
    except ConnectionRefusedError:
        return "went"
    except netguard.Denied as error:
        return error.rule
first = knock()
time.sleep(0.1)  # a flood of lines asks less often where the path leads
ATTACK
print(first, knock(), knock())
"""


def verified(*paths: Path) -> tuple[int, str]:
    """What `netguard verify` says of the trail, wherever it is now."""
    path = next(path for path in paths if path.exists() and not path.is_symlink() and path.stat().st_size)
    command = [sys.executable, "-m", "netguard", "verify", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize("attack", ATTACKS)
def test_trail_that_a_guest_changes_ends_all_granting_and_says_so(tmp_path: Path, attack: str) -> None:
    code, said = ATTACKS[attack]
    trail = tmp_path / "trail.jsonl"
    (tmp_path / "guest.py").write_text(GUEST.replace("ATTACK", code))
    with running(tmp_path, [str(tmp_path / "guest.py"), str(trail), "9"]) as run:
        out, err = run.process.communicate(timeout=60)
    assert out == "went trail trail\n", err
    assert said in err
    assert "TAMPER" in err or "netguard: the trail" in err
    if attack != "deleted":  # then its last line went with it
        lost = [path for path in (tmp_path / "trail.jsonl.old", trail) if path.exists()]
        assert b'"event":"trail.changed"' in b"".join(path.read_bytes() for path in lost)
        status, text = verified(*lost)
        assert status != 0 or "tamper lines: 1" in text


def test_rewrite_of_equal_length_is_found_by_verify(tmp_path: Path) -> None:
    """It cannot be seen while the run goes on; the chain shows it afterwards."""
    code = GUEST.replace("ATTACK", "with open(T, 'r+b') as file:\n    file.seek(400)\n    file.write(b'xxxx')")
    (tmp_path / "guest.py").write_text(code)
    trail = tmp_path / "trail.jsonl"
    with running(tmp_path, [str(tmp_path / "guest.py"), str(trail), "9"]) as run:
        out, err = run.process.communicate(timeout=60)
    assert out == "went went went\n", err
    assert verified(trail)[0] != 0


def test_trail_that_nobody_may_open_any_more_is_written_on(tmp_path: Path) -> None:
    """The rights were asked for when it was opened."""
    (tmp_path / "guest.py").write_text(GUEST.replace("ATTACK", "os.chmod(T, 0)"))
    trail = tmp_path / "trail.jsonl"
    with running(tmp_path, [str(tmp_path / "guest.py"), str(trail), "9"]) as run:
        out, err = run.process.communicate(timeout=60)
    assert (out, run.process.returncode) == ("went went went\n", 0), err
    trail.chmod(0o600)
    assert verified(trail)[0] == 0


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_full_disk_denies_until_there_is_room_again(tmp_path: Path) -> None:
    """A small file system that the guest fills up and empties."""
    disk = tmp_path / "disk"
    disk.mkdir()
    fill = f"""
def fill(count):
    try:
        with open({str(disk / "fill")!r}, "wb", buffering=0) as file:
            for _ in range(count):
                file.write(bytes(4096))
    except OSError as error:
        return error.errno
results = [knock(), fill(1000)]
results += [knock() for _ in range(40)]
os.unlink({str(disk / "fill")!r})
results += [knock(), knock()]
print(results[1], results[0], "trail" in results[2:42], results[2:42].count("trail") > 9, *results[-2:])
"""
    code = GUEST.partition("first = ")[0] + fill
    (tmp_path / "guest.py").write_text(code)
    kept = tmp_path / "kept"
    mount = f'mount -t tmpfs -o size=128k tmpfs "{disk}" && "$@"; s=$?; cp "{disk}/trail.jsonl" "{kept}"; exit $s'
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    prefix = ["unshare", *as_root, "--mount", "sh", "-c", mount, "sh"]
    args = [str(tmp_path / "guest.py"), "x", "9"]
    with running(tmp_path, args, options=["--log", str(disk / "trail.jsonl")], prefix=prefix) as run:
        out, err = run.process.communicate(timeout=60)
    assert out == "28 went True True went went\n", err
    assert "No space left on device" in err
    status, text = verified(kept)
    assert status == 0, text


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_counts_of_a_time_in_which_the_disk_was_full_are_not_lost(tmp_path: Path) -> None:
    """What was let through in silence until a tick found that out is on record as soon as there is room; nothing is
    let through from then on."""
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    code = f"""
import os, socket, time
def knock(port):
    try: socket.create_connection(("127.0.0.1", port), 5)
    except OSError as error: return type(error).__name__
try:
    with open({str(disk / "fill")!r}, "wb", buffering=0) as file:
        while True: file.write(bytes(4096))
except OSError: pass
while knock(9) != "Denied": pass
until = time.monotonic() + 2.5  # two ticks at least
results = []
while time.monotonic() < until: results.append(knock(8))
print(results.count("ConnectionRefusedError"), results[-1])
os.unlink({str(disk / "fill")!r})
while knock(9) == "Denied": pass
"""
    (tmp_path / "guest.py").write_text(code)
    rules = "version: 1\ndefault: log\nrules:\n  - {allow: connect, to: '127.0.0.1:8', direct: true, name: silent}\n"
    mount = f'mount -t tmpfs -o size=128k tmpfs "{disk}" && "$@"; s=$?; cp "{disk}/trail.jsonl" "{kept}"; exit $s'
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    prefix = ["unshare", *as_root, "--mount", "sh", "-c", mount, "sh"]
    options = ["--log", str(disk / "trail.jsonl")]
    with running(tmp_path, [str(tmp_path / "guest.py")], options=options, prefix=prefix, rules=rules) as run:
        out, _ = run.process.communicate(timeout=60)
    let, last = out.split()[:2]
    assert last == "Denied"
    lines = [json.loads(line) for line in kept.read_bytes().splitlines() if line.endswith(b"}")]  # others are torn
    counted = sum(line.get("counts", {}).get("silent", 0) for line in lines)
    logged = sum(line["kind"] == "connect" for line in lines)
    denied = lines[-1]["decisions"] - logged - counted  # they could not be put on record
    assert counted == int(let)  # nearly always some hundred; a tick may have come first
    assert 0 < denied < 100
