"""Copies of a guest's descriptors that are no copies: where none can be taken, what lies behind one is opened anew.

It is for handing descriptors on. A socket is one that is kept; a file, a folder or a pipe is opened as the guest has it
open, by what /proc shows; anything else cannot be had. Nothing is ever opened in another way than its owner has it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from netguard.seccomp import alarm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.seccomp.callers import Caller
    from netguard.seccomp.held import Held

#: Flags of an open file that go with it, besides how it may be used.
_KEPT = os.O_APPEND | os.O_NONBLOCK

#: What can be opened once more and is the same then, but for its place in the file, which is no longer shared.
_KINDS = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFIFO)


def copy(caller: Caller, held: Held, number: int) -> int:
    """A descriptor of ours for what the caller has there. Raises OSError: EBADF, EPERM, or as opening it does."""
    try:
        return held.sends(caller.tid, number)
    except OSError as error:
        if error.errno != errno.ENOTSOCK:
            raise
    alarm.arm()
    pin = os.open(f"/proc/{caller.tid}/fd/{number}", os.O_PATH | os.O_CLOEXEC)
    try:
        flags, place = _state(caller.tid, number)
        # Both are of the same file: or another thread could have us open the one as it has the other.
        if place[1:] != _state(os.getpid(), pin)[1][1:] or not _is_plain(pin):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        if flags & os.O_PATH:
            return os.dup(pin)
        return _open(pin, flags, place[0])
    finally:
        os.close(pin)


def _state(pid: int, number: int) -> tuple[int, tuple[int, int, int]]:
    """(flags, (offset, inode, mount)) of an open file. Raises OSError: EBADF; EPERM before Linux 5.14."""
    try:
        with open(f"/proc/{pid}/fdinfo/{number}", "rb") as file:
            fields = dict([line.split(b":\t", 1) for line in file.read(4096).splitlines() if b":\t" in line])
        return int(fields[b"flags"], 8), (int(fields[b"pos"]), int(fields[b"ino"]), int(fields[b"mnt_id"]))
    except FileNotFoundError:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from None
    except (KeyError, ValueError):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM)) from None


def _is_plain(pin: int) -> bool:
    """Whether it is what may be opened anew. A file of /proc is not: who opens it matters there, and not to whom it
    belongs."""
    found = os.fstat(pin)
    return stat.S_IFMT(found.st_mode) in _KINDS and found.st_dev != os.stat("/proc").st_dev


def _open(pin: int, flags: int, offset: int) -> int:
    """Opens what is pinned, without ever waiting for the other end of a pipe or for who has a lease."""
    way = (flags & os.O_ACCMODE) | (flags & _KEPT) | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    fd = os.open(f"/proc/self/fd/{pin}", way)
    try:
        if not flags & os.O_NONBLOCK:
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) & ~os.O_NONBLOCK)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.lseek(fd, offset, os.SEEK_SET)
    except BaseException:
        os.close(fd)
        raise
    return fd
