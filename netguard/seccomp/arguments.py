"""A call of the guest's, read once from its memory into values. Everything later goes by this copy and by nothing else.

Another thread of the guest may change the memory, the descriptor table and the socket's options while we look, so each
is looked at once: the descriptor is copied first, the address is read once and decided, and the same bytes are used.
The errors come in the kernel's own order. Nothing here decides, and nothing here has an effect.
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import os

from netguard.seccomp import abi, alarm, bindings, messages, places, sockaddr
from netguard.seccomp.callers import field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netguard.seccomp.callers import Caller
    from netguard.seccomp.messages import Message

STREAM, DGRAM, SEQPACKET = _socket.SOCK_STREAM, _socket.SOCK_DGRAM, _socket.SOCK_SEQPACKET

#: What rules call the protocol of an INET or INET6 socket.
_PROTOCOLS = {STREAM: "tcp", DGRAM: "udp"}

#: SO_BINDTOIFINDEX of <asm-generic/socket.h>, since Linux 5.0.
_BOUND_TO = 62

#: MSG_FASTOPEN: a send that connects.
FASTOPEN = 0x20000000


class Foreign(OSError):
    """What the kernel would grant us and not the caller: acting for it would lend it our rights."""


class Wanted:
    """One call.

    call:         its name.
    kind:         "connect", "listen", or "" where there is nothing to decide.
    proto:        "tcp", "udp", "unix", "netlink", or "raw".
    address:      the socket address that was decided, "" for none.
    via:          the one that is used in its place, of a proxy of ours; "" where it is the same.
    where, port:  the destination in canonical form, None where it has none.
    place:        a unix socket's real path, or "@" and its abstract name; else "".
    sock:         our copy of the descriptor.
    domain, type: the socket's own.
    interface:    the number of that which its packets have to leave by, 0 where the routes say it.
    pin:          a descriptor of what a unix path leads to, -1 for none.
    umask:        of a bind to a unix path; `pin` is then the folder that it takes place in.
    flags:        of a send.
    messages:     of a send: the first, and those that go the same way after it.
    counts:       where in the guest's memory the first message's count belongs (sendmmsg), or the address (accept).
    lengths:      of accept: where the room for that address is, and its length belongs.
    into:         of recvfrom: where there the data belongs and how much has room, where the sender, and its length.
    backlog:      of listen.
    foreign:      whether its caller has other rights than we: then it may not be carried out.
    goes_on:      whether the kernel may carry it out itself: nothing can be changed about it any more (`_goes_on`).
    """

    __slots__ = (
        "address", "backlog", "call", "counts", "domain", "flags", "foreign", "goes_on", "interface", "into", "kind",
        "lengths", "messages", "pin", "place", "port", "proto", "sock", "type", "umask", "via", "where",
    )  # fmt: skip

    def __init__(self, call: str, sock: int) -> None:
        self.call = call
        self.sock = sock
        self.kind = self.proto = self.place = ""
        self.address = self.via = b""
        self.where: tuple[int, int] | None = None
        self.port: int | None = None
        self.domain = self.type = self.interface = 0
        self.pin = -1
        self.foreign = self.goes_on = False
        self.flags = self.backlog = self.counts = self.lengths = self.umask = 0
        self.into = (0, 0, 0, 0)
        self.messages: list[Message] = []

    @property
    def blocking(self) -> bool:
        """Whether the guest waits for the outcome, as things are now: other threads may change it at any time."""
        return not fcntl.fcntl(self.sock, fcntl.F_GETFL) & os.O_NONBLOCK

    def identify(self) -> None:
        """Learns what the socket is. Raises OSError: ENOTSOCK, EBADF."""
        sock = _socket.socket(proto=0, fileno=self.sock)  # it asks for family and type; nobody asks for its protocol
        self.domain, self.type = sock.family, sock.type
        try:
            if self.domain in (sockaddr.INET, sockaddr.INET6):
                self.interface = sock.getsockopt(_socket.SOL_SOCKET, _BOUND_TO)
        finally:
            sock.detach()

    def held(self) -> int:
        """How many descriptors of ours it holds."""
        return 2 + sum([len(message.held) for message in self.messages])

    def close(self) -> None:
        """Lets go of everything that was copied for it. To close the last copy of a socket may take long."""
        alarm.arm()
        for fd in (self.sock, self.pin):
            if fd >= 0:
                os.close(fd)
        self.sock = self.pin = -1
        for message in self.messages:
            message.close()


def read(call: str, args: tuple[int, ...], caller: Caller) -> Wanted:
    """Returns the call as values. Raises OSError: the errno that the guest gets."""
    wanted = Wanted(call, caller.fetch(signed(args[0])))
    alarm.arm()
    try:
        _READERS[call](wanted, args, caller)
    except BaseException:
        wanted.close()
        raise
    return wanted


def signed(argument: int) -> int:
    """An `int` argument: the kernel looks at its low word only."""
    argument &= 0xFFFFFFFF
    return argument - (1 << 32) if argument & 0x80000000 else argument


def read_address(caller: Caller, at: int, length: int) -> bytes:
    """A socket address, at most as long as any may be. Raises OSError: EINVAL before anything is read, EFAULT."""
    if not 0 <= length <= sockaddr.MAX_ADDRESS:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return caller.read(at, length)


def _read_connect(wanted: Wanted, args: tuple[int, ...], caller: Caller) -> None:
    address = read_address(caller, args[1], signed(args[2]))
    wanted.identify()
    _aim(wanted, address, caller)


def _read_bind(wanted: Wanted, args: tuple[int, ...], caller: Caller) -> None:
    wanted.identify()
    address = read_address(caller, args[1], signed(args[2]))
    wanted.address = address
    if wanted.domain in (sockaddr.INET, sockaddr.INET6):
        _inspect(wanted, "listen", sockaddr.internet(wanted.domain, address, unspec=True))
        if not is_anybodys(wanted.port):
            _check_equal(caller)
        return
    _check_equal(caller)  # a folder that only we may write to
    if wanted.domain == sockaddr.UNIX:
        if sockaddr.family(address) == sockaddr.UNIX and 2 <= len(address) <= sockaddr.MAX_UNIX:
            wanted.kind, wanted.proto = "listen", "unix"
            wanted.place = sockaddr.abstract(address)
            if not wanted.place:
                _place_new(wanted, address, caller)
    elif wanted.domain != sockaddr.NETLINK:
        _refuse()


def is_anybodys(port: int | None) -> bool:
    """Whether anybody may bind to a port: one above those that are root's, or any that is free."""
    if not port:
        return port == 0
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "rb") as file:
        return port >= max(1024, int(file.read(16)))


