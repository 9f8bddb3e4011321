"""One run that is watched: its servers, its supervisor's series, its trail read to the end, and what is wrong with it.

`Trial` starts servers, guest and supervisor, samples once a second, and ends all that it has started.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netguard.trail.verify import verify
from tests.soak.gauge import Gauge
from tests.soak.observer import ENTRY
from tests.soak.servers import MARKED, NUMBERS
from tests.supervisor.running import running

if TYPE_CHECKING:
    from typing_extensions import Self

HERE = Path(__file__).parent

#: Seconds in which a run must get on. Nothing that it waits for takes five.
STANDSTILL = 45.0

#: What the words of a server's name are in a rule.
WORDS = {"quiet": "allow", "told": "log", "denied": "deny", "full": "log", "late": "log"}


def rules_for(where: dict[str, Any]) -> str:
    """One rule for each server, by its name; and what else the guests do is let through."""
    lines = ["version: 1", "default: deny", "rules:"]
    for name, place in where.items():
        proto, word = name.split()
        to = f"127.0.0.0/8:{place}" if proto in ("tcp", "udp") else f"unix:{place.replace(chr(0), '@')}"
        facet = f", proto: {proto}" if proto in ("tcp", "udp") else ""
        lines.append(f"  - {{name: {name}, {WORDS[word]}: connect, to: '{to}'{facet}}}")
    lines.append("  - {name: programs, allow: exec, program: '*', unguarded: true}")
    lines.append("  - {name: names, log: dns, to: '*.test', private: true}")
    lines.append("  - {name: no names, deny: dns, to: '*.denied'}")
    lines.append("  - {name: rest, allow: [native, listen, dns, exec]}")
    return "\n".join(lines) + "\n"


class Trial:
    """A run under the load of one of the guests here.

    guest:    its file's name. spec: what it is told besides where its servers are.
    expected: the events of tamper lines that may be there.
    """

    def __init__(self, folder: Path, guest: str, spec: dict[str, Any], expected: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.expected = expected
        self.tally = folder / "tally"
        self.wrong: list[str] = []
        self._closing = ExitStack()
        self.servers = self._closing.enter_context(Server(folder))
        self.rules = rules_for(self.servers.where)
        spec = {**spec, "where": self.servers.where, "tally": str(self.tally)}
        (folder / "spec.json").write_text(json.dumps(spec))
        self.observed = folder / "observed"
        options = ["--quiet", "--max-trail", "60GB", "--wall", "require"]
        errors = (folder / "errors").open("wb", buffering=0)
        self._closing.callback(errors.close)
        words = [str(HERE / guest), str(folder / "spec.json")]
        nothing: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": errors}
        fault = ENTRY.format(str(self.observed))
        run = running(folder, words, rules=self.rules, options=options, fault=fault, **nothing)
        self.run = self._closing.enter_context(run)
        self.gauge = Gauge(self.run.process.pid, self.observed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def watch(self, seconds: float, told: Callable[[str], None], disturb: Callable[[], None] = lambda: None) -> None:
        """Samples once a second until the run has ended; one that takes longer, or does not get on, is wrong.

        disturb: what is done each second besides.
        """
        begun = moved = time.monotonic()
        size = 0
        while self.run.process.poll() is None:
            try:
                self.run.process.wait(1.0)
            except subprocess.TimeoutExpired:
                pass
            self.gauge.sample()
            disturb()
            now = time.monotonic()
            grown = self.run.trail.stat().st_size if self.run.trail.exists() else 0
            if grown != size:
                size, moved = grown, now
            if now - begun > seconds or now - moved > STANDSTILL:
                why = "took too long" if now - begun > seconds else f"did not get on for {STANDSTILL:.0f} s"
                self.wrong.append(f"the run {why}\n{self.stacks()}")
                return
            if len(self.gauge.series) % 30 == 0 and self.gauge.series:
                last = {name: value for name, value in self.gauge.series[-1].items() if name != "tables"}
                told(f"{last} trail {size >> 20} MiB")

    def stacks(self) -> str:
        """Where the supervisor stands, and what its guest's threads wait for."""
        self.run.process.send_signal(signal.SIGXCPU)
        found = Path(f"{self.observed}.stacks")
        until = time.monotonic() + 5
        while not (found.exists() and found.stat().st_size) and time.monotonic() < until:
            time.sleep(0.05)
        text = found.read_text() if found.exists() else "no stacks"
        return "\n".join([text, *waits(self.run.process.pid)])

    def close(self) -> dict[str, Any]:
        """What has arrived, what is on record, and what each of the guest's workers says; `wrong` has what is."""
        self.check("the run's status", self.run.process.poll(), 0)
        errors = (self.folder / "errors").read_text(errors="replace").splitlines()
        # What is expected on the trail is said to a person too.
        self.check("standard error", [text for text in errors if not (self.expected and ": TAMPER: " in text)], [])
        said = [json.loads(line) for line in self.tally.read_bytes().splitlines()] if self.tally.exists() else []
        done: Counter[str] = Counter()
        for one in said:
            done.update(one["done"])
            self.wrong += one["wrong"]
        told = Record(self.run.trail)
        arrived, marks, twice = self.servers.arrived()
        report = verify(str(self.run.trail))
        self.check("the trail", (report.whole, report.first_bad, report.unclosed, report.tail), (True, None, 0, 0))
        self.check("tamper lines", [text for text in told.tampers if not text.startswith(self.expected)], [])
        for name in MARKED:
            self.check(f"{name} without a line, by number", told.missing(name, marks[name]), [])
            self.check(f"{name} arrived twice, by number", twice[name], [])
        self.check("arrived where it was denied", [name for name in arrived if "denied" in name and arrived[name]], [])
        self.check("decisions that the close line counts", told.decisions, sum(told.acts.values()))
        self.wrong += self.gauge.grown()
        return {
            "done": dict(sorted(done.items())), "arrived": arrived, "on record": dict(sorted(told.acts.items())),
            "lines": told.lines, "trail": self.run.trail.stat().st_size, "workers": len(said),
        }  # fmt: skip

    def check(self, what: str, found: object, wanted: object) -> None:
        """Notes a difference."""
        if found != wanted:
            self.wrong.append(f"{what}: {str(found)[:2000]}, not {wanted}")


