"""The programs that a run starts: each start is decided as any other act, and then the kernel goes on with it.

It has to: nobody can execute for another. So what is granted is what was asked; the kernel reads path and arguments
again, and another thread may have changed them (seccomp_unotify(2)). A denial rests on nothing that can change, and
where the rules name all that may start, Landlock holds the kernel to that list (`listed.py`).

    execve ─ read ─┬ nothing would start ─▶ its errno, and no line: a path that is tried on the way along PATH
                   ├ the witness was granted it ─▶ goes on; its line gets a result that names the process
                   └ decide ─ record ─┬ deny  ─▶ EACCES
                                      └ grant ─▶ goes on
"""

from __future__ import annotations

import errno
import os
import time

from netguard.core.acts import Facts, uncovered
from netguard.core.commands import Record, Reply
from netguard.core.interpreter import Uncovered, options_of
from netguard.core.policy import DENY
from netguard.core.question import KERNEL, Question
from netguard.core.request import NO_CODE
from netguard.seccomp import executions
from netguard.seccomp.notify import CONTINUE
from netguard.supervisor.announced import PATIENCE, Announced, Asking, Granted
from netguard.supervisor.processes import origin, parents
from netguard.supervisor.surroundings import WITHOUT, Surroundings
from netguard.supervisor.unsuited import told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from netguard.core.commands import Command
    from netguard.core.process import Process
    from netguard.seccomp.callers import Caller
    from netguard.seccomp.executions import Execution
    from netguard.seccomp.notify import Notification
    from netguard.supervisor.peer import Peer
    from netguard.supervisor.surroundings import Pairs
    from netguard.supervisor.wall import Wall

    Key = tuple[str, tuple[str, ...]]

#: The calls that start a program.
STARTS = ("execve", "execveat")

#: Processes above a caller that may have asked for what it starts: its parent, and the supervisor of a run inside ours.
ASKERS = 2

#: Why a Python is not covered whose options could not all be read.
TOO_MANY = "more arguments than are read"


class Starting:
    """One start on its way from the kernel to its answer: whom the session's answer is for.

    key:     program and arguments.  carried: the variables that bring code along.  uncovered: what is new of them, and
             what else speaks against its guard.
    waiting: whether its answer is delayed.  seq: the record that it adds to, 0 for none.
    """

    __slots__ = ("call", "caller", "carried", "id", "key", "programs", "seq", "uncovered", "waiting")

    def __init__(self, programs: Programs, id: int, caller: Caller, call: str) -> None:
        self.programs = programs
        self.id = id
        self.caller = caller
        self.call = call
        self.key: Key = ("", ())
        self.carried: Pairs = frozenset()
        self.uncovered: frozenset[str] = frozenset()
        self.waiting = False
        self.seq = 0

    def answer(self, number: str, verdict: str, rest: tuple[str, ...], seq: int) -> None:
        """Takes what was decided, and has it carried out."""
        self.waiting = False
        if verdict in ("allow", "log"):
            self.programs.go(self)
        else:
            self.programs.deny(self.id)

    def cut_off(self) -> None:
        """A call has no line that could be closed; it is denied."""
        self.programs.deny(self.id)