def _place_new(wanted: Wanted, address: bytes, caller: Caller) -> None:
    """Where a unix path that is to be made will lie. It is bound as it is written, which is what the socket shows."""
    wanted.umask = int(field(caller.status(), b"Umask"), 8)
    wanted.pin, wanted.place, path = places.new(caller, sockaddr.path(address))
    wanted.address = address[:2] + path


def _read_listen(wanted: Wanted, args: tuple[int, ...], caller: Caller) -> None:
    wanted.identify()
    wanted.backlog = signed(args[1])
    if wanted.domain in (sockaddr.INET, sockaddr.INET6) and wanted.type == STREAM:
        if not bindings.are_granted(wanted.sock):
            address = abi.own_address(wanted.sock)
            _inspect(wanted, "listen", sockaddr.internet(wanted.domain, address, unspec=False))
            wanted.port = 0  # the one it shows may be an earlier one's
            if not wanted.kind:
                _refuse()
    elif wanted.domain == sockaddr.UNIX and not _goes_on(wanted, signed(args[0]), caller):
        _check_equal(caller)


def _goes_on(wanted: Wanted, number: int, caller: Caller) -> bool:
    """Whether a listen, or a send, of a unix socket is left to the kernel, so that the other side is told the guest's
    own process number, and a send has no copy of ours on its way.

    Neither names a destination: a stream's and a seqpacket's send goes where the socket was connected to, and the
    kernel takes no address for it. So all there is to decide is which socket it is. That could be another by the time
    the kernel looks: a thread can put an INET socket under the same number, and one that was never bound would then
    listen at every interface, which Landlock does not refuse. So it is for a process of one thread alone, which waits.
    A datagram's address stands in memory, where other processes may write, and is always read here. Where sockets are
    made for the guest, descriptors that are under way have to be seen.
    """
    stream = wanted.domain == sockaddr.UNIX and wanted.type in (STREAM, SEQPACKET)
    may = stream and (wanted.call == "listen" or caller.held is None)
    wanted.goes_on = may and caller.is_alone() and _is_still(wanted.sock, number, caller)
    return wanted.goes_on


def _is_still(sock: int, number: int, caller: Caller) -> bool:
    """Whether the caller, which is alone by now, has this socket at its number. A thread that has ended since we copied
    it may have put another there."""
    again = caller.fetch(number)
    try:
        return os.path.sameopenfile(again, sock)
    finally:
        os.close(again)


def _read_accept(wanted: Wanted, args: tuple[int, ...], caller: Caller) -> None:
    """Who comes to what listens is not decided. The kernel's own, unless sockets have to be made for the guest."""
    wanted.identify()
    wanted.counts, wanted.lengths = args[1], args[2]
    wanted.flags = args[3] & 0xFFFFFFFF if wanted.call == "accept4" else 0
    _check_equal(caller)  # the socket that is made would be netguard's user's


def _read_sendto(wanted: Wanted, args: tuple[int, ...], caller: Caller) -> None:
    wanted.identify()
    if _goes_on(wanted, signed(args[0]), caller):
        return
    wanted.flags = args[3] & 0xFFFFFFFF
    address = read_address(caller, args[4], signed(args[5])) if args[4] else b""
    _address(wanted, address, caller)
    wanted.messages.append(messages.plain(caller, args[1], args[2], wanted.type == STREAM))


