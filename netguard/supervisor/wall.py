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
from _socket import AF_UNIX
from collections import deque

from netguard.core.acts import Facts
from netguard.core.address import format_ip
from netguard.core.commands import Reply
from netguard.core.policy import ALLOW, DENY, LOG
from netguard.core.process import Process
from netguard.core.question import BOTH, KERNEL, Malformed, Question, parse
from netguard.core.request import NO_CODE
from netguard.core.session import FOREIGN_RULE, UNHELD_RULE
from netguard.errors import TrailError
from netguard.seccomp import arguments, kill, making, rights
from netguard.seccomp.abi import NUMBERS
from netguard.seccomp.callers import Callers
from netguard.seccomp.held import Held, Unheld
from netguard.seccomp.notify import CONTINUE
from netguard.seccomp.table import MAKING, NOTIFIED, SIGNALS
from netguard.supervisor.acting import Acting, substance
from netguard.supervisor.call import Call
from netguard.supervisor.diversions import Diversions
from netguard.supervisor.notes import Notes
from netguard.supervisor.processes import look_at
from netguard.supervisor.programs import STARTS, Programs
from netguard.supervisor.stragglers import family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from netguard.seccomp.arguments import Wanted
    from netguard.seccomp.callers import Caller
    from netguard.seccomp.notify import Listener, Notification
    from netguard.supervisor.grants import Grant
    from netguard.supervisor.loop import Loop

    Address = tuple[int, int]

#: Calls that are taken off the kernel before the first of them is handled: until then a signal may interrupt the wait
#: for us, which a plain run would not have.
MAX_TAKEN = 1_024

#: Calls handled in one go; then others of the run have their turn.
A_TURN = 64

#: Seconds for which a datagram's destination stays granted and announced: reaching it is one act, each datagram a call.
UDP_MEMORY = 5.0

#: What is remembered of a destination that is not: until when, and whether it was the run's own.
FORGOTTEN = (0.0, False)

#: More destinations of datagrams, or threads that were denied something, than a run has at once.
MAX_KNOWN = 4_096

#: Behind the channel's name: the socket that the thread wants is for notes.
NOTES = b".notes"

