"""One rule from its node: which kinds it speaks of, and each facet as a value that can be compared at once."""

from __future__ import annotations

from netguard.core.policy import DENY, HOST, SUFFIX, Limit, Rule, Target
from netguard.core.request import KINDS
from netguard.policy.node import LIST, MAP, Node, meant, nearest, wrong
from netguard.policy.schema import (
    ALIASES,
    COUNTERS,
    FROM_KEYS,
    LIMIT_KEYS,
    MAX_NAME,
    NATIVE_KEYS,
    OVER,
    PARTLY,
    PER,
    PER_REFUSED,
    PROTOS,
    RULE_KEYS,
    UNITS,
    VERDICTS,
)
from netguard.policy.scope import Scope
from netguard.policy.shape import choice, entries, flag, items, known, number, plain, text, texts

Pairs = dict[str, tuple[Node, Node]]

AUDIT = "audit:"
MAX_AMOUNT = 10**12  # beyond any count of a run; keeps every time that is computed from it a finite number
MAX_LIMITS = 16


# Kinds.


def kind_of(node: Node) -> str:
    """A kind, `any`, or `audit:NAME`, from a word of the rule's verdict."""
    word = text(node, "a kind")
    if word in KINDS or word == "any":
        return word
    if word in ALIASES:
        return ALIASES[word]
    if word in PARTLY:
        raise wrong(node, f"'{word}' is no kind: {PARTLY[word]}")
    if word.startswith(AUDIT):
        return audit_event(node, word)
    dotted = "." in word or "/" in word  # an event's name; many of those are alike
    near = nearest(word, ["any", *KINDS, *ALIASES], 0.9 if dotted else 0.6)
    if near:
        raise wrong(node, f"unknown kind '{word}'; did you mean '{near}'?")
    if dotted:
        raise wrong(node, f"unknown kind '{word}'; an audit event that is no kind is written '{AUDIT}{word}'")
    raise wrong(node, f"unknown kind '{word}'{meant(word, ('any', *KINDS, AUDIT + 'NAME'))}")


def audit_event(node: Node, word: str) -> str:
    """`audit:NAME`, unless the event is one that is decided under a kind and so would never be seen here."""
    event = word[len(AUDIT) :]
    if event in ALIASES:
        raise wrong(node, f"'{event}' is decided as the kind {ALIASES[event]}; write {ALIASES[event]}")
    if event in PARTLY:
        raise wrong(node, f"'{event}': {PARTLY[event]}")
    if not event or not event.isprintable() or " " in event:
        raise wrong(node, f"'{AUDIT}' is followed by the name of an audit event")
    return word


