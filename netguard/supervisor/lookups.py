"""Looks names up for the guest, on threads of its own: the one place that asks a resolver, after the rules have
granted it.

`getaddrinfo` blocks, and a resolver that does not answer must not stop every other question. What comes back goes
through a queue to the loop, which decides on the answers before it releases them.
"""

from __future__ import annotations

import _thread
import os
from collections import deque

from netguard.resolver import look_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.core.answer import Answer
    from netguard.core.commands import LookUp

#: At once; a ninth look-up waits. Each is a thread in libc.
MAX_THREADS = 8

#: More look-ups than this waiting is a flood; the caller denies.
MAX_WAITING = 1_024


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
