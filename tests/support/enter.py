"""Runs a command in the user, mount and network namespaces of a process: `enter.py PID -- command`.

It keeps the working directory, which entering a mount namespace takes away.
"""

import contextlib
import ctypes
import os
import sys


def enter(pid: str) -> None:
    """Join what differs; the user namespace first, for it gives the right to join the others."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder = os.getcwd()
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(f"/proc/{pid}/ns/{kind}")) for kind in ("user", "mnt", "net")]
        for file in files:
            if os.path.samefile(file.name, file.name.replace(pid, "self", 1)):
                continue
            if libc.setns(file.fileno(), 0):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), file.name)
    os.chdir(folder)


if __name__ == "__main__":
    enter(sys.argv[1])
    os.execvp(sys.argv[3], sys.argv[3:])
