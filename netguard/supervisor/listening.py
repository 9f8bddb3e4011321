"""Which destinations are sockets of the run's own (`@self`), as the kernel says.

A guest says which descriptor listens; that is only where to look. The kernel's tables say which address that socket
is bound to, and its descriptor list says, at each use, that a process of this run still holds it. So a guest cannot
name another's server its own. Without /proc nothing is the run's own.
"""

from __future__ import annotations

import os
import sys
import time

from netguard.supervisor.stragglers import descendants
from netguard.supervisor.unixdiag import file_of, place_of

#: Listeners kept. When there are more, those that are closed by now make room; a new one that finds none is not the
#: run's own.
MAX_LISTENERS = 4_096

#: Seconds between two looks at all of them: that takes 20 ms, and who holds so many may ask for it again and again.
SECOND = 1.0

#: Columns of /proc/net/{tcp,udp}: local address, state, inode. Source: proc(5), Linux
#: Documentation/networking/proc_net_tcp.
LOCAL, STATE, INODE = 1, 3, 9
LISTEN, UNCONNECTED = "0A", "07"
TABLES = (("tcp", "tcp", LISTEN), ("tcp6", "tcp", LISTEN), ("udp", "udp", UNCONNECTED), ("udp6", "udp", UNCONNECTED))

#: All addresses, as the tables have them, by the version of the address that is reached. A socket on all IPv6
#: addresses answers IPv4 too unless it was told not to, which the tables do not show: see `_is_shadowed`.
EVERYWHERE = {4: ("00" * 4, "00" * 16), 6: ("00" * 16,)}

#: Descriptors that are looked at to find who has taken a listener over. With more than that, a run's own server is not
#: found, and what connects to it is decided as any other's.
MAX_DESCRIPTORS = 65_536

Endpoint = tuple[str, str, int]  # (proto, host as packed hex or unix place, port)


class Listener:
    """A socket that listens: the descriptor by which a process of this run holds it, and its network namespace."""

    __slots__ = ("fd", "name", "pid", "space")

    def __init__(self, pid: int, fd: int, name: str) -> None:
        self.pid = pid
        self.fd = fd
        self.name = name
        self.space = _link(f"/proc/{pid}/ns/net")

    def is_held(self) -> bool:
        """Whether the process still holds it."""
        return _link(f"/proc/{self.pid}/fd/{self.fd}") == self.name

    def is_taken_over(self) -> bool:
        """Whether another process of the run holds it by now, as the servers of `multiprocessing` and of `inetd` do."""
        found = holder(self.name)
        if found is None:
            return False
        self.pid, self.fd = found
        return True


class Listening:
    """The run's own listeners."""

    __slots__ = ("held", "looked")

    def __init__(self) -> None:
        self.held: dict[Endpoint, Listener] = {}
        self.looked = 0.0  # when all of them were last looked at

    def show(self, pid: int, fd: int) -> None:
        """Looks up what a process's descriptor is bound to, and keeps it if it is a listener."""
        name = _link(f"/proc/{pid}/fd/{fd}")
        if not name.startswith("socket:["):
            return
        now = time.monotonic()
        if len(self.held) >= MAX_LISTENERS and now >= self.looked + SECOND:
            self.looked = now
            self.held = {endpoint: found for endpoint, found in self.held.items() if found.is_held()}
        endpoint = _endpoint(pid, name[8:-1])
        if endpoint is not None and len(self.held) < MAX_LISTENERS:
            self.held[endpoint] = Listener(pid, fd, name)

    def owns(self, pid: int, proto: str, address: tuple[int, int], port: int) -> bool:
        """Whether a listener that this run holds right now answers at this address, for a process of the run."""
        if not self.held:
            return False
        version, number = address
        if number == 0:  # "this host": the kernel connects to the loopback address (ip(7))
            number = 0x7F000001 if version == 4 else 1
        host = number.to_bytes(4 if version == 4 else 16, "big").hex()
        if self._answers(pid, (proto, host, port)):
            return True
        if number >> 24 != 127 if version == 4 else number != 1:
            return False
        for everywhere in EVERYWHERE[version]:
            if self._answers(pid, (proto, everywhere, port)):
                return not _is_shadowed(pid, self.held[proto, everywhere, port], proto, host, port)
        return False

    def owns_path(self, pid: int, path: str) -> bool:
        """The same for a unix socket: "/path" as the supervisor sees it, or "@abstract"."""
        if not self.held or path.startswith("@"):
            return bool(path) and self._answers(pid, ("unix", path, 0))
        # In another mount namespace or below another root the same path is another file.
        for kind in ("ns/mnt", "root"):
            if _link(f"/proc/{pid}/{kind}") != _link(f"/proc/self/{kind}"):
                return False
        return self._answers(pid, ("unix", file_of(path), 0))

    def _answers(self, pid: int, endpoint: Endpoint) -> bool:
        found = self.held.get(endpoint)
        if found is None:
            return False
        if found.is_held() or found.is_taken_over():
            # In another network namespace the same address is another's. A process that left the one it listens in is
            # not looked for: what it meets in a new one is the run's own as well.
            return found.pid == pid or (found.space != "" and found.space == _link(f"/proc/{pid}/ns/net"))
        del self.held[endpoint]
        return False


def holder(name: str) -> tuple[int, int] | None:
    """(pid, fd) of a process of the run that holds a socket, None where there is none."""
    looked = 0
    for pid in descendants():
        try:
            numbers = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue  # it has ended, or hides its memory
        for number in numbers:
            looked += 1
            if looked > MAX_DESCRIPTORS:
                return None
            if _link(f"/proc/{pid}/fd/{number}") == name:
                return pid, int(number)
    return None


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _endpoint(pid: int, inode: str) -> Endpoint | None:
    """Where the socket with this inode listens, None if it does not."""
    for table, proto, state in TABLES:
        for fields in rows(pid, table):
            if fields[INODE] == inode and fields[STATE] == state:
                host, port = address_of(fields[LOCAL])
                return proto, host, port
    place = place_of(int(inode))
    return ("unix", place, 0) if place else None


def _is_shadowed(pid: int, ours: Listener, proto: str, host: str, port: int) -> bool:
    """Whether a listener on all addresses is not the one that answers here, because another socket is nearer.

    A socket bound to the address itself comes first; so does one on all IPv4 addresses before one on all IPv6 ones.
    """
    for table, kind, state in TABLES:
        for fields in rows(pid, table) if kind == proto else ():
            bound, number = address_of(fields[LOCAL])
            nearer = bound == host or (bound == "00" * 4 and len(host) == 8)
            if nearer and number == port and fields[STATE] == state and f"socket:[{fields[INODE]}]" != ours.name:
                return True
    return False


def rows(pid: int | str, table: str) -> list[list[str]]:
    """The kernel's table of sockets, of the process's own network namespace."""
    try:
        with open(f"/proc/{pid}/net/{table}", encoding="ascii") as file:
            return [fields for fields in [line.split() for line in file][1:] if len(fields) > INODE]
    except OSError:
        return []


def address_of(text: str) -> tuple[str, int]:
    """Host and port of a column. The kernel prints addresses as 32-bit words in its own byte order."""
    host, _, port = text.partition(":")
    words = [host[at : at + 8] for at in range(0, len(host), 8)]
    if sys.byteorder == "little":
        words = [bytes.fromhex(word)[::-1].hex() for word in words]
    host = "".join(words).lower()
    # An IPv4 address behind an IPv6 socket is one address for us.
    return host[24:] if host.startswith("0" * 20 + "ffff") else host, int(port, 16)
