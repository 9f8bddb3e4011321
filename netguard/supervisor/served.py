"""Where the run itself has been a name server: what comes from there is its own word, and makes no address known, even
where the machine's resolv.conf names that address."""

from __future__ import annotations

import _socket as socket

from netguard.core.address import parse_ip, special

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Address = tuple[int, int]

#: Addresses that are remembered. Whoever takes more is taken to have them all.
MAX_KNOWN = 64

#: The port of name servers.
PORT = 53


class Served:
    """The addresses of one run. A place that it has left is not trusted again: its last answer may be under way."""

    __slots__ = ("everywhere", "known")

    def __init__(self) -> None:
        self.known: set[Address] = set()
        self.everywhere = False

    def add(self, where: Address | None) -> None:
        """A socket of the run's was bound to the port of name servers here."""
        if where is None or not where[1] or len(self.known) >= MAX_KNOWN:
            self.everywhere = True
        else:
            self.known.add(where)

    def any_of(self, servers: Iterable[str]) -> bool:
        """Whether one of these servers may have been the run itself."""
        if not self.known and not self.everywhere:
            return False
        return any([parse_ip(text) in self.known or (self.everywhere and is_here(text)) for text in servers])


def is_here(text: str) -> bool:
    """Whether an address is this machine's own; what cannot be told may be."""
    address = parse_ip(text)
    if address is None or not address[1] or special(address) == "loopback":
        return True
    sock = socket.socket(socket.AF_INET if address[0] == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        sock.connect((text, PORT))  # sends nothing
        return parse_ip(sock.getsockname()[0]) == address
    except OSError:
        return True
    finally:
        sock.close()
