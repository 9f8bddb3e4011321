"""The event loop: the one place where a run waits, for its guest's questions, calls and end.

What the session decides is carried out at the `Desk`. Whoever does not keep to the protocol is denied; so is everybody
once the loop is gone.
"""

from __future__ import annotations

# The C half of `socket`: the same class without the enums, which cost 4 ms at start-up.
import _socket as socket
import os
import select
import time

from netguard.core.commands import Reply
from netguard.core.policy import ALLOW, DENY
from netguard.core.question import MAX_NUMBER, Malformed, Question, parse, to_int
from netguard.core.seal import derive, keyed
from netguard.core.wire import MAX_FRAME, VERSION
from netguard.errors import TrailError
from netguard.supervisor import guest, signals
from netguard.supervisor.desk import Desk
from netguard.supervisor.facts import World
from netguard.supervisor.listener import MAX_PEERS, listen
from netguard.supervisor.peer import Peer
from netguard.supervisor.processes import look

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping

    from netguard.core.acts import Facts
    from netguard.core.commands import Command
    from netguard.core.process import Process
    from netguard.core.session import Session
    from netguard.seccomp.notify import Listener
    from netguard.supervisor.after import After
    from netguard.supervisor.grants import Grant
    from netguard.supervisor.inquiries import Inquiries
    from netguard.supervisor.naming import Names
    from netguard.supervisor.outlet import Outlet
    from netguard.supervisor.redirects import Redirects
    from netguard.supervisor.wall import Wall
else:
    import _signal as signal  # likewise

#: Seconds that a Python guest has to report. A start with many `.pth` files on a slow disk takes one or two.
HELLO = 20.0

#: Questions whose answer lets something happen.
ACTS = ("ask", "lookup")

#: Programs that report in one run: a few Pythons. Where there are more, somebody makes them.
MAX_PROGRAMS = 256


