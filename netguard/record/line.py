"""One record, one line: the exact bytes that are written, hashed and later checked.

A line is a flat JSON object in UTF-8, shorter than 65,536 bytes with its line feed (C2SP entry bundles count in 16
bits, and syslog receivers cut there too). Whatever text the guest puts into a record, `encode` gives a line: long text
is cut where a reader sees it, what is not text becomes text. It must never raise on a record and never grow past the
bound, or a guest could choose which of its acts go on record.

CPython's own C encoder stands behind it, which costs nothing at start and 5 us a line. A supervisor brings a faster one
(`trail.encoder`); a guest without a supervisor has this one.
"""

from __future__ import annotations

import _json

try:
    from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]  # 3.12+; no OpenSSL to load
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found,no-redef,unused-ignore]
    except ImportError:
        from hashlib import sha256  # type: ignore[assignment,unused-ignore]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: A line with its line feed is shorter than this.
MAX_LINE = 65_536
#: Characters that one text may keep, and entries that one list or object may keep.
MAX_TEXT, MAX_ITEMS = 4_096, 256
#: Tighter and tighter bounds (text, entries), until the line fits.
BOUNDS = ((MAX_TEXT, MAX_ITEMS), (1_024, 64), (256, 32), (64, 16))
#: Arguments, and the characters of one, that stand on every line of a process; the line of its report has them all.
#: A script may be one argument of many kilobytes, which would be hidden, written and hashed anew with each act.
MAX_ARGS, MAX_ARG = 16, 128
#: A mark of this many characters does not count as over-long, so text cut once is not cut again.
SLACK = 24
MAX_DEPTH = 6
#: The keys of a line that tells how an act ended.
OUTCOME = ("kind", "of", "errno", "ms")
#: What the encoders raise on values that are no JSON; a lone surrogate is a UnicodeEncodeError, which is a ValueError.
NOT_JSON = (TypeError, ValueError, RecursionError, OverflowError)
MAX_INT = 2**63 - 1

