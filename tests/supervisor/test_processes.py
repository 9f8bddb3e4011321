"""What the kernel says of a process, whatever the process says of itself."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from netguard.record.line import MAX_ARG, MAX_ARGS
from netguard.supervisor.processes import MAX_CMDLINE, look, user_name

WAITS = "import sys; print(flush=True); sys.stdin.read()"


@pytest.fixture
def strange(tmp_path: Path) -> str:
    """A program whose name is made to break who reads /proc/PID/stat, and whose folder is no UTF-8."""
    folder = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(folder)
    path = os.path.join(folder, b") R 1 (x")
    shutil.copy(shutil.which("cat") or "", path)
    return os.fsdecode(path)


def test_process_is_what_the_kernel_says(strange: str) -> None:
    folder = os.path.dirname(strange)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(["another name", "-"], executable=strange, cwd=folder, **pipes) as child:
        child.stdin.write(b"\n")
        child.stdin.flush()
        child.stdout.readline()  # it runs: before, the kernel may not know its arguments yet
        found = look(child.pid, 77, os.getuid())
        child.stdin.close()
    assert (found.pid, found.tid, found.exe) == (child.pid, 77, strange)
    assert found.user == pwd.getpwuid(os.getuid()).pw_name
    assert found.line == {
        "pid": child.pid, "tid": 77, "ppid": os.getpid(), "uid": os.getuid(), "user": found.user, "exe": strange,
        "argv": ["another name", "-"], "cwd": folder,
    }  # fmt: skip


def test_long_command_line_is_cut() -> None:
    command = [sys.executable, "-c", WAITS, "x" * MAX_CMDLINE, "y"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        argv = look(child.pid, child.pid, 0).argv
        child.stdin.close()
    assert argv == tuple(command[:3])


def test_line_leaves_long_arguments_out_whole() -> None:
    long = "x" * (MAX_ARG + 1)
    command = [sys.executable, "-c", WAITS, long, long[1:], *map(str, range(MAX_ARGS))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        found = look(child.pid, child.pid, 0)
        child.stdin.close()
    assert found.argv == tuple(command)
    assert found.line["argv"] == [*command[:3], "…[+129]", long[1:], *map(str, range(11)), "…[+5]"]


def test_process_that_is_gone_leaves_its_ids() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    found = look(child.pid, 1, 0)
    assert found.line == {
        "pid": child.pid, "tid": 1, "ppid": 0, "uid": 0, "user": user_name(0), "exe": "", "argv": [], "cwd": ""
    }  # fmt: skip


def test_account_without_a_name_is_its_number() -> None:
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    free = next(uid for uid in range(54_321, 64_321) if uid not in taken)
    assert user_name(free) == str(free)
