"""What programs ask name servers, decided one question at a time and answered by us: no packet of a guest's goes on.

    packet ─ read ─┬ no query ─▶ on record, and rejected
                   ├ this machine's own name ─▶ answered here
                   └ decide ─ record ─┬ deny ─▶ there is no such name; blocked
                                      └ grant ─ cache or servers ─ decide on the answers ─▶ what may stay of them

One act is one decision and one line: who asks for both kinds of addresses of a name, and asks again because the answer
is long in coming, wants one thing. What was decided stands for the whole process for a few seconds.
"""

from __future__ import annotations

import time

from netguard.core.acts import ADDRESSES, DNS_QUERY
from netguard.core.address import parse_ip
from netguard.core.answer import Answer
from netguard.core.commands import LookUp, Reply
from netguard.core.lookups import Pending, stays
from netguard.core.policy import ALLOW, DENY
from netguard.core.question import KERNEL, Question
from netguard.core.reach import is_localhost
from netguard.core.request import NO_CODE
from netguard.core.session import HOSTILE_RULE
from netguard.dns import codes
from netguard.dns.cache import Cache
from netguard.dns.malformed import Malformed
from netguard.dns.message import made
from netguard.dns.names import name_of
from netguard.dns.query import parse_query, restate
from netguard.dns.records import Record
from netguard.dns.reply import encode, refusal, rejection
from netguard.dns.servers import Configuration, Servers
from netguard.dns.upstream import ANSWERS, Upstream
from netguard.supervisor.asking import LONGEST, ONE_ACT, Act, Asked
from netguard.supervisor.served import Served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netguard.core.process import Process
    from netguard.core.request import Request
    from netguard.dns.message import Message
    from netguard.dns.query import Query
    from netguard.supervisor.asking import Finish
    from netguard.supervisor.loop import Loop

#: Acts that are remembered: more than a run begins in five seconds. The oldest goes first, and is a new act then.
MAX_ACTS = 4_096

#: Queries of one process that wait for an answer: a client with thousands of names to look up asks some hundred.
MAX_WAITING = 512

#: Addresses of one answer that are looked at, and so may be released.
MAX_ADDRESSES = 256

#: Record types by name (IANA, "DNS parameters"); others are called by their number (RFC 3597 section 5). The two kinds
#: of addresses of a name are one act.
TYPES = {
    codes.A: ADDRESSES, codes.AAAA: ADDRESSES,
    codes.NS: "NS", codes.CNAME: "CNAME", codes.SOA: "SOA", codes.PTR: "PTR", codes.MX: "MX", 16: "TXT",
    29: "LOC", codes.SRV: "SRV", 35: "NAPTR", codes.DNAME: "DNAME", codes.DS: "DS", 44: "SSHFP", codes.RRSIG: "RRSIG",
    codes.NSEC: "NSEC", 48: "DNSKEY", codes.NSEC3: "NSEC3", 52: "TLSA", codes.SVCB: "SVCB", codes.HTTPS: "HTTPS",
    codes.ANY: "ANY", 257: "CAA",
}  # fmt: skip

#: Addresses whose name is `localhost`; the other loopback addresses have none.
LOOPBACK = ((4, 0x7F000001), (6, 1))

#: What a denial says that nobody has told of.
NO_RULE = ("default", "")

#: How a query that was granted has failed, as getaddrinfo's own number for it (netdb.h): no such name; not for now.
NO_SUCH_NAME, NOT_NOW = -2, -3

#: What is refused without saying that there is no such name: its addresses may be granted all the same.
NOT_THERE = {codes.SVCB: codes.NOERROR, codes.HTTPS: codes.NOERROR}

#: Response codes by name (IANA).
RCODES = {
    codes.FORMERR: "FORMERR", codes.SERVFAIL: "SERVFAIL", codes.NXDOMAIN: "NXDOMAIN", codes.NOTIMP: "NOTIMP",
    codes.REFUSED: "REFUSED",
}  # fmt: skip


