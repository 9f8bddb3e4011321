"""Many of everything at once; prints, as JSON, how much of each went wrong."""

import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
import threading
import warnings

THREADS, SPAWNS = 64, 1000


def connections(server, times) -> int:
    failed = 0
    for _ in range(times):
        try:
            socket.create_connection(server.getsockname()).close()
        except OSError:
            failed += 1
    return failed


def serve(server) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


def at_once(number, act) -> int:
    """The sum of what so many threads come to."""
    found = []
    threads = [threading.Thread(target=lambda: found.append(act())) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(found) + number - len(found)


def with_garbage(server) -> int:
    """Threads that connect, while others drop sockets for the collector to close."""
    over = threading.Event()

    def litter() -> None:
        while not over.is_set():
            for _ in range(20):
                pair = list(socket.socketpair())
                pair.append(pair)
            del pair
            gc.collect()

    litterers = [threading.Thread(target=litter) for _ in range(2)]
    for thread in litterers:
        thread.start()
    failed = at_once(THREADS, lambda: connections(server, 10))
    over.set()
    for thread in litterers:
        thread.join()
    return failed


def forks(server) -> int:
    """A thread that forks children that connect."""
    failed = 0
    for _ in range(10):
        pid = os.fork()
        if not pid:
            os._exit(connections(server, 1))
        failed += os.waitpid(pid, 0)[1] != 0
    return failed


async def with_children() -> int:
    """Connections of an event loop whose children end meanwhile."""

    async def answer(reader, writer) -> None:
        writer.write(await reader.read(4))
        writer.close()

    async def client(port) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"ping")
        answered = await reader.read() == b"ping"
        writer.close()
        return not answered

    async def child() -> int:
        process = await asyncio.create_subprocess_exec("true")
        return await process.wait()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found = await asyncio.gather(*[client(port) for _ in range(200)], *[child() for _ in range(100)])
    server.close()
    return sum(found)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    server = socket.create_server(("127.0.0.1", 0), backlog=512)
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    found = {
        "threads": with_garbage(server),
        "forks": at_once(8, lambda: forks(server)),
        "children": asyncio.run(with_children()),
        "spawns": sum(subprocess.call(["true"]) for _ in range(SPAWNS)),
    }
    json.dump(found, sys.stdout)
