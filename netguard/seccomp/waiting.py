"""Calls that cannot end at once: each waits here for its socket, its time-out or a signal, and never holds up the loop.

A call ends in a Done. What the guest's kernel would do while it waits is done from outside: a caller that is gone is
let go, and one that a signal is pending for is woken, so that its handler runs when it would without a guard.
"""

from __future__ import annotations

import _socket
import errno
import os
import select
import time

from netguard.seccomp import unheard
from netguard.seccomp.callers import field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.seccomp.arguments import Wanted
    from netguard.seccomp.callers import Caller
    from netguard.seccomp.notify import Listener

#: ERESTARTSYS of <linux/errno.h>. Where a signal is pending, the kernel makes of it what SA_RESTART asks for: the call
#: begins anew or fails with EINTR. Where none is, the guest would see this number itself.
ERESTARTSYS = 512

#: Seconds between two looks at all that waits.
SWEEP = 0.05

#: Seconds until what no descriptor tells of is tried again: at first, and at most.
SOON, LATE = 0.001, 0.05

#: Callers that are looked after in one sweep: 11 us each, and the kernel goes through all that wait to find each.
MAX_LOOKS = 100

#: The share of our descriptors that calls which wait may hold, so that the guest cannot keep us from all else.
SHARE = 4


class Done:
    """How a call ended: what it returns, or its errno."""

    __slots__ = ("error", "value")

    def __init__(self, value: int, error: int = 0) -> None:
        self.value = value
        self.error = error

    def tell(self, listener: Listener, id: int) -> bool:
        """Tells it to who waits for it; False where nobody does any more."""
        return listener.answer(id, self.value, self.error)


class Waiting:
    """One call that waits.

    fd:       what to poll; -1 where nothing tells, and it is tried again.
    deadline: when the guest's own time-out ends it (monotonic), None for never.
    due:      when it is next tried, where nothing tells.
    """

    __slots__ = ("caller", "deadline", "due", "fd", "pause", "wanted")

    #: What its socket is polled for: room; or what comes (EPOLLIN), which is then gone if its caller is.
    events = select.EPOLLOUT

    #: Whether a signal ends it, as the kernel would have it.
    interruptible = True

    def __init__(self, wanted: Wanted, caller: Caller, fd: int) -> None:
        self.wanted = wanted
        self.caller = caller
        self.fd = fd
        self.deadline = deadline(wanted.sock)
        self.pause = SOON
        self.due = time.monotonic() + SOON

    def resume(self) -> Done | None:
        """Tries to go on; None while it has to wait further."""
        raise NotImplementedError

    def overdue(self, now: float) -> Done | None:
        """How it ends when the guest's time-out is over; None before."""
        return self.expired() if self.deadline is not None and now >= self.deadline else None

    def expired(self) -> Done:
        """How a time-out ends it."""
        return Done(0, errno.EAGAIN)

    def so_far(self) -> Done | None:
        """What has been done when the call is given up; None where that is nothing, or the kernel knows it."""
        return None

    def interrupted(self) -> Done | None:
        """How it ends when a signal is pending for its caller; None while none is."""
        error = interruption(self.caller) if self.interruptible else 0
        if error == ERESTARTSYS and self.deadline is not None:
            error = errno.EINTR  # signal(7): a socket with a time-out is never begun anew
        return Done(0, error) if error else None


class Coming(Waiting):
    """One that waits for what comes to its socket: a datagram, or a connection."""

    __slots__ = ()

    events = select.EPOLLIN

    def __init__(self, wanted: Wanted, caller: Caller) -> None:
        super().__init__(wanted, caller, wanted.sock)
        self.deadline = deadline(wanted.sock, _socket.SO_RCVTIMEO)


def deadline(sock: int, option: int = _socket.SO_SNDTIMEO) -> float | None:
    """When SO_SNDTIMEO, or SO_RCVTIMEO, ends a call that begins now; None for never."""
    held = _socket.socket(fileno=sock)
    try:
        value = held.getsockopt(_socket.SOL_SOCKET, option, 16)
    finally:
        held.detach()
    seconds, micros = int.from_bytes(value[:8], "little"), int.from_bytes(value[8:], "little")
    return time.monotonic() + seconds + micros / 1e6 if seconds or micros else None


