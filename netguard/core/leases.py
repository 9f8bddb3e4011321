"""Which names this run was given which address for: a connection is judged by the names behind its address.

Only what the supervisor itself has looked up is in here; a guest cannot add a name. A lease lasts as long as the name
server says, at least an hour: `getaddrinfo` tells no time to live, and programs keep what they were told for longer
than they should. Times are seconds of a clock that the caller passes in.
"""

from __future__ import annotations

#: Seconds that a name stays behind an address, at least and at most (resolvers cap what they are told at a week).
LEASE, MAX_LEASE = 3600.0, 604_800.0

#: More addresses than any script keeps, and more names than share one address for a reason; the oldest go first. What
#: is forgotten is refused by rules with names, never granted.
MAX_ADDRESSES = 65_536
MAX_NAMES = 32


class Leases:
    """address -> names, each until its time."""

    __slots__ = ("until",)

    def __init__(self) -> None:
        self.until: dict[tuple[int, int], dict[str, float]] = {}

    def give(self, address: tuple[int, int], name: str, now: float, lasts: float = 0.0) -> None:
        """Notes that the guest was told this address for this name, and that it is good for so many seconds."""
        names = self.until.pop(address, {})
        until = now + min(max(lasts, LEASE), MAX_LEASE)
        names[name] = max(names.pop(name, 0.0), until)
        if len(names) > MAX_NAMES:
            del names[next(iter(names))]
        self.until[address] = names
        if len(self.until) > MAX_ADDRESSES:
            del self.until[next(iter(self.until))]

    def names(self, address: tuple[int, int], now: float) -> tuple[str, ...]:
        """Returns the names whose lease is not over, the latest last."""
        names = self.until.get(address)
        if names is None:
            return ()
        return tuple([name for name, until in names.items() if until > now])
