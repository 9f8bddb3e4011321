"""Grants of the last moment, word for word: a question asked again needs no second reading.

Most connects of a busy run go to a few destinations from a few lines of code. What is kept here is exactly what was
decided a moment ago, for the same process and the same text; it is forgotten each second, and at once when anything
changes that the decision could have looked at: the names behind an address, the run's own listeners. A grant that is
logged has its line each time; only what stands on it is known.
"""

from __future__ import annotations

from netguard.core.commands import Record, Reply
from netguard.core.wire import pack
from netguard.record.chain import Again

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.core.commands import Command
    from netguard.core.process import Process
    from netguard.supervisor.peer import Peer

    Asked = bytes | tuple[object, ...]

#: More different questions than a run asks in a second; all are forgotten when there are more. Each keeps some
#: 2 KB where it has a line.
MAX_GRANTS = 1_024

#: Bytes of a question that is kept. Those of real acts have some 300; a guest may send a thousand of 128 KB.
MAX_KEPT = 4_096

#: How a frame of `ask` begins, and the longest number that may follow (`question.MAX_NUMBER`).
ASK, MAX_NUMBER = b"ask\0", 64


class Grant:
    """What a question is answered with.

    verdict, rest: as the session said them.  rule: whose grant it is.
    line: what goes on record first, None where it is granted in silence.
    before, behind: the answer's bytes around the number of that record.  silent: all of them where there is none.
    """

    __slots__ = ("before", "behind", "line", "rest", "rule", "silent", "verdict")

    def __init__(self, reply: Reply, line: dict[str, object] | None) -> None:
        self.verdict = reply.verdict
        self.rest = reply.rest
        self.rule = reply.rule
        self.line = None if line is None else Again(line)
        self.before = pack(("", reply.verdict, ""))
        self.behind = pack(("", *reply.rest))
        self.silent = self.before + b"0" + self.behind

    def answer(self, number: bytes, seq: int) -> bytes:
        """The whole answer to the question of this number."""
        return b"%b%b%d%b" % (number, self.before, seq, self.behind) if seq else number + self.silent


class Grants:
    """(process, what it asked) -> grant. What was asked is a question's text behind its number, or a call's substance
    and the note about it."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[tuple[Process | None, Asked], Grant] = {}

    def find(self, peer: Peer, frame: bytes) -> tuple[Grant, bytes] | None:
        """Returns the grant of this very question and the question's number; None if it has to be read."""
        if not frame.startswith(ASK) or peer.waiting:
            return None
        end = frame.find(b"\0", 4)
        known = self.known.get((peer.process, frame[end:]))
        if known is None or end > 4 + MAX_NUMBER:
            return None
        return known, frame[4:end]

    def keep(self, process: Process | None, asked: Asked, commands: list[Command]) -> None:
        """Keeps what a question was answered with: the reply that is the last of these commands."""
        first, reply = commands[0], commands[-1]
        if len(asked) > MAX_KEPT or not isinstance(reply, Reply):
            return
        if len(self.known) >= MAX_GRANTS:
            self.known.clear()
        self.known[process, asked] = Grant(reply, first.line if isinstance(first, Record) else None)

    def forget(self) -> None:
        """Something has changed."""
        self.known.clear()
