"""Odd but honest arguments made exact, once, before anything is decided on them.

`IntEnum` ports, `str` subclasses and path-like programs are ordinary in honest code. The hook refuses them, since it
cannot know what C will make of them; so the wrapped functions take a plain copy here and hand that copy on: what is
judged is what is done. Copies are taken with the C types' own functions (`str.__str__`, `int.__index__`), never with
a method of the object's. The exceptions are a path-like program, whose `__fspath__`, and a number that is no `int`,
whose `__index__` is called where C would have called it, once, before the hook.
"""

from __future__ import annotations

import sys
from posix import fspath

_ENCODING = sys.getfilesystemencoding()
_ERRORS = sys.getfilesystemencodeerrors()


def text(value: object) -> object:
    """A `str`, `bytes` or `bytearray` of any subclass as an exact one; anything else as it is, for C to refuse."""
    kind = type(value)
    if kind is str or kind is bytes:
        return value
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, bytes):
        return bytes.__getitem__(value, slice(None))  # type: ignore[call-overload]
    if kind is bytearray:
        return bytes(value)  # type: ignore[call-overload]  # a copy: another thread may write into the original
    return value


def buffer(value: object) -> object:
    """As `text`; a unix socket's name may also be a `memoryview`."""
    return bytes(value) if type(value) is memoryview else text(value)


def number(value: object) -> object:
    """An `int` of any subclass (`bool`, `IntEnum`) as an exact one, and what has an `__index__` as what that says now;
    anything else as it is."""
    if type(value) is int:
        return value
    if not issubclass(type(value), int):
        try:
            value = range(value).stop  # type: ignore[call-overload]  # asks `__index__` as C would have, once
        except (TypeError, ValueError):
            return value
    return int.__index__(value)  # type: ignore[arg-type]


def pair(value: object) -> object:
    """A tuple of any subclass as an exact one with exact host and port; anything else as it is."""
    if not issubclass(type(value), tuple):
        return value
    items = tuple.__getitem__(value, slice(None))  # type: ignore[call-overload]
    if len(items) < 2:
        return items
    return (text(items[0]), number(items[1]), *[number(item) for item in items[2:]])


def system(value: object) -> bytes:
    """A program, an argument, a folder or a variable as the bytes that the system gets. Raises TypeError as C does."""
    found = text(value)
    if type(found) is not str and type(found) is not bytes:
        found = text(fspath(value))  # type: ignore[call-overload]
    return found if type(found) is bytes else str.encode(found, _ENCODING, _ERRORS)  # type: ignore[arg-type]


def name(value: object) -> object:
    """A program's path as an exact `str`, `bytes` or descriptor: not turned into bytes, since errors name it."""
    found = number(text(value))
    if type(found) in (str, bytes, int):
        return found
    try:
        return text(fspath(value))  # type: ignore[call-overload]
    except TypeError:
        return value  # for C to refuse, in its own words


def items(values: object) -> object:
    """A program's arguments: the real items of a list or tuple, in a list that is nobody else's; else as it is."""
    for kind in (list, tuple):
        if issubclass(type(values), kind):
            return [system(value) for value in kind.__getitem__(values, slice(None))]  # type: ignore[call-overload]
    return values


def paths(values: object) -> list[bytes]:
    """The arguments of a program. Iterated once, as C does; the list that comes out is nobody else's."""
    return [system(value) for value in values]  # type: ignore[attr-defined]
