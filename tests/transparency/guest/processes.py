"""Everything of multiprocessing that has a socket, by one start method: `processes.py METHOD`. Says ok at the end."""

import multiprocessing
import os
import socket
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Client, Listener
from multiprocessing.shared_memory import SharedMemory


def square(number) -> int:
    return number * number


def put_pid(queue) -> None:
    queue.put(os.getpid())


def fill(mapping, numbers, event) -> None:
    mapping["key"] = 1
    numbers.append(2)
    event.set()


def connect_to(server) -> None:
    with socket.create_connection(server.getsockname()) as client:
        client.sendall(b"hello")


def finished(process) -> None:
    process.start()
    process.join()
    assert process.exitcode == 0


def main() -> None:
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(3) as pool:
        assert pool.map(square, range(9)) == [number * number for number in range(9)]
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        assert list(executor.map(square, [1, 2])) == [1, 4]
    queue = context.Queue()
    process = context.Process(target=put_pid, args=(queue,))
    process.start()
    assert queue.get(timeout=30) == process.pid
    process.join()
    with context.Manager() as manager:
        shared = manager.dict(), manager.list(), manager.Event()
        finished(context.Process(target=fill, args=shared))
        assert (dict(shared[0]), list(shared[1]), shared[2].is_set()) == ({"key": 1}, [2], True)
    memory = SharedMemory(create=True, size=8)
    memory.close()
    memory.unlink()
    for family in ("AF_UNIX", "AF_INET"):
        with Listener(family=family) as listener:
            thread = threading.Thread(target=lambda listener=listener: listener.accept().send("said"))
            thread.start()
            with Client(listener.address) as client:
                assert client.recv() == "said"
            thread.join()
    with socket.create_server(("127.0.0.1", 0)) as server:  # handed over to the child
        process = context.Process(target=connect_to, args=(server,))
        process.start()
        connection, _ = server.accept()
        assert connection.recv(5) == b"hello"
        connection.close()
        process.join()
        assert process.exitcode == 0
    print("ok")


if __name__ == "__main__":
    main()
