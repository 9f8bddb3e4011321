"""The lists that a rule file can name: its own, those of its includes, and the built-in ones."""

from __future__ import annotations

import os

from netguard.core.policy import Target
from netguard.errors import PolicyError
from netguard.policy.node import MAP, Node, complaint, meant, wrong
from netguard.policy.schema import BUILTIN, FORMATS, LIST_KEYS, MAX_DEPTH, MAX_ENTRIES, MAX_LIST_FILE
from netguard.policy.shape import choice, entries, items, known, text
from netguard.policy.target import BadTarget, builtin_targets, parse_ports, parse_target, with_ports

LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


class Scope:
    """The lists of one file. Each is read when a rule first names it, and then shared.

    nodes:  the file's own lists by name, (key, value).
    above:  the scopes of its includes; the last that has a name wins.
    made:   destinations held so far. A list that several rules share counts once; joined or with ports it is new.
    used:   names that a rule asked for, so that `check` can speak of the others.
    """

    def __init__(self, nodes: dict[str, tuple[Node, Node]], above: tuple[Scope, ...] = ()) -> None:
        self.nodes = nodes
        self.visible: dict[str, Scope] = {}
        for scope in above:
            self.visible.update(scope.visible)
        self.visible.update(dict.fromkeys(nodes, self))
        self.made = 0
        self.used: set[str] = set()
        self.ready: dict[str, tuple[Target, ...]] = {}
        self.open: list[str] = []

    def names(self) -> list[str]:
        return [*BUILTIN, *self.visible]

    def keep(self, targets: tuple[Target, ...], node: Node) -> tuple[Target, ...]:
        """The same, counted: a file of a few lines could otherwise join a long list with itself until memory ends."""
        self.made += len(targets)
        if self.made > MAX_ENTRIES:
            raise wrong(node, f"this brings the destinations of this file to more than {MAX_ENTRIES:,}")
        return targets

    def targets(self, node: Node) -> tuple[Target, ...]:
        """The destinations that a `to` or a list names. Raises PolicyError with the place of a wrong one."""
        entries = items(node, "a list of destinations")
        if len(entries) == 1:
            return self.destination(entries[0])
        found: dict[tuple[object, ...], Target] = {}
        for item in entries:
            for target in self.destination(item):
                found.setdefault((target.form, target.value, target.ports), target)
        return self.keep(tuple(found.values()), node)

    def destination(self, node: Node) -> tuple[Target, ...]:
        """One entry: a destination, or all those of the @list it names."""
        written = text(node, "a destination")
        try:
            if not written.startswith("@"):
                return (parse_target(written),)
            name, colon, ports_text = written[1:].partition(":")
            targets = self.named(name, node)
            if not colon:
                return targets
            ports = parse_ports(ports_text, len(name) + 2)
            return self.keep(tuple([with_ports(target, ports, written) for target in targets]), node)
        except BadTarget as error:
            part = (error.offset, error.length) if error.length else (0, None)
            raise wrong(node, str(error), *part) from None

    def named(self, name: str, node: Node) -> tuple[Target, ...]:
        """The destinations of @name, asked for at this node."""
        if name in BUILTIN:
            return builtin_targets(name)
        scope = self.visible.get(name)
        if scope is None:
            raise wrong(node, f"there is no list '@{name}'{meant('@' + name, ['@' + each for each in self.names()])}")
        return scope.own(name, node)

    def own(self, name: str, node: Node) -> tuple[Target, ...]:
        """The destinations of one of the file's own lists, asked for at this node."""
        self.used.add(name)
        if name in self.open:
            raise wrong(node, f"the list '@{name}' holds itself: {' > '.join([*self.open, name])}")
        if len(self.open) >= MAX_DEPTH:
            raise wrong(node, f"lists within lists, more than {MAX_DEPTH} deep")
        if name not in self.ready:
            self.open.append(name)
            self.ready[name] = self.read(self.nodes[name][1])
            self.open.pop()
        return self.ready[name]

    def read(self, node: Node) -> tuple[Target, ...]:
        """The destinations of a list, written out or in a file."""
        if node.kind != MAP:
            return self.targets(node)
        from netguard.policy.lists import read_list
        from netguard.policy.load import read_text

        keys = known(node, LIST_KEYS, "a list")
        for name in LIST_KEYS:
            if name not in keys:
                raise wrong(node, f"a list from a file needs '{name}'")
        file = text(keys["file"][1], "a list's file")
        form = choice(keys["format"][1], "a list's format", FORMATS)
        path = os.path.join(os.path.dirname(node.source.path), file)
        try:
            found = read_list(read_text(file, path, MAX_LIST_FILE), form, file)
        except PolicyError as error:
            raise PolicyError(f"{complaint(keys['file'][1], 'this list cannot be used')}\n{error}") from None
        if not found:
            raise wrong(keys["file"][1], "this list is empty; a rule with it would match nothing")
        return self.keep(found, keys["file"][1])


def scope_of(node: Node | None, above: tuple[Scope, ...]) -> Scope:
    """The scope of a file from its `lists`. Raises PolicyError on a name that is none or is built in."""
    pairs = entries(node, "lists") if node is not None else []
    for key, _ in pairs:
        if not LETTERS.issuperset(key.text):
            raise wrong(key, f"a list's name has letters, digits, - and _; not '{key.text}'")
        if key.text in BUILTIN:
            raise wrong(key, f"'@{key.text}' is built in and means {BUILTIN[key.text]}; give the list another name")
    return Scope({key.text: (key, value) for key, value in pairs}, above)
