"""Connects the guest's socket without ever waiting for it, whatever the socket is set to."""

from __future__ import annotations

import errno
import fcntl
import os

from netguard.seccomp import abi, alarm, sockaddr
from netguard.seccomp.arguments import SEQPACKET, STREAM
from netguard.seccomp.waiting import Done, Waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.seccomp.arguments import Wanted
    from netguard.seccomp.callers import Caller


class Connecting(Waiting):
    """A connect of a stream that is on its way, or that the other side has no room for yet."""

    __slots__ = ("first",)

    def __init__(self, wanted: Wanted, caller: Caller, first: int) -> None:
        # What tells of room at the other end of a unix socket cannot be polled.
        super().__init__(wanted, caller, -1 if wanted.domain == sockaddr.UNIX else wanted.sock)
        self.first = first

    def resume(self) -> Done | None:
        """Asks for the outcome, which also lets the socket know that it is connected."""
        error = outcome(self.wanted)
        return None if error in (errno.EALREADY, errno.EAGAIN) else Done(0, error)

    def expired(self) -> Done:
        """A connect goes on after its time-out: socket(7)."""
        return Done(0, self.first)


def connect(wanted: Wanted, caller: Caller) -> Done | Waiting:
    """Connects; a blocking stream that has to wait is a Connecting."""
    if wanted.type not in (STREAM, SEQPACKET):
        return Done(0, abi.connect(wanted.sock, target(wanted)))  # never waits
    flags = borrow(wanted.sock)
    error = found = _try(wanted)
    if error == errno.EINPROGRESS and not flags & os.O_NONBLOCK:
        found = _standing(_try(wanted))  # on loopback it is connected by now, and asking says so
    give_back(wanted.sock, flags)
    if flags & os.O_NONBLOCK:
        return Done(0, error)
    if found == errno.EALREADY or (found == errno.EAGAIN and wanted.domain == sockaddr.UNIX):
        return Connecting(wanted, caller, error)
    return Done(0, found)


def outcome(wanted: Wanted) -> int:
    """How a connect that was begun stands: EALREADY while it is on its way, EAGAIN while a unix peer has no room."""
    flags = borrow(wanted.sock)
    error = _try(wanted)
    give_back(wanted.sock, flags)
    return _standing(error)


def _standing(error: int) -> int:
    """What a second connect says of the first."""
    if error == errno.EISCONN:
        return 0  # another thread has asked for the outcome before
    # Begun anew: the guest has reset the socket meanwhile. One decision is one connection.
    return errno.ECONNABORTED if error == errno.EINPROGRESS else error


def borrow(sock: int) -> int:
    """Has the socket not wait for its moment with us, as connect has no flag for that; returns its flags before."""
    alarm.arm()
    flags = fcntl.fcntl(sock, fcntl.F_GETFL)
    if not flags & os.O_NONBLOCK:
        fcntl.fcntl(sock, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    return flags


def give_back(sock: int, flags: int) -> None:
    """Has the socket wait as it did before."""
    if not flags & os.O_NONBLOCK:
        fcntl.fcntl(sock, fcntl.F_SETFL, flags)


def _try(wanted: Wanted) -> int:
    """One connect; returns 0 or the errno."""
    error = abi.connect(wanted.sock, target(wanted))
    if error == errno.EINTR:  # another thread has set it to blocking meanwhile, and the alarm has ended the wait
        return errno.EAGAIN if wanted.domain == sockaddr.UNIX else errno.EALREADY
    return error


def target(wanted: Wanted) -> bytes:
    """The address to use: a proxy's, if one is to be reached instead; of a unix path, what it was found to lead to."""
    return sockaddr.by_descriptor(wanted.pin) if wanted.pin >= 0 else wanted.via or wanted.address


def is_begun(found: Done | Waiting) -> bool:
    """Whether what became of a connect, or of a send that connects, is this call's doing: a socket that was connected
    before, or on its way elsewhere, has not gone where this call says."""
    error = found.first if isinstance(found, Connecting) else found.error if isinstance(found, Done) else 0
    return error in (0, errno.EINPROGRESS)