class Server:
    """The process of the servers. where: each, by its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        words = [sys.executable, "-m", "tests.soak.servers", str(folder)]
        self.process = subprocess.Popen(
            words, cwd=HERE.parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        self.where: dict[str, Any] = json.loads(self.process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:
            pass  # closing its input ends it

    def arrived(self) -> tuple[dict[str, int], dict[str, bytes], dict[str, list[int]]]:
        """How often something has arrived where; whether each number has; and which have twice."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        marks = {name: (self.folder / name).read_bytes() for name in MARKED}
        return answer["arrived"], marks, answer["twice"]


class Record:
    """What a trail says: how many acts by rule, and which numbers have a line."""

    def __init__(self, path: Path) -> None:
        self.acts: Counter[str] = Counter()
        self.tampers: list[str] = []
        self.decisions = -1
        self.lines = 0
        self._marks = {name: bytearray(NUMBERS) for name in MARKED}
        for line in lines_of(path):
            self.lines += 1
            self._read(line)

    def _read(self, line: dict[str, Any]) -> None:
        kind = line["kind"]
        if kind == "count":
            self.acts.update(line["counts"])
        elif kind == "tamper":
            self.tampers.append(f"{line['event']}: {line.get('why')}")
        elif kind == "close":
            self.decisions = line["decisions"]
        elif "verdict" in line:
            self.acts[line["rule"]] += 1
            marks = self._marks.get(line["rule"])
            if marks is not None:
                marks[number_of(line["dst"]["ip"])] = 1

    def missing(self, name: str, arrived: bytes) -> list[int]:
        """The numbers that arrived and have no line."""
        both = int.from_bytes(arrived, "little") & ~int.from_bytes(self._marks[name], "little")
        return [number for number, byte in enumerate(both.to_bytes(NUMBERS, "little")) if byte] if both else []


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """Each line of a trail, which is too long to be held."""
    import orjson

    with open(path, "rb") as file:
        for line in file:
            yield orjson.loads(line)


def number_of(ip: str) -> int:
    """The number of an act, from where it went."""
    _, high, middle, low = ip.split(".")
    return int(high) << 16 | int(middle) << 8 | int(low)


def waits(pid: int) -> list[str]:
    """What the threads of a process, and of those below it, wait for in the kernel."""
    found = []
    for one in [pid, *below(pid)]:
        try:
            for tid in os.listdir(f"/proc/{one}/task"):
                place = f"/proc/{one}/task/{tid}"
                name, wchan, call = [Path(place, file).read_text().strip() for file in ("comm", "wchan", "syscall")]
                found.append(f"{one}/{tid} {name}: {wchan} in {call}")
        except OSError:
            continue
    return found[:60]


def below(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    found: list[int] = []
    todo = [pid]
    for one in todo:  # grows on the way
        try:
            children = Path(f"/proc/{one}/task/{one}/children").read_text().split()
        except OSError:
            continue
        todo += map(int, children)
        found += map(int, children)
    return found
