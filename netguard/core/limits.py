"""How often a rule may let something through: one meter a policy, charged after the rule matched.

The algorithm is GCRA, the generic cell rate algorithm (ITU-T I.371 annex A; as "leaky bucket as a meter" also in
Brandur Leach, "Rate Limiting, Cells, and GCRA"): one number a key, the time at which the bucket will be empty again.
A cell is let through while that time is at most `burst - 1` intervals away. Times are whole nanoseconds, and the
interval is rounded up, so that no sum of small errors ever lets one more through.

Memory is bounded. When the table is full of keys that still count, an act under a new key is over its limit: the guest
chooses what many keys are made of, and forgetting one would give it a fresh allowance.

Not locked: whoever shares a meter between threads holds a lock of its own around `charge`.
"""

from __future__ import annotations

from .address import format_ip
from .policy import DENY, LOG, Limit, Rule

TYPE_CHECKING = False  # what typing exports, without importing typing into the guest
if TYPE_CHECKING:
    from collections.abc import Callable

    from .request import Request

    Key = tuple[int, int, object]

#: What each counter counts: the kind of an act let through.
COUNTS = {"connections": "connect", "lookups": "dns"}

#: Keys kept at once, about 15 MB at worst: enough for one per destination of a busy run.
MAX_KEYS = 65_536

#: Of a text that the guest chose, so much tells keys apart. Texts alike so far share one allowance, which is stricter.
MAX_TEXT = 256

#: Longest wait in seconds that "delay" asks for; a client would have given up by then.
MAX_DELAY = 30.0

#: A full table is searched for expired keys at most once in so many nanoseconds, so that filling it buys no work.
SWEEP_EVERY = 1_000_000_000

SECOND = 1_000_000_000

#: Limits told of at once, from how many percent on, and characters of the key, which the guest may have chosen.
MAX_FILLS, HALF, MAX_SHOWN = 16, 50, 100

OK, DELAY = "ok", "delay"

#: From mild to strict: of several limits, the strictest answer holds.
STRICTNESS = {OK: 0, LOG: 1, DELAY: 2, DENY: 3}


def destination(request: Request) -> object:
    """What "per: destination" tells apart: address and port where known, else the name.

    The address comes first because the guest does not choose it; names for it, it may have many.
    """
    if request.address is not None:
        return f"{format_ip(request.address)}:{request.port}"
    return request.host or request.path[:MAX_TEXT]


def origin(request: Request) -> object:
    """What "per: origin" tells apart: the package that asked or else its file, as the guest says."""
    return (request.code.package or request.code.file)[:MAX_TEXT]


#: The key of each `per`, but for "tag:NAME". An unknown word counts the whole run together, the strictest there is.
PER: dict[str, Callable[[Request, str, int], object]] = {
    "run": lambda request, session, pid: "",
    "process": lambda request, session, pid: pid,
    "user": lambda request, session, pid: request.user,
    "session": lambda request, session, pid: session,
    "destination": lambda request, session, pid: destination(request),
    "origin": lambda request, session, pid: origin(request),
}


