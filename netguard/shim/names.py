"""The look-up functions of `_socket`, wrapped: a name is decided on, and looked up, by the supervisor.

So no packet leaves for a name that a rule denies, the addresses that come back are those that were decided on, and
the supervisor knows which name each was given for. An address in any spelling is no name and is turned round here, as
`bytes`: a `str` would go through the `idna` codec, which a guest can replace.
"""

from __future__ import annotations

import _socket
import sys

from ..denied import denied
from . import exact, origin
from .arguments import MAX_HOST, canonical
from .asker import Lost
from .hook import Witness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeGuard

# Bound here: what `_socket` calls AF_INET6 later is up to the guest.
INET6, DGRAM = _socket.AF_INET6, _socket.SOCK_DGRAM

#: Longest label of a name (RFC 1035 section 2.3.4).
MAX_LABEL = 63

#: Errors of a look-up as the supervisor names them -> what C raises.
ERRORS: dict[str, type[OSError]] = {"gaierror": _socket.gaierror, "herror": _socket.herror, "error": OSError}

#: From here on `getaddrinfo` takes an int of any subclass for a port; before, only an exact one.
_TAKES_SUBCLASSES = sys.version_info >= (3, 14)
_type = type  # which in `getaddrinfo` itself is an argument

#: Fields of one row of an answer to getaddrinfo: family, type, proto, canonical name, host, port, flow, scope.
ROW = 8


class Lookups:
    """Asks for names on behalf of the wrapped functions."""

    __slots__ = ("witness",)

    def __init__(self, witness: Witness) -> None:
        self.witness = witness

    def ask(self, function: str, host: str, service: str = "", numbers: tuple[int, ...] = ()) -> list[str]:
        """Returns the answer's fields. Raises what the look-up raised, or Denied."""
        if "\0" in host or len(host) > MAX_HOST:
            # C would look up what stands before the NUL.
            raise self.witness.hostile("dns", "socket." + function, "no host name")
        flat = [str(number) for number in (*numbers, 0, 0, 0, 0)[:4]]
        try:
            answer = self.witness.channel.ask("lookup", (function, host, service, *flat, *origin.here(2)))
        except Lost as error:
            raise denied("dns", host, "no-supervisor", str(error)) from None
        if answer[0] != "allow" and answer[0] != "log":
            raise denied("dns", host, answer[2], answer[3])
        if answer[2] != "ok":
            raise ERRORS[answer[2]](int(answer[3]), answer[4])
        return answer[3:]

    def host(self, value: object, event: str) -> str | None:
        """The name in a host argument, or None when it holds none: no host, an address, or what C refuses by itself.

        A name with an empty or too long label is such: C's `idna` refuses it, and says so in its own words. Should
        the guest have put another codec in that place, the event that follows is refused for its `str`.
        """
        value = exact.text(value)
        if type(value) is bytes:
            if not value.isascii():
                raise self.witness.hostile("dns", event, "a host that is not ASCII, as bytes")
            value = value.decode("ascii")
        elif type(value) is str and not _has_labels(value):
            return None
        if type(value) is not str or not value or canonical(value) is not None:
            return None
        return value

    def first(self, name: str, family: int) -> str:
        """The address that C's own look-up inside connect, bind and sendto would take: the first of this family."""
        return self.ask("getaddrinfo", name, "", (family, DGRAM, 0, 0))[4]


def _has_labels(host: str) -> bool:
    """Whether every label of the name has a length that `idna` takes; a longer host than any is asked for as it is."""
    if len(host) > MAX_HOST:
        return True
    labels = host.split(".")
    return all([0 < len(label) <= MAX_LABEL for label in labels[:-1]]) and len(labels[-1]) <= MAX_LABEL


def _literal(value: object) -> str | None:
    """The address that an exact `str` or `bytes` spells, as text, None when it spells none."""
    text = value.decode("ascii", "replace") if type(value) is bytes else value
    return text if type(text) is str and canonical(text) is not None else None


def ascii_bytes(value: object) -> object:
    """A host that holds no name, in the form that no codec touches."""
    value = exact.text(value)
    return value.encode("ascii") if type(value) is str and value.isascii() and _has_labels(value) else value


def wrap_getaddrinfo(lookups: Lookups, original: Callable[..., object]) -> Callable[..., object]:
    """Returns `_socket.getaddrinfo` with names decided on first."""

    def getaddrinfo(
        _: object, host: object, port: object, family: object = 0, type: object = 0, proto: object = 0,
        flags: object = 0,
    ) -> object:  # fmt: skip
        numbers = tuple([exact.number(number) for number in (family, type, proto, flags)])
        service = exact.number(port) if _TAKES_SUBCLASSES and issubclass(_type(port), int) else exact.text(port)
        if _is_refused(host, port, service):
            return original(host, port, *numbers)  # before anything is looked up
        name = lookups.host(host, "socket.getaddrinfo")
        if name is None or not _are_ints(numbers):
            return original(ascii_bytes(host) if name is None else b"", service, *numbers)
        answer = lookups.ask("getaddrinfo", name, _service(service), numbers)  # type: ignore[arg-type]
        return [_row(answer[at : at + ROW]) for at in range(0, len(answer), ROW)]

    return getaddrinfo


