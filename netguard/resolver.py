"""One look-up with this machine's resolver, in the supervisor or in a guest without one: never before it was granted.

The functions of `_socket` are bound when this is loaded: a guest's shim loads it before it wraps them.
"""

from __future__ import annotations

import _socket

from .core.answer import NO_NAME, Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: errno of a look-up that failed in a way that none should.
EIO = 5

_getaddrinfo = _socket.getaddrinfo
_gethostbyname = _socket.gethostbyname
_gethostbyname_ex = _socket.gethostbyname_ex
_gethostbyaddr = _socket.gethostbyaddr
_getnameinfo = _socket.getnameinfo
_gaierror, _herror, _EAI_FAIL = _socket.gaierror, _socket.herror, _socket.EAI_FAIL


def subject(function: str, name: str, service: str, numbers: tuple[int, ...]) -> object:
    """What C is handed: `bytes`, which no codec touches, or for getnameinfo the address as a tuple.

    An event that C raises names this very object, by which a guest's own hook knows a look-up that was granted.
    Raises UnicodeEncodeError for a name that is not ASCII: it has no form here.
    """
    if function != "getnameinfo":
        return name.encode("ascii")
    return (name, int(service), *numbers[1:3]) if ":" in name else (name, int(service))


def look_up(
    function: str, name: str, service: str, numbers: tuple[int, ...], release: Callable[[object], None] | None = None
) -> Answer:
    """Performs one look-up. Never raises: a failing one is an answer too.

    release: told of the subject before C is asked.
    """
    try:
        about = subject(function, name, service, numbers)
        if release is not None:
            release(about)
        return FUNCTIONS[function](about, service, numbers)
    except _gaierror as error:
        return Answer([], [], ("gaierror", error.errno or _EAI_FAIL, error.strerror or ""))
    except _herror as error:
        return Answer([], [], ("herror", error.errno or 0, error.strerror or ""))
    except OSError as error:
        return Answer([], [], ("error", error.errno or 0, error.strerror or str(error)))
    except (ValueError, OverflowError):  # a name that no encoding takes
        return Answer([], [], NO_NAME)
    except Exception as error:  # noqa: BLE001  # a thread that dies leaves its asker waiting, which must not be
        return Answer([], [], ("error", EIO, type(error).__name__))


def rows(about: object, service: str, numbers: tuple[int, ...]) -> Answer:
    """getaddrinfo: eight texts a row (`core.answer.ROW`)."""
    family, kind, proto, flags = numbers
    port: int | str | None = None
    if service:
        port = service[5:] if service.startswith("name:") else int(service)
    fields: list[str] = []
    addresses = []
    found = _getaddrinfo(about, port, family, kind, proto, flags)  # type: ignore[arg-type]
    for found_family, found_kind, found_proto, canonical, address in found:
        host, found_port, *rest = address
        flow, scope = (*rest, 0, 0)[:2]
        row = (int(found_family), int(found_kind), found_proto, canonical, host, found_port, flow, scope)
        fields.extend([str(value) for value in row])
        addresses.append(str(host))
    return Answer(fields, addresses)


def first(about: object, service: str, numbers: tuple[int, ...]) -> Answer:
    """gethostbyname: the first address."""
    found = _gethostbyname(about)  # type: ignore[arg-type]
    return Answer([found], [found])


def host_list(function: Callable[..., tuple[str, list[str], list[str]]]) -> Callable[..., Answer]:
    """gethostbyname_ex and gethostbyaddr: the name, the number of aliases, aliases, addresses."""

    def listed(about: object, service: str, numbers: tuple[int, ...]) -> Answer:
        canonical, aliases, found = function(about)
        return Answer([canonical, str(len(aliases)), *aliases, *found], found)

    return listed


def name_of(about: object, service: str, numbers: tuple[int, ...]) -> Answer:
    """getnameinfo: host and service."""
    return Answer(list(_getnameinfo(about, numbers[0])), [])  # type: ignore[arg-type]


FUNCTIONS: dict[str, Callable[[object, str, tuple[int, ...]], Answer]] = {
    "getaddrinfo": rows,
    "gethostbyname": first,
    "gethostbyname_ex": host_list(_gethostbyname_ex),
    "gethostbyaddr": host_list(_gethostbyaddr),
    "getnameinfo": name_of,
}
