"""What the benchmarks run, bare and guarded: each case does its work and prints one number, in microseconds of its
median round; `acts` and `rss` print KiB of memory, rates what they count a second, `share` a share.

    python guest_cases.py CASE ROUNDS [WORD…]
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable


def median(work: Callable[[], float], rounds: int) -> float:
    """Median of a number of rounds after a tenth as many that do not count, in microseconds."""
    for _ in range(max(3, rounds // 10)):
        work()
    return statistics.median([work() for _ in range(rounds)]) * 1e6


def timed(work: Callable[[], object], rounds: int) -> float:
    """Median of whole calls."""

    def once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return median(once, rounds)


# Connections and datagrams


def connects(rounds: int, port: str) -> list[float]:
    """Blocking TCP connects to a listener of another process, which lets them wait in its queue: seconds of each."""
    address, took = ("127.0.0.1", int(port)), []
    for _ in range(rounds):
        sock = socket.socket()
        start = time.perf_counter()
        sock.connect(address)
        took.append(time.perf_counter() - start)
        sock.close()
    return took


def connect(rounds: int, port: str) -> float:
    """The median."""
    connects(rounds // 10, port)
    return statistics.median(connects(rounds, port)) * 1e6


def slow_connect(rounds: int, port: str) -> float:
    """The slowest of a hundred."""
    connects(rounds // 10, port)
    return statistics.quantiles(connects(rounds, port), n=100)[-1] * 1e6


def connect_rate(rounds: int, port: str) -> float:
    """Connections a second, from making a socket to closing it."""
    connects(rounds // 10, port)
    start = time.perf_counter()
    connects(rounds, port)
    return rounds / (time.perf_counter() - start)


def bound() -> socket.socket:
    """A datagram socket with an address."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def sendto(rounds: int) -> float:
    """One datagram to an address, read at once."""
    sock, there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), bound()
    address = there.getsockname()

    def once() -> float:
        start = time.perf_counter()
        sock.sendto(b"x" * 100, address)
        took = time.perf_counter() - start
        there.recv(200)
        return took

    return median(once, rounds)


def sendto_rate(rounds: int) -> float:
    """Datagrams a second."""
    sock, there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), bound()
    address = there.getsockname()
    start = time.perf_counter()
    for _ in range(rounds):
        sock.sendto(b"x" * 100, address)
        there.recv(200)
    return rounds / (time.perf_counter() - start)


def recvfrom(rounds: int) -> float:
    """One datagram received together with its sender."""
    sock, there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), bound()
    sock.connect(there.getsockname())

    def once() -> float:
        sock.send(b"x" * 100)
        start = time.perf_counter()
        there.recvfrom(200)
        return time.perf_counter() - start

    return median(once, rounds)


def name(rounds: int) -> float:
    """An IPv4 address of a name, as a program in C asks for it."""
    import ctypes

    getaddrinfo, free = ctypes.CDLL(None).getaddrinfo, ctypes.CDLL(None).freeaddrinfo
    hints, found = (ctypes.c_int * 12)(0, socket.AF_INET, socket.SOCK_STREAM), ctypes.c_void_p()

    def once() -> float:
        start = time.perf_counter()
        error = getaddrinfo(b"one.bench.test", b"80", hints, ctypes.byref(found))
        took = time.perf_counter() - start
        assert not error, error
        free(found)
        return took

    return median(once, rounds)


def send(rounds: int) -> float:
    """A hundred sends on a connected socket."""
    listener = socket.create_server(("127.0.0.1", 0))
    sock = socket.create_connection(listener.getsockname())
    there, _ = listener.accept()

    def once() -> float:
        start = time.perf_counter()
        for _ in range(100):
            sock.send(b"x" * 100)
        took = time.perf_counter() - start
        there.recv(10_000, socket.MSG_WAITALL)
        return took

    return median(once, rounds)


def share(rounds: int, clients: str) -> float:
    """Of so many processes that all connect for a while: how often the slowest did, against the fastest."""
    counts, begin = os.pipe(), os.pipe()
    for _ in range(int(clients)):
        if not os.fork():
            os.read(begin[0], 1)
            os.write(counts[1], f"{refused_for(rounds / 1000)} ".encode())
            os._exit(0)
    os.write(begin[1], b"x" * int(clients))
    for _ in range(int(clients)):
        os.wait()
    found = [int(word) for word in os.read(counts[0], 65_536).split()]
    return min(found) / max(found)


def refused_for(seconds: float) -> int:
    """Connects to a port that nobody serves, for so long; how many."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        with socket.socket() as sock:
            sock.connect_ex(("127.0.0.1", 1))
        count += 1
    return count


def idle(rounds: int) -> None:
    """Nothing, until the end of the input."""
    print("idle", flush=True)
    sys.stdin.read()


def pending(rounds: int) -> None:
    """A connect that does not end, for the listener's queue is full, until the end of the input."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    held = [socket.socket() for _ in range(3)]
    for sock in held:
        sock.setblocking(False)
        sock.connect_ex(listener.getsockname())
    threading.Thread(target=socket.socket().connect, args=(listener.getsockname(),), daemon=True).start()
    idle(rounds)


# Requests: one GET, or one POST of so many bytes, on a new connection each or on one that is kept.


