"""Processes and threads of one run, forks and signals among them, on one file: every line once, every chain whole."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.shim.guests import said, write
from tests.support.injection import run_injected, verified
from tests.support.interpreters import Interpreter, interpreters

RULES = """
version: 1
default: log
rules:
  - {name: even, deny: connect, to: "127.0.0.2"}
"""

#: Each thread of each process reaches for a port of its own, at one address or the other; the main thread of each does
#: it under a timer whose handler reaches for something too, and sometimes raises out of whatever it interrupted.
STORM = """
import json, os, random, signal, socket, sys, threading
PROCESSES, THREADS, ACTS, SEED = map(int, sys.argv[1:5])

def reach(host, port):
    try:
        socket.create_connection((host, port), 5).close()
    except OSError as error:
        return type(error).__name__
    return "open"

def wanted(host):
    return "Denied" if host == "127.0.0.2" else "ConnectionRefusedError"

class Enough(Exception): pass

wrong = []
def acts(process, thread):
    chance = random.Random(f"{SEED}-{process}-{thread}")
    done = []
    for number in range(ACTS):
        port = 1 + (process * THREADS + thread) * ACTS + number
        host = chance.choice(["127.0.0.2", "127.0.0.1"])
        while True:
            try:
                met = reach(host, port)
            except Enough:
                continue  # the handler's: it is not known whether the act was recorded, so it is done again
            break
        if met != wanted(host):
            wrong.append((host, port, met))
        done.append((host, port))
    return done

handled = depth = 0
def handler(signum, frame):
    global handled, depth
    handled += 1
    depth += 1
    try:
        if depth < 3:
            signal.setitimer(signal.ITIMER_REAL, 0.0002 * (handled % 9))  # so that it comes up in itself, too
        if reach("127.0.0.2", 60000) != "Denied":
            wrong.append("in a handler")
    finally:
        depth -= 1
        if depth == 0:
            signal.setitimer(signal.ITIMER_REAL, 0.003)
    if handled % 7 == 0:
        raise Enough

def process(number, pipe):
    threads = [threading.Thread(target=acts, args=(number, thread)) for thread in range(1, THREADS)]
    for thread in threads:
        thread.start()
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.003)
    while True:
        try:
            acts(number, 0)
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            break
        except Enough:
            continue
    for thread in threads:
        thread.join()
    os.write(pipe, json.dumps(wrong).encode() + b"\\n")

r, w = os.pipe()
children = []
for number in range(PROCESSES):
    pid = os.fork()
    if pid == 0:
        process(number, w)
        os._exit(0)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
os.close(w)
print(json.dumps(os.fdopen(r).read().splitlines()))
"""


def storm(folder: Path, interpreter: Interpreter, processes: int, threads: int, acts: int, seed: int = 1) -> None:
    words = [interpreter.path, write(folder, STORM), *map(str, (processes, threads, acts, seed))]
    run = run_injected(words, folder, RULES, timeout=300)
    assert run.stdout, run.stderr
    assert said(run) == ["[]"] * processes, run.stderr
    report = verified(folder / "trail.jsonl")
    assert report["whole"], report["first_bad"]
    lines = [line for line in run.trail if line["kind"] == "connect" and line["dst"]["port"] != 60_000]
    count = Counter((line["dst"]["port"]) for line in lines)
    assert set(count) == set(range(1, 1 + processes * threads * acts))
    by_thread = Counter(line["proc"]["tid"] for line in lines if line["proc"]["tid"] != line["proc"]["pid"])
    # A thread that no handler interrupts did each act once, and each is on record once.
    assert set(by_thread.values()) <= {acts}
    assert len(by_thread) == processes * (threads - 1)
    assert run.lines("tamper") == []
    for line in lines:
        assert line["verdict"] == ("deny" if line["dst"]["ip"] == "127.0.0.2" else "log")


def test_many_processes_and_threads_write_one_file(interpreter: Interpreter, tmp_path: Path) -> None:
    storm(tmp_path, interpreter, processes=4, threads=4, acts=20)


@pytest.mark.slow
def test_a_storm(tmp_path: Path) -> None:
    storm(tmp_path, interpreters()[0], processes=64, threads=8, acts=100, seed=int(sys.hexversion))


def test_limits_hold_for_the_threads_of_a_process(tmp_path: Path) -> None:
    """Exact under threads that ask at once; a fork goes on with what its parent had used."""
    rules = """
    version: 1
    default: deny
    rules:
      - {name: few, allow: connect, to: "127.0.0.1", limit: {connections: 10/day, burst: 10, per: process, over: deny}}
    """
    code = """
    import json, os, socket, threading
    met = []
    def reach():
        for number in range(5):
            try:
                socket.create_connection(("127.0.0.1", 9), 5)
            except OSError as error:
                met.append(type(error).__name__)
    threads = [threading.Thread(target=reach) for _ in range(6)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(json.dumps(sorted(met)))
    """
    run = run_injected([interpreters()[0].path, write(tmp_path, code)], tmp_path, rules)
    assert Counter(said(run)) == {"ConnectionRefusedError": 10, "Denied": 20}, json.dumps(run.trail[-3:])


def test_chains_that_are_left_leave_no_descriptor(tmp_path: Path) -> None:
    """A handler that raises out of the guard's own work a hundred times, and forks that ask, use none up.

    One more may stay: the place of a chain beside the first.
    """
    code = """
    import gc, json, os, signal, socket
    class Out(Exception): pass
    def handler(signum, frame):
        raise Out
    signal.signal(signal.SIGALRM, handler)
    def reach():
        try:
            socket.create_connection(("127.0.0.2", 9), 5)
        except OSError:
            pass
    def count():
        gc.collect()  # a connect that was broken off may have left its socket in a cycle
        return len(os.listdir("/proc/self/fd"))
    reach()
    before = count()
    outs = 0
    while outs < 100:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.00005 * (1 + outs % 9))
            for _ in range(50):
                reach()
        except Out:
            outs += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    for _ in range(10):
        if os.fork() == 0:
            reach()
            os._exit(0 if count() <= before + 1 else 1)
        assert os.wait()[1] == 0
    print(json.dumps(count() - before))
    """
    run = run_injected([interpreters()[0].path, write(tmp_path, code)], tmp_path, RULES)
    assert said(run) <= 1, run.stderr
    report = verified(tmp_path / "trail.jsonl")
    assert report["whole"], report["first_bad"]
    assert len(report["chains"]) > 11  # the control: some chains were left


def test_exception_between_two_steps_of_a_first_chain_costs_no_later_act(tmp_path: Path) -> None:
    """A handler may raise anywhere; here what traces a thread does, so that it is always the same place."""
    code = """
    import json, os, socket, sys
    class Out(Exception): pass
    def tracer(frame, event, arg):
        turn = frame.f_locals.get("turn")
        if frame.f_code.co_name == "chain" and len(turn.chains) != len(turn.sinks):
            sys.settrace(None)
            raise Out
        return tracer
    def reach():
        try:
            met.append(socket.gethostbyname("localhost"))  # asked by a wrapped function: hooks are not traced
        except (OSError, Out, IndexError) as error:
            met.append(type(error).__name__)
    met = []
    if os.fork() == 0:
        sys.settrace(tracer)
        reach()
        sys.settrace(None)
        reach()
        print(json.dumps(met))
        sys.exit()
    assert os.wait()[1] == 0
    """
    run = run_injected([interpreters()[0].path, write(tmp_path, code)], tmp_path, RULES)
    assert said(run) == ["Out", "127.0.0.1"], run.stderr
