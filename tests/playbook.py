"""Plays a session: events in, commands out, each list compared as a whole.

    book = Playbook(policy("deny connect 127.0.0.1"))
    book.plays(
        book.ask("connect", host="127.0.0.1", port="80"),
        record("connect", "deny", "rule-0", "rule matched", dst={...}),
        SAY, reply("deny", "rule-0", "rule matched"),
    )

Events are real frames, read by the real parser. After each play the sum must hold: lines with a verdict and counts
together are the session's decisions; and whatever is not plainly granted stands behind a record.
"""

from __future__ import annotations

from typing import Any

from netguard.core.acts import Context, Facts
from netguard.core.address import parse_ip
from netguard.core.answer import Answer
from netguard.core.commands import CutOff, Later, LookUp, Record, Reply, Say
from netguard.core.policy import Policy
from netguard.core.process import Process
from netguard.core.question import Question, parse
from netguard.core.session import Session
from netguard.core.wire import pack

#: Who asks. Only the loop looks inside a peer; to a session it is what an answer is sent to.
PEER: Any = object()
PROCESS_LINE: dict[str, object] = {"pid": 41, "tid": 42, "exe": "/usr/bin/python3", "cwd": "/job", "argv": ["…[+999]"]}
PROCESS = Process(41, 42, "ci", "/usr/bin/python3", PROCESS_LINE, ("python3", "s.py"))

CODE = ("/job/script.py", "12", "main", "__main__", "__main__", "requests")
CODE_LINE = {
    "file": "/job/script.py", "line": 12, "func": "main", "module": "__main__", "package": "__main__",
    "via": "requests",
}  # fmt: skip
NUMBER = "a1b2"

SAY = ("say",)
CUT = ("cut",)


def record(kind: str, verdict: str, rule: str, why: str, event: str, **rest: Any) -> tuple[Any, ...]:
    """The line of a decision on what PROCESS asked from CODE."""
    line = {"kind": kind, "event": event, "layers": ["hook"], "verdict": verdict, "rule": rule, "why": why, **rest}
    return "record", {**line, "proc": PROCESS.line, "code": CODE_LINE}


def note(kind: str, **rest: Any) -> tuple[Any, ...]:
    """A line of the trail's own."""
    return "record", {"kind": kind, **rest}


def reply(verdict: str, *rest: str) -> tuple[Any, ...]:
    """An answer to the question with NUMBER."""
    return ("reply", verdict, *(rest or ("",)))


def look_up(function: str, name: str, service: str = "", *numbers: int) -> tuple[Any, ...]:
    return "look up", function, name, service, (*numbers, 0, 0, 0, 0)[:4]


def later(seconds: float, *commands: tuple[Any, ...]) -> tuple[Any, ...]:
    return "later", seconds, commands


def told(command: object) -> tuple[Any, ...]:
    """A command as a value that compares and prints."""
    match command:
        case Record():
            return "record", command.line
        case Reply():
            assert (command.to, command.number) == (PEER, NUMBER)
            return "reply", command.verdict, *command.rest
        case LookUp():
            assert (command.to, command.number) == (PEER, NUMBER)
            return "look up", command.function, command.name, command.service, command.numbers
        case Later():
            return "later", command.seconds, tuple([told(one) for one in command.commands])
        case Say():
            return SAY
        case CutOff():
            return CUT
    raise AssertionError(command)


class Playbook:
    """One session and a clock.

    now: seconds; a test moves it on.
    """

    def __init__(
        self, policy: Policy, *, dry_run: bool = False, session: str = "", tags: dict[str, str] | None = None
    ) -> None:
        self.session = Session(policy, Context("ci", session, tags), dry_run=dry_run)
        self.now = 100.0
        self.told = 0  # decisions that are on record or in a count line
        self.commands: list[Any] = []  # of the last play

    def plays(self, commands: list[Any], *expected: tuple[Any, ...]) -> None:
        """Compares what the session wanted with all that it should want."""
        self.commands = commands
        assert [told(command) for command in commands] == list(expected)
        for command in commands:
            line = command.line if isinstance(command, Record) else {}
            self.told += "verdict" in line
            self.told += sum(line.get("counts", {}).values())
        assert self.told + sum(self.session.counts.values()) == self.session.decisions
        self.check_order(commands)

    def check_order(self, commands: list[Any]) -> None:
        """What is logged, denied or told to a person is on record before."""
        recorded = False
        for command in commands:
            recorded = recorded or isinstance(command, Record)
            assert recorded or not isinstance(command, Say)
            assert recorded or not isinstance(command, Reply) or command.verdict == "allow"

    @property
    def task(self) -> LookUp:
        """The look-up that the last play wanted."""
        flat = [one for command in self.commands for one in getattr(command, "commands", [command])]
        [found] = [command for command in flat if isinstance(command, LookUp)]
        return found

    # Events

    def ask(
        self,
        kind: str,
        event: str = "socket.connect",
        *,
        proto: str = "",
        host: str = "",
        port: str = "",
        path: str = "",
        program: str = "",
        argv: tuple[str, ...] = (),
        code: tuple[str, ...] = CODE,
        facts: Facts | None = None,
    ) -> list[Any]:
        question = heard("ask", kind, event, proto, host, port, path, program, *code, *argv)
        if facts is None:
            address = parse_ip(host)
            names = self.session.leases.names(address, self.now) if address is not None else ()
            facts = Facts(address, names, path=path)
        return self.session.ask(PEER, PROCESS, question, facts, self.now)

    def lookup(
        self, function: str, name: str, service: str = "", numbers: tuple[str, ...] = ("0",) * 4
    ) -> list[Any]:
        question = heard("lookup", function, name, service, *numbers, *CODE)
        return self.session.lookups.lookup(PEER, PROCESS, question, self.now)

    def answer(self, fields: list[str], addresses: list[str], error: tuple[str, int, str] | None = None) -> list[Any]:
        """The look-up of the last play has come back, after 1.5 ms; its record was line 7."""
        task = self.task
        task.seq = 7
        return self.session.lookups.looked_up(task, Answer(fields, addresses, error), 1.5, self.now)


def heard(op: str, *fields: str) -> Question:
    """A question as it arrives."""
    return parse(pack((op, *((NUMBER,) if op != "open" else ()), *fields)))