def requests_new(rounds: int, url: str, size: str = "0") -> float:
    import requests

    body = b"x" * int(size) or None
    method = "POST" if body else "GET"
    return timed(lambda: requests.request(method, url, data=body, timeout=60).content, rounds)


def requests_kept(rounds: int, url: str) -> float:
    import requests

    with requests.Session() as session:
        return timed(lambda: session.get(url, timeout=60).content, rounds)


def httpx_new(rounds: int, url: str) -> float:
    import httpx

    return timed(lambda: httpx.get(url).content, rounds)


def httpx_kept(rounds: int, url: str) -> float:
    import httpx

    with httpx.Client() as client:
        return timed(lambda: client.get(url).content, rounds)


def aiohttp_kept(rounds: int, url: str, *, close: bool = False) -> float:
    import asyncio

    import aiohttp

    async def main() -> float:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=close)) as session:
            took = []
            for _ in range(rounds + max(3, rounds // 10)):
                start = time.perf_counter()
                async with session.get(url) as answer:
                    await answer.read()
                took.append(time.perf_counter() - start)
            return statistics.median(took[-rounds:]) * 1e6

    return asyncio.run(main())


def aiohttp_new(rounds: int, url: str) -> float:
    return aiohttp_kept(rounds, url, close=True)


def urllib_new(rounds: int, url: str) -> float:
    import urllib.request

    def once() -> None:
        with urllib.request.urlopen(url) as answer:  # our own server's
            answer.read()

    return timed(once, rounds)


# Processes


def start(rounds: int, *words: str) -> float:
    """One program that ends at once, started and waited for."""
    return timed(lambda: subprocess.run(words or ["/bin/true"], check=True), rounds)


def child(rounds: int) -> float:
    """One interpreter, guarded where we are."""
    return start(rounds, sys.executable, "-c", "pass")


def fork(rounds: int, act: Callable[[], None] = lambda: None) -> float:
    """One fork whose child ends at once, or after an act."""

    def once() -> None:
        pid = os.fork()
        if pid == 0:
            act()
            os._exit(0)
        os.waitpid(pid, 0)

    return timed(once, rounds)


def forked(rounds: int) -> float:
    """One fork whose child asks for something: a datagram socket's connect, which sends nothing."""
    return fork(rounds, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.1", 9)))


# Work that asks for nothing


def cpu(rounds: int) -> float:
    """Pure Python that raises no event: calls, dicts, strings."""

    def fib(n: int) -> int:
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    def once() -> None:
        fib(18)
        sum(len(str(n)) for n in range(4_000))

    return timed(once, rounds)


def files(rounds: int, folder: str = "") -> float:
    """Fifty small files written, read and removed."""
    folder = tempfile.mkdtemp(dir=folder or None)
    paths = [os.path.join(folder, f"file-{n}.txt") for n in range(50)]

    def once() -> None:
        for path in paths:
            with open(path, "w") as file:
                file.write("a line of text\n" * 20)
        for path in paths:
            with open(path) as file:
                file.read()
        for path in paths:
            os.remove(path)

    took = timed(once, rounds)
    os.rmdir(folder)
    return took


def memory_files(rounds: int) -> float:
    """The same in memory, where nothing but the calls takes time; on disk where there is no such place."""
    return files(rounds, "/dev/shm" if os.path.isdir("/dev/shm") else "")  # a folder of our own in it


def event(rounds: int) -> float:
    """One audit event that nobody watches, in nanoseconds."""
    audit = sys.audit

    def once() -> None:
        for _ in range(1_000):
            audit("netguard.bench", 1, 2)

    return timed(once, rounds)


def hooked(case: str, rounds: int, *words: str) -> float:
    """A case below an audit hook that does nothing: what any hook in Python costs, however it is written."""
    sys.addaudithook(lambda event, args: None)
    return CASES[case](rounds, *words)


# Memory


def resident(pid: object = "self") -> int:
    """KiB of a process that are in memory now."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def rss(rounds: int) -> float:
    """Our own memory after so many acts."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for number in range(rounds):
        sock.connect(("127.0.0.1", 9 + number % 50))
    return resident()


def acts(rounds: int, *marks: str) -> str:
    """The memory of whoever started us, our supervisor, after each number of acts: connects to ports nobody serves.

    Three thousand different ones, a twelfth of which is logged.
    """
    found = []
    for number in range(1, rounds + 1):
        sock = socket.socket()
        sock.connect_ex(("127.0.0.1", 1 + number % 3_000))
        sock.close()
        if str(number) in marks:
            found.append(resident(os.getppid()))
    return json.dumps(found)


CASES: dict[str, Callable[..., object]] = {
    case.__name__: case
    for case in (
        connect, slow_connect, connect_rate, sendto, sendto_rate, recvfrom, name, send, share, idle, pending,
        requests_new, requests_kept, httpx_new, httpx_kept, aiohttp_new, aiohttp_kept, urllib_new,
        start, child, fork, forked, cpu, files, memory_files, event, rss, acts,
    )
}  # fmt: skip

if __name__ == "__main__":
    if sys.argv[1] == "hooked":
        print(hooked(sys.argv[2], int(sys.argv[3]), *sys.argv[4:]))
    else:
        print(CASES[sys.argv[1]](int(sys.argv[2]), *sys.argv[3:]))
