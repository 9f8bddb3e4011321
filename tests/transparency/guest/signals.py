"""Signals while a connect waits; prints, as JSON, what each came to."""

import json
import os
import signal
import socket
import threading
import time

#: Seconds until a signal comes, and until it counts as late.
SOON, LATE = 0.3, 1.3


def full() -> tuple:
    """A server that takes no more, and those that it has taken: who connects now waits."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    taken = []
    while True:
        client = socket.socket()
        client.settimeout(0.3)
        try:
            client.connect(server.getsockname())
        except TimeoutError:
            client.close()
            return server, taken
        taken.append(client)


def met(connect) -> list:
    """The error that ended it, and whether in time."""
    begun = time.monotonic()
    try:
        connect()
        error = "none"
    except (KeyboardInterrupt, OSError) as ended:
        error = type(ended).__name__
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return [error, SOON / 2 < time.monotonic() - begun < LATE]


def raising(number, frame) -> None:
    raise ProcessLookupError


def keyboard(address) -> None:
    timer = threading.Timer(SOON, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    socket.socket().connect(address)


def alarm(address) -> None:
    signal.signal(signal.SIGALRM, raising)
    signal.setitimer(signal.ITIMER_REAL, SOON)
    socket.socket().connect(address)


def time_out(address) -> None:
    """Handlers that return do not make it longer."""
    signal.signal(signal.SIGALRM, lambda number, frame: None)
    signal.setitimer(signal.ITIMER_REAL, SOON / 5, SOON / 5)
    client = socket.socket()
    client.settimeout(2 * SOON)
    client.connect(address)


def connects_in_the_end(server, taken) -> list:
    """Handlers that return, while a connect without a time-out waits for room."""
    came = []
    signal.signal(signal.SIGALRM, lambda number, frame: came.append(number))
    signal.setitimer(signal.ITIMER_REAL, SOON / 5, SOON / 5)
    timer = threading.Timer(2 * SOON, lambda: [server.accept() for _ in taken])
    timer.start()
    client = socket.socket()
    client.connect(server.getsockname())
    signal.setitimer(signal.ITIMER_REAL, 0)
    return [client.getpeername() == server.getsockname(), len(came) > 1]


if __name__ == "__main__":
    server, taken = full()
    address = server.getsockname()
    found = {one.__name__: met(lambda one=one: one(address)) for one in (keyboard, alarm, time_out)}
    found["connects"] = connects_in_the_end(server, taken)
    print(json.dumps(found))
