"""The run's decisions: events in, commands out, no I/O, so that every way through it can be played in a test.

Theory of operation. A question becomes a request (`requests`); `decide` says what the rules say; the rule's limits
are charged for what is let through; and the outcome leaves as commands in the order in which they must happen:

    deny              Record, Say, Reply deny
    log               Record, Reply log          (with the record's number, so that its outcome can be added)
    allow             Reply allow                (counted; a `count` line follows within a second)
    log with delay    Record, Later(Reply log)

What is asked about names takes one step more (`lookups`). In a dry run a denial is recorded as what it would have been
and let through.
"""

from __future__ import annotations

from .acts import (
    UNREAD,
    Context,
    Facts,
    Line,
    code_line,
    describe,
    describe_name,
    findings_of,
    request_of,
)
from .commands import CutOff, Later, Record, Reply, Say
from .counts import count_lines
from .decide import decide
from .explain import why_denied
from .leases import Leases
from .limits import Meter
from .lookups import Lookups
from .policy import ALLOW, DENY, LOG, SELF, Decision, Policy
from .question import INT_MIN, Malformed, Question, to_int, to_ms
from .request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .answer import Answer
    from .commands import Asker, Command
    from .limits import Fill
    from .process import Process

#: What a denial is called that no rule of the user's made.
HOSTILE_RULE = "hostile-argument"

#: What denials are called of acts that may not be done for who asks: a process that has changed its user would be lent
#: the supervisor's rights; a socket that was not made for the run cannot be acted on, where none can be copied.
FOREIGN_RULE = "other-user"
UNHELD_RULE = "unknown-socket"
FOREIGN = {
    FOREIGN_RULE: "the process has changed its user or rights, and would be lent netguard's",
    UNHELD_RULE: "the socket was inherited or came from outside, and in tier B nothing can be done on such a one",
}

#: Denials whose act is not described, and stands in a dry run too: it cannot be carried out.
UNREADABLE = (HOSTILE_RULE, *FOREIGN)

#: What a denial is called that the run around this one made.
OUTER_RULE = "outer-run"

#: What a denial is called of a program that the rules grant and the kernel's own list does not have.
FENCE_RULE = "not-listed"

#: Lines a second, for the whole run, about what was noticed on the channel: they follow no decision and so cost a guest
#: nothing to bring about, and must not bury what matters. Outcomes need no bound: each belongs to one recorded act.
TAMPERS_A_SECOND = 100

