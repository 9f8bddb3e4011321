"""Binds unix sockets to paths, as the guest would: from its current folder and with its umask.

Both belong to a thread, so one thread of ours has them for itself and is lent the guest's, one bind after another. It
does that alone, so a folder that does not answer keeps other binds waiting and not the loop.
"""

from __future__ import annotations

import _thread
import os
from _queue import SimpleQueue

from netguard.seccomp import abi

#: Binds that wait for one whose folder does not answer. Each holds two descriptors of ours, also when nobody waits for
#: it any more.
MAX_WAITING = 256

_jobs: SimpleQueue[Job] = SimpleQueue()
_started = False


class Job:
    """One bind. `error` is None until it is done, then 0 or the errno. The descriptors are its own copies."""

    __slots__ = ("address", "error", "folder", "sock", "umask")

    def __init__(self, sock: int, folder: int, umask: int, address: bytes) -> None:
        self.error: int | None = None
        self.umask = umask
        self.address = address
        self.sock = os.dup(sock)
        try:
            self.folder = os.dup(folder)
        except OSError:
            os.close(self.sock)
            raise

    def run(self) -> None:
        """Binds, with the current folder and the umask of the calling thread."""
        try:
            os.fchdir(self.folder)
            os.umask(self.umask)
            error = abi.bind(self.sock, self.address)
        except OSError as failed:
            error = failed.errno or 1
        os.close(self.sock)
        os.close(self.folder)
        self.error = error


def bind(sock: int, folder: int, umask: int, address: bytes) -> Job | None:
    """Has a socket bound; None where too many wait. Raises OSError where there is no descriptor or no thread left."""
    global _started
    if _jobs.qsize() >= MAX_WAITING:
        return None
    job = Job(sock, folder, umask, address)
    if not _started:
        _thread.start_new_thread(_work, ())
        _started = True
    _jobs.put(job)
    return job


def _work() -> None:
    abi.leave_folder()
    while True:
        _jobs.get().run()
