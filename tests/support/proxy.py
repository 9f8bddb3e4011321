"""A proxy on loopback that answers each connection with what it was meant for, as a `Redirects` says it."""

from __future__ import annotations

import json
import select
import socket
from typing import Any

from netguard.core.address import format_ip
from netguard.supervisor.redirects import Proxy, Redirects

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"


class Telling:
    """The proxy, in a loop of its owner's. Over HTTP, and to whoever says anything that ends with an empty line.

    told: the answers so far; None for who was sent here by nobody.
    """

    def __init__(self, epoll: select.epoll, redirects: Redirects) -> None:
        self.epoll = epoll
        self.redirects = redirects
        self.told: list[Any] = []
        self.sockets: dict[int, socket.socket] = {}
        self.heard: dict[int, bytes] = {}
        self.listening = {}
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            made = socket.socket(family)
            made.bind((host, 0))
            self.listening[host] = made
        self.at = Proxy(*[made.getsockname()[1] for made in self.listening.values()])

    def open(self) -> None:
        """Listens from now on."""
        for made in self.listening.values():
            if made.fileno() not in self.sockets:
                made.listen(64)
                self._add(made)

    def __contains__(self, fd: int) -> bool:
        return fd in self.sockets

    def ready(self, fd: int) -> None:
        """A descriptor of its is readable."""
        sock = self.sockets[fd]
        if sock in self.listening.values():
            self._add(sock.accept()[0])
            return
        try:
            data = sock.recv(65536)
        except OSError:
            data = b""
        self.heard[fd] = self.heard.get(fd, b"") + data
        if not data or self.heard[fd].endswith(b"\r\n\r\n"):
            self._tell(sock)

    def close(self) -> None:
        """Closes everything."""
        for sock in [*self.sockets.values(), *self.listening.values()]:
            sock.close()

    def _add(self, sock: socket.socket) -> None:
        self.sockets[sock.fileno()] = sock
        self.epoll.register(sock, select.EPOLLIN)

    def _tell(self, sock: socket.socket) -> None:
        found = self.redirects.original(sock.getpeername(), sock.getsockname())
        about = found and [found.proto, format_ip(found.where), found.port, found.process.pid]
        self.told.append(about)
        body = json.dumps(about).encode()
        try:
            sock.sendall(HEAD % len(body) + body)
        except OSError:
            pass  # it is gone already
        self.epoll.unregister(sock)
        del self.sockets[sock.fileno()]
        self.heard.pop(sock.fileno(), None)
        sock.close()
