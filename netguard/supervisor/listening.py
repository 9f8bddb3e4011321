"""Which destinations are sockets of the run's own (`@self`), as the kernel says.

A guest says which descriptor listens; that is only where to look. The kernel's tables say which address that socket
is bound to, and its descriptor list says, at each use, that a process of this run still holds it. So a guest cannot
name another's server its own. Without /proc nothing is the run's own.
"""

from __future__ import annotations

import os
import sys

#: A run that opens more listeners than this has lost its way; the rest are not its own.
MAX_LISTENERS = 4_096

#: Columns of /proc/net/{tcp,udp}: local address, state, inode. Source: proc(5), Linux
#: Documentation/networking/proc_net_tcp.
LOCAL, STATE, INODE = 1, 3, 9
LISTEN, UNCONNECTED = "0A", "07"
TABLES = (("tcp", "tcp", LISTEN), ("tcp6", "tcp", LISTEN), ("udp", "udp", UNCONNECTED), ("udp6", "udp", UNCONNECTED))

Endpoint = tuple[str, str, int]  # (proto, host as packed hex or unix path, port)


class Listening:
    """The run's own listeners."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held: dict[Endpoint, tuple[int, int, str]] = {}

    def show(self, pid: int, fd: int) -> None:
        """Looks up what a process's descriptor is bound to, and keeps it if it is a listener."""
        name = _name(pid, fd)
        if name.startswith("socket:[") and len(self.held) < MAX_LISTENERS:
            endpoint = _endpoint(pid, name[8:-1])
            if endpoint is not None:
                self.held[endpoint] = (pid, fd, name)

    def owns(self, proto: str, address: tuple[int, int] | None, port: int, path: str = "") -> bool:
        """Whether a listener that this run holds right now answers at this destination."""
        if not self.held:
            return False
        if proto == "unix":
            return self._holds(("unix", path, 0))
        if address is None:
            return False
        packed = _packed(address)
        anywhere = ("00" * 4, "00" * 16) if is_local(address) else ()
        return any([self._holds((proto, host, port)) for host in (packed, *anywhere)])

    def _holds(self, endpoint: Endpoint) -> bool:
        found = self.held.get(endpoint)
        if found is None:
            return False
        pid, fd, name = found
        if _name(pid, fd) == name:
            return True
        del self.held[endpoint]
        return False


def is_local(address: tuple[int, int]) -> bool:
    """Whether the address is the loopback or "this host": a listener on all addresses answers there."""
    version, number = address
    return number >> 24 in (127, 0) if version == 4 else number in (0, 1)


def _name(pid: int, fd: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return ""


def _endpoint(pid: int, inode: str) -> Endpoint | None:
    for table, proto, state in TABLES:
        for fields in _rows(pid, table):
            if len(fields) > INODE and fields[INODE] == inode and fields[STATE] == state:
                host, _, port = fields[LOCAL].partition(":")
                return proto, _network_order(host), int(port, 16)
    for fields in _rows(pid, "unix"):
        if len(fields) > 7 and fields[6] == inode:
            return "unix", " ".join(fields[7:]), 0
    return None


def _rows(pid: int, table: str) -> list[list[str]]:
    """The table of the process's own network namespace."""
    try:
        with open(f"/proc/{pid}/net/{table}", encoding="utf-8", errors="surrogateescape") as file:
            return [line.split() for line in file][1:]
    except OSError:
        return []


def _network_order(text: str) -> str:
    """The kernel prints addresses as 32-bit words in its own byte order; here the first octet comes first."""
    words = [text[at : at + 8] for at in range(0, len(text), 8)]
    if sys.byteorder == "little":
        words = [bytes.fromhex(word)[::-1].hex() for word in words]
    found = "".join(words).lower()
    # An IPv4 listener behind an IPv6 socket is one address for us.
    return found[24:] if found.startswith("0" * 20 + "ffff") else found


def _packed(address: tuple[int, int]) -> str:
    version, number = address
    return number.to_bytes(4 if version == 4 else 16, "big").hex()
