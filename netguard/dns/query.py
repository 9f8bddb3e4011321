"""A query: what a guest asks, read once, and asked anew in octets of our own.

Of a guest's message nothing goes on but the name, the type, the class and five flags. Its EDNS options (RFC 6891) stay
here: they would be a way out for data beside the name that was decided on.
"""

from __future__ import annotations

from netguard.core.address import parse_ip
from netguard.dns.codes import (
    AD,
    ASKED_SIZE,
    BADVERS,
    CD,
    DO,
    HEAD,
    IN,
    MAX_SIZE,
    NOTIMP,
    NXDOMAIN,
    OPCODE,
    OPT,
    OPTION,
    PLAIN_SIZE,
    QR,
    RD,
    REFUSED,
    TAIL,
)
from netguard.dns.malformed import Malformed
from netguard.dns.names import HEADER, MAX_LABEL, MAX_NAME, name_of, text_of

#: No types of records: OPT and those that steer transactions and transfers. ANY is the one that may be asked for.
_NOT_ASKED = frozenset({0, OPT, *range(249, 255)})


class Query:
    """One question, as it was asked.

    id:       the asker's number for it.
    question: the very octets of name, type and class: an answer repeats them (a client may look at the letters' case).
    name:     the name's text; see `names`.
    key:      `question` with the name in lower case: two queries for the same have the same.
    type:     the record type's number.
    rd, cd, ad: recursion desired, checking disabled, authentic data understood.
    size:     the octets a datagram to the asker may have, 512 to 4096.
    edns, do: whether it has EDNS, and asks for DNSSEC records.
    """

    __slots__ = ("ad", "cd", "do", "edns", "id", "key", "name", "question", "rd", "size", "type")

    def __init__(
        self, number: int, question: bytes, kind: int, flags: int, size: int = 0, edns_flags: int = 0
    ) -> None:
        wire = question[:-4]
        self.id = number
        self.question = question
        self.name = text_of(wire)
        self.key = wire.lower() + question[-4:]  # a type may look like a letter: 65 is "A"
        self.type = kind
        self.rd = flags & RD != 0
        self.cd = flags & CD != 0
        self.ad = flags & AD != 0
        self.edns = size != 0
        self.size = min(max(size, PLAIN_SIZE), MAX_SIZE)
        self.do = edns_flags & DO != 0


def parse_query(data: bytes) -> Query:
    """Reads a query. Raises Malformed, whose `rcode` is what the asker is told (`reply.rejection`), and nothing else.

    A name that reads as an IPv4 address is one of them: there is no such top-level domain, no resolver asks for it, and
    as a request it would be that address.
    """
    if len(data) < HEADER:
        raise Malformed("shorter than a header", None)
    number, flags, questions, answers, authority, additional = HEAD.unpack_from(data)
    if flags & QR:
        raise Malformed("an answer, where queries are expected", None)
    if flags & OPCODE:
        raise Malformed("an operation that is no query", NOTIMP)
    if questions != 1 or answers or authority or additional > 1:
        raise Malformed("not one question and at most an OPT record")
    at = question_end(data)
    question = data[HEADER:at]
    kind, klass = TAIL.unpack_from(data, at - 4)
    if klass != IN:
        raise Malformed("a class that is not the Internet's", REFUSED)
    if kind in _NOT_ASKED:
        raise Malformed("a type that is asked of no forwarder", NOTIMP)
    size, edns_flags = read_option(data, at) if additional else (0, 0)
    if not additional and at != len(data):
        raise Malformed("octets behind the end")
    query = Query(number, question, kind, flags, size, edns_flags)
    if "0" <= query.name[0] <= "9" and parse_ip(query.name) is not None:
        raise Malformed("an address as a name", NXDOMAIN)
    return query


def question_end(data: bytes) -> int:
    """Where the first question of a message ends. Its name has nothing yet to point to. Raises Malformed."""
    at = HEADER
    try:
        while length := data[at]:
            if length > MAX_LABEL:
                raise Malformed("a question with a pointer")
            at += 1 + length
    except IndexError:
        raise Malformed("a name without an end") from None
    if at - HEADER >= MAX_NAME:
        raise Malformed("a name of more than 255 octets")
    if at + 5 > len(data):
        raise Malformed("a question without type and class")
    return at + 5


def read_option(data: bytes, at: int) -> tuple[int, int]:
    """(size of a datagram, flags) of the OPT record that ends the message. What options it holds is passed over."""
    if at + OPTION.size > len(data):
        raise Malformed("a record that is cut off")
    owner, kind, size, _, version, flags, length = OPTION.unpack_from(data, at)
    if owner or kind != OPT or at + OPTION.size + length != len(data):
        raise Malformed("an additional record that is no OPT, or not the end")
    if version:
        raise Malformed("a version of EDNS that nobody knows", BADVERS)
    return size or PLAIN_SIZE, flags


def query_for(name: str, kind: int) -> Query:
    """A query of our own for a name's text. Raises Malformed for what is no name."""
    return Query(0, name_of(name) + TAIL.pack(kind, IN), kind, RD)


def encode_query(query: Query, number: int, *, edns: bool = True) -> bytes:
    """The query as we ask a server: under a number of ours, the name in lower case, recursion desired.

    edns: with EDNS, and no options in it; a few servers know none and say FORMERR.
    """
    flags = RD | (CD if query.cd else 0) | (AD if query.ad else 0)
    return HEAD.pack(number, flags, 1, 0, 0, edns) + query.key + (option(ASKED_SIZE, query.do) if edns else b"")


def restate(query: Query) -> bytes:
    """The query in octets of ours for the asker's own socket.

    Number, letters' case, flags and size are the asker's: it will look for them in the answer.
    """
    flags = (RD if query.rd else 0) | (CD if query.cd else 0) | (AD if query.ad else 0)
    tail = option(query.size, query.do) if query.edns else b""
    return HEAD.pack(query.id, flags, 1, 0, 0, query.edns) + query.question + tail


def option(size: int, do: bool, rcode: int = 0, data: bytes = b"") -> bytes:
    """An OPT record: the size of a datagram, DNSSEC wanted or not, the upper bits of a response code, options."""
    return OPTION.pack(0, OPT, size, rcode >> 4, 0, DO if do else 0, len(data)) + data
