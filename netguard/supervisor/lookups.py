"""Looks names up for the guest, on threads of its own: the one place that asks a resolver, after the rules have
granted it.

`getaddrinfo` blocks, and a resolver that does not answer must not stop every other question. What comes back goes
through a queue to the loop, which decides on the answers before it releases them.
"""

from __future__ import annotations

import _socket as socket  # without the enums of `socket`, which would only have to be made plain again
import _thread
import os
from collections import deque

from netguard.core.answer import NO_NAME, Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.core.commands import LookUp

#: At once; a ninth look-up waits. Each is a thread in libc.
MAX_THREADS = 8

#: More look-ups than this waiting is a flood; the caller denies.
MAX_WAITING = 1_024

#: errno of a look-up that failed in a way that none should.
EIO = 5


class Resolver:
    """A few threads that look names up, and the finished look-ups. `fd` is readable when there are some."""

    def __init__(self) -> None:
        self.fd, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._todo: deque[LookUp] = deque()
        self._done: deque[tuple[LookUp, Answer]] = deque()
        self._lock = _thread.allocate_lock()
        self._threads = 0

    def start(self, task: LookUp) -> bool:
        """Begins a look-up; False when too many wait already, or when the system has no thread for the first."""
        with self._lock:
            if len(self._todo) >= MAX_WAITING:
                return False
            if self._threads < MAX_THREADS:
                try:
                    _thread.start_new_thread(self._work, ())
                    self._threads += 1
                except RuntimeError:
                    if self._threads == 0:
                        return False
            self._todo.append(task)
        return True

    def finished(self) -> list[tuple[LookUp, Answer]]:
        """Returns the look-ups that are done, each with what it brought."""
        try:
            os.read(self.fd, 4096)
        except BlockingIOError:
            pass
        found = []
        while self._done:
            found.append(self._done.popleft())
        return found

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._todo:
                    self._threads -= 1
                    return
                task = self._todo.popleft()
            self._done.append((task, look_up(task.function, task.name, task.service, task.numbers)))
            try:
                os.write(self._wake, b"!")
            except BlockingIOError:
                pass  # a full pipe wakes the loop all the same


def look_up(function: str, name: str, service: str, numbers: tuple[int, ...]) -> Answer:
    """Performs one look-up with this machine's resolver. Never raises: a failing one is an answer too."""
    try:
        return FUNCTIONS[function](name, service, numbers)
    except socket.gaierror as error:
        return Answer([], [], ("gaierror", error.errno or socket.EAI_FAIL, error.strerror or ""))
    except socket.herror as error:
        return Answer([], [], ("herror", error.errno or 0, error.strerror or ""))
    except OSError as error:
        return Answer([], [], ("error", error.errno or 0, error.strerror or str(error)))
    except (ValueError, OverflowError):  # a name that no encoding takes
        return Answer([], [], NO_NAME)
    except Exception as error:  # noqa: BLE001  # a thread that dies leaves its asker waiting, which must not be
        return Answer([], [], ("error", EIO, type(error).__name__))


def _getaddrinfo(name: str, service: str, numbers: tuple[int, ...]) -> Answer:
    family, kind, proto, flags = numbers
    port: int | str | None = None
    if service:
        port = service[5:] if service.startswith("name:") else int(service)
    fields: list[str] = []
    addresses = []
    for found_family, found_kind, found_proto, canonical, address in socket.getaddrinfo(
        name, port, family, kind, proto, flags
    ):
        host, found_port, *rest = address
        flow, scope = (*rest, 0, 0)[:2]
        row = (int(found_family), int(found_kind), found_proto, canonical, host, found_port, flow, scope)
        fields.extend([str(value) for value in row])
        addresses.append(str(host))
    return Answer(fields, addresses)


def _gethostbyname(name: str, service: str, numbers: tuple[int, ...]) -> Answer:
    found = socket.gethostbyname(name)
    return Answer([found], [found])


def _gethostbyname_ex(name: str, service: str, numbers: tuple[int, ...]) -> Answer:
    canonical, aliases, found = socket.gethostbyname_ex(name)
    return Answer([canonical, str(len(aliases)), *aliases, *found], found)


def _gethostbyaddr(name: str, service: str, numbers: tuple[int, ...]) -> Answer:
    canonical, aliases, found = socket.gethostbyaddr(name)
    return Answer([canonical, str(len(aliases)), *aliases, *found], found)


def _getnameinfo(name: str, service: str, numbers: tuple[int, ...]) -> Answer:
    flags, flow, scope, _ = numbers
    address: tuple[str, int] | tuple[str, int, int, int] = (name, int(service))
    if ":" in name:
        address = (name, int(service), flow, scope)
    return Answer(list(socket.getnameinfo(address, flags)), [])


FUNCTIONS = {
    "getaddrinfo": _getaddrinfo,
    "gethostbyname": _gethostbyname,
    "gethostbyname_ex": _gethostbyname_ex,
    "gethostbyaddr": _gethostbyaddr,
    "getnameinfo": _getnameinfo,
}
