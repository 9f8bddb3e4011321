"""The rules that would allow just what a run did: a whole rule file, to be read by a person before it is used.

Everything in it was chosen by a program that nobody trusts yet, so each value is checked to be of its form (a name, an
address, a path), says exactly one thing (no `*`, no `@list`), and is quoted so that it can neither end its line nor
become a key. What was denied, or would have been, is never suggested.
"""

from __future__ import annotations

from netguard.core.address import canonical_host, format_ip, parse_ip, special
from netguard.core.reach import is_localhost, shielded
from netguard.views.group import LONG, Group
from netguard.views.rule_text import is_destination, is_exact, quoted, with_port
from netguard.views.subject import subject_text
from netguard.views.summary import NO_RULES, Tally, plural
from netguard.views.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from netguard.views.subject import Record

    #: The lines of a rule that are the same for all its values: kinds, flags, and the key that the values stand under.
    Shape = tuple[tuple[str, ...], tuple[str, ...], str]

HEAD = """\
# The rules that allow just what this run did. It did what a program wanted that nobody has vetted:
# read each line before you keep it.
version: 1
default: deny
include: ["netguard:metadata"]
"""

#: What stands above a rule, by its kinds and flags.
SAYS: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {
    (("dns", "connect"), ()): "Names, with the ports that were reached.",
    (("dns",), ()): "Names that were looked up and never connected to.",
    (("any",), ()): "Its own sockets, where only this machine can reach them.",
    (("listen",), ()): "What it listened on, for others to reach.",
    (("exec",), ()): "Programs it started, with whatever arguments.",
    (("exec",), ("unguarded: true",)): "Programs that the guard did not cover: with -I, LD_PRELOAD or the like.",
}
PRIVATE = "Names that lead to this machine, into a private network, or to another address that is not public."
DIRECT = "Addresses that no look-up of this run had given: nobody knows whose they are."
UNIX = "Sockets of this machine."

#: Kinds that no rule can grant one by one.
WHOLE = {
    "native": "native code loaded or called; this would allow all of it",
    "file": "credential files opened; this would allow all of them",
}

#: What a run listens on where only this machine can reach it, and what it does there. Ports that the system chose are
#: others the next time, so they are not listed one by one.
OWN = (("any",), (), "to")
#: The first port that a system chooses by itself (Linux: net.ipv4.ip_local_port_range).
EPHEMERAL = 32_768

#: Denials named in the comment at the end.
NAMED = 10


def suggest(source: Tally | Iterable[Record]) -> str:
    """A rule file for what `source`, the tally or the records of a run, let through. Loads as it stands.

    Returns YAML in ASCII, lines ended by LF.
    """
    tally = source if isinstance(source, Tally) else tally_of(source)
    granted = [group for group in tally.groups.values() if not group.denied]
    seen = Seen(granted)
    lines = [HEAD]
    rules = [line for shape, values in seen.rules() for line in rule(shape, values)]
    lines += ["rules:\n", *rules] if rules else ["rules: []\n"]
    lines += whole(granted) + left_out(tally, seen.strange)
    return "".join(lines)


def tally_of(records: Iterable[Record]) -> Tally:
    """The tally of records."""
    tally = Tally()
    for record in records:
        tally.add(record)
    return tally


