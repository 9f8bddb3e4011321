"""A guest's query on its way to its answer, and the act that it is part of. What is done with them is `naming`'s."""

from __future__ import annotations

import math

from netguard.core.policy import ALLOW, DENY, LOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from netguard.core.lookups import Pending
    from netguard.core.process import Process
    from netguard.dns.message import Message
    from netguard.dns.query import Query
    from netguard.dns.servers import Servers
    from netguard.dns.upstream import Asking

    class Owner(Protocol):
        """Who sees to a query's next step."""

        def decided(self, act: Act) -> None:
            """The act has its verdict."""

        def left(self, asked: Asked) -> None:
            """Nobody waits for this query's answer any more."""

    #: What takes the end of a query: what was answered and which addresses of it may stay (None: all); or the rule and
    #: the reason of a denial. Neither: nobody has answered.
    Finish = Callable[["Message | None", "frozenset[str] | None", tuple[str, ...]], None]

#: Seconds for which what was decided stands for the same process, name and kind of record. A resolver asks again after
#: five, and for the other kind of address at once.
ONE_ACT = 5.0

#: Seconds for which it may go on besides while servers are still being asked for it: a resolver asks again meanwhile.
LONGEST = 60.0


class Act:
    """What one process wants of one name.

    key:     by which it is known.  pending: what it and its answers are decided with.
    verdict: "" while it is not decided.  rest: a denial's rule and reason.  seq: its line, 0 without one.
    until:   when it is over, and the same is asked about anew.
    asked:   the queries that wait for the verdict.  waiting: whether a limit has it wait.
    live:    how many of its queries have no answer yet.
    told:    the types of which it is on record how they ended.
    denial:  the line that says that what it led to is not granted; 0 without one.
    """

    __slots__ = ("asked", "denial", "key", "live", "owner", "pending", "rest", "seq", "told", "until",
                 "verdict", "waiting")  # fmt: skip

    def __init__(self, owner: Owner, key: tuple[object, ...], pending: Pending) -> None:
        self.owner = owner
        self.key = key
        self.pending = pending
        self.verdict = ""
        self.rest: tuple[str, ...] = ()
        self.seq = 0
        self.until = math.inf
        self.asked: list[Asked] = []
        self.waiting = False
        self.live = 0
        self.told: set[int] = set()
        self.denial = 0

    @property
    def granted(self) -> bool:
        """Whether it was let through."""
        return self.verdict in (ALLOW, LOG)

    def answer(self, number: str, verdict: str, rest: tuple[str, ...], seq: int) -> None:
        """Takes what was decided. See `desk.Asker`."""
        self.waiting = False
        self.verdict, self.rest, self.seq = verdict, rest, seq
        self.owner.decided(self)

    def cut_off(self) -> None:
        """An act has no line that could be closed; it is denied."""
        self.answer("", DENY, (), 0)


class Asked:
    """One query.

    process: whose.  query: what it asks.  servers: whom, where the guest has named one that the rules grant.
    finish:  told how it ended, once.
    started: when it was granted.  message: what has come.  asking: what it waits for.  over: whether it has ended.
    """

    __slots__ = ("act", "asking", "finish", "message", "over", "owner", "process", "query", "servers", "started",
                 "waiting")  # fmt: skip

    def __init__(
        self, owner: Owner, act: Act, process: Process, query: Query, servers: Servers | None, finish: Finish
    ) -> None:
        self.owner = owner
        self.act = act
        self.process = process
        self.query = query
        self.servers = servers
        self.finish = finish
        self.started = 0.0
        self.message: Message | None = None
        self.asking: Asking | None = None
        self.over = False
        self.waiting = False

    def answer(self, number: str, verdict: str, rest: tuple[str, ...], seq: int) -> None:
        """Takes what was decided on what came for it. See `desk.Asker`."""
        self.waiting = False
        if verdict != ALLOW:  # a dry run logs what it would deny
            self.act.denial = self.act.denial or seq
        if verdict not in (ALLOW, LOG):
            self.end(rest=rest or ("default",))
            return
        self.end(self.message, frozenset(rest[1:] if rest[:1] == ("ok",) else ()))

    def cut_off(self) -> None:
        """A query has no line that could be closed; it is denied."""
        self.answer("", DENY, (), 0)

    def end(
        self, message: Message | None = None, keep: frozenset[str] | None = None, rest: tuple[str, ...] = ()
    ) -> None:
        """Tells how it ended, whoever still waits for it."""
        if not self.over:
            self.over = True
            self.owner.left(self)
            self.finish(message, keep, rest)

    def fail(self) -> None:
        """A fault of ours: there is no answer."""
        if not self.over:
            self.over = True
            self.owner.left(self)
            self.finish(None, None, ())

    def cancel(self) -> None:
        """Nobody waits for its answer any more: the asker is gone."""
        if not self.over:
            self.over = True
            self.owner.left(self)
