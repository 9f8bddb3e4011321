"""Which library made a call: real threads that wait in real calls, asked from outside as the supervisor asks."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netguard.seccomp import libraries
from netguard.seccomp.callers import Caller, Callers
from netguard.seccomp.libraries import Map, caller_of

pytestmark = pytest.mark.kernel

x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86-64")

#: `code(path)` maps a file as code, `raw(path)` waits in read(2) from there: `syscall` is what stands in the file.
HEAD = """
import ctypes, mmap, os, struct, sys, threading
room = ctypes.create_string_buffer(8)
libc = ctypes.CDLL(None)
WAIT = ctypes.c_long, ctypes.c_void_p, ctypes.c_long
def code(path):
    with open(path, "rb") as file:
        held = libc.mmap
        held.restype, held.argtypes = ctypes.c_void_p, [ctypes.c_long] * 6
        return held(0, 4096, 5, 2, file.fileno(), 0)
def raw(at):
    ctypes.CFUNCTYPE(ctypes.c_long, *WAIT)(at)(0, ctypes.addressof(room), 1)
"""

#: xor eax, eax (read); syscall; ret.
READ = bytes.fromhex("31c00f05c3")

THROUGH_LIBC = "libc.read.argtypes = WAIT; libc.read(0, ctypes.addressof(room), 1)"


def waits(pid: int) -> int:
    """Waits until a process reads its standard input; returns the address that it does that from."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        fields = Path(f"/proc/{pid}/syscall").read_text().split()
        if fields[:2] in (["0", "0x0"], ["63", "0x0"]):
            return int(fields[8], 16)
        time.sleep(0.001)
    raise AssertionError(fields)


@contextmanager
def guest(source: str, *args: str) -> Iterator[tuple[Caller, subprocess.Popen[bytes]]]:
    """A process of this source, known as the wall knows one."""
    command = [sys.executable, "-I", "-S", "-c", HEAD + source, *args]
    known = Callers()
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        try:
            waits(child.pid)
            yield known.find(child.pid), child
        finally:
            child.kill()
            known.close()


def named(source: str, *args: str) -> str:
    """What made the call that a process of this source waits in."""
    with guest(source, *args) as (caller, child):
        return caller_of(caller, waits(child.pid))


def go_on(child: subprocess.Popen[bytes]) -> None:
    """Ends the call that it waits in."""
    assert child.stdin
    child.stdin.write(b"x")
    child.stdin.flush()


def made(folder: Path, name: str = "made.so", code: bytes = READ) -> str:
    """A file of machine code."""
    path = folder / name
    path.write_bytes(code.ljust(4096, b"\x90"))
    return str(path)


def test_call_through_the_c_library_is_of_who_called_it() -> None:
    """By ctypes that is libffi."""
    assert Path(named(THROUGH_LIBC)).name.startswith("libffi")


def test_call_of_the_interpreter_is_its_own() -> None:
    assert Path(named("os.read(0, 1)")).name.startswith(("python", "libpython"))


@x86_64
def test_call_that_a_library_makes_itself_is_its_own(tmp_path: Path) -> None:
    path = made(tmp_path)
    assert named("raw(code(sys.argv[1]))", path) == path


@x86_64
def test_file_that_is_gone_keeps_its_name(tmp_path: Path) -> None:
    path = made(tmp_path)
    assert named("at = code(sys.argv[1]); os.unlink(sys.argv[1]); raw(at)", path) == path


@x86_64
def test_code_in_no_file_is_of_who_called_it() -> None:
    """Of a compiler that works while the program runs: the stack leads back to whatever is in a file."""
    source = f"""
held = mmap.mmap(-1, 4096, prot=7); held.write(bytes.fromhex({READ.hex()!r}))
raw(ctypes.addressof(ctypes.c_char.from_buffer(held)))
"""
    assert Path(named(source)).name.startswith("libffi")


@x86_64
def test_library_that_was_loaded_since_is_found(tmp_path: Path) -> None:
    """The map is kept, and read anew for what is not in it; then it is kept again."""
    path = made(tmp_path)
    with guest(THROUGH_LIBC + "; raw(code(sys.argv[1])); " + THROUGH_LIBC, path) as (caller, child):
        assert Path(caller_of(caller, waits(child.pid))).name.startswith("libffi")
        before = caller.map
        assert caller_of(caller, waits(child.pid))
        assert caller.map is before, "read once"
        at = waits(child.pid)
        go_on(child)
        while (now := waits(child.pid)) == at:
            pass
        assert caller_of(caller, now) == path
        assert caller.map is not before


#: Machine code: its first argument becomes the stack, and a call waits there: rsp = rdi; read(0, rsp, 1); hlt.
ELSEWHERE = bytes.fromhex("4889fc31ff31c0ba010000004889e60f05f4")

