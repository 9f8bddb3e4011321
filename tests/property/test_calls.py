"""Whatever a guest's registers and memory hold, a call is read into bounded values or is an OSError, and nothing stays.

The caller is this process itself: its memory is made of what chance gives, and read as any guest's.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
from collections.abc import Iterator

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from netguard.core.question import Malformed
from netguard.seccomp import arguments, kill, messages
from netguard.seccomp.callers import Caller, credentials, status
from netguard.seccomp.notify import CONTINUE
from netguard.supervisor.notes import Note
from tests.support.kernel import seccomp_missing

pytestmark = [pytest.mark.property, pytest.mark.skipif(bool(seccomp_missing()), reason=seccomp_missing())]

PAGE = mmap.PAGESIZE

#: The guest's memory: some pages, and behind them one that nobody may read.
ROOM = mmap.mmap(-1, 9 * PAGE)
BASE = ctypes.addressof(ctypes.c_char.from_buffer(ROOM))
END = BASE + 8 * PAGE
ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(END), PAGE, 0)

POINTERS = (
    st.integers(0, 8 * PAGE).map(BASE.__add__)
    | st.integers(0, 300).map(END.__sub__)
    | st.sampled_from([0, 8, END, BASE, 1 << 47, 1 << 63, (1 << 64) - 1, (1 << 64) - 8])
)
SIZES = st.integers(0, 300) | st.sampled_from(
    [0, 1, 2, 16, 28, 110, 128, 129, 253, 254, 1024, 1025, PAGE, 1 << 20, (1 << 20) + 1, 1 << 31, (1 << 32) - 1,
     1 << 63, (1 << 64) - 1]
)  # fmt: skip
WORDS = POINTERS | SIZES | st.integers(0, (1 << 64) - 1)
NUMBERS = st.sampled_from([0, 1, 2, 4, 5, 7, 8, 11, 12, 20, 29, 37, 41, 50, 54, 57, 61]) | st.integers(0, 2**31 - 1)


def mostly(draw: st.DrawFn, value: int, *others: st.SearchStrategy[int]) -> int:
    """What would be right, seven times of eight."""
    return draw(st.one_of(others)) if draw(st.integers(0, 7)) == 7 else value


@st.composite
def controls(draw: st.DrawFn) -> bytes:
    """Ancillary data: parts that are right, and parts whose length lies."""
    parts = []
    for _ in range(draw(st.integers(0, 6))):
        level, kind = draw(st.sampled_from([(1, 1), (1, 1), (1, 2), (0, 7), (41, 57), (0, 8), (41, 50)]))
        level, kind = mostly(draw, level, NUMBERS), mostly(draw, kind, NUMBERS)
        body = draw(st.one_of(st.sampled_from([0, 1, 2, 120]).map(standard), st.binary(max_size=40)))
        length = mostly(draw, 16 + len(body), st.sampled_from([0, 15, 16, 1 << 62, (1 << 64) - 1]))
        parts.append(struct.pack("<Qii", length, level, kind) + body + bytes(-len(body) & 7))
    return b"".join(parts)


def standard(many: int) -> bytes:
    """So many times the number of a descriptor that is there."""
    return struct.pack("<i", 1) * many


@st.composite
def memories(draw: st.DrawFn) -> bytes:
    """Headers, vectors, addresses and ancillary data that point at each other, or anywhere."""
    control = draw(controls())
    likely = [b"\2\0\0\x50\x7f\0\0\1" + bytes(8), b"\1\0/a\0", b"\1\0\0a", b""]
    address = draw(st.sampled_from(likely) | st.binary(max_size=140))
    data = bytearray(3 * PAGE)
    data[2048 : 2048 + len(address)] = address
    data[2560 : 2560 + len(control)] = control
    pieces = [(mostly(draw, BASE, POINTERS), mostly(draw, 100, SIZES)) for _ in range(draw(st.integers(1, 5)))]
    vector = b"".join([struct.pack("<QQ", *piece) for piece in pieces])
    data[8192 : 8192 + len(vector)] = vector
    for number in range(draw(st.sampled_from([1, 8]))):
        fields = [
            mostly(draw, draw(st.sampled_from([0, BASE + 2048])), POINTERS),
            mostly(draw, len(address), SIZES) & 0xFFFFFFFF,
            mostly(draw, BASE + 8192, POINTERS),
            mostly(draw, len(vector) // 16, SIZES),
            mostly(draw, BASE + 2560, POINTERS),
            mostly(draw, len(control), SIZES),
            0,
        ]
        data[number * 64 : number * 64 + 56] = struct.pack("<QI4xQQQQI4x", *fields)
    return bytes(data[: 8192 + len(vector)])


@pytest.fixture(scope="module")
def socks() -> Iterator[list[socket.socket]]:
    """One of each kind."""
    found = [
        socket.socket(domain, kind)
        for domain in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    ]
    found.append(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
    yield found
    for sock in found:
        sock.close()


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    """This process."""
    found = Caller(os.getpid(), credentials(status("self")))
    found.read(BASE, 1)  # from now on it holds its memory
    yield found
    found.close()


CALLS = ("connect", "bind", "listen", "sendto", "sendmsg", "sendmsg", "sendmmsg", "sendmmsg")


@settings(max_examples=min(settings().max_examples, 8_000))
@given(
    st.sampled_from(CALLS), st.integers(0, 8), st.lists(WORDS, min_size=5, max_size=5), memories(), st.integers(0, 7)
)
def test_call_is_read_into_bounded_values_or_refused(
    socks: list[socket.socket], caller: Caller, call: str, which: int, words: list[int], memory: bytes, right: int
) -> None:
    ROOM[: len(memory)] = memory
    fd = socks[which].fileno() if which < len(socks) else words[0]
    if right and call in ("sendmsg", "sendmmsg"):
        words[:2] = [BASE, words[1] & 7]
    elif right and call in ("connect", "bind"):
        words[:2] = [BASE + 2048, words[1] & 0xFF]
    before = len(os.listdir("/proc/self/fd"))
    wanted = None
    try:
        wanted = arguments.read(call, (fd, *words), caller)
    except OSError as error:
        refused = error.errno
    if wanted is None:
        assert refused
    else:
        try:
            check(wanted)
        finally:
            wanted.close()
    assert len(os.listdir("/proc/self/fd")) == before, "a descriptor stays"


@settings(max_examples=min(settings().max_examples, 5_000))
@given(st.integers(0, 5), st.lists(controls(), min_size=1, max_size=4))
@example(1, [struct.pack("<Qii", 496, 1, 1) + standard(120)] * 4)  # more descriptors than one call may hand over
def test_ancillary_data_is_put_together_anew(
    socks: list[socket.socket], caller: Caller, which: int, found: list[bytes]
) -> None:
    """Of several messages at once, each with its own."""
    data = bytearray(2 * PAGE)
    at = 1024
    for number, control in enumerate(found):
        header = struct.pack("<QI4xQQQQI4x", 0, 0, BASE, 0, BASE + at, len(control), 0)
        data[number * 64 : number * 64 + 56] = header
        data[at : at + len(control)] = control
        at += len(control)
    ROOM[: len(data)] = bytes(data)
    before = len(os.listdir("/proc/self/fd"))
    try:
        wanted = arguments.read("sendmmsg", (socks[which].fileno(), BASE, len(found), 0, 0, 0), caller)
    except OSError:
        wanted = None
    if wanted is not None:
        try:
            check(wanted)
        finally:
            wanted.close()
    assert len(os.listdir("/proc/self/fd")) == before, "a descriptor stays"


def check(wanted: arguments.Wanted) -> None:
    """What is held of a call has bounds, and what it would pass on is what was read in it."""
    assert len(wanted.address) <= 128
    assert wanted.kind in ("", "connect", "listen")
    assert not wanted.kind or wanted.proto
    assert sum([len(message.payload) for message in wanted.messages]) <= messages.MAX_PAYLOAD
    assert sum([len(message.held) for message in wanted.messages]) <= messages.MAX_DESCRIPTORS
    for message in wanted.messages:
        passed = []
        for level, kind, body in parts(message.control):
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                assert wanted.domain == socket.AF_UNIX, "descriptors go by unix sockets alone"
                passed += list(struct.unpack(f"<{len(body) // 4}i", body))
            assert (level, kind) != (socket.SOL_SOCKET, socket.SCM_CREDENTIALS), "who sends is the kernel's to say"
            if wanted.domain in (socket.AF_INET, socket.AF_INET6) and level in (0, 41):
                assert kind not in (7, 3, 4, 5, 54, 55, 57, 59), "a source route"
        assert passed == message.held, "a number of a descriptor that is not our copy of the guest's"


def parts(control: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Ancillary data as the kernel goes through it."""
    at = 0
    while at + 16 <= len(control):
        length, level, kind = struct.unpack_from("<Qii", control, at)
        assert 16 <= length <= len(control) - at
        yield level, kind, control[at + 16 : at + length]
        at += (length + 7) & ~7


