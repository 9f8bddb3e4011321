"""A value of a record as text: any JSON value, an error by its name, a signal, a command line. Raw, and total.

Raw: what the guest chose stands in it word for word, so it goes through `text` before it is printed.
"""

from __future__ import annotations

from netguard.views.summary import MOST, plural, shell_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.views.subject import Record

#: Objects within objects that are shown; deeper ones become a mark, or a forged line could exhaust the stack.
DEPTH = 8


def joined(*parts: str) -> str:
    """The parts that say anything, as one text."""
    return ", ".join([part for part in parts if part])


def text_of(value: object, depth: int = DEPTH) -> str:
    """A JSON value as one raw text, "" for none. A text among others is quoted where it would read as two."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and not -MOST < value < MOST:
        return hex(value)  # Python refuses to print one of thousands of digits
    if not isinstance(value, (list, tuple, dict)):
        return str(value)
    if not depth:
        return "…"
    if isinstance(value, dict):
        return ", ".join([f"{key}={among(inner, depth)}" for key, inner in value.items()])
    return ", ".join([among(inner, depth) for inner in value])


def among(value: object, depth: int) -> str:
    """One value among others."""
    text = text_of(value, depth - 1)
    if isinstance(value, (list, tuple, dict)):
        return f"({text})"
    return quoted_word(text) if not text or " " in text or "," in text else text


def words_of(argv: object) -> str:
    """A command line as a shell would take it."""
    return " ".join([quoted_word(text_of(each)) for each in argv]) if isinstance(argv, list) else text_of(argv)


def quoted_word(text: str) -> str:
    """A text as one word."""
    return shell_word(text) or "''"


def counted(value: object) -> str:
    """`2,048 bytes`; "" for none."""
    return plural(value, "byte") if type(value) is int and 0 <= value < MOST else text_of(value)


def clock_text(mono: object) -> str:
    """`clock 11448.814466 s`, of the clock that never goes back."""
    if type(mono) is int and 0 <= mono < MOST:
        return f"clock {mono / 1e9:.6f} s"
    return text_of(mono) and f"clock {text_of(mono)}"


def gap(record: Record, mono: object) -> str:
    """How much later than the record something was written, by the clock that never goes back."""
    first = record.get("mono_ns")
    if type(first) is not int or type(mono) is not int or not 0 <= first <= mono < MOST:
        return ""
    return f"{(mono - first) / 1e6:.3f} ms later"


def error_text(errno: object, reason: str) -> str:
    """`ok`, `ECONNREFUSED (Connection refused)`, `EAI_NONAME (Name or service not known)`."""
    if type(errno) is not int or errno == 0:
        return "; ".join(part for part in ("ok" if errno == 0 else f"errno {text_of(errno)}", reason) if part)
    import errno as system
    import os
    import socket

    if 0 < errno < MOST and errno in system.errorcode:
        return f"{system.errorcode[errno]} ({reason or os.strerror(errno)})"
    resolver = {value: name for name, value in vars(socket).items() if name.startswith("EAI_")}
    name = resolver.get(errno) or f"errno {text_of(errno)}"
    return f"{name} ({reason})" if reason else name


def signal_text(number: object) -> str:
    """`ended by SIGTERM`."""
    from signal import Signals

    names = {int(signal): signal.name for signal in Signals}
    return f"ended by {(names.get(number) if type(number) is int else None) or f'signal {text_of(number)}'}"