class Seen:
    """What was let through, as values of rules.

    kinds:   by destination ("name:port", "address:port"), the kinds it was seen in.
    private: names that were seen to lead to special addresses.
    ports:   ports it listened on, 0 for one that the system chose.
    own:     whether it listened where only this machine can reach it, or reached what it listens on.
    told:    the trail says of each destination whether it is the run's own.
    strange: groups that no rule can name exactly.
    """

    def __init__(self, groups: list[Group]) -> None:
        self.values: dict[Shape, dict[str, None]] = {}
        self.kinds: dict[tuple[str, str], set[str]] = {}
        self.names: dict[str, None] = {}
        self.private: set[str] = set()
        self.strange: list[Group] = []
        self.ports = {group.subject[2] for group in groups if group.kind == "listen"}
        self.own = False
        self.told = any(group.own for group in groups)
        for group in groups:
            if group.kind in PLACES and not (exact(group) and PLACES[group.kind](self, group)):
                self.strange.append(group)

    def is_own(self, group: Group) -> bool:
        """Is it what the run listens on itself? Where the trail does not say, by all that is known."""
        if self.told:
            return group.own
        host, other, port, _ = group.subject
        host = str(host or other)
        address = parse_ip(host)
        if not (is_localhost(host) if address is None else is_loopback(address)):
            return False
        return port in self.ports or (0 in self.ports and type(port) is int and port >= EPHEMERAL)

    def put(self, shape: Shape, value: str) -> bool:
        """One value under one shape of rule, once."""
        if shape[2] == "to" and not is_destination(value):
            return False
        self.values.setdefault(shape, {})[value] = None
        return True

    def lookup(self, group: Group) -> bool:
        """dns: a name. An address asked for its name is no rule's to grant: it would let any name out to be looked up,
        since one of them might lead there."""
        host = canonical_host(str(group.subject[0] or ""))
        if host is None or not is_destination(host):
            return False
        self.learn(host, group)
        self.names[host] = None
        return True

    def reach(self, group: Group) -> bool:
        """connect and http: a unix socket, a name with its port, or an address that has no name."""
        host, other, port, proto = group.subject
        if self.is_own(group):
            self.own = self.own or group.own
            return True
        if proto == "unix":
            return self.put((("connect",), (), "to"), f"unix:{other}")
        name = canonical_host(str(host)) if host else None
        if name is None:
            return self.reach_address(group, str(host or other), port, proto)
        if not is_destination(name):
            return False
        self.learn(name, group)
        self.kinds.setdefault((name, with_port(name, port)), set()).add(group.kind)
        return True

    def reach_address(self, group: Group, text: str, port: object, proto: object) -> bool:
        """An address by itself."""
        address = parse_ip(text)
        if address is None:
            return False
        flags: tuple[str, ...] = ()
        if group.kind == "connect":
            flags = ("direct: true", f"proto: {proto}") if proto in ("tcp", "udp") else ("direct: true",)
        return self.put(((group.kind,), flags, "to"), with_port(format_ip(address), port))

    def listen(self, group: Group) -> bool:
        """listen: where only this machine can reach it, it is the run's own; else an address and a port."""
        host, other, port, proto = group.subject
        address = parse_ip(str(host or other))
        if proto == "unix" or (address is not None and is_loopback(address)):
            self.own = True
            return True
        return address is not None and self.put((("listen",), (), "to"), with_port(format_ip(address), port))

    def start(self, group: Group) -> bool:
        """exec: a program."""
        program = group.subject[0]
        flags = ("unguarded: true",) if group.uncovered else ()
        return isinstance(program, str) and bool(program) and self.put((("exec",), flags, "program"), program)

    def learn(self, name: str, group: Group) -> None:
        """A name that leads to special addresses needs `private`, unless it is `localhost` and means this machine."""
        if any(shielded(name, parse_ip(text)) for text in group.addresses):
            self.private.add(name)

    def rules(self) -> list[tuple[Shape, list[str]]]:
        """Shapes with their values: names first, then what stands by itself."""
        shapes: dict[Shape, dict[str, None]] = {}
        for (name, text), kinds in self.kinds.items():
            if "connect" in kinds:
                kinds = {"dns", "connect"}  # a request by URL takes the verdict of its connection
            shapes.setdefault(self.shape(name, kinds), {})[text] = None
        looked_up = {name for (name, _), kinds in self.kinds.items() if "connect" in kinds}
        for name in self.names:
            if name not in looked_up:
                shapes.setdefault(self.shape(name, {"dns"}), {})[name] = None
        for shape, values in self.values.items():
            shapes.setdefault(shape, {}).update(values)
        found = [(shape, sorted(values)) for shape, values in shapes.items()]
        return [(OWN, ["@self"]), *found] if self.own else found

    def shape(self, name: str, kinds: set[str]) -> Shape:
        """The rule that a name belongs into."""
        flags = ("private: true",) if name in self.private else ()
        return tuple(kind for kind in ("dns", "connect", "http") if kind in kinds), flags, "to"


