"""How a figure is taken: the same work bare and guarded, by turns, each a fresh process that prints its median round.

Turns change their order each time, so that whoever comes second, with a disk that is still busy from the first, is not
always the same. "One CPU" pins guest and supervisor to the same one, else the scheduler has them all: where the two
run decides what a question costs, so both are shown.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from tests.bench import decide_cases, trail_cases
from tests.support.injection import asking
from tests.support.isolation import ROOT, Namespace
from tests.support.web import HttpServer

CASES = str(Path(__file__).parent / "guest_cases.py")

#: The rules that guests are held to, by the word the table has for what they do with a connect.
RULES = {
    "allow": "version: 1\ndefault: allow\n",
    "log": "version: 1\ndefault: log\n",
    "some": "version: 1\ndefault: allow\nrules:\n  - {log: connect, to: '127.0.0.1:1-250'}\n",
}

#: The entry point as the console script has it, without what `python -m` adds; of this checkout, whatever is installed.
ENTRY = f"import sys; sys.path.insert(0, {ROOT!r}); from netguard.commands import main; sys.exit(main())"

#: Says what it was started with, which its own view of its environment does not show, and waits.
KEEPER = """\
import json, sys
rows = open("/proc/self/environ").read().split(chr(0))
print(json.dumps([row.partition("=")[::2] for row in rows]), flush=True)
sys.stdin.read()
"""
ASKED = ("PYTHONPATH", "NETGUARD_CHANNEL", "NETGUARD_RUN")

#: After how many acts the supervisor's memory is looked at; a quick run ends at the second.
MARKS = (10_000, 100_000, 500_000)

#: What a case prints, in microseconds or KiB, as the unit of its row.
SCALE = {"us": 1.0, "ns": 1.0, "ms": 1e-3, "MiB": 1 / 1024, "/s": 1.0, "share": 1.0}

#: Seconds for which an idle supervisor is watched.
IDLE = 10.0


class Server(HttpServer):
    """Answers at once, whatever the client acknowledges, and keeps no body."""

    def __init__(self) -> None:
        super().__init__()
        self.hits = deque(maxlen=1)  # type: ignore[assignment]

    def serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().serve(connection)


class Pair(NamedTuple):
    """Two figures; None where there is no such thing."""

    bare: float | None
    guarded: float | None


class Bench:
    """One run of the table: what is made once, and measured once for several rows."""

    def __init__(self, *, quick: bool = False) -> None:
        self.quick = quick
        self.turns = 2 if quick else 5
        self.stack = ExitStack()
        self.cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()

    def __enter__(self) -> Bench:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
        folder = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="netguard-bench-"))
        self.folder = Path(folder)
        self.server = self.stack.enter_context(Server())
        for word, text in RULES.items():
            (self.folder / f"{word}.yaml").write_text(text)
        (self.folder / "empty.py").write_text("")
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    # Commands

    def run(self, rules: str, *words: str, wall: bool) -> list[str]:
        """A command under a supervisor, with a quiet screen. Its lines go to a file, as a user's do."""
        path, log = str(self.folder / f"{rules}.yaml"), str(Path(tempfile.mkdtemp(dir=self.folder)) / "trail.jsonl")
        options = ["--quiet", "--rules", path, "--log", log, "--wall", "require" if wall else "off"]
        return [sys.executable, "-c", ENTRY, "run", *options, *words]

    def alone(self, rules: str) -> dict[str, str]:
        """The environment of a guest that has no supervisor. Its lines go to a new file."""
        return {**os.environ, **asking(Path(tempfile.mkdtemp(dir=self.folder)), RULES[rules])}

    @cached_property
    def supervised(self) -> dict[str, str]:
        """The environment of a Python under a supervisor that is there already."""
        keeper = subprocess.Popen(
            self.run("allow", "-c", KEEPER, wall=False), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.stack.callback(keeper.communicate, "")
        assert keeper.stdout is not None
        started = dict(json.loads(keeper.stdout.readline()))
        return {**os.environ, **{name: started[name] for name in ASKED}}

    # Measured once for several rows

    @cached_property
    def decisions(self) -> dict[int, float]:
        return decide_cases.costs(*((3, 3) if self.quick else (9, 11)))

    @cached_property
    def lines(self) -> dict[str, float]:
        return trail_cases.rates(str(self.folder), *((10_000, 3) if self.quick else (50_000, 5)))

    @cached_property
    def memory(self) -> dict[int, float]:
        """MiB of a supervisor, by the number of acts that its guest had done."""
        marks = MARKS[:2] if self.quick else MARKS
        words = [CASES, "acts", str(marks[-1]), *map(str, marks)]
        found = json.loads(output(self.run("some", *words, wall=True)))
        return dict(zip(marks, [kib / 1024 for kib in found], strict=True))


Measure = Callable[[Bench, str], Pair]


def by_turns(bare: Callable[[], float], guarded: Callable[[], float], turns: int) -> Pair:
    """Medians of both, after a turn that does not count."""
    works = (bare, guarded)
    found: tuple[list[float], list[float]] = ([], [])
    for turn in range(turns + 1):
        for which in (0, 1) if turn % 2 else (1, 0):
            figure = works[which]()
            if turn:
                found[which].append(figure)
    return Pair(statistics.median(found[0]), statistics.median(found[1]))


def output(command: list[str], env: dict[str, str] | None = None) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, env=env, text=True).stdout


