"""The supervisor's part, played in the guest itself: for sandboxes where a platform can set variables and nothing else.

It answers what `channel` would have asked, from a compiled policy, and puts the same lines on record. The session
(core.session) decides; this carries its commands out: a line first, what stands behind it afterwards, nothing behind a
line that could not be written.

Each process writes chains of its own. One thread at a time is inside; a signal handler that comes up in the middle of
it does not wait for itself, and writes a chain beside the first; an exception that a handler raises in there leaves
a chain where it is, and the next act begins another. A fork is told by its pid.
"""

from __future__ import annotations

import sys
from _thread import RLock, _local
from posix import getpid, register_at_fork
from time import monotonic, sleep, time_ns

from ..core.commands import Later, LookUp, Record, Reply
from ..core.policy import DENY
from ..core.question import Malformed, read
from ..core.reach import rests_on_guest
from ..core.version import VERSION
from ..record import NotRecorded
from ..record.chain import Again, Writer
from ..resolver import look_up
from .outlet import address_of, open_sink
from .sink import Sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.commands import Command
    from ..core.policy import Policy
    from ..core.process import Process
    from ..core.question import Question
    from ..core.session import Session
    from ..record.hidden import Hider
    from .settings import Settings
    from .world import World

#: Grants kept word for word until the next second, as `supervisor.grants` does.
MAX_GRANTED = 1_024

#: Seconds that a thread waits for its turn. An act that waits for a slow reader takes five, and a signal handler that
#: raises at the one wrong moment leaves the lock held.
PATIENCE = 10.0

#: Signal handlers inside one another, each with a chain and a descriptor of its own; past it acts are denied.
MAX_DEPTH = 16

NO_WALL = "off: there is no supervisor, so native code and other programs are not seen"
NO_HTTP = "off: this version does not read requests"


class Turn:
    """One process's lock and chains.

    base: what its chains are called by: its pid and when its guard began.  origin: the chain it was forked from.
    """

    __slots__ = ("base", "chains", "lock", "numbers", "origin", "pid", "sinks")

    def __init__(self, origin: str = "") -> None:
        self.pid = getpid()
        self.base = f"{self.pid}-{time_ns():x}"
        self.origin = origin
        self.lock = RLock()
        self.chains: list[Writer | None] = []  # by depth: the process's own, then those of handlers inside the guard
        self.sinks: list[Sink | None] = []  # by depth; kept when a chain is left, or each would cost a descriptor
        self.numbers = iter(range(sys.maxsize))  # of its chains; a handler cannot come between taking one and the next

    def renew(self, lock: RLock) -> None:
        """Another lock, other chains: whoever has the old ones is not coming back, or does no harm with them."""
        if self.lock is lock:
            self.lock, self.chains, self.sinks = RLock(), [], []

    def began(self, sink: Sink) -> None:
        """The place for the first chain, opened before it."""
        self.sinks.append(sink)
        self.chains.append(None)

    def close(self) -> None:
        """Closes what a child has of its parent's."""
        for sink in self.sinks:
            if sink is not None:
                sink.close()


