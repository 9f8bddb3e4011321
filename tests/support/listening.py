"""A listening socket with a thread for each connection; the stream servers of the tests are built on it.

It closes at once and leaves no thread and no socket behind: the tests turn a resource warning into an error.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self


class Listening:
    """Accepts connections until closed. A subclass says in `serve` what happens on one."""

    def __init__(self, family: int, address: Any) -> None:
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(address)
        self.socket.listen(128)
        self.socket.setblocking(False)
        self.address: Any = self.socket.getsockname()
        self._lock = threading.Lock()
        self._accepted = 0
        self._talking: dict[threading.Thread, socket.socket] = {}
        self._wake, self._woken = socket.socketpair()
        self._loop = threading.Thread(target=self._accept_until_closed, daemon=True)
        self._loop.start()

    def serve(self, connection: socket.socket) -> None:
        """Talk on one connection, in its own thread; returning closes it."""
        raise NotImplementedError

    @property
    def port(self) -> int:
        return int(self.address[1])

    @property
    def connections(self) -> int:
        """How many connections have reached this server, with those that still wait in the kernel's queue."""
        self._accept_waiting()
        return self._accepted

    def close(self) -> None:
        """End the loop, cut every connection and wait for their threads."""
        self._wake.close()
        self._loop.join()
        with self._lock:
            talking = dict(self._talking)
        for connection in talking.values():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in talking:
            thread.join()
        self._woken.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept_until_closed(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self.socket, selectors.EVENT_READ)
            ready.register(self._woken, selectors.EVENT_READ)
            while all(key.fileobj is not self._woken for key, _ in ready.select()):
                self._accept_waiting()

    def _accept_waiting(self) -> None:
        with self._lock, contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = self.socket.accept()
                connection.setblocking(True)
                self._accepted += 1
                thread = threading.Thread(target=self._talk, args=(connection,), daemon=True)
                self._talking[thread] = connection
                thread.start()

    def _talk(self, connection: socket.socket) -> None:
        # A client that goes away in mid-sentence is what a denial looks like from here, not a fault of the server.
        with contextlib.suppress(OSError), connection:
            self.serve(connection)
        with self._lock:
            self._talking.pop(threading.current_thread(), None)