#: What turns a group of each kind into values; each returns False for what no rule can say exactly.
PLACES = {
    "dns": Seen.lookup,
    "connect": Seen.reach,
    "http": Seen.reach,
    "listen": Seen.listen,
    "exec": Seen.start,
}


def is_loopback(address: tuple[int, int]) -> bool:
    """An address that only this machine reaches: not 0.0.0.0 nor ::, which for a listener are every interface."""
    return special(address) == "loopback" and address[1] != 0


def exact(group: Group) -> bool:
    """Can its subject be said in a rule, and nothing else with it? A text that was cut names another thing."""
    subject = group.subject[:1] if group.kind == "exec" else group.subject
    texts = [part for part in subject if isinstance(part, str)]
    return is_exact(*texts) and not any(len(text) >= LONG for text in texts)


def rule(shape: Shape, values: list[str]) -> list[str]:
    """One rule's lines, a comment above."""
    kinds, flags, key = shape
    said = SAYS.get((kinds, flags), "")
    if "private: true" in flags:
        said = PRIVATE
    elif "direct: true" in flags:
        said = DIRECT
    elif kinds == ("connect",):
        said = UNIX
    lines = [f"  # {said}\n"] if said else []
    lines.append(f"  - allow: [{', '.join(kinds)}]\n")
    lines += [f"    {flag}\n" for flag in flags]
    return [*lines, f"    {key}:\n", *(f"      - {quoted(value)}\n" for value in values)]


def whole(groups: list[Group]) -> list[str]:
    """Kinds that can only be granted whole, as a choice that is not made here."""
    lines = []
    for kind, says in WHOLE.items():
        count = sum(group.count for group in groups if group.kind == kind)
        if count:
            lines.append(f"  # - allow: [{kind}]  # {count:,} seen: {says}\n")
    return lines


def left_out(tally: Tally, strange: list[Group]) -> list[str]:
    """What the rules above do not grant, as comments."""
    denied = [group for group in tally.every() if group.denied]
    lines = named("Denied, and so not suggested", denied)
    lines += named("Seen, and nothing that a rule could name exactly", strange)
    more = sum(group.count for group in tally.others.values() if not group.denied)
    if more:
        lines.append(f"# Missing here, because the count had no more room: {plural(more, 'decision')}.\n")
    allowed = [(rule, count) for (word, rule), count in tally.counted.items() if word == "allowed"]
    silent = {rule: count for rule, count in allowed if rule not in NO_RULES}
    unnamed = silent.pop("default", 0)
    if unnamed:
        lines.append(f"# Missing here, because the default let it through silently: {plural(unnamed, 'act')}.\n")
    if silent:
        rules = ", ".join(sorted(plain(name, 100, utf8=False) for name in silent)[:NAMED])
        lines.append(
            f"# Keep these rules as well, which let {plural(sum(silent.values()), 'act')} through silently: {rules}.\n"
        )
    return lines


def named(title: str, groups: list[Group]) -> list[str]:
    """A comment line for each of the first few groups. ASCII: YAML ends a comment at more characters than LF."""
    lines = [f"# {title}:\n"] if groups else []
    for group in groups[:NAMED]:
        lines.append(f"#   {group.kind} {plain(subject_text(group.kind, group.subject), 80, utf8=False)}\n")
    if len(groups) > NAMED:
        lines.append(f"#   and {len(groups) - NAMED:,} more\n")
    return lines
