"""An assembler for seccomp's programs (classic BPF): places and tests in, instructions out. It knows no system call.

The kernel allows jumps ahead only, so a program is written from its end: wherever a jump may lead is there before it.
One that is too far for the eight bits of a test's jump gets a long jump behind the test, so nothing is out of reach.

Instructions: <linux/bpf_common.h>. What a program reads: struct seccomp_data of <linux/seccomp.h>.
"""

from __future__ import annotations

#: One instruction: code, how far to jump if true, if false, and the constant.
Instruction = tuple[int, int, int, int]

#: BPF_LD|BPF_W|BPF_ABS, BPF_ALU|BPF_AND|BPF_K, BPF_JMP|BPF_JA, BPF_RET|BPF_K.
LOAD, AND, JUMP, RETURN = 0x20, 0x54, 0x05, 0x06

#: BPF_JMP with BPF_K and each test of the word that was loaded, unsigned: equal, greater or equal, any bit in common.
EQUAL, AT_LEAST, ANY_BIT = 0x15, 0x35, 0x45

#: Where the word for the number and that for the architecture lie.
NUMBER, ARCH = 0, 4

#: How far a test can jump, less one: the long jump for one of its two ways moves the other way's end.
_REACH = 254

#: So many numbers are tested one after the other. Halving further would cost more jumps than it saves.
_LEAF = 3


def low(index: int) -> int:
    """Where the lower word of an argument lies; both machines have it first. It is all the kernel reads of an `int`."""
    return 16 + 8 * index


def high(index: int) -> int:
    """Where its upper word lies. Of an `int` it is whatever the caller left in the register."""
    return 20 + 8 * index


class Code:
    """A program in the making. Each method puts something before what is there, and returns its place to jump to."""

    def __init__(self) -> None:
        self._code: list[Instruction] = []  # the last instruction first; a place is how many there were with it

    def _put(self, code: int, k: int, yes: int = 0, no: int = 0) -> int:
        self._code.append((code, yes, no, k))
        return len(self._code)

    def _near(self, place: int) -> int:
        distance = len(self._code) - place
        return place if distance <= _REACH else self._put(JUMP, distance)

    def give(self, value: int) -> int:
        """The end of a call's way: the filter's answer."""
        return self._put(RETURN, value)

    def test(self, kind: int, k: int, yes: int, no: int) -> int:
        """Goes on at `yes` or at `no`, by the word that is loaded."""
        yes = self._near(yes)
        no = self._near(no)
        here = len(self._code)
        return self._put(kind, k, here - yes, here - no)

    def load(self, offset: int) -> int:
        """Loads a word, for what was put last."""
        return self._put(LOAD, offset)

    def equals(self, offset: int, values: list[int], yes: int, no: int, mask: int = 0) -> int:
        """Whether a word, of it the bits of `mask` alone if there is one, is any of the values."""
        place = no
        for value in reversed(values):
            place = self.test(EQUAL, value, yes, place)
        if mask:
            self._put(AND, mask)
        return self.load(offset)

    def has_bits(self, offset: int, bits: int, yes: int, no: int) -> int:
        """Whether a word has any of the bits."""
        self.test(ANY_BIT, bits, yes, no)
        return self.load(offset)

    def is_null(self, index: int, yes: int, no: int) -> int:
        """Whether an argument is zero in all its 64 bits, as a pointer has to be."""
        lower = self.equals(low(index), [0], yes, no)
        return self.equals(high(index), [0], lower, no)

    def choose(self, ways: list[tuple[int, int]], otherwise: int) -> int:
        """Goes on at the place of the number that is loaded. `ways`: (number, place), sorted.

        By halves, so that a call which nothing is said about passes a few tests instead of all.
        """
        if len(ways) <= _LEAF:
            place = otherwise
            for number, way in reversed(ways):
                place = self.test(EQUAL, number, way, place)
            return place
        middle = len(ways) // 2
        upper = self.choose(ways[middle:], otherwise)
        lower = self.choose(ways[:middle], otherwise)
        return self.test(AT_LEAST, ways[middle][0], upper, lower)

    def program(self) -> list[Instruction]:
        """The instructions in the kernel's order; what was put last comes first."""
        return self._code[::-1]
