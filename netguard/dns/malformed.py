"""What is no DNS message that netguard understands: the one error that reading octets of others may end with."""

from __future__ import annotations

from netguard.dns.codes import FORMERR


class Malformed(ValueError):
    """These octets are not passed on.

    rcode: what whoever sent them as a query is told; None for what is no query at all, to which nothing is answered.
    """

    def __init__(self, why: str, rcode: int | None = FORMERR) -> None:
        super().__init__(why)
        self.rcode = rcode
