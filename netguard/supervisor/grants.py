"""Silent grants of the last moment, word for word: a question asked again needs no second reading.

Most connects of a busy run go to a few destinations from a few lines of code. What is kept here is exactly what was
decided a moment ago, for the same process and the same text; it is forgotten each second, and at once when anything
changes that the decision could have looked at: the names behind an address, the run's own listeners.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.core.process import Process
    from netguard.supervisor.peer import Peer

#: More questions than a run asks in a second; all are forgotten when there are more.
MAX_GRANTS = 4_096

#: How a frame of `ask` begins, and the longest number that may follow (`question.MAX_NUMBER`).
ASK, MAX_NUMBER = b"ask\0", 64


class Grants:
    """(process, text behind the number) -> (rule, answer behind the number)."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[tuple[Process | None, bytes], tuple[str, bytes]] = {}

    def find(self, peer: Peer, frame: bytes) -> tuple[str, bytes] | None:
        """Returns the rule that granted this very question, and the whole answer; None if it has to be read."""
        if not frame.startswith(ASK) or peer.waiting:
            return None
        end = frame.find(b"\0", 4)
        known = self.known.get((peer.process, frame[end:]))
        if known is None or end > 4 + MAX_NUMBER:
            return None
        return known[0], frame[4:end] + known[1]

    def keep(self, peer: Peer, frame: bytes, rule: str, answer: bytes) -> None:
        """Keeps what a question was answered with."""
        if len(self.known) >= MAX_GRANTS:
            self.known.clear()
        self.known[peer.process, frame[frame.find(b"\0", 4) :]] = rule, answer[answer.find(b"\0") :]

    def forget(self) -> None:
        """Something has changed."""
        self.known.clear()
