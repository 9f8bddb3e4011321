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
        alarm.arm()
        error = outcome(self.wanted)
        return None if error in (errno.EALREADY, errno.EAGAIN) else Done(0, error)

    def expired(self) -> Done:
        """A connect goes on after its time-out: socket(7)."""
        return Done(0, self.first)


def connect(wanted: Wanted, caller: Caller) -> Done | Waiting:
    """Connects; a blocking stream that has to wait is a Connecting."""
    if wanted.type not in (STREAM, SEQPACKET):
        return Done(0, abi.connect(wanted.sock, target(wanted)))  # never waits
    flags = fcntl.fcntl(wanted.sock, fcntl.F_GETFL)
    if flags & os.O_NONBLOCK:
        return Done(0, abi.connect(wanted.sock, target(wanted)))
    fcntl.fcntl(wanted.sock, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    try:
        error = abi.connect(wanted.sock, target(wanted))
        if error != errno.EINPROGRESS:
            first = error
        else:  # on loopback it is connected by now, and asking says so
            first, error = error, asked_again(abi.connect(wanted.sock, target(wanted)))
    finally:
        fcntl.fcntl(wanted.sock, fcntl.F_SETFL, flags)
    if error == errno.EALREADY or (error == errno.EAGAIN and wanted.domain == sockaddr.UNIX):
        return Connecting(wanted, caller, first)
    return Done(0, error)


def attempt(wanted: Wanted) -> int:
    """One connect that does not wait; returns 0 or the errno. Connect has no flag for that, so the socket lends its."""
    flags = fcntl.fcntl(wanted.sock, fcntl.F_GETFL)
    if not flags & os.O_NONBLOCK:
        fcntl.fcntl(wanted.sock, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    error = abi.connect(wanted.sock, target(wanted))
    if not flags & os.O_NONBLOCK:
        fcntl.fcntl(wanted.sock, fcntl.F_SETFL, flags)
    if error == errno.EINTR:  # another thread has set it to blocking meanwhile, and the alarm has ended the wait
        return errno.EAGAIN if wanted.domain == sockaddr.UNIX else errno.EALREADY
    return error


def outcome(wanted: Wanted) -> int:
    """How a connect that was begun stands: EALREADY while it is on its way, EAGAIN while a unix peer has no room."""
    return asked_again(attempt(wanted))


def asked_again(error: int) -> int:
    """What a second connect says of the first."""
    if error == errno.EISCONN:
        return 0  # another thread has asked for the outcome before
    # Begun anew: the guest has reset the socket meanwhile. One decision is one connection.
    return errno.ECONNABORTED if error == errno.EINPROGRESS else error


def target(wanted: Wanted) -> bytes:
    """The address to use: of a unix path, what it was found to lead to."""
    return sockaddr.by_descriptor(wanted.pin) if wanted.pin >= 0 else wanted.address
