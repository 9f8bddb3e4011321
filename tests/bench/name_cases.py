"""What a name costs the supervisor that a program asks a name server for: the query read, decided and answered.

`python -m tests.bench.name_cases` prints it. Without the packets between the program and us, which DNS has anyway.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.supervisor.resolving import Running, process
from tests.support.dns import DnsServer
from tests.support.queries import query

RULES = ("allow dns *.example",)


def cached(rounds: int = 20, calls: int = 500) -> float:
    """Microseconds of a query that is answered from what is known."""
    with running() as run:
        run.ask("a.example")
        data, who, heard = query("a.example"), process(), [].append
        took = []
        for _ in range(rounds):
            begun = time.perf_counter()
            for _ in range(calls):
                run.names.ask(who, data, 1_232, heard)
            took.append((time.perf_counter() - begun) / calls)
    return statistics.median(took) * 1e6


def decided(rounds: int = 20, calls: int = 200) -> float:
    """The same of names that are decided on for the first time in a while, and whose answer is known."""
    with running() as run:
        run.ask("a.example")
        data, heard = query("a.example"), [].append
        took = []
        for turn in range(rounds):
            who = [process(turn * calls + at) for at in range(calls)]
            begun = time.perf_counter()
            for one in who:
                run.names.ask(one, data, 1_232, heard)
            took.append((time.perf_counter() - begun) / calls)
    return statistics.median(took) * 1e6


def asked(calls: int = 300) -> float:
    """Microseconds until a server on loopback, a thread of this process, has been asked and heard."""
    with running() as run:
        took = []
        for at in range(calls):
            heard: list[bytes] = []
            data = query(f"n{at}.example")
            begun = time.perf_counter()
            run.names.ask(process(), data, 1_232, heard.append)
            while not heard:
                run.turn()
            took.append(time.perf_counter() - begun)
    return statistics.median(took) * 1e6


@contextmanager
def running() -> Iterator[Running]:
    """A loop and its server."""
    with (
        tempfile.TemporaryDirectory() as folder,
        DnsServer({"*": ["93.184.216.34"]}, ttl=3_600) as server,
        Running(Path(folder), server.port, *RULES) as run,
    ):
        yield run


if __name__ == "__main__":
    print(f"cached {cached():.1f} us, decided anew {decided():.1f} us, asked {asked():.0f} us")