class Loop:
    """Serves one run from the guest's start to its end.

    address: the channel's name. run: the run's, which whoever opens a connection must know.
    search:  the guest's PATH.
    """

    def __init__(self, session: Session, outlet: Outlet, address: str, run: str, search: str) -> None:
        self.session = session
        self.desk = Desk(session, outlet)
        self.run = run
        self.master = os.urandom(32)
        self.world = World(session.leases, search, asks_own=session.asks_own)
        self.peers: dict[int, Peer] = {}
        self.reported = False
        self.guarded: set[str] = set()
        self.wall: Wall | None = None
        self.redirects: Redirects
        self.inquiries: Inquiries
        self.resolving: Names | None = None
        self.end: guest.Change | None = None
        self.next_tick = time.monotonic() + 1.0
        # One room for every frame: made anew each time, it would cost more than all else of a question.
        self.room = bytearray(MAX_FRAME + 1)
        self.frame = memoryview(self.room)
        self.address = address
        self.listener = listen(address)
        self.listening = True
        self.broker = 0  # who connects for our guest: the supervisor of a run around this one
        self.poll = select.epoll()
        self.poll.register(self.listener, select.EPOLLIN)
        self.poll.register(self.desk.resolver.fd, select.EPOLLIN)

    def behind(self, listener: Listener, environ: Mapping[str, str], *, hold: bool) -> Wall:
        """From now on the guest's calls come out of this listener.

        environ: what it was started with.  hold: whether its sockets are made for it.
        """
        from netguard.supervisor.inquiries import Inquiries  # not where there is no wall: it would only cost
        from netguard.supervisor.redirects import Redirects
        from netguard.supervisor.wall import Wall

        self.redirects = Redirects()
        self.inquiries = Inquiries(self.poll, self.redirects)
        self.wall = Wall(listener, self, self.address, environ, hold=hold)
        return self.wall

    @property
    def names(self) -> Names:
        """What programs ask name servers; made when the first one does, which many runs never see."""
        if self.resolving is None:
            from netguard.supervisor.naming import Names

            self.resolving = Names(self)
        return self.resolving

    def serve(self, pid: int, inbox: signals.Inbox, *, must_report: bool, after: After | None = None) -> guest.Change:
        """Runs until the guest has ended and, if there is an `after`, all that it has started; returns how it ended.

        must_report: a guest that does not report is killed.
        """
        self.poll.register(inbox.fd, select.EPOLLIN)
        job = guest.Job(pid)
        deadline = time.monotonic() + HELLO
        while self.end is None:
            if self._turn(inbox):
                before = time.monotonic()
                self.end = job.hear(inbox.drain())
                deadline += time.monotonic() - before  # the whole job may have been stopped in there
            if must_report and not self.reported and time.monotonic() > deadline:
                guest.send(pid, signal.SIGKILL)
        if after:
            if self.wall:
                after.gone = self.wall.is_over
            self.next_tick = time.monotonic() + 1.0  # the seconds of `after` begin now
            after.wait(lambda: self._turn(inbox), inbox)
        self._drain()
        if self.resolving:
            self.resolving.close()
        if self.wall:
            self.wall.tick()
            self.wall.close()
        self.desk.tick(time.monotonic())
        return self.end

    def _turn(self, inbox: signals.Inbox) -> bool:
        """Waits for the next thing and sees to it; returns whether signals have come, which are the caller's."""
        came = False
        now = time.monotonic()
        until = self._until(now)
        for fd, events in self.poll.poll(max(0.0, until - now)):
            peer = self.peers.get(fd)
            if peer is not None:
                self.hear(peer)
            elif fd == inbox.fd:
                came = True
            else:
                self._ready(fd, events)
        if self.wall and self.wall.taken:
            self.wall.serve()  # what the turn before has left, or this one
        now = time.monotonic()
        if now >= until:
            self.desk.due(now)
            if self.resolving:
                self.resolving.due(now)
            if self.wall:
                self.wall.sweep(now)
            if now >= self.next_tick:
                if self.wall:
                    self.wall.tick()
                self.desk.tick(now)
                self.next_tick = now + 1.0
        return came

    def _until(self, now: float) -> float:
        """When something is to be done by itself."""
        until = self.desk.until(self.next_tick)
        if self.resolving:
            until = min(until, self.resolving.until() or until)
        return min(until, self.wall.until(now)) if self.wall else until

    def _ready(self, fd: int, events: int) -> None:
        if fd == self.listener.fileno():
            self._accept()
        elif fd == self.desk.resolver.fd:
            self.desk.take_answers(ours=self.resolving is None or not self.resolving.is_run())
        elif self.resolving and fd in self.resolving:
            self.resolving.ready(fd, events)
        elif self.wall:
            self.wall.ready(fd, events)

    def _drain(self) -> None:
        """What was said before the end: notes that are still in the sockets."""
        for _ in range(len(self.peers) + 64):
            ready = self.poll.poll(0)
            if not [fd for fd, _ in ready if fd in self.peers]:
                return
            for fd, _ in ready:
                if fd in self.peers:
                    self.hear(self.peers[fd])

    # Connections

    def _accept(self) -> None:
        try:
            fd, _ = self.listener._accept()  # type: ignore[attr-defined]  # what `socket.accept` calls
        except BlockingIOError:
            return
        except OSError:  # out of descriptors: whoever waits is denied by its own time-out
            self._listen(False)
            return
        peer = Peer(socket.socket(fileno=fd), self._forget, broker=self.broker)
        if peer.uid != os.geteuid() and os.geteuid() != 0:
            peer.sock.close()
            return
        self._add(peer)

    def new_line(self, pid: int, tid: int) -> socket.socket | None:
        """A line for a thread that the kernel has named; returns its end of it, None when there is no room."""
        if len(self.peers) >= MAX_PEERS:
            return None
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            return None
        self._add(Peer(ours, self._forget, pid, tid))
        return theirs

    def _add(self, peer: Peer) -> None:
        peer.sock.setblocking(False)
        self.peers[peer.fd] = peer
        self.poll.register(peer.fd, select.EPOLLIN)
        if len(self.peers) >= MAX_PEERS:
            self._listen(False)

    def _listen(self, wanted: bool) -> None:
        """Whether new connections are taken; the others wait in the kernel's queue."""
        if wanted != self.listening:
            self.listening = wanted
            self.poll.modify(self.listener, select.EPOLLIN if wanted else 0)

    def _forget(self, peer: Peer) -> None:
        """A peer is closed."""
        self.peers.pop(peer.fd, None)
        self.poll.unregister(peer.fd)
        self._listen(True)

    def hear(self, peer: Peer) -> None:
        """Hears one frame of a peer."""
        try:
            length = peer.receive(self.room)
        except BlockingIOError:
            return
        except OSError:
            length = 0
        if not length:
            peer.cut_off()
            return
        try:
            if length > MAX_FRAME:
                raise Malformed("a frame that is too long")
            self._heard(peer, bytes(self.frame[:length]))
        except Malformed as error:
            self.desk.do(self.session.cut_off(peer, peer.process, "channel.malformed", str(error)))
        except Exception as error:  # noqa: BLE001  # a fault of ours is a denial and a record, and not the end of the guard
            why = f"{type(error).__name__}: {error}"
            self.desk.do(self.session.cut_off(peer, peer.process, "supervisor.fault", why))

    def _heard(self, peer: Peer, frame: bytes) -> None:
        """One frame. Raises Malformed."""
        desk = self.desk
        granted = None if desk.owed else desk.grants.find(peer, frame)
        if granted is None or not self._grant(peer, frame, *granted):
            desk.do(self._answer(peer, parse(frame), frame))
        # A greeting that was answered is on record.
        self.reported = self.reported or (peer.greeted and not peer.closed)

    def _answer(self, peer: Peer, question: Question, frame: bytes) -> list[Command]:
        """What a question comes to; `frame` is what it was read from. Raises Malformed."""
        process = peer.process
        if process is None:
            return self._open(peer, question)
        session, desk = self.session, self.desk
        if question.op == "result":
            seq, peer.seq = peer.seq, 0
            for ended in session.result(process, question, seq):
                desk.ended(ended.line, time.monotonic())
            return []
        if peer.waiting:
            raise Malformed("a question before the last one was answered")
        peer.asked(frame)
        now = time.monotonic()
        if desk.owed and question.op in ACTS and not desk.paid([Reply(peer, question.number, DENY)]):
            return []
        match question.op:
            case "ask":
                facts = self.world.look(question, process, now)
                if self.wall and question.fields[0] == "exec":
                    return self.wall.programs.ask(peer, process, question, facts, now)
                commands = session.ask(peer, process, question, facts, now)
                self._keep(peer, frame, facts, commands)
                return commands
            case "lookup":
                return session.lookups.lookup(peer, process, question, now)
            case "hello":
                return self._greet(peer, question)
            case "hostile":
                return session.hostile(peer, process, question, question.fields[2])
            case "listening":
                desk.grants.forget()
                self.world.listening.show(process.pid, to_int(question.fields[0]))
                return [Reply(peer, question.number, ALLOW)]
            case "why":
                why = self.wall.why(peer.tid, question.fields) if self.wall else ()
                return [Reply(peer, question.number, DENY if why else ALLOW, *why)]
            case _:
                raise Malformed("opened twice")

    def _keep(self, peer: Peer, frame: bytes, facts: Facts, commands: list[Command]) -> None:
        """Keeps what was granted to a channel's question."""
        if self.may_keep(facts, commands):
            self.desk.grants.keep(peer.process, frame[frame.find(b"\0", 4) :], commands)

    def may_keep(self, facts: Facts, commands: list[Command]) -> bool:
        """Whether a grant of an address may be kept: unless it rests on what can end without our hearing of it."""
        reply = commands[-1]
        lasts = facts.address is not None and not facts.own and self.world.outer is None
        return lasts and isinstance(reply, Reply) and bool(reply.rule)

    def _grant(self, peer: Peer, frame: bytes, known: Grant, number: bytes) -> bool:
        """Grants what was granted a moment ago; returns whether that is done. Else the question is read as any other:
        the trail took no line, and why is told there."""
        try:
            seq = self.desk.granted(known)
        except TrailError:
            return False
        peer.asked(frame)
        peer.send(known.answer(number, seq), seq)
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
        if peer.pid in (0, self.broker):
            raise Malformed("a process that does not speak for itself")
        if key:
            peer.key = keyed(derive(self.master, key[:MAX_NUMBER]))
        peer.process = look(peer.pid, peer.tid or to_int(tid), peer.uid)
        return self.session.reopened(peer.process, why) if why else []

    def _note_guarded(self, exe: str) -> None:
        """This program reports what it does. Grants whose lines say otherwise are made anew."""
        if exe and exe not in self.guarded and len(self.guarded) < MAX_PROGRAMS:
            self.guarded.add(exe)
            self.desk.grants.forget()

    def is_guarded(self, process: Process) -> bool:
        """Whether it runs a program that reports in this run: so a fork counts too that has said nothing yet, and one
        whose parents are gone. In doubt it does."""
        return not process.exe or process.exe in self.guarded or len(self.guarded) >= MAX_PROGRAMS

    def _greet(self, peer: Peer, question: Question) -> list[Command]:
        """A guarded interpreter reports, once, on a connection of its own. It gets the key that its answers have, and
        hears whether there is a wall."""
        if peer.greeted or question.fields[0] != VERSION or peer.process is None:
            raise Malformed("a report that was made before, or of another version")
        peer.greeted = True
        self._note_guarded(peer.process.exe)
        commands = self.session.hello(peer, peer.process, question, wall=peer.tid > 0)
        reply = commands[-1]
        if isinstance(reply, Reply):
            name = os.urandom(8).hex()
            key = derive(self.master, name)
            peer.key = keyed(key)
            reply.rest = (name, key.hex(), *reply.rest)
        return commands
