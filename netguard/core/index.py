"""The rules of a policy laid out so that a request meets only those that could match it.

One shelf a kind, made when the kind is first asked for: names in tables, nets in tables by prefix length below the
first bits they share, the rest in short rows. A shelf only proposes; whether an entry matches is asked of `reach` and
`facets` as everywhere. Every row is in the order of the rules, so that the first match found in it is its first.
"""

from __future__ import annotations

from .address import BITS
from .facets import signature, tests_of
from .policy import ALLOW, DENY, HOST, LOG, NET, PUBLIC, SELF, SUFFIX, UNIX, Decision, Policy, Rule, Target
from .reach import (
    ADDRESSED,
    DESTINED,
    grants,
    guarded,
    is_wildcard,
    net_of,
    ports_at,
    spares_wildcard,
    text_of,
    wants_guard,
)
from .request import KINDS

TYPE_CHECKING = False  # what typing exports, without importing typing into the guest
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from .facets import Test
    from .request import Request

    K = TypeVar("K")
    Row = tuple["Entry", ...]  # not a list: its items lie behind one step more, which often is a cache miss more
    Branch = tuple[tuple[int, dict[int, Row]], ...]  # (shift to the prefix, network -> entries)
    Stem = tuple[int, dict[int, Branch]]  # (shift to the stem, stem's number -> what lies below)
    Lengths = dict[int, dict[int, list["Entry"]]]  # prefix length -> network -> entries
    Nets = dict[int, dict[int, dict[int, Lengths]]]  # version -> stem -> stem's number -> lengths

#: Where the table of nets branches, in bits. A net lies below the longest stem that is not longer than itself, so an
#: address is looked up once a stem and not once a prefix length, however many lengths the rules have.
STEMS = {4: (24, 16, 8, 0), 6: (64, 48, 32, 16, 0)}

#: No rule has this place.
NEVER = 1 << 62


class Entry:
    """One rule as it stands in one row: what is left to ask, and what then is decided.

    guarded: found by a name that grants public addresses only.
    """

    __slots__ = ("decision", "grants", "guarded", "index", "ports", "rule", "tests")

    def __init__(
        self,
        rule: Rule,
        decision: Decision,
        tests: tuple[Test, ...],
        ports: tuple[tuple[int, int], ...] | None = None,
        guarded: bool = False,
    ) -> None:
        self.index = rule.index
        self.rule = rule
        self.grants = grants(rule)
        self.ports = ports
        self.guarded = guarded
        self.tests = tests
        self.decision = decision


#: Why the default decides, of a destination known by its name alone and of all else.
UNNAMED, UNMATCHED = "no rule matches this name", "no rule matches"

#: Stands where no rule matched.
NOBODY = Entry(Rule(NEVER, DENY, "default", kinds=()), Decision(DENY, "default", UNMATCHED), ())


class Draft:
    """A shelf while it is being filled."""

    __slots__ = ("home", "hosts", "kind", "nets", "open", "own", "plain", "prefixes", "public", "sockets",
                 "suffixes")  # fmt: skip

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.hosts: dict[str, list[Entry]] = {}
        self.suffixes: dict[str, list[Entry]] = {}
        self.nets: Nets = {}
        self.sockets: dict[str, list[Entry]] = {}
        self.prefixes: list[tuple[str, Entry]] = []
        self.own: list[Entry] = []
        self.public: list[Entry] = []
        self.plain: list[Entry] = []
        self.open: list[Entry] = []
        self.home: list[Entry] = []


class Shelf:
    """All that the rules say of one kind."""

    __slots__ = ("default", "home", "hosts", "nets", "open", "own", "plain", "prefixes", "public", "sockets",
                 "suffixes", "unnamed")  # fmt: skip

    def __init__(self, draft: Draft, default: str) -> None:
        self.hosts = frozen(draft.hosts)
        self.suffixes = frozen(draft.suffixes)
        self.nets = {version: by_stem(version, stems) for version, stems in draft.nets.items()}
        self.sockets = frozen(draft.sockets)
        self.prefixes = tuple(draft.prefixes)  # unix paths that end in "*"
        self.own = tuple(draft.own)
        self.public = tuple(draft.public)
        self.plain = tuple(draft.plain)  # rules without `to`
        self.open = first_of_each(draft.open)  # dns: grants that have to see the addresses first
        self.home = first_of_each(draft.home)  # dns: such grants by @self, for names of this machine only
        self.default = silence(default, UNMATCHED)
        self.unnamed = silence(default, UNNAMED)


class Index:
    """The shelves of one policy."""

    __slots__ = ("connections", "default", "events", "rules", "shelves")

    def __init__(self, policy: Policy) -> None:
        self.rules = policy.rules
        self.default = policy.default
        self.shelves: dict[str, Shelf] = {}
        self.events: dict[str, Row] | None = None
        self.connections: dict[int, Decision] = {}  # by the rule's place

    def shelf(self, kind: str) -> Shelf | None:
        """The shelf of a kind, or None when there is no such kind."""
        return self.shelves.get(kind) or (self.lay_out(kind) if kind in KINDS else None)

    def lay_out(self, kind: str) -> Shelf:
        """Makes the shelf of a kind."""
        shelf = self.shelves[kind] = Shelf(fill(Draft(kind), self.rules), self.default)
        return shelf

    def of_connection(self, entry: Entry) -> Decision:
        """What the entry of a connect decides for the request by URL that leads to it, made once a rule."""
        decision = self.connections.get(entry.index)
        if decision is None:
            made = entry.decision
            why = f"no rule speaks of the request; its connection: {made.why}"
            decision = Decision(made.verdict, made.rule, why, made.index, made.because)
            self.connections[entry.index] = decision
        return decision

    def event(self, name: str) -> Row:
        """The rules that speak of an audit event by its name; not those with `to`, for it has no destination."""
        if self.events is None:
            events: dict[str, list[Entry]] = {}
            for rule in self.rules:
                for event in rule.audit if rule.to is None else ():
                    events.setdefault(event, []).append(Entry(rule, decided(rule), tests_of(rule)))
            self.events = frozen(events)
        return self.events.get(name, ())


