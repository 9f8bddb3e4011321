"""What a guest's frame says, once it is known to be well formed. Every value in it is the guest's word.

    open     version run tid why                                  a new connection; has no answer
    hello    version python executable cwd argv…                  a guarded interpreter reports
    ask      kind event proto host port path program CODE argv…   may this happen?
    lookup   function name service n n n n CODE                   may this name be looked up, and what is it?
    hostile  kind event why CODE                                  an argument that could not be read
    listening fd                                                  this descriptor listens now
    result   seq errno milliseconds                               how a recorded act ended; has no answer

    CODE = file line function module package via
"""

from __future__ import annotations

from netguard.core.request import KINDS, NO_CODE, Code
from netguard.core.wire import unpack

#: Fields before the open-ended argv, and whether one follows. All but `open` carry a number behind their name.
SHAPES: dict[str, tuple[int, bool]] = {
    "open": (4, False),
    "hello": (4, True),
    "ask": (13, True),
    "lookup": (13, False),
    "hostile": (9, False),
    "listening": (1, False),
    "result": (3, False),
}

#: The operations that end in CODE, and where it begins.
CODED = {"ask": 7, "lookup": 7, "hostile": 3}

#: The operations that name a kind of act.
KINDRED = ("ask", "hostile")
_KINDS = frozenset((*KINDS, "audit"))

#: Characters of a question's number: it comes back in the answer, which has a bound of its own.
MAX_NUMBER = 64

#: What C holds in an int.
INT_MIN, INT_MAX = -(2**31), 2**31 - 1


class Malformed(ValueError):
    """A frame that the shim would not have sent. Its sender is cut off."""


class Question:
    """One frame. `fields` are those of its shape, `argv` what follows them, `code` its CODE fields if it has them."""

    __slots__ = ("argv", "code", "fields", "number", "op")

    def __init__(self, op: str, number: str, fields: list[str], argv: tuple[str, ...], code: Code) -> None:
        self.op = op
        self.number = number
        self.fields = fields
        self.argv = argv
        self.code = code


def parse(frame: bytes) -> Question:
    """Returns the question in a frame. Raises Malformed for anything the shim would not have sent."""
    try:
        fields = unpack(frame)
    except ValueError as error:
        raise Malformed(str(error)) from None
    op = fields[0]
    shape = SHAPES.get(op)
    if shape is None:
        raise Malformed("an operation that nobody knows")
    length, has_argv = shape
    number = "" if op == "open" else fields.pop(1)[:MAX_NUMBER] if len(fields) > 1 else ""
    del fields[0]
    if len(fields) < length or (len(fields) > length and not has_argv):
        raise Malformed(f"{op} with {len(fields)} fields")
    if op in KINDRED and fields[0] not in _KINDS:
        raise Malformed("a kind that nobody knows")
    argv: tuple[str, ...] = ()
    if len(fields) > length:
        argv = tuple(fields[length:])
        del fields[length:]
    at = CODED.get(op)
    if at is None:
        return Question(op, number, fields, argv, NO_CODE)
    code = Code(fields[at], to_int(fields[at + 1]), *fields[at + 2 : at + 6])
    return Question(op, number, fields, argv, code)


def to_int(text: str, least: int = 0, most: int = INT_MAX) -> int:
    """A guest's number: ASCII digits within bounds, behind a minus where that is. Raises Malformed."""
    digits = text[1:] if text[:1] == "-" else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and least <= int(text) <= most):
        raise Malformed("a number that is none")
    return int(text)


def to_ms(text: str) -> float:
    """A guest's duration in milliseconds. Raises Malformed for what is none, also for NaN and the endless."""
    try:
        found = float(text) if text.isascii() and len(text) <= 24 else -1.0
    except ValueError:
        found = -1.0
    if not 0.0 <= found < 1e9:
        raise Malformed("a time that is none")
    return found
