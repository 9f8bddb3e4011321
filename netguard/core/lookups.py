"""Decides on names: whether one may be looked up, and which of its addresses are released.

A name takes two steps: whether it may be looked up, which is recorded before any packet leaves, and whether what came
back may be released: answers that a rule denies are taken out, and when none is left the look-up is denied after all.
It is asked for by a function of Python's (`lookup`), or in a packet to a name server (`query`).
"""

from __future__ import annotations

from .acts import DNS_QUERY, ascribed, dns_request, query_request
from .address import canonical_host, format_ip, parse_ip, special
from .answer import NI_NUMERICHOST, NO_NAME, ROW, Answer
from .commands import Later, LookUp, Record, Reply
from .decide import decide
from .policy import ALLOW, DENY, LOG, Decision
from .question import INT_MIN, KERNEL, Malformed, Question, to_int
from .reach import is_localhost
from .request import NO_CODE, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .acts import Line
    from .commands import Asker, Command
    from .process import Process
    from .session import Session

#: Answers in one result line, so that it stays a line.
ANSWERS_A_LINE = 64

#: The look-up functions a guest may name, and the event each is known by.
LOOKUPS = {
    "getaddrinfo": "socket.getaddrinfo",
    "gethostbyname": "socket.gethostbyname",
    "gethostbyname_ex": "socket.gethostbyname",
    "gethostbyaddr": "socket.gethostbyaddr",
    "getnameinfo": "socket.getnameinfo",
}

#: A grant that no rule made: the name is this machine's own.
LOCAL = Decision(ALLOW, "local", "nothing leaves this machine")


class Pending:
    """A look-up that was granted: what its answers are decided with.

    recorded: whether it is on record, and so how it ends.
    denied:   whether a denial of what it led to is on record already, and needs no second one.
    """

    __slots__ = ("denied", "process", "question", "recorded", "request")

    def __init__(self, process: Process, question: Question, request: Request) -> None:
        self.process = process
        self.question = question
        self.request = request
        self.recorded = False
        self.denied = False


