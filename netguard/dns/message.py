"""An answer of a server, taken apart, and of it only what belongs to the question.

That is what the question's name leads to: the chain of CNAME and DNAME records that begins at it, and at its end the
records that were asked for. A server may put in anything else; it is left out, so that an address comes to be known by
a name only if the name's own records lead there, and a guest is given no others.
"""

from __future__ import annotations

from netguard.core.address import parse_ip
from netguard.dns.codes import (
    AAAA,
    AD,
    ANY,
    CNAME,
    DNAME,
    DS,
    FIXED,
    HEAD,
    IN,
    NOERROR,
    NS,
    NSEC,
    NSEC3,
    NXDOMAIN,
    OPCODE,
    OPT,
    QR,
    RCODE,
    RRSIG,
    SOA,
    TC,
    A,
)
from netguard.dns.malformed import Malformed
from netguard.dns.names import HEADER, MAX_NAME, ROOT, read_name, zones_of
from netguard.dns.query import question_end
from netguard.dns.records import Record, addresses_of, read_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.dns.names import Seen
    from netguard.dns.query import Query
    from netguard.dns.reply import Prepared

#: More records, and addresses, than any name has for a reason; a message of 64 KiB could hold 6,000.
MAX_RECORDS = 1_024

#: The shortest record: the root, type, class, time to live, length.
MIN_RECORD = 11

#: More links than name servers follow.
MAX_CHAIN = 16

#: Seconds that a time to live may say; more is none (RFC 2181 section 8).
MAX_TTL = 0x7FFFFFFF

#: What is passed on of the authority section: whence a negative answer comes; and to one that checks, the proofs.
AUTHORITY, PROOFS = frozenset({SOA, NS}), frozenset({RRSIG, NSEC, NSEC3, DS})


class Message:
    """One answer.

    id:         the number of the query that it answers.
    key:        the question, as `Query.key`; empty where the server repeated none, and then there are no records.
    rcode:      the response code, EDNS's upper bits with it.
    truncated:  there is more over TCP, and nothing of it here.
    ad:         the server says that it has checked the signatures.
    answer, authority, additional: the records.
    at:         when it came: from then on its times to live run. On the clock of whoever reads it.
    spelled:    the addresses in `answer`, once they were asked for.
    prepared:   `reply`'s memory: the answer in octets, for each set of addresses that was kept.
    """

    __slots__ = ("ad", "additional", "answer", "at", "authority", "id", "key", "prepared", "rcode", "spelled",
                 "truncated")  # fmt: skip

    def __init__(self, number: int, key: bytes, rcode: int = NOERROR) -> None:
        self.id = number
        self.key = key
        self.rcode = rcode
        self.truncated = False
        self.ad = False
        self.answer: list[Record] = []
        self.authority: list[Record] = []
        self.additional: list[Record] = []
        self.at = 0.0
        self.spelled: list[str] | None = None
        self.prepared: dict[tuple[frozenset[str] | None, bool], Prepared] = {}

    @property
    def type(self) -> int:
        """The type that was asked for; 0 where there is no question."""
        return int.from_bytes(self.key[-4:-2], "big")

    def answers(self, query: Query, number: int) -> bool:
        """Whether this is the answer to the query that was sent under this number."""
        return self.id == number and self.key == query.key

    def addresses(self) -> list[str]:
        """The addresses that the question's name leads to, hints of services among them, each once."""
        if self.spelled is None:
            self.spelled = [text for record in self.answer for text in addresses_of(record)]
        return list(dict.fromkeys(self.spelled))

    def negative(self) -> bool:
        """Whether there are none of the records that were asked for."""
        return self.rcode != NOERROR or not any([self.type in (record.type, ANY) for record in self.answer])

    def ttl(self) -> int:
        """Seconds that the answer is good for; 0 when it does not say.

        One without the records that were asked for: as long as the zone's SOA record says (RFC 2308 section 5).
        """
        times = [record.ttl for record in self.answer]
        if not self.negative():
            return min(times)
        soa = [record for record in self.authority if record.type == SOA]
        if self.rcode not in (NOERROR, NXDOMAIN) or not soa:
            return 0
        return min([*times, soa[0].ttl, int.from_bytes(soa[0].data[-4:], "big")])


def parse_answer(data: bytes, now: float = 0.0) -> Message:
    """Reads a server's answer, and keeps of it what belongs to the question. Raises Malformed, and nothing else."""
    message = read_message(data)
    message.at = now
    belonging(message)
    message.addresses()
    if len(message.spelled or ()) > MAX_RECORDS:
        raise Malformed("more addresses than any name has")
    return message


