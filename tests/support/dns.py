"""A DNS server that knows a few names, answers over UDP and remembers every question (RFC 1035, 4.1 and 4.2.1)."""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

from tests.support.echo import UdpEcho

#: Record types the tests ask for, by number.
TYPES = {1: "A", 12: "PTR", 16: "TXT", 28: "AAAA"}

_HEADER = struct.Struct("!6H")
_ANSWER, _NO_SUCH_NAME = 0x8180, 0x8183  # response, recursion desired and available; the latter with RCODE 3


class Question(NamedTuple):
    """A name and the type of record asked for."""

    name: str
    type: str


def _question(message: bytes) -> tuple[Question, bytes]:
    """The first question of a query and its bytes as they were sent. A question is never compressed."""
    labels, at = [], _HEADER.size
    while length := message[at]:
        labels.append(message[at + 1 : at + 1 + length].decode("latin-1"))
        at += 1 + length
    kind = int.from_bytes(message[at + 1 : at + 3], "big")
    return Question(".".join(labels).lower(), TYPES.get(kind, str(kind))), message[_HEADER.size : at + 5]


def _encoded_name(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in name.split(".")) + b"\0"


def _data(kind: str, value: str) -> bytes | None:
    """`value` as the data of a record of that type, None when it is not of that type."""
    if kind in ("A", "AAAA"):
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return None
        return address.packed if kind == ("A" if address.version == 4 else "AAAA") else None
    if kind == "PTR":
        return _encoded_name(value)
    return bytes([len(value)]) + value.encode("latin-1") if kind == "TXT" else None


class DnsServer(UdpEcho):
    """Answers from `names`, each with its values: addresses, text, or for `….in-addr.arpa` a name; `*` is any other.

    `names` may be changed while the server runs, as a rebinding name server would. Inside a namespace it listens where
    the resolver looks, on 127.0.0.1:53.
    """

    def __init__(self, names: dict[str, list[str]], host: str = "127.0.0.1", port: int = 0, ttl: int = 60) -> None:
        self.names = names
        self.ttl = ttl
        super().__init__(host, port)

    @property
    def questions(self) -> list[Question]:
        """Every question so far, in order."""
        return [_question(data)[0] for data in self.received]

    def answer(self, data: bytes) -> bytes:
        question, asked = _question(data)
        values = self.names.get(question.name, self.names.get("*"))
        records = [record for value in values or () if (record := _data(question.type, value)) is not None]
        flags = _NO_SUCH_NAME if values is None else _ANSWER
        header = _HEADER.pack(int.from_bytes(data[:2], "big"), flags, 1, len(records), 0, 0)
        # 0xC00C points back at the question's name; the type and class after it are the question's own.
        tail = b"".join(
            b"\xc0\x0c" + asked[-4:] + struct.pack("!IH", self.ttl, len(record)) + record for record in records
        )
        return header + asked + tail

    def seen(self) -> dict[str, object]:
        """What it saw, as JSON can say it."""
        return {"questions": [list(question) for question in self.questions]}
