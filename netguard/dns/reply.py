"""What a guest is answered: octets of our own making, from what `message` has understood.

An answer that is sent again is not made again: what does not change with the asker is kept with the message, and only
the times to live are put in anew, once a second.
"""

from __future__ import annotations

from netguard.dns.codes import (
    AD,
    ANY,
    ASKED_SIZE,
    CD,
    EDE,
    FIXED,
    HEAD,
    MAX_MESSAGE,
    OPCODE,
    PAIR,
    QR,
    RA,
    RCODE,
    RD,
    SERVFAIL,
    TC,
)
from netguard.dns.malformed import Malformed
from netguard.dns.message import PROOFS
from netguard.dns.names import HEADER, MAX_JUMPS, ROOT
from netguard.dns.query import option, question_end
from netguard.dns.records import COMPRESSED, NAME, keep_addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from netguard.dns.message import Message
    from netguard.dns.query import Query
    from netguard.dns.records import Record

#: Octets of the text of an extended error: more than a rule's name, and with everything else below 512.
MAX_TEXT = 128

#: Sets of addresses kept of one message, each prepared once; a policy that tells callers apart makes a few.
MAX_PREPARED = 8

#: Octets that a pointer can lead to (RFC 1035 section 4.1.4).
MAX_POINTER = 0x4000


class Prepared:
    """The records of an answer in octets, for a question of this length; their times to live as of some age.

    cut: whether records are missing that the server had: nobody has vouched for what is left.
    """

    __slots__ = ("age", "counts", "cut", "octets", "spots", "ttls")

    def __init__(self, octets: bytes, spots: list[int], ttls: list[int], counts: tuple[int, int], cut: bool) -> None:
        self.octets = octets
        self.spots = spots
        self.ttls = ttls
        self.counts = counts
        self.cut = cut
        self.age = 0

    def aged(self, age: int) -> bytes:
        """The records, `age` seconds after they came."""
        if age != self.age:
            octets = bytearray(self.octets)
            for spot, ttl in zip(self.spots, self.ttls, strict=True):
                octets[spot : spot + 4] = max(0, ttl - age).to_bytes(4, "big")
            self.octets = bytes(octets)
            self.age = age
        return self.octets


def encode(
    query: Query, message: Message, keep: Collection[str] | None, limit: int, now: float | None = None
) -> bytes:
    """The answer to a guest's query.

    keep:  the addresses that may stay, as `Message.addresses` spells them; None keeps all.
    limit: octets that the answer may have: `query.size` in a datagram, MAX_MESSAGE over TCP. What does not fit is left
           out whole, and marked as truncated: the asker comes back over TCP.
    now:   the clock of `message.at`; from then on the times to live have run.
    """
    another = message.key != query.key  # another question's answer, by a fault of ours
    if another or (message.rcode > RCODE and not query.edns):  # a code that only EDNS can say
        return refusal(query, SERVFAIL)
    kept = None if keep is None else frozenset(keep)
    prepared = message.prepared.get((kept, query.do)) or prepare(message, kept, query.do)
    records = prepared.aged(0 if now is None else max(0, int(now - message.at)))
    tail = option(ASKED_SIZE, query.do, message.rcode) if query.edns else b""
    if HEADER + len(query.question) + len(records) + len(tail) > limit:
        if limit >= MAX_MESSAGE:
            return refusal(query, SERVFAIL)
        return header(query, message.rcode, TC, (0, 0), tail) + query.question + tail
    vouched = message.ad and not prepared.cut and (query.ad or query.do)
    return header(query, message.rcode, AD if vouched else 0, prepared.counts, tail) + query.question + records + tail


def header(query: Query, rcode: int, flags: int, counts: tuple[int, int], tail: bytes) -> bytes:
    """The header of an answer: the asker's number and wishes, our ability to recurse."""
    flags |= QR | RA | (RD if query.rd else 0) | (CD if query.cd else 0) | (rcode & RCODE)
    return HEAD.pack(query.id, flags, 1, *counts, 1 if tail else 0)


