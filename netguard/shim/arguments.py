"""From an event's arguments to what was asked: one reader an event shape, none calls a method of a guest's object.

The arguments are the guest's own objects and can lie: a `str` subclass compares as it likes, an `__index__` counts
its calls, a list changes while it is read. So a reader takes values whose type is exactly `str`, `bytes`, `int`,
`tuple` or `list`, decides on ASCII, and raises Hostile for anything else. The wrapped functions have made ordinary
odd values exact before (`exact`), so only what goes around them is refused here.

A reader returns an Act, None for "no act of this kind", or raises Hostile.
"""

from __future__ import annotations

import _socket
import sys
from posix import getcwd, readlink, stat

from ..core.abstract import shown as abstract
from ..core.address import format_ip, parse_ip
from . import credentials, exact, finder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    #: (proto, host, port, path, program, argv). All exact text; "" where a field does not apply.
    Act = tuple[str, str, str, str, str, tuple[str, ...]]

#: Characters of a command line, which is told whole or refused: a rule could not see what was cut off. Three quarters
#: of a frame, so that the rest of the question fits beside it.
MAX_ARGV = 98_304
MAX_KNOWN = 1_024
MAX_TEXT = 16_384
EBADF = 9
MAX_HOST = 1_024


class Hostile(Exception):
    """An argument that cannot be read without trusting it. The text says which, for the record."""


_SOCKET = _socket.socket
_family = _SOCKET.family.__get__  # a member of the C type: no subclass answers for it
_getsockopt: Callable[..., int] = _SOCKET.getsockopt
# Bound here: what `_socket` calls SO_TYPE later may be an option whose value the guest sets.
_SOL_SOCKET, _SO_TYPE = _socket.SOL_SOCKET, _socket.SO_TYPE
_INET, _INET6, _UNIX = _socket.AF_INET, _socket.AF_INET6, _socket.AF_UNIX
_RDS = getattr(_socket, "AF_RDS", _INET)
_known: dict[str, str] = {}
_PROTOCOLS = {_socket.SOCK_STREAM: "tcp", _socket.SOCK_DGRAM: "udp"}

#: Families whose address is a host and a port. For RDS too C builds an internet address, names and all, and a socket
#: that is said to be RDS (`fileno=`) can be any other: it is decided on as one. A tuple: code that empties what it
#: finds in the frames of a denial must not turn an address into one of an unknown family.
INTERNET = (_INET, _INET6, _RDS)

#: What "" means to connect and bind, not a listener of ours.
ANY = {_INET: "0.0.0.0", _INET6: "::", _RDS: "0.0.0.0"}  # noqa: S104
_PLACES = {place.rstrip("/") + "/" for place in (sys.prefix, sys.base_prefix, sys.exec_prefix, "/usr/lib")}
_INSTALLED = tuple(_PLACES - {"/"})


def endpoint(event: str, args: tuple[object, ...]) -> Act | None:
    """(socket, address): where a socket is to go. `sendmsg` on a connected one names none and reaches nothing new."""
    sock, address = args
    if address is None:
        return None
    if not issubclass(type(sock), _SOCKET):
        raise Hostile("no socket")
    family = _family(sock)
    if family == _UNIX:
        return "unix", "", "", unix_path(address), "", ()
    if family not in INTERNET:
        return f"family-{int(family)}", "", "", "", "", ()
    host, port = inet(address)
    return transport(sock), literal(host, family), str(port), "", "", ()


def transport(sock: object) -> str:
    """tcp or udp as the kernel says: the type that Python shows is whatever the guest declared with `fileno=`."""
    kind = _getsockopt(sock, _SOL_SOCKET, _SO_TYPE)
    return _PROTOCOLS.get(kind, f"type-{kind}")


def inet(address: object) -> tuple[str, int]:
    """The host and port of an internet address tuple, both exact."""
    if type(address) is not tuple or not 2 <= len(address) <= 4:
        raise Hostile("the address is no exact tuple")
    host, port = address[0], address[1]
    if type(port) is not int:
        raise Hostile("the port is no exact int")
    return ascii_text(host), port


def literal(host: str, family: int) -> str:
    """The address as it will be reached. A name here went around the wrapped functions; what it led to is unknown."""
    if not host:
        return ANY[family]
    found = canonical(host)
    if found is None:
        raise Hostile("a name was given to _socket itself")
    return found


