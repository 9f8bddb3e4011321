"""Asks the kernel which socket is at the other end of a connection to us, or has sent us a datagram.

An address tells too little: the port that one socket had may be another's a moment later. A cookie is one socket's and
never another's, and it stays with a connection whose socket is closed already.
Source of the format: Linux include/uapi/linux/{netlink,sock_diag,inet_diag}.h; sock_diag(7).
"""

from __future__ import annotations

import _socket as socket
import struct

from netguard.supervisor.listening import INODE, LOCAL, address_of, rows
from netguard.supervisor.unixdiag import HEADER, NETLINK_SOCK_DIAG, NLM_F_REQUEST, SOCK_DIAG_BY_FAMILY

#: struct inet_diag_req_v2: family, protocol, extensions, padding, states; then struct inet_diag_sockid: the two ports
#: and the two addresses, big-endian, the interface, and a cookie (all ones: any).
_REQUEST, _PORTS, _ANY = struct.Struct("=BBBBI"), struct.Struct(">HH"), struct.pack("=IQ", 0, 2**64 - 1)

#: Where in an answer the socket's cookie and inode stand: behind nlmsghdr, in struct inet_diag_msg.
_COOKIE, _INODE = 16 + 44, 16 + 68

#: Protocols by the names that rules have for them.
_NUMBERS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}

#: The column of /proc/net/{tcp,udp} behind that of the socket's own address.
_REMOTE = LOCAL + 1

#: Protocols that this kernel has answered for. Of one that it has no such table for it says that no socket is there.
_answered: set[str] = set()

Address = tuple[str, int]


def socket_at(proto: str, client: Address, server: Address) -> tuple[int, int]:
    """(cookie, inode) of the socket at `client` that is connected to `server`; 0 for what the kernel does not say.

    Numeric hosts, and `server` an address of ours. Of datagrams, one that is bound to `client` alone may be meant.
    """
    try:
        answer = _asked(proto, client, server)
    except OSError:
        answer = b""
    if len(answer) >= _INODE + 4 and int.from_bytes(answer[4:6], "little") == SOCK_DIAG_BY_FAMILY:
        _answered.add(proto)
        found = answer[_COOKIE : _COOKIE + 8], answer[_INODE : _INODE + 4]
        return int.from_bytes(found[0], "little"), int.from_bytes(found[1], "little")
    return (0, 0) if proto in _answered else (0, _inode(proto, client, server))


def _asked(proto: str, client: Address, server: Address) -> bytes:
    """The kernel's answer. Raises OSError."""
    family = socket.AF_INET6 if ":" in client[0] else socket.AF_INET
    # Of a datagram it wants to know how one to the socket would be addressed, and so looks from the other side.
    one, other = (client, server) if proto == "tcp" else (server, client)
    request = _REQUEST.pack(family, _NUMBERS[proto], 0, 0, 2**32 - 1) + _PORTS.pack(one[1], other[1])
    request += _packed(family, one[0]) + _packed(family, other[0]) + _ANY
    header = struct.pack(HEADER, struct.calcsize(HEADER) + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0)
    diag = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG)
    try:
        diag.send(header + request)
        return diag.recv(4_096)
    finally:
        diag.close()


def _packed(family: int, host: str) -> bytes:
    """An address as it stands in a request: 16 bytes, of which IPv4 has the first four."""
    return socket.inet_pton(family, host).ljust(16, b"\0")


def _inode(proto: str, client: Address, server: Address) -> int:
    """The same by the tables that every kernel has, which forget a socket's inode when it is closed; 0 for none."""
    ends = [
        (socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host).hex(), port)
        for host, port in (client, server)
    ]
    for table in (proto, proto + "6"):
        for fields in rows("self", table):
            if [address_of(fields[LOCAL]), address_of(fields[_REMOTE])] == ends:
                return int(fields[INODE])
    return 0
