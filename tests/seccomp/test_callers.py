"""A thread is taken for itself alone, and its memory for what it is now."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netguard.seccomp import callers
from netguard.seccomp.callers import Callers, credentials, field, status
from netguard.seccomp.held import Held

pytestmark = pytest.mark.kernel

#: Says where a word of its memory lies, then waits; executes itself anew with another word when it is told to.
TALKER = """
import ctypes, os, sys, threading
held = ctypes.create_string_buffer(sys.argv[1].encode())
thread = threading.Thread(target=threading.Event().wait, daemon=True); thread.start()
print(ctypes.addressof(held), thread.native_id, flush=True)
if sys.stdin.readline() == "again\\n":
    own = open("/proc/self/cmdline").read().split("\\0")[:5]
    os.execv(sys.executable, [*own, "later"])
"""


@contextmanager
def talker(word: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-I", "-S", "-c", TALKER, word]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def told(child: subprocess.Popen[str]) -> tuple[int, int]:
    assert child.stdout
    at, tid = child.stdout.readline().split()
    return int(at), int(tid)


def test_memory_is_read_as_it_is_after_a_program_was_executed() -> None:
    known = Callers()
    with talker("first") as child:
        at, tid = told(child)
        caller = known.find(child.pid)
        assert caller.read(at, 5) == b"first"
        assert known.find(child.pid) is caller
        assert known.find(tid).pid == child.pid, "a thread is its process's"
        assert child.stdin
        child.stdin.write("again\n")
        child.stdin.flush()
        at, _ = told(child)
        assert caller.read(at, 5) == b"later"
        known.forget(child.pid)
        assert known.find(child.pid) is not caller
    known.close()


def test_thread_that_is_gone_is_nobody_where_its_descriptors_cannot_be_copied() -> None:
    """Nothing that is fetched by its number would say so, and the number's next owner would be taken for it."""
    known = Callers(Held(list))
    with talker("word") as child:
        told(child)
        assert known.find(child.pid) is known.find(child.pid)
        child.kill()
        child.wait()
        with pytest.raises(OSError):  # noqa: PT011 # whichever says so first
            known.find(child.pid)
    known.close()


def test_memory_that_is_not_there_is_a_fault() -> None:
    known = Callers()
    with talker("word") as child:
        told(child)
        caller = known.find(child.pid)
        for at in (0, 8, 1 << 47, (1 << 63) + 8, (1 << 64) - 1):
            assert caller.read_some(at, 16) == b""
            with pytest.raises(OSError, match="Bad address"):
                caller.read(at, 16)
            with pytest.raises(OSError, match="Bad address"):
                caller.write((at, b"x"))
        assert caller.read(8, 0) == b""
    known.close()


def test_descriptor_is_copied_from_the_caller() -> None:
    known = Callers()
    with talker("word") as child:
        told(child)
        caller = known.find(child.pid)
        copy = caller.fetch(1)
        assert child.stdout
        assert os.fstat(copy).st_ino == os.fstat(child.stdout.fileno()).st_ino
        assert not os.get_inheritable(copy)
        os.close(copy)
        for fd in (-1, 999):
            with pytest.raises(OSError, match="Bad file descriptor"):
                caller.fetch(fd)
    known.close()


def test_thread_that_is_gone_is_nobody() -> None:
    known = Callers()
    with talker("word") as child:
        told(child)
        caller = known.find(child.pid)
    assert not caller.is_alive()
    if not caller.shared:  # then it is not asked whether it lives: what is fetched next says so
        with pytest.raises(ProcessLookupError):
            known.find(child.pid).fetch(0)
    with pytest.raises(OSError):  # noqa: PT011 # whichever the kernel says
        known.anew(child.pid)
    caller_of_self = known.find(os.getpid())
    assert caller_of_self.is_equal()
    known.close()


def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "MAX_CALLERS", 2)
    known = Callers()
    before = len(os.listdir("/proc/self/fd"))
    with talker("a") as one, talker("b") as two, talker("c") as three:
        for child in (one, two, three):
            at, _ = told(child)
            known.find(child.pid).read(at, 1)
        pipes = 6
        assert len(os.listdir("/proc/self/fd")) == before + pipes + 4
        known.close()
        assert len(os.listdir("/proc/self/fd")) == before + pipes


def test_name_of_a_program_forges_no_line_of_its_status() -> None:
    with open("/proc/self/comm", "wb") as file:
        file.write(b"x\nUid:\t7\n")
    try:
        text = status("self")
        assert field(text, b"Uid").split()[0] == str(os.getuid()).encode()
        assert field(text, b"Tgid") == str(os.getpid()).encode()
        assert len(credentials(text).splitlines()) == 4
    finally:
        with open("/proc/self/comm", "wb") as file:
            file.write(b"pytest")


def test_processes_that_changed_and_have_ended_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a long run would come to keep nobody."""
    monkeypatch.setattr(callers, "MAX_CHANGING", 3)
    known = Callers()
    for _ in range(6):
        with talker("word") as child:
            _, tid = told(child)
            known.executes(known.find(tid))
            caller = known.find(child.pid)
            assert known.find(child.pid) is not caller, "it may be another program at any moment"
    with talker("word") as child:
        told(child)
        assert known.find(child.pid) is known.find(child.pid)
    known.close()
