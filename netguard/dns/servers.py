"""Which servers this machine asks: its resolv.conf, read as a libc reads it, and read again when it has changed.

Its search domains are not here: each client has already made a whole name of what it asks for.
"""

from __future__ import annotations

import os

from netguard.core.address import format_ip, parse_ip

PATH = "/etc/resolv.conf"

#: What glibc bounds (resolv.h, resolv/res_init.c): servers, seconds of a try, tries; and what it does unasked.
MAX_SERVERS, MAX_TIMEOUT, MAX_ATTEMPTS = 3, 30, 5
TIMEOUT, ATTEMPTS = 5, 2
DEFAULT = "127.0.0.1"

#: Octets of a resolv.conf that are read.
MAX_FILE = 64 << 10


class Servers:
    """What a resolv.conf says.

    addresses: the servers in order, three at most, each as text; an IPv6 one with its zone where it has one.
    timeout:   seconds until the next one is asked.
    attempts:  how often each is asked.
    tcp:       whether they are asked over TCP from the start.
    """

    __slots__ = ("_known", "addresses", "attempts", "tcp", "timeout")

    def __init__(
        self, addresses: tuple[str, ...], timeout: int = TIMEOUT, attempts: int = ATTEMPTS, tcp: bool = False
    ) -> None:
        self.addresses = addresses
        self.timeout = timeout
        self.attempts = attempts
        self.tcp = tcp
        self._known = frozenset([parse_ip(text) for text in addresses])

    def has(self, address: tuple[int, int]) -> bool:
        """Whether the address is one of them, in whatever form it came."""
        return address in self._known


class Configuration:
    """The resolv.conf of this machine."""

    __slots__ = ("_path", "_servers", "_stamp")

    def __init__(self, path: str = PATH) -> None:
        self._path = path
        self._servers = Servers((DEFAULT,))
        self._stamp: tuple[int, ...] = ()

    def servers(self) -> Servers:
        """What it says now. Where it cannot be read this machine itself is the server, as for a libc."""
        try:
            found = os.stat(self._path)
            stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            if stamp != self._stamp:
                with open(self._path, "rb") as file:
                    self._servers = parse(file.read(MAX_FILE))
                self._stamp = stamp
        except OSError:
            self._servers, self._stamp = Servers((DEFAULT,)), ()
        return self._servers


def parse(text: bytes) -> Servers:
    """What a resolv.conf says. A line that a libc would not read is none, and so is a server past the third."""
    addresses: list[str] = []
    options: list[str] = []
    for line in text.decode("latin-1").split("\n"):
        word, _, rest = line.replace("\t", " ").partition(" ")
        if word == "options":
            options.extend(rest.split())
        elif word == "nameserver":
            address = server(rest)
            if address and len(addresses) < MAX_SERVERS:
                addresses.append(address)
    return Servers(
        tuple(addresses) or (DEFAULT,),
        number(options, "timeout:", TIMEOUT, MAX_TIMEOUT),
        number(options, "attempts:", ATTEMPTS, MAX_ATTEMPTS),
        "use-vc" in options,
    )


def server(rest: str) -> str:
    """The address on a nameserver's line, "" for none.

    An IPv6 one stays as it is: the IPv4 address inside would be asked on another way.
    """
    words = rest.partition(";")[0].partition("#")[0].split()
    text = words[0] if words else ""
    address = parse_ip(text)
    if address is None or text.startswith("["):
        return ""
    head, sign, zone = text.partition("%")
    return head.lower() + sign + zone if ":" in text else format_ip(address)


def number(options: list[str], name: str, usual: int, most: int) -> int:
    """The last value given for an option, between 1 and what a libc takes at most."""
    for option in reversed(options):
        digits = option[len(name) :]
        if option.startswith(name) and digits and not digits.strip("0123456789"):
            return min(max(int(digits[:4]), 1), most)
    return usual
