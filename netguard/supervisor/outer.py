"""A run inside a run: what this one is asked is told to the run around it, which may deny it too.

This supervisor is itself a guest of that run, and its shim hears audit events. So each act is raised here as the event
that it would raise, and the shim does the rest. Names need nothing of this: they are looked up in this process, through
the functions that the shim has wrapped. The run around this one hears of an act before this one decides; it may have
on record what this one then denies.
"""

from __future__ import annotations

import _socket as socket
import sys

from netguard.core.abstract import meant
from netguard.core.question import Malformed, Question, to_int

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Event = tuple[str, tuple[object, ...]]

#: How a socket has to look for the shim to read its protocol from it.
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM, "unix": socket.SOCK_STREAM}


def denial(question: Question) -> str:
    """What the run around this one says against an act; "" when it says nothing. What it cannot be told is denied."""
    args: tuple[object, ...] = ()
    try:
        event, args = EVENTS[question.fields[0]](question)
        sys.audit(event, *args)
    except PermissionError as error:
        return error.strerror or str(error)
    except Exception as error:  # noqa: BLE001  # whatever it is, nobody has said yes
        return f"it could not be told: {type(error).__name__}: {error}"
    finally:
        if args and isinstance(args[0], socket.socket):
            args[0].close()
    return ""


def _endpoint(event: str) -> Callable[[Question], Event]:
    def of(question: Question) -> Event:
        proto, host, port, path = question.fields[2:6]
        if proto not in KINDS:
            raise Malformed(f"no way to say {proto}")
        if proto == "unix":
            address: object = meant(path) if path.startswith("@") else path
            return event, (socket.socket(socket.AF_UNIX, KINDS[proto]), address)
        address = (host, to_int(port, 0, 65_535))
        return event, (socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, KINDS[proto]), address)

    return of


def _http(question: Question) -> Event:
    size, url, method = question.fields[4:7]
    return "urllib.Request", (url, bytes(min(to_int(size), 2**20)) if size else None, {}, method)


def _native(question: Question) -> Event:
    path, symbol = question.fields[5:7]
    return ("ctypes.dlopen", (path,)) if path else ("ctypes.dlsym", (None, symbol))


def _exec(question: Question) -> Event:
    carried: dict[bytes, bytes] = {name.encode(): CARRIED for name in question.fields[5].split()}
    env = {b"NETGUARD_INSIDE": b"1", b"NETGUARD_CHANNEL": b"inner", **carried} if carried else None
    return "os.exec", (question.fields[6], list(question.argv), env)


#: Stands for the value of each variable that brings code along: enough that it does.
CARRIED = b"::."

#: The event that says each kind of act.
EVENTS: dict[str, Callable[[Question], Event]] = {
    "connect": _endpoint("socket.connect"),
    "listen": _endpoint("socket.bind"),
    "dns": lambda question: ("socket.gethostbyname", (question.fields[3].encode("idna"),)),
    "http": _http,
    "exec": _exec,
    "native": _native,
    "file": lambda question: ("open", (question.fields[5], "r", 0)),
    "audit": lambda question: (question.fields[1], question.argv),
}
