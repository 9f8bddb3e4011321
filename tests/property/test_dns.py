"""Random DNS messages: what netguard reads a well-kept library reads alike, and so it does what netguard writes."""

from __future__ import annotations

import struct
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netguard.core.address import canonical_host, parse_ip
from netguard.dns.codes import IN, MAX_MESSAGE
from netguard.dns.malformed import Malformed
from netguard.dns.message import Message, parse_answer, read_message
from netguard.dns.names import name_of, text_of
from netguard.dns.query import Query, encode_query, parse_query, restate
from netguard.dns.records import Record, addresses_of
from netguard.dns.reply import encode, refusal, rejection
from tests.dns.nasty import ANSWERS, QUERIES

pytestmark = pytest.mark.property

#: A whole answer takes some milliseconds to make, so a long run makes fewer: each test is to end within minutes.
dear = settings(max_examples=min(settings().max_examples, 4_000))

#: Few letters, so that names have ends in common and chains come about; and what has a meaning in a text.
LABELS = st.sampled_from(
    [b"a", b"B", b"www", b"example", b"com", b"0", b"127", b".", b"\0", b"x.y", b"\\", b"::1", b"\xff"]
)
NAMES = st.lists(LABELS | st.binary(min_size=1, max_size=63), max_size=6).map(
    lambda labels: b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
).filter(lambda wire: len(wire) <= 255)
FEW = st.sampled_from([b"\1a\3com\0", b"\1b\3com\0", b"\1C\1b\3com\0", b"\3com\0", b"\1d\3net\0", b"\0"])
ANY_NAME = FEW | NAMES
TTLS = st.sampled_from([0, 1, 60, 0x7FFFFFFF, 0x80000000]) | st.integers(0, 2**32 - 1)
STRINGS = st.binary(max_size=20).map(lambda text: bytes([len(text)]) + text)

#: Types whose data has names or addresses, and what it may be, without compression.
DATA: dict[int, st.SearchStrategy[tuple[bytes, ...]]] = {
    1: st.tuples(st.binary(min_size=4, max_size=4)),
    28: st.tuples(st.binary(min_size=16, max_size=16)),
    **dict.fromkeys((2, 5, 12, 39), st.tuples(ANY_NAME)),
    6: st.tuples(ANY_NAME, ANY_NAME, st.binary(min_size=20, max_size=20)),
    **dict.fromkeys((15, 18, 21, 36), st.tuples(st.binary(min_size=2, max_size=2), ANY_NAME)),
    16: st.tuples(STRINGS),
    17: st.tuples(ANY_NAME, ANY_NAME),
    26: st.tuples(st.binary(min_size=2, max_size=2), ANY_NAME, ANY_NAME),
    33: st.tuples(st.binary(min_size=6, max_size=6), ANY_NAME),
    35: st.tuples(st.binary(min_size=4, max_size=4), STRINGS, STRINGS, STRINGS, ANY_NAME),
    46: st.tuples(st.just(b"\0\1\x08" + bytes(15)), ANY_NAME, st.binary(max_size=8)),
    47: st.tuples(ANY_NAME, st.just(b"\0\1\x40")),
    65280: st.tuples(st.binary(max_size=20)),
}

#: Of these the names may come compressed; places of `DATA`'s parts.
POINTED = {
    **dict.fromkeys((2, 5, 12), (0,)),
    **dict.fromkeys((15, 18, 21, 33), (1,)),
    **dict.fromkeys((6, 17), (0, 1)),
    26: (1, 2),
    35: (4,),
}


@st.composite
def services(draw: st.DrawFn) -> tuple[bytes, ...]:
    """The data of an SVCB or HTTPS record."""
    values = {
        1: b"\2h2",
        3: b"\1\xbb",
        4: draw(st.binary(min_size=1, max_size=3)) * 4,
        6: draw(st.binary(min_size=1, max_size=2)) * 16,
        65400: draw(st.binary(max_size=8)),
    }
    keys = [key for key in values if draw(st.booleans())]
    if keys and draw(st.booleans()):
        values[0] = b"".join(key.to_bytes(2, "big") for key in sorted(draw(st.sets(st.sampled_from(keys), min_size=1))))
        keys.insert(0, 0)
    return b"\0\1", draw(ANY_NAME), b"".join(struct.pack("!HH", key, len(values[key])) + values[key] for key in keys)


