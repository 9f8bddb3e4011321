"""The servers that a soak's guest reaches, in a process of their own: they count what arrives, and say nothing.

`servers.py FOLDER` says in one JSON line where they are. Each line of input is answered with what has arrived by then:
how often at each server, and at those of `MARKED` whose acts, by the number that is in the address or in the datagram;
these are bytes in a file of the folder, one for each number.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
import time
from contextlib import ExitStack
from typing import Any

from tests.support.dns import DnsServer

#: What the rules say of each server.
VERDICTS = ("quiet", "told", "denied")

#: Acts there have a number each, of 24 bits: the last of 127.0.0.0/8 for TCP, the datagram's text for UDP.
MARKED = ("tcp told", "udp told")
NUMBERS = 1 << 24

#: Room for what arrives while nobody looks (SO_RCVBUFFORCE, root's): no datagram may be lost on the way.
ROOM = 64 << 20

#: Servers that take nobody, and those that take one caller in a while; both have no room for more.
FULL = ("tcp full", "unix full")
LATE = ("tcp late", "unix late")
A_WHILE = 0.02


class Servers:
    """All of them."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.poll = select.epoll()
        self.by_fd: dict[int, tuple[str, socket.socket]] = {}
        self.where: dict[str, Any] = {}
        self.arrived: dict[str, int] = {}
        self.marks = {name: bytearray(NUMBERS) for name in MARKED}
        self.twice: dict[str, list[int]] = {name: [] for name in MARKED}
        for verdict in VERDICTS:
            self._tcp(f"tcp {verdict}")
            self._udp(f"udp {verdict}")
            self._unix(f"unix {verdict}", os.path.join(folder, verdict))
            self._unix(f"abstract {verdict}", f"\0soak-{os.getpid()}-{verdict}")
        for tcp, unix in (FULL, LATE):
            self._tcp(tcp)
            self._unix(unix, os.path.join(folder, unix))
        self.slow = {name: sock for name, sock in self.by_fd.values() if name in (*FULL, *LATE)}
        for sock in self.slow.values():
            sock.listen(0)
            self.poll.unregister(sock)

    def _tcp(self, name: str) -> None:
        sock = socket.create_server(("0.0.0.0", 0), backlog=4096)
        self._add(name, sock, sock.getsockname()[1])

    def _udp(self, name: str) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, 33, ROOM)  # SO_RCVBUFFORCE
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
        sock.bind(("0.0.0.0", 0))
        self._add(name, sock, sock.getsockname()[1])

    def _unix(self, name: str, path: str) -> None:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        sock.listen(4096)
        self._add(name, sock, path)

    def _add(self, name: str, sock: socket.socket, where: object) -> None:
        sock.setblocking(False)
        self.by_fd[sock.fileno()] = name, sock
        self.where[name] = where
        self.arrived[name] = 0
        self.poll.register(sock, select.EPOLLIN)

    def serve(self) -> None:
        """Until the input ends."""
        self.poll.register(0, select.EPOLLIN)
        due = 0.0
        while True:
            now = time.monotonic()
            if now >= due:
                due = now + A_WHILE
                for name in LATE:
                    self.take(name, self.slow[name], 1)
            for fd, _ in self.poll.poll(A_WHILE):
                if fd == 0:
                    if not os.read(0, 4096):
                        return
                    self.tell()
                else:
                    self.take(*self.by_fd[fd])

    def take(self, name: str, sock: socket.socket, most: int = 1 << 30) -> None:
        """What waits at one server."""
        receive = self.datagram if name.startswith("udp") else self.connection
        try:
            for _ in range(most):
                receive(name, sock)
        except BlockingIOError:
            pass

    def datagram(self, name: str, sock: socket.socket) -> None:
        data = sock.recv(64)
        self.arrived[name] += 1
        if name in self.marks:
            self.mark(name, struct.unpack("!I", data)[0])

    def connection(self, name: str, sock: socket.socket) -> None:
        with sock.accept()[0] as taken:
            self.arrived[name] += 1
            if name in self.marks:
                host = taken.getsockname()[0]
                self.mark(name, int.from_bytes(socket.inet_aton(host), "big"))

    def mark(self, name: str, number: int) -> None:
        number &= NUMBERS - 1
        if number:  # 127.0.0.0 is nobody's own
            if self.marks[name][number]:
                self.twice[name].append(number)
            self.marks[name][number] = 1

    def tell(self) -> None:
        """What has arrived: all that waits is taken before, so nothing that a guest has done is left out."""
        for name, sock in self.by_fd.values():
            if name not in FULL:
                self.take(name, sock)
        for name, found in self.marks.items():
            with open(os.path.join(self.folder, name), "wb") as file:
                file.write(found)
        print(json.dumps({"arrived": self.arrived, "twice": self.twice}), flush=True)


def main() -> None:
    """The process. Where it may, it is the name server too."""
    names = {f"n{number}.test": [f"127.0.1.{number}"] for number in range(50)}
    with ExitStack() as closing:
        try:
            closing.enter_context(DnsServer(names, port=53))
        except OSError:
            pass  # another's, or root's alone
        servers = Servers(sys.argv[1])
        print(json.dumps(servers.where), flush=True)
        servers.serve()


if __name__ == "__main__":
    main()