#: Waits with `words` as the stack.
ON_STACK = f"""
kept = mmap.mmap(-1, 4096, prot=7); kept.write(bytes.fromhex({ELSEWHERE.hex()!r}))
ctypes.CFUNCTYPE(None, ctypes.c_void_p)(ctypes.addressof(ctypes.c_char.from_buffer(kept)))(ctypes.addressof(words))
"""


@x86_64
@pytest.mark.parametrize(("many", "reads"), [(8, [1, 1]), (1024, [1, 2])], ids=["few", "more-than-are-known"])
def test_map_is_not_read_for_each_word_that_leads_nowhere(
    many: int, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever fills a stack with them has us read once a call, and for a few that any stack may hold not again."""
    found: list[int] = []
    real = libraries._text_of
    monkeypatch.setattr(libraries, "_text_of", lambda tid: found.append(tid) or real(tid))
    source = f"words = (ctypes.c_uint64 * 1024)(*[0x123456789000 + 8 * at for at in range({many})])\n"
    with guest(source + ON_STACK) as (caller, child):
        told = []
        for _ in range(2):
            assert caller_of(caller, waits(child.pid)) == ""
            told.append(len(found))
        assert told == reads
        assert isinstance(caller.map, Map)
        assert len(caller.map.absent) <= libraries.MAX_ABSENT


@x86_64
def test_stack_says_what_the_guest_writes_there(tmp_path: Path) -> None:
    """So no grant may rest on it: `check` says so. What looks like an address in a library is one."""
    path = made(tmp_path)
    source = "words = (ctypes.c_uint64 * 1024)(code(sys.argv[1]) + 100)\n" + ON_STACK
    assert named(source, path) == path


def test_map_that_is_too_long_tells_nothing() -> None:
    """And takes no longer than what is read of it."""
    source = """
held = libc.mmap; held.restype, held.argtypes = ctypes.c_void_p, [ctypes.c_long] * 6
start = held(0, 40_000 * 4096, 3, 34, -1, 0)
for at in range(0, 40_000, 2):
    libc.mprotect(ctypes.c_void_p(start + at * 4096), ctypes.c_size_t(4096), 1)
"""
    with guest(source + THROUGH_LIBC) as (caller, child):
        at = waits(child.pid)
        start = time.process_time()
        assert caller_of(caller, at) == ""
        assert time.process_time() - start < 0.5
        assert caller.map is None


def test_nobody_there_tells_nothing() -> None:
    with guest(THROUGH_LIBC) as (caller, child):
        at = waits(child.pid)
        child.kill()
        child.wait()
        assert caller_of(caller, at) == ""


def test_thread_that_waits_in_no_call_tells_nothing() -> None:
    """Its stack is in motion. Its calling address alone is told, as the kernel had it."""
    with guest("room = os.read(0, 1)\nwhile True: pass") as (caller, child):
        go_on(child)
        path = Path(f"/proc/{child.pid}/syscall")
        while "running" not in path.read_text():
            pass
        assert caller_of(caller, 8) == ""


MAP = b"""\
55d0c0000000-55d0c0001000 r--p 00000000 fe:01 12                         /usr/bin/with space
55d0c0001000-55d0c0002000 r-xp 00001000 fe:01 12                         /usr/bin/with space
7f0000000000-7f0000001000 rwxp 00000000 00:00 0
7f0000001000-7f0000002000 r-xp 00000000 fe:01 13                         /tmp/gone.so (deleted)
7f0000003000-7f0000004000 r-xp 00000000 00:00 0                          [vdso]
7f0000004000-7f0000005000 r-xp 00000000 00:05 99                         /memfd:any (deleted)
"""


@pytest.mark.parametrize(
    ("address", "file"),
    [
        (0x55D0BFFFFFFF, None),
        (0x55D0C0000000, ""),
        (0x55D0C0001000, "/usr/bin/with space"),
        (0x55D0C0001FFF, "/usr/bin/with space"),
        (0x55D0C0002000, None),
        (0x7F0000000000, ""),
        (0x7F0000001FFF, "/tmp/gone.so"),
        (0x7F0000002000, None),
        (0x7F0000003000, ""),
        (0x7F0000004000, "/memfd:any"),
        ((1 << 64) - 1, None),
    ],
    ids=lambda value: hex(value) if isinstance(value, int) else "",
)
def test_map_says_whose_code_an_address_is(address: int, file: str | None) -> None:
    assert Map(MAP).find(address) == file


def test_map_of_this_process_names_the_c_library() -> None:
    address = ctypes.cast(ctypes.CDLL(None).connect, ctypes.c_void_p).value
    assert address
    found = Map(Path("/proc/self/maps").read_bytes()).find(address)
    assert found
    assert Path(found).name.startswith(libraries.BETWEEN)