class Lookups:
    """The look-ups of one session."""

    __slots__ = ("session",)

    def __init__(self, session: Session) -> None:
        self.session = session

    def lookup(self, to: Asker, process: Process, question: Question, now: float) -> list[Command]:
        """May this name be looked up? If so, look it up; the answers come back through `looked_up`."""
        function, name, service = question.fields[:3]
        event = LOOKUPS.get(function)
        if event is None:
            raise Malformed("a look-up that nobody knows")
        numbers = tuple([to_int(number, INT_MIN) for number in question.fields[3:7]])
        if function == "getnameinfo" or (service and not service.startswith("name:")):
            to_int(service, INT_MIN)
        request = ascribed(dns_request(name, event), question, process, self.session.context)
        if request.address is None and canonical_host(request.host) is None:
            # No name service would be asked about this text, so nobody is.
            return [Reply(to, question.number, ALLOW, NO_NAME[0], str(NO_NAME[1]), NO_NAME[2])]
        # What was decided on is what is looked up: no second reading of a name that is not ASCII.
        spelled = name if name.isascii() else request.host or str(shown(request.address))
        pending = Pending(process, question, request)
        task = LookUp(to, question.number, function, spelled, service, numbers, pending)
        if stays(request) or (function == "getnameinfo" and numbers[0] & NI_NUMERICHOST):
            return [task]
        return [begun(command, task) for command in self.settle(to, pending, now)]

    def asked(self, process: Process, name: str, kind: str) -> Pending:
        """What is decided of a query for this name, in the one text it has, and this kind of record."""
        question = Question("query", "", [kind, DNS_QUERY], (), NO_CODE, KERNEL)
        return Pending(process, question, ascribed(query_request(name, kind), question, process, self.session.context))

    def query(self, to: Asker, pending: Pending, now: float) -> list[Command]:
        """May a name server be asked this? What it answers is decided on through `looked_up`.

        Who asks in packets announces nothing, and that is no native act: a grant by the addresses lets the name be
        looked up as any other.
        """
        return self.settle(to, pending, now)

    def settle(self, to: Asker, pending: Pending, now: float) -> list[Command]:
        """What the rules and their limits say to a look-up."""
        session, request = self.session, pending.request
        decision = decide(session.policy, request)
        return session.settle(to, pending.question, pending.process, request, decision, now)

    def looked_up(self, task: LookUp, answer: Answer, ms: float, now: float) -> list[Command]:
        """What came back for a name: decide on each answer, lease what is released, say how it ended."""
        pending = task.pending
        done: Line = {"kind": "result", "of": task.seq, "ms": round(ms, 3)}
        outcome: list[Command] = [Record(done)] if pending.recorded else []
        if answer.error is not None:
            name, number, text = answer.error
            done["errno"], done["reason"] = number, text
            return [*outcome, Reply(task.to, task.number, ALLOW, name, str(number), text)]
        denied = self.judge(pending.request, answer.addresses)
        none_left = bool(denied) and len(denied) == len(set(answer.addresses))
        if denied:
            text, decision = next(iter(denied.items()))
            done["why"] = f"taken out: {', '.join(list(denied)[:ANSWERS_A_LINE])}: {decision.why}"
            if not self.session.dry_run:
                take_out(answer, denied, task.function)
        done["dns"] = {"answers": answer.addresses[:ANSWERS_A_LINE]}
        if answer.ours:
            self.lease(pending.request.host, answer.addresses, now, answer.lasts)
        if none_left:
            why = Decision(DENY, decision.rule, f"{text}: {decision.why}", decision.index)
            return [*outcome, *self.refuse(task, why, answer)]
        return [*outcome, Reply(task.to, task.number, ALLOW, "ok", *answer.fields)]

    def refuse(self, task: LookUp, why: Decision, answer: Answer) -> list[Command]:
        """The denial of a name that leads to nothing that is granted."""
        session, pending = self.session, task.pending
        if pending.denied:
            said = Reply(task.to, task.number, ALLOW, "ok", *answer.fields)
            return [said if session.dry_run else Reply(task.to, task.number, DENY, why.rule, why.why)]
        return session.refuse(task.to, pending.question, pending.process, pending.request, why, answer)

    def judge(self, request: Request, addresses: list[str]) -> dict[str, Decision]:
        """The addresses that a name may not lead to, each with the denial. An address's name was decided on before."""
        found = {}
        for text in dict.fromkeys(addresses if request.host else ()):
            address = parse_ip(text)
            decision = self.judge_answer(request, address)
            if decision.verdict != ALLOW and decision.verdict != LOG:
                found[text] = decision
        return found

    def judge_answer(self, request: Request, address: tuple[int, int] | None) -> Decision:
        """One address that a name leads to, with everything known."""
        if address is None:
            return Decision(DENY, "default", "this is no address")
        if is_localhost(request.host) and special(address) == "loopback":
            return LOCAL
        known = Request(
            "dns", request.event, host=request.host, address=address, code=request.code, user=request.user,
            tags=request.tags, process=request.process,
        )  # fmt: skip
        decision = decide(self.session.policy, known)
        if decision.verdict == ALLOW or decision.verdict == LOG:
            return decision
        return Decision(DENY, decision.rule, self.session.because(known, decision), decision.index)

    def lease(self, host: str, addresses: list[str], now: float, lasts: float) -> None:
        """From now on these addresses are judged by this name too."""
        for text in dict.fromkeys(addresses if host else ()):
            address = parse_ip(text)
            if address is not None:
                self.session.leases.give(address, host, now, lasts)


def stays(request: Request) -> bool:
    """Whether a look-up asks nobody outside: this machine's own name, the name of a loopback address.

    A name below `localhost` is looked up under the rules: not every resolver keeps it at home.
    """
    return request.host == "localhost" if request.address is None else special(request.address) == "loopback"


def shown(address: tuple[int, int] | None) -> str:
    """An address as text, "" for none."""
    return "" if address is None else format_ip(address)


def begun(command: Command, task: LookUp) -> Command:
    """A grant's reply becomes the look-up itself; everything else stays."""
    if isinstance(command, Later):
        return Later(command.seconds, [begun(one, task) for one in command.commands])
    if not isinstance(command, Reply) or command.verdict not in (ALLOW, LOG):
        return command
    task.pending.recorded = command.verdict == LOG
    return task


def take_out(answer: Answer, denied: dict[str, Decision], function: str) -> None:
    """Leaves the denied addresses out of an answer."""
    answer.addresses = [text for text in answer.addresses if text not in denied]
    fields = answer.fields
    if function == "getaddrinfo":
        rows = [fields[at : at + ROW] for at in range(0, len(fields), ROW)]
        answer.fields = [field for row in rows if row[4] not in denied for field in row]
    else:
        answer.fields = [field for field in fields if field not in denied]
