"""The run's decisions: events in, commands out, no I/O, so that every way through it can be played in a test.

Theory of operation. A question becomes a request (`requests`); `decide` says what the rules say; the rule's limits
are charged for what is let through; and the outcome leaves as commands in the order in which they must happen:

    deny              Record, Say, Reply deny
    log               Record, Reply log          (with the record's number, so that its outcome can be added)
    allow             Reply allow                (counted; a `count` line follows within a second)
    log with delay    Record, Later(Reply log)

A name takes two steps: whether it may be looked up, which is recorded before any packet leaves, and whether what came
back may be released: answers that a rule denies are taken out, and when none is left the look-up is denied after all.
In a dry run a denial is recorded as what it would have been and let through.
"""

from __future__ import annotations

from netguard.core.address import canonical_host, format_ip, parse_ip, special
from netguard.core.decide import decide
from netguard.core.limits import Meter
from netguard.core.policy import ALLOW, DENY, LOG, Decision, Policy
from netguard.core.reach import is_localhost
from netguard.core.request import Request
from netguard.supervisor.commands import Command, Later, LookUp, Record, Reply, Say
from netguard.supervisor.leases import Leases
from netguard.supervisor.lookups import NI_NUMERICHOST, NO_NAME, ROW, Answer
from netguard.supervisor.processes import Process
from netguard.supervisor.question import Malformed, Question, to_int
from netguard.supervisor.requests import (
    Context,
    Facts,
    Line,
    code_line,
    describe,
    describe_name,
    dns_request,
    request_of,
)

#: What a denial is called that no rule of the user's made.
HOSTILE_RULE = "hostile-argument"

#: Lines that rest on the witness's word alone and follow no decision: so many a second for the whole run.
NOTES_PER_SECOND = 2_000

#: Rules in one count line, so that it stays a line.
COUNTS_A_LINE = 256


class Pending:
    """A look-up that was granted: what its answers are decided with."""

    __slots__ = ("process", "question", "recorded", "request")

    def __init__(self, process: Process, question: Question, request: Request) -> None:
        self.process = process
        self.question = question
        self.request = request
        self.recorded = False


