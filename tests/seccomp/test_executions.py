"""A start is read once as the kernel reads it, with its errors in the kernel's order, from any memory."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netguard.seccomp import executions
from netguard.seccomp.callers import Caller, Callers
from netguard.seccomp.executions import EMPTY_PATH, HERE, MAX_BYTES, MAX_PATH, MAX_WORD, MAX_WORDS, NO_FOLLOW, Memory

pytestmark = pytest.mark.kernel

#: A negative number in a register of 32 bits.
MINUS = 1 << 32


@pytest.fixture
def us() -> Iterator[Caller]:
    """We ourselves, as one who asks."""
    known = Callers()
    yield known.find(os.getpid())
    known.close()


def texts(*words: bytes) -> object:
    """A list of texts as C has it; whoever holds it holds them all."""
    return (ctypes.c_char_p * (len(words) + 1))(*words, None)


def at(held: object) -> int:
    return ctypes.addressof(held)  # type: ignore[arg-type]


def read(us: Caller, path: bytes, argv: object = None, environ: object = None) -> executions.Execution:
    held = ctypes.create_string_buffer(path)
    args = (at(held), at(argv) if argv else 0, at(environ) if environ else 0, 0, 0, 0)
    return executions.read("execve", args, us)


def read_at(us: Caller, folder: int, path: bytes, flags: int = 0) -> executions.Execution:
    held, argv = ctypes.create_string_buffer(path), texts(b"a")
    return executions.read("execveat", (folder % MINUS, at(held), at(argv), 0, flags, 0), us)


@contextmanager
def fails(number: int) -> Iterator[None]:
    with pytest.raises(OSError) as caught:  # noqa: PT011 # the number is looked at
        yield
    assert caught.value.errno == number, caught.value


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 1


def test_what_is_asked_for_is_read_whole(us: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    found = read(us, b"bin/true", texts(b"true", b"", b"a b"), texts(b"A=1", b"B"))
    assert (found.path, found.real, found.folder) == ("/bin/true", os.path.realpath("/bin/true"), "/")
    assert (found.argv, found.environ) == ([b"true", b"", b"a b"], [b"A=1", b"B"])
    assert (found.whole, found.whole_environ) == (True, True)
    about = os.stat("/bin/true")
    assert found.identity == (about.st_dev, about.st_ino)
    assert found.head.startswith(b"\x7fELF")
    found.close()


def test_no_list_at_all_is_an_empty_one(us: Caller) -> None:
    found = read(us, b"/bin/true")
    assert (found.argv, found.environ, found.whole, found.whole_environ) == ([], [], True, True)
    found.close()


@pytest.mark.parametrize(
    ("path", "number"),
    [
        (b"", errno.ENOENT),
        (b"/none/none", errno.ENOENT),
        (b"/bin/true/none", errno.ENOTDIR),
        (b"/bin", errno.EACCES),
        (b"/etc/passwd", errno.EACCES),
        (b"/dev/null", errno.EACCES),
        (b"x" * 300, errno.ENAMETOOLONG),
        (b"/" * MAX_PATH, errno.ENAMETOOLONG),
    ],
)
def test_what_is_no_program_has_the_kernels_errno(us: Caller, path: bytes, number: int) -> None:
    assert number == bare_errno(path)
    with fails(number):
        read(us, path)


def bare_errno(path: bytes) -> int:
    """What the kernel says to it."""
    try:
        os.waitpid(os.posix_spawn(path, [b"x"], {}), 0)
    except OSError as error:
        return error.errno or 0
    return 0


def test_file_of_no_format_is_one_only_where_nobody_knows_more(us: Caller, tmp_path: Path) -> None:
    for name, text, number in (("empty", "", errno.ENOEXEC), ("text", "echo\n", errno.ENOEXEC), ("script", "#!x", 0)):
        file = tmp_path / name
        file.write_text(text)
        file.chmod(0o755)
        if number:
            with fails(number):
                read(us, bytes(file))
        else:
            read(us, bytes(file)).close()


def test_links_are_followed_and_what_proc_says_is_the_callers(us: Caller, tmp_path: Path) -> None:
    real = os.path.realpath("/bin/true")
    (tmp_path / "link").symlink_to("/bin/true")
    found = read(us, bytes(tmp_path / "link"))
    assert (found.path, found.real) == (str(tmp_path / "link"), real)
    found.close()
    fd = os.open("/bin/true", os.O_RDONLY)
    for path in (f"/proc/self/fd/{fd}", f"/dev/fd/{fd}", f"/proc/thread-self/fd/{fd}", f"/proc/{os.getpid()}/fd/{fd}"):
        found = read(us, path.encode())
        assert found.real == real
        found.close()
    found = read(us, b"/proc/self/exe")
    assert found.real == os.path.realpath(sys.executable)
    found.close()
    os.close(fd)


def test_link_into_proc_is_not_followed_in_our_own_name(us: Caller, tmp_path: Path) -> None:
    """`/proc/self` would be the supervisor's there."""
    (tmp_path / "link").symlink_to("/proc/self/exe")
    for path in (bytes(tmp_path / "link"), b"/proc/../proc/self/exe", b"/proc//self/exe"):
        with fails(errno.ELOOP):
            read(us, path)


