"""Which names this run was given which address for: a connection is judged by the names behind its address.

Only what the supervisor itself has looked up is in here; a guest cannot add a name. `getaddrinfo` tells no time to
live, so each lease lasts the hour that RULES sets as the least. Times are seconds of a clock that the caller passes
in.
"""

from __future__ import annotations

#: Seconds that a name stays behind an address.
LEASE = 3600.0

#: More addresses than any script keeps, and more names than share one address for a reason; the oldest go first. What
#: is forgotten is refused by rules with names, never granted.
MAX_ADDRESSES = 65_536
MAX_NAMES = 32


class Leases:
    """address -> names, each until its time."""

    __slots__ = ("until",)

    def __init__(self) -> None:
        self.until: dict[tuple[int, int], dict[str, float]] = {}

    def give(self, address: tuple[int, int], name: str, now: float) -> None:
        """Notes that the guest was told this address for this name."""
        names = self.until.pop(address, {})
        names.pop(name, None)
        names[name] = now + LEASE
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
