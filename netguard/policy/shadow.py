"""Which rules can never match, because an earlier one takes everything they speak of.

Only what is certain is said: one earlier rule must have all kinds and destinations of the later one and ask nothing
that the later one does not ask. Several rules that cover one together are not looked for. The corners of `decide` are
respected (RULES): a name without `private` grants public addresses only, a denial for some ports says nothing of the
name alone, and a network's grant does not listen on every interface.
"""

from __future__ import annotations

from netguard.core.facets import FACETS
from netguard.core.policy import DENY, HOST, NET, SUFFIX, UNIX, Rule, Target
from netguard.core.reach import net_of, wants_guard
from netguard.policy.target import BITS

#: An entry of `to` beyond this many is not indexed, and an earlier rule beyond this many with the same entry is not
#: tried: a policy made by a program must load in linear time, and what is missed costs an error message, not a verdict.
MAX_TARGETS = 1_000
MAX_CANDIDATES = 64

CERTAIN, PUBLIC_ONLY = "certain", "public only"

Key = tuple[str, object]


def ports_cover(wide: Target, narrow: Target) -> bool:
    if wide.ports is None:
        return True
    if narrow.ports is None:
        return False
    return all([any([low <= a and b <= high for low, high in wide.ports]) for a, b in narrow.ports])


def wider_keys(target: Target) -> list[Key]:
    """Every (form, value) of an entry that would hold all that this one holds, the same one first."""
    keys: list[Key] = [(target.form, target.value)]
    value = target.value
    if target.form in (HOST, SUFFIX):
        labels = str(value).split(".")
        keys += [(SUFFIX, ".".join(labels[n:])) for n in range(1, len(labels))]
    elif target.form == NET:
        version, length, bits = net_of(target)
        keys += [(NET, (version, shorter, bits >> (length - shorter))) for shorter in range(length)]
    elif target.form == UNIX:
        path = str(value).removesuffix("*")
        keys += [(UNIX, path[:end] + "*") for end in range(1, len(path) + 1)]
    return keys


def names_every_interface(target: Target) -> bool:
    """Whether this network, which holds 0.0.0.0 or ::, also grants to listen there: that address itself, or all."""
    version, length, _ = net_of(target)
    return length in (0, BITS[version])


class Wide:
    """One rule, laid out to be compared with others: what it speaks of, what it asks, its entries by what they hold."""

    __slots__ = ("asks", "entries", "rule", "spoken")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.spoken = frozenset((*rule.kinds, *["audit:" + event for event in rule.audit]))
        self.asks = frozenset([(name, getattr(rule, name)) for name, _, _ in FACETS if getattr(rule, name)])
        self.entries: dict[Key, list[Target]] = {}
        for target in rule.to or () if len(rule.to or ()) <= MAX_TARGETS else ():
            self.entries.setdefault((target.form, target.value), []).append(target)

    def cover(self, later: Wide) -> str:
        """CERTAIN if the later rule can never match, PUBLIC_ONLY if it can for private addresses only, else ""."""
        if not self.spoken >= later.spoken or not self.asks <= later.asks:
            return ""
        if wants_guard(self.rule) and not wants_guard(later.rule):
            return ""  # starts that the guard does not cover are left to the later one
        if self.rule.to is None or later.rule.to is None:
            return CERTAIN if self.rule.to is None else ""
        hows = {self.cover_entry(later.rule, target) for target in later.rule.to}
        return "" if "" in hows else PUBLIC_ONLY if PUBLIC_ONLY in hows else CERTAIN

    def cover_entry(self, later: Rule, target: Target) -> str:
        for key in wider_keys(target):
            for wide in self.entries.get(key, ()):
                if ports_cover(wide, target) and not self.spares(wide, later, target):
                    return self.how_sure(later, target)
        return ""

    def spares(self, wide: Target, later: Rule, target: Target) -> bool:
        """Whether the earlier entry leaves a corner of the later one open (the module's docstring)."""
        denies, later_denies = self.rule.verdict == DENY, later.verdict == DENY
        if "dns" in later.kinds and denies and wide.ports is not None and not later_denies:
            return True
        if target.form != NET or "listen" not in later.kinds or denies or net_of(target)[2]:
            return False  # only a network that begins at 0 holds the address that means every interface
        return not names_every_interface(wide) and (later_denies or names_every_interface(target))

    def how_sure(self, later: Rule, target: Target) -> str:
        """A name that was granted without `private` does not match private addresses, so a later rule may."""
        if target.form not in (HOST, SUFFIX) or self.rule.verdict == DENY or self.rule.private:
            return CERTAIN
        if later.verdict != DENY and later.private:
            return ""
        return PUBLIC_ONLY if later.verdict == DENY else CERTAIN


class Earlier:
    """The rules so far, found by the entries of their `to`."""

    def __init__(self) -> None:
        self.everywhere: list[Wide] = []
        self.by_entry: dict[tuple[Key, tuple[str, ...]], list[Wide]] = {}
        self.kinds: dict[tuple[str, ...], None] = {}

    def add(self, rule: Wide) -> None:
        if rule.rule.to is None:
            self.everywhere.append(rule)
            return
        self.kinds[rule.rule.kinds] = None
        for key in rule.entries:
            found = self.by_entry.setdefault((key, rule.rule.kinds), [])
            if len(found) < MAX_CANDIDATES:
                found.append(rule)

    def covering(self, rule: Wide) -> tuple[Rule, str] | None:
        """The first earlier rule that covers this one, and how surely."""
        found = [(wide.rule, how) for wide in self.candidates(rule.rule) if (how := wide.cover(rule))]
        return min(found, key=lambda pair: (pair[1] != CERTAIN, pair[0].index)) if found else None

    def candidates(self, rule: Rule) -> list[Wide]:
        """Rules that hold the first entry of this one; a rule that covers it must be among them."""
        if not rule.to or len(rule.to) > MAX_TARGETS:
            return self.everywhere
        wide = [kinds for kinds in self.kinds if set(rule.kinds) <= set(kinds)]
        found = [self.by_entry.get((key, kinds), ()) for key in wider_keys(rule.to[0]) for kinds in wide]
        return [*self.everywhere, *[each for group in found for each in group]]


def shadowed(rules: tuple[Rule, ...]) -> list[tuple[Rule, Rule, str]]:
    """(rule, the earlier rule that covers it, how surely) for each rule that cannot come to its turn."""
    earlier = Earlier()
    found = []
    for rule in rules:
        wide = Wide(rule)
        covering = earlier.covering(wide)
        if covering is not None:
            found.append((rule, *covering))
        else:
            earlier.add(wide)
    return found
