"""The event loop: the one place where a run touches sockets, signals and the trail, and where commands are carried out.

A line must be on the trail before what stands behind it happens. When it cannot be written, every answer behind it
becomes a denial; so does the answer to whoever does not keep to the protocol, and to everybody once the loop is gone.
"""

from __future__ import annotations

# The C half of `socket`: the same class without the enums, which cost 4 ms at start-up.
import _socket as socket
import os
import select
import sys
import time
from heapq import heappop, heappush

from netguard.core.policy import ALLOW, DENY
from netguard.core.wire import MAX_FRAME, VERSION, pack
from netguard.errors import TrailError
from netguard.supervisor import guest, signals
from netguard.supervisor.commands import Command, CutOff, Later, LookUp, Record, Reply, Say
from netguard.supervisor.facts import World
from netguard.supervisor.lookups import Resolver
from netguard.supervisor.processes import Process, look
from netguard.supervisor.question import Malformed, Question, parse, to_int

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from typing import NoReturn

    from netguard.supervisor.session import Session

    Line = dict[str, object]
else:
    import _signal as signal  # likewise

#: Seconds that a Python guest has to report. A start with many `.pth` files on a slow disk takes one or two.
HELLO = 20.0

#: Open connections: each is a thread of the guest's. Past it new ones wait, which is a denial when they time out.
MAX_LINES = 8_192

#: Bytes of struct ucred (unix(7)): pid, uid, gid, each an int.
UCRED = 12

#: Errors that a look-up which could not be started ends with, as a resolver says it that cannot answer now.
TRY_AGAIN = ("gaierror", str(int(socket.EAI_AGAIN)), "Temporary failure in name resolution")


class Peer:
    """One open connection: a thread of a process of the guest's."""

    __slots__ = ("pid", "process", "sock", "uid")

    def __init__(self, sock: socket.socket, pid: int, uid: int) -> None:
        self.sock = sock
        self.pid = pid
        self.uid = uid
        self.process: Process | None = None  # until it has opened


class Outlet:
    """Where lines go besides the answer: the trail, the screen, the tally."""

    __slots__ = ("say", "tick", "write")

    def __init__(
        self, write: Callable[[Line], int], say: Callable[[Line], None], tick: Callable[[float], None]
    ) -> None:
        self.write = write  # raises TrailError
        self.say = say
        self.tick = tick


def address_for(run: str) -> str:
    """A name for this run's channel that nobody has yet: abstract, so no file is left behind."""
    return f"@netguard-{run}-{os.urandom(8).hex()}"


class Loop:
    """Serves one run from the guest's start to its end."""

    def __init__(self, session: Session, outlet: Outlet, address: str, search: str) -> None:
        self.session = session
        self.outlet = outlet
        self.world = World(session.leases, search)
        self.resolver = Resolver()
        self.peers: dict[int, Peer] = {}
        self.later: list[tuple[float, int, list[Command], int]] = []
        self.reported = False
        self.broken = ""
        self.end: guest.Change | None = None
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind("\0" + address[1:])
        self.listener.listen(512)
        self.listener.setblocking(False)
        self.poll = select.epoll()
        self.poll.register(self.listener, select.EPOLLIN)
        self.poll.register(self.resolver.fd, select.EPOLLIN)

    def serve(self, pid: int, inbox: signals.Inbox, *, must_report: bool) -> guest.Change:
        """Runs until the guest has ended; returns how. A guest that must report and does not is killed."""
        self.poll.register(inbox.fd, select.EPOLLIN)
        job = guest.Job(pid)
        deadline = time.monotonic() + HELLO
        tick = time.monotonic() + 1.0
        while self.end is None:
            for fd, _ in self.poll.poll(self._patience(tick)):
                if fd == inbox.fd:
                    before = time.monotonic()
                    self.end = job.hear(inbox.drain())
                    deadline += time.monotonic() - before  # the whole job may have been stopped in there
                else:
                    self._ready(fd)
            now = time.monotonic()
            if now >= tick:
                self._tick(now)
                tick = now + 1.0
            self._due(now)
            if must_report and not self.reported and now > deadline:
                guest.send(pid, signal.SIGKILL)
                deadline = now + HELLO
        self._drain()
        self._tick(time.monotonic())
        return self.end

    def _patience(self, tick: float) -> float:
        until = min(tick, self.later[0][0]) if self.later else tick
        return max(0.0, until - time.monotonic())

    def _ready(self, fd: int) -> None:
        if fd == self.listener.fileno():
            self._accept()
        elif fd == self.resolver.fd:
            self._looked_up()
        else:
            self._hear(fd)

    def _drain(self) -> None:
        """What was said before the end: notes that are still in the sockets."""
        for _ in range(len(self.peers) + 64):
            ready = self.poll.poll(0)
            if not [fd for fd, _ in ready if fd in self.peers]:
                return
            for fd, _ in ready:
                if fd in self.peers:
                    self._hear(fd)

    # Connections

    def _accept(self) -> None:
        try:
            fd, _ = self.listener._accept()  # type: ignore[attr-defined]  # what `socket.accept` calls
        except BlockingIOError:
            return
        except OSError:  # out of descriptors: whoever waits is denied by its own time-out
            self.poll.unregister(self.listener)
            return
        sock = socket.socket(fileno=fd)
        attested = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED)
        pid, uid = (int.from_bytes(attested[at : at + 4], sys.byteorder) for at in (0, 4))
        if uid != os.geteuid() and os.geteuid() != 0:
            sock.close()
            return
        sock.setblocking(False)
        self.peers[sock.fileno()] = Peer(sock, pid, uid)
        self.poll.register(sock, select.EPOLLIN)
        if len(self.peers) >= MAX_LINES:
            self.poll.unregister(self.listener)

    def _close(self, fd: int) -> None:
        peer = self.peers.pop(fd, None)
        if peer is None:
            return
        self.poll.unregister(fd)
        peer.sock.close()
        try:
            self.poll.register(self.listener, select.EPOLLIN)
        except FileExistsError:
            pass

    def _hear(self, fd: int) -> None:
        peer = self.peers.get(fd)
        if peer is None:
            return
        try:
            frame = peer.sock.recv(MAX_FRAME + 1)
        except BlockingIOError:
            return
        except OSError:
            frame = b""
        if not frame:
            self._close(fd)
            return
        try:
            if len(frame) > MAX_FRAME:
                raise Malformed("a frame that is too long")
            question = parse(frame)
            self.do(self._answer(fd, peer, question))
            if question.op == "hello" and not self.broken:
                self.reported = True
        except Malformed as error:
            self._cut_off(fd, peer, "channel.malformed", str(error))
        except Exception as error:  # noqa: BLE001  # a fault of ours is a denial and a record, and not the end of the guard
            self._cut_off(fd, peer, "supervisor.fault", f"{type(error).__name__}: {error}")

    def _cut_off(self, fd: int, peer: Peer, event: str, why: str) -> None:
        """Whoever sends what the shim would not send has lost his line; the shim's next one starts anew."""
        line: Line = {"kind": "tamper", "event": event, "why": why}
        if peer.process is not None:
            line["proc"] = peer.process.line
        self.do([Record(line), CutOff(fd)])

    def _answer(self, fd: int, peer: Peer, question: Question) -> list[Command]:
        if question.op == "open":
            return self._open(peer, question)
        process = peer.process
        if process is None:
            raise Malformed("a question before the line was opened")
        now = time.monotonic()
        session = self.session
        match question.op:
            case "ask":
                return session.ask(fd, process, question, self.world.look(question, process, now), now)
            case "lookup":
                return session.lookup(fd, process, question, now)
            case "result":
                return session.result(process, question)
            case "hello":
                return session.hello(fd, process, question)
            case "hostile":
                return session.hostile(fd, process, question)
            case "listening":
                self.world.listening.show(process.pid, to_int(question.fields[0]))
                return [Reply(fd, question.number, ALLOW)]
            case _:
                raise Malformed("an operation that nobody knows")

    def _open(self, peer: Peer, question: Question) -> list[Command]:
        version, _, tid, why = question.fields
        if version != VERSION or peer.process is not None:
            raise Malformed("another version, or opened twice")
        peer.process = look(peer.pid, to_int(tid), peer.uid)
        return self.session.reopened(peer.process, why) if why else []

    # Carrying out

    def do(self, commands: list[Command], seq: int = 0) -> None:
        """Carries commands out in order. Nothing behind a line that could not be written happens."""
        for at, command in enumerate(commands):
            match command:
                case Record():
                    try:
                        seq = self.outlet.write(command.line)
                    except TrailError as error:
                        self._unrecorded(commands[at + 1 :], str(error))
                        return
                case Reply():
                    self._send(command.to, (command.number, command.verdict, str(seq), *command.rest))
                case Say():
                    self.outlet.say(command.line)
                case LookUp():
                    self._look_up(command, seq)
                case Later():
                    heappush(self.later, (time.monotonic() + command.seconds, id(command), command.commands, seq))
                case CutOff():
                    self._close(command.to)
                case _:
                    unknown(command)

    def _unrecorded(self, commands: list[Command], why: str) -> None:
        """The trail took no line: everything that was to follow it is denied."""
        if why != self.broken:
            self.broken = why
            self.outlet.say({"kind": "tamper", "event": "trail", "verdict": DENY, "rule": "trail", "why": why})
        for command in commands:
            match command:
                case Reply() | LookUp():
                    reason = f"the trail cannot be written: {why}"
                    self._send(command.to, (command.number, DENY, "0", "trail", reason))
                case Later():
                    self._unrecorded(command.commands, why)
                case CutOff():
                    self._close(command.to)
                case _:
                    pass

    def _send(self, fd: int, fields: tuple[str, ...]) -> None:
        peer = self.peers.get(fd)
        if peer is None:
            return
        try:
            peer.sock.send(pack(fields))
        except ValueError:
            # An answer too long for a frame (a name with thousands of addresses): no answer is a denial.
            self._close(fd)
        except OSError:
            self._close(fd)

    def _look_up(self, task: LookUp, seq: int) -> None:
        task.seq, task.started = seq, time.monotonic()
        if not self.resolver.start(task, task.function, task.name, task.service, task.numbers):
            self._send(task.to, (task.number, ALLOW, str(seq), *TRY_AGAIN))

    def _looked_up(self) -> None:
        for task, answer in self.resolver.finished():
            assert isinstance(task, LookUp)  # noqa: S101  # the only tokens there are
            now = time.monotonic()
            self.do(self.session.looked_up(task, answer, (now - task.started) * 1000, now), task.seq)

    def _due(self, now: float) -> None:
        while self.later and self.later[0][0] <= now:
            _, _, commands, seq = heappop(self.later)
            self.do(commands, seq)

    def _tick(self, now: float) -> None:
        self.do(self.session.tick())
        self.outlet.tick(now)


def unknown(command: object) -> NoReturn:
    """A command that this loop does not know is a fault in netguard, never something to pass over."""
    raise AssertionError(f"unknown command {command!r}")
