"""Messages that break readers: each with what it is, as a query and as an answer. None of them may be read."""

from __future__ import annotations

import struct

from tests.dns.packets import AAAA, CNAME, HTTPS, OPT, SRV, A, header, name, option, question, record

POINTER = b"\xc0\x0c"
WWW = question("www.example.com")
LONG = b"".join(b"\x3f" + b"a" * 63 for _ in range(4)) + b"\0"


def pointer(at: int) -> bytes:
    """A pointer to this place."""
    return struct.pack("!H", 0xC000 | at)


def service(*parameters: tuple[int, bytes]) -> bytes:
    """The data of an HTTPS record."""
    return b"\0\1\0" + b"".join(struct.pack("!HH", key, len(value)) + value for key, value in parameters)


def answered(*records: bytes, flags: int = 0x8180) -> bytes:
    """An answer to `WWW` with these records."""
    return header(1, len(records), flags=flags) + WWW + b"".join(records)


def chained(count: int) -> bytes:
    """An answer whose last owner is that many pointers, each to the one before."""
    data = b"".join(pointer(12 if at == 0 else 44 + 2 * at) for at in range(count - 1))
    return answered(record(POINTER, 16, b"\0" + data), record(pointer(42 + 2 * count), A, b"\1\2\3\4"))


QUERIES = {
    "nothing": b"",
    "half a header": header(1, flags=0)[:7],
    "an answer": answered(),
    "no question": header(0, flags=0),
    "no question, but its octets": header(0, flags=0) + WWW,
    "two questions": header(2, flags=0) + WWW + WWW,
    "two questions, one there": header(2, flags=0) + WWW,
    "counts of 65,535": header(65535, 65535, 65535, 65535, flags=0) + WWW,
    "an answer in a query": header(1, 1, flags=0) + WWW + record(POINTER, A, b"\1\2\3\4"),
    "an update": header(1, flags=0x2800) + WWW,
    "an inverse query": header(1, flags=0x0800) + WWW,
    "a notify": header(1, flags=0x2000) + WWW,
    "a name that is its own pointer": header(1, flags=0) + POINTER + WWW[-4:],
    "a name that points into the header": header(1, flags=0) + b"\1a\xc0\x04" + WWW[-4:],
    "a name that points forward": header(1, flags=0) + b"\1a\xc0\x20" + WWW[-4:] + name("b"),
    "half a pointer": header(1, flags=0) + b"\1a\xc0",
    "a label of type 01": header(1, flags=0) + b"\x41" + b"a" * 65 + b"\0" + WWW[-4:],
    "a label of type 10": header(1, flags=0) + b"\x81a\0" + WWW[-4:],
    "a name without an end": header(1, flags=0) + b"\3www\7example",
    "a label past the end": header(1, flags=0) + b"\x3fwww",
    "a name of 257 octets": header(1, flags=0) + LONG + WWW[-4:],
    "no type": header(1, flags=0) + name("www.example.com"),
    "half a class": header(1, flags=0) + WWW[:-1],
    "octets behind the end": header(1, flags=0) + WWW + b"x",
    "a record too few": header(1, 0, 0, 1, flags=0) + WWW,
    "half an OPT": header(1, 0, 0, 1, flags=0) + WWW + option()[:-3],
    "an OPT whose length lies": header(1, 0, 0, 1, flags=0) + WWW + option()[:-2] + b"\0\7",
    "octets behind the OPT": header(1, 0, 0, 1, flags=0) + WWW + option() + b"x",
    "OPT twice": header(1, 0, 0, 2, flags=0) + WWW + option() + option(),
    "an OPT of a name": header(1, 0, 0, 1, flags=0) + WWW + b"\1a" + option(),
    "an OPT of no name": header(1, 0, 0, 1, flags=0) + WWW + b"\1" + option()[1:],
    "a signature": header(1, 0, 0, 1, flags=0)
    + WWW
    + record(name("key"), 250, name("hmac-sha256") + bytes(16), klass=255),
    "EDNS of version 1": header(1, 0, 0, 1, flags=0) + WWW + option(version=1),
    "class CHAOS": header(1, flags=0) + question("version.bind", 16, 3),
    "class ANY": header(1, flags=0) + question("www.example.com", A, 255),
    "the class of mDNS": header(1, flags=0) + question("printer.local", A, 0x8001),
    "a transfer": header(1, flags=0) + question("example.com", 252),
    "an incremental transfer": header(1, flags=0) + question("example.com", 251),
    "OPT as a type": header(1, flags=0) + question("example.com", OPT),
    "type 0": header(1, flags=0) + question("example.com", 0),
    "an address": header(1, flags=0) + question("127.0.0.1"),
    "an address in hexadecimal": header(1, flags=0) + question("0x7f.1"),
    "an address of one number": header(1, flags=0) + question("2130706433"),
}

