"""Gives a descriptor of ours a high number: out of the way of the numbers that a plain run would have, and of daemons
that close the first few hundred."""

from __future__ import annotations

from fcntl import F_DUPFD_CLOEXEC, fcntl
from posix import close, sysconf

#: The lowest number that is taken: above the 3 to 255 that daemons close, below the 1,024 that `select` can take. Three
#: quarters of a low limit are the guest's.
FLOOR = 700


def lift(fd: int) -> int:
    """The same descriptor under a high number, or as it is where none is free: the limit is lower, or all are taken.

    Close-on-exec. The kernel chooses the number, so that none of another thread's is taken.
    """
    try:
        high: int = fcntl(fd, F_DUPFD_CLOEXEC, min(FLOOR, sysconf("SC_OPEN_MAX") * 3 // 4))
    except (OSError, ValueError):
        return fd
    close(fd)
    return high
