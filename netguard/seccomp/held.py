"""The guest's sockets where none of its descriptors can be copied: each is made here for it, and a copy is kept.

Which socket a call means, /proc says by its name ("socket:[4711]"), and what is then done is done on our copy: whatever
the guest puts at that number meanwhile, nothing reaches further than what was decided. A socket that was not made here
has no copy, and nothing is done on it.

A copy that is kept keeps its socket open: nobody hears that the guest has closed it. So each is looked for, where it
was last seen and then in every process of the run, soon at first and ever more seldom, and what nobody has any more is
let go. It must never let go of what may still be there to save a look, and never look so often that it shows.
"""

from __future__ import annotations

import errno
import fcntl
import heapq
import os
import time
from itertools import chain

from netguard.seccomp import alarm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: Seconds between two looks at one socket: at first, and at most.
SOON, LATE = 0.005, 0.1

#: How much longer each pause is than the one before.
GROWTH = 1.25

#: Seconds of pause for each socket that is kept, at 5 us a look: a fortieth of one processor, however many there are.
EACH = 0.0002

#: Looks at all processes that in turn do not find a socket. One that is handed on between two looks is missed by one.
MISSES = 2

#: A look at all processes may take this share of the time.
SHARE = 20

#: Seconds for which a socket that is under way to another process, in no table meanwhile, is not let go.
UNDER_WAY = 30.0

#: The share of our descriptors that may be copies, and how many they are at most: a look at all takes 5 us for each.
PART, MOST = 2, 16_384

#: Descriptors that one search looks at. Whoever has more open keeps what it has closed from being let go.
MAX_LOOKS = 65_536