def _is_refused(host: object, port: object, service: object) -> bool:
    """Whether C refuses one: it takes no `bytearray` here, an int for a port only if it is exact, and a service only if
    there is UTF-8 for it."""
    if bytearray in (type(host), type(port)):
        return True
    if type(service) is str:
        return not _is_utf8(service)
    return service is not None and type(service) not in (int, bytes)


def _is_utf8(text: str) -> bool:
    """Whether a text can be encoded; half a surrogate pair cannot."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
    return True


def _are_ints(values: tuple[object, ...]) -> bool:
    """Whether all are exact ints. In `getaddrinfo` itself `type` is an argument, and `__class__` may lie."""
    return all([type(value) is int for value in values])


def _service(port: object) -> str:
    """A port or service as text: "", "80" or "name:http"."""
    if type(port) is bytes:
        port = port.decode("latin-1")
    return "" if port is None else "name:" + port if type(port) is str else str(port)


def _row(fields: list[str]) -> tuple[object, ...]:
    family, kind, proto, canonical, host, port, flow, scope = fields
    address: tuple[object, ...] = (host, int(port))
    if int(family) == INET6:
        address += (int(flow), int(scope))
    return int(family), int(kind), int(proto), canonical, address


def wrap_gethostbyname(lookups: Lookups, original: Callable[..., object]) -> Callable[..., object]:
    """Returns `_socket.gethostbyname` with names decided on first."""

    def gethostbyname(_: object, hostname: object) -> object:
        name = lookups.host(hostname, "socket.gethostbyname")
        return original(ascii_bytes(hostname)) if name is None else lookups.ask("gethostbyname", name)[0]

    return gethostbyname


def _wrap_host_lists(function: str) -> Callable[[Lookups, Callable[..., object]], Callable[..., object]]:
    """`gethostbyname_ex` and `gethostbyaddr` answer alike: a name, its aliases, its addresses."""

    def wrap(lookups: Lookups, original: Callable[..., object]) -> Callable[..., object]:
        def wrapped(_: object, hostname: object) -> object:
            value = exact.text(hostname)
            name = lookups.host(value, "socket." + function)
            if name is None and function == "gethostbyaddr":
                name = _literal(value)  # here an address is looked up too
            if name is None:
                return original(ascii_bytes(value))
            canonical, count, *rest = lookups.ask(function, name)
            return canonical, rest[: int(count)], rest[int(count) :]

        return wrapped

    return wrap


def _is_address(value: object) -> TypeGuard[tuple[Any, ...]]:
    """Whether C takes this for an address: of that length, no name, numbers, a flow label of at most 20 bits."""
    if type(value) is not tuple or not 2 <= len(value) <= 4:
        return False
    host, *numbers = value
    if type(host) is not str or canonical(host) is None or not _are_ints(tuple(numbers)):
        return False
    return bool(0 <= [*numbers, 0][1] < 1 << 20)


def wrap_getnameinfo(lookups: Lookups, original: Callable[..., object]) -> Callable[..., object]:
    """Returns `_socket.getnameinfo` with the address decided on first; C's event does not say whether it looks up."""

    def getnameinfo(_: object, sockaddr: object, flags: object) -> object:
        address, number = exact.pair(sockaddr), exact.number(flags)
        try:
            if not _is_address(address) or type(number) is not int:
                return original(address, number)  # for C to refuse: it looks nothing up for a name
            host, port, *more = address
            found = lookups.ask("getnameinfo", host, str(port), (number, *more))
            return found[0], found[1]
        finally:
            del sockaddr, address  # or the traceback of an error would keep them

    return getnameinfo


WRAPPERS: dict[str, Callable[[Lookups, Callable[..., object]], Callable[..., object]]] = {
    "getaddrinfo": wrap_getaddrinfo,
    "gethostbyname": wrap_gethostbyname,
    "gethostbyname_ex": _wrap_host_lists("gethostbyname_ex"),
    "gethostbyaddr": _wrap_host_lists("gethostbyaddr"),
    "getnameinfo": wrap_getnameinfo,
}

#: What `socket` copies from `_socket`; its `getaddrinfo` is a function of its own that looks the wrapped one up.
COPIED = tuple(name for name in WRAPPERS if name != "getaddrinfo")
