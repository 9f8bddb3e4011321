"""The compiled policy as text: what `netguard compile` writes and what a guest without a supervisor loads.

One record a line, fields divided by one space, everything in printable ASCII; a text is escaped so that any `str`
comes back exactly. The same policy always gives the same text, so its SHA-256 is the policy's digest and `sha256sum`
shows it. Loading needs no parser but `split`, is bounded, and refuses what it does not know: a policy half understood
would be a hole. A newer format is refused by its header.

    netguard-policy 1
    default deny
    targets COUNT               then COUNT lines `FORM VALUE PORTS TEXT`; lists shared by rules stand here once
    rule VERDICT NAME           then its facets, one a line, the first word saying which; ends at the next `rule`
    end RULES                   so that a file cut short is noticed
"""

from __future__ import annotations

from .policy import HOST, NET, PUBLIC, SELF, SUFFIX, UNIX, Limit, Policy, Rule, Target
from .request import KINDS

VERSION = 1
HEADER = "netguard-policy"
#: A million targets of 60 bytes and their texts; a larger text was not written by `dump`.
MAX_SIZE = 256 << 20
VERDICTS = ("allow", "log", "deny")
EMPTY = "%;"
SAFE = frozenset(map(chr, range(0x21, 0x7F))) - {"%"}

#: Facets that are a tuple of texts, of pairs of texts, a text, or a flag.
TEXTS = ("kinds", "audit", "proto", "library", "program", "args", "user", "process")
PAIRS = ("origin", "tags")
TEXT = ("because", "where")
#: Facets that are one of these words.
WORDS = {"native": ("true", "false")}
FLAGS = ("private", "direct", "unguarded")


class BadPolicy(ValueError):
    """The text is no compiled policy that this version can read."""


def escape(text: str) -> str:
    """The text as one field: anything but printable ASCII, and `%`, as `%HEX;`."""
    if not text:
        return EMPTY
    if SAFE.issuperset(text):
        return text
    return "".join([letter if letter in SAFE else f"%{ord(letter):x};" for letter in text])


def unescape(field: str) -> str:
    """The text of a field. Raises BadPolicy on a field that `escape` does not write."""
    if "%" not in field:
        return field
    if field == EMPTY:
        return ""
    first, *rest = field.split("%")
    try:
        return first + "".join([chr(int(code, 16)) + after for code, after in (part.split(";", 1) for part in rest)])
    except (ValueError, OverflowError):
        raise BadPolicy(f"not an escaped text: {field[:60]!r}") from None


# Writing.


def ports_text(ports: tuple[tuple[int, int], ...] | None) -> str:
    return "*" if ports is None else ",".join([f"{low}-{high}" for low, high in ports]) or "-"


def value_text(target: Target) -> str:
    if target.form == NET:
        return "{}/{}/{:x}".format(*target.value)  # type: ignore[misc]  # a NET's value is three integers
    return escape(str(target.value)) if target.value is not None else "-"


def target_line(target: Target) -> str:
    return f"{target.form} {value_text(target)} {ports_text(target.ports)} {escape(target.text)}"


def limit_line(limit: Limit) -> str:
    fields = (limit.counter, limit.per, limit.over, limit.text)
    return f"limit {limit.amount} {float(limit.window)!r} {limit.burst} " + " ".join(map(escape, fields))


def facet_lines(rule: Rule) -> list[str]:
    """One line for each facet that asks or tells something."""
    lines = [f"{facet} " + " ".join(map(escape, getattr(rule, facet))) for facet in TEXTS if getattr(rule, facet)]
    for facet in PAIRS:
        lines += [f"{facet} {escape(key)} {escape(value)}" for key, value in getattr(rule, facet)]
    lines += [f"{facet} {escape(getattr(rule, facet))}" for facet in (*TEXT, *WORDS) if getattr(rule, facet)]
    lines += [facet for facet in FLAGS if getattr(rule, facet)]
    return lines + [limit_line(limit) for limit in rule.limits]


def shared(rules: tuple[Rule, ...]) -> tuple[list[str], dict[int, int]]:
    """Every list of targets written once, and under which number each rule's (by its id) stands."""
    lines: list[str] = []
    number: dict[str, int] = {}
    places: dict[int, int] = {}
    for rule in rules:
        if rule.to is None or id(rule.to) in places:
            continue
        block = "\n".join([f"targets {len(rule.to)}", *map(target_line, rule.to)])
        places[id(rule.to)] = number.setdefault(block, len(number))
        if places[id(rule.to)] == len(lines):
            lines.append(block)
    return lines, places


def dump(policy: Policy) -> str:
    """The policy as text, always the same for the same policy. Its digest is not part of it: it is made from it."""
    blocks, places = shared(policy.rules)
    lines = [f"{HEADER} {VERSION}", f"default {policy.default}", *blocks]
    for rule in policy.rules:
        lines.append(f"rule {rule.verdict} {escape(rule.name)}")
        if rule.to is not None:
            lines.append(f"to {places[id(rule.to)]}")
        lines += facet_lines(rule)
    return "\n".join([*lines, f"end {len(policy.rules)}", ""])


# Reading.


def number(field: str) -> int:
    """A number of up to 18 digits: longer ones are no port, count or amount."""
    if not (field.isascii() and field.isdigit() and len(field) <= 18):
        raise BadPolicy(f"not a number: {field[:60]!r}")
    return int(field)


