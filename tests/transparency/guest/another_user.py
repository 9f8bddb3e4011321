"""A child that gives its user up; prints, as JSON, what it comes to: `another_user.py PORT`."""

import json
import os
import socket
import sys


def met(act, *words) -> int:
    try:
        act(*words)
    except OSError as error:
        return error.errno
    return 0


if __name__ == "__main__":
    user = 65534
    "".encode("idna")  # of a host: the other user may not read where it lies
    pid = os.fork()
    if not pid:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        found = {
            "connects": met(socket.create_connection, ("127.0.0.1", int(sys.argv[1]))),
            "binds": met(socket.socket().bind, ("127.0.0.1", 0)),
            "binds low": met(socket.socket().bind, ("127.0.0.1", 1)),
            "sends": met(socket.socket(type=socket.SOCK_DGRAM).sendto, b"", ("127.0.0.1", int(sys.argv[1]))),
            "unix": met(socket.socket(socket.AF_UNIX).connect, "\0there is none"),
        }
        os.write(1, json.dumps(found).encode())
        os._exit(0)
    sys.exit(os.waitpid(pid, 0)[1] != 0)
