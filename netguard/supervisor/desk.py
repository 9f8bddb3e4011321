"""Carries out what the session wants done, in order: records, answers, look-ups, delays.

A line must be on the trail before what stands behind it happens. When it cannot be written, every answer behind it
becomes a denial. Who is answered is a peer of the channel or a call of the kernel's; each knows how.
"""

from __future__ import annotations

import _socket as socket
import time
from heapq import heappop, heappush

from netguard.core.answer import Answer
from netguard.core.commands import CutOff, Later, LookUp, Record, Reply, Say
from netguard.core.policy import DENY
from netguard.errors import TrailError
from netguard.supervisor.grants import Grants
from netguard.supervisor.lookups import Resolver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Protocol

    from netguard.core.commands import Command
    from netguard.core.session import Session
    from netguard.supervisor.grants import Grant
    from netguard.supervisor.outlet import Outlet

    class Asker(Protocol):
        """Who asked. waiting: whether an answer is still to come."""

        waiting: bool

        def answer(self, number: str, verdict: str, rest: tuple[str, ...], seq: int) -> None:
            """Takes the answer to its question; `seq` is the record that the outcome may be added to, 0 for none."""

        def cut_off(self) -> None:
            """Is heard no more."""


#: Seconds until how an act ended goes on record, and how many such lines wait at most. Nobody waits for them, so they
#: are written together; where a supervisor is killed meanwhile, how its guest's last acts ended is not known.
SOON, MANY = 0.05, 256

#: Errors that a look-up which could not be started ends with, as a resolver says it that cannot answer now.
TRY_AGAIN = Answer([], [], ("gaierror", socket.EAI_AGAIN, "Temporary failure in name resolution"))


class Desk:
    """What the loop's parts share: the session's commands end here."""

    def __init__(self, session: Session, outlet: Outlet) -> None:
        self.session = session
        self.outlet = outlet
        self.grants = Grants()
        self.resolver = Resolver()
        self.later: list[tuple[float, int, list[Command], int]] = []
        self.owed: list[Command] = []  # counts that are not on record yet
        self.ends: list[dict[str, object]] = []  # how acts ended, not on record yet
        self.ends_due = 0.0
        self.broken = ""

    def do(self, commands: list[Command], seq: int = 0) -> None:
        """Carries commands out in order. Nothing behind a line that could not be written happens."""
        for at, command in enumerate(commands):
            match command:
                case Record():
                    try:
                        seq = self.outlet.write(command.line)
                    except TrailError as error:
                        self.unrecorded(commands[at + 1 :], str(error))
                        return
                case Reply():
                    command.to.answer(command.number, command.verdict, command.rest, seq)
                case Say():
                    self.outlet.say(command.line)
                case LookUp():
                    self._look_up(command, seq)
                case Later():
                    self._delay(command, seq)
                case CutOff():
                    command.to.cut_off()
                case _:
                    unknown(command)

    def unrecorded(self, commands: list[Command], why: str) -> None:
        """The trail took no line: everything that was to follow it is denied."""
        if why != self.broken:
            self.broken = why
            self.outlet.say({"kind": "tamper", "event": "trail", "verdict": DENY, "rule": "trail", "why": why})
        for command in commands:
            match command:
                case Reply() | LookUp():
                    reason = f"the trail cannot be written: {why}"
                    command.to.answer(command.number, DENY, ("trail", reason), 0)
                case Later():
                    self.unrecorded(command.commands, why)
                case CutOff():
                    command.to.cut_off()
                case _:
                    pass

    def granted(self, known: Grant) -> int:
        """Puts on record what was granted a moment ago, again; returns its line's number, 0 without one. Raises
        TrailError: it has to be decided as any other, and why is told there."""
        if known.line is None:
            self.session.count(known.rule)
            return 0
        seq = self.outlet.write(known.line)
        self.session.decisions += 1
        return seq

    def ended(self, line: dict[str, object], now: float) -> None:
        """Takes how an act that is on record ended."""
        if not self.ends:
            self.ends_due = now + SOON
        self.ends.append(line)
        if len(self.ends) >= MANY:
            self.tell_ends()

    def tell_ends(self) -> None:
        """Puts on record how acts ended."""
        ends, self.ends = self.ends, []
        try:
            self.outlet.write_all(ends)
        except TrailError as error:
            self.unrecorded([], str(error))

    def _delay(self, command: Later, seq: int) -> None:
        for one in command.commands:
            if isinstance(one, Reply | LookUp):
                one.to.waiting = True
        heappush(self.later, (time.monotonic() + command.seconds, id(command), command.commands, seq))

    def _look_up(self, task: LookUp, seq: int) -> None:
        task.seq, task.started, task.to.waiting = seq, time.monotonic(), True
        if not self.resolver.start(task):
            self.looked_up(task, TRY_AGAIN)

    def looked_up(self, task: LookUp, answer: Answer) -> None:
        """Has it decided on what came for a name."""
        self.grants.forget()
        now = time.monotonic()
        self.do(self.session.lookups.looked_up(task, answer, (now - task.started) * 1000, now), task.seq)

    # What time brings

    def take_answers(self, *, ours: bool) -> None:
        """Decides on what the resolver has brought. ours: whether the servers that it asks are not the run itself."""
        for task, answer in self.resolver.finished():
            answer.ours = answer.ours and ours
            self.looked_up(task, answer)

    def until(self, tick: float) -> float:
        """When something is to be done by itself, at the latest at the next `tick`."""
        until = min(tick, self.later[0][0]) if self.later else tick
        return min(until, self.ends_due) if self.ends else until

    def due(self, now: float) -> None:
        """Does what was delayed until now."""
        if self.ends and self.ends_due <= now:
            self.tell_ends()
        while self.later and self.later[0][0] <= now:
            _, _, commands, seq = heappop(self.later)
            self.do(commands, seq)

    def tick(self, now: float) -> None:
        """Once a second: what was counted goes on record. What the trail does not take is owed, and comes first."""
        self.grants.forget()
        if self.ends:
            self.tell_ends()
        if self.paid([]):
            self.owed = self.session.tick()
            self.paid([])
        self.outlet.tick(now)

    def paid(self, behind: list[Command]) -> bool:
        """Puts on record what is owed; returns whether nothing is any more. Else what waits `behind` it is denied: no
        act is let through in silence while nobody can be told of it."""
        try:
            while self.owed:
                command = self.owed[0]
                if isinstance(command, Record):
                    self.outlet.write(command.line)
                del self.owed[0]
        except TrailError as error:
            self.unrecorded(behind, str(error))
        return not self.owed


def unknown(command: object) -> NoReturn:
    """A command that the desk does not know is a fault in netguard, never something to pass over."""
    raise AssertionError(f"unknown command {command!r}")
