"""How many lines a second the trail takes: a real file on this disk, /dev/null, and the parts of one line.

Run: `python tests/bench/bench_trail.py [lines]`. The floor is 100,000 lines/s for a typical record with a warm cache.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from statistics import median
from typing import NamedTuple

from netguard.trail import encoder
from netguard.trail.redact import Redactor
from netguard.trail.sink import StreamSink
from netguard.trail.verify import verify
from netguard.trail.writer import Writer, open_trail

FLOOR = 100_000
ROUNDS = 5


def record(number: int) -> dict[str, object]:
    """A typical decision; the local port and the line of code differ, as they do in life."""
    return {
        "kind": "connect", "event": "socket.connect", "layers": ["hook", "kernel"], "verdict": "deny",
        "rule": "default", "why": "no rule matches",
        "dst": {"host": "api.openai.com", "ip": "192.0.2.7", "port": 443, "proto": "tcp",
                "asked": "api.openai.com:443", "name_from": "lease"},
        "proc": {"pid": 4242, "tid": 4242, "ppid": 4240, "uid": 1000, "user": "ci", "exe": "/usr/bin/python3.12",
                 "argv": ["script.py"], "cwd": "/job"},
        "code": {"file": "/job/script.py", "line": number % 997, "func": "upload", "package": "__main__",
                 "via": "requests"},
        "tags": {"session": "job-7"},
    }  # fmt: skip


class Rate(NamedTuple):
    """Lines per second of wall clock, and of this process's CPU time: the first is what a user gets, the second is
    what it would be on a machine with nothing else to do."""

    wall: float
    cpu: float


def rate(writer: Writer, count: int, fresh: bool = False) -> Rate:
    """Lines a second; `fresh`: every line also says something never said before."""
    writer.write({"kind": "coverage", "netguard": "bench"})
    # A run makes each record anew, in memory that is warm; records made all beforehand would be read from cold memory.
    records = [record(number) for number in range(count)] if fresh else [record(number) for number in range(64)]
    records *= 1 if fresh else count // 64
    count = len(records)
    if fresh:
        for number, one in enumerate(records):
            one["why"] = f"no rule matches http://h{number}.example.com/a?b={number}"
    begin = time.perf_counter(), time.process_time()
    for one in records:
        writer.write(one)
    return Rate(count / (time.perf_counter() - begin[0]), count / (time.process_time() - begin[1]))


def on_disk(folder: str, count: int, fresh: bool = False) -> Rate:
    """Lines a second into a new file, which is verified and removed afterwards."""
    path = os.path.join(folder, "bench.jsonl")
    writer = open_trail(path, "bench", redactor=Redactor(["not-in-any-line-1"]))
    result = rate(writer, count, fresh)
    writer.close({"lines": writer.seq + 1})
    begin = time.perf_counter()
    report = verify(path)
    if not report.whole or report.lines <= count - 64:
        raise SystemExit(f"the trail is not whole: {report.first_bad}")
    VERIFIED.append(report.lines / (time.perf_counter() - begin))
    os.unlink(path)
    return result


def to_null(count: int) -> Rate:
    """Lines a second into /dev/null: what the writer itself costs."""
    fd = os.open("/dev/null", os.O_WRONLY)
    try:
        return rate(Writer(StreamSink(fd), "bench"), count)
    finally:
        os.close(fd)


VERIFIED: list[float] = []


def show(what: str, rates: list[Rate]) -> Rate:
    """Print the medians of one measurement."""
    middle = Rate(median(one.wall for one in rates), median(one.cpu for one in rates))
    print(f"{what:<28}{middle.wall:>10,.0f} lines/s wall {middle.cpu:>10,.0f} lines/s CPU")
    return middle


def main() -> int:
    """Print medians of ROUNDS; exit 1 below the floor."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    show("before warm(), /dev/null", [to_null(5_000) for _ in range(ROUNDS)])
    encoder.warm()
    with tempfile.TemporaryDirectory(dir=os.getcwd()) as folder:
        disk = show("file, typical record", [on_disk(folder, count) for _ in range(ROUNDS)])
        show("file, one new text a line", [on_disk(folder, count, fresh=True) for _ in range(ROUNDS)])
    show("/dev/null", [to_null(count) for _ in range(ROUNDS)])
    print(f"{'verify':<28}{median(VERIFIED):>10,.0f} lines/s wall")
    return 0 if disk.cpu >= FLOOR else 1


if __name__ == "__main__":
    raise SystemExit(main())