class Meter:
    """What was let through so far, under each limit and key.

    fullest: of each limit that was charged since `fills` was asked, the key that was nearest to it: one entry a limit.
    """

    __slots__ = ("clock", "counted", "fullest", "next_sweep", "until")

    def __init__(self) -> None:
        self.fullest: dict[Limit, tuple[int, Key]] = {}  # limit -> (level, key)
        self.until: dict[Key, int] = {}  # key -> nanoseconds at which its bucket is empty again
        self.counted: dict[Key, int] = {}  # key -> acts, where the window is the whole run
        self.clock = 0
        self.next_sweep = 0

    def charge(self, rule: Rule, request: Request, now: float, session: str, pid: int) -> tuple[str, float]:
        """Count an act that `rule` lets through, unless that would be over one of its limits.

        Arguments: `now` in seconds of a monotonic clock; one that goes backwards is taken to stand still.
        Returns: ("ok", 0.0); or what the strictest limit that is exceeded asks for: ("deny", 0.0), ("log", 0.0), or
        ("delay", seconds to wait, at most 30). Nothing is counted when the answer is deny.
        """
        if not rule.limits:
            return OK, 0.0
        self.clock = max(self.clock, int(now * SECOND))
        answer, wait = OK, 0
        charges: list[tuple[Limit, Key]] = []
        for place, limit in enumerate(rule.limits):
            if COUNTS.get(limit.counter, request.kind) != request.kind:
                continue
            key = rule.index, place, key_of(limit, request, session, pid)
            verdict, needed = self.ask(limit, key)
            if STRICTNESS[verdict] > STRICTNESS[answer]:
                answer = verdict
            wait = max(wait, needed)
            if verdict in (OK, DELAY):
                charges.append((limit, key))
        if answer == DENY:
            return DENY, 0.0
        for limit, key in charges:
            self.count(limit, key)
        return answer, wait / SECOND

    def ask(self, limit: Limit, key: Key) -> tuple[str, int]:
        """(answer, nanoseconds to wait) of one limit; counts nothing."""
        wait = self.wait(limit, key)
        if wait == 0:
            return OK, 0
        if limit.over == DELAY and 0 < wait <= MAX_DELAY * SECOND:
            return DELAY, wait
        return (LOG if limit.over == LOG else DENY), 0

    def wait(self, limit: Limit, key: Key) -> int:
        """Nanoseconds until the limit has room for one more; -1 when no wait will help."""
        if limit.counter not in COUNTS or limit.amount < 1 or not self.has_room(key):
            return -1
        if limit.window <= 0:
            return 0 if self.counted.get(key, 0) < limit.amount else -1
        allowance = interval(limit) * (max(limit.burst, 1) - 1)
        return max(0, self.until.get(key, 0) - allowance - self.clock)

    def count(self, limit: Limit, key: Key) -> None:
        """Put one act on the key."""
        if limit.window <= 0:
            level = self.counted[key] = self.counted.get(key, 0) + 1
        else:
            until = self.until[key] = max(self.until.get(key, 0), self.clock) + interval(limit)
            level = until - self.clock
        full = self.fullest.get(limit)
        if full is None or level > full[0]:
            self.fullest[limit] = level, key

    def fills(self) -> list[Fill]:
        """Of each limit charged since this was asked last, how full it was at its fullest.

        Returns the fullest first, of those that were at least half full, at most `MAX_FILLS`.
        """
        found = [
            Fill(used(limit, level), rule, limit, str(key)[:MAX_SHOWN])
            for limit, (level, (rule, place, key)) in self.fullest.items()
        ]
        self.fullest = {}
        found = [fill for fill in found if fill.percent >= HALF]
        found.sort(key=emptiness)
        return found[:MAX_FILLS]

    def has_room(self, key: Key) -> bool:
        """Whether the key is in the table or fits in."""
        if key in self.until or key in self.counted or self.size() < MAX_KEYS:
            return True
        if self.clock >= self.next_sweep:
            self.next_sweep = self.clock + SWEEP_EVERY
            # A bucket that is empty is as good as one never used; a count of the whole run is never given back.
            self.until = {known: until for known, until in self.until.items() if until > self.clock}
        return self.size() < MAX_KEYS

    def size(self) -> int:
        """How many keys are held."""
        return len(self.until) + len(self.counted)


class Fill:
    """How full one limit was, for the key that was nearest to it.

    percent: of the allowance in use, rounded down: 100 is exactly where the next act is over it.
    """

    __slots__ = ("key", "limit", "percent", "rule")

    def __init__(self, used: int, rule: int, limit: Limit, key: str) -> None:
        self.percent = used * 100 // size_of(limit)
        self.rule = rule
        self.limit = limit
        self.key = key


def emptiness(fill: Fill) -> int:
    """What fills are sorted by."""
    return -fill.percent


def size_of(limit: Limit) -> int:
    """How many acts an unused allowance lets through at once, at least one."""
    return max(limit.burst if limit.window > 0 else limit.amount, 1)


def used(limit: Limit, level: int) -> int:
    """How many of them are gone at this level of a key: a count, or the nanoseconds until its bucket is empty."""
    if limit.window <= 0:
        return level
    size, each = size_of(limit), interval(limit)
    # Delayed acts are put on the key too, so more may be on it than there is room for.
    return size - max(0, each * size - level) // each


def key_of(limit: Limit, request: Request, session: str, pid: int) -> object:
    """What tells apart those who have an allowance each."""
    if limit.per.startswith("tag:"):
        return request.tags.get(limit.per[4:], "")
    return PER.get(limit.per, PER["run"])(request, session, pid)


def interval(limit: Limit) -> int:
    """Nanoseconds between two acts at the limit's rate, rounded up. Called for amounts of at least one."""
    return -(-int(limit.window * SECOND) // limit.amount)
