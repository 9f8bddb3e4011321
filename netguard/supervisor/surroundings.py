"""What the environment of a program that starts says of the guard in it, read from the caller's memory by the wall: as
a witness tells it of its own starts (`shim/environment.py`), for those that no witness tells of.

What counts as brought along is a value that the run was not started with, and that no start above was granted with.
"""

from __future__ import annotations

import os

from netguard.core.carriers import CARRIERS, brings
from netguard.supervisor.processes import origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Pairs = frozenset[tuple[bytes, bytes]]

#: Why a Python is not covered that nothing leads to the guard.
WITHOUT = "an environment without the guard"

#: What starts the guard, and what would come before it. The rest of a path waits under another name.
PATH, CACHE, CHANNEL = b"PYTHONPATH", b"PYTHONPYCACHEPREFIX", b"NETGUARD_CHANNEL"
LEADING = (PATH, CHANNEL, b"NETGUARD_RUN")

NAMES = {name.encode(): name for name in CARRIERS}

WATCHED = frozenset((*NAMES, *LEADING, CACHE))

NONE: Pairs = frozenset()

#: Processes that were started with something of their own, bytes that are kept of one, levels looked at above one.
MAX_KNOWN, MAX_BYTES, MAX_ABOVE = 4_096, 4_096, 8


class Surroundings:
    """The environments of one run's programs. environ: what the run was started with."""

    __slots__ = ("brought", "started")

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.started = {os.fsencode(name): os.fsencode(value) for name, value in environ.items()}
        self.brought: dict[int, tuple[int, Pairs]] = {}  # pid -> (when it began, what it was granted with)

    def carried(self, pairs: Iterable[tuple[bytes, bytes]]) -> Pairs:
        """The variables that bring code along, and the run was not started with. Each counts where one is there twice:
        some read the first and some the last."""
        found = []
        for name, value in pairs:
            if name in NAMES and value != self.started.get(name) and brings(NAMES[name], os.fsdecode(value)):
                found.append((name, value))
        return frozenset(found) if found else NONE

    def known(self, pid: int) -> Pairs:
        """What this process, or the one that it was forked from, was started with under the rules."""
        for _ in range(MAX_ABOVE if self.brought else 0):
            above, began = origin(pid)
            at, pairs = self.brought.get(pid, (0, NONE))
            if at and at == began:
                return pairs
            pid = above
        return NONE

    def against(self, environ: list[bytes], pid: int) -> tuple[Pairs, list[str], bool]:
        """(what it carries, the names of what is new of that, whether it leads a Python to the guard)."""
        pairs = pairs_of(environ)
        carried = self.carried(pairs)
        if not carried:
            return carried, [], self.leads(pairs)
        known = self.known(pid)
        new = sorted({NAMES[name] for name, _ in carried - known})
        inner = any([name == CHANNEL for name, _ in carried])  # a run inside this one, which has a guard of its own
        return carried, new, inner or self.leads(pairs)

    def leads(self, pairs: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether a Python that starts with it starts our guard, before anything of the guest's."""
        found: dict[bytes, bytes] = {}
        for name, value in pairs:
            if name in (*LEADING, CACHE) and found.setdefault(name, value) != value:
                return False
        starter = self.started.get(PATH)
        if found.get(CACHE) or found.get(PATH, b"").split(b":")[0] != starter:
            return False
        return all([found.get(name) == self.started.get(name) for name in LEADING[1:]])

    def starts(self, pid: int, carried: Pairs) -> None:
        """A process starts with this."""
        if not carried or sum([len(value) for _, value in carried]) > MAX_BYTES:
            self.brought.pop(pid, None)  # what is too long to keep is told as new once more
            return
        if len(self.brought) >= MAX_KNOWN:
            self.brought.clear()  # likewise
        self.brought[pid] = origin(pid)[1], carried


def pairs_of(environ: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
    """The variables that are looked at, of all that there are."""
    return [(item[:at], item[at + 1 :]) for item in environ if (at := item.find(b"=")) > 0 and item[:at] in WATCHED]
