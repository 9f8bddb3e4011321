"""What a socket address means to the kernel, in the canonical form that rules have. Pure: bytes in, values out.

The kernel goes by the socket's own family first and by the address's after it, and takes some for others: AF_UNSPEC in
a send is AF_INET, an IPv6 socket takes IPv4 addresses. What it would refuse is None here: then there is nothing to
decide, and it is given to the kernel to be refused.

Sources: ip(7), ipv6(7), unix(7), netlink(7); net/ipv4 and net/ipv6 of the kernel.
"""

from __future__ import annotations

import os

from netguard.core.abstract import shown
from netguard.core.address import unpack

#: <linux/socket.h>
UNSPEC, UNIX, INET, INET6, NETLINK = 0, 1, 2, 10, 16

#: sizeof(struct sockaddr_storage), _un and _in; SIN6_LEN_RFC2133: the oldest sockaddr_in6, without a scope.
MAX_ADDRESS, MAX_UNIX, INET_LENGTH, INET6_LENGTH = 128, 110, 16, 24


def family(address: bytes) -> int:
    """The address's own family; -1 where it is too short to have one."""
    return int.from_bytes(address[:2], "little") if len(address) >= 2 else -1


def internet(domain: int, address: bytes, *, unspec: bool) -> tuple[tuple[int, int], int] | None:
    """((version, number), port) of an INET or INET6 socket's destination; None where the kernel takes it for none.

    unspec: whether AF_UNSPEC is an IPv4 address here: in a send and in bind, not in connect.

    An IPv4 address counts for every INET6 socket, although TCP's refuse it: IPV6_ADDRFORM may turn one into an INET
    socket while we look.
    """
    named = family(address)
    if len(address) >= INET_LENGTH and (named == INET or (named == UNSPEC and unspec and domain == INET)):
        return (4, int.from_bytes(address[4:8], "big")), int.from_bytes(address[2:4], "big")
    if named == INET6 and domain == INET6 and len(address) >= INET6_LENGTH:
        return unpack(int.from_bytes(address[8:24], "big")), int.from_bytes(address[2:4], "big")
    return None


def is_on_link(where: tuple[int, int]) -> bool:
    """Whether an address means another machine on each interface: link-local and multicast ones."""
    version, number = where
    if version == 4:
        return number >> 16 == 0xA9FE or number >> 28 == 0xE
    return number >> 118 == 0x3FA or number >> 120 == 0xFF


def on_loopback(like: bytes, version: int, port: int) -> bytes:
    """127.0.0.1 or ::1, by the version of what `like` leads to, in its form: an IPv6 socket takes either."""
    number = port.to_bytes(2, "big")
    if family(like) != INET6:
        return INET.to_bytes(2, "little") + number + b"\x7f\0\0\1" + bytes(8)
    host = bytes(10) + b"\xff\xff\x7f\0\0\1" if version == 4 else bytes(15) + b"\1"
    return INET6.to_bytes(2, "little") + number + bytes(4) + host + bytes(4)


def is_unix(address: bytes) -> bool:
    """Whether the address names a unix socket, by a path or abstractly."""
    return 2 < len(address) <= MAX_UNIX and family(address) == UNIX


def abstract(address: bytes) -> str:
    """The name of a unix address that has no path, after an "@" (bare: the kernel is to choose it); else ""."""
    return shown(os.fsdecode(address[3:])) if not address[2:3].strip(b"\0") else ""


def path(address: bytes) -> bytes:
    """The path of a unix address: up to its NUL or its end."""
    return address[2:].split(b"\0", 1)[0]


def is_to_kernel(address: bytes) -> bool:
    """Whether a netlink address is the kernel itself and no group: what every program asks for its interfaces."""
    return len(address) >= 12 and not any(address[4:12])


def by_descriptor(fd: int) -> bytes:
    """The unix address of what a descriptor of ours holds: of that and nothing else, whatever its path is by now."""
    return UNIX.to_bytes(2, "little") + b"/proc/self/fd/%d\0" % fd
