"""Speaks the channel's frames by itself, as a hostile guest would; run with `-I`, so that no shim is in it.

`client.py SCRIPT args…` runs the script with these names. `Line` is one connection; a question is answered by a list of
texts, or by None when the supervisor hangs up.
"""

from __future__ import annotations

import os
import socket
import sys

from netguard.core.seal import SIZE
from netguard.core.wire import MAX_ANSWER, VERSION, pack, unpack

CODE = ("/job/script.py", "12", "main", "__main__", "__main__", "")
ADDRESS = "\0" + os.environ.get("NETGUARD_CHANNEL", "@")[1:]
RUN = os.environ.get("NETGUARD_RUN", "")


class Line:
    """One connection, opened unless told not to."""

    def __init__(self, *, run: str = RUN, version: str = VERSION, tid: str = "1", why: str = "", opens: bool = True):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.connect(ADDRESS)  # before the time-out: with one, a full queue would be an error
        self.sock.settimeout(60)
        if opens:
            self.send("open", version, run, tid, why, "")

    def send(self, *fields: str) -> None:
        self.raw(pack(fields))

    def raw(self, frame: bytes) -> None:
        try:
            self.sock.send(frame)
        except (BrokenPipeError, ConnectionResetError):
            pass  # hung up on; the next answer says so

    def hear(self) -> list[str] | None:
        try:
            frame = self.sock.recv(MAX_ANSWER)
        except ConnectionResetError:
            return None
        return unpack(frame[SIZE:]) if frame else None

    def question(self, op: str, *fields: str, number: str = "7") -> list[str] | None:
        self.send(op, number, *fields)
        return self.hear()

    def ask(
        self, port: int | str = 80, host: str = "127.0.0.1", kind: str = "connect", path: str = ""
    ) -> list[str] | None:
        return self.question("ask", kind, "socket.connect", "tcp", host, str(port), path, "", *CODE)

    def lookup(self, name: str, function: str = "gethostbyname") -> list[str] | None:
        return self.question("lookup", function, name, "", "0", "0", "0", "0", *CODE)

    def close(self) -> None:
        self.sock.close()


def good() -> None:
    """Another connection is served as ever."""
    line = Line()
    answer = line.ask()
    assert answer is not None, "the supervisor serves nobody any more"
    assert answer[:2] in (["7", "allow"], ["7", "log"], ["7", "deny"])
    line.close()


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    with open(sys.argv[0], encoding="utf-8") as file:
        exec(compile(file.read(), sys.argv[0], "exec"), globals())