class Names:
    """The questions to name servers of one run."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.upstream = Upstream(loop.poll)
        self.cache = Cache()
        self.system = Configuration()
        self.served = Served()
        self.acts: dict[tuple[object, ...], Act] = {}
        self.noted: dict[tuple[object, ...], float] = {}  # who has sent what is no query, and until when that is told
        self.waiting: dict[int, int] = {}  # pid -> queries that wait
        self.told: Callable[[Process, str, frozenset[str]], None] | None = None  # hears which addresses are released

    def __contains__(self, fd: int) -> bool:
        return fd in self.upstream

    # What is asked

    def ask(
        self,
        process: Process,
        data: bytes,
        limit: int,
        reply: Callable[[bytes], None],
        servers: tuple[str, ...] | None = None,
    ) -> Asked | None:
        """Answers a query of a process's: `reply` is called once, perhaps at once, with what the process is to be sent,
        b"" for nothing. Never raises for what is in `data`.

        limit:   octets that an answer may have: those of a datagram are bounded by what the query says besides.
        servers: whom to ask, where the guest has named them and the rules grant that; None: the system's.
        Returns what can be cancelled when the asker is gone, None when it is answered already.
        """
        try:
            query = parse_query(data)
        except Malformed as error:
            self.hostile(process, str(error))
            reply(rejection(data, error))
            return None
        size = limit if limit >= codes.MAX_MESSAGE else min(limit, query.size)

        def finish(message: Message | None, keep: frozenset[str] | None, rest: tuple[str, ...]) -> None:
            if rest:
                reply(refusal(query, NOT_THERE.get(query.type, codes.NXDOMAIN), codes.BLOCKED, rest[0]))
            elif message is None:
                reply(refusal(query, codes.SERVFAIL, codes.NETWORK_ERROR))
            else:
                if self.told is not None and keep:
                    self.told(process, query.name, keep)
                reply(encode(query, message, keep, size, time.monotonic()))

        return self._begin(process, query, servers, finish)

    def judge_only(
        self,
        process: Process,
        data: bytes,
        done: Callable[[bytes | None], None],
        servers: tuple[str, ...] | None = None,
    ) -> Asked | None:
        """Decides on a query that its process sends by itself: `done` is called once, perhaps at once, with the query
        in octets of ours, or None when it must not be sent. It was asked by us first, and nothing came that is denied.
        """
        try:
            query = parse_query(data)
        except Malformed as error:
            self.hostile(process, str(error))
            done(None)
            return None

        def finish(message: Message | None, keep: frozenset[str] | None, rest: tuple[str, ...]) -> None:
            may = not rest and may_come(message, keep)
            if may and self.told is not None and keep:
                self.told(process, query.name, keep)
            done(restate(query) if may else None)

        return self._begin(process, query, servers, finish)

    def denied(self, process: Process, data: bytes) -> tuple[str, str] | None:
        """The rule and the reason for which a query is denied by its name alone; None when it is not, or not yet."""
        try:
            query = parse_query(data)
        except Malformed as error:
            return self.hostile(process, str(error))
        act = self._act(process, query)
        if act.granted or not act.verdict:
            return None
        rule, why = (*act.rest, "", "")[:2]
        return rule or "default", why

    def hostile(self, process: Process, why: str) -> tuple[str, str]:
        """Puts on record that a process has sent what is no query, once in a while."""
        now = time.monotonic()
        key = process.pid, process.exe, process.user
        if self.noted.get(key, 0.0) <= now:
            if len(self.noted) >= MAX_ACTS:
                self.noted.clear()
            self.noted[key] = now + ONE_ACT
            question = Question("hostile", "", ["dns", DNS_QUERY], (), NO_CODE, KERNEL)
            self.loop.desk.do(self.loop.session.hostile(None, process, question, why)[:-1])  # the last is the answer
        return HOSTILE_RULE, why

    # One query

    def _begin(self, process: Process, query: Query, named: tuple[str, ...] | None, finish: Finish) -> Asked | None:
        """From a query to its decision."""
        busy = self.waiting.get(process.pid, 0)
        if busy >= MAX_WAITING:
            finish(None, None, ())
            return None
        try:
            asked = Asked(self, self._act(process, query), process, query, self._servers(named), finish)
        except Exception as error:  # noqa: BLE001  # as in `_guarded`
            self._fault(error)
            finish(None, None, ())
            return None
        self.waiting[process.pid] = busy + 1
        asked.act.live += 1
        if asked.act.verdict:
            self._guarded(asked, self._go_on)
        else:
            asked.act.asked.append(asked)
        return None if asked.over else asked

    def _guarded(self, asked: Asked, step: Callable[[Asked], None]) -> None:
        """Does a query's next step. A fault of ours is a denial and a record, not the end of the guard."""
        try:
            step(asked)
        except Exception as error:  # noqa: BLE001
            self._fault(error)
            asked.fail()

    def _fault(self, error: Exception) -> None:
        why = f"{type(error).__name__}: {error}"
        self.loop.desk.do(self.loop.session.cut_off(None, None, "supervisor.fault", why)[:-1])

    def _servers(self, named: tuple[str, ...] | None) -> Servers | None:
        """Whom the guest has named; None where those are the system's anyway."""
        system = self.system.servers()
        if named is None or all([system.has(parse_ip(text) or (0, 0)) for text in named]):
            return None
        return Servers(named, system.timeout, system.attempts, system.tcp)

    def _act(self, process: Process, query: Query) -> Act:
        """The act that a query is part of: a new one is decided, and on record."""
        now, desk, lookups = time.monotonic(), self.loop.desk, self.loop.session.lookups
        kind = TYPES.get(query.type) or f"TYPE{query.type}"
        key = process.pid, process.exe, process.user, query.name, kind
        known = self.acts.get(key)
        if known is not None and (known.until > now or (known.live and known.until + LONGEST > now)):
            return known
        pending = lookups.asked(process, query.name, kind)
        act = self._remember(Act(self, key, pending), now)
        try:
            if stays(pending.request) or is_localhost(pending.request.host):
                act.verdict, act.until = ALLOW, now + ONE_ACT
            elif not desk.owed or desk.paid([Reply(act, "", DENY)]):
                desk.do(lookups.query(act, pending, now))
        except BaseException:
            self.acts.pop(key, None)  # it has no verdict, and who asks again would wait for one
            raise
        return act

    def _remember(self, act: Act, now: float) -> Act:
        """Keeps an act, and of the others those that are not over."""
        self.acts.pop(act.key, None)
        while self.acts:
            oldest = next(iter(self.acts.values()))
            if (oldest.until > now or oldest.live) and len(self.acts) < MAX_ACTS:
                break
            del self.acts[oldest.key]
        self.acts[act.key] = act
        return act

    def decided(self, act: Act) -> None:
        """Goes on with the queries that waited for a verdict. A denial that is not on record is none the next time."""
        act.until = time.monotonic() + ONE_ACT
        if not act.granted and not act.seq and self.acts.get(act.key) is act:
            del self.acts[act.key]
        asked, act.asked = act.asked, []
        for one in asked:
            self._guarded(one, self._go_on)

    def left(self, asked: Asked) -> None:
        """Nobody waits for this query's answer any more."""
        busy = self.waiting.pop(asked.process.pid, 1) - 1
        if busy > 0:
            self.waiting[asked.process.pid] = busy
        asked.act.live -= 1
        if asked.asking:
            asked.asking.cancel()
        if asked in asked.act.asked:
            asked.act.asked.remove(asked)

    def _go_on(self, asked: Asked) -> None:
        """A query whose act has its verdict: denied, or looked up."""
        act, query = asked.act, asked.query
        if not act.granted:
            asked.end(rest=act.rest or NO_RULE)
            return
        asked.started = time.monotonic()
        if stays(act.pending.request) or is_localhost(act.pending.request.host):
            self._came(asked, at_home(query, act.pending.request))
            return
        servers = asked.servers or self.system.servers()
        message = self.cache.get(query, servers.addresses, asked.started)
        if message is not None:
            self._came(asked, message)
            return

        def came(asked: Asked, message: Message | None) -> None:
            if message is not None:
                self.cache.put(query, servers.addresses, message, time.monotonic())
            self._came(asked, message)

        asked.asking = self.upstream.ask(
            query, servers, lambda message: self._guarded(asked, lambda asked: came(asked, message))
        )

    def _came(self, asked: Asked, message: Message | None) -> None:
        """What came for a query: has it decided on, and how it ended recorded with the first of its type."""
        act, kind = asked.act, asked.query.type
        asked.asking, asked.message = None, message
        pending = Pending(asked.process, act.pending.question, act.pending.request)
        task = LookUp(asked, "", "query", asked.query.name, "", (), pending)
        task.started, task.seq = asked.started, act.seq or act.denial
        pending.recorded = task.seq > 0 and kind not in act.told
        pending.denied = act.denial > 0
        act.told.add(kind)
        answer = answer_of(message, pending.request)
        # Else it may be what a server knows to be false, or the guest's own word.
        answer.ours = asked.servers is None and not asked.query.cd and not self.is_run()
        self.loop.desk.looked_up(task, answer)

    def is_run(self) -> bool:
        """Whether the run itself may be what this machine asks."""
        return self.served.any_of(self.system.servers().addresses)

    # What time brings, and the servers

    def ready(self, fd: int, events: int) -> None:
        """Something has come from a server."""
        try:
            self.upstream.ready(fd, events)
        except Exception as error:  # noqa: BLE001  # as in `_guarded`
            self._fault(error)

    def until(self) -> float | None:
        """When something is to be done by itself."""
        return self.upstream.until()

    def due(self, now: float) -> None:
        """Sees to servers that have not answered in time."""
        try:
            self.upstream.due(now)
        except Exception as error:  # noqa: BLE001  # as in `_guarded`
            self._fault(error)

    def close(self) -> None:
        """The run is over: nobody is answered any more."""
        self.upstream.close()


