"""What the benchmarks run, bare and guarded: each case does its work once and prints one number, in microseconds.

    python guest_cases.py connect|get|start|child|fork|forked|cpu|files ROUNDS [PORT|URL]
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable


def median(work: Callable[[], float], rounds: int) -> float:
    """Median of a number of rounds after a tenth as many that do not count, in microseconds."""
    for _ in range(max(3, rounds // 10)):
        work()
    return statistics.median([work() for _ in range(rounds)]) * 1e6


def connect(rounds: int, port: str) -> float:
    """One blocking TCP connect to a listener of another process, which lets them wait in its queue."""
    address = ("127.0.0.1", int(port))

    def once() -> float:
        sock = socket.socket()
        start = time.perf_counter()
        sock.connect(address)
        took = time.perf_counter() - start
        sock.close()
        return took

    return median(once, rounds)


def get(rounds: int, url: str) -> float:
    """One GET with requests, a new connection each, as a script without a session does it."""
    import requests

    def once() -> float:
        start = time.perf_counter()
        requests.get(url, timeout=10).content  # noqa: B018  # the body is read by this
        return time.perf_counter() - start

    return median(once, rounds)


def start(rounds: int, *words: str) -> float:
    """One program that ends at once, started and waited for."""

    def once() -> float:
        begin = time.perf_counter()
        subprocess.run(words or ["/bin/true"], check=True)
        return time.perf_counter() - begin

    return median(once, rounds)


def child(rounds: int) -> float:
    """One interpreter, guarded where we are."""
    return start(rounds, sys.executable, "-c", "pass")


def fork(rounds: int, act: Callable[[], None] = lambda: None) -> float:
    """One fork whose child ends at once, or after an act."""

    def once() -> float:
        begin = time.perf_counter()
        pid = os.fork()
        if pid == 0:
            act()
            os._exit(0)
        os.waitpid(pid, 0)
        return time.perf_counter() - begin

    return median(once, rounds)


def forked(rounds: int) -> float:
    """One fork whose child asks for something: a datagram socket's connect, which sends nothing."""
    return fork(rounds, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.1", 9)))


def cpu(rounds: int) -> float:
    """Pure Python that raises no event: calls, dicts, strings."""

    def fib(n: int) -> int:
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    def once() -> float:
        start = time.perf_counter()
        fib(18)
        sum(len(str(n)) for n in range(4_000))
        return time.perf_counter() - start

    return median(once, rounds)


def files(rounds: int) -> float:
    """Fifty small files written, read and removed."""
    folder = tempfile.mkdtemp()
    paths = [os.path.join(folder, f"file-{n}.txt") for n in range(50)]

    def once() -> float:
        start = time.perf_counter()
        for path in paths:
            with open(path, "w") as file:
                file.write("a line of text\n" * 20)
        for path in paths:
            with open(path) as file:
                file.read()
        for path in paths:
            os.remove(path)
        return time.perf_counter() - start

    took = median(once, rounds)
    os.rmdir(folder)
    return took


CASES: dict[str, Callable[..., float]] = {
    "connect": connect, "get": get, "start": start, "child": child, "fork": fork,
    "forked": forked, "cpu": cpu, "files": files,
}  # fmt: skip

if __name__ == "__main__":
    print(CASES[sys.argv[1]](int(sys.argv[2]), *sys.argv[3:]))
