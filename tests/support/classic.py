"""A machine for classic BPF as seccomp runs it, so that a filter can be tried on calls that nobody dares to make.

It knows what the kernel's checker allows a seccomp program, and refuses the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

Instruction = tuple[int, int, int, int]

LOAD, AND, RETURN = 0x20, 0x54, 0x06
JUMP, EQUAL, GREATER, AT_LEAST, ANY_BIT = 0x05, 0x15, 0x25, 0x35, 0x45

#: struct seccomp_data: nr, arch, instruction_pointer, args[6]; in the byte order of both machines.
DATA = struct.Struct("<iIQ6Q")

#: BPF_MAXINSNS: no longer program is taken.
MOST = 4096

TESTS = {
    EQUAL: lambda word, k: word == k,
    GREATER: lambda word, k: word > k,
    AT_LEAST: lambda word, k: word >= k,
    ANY_BIT: lambda word, k: bool(word & k),
}


def data(number: int, arch: int, args: Sequence[int] = ()) -> bytes:
    """What the kernel shows a filter of one call."""
    filled = [*args, *[0] * (6 - len(args))]
    return DATA.pack(struct.unpack("i", struct.pack("I", number & 2**32 - 1))[0], arch, 0, *[a % 2**64 for a in filled])


def run(program: Sequence[Instruction], seen: bytes) -> tuple[int, list[int]]:
    """What the program returns, and the instructions it came by. Raises IndexError where it runs off its end."""
    word, at, way = 0, 0, []
    while True:
        way.append(at)
        code, yes, no, k = program[at]
        if code == RETURN:
            return k, way
        if code == LOAD:
            word = struct.unpack_from("<I", seen, k)[0]
        elif code == AND:
            word &= k
        elif code == JUMP:
            at += k
        else:
            at += yes if TESTS[code](word, k) else no
        at += 1


def targets(program: Sequence[Instruction]) -> Iterator[int]:
    """Where each instruction goes on, for those that do."""
    for at, (code, yes, no, k) in enumerate(program):
        if code == RETURN:
            continue
        if code == JUMP:
            yield at + 1 + k
        elif code in TESTS:
            yield from (at + 1 + yes, at + 1 + no)
        else:
            assert code in (LOAD, AND), f"no seccomp program has a {code:#x}"
            assert code == AND or (k % 4 == 0 and k < DATA.size), f"there is no word at {k}"
            yield at + 1


def check(program: Sequence[Instruction]) -> None:
    """What the kernel asks of a program before it takes it."""
    assert 0 < len(program) <= MOST
    assert all(0 <= yes < 256 and 0 <= no < 256 and 0 <= k < 2**32 for _, yes, no, k in program)
    assert program[-1][0] == RETURN
    assert set(targets(program)) <= set(range(len(program)))
