"""A URL read as the standard library's `urlsplit` reads it, without what that one would load into a guest.

What a client makes of a URL is decided again on its look-up and its connection; this reading is for rules and people.
"""

from __future__ import annotations

from .address import parse_ip

#: Characters that `urlsplit` takes away wherever they stand (the WHATWG URL standard does), and those before the URL.
DROPPED = str.maketrans("", "", "\t\r\n")
LEADING = "".join(map(chr, range(0x21)))

LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
SCHEME = LETTERS | frozenset("0123456789+-.")


class Url:
    """The parts of a URL. host: lower case, without brackets, "" when there is none. port: None where none stands."""

    __slots__ = ("host", "path", "port", "query", "scheme")

    def __init__(self, scheme: str, host: str, port: int | None, path: str, query: str) -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path
        self.query = query


def split(text: str) -> Url:
    """Returns the parts. Raises ValueError for brackets that do not fit and ports that are none."""
    text = text.lstrip(LEADING).translate(DROPPED)
    scheme = ""
    head, colon, rest = text.partition(":")
    if colon and head and head[0] in LETTERS and SCHEME.issuperset(head):
        scheme, text = head.lower(), rest
    place = ""
    if text.startswith("//"):
        end = min([at for at in [text.find(mark, 2) for mark in "/?#"] if at >= 0], default=len(text))
        place, text = text[2:end], text[end:]
    text = text.partition("#")[0]
    path, _, query = text.partition("?")
    host, port = endpoint(place.rpartition("@")[2])
    return Url(scheme, host, port, path, query)


def endpoint(place: str) -> tuple[str, int | None]:
    """(host, port) of what stands behind the user's name. Raises ValueError."""
    if ("[" in place) != ("]" in place):
        raise ValueError("brackets that do not fit")
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        if rest and not rest.startswith(":"):
            raise ValueError("something behind the brackets")
        if ":" not in host or parse_ip(host.partition("%")[0]) is None:
            raise ValueError("no address in the brackets")
        return host.lower(), number(rest[1:])
    if "[" in place:
        raise ValueError("brackets inside a name")
    host, _, port = place.partition(":")
    return host.lower(), number(port)


def number(port: str) -> int | None:
    """A port, None for no text. Raises ValueError for what is none."""
    if not port:
        return None
    if not (port.isascii() and port.isdigit()) or len(port) > 12 or int(port) > 0xFFFF:
        raise ValueError("no port")
    return int(port)