ANSWERS = {
    "nothing": b"",
    "half a header": answered()[:7],
    "a query": header(1, flags=0x0100) + WWW,
    "a notify's answer": header(1, flags=0xA000) + WWW,
    "no question, but records": header(0, 1) + record(name("a"), A, b"\1\2\3\4"),
    "two questions": header(2) + WWW + WWW,
    "two questions, one there": header(2) + WWW,
    "a question with a pointer": header(1) + POINTER + WWW[-4:],
    "counts of 65,535": header(65535, 65535, 65535, 65535) + WWW,
    "one count of 65,535": header(1, 65535) + WWW + record(POINTER, A, b"\1\2\3\4"),
    "the last count of 65,535": header(1, 0, 0, 65535) + WWW + record(POINTER, A, b"\1\2\3\4"),
    "more records than there are octets for": header(1, 2) + WWW + record(POINTER, A, b"\1\2\3\4"),
    "more records than any name has": header(1, 1025) + WWW + record(POINTER, 16, b"\3abc") * 1025,
    "an owner that is its own pointer": answered(record(pointer(33), A, b"\1\2\3\4")),
    "an owner that points forward": answered(record(pointer(50), A, b"\1\2\3\4"), record(POINTER, A, b"\1\2\3\4")),
    "an owner that points into the header": answered(record(pointer(4), A, b"\1\2\3\4")),  # which has a root there
    "an owner of label type 01": answered(record(b"\x40\x0c", A, b"\1\2\3\4")),
    "an owner of label type 10": answered(record(b"\x80\x0c", A, b"\1\2\3\4")),
    "two pointers in a circle": answered(record(b"\1a" + pointer(35) + pointer(33), A, b"\1\2\3\4")),
    "labels that run into their own pointer": answered(
        record(POINTER, 16, b"\4abc"), record(b"\1\0" + pointer(45), A, b"\1\2\3\4")
    ),
    "seventeen pointers": chained(17),
    "a name that pointers make too long": answered(
        record(LONG[64:], A, b"\1\2\3\4"), record(b"\x3f" + b"b" * 63 + pointer(33), A, b"\1\2\3\4")
    ),
    "half a record": header(1, 1) + WWW + POINTER + bytes(9),
    "data that is cut off": answered(record(POINTER, A, b"\1\2\3\4"))[:-1],
    "a length past the end": answered(record(POINTER, 16, b"\3abc", length=65535)),
    "a length past the end by one": answered(record(POINTER, 16, b"\3abc", length=5)),
    "a length too short": answered(record(POINTER, A, b"\1\2\3\4", length=3)),
    "an A of five octets": answered(record(POINTER, A, b"\1\2\3\4\5")),
    "an A of none": answered(record(POINTER, A, b"")),
    "an AAAA of four octets": answered(record(POINTER, AAAA, b"\1\2\3\4")),
    "a name longer than its record": answered(
        record(POINTER, CNAME, name("a.b"), length=3), record(POINTER, A, b"\1\2\3\4")
    ),
    "a name longer than its record, and a rest": answered(
        record(POINTER, 47, name("a.b"), length=4), record(b"", A, b"\1\2\3\4")
    ),
    "a name longer than its record, and no parameters": answered(
        record(POINTER, HTTPS, b"\0\1" + name("a.b"), length=6), record(b"", A, b"\1\2\3\4")
    ),
    "a name shorter than its record": answered(record(POINTER, CNAME, name("a.b") + b"x")),
    "a name that goes on in the next record": answered(
        record(POINTER, CNAME, b"\5ab"), record(POINTER, A, b"\1\2\3\4")
    ),
    "a target that is its own pointer": answered(record(POINTER, CNAME, pointer(45))),
    "an SRV without a target": answered(record(POINTER, SRV, b"\0\1\0\1\0\x50")),
    "a string past its record": answered(record(POINTER, 35, b"\0\1\0\1\xffabc\0\0\0")),
    "a NAPTR that ends early": answered(record(POINTER, 35, b"\0\1\0\1\1a")),
    "a compressed DNAME": answered(record(POINTER, 39, POINTER)),
    "a compressed HTTPS target": answered(record(POINTER, HTTPS, b"\0\1" + POINTER)),
    "a compressed signer": answered(record(POINTER, 46, bytes(18) + POINTER)),
    "half a parameter": answered(record(POINTER, HTTPS, b"\0\1\0\0\4\0")),
    "a parameter's length past its end": answered(record(POINTER, HTTPS, b"\0\1\0\0\4\0\x08\1\2\3\4")),
    "a hint of three octets": answered(record(POINTER, HTTPS, service((4, b"\1\2\3")))),
    "a hint of none": answered(record(POINTER, HTTPS, service((4, b"")))),
    "an IPv6 hint of an IPv4 address": answered(record(POINTER, HTTPS, service((6, b"\1\2\3\4")))),
    "more hints than any name has": header(1, 5)
    + question("www.example.com", HTTPS)
    + record(POINTER, HTTPS, service((4, bytes(4 * 205)))) * 5,
    "hints twice": answered(record(POINTER, HTTPS, service((4, b"\1\2\3\4"), (4, b"\5\6\7\x08")))),
    "parameters out of order": answered(record(POINTER, HTTPS, service((6, bytes(16)), (4, b"\1\2\3\4")))),
    "OPT twice": header(1, 0, 0, 2) + WWW + option() + option(),
    "OPT as an answer": header(1, 1) + WWW + option(),
    "an OPT of a name": header(1, 0, 0, 1) + WWW + b"\1a" + option(),
    "octets behind the end": answered(record(POINTER, A, b"\1\2\3\4")) + b"x",
}
