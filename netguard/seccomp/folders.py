"""Binds unix sockets to paths, as the guest would: from its current folder and with its umask.

Both belong to a thread, so one thread of ours has them for itself and is lent the guest's, one bind after another. It
does that alone, so a folder that does not answer keeps other binds waiting and not the loop.

Where the thread may not have them for itself (containers forbid unshare(2)), they stay as they are: a folder is then
named by our descriptor of it, which the socket shows, and of the guest's umask and ours both hold.
"""

from __future__ import annotations

import _thread
import os
from _queue import SimpleQueue

from netguard.seccomp import abi

#: Binds that wait for one whose folder does not answer. Each holds two descriptors of ours, also when nobody waits for
#: it any more.
MAX_WAITING = 256

#: Bytes of an address before its path.
_FAMILY = 2

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

    def run(self, alone: bool) -> None:
        """Binds. alone: whether the current folder and the umask are the calling thread's own."""
        try:
            if alone:
                os.fchdir(self.folder)
                os.umask(self.umask)
            else:
                os.fchmod(self.sock, 0o777 & ~self.umask)  # what a socket's file begins with, before the umask
                if not self.address.startswith(b"/", _FAMILY):
                    place = b"/proc/self/fd/%d/" % self.folder
                    self.address = self.address[:_FAMILY] + place + self.address[_FAMILY:]
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
    try:
        abi.leave_folder()
        alone = True
    except OSError:
        alone = False
    while True:
        _jobs.get().run(alone)