TEXTS = st.lists(st.binary(max_size=20), max_size=16).map(lambda texts: b"\0".join([b"note", *texts]))


@given(st.binary(max_size=400) | TEXTS)
def test_any_bytes_are_a_note(text: bytes) -> None:
    note = Note(text)
    assert isinstance(note.about, bytes)
    assert len(note.about) <= len(text) + 3
    try:
        str(note.tid, "utf-8", "surrogatepass")
    except (UnicodeDecodeError, Malformed):
        pass


TARGETS = st.sampled_from([os.getpid(), -os.getpid(), 0, 1, -1, 2**31, 2**32 - 1, 2**32 + os.getpid(), 2**63]) | WORDS


@given(st.sampled_from(sorted(kill.TARGETS)), st.lists(TARGETS, min_size=6, max_size=6))
def test_no_signal_that_goes_on_is_for_the_supervisor(name: str, args: list[int]) -> None:
    """Signal 0 only asks: here it is this process that is asked for, as the supervisor."""
    if name == "kill":
        args[1] = 0
    try:
        error, flags = kill.judge(name, tuple(args), os.getpid())
    except OSError:
        return  # no such group: the guest gets the errno
    low = [struct.unpack("<i", struct.pack("<I", args[at] & 0xFFFFFFFF))[0] for at in kill.TARGETS[name]]
    ours = {os.getpid(), *map(int, os.listdir("/proc/self/task"))}
    if flags == CONTINUE:
        assert not ours.intersection(low), (name, low)
        assert name != "kill" or low[0] not in (0, -1, -os.getpgrp()), "a group that the supervisor is in"
    else:
        assert flags == 0
        assert error or name == "kill"
