"""The wall's side of the loop: each notified call is read once, joined with what the witness said of it, decided as any
other question, and carried out here on a copy of the guest's own socket.

Never is the guest told to go on by itself where a destination is concerned: what its arguments point to may be another
by then (seccomp_unotify(2)). A call that cannot be read, decided or recorded is denied.

    notification ─ read ─┬ nothing to decide (a send on a connected socket, a bound socket that listens) ─▶ act
                         ├ the channel's name: answered with a line of the guest's own
                         └ join ─ decide ─ record ─┬ deny ─▶ EACCES, and kept for who asks why
                                                   └ grant ─▶ act ─┬ done ─▶ its value or errno, and a result line
                                                                   └ not yet ─▶ waits for its socket, never for us
"""

from __future__ import annotations

import errno
import select
import sys
import time
from _socket import AF_UNIX, SOCK_DGRAM
from collections import deque

from netguard.core.acts import Facts
from netguard.core.address import format_ip
from netguard.core.commands import Record, Reply
from netguard.core.policy import ALLOW, DENY, LOG
from netguard.core.process import Process
from netguard.core.question import BOTH, KERNEL, Malformed, Question, parse
from netguard.core.request import NO_CODE
from netguard.errors import TrailError
from netguard.seccomp import act, arguments, kill
from netguard.seccomp.abi import NUMBERS
from netguard.seccomp.callers import Callers
from netguard.seccomp.notify import CONTINUE
from netguard.seccomp.table import NOTIFIED, SIGNALS
from netguard.seccomp.waiting import ERESTARTSYS, Done, Queue
from netguard.supervisor.call import Call
from netguard.supervisor.notes import Notes
from netguard.supervisor.processes import look_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.seccomp.arguments import Wanted
    from netguard.seccomp.callers import Caller
    from netguard.seccomp.notify import Listener, Notification
    from netguard.supervisor.grants import Grant
    from netguard.supervisor.loop import Loop

#: Calls that are taken off the kernel before the first of them is handled: until then a signal may interrupt the wait
#: for us, which a plain run would not have.
MAX_TAKEN = 1_024

#: Calls handled in one go; then others of the run have their turn.
A_TURN = 64

#: Seconds for which a datagram's destination stays granted and announced: reaching it is one act, each datagram a call.
UDP_MEMORY = 5.0

#: More destinations of datagrams, or threads that were denied something, than a run has at once.
MAX_KNOWN = 4_096

#: Calls that only have to be seen: which program starts is decided where the witness asks.
PASSED = ("execve", "execveat")

#: Behind the channel's name: the socket that the thread wants is for notes.
NOTES = b".notes"

#: Errors that say that we are at our end, and nothing of the guest's call.
OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

#: Errors that say "not yet": how it ends is not known to us.
PENDING = (errno.EINPROGRESS, errno.EALREADY, errno.EAGAIN)


