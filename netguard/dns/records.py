"""Resource records: where names lie in their data, and which addresses.

Names in data may be compressed, so data is read by its type's layout and held with its names whole. A type that is not
in the table is opaque: it may hold no compressed names (RFC 3597 section 4).
"""

from __future__ import annotations

from netguard.core.address import format_ip, unpack
from netguard.dns.codes import AAAA, CNAME, DNAME, HTTPS, MX, NS, NSEC, PAIR, PTR, RRSIG, SOA, SRV, SVCB, A
from netguard.dns.malformed import Malformed
from netguard.dns.names import read_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.dns.names import Seen

#: Parts of data: a number of octets, or a name, a name that may not be compressed, a string behind its length, the
#: parameters of a service (RFC 9460), whatever is left.
NAME, WHOLE, STRING, PARAMETERS, REST = -1, -2, -3, -4, -5

#: Type -> the parts of its data, for the types whose names every reader knows to decompress (RFC 1035 section 3.3).
COMPRESSED: dict[int, tuple[int, ...]] = {
    NS: (NAME,), 3: (NAME,), 4: (NAME,), CNAME: (NAME,), SOA: (NAME, NAME, 20), 7: (NAME,), 8: (NAME,), 9: (NAME,),
    PTR: (NAME,), 14: (NAME, NAME), MX: (2, NAME),
}  # fmt: skip

#: The same for all types that hold names. Servers of old have sent some others compressed too; those are read, and sent
#: whole (RFC 3597 section 4).
LAYOUTS: dict[int, tuple[int, ...]] = {
    **COMPRESSED,
    A: (4,),
    AAAA: (16,),
    17: (NAME, NAME),  # RP
    18: (2, NAME),  # AFSDB
    21: (2, NAME),  # RT
    23: (WHOLE,),  # NSAP-PTR
    24: (18, NAME, REST),  # SIG
    26: (2, NAME, NAME),  # PX
    30: (NAME, REST),  # NXT
    SRV: (6, NAME),
    35: (4, STRING, STRING, STRING, NAME),  # NAPTR
    36: (2, WHOLE),  # KX
    DNAME: (WHOLE,),
    RRSIG: (18, WHOLE, REST),
    NSEC: (WHOLE, REST),
    58: (WHOLE, WHOLE),  # TALINK
    SVCB: (2, WHOLE, PARAMETERS),
    HTTPS: (2, WHOLE, PARAMETERS),
    107: (2, WHOLE),  # LP
}

#: Parameters of SVCB and HTTPS (RFC 9460 section 14.3.2), and the octets of an address in each kind of hint.
MANDATORY = 0
HINTS = {4: 4, 6: 16}


class Record:
    """One record, its names whole.

    owner: the name it belongs to, on the wire and in the case it came in.
    type, klass, ttl: as in the message, but for a time to live with its top bit set, which is none (RFC 2181, 8).
    data: its data.
    """

    __slots__ = ("data", "klass", "owner", "ttl", "type")

    def __init__(self, owner: bytes, kind: int, klass: int, ttl: int, data: bytes) -> None:
        self.owner = owner
        self.type = kind
        self.klass = klass
        self.ttl = ttl
        self.data = data


def read_data(data: bytes, at: int, end: int, kind: int, seen: Seen) -> bytes:
    """A record's data, its names whole. Raises Malformed where it does not fit its type."""
    layout = LAYOUTS.get(kind)
    if layout is None:
        return data[at:end]
    found = b""
    for part in layout:
        begin = at
        if part in (NAME, WHOLE):
            piece, at = read_name(data, at, seen)
            if part == WHOLE and at - begin != len(piece):
                raise Malformed("a pointer in a name that may have none")
        else:
            at += length_of(data, at, end, part)
            piece = data[begin:at]
        if at > end:
            raise Malformed("data that is longer than its record")
        found += piece
    if at != end:
        raise Malformed("data that is shorter than its record")
    return found


def length_of(data: bytes, at: int, end: int, part: int) -> int:
    """The octets of one part that is no name. Raises Malformed."""
    if part == STRING:
        return 1 + data[at] if at < end else 1
    if part == PARAMETERS:
        check_parameters(data[at:end])
    return end - at if part < 0 else part


def check_parameters(data: bytes) -> None:
    """Raises Malformed unless parameters come in order and whole, and hints hold addresses (RFC 9460 section 2.2)."""
    last = -1
    for key, value in parameters_of(data):
        if key <= last:
            raise Malformed("parameters out of order")
        if key in HINTS and (not value or len(value) % HINTS[key]):
            raise Malformed("hints that are no addresses")
        last = key


def parameters_of(data: bytes) -> list[tuple[int, bytes]]:
    """The parameters of an SVCB or HTTPS record, each (key, value). Raises Malformed."""
    found, at = [], 0
    while at < len(data):
        if at + PAIR.size > len(data):
            raise Malformed("a parameter that is cut off")
        key, length = PAIR.unpack_from(data, at)
        at += PAIR.size + length
        found.append((key, data[at - length : at]))
    if at != len(data):
        raise Malformed("a parameter that is cut off")
    return found


def spell(packed: bytes) -> str:
    """The one text of an address."""
    number = int.from_bytes(packed, "big")
    return format_ip((4, number) if len(packed) == 4 else unpack(number))


def spell_all(value: bytes, size: int) -> list[str]:
    """The texts of addresses that lie one behind the other."""
    return [spell(value[at : at + size]) for at in range(0, len(value), size)]


def addresses_of(record: Record) -> list[str]:
    """The addresses that a record gives: of A and AAAA, and the hints of SVCB and HTTPS."""
    if record.type in (A, AAAA):
        return [spell(record.data)]
    if record.type not in (SVCB, HTTPS):
        return []
    _, parameters = split_service(record.data)
    return [text for key, value in parameters if key in HINTS for text in spell_all(value, HINTS[key])]


def split_service(data: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
    """(priority and target, parameters) of an SVCB or HTTPS record's data."""
    at = 2
    while data[at]:
        at += 1 + data[at]
    return data[: at + 1], parameters_of(data[at + 1 :])


def keep_addresses(record: Record, keep: frozenset[str]) -> Record | None:
    """The record without the addresses that are not among `keep`; None when nothing of it may stay.

    A service whose hints must be understood, and are gone, is none that the asker could use.
    """
    denied = [text for text in addresses_of(record) if text not in keep]
    if not denied:
        return record
    if record.type in (A, AAAA):
        return None
    head, parameters = split_service(record.data)
    kept = []
    for key, value in parameters:
        if key in HINTS:
            size = HINTS[key]
            value = b"".join(
                [value[at : at + size] for at in range(0, len(value), size) if spell(value[at : at + size]) in keep]
            )
        if value or key not in HINTS:
            kept.append((key, value))
    if not mandatory(parameters) <= {key for key, _ in kept}:
        return None
    data = head + b"".join([PAIR.pack(key, len(value)) + value for key, value in kept])
    return Record(record.owner, record.type, record.klass, record.ttl, data)


def mandatory(parameters: list[tuple[int, bytes]]) -> set[int]:
    """The kinds of hints that a service says must be understood."""
    value = dict(parameters).get(MANDATORY, b"")
    return {int.from_bytes(value[at : at + 2], "big") for at in range(0, len(value), 2)} & set(HINTS)