def read_message(data: bytes) -> Message:
    """Reads a server's answer as it is; of a truncated one only the question. Raises Malformed, and nothing else."""
    if len(data) < HEADER:
        raise Malformed("shorter than a header")
    number, flags, questions, *counts = HEAD.unpack_from(data)
    if not flags & QR or flags & OPCODE:
        raise Malformed("no answer to a query")
    if questions > 1 or (questions == 0 and any(counts[:2])):
        raise Malformed("not one question")
    at = question_end(data) if questions else HEADER
    key = data[HEADER : at - 4].lower() + data[at - 4 : at] if questions else b""
    message = Message(number, key, flags & RCODE)
    message.truncated = flags & TC != 0
    message.ad = flags & AD != 0
    if message.truncated:
        return message
    if sum(counts) > min(MAX_RECORDS, (len(data) - at) // MIN_RECORD):
        raise Malformed("more records than there can be")
    seen: Seen = {}
    for section, count in zip((message.answer, message.authority, message.additional), counts, strict=True):
        for _ in range(count):
            record, at = read_record(data, at, seen)
            section.append(record)
    if at != len(data):
        raise Malformed("octets behind the end")
    take_option(message)
    return message


def read_record(data: bytes, at: int, seen: Seen) -> tuple[Record, int]:
    """The record at `at`, and where the message goes on behind it. Raises Malformed."""
    owner, at = read_name(data, at, seen)
    if at + FIXED.size > len(data):
        raise Malformed("a record that is cut off")
    kind, klass, ttl, length = FIXED.unpack_from(data, at)
    at += FIXED.size
    end = at + length
    if end > len(data):
        raise Malformed("data that is cut off")
    if kind != OPT and ttl > MAX_TTL:
        ttl = 0
    return Record(owner, kind, klass, ttl, read_data(data, at, end, kind, seen)), end


def take_option(message: Message) -> None:
    """The OPT record steers the exchange and belongs to no name: it goes, and its part of the response code is put in.

    Raises Malformed where there are two, or one elsewhere than it may stand (RFC 6891 section 6.1.1).
    """
    options = [record for record in message.additional if record.type == OPT]
    elsewhere = any([record.type == OPT for record in [*message.answer, *message.authority]])
    if elsewhere or len(options) > 1 or (options and options[0].owner != ROOT):
        raise Malformed("an OPT record that may not be there")
    for record in options:
        message.additional.remove(record)
        message.rcode |= record.ttl >> 24 << 4


def belonging(message: Message) -> None:
    """Leaves in the message only what its question leads to, and of the authority only zones that lie above it."""
    records = [record for record in message.answer if record.klass == IN]
    names = chain(message.key[:-4], message.type, records)
    zones = {zone for name in names if name for zone in zones_of(name)}
    message.answer = of_names(names, zones, message.type, records)
    message.authority = [
        record
        for record in message.authority
        if record.klass == IN
        and (record.type in PROOFS or (record.type in AUTHORITY and record.owner.lower() in zones))
    ]
    message.additional = []


def chain(name: bytes, kind: int, records: list[Record]) -> list[bytes]:
    """The names that a name leads to, in lower case, itself first. A loop, and what is too long, is cut."""
    names, links = [name], {}
    for record in reversed(records):  # of two for one name the first is followed
        if record.type in (CNAME, DNAME):
            links[record.type, record.owner.lower()] = record.data.lower()
    while name and kind != CNAME and len(names) <= MAX_CHAIN:
        target = target_of(name, links)
        if target is None or target in names:
            break
        names.append(target)
        name = target
    return names


def target_of(name: bytes, links: dict[tuple[int, bytes], bytes]) -> bytes | None:
    """Where a CNAME of the name leads, else the DNAME of a name above it; None where nothing does."""
    if (CNAME, name) in links:
        return links[CNAME, name]
    for zone in zones_of(name)[1:]:
        if (DNAME, zone) in links:
            target = name[: -len(zone)] + links[DNAME, zone]
            return target if len(target) <= MAX_NAME else None
    return None


def of_names(names: list[bytes], zones: set[bytes], kind: int, records: list[Record]) -> list[Record]:
    """The records of a chain: the links, at its end what was asked for, and their signatures."""
    links = set(names[:-1])
    found = []
    for record in records:
        owner = record.owner.lower()
        if record.type == kind or (kind == ANY and record.type != CNAME):
            belongs = owner == names[-1] or (kind == ANY and owner in links)
        elif record.type == CNAME:
            belongs = owner in links
            links.discard(owner)  # a second one would be another way to go
        else:
            belongs = record.type in (DNAME, RRSIG) and owner in zones
        if belongs:
            found.append(record)
    return found


def made(query: Query, addresses: list[str], ttl: int = 0) -> Message:
    """An answer of our own: of the addresses those of the type that was asked for, which may be none."""
    message = Message(query.id, query.key)
    for text in addresses:
        version, number = parse_ip(text) or (0, 0)
        if (version, query.type) in ((4, A), (6, AAAA)):
            data = number.to_bytes(4 if version == 4 else 16, "big")
            message.answer.append(Record(query.key[:-4], query.type, IN, ttl, data))
    return message