def refusal(query: Query, rcode: int, ede: int | None = None, text: str = "") -> bytes:
    """An answer without records: the response code, and to an asker with EDNS why (RFC 8914)."""
    tail = b""
    if query.edns:
        why = text.encode("utf-8", "replace")[:MAX_TEXT].decode("utf-8", "ignore").encode()
        extra = b"" if ede is None else PAIR.pack(EDE, 2 + len(why)) + ede.to_bytes(2, "big") + why
        tail = option(ASKED_SIZE, query.do, rcode, extra)
    return header(query, rcode, 0, (0, 0), tail) + query.question + tail


def rejection(data: bytes, error: Malformed) -> bytes:
    """An answer to what `parse_query` could not read: its number and, where there is one, its question.

    Returns b"" where nothing is to be answered.
    """
    if error.rcode is None:
        return b""
    number, flags, questions = HEAD.unpack_from(data)[:3]
    try:
        question = data[HEADER : question_end(data)] if questions == 1 else b""
    except Malformed:
        question = b""
    tail = option(ASKED_SIZE, False, error.rcode) if error.rcode > RCODE else b""
    flags = QR | (flags & (OPCODE | RD | CD)) | (error.rcode & RCODE)
    return HEAD.pack(number, flags, 1 if question else 0, 0, 0, 1 if tail else 0) + question + tail


def prepare(message: Message, keep: frozenset[str] | None, do: bool) -> Prepared:
    """Puts the records that may stay into octets, and keeps them with the message."""
    answer, authority = [select(section, message.type, keep, do) for section in (message.answer, message.authority)]
    writer = Writer(message.key)
    for record in [*answer, *authority]:
        writer.record(record)
    cut = keep is not None and answer != select(message.answer, message.type, None, do)
    found = Prepared(writer.octets(), writer.spots, writer.ttls, (len(answer), len(authority)), cut)
    if len(message.prepared) >= MAX_PREPARED:
        message.prepared.clear()
    message.prepared[(keep, do)] = found
    return found


def select(section: list[Record], kind: int, keep: frozenset[str] | None, do: bool) -> list[Record]:
    """The records that may stay: addresses that are kept; proofs only where DNSSEC or they themselves are asked for."""
    if not do:
        section = [record for record in section if record.type not in PROOFS or kind in (record.type, ANY)]
    if keep is None:
        return section
    return [kept for record in section if (kept := keep_addresses(record, keep)) is not None]


class Writer:
    """Records, one behind the other, behind a question; names that were there before are pointed to."""

    __slots__ = ("_begin", "_known", "_out", "spots", "ttls")

    def __init__(self, question: bytes) -> None:
        self._out = bytearray(HEADER)
        self._known: dict[bytes, tuple[int, int]] = {}  # name -> where it is, and the pointers it ends with
        self.spots: list[int] = []
        self.ttls: list[int] = []
        if question:
            self.name(question[:-4])
            self._out += question[-4:]
        self._begin = len(self._out)

    def octets(self) -> bytes:
        """The records alone."""
        return bytes(self._out[self._begin :])

    def name(self, name: bytes) -> None:
        """A name: what is new of it, and a pointer to the rest."""
        lower, at, new = name.lower(), 0, []
        place, jumps = 0, 0
        while name[at]:
            place, jumps = self._known.get(lower[at:], (0, 0))
            if place:
                break
            new.append(at)
            at += 1 + name[at]
        begin = len(self._out)
        self._out += name[:at] + ((0xC000 | place).to_bytes(2, "big") if place else ROOT)
        if jumps + 1 < MAX_JUMPS:
            for at in new:
                if begin + at < MAX_POINTER:
                    self._known[lower[at:]] = (begin + at, jumps + 1 if place else 0)

    def record(self, record: Record) -> None:
        """One record."""
        self.name(record.owner)
        self.spots.append(len(self._out) - self._begin + 4)
        self.ttls.append(record.ttl)
        self._out += FIXED.pack(record.type, record.klass, record.ttl, 0)
        begin = len(self._out)
        if record.type in COMPRESSED:
            self.parts(record.data, COMPRESSED[record.type])
        else:
            self._out += record.data
        self._out[begin - 2 : begin] = (len(self._out) - begin).to_bytes(2, "big")

    def parts(self, data: bytes, layout: tuple[int, ...]) -> None:
        """Data whose names may be pointers."""
        at = 0
        for part in layout:
            end = at
            if part == NAME:
                while data[end]:
                    end += 1 + data[end]
                end += 1
                self.name(data[at:end])
            else:
                end += part
                self._out += data[at:end]
            at = end
