"""What a send carries, copied out of the guest's memory: payload and ancillary data, both bounded.

Ancillary data is never passed on as it came. It is taken apart and put together anew, because what the kernel would
read in it and we would not could be a descriptor number, and that would be one of ours.
"""

from __future__ import annotations

import errno
import os
import struct

from netguard.seccomp.sockaddr import INET, INET6, MAX_ADDRESS, UNIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.seccomp.callers import Caller

#: Bytes of one call that are copied: what a stream has beyond is another call's, which a short count asks for; no
#: datagram is longer than this.
MAX_PAYLOAD = 1 << 20

#: Bytes of ancillary data; the kernel's own bound (net.core.optmem_max) was 20 KiB for long.
MAX_CONTROL = 16 << 10

#: UIO_MAXIOV of <linux/uio.h>; SCM_MAX_FD of <net/scm.h>.
MAX_SEGMENTS, MAX_DESCRIPTORS = 1024, 253

#: struct msghdr; struct iovec; struct cmsghdr; struct ucred. struct mmsghdr is a msghdr, its count and padding.
_HEADER = struct.Struct("<QI4xQQQQi4x")
_SEGMENT = struct.Struct("<QQ")
_CONTROL = struct.Struct("<Qii")
_UCRED = struct.Struct("<iII")
MMSGHDR, COUNT_AT = 64, 56

_SOL_SOCKET, _SCM_RIGHTS, _SCM_CREDENTIALS = 1, 1, 2

#: Level -> types that may be passed on with a datagram; all else of these levels is refused. IP_RETOPTS and IPv6's
#: hop-by-hop, destination and routing headers are source routes: the packet would go to the next host they name and
#: not to the address that was decided. SO_MARK chooses a routing table.
_CARRIED = {
    0: {1, 2, 8, 52},  # IP_TOS, IP_TTL, IP_PKTINFO, IP_PROTOCOL
    1: {12, 37, 61, 81},  # SO_PRIORITY, SCM_TIMESTAMPING, SCM_TXTIME, SCM_TS_OPT_ID
    41: {2, 8, 11, 50, 52, 62, 67},  # (2292)PKTINFO, (2292)HOPLIMIT, FLOWINFO, DONTFRAG, TCLASS
}

#: (level, type) -> where an interface's number lies in it. That goes: packets for 127.0.0.1 would leave by it. The
#: source address beside it stays, which servers of datagrams answer with.
_INTERFACES = {(0, 8): 0, (41, 2): 16, (41, 50): 16}


class Header:
    """A msghdr: the address, read; where payload and ancillary data lie and how long they are."""

    __slots__ = ("address", "control", "control_length", "many", "segments")

    def __init__(self, address: bytes, segments: int, many: int, control: int, control_length: int) -> None:
        self.address = address
        self.segments = segments
        self.many = many
        self.control = control
        self.control_length = control_length


class Message:
    """One message: its payload, its ancillary data as it will be sent, our copies of the descriptors it carries."""

    __slots__ = ("control", "held", "payload")

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.control = b""
        self.held: list[int] = []

    def close(self) -> None:
        """Lets go of the descriptors."""
        while self.held:
            os.close(self.held.pop())


def plain(caller: Caller, at: int, size: int, stream: bool) -> Message:
    """The message of a sendto. Raises OSError: EMSGSIZE, EFAULT."""
    return Message(_gather(caller, [(at, size)], stream))


def header(caller: Caller, at: int) -> Header:
    """The msghdr at an address. Raises OSError: EFAULT, EINVAL, EMSGSIZE."""
    name, length, segments, many, control, control_length, _ = _HEADER.unpack(caller.read(at, _HEADER.size))
    if length & 0x80000000:
        raise _error(errno.EINVAL)
    address = caller.read(name, min(length, MAX_ADDRESS)) if name and length else b""
    if many > MAX_SEGMENTS:
        raise _error(errno.EMSGSIZE)
    return Header(address, segments, many, control, control_length)


def read(caller: Caller, header: Header, domain: int, stream: bool) -> Message:
    """The message that a msghdr tells of. Raises OSError."""
    vector = caller.read(header.segments, header.many * _SEGMENT.size)
    message = Message(b"")
    try:
        if header.control_length:
            _control(caller, header, domain, message)
        message.payload = _gather(caller, list(_SEGMENT.iter_unpack(vector)), stream)
    except BaseException:
        message.close()
        raise
    return message


def run(caller: Caller, first: Header, at: int, many: int, domain: int, stream: bool) -> list[Message]:
    """The first message of a sendmmsg and those after it that go to the same address: what one decision covers.

    Where the run ends, or has been enough, the call ends with that count and the guest calls again for the others.
    Raises OSError for the first message only: an error further on is that next call's.
    """
    found = [read(caller, first, domain, stream)]
    room, held = MAX_PAYLOAD - len(found[0].payload), len(found[0].held)
    for number in range(1, many):
        try:
            head = header(caller, at + number * MMSGHDR)
            if head.address != first.address:
                break
            message = read(caller, head, domain, stream)
        except OSError:
            break
        room -= len(message.payload) + len(message.control)
        held += len(message.held)
        if room < 0 or held > MAX_DESCRIPTORS:
            message.close()
            break
        found.append(message)
    return found