#: Errors that say that we are at our end, and nothing of the guest's call.
OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class Wall:
    """The notified calls of one run.

    loop: of the run.  address: the channel's, as its name is written.  environ: what the guest was started with.
    held: the guest's sockets, where they have to be made for it (tier B); else None.
    """

    def __init__(
        self, listener: Listener, loop: Loop, address: str, environ: Mapping[str, str], *, hold: bool = False
    ) -> None:
        self.listener = listener
        self.loop = loop
        self.address = AF_UNIX.to_bytes(2, sys.byteorder) + b"\0" + address[1:].encode()
        rights.of_supervisor()
        self.held = Held(family) if hold else None
        self.callers = Callers(self.held)
        loop.poll.register(listener.fd, select.EPOLLIN)
        self.acting = Acting(listener, loop, self.process_of)
        self.notes = Notes(loop.poll, self.acting.told)
        self.programs = Programs(self, environ)
        self.diversions = Diversions(self)
        self.taken: deque[Notification] = deque()
        self.calls = {NUMBERS[name]: name for name in (*NOTIFIED, *SIGNALS, *MAKING)}
        self.udp: dict[tuple[Process, Address | None, int | None], tuple[float, bool]] = {}
        self.refused: dict[tuple[int, bytes], tuple[str, ...]] = {}
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
        elif fd in self.acting.queue:
            self.acting.ready(fd)
        elif fd in self.notes.owners:
            self.notes.end(fd)
        elif fd in self.loop.inquiries:
            self.loop.inquiries.ready(fd)
        elif fd in self.diversions:
            try:
                self.diversions.ready(fd, events)
            except Exception as error:  # noqa: BLE001  # as in `serve`
                self.fault(error)
                self.diversions.give_up(fd)

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
                self.fault(error)

    def fault(self, error: Exception) -> None:
        """Puts a fault of ours on record."""
        why = f"{type(error).__name__}: {error}"
        self.loop.desk.do(self.loop.session.cut_off(None, None, "supervisor.fault", why)[:-1])

    def until(self, now: float) -> float:
        """When something is to be done by itself."""
        if self.taken:
            return now
        pauses = [self.acting.queue.pause(now), self.held.pause(now) if self.held else None]
        return now + min([pause for pause in pauses if pause is not None], default=60.0)

    def sweep(self, now: float) -> None:
        """Looks after what waits, and what is kept."""
        self.acting.sweep(now)
        if self.held:
            self.held.sweep(now)

    def tick(self) -> None:
        """Once a second: what was said that belongs to no call to come, and what nobody will ask for again."""
        self.notes.hear()
        now = time.monotonic()
        self.programs.announced.sweep(now)
        self.udp = {key: known for key, known in self.udp.items() if known[0] > now}
        for _, _, commands, _ in self.loop.desk.later:
            for command in commands:
                call = command.to if isinstance(command, Reply) else None
                if isinstance(call, Call) and not self.listener.is_waiting(call.id):
                    call.wanted.close()  # a caller that was killed keeps no descriptors of ours until it is its turn
        self.diversions.tick(now)

    def take(self, *, told: bool = False) -> None:
        """Takes off the kernel every call that waits there. Where one thread alone has ever called, that is one."""
        call = self.listener.receive(told=told)
        while call is not None:
            self.taken.append(call)
            call = self.listener.receive() if len(self.callers) > 1 and len(self.taken) < MAX_TAKEN else None

    def close(self) -> None:
        """The run is over: nobody is answered any more."""
        self.acting.close()
        self.diversions.close()
        self.callers.close()
        if self.held:
            self.held.close()

    # One call

    def handle(self, call: Notification) -> None:
        """From a notification to a decision. Whatever goes wrong in here denies."""
        name = self.calls.get(call.number, "")
        try:
            if name in SIGNALS:
                value, flags = kill.judge(name, call.args, call.tid)
                self.listener.answer(call.id, error=value, flags=flags)
                return
            if name in STARTS:
                self.programs.handle(call, name)
                return
            if name == "recvfrom" and not self.diversions.receives(call):
                self.listener.answer(call.id, flags=CONTINUE)
                return
            caller = self.callers.find(call.tid)
            if name in making.MAKES:
                making.make(name, call, caller, self.listener)
                return
            try:
                wanted = arguments.read(name, call.args, caller)
            except ProcessLookupError:  # the thread that we knew is gone, and its number another's
                caller = self.callers.anew(call.tid)
                wanted = arguments.read(name, call.args, caller)
        except (arguments.Foreign, Unheld) as error:
            self.refuse(call.id, name, caller, UNHELD_RULE if isinstance(error, Unheld) else FOREIGN_RULE)
            return
        except OSError as error:
            if error.errno in OURS:
                raise
            self.listener.answer(call.id, error=error.errno or errno.EPERM)
            return
        try:
            self.judge(Call(call.id, arguments.signed(call.args[0]), wanted, caller, self, call.at))
        except BaseException:
            wanted.close()
            raise

    def judge(self, call: Call) -> None:
        """Decides on a call that has been read, and sees to what follows."""
        wanted = call.wanted
        if not self.listener.is_waiting(call.id):  # or its thread is gone, and what was read may be another's
            wanted.close()
        elif wanted.call == "recvfrom":
            self.diversions.receive(call)
        elif not wanted.kind:
            self.acting.perform(call)
        elif wanted.call == "connect" and wanted.address.startswith(self.address):
            self.connect_channel(call)
        elif wanted.foreign:
            wanted.close()
            self.refuse(call.id, wanted.call, call.caller)
        elif not self.diversions.takes(call):
            self.decide(call)

    def refuse(self, id: int, name: str, caller: Caller, rule: str = FOREIGN_RULE) -> None:
        """Denies what may not be done for this caller, whatever the rules say: on record, and with EACCES."""
        kind = "listen" if name in ("bind", "listen") else "connect"
        question = Question("ask", "", [kind, name, "", "", "", "", ""], (), NO_CODE, KERNEL)
        commands = self.loop.session.foreign(None, self.process_of(caller), question, rule)
        self.loop.desk.do(commands[:-1])  # the last is the answer
        self.listener.answer(id, error=errno.EACCES)

    def decide(self, call: Call) -> None:
        """One act of the guest's, which the witness may have announced."""
        caller, wanted, desk = call.caller, call.wanted, self.loop.desk
        process = self.process_of(caller)
        now = time.monotonic()
        if wanted.proto == "udp" and wanted.kind == "connect" and self.remembers(process, wanted, now):
            self.acting.perform(call)
            return
        call.seq = self.acting.resumed(call, process)
        if call.seq:
            self.acting.perform(call)
            return
        note = self.notes.of(caller.pid, caller.tid, wanted)
        key = *substance(wanted), note
        known = None if desk.owed else self.known(call, process, key)
        if known is not None and self.grant(call, known):
            return
        if desk.owed and not desk.paid([Reply(call, "", DENY)]):
            return
        question = asked(call, note)
        facts = self.loop.world.told(question, self.facts_of(wanted, caller, now))
        call.own = facts.own
        commands = self.loop.session.ask(call, process, question, facts, now)
        if self.diversions.overrules(call, commands):
            return
        if self.loop.may_keep(facts, commands):
            desk.grants.keep(process, key, commands)
            if self.tells_library(note, desk.grants.known.get((process, key))):
                desk.grants.keep(process, (*key, call.library()), commands)
        desk.do(commands)

    def known(self, call: Call, process: Process, key: tuple[object, ...]) -> Grant | None:
        """The grant of the same act a moment ago: made by the same library, where that was asked or is told."""
        grants = self.loop.desk.grants.known
        found = grants.get((process, key))
        return grants.get((process, (*key, call.library()))) if self.tells_library(key[-1], found) else found

    def tells_library(self, note: object, grant: Grant | None) -> bool:
        """Whether a grant stands for one library's calls alone: a rule asked for it, or its line names it."""
        return grant is not None and not note and (grant.line is not None or self.loop.session.asks_library)

    def remembers(self, process: Process, wanted: Wanted, now: float) -> bool:
        """Whether a datagram's destination was granted a moment ago; as the run's own, only while it still is."""
        until, own = self.udp.get((process, wanted.where, wanted.port), FORGOTTEN)
        if until <= now or wanted.where is None or wanted.port is None:
            return False
        return not own or self.loop.world.listening.owns(process.pid, "udp", wanted.where, wanted.port)

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
            return world.at_socket(caller.pid, wanted.place, wanted.pin)
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
            self.refused[call.caller.tid, self.notes.about_of(call.wanted)] = rest
            call.wanted.close()
            self.listener.answer(call.id, error=errno.EACCES)
            return
        if rest and rest[0] == "again" and call.wanted.proto == "udp":
            if len(self.udp) >= MAX_KNOWN:
                self.udp.clear()
            key = self.process_of(call.caller), call.wanted.where, call.wanted.port
            self.udp[key] = time.monotonic() + UDP_MEMORY, call.own
        call.seq = seq
        if self.refused:
            self.refused.pop((call.caller.tid, self.notes.about_of(call.wanted)), None)
        if delayed and not self.listener.is_waiting(call.id):
            call.wanted.close()  # it was killed or interrupted meanwhile
        else:
            self.acting.perform(call)

    def why(self, tid: int, about: list[str]) -> tuple[str, ...]:
        """The rule and the reason for which a call of this thread's to there was denied; () if none was."""
        return self.refused.get((tid, " ".join(about).encode("utf-8", "replace")), ())

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
        wanted.close()
        self.listener.answer(call.id, error=error)


def asked(call: Call, note: bytes) -> Question:
    """The question that a call is. Only its event and its code are the witness's word; the rest is the kernel's."""
    wanted = call.wanted
    event, code, layers = wanted.call, NO_CODE, KERNEL
    if note:
        try:
            said = parse(note)
            event, code, layers = said.fields[1], said.code, BOTH
        except Malformed:
            pass  # no witness of ours: nothing was announced
    host = "" if wanted.where is None else format_ip(wanted.where)
    port = "" if wanted.port is None else str(wanted.port)
    fields = [wanted.kind, event, wanted.proto, host, port, wanted.place, ""]
    return Question("ask", "", fields, (), code, layers, call.library)
