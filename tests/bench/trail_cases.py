"""How many lines a second the trail takes and `verify` reads: a real file on this disk.

Lines are counted by this process's own CPU time: what it would be on a machine with nothing else to do.
"""

from __future__ import annotations

import os
import time
from statistics import median

from netguard.trail import encoder
from netguard.trail.redact import Redactor
from netguard.trail.verify import verify
from netguard.trail.writer import Writer, open_trail


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


def rate(writer: Writer, count: int, fresh: bool) -> float:
    """Lines a second; `fresh`: every line also says something never said before."""
    writer.write({"kind": "coverage", "netguard": "bench"})
    # A run makes each record anew, in memory that is warm; records made all beforehand would be read from cold memory.
    records = [record(number) for number in range(count)] if fresh else [record(number) for number in range(64)]
    records *= 1 if fresh else count // 64
    if fresh:
        for number, one in enumerate(records):
            one["why"] = f"no rule matches http://h{number}.example.com/a?b={number}"
    begin = time.process_time()
    for one in records:
        writer.write(one)
    return len(records) / (time.process_time() - begin)


def on_disk(folder: str, count: int, fresh: bool) -> tuple[float, float]:
    """Lines a second into a new file, and out of it when it is verified; it is removed afterwards."""
    path = os.path.join(folder, "bench.jsonl")
    writer = open_trail(path, "bench", redactor=Redactor(["not-in-any-line-1"]))
    written = rate(writer, count, fresh)
    writer.close({"lines": writer.seq + 1})
    begin = time.process_time()
    report = verify(path)
    read = report.lines / (time.process_time() - begin)
    if not report.whole or report.lines <= count - 64:
        raise SystemExit(f"the trail is not whole: {report.first_bad}")
    os.unlink(path)
    return written, read


def rates(folder: str, count: int, rounds: int) -> dict[str, float]:
    """Lines a second: `typical` and `fresh` ones written, and those that are verified."""
    encoder.warm()
    typical = [on_disk(folder, count, fresh=False) for _ in range(rounds)]
    fresh = [on_disk(folder, count, fresh=True) for _ in range(rounds)]
    return {
        "typical": median(written for written, _ in typical),
        "fresh": median(written for written, _ in fresh),
        "verified": median(read for _, read in typical),
    }