def _read_sendmsg(wanted: Wanted, args: tuple[int, ...], caller: Caller) -> None:
    wanted.identify()
    if _goes_on(wanted, signed(args[0]), caller):
        messages.tell_held(caller, args[1], 1)
        return
    wanted.flags = args[2] & 0xFFFFFFFF
    header = messages.header(caller, args[1])
    _address(wanted, header.address, caller)
    wanted.messages.append(messages.read(caller, header, wanted.domain, wanted.type == STREAM))
    _check_control(wanted, caller)


def _read_sendmmsg(wanted: Wanted, args: tuple[int, ...], caller: Caller) -> None:
    wanted.identify()
    if _goes_on(wanted, signed(args[0]), caller):
        messages.tell_held(caller, args[1], args[2] & 0xFFFFFFFF)
        return
    wanted.flags = args[3] & 0xFFFFFFFF
    many = min(args[2] & 0xFFFFFFFF, messages.MAX_SEGMENTS)
    if not many:
        return
    header = messages.header(caller, args[1])
    _address(wanted, header.address, caller)
    wanted.messages = messages.run(caller, header, args[1], many, wanted.domain, wanted.type == STREAM)
    wanted.counts = args[1] + messages.COUNT_AT
    _check_control(wanted, caller)


def _address(wanted: Wanted, address: bytes, caller: Caller) -> None:
    """Where a send goes. An address that the kernel would not look at is not passed on, so that it never can."""
    if wanted.type == STREAM and wanted.domain != sockaddr.UNIX and not wanted.flags & FASTOPEN:
        address = b""
    elif wanted.domain == sockaddr.INET6 and sockaddr.family(address) == sockaddr.UNSPEC:
        address = b""  # means none; were the socket turned into an INET one meanwhile, it would mean an IPv4 address
    elif wanted.type == SEQPACKET and wanted.domain == sockaddr.UNIX:
        address = b""
    if address:
        _aim(wanted, address, caller)
    elif wanted.domain not in (sockaddr.INET, sockaddr.INET6):
        _check_equal(caller)  # our user would be its word for who sends


def _aim(wanted: Wanted, address: bytes, caller: Caller) -> None:
    """Where a connect or a send with an address goes."""
    wanted.address = address
    send = wanted.call != "connect"
    if wanted.domain in (sockaddr.INET, sockaddr.INET6):
        _inspect(wanted, "connect", sockaddr.internet(wanted.domain, address, unspec=send))
        if wanted.interface and wanted.where is not None and not sockaddr.is_on_link(wanted.where):
            _refuse()  # a scope has chosen the interface before: a packet for ::1 would leave this machine on it
        return
    named = wanted.domain == sockaddr.UNIX and sockaddr.is_unix(address)
    if named and not send and sockaddr.abstract(address):
        wanted.foreign = not caller.is_equal()  # our own line's name is for every user
    else:
        _check_equal(caller)
    if wanted.domain == sockaddr.UNIX:
        if named and not (send and wanted.type == STREAM):
            wanted.kind, wanted.proto = "connect", "unix"
            wanted.place = sockaddr.abstract(address)
            if not wanted.place:
                wanted.pin, wanted.place = places.pin(caller, sockaddr.path(address))
    elif wanted.domain == sockaddr.NETLINK:
        if not sockaddr.is_to_kernel(address):
            wanted.kind, wanted.proto = "connect", "netlink"
    else:
        _refuse()


def _inspect(wanted: Wanted, kind: str, found: tuple[tuple[int, int], int] | None) -> None:
    wanted.proto = _PROTOCOLS.get(wanted.type, "raw")
    if found is not None:
        wanted.kind = kind
        wanted.where, wanted.port = found


def _check_control(wanted: Wanted, caller: Caller) -> None:
    """SO_MARK and others of its kind want a right, and it would be ours that is asked for."""
    if wanted.domain in (sockaddr.INET, sockaddr.INET6) and any([message.control for message in wanted.messages]):
        _check_equal(caller)


def _check_equal(caller: Caller) -> None:
    """The confused deputy: what the kernel would grant us and not the caller is refused."""
    if not caller.is_equal():
        _refuse()


def _refuse() -> None:
    raise Foreign(errno.EACCES, os.strerror(errno.EACCES))


def _read_recvfrom(wanted: Wanted, args: tuple[int, ...], caller: Caller) -> None:
    wanted.flags = args[3] & 0xFFFFFFFF
    wanted.into = args[1], args[2], args[4], args[5]


_READERS: dict[str, Callable[[Wanted, tuple[int, ...], Caller], None]] = {
    "connect": _read_connect,
    "sendto": _read_sendto,
    "sendmsg": _read_sendmsg,
    "sendmmsg": _read_sendmmsg,
    "bind": _read_bind,
    "listen": _read_listen,
    "accept": _read_accept,
    "accept4": _read_accept,
    "recvfrom": _read_recvfrom,
}