def canonical(host: str) -> str | None:
    """An address in the one spelling that names it, None for a name. Remembered: the same few come again and again."""
    found = _known.get(host)
    if found is None:
        if host == "<broadcast>":
            return "255.255.255.255"
        address = parse_ip(host) if len(host) <= MAX_HOST else None
        if address is None or host.startswith("["):
            return None  # in brackets it is an address to us and a name to libc, which would ask for it
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        found = _known[host] = format_ip(address)
    return found


def ascii_text(value: object) -> str:
    """Text that means to C what it means here: exact ASCII `str` or `bytes` without NUL."""
    if type(value) is bytes and value.isascii():
        value = value.decode("ascii")
    if type(value) is not str or not value.isascii() or len(value) > MAX_TEXT or "\0" in value:
        raise Hostile("the host is no exact ASCII text")
    return value


def unix_path(address: object) -> str:
    """A unix socket's path, absolute, or `@name` for an abstract one; "" for one that is not named (autobind)."""
    path = system_text(address)
    if path.startswith("\0"):
        return abstract(path[1:])
    if "\0" in path:
        raise Hostile("a NUL inside a path")
    return path if path.startswith("/") or not path else getcwd() + "/" + path


def system_text(value: object) -> str:
    """Exact `str` or `bytes` as a path or an argument reaches the system."""
    if type(value) is bytes:
        value = value.decode("utf-8", "surrogateescape")
    if type(value) is not str or len(value) > MAX_TEXT * 8:
        raise Hostile("no exact str or bytes")
    return value


def name(event: str, args: tuple[object, ...]) -> Act | None:
    """(host, …): a name asked for. An address in any spelling, and no host at all, are no names.

    A `str` goes through the `idna` codec, which a guest can replace, so it may stand for any other name. The wrapped
    functions hand C none but `bytes`; whoever goes around them is refused.
    """
    host = args[0]
    if host is None:
        return None
    if type(host) is not bytes:
        raise Hostile("a name was given to another copy of _socket")
    text = ascii_text(host)
    if event != "socket.gethostbyaddr" and (not text or parse_ip(text) is not None):
        return None
    return "", text, "", "", "", ()


def reverse(event: str, args: tuple[object, ...]) -> Act | None:
    """(sockaddr,): the name of an address. For a name C looks up nothing; it refuses it."""
    sockaddr = args[0]
    if type(sockaddr) is tuple and sockaddr and type(sockaddr[0]) is str and canonical(sockaddr[0]) is None:
        return None
    host, _ = inet(sockaddr)
    return "", host, "", "", "", ()


def request(event: str, args: tuple[object, ...]) -> Act | None:
    """(url, data, headers, method). A `file:` URL is an opened file and no request."""
    url, data, _, method = args
    url, method = exact.text(url), exact.text(method)  # `http.HTTPMethod` is a subclass of `str`
    if type(url) is not str or type(method) is not str:
        raise Hostile("the URL is no exact str")
    if url[:5].lower() in ("file:", "data:"):
        return None
    size = str(len(data)) if type(data) is bytes else ""
    return "", "", size, clean(url), clean(method), ()


def clean(text: str) -> str:
    """Bounded, and without the NUL that no frame can carry."""
    return text[:MAX_TEXT].replace("\0", "\\0")


def shell(event: str, args: tuple[object, ...]) -> Act | None:
    """(command as bytes,): `os.system` hands it to the shell."""
    return "", "", "", "", "/bin/sh", ("sh", "-c", *arguments([args[0]]))


def program(event: str, args: tuple[object, ...]) -> Act | None:
    """(path, argv, env). `execvp` tries one path after the other; one that is not there starts nothing.

    Then what C would raise is raised here: between our look and C's, another thread could put a program there.
    """
    path, argv, env = args
    if type(path) is int:
        text = opened(path)
    else:
        text = absolute(system_text(path))
        present(text, path if event != "os.exec" or env is not None else None)  # `execv` names no file
    return "", "", "", "", clean(text), arguments(argv)


def absolute(path: str) -> str:
    """A program's path as the system follows it. The supervisor does not know where the guest has gone since."""
    return path if path.startswith("/") else getcwd() + "/" + path


