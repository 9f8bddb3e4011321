"""Calls that lead elsewhere than they say: what asks a name server ends at ours, and what is asked there is decided.

    to port 53 ┬ connect, or a send that connects ─▶ our responder, in its place
               └ a datagram ─▶ read and decided; if granted, sent on in octets of ours
    to the socket of a service that hands names on ─▶ it is not there, so that a name server is asked
    to an address that was just told, to sort it ─▶ done, on a socket that can send nothing; no act

A server that is not among the system's is an act of its own: where the rules grant it, it is asked in their place, and
what it says makes no address known. The run's own server is one like any other.
"""

from __future__ import annotations

import _socket as socket
import errno
import fcntl
import time

from netguard.core.address import format_ip, parse_ip
from netguard.core.commands import Record, Reply
from netguard.core.policy import DENY
from netguard.core.question import KERNEL
from netguard.seccomp import abi, sending
from netguard.seccomp.arguments import signed
from netguard.seccomp.bindings import cookie
from netguard.seccomp.notify import CONTINUE
from netguard.seccomp.receiving import ERRORS
from netguard.seccomp.waiting import Done
from netguard.supervisor.probes import Probes
from netguard.supervisor.responder import Responder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.core.commands import Command
    from netguard.core.process import Process
    from netguard.seccomp.notify import Notification
    from netguard.supervisor.call import Call
    from netguard.supervisor.wall import Wall

#: The port of name servers.
PORT = 53

#: Sockets by which a libc hands names on to a service outside of the run, as their real paths are: nscd, systemd's
#: resolver, Avahi, SSSD.
SERVICES = frozenset({
    "/run/nscd/socket", "/var/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve", "/run/avahi-daemon/socket",
    "/var/lib/sss/pipes/nss",
})  # fmt: skip

#: Sockets that are remembered to be told another sender. With more, clients that look at it wait for an answer.
MAX_RECEIVERS = 4_096

#: Flags of a send on our behalf.
_DONTWAIT, _NOSIGNAL = 0x40, 0x4000

#: SIOCOUTQ: octets that a socket has not sent.
_UNSENT = 0x5411


class Diversions:
    """What of one run's calls leads elsewhere."""

    def __init__(self, wall: Wall) -> None:
        self.wall = wall
        self.loop = wall.loop
        self.responder = Responder(wall.loop)
        self.probes = Probes()
        self.receivers: dict[tuple[int, int], None] = {}  # (pid, its descriptor)
        self.told = False  # whether we hear what names lead to

    def __contains__(self, fd: int) -> bool:
        return fd in self.responder

    def ready(self, fd: int, events: int) -> None:
        """Something of ours is ready."""
        self.responder.ready(fd, events)

    def give_up(self, fd: int) -> None:
        """A fault of ours has to do with this socket."""
        self.responder.give_up(fd)

    def tick(self, now: float) -> None:
        """Once a second."""
        self.responder.tick(now)

    def close(self) -> None:
        """The run is over."""
        self.responder.close()

    def takes(self, call: Call) -> bool:
        """Sees to a call that is no act, if it is none; else it is decided, and `call` says where it ends then."""
        wanted = call.wanted
        if wanted.kind != "connect":
            return False
        if wanted.port == PORT:
            return self._asks(call)
        if wanted.place in SERVICES:
            self._refuse(call, errno.ENOENT)
            return True
        if wanted.where is None or wanted.port is None:
            return False
        if self.responder.is_at(wanted.where, wanted.port):
            self._refuse(call, errno.ECONNREFUSED)
            return True
        return self.told and wanted.proto == "udp" and wanted.call == "connect" and self._sorts(call)

    def _refuse(self, call: Call, error: int) -> None:
        """Ends a call without doing anything; with 0 as if it were done."""
        call.wanted.close()
        self.wall.listener.answer(call.id, error=error)

    # Name servers

    def _asks(self, call: Call) -> bool:
        """A call to a name server. Whom it asks is decided first where that is not the system's own."""
        wanted, pid = call.wanted, call.caller.pid
        if wanted.where is None or wanted.proto not in ("tcp", "udp"):
            return False
        if self.loop.world.listening.owns(pid, wanted.proto, wanted.where, PORT):
            return False
        call.proxy = self.responder.open()
        if not self.told:
            self.told = True
            self.loop.names.told = self._tell
        datagram = wanted.proto == "udp" and wanted.call != "connect"
        if wanted.proto == "udp":
            # What our sockets were sent up to now is its sender's, whose port this one may be from now on.
            self.responder.hear()
            if len(self.receivers) >= MAX_RECEIVERS:
                self.receivers.clear()
            self.receivers[pid, call.fd] = None
        if self.loop.names.system.servers().has(_meant(wanted.where)):
            if datagram:
                self.send(call)
            else:
                self.wall.acting.perform(call)
            return True
        call.servers = (format_ip(wanted.where),)
        if datagram:
            call.instead = self.send
        return False

    def overrules(self, call: Call, commands: list[Command]) -> bool:
        """Where the server that a call names is not granted, the system's are asked in its place: it is no act. Nor is
        a bind of datagrams to any address and port, which libc's resolvers begin with: it is not done, and a send that
        is granted does as much."""
        first, reply = commands[0], commands[-1]
        if isinstance(first, Record) and isinstance(reply, Reply) and reply.verdict == DENY and opens_any(call, first):
            self.loop.session.decisions -= 1  # there is no line of it
            self._refuse(call, 0)
            return True
        would = isinstance(first, Record) and first.line.get("would") == DENY
        if call.proxy is None or not isinstance(reply, Reply) or (reply.verdict != DENY and not would):
            return False
        self.loop.session.decisions -= 1  # there is no line of it
        call.servers, call.instead = None, None
        if call.wanted.messages and not self._passes(call):
            return True
        self.wall.acting.perform(call)
        return True

    def _tell(self, process: Process, name: str, addresses: frozenset[str]) -> None:
        """A process is told what a name leads to."""
        found = [address for address in map(parse_ip, addresses) if address is not None]
        self.probes.tell(process, name, found, time.monotonic())

    # Datagrams on a socket that is not connected: nobody but the server itself can answer them

    def send(self, call: Call) -> None:
        """Decides on what is sent, and has it sent when it is granted; its sender need not wait for that."""
        wanted = call.wanted
        if not self._passes(call):
            return
        process = self.wall.process_of(call.caller)
        payload = wanted.messages[0].payload
        letter = Letter(call)
        self.loop.names.judge_only(process, payload, letter.go, call.servers)
        many = sending.counted(wanted, call.caller, [len(payload)]) if wanted.counts else Done(len(payload))
        self.wall.acting.finish(call, many)

    def _passes(self, call: Call) -> bool:
        """Whether a datagram is not denied for the name that it asks for; else that is what its sender is told."""
        if call.wanted.proto != "udp":
            return True
        process = self.wall.process_of(call.caller)
        denied = self.loop.names.denied(process, call.wanted.messages[0].payload)
        if denied is not None:
            self.wall.settle(call, DENY, denied, 0)
        return denied is None

    # Who has sent it

    def receives(self, call: Notification) -> bool:
        """Whether a receive that asks for the sender may be of an answer of ours. All others go on at once."""
        if not self.receivers:
            return False
        return (self.wall.callers.find(call.tid).pid, signed(call.args[0])) in self.receivers

    def receive(self, call: Call) -> None:
        """Receives for the guest on a socket that asks us, and says that the answer is its server's."""
        wanted = call.wanted
        original = self.loop.redirects.known.get(cookie(wanted.sock))
        if original is None or self.responder.proxy is None or wanted.flags & ERRORS:
            if original is None:
                self.receivers.pop((call.caller.pid, call.fd), None)  # it is another socket by now
            wanted.close()
            self.wall.listener.answer(call.id, flags=CONTINUE)
            return
        wanted.where, wanted.address = original.where, original.address
        wanted.via = self.responder.proxy.in_place_of(wanted)
        self.wall.acting.perform(call)

    # Sorting

    def _sorts(self, call: Call) -> bool:
        """Whether a connect of a datagram socket only sorts addresses. If so it is made, and nothing can be sent."""
        wanted, caller, now = call.wanted, call.caller, time.monotonic()
        if wanted.where is None or self.wall.notes.of(caller.pid, caller.tid, wanted):
            return False
        if has_unsent(wanted.sock) or not self.probes.is_one(caller.pid, caller.tid, wanted.where, now):
            return False
        held = socket.socket(fileno=wanted.sock)
        try:
            held.shutdown(socket.SHUT_WR)  # before: another thread could send in between
        except OSError:
            pass  # it says that it is not connected, and has done it
        finally:
            held.detach()
        if has_unsent(wanted.sock):  # by another thread, before it could send no more
            return False
        self.wall.acting.perform(call)
        return True