class Session:
    """One run under one policy. `now` is always seconds of one monotonic clock, passed in."""

    def __init__(self, policy: Policy, context: Context, *, dry_run: bool = False) -> None:
        self.policy = policy
        self.context = context
        self.dry_run = dry_run
        self.leases = Leases()
        self.meter = Meter()
        self.counts: dict[str, int] = {}
        self.decisions = 0
        self.notes = 0
        self.notes_lost = 0
        self.audit_names = sorted({name for rule in policy.rules for name in rule.audit})

    # Questions

    def hello(self, to: int, process: Process, question: Question) -> list[Command]:
        """A guarded interpreter reports; it hears which further events the rules name."""
        python = question.fields[1]
        line: Line = {"kind": "policy", "event": "process", "hooks": "on", "python": python, "proc": process.line}
        return [Record(line), Reply(to, question.number, ALLOW, *self.audit_names)]

    def reopened(self, process: Process, why: str) -> list[Command]:
        """A connection was opened because the one before was lost."""
        return [Record({"kind": "tamper", "event": "channel.lost", "why": why[:200], "proc": process.line})]

    def ask(self, to: int, process: Process, question: Question, facts: Facts, now: float) -> list[Command]:
        """May this act happen?"""
        try:
            request = request_of(question, process, self.context, facts)
        except Malformed as error:
            return self.hostile(to, process, question, str(error))
        decision = self.http(request) if request.kind == "http" else decide(self.policy, request)
        return self.settle(to, question, process, request, decision, now)

    def http(self, request: Request) -> Decision:
        """A request that no rule speaks of takes the verdict of its connection.

        That one is not made yet: what rules say of the name and port holds now, and where only an address could tell,
        the request goes on to the look-up and the connect, which are decided in their turn.
        """
        decision = decide(self.policy, request)
        if decision.index >= 0:
            return decision
        connect = Request(
            "connect", request.event, host=request.host, address=request.address, port=request.port, proto="tcp",
            own=request.own, code=request.code, user=request.user, tags=request.tags, process=request.process,
        )  # fmt: skip
        decision = decide(self.policy, connect)
        return decision if decision.index >= 0 or request.address is not None else AWAITED

    def hostile(self, to: int, process: Process, question: Question, why: str = "") -> list[Command]:
        """An argument that cannot be read without trusting it is denied, whatever the rules say."""
        kind, event = question.fields[:2]
        decision = Decision(DENY, HOSTILE_RULE, why or question.fields[2])
        return self.refuse(to, question, process, Request(kind, event), decision)

    def lookup(self, to: int, process: Process, question: Question, now: float) -> list[Command]:
        """May this name be looked up? If so, look it up; the answers come back through `looked_up`."""
        function, name, service = question.fields[:3]
        numbers = tuple([to_int(number) for number in question.fields[3:7]])
        if service and not service.startswith("name:"):
            to_int(service)
        host = host_of(name)
        if host is None:
            return [Reply(to, question.number, ALLOW, NO_NAME[0], str(int(NO_NAME[1])), NO_NAME[2])]
        request = dns_request(host)
        self.know(request, question, process, "socket." + EVENTS.get(function, function))
        if stays(request) or (function == "getnameinfo" and numbers[0] & NI_NUMERICHOST):
            pending = Pending(process, question, request)
            return [LookUp(to, question.number, function, name, service, numbers, pending)]
        settled = self.settle(to, question, process, request, decide(self.policy, request), now)
        return [self.begin(command, function, numbers, Pending(process, question, request)) for command in settled]

    def begin(self, command: Command, function: str, numbers: tuple[int, ...], pending: Pending) -> Command:
        """A grant's reply becomes the look-up itself; everything else stays."""
        match command:
            case Reply(verdict="allow" | "log"):
                _, name, service = pending.question.fields[:3]
                pending.recorded = command.verdict == LOG
                return LookUp(command.to, command.number, function, name, service, numbers, pending)
            case Later():
                return Later(command.seconds, [self.begin(c, function, numbers, pending) for c in command.commands])
            case _:
                return command

    def looked_up(self, task: LookUp, answer: Answer, ms: float, now: float) -> list[Command]:
        """What came back for a name: decide on each answer, lease what is released, say how it ended."""
        pending = task.pending
        assert isinstance(pending, Pending)  # noqa: S101  # the loop hands back what it was given
        done = {"kind": "result", "of": task.seq, "ms": round(ms, 3)} if pending.recorded else None
        if answer.error is not None:
            name, number, text = answer.error
            if done is not None:
                done["errno"] = int(number)
            return [*records(done), Reply(task.to, task.number, ALLOW, name, str(int(number)), text)]
        denied = self.release(pending, answer, now)
        if done is not None:
            done["dns"] = {"answers": answer.addresses[:64]}
        if denied is None:
            return [*records(done), Reply(task.to, task.number, ALLOW, "ok", *answer.fields)]
        refused = self.refuse(task.to, pending.question, pending.process, pending.request, denied)
        if self.dry_run:
            refused[-1] = Reply(task.to, task.number, ALLOW, "ok", *answer.fields)
        return [*records(done), *refused]

    def release(self, pending: Pending, answer: Answer, now: float) -> Decision | None:
        """Takes the denied addresses out of an answer. Returns the denial when none is left, else None."""
        denials: dict[str, Decision] = {}
        kept = []
        for text in dict.fromkeys(answer.addresses):
            address = parse_ip(text)
            decision = self.judge_answer(pending.request, address)
            if decision.verdict == DENY and not self.dry_run:
                denials[text] = decision
            elif address is not None:
                kept.append(text)
                if pending.request.host:
                    self.leases.give(address, pending.request.host, now)
        if not denials:
            return None
        answer.addresses = kept
        answer.fields = without(answer.fields, frozenset(denials), pending.question.fields[0])
        if kept:
            return None
        text, decision = next(iter(denials.items()))
        return Decision(DENY, decision.rule, f"{text}: {decision.why}", decision.index, decision.because)

    def judge_answer(self, request: Request, address: tuple[int, int] | None) -> Decision:
        """One address that a name leads to, with everything known. The name of an address was decided on before."""
        if address is None or not request.host or is_localhost(request.host):
            return LOCAL
        known = Request(
            "dns", request.event, host=request.host, address=address, code=request.code, user=request.user,
            tags=request.tags, process=request.process,
        )  # fmt: skip
        return decide(self.policy, known)

    def know(self, request: Request, question: Question, process: Process, event: str) -> None:
        """Fills in who asked."""
        request.event = event
        request.code = question.code
        request.user = process.user
        request.process = process.exe
        request.tags = self.context.tags

    # Notes

    def result(self, process: Process, question: Question) -> list[Command]:
        """How a recorded act ended, as the witness says: bounded, so that noise buries nothing."""
        self.notes += 1
        if self.notes > NOTES_PER_SECOND:
            self.notes_lost += 1
            return []
        seq, errno, ms = question.fields
        try:
            took = float(ms) if len(ms) < 24 else 0.0
        except ValueError:
            raise Malformed("a time that is none") from None
        line: Line = {"kind": "result", "of": to_int(seq), "errno": to_int(errno), "ms": took if took < 1e9 else 0.0}
        return [Record(line)]

    def tick(self) -> list[Command]:
        """Once a second: what was let through in silence, by rule."""
        self.notes = 0
        items = sorted(self.counts.items())
        self.counts = {}
        found: list[Command] = [
            Record({"kind": "count", "counts": dict(items[at : at + COUNTS_A_LINE])})
            for at in range(0, len(items), COUNTS_A_LINE)
        ]
        if self.notes_lost:
            found.append(Record({"kind": "tamper", "event": "notes.flood", "why": f"{self.notes_lost} notes dropped"}))
            self.notes_lost = 0
        return found

    # Outcomes

    def settle(
        self, to: int, question: Question, process: Process, request: Request, decision: Decision, now: float
    ) -> list[Command]:
        """The commands that follow from a decision."""
        self.decisions += 1
        verdict, why, wait = decision.verdict, decision.why, 0.0
        if verdict != ALLOW and verdict != LOG:
            return self.refuse(to, question, process, request, decision)
        limits = self.policy.rules[decision.index].limits if decision.index >= 0 else ()
        if limits:
            outcome, wait = self.charge(request, process, decision, now)
            if outcome == "deny":
                over = Decision(DENY, decision.rule, f"over its limit of {limits[0].text}", decision.index)
                return self.refuse(to, question, process, request, over)
            if outcome != "ok":
                verdict, why = LOG, f"over its limit of {limits[0].text}: {outcome}"
        reply = Reply(to, question.number, verdict, "again" if may_remember(request, not limits) else "")
        if verdict == ALLOW:
            self.counts[decision.rule] = self.counts.get(decision.rule, 0) + 1
            return [reply]
        record = Record(self.line(process, question, request, verdict, decision.rule, why))
        return [record, Later(wait, [reply])] if wait > 0.0 else [record, reply]

    def charge(self, request: Request, process: Process, decision: Decision, now: float) -> tuple[str, float]:
        """What the matched rule's limits say, and how many seconds to wait."""
        rule = self.policy.rules[decision.index]
        return self.meter.charge(rule, request, now, self.context.session, process.pid)

    def refuse(
        self, to: int, question: Question, process: Process, request: Request, decision: Decision
    ) -> list[Command]:
        """A denial: on record, on the screen, and to the guest; in a dry run on record and let through."""
        because = decision.because or decision.why
        record = self.line(process, question, request, DENY, decision.rule, because, decision.rule != HOSTILE_RULE)
        if self.dry_run and decision.rule != HOSTILE_RULE:
            record["verdict"], record["would"] = LOG, DENY
            return [Record(record), Reply(to, question.number, LOG, "")]
        return [Record(record), Say(record), Reply(to, question.number, DENY, decision.rule, because)]

    def line(
        self,
        process: Process,
        question: Question,
        request: Request,
        verdict: str,
        rule: str,
        why: str,
        readable: bool = True,
    ) -> Line:
        """One decision as a trail line. What could not be read (`readable` is False) is not described."""
        found: Line = {
            "kind": request.kind,
            "event": request.event,
            "layers": ["hook"],
            "verdict": verdict,
            "rule": rule,
            "why": why,
        }
        if question.op == "lookup":
            found.update(describe_name(question.fields[0], request))
        elif readable:
            found.update(describe(question, request))
        found["proc"] = process.line
        if question.code.file or question.code.via:
            found["code"] = code_line(question.code)
        if self.context.tags:
            found["tags"] = self.context.tags
        return found