#: JSON escapes C0 controls. These too may move a terminal's cursor, turn text around or end a line for `splitlines`.
HIDDEN = (0x7F, *range(0x80, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
ESCAPED = {code: f"\\u{code:04x}" for code in HIDDEN}


def plain_encoder() -> Callable[[object], bytes]:
    """CPython's C encoder without the `json` package around it (which imports `re` and a decoder)."""
    make = _json.make_encoder  # type: ignore[attr-defined,unused-ignore]
    encoder = make(None, refuse, _json.encode_basestring, None, ":", ",", False, False, False)  # type: ignore[attr-defined,unused-ignore]
    return lambda record: "".join(encoder(record, 0)).encode()


def refuse(value: object) -> object:
    """What is no JSON value is not guessed at here: `fit` makes it text."""
    raise TypeError(type(value).__name__)


class Tools:
    """The encoder and hash in use."""

    dumps: Callable[[object], bytes] = staticmethod(plain_encoder())
    fragment: Callable[[bytes], object] | None = None
    digest: Callable[..., object] = staticmethod(sha256)


def encode(record: Mapping[str, object], keep: tuple[str, ...] = (), limit: int = MAX_LINE) -> bytes:
    """The line of a record, without its line feed, shorter than `limit` bytes with it.

    record: what goes on the line, in this order.
    keep:   keys that stay whatever happens: the writer's own, which are short.
    """
    return quick(record, limit) or fit(record, keep, limit)


def quick(record: Mapping[str, object], limit: int = MAX_LINE) -> bytes | None:
    """The line of an ordinary record, None when it holds something odd or long. May hold `packed` objects."""
    try:
        body = Tools.dumps(record)
    except NOT_JSON:
        return None
    # A line this short holds no over-long text: the usual case costs one comparison, and megabytes cost no more.
    if len(body) >= MAX_TEXT or len(body) >= limit - 1:
        return None
    if body.isascii() and body.find(b"\x7f") < 0:
        return body
    body = escape(body)
    return body if len(body) < limit - 1 else None


def outcome(record: Mapping[str, object]) -> bytes | None:
    """The JSON of how an act ended (OUTCOME): numbers alone and half of all lines, so made by hand. Else None."""
    kind, of, errno, ms = record.values()
    if kind == "result" and type(of) is int and type(errno) is int and type(ms) is float and ms - ms == 0.0:
        return f'{{"kind":"result","of":{of},"errno":{errno},"ms":{ms!r}}}'.encode()
    return None


def packer() -> Callable[[object], bytes] | None:
    """What makes the JSON of a part of a record and raises NOT_JSON; None where nothing is gained by it."""
    return Tools.dumps if Tools.fragment else None


def packed(value: object) -> object:
    """A part of a record that `quick` copies as it is; raises NOT_JSON. Only where there is a `packer`."""
    return Tools.fragment(Tools.dumps(value)) if Tools.fragment else value


def fit(record: Mapping[str, object], keep: tuple[str, ...], limit: int) -> bytes:
    """The line of a record that holds something odd or too long: cut it, tighter each time, until it fits."""
    for text, items in BOUNDS:
        try:
            bounds = Bounds(text, items, limit)
            shown = {short_text(key, bounds): shorten(value, bounds, MAX_DEPTH) for key, value in record.items()}
        except TooLong:
            continue
        body = escape(Tools.dumps(shown))
        if len(body) < limit - 1:
            return body
    # Nothing a guest can say gets here with a record of the table's shape; the promise holds for any other too.
    bounds = Bounds(*BOUNDS[-1], limit)
    shown = {key: shorten(record[key], bounds, 1) for key in keep if key in record}
    shown["cut"] = mark(len(record) - len(shown))
    return escape(Tools.dumps(shown))


class TooLong(Exception):
    """A record cannot fit within these bounds: no need to look at the rest of it, however much a guest put there."""


class Bounds:
    """What each text, list and object may keep, and how many characters are left on the line."""

    __slots__ = ("items", "left", "text")

    def __init__(self, text: int, items: int, left: int) -> None:
        self.text = text
        self.items = items
        self.left = left

    def spend(self, count: int) -> None:
        """Every character takes at least one byte, every item two."""
        self.left -= count
        if self.left < 0:
            raise TooLong


def shorten(value: object, bounds: Bounds, depth: int) -> object:
    """The same value as plain JSON values within bounds; what is left out leaves a mark with its number."""
    bounds.spend(2)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return short_text(value, bounds)
    if isinstance(value, int):
        return int(value) if -MAX_INT <= value <= MAX_INT else hex(value)[: bounds.text]
    if isinstance(value, float):
        return value if value - value == 0.0 else None  # JSON has no infinity and no NaN
    if depth == 0:
        return mark(1)
    if isinstance(value, dict):
        return short_object(value, bounds, depth - 1)
    if isinstance(value, (list, tuple)):
        some = [shorten(item, bounds, depth - 1) for item in value[: bounds.items]]
        rest = len(value) - bounds.items
        return some if rest <= 0 else [*some, value[-1] if rest == 1 and is_mark(value[-1]) else mark(rest)]
    if isinstance(value, (bytes, bytearray)):
        return short_text(bytes(value[: bounds.text + SLACK]).decode("ascii", "backslashreplace"), bounds)
    return f"<{type(value).__name__}>"  # never its repr: that would be the guest's code


def short_text(text: str, bounds: Bounds) -> str:
    """A text within bounds that UTF-8 can carry. Cut first: what is left out costs nothing."""
    shown = clean(cut(str(text), bounds.text))
    bounds.spend(len(shown))
    return shown


def short_object(value: dict[object, object], bounds: Bounds, depth: int) -> dict[str, object]:
    """The first entries of an object, keys and values within bounds."""
    some: dict[str, object] = {}
    for key, inner in value.items():
        if len(some) == bounds.items:
            some["…"] = mark(len(value) - bounds.items)
            break
        name = short_text(str(key), bounds) if isinstance(key, (str, int)) else "?"
        some[name] = shorten(inner, bounds, depth)
    return some


def is_mark(value: object) -> bool:
    """Whether a list was cut before, so that its mark stays the last word."""
    return isinstance(value, str) and len(value) <= SLACK and value.startswith("…[+")


def cut(text: str, most: int) -> str:
    """At most `most` characters of a text, then how many were left out."""
    return text if len(text) <= most + SLACK else text[:most] + mark(len(text) - most)


def mark(count: int) -> str:
    """What stands where something was left out."""
    return f"…[+{count}]"


def brief(argv: list[str]) -> list[str]:
    """A command line without its long arguments. They are left out whole: half a secret no longer looks like one."""
    found = [text if len(text) <= MAX_ARG else mark(len(text)) for text in argv[:MAX_ARGS]]
    return found if len(argv) <= MAX_ARGS else [*found, mark(len(argv) - MAX_ARGS)]


def clean(text: str) -> str:
    """A text that UTF-8 can carry: a lone surrogate (an undecodable byte of a path) becomes its escape, visibly."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def escape(body: bytes) -> bytes:
    r"""The same JSON with hidden characters as \uXXXX: they stand inside strings, nowhere else can they be."""
    text = body.decode()
    # None of them is printable, and a whole line is asked that in one step: a folder with an accent in its name, which
    # is on every line, must not cost a look at each character.
    return body if text.isprintable() else text.translate(ESCAPED).encode()


def leaf(body: bytes) -> str:
    """RFC 6962 leaf hash of a line without its line feed, as hex: what the next line says in `prev`."""
    return Tools.digest(b"\0" + body).hexdigest()  # type: ignore[attr-defined,no-any-return]


def torn_hash(rest: bytes) -> str:
    """SHA-256 of the bytes of an unfinished line, as hex: what a `tamper` line says in `torn`."""
    return Tools.digest(rest).hexdigest()  # type: ignore[attr-defined,no-any-return]