class Builder:
    """A message in the making, whose names may be pointers to what was there before, in every way that is allowed."""

    def __init__(self, draw: st.DrawFn, flags: int) -> None:
        self.draw = draw
        self.out = bytearray(struct.pack("!HH", draw(st.integers(0, 65535)), flags) + bytes(8))
        self.places: dict[bytes, list[tuple[int, int]]] = {}

    def name(self, wire: bytes, pointers: bool = True) -> None:
        at, new, hops = 0, [], 0
        while True:
            places = [place for place in self.places.get(wire[at:], ()) if place[1] < 15] if pointers else []
            if places and self.draw(st.booleans()):
                place, hops = self.draw(st.sampled_from(places))
                hops += 1
                tail = struct.pack("!H", 0xC000 | place)
                break
            tail = b"\0"
            if not wire[at]:
                break
            new.append(at)
            at += 1 + wire[at]
        begin = len(self.out)
        self.out += wire[:at] + tail
        for spot in [*new, at]:
            if begin + spot < 0x4000:
                self.places.setdefault(wire[spot:], []).append((begin + spot, hops))

    def record(self, owner: bytes, kind: int, ttl: int, parts: tuple[bytes, ...], klass: int = 1) -> None:
        self.name(owner)
        self.out += struct.pack("!HHIH", kind, klass, ttl, 0)
        begin = len(self.out)
        for at, part in enumerate(parts):
            if at in POINTED.get(kind, ()):
                self.name(part)
            else:
                self.out += part
        self.out[begin - 2 : begin] = (len(self.out) - begin).to_bytes(2, "big")


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """A server's answer: right in form, and anything in content."""
    flags = draw(st.sampled_from([0, 0x0400, 0x0100, 0x0080, 0x0020, 0x0010]))
    rcode = draw(st.sampled_from([0, 0, 0, 2, 3]))
    made = Builder(draw, 0x8000 | flags | rcode)
    made.name(draw(ANY_NAME), pointers=False)
    made.out += struct.pack("!HH", draw(st.sampled_from([*DATA, 64, 65, 255])), 1)
    counts = [draw(st.integers(0, most)) for most in (6, 3, 2)]
    for _ in range(sum(counts)):
        kind = draw(st.sampled_from([*DATA, 64, 65]))
        parts = draw(DATA[kind]) if kind in DATA else draw(services())
        klass = draw(st.sampled_from([1, 1, 1, 3])) if kind == 16 else 1
        made.record(draw(ANY_NAME), kind, draw(TTLS), parts, klass)
    if draw(st.booleans()):
        counts[2] += 1
        made.out += struct.pack("!BHHIH", 0, 41, 1232, draw(st.sampled_from([0, 0x8000, 0x01000000])), 0)
    made.out[4:12] = struct.pack("!4H", 1, *counts)
    return bytes(made.out)


@st.composite
def queries(draw: st.DrawFn) -> bytes:
    """A client's query, right in form."""
    flags = draw(st.sampled_from([0, 0x0100])) | draw(st.sampled_from([0, 0x0010, 0x0020]))
    size = draw(st.none() | st.integers(0, 65535))
    tail = b"" if size is None else struct.pack("!BHHIH", 0, 41, size, draw(st.sampled_from([0, 0x8000])), 0)
    question = draw(ANY_NAME) + struct.pack("!HH", draw(st.sampled_from([1, 28, 65, 16, 255, 12])), 1)
    return struct.pack("!6H", draw(st.integers(0, 65535)), flags, 1, 0, 0, int(size is not None)) + question + tail


