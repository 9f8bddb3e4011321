"""A call is left to the kernel only where the socket that it will look at is the one that was looked at."""

from __future__ import annotations

import subprocess
import sys
import time
from _socket import AF_INET, AF_UNIX

import pytest

from netguard.seccomp import arguments
from netguard.seccomp.callers import Caller, credentials, status

pytestmark = pytest.mark.kernel

#: Its second thread puts an INET socket in the place of the unix one when it is told to, and ends.
SWAPS = """
import os, socket, sys, threading
first, _ = socket.socketpair(); other = socket.socket(type=socket.SOCK_DGRAM); number = os.dup(first.fileno())
def swap():
    sys.stdin.readline()
    if sys.argv[1] == "swap": os.dup2(other.fileno(), number)
threading.Thread(target=swap).start()
print(number, flush=True)
threading.Event().wait()
"""


class Late(Caller):
    """A caller whose other thread does its last deed between our looks at the socket and at who is there."""

    __slots__ = ("child",)

    def is_alone(self) -> bool:
        self.child: subprocess.Popen[str]
        assert self.child.stdin
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        late = time.monotonic() + 20
        while not super().is_alone():
            assert time.monotonic() < late, "its other thread does not end"
        return True


@pytest.mark.parametrize("does", ["nothing", "swap"])
@pytest.mark.parametrize("call", ["listen", "sendto"])
def test_thread_that_ends_leaves_no_other_socket_behind(call: str, does: str) -> None:
    command = [sys.executable, "-I", "-S", "-c", SWAPS, does]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout
            number = int(child.stdout.readline())
            caller = Late(child.pid, credentials(status("self")))
            caller.child = child
            wanted = arguments.read(call, (number, 0, 0, 0, 0, 0), caller)
            assert (wanted.domain, wanted.goes_on) == (AF_UNIX, does == "nothing")
            wanted.identify()
            assert wanted.domain == AF_UNIX != AF_INET, "what is acted on is what was looked at"
            wanted.close()
            caller.close()
        finally:
            child.kill()
