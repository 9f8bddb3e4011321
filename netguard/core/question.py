"""What a guest's frame says, once it is known to be well formed. Every value in it is the guest's word.

    open     version run tid why key                              a new connection; has no answer
    hello    version python executable cwd argv…                  a guarded interpreter reports
    ask      kind event proto host port path program CODE argv…   may this happen?
    lookup   function name service n n n n CODE                   may this name be looked up, and what is it?
    hostile  kind event why CODE                                  an argument that could not be read
    note     kind event proto host port path program CODE         what thread `number` calls next; has no answer
    ended    errno milliseconds                                   how that call ended; has no answer
    why      kind proto host port                                 why was this thread's call to there denied?
    listening fd                                                  this descriptor listens now
    result   seq errno milliseconds                               how a recorded act ended; has no answer

    CODE = file line function module package via
"""

from __future__ import annotations

from .request import KINDS, NO_CODE, Code
from .wire import unpack

TYPE_CHECKING = False  # what typing exports, without importing typing into the guest
if TYPE_CHECKING:
    from collections.abc import Callable

#: Where in a frame's texts the fields begin and end, whether an argv follows, and where CODE begins (0: there is none).
#: All but `open` carry a number behind their name.
SHAPES: dict[str, tuple[int, int, bool, int]] = {
    "open": (1, 6, False, 0),
    "hello": (2, 6, True, 0),
    "ask": (2, 15, True, 9),
    "note": (2, 15, False, 9),
    "why": (2, 6, False, 0),
    "lookup": (2, 15, False, 9),
    "hostile": (2, 11, False, 5),
    "listening": (2, 3, False, 0),
    "result": (2, 5, False, 0),
}

#: The operations that name a kind of act.
KINDRED = ("ask", "note", "hostile")
_KINDS = frozenset((*KINDS, "audit"))

#: Which sensors saw an act: the witness, the kernel, or both.
HOOK, KERNEL, BOTH = ["hook"], ["kernel"], ["hook", "kernel"]

#: Characters of a question's number: it comes back in the answer, which has a bound of its own.
MAX_NUMBER = 64

#: What C holds in an int.
INT_MIN, INT_MAX = -(2**31), 2**31 - 1


class Malformed(ValueError):
    """A frame that the shim would not have sent. Its sender is cut off."""


def untold() -> str:
    """Nobody says which library it was."""
    return ""


class Question:
    """One frame. `fields` are those of its shape, `argv` what follows them, `code` its CODE fields if it has them.

    layers: who saw what it asks about.
    library: says which library made a call that the kernel saw. Asked only where somebody wants to know: to find it
             takes longer than to decide.
    """

    __slots__ = ("argv", "code", "fields", "layers", "library", "number", "op")

    def __init__(
        self,
        op: str,
        number: str,
        fields: list[str],
        argv: tuple[str, ...],
        code: Code,
        layers: list[str] = HOOK,
        library: Callable[[], str] = untold,
    ) -> None:
        self.op = op
        self.number = number
        self.fields = fields
        self.argv = argv
        self.code = code
        self.layers = layers
        self.library = library


def parse(frame: bytes) -> Question:
    """Returns the question in a frame. Raises Malformed for anything the shim would not have sent."""
    try:
        texts = unpack(frame)
    except ValueError as error:
        raise Malformed(str(error)) from None
    return read(texts)


def read(texts: list[str]) -> Question:
    """Returns the question in a frame's texts. Raises Malformed."""
    op = texts[0]
    shape = SHAPES.get(op)
    if shape is None:
        raise Malformed("an operation that nobody knows")
    begin, end, has_argv, code_at = shape
    count = len(texts)
    if count < end or (count > end and not has_argv):
        raise Malformed(f"{op} with {count} texts")
    fields = texts[begin:end]
    if op in KINDRED and fields[0] not in _KINDS:
        raise Malformed("a kind that nobody knows")
    code = NO_CODE
    if code_at:
        file, line, func, module, package, via = texts[code_at : code_at + 6]
        code = Code(file, to_int(line), func, module, package, via)
    argv = tuple(texts[end:]) if count > end else ()
    return Question(op, texts[1][:MAX_NUMBER] if begin == 2 else "", fields, argv, code)


def to_int(text: str, least: int = 0, most: int = INT_MAX) -> int:
    """A guest's number: ASCII digits within bounds, behind a minus where that is. Raises Malformed."""
    if text.isdigit() and len(text) < 10 and text.isascii():  # nearly always, and without a copy
        number = int(text)
        if least <= number <= most:
            return number
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
