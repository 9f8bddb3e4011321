"""Queries of DNS clients, and what a client reads in an answer: both by dnspython, so that netguard's own is tested."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.rdatatype


def query(
    name: str, kind: str = "A", *, number: int = 7, edns: bool = True, signed: bool = False, unchecked: bool = False,
    payload: int = 1232, secret: bytes = b"",
) -> bytes:  # fmt: skip
    """A query as a client sends it; `secret` is an option of EDNS that is none."""
    options = [dns.edns.GenericOption(65_001, secret)] if secret else None
    made = dns.message.make_query(name, kind, id=number)
    if edns:
        made.use_edns(0, dns.flags.DO if signed else 0, payload, options=options)
    if unchecked:
        made.flags |= dns.flags.CD
    return bytes(made.to_wire())


class Heard:
    """An answer as a client reads it.

    code: by name.  addresses, answers: of its records; the second has each as text behind its type.
    blocked: the text of the extended error 15, None without one.
    """

    def __init__(self, data: bytes) -> None:
        self.message = dns.message.from_wire(data)
        self.code = str(self.message.rcode().name)
        records = [(rrset.rdtype, record) for rrset in self.message.answer for record in rrset]
        self.answers = [f"{dns.rdatatype.to_text(kind)} {record.to_text()}" for kind, record in records]
        self.addresses = sorted(text.partition(" ")[2] for text in self.answers if text.startswith(("A ", "AAAA ")))
        errors = [option for option in self.message.options if isinstance(option, dns.edns.EDEOption)]
        self.blocked = next((option.text or "" for option in errors if option.code == 15), None)
        self.truncated = bool(self.message.flags & dns.flags.TC)