class Wall:
    """The notified calls of one run.

    loop: of the run.  address: the channel's, as its name is written.
    """

    def __init__(self, listener: Listener, loop: Loop, address: str) -> None:
        self.listener = listener
        self.loop = loop
        self.address = AF_UNIX.to_bytes(2, sys.byteorder) + b"\0" + address[1:].encode()
        self.callers = Callers()
        loop.poll.register(listener.fd, select.EPOLLIN)
        self.queue = Queue(loop.poll, listener)
        self.notes = Notes(loop.poll)
        self.taken: deque[Notification] = deque()
        self.waiting: dict[int, Call] = {}
        self.calls = {NUMBERS[name]: name for name in (*NOTIFIED, *SIGNALS)}
        self.udp: dict[tuple[Process, bytes], float] = {}
        self.refused: dict[int, tuple[str, ...]] = {}
        self.again: dict[int, tuple[str, bytes, int]] = {}  # acts of threads that a signal has interrupted
        self.over = False  # whether no process is left

    def ready(self, fd: int, events: int) -> None:
        """Something of the wall's is ready."""
        if fd == self.listener.fd:
            if events & select.EPOLLIN:
                self.take(told=True)
                self.serve()
            else:
                self.loop.poll.unregister(fd)  # hung up, and would be so for ever
                self.over = True
        elif fd in self.queue:
            for id, _, done in self.queue.ready(fd):
                self.finish(self.waiting.pop(id), done)
        elif fd in self.notes.owners:
            self.notes.end(fd)

    def is_over(self) -> bool:
        """Whether the kernel says that no process is left."""
        return self.over or self.listener.hung_up()

    def serve(self) -> None:
        """Handles calls that wait, for one turn."""
        for _ in range(A_TURN):
            if not self.taken:
                return
            call = self.taken.popleft()
            try:
                self.handle(call)
            except Exception as error:  # noqa: BLE001  # a fault of ours is a denial and a record, not the end of the guard
                self.listener.answer(call.id, error=errno.EACCES)
                why = f"{type(error).__name__}: {error}"
                self.loop.desk.do(self.loop.session.cut_off(None, None, "supervisor.fault", why)[:-1])

    def sweep(self, now: float) -> None:
        """Looks after what waits: who was killed or interrupted, whose time is up."""
        for id, _, done in self.queue.sweep(now):
            self.finish(self.waiting.pop(id), done)

    def take(self, *, told: bool = False) -> None:
        """Takes off the kernel every call that waits there."""
        call = self.listener.receive(told=told)
        while call is not None:
            self.taken.append(call)
            call = self.listener.receive() if len(self.taken) < MAX_TAKEN else None

    # One call

    def handle(self, call: Notification) -> None:
        """From a notification to a decision. Whatever goes wrong in here denies."""
        name = self.calls.get(call.number, "")
        try:
            if name in SIGNALS:
                value, flags = kill.judge(name, call.args, call.tid)
                self.listener.answer(call.id, error=value, flags=flags)
                return
            caller = self.callers.find(call.tid)
            if name in PASSED:
                self.listener.answer(call.id, flags=CONTINUE)
                return
            wanted = arguments.read(name, call.args, caller)
        except OSError as error:
            if error.errno in OURS:
                raise
            self.listener.answer(call.id, error=error.errno or errno.EPERM)
            return
        try:
            self.judge(Call(call.id, arguments.signed(call.args[0]), wanted, caller, self))
        except BaseException:
            wanted.close()
            raise

    def judge(self, call: Call) -> None:
        """Decides on a call that has been read, and sees to what follows."""
        wanted = call.wanted
        if not self.listener.is_waiting(call.id):  # or its thread is gone, and what was read may be another's
            wanted.close()
        elif not wanted.kind:
            self.perform(call)
        elif wanted.call == "connect" and wanted.address.startswith(self.address):
            self.connect_channel(call)
        else:
            self.decide(call)

    def decide(self, call: Call) -> None:
        """One act of the guest's, which the witness may have announced."""
        caller, wanted, desk = call.caller, call.wanted, self.loop.desk
        process = self.process_of(caller)
        now = time.monotonic()
        if wanted.proto == "udp" and self.udp.get((process, wanted.address), 0.0) > now:
            self.perform(call)
            return
        again = self.again.pop(caller.tid, None) if self.again else None
        if again is not None and again[:2] == (wanted.call, wanted.address):
            call.seq = again[2]  # the kernel makes the call once more after the signal's handler: it is the same act
            self.perform(call)
            return
        note = self.notes.of(caller.pid, caller.tid, wanted)
        key = b"%b\0%b\0%b" % (wanted.call.encode(), wanted.address, note)
        known = None if desk.owed else desk.grants.known.get((process, key))
        if known is not None and self.grant(call, known):
            return
        if desk.owed and not desk.paid([Reply(call, "", DENY)]):
            return
        question = asked(wanted, note)
        facts = self.loop.world.told(question, self.facts_of(wanted, caller, now))
        commands = self.loop.session.ask(call, process, question, facts, now)
        if self.loop.may_keep(facts, commands):
            desk.grants.keep(process, key, commands)
        desk.do(commands)

    def grant(self, call: Call, known: Grant) -> bool:
        """Grants what was granted a moment ago, word for word; False when the trail took no line."""
        try:
            seq = self.loop.desk.granted(known)
        except TrailError:
            return False
        self.settle(call, known.verdict, known.rest, seq)
        return True

    def facts_of(self, wanted: Wanted, caller: Caller, now: float) -> Facts:
        """What the kernel says of the destination."""
        world = self.loop.world
        if wanted.proto == "unix":
            return world.at_path(caller.pid, wanted.place)
        if wanted.kind == "listen":
            return Facts(wanted.where)
        return world.at(caller.pid, wanted.where, wanted.proto, wanted.port, now)

    def process_of(self, caller: Caller) -> Process:
        """Who calls, looked up once for each image that a process executes. Whether it reports may change later."""
        process = caller.process
        if not isinstance(process, Process):
            process = caller.process = look_at(caller.pid, caller.tid)
        process.guarded = self.loop.is_guarded(process)
        return process

    # What follows a decision

    def settle(self, call: Call, verdict: str, rest: tuple[str, ...], seq: int, *, delayed: bool = False) -> None:
        """Carries out what was decided; what goes before it is on record."""
        if verdict != ALLOW and verdict != LOG:
            if len(self.refused) >= MAX_KNOWN:
                self.refused.clear()
            self.refused[call.caller.tid] = rest
            self.listener.answer(call.id, error=errno.EACCES)
            call.wanted.close()
            return
        if rest and rest[0] == "again" and call.wanted.proto == "udp":
            if len(self.udp) >= MAX_KNOWN:
                self.udp.clear()
            self.udp[self.process_of(call.caller), call.wanted.address] = time.monotonic() + UDP_MEMORY
        call.seq = seq
        if self.refused:
            self.refused.pop(call.caller.tid, None)
        if delayed and not self.listener.is_waiting(call.id):
            call.wanted.close()  # it was killed or interrupted meanwhile
        else:
            self.perform(call)

    def perform(self, call: Call) -> None:
        """Does for the guest what it wants, on its own socket. Nothing in here waits."""
        call.started = time.monotonic() if call.seq else 0.0
        found = act.perform(call.wanted, call.caller)
        done = found if isinstance(found, Done) else self.queue.add(call.id, found)
        if done is None:
            self.waiting[call.id] = call
        else:
            self.finish(call, done)

    def finish(self, call: Call, done: Done | None) -> None:
        """Tells the guest how its call ended, and the trail if the act is on it. None: nobody waits any more."""
        wanted = call.wanted
        if done is not None:
            if not done.error and (wanted.call == "listen" or (wanted.call == "bind" and wanted.type == SOCK_DGRAM)):
                self.loop.desk.grants.forget()
                self.loop.world.listening.show(call.caller.pid, call.fd)
            self.listener.answer(call.id, done.value, done.error)
            if done.error == ERESTARTSYS and wanted.kind and len(self.again) < MAX_KNOWN:
                self.again[call.caller.tid] = wanted.call, wanted.address, call.seq
            elif call.seq and done.error not in PENDING:
                ms = round((time.monotonic() - call.started) * 1000, 3)
                self.loop.desk.do([Record({"kind": "result", "of": call.seq, "errno": done.error, "ms": ms})])
        wanted.close()

    def connect_channel(self, call: Call) -> None:
        """Gives the thread a line to us in place of the socket that it wanted to connect: so the kernel attests who is
        at its other end, and nothing is left that could lead elsewhere."""
        caller, wanted = call.caller, call.wanted
        error = errno.EAGAIN
        if wanted.address == self.address:
            theirs = self.loop.new_line(caller.pid, caller.tid)
        else:
            theirs = self.notes.open(caller.pid) if wanted.address == self.address + NOTES else None
        if theirs is not None:
            error = 0
            try:
                self.listener.put_fd(call.id, theirs.fileno(), call.fd, close_on_exec=True)
            except OSError as failed:
                error = failed.errno or errno.EPERM
            theirs.close()
        self.listener.answer(call.id, error=error)
        wanted.close()


def asked(wanted: Wanted, note: bytes) -> Question:
    """The question that a call is. Only its event and its code are the witness's word; the rest is the kernel's."""
    event, code, layers = wanted.call, NO_CODE, KERNEL
    if note:
        try:
            said = parse(note)
            event, code, layers = said.fields[1], said.code, BOTH
        except Malformed:
            pass  # no witness of ours: nothing was announced
    host = "" if wanted.where is None else format_ip(wanted.where)
    port = "" if wanted.port is None else str(wanted.port)
    return Question("ask", "", [wanted.kind, event, wanted.proto, host, port, wanted.place, ""], (), code, layers)