class Unheld(OSError):
    """A socket that was not made here: inherited, or come from outside. Nothing can be done on it for the guest."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, os.strerror(errno.EACCES))


class Kept:
    """One socket.

    fd:          our copy.  name: what /proc calls it.
    pid, number: where it was last seen.
    pause, due:  until it is looked for again.  misses: looks at all processes that have not found it.
    until:       when it has arrived, if it is under way.
    """

    __slots__ = ("due", "fd", "misses", "name", "number", "pause", "pid", "until")

    def __init__(self, fd: int, name: str, pid: int, number: int) -> None:
        self.fd = fd
        self.name = name
        self.pid = pid
        self.number = number
        self.pause = SOON
        self.due = time.monotonic() + SOON
        self.until = 0.0
        self.misses = 0

    def is_there(self) -> bool:
        """Whether it still is where it was last seen."""
        return link(self.pid, self.number) == self.name


class Held:
    """All of one run.

    processes: the run's, for when a socket is not where it was.
    """

    def __init__(self, processes: Callable[[], Iterable[int]]) -> None:
        self._processes = processes
        self._kept: dict[str, Kept] = {}
        self._queue: list[tuple[float, str]] = []  # one entry for each that is kept; those of others are passed over
        self._lost: dict[str, Kept] = {}
        self._listening: set[str] = set()
        self._look = 0.0  # from when on all processes may be looked at again

    def __len__(self) -> int:
        return len(self._kept)

    def has_room(self) -> bool:
        """Whether another socket may be made. What nobody has any more makes room first."""
        most = min(os.sysconf("SC_OPEN_MAX") // PART, MOST)
        if len(self._kept) >= most:
            self.collect()
        return len(self._kept) < most

    def keep(self, fd: int, pid: int, number: int) -> None:
        """Takes over our copy of a socket that a process now has at a number."""
        found = Kept(fd, name_of(fd), pid, number)
        if found.name in self._kept:  # the kernel's numbers have come round
            self._drop(found.name)
        self._kept[found.name] = found
        heapq.heappush(self._queue, (found.due, found.name))

    def copy(self, tid: int, number: int) -> int:
        """A copy of the socket at a number of a thread's. Raises OSError: EBADF, ENOTSOCK, Unheld."""
        found = self.find(tid, number)
        return fcntl.fcntl(found.fd, fcntl.F_DUPFD_CLOEXEC, 3)

    def find(self, tid: int, number: int) -> Kept:
        """The socket that a thread has at a number, and which it is now known to have there. Raises OSError."""
        try:
            name = os.readlink(f"/proc/{tid}/fd/{number}")
        except FileNotFoundError:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from None
        if not name.startswith("socket:["):
            raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
        found = self._kept.get(name)
        if found is None:
            raise Unheld
        found.pid, found.number, found.misses = tid, number, 0
        return found

    def sends(self, tid: int, number: int) -> int:
        """A copy of a socket that the thread sends to another process. Raises OSError."""
        self.find(tid, number).until = time.monotonic() + UNDER_WAY
        return self.copy(tid, number)

    def leaves(self, tid: int, number: int) -> None:
        """The thread sends what it has there by itself; if it is kept, it is under way."""
        try:
            self.find(tid, number).until = time.monotonic() + UNDER_WAY
        except OSError:
            pass

    def listens(self, sock: int) -> None:
        """Our copy of one listens now: that it has been closed will be known before anybody connects to it."""
        name = name_of(sock)
        if name in self._kept:
            self._listening.add(name)

    # Letting go

    def pause(self, now: float) -> float | None:
        """Seconds until something is to be looked at; None for never."""
        if not self._queue and not self._lost:
            return None
        due = self._queue[0][0] if self._queue else self._look
        return max(0.0, (min(due, self._look) if self._lost else due) - now)

    def sweep(self, now: float) -> None:
        """Looks at what is due, and lets go of what nobody has."""
        late = max(LATE, EACH * len(self._kept))
        while self._queue and self._queue[0][0] <= now:
            due, name = heapq.heappop(self._queue)
            found = self._kept.get(name)
            if found is None or found.due != due:
                continue
            if found.is_there():
                found.misses = 0
                found.pause = min(found.pause * GROWTH, late)
                self._again(found, now)
            else:
                self._lost[name] = found
        if self._lost and now >= self._look:
            self._search(now)
            self._look = time.monotonic() + max(SOON, SHARE * (time.monotonic() - now))

    def collect(self) -> None:
        """Looks at all at once: a port, or room, may be had by letting go."""
        for _ in range(MISSES):
            now = time.monotonic()
            self._lost.update([(name, found) for name, found in self._kept.items() if not found.is_there()])
            if self._lost:
                self._search(now)

    def settle(self) -> None:
        """Lets go of what listened and was closed: who connects now is refused, and not taken by our copy."""
        if any([not self._kept[name].is_there() for name in self._listening]):
            self.collect()

    def close(self) -> None:
        """The run is over."""
        alarm.arm()
        for found in self._kept.values():
            os.close(found.fd)
        self._kept.clear()
        self._queue.clear()
        self._lost.clear()

    def _again(self, found: Kept, now: float) -> None:
        found.due = now + found.pause
        heapq.heappush(self._queue, (found.due, found.name))

    def _search(self, now: float) -> None:
        """Looks for all that is lost, in every process."""
        lost, self._lost = self._lost, {}
        looks = 0
        for tid, number, name in chain.from_iterable(map(all_of, self._processes())):
            looks += 1
            found = lost.pop(name, None)
            if found is not None:
                found.pid, found.number, found.misses, found.pause = tid, number, 0, SOON
                self._again(found, now)
            if not lost or looks >= MAX_LOOKS:
                break
        for name, found in lost.items():
            found.misses += 1
            if found.until > now or looks >= MAX_LOOKS:
                found.pause = LATE
                self._again(found, now)
            elif found.misses < MISSES:
                self._lost[name] = found
            else:
                self._drop(name)

    def _drop(self, name: str) -> None:
        """The last that is left of it is ours. To close it may take long, if the guest wanted so."""
        alarm.arm()
        self._lost.pop(name, None)
        self._listening.discard(name)
        os.close(self._kept.pop(name).fd)


def link(pid: int, number: int) -> str:
    """What a thread or process has at a number; "" for nothing, where it is gone, or where it hides what it has."""
    try:
        return os.readlink(f"/proc/{pid}/fd/{number}")
    except OSError:
        return ""


def name_of(fd: int) -> str:
    """What /proc calls a socket of ours."""
    return os.readlink(f"/proc/self/fd/{fd}")


def all_of(pid: int) -> Iterator[tuple[int, int, str]]:
    """(thread, number, name) of all that a process has open. Once its first thread has ended, another has its table."""
    for tid in (pid, *(() if listed(pid) else threads(pid))):
        numbers = listed(tid)
        for number in numbers:
            yield tid, number, link(tid, number)
        if numbers:
            return


def listed(tid: int) -> list[int]:
    """The numbers that a thread has open; none if it is gone."""
    try:
        return [int(number) for number in os.listdir(f"/proc/{tid}/fd")]
    except OSError:
        return []


def threads(pid: int) -> list[int]:
    """A process's threads; none if it is gone."""
    try:
        return [int(tid) for tid in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []
