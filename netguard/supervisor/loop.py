"""The event loop: the one place where a run touches sockets, signals and the trail, and where commands are carried out.

A line must be on the trail before what stands behind it happens. When it cannot be written, every answer behind it
becomes a denial; so does the answer to whoever does not keep to the protocol, and to everybody once the loop is gone.
"""

from __future__ import annotations

# The C half of `socket`: the same class without the enums, which cost 4 ms at start-up.
import _socket as socket
import os
import select
import time
from heapq import heappop, heappush

from netguard.core.answer import Answer
from netguard.core.commands import CutOff, Later, LookUp, Record, Reply, Say
from netguard.core.policy import ALLOW, DENY
from netguard.core.question import MAX_NUMBER, Malformed, Question, parse, to_int
from netguard.core.seal import SIZE, derive, keyed
from netguard.core.wire import MAX_ANSWER, MAX_FRAME, VERSION, pack
from netguard.errors import TrailError
from netguard.supervisor import guest, signals
from netguard.supervisor.facts import World
from netguard.supervisor.grants import Grant, Grants
from netguard.supervisor.listener import MAX_PEERS, listen
from netguard.supervisor.lookups import Resolver
from netguard.supervisor.peer import Peer
from netguard.supervisor.processes import look

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import NoReturn

    from netguard.core.acts import Facts
    from netguard.core.commands import Command
    from netguard.core.session import Session
    from netguard.supervisor.outlet import Outlet
else:
    import _signal as signal  # likewise

#: Seconds that a Python guest has to report. A start with many `.pth` files on a slow disk takes one or two.
HELLO = 20.0

#: Questions whose answer lets something happen.
ACTS = ("ask", "lookup")

#: Errors that a look-up which could not be started ends with, as a resolver says it that cannot answer now.
TRY_AGAIN = Answer([], [], ("gaierror", socket.EAI_AGAIN, "Temporary failure in name resolution"))


class Loop:
    """Serves one run from the guest's start to its end.

    address: the channel's name. run: the run's, which whoever opens a connection must know.
    search:  the guest's PATH.
    """

    def __init__(self, session: Session, outlet: Outlet, address: str, run: str, search: str) -> None:
        self.session = session
        self.outlet = outlet
        self.run = run
        self.master = os.urandom(32)
        self.world = World(session.leases, search, asks_own=session.asks_own)
        self.grants = Grants()
        self.resolver = Resolver()
        self.peers: dict[int, Peer] = {}
        self.later: list[tuple[float, int, list[Command], int]] = []
        self.reported = False
        self.broken = ""
        self.owed: list[Command] = []  # counts that are not on record yet
        self.end: guest.Change | None = None
        # One room for every frame: made anew each time, it would cost more than all else of a question.
        self.room = bytearray(MAX_FRAME + 1)
        self.frame = memoryview(self.room)
        self.listener = listen(address)
        self.listening = True
        self.poll = select.epoll()
        self.poll.register(self.listener, select.EPOLLIN)
        self.poll.register(self.resolver.fd, select.EPOLLIN)

    def serve(self, pid: int, inbox: signals.Inbox, *, must_report: bool) -> guest.Change:
        """Runs until the guest has ended; returns how. A guest that must report and does not is killed."""
        self.poll.register(inbox.fd, select.EPOLLIN)
        job = guest.Job(pid)
        now = time.monotonic()
        deadline, tick = now + HELLO, now + 1.0
        while self.end is None:
            until = min(tick, self.later[0][0]) if self.later else tick
            for fd, _ in self.poll.poll(max(0.0, until - now)):
                peer = self.peers.get(fd)
                if peer is not None:
                    self._hear(peer)
                elif fd == inbox.fd:
                    before = time.monotonic()
                    self.end = job.hear(inbox.drain())
                    deadline += time.monotonic() - before  # the whole job may have been stopped in there
                else:
                    self._ready(fd)
            now = time.monotonic()
            if now < until:
                continue
            self._due(now)
            if now >= tick:
                self._tick(now)
                tick = now + 1.0
                if must_report and not self.reported and now > deadline:
                    guest.send(pid, signal.SIGKILL)
        self._drain()
        self._tick(time.monotonic())
        return self.end

    def _ready(self, fd: int) -> None:
        if fd == self.listener.fileno():
            self._accept()
        elif fd == self.resolver.fd:
            for task, answer in self.resolver.finished():
                self._looked_up(task, answer)

    def _drain(self) -> None:
        """What was said before the end: notes that are still in the sockets."""
        for _ in range(len(self.peers) + 64):
            ready = self.poll.poll(0)
            if not [fd for fd, _ in ready if fd in self.peers]:
                return
            for fd, _ in ready:
                if fd in self.peers:
                    self._hear(self.peers[fd])

    # Connections

    def _accept(self) -> None:
        try:
            fd, _ = self.listener._accept()  # type: ignore[attr-defined]  # what `socket.accept` calls
        except BlockingIOError:
            return
        except OSError:  # out of descriptors: whoever waits is denied by its own time-out
            self._listen(False)
            return
        peer = Peer(socket.socket(fileno=fd))
        if peer.uid != os.geteuid() and os.geteuid() != 0:
            peer.close()
            return
        peer.sock.setblocking(False)
        self.peers[fd] = peer
        self.poll.register(fd, select.EPOLLIN)
        if len(self.peers) >= MAX_PEERS:
            self._listen(False)

    def _listen(self, wanted: bool) -> None:
        """Whether new connections are taken; the others wait in the kernel's queue."""
        if wanted != self.listening:
            self.listening = wanted
            self.poll.modify(self.listener, select.EPOLLIN if wanted else 0)

    def _close(self, peer: Peer) -> None:
        if not peer.closed:
            del self.peers[peer.fd]
            self.poll.unregister(peer.fd)
            peer.close()
            self._listen(True)

    def _hear(self, peer: Peer) -> None:
        try:
            length = peer.sock.recv_into(self.room)
        except BlockingIOError:
            return
        except OSError:
            length = 0
        if not length:
            self._close(peer)
            return
        try:
            if length > MAX_FRAME:
                raise Malformed("a frame that is too long")
            frame = bytes(self.frame[:length])
            granted = None if self.owed else self.grants.find(peer, frame)
            if granted is not None and self._grant(peer, frame, *granted):
                return
            self.do(self._answer(peer, parse(frame), frame))
        except Malformed as error:
            self.do(self.session.cut_off(peer, peer.process, "channel.malformed", str(error)))
        except Exception as error:  # noqa: BLE001  # a fault of ours is a denial and a record, and not the end of the guard
            why = f"{type(error).__name__}: {error}"
            self.do(self.session.cut_off(peer, peer.process, "supervisor.fault", why))

    def _answer(self, peer: Peer, question: Question, frame: bytes) -> list[Command]:
        """What a question comes to; `frame` is what it was read from. Raises Malformed."""
        process = peer.process
        if process is None:
            return self._open(peer, question)
        session = self.session
        if question.op == "result":
            seq, peer.seq = peer.seq, 0
            return session.result(process, question, seq)
        if peer.waiting:
            raise Malformed("a question before the last one was answered")
        peer.asked(frame)
        now = time.monotonic()
        if self.owed and question.op in ACTS and not self._paid([Reply(peer, question.number, DENY)]):
            return []
        match question.op:
            case "ask":
                facts = self.world.look(question, process, now)
                commands = session.ask(peer, process, question, facts, now)
                self._keep(peer, frame, facts, commands)
                return commands
            case "lookup":
                return session.lookup(peer, process, question, now)
            case "hello":
                return self._greet(peer, question)
            case "hostile":
                return session.hostile(peer, process, question, question.fields[2])
            case "listening":
                self.grants.forget()
                self.world.listening.show(process.pid, to_int(question.fields[0]))
                return [Reply(peer, question.number, ALLOW)]
            case _:
                raise Malformed("opened twice")

    def _keep(self, peer: Peer, frame: bytes, facts: Facts, commands: list[Command]) -> None:
        """Keeps a grant of an address, unless it rests on something that can end without our hearing of it."""
        reply = commands[-1]
        lasts = facts.address is not None and not facts.own and self.world.outer is None
        if lasts and isinstance(reply, Reply) and reply.rule:
            first = commands[0]
            self.grants.keep(peer, frame, reply, first.line if isinstance(first, Record) else None)

    def _grant(self, peer: Peer, frame: bytes, known: Grant, number: bytes) -> bool:
        """Grants what was granted a moment ago; returns whether that is done. Else the question is read as any other:
        the trail took no line, and why is told there."""
        seq = 0
        if known.line is None:
            self.session.count(known.rule)
        else:
            try:
                seq = self.outlet.write(known.line)
            except TrailError:
                return False
            self.session.decisions += 1
        peer.asked(frame)
        self._send(peer, known.answer(number, seq), seq)
        return True

    def _open(self, peer: Peer, question: Question) -> list[Command]:
        """The first thing on a connection. Who does not know the run's name is not of this run.

        Descent would not tell: a daemon's parent is gone. Another user cannot read the name in a guest's environment.
        """
        if question.op != "open":
            raise Malformed("a question before the line was opened")
        version, run, tid, why, key = question.fields
        if version != VERSION:
            raise Malformed("another version")
        if run != self.run:
            raise Malformed("another run")
        if key:
            peer.key = keyed(derive(self.master, key[:MAX_NUMBER]))
        peer.process = look(peer.pid, to_int(tid), peer.uid)
        return self.session.reopened(peer.process, why) if why else []

    def _greet(self, peer: Peer, question: Question) -> list[Command]:
        """A guarded interpreter reports, once, on a connection of its own. It gets the key that its answers have."""
        if peer.greeted or question.fields[0] != VERSION or peer.process is None:
            raise Malformed("a report that was made before, or of another version")
        peer.greeted = True
        commands = self.session.hello(peer, peer.process, question)
        reply = commands[-1]
        if isinstance(reply, Reply):
            name = os.urandom(8).hex()
            key = derive(self.master, name)
            peer.key = keyed(key)
            reply.rest = (name, key.hex(), *reply.rest)
        return commands

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
                    self._reply(command.to, (command.number, command.verdict, str(seq), *command.rest), seq)
                case Say():
                    self.outlet.say(command.line)
                case LookUp():
                    self._look_up(command, seq)
                case Later():
                    self._delay(command, seq)
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
                    self._reply(command.to, (command.number, DENY, "0", "trail", reason), 0)
                case Later():
                    self._unrecorded(command.commands, why)
                case CutOff():
                    self._close(command.to)
                case _:
                    pass

    def _reply(self, peer: Peer, fields: tuple[str, ...], seq: int) -> None:
        """Answers a question; `seq` is the record that its outcome may be added to."""
        try:
            answer = pack(fields, MAX_ANSWER - SIZE)
        except ValueError:
            # Too long for a frame (a name with thousands of addresses). To hear nothing is a denial.
            self._close(peer)
            return
        self._send(peer, answer, seq)

    def _send(self, peer: Peer, answer: bytes, seq: int) -> None:
        if peer.closed:
            return
        peer.waiting = False
        peer.seq = seq
        try:
            peer.sock.send(peer.sealed(answer))
        except OSError:  # gone, or never reading
            self._close(peer)
            return
        # A greeting that was answered is on record.
        self.reported = self.reported or peer.greeted

    def _delay(self, command: Later, seq: int) -> None:
        for one in command.commands:
            if isinstance(one, Reply | LookUp):
                one.to.waiting = True
        heappush(self.later, (time.monotonic() + command.seconds, id(command), command.commands, seq))

    def _look_up(self, task: LookUp, seq: int) -> None:
        task.seq, task.started, task.to.waiting = seq, time.monotonic(), True
        if not self.resolver.start(task):
            self._looked_up(task, TRY_AGAIN)

    def _looked_up(self, task: LookUp, answer: Answer) -> None:
        self.grants.forget()
        now = time.monotonic()
        self.do(self.session.looked_up(task, answer, (now - task.started) * 1000, now), task.seq)

    def _due(self, now: float) -> None:
        while self.later and self.later[0][0] <= now:
            _, _, commands, seq = heappop(self.later)
            self.do(commands, seq)

    def _tick(self, now: float) -> None:
        self.grants.forget()
        self._settle()
        self.outlet.tick(now)

    def _settle(self) -> None:
        """Puts what was counted on record. What the trail does not take is owed, and comes first next time."""
        if self._paid([]):
            self.owed = self.session.tick()
            self._paid([])

    def _paid(self, behind: list[Command]) -> bool:
        """Puts on record what is owed; returns whether nothing is any more. Else what waits `behind` it is denied: no
        act is let through in silence while nobody can be told of it."""
        try:
            while self.owed:
                command = self.owed[0]
                if isinstance(command, Record):
                    self.outlet.write(command.line)
                del self.owed[0]
        except TrailError as error:
            self._unrecorded(behind, str(error))
        return not self.owed


def unknown(command: object) -> NoReturn:
    """A command that this loop does not know is a fault in netguard, never something to pass over."""
    raise AssertionError(f"unknown command {command!r}")
