"""What a look-up brought: values that pass from whoever asked the resolver to the session, which decides on them."""

from __future__ import annotations

#: Fields of one row of an answer to getaddrinfo: family, type, proto, canonical name, host, port, flow, scope.
ROW = 8

#: Flag of getnameinfo: the digits of an address, no look-up (RFC 3493 section 6.2; its value on Linux, netdb.h).
NI_NUMERICHOST = 1

#: The answer a person of the trade expects for a name that is none: EAI_NONAME of Linux's netdb.h.
NO_NAME = ("gaierror", -2, "Name or service not known")


class Answer:
    """Rows of getaddrinfo or another function's fields, or an error (class, errno, text).

    lasts: seconds that the addresses are good for, as far as that is known.
    ours:  whether a name server of this machine's own choice has said so: the guest's own may put any name anywhere.
    """

    __slots__ = ("addresses", "error", "fields", "lasts", "ours")

    def __init__(
        self, fields: list[str], addresses: list[str], error: tuple[str, int, str] | None = None
    ) -> None:
        self.fields = fields
        self.addresses = addresses
        self.error = error
        self.lasts = 0.0
        self.ours = True