def test_program_by_a_descriptor_is_what_it_holds(us: Caller, tmp_path: Path) -> None:
    real = os.path.realpath("/bin/true")
    fd, folder = os.open("/bin/true", os.O_RDONLY), os.open("/bin", os.O_PATH)
    for found in (
        read_at(us, fd, b"", EMPTY_PATH),
        read_at(us, folder, b"true"),
        read_at(us, folder, b"/bin/true"),
        read_at(us, HERE, b"/bin/true"),
        read_at(us, -1, b"/bin/true", EMPTY_PATH),
    ):
        assert (found.real, found.argv) == (real, [b"a"])
        found.close()
    memory = os.memfd_create("name")
    os.write(memory, b"#!/bin/sh\n")
    found = read_at(us, memory, b"", EMPTY_PATH)
    assert found.real == found.path == "/memfd:name (deleted)"
    found.close()
    (tmp_path / "link").symlink_to("/bin/true")
    wrong = [
        (-1, b"", EMPTY_PATH, errno.EBADF),
        (fd, b"", 0, errno.ENOENT),
        (HERE, b"", EMPTY_PATH, errno.EACCES),
        (fd, b"true", 0, errno.ENOTDIR),
        (999, b"true", 0, errno.EBADF),
        (HERE, bytes(tmp_path / "link"), NO_FOLLOW, errno.ELOOP),
        (HERE, b"/bin/true", 0x10000, errno.EINVAL),
        (HERE, b"/bin/true", 1, errno.EINVAL),
    ]
    for where, path, flags, number in wrong:
        with fails(number):
            read_at(us, where, path, flags)
    for one in (fd, folder, memory):
        os.close(one)


def edge(data: bytes) -> int:
    """Where these bytes lie at the end of memory; behind it there is none."""
    libc, page = ctypes.CDLL(None), mmap.PAGESIZE
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    start = int(libc.mmap(None, 2 * page, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0))
    libc.munmap(start + page, page)
    ctypes.memmove(start + page - len(data), data, len(data))
    return start + page - len(data)


def test_memory_that_ends_is_a_fault(us: Caller) -> None:
    held = texts(b"a")
    pointer = ctypes.c_void_p.from_buffer(held).value or 0  # type: ignore[arg-type]
    list_, cut = edge(pointer.to_bytes(8, "little")), edge(b"/bin/true")
    path = ctypes.create_string_buffer(b"/bin/true")
    for args in (
        (0, 0, 0),
        (8, 0, 0),
        (1 << 63, 0, 0),
        (cut, 0, 0),
        (at(path), 8, 0),
        (at(path), list_, 0),
        (at(path), at(held), 8),
        (at(path), at((ctypes.c_void_p * 2)(8, 0)), 0),
    ):
        with fails(errno.EFAULT):
            executions.read("execve", (*args, 0, 0, 0), us)
    whole = edge(b"/bin/true\0")
    executions.read("execve", (whole, 0, 0, 0, 0, 0), us).close()


def test_words_lie_anywhere(us: Caller) -> None:
    """At the edge of a page, over several, and in any order."""
    long = [bytes([65 + number]) * size for number, size in enumerate((1, 4_095, 4_096, 4_097, 70_000, MAX_WORD - 1))]
    words = [*long, b"", *reversed(long)]
    found = read(us, b"/bin/true", texts(*words), texts(*long))
    assert (found.argv, found.environ) == (words, long)
    found.close()
    with fails(errno.E2BIG):
        read(us, b"/bin/true", texts(b"x" * MAX_WORD))


def test_no_more_is_read_than_is_said(us: Caller) -> None:
    memory = Memory(us)
    many, large = texts(*[b"x"] * MAX_WORDS), texts(*[b"x" * 65_535] * 17)
    assert memory.words(at(many)) == ([b"x"] * MAX_WORDS, True)
    more = texts(*[b"x"] * (MAX_WORDS + 1))
    assert memory.words(at(more)) == ([b"x"] * MAX_WORDS, False)
    found, whole = memory.words(at(large))
    assert (sum(map(len, found)) < MAX_BYTES + 65_536, whole) == (True, False)