def at_home(query: Query, request: Request) -> Message:
    """The answer about this machine's own names and addresses, about which nobody else is asked (RFC 6761, 6303)."""
    message = made(query, ["127.0.0.1", "::1"] if request.address is None else [])
    if query.type == codes.PTR and request.address in LOOPBACK:
        message.answer.append(Record(query.key[:-4], codes.PTR, codes.IN, 0, name_of("localhost")))
    return message


def may_come(message: Message | None, keep: frozenset[str] | None) -> bool:
    """Whether the same answer could go to the process as it is: it is known, and nothing would be taken out."""
    if message is None or message.rcode not in ANSWERS:
        return False
    return keep is None or keep.issuperset(message.addresses())


def answer_of(message: Message | None, request: Request) -> Answer:
    """What came, as the session decides on it. Only a name has addresses: those that came for an address are none."""
    if message is None:
        return Answer([], [], ("gaierror", NOT_NOW, "no name server has answered"))
    if message.rcode != codes.NOERROR:
        number = NO_SUCH_NAME if message.rcode == codes.NXDOMAIN else NOT_NOW
        return Answer([], [], ("gaierror", number, RCODES.get(message.rcode, f"RCODE{message.rcode}")))
    addresses = message.addresses()[:MAX_ADDRESSES] if request.host else []
    answer = Answer(list(addresses), addresses)
    answer.lasts = float(message.ttl())
    return answer