def word(field: str, words: tuple[str, ...]) -> str:
    if field not in words:
        raise BadPolicy(f"unknown word {field[:60]!r}")
    return field


def ports_value(field: str) -> tuple[tuple[int, int], ...] | None:
    if field == "*":
        return None
    ranges = [] if field == "-" else [part.partition("-") for part in field.split(",")]
    ports = tuple([(number(low), number(high)) for low, dash, high in ranges])
    if any([low > high or high > 0xFFFF for low, high in ports]):
        raise BadPolicy(f"not ports: {field[:60]!r}")
    return ports


def net_value(field: str) -> tuple[int, int, int]:
    version, length, bits = [*field.split("/"), "", ""][:3]
    width = {"4": 32, "6": 128}.get(version, -1)
    if number(length) > width or not 0 < len(bits) <= 32 or bits.strip("0123456789abcdef") or field.count("/") != 2:
        raise BadPolicy(f"not a network: {field[:60]!r}")
    if int(bits, 16) >> number(length):
        raise BadPolicy(f"not a network: {field[:60]!r}")
    return int(version), number(length), int(bits, 16)


def nothing(field: str) -> None:
    word(field, ("-",))


VALUES = {HOST: unescape, SUFFIX: unescape, UNIX: unescape, NET: net_value, SELF: nothing, PUBLIC: nothing}


def target_value(line: str) -> Target:
    form, value, ports, text = fields_of(line, 4)
    return Target(word(form, tuple(VALUES)), VALUES[form](value), ports_value(ports), unescape(text))


def fields_of(line: str, count: int) -> list[str]:
    fields = line.split(" ")
    if len(fields) != count:
        raise BadPolicy(f"{count} fields expected: {line[:60]!r}")
    return fields


def window_value(field: str) -> float:
    """Seconds, as `repr` writes them; no sign, no infinity, no exponent."""
    whole, dot, part = field.partition(".")
    if not (dot and number(whole) >= 0 and number(part) >= 0):
        raise BadPolicy(f"not seconds: {field[:60]!r}")
    return float(field)


def limit_value(rest: str) -> Limit:
    amount, window, burst, counter, per, over, text = fields_of(rest, 7)
    word(counter, ("connections", "lookups"))
    word(over, ("deny", "log", "delay"))
    seconds, at_once = window_value(window), number(burst)
    return Limit(counter, number(amount), seconds, burst=at_once, per=unescape(per), over=over, text=unescape(text))


class Reader:
    """The lines of a text that is being loaded, and what was understood so far."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.at = 0
        self.lists: list[tuple[Target, ...]] = []

    def peek(self) -> str:
        return self.lines[self.at] if self.at < len(self.lines) else ""

    def take(self) -> str:
        if self.at >= len(self.lines):
            raise BadPolicy("the text ends too early")
        self.at += 1
        return self.lines[self.at - 1]

    def targets(self) -> None:
        count = number(self.take().partition(" ")[2])
        if count > len(self.lines) - self.at:
            raise BadPolicy("the text ends too early")
        self.lists.append(tuple([target_value(self.take()) for _ in range(count)]))

    def rule(self, index: int) -> Rule:
        """One rule with its facets; the line behind it is left for the next."""
        _, verdict, name = fields_of(self.take(), 3)
        found = Rule(index, word(verdict, VERDICTS), unescape(name), kinds=())
        while self.peek() and self.peek().partition(" ")[0] not in ("rule", "end"):
            self.facet(found, self.take())
        for kind in found.kinds:
            word(kind, KINDS)
        return found

    def facet(self, rule: Rule, line: str) -> None:
        """Put what the line says into the rule. Raises BadPolicy on an unknown or impossible line."""
        facet, _, rest = line.partition(" ")
        if facet in TEXTS:
            setattr(rule, facet, tuple(map(unescape, rest.split(" "))))
        elif facet in PAIRS:
            key, value = fields_of(rest, 2)
            setattr(rule, facet, (*getattr(rule, facet), (unescape(key), unescape(value))))
        elif facet in TEXT:
            setattr(rule, facet, unescape(rest))
        elif facet in WORDS:
            setattr(rule, facet, word(rest, WORDS[facet]))
        elif facet in FLAGS and not rest:
            setattr(rule, facet, True)
        elif facet == "limit":
            rule.limits = (*rule.limits, limit_value(rest))
        elif facet == "to" and number(rest) < len(self.lists):
            rule.to = self.lists[number(rest)]
        else:
            raise BadPolicy(f"unknown line {line[:60]!r}")


def load(text: str) -> Policy:
    """The policy that `dump` wrote. Its `digest` is left empty: hashing needs a module that a guest may not have.

    Raises BadPolicy, a ValueError, on anything else; never anything but that on any `str`.
    """
    if len(text) > MAX_SIZE:
        raise BadPolicy("larger than any compiled policy")
    reader = Reader(text)
    header, version = fields_of(reader.take(), 2)
    if header != HEADER or number(version) > VERSION:
        raise BadPolicy("written by a newer netguard" if header == HEADER else "not a compiled policy")
    _, default = fields_of(reader.take(), 2)
    while reader.peek().startswith("targets "):
        reader.targets()
    rules: list[Rule] = []
    while reader.peek().startswith("rule "):
        rules.append(reader.rule(len(rules)))
    if [reader.take(), *reader.lines[reader.at :]] != [f"end {len(rules)}", ""]:
        raise BadPolicy("the end is missing, or something stands behind it")
    return Policy(tuple(rules), word(default, VERDICTS))