LOCAL = Decision(ALLOW, "local", "nothing leaves this machine")
AWAITED = Decision(ALLOW, "connection", "the connection decides")


def stays(request: Request) -> bool:
    """Whether a look-up asks nobody outside: this machine's own name, the name of a loopback address."""
    address = request.address
    return is_localhost(request.host) if address is None else special(address) == "loopback"

EVENTS = {"gethostbyname_ex": "gethostbyname"}


def host_of(name: str) -> str | None:
    """A name in the one form that rules compare, or None for text that no name service would be asked about."""
    if parse_ip(name) is not None:
        return None if name.startswith("[") else name  # no resolver knows an address in brackets; libc would ask one
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return None
        address = parse_ip(name)
        if address is not None:  # full-width digits and dots are an address too
            return format_ip(address)
    return canonical_host(name)


def may_remember(request: Request, unlimited: bool) -> bool:
    """Whether the shim need not ask for this again at once: a UDP destination's next datagrams, a library or symbol."""
    return unlimited and (request.kind == "native" or (request.kind == "connect" and request.proto == "udp"))


def without(fields: list[str], denied: frozenset[str], function: str) -> list[str]:
    """An answer's fields without the denied addresses."""
    if function == "getaddrinfo":
        rows = [fields[at : at + ROW] for at in range(0, len(fields), ROW)]
        return [field for row in rows if row[4] not in denied for field in row]
    return [field for field in fields if field not in denied]


def records(line: Line | None) -> list[Command]:
    """A list of the one record, or an empty one."""
    return [] if line is None else [Record(line)]