def whole(command: list[str], env: dict[str, str] | None = None) -> float:
    """Microseconds that a whole process takes."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)
    return (time.perf_counter() - start) * 1e6


@contextmanager
def one_cpu(bench: Bench, wanted: bool) -> Iterator[None]:
    """Pins us, and all that is started meanwhile."""
    if wanted and bench.cpus:
        os.sched_setaffinity(0, {min(bench.cpus)})
    try:
        yield
    finally:
        if wanted and bench.cpus:
            os.sched_setaffinity(0, bench.cpus)


def printed(command: list[str], env: dict[str, str] | None = None) -> float:
    """The number that a case prints. PORT is a new listener, which has room for all and accepts none."""
    if "PORT" not in command:
        return float(output(command, env))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4096)
        port = str(listener.getsockname()[1])
        return float(output([port if word == "PORT" else word for word in command], env))


def case(
    name: str,
    rounds: int,
    *words: str,
    rules: str = "allow",
    wall: bool = True,
    alone: bool = False,
    pinned: bool = False,
    unseen: bool = False,
) -> Measure:
    """A case of `guest_cases` behind the wall, or with the witness and a supervisor, or `alone` without one.

    unseen: by any witness, as a program is that is no Python.

    Words may be URL and PORT.
    """

    def measure(bench: Bench, unit: str) -> Pair:
        some = max(5, rounds // 5) if bench.quick and name != "rss" else rounds
        asked = [CASES, name, str(some), *[bench.server.url if word == "URL" else word for word in words]]
        bare = [sys.executable, *asked]
        command = ["--", "/bin/sh", "-c", 'exec "$@"', "sh", sys.executable, "-I", *asked] if unseen else asked
        with one_cpu(bench, pinned):
            pair = by_turns(
                lambda: printed(bare),
                lambda: printed(bare, bench.alone(rules)) if alone else printed(bench.run(rules, *command, wall=wall)),
                bench.turns,
            )
        return scaled(pair, unit)

    return measure


def cached_name(rounds: int) -> Measure:
    """A name by libc, which a server in the same namespace tells, or the supervisor that has been told it before."""

    def measure(bench: Bench, unit: str) -> Pair:
        some = str(max(5, rounds // 5) if bench.quick else rounds)
        with Namespace() as space:
            space.open("dns", names={"one.bench.test": ["127.0.0.1"]}, port=53)
            plain = [sys.executable, "-I", "-S", CASES, "name", some]
            guarded = bench.run("allow", "--", "sh", "-c", 'exec "$@"', "sh", *plain, wall=True)
            return scaled(by_turns(
                lambda: printed(space.command(plain)), lambda: printed(space.command(guarded)), bench.turns
            ), unit)  # fmt: skip

    return measure


def below_a_hook(name: str, rounds: int) -> Measure:
    """A case bare, and below an audit hook that does nothing: what no hook in Python can be cheaper than."""

    def measure(bench: Bench, unit: str) -> Pair:
        some = str(max(5, rounds // 5) if bench.quick else rounds)
        return scaled(by_turns(
            lambda: printed([sys.executable, CASES, name, some]),
            lambda: printed([sys.executable, CASES, "hooked", name, some]),
            bench.turns,
        ), unit)  # fmt: skip

    return measure


def scaled(pair: Pair, unit: str) -> Pair:
    return Pair(*[None if figure is None else figure * SCALE[unit] for figure in pair])


def interpreter(*, alone: bool) -> Measure:
    """A Python that does nothing, from its start to its end."""

    def measure(bench: Bench, unit: str) -> Pair:
        command = [sys.executable, "-c", "pass"]
        env = bench.alone("allow") if alone else bench.supervised
        return scaled(by_turns(lambda: whole(command), lambda: whole(command, env), bench.turns * 5), unit)

    return measure


def run_of_nothing(*, wall: bool) -> Measure:
    """`netguard run empty.py`, from its start to its end, against Python alone."""

    def measure(bench: Bench, unit: str) -> Pair:
        bare = [sys.executable, str(bench.folder / "empty.py")]
        guarded = bench.run("allow", bare[1], wall=wall)
        return scaled(by_turns(lambda: whole(bare), lambda: whole(guarded), bench.turns * 2), unit)

    return measure


def wall_put_up(bench: Bench, unit: str) -> Pair:
    """The same with the wall, against a run without one."""
    empty = str(bench.folder / "empty.py")
    without, behind = (bench.run("allow", empty, wall=wall) for wall in (False, True))
    return scaled(by_turns(lambda: whole(without), lambda: whole(behind), bench.turns * 2), unit)


def idle(name: str) -> Measure:
    """Milliseconds of CPU time that the supervisor takes in IDLE seconds in which its guest does nothing."""

    def measure(bench: Bench, unit: str) -> Pair:
        command = bench.run("allow", CASES, name, "0", wall=True)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
            assert run.stdout is not None
            run.stdout.readline()
            time.sleep(1.0)  # what came of the start is done
            before = used(run.pid)
            time.sleep(1.0 if bench.quick else IDLE)
            took = used(run.pid) - before
            run.communicate()
        return Pair(None, took * (10.0 if bench.quick else 1.0))

    return measure


def used(pid: int) -> float:
    """Milliseconds of CPU time that a process has used (Documentation/scheduler/sched-stats.rst)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def round_trip(*, pinned: bool) -> Measure:
    """A message to another process and one back, with nobody between: what no question can be cheaper than."""

    def measure(bench: Bench, unit: str) -> Pair:
        with one_cpu(bench, pinned):
            return Pair(None, statistics.median(ping(500 if bench.quick else 2_000) for _ in range(bench.turns)))

    return measure


