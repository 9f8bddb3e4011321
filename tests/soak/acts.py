"""What the guests of a soak do, one function a kind of act; each returns whether it ended as it must.

Read by guests of any Python, with and without the witness, so it imports nothing of the tests.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import socket
import struct
import threading

#: Closes with a reset: no port stays taken for a minute.
AT_ONCE = struct.pack("ii", 1, 0)

#: How much of the numbers each worker has: 127.0.0.0 and what begins with it are nobody's.
SHARE = 1 << 18


class Worker:
    """Who acts: its own share of the numbers, and what it has done.

    where: the servers. number: its own, from 1 on; that times SHARE is its first act's.
    """

    def __init__(self, where: dict, number: int, seed: str) -> None:
        self.where = where
        self.next = number * SHARE
        self.end = self.next + SHARE
        self.chance = random.Random(seed)
        self.done: dict = {}
        self.wrong: list = []

    def number(self) -> int:
        """The next number; the first again when all are used up."""
        self.next += 1
        if self.next >= self.end:
            self.next -= SHARE - 1
        return self.next

    def count(self, kind: str) -> None:
        """One more of these is done."""
        self.done[kind] = self.done.get(kind, 0) + 1

    def act(self, kind: str) -> None:
        """One act, noted."""
        ended = ACTS[kind](self)
        self.count(kind)
        if ended and len(self.wrong) < 9:
            self.wrong.append(f"{kind}: {ended}")


def outcome(sock: socket.socket, address: object) -> int:
    """How a connect ends."""
    try:
        sock.connect(address)
    except OSError as error:
        return error.errno or -1
    return 0


def named(number: int) -> str:
    """errno's name, "" for 0."""
    return errno.errorcode.get(number, str(number)) if number else ""


def stream(where: object, family: int = socket.AF_INET) -> str:
    """A connection that is made and closed."""
    with socket.socket(family) as sock:
        if family == socket.AF_INET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        return named(outcome(sock, where))


def host_of(number: int) -> str:
    """127.x.y.z of an act's number."""
    return socket.inet_ntoa(struct.pack("!I", 127 << 24 | number))


def tcp(worker: Worker, verdict: str, fixed: bool = False) -> str:
    """To one address, or to one of its own."""
    host = "127.0.0.1" if fixed else host_of(worker.number())
    return stream((host, worker.where[f"tcp {verdict}"]))


def sent(worker: Worker, verdict: str) -> str:
    """A datagram from a socket that is connected to nothing."""
    number = worker.number()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(struct.pack("!I", number), (host_of(number), worker.where[f"udp {verdict}"]))
        except OSError as error:
            return named(error.errno or -1)
    return ""


def joined(worker: Worker, verdict: str) -> str:
    """A datagram's socket that is connected, and sends."""
    number = worker.number()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        ended = outcome(sock, (host_of(number), worker.where[f"udp {verdict}"]))
        if not ended:
            sock.send(struct.pack("!I", number))
        return named(ended)


def unix(worker: Worker, kind: str) -> str:
    return stream(worker.where[kind], socket.AF_UNIX)


def denied(ended: str) -> str:
    """A denial is what must come."""
    return "" if ended == "EACCES" else ended or "it went through"


def forked(act: object) -> str:
    """A child that acts, and is waited for."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            status = 1 if act() else 0
        finally:
            os._exit(status)
    return "a child's act" if os.waitpid(pid, 0)[1] else ""


def child(worker: Worker) -> str:
    """A child that connects."""
    return forked(child_of(worker, "tcp told"))


def child_of(worker: Worker, kind: str) -> object:
    """What a child does, with a number of its parent's."""
    worker.count(kind)
    number = worker.number()
    return lambda: stream((host_of(number), worker.where[kind]))


def thread(worker: Worker) -> str:
    """A thread that connects."""
    ended: list = []
    act = child_of(worker, "tcp told")
    mate = threading.Thread(target=lambda: ended.append(act()))
    mate.start()
    mate.join()
    return ended[0]


def program(worker: Worker) -> str:
    """A program that does nothing."""
    pid = os.posix_spawn(TRUE, [TRUE], os.environ)
    return "a program" if os.waitpid(pid, 0)[1] else ""


def daemon(worker: Worker) -> str:
    """A process whose parent is gone, and that connects."""
    act = child_of(worker, "tcp told")

    def leave() -> int:
        os.setsid()
        if not os.fork():
            act()
        return 0

    return forked(leave)


TRUE = shutil.which("true") or "/bin/true"

#: kind -> the act. The first two words of a connection's kind are its server's name.
CONNECTIONS = {
    "tcp quiet fixed": lambda worker: tcp(worker, "quiet", fixed=True),
    "tcp quiet": lambda worker: tcp(worker, "quiet"),
    "tcp told": lambda worker: tcp(worker, "told"),
    "tcp denied": lambda worker: denied(tcp(worker, "denied", fixed=True)),
    "udp quiet": lambda worker: joined(worker, "quiet"),
    "udp told": lambda worker: sent(worker, "told"),
    "udp denied": lambda worker: denied(sent(worker, "denied")),
    "unix quiet": lambda worker: unix(worker, "unix quiet"),
    "unix told": lambda worker: unix(worker, "unix told"),
    "unix denied": lambda worker: denied(unix(worker, "unix denied")),
    "abstract quiet": lambda worker: unix(worker, "abstract quiet"),
    "abstract told": lambda worker: unix(worker, "abstract told"),
    "abstract denied": lambda worker: denied(unix(worker, "abstract denied")),
}
PROCESSES = {
    "fork": lambda worker: forked(int),
    "child": child,
    "thread": thread,
    "program": program,
    "daemon": daemon,
}
ACTS = {**CONNECTIONS, **PROCESSES}
