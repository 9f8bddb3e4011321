"""Acts that look the same to a reader, as one row: how many they are, and what the first of them said.

Keeps counts and bounded texts, never a record.
"""

from __future__ import annotations

from netguard.views.subject import NETWORK, arguments_text, code_parts, subject_text
from netguard.views.table import GREEN, RED, YELLOW, Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.views.subject import Record

    #: kind, verdict, would, rule, then the subject's own parts
    Key = tuple[object, ...]

#: Characters kept of any one value; addresses kept of any one name.
LONG, ADDRESSES = 256, 8

#: (verdict, would it have been denied) -> word, colour, place in the table.
VERDICTS = {
    ("deny", False): ("denied", RED, 0),
    ("deny", True): ("denied", RED, 0),
    ("log", True): ("would deny", RED, 0),
    ("allow", True): ("would deny", RED, 0),
    ("log", False): ("logged", YELLOW, 1),
    ("allow", False): ("allowed", GREEN, 2),
}

#: Kinds that are cut at the head: the end of a host name says whose it is, the end of a path says what it is.
TAILS = frozenset((*NETWORK, "dns", "native", "file"))


class Group:
    """All records of one (kind, verdict, rule, subject): how many, and what the first of them said.

    sent, received: bytes, where something has counted them; whoever reads results adds them.
    own: each of them was about a socket that the run itself listens on, as the kernel says.
    uncovered: one of them started a program that is told to be without the guard, or brings code of its own before it.
    found: what was found in one of them; "" nothing that a person must not miss.
    """

    __slots__ = ("addresses", "argv", "code", "count", "found", "kind", "own", "received", "rule", "sent", "subject",
                 "uncovered", "verdict", "would")  # fmt: skip

    def __init__(self, key: Key, record: Record) -> None:
        self.kind = str(key[0])
        self.verdict = str(key[1])
        self.would = key[2] == "deny"
        self.rule = str(key[3] or "")
        self.subject = key[4:]
        self.count = self.sent = self.received = 0
        place, function = code_parts(record)
        self.code = place[-LONG:], function[:LONG]
        self.own = self.kind in NETWORK
        self.addresses: list[str] = []
        self.uncovered = False
        self.found = ""
        self.argv = arguments_text(record)[:LONG] if self.kind == "exec" else ""

    def learn(self, address: object) -> None:
        """An address of the destination's, once; the first few of them."""
        text = str(address)[:LONG]
        if len(self.addresses) < ADDRESSES and text not in self.addresses:
            self.addresses.append(text)

    @property
    def denied(self) -> bool:
        """Was it refused, or would it have been but for a dry run?"""
        return self.would or self.verdict == "deny"

    @property
    def word(self) -> str:
        """The verdict as people read it."""
        return VERDICTS[self.verdict, self.would][0]

    def row(self) -> Row:
        """The group as one row of the table."""
        more = f" +{len(self.addresses) - 1}" if len(self.addresses) > 1 else ""
        named = self.kind in NETWORK and self.subject[0] and self.addresses
        extra = f" ({self.addresses[0]}{more})" if named else ""
        extra += f" found {self.found}" if self.found else ""
        _, ink, _ = VERDICTS[self.verdict, self.would]
        return Row(self.word, ink, self.kind, self.text(), extra, self.count, self.rule, self.code, self.kind in TAILS)

    def text(self) -> str:
        """Destination, path or command, raw. Many commands under one row show only what they have in common."""
        if not self.argv:
            return subject_text(self.kind, self.subject)
        if self.count == 1:
            return f"{self.subject[0]} {self.argv}"
        more = " ..." if self.argv != str(self.subject[1]) else ""
        return subject_text(self.kind, self.subject) + more
