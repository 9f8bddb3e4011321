"""What the live view costs: lines a second it takes up, milliseconds to draw, and how far behind 10,000 lines a second.

Run: `python tests/bench/bench_watch.py [seconds]`. A writer in a process of its own adds 10,000 mixed lines a second to
a trail, through the real writer, and `netguard watch` follows it on a pty. It must not fall behind by a second.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from statistics import median

from netguard.trail.follow import Follow
from netguard.trail.redact import Redactor
from netguard.trail.writer import Writer, open_trail
from netguard.views.board import Look
from netguard.views.keys import State
from netguard.views.live import painted
from netguard.views.pages import screen
from netguard.views.picture import Picture

RATE, PIECE = 10_000, 100
ROUNDS = 5
LONGEST_LAG = 1.0
PROC = {"pid": 4242, "tid": 4242, "ppid": 4240, "uid": 1000, "user": "ci", "exe": "/usr/bin/python3.12",
        "argv": ["script.py"], "cwd": "/job"}  # fmt: skip


def mixed(number: int) -> dict[str, object]:
    """A run as it is: look-ups, connections with their outcomes, programs, denials, silent acts."""
    code = {"file": "/job/script.py", "line": number % 97, "func": "fetch", "package": "__main__"}
    common = {"layers": ["hook"], "verdict": "log", "rule": "api", "why": "rule matched", "proc": PROC, "code": code}
    host = f"host{number % 501}.example.com"
    match number % 10:
        case 0 | 5:
            return {"kind": "dns", "event": "socket.getaddrinfo", **common, "dns": {"name": host, "type": "A"}}
        case 2 | 4 | 7:
            return {"kind": "result", "of": number, "errno": 0, "ms": 12.5, "bytes_out": 311, "bytes_in": 4_200}
        case 8:
            act = {**common, "verdict": "deny", "rule": "default", "why": "no rule matches"}
            return {"kind": "connect", "event": "socket.connect", **act, "dst": {"ip": "169.254.169.254", "port": 80}}
        case 9:
            program = {"program": "git", "path": "/usr/bin/git", "argv": ["git", "fetch"], "shim": "off: not Python"}
            return {"kind": "exec", "event": "subprocess.Popen", **common, "exec": program}
        case _:
            dst = {"host": host, "ip": "192.0.2.7", "port": 443, "proto": "tcp", "name_from": "lookup"}
            return {"kind": "connect", "event": "socket.connect", **common, "dst": dst}


def started(path: str) -> Writer:
    """A trail with its first line."""
    writer = open_trail(path, "bench", redactor=Redactor([]))
    writer.write({"kind": "coverage", "event": "run", "hooks": "asked for", "mode": "run", "command": ["job.py"]})
    return writer


def taking(path: str, count: int) -> float:
    """Lines a second that are read, decoded and counted, of CPU time."""
    trail, picture, taken = Follow(path), Picture(), 0
    begin = time.process_time()
    while taken < count:
        for record, size in trail.more():
            picture.add(record, size)
            taken += 1
    return taken / (time.process_time() - begin)


def drawing(path: str, look: Look) -> float:
    """Milliseconds of CPU time for one picture, with a full memory of events."""
    trail, picture = Follow(path), Picture()
    while True:
        for record, size in trail.more():
            picture.add(record, size)
        if not trail.behind:
            break
    begin = time.process_time()
    for _ in range(20):
        painted(screen(picture.snapshot(time.time()), State(), look), colour=True)
    return (time.process_time() - begin) / 20 * 1_000


def write_at_rate(path: str, seconds: float) -> None:
    """In a process of its own: RATE lines a second; says when how many decisions were on record."""
    writer = started(path)
    records = [mixed(number) for number in range(1_000)]
    decisions = written = 0
    begin = time.monotonic()
    while written < RATE * seconds:
        for number in range(written, written + PIECE):
            writer.write(records[number % 1_000])
            decisions += records[number % 1_000]["kind"] != "result"
        written += PIECE
        print(f"{time.monotonic():.6f} {decisions}", flush=True)
        time.sleep(max(0.0, begin + written / RATE - time.monotonic()))
    writer.close({"exit": 0})


def follow_at_rate(path: str, seconds: float, size: tuple[int, int]) -> tuple[list[float], float, float]:
    """(how many seconds what is on the screen is behind, each time it is drawn; CPU share of viewer and of writer)."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    env = {**os.environ, "TERM": "xterm-256color"}
    viewer = subprocess.Popen([sys.executable, "-m", "netguard", "watch", path], stdin=slave, stdout=slave, env=env)
    os.close(slave)
    command = [sys.executable, __file__, "--write", path, str(seconds)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    seen = on_screen(master)
    told = [(float(when), int(count)) for when, count in (line.split() for line in writer.stdout)]
    usage = {process.pid: cpu_of(process.pid) for process in (viewer,)}
    _, _, used = os.wait4(writer.pid, 0)
    writer.returncode = 0
    os.write(master, b"q")
    with contextlib.suppress(OSError):
        while os.read(master, 65536):
            pass
    viewer.wait()
    return lags(told, seen), usage[viewer.pid] / seconds, (used.ru_utime + used.ru_stime) / seconds


def on_screen(master: int) -> list[tuple[float, int]]:
    """When how many decisions were on the screen, up to the end of the run."""
    seen: list[tuple[float, int]] = []
    held = b""
    while b"ended, exit" not in held:
        ready = select.select([master], [], [], 60)[0]
        if not ready:
            raise SystemExit("the view stands still")
        data = os.read(master, 65536)
        held = (held[-64:] if b"decisions" not in held[-64:] else b"") + data
        now = time.monotonic()
        seen += [(now, int(count.replace(b",", b""))) for count in re.findall(rb"([0-9,]+) decisions", held)]
    return seen


def lags(told: list[tuple[float, int]], seen: list[tuple[float, int]]) -> list[float]:
    """For each number on the screen: how long ago the line after it was on record, for that one is not shown yet."""
    found, at = [], 0
    for when, count in seen:
        while at < len(told) and told[at][1] <= count:
            at += 1
        found.append(max(0.0, when - told[at][0]) if at < len(told) and told[at][0] < when else 0.0)
    return found


def cpu_of(pid: int) -> float:
    """Seconds of CPU time that a process has used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Prints what was measured; 1 if the view fell behind."""
    if sys.argv[1:2] == ["--write"]:
        write_at_rate(sys.argv[2], float(sys.argv[3]))
        return 0
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trail.jsonl")
        writer = started(path)
        for number in range(30_000):
            writer.write(mixed(number))
        writer.close({"exit": 0})
        print(f"read and count     {median([taking(path, 30_000) for _ in range(ROUNDS)]):>10,.0f} lines/s of CPU time")
        for width, height in ((80, 24), (200, 50)):
            took = median([drawing(path, Look(width, height)) for _ in range(ROUNDS)])
            print(f"draw {width:>3} by {height:<6}{took:>13.1f} ms of CPU time")
        for size in ((80, 24), (200, 50)):
            behind, viewer, wrote = follow_at_rate(os.path.join(folder, f"{size[0]}.jsonl"), seconds, size)
            worst = max(worst, *behind)
            print(
                f"{RATE:,} lines/s for {seconds:.0f} s on {size[0]} by {size[1]}: behind by {median(behind):.2f} s, at "
                f"worst {max(behind):.2f} s; CPU of the view {viewer:.0%}, of the writer {wrote:.0%}; "
                f"{len(behind)} pictures"
            )
    return int(worst >= LONGEST_LAG)


if __name__ == "__main__":
    raise SystemExit(main())