class Letter:
    """A query that its sender has let go of: sent from the very same socket, if it still has it, when it is granted."""

    __slots__ = ("address", "call", "cookie")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.address = call.wanted.address
        self.cookie = cookie(call.wanted.sock)

    def go(self, data: bytes | None) -> None:
        """Sends what we have made of it; None: it is not to be sent."""
        if data is None:
            return
        if self.call.wanted.sock >= 0:
            self._send(self.call.wanted.sock, data)
            return
        wall, caller = self.call.wall, self.call.caller
        try:
            sock = wall.callers.find(caller.tid).fetch(self.call.fd)
        except OSError:
            return
        wanted = self.call.wanted
        wanted.sock = sock
        try:
            if cookie(sock) == self.cookie:
                self._send(sock, data)
        except OSError:
            pass  # no socket any more
        finally:
            wanted.close()

    def _send(self, sock: int, data: bytes) -> None:
        """Sends it, unless the socket joins what is sent: its owner could add octets of its own, or has begun with some
        for another."""
        if not is_corked(sock) and not has_unsent(sock):
            abi.send(sock, data, _DONTWAIT | _NOSIGNAL, self.address)


def is_corked(sock: int) -> bool:
    """Whether a datagram socket keeps what is sent until it is told that this is all (UDP_CORK)."""
    held = socket.socket(fileno=sock)
    try:
        return held.getsockopt(socket.IPPROTO_UDP, 1) != 0
    finally:
        held.detach()


def has_unsent(sock: int) -> bool:
    """Whether a datagram was begun on a socket (MSG_MORE, UDP_CORK): to connect it has that one go to the new address,
    and to shut it down does not keep it back."""
    return fcntl.ioctl(sock, _UNSENT, bytes(4)) != bytes(4)


def opens_any(call: Call, record: Record) -> bool:
    """Whether a call binds datagrams to whatever is free at every address, and no witness announced it: who waits for
    datagrams in Python is told that it may not."""
    wanted = call.wanted
    anywhere = wanted.where is not None and not wanted.where[1] and wanted.port == 0
    return wanted.call == "bind" and wanted.proto == "udp" and anywhere and record.line.get("layers") == KERNEL


def _meant(where: tuple[int, int]) -> tuple[int, int]:
    """An address as the kernel takes it: none at all is this machine."""
    return where if where[1] else (4, 0x7F000001) if where[0] == 4 else (6, 1)
