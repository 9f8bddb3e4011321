"""Answers that servers have given, each for as long as it is good.

A name's answer is kept as its records say (their times to live run on in `reply.encode`), that there is none as the
zone's SOA record says (RFC 2308), a failure not at all. What is kept is bounded in number and in octets: a guest may
ask for any number of names.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.dns.message import Message
    from netguard.dns.query import Query

    Key = tuple[bytes, bool, bool, tuple[str, ...]]

#: Seconds that an answer is kept at most, and that there is none (RFC 2308 section 5 says one to three hours).
MAX_POSITIVE, MAX_NEGATIVE = 86_400, 3_600

#: Answers, and octets of all together. One that would take a good part of the room has none.
MAX_ANSWERS, MAX_OCTETS = 4_096, 4 << 20
MAX_SHARE = 32

#: Octets of a record beside its name and data, and of a message, about.
RECORD, MESSAGE = 160, 400


class Cache:
    """question, its wishes and the servers asked -> their answer, until its time. What was used longest ago goes first.

    A server's answer is no other server's: one that a guest has named cannot put anything into the system's. Answers
    that nobody has checked (CD) are kept apart from those that may have been, and those with signatures from those
    without.
    """

    __slots__ = ("_found", "octets")

    def __init__(self) -> None:
        self._found: dict[Key, tuple[Message, float, int]] = {}
        self.octets = 0

    def __len__(self) -> int:
        return len(self._found)

    def get(self, query: Query, servers: tuple[str, ...], now: float) -> Message | None:
        """The answer to the query, if there is one that is good at `now`."""
        key = (query.key, query.do, query.cd, servers)
        entry = self._found.pop(key, None)
        if entry is None:
            return None
        if now >= entry[1]:
            self.octets -= entry[2]
            return None
        self._found[key] = entry
        return entry[0]

    def put(self, query: Query, servers: tuple[str, ...], message: Message, now: float) -> None:
        """Keeps the answer that has just come, if it is good for any time. Its times to live run from `now`."""
        message.at = now
        ttl = min(message.ttl(), MAX_NEGATIVE if message.negative() else MAX_POSITIVE)
        size = weight(message)
        if ttl < 1 or message.key != query.key or size > MAX_OCTETS // MAX_SHARE:
            return
        key = (query.key, query.do, query.cd, servers)
        self.octets += size - self._found.pop(key, (message, 0.0, 0))[2]
        self._found[key] = (message, now + ttl, size)
        while len(self._found) > MAX_ANSWERS or self.octets > MAX_OCTETS:
            self.octets -= self._found.pop(next(iter(self._found)))[2]


def weight(message: Message) -> int:
    """Octets that a message takes, about."""
    records = [*message.answer, *message.authority]
    return MESSAGE + sum([RECORD + len(record.owner) + len(record.data) for record in records])
