"""Receives a datagram for the guest, to tell it another sender than the kernel would: a client that compares the sender
with whom it asked would not take a proxy's answer. Everything else is received by the guest itself.
"""

from __future__ import annotations

import _socket
import errno

from netguard.seccomp import abi
from netguard.seccomp.waiting import Coming, Done, Waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.seccomp.arguments import Wanted
    from netguard.seccomp.callers import Caller

_DONTWAIT = _socket.MSG_DONTWAIT

#: MSG_ERRQUEUE: not what was sent to it.
ERRORS = 0x2000

#: Octets that are received: no datagram is longer.
_MOST = 1 << 16


class Receiving(Coming):
    """A receive whose datagram has not come yet."""

    __slots__ = ()

    def resume(self) -> Done | None:
        """Looks whether one has come."""
        return _try(self.wanted, self.caller)


def receive(wanted: Wanted, caller: Caller) -> Done | Waiting:
    """Receives one datagram; one that a blocking socket has to wait for is a Receiving."""
    done = _try(wanted, caller)
    if done is not None:
        return done
    if wanted.flags & _DONTWAIT or not wanted.blocking:
        return Done(0, errno.EAGAIN)
    return Receiving(wanted, caller)


def _try(wanted: Wanted, caller: Caller) -> Done | None:
    """One receive; None where nothing is there. What is written into the guest's memory is what the kernel would."""
    at, size, name, length = wanted.into
    got = abi.receive(wanted.sock, min(size, _MOST), wanted.flags | _DONTWAIT)
    if isinstance(got, int):
        return None if got == errno.EAGAIN else Done(0, got)
    data, sender, count = got
    if sender == wanted.via:
        sender = wanted.address
    try:
        room = int.from_bytes(caller.read(length, 4), "little", signed=True)
        if room < 0:
            return Done(0, errno.EINVAL)
        caller.write((at, data), (name, sender[:room]), (length, len(sender).to_bytes(4, "little")))
    except OSError as error:
        return Done(0, error.errno or errno.EFAULT)
    return Done(count)
