"""Tells the connects by which a program sorts a name's addresses from those by which it means to reach one.

`getaddrinfo` connects a datagram socket to each address it was told, sends nothing, and looks at the address that its
own end has then (RFC 6724). As acts they would stand on record as connections to places where nobody went.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.core.process import Process

    Address = tuple[int, int]

#: Seconds after an answer in which its addresses are sorted.
A_MOMENT = 2.0

#: Names that are remembered, and addresses of one: more than are looked up in a moment, and than are sorted.
MAX_NAMES, MAX_ADDRESSES = 1_024, 256


class Told:
    """What one process was told of one name: all its addresses, until when they are sorted, and who has done it."""

    __slots__ = ("addresses", "sorted", "until")

    def __init__(self) -> None:
        self.addresses: set[Address] = set()
        self.sorted: set[tuple[int, Address]] = set()
        self.until = 0.0

    def sorted_by(self, tid: int) -> set[Address]:
        """The addresses that a thread has sorted."""
        return {address for number, address in self.sorted if number == tid}


class Probes:
    """What was told a moment ago."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[tuple[int, str], Told] = {}

    def tell(self, process: Process, name: str, addresses: list[Address], now: float) -> None:
        """The process is told addresses of a name, of one kind or of both."""
        key = process.pid, name
        told = self.known.pop(key, None)
        if told is None or told.until <= now:
            told = Told()
        self.known[key] = told
        told.until = now + A_MOMENT
        told.sorted.clear()
        told.addresses.update(addresses[: MAX_ADDRESSES - len(told.addresses)])
        if len(self.known) > MAX_NAMES:
            del self.known[next(iter(self.known))]

    def is_one(self, pid: int, tid: int, where: Address, now: float) -> bool:
        """Whether a thread's connect to an address sorts it: the first after several were told. Asked once for each."""
        for key in list(self.known):
            told = self.known[key]
            if told.until <= now:
                del self.known[key]
            elif key[0] == pid and len(told.addresses) > 1 and where in told.addresses - told.sorted_by(tid):
                told.sorted.add((tid, where))
                return True
        return False
