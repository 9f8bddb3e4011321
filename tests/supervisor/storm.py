"""A storm of askers, run as a guest: `storm.py PROCESSES THREADS SECONDS SEED NUMBERS TALLY`.

Each asker checks that the answer is the one to its own question: what a port or a name leads to is known from its
number. What each process saw granted, logged and denied is one line in the file TALLY. `half` is printed in the middle
and `done` in the end; then the end of the input is waited for, so that the supervisor can be looked at.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import random
import signal
import socket
import sys
import threading
import time

PROCESSES, THREADS, SECONDS, SEED, NUMBERS = map(int, sys.argv[1:6])
TALLY = sys.argv[6]
END = time.monotonic() + SECONDS

seen: list[str] = []  # one entry an act: the append is one step for signal handlers and threads alike
wrong: list[str] = []
may_break = False


class Broken(KeyboardInterrupt):
    """What a handler raises in the middle of somebody's question."""


def connect(port: int) -> str:
    with socket.socket() as sock:
        try:
            sock.connect(("127.0.0.1", port))
        except ConnectionRefusedError:
            return "went"
        except PermissionError as error:
            return str(getattr(error, "rule", error))
    return "connected"


def look_up(name: str) -> str:
    try:
        return socket.gethostbyname(name)
    except PermissionError as error:
        return str(getattr(error, "rule", error))


def act(chance: random.Random) -> None:
    """One act of any kind, whose answer nobody else's could be taken for."""
    number = chance.randrange(NUMBERS)
    kind = chance.choice(("allow", "log", "log", "deny", "deny", "name", "no name"))
    if kind == "name":
        found, expected = look_up(f"n{number}.test"), f"198.51.100.{number}"
    elif kind == "no name":
        found, expected = look_up(f"d{number}.test"), f"d{number}"
    else:
        port = {"allow": 1000, "log": 2000, "deny": 3000}[kind] + number
        found, expected = connect(port), f"p{number}" if kind == "deny" else "went"
    seen.append(f"{kind} {number}")
    if found != expected:
        wrong.append(f"{kind} {number}: {found}")


def alarm() -> None:
    """One signal soon. A timer that repeats would outrun its handler where there is much to do."""
    signal.setitimer(signal.ITIMER_REAL, 0.0001 + 0.03 * signals.random())


def handler(signum: int, frame: object) -> None:
    """Asks; and breaks off, now and then, what it came upon."""
    act(signals)
    if may_break and signals.random() < 0.3:
        raise Broken


def broken(chance: random.Random) -> None:
    """Acts that a handler may break off: whether each is on record is left open, but the next one is whole."""
    global may_break
    with contextlib.suppress(Broken):
        may_break = True
        for _ in range(10):
            connect(2998)
        may_break = False
    may_break = False


def fork(chance: random.Random, depth: int) -> None:
    """A child that goes on asking at once, with threads of its own, and ends with questions open."""
    pid = os.fork()
    if pid:
        status = os.waitpid(pid, 0)[1]
        if status:
            wrong.append(f"a child ended with {status}")
        return
    signal.setitimer(signal.ITIMER_REAL, 0)
    seen.clear()
    wrong.clear()
    for _ in range(3):
        act(chance)
    if depth and chance.random() < 0.2:
        fork(chance, depth - 1)
    mates = [threading.Thread(target=act, args=(random.Random(chance.random()),)) for _ in range(2)]
    for mate in mates:
        mate.start()
    for mate in mates:
        mate.join()
    threading.Thread(target=for_ever, daemon=True).start()
    report()
    os._exit(0)


def for_ever() -> None:
    while True:
        connect(2999)


def report() -> None:
    """One line, in one write."""
    line = {"pid": os.getpid(), "seen": dict(collections.Counter(seen)), "wrong": wrong[:9], "fds": fds()}
    with open(TALLY, "ab", buffering=0) as file:
        file.write(json.dumps(line).encode() + b"\n")


def fds() -> int:
    return len(os.listdir("/proc/self/fd"))


def work(seed: str, is_main: bool) -> None:
    chance = random.Random(seed)
    while time.monotonic() < END:
        for one in range(10):
            if is_main and not one % 5:
                alarm()
            act(chance)
        if chance.random() < 0.05:
            fork(chance, 1)
        if is_main:
            alarm()
            broken(chance)


def process(name: int) -> None:
    """One process of the storm."""
    global signals
    signals = random.Random(f"{SEED} {name} signals")
    before = fds()
    signal.signal(signal.SIGALRM, handler)
    threads = [threading.Thread(target=work, args=(f"{SEED} {name} {one}", False)) for one in range(1, THREADS)]
    for thread in threads:
        thread.start()
    work(f"{SEED} {name} 0", True)
    for thread in threads:
        thread.join()
    signal.setitimer(signal.ITIMER_REAL, 0)
    if fds() > before + 1:  # the main thread's line
        wrong.append(f"{before} descriptors became {fds()}")
    report()


signals = random.Random(SEED)
children = []
for number in range(PROCESSES):
    pid = os.fork()
    if not pid:
        try:
            process(number)
        except BaseException as error:  # noqa: BLE001  # the parent must hear of it
            print(f"{SEED} {number}: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    children.append(pid)
time.sleep(SECONDS / 2)
print("half", flush=True)
ends = [os.waitpid(pid, 0)[1] for pid in children]
print("done", sum(ends), flush=True)
sys.stdin.read()
