"""One destination for each way to spell it, and none for what the kernel would refuse."""

from __future__ import annotations

import socket
import struct

import pytest

from netguard.seccomp import sockaddr
from netguard.seccomp.sockaddr import INET, INET6, UNSPEC


def v4(host: str = "127.0.0.1", port: int = 80, family: int = INET) -> bytes:
    return struct.pack("<H", family) + struct.pack(">H", port) + socket.inet_aton(host) + bytes(8)


def v6(host: str = "::1", port: int = 80, family: int = INET6, scope: int = 0, flow: int = 0) -> bytes:
    head = struct.pack("<H", family) + struct.pack(">HI", port, flow)
    return head + socket.inet_pton(socket.AF_INET6, host) + struct.pack("<I", scope)


LOOPBACK = ((4, 0x7F000001), 80)

ROWS = [
    ("IPv4", INET, v4(), True, LOOPBACK),
    ("IPv4 in connect", INET, v4(), False, LOOPBACK),
    ("longer than it need be", INET, v4() + bytes(112), True, LOOPBACK),
    ("too short", INET, v4()[:15], True, None),
    ("no family in a send", INET, v4(family=UNSPEC), True, LOOPBACK),
    ("no family in connect undoes it", INET, v4(family=UNSPEC), False, None),
    ("no family for an IPv6 socket is no address", INET6, v4(family=UNSPEC), True, None),
    ("IPv4 for an IPv6 socket", INET6, v4(), True, LOOPBACK),
    ("IPv6 for an IPv4 socket", INET, v6(), True, None),
    ("IPv6", INET6, v6(), True, ((6, 1), 80)),
    ("IPv6 without a scope", INET6, v6()[:24], True, ((6, 1), 80)),
    ("IPv6 too short", INET6, v6()[:23], True, None),
    ("scope and flow label are no part of it", INET6, v6(scope=3, flow=7), True, ((6, 1), 80)),
    ("mapped", INET6, v6("::ffff:127.0.0.1"), True, LOOPBACK),
    ("NAT64", INET6, v6("64:ff9b::7f00:1"), True, LOOPBACK),
    ("any", INET, v4("0.0.0.0"), True, ((4, 0), 80)),
    ("any IPv6", INET6, v6("::"), True, ((6, 0), 80)),
    ("mapped any", INET6, v6("::ffff:0.0.0.0"), True, ((4, 0), 80)),
    ("unknown family", INET, v4(family=77), True, None),
    ("nothing", INET, b"", True, None),
    ("one byte", INET6, b"\x0a", True, None),
]


@pytest.mark.parametrize(
    ("domain", "address", "unspec", "found"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_internet_address(domain: int, address: bytes, unspec: bool, found: object) -> None:
    assert sockaddr.internet(domain, address, unspec=unspec) == found


@pytest.mark.parametrize(
    ("address", "valid", "name", "path"),
    [
        (b"\x01\0/run/a", True, "", b"/run/a"),
        (b"\x01\0/run/a\0rest", True, "", b"/run/a"),
        (b"\x01\0" + b"a" * 108, True, "", b"a" * 108),
        (b"\x01\0" + b"a" * 109, False, "", b"a" * 109),
        (b"\x01\0\0name", True, "@name", b""),
        (b"\x01\0\0a\0b", True, "@a\\0b", b""),
        (b"\x01\0", False, "@", b""),
        (b"\x02\0/run/a", False, "", b"/run/a"),
    ],
)
def test_unix_address(address: bytes, valid: bool, name: str, path: bytes) -> None:
    assert (sockaddr.is_unix(address), sockaddr.abstract(address), sockaddr.path(address)) == (valid, name, path)


def test_netlink_address_of_the_kernel() -> None:
    assert sockaddr.is_to_kernel(struct.pack("<HHII", 16, 0, 0, 0))
    assert not sockaddr.is_to_kernel(struct.pack("<HHII", 16, 0, 77, 0))
    assert not sockaddr.is_to_kernel(struct.pack("<HHII", 16, 0, 0, 1))
    assert not sockaddr.is_to_kernel(bytes(8))
