"""Has connections that were granted end at a proxy of ours in place of their destination, and tells it what was meant.

The guest's own socket is connected, to the proxy's address instead of the one that was decided on; the guest sees no
difference but in `getpeername`. Whoever the kernel says is at the other end of the proxy's connection is looked up by
its socket's cookie, which no other socket has or will have: so what is remembered can never be said of another's
connection, a process that was redirected nowhere is known to no proxy, and nothing has to be forgotten in time.
Nothing here decides: what a proxy is told has been granted.
"""

from __future__ import annotations

import os

from netguard.seccomp import act, sockaddr
from netguard.seccomp.bindings import cookie
from netguard.seccomp.connecting import is_begun
from netguard.supervisor.inetdiag import socket_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.core.process import Process
    from netguard.seccomp.arguments import Wanted
    from netguard.seccomp.callers import Caller
    from netguard.seccomp.waiting import Done, Waiting

    #: A destination: (version, number) of its address, None for every address; its port.
    Destination = tuple[tuple[int, int] | None, int]
    Address = tuple[str, int]

#: Sockets that are remembered: more than a run has open at once. The one that was used longest ago goes first.
MAX_KNOWN = 4_096


class Proxy:
    """A server of ours on loopback: its port on 127.0.0.1, and that on ::1. 0 where it does not listen, and there a
    connection is refused."""

    __slots__ = ("port", "port6")

    def __init__(self, port: int, port6: int = 0) -> None:
        self.port = port
        self.port6 = port6

    def in_place_of(self, wanted: Wanted) -> bytes:
        """The address to use for that which is wanted, in the same form."""
        version = wanted.where[0] if wanted.where else 4
        return sockaddr.on_loopback(wanted.address, version, self.port if version == 4 else self.port6)


class Original:
    """What a connection to a proxy was meant for.

    proto, where, port: the destination that was decided on.  address: the same as the guest has written it.
    process: whose call it was; the socket may have been handed on since.  servers: what DNS is to be asked of instead
    of the system's servers.  cookie, inode: the guest's socket.
    """

    __slots__ = ("address", "cookie", "inode", "port", "process", "proto", "servers", "where")

    def __init__(self, wanted: Wanted, process: Process, servers: tuple[str, ...] | None) -> None:
        self.proto = wanted.proto
        self.where = wanted.where
        self.port = wanted.port or 0
        self.address = wanted.address
        self.process = process
        self.servers = servers
        self.cookie = cookie(wanted.sock)
        self.inode = os.fstat(wanted.sock).st_ino


class Redirects:
    """What is redirected, and what was.

    map: destinations of TCP -> the proxy in their place, for code to fill. A port at every address is (None, port).
    """

    def __init__(self) -> None:
        self.map: dict[Destination, Proxy] = {}
        self.known: dict[int, Original] = {}  # by the socket's cookie, the one that was used last at the end

    def proxy_for(self, wanted: Wanted) -> Proxy | None:
        """The proxy that a granted connect, or a send that connects, ends at; None where it goes on as it is."""
        if not self.map or wanted.proto != "tcp" or wanted.kind != "connect" or wanted.port is None:
            return None
        return self.map.get((wanted.where, wanted.port)) or self.map.get((None, wanted.port))

    def perform(
        self, wanted: Wanted, caller: Caller, proxy: Proxy, process: Process, servers: tuple[str, ...] | None = None
    ) -> Done | Waiting:
        """Carries a granted call out as `act.perform` does, but to a proxy, and notes what it was meant for.

        Afterwards is early enough: the proxy asks us, and we are busy until then. So a call that fails, because its
        socket was connected before, says nothing of where that one went.
        """
        wanted.via = proxy.in_place_of(wanted)
        found = act.perform(wanted, caller)
        if is_begun(found):
            self.keep(Original(wanted, process, servers))
        return found

    def leave(self, wanted: Wanted) -> None:
        """A socket is about to be connected where it says. Were it the proxy's own address, the proxy would take it for
        what the socket was meant for before."""
        if self.known and wanted.proto == "tcp" and wanted.kind == "connect":
            self.known.pop(cookie(wanted.sock), None)

    def keep(self, original: Original) -> None:
        """Remembers where a socket was meant to go, and no longer where it was before."""
        self.known.pop(original.cookie, None)
        self.known[original.cookie] = original
        if len(self.known) > MAX_KNOWN:
            del self.known[next(iter(self.known))]

    def original(self, client: Address, server: Address, proto: str = "tcp") -> Original | None:
        """What a proxy's connection was meant for; None where it is nobody's that was sent there.

        client: the other end's address, as `accept` and `recvfrom` say it.  server: the proxy's own, likewise.
        """
        found, inode = socket_at(proto, client[:2], server[:2])
        if not found and inode:
            found = next((one.cookie for one in self.known.values() if one.inode == inode), 0)
        original = self.known.get(found)
        if original is not None:
            self.keep(original)
        return original

    def forget(self, original: Original) -> None:
        """The proxy has asked for the last time."""
        self.known.pop(original.cookie, None)
