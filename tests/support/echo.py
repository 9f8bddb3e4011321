"""Servers that say back what they hear, over TCP, UDP and unix sockets, and remember it."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from typing import TYPE_CHECKING

from tests.support.listening import Listening

if TYPE_CHECKING:
    from typing_extensions import Self


def family_of(host: str) -> int:
    """The address family of a numeric host."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class StreamEcho(Listening):
    """A stream server that echoes. `received` is everything it heard, connection after connection."""

    def __init__(self, family: int, address: object) -> None:
        self.received: list[bytes] = []
        super().__init__(family, address)

    def serve(self, connection: socket.socket) -> None:
        while data := connection.recv(65536):
            self.received.append(data)
            connection.sendall(data)

    def seen(self) -> dict[str, object]:
        """What it saw, as JSON can say it."""
        return {"connections": self.connections, "received": [data.decode("latin-1") for data in self.received]}


class TcpEcho(StreamEcho):
    """TCP on loopback."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(family_of(host), (host, port))


class UnixEcho(StreamEcho):
    """A unix stream socket at `path`; a leading NUL makes it abstract (Linux)."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(socket.AF_UNIX, path)


class UdpEcho:
    """A UDP server that echoes. `received` is each datagram it got, those still in the kernel's queue included."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.socket = socket.socket(family_of(host), socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.socket.setblocking(False)
        self.address = self.socket.getsockname()
        self._lock = threading.Lock()
        self._received: list[bytes] = []
        self._wake, self._woken = socket.socketpair()
        self._loop = threading.Thread(target=self._answer_until_closed, daemon=True)
        self._loop.start()

    def answer(self, data: bytes) -> bytes:
        """What to say to one datagram; nothing means silence."""
        return data

    def answers(self, data: bytes) -> list[bytes]:
        """All that is said to one datagram."""
        answer = self.answer(data)
        return [answer] if answer else []

    @property
    def port(self) -> int:
        return int(self.address[1])

    @property
    def received(self) -> list[bytes]:
        self._answer_waiting()
        return self._received

    def seen(self) -> dict[str, object]:
        """What it saw, as JSON can say it."""
        return {"received": [data.decode("latin-1") for data in self.received]}

    def close(self) -> None:
        self._wake.close()
        self._loop.join()
        self._woken.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer_until_closed(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self.socket, selectors.EVENT_READ)
            ready.register(self._woken, selectors.EVENT_READ)
            while all(key.fileobj is not self._woken for key, _ in ready.select()):
                self._answer_waiting()

    def _answer_waiting(self) -> None:
        with self._lock, contextlib.suppress(BlockingIOError):
            while True:
                data, peer = self.socket.recvfrom(65536)
                self._received.append(data)
                for answer in self.answers(data):
                    with contextlib.suppress(OSError):  # the asker may have gone already
                        self.socket.sendto(answer, peer)