def decided(rule: Rule, open: bool = False) -> Decision:
    """The decision a rule makes, made once. A verdict that this version does not know denies."""
    if grants(rule):
        why = "the addresses decide" if open else "rule matched"
        return Decision(rule.verdict, rule.name, why, rule.index, rule.because, open)
    why = "rule matched" if rule.verdict == DENY else f"rule matched; its verdict {rule.verdict!r} is not known"
    return Decision(DENY, rule.name, why, rule.index, rule.because)


def silence(default: str, why: str) -> Decision:
    """The decision when no rule matches. A verdict that this version does not know denies."""
    return Decision(default if default in (ALLOW, LOG) else DENY, "default", why)


def fill(draft: Draft, rules: tuple[Rule, ...]) -> Draft:
    """The draft with every rule that speaks of its kind, wherever a request has to find it."""
    for rule in rules:
        if draft.kind not in rule.kinds:
            continue
        if rule.to is None:
            more = (is_covered,) if draft.kind == "exec" and wants_guard(rule) else ()
            draft.plain.append(Entry(rule, decided(rule), tests_of(rule) + more))
        elif draft.kind in DESTINED:
            place(draft, rule, rule.to)
    return draft


def place(draft: Draft, rule: Rule, targets: tuple[Target, ...]) -> None:
    """Put a rule where each of its targets leads to."""
    decision, tests = decided(rule), tests_of(rule)
    for target in targets:
        answerable, ports = ports_at(draft.kind, rule, target)
        if answerable:
            more = (names_one_address,) if spares_wildcard(draft.kind, rule, target) else ()
            named = target.form in (HOST, SUFFIX) and guarded(rule)
            PLACES[target.form](draft, target, Entry(rule, decision, more + tests, ports, named))
        if target.form in ADDRESSED and draft.kind == "dns" and grants(rule):
            waiting = draft.home if target.form == SELF else draft.open
            waiting.append(Entry(rule, decided(rule, open=True), tests))


def place_host(draft: Draft, target: Target, entry: Entry) -> None:
    draft.hosts.setdefault(text_of(target), []).append(entry)


def place_suffix(draft: Draft, target: Target, entry: Entry) -> None:
    draft.suffixes.setdefault(text_of(target), []).append(entry)


def place_net(draft: Draft, target: Target, entry: Entry) -> None:
    """Put a net below its stem."""
    version, length, network = net_of(target)
    stem = next(bits for bits in STEMS[version] if bits <= length)
    lengths = draft.nets.setdefault(version, {}).setdefault(stem, {}).setdefault(network >> (length - stem), {})
    lengths.setdefault(length, {}).setdefault(network, []).append(entry)


def place_unix(draft: Draft, target: Target, entry: Entry) -> None:
    path = text_of(target)
    if path.endswith("*"):
        draft.prefixes.append((path[:-1], entry))
    else:
        draft.sockets.setdefault(path, []).append(entry)


def place_self(draft: Draft, target: Target, entry: Entry) -> None:
    draft.own.append(entry)


def place_public(draft: Draft, target: Target, entry: Entry) -> None:
    draft.public.append(entry)


#: Where each form of entry stands. A form that is not here is a fault of the policy, and `decide` denies for it.
PLACES: dict[str, Callable[[Draft, Target, Entry], None]] = {
    HOST: place_host,
    SUFFIX: place_suffix,
    NET: place_net,
    UNIX: place_unix,
    SELF: place_self,
    PUBLIC: place_public,
}


def frozen(table: dict[K, list[Entry]]) -> dict[K, Row]:
    """The table with its rows fixed."""
    return {key: tuple(row) for key, row in table.items()}


def by_stem(version: int, stems: dict[int, dict[int, Lengths]]) -> tuple[Stem, ...]:
    """The tables of one version, lengths turned into the shifts that a look-up needs."""
    bits = BITS[version]
    found: list[Stem] = []
    for stem, starts in stems.items():
        branches: dict[int, Branch] = {}
        for start, lengths in starts.items():
            branches[start] = tuple([(bits - length, frozen(nets)) for length, nets in lengths.items()])
        found.append((bits - stem, branches))
    return tuple(found)


def first_of_each(row: list[Entry]) -> Row:
    """Of entries that ask the same, the first: the others never come to their turn."""
    seen: dict[object, Entry] = {}
    for entry in row:
        seen.setdefault(signature(entry.rule), entry)
    return tuple(seen.values())


def names_one_address(rule: Rule, request: Request) -> bool:
    """Not a listener on every interface; stands among the tests of entries that may not grant one."""
    return not is_wildcard(request)


def is_covered(rule: Rule, request: Request) -> bool:
    """Not a start without the guard; stands among the tests of rules that may not grant one."""
    return not request.uncovered