def interruption(caller: Caller) -> int:
    """The error that lets a pending signal's handler run; 0 where none is pending.

    A signal to a process may be taken by another of its threads before the answer arrives, and ERESTARTSYS with no
    signal behind it would be seen by the guest.
    """
    try:
        status = caller.status()
    except OSError:
        return 0  # it is gone: the next sweep lets go of its call
    held = int(field(status, b"SigBlk"), 16) | int(field(status, b"SigIgn"), 16)
    if int(field(status, b"SigPnd"), 16) & ~held:
        return ERESTARTSYS
    if int(field(status, b"ShdPnd"), 16) & ~held:
        return ERESTARTSYS if int(field(status, b"Threads")) == 1 else errno.EINTR
    return 0


class Queue:
    """All calls that wait, by what to poll for them. Whoever is given an end closes its Wanted."""

    def __init__(self, epoll: select.epoll, listener: Listener) -> None:
        self._epoll = epoll
        self._listener = listener
        self._calls: dict[int, Waiting] = {}
        self._by_fd: dict[int, int] = {}
        self._held = 0
        self._next = 0.0
        self._turn = 0

    def __len__(self) -> int:
        return len(self._calls)

    def __contains__(self, fd: int) -> bool:
        return fd in self._by_fd

    def add(self, id: int, waiting: Waiting) -> Done | None:
        """Has a call wait; returns an end at once where too many do."""
        held = waiting.wanted.held()
        if self._held + held > os.sysconf("SC_OPEN_MAX") // SHARE:
            return Done(0, errno.ENOBUFS)
        self._held += held
        if waiting.fd >= 0:
            self._epoll.register(waiting.fd, waiting.events)
            self._by_fd[waiting.fd] = id
        self._calls[id] = waiting
        return None

    def ready(self, fd: int) -> list[tuple[int, Waiting, Done | None]]:
        """The descriptor is ready: returns the calls that have ended."""
        id = self._by_fd.get(fd)
        if id is None:
            return []
        waiting = self._calls[id]
        if waiting.events == select.EPOLLIN and not self._listener.is_waiting(id):
            return [self._end(id, None)]
        return self._step(id, waiting.resume())

    def pause(self, now: float) -> float | None:
        """Seconds until the next sweep; None while nothing waits."""
        if not self._calls:
            return None
        due = min([waiting.due for waiting in self._calls.values() if waiting.fd < 0], default=self._next)
        return max(0.0, min(due, self._next) - now)

    def sweep(self, now: float) -> list[tuple[int, Waiting, Done | None]]:
        """Looks at all that waits; returns what has ended: None for a call whose caller waits no more."""
        ended = self._retry(now)
        if now < self._next or not self._calls:
            return ended
        self._next = now + SWEEP
        parts = len(self._calls) // MAX_LOOKS + 1
        self._turn = (self._turn + 1) % parts
        for number, (id, waiting) in enumerate(list(self._calls.items())):
            done = waiting.overdue(now)
            if done is None and number % parts != self._turn:
                continue
            if self._listener.is_waiting(id):
                ended += self._step(id, done or waiting.interrupted())
            else:
                ended.append(self._end(id, None))
        return ended

    def close(self) -> list[tuple[int, Waiting, Done | None]]:
        """Gives up all that waits: nobody is left who would hear."""
        return [self._end(id, None) for id in list(self._calls)]

    def _retry(self, now: float) -> list[tuple[int, Waiting, Done | None]]:
        """Tries again what no descriptor tells of, ever more seldom."""
        ended = []
        for id, waiting in list(self._calls.items()):
            if waiting.fd < 0 and now >= waiting.due:
                waiting.pause = min(2 * waiting.pause, LATE)
                waiting.due = now + waiting.pause
                if self._listener.is_waiting(id):
                    ended += self._step(id, waiting.resume())
        return ended

    def _step(self, id: int, done: Done | None) -> list[tuple[int, Waiting, Done | None]]:
        return [] if done is None else [self._end(id, done)]

    def _end(self, id: int, done: Done | None) -> tuple[int, Waiting, Done | None]:
        waiting = self._calls.pop(id)
        self._held -= waiting.wanted.held()
        if waiting.fd >= 0:
            # By hand: epoll holds the guest's open socket and not our descriptor of it, so closing ours would not do.
            self._epoll.unregister(waiting.fd)
            del self._by_fd[waiting.fd]
        so_far = waiting.so_far() if done is None else None
        if so_far is not None:
            unheard.keep(waiting.caller.tid, waiting.wanted, so_far)
        return id, waiting, done
