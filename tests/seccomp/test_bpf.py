"""The assembler: what it puts together does what it was asked, however far its jumps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netguard.seccomp import bpf
from netguard.seccomp.bpf import Code, high, low
from tests.support import classic

YES, NO = 1, 2

WORDS = st.integers(0, 2**64 - 1)


def answer(code: Code, *args: int, number: int = 0) -> int:
    """What the program gives for a call with these arguments."""
    program = code.program()
    classic.check(program)
    return classic.run(program, classic.data(number, 0, args))[0]


def ends() -> tuple[Code, int, int]:
    """A program with two ends, and their places."""
    code = Code()
    return code, code.give(YES), code.give(NO)


@pytest.mark.parametrize("between", [0, 1, *range(248, 260), 1_000, 3_000])
@pytest.mark.parametrize("far", ["yes", "no", "both"])
@pytest.mark.parametrize("last", ["yes", "no"])
def test_jump_of_any_length_arrives(between: int, far: str, last: str) -> None:
    """The long jump of one way makes the other longer by one, which must not be one too many."""
    code = Code()
    order = sorted({"yes": YES, "no": NO}.items(), key=lambda way: way[0] == last)
    there = {way: code.give(value) for way, value in order}
    for _ in range(between):
        code.give(99)
    near = {way: code.give(value) for way, value in order}
    ways = {way: there[way] if far in (way, "both") else near[way] for way in there}
    code.equals(low(0), [7], ways["yes"], ways["no"])
    assert (answer(code, 7), answer(code, 8)) == (YES, NO)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=6), WORDS)
def test_equals_sees_the_lower_word(values: list[int], argument: int) -> None:
    code, yes, no = ends()
    code.equals(low(3), values, yes, no)
    assert answer(code, 0, 0, 0, argument) == (YES if argument % 2**32 in values else NO)


def test_word_is_compared_unsigned() -> None:
    code, yes, no = ends()
    code.test(bpf.AT_LEAST, 5, yes, no)
    code.load(bpf.NUMBER)
    assert [answer(code, number=number) for number in (4, 5, -1, 0x40000000)] == [NO, YES, YES, YES]


def test_masked_word_is_compared_without_its_other_bits() -> None:
    code, yes, no = ends()
    code.equals(low(1), [2, 3], yes, no, mask=0xF)
    assert [answer(code, 0, word) for word in (2, 0x802, 0x80003, 1, 0x12, 0x1_0000_0002)] == [
        YES,
        YES,
        YES,
        NO,
        YES,
        YES,
    ]


@given(WORDS, st.integers(1, 2**32 - 1))
def test_bits_are_those_of_the_lower_word(argument: int, bits: int) -> None:
    code, yes, no = ends()
    code.has_bits(low(0), bits, yes, no)
    assert answer(code, argument) == (YES if argument & bits else NO)


@pytest.mark.parametrize(("pointer", "null"), [(0, YES), (1, NO), (1 << 32, NO), (1 << 63, NO), (2**64 - 1, NO)])
def test_pointer_is_null_in_all_its_bits(pointer: int, null: int) -> None:
    code, yes, no = ends()
    code.is_null(4, yes, no)
    assert answer(code, 0, 0, 0, 0, pointer) == null


def test_words_of_an_argument_lie_where_the_kernel_has_them() -> None:
    seen = classic.data(0, 0, [0x1122334455667788])
    assert seen[low(0) : low(0) + 4] == bytes.fromhex("88776655")
    assert seen[high(0) : high(0) + 4] == bytes.fromhex("44332211")


@given(st.sets(st.integers(0, 1_000), max_size=400), st.integers(0, 1_000))
def test_number_finds_its_way(numbers: set[int], number: int) -> None:
    code = Code()
    otherwise = code.give(NO)
    ways = [(each, code.give(each + 10)) for each in sorted(numbers)]
    code.choose(ways, otherwise)
    code.load(bpf.NUMBER)
    assert answer(code, number=number) == (number + 10 if number in numbers else NO)


def test_choice_takes_few_tests() -> None:
    """Every call that the guest makes goes through it, where the kernel does not remember that it is allowed."""
    code = Code()
    otherwise = code.give(NO)
    ways = [(each, code.give(YES)) for each in range(0, 200, 2)]
    code.choose(ways, otherwise)
    code.load(bpf.NUMBER)
    program = code.program()
    longest = max(len(classic.run(program, classic.data(number, 0))[1]) for number in range(200))
    assert longest <= 14