def ping(rounds: int) -> float:
    """Microseconds of one round trip, the median of many."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if not pid:
        try:
            ours.close()
            while frame := theirs.recv(4_096):
                theirs.send(frame)
        finally:
            os._exit(0)
    theirs.close()
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        ours.send(b"x" * 200)
        ours.recv(4_096)
        took.append(time.perf_counter() - start)
    ours.close()
    os.waitpid(pid, 0)
    return statistics.median(took) * 1e6


def two_bare_lines(bench: Bench, unit: str) -> Pair:
    """Two lines of the usual lengths hashed and written, with nothing checked, decided or encoded."""
    took = []
    with (bench.folder / "bare.lines").open("wb", buffering=0) as file:
        for _ in range(3_000):
            start = time.perf_counter()
            for length in (700, 250):
                sha256(b"x" * length).hexdigest()
                os.write(file.fileno(), b"x" * length)
            took.append(time.perf_counter() - start)
    return Pair(None, statistics.median(took) * 1e6)


def decision(rules: int) -> Measure:
    """One decision, against one with ten rules."""

    def measure(bench: Bench, unit: str) -> Pair:
        costs = bench.decisions
        return Pair(None if rules == 10 else costs[10], costs[rules])

    return measure


def lines(which: str) -> Measure:
    """Lines of a trail a second."""
    return lambda bench, unit: Pair(None, bench.lines[which])


def supervisor_after(acts: int) -> Measure:
    """The supervisor's memory after so many acts, against that after the first ten thousand."""

    def measure(bench: Bench, unit: str) -> Pair:
        found = bench.memory
        return Pair(None if acts == MARKS[0] else found[MARKS[0]], found.get(acts))

    return measure