@st.composite
def broken(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A message with octets changed, taken out, put in or cut off."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        what = draw(st.sampled_from(["change", "change", "pointer", "take", "put", "cut"]))
        if what == "change":
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif what == "pointer":
            data[at : at + 2] = struct.pack("!H", 0xC000 | draw(st.integers(0, len(data))))
        elif what == "take":
            del data[at : at + draw(st.integers(1, 8))]
        elif what == "put":
            data[at:at] = draw(st.binary(min_size=1, max_size=8))
        else:
            del data[at:]
    return bytes(data)


def nasty(table: dict[str, bytes]) -> st.SearchStrategy[bytes]:
    """What the corpus has, changed a little: perhaps to what can be read."""
    return st.sampled_from([*table.values()]).flatmap(lambda data: broken(st.just(data)))


def theirs(data: bytes) -> dns.message.Message:
    """What dnspython reads."""
    return dns.message.from_wire(data, one_rr_per_rrset=True)


def rows(section: list[dns.rrset.RRset]) -> list[tuple[Any, ...]]:
    """The Internet's records that dnspython has read, as ours are compared with them."""
    return [(rrset.name, rrset.rdtype, rrset.ttl, rrset[0]) for rrset in section if rrset.rdclass == IN]


def as_theirs(records: list[Record]) -> list[tuple[Any, ...]]:
    """Our records as dnspython's, of the Internet's class: those of others go nowhere, and are opaque to it.

    Raises what it raises when it will not read one.
    """
    return [
        (
            dns.name.from_wire(record.owner, 0)[0],
            record.type,
            record.ttl,
            dns.rdata.from_wire(IN, record.type, record.data, 0, len(record.data)),
        )
        for record in records
        if record.klass == IN
    ]


def same(ours: Message, data: bytes) -> None:
    """Fails unless dnspython reads the same message as we did."""
    found = theirs(data)
    assert found.id == ours.id
    assert found.rcode() == ours.rcode
    assert bool(found.flags & dns.flags.TC) == ours.truncated
    if ours.key:
        asked = found.question[0]
        assert (asked.name, asked.rdtype) == (dns.name.from_wire(ours.key[:-4], 0)[0], ours.type)
    if not ours.truncated:
        for mine, other in zip((ours.answer, ours.authority, ours.additional), found.sections[1:], strict=True):
            assert as_theirs(mine) == rows(other)


@dear
@given(answers())
def test_answer_is_read_as_dnspython_reads_it(data: bytes) -> None:
    same(read_message(data), data)


@dear
@given(broken(answers()) | st.binary(max_size=200) | nasty(ANSWERS))
def test_answer_that_is_read_dnspython_reads_alike(data: bytes) -> None:
    """It looks into the data of types that are opaque to us, and may refuse what is in there; else it agrees."""
    try:
        ours = read_message(data)
        parse_answer(data)
    except Malformed:
        return
    try:
        as_theirs([*ours.answer, *ours.authority, *ours.additional])
    except (dns.exception.DNSException, ValueError):
        return
    if b"\0\x29" in data or b"\0\xfa" in data or ours.truncated:  # options and signatures are opaque too
        return
    same(ours, data)


def read_query(data: bytes) -> Query | Malformed:
    """What we read, or why we do not."""
    try:
        return parse_query(data)
    except Malformed as error:
        return error


def reached(found: dns.message.Message) -> set[str]:
    """The addresses that the question leads to, found by another way of following it: dnspython's own."""
    asked = found.question[0]
    if found.rcode() not in (0, 3):
        return set()
    name, seen = asked.name, set()
    while name not in seen and len(seen) < 16:
        seen.add(name)
        found_one = [rrset for rrset in found.answer if rrset.name == name and rrset.rdtype == dns.rdatatype.CNAME]
        if not found_one:
            break
        name = found_one[0][0].target
    return {
        rrset[0].address for rrset in found.answer if rrset.name == name and rrset.rdtype == asked.rdtype in (1, 28)
    }  # fmt: skip


@dear
@given(answers())
def test_addresses_are_those_that_the_name_leads_to(data: bytes) -> None:
    found = theirs(data)
    if any(rrset.rdtype == dns.rdatatype.DNAME for rrset in found.answer) or found.question[0].rdtype not in (1, 28):
        return
    if found.rcode() not in (0, 3):
        return
    expected = {parse_ip(text) for text in reached(found)}
    assert {parse_ip(text) for text in parse_answer(data).addresses()} == expected


def asks(message: Message, edns: bool, do: bool) -> Query:
    """A query that the message answers."""
    tail = struct.pack("!BHHIH", 0, 41, 4096, 0x8000 if do else 0, 0) if edns else b""
    return parse_query(struct.pack("!6H", 7, 0x0100, 1, 0, 0, int(edns)) + message.key + tail)


@dear
@given(answers(), st.booleans(), st.booleans(), st.data())
def test_answer_is_sent_as_what_it_was(data: bytes, edns: bool, do: bool, more: st.DataObject) -> None:
    """dnspython reads in it the very records that belong, but for addresses taken out, of which none is left."""
    message = parse_answer(data)
    try:
        query = asks(message, edns, do)
    except Malformed:
        return  # a question that no guest may ask
    keep = more.draw(st.none() | st.sets(st.sampled_from(message.addresses()))) if message.addresses() else None
    age = more.draw(st.integers(0, 100))
    wire = encode(query, message, keep, MAX_MESSAGE, message.at + age)
    found = theirs(wire)
    assert (found.id, found.edns) == (7, 0 if edns else -1)
    assert wire[12:].startswith(query.question)
    if found.rcode() != message.rcode:
        assert (found.rcode(), found.answer, edns) == (2, [], False)
        return
    signed = [record for record in message.answer if query.do or record.type != 46 or message.type in (46, 255)]
    if keep is None:
        expected = [(*row[:2], max(0, row[2] - age), row[3]) for row in as_theirs(signed)]
        assert rows(found.answer) == expected
    left = read_message(wire)
    may = set(message.addresses()) if keep is None else keep
    assert {text for record in left.answer for text in addresses_of(record)} <= may
    assert not any(addresses_of(record) for record in left.authority)
    assert left.additional == []


@dear
@given(answers(), st.integers(0, 700))
def test_answer_is_never_longer_than_it_may_be(data: bytes, room: int) -> None:
    message = parse_answer(data)
    try:
        query = asks(message, False, False)
    except Malformed:
        return
    limit = 12 + len(query.question) + room
    wire = encode(query, message, None, limit)
    assert len(wire) <= limit
    whole = encode(query, message, None, MAX_MESSAGE)
    assert wire == whole or (theirs(wire).flags & dns.flags.TC and len(whole) > limit)


@given(queries())
def test_query_is_read_as_dnspython_reads_it(data: bytes) -> None:
    found = theirs(data)
    query = read_query(data)
    if isinstance(query, Malformed):
        assert query.rcode == 3
        assert parse_ip(found.question[0].name.to_text(omit_final_dot=True)) is not None
        return
    asked = found.question[0]
    assert (query.id, query.type) == (found.id, asked.rdtype)
    assert dns.name.from_text(query.name) == asked.name
    flags = (dns.flags.RD if query.rd else 0) | (dns.flags.CD if query.cd else 0) | (dns.flags.AD if query.ad else 0)
    assert flags == found.flags
    assert (query.edns, query.do) == (found.edns == 0, found.ednsflags & dns.flags.DO != 0)
    assert theirs(restate(query)).question == found.question
    for wire in (encode_query(query, 9), encode_query(query, 9, edns=False), restate(query)):
        assert parse_query(wire).key == query.key


@given(broken(queries()) | st.binary(max_size=100) | nasty(QUERIES))
def test_query_that_is_read_dnspython_reads_alike(data: bytes) -> None:
    query = read_query(data)
    if isinstance(query, Malformed):
        assert rejection(data, query)[:2] == (data[:2] if query.rcode is not None else b"")
        return
    for wire in (restate(query), encode_query(query, 9), refusal(query, 3, 15, "no")):
        theirs(wire)
    try:
        found = theirs(data)
    except dns.exception.DNSException:
        assert query.edns  # its options, which we pass over
        return
    assert dns.name.from_text(query.name) == found.question[0].name


@given(NAMES)
def test_text_of_a_name_is_its_own(wire: bytes) -> None:
    """No two names have one text; it is what a master file says; and a host's is the one that rules know."""
    text = text_of(wire)
    assert name_of(text) == wire.lower()
    assert dns.name.from_text(text) == dns.name.from_wire(wire, 0)[0]
    assert text.isascii()
    assert canonical_host(text) in (None, text)
    labels = [] if text == "." else text.split(".")
    assert len(labels) == len(dns.name.from_wire(wire, 0)[0].labels) - 1


@given(st.text(max_size=80))
def test_no_text_of_a_name_raises_anything_else(text: str) -> None:
    try:
        wire = name_of(text)
    except Malformed:
        return
    assert text_of(wire) == text_of(name_of(text_of(wire)))
