"""The guest of the long hour: workers that do everything at once, and are stopped, signalled and killed meanwhile.

`storm.py SPEC` keeps a few of them alive until its time is over; `storm.py SPEC SEED FIRST LAST UNTIL` is one of them,
with its share of the numbers. What a worker does may end anyhow: what counts is that it ends, and what is on record.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import acts

#: Workers alive at once; numbers of each; seconds that one lives at most.
ALIVE, BLOCK, LIFE = 5, 1024, 6.0

#: A worker's descriptors: soon used up by one that tries.
FILES = 96

libc = ctypes.CDLL(None, use_errno=True)


def listed(worker: acts.Worker) -> None:
    """Any connection. Without a number left, one that needs none."""
    kinds = list(acts.CONNECTIONS)
    kind = worker.chance.choice(kinds)
    if worker.next + 16 >= worker.end:
        kind = worker.chance.choice(("tcp quiet fixed", "tcp denied", "unix told", "abstract quiet"))
    worker.act(kind)


def slow(worker: acts.Worker) -> None:
    """Where nobody answers soon: with a time-out of Python's, or of the kernel's."""
    name = worker.chance.choice(("tcp late", "tcp full", "unix late", "unix full"))
    place, family = address_of(worker, name)
    with socket.socket(family) as sock:
        seconds = worker.chance.random() * 0.3
        if worker.chance.random() < 0.5:
            sock.settimeout(seconds)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, int(seconds * 1e6) + 1))
        acts.outcome(sock, place)


def address_of(worker: acts.Worker, name: str) -> tuple:
    if name.startswith("unix"):
        return worker.where[name], socket.AF_UNIX
    return ("127.0.0.1", worker.where[name]), socket.AF_INET


def closed(worker: acts.Worker) -> None:
    """A connect whose socket another thread closes, or turns over, meanwhile."""
    place, family = address_of(worker, worker.chance.choice(("tcp full", "tcp late", "unix full")))
    sock = socket.socket(family)
    other = socket.socket()
    seconds = struct.pack("ll", 0, 200_000)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
    mate = threading.Thread(target=lambda: acts.outcome(sock, place))
    mate.start()
    if worker.chance.random() < 0.5:
        os.dup2(other.fileno(), sock.fileno())
    else:
        sock.close()
    mate.join()
    sock.close()
    other.close()


def unfinished(worker: acts.Worker) -> None:
    """Connects that nobody waits for."""
    socks = []
    for _ in range(worker.chance.randrange(20)):
        place, family = address_of(worker, worker.chance.choice(("tcp full", "tcp late", "unix late")))
        socks.append(socket.socket(family))
        socks[-1].setblocking(False)
        acts.outcome(socks[-1], place)
    for sock in socks:
        sock.close()


def exhausted(worker: acts.Worker) -> None:
    """No descriptor is left, in the middle of everything."""
    held = []
    try:
        while True:
            held.append(os.dup(0))
    except OSError:
        pass
    try:
        if held:
            os.close(held.pop())
        with socket.socket() as sock:
            acts.outcome(sock, ("127.0.0.1", worker.where["tcp quiet"]))
            socket.getaddrinfo("localhost", 1)
    except OSError:
        pass
    finally:
        for fd in held:
            os.close(fd)


def nested(worker: acts.Worker) -> None:
    """A child of a process with threads in their calls; some go on as a program, some as a daemon."""
    kind = worker.chance.choice(("end", "program", "daemon", "stop"))
    act = acts.child_of(worker, "tcp told") if worker.next + 16 < worker.end else int
    pid = os.fork()
    if pid:
        if kind == "stop":
            os.kill(pid, signal.SIGSTOP)
            os.kill(pid, signal.SIGCONT)
        os.waitpid(pid, 0)
        return
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if kind == "daemon" and os.fork():
            os._exit(0)
        act()
        if kind == "program":
            os.execv(acts.TRUE, [acts.TRUE])
    finally:
        os._exit(0)


def programs(worker: acts.Worker) -> None:
    """Many programs, and some that are not there."""
    for _ in range(worker.chance.randrange(8)):
        pid = os.posix_spawn(acts.TRUE, [acts.TRUE], os.environ)
        os.waitpid(pid, 0)
    try:
        subprocess.run(["no-such-program"], check=False)
    except OSError:
        pass


def names(worker: acts.Worker) -> None:
    """Look-ups, granted and denied ones."""
    for name in ("localhost", f"n{worker.chance.randrange(50)}.test", f"d{worker.chance.randrange(50)}.denied"):
        try:
            socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
        except OSError:
            pass


def bad(worker: acts.Worker) -> None:
    """Calls that no program makes."""
    chance = worker.chance
    with socket.socket(chance.choice((1, 2, 10)), chance.choice((1, 2))) as sock:
        length = chance.choice((0, 1, 2, 16, 28, 110, 128, 129, 2**31, 2**32 - 1))
        place = chance.choice((0, 8, 2**47, 2**64 - 8, ctypes.addressof(NOISE)))
        call = chance.choice(("connect", "bind", "sendto", "sendmsg", "sendmmsg", "listen"))
        words = {"sendto": (place, 16, 64, place, length), "sendmsg": (place, 64), "sendmmsg": (place, length, 64)}
        libc.syscall.restype = ctypes.c_long
        fd = chance.choice((sock.fileno(), 0, -1, 9999))
        libc[call](fd, *map(ctypes.c_void_p, words.get(call, (place, length, 0))))


NOISE = ctypes.create_string_buffer(random.Random(1).randbytes(8192))


def served(worker: acts.Worker) -> None:
    """A server of its own, on a port and on a path."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        acts.stream(sock.getsockname())
    path = f"{worker.where['unix quiet']}-{os.getpid()}-{threading.get_ident()}"
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.bind(path)
            sock.listen(1)
            os.unlink(path)
        except OSError:
            pass


