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
CODE_FIELDS = 6
_KINDS = frozenset((*KINDS, "audit"))


class Malformed(ValueError):
    """A frame that the shim would not have sent. Its sender is cut off."""


class Question:
    """One frame. `fields` are those of its shape, `argv` what follows them, `code` its CODE fields if it has them."""

    __slots__ = ("argv", "code", "fields", "number", "op")

    def __init__(
        self, op: str, number: str, fields: list[str], argv: tuple[str, ...] = (), code: Code = NO_CODE
    ) -> None:
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
    start = 1 if op == "open" else 2
    end = start + length
    if len(fields) < end or (len(fields) > end and not has_argv):
        raise Malformed(f"{op} with {len(fields)} fields")
    number = "" if op == "open" else fields[1]
    if op in ("ask", "hostile") and fields[2] not in _KINDS:
        raise Malformed("a kind that nobody knows")
    code = _code(fields[end - CODE_FIELDS : end]) if op in ("ask", "lookup", "hostile") else NO_CODE
    return Question(op, number, fields[start:end], tuple(fields[end:]), code)


def _code(fields: list[str]) -> Code:
    file, line, func, module, package, via = fields
    return Code(file, to_int(line), func, module, package, via)


def to_int(text: str, most: int = 2**31 - 1) -> int:
    """A guest's number: ASCII digits up to `most`, with a sign for what C takes signed. Raises Malformed."""
    digits = text[1:] if text.startswith("-") else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10) or int(digits) > most:
        raise Malformed("a number that is none")
    return int(text)
