"""A DNS server that knows a few names, over UDP and TCP, remembers every question, and misbehaves in known ways.

RFC 1035, 4.1 and 4.2. Records beyond addresses, names and short texts are made by dnspython.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from collections.abc import Callable
from typing import NamedTuple

from tests.support.echo import UdpEcho, family_of
from tests.support.listening import Listening

#: Record types the tests ask for, by number.
TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 65: "HTTPS",
}  # fmt: skip

_NUMBERS = {name: number for number, name in TYPES.items()}
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
    if value.startswith(f"{kind} "):
        import dns.rdata  # not in every environment that runs a server

        return bytes(dns.rdata.from_text("IN", kind, value.partition(" ")[2]).to_wire() or b"")
    if kind in ("A", "AAAA"):
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return None
        return address.packed if kind == ("A" if address.version == 4 else "AAAA") else None
    if kind == "PTR":
        return _encoded_name(value)
    if kind == "TXT" and value.partition(" ")[0] not in _NUMBERS:
        return bytes([len(value)]) + value.encode("latin-1")
    return None


def _failing(code: int) -> Callable[[bytes, bytes], list[bytes]]:
    """Says this response code and repeats the question."""
    return lambda query, answer: [
        answer[:2] + struct.pack("!5H", 0x8180 | code, 1, 0, 0, 0) + _question(query)[1],
    ]


def _lies(query: bytes, answer: bytes) -> list[bytes]:
    """Some ways to answer what was not asked."""
    number = int.from_bytes(answer[:2], "big")
    return [
        (number ^ 1).to_bytes(2, "big") + answer[2:],
        b"\0",
        b"",
        answer[:12] + b"\5other" + answer[12:],
    ]


def _free_port(host: str) -> int:
    """A port that is free for both protocols: what is free for one may be taken for the other."""
    while True:
        kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        stream, datagrams = [socket.socket(family_of(host), kind) for kind in kinds]
        with stream, datagrams, contextlib.suppress(OSError):
            stream.bind((host, 0))
            datagrams.bind(stream.getsockname())
            return int(stream.getsockname()[1])


#: Misbehaviour by name: what is sent instead, of the query and its right answer. Over TCP it is the same.
TRICKS: dict[str, Callable[[bytes, bytes], list[bytes]]] = {
    "": lambda query, answer: [answer],
    "silent": lambda query, answer: [],
    "servfail": _failing(2),
    "refused": _failing(5),
    "no edns": lambda query, answer: [answer[:2] + struct.pack("!5H", 0x8181, 0, 0, 0, 0)] if query[11] else [answer],
    "not implemented": lambda query, answer: _failing(4)(query, answer) if query[11] else [answer],
    "lies": lambda query, answer: [*_lies(query, answer), answer],
    "flood": lambda query, answer: _lies(query, answer)[:1] * 1_000 + [answer],
    "malformed": lambda query, answer: [answer[:-1]],
    "other question": lambda query, answer: [answer[:12] + b"\5other" + answer[12:]] * 8,
}


class _Stream(Listening):
    """The TCP side of a server."""

    def __init__(self, server: DnsServer, host: str, port: int) -> None:
        self.server = server
        super().__init__(family_of(host), (host, port))

    def serve(self, connection: socket.socket) -> None:
        heard = b""
        while data := connection.recv(65536):
            heard += data
            size = 2 + int.from_bytes(heard[:2], "big")
            if len(heard) >= size > 2:
                self.server.streamed.append(heard[2:size])
                if not self.say(connection, heard[2:size]):
                    return
                heard = heard[size:]

    def say(self, connection: socket.socket, query: bytes) -> bool:
        """Answers one query; whether the connection goes on."""
        trick = self.server.trick
        if trick == "endless":
            connection.sendall(b"\xff\xff")
            while True:  # until the other side has had enough
                connection.sendall(query[:1])
        if trick == "cut":
            connection.sendall(b"\xff\xff" + query)
            return False
        if trick == "empty":
            connection.sendall(b"\0\0")
        for answer in TRICKS.get(trick, TRICKS[""])(query, self.server.right(query)):
            framed = len(answer).to_bytes(2, "big") + answer
            if trick == "drip":
                for at in range(len(framed)):
                    connection.sendall(framed[at : at + 1])
            else:
                connection.sendall(framed)
        return True


class DnsServer(UdpEcho):
    """Answers from `names`, each with its values: addresses, text, or for `….in-addr.arpa` a name; `*` is any other.

    Any value may also be `TYPE data` as a zone file has it: "MX 10 mail.example.". `names` may be changed while the
    server runs, as a rebinding name server would. Inside a namespace it listens where the resolver looks, on
    127.0.0.1:53.

    tcp:      whether it listens there too.  truncates: whether over UDP it only says that there is more.
    negative: seconds for which its SOA record lets a missing name or record be remembered; None: it has none.
    trick:    how it misbehaves: of `TRICKS`, or over TCP "endless", "cut", "empty", "drip".
    """

    def __init__(
        self, names: dict[str, list[str]], host: str = "127.0.0.1", port: int = 0, ttl: int = 60, *, tcp: bool = False,
        truncates: bool = False, negative: int | None = None, trick: str = "",
    ) -> None:  # fmt: skip
        self.names = names
        self.ttl = ttl
        self.truncates = truncates
        self.negative = negative
        self.trick = trick
        self.streamed: list[bytes] = []
        super().__init__(host, port or (_free_port(host) if tcp else 0))
        self.stream = _Stream(self, host, self.port) if tcp else None

    @property
    def questions(self) -> list[Question]:
        """Every question so far, in order; those over TCP last."""
        return [_question(data)[0] for data in [*self.received, *self.streamed]]

    def answers(self, data: bytes) -> list[bytes]:
        right = self.right(data)
        if self.truncates:
            return [data[:2] + struct.pack("!5H", 0x8380, 1, 0, 0, 0) + _question(data)[1]]
        return TRICKS.get(self.trick, TRICKS[""])(data, right)

    def right(self, data: bytes) -> bytes:
        """The answer to a query."""
        question, asked = _question(data)
        values = self.names.get(question.name, self.names.get("*"))
        # 0xC00C points back at the question's name; the class is the question's own.
        records = [self._record(_NUMBERS["CNAME"], asked, value, "CNAME") for value in values or ()]
        if question.type != "CNAME":
            records += [
                self._record(int.from_bytes(asked[-4:-2], "big"), asked, value, question.type) for value in values or ()
            ]
        found = [record for record in records if record]
        authority = b"" if found or self.negative is None else self._soa()
        flags = _NO_SUCH_NAME if values is None else _ANSWER
        header = _HEADER.pack(int.from_bytes(data[:2], "big"), flags, 1, len(found), bool(authority), 0)
        return header + asked + b"".join(found) + authority

    def _record(self, number: int, asked: bytes, value: str, kind: str) -> bytes:
        data = _data(kind, value) if kind != "CNAME" or value.startswith("CNAME ") else None
        if data is None:
            return b""
        return b"\xc0\x0c" + number.to_bytes(2, "big") + asked[-2:] + struct.pack("!IH", self.ttl, len(data)) + data

    def _soa(self) -> bytes:
        """The SOA record of the root, which every name lies below."""
        data = b"\1a\0\1b\0" + struct.pack("!5I", 1, 2, 3, 4, self.negative or 0)
        return b"\0" + struct.pack("!HHIH", 6, 1, self.ttl, len(data)) + data

    def close(self) -> None:
        super().close()
        if self.stream:
            self.stream.close()

    def seen(self) -> dict[str, object]:
        """What it saw, as JSON can say it."""
        return {"questions": [list(question) for question in self.questions]}