def present(text: str, path: object) -> None:
    """Raises the OSError that starting nothing ends with."""
    try:
        stat(text)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, *([] if path is None else [path])) from None


def opened(fd: int) -> str:
    """The path behind a descriptor. Raises the OSError that executing it would end with when it is not open."""
    try:
        return readlink(f"/proc/self/fd/{fd}")
    except OSError:
        raise OSError(EBADF, "Bad file descriptor", fd) from None


def candidates(event: str, args: tuple[object, ...]) -> Act | None:
    """(paths, argv, env): the child tries each path. The wrapped function has left one."""
    paths, argv = args[0], args[1]
    if type(paths) is not tuple and type(paths) is not list:
        raise Hostile("the programs are no exact tuple")
    if len(paths) != 1:
        raise Hostile("more than one program to choose from")
    if paths[0] in NOWHERE:
        return None
    return "", "", "", "", clean(absolute(system_text(paths[0]))), arguments(argv)


#: Paths that can never be a program: what is left of candidates of which none is there. The first fails as a file that
#: does not exist, the second as one below a file.
NOWHERE = (b"", b"/dev/null/none")


def announcement(event: str, args: tuple[object, ...]) -> None:
    """`subprocess.Popen` says what is to come; its arguments are the caller's live objects. What starts decides."""


def arguments(argv: object) -> tuple[str, ...]:
    """A program's arguments, copied once, whole."""
    if type(argv) is not list and type(argv) is not tuple:
        raise Hostile("the arguments are no exact list")
    found = tuple([system_text(item).replace("\0", "\\0") for item in argv[:MAX_ARGV]])
    if len(argv) > MAX_ARGV or sum([len(item) + 1 for item in found]) > MAX_ARGV:
        raise Hostile(f"a command line of more than {MAX_ARGV} characters")
    return found


def library(event: str, args: tuple[object, ...]) -> Act | None:
    """(name,): `dlopen(None)` is the program itself, which is loaded already; `ctypes` does it when it is imported."""
    if args[0] is None:
        return None
    return "", "", "", clean(system_text(args[0])), "", ()


def symbol(event: str, args: tuple[object, ...]) -> Act | None:
    """(library, name): a C function to be called by hand."""
    found = args[1]
    text = str(found) if type(found) is int else system_text(found)
    return "", "", "", "", clean(text), ()


def extension(event: str, args: tuple[object, ...]) -> Act | None:
    """(connection, path): sqlite loads native code."""
    return "", "", "", clean(system_text(args[1])), "", ()


def module(event: str, args: tuple[object, ...]) -> Act | None:
    """(name, file, …): a native module, unless it is installed with the interpreter or environment that was chosen."""
    file = args[1]
    if file is None:
        return None
    path = system_text(file)
    if not finder.made_here(system_text(args[0])):
        raise Hostile("a copy of a module that the guard has to change")
    if path.startswith(_INSTALLED) and "/../" not in path:
        return None
    return "", "", "", clean(path), "", ()


def credential(event: str, args: tuple[object, ...]) -> Act | None:
    """(path, mode, flags): raised for every file, so the last part of the path is looked up first.

    `open` takes a subclass of `str` by its real text, and so does this.
    """
    path = args[0]
    if type(path) is not str:
        if not issubclass(type(path), (str, bytes)):
            return None
        path = system_text(exact.text(path))
    parents = credentials.NAMES.get(path[path.rfind("/") + 1 :])
    if parents is None:
        return None
    if not path.startswith("/"):
        path = getcwd() + "/" + path
    path = credentials.plain(path)
    if not credentials.holds(path, parents):
        return None
    return "", "", "", clean(path), "", ()


def bare(event: str, args: tuple[object, ...]) -> Act | None:
    """Any event by its name alone, with those of its arguments that are plain text."""
    return "", "", "", "", "", tuple([clean(item) for item in args[:8] if type(item) is str])


_ALL = (
    announcement, bare, candidates, credential, endpoint, extension, library, module, name, program, request, reverse,
    shell, symbol,
)  # fmt: skip

READERS: dict[str, Callable[[str, tuple[object, ...]], Act | None]] = {reader.__name__: reader for reader in _ALL}
