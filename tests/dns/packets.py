"""DNS messages as octets: made by hand where they are wrong on purpose, by dnspython where they are right."""

from __future__ import annotations

import struct

import dns.flags
import dns.message
import dns.rrset

A, NS, CNAME, SOA, TXT, AAAA, SRV, OPT, RRSIG, HTTPS = 1, 2, 5, 6, 16, 28, 33, 41, 46, 65


def name(text: str) -> bytes:
    """A name on the wire, of plain labels."""
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def header(*counts: int, flags: int = 0x8180, number: int = 0x1234) -> bytes:
    """A header with these counts, by default an answer's."""
    return struct.pack("!HH", number, flags) + b"".join(count.to_bytes(2, "big") for count in (*counts, 0, 0, 0, 0)[:4])


def question(text: str, kind: int = A, klass: int = 1) -> bytes:
    """A question."""
    return name(text) + struct.pack("!HH", kind, klass)


def query(text: str, kind: int = A, flags: int = 0x0100, tail: bytes = b"") -> bytes:
    """A query without EDNS, or with what the tail says of it."""
    return header(1, 0, 0, 1 if tail else 0, flags=flags) + question(text, kind) + tail


def record(owner: bytes, kind: int, data: bytes, ttl: int = 60, klass: int = 1, length: int | None = None) -> bytes:
    """A record; with a length that lies where one is given."""
    return owner + struct.pack("!HHIH", kind, klass, ttl, len(data) if length is None else length) + data


def option(size: int = 1232, flags: int = 0, version: int = 0, rcode: int = 0, data: bytes = b"") -> bytes:
    """An OPT record."""
    return struct.pack("!BHHBBHH", 0, OPT, size, rcode, version, flags, len(data)) + data


def answer(
    text: str, kind: int, *records: str, authority: tuple[str, ...] = (), additional: tuple[str, ...] = ()
) -> bytes:
    """What a server says: records as a zone file has them, compressed as dnspython does it."""
    asked = dns.message.make_query(text, kind)
    asked.id = 0x1234
    found = dns.message.make_response(asked, recursion_available=True)
    for section, lines in ((found.answer, records), (found.authority, authority), (found.additional, additional)):
        for line in lines:
            owner, ttl, klass, type_name, data = line.split(None, 4)
            section.append(dns.rrset.from_text(owner, int(ttl), klass, type_name, data))
    return found.to_wire()
