"""Sends the guest's messages on its socket, never waiting itself; what does not fit yet is kept and sent later.

Each byte is sent once, and ancillary data with the first of them. SIGPIPE is for the guest's thread and never for us.
"""

from __future__ import annotations

import _socket
import errno
import struct

from netguard.seccomp import abi, connecting, sockaddr
from netguard.seccomp.arguments import DGRAM, FASTOPEN, STREAM
from netguard.seccomp.messages import MMSGHDR
from netguard.seccomp.waiting import Done, Waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.seccomp.arguments import Wanted
    from netguard.seccomp.callers import Caller
    from netguard.seccomp.messages import Message

_DONTWAIT = _socket.MSG_DONTWAIT
_NOSIGNAL = 0x4000

_SIGPIPE = 13

#: Bytes of what is left that are tried at a time: more than a buffer has room for would be copied in vain.
_PIECE = 1 << 18

#: MSG_ZEROCOPY, and SO_ZEROCOPY that it does nothing without.
_ZEROCOPY, _SO_ZEROCOPY = 0x4000000, 60


class Sending(Waiting):
    """A message that a blocking socket has no room for yet, or whose connection is on its way."""

    __slots__ = ("_connecting", "_sent")

    def __init__(self, wanted: Wanted, caller: Caller, sent: int, connecting: bool) -> None:
        # That another datagram socket has room again cannot be polled, only that our own has.
        unseen = wanted.domain == sockaddr.UNIX and wanted.type == DGRAM and wanted.address
        super().__init__(wanted, caller, -1 if unseen else wanted.sock)
        self._sent = sent
        self._connecting = connecting

    def resume(self) -> Done | None:
        """Sends what fits now."""
        if self._connecting:
            error = connecting.outcome(self.wanted)
            if error:
                return None if error == errno.EALREADY else failed(self.wanted, self.caller, error)
            self._connecting = False
            self.wanted.flags &= ~FASTOPEN
            self.wanted.address = self.wanted.via = b""
        message = self.wanted.messages[0]
        sent = push(self.wanted, message, self._sent)
        if sent == -errno.EAGAIN:
            return None
        if sent < 0:
            return self._ended() if self._sent else failed(self.wanted, self.caller, -sent)
        self._sent += sent
        return self._ended() if self._sent >= len(message.payload) else None

    def expired(self) -> Done:
        """What was sent counts; a connection that is on its way says so."""
        if self._sent:
            return self._ended()
        return Done(0, errno.EINPROGRESS if self._connecting else errno.EAGAIN)

    def so_far(self) -> Done | None:
        """What was sent stays sent, also where nobody waits for it any more."""
        return Done(self._sent) if self._sent and not self.wanted.counts else None

    def interrupted(self) -> Done | None:
        """What was sent counts."""
        done = super().interrupted()
        return self._ended() if done is not None and self._sent else done

    def _ended(self) -> Done:
        return counted(self.wanted, self.caller, [self._sent]) if self.wanted.counts else Done(self._sent)


def send(wanted: Wanted, caller: Caller) -> Done | Waiting:
    """Sends the one message of a sendto or a sendmsg."""
    return first(wanted, caller, push(wanted, wanted.messages[0], 0))


def send_many(wanted: Wanted, caller: Caller) -> Done | Waiting:
    """Sends the messages of a sendmmsg, as many as go at once; only the first is waited for."""
    lengths: list[int] = []
    for message in wanted.messages:
        sent = push(wanted, message, 0)
        if not lengths and sent < len(message.payload):
            return first(wanted, caller, sent)
        if sent < 0:
            break
        lengths.append(sent)
    return counted(wanted, caller, lengths)


def first(wanted: Wanted, caller: Caller, sent: int) -> Done | Waiting:
    """What became of the first message: sent, failed, or to be waited for."""
    size = len(wanted.messages[0].payload)
    if sent < size and not wanted.flags & _DONTWAIT and wanted.blocking:
        begun = -sent == errno.EINPROGRESS and bool(wanted.flags & FASTOPEN)
        if sent >= 0 or begun or sent == -errno.EAGAIN:
            return Sending(wanted, caller, max(sent, 0), begun)
    if sent < 0:
        return failed(wanted, caller, -sent)
    return counted(wanted, caller, [sent]) if wanted.counts else Done(sent)


def push(wanted: Wanted, message: Message, start: int) -> int:
    """Sends a message from `start` on, without waiting; returns how much went, or the errno as a negative number."""
    flags = wanted.flags | _DONTWAIT | _NOSIGNAL
    if flags & _ZEROCOPY:
        if lends_pages(wanted.sock):
            return -errno.ENOBUFS  # what the kernel says when it can lend no more pages; then one copies
        flags &= ~_ZEROCOPY
    payload, control, address = message.payload, message.control, connecting.target(wanted)
    if start:
        payload, control, address = payload[start : start + _PIECE], b"", b""
    if control or wanted.call != "sendto":
        return abi.send_message(wanted.sock, payload, flags, address, control)
    return abi.send(wanted.sock, payload, flags, address)


def lends_pages(sock: int) -> bool:
    """Whether the socket has asked to be read from the sender's own pages: ours would be gone before it has."""
    held = _socket.socket(fileno=sock)
    try:
        return bool(held.getsockopt(_socket.SOL_SOCKET, _SO_ZEROCOPY))
    finally:
        held.detach()


def failed(wanted: Wanted, caller: Caller, error: int) -> Done:
    """A send that failed, with the signal that the kernel sends for it."""
    if error == errno.EPIPE and wanted.type == STREAM and not wanted.flags & _NOSIGNAL:
        caller.signal(_SIGPIPE)
    return Done(0, error)


def counted(wanted: Wanted, caller: Caller, lengths: list[int]) -> Done:
    """How many messages of a sendmmsg went; the length of each is told where the guest asked for it."""
    for number, length in enumerate(lengths):
        try:
            caller.write((wanted.counts + number * MMSGHDR, struct.pack("<I", length)))
        except OSError as error:
            return Done(number, 0 if number else error.errno or errno.EFAULT)
    return Done(len(lengths))