class Session:
    """One run under one policy. `now` is always seconds of one monotonic clock, passed in.

    decisions: how many were made: as many as lines with a verdict and counts in count lines together.
    """

    def __init__(self, policy: Policy, context: Context, *, dry_run: bool = False) -> None:
        self.policy = policy
        self.context = context
        self.dry_run = dry_run
        self.leases = Leases()
        self.lookups = Lookups(self)
        self.meter = Meter()
        self.counts: dict[str, int] = {}
        self.decisions = 0
        self.tampers = 0  # in this second
        self.asks_own = any([target.form == SELF for rule in policy.rules for target in rule.to or ()])
        self.asks_library = any([rule.library for rule in policy.rules])
        self.audit_names = sorted({name for rule in policy.rules for name in rule.audit})

    # Questions

    def hello(self, to: Asker, process: Process, question: Question, *, wall: bool = False) -> list[Command]:
        """A guarded interpreter reports. Here stands its whole argv.

        It hears whether there is a wall, so that it need only announce what the wall decides, and which further events
        the rules name.
        """
        line: Line = {"kind": "coverage", "event": "process", "hooks": "on", "python": question.fields[1]}
        line["proc"] = {**process.line, "argv": list(process.argv)}
        return [Record(line), Reply(to, question.number, ALLOW, "wall" if wall else "", *self.audit_names)]

    def ask(self, to: Asker, process: Process, question: Question, facts: Facts, now: float) -> list[Command]:
        """May this act happen?"""
        try:
            request = request_of(question, process, self.context, facts)
        except Malformed as error:
            return self.hostile(to, process, question, str(error))
        if self.asks_library and request.native:
            request.library = question.library()
        decision = decide(self.policy, request)
        if facts.outer and decision.verdict != DENY:
            decision = Decision(DENY, OUTER_RULE, facts.outer)
        elif facts.barred and decision.verdict != DENY:
            decision = Decision(DENY, FENCE_RULE, facts.barred)
        return self.settle(to, question, process, request, decision, now)

    def hostile(self, to: Asker, process: Process, question: Question, why: str) -> list[Command]:
        """An argument that cannot be read without trusting it is denied, whatever the rules say."""
        kind, event = question.fields[:2]
        return self.refuse(to, question, process, Request(kind, event), Decision(DENY, HOSTILE_RULE, why))

    def foreign(self, to: Asker, process: Process, question: Question, rule: str = FOREIGN_RULE) -> list[Command]:
        """An act that its process may not have done for it is denied, whatever the rules say."""
        kind, event = question.fields[:2]
        return self.refuse(to, question, process, Request(kind, event), Decision(DENY, rule, FOREIGN[rule]))

    # What follows no decision

    def result(self, process: Process, question: Question, seq: int) -> list[Record]:
        """How the recorded act `seq` ended, as the witness says. It can speak of no other."""
        of, errno, ms = question.fields
        line: Line = {"kind": "result", "of": to_int(of), "errno": to_int(errno, INT_MIN), "ms": to_ms(ms)}
        return [Record(line)] if seq and line["of"] == seq else []

    def reopened(self, process: Process, why: str) -> list[Command]:
        """A connection was opened because the one before was lost.

        Only on record: a daemon that closes every descriptor it finds does this in all innocence.
        """
        return self.noticed({"kind": "tamper", "event": "channel.lost", "why": why, "proc": process.line})[:1]

    def cut_off(self, to: Asker, process: Process | None, event: str, why: str) -> list[Command]:
        """Whoever sends what the shim would not send has lost his line; the shim's next one starts anew."""
        line: Line = {"kind": "tamper", "event": event, "why": why}
        if process is not None:
            line["proc"] = process.line
        return [*self.noticed(line), CutOff(to)]

    def noticed(self, line: Line) -> list[Command]:
        """A line that costs its sender nothing, unless there were too many this second."""
        self.tampers += 1
        return [Record(line), Say(line)] if self.tampers <= TAMPERS_A_SECOND else []

    def tick(self) -> list[Command]:
        """Once a second: what was let through in silence, how full limits were, and what was too much to be told."""
        counts: list[Line] = [{name: count} for name, count in sorted(self.counts.items())]
        self.counts = {}
        found: list[Command] = [Record(line) for line in count_lines(counts, map(self.limit_line, self.meter.fills()))]
        if self.tampers > TAMPERS_A_SECOND:
            why = f"left out: {self.tampers - TAMPERS_A_SECOND} tamper lines of the last second"
            found.append(Record({"kind": "tamper", "event": "channel.flood", "why": why}))
        self.tampers = 0
        return found

    def limit_line(self, fill: Fill) -> Line:
        """How full a limit was, as it stands on the trail."""
        line: Line = {"rule": self.policy.rules[fill.rule].name, "limit": fill.limit.text}
        if fill.key:
            line["key"] = fill.key
        line["fill"] = fill.percent / 100
        return line

    # Outcomes

    def settle(
        self, to: Asker, question: Question, process: Process, request: Request, decision: Decision, now: float
    ) -> list[Command]:
        """The commands that follow from a decision."""
        verdict, why, wait = decision.verdict, decision.why, 0.0
        if verdict != ALLOW and verdict != LOG:
            return self.refuse(to, question, process, request, decision)
        limits = self.policy.rules[decision.index].limits if decision.index >= 0 else ()
        if limits:
            rule = self.policy.rules[decision.index]
            outcome, wait = self.meter.charge(rule, request, now, self.context.session, process.pid)
            if outcome == "deny":
                over = Decision(DENY, decision.rule, f"over its limit of {limits[0].text}", decision.index)
                return self.refuse(to, question, process, request, over)
            if outcome != "ok":
                verdict, why = LOG, f"over its limit of {limits[0].text}: {outcome}"
        reply = Reply(to, question.number, verdict, "again" if not limits and may_remember(request) else "")
        reply.rule = "" if limits else decision.rule
        if verdict == ALLOW:
            self.count(decision.rule)
            return [reply]
        self.decisions += 1
        record = Record(self.line(process, question, request, verdict, decision.rule, why))
        return [record, Later(wait, [reply])] if wait > 0.0 else [record, reply]

    def count(self, rule: str) -> None:
        """One more act that a rule has let through in silence."""
        self.decisions += 1
        self.counts[rule] = self.counts.get(rule, 0) + 1

    def refuse(
        self,
        to: Asker,
        question: Question,
        process: Process,
        request: Request,
        decision: Decision,
        answer: Answer | None = None,
    ) -> list[Command]:
        """A denial: on record, on the screen, and to the guest.

        In a dry run it is on record as what it would have been, and let through: with the `answer` that it was about.
        """
        self.decisions += 1
        because = self.because(request, decision)
        record = self.line(process, question, request, DENY, decision.rule, because)
        if self.dry_run and decision.rule not in UNREADABLE:
            record["verdict"], record["would"] = LOG, DENY
            return [Record(record), Reply(to, question.number, LOG, *(("ok", *answer.fields) if answer else ("",)))]
        return [Record(record), Say(record), Reply(to, question.number, DENY, decision.rule, because)]

    def because(self, request: Request, decision: Decision) -> str:
        """Why something is denied, as a person is told."""
        if decision.rule != "default":
            return decision.because or decision.why
        return why_denied(self.policy, request, decision)

    def line(
        self, process: Process, question: Question, request: Request, verdict: str, rule: str, why: str
    ) -> Line:
        """One decision as a trail line. What could not be read is not described."""
        found: Line = {
            "kind": request.kind,
            "event": request.event,
            "layers": question.layers,
            "verdict": verdict,
            "rule": rule,
            "why": why,
        }
        if question.op == "lookup" or question.op == "query":
            found.update(describe_name(question.fields[0], request))
        else:
            found.update(describe(question, request) if rule not in UNREADABLE else UNREAD.get(request.kind, {}))
        found["proc"] = process.line
        if question.code.file or question.code.via:
            found["code"] = code_line(question.code)
        if self.context.tags:
            found["tags"] = self.context.tags
        if request.native:
            library = question.library()
            if library:
                found["code"] = {"library": library}
            found["findings"] = findings_of(request, process, library)
        return found


def may_remember(request: Request) -> bool:
    """Whether the shim need not ask for this again at once: a UDP destination's next datagrams, a library or symbol."""
    return request.kind == "native" or (request.kind == "connect" and request.proto == "udp")