class Alone:
    """Asks itself. The hook and the wrapped functions use it as they use a `Channel`."""

    __slots__ = (
        "address", "due", "granted", "hider", "lines", "mark", "owed", "policy", "sealed", "session", "settings",
        "turn", "world",
    )  # fmt: skip

    def __init__(self, settings: Settings, policy: Policy, session: Session, world: World, hider: Hider) -> None:
        self.settings = settings
        self.policy = policy
        self.session = session
        self.world = world
        self.hider = hider
        self.address = address_of(settings.log)
        register_at_fork(after_in_child=self.turn_over)
        self.lines = _local()
        self.mark = settings.log_id  # what the run's first process found where the lines go; it must stay that
        self.granted: dict[tuple[str, ...], tuple[Reply, Again | None]] = {}
        self.due = 0.0
        self.owed: list[dict[str, object]] = []  # counts that are not on record yet
        self.sealed = False
        self.turn = Turn()

    # What the hook calls

    def ask(self, op: str, fields: tuple[str, ...]) -> list[str]:
        """Returns the answer's fields, as `Channel.ask`. Raises ValueError for what no question can be."""
        outcome, seq = self.locked(self.answer, op, fields)
        while True:
            if type(outcome) is LookUp:
                answer = self.look_up(outcome)
                outcome, seq = self.locked(self.looked_up, outcome, answer)
            elif type(outcome) is Later:
                sleep(outcome.seconds)
                outcome, seq = self.locked(self.carry, outcome.commands, seq)
            else:
                return outcome  # type: ignore[return-value]

    def note(self, op: str, fields: tuple[str, ...]) -> None:
        """There is no wall that would decide; nobody announces anything."""

    def tell(self, op: str, fields: tuple[str, ...]) -> None:
        """How a recorded act ended. What cannot be put on record is dropped: it carries no right."""
        self.locked(self.noted, op, fields)

    # One at a time

    def locked(self, function: Callable[..., tuple[object, int]], *args: object) -> tuple[object, int]:
        """Calls a function with this turn's chain, when it is our turn."""
        turn, lines = self.turn, self.lines
        if turn.pid != getpid():
            turn = self.forked(turn)
        depth: int = getattr(lines, "opening", 0)  # more than 0: a signal handler came up while its own thread was here
        lock = turn.lock
        mine = lock._is_owned()  # type: ignore[attr-defined]
        if mine and not depth:
            lock.release()  # a handler's exception has left it held
            mine = False
        try:
            lines.opening = depth + 1
            if not mine and not lock.acquire(True, PATIENCE):
                turn.renew(lock)
                return unrecorded(NotRecorded("another thread's act did not end")), 0
            return self.called(turn, depth, function, args)
        finally:
            if not mine:
                try:
                    lock.release()  # before any other call: behind one a handler could raise, and it would stay held
                except RuntimeError:
                    pass  # we never had it
            lines.opening = depth

    def called(
        self, turn: Turn, depth: int, function: Callable[..., tuple[object, int]], args: tuple[object, ...]
    ) -> tuple[object, int]:
        """Calls the function with the chain of this depth, which it may leave unfinished by no way but an exception.

        What was done to the descriptor meanwhile is told first, whatever the act: also a grant that leaves no line.
        """
        if depth > MAX_DEPTH:
            return [DENY, "0", "trail", "too many signal handlers inside one another"], 0
        try:
            chain = self.chain(turn, depth)
            happened = chain.sink.kept()  # type: ignore[attr-defined]
            if happened:
                chain.write({"kind": "tamper", "event": "channel.lost", "why": happened, "proc": self.process().line})
            return function(chain, *args)
        except NotRecorded as error:
            return unrecorded(error), 0
        except BaseException:
            # A handler's exception, or a fault: a line may be on record that the chain does not count.
            turn.chains[depth : depth + 1] = [None]  # there may be none yet
            raise

    def turn_over(self) -> None:
        """In a child, right after the fork: the turn is its parent's. A pid can come again, and would not tell."""
        self.turn.pid = -1

    def forked(self, turn: Turn) -> Turn:
        """The child's own turn. What the parent has counted is the parent's to tell."""
        self.turn = Turn(turn.base)
        turn.close()
        self.session.counts, self.session.decisions, self.owed, self.granted = {}, 0, [], {}
        self.session.meter.fullest = {}
        self.sealed = False
        return self.turn

    # Inside

    def answer(self, chain: Writer, op: str, fields: tuple[str, ...]) -> tuple[object, int]:
        """What a question comes to: an answer's fields, or what has to be done before there is one."""
        now = monotonic()
        if now >= self.due:
            self.tick(chain, now)
        known = self.granted.get(fields) if op == "ask" else None
        if known is not None and (known[1] is None or known[1]["proc"] is self.process().line):
            return self.grant(chain, *known, now)
        try:
            commands = self.decided(read([op, "0", *fields]), self.process(), now)
        except Malformed as error:  # nothing that the shim's own readers make; as the supervisor, no further than this
            self.carry(chain, self.session.cut_off(None, self.process(), "channel.malformed", str(error)), 0)
            return [DENY, "0", "hostile-argument", str(error)], 0
        if op == "ask":
            self.keep(fields, commands)
        if self.sealed:
            self.tick(chain, now)
        return self.carry(chain, commands, 0)

    def decided(self, question: Question, process: Process, now: float) -> list[Command]:
        """The session's commands for a question."""
        op, session = question.op, self.session
        if op == "ask":
            try:
                facts = self.world.look(question, now)
            except Malformed as error:
                return session.hostile(None, process, question, str(error))
            self.lines.lasts = facts.address is not None and not facts.own
            return session.ask(None, process, question, facts, now)
        if op == "lookup":
            return session.lookups.lookup(None, process, question, now)
        if op == "hostile":
            return session.hostile(None, process, question, question.fields[2])
        if op == "listening":
            self.granted.clear()
            self.world.show(int(question.fields[0]))
            return [Reply(None, "0", "allow")]
        return [Reply(None, "0", "allow", "", *session.audit_names)]  # hello: its line began the chain

    def keep(self, fields: tuple[str, ...], commands: list[Command]) -> None:
        """Keeps a grant of an address until the next second."""
        first, reply = commands[0], commands[-1]
        if type(reply) is Reply and reply.rule and self.lines.lasts:
            if len(self.granted) >= MAX_GRANTED:
                self.granted.clear()
            self.granted[fields] = reply, Again(first.line) if type(first) is Record else None

    def grant(self, chain: Writer, reply: Reply, line: Again | None, now: float) -> tuple[object, int]:
        """Grants what was granted a moment ago, with its line where it has one."""
        seq = 0
        if line is None:
            self.session.count(reply.rule)
        else:
            self.session.decisions += 1
            seq = chain.write(line)
            self.lines.chain = chain
        if self.sealed:
            self.tick(chain, now)  # nothing may come after it that would tell of it
        return [reply.verdict, str(seq), *reply.rest], seq

    def looked_up(self, chain: Writer, task: LookUp, answer: object) -> tuple[object, int]:
        """The session's word on what the resolver brought."""
        self.granted.clear()
        now = monotonic()
        commands = self.session.lookups.looked_up(task, answer, (now - task.started) * 1000, now)  # type: ignore[arg-type]
        return self.carry(chain, commands, task.seq)

    def noted(self, chain: Writer, op: str, fields: tuple[str, ...]) -> tuple[object, int]:
        """A `result`, if its act stands in this very chain."""
        if getattr(self.lines, "chain", None) is chain:
            for command in self.session.result(self.process(), read([op, "0", *fields]), int(fields[0])):
                if type(command) is Record:
                    chain.write(command.line, awaited=False)
        return None, 0

    def carry(self, chain: Writer, commands: list[Command], seq: int) -> tuple[object, int]:
        """Carries commands out in order. Nothing behind a line that could not be written happens."""
        for command in commands:
            if type(command) is Record:
                seq = chain.write(command.line)
                self.lines.chain = chain
            elif type(command) is Reply:
                return [command.verdict, str(seq), *command.rest], seq
            elif type(command) is LookUp:
                command.seq, command.started = seq, monotonic()
                return command, seq
            elif type(command) is Later:
                return command, seq
        return [], seq

    def tick(self, chain: Writer, now: float) -> None:
        """At most once a second: what was let through in silence. Raises NotRecorded; due again until it went."""
        self.granted.clear()
        self.owed += [command.line for command in self.session.tick() if type(command) is Record]
        while self.owed:
            chain.write(self.owed[0])
            del self.owed[0]
        self.due = now + 1.0

    def look_up(self, task: LookUp) -> object:
        """Asks the resolver, with the hook told which event is a look-up that was granted."""
        lines = self.lines

        def release(about: object) -> None:
            lines.released = about

        try:
            return look_up(task.function, task.name, task.service, task.numbers, release)
        finally:
            lines.released = None

    def process(self) -> Process:
        """The asking thread; looked at once for each thread of each process."""
        lines = self.lines
        found: Process | None = getattr(lines, "process", None)
        if found is None or found.pid != self.turn.pid:
            found = lines.process = self.world.process()
        return found

    # Chains

    def chain(self, turn: Turn, depth: int) -> Writer:
        """The chain of this depth, begun if there is none. Raises NotRecorded."""
        while len(turn.sinks) <= depth:  # by itself: a handler may raise between the two
            turn.sinks.append(None)
        while len(turn.chains) <= depth:
            turn.chains.append(None)
        found = turn.chains[depth]
        if found is None:
            found = turn.chains[depth] = self.begun(turn, depth)
        return found

    def begun(self, turn: Turn, depth: int) -> Writer:
        """A new chain, with its `coverage` line."""
        number = next(turn.numbers)
        name = f"{turn.base}.{number}" if number else turn.base
        sink = turn.sinks[depth]
        if sink is None:
            sink = turn.sinks[depth] = self.opened()
        sink.serve(name)
        chain = Writer(sink, self.settings.run, self.hider, chain=name, limit=sink.limit)
        chain.write(self.coverage(turn, number, sink))
        return chain

    def opened(self) -> Sink:
        """The place for lines, opened; it must stay what this process's guard began with. Raises NotRecorded."""
        try:
            sink = open_sink(self.settings.log, self.settings.log_fd, self.address)
        except OSError as error:
            raise NotRecorded(f"the place for the trail cannot be opened: {error.strerror}") from None
        mark = "{}:{}".format(*sink.mark())
        if mark != (self.mark or mark):
            sink.close()
            raise NotRecorded("what is in the trail's place is not what the run began with")
        self.mark = mark
        return sink

    def coverage(self, turn: Turn, number: int, sink: Sink) -> dict[str, object]:
        """A chain's first line: what this process covers, and what not and why."""
        why = f"forked from {turn.origin}" if turn.origin else ""
        if number:
            why = f"beside or behind {turn.base}"
        line: dict[str, object] = {
            "kind": "coverage", "event": "injection", "netguard": VERSION, "python": sys.version.split()[0],
            "platform": sys.platform, "mode": "dry-run" if self.settings.dry_run else "injection", "hooks": "on",
            "wall": NO_WALL, "http_view": NO_HTTP, "trail": sink.watch, "policy": self.policy.digest,
            "default": self.policy.default, "told": [rule.name for rule in self.policy.rules if rests_on_guest(rule)],
            "proc": {**self.process().line, "argv": list(self.world.argv)},
        }  # fmt: skip
        if why:
            line["why"] = why
        if self.session.context.tags:
            line["tags"] = self.session.context.tags
        return line

    def close(self) -> None:
        """The process ends by itself: what was let through in silence, then the last line. Later acts begin a chain."""
        if self.turn.pid != getpid() or self.sealed:
            return
        self.locked(self.closed)

    def closed(self, chain: Writer) -> tuple[object, int]:
        """Ends this process's first chain."""
        self.tick(chain, monotonic())
        chain.close({"kind": "close", "decisions": self.session.decisions})
        self.turn.chains[0] = self.turn.sinks[0] = None
        self.sealed = True
        return None, 0


def unrecorded(error: NotRecorded) -> list[str]:
    """The answer to whatever could not be put on record."""
    return [DENY, "0", "trail", f"the trail cannot be written: {error}"]