class Programs:
    """The programs that one run starts. environ: what it was started with."""

    def __init__(self, wall: Wall, environ: Mapping[str, str]) -> None:
        self.wall = wall
        self.loop = wall.loop
        self.surroundings = Surroundings(environ)
        self.announced = Announced()
        self.asks_args = any([rule.args for rule in self.loop.session.policy.rules])
        self.first, self.second, self.python = 0, "", False
        self.said: set[str] = set()

    def begin(self, first: int, second: str, *, python: bool) -> None:
        """The run's first process has begun.

        second: what its script leads to by way of another program, "" for none.  python: whether it is to be a Python.
        """
        self.first, self.second, self.python = first, second, python

    # What a witness asks

    def ask(self, peer: Peer, process: Process, question: Question, facts: Facts, now: float) -> list[Command]:
        """May this program start? What is granted is awaited."""
        start = facts.resolved or question.fields[6], question.argv
        against = frozenset(uncovered(question, facts))

        def granted(seq: int) -> None:
            self.announced.grant(process.pid, start, Granted(time.monotonic() + PATIENCE, against, seq))

        commands = self.loop.session.ask(Asking(peer, granted), process, question, facts, now)
        complete(commands, process, "")
        return commands

    # What the kernel asks

    def handle(self, call: Notification, name: str) -> None:
        """One call. Raises OSError: the errno that the guest gets, for nothing would start."""
        caller = self.wall.callers.living(call.tid)
        starting = Starting(self, call.id, caller, name)
        try:
            found = executions.read(name, call.args, caller)
        except executions.Unreadable:
            self.refuse(starting, "its memory is kept from netguard, and so the program's path")
            return
        try:
            self.judge(starting, found)
        finally:
            found.close()

    def judge(self, starting: Starting, found: Execution) -> None:
        """Decides on a start that has been read."""
        if not self.wall.listener.is_waiting(starting.id):
            return  # or its thread is gone, and what was read may be another's
        pid, now = starting.caller.pid, time.monotonic()
        argv = tuple([os.fsdecode(word) for word in found.argv])
        if not found.whole_environ or (self.asks_args and not found.whole):
            what = "arguments" if found.whole_environ else "variables"
            most = f"{executions.MAX_WORDS:,} {what}, or {executions.MAX_BYTES:,} bytes of them"
            self.refuse(starting, f"more than {most}")
            return
        starting.carried, new, leads = self.surroundings.against(found.environ, pid)
        fields = ["exec", found.call, "", "", "", " ".join(new), found.path]
        question = Question("ask", "", fields, argv, NO_CODE, KERNEL)
        facts = self.facts_of(found, argv, leads)
        starting.key = found.real, argv
        starting.uncovered = frozenset(uncovered(question, facts))
        if self.is_own(pid, found, facts, leads and not starting.uncovered):
            self.go(starting)
            return
        known = self.announced.take(self.askers(pid), starting.key, starting.uncovered, now)
        if known is not None:
            starting.seq = known.seq
            self.go(starting)
            return
        self.decide(starting, found, question, facts, now)

    def decide(self, starting: Starting, found: Execution, question: Question, facts: Facts, now: float) -> None:
        """Decides on a start that no witness was granted."""
        desk = self.loop.desk
        if desk.owed and not desk.paid([Reply(starting, "", DENY)]):
            return
        process = self.wall.process_of(starting.caller)
        commands = self.loop.session.ask(starting, process, question, self.loop.world.told(question, facts), now)
        complete(commands, process, found.folder)
        desk.do(commands)

    def facts_of(self, found: Execution, argv: Sequence[str], leads: bool) -> Facts:
        """What is known of the program."""

        def exists(path: str) -> bool:
            return os.path.exists(os.path.join(found.folder, path))

        options = options_of(found.path, found.real, found.head, argv, os.path.realpath, exists)
        if options is not None and not leads:
            options = Uncovered([WITHOUT])
        elif options is not None and not found.whole:
            options = Uncovered([TOO_MANY])
        facts = Facts(resolved=found.real, options=options)
        if self.loop.world.listed:
            facts.barred = self.loop.world.listed.bars_file(found.fd, found.identity)
        return facts

    def is_own(self, pid: int, found: Execution, facts: Facts, guarded: bool) -> bool:
        """Whether this is the run's own program, which was asked for on the command line and is no act of the guest's:
        what a script leads to whose first line names `env`, at once; or the Python that a script of that name ends in
        (a wrapper), until it reports."""
        if pid != self.first:
            return False
        second, self.second = self.second, ""
        if not guarded or facts.barred:
            return False
        return found.real == second or (self.python and facts.options is not None and not self.loop.reported)

    def askers(self, pid: int) -> Iterator[int]:
        """A process, and those above it."""
        for _ in range(ASKERS + 1):
            yield pid
            pid = origin(pid)[0]

    # What follows a decision

    def deny(self, id: int) -> None:
        """The program does not start."""
        self.wall.listener.answer(id, error=errno.EACCES)

    def refuse(self, starting: Starting, why: str) -> None:
        """Denies what cannot be read, whatever the rules say: on record."""
        question = Question("ask", "", ["exec", starting.call, "", "", "", "", ""], (), NO_CODE, KERNEL)
        process = self.wall.process_of(starting.caller)
        self.loop.desk.do(self.loop.session.hostile(starting, process, question, why)[:-1])
        self.deny(starting.id)

    def go(self, starting: Starting) -> None:
        """The kernel goes on. Whoever did not hear of it asks once more, and that is the same act."""
        caller = starting.caller
        self.advise(starting.key[0])
        self.wall.callers.executes(caller)
        self.surroundings.starts(caller.pid, starting.carried)
        now = time.monotonic()
        if not self.wall.listener.answer(starting.id, flags=CONTINUE):
            self.announced.grant(caller.pid, starting.key, Granted(now + PATIENCE, starting.uncovered, starting.seq))
        elif starting.seq:
            line = {"kind": "result", "of": starting.seq, "event": starting.call, "layers": KERNEL}
            self.loop.desk.ended({**line, "proc": {"pid": caller.pid, "tid": caller.tid}}, now)

    def advise(self, program: str) -> None:
        """Says once of a program that it will be refused what it is for."""
        text = told(program)
        if text and text not in self.said:
            self.said.add(text)
            self.loop.desk.outlet.tell(text)


def complete(commands: list[Command], process: Process, folder: str) -> None:
    """Adds to a start's line, where there is one, what is only looked up for it: where, and below whom."""
    first = commands[0]
    about = first.line.get("exec") if isinstance(first, Record) else None
    if isinstance(about, dict):
        if folder and folder != process.line["cwd"]:
            about["cwd"] = folder
        above = parents(process.pid)
        if above:
            about["parents"] = above