def spoken_of(verdict: Node, keys: Pairs) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(kinds, audit events) of the rule, every facet of it applying to each."""
    words = list(dict.fromkeys([kind_of(item) for item in items(verdict, "a list of kinds")]))
    facets = [(name, key) for name, (key, _) in keys.items() if RULE_KEYS[name].kinds]
    named = [word for word in words if word in KINDS]
    audit = tuple([word[len(AUDIT) :] for word in words if word.startswith(AUDIT)])
    for name, key in facets:
        for word in [*named, *audit]:
            refuse_foreign(name, key, word, word in named)
    if "any" not in words:
        return tuple([kind for kind in KINDS if kind in named]), audit
    if named:
        raise wrong(verdict, f"'any' speaks of {named[0]} already")
    kinds = tuple([kind for kind in KINDS if all([kind in RULE_KEYS[name].kinds for name, _ in facets])])
    if not kinds:
        raise wrong(facets[-1][1], f"no kind has all of: {', '.join([name for name, _ in facets])}")
    return kinds, audit


def refuse_foreign(name: str, key: Node, word: str, is_kind: bool) -> None:
    """Raise if this facet asks for something that acts of this kind, or audit events, do not have."""
    kinds = RULE_KEYS[name].kinds
    if is_kind and word not in kinds:
        raise wrong(key, f"'{name}' does not apply to {word}, only to {', '.join(kinds)}")
    if not is_kind and kinds != KINDS:
        raise wrong(key, f"'{name}' does not apply to '{AUDIT}{word}': an audit event is known by its name alone")


# Facets.


def private_flag(node: Node, targets: tuple[Target, ...] | None) -> bool:
    """`private`, which says something about names and needs one."""
    found = flag(node, "'private'")
    if not any([target.form in (HOST, SUFFIX) for target in targets or ()]):
        raise wrong(node, "'private' is about names in `to`, and there is none; addresses grant themselves")
    return found


def unguarded_flag(node: Node, verdict: str, keys: Pairs) -> bool:
    """`unguarded`, which says something about programs that are let through by name."""
    found = flag(node, "'unguarded'")
    if verdict == DENY:
        raise wrong(node, "'unguarded' does not apply to deny: a denial holds for every start of the program")
    if "program" not in keys:
        raise wrong(node, "'unguarded' is about programs in `program`, and there is none; without it all may start so")
    return found


def native_facets(keys: Pairs) -> tuple[str, tuple[str, ...]]:
    """`native` as (word, libraries): `false` asks something too, and a mapping asks for what is native."""
    if "native" not in keys:
        return "", ()
    node = keys["native"][1]
    if node.kind != MAP:
        return "true" if flag(node, "'native'") else "false", ()
    found = known(node, NATIVE_KEYS, "'native'")
    if not found:
        raise wrong(node, f"'native' is empty{meant('', NATIVE_KEYS)}")
    return "true", texts(found["library"][1], "'library'")


def protocols(node: Node) -> tuple[str, ...]:
    return tuple(dict.fromkeys([choice(item, "'proto'", PROTOS) for item in items(node, "'proto'")]))


def origins(node: Node) -> tuple[tuple[str, str], ...]:
    """`from` as (facet, pattern) pairs."""
    found = known(node, FROM_KEYS, "'from'")
    if not found:
        raise wrong(node, f"'from' is empty{meant('', FROM_KEYS)}")
    return tuple([(name, text(value, f"'{name}'")) for name, (_, value) in found.items()])


def tag_pairs(node: Node) -> tuple[tuple[str, str], ...]:
    """`tags` as (name, pattern) pairs."""
    found = entries(node, "'tags'")
    if not found:
        raise wrong(node, "'tags' is empty; write the name of a tag and its value")
    return tuple([(key.text, text(value, f"the tag '{key.text}'")) for key, value in found])


# Limits.


def rate(node: Node, what: str) -> tuple[int, float]:
    """(amount, seconds) of a rate; 0.0 seconds for the whole run."""
    written = text(node, what)
    amount, slash, unit = [part.strip() for part in written.partition("/")]
    if not slash or not (amount.isascii() and amount.isdigit()):
        raise wrong(node, f"{what} is a number, a slash and a unit, such as 60/min; not '{written}'")
    if unit not in UNITS:
        raise wrong(node, f"unknown unit '{unit}'{meant(unit, UNITS)}", len(written) - len(unit), max(1, len(unit)))
    if not 0 < int(amount[:19]) <= MAX_AMOUNT:
        raise wrong(node, f"{what} lets through at least 1 and at most {MAX_AMOUNT:,}; to let through none, deny")
    return int(amount), UNITS[unit]


def counted_per(node: Node) -> str:
    """What a limit counts apart."""
    word = text(node, "'per'")
    if word in PER_REFUSED:
        raise wrong(node, f"'per: {word}' {PER_REFUSED[word]}")
    if word.startswith("tag:") and len(word) > 4:
        return word
    return choice(node, "'per'", (*PER, "tag:NAME"))


def one_limit(node: Node, kinds: tuple[str, ...]) -> list[Limit]:
    """The limits of one mapping: one for each counter in it, all with its `per`, `over` and `burst`."""
    keys = known(node, LIMIT_KEYS, "a limit")
    per = counted_per(keys["per"][1]) if "per" in keys else "run"
    over = choice(keys["over"][1], "'over'", OVER) if "over" in keys else DENY
    found = []
    for name, kind in COUNTERS.items():
        if name not in keys:
            continue
        key, value = keys[name]
        if kind not in kinds:
            raise wrong(key, f"'{name}' counts {kind}, of which this rule does not speak")
        amount, window = rate(value, f"'{name}'")
        if "burst" in keys and not window:
            raise wrong(keys["burst"][0], "a limit for the whole run has no burst")
        burst = number(keys["burst"][1], "'burst'", 1, MAX_AMOUNT) if "burst" in keys else amount
        told = f"{name} {value.text}" if per == "run" and not window else f"{name} {value.text} per {per}"
        found.append(Limit(name, amount, window, burst=burst, per=per, over=over, text=told))
    if not found:
        raise wrong(node, f"a limit needs something to count: {' or '.join(COUNTERS)}")
    return found


def limits(keys: Pairs, verdict: str, kinds: tuple[str, ...]) -> tuple[Limit, ...]:
    """All limits of a rule."""
    if "limit" not in keys:
        return ()
    key, node = keys["limit"]
    if verdict == DENY:
        raise wrong(key, "'limit' does not apply to deny: a rule that lets nothing through has nothing to count")
    found = [limit for item in items(node, "'limit'") for limit in one_limit(item, kinds)]
    if len(found) > MAX_LIMITS:
        raise wrong(node, f"more than {MAX_LIMITS} limits in one rule")
    return tuple(found)


# The rule.


def verdict_of(node: Node, keys: Pairs) -> str:
    """Which of the verdict words the rule has; it must be exactly one."""
    found = [word for word in VERDICTS if word in keys]
    if not found:
        raise wrong(node, f"a rule needs a verdict: {', '.join(VERDICTS)}")
    if len(found) > 1:
        raise wrong(keys[found[1]][0], f"a rule has one verdict; this one has {' and '.join(found)}")
    return found[0]


def rule_name(keys: Pairs, where: str) -> str:
    """The rule's own name, or its file's last part and line."""
    if "name" not in keys:
        return where.rpartition("/")[2]
    node = keys["name"][1]
    name = plain(node, "a rule's name")
    if len(name) > MAX_NAME:
        raise wrong(node, f"a rule's name is longer than {MAX_NAME} characters")
    if name == "default":
        raise wrong(node, "a rule cannot be called 'default': that is how the trail calls it when no rule matched")
    return name


def where_of(node: Node) -> str:
    """`file:line` of a rule, or the keys that lead to it where lines are not known."""
    return f"{node.source.shown}:{node.line or node.keys}"


def build_rule(node: Node, scope: Scope) -> Rule:
    """The rule of this node; its index is set by whoever puts rules together.

    scope: the lists that it can name. Raises PolicyError with the place of what is wrong.
    """
    keys = known(node, RULE_KEYS, "a rule")
    verdict = verdict_of(node, keys)
    kinds, audit = spoken_of(keys[verdict][1], keys)
    where = where_of(node)

    def several(name: str) -> tuple[str, ...]:
        return texts(keys[name][1], f"'{name}'") if name in keys else ()

    to = scope.targets(keys["to"][1]) if "to" in keys else None
    native, library = native_facets(keys)
    return Rule(
        -1,
        verdict,
        rule_name(keys, where),
        kinds=kinds,
        audit=audit,
        to=to,
        private="private" in keys and private_flag(keys["private"][1], to),
        proto=protocols(keys["proto"][1]) if "proto" in keys else (),
        direct="direct" in keys and flag(keys["direct"][1], "'direct'"),
        native=native,
        library=library,
        program=several("program"),
        args=several("args"),
        unguarded="unguarded" in keys and unguarded_flag(keys["unguarded"][1], verdict, keys),
        origin=origins(keys["from"][1]) if "from" in keys else (),
        user=several("user"),
        process=several("process"),
        tags=tag_pairs(keys["tags"][1]) if "tags" in keys else (),
        limits=limits(keys, verdict, kinds),
        because=plain(keys["because"][1], "'because'") if "because" in keys else "",
        where=where,
    )


def build_rules(node: Node, scope: Scope) -> list[tuple[Rule, Node]]:
    """The rules of one file with their nodes. Raises PolicyError on a name that two of them have."""
    if node.kind != LIST:
        raise wrong(node, f"'rules' must be a list of rules, not {node.kind}")
    found: list[tuple[Rule, Node]] = []
    named: dict[str, Rule] = {}
    for item in node.items:
        rule = build_rule(item, scope)
        own = next((value for key, value in item.pairs if key.text == "name"), None)
        if own is not None and rule.name in named:
            raise wrong(own, f"two rules are called '{rule.name}'; the other is at {named[rule.name].where}")
        if own is not None:
            named[rule.name] = rule
        found.append((rule, item))
    return found