def handed(worker: acts.Worker) -> None:
    """Messages with descriptors, and more of them than fit."""
    one, two = socket.socketpair(socket.AF_UNIX, worker.chance.choice((socket.SOCK_STREAM, socket.SOCK_DGRAM)))
    with one, two:
        one.settimeout(0.05)
        try:
            for _ in range(worker.chance.randrange(40)):
                one.sendmsg([bytes(1000)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("2i", 0, 1))])
            one.sendmsg([bytes(300_000)])
        except OSError:
            pass


def line(worker: acts.Worker) -> None:
    """The channel, by somebody who does not know how to speak there."""
    where = os.environ.get("NETGUARD_CHANNEL", "@none")
    tail = worker.chance.choice(("", ".notes", "x"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        if acts.outcome(sock, "\0" + where[1:] + tail):
            return
        sock.settimeout(1.0)
        try:
            for _ in range(worker.chance.randrange(5)):
                sock.send(worker.chance.randbytes(worker.chance.randrange(5000)))
            if not tail:
                sock.recv(100)
        except OSError:
            pass


MISCHIEF = (
    [listed] * 40 + [slow] * 4 + [closed] * 3 + [unfinished] * 2 + [exhausted] + [nested] * 4 + [programs] * 2
    + [names] * 2 + [bad] * 6 + [served] * 2 + [handed] * 2 + [line]
)  # fmt: skip


class Worker(acts.Worker):
    """One with a given share."""

    def __init__(self, where: dict, seed: str, first: int, last: int) -> None:
        super().__init__(where, 0, seed)
        self.next, self.end = first, last


def live(spec: dict, seed: str, first: int, last: int, until: float) -> None:
    """One worker. It may end as another program: itself."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    chance = random.Random(seed)
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.signal(signal.SIGUSR2, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, chance.random() < 0.5)
    signal.siginterrupt(signal.SIGUSR2, chance.random() < 0.5)
    every = chance.choice((0, 0.003, 0.02))
    signal.setitimer(signal.ITIMER_REAL, every, every)
    many = chance.randrange(1, 7)
    share = (last - first) // (many + 1)
    shares = [(first + one * share, first + (one + 1) * share) for one in range(many + 1)]
    workers = [Worker(spec["where"], f"{seed} {one}", *shares[one]) for one in range(many)]
    threads = [threading.Thread(target=work, args=(one, until), daemon=True) for one in workers[1:]]
    for thread in threads:
        thread.start()
    while time.monotonic() < until:
        for thread in threads:
            if thread.is_alive() and chance.random() < 0.3:
                signal.pthread_kill(thread.ident, signal.SIGUSR2)
        step(workers[0])
        if chance.random() < 0.002:
            words = [sys.executable, *(["-I", "-S"] if chance.random() < 0.5 else []), *sys.argv[:2]]
            try:
                os.execv(words[0], [*words, seed + "+", *map(str, shares[-1]), str(until)])
            except InterruptedError:
                pass  # a signal came before the supervisor had taken the call: rare, and what no plain run has
    if chance.random() < 0.7:
        for thread in threads:
            thread.join()
    os._exit(0)


def work(worker: Worker, until: float) -> None:
    while time.monotonic() < until:
        step(worker)


def step(worker: Worker) -> None:
    """One piece of mischief, however it ends."""
    try:
        worker.chance.choice(MISCHIEF)(worker)
    except (OSError, RuntimeError, LookupError, ImportError):
        pass  # out of descriptors, of threads; a module that was wanted meanwhile could not be opened


class Herd:
    """The workers that are alive."""

    def __init__(self, spec: dict) -> None:
        self.spec = spec
        self.chance = random.Random(f"{spec['seed']} herd")
        self.started = 0
        self.alive: list = []
        self.stopped: list = []

    def start(self) -> None:
        """One more."""
        self.started += 1
        first = self.started * BLOCK
        if first + BLOCK > 1 << 24:
            first = 0  # no numbers are left
        blind = ["/usr/bin/env", sys.executable, "-I", "-S"] if self.started % 2 else [sys.executable]
        until = time.monotonic() + self.chance.uniform(0.1, LIFE)
        words = [f"{self.spec['seed']} {self.started}", str(first), str(first + BLOCK if first else 0), str(until)]
        session = self.chance.random() < 0.3
        self.alive.append(subprocess.Popen([*blind, __file__, sys.argv[1], *words], start_new_session=session))

    def turn(self) -> None:
        """Something happens to one of them."""
        time.sleep(0.02)  # the pace of what happens; nothing waits for it
        self.alive = [one for one in self.alive if one.poll() is None]
        while len(self.alive) < ALIVE:
            self.start()
        one, luck = self.chance.choice(self.alive), self.chance.random()
        for other in self.stopped:
            other.send_signal(signal.SIGCONT)
        self.stopped = []
        if luck < 0.02:
            one.send_signal(signal.SIGKILL)
        elif luck < 0.06:
            one.send_signal(signal.SIGSTOP)
            self.stopped = [one]
        elif luck < 0.2:
            one.send_signal(self.chance.choice((signal.SIGALRM, signal.SIGWINCH, signal.SIGCONT)))

    def end(self) -> None:
        """The end of all."""
        for one in self.alive:
            one.kill()
        for one in self.alive:
            one.wait()


def main() -> None:
    """Keeps the herd, or is one of it."""
    with open(sys.argv[1]) as file:
        spec = json.load(file)
    if len(sys.argv) > 2:
        live(spec, sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
    signal.signal(signal.SIGUSR1, lambda *_: None)
    herd = Herd(spec)
    until = time.monotonic() + spec["seconds"]
    while time.monotonic() < until:
        herd.turn()
    herd.end()
    with open(spec["tally"], "a") as file:
        file.write(json.dumps({"done": {"workers": herd.started}, "wrong": []}) + "\n")


if __name__ == "__main__":
    main()