def tell_held(caller: Caller, at: int, many: int) -> None:
    """What a guest sends by itself is under way to another process: sockets of its that are kept are not to be let go
    before they have arrived. Only told; whatever is wrong with the messages is the kernel's to say."""
    if caller.held is None:
        return
    try:
        for number in range(min(many, MAX_SEGMENTS)):
            head = header(caller, at + number * MMSGHDR)
            data = caller.read_some(head.control, min(head.control_length, MAX_CONTROL))
            for fd in _descriptors(data):
                caller.held.leaves(caller.tid, fd)
    except OSError:
        return


def _descriptors(data: bytes) -> list[int]:
    """The numbers of the descriptors in ancillary data, as far as it can be read."""
    found: list[int] = []
    at = 0
    while at + _CONTROL.size <= len(data):
        length, level, kind = _CONTROL.unpack_from(data, at)
        if length < _CONTROL.size:
            break
        if (level, kind) == (_SOL_SOCKET, _SCM_RIGHTS):
            body = data[at + _CONTROL.size : at + length]
            found += [fd for (fd,) in struct.iter_unpack("<i", body[: len(body) // 4 * 4])]
        at += (length + 7) & ~7
    return found


def _gather(caller: Caller, segments: list[tuple[int, int]], stream: bool) -> bytes:
    """The bytes of all segments. A stream takes what there is; a datagram is whole or nothing."""
    sizes = [size for _, size in segments]
    if any([size >> 63 for size in sizes]):
        raise _error(errno.EINVAL)
    if sum(sizes) > MAX_PAYLOAD and not stream:
        raise _error(errno.EMSGSIZE)
    pieces, room = [], MAX_PAYLOAD
    for at, size in segments:
        size = min(size, room)
        piece = caller.read_some(at, size)
        pieces.append(piece)
        room -= len(piece)
        if len(piece) != size:
            if not stream or room == MAX_PAYLOAD:
                raise _error(errno.EFAULT)
            break
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _control(caller: Caller, header: Header, domain: int, message: Message) -> None:
    """The ancillary data of a message, taken apart and put together anew. Raises OSError."""
    if header.control_length > MAX_CONTROL:
        raise _error(errno.ENOBUFS)
    data = caller.read(header.control, header.control_length)
    parts = []
    at = 0
    while at + _CONTROL.size <= len(data):
        length, level, kind = _CONTROL.unpack_from(data, at)
        if not _CONTROL.size <= length <= len(data) - at:
            raise _error(errno.EINVAL)
        body = data[at + _CONTROL.size : at + length]
        if level != _SOL_SOCKET or kind not in (_SCM_RIGHTS, _SCM_CREDENTIALS):
            parts.append(_packed(level, kind, _carried(level, kind, body) if domain in (INET, INET6) else body))
        elif domain not in (INET, INET6):
            parts.append(_SOCKET_PARTS[kind](caller, body, message) if domain == UNIX else b"")
        at += (length + 7) & ~7
    message.control = b"".join(parts)


def _carried(level: int, kind: int, body: bytes) -> bytes:
    """What may go along with a datagram. Raises OSError(EPERM)."""
    if level in _CARRIED and kind not in _CARRIED[level]:
        raise _error(errno.EPERM)
    at = _INTERFACES.get((level, kind))
    return body if at is None or len(body) < at + 4 else body[:at] + bytes(4) + body[at + 4 :]


def _rights(caller: Caller, body: bytes, message: Message) -> bytes:
    """Descriptors that are handed over: the guest's own, each copied, by the numbers of our copies."""
    many = len(body) // 4
    if many + len(message.held) > MAX_DESCRIPTORS:
        raise _error(errno.EINVAL)
    before = len(message.held)
    for (fd,) in struct.iter_unpack("<i", body[: many * 4]):
        message.held.append(caller.fetch_any(fd))
    return _packed(_SOL_SOCKET, _SCM_RIGHTS, struct.pack(f"<{many}i", *message.held[before:]))


def _identity(caller: Caller, body: bytes, message: Message) -> bytes:
    """Who sends: what the kernel says anyway need not be said, and nobody but the kernel may say anything else."""
    if len(body) != _UCRED.size:
        raise _error(errno.EINVAL)
    uid, gid = os.geteuid(), os.getegid()  # the caller's as well: a send to a unix socket is refused otherwise
    if _UCRED.unpack(body) != (caller.pid, uid, gid):
        raise _error(errno.EPERM)
    return b""


_SOCKET_PARTS = {_SCM_RIGHTS: _rights, _SCM_CREDENTIALS: _identity}


def _packed(level: int, kind: int, body: bytes) -> bytes:
    """One part of ancillary data, padded as the next one must begin."""
    return _CONTROL.pack(_CONTROL.size + len(body), level, kind) + body + bytes(-len(body) & 7)


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
