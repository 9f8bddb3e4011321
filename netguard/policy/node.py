"""What stands in a rule file, with the place where it stands, and how an error shows that place.

The three formats all become this one tree; what a value means is decided by the key it stands under and never by how it
looks, so `no`, `1.10` and `22:30` stay the texts their author wrote.
"""

from __future__ import annotations

from collections.abc import Iterable

from netguard.errors import PolicyError

TEXT, NUMBER, BOOL, EMPTY, LIST, MAP = "text", "a number", "true or false", "empty", "a list", "a mapping"
WIDTH = 100  # of a source line in an error: a minified JSON policy is one line of a megabyte


class Source:
    """One rule file.

    shown:  the file as the user named it, or `netguard:NAME` for a pack.
    path:   where it is, for what it names relative to itself.
    """

    __slots__ = ("lines", "path", "shown", "text")

    def __init__(self, shown: str, path: str, text: str) -> None:
        self.shown = shown
        self.path = path
        self.text = text
        self.lines: list[str] | None = None

    def line(self, number: int) -> str:
        """The line with this number, from 1; "" if there is none."""
        if self.lines is None:
            # Not splitlines(): it also breaks at characters that no rule format counts as the end of a line.
            self.lines = self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""


class Node:
    """A value and where it stands.

    kind:   TEXT, NUMBER, BOOL, EMPTY, LIST or MAP: what it looks like.
    value:  the text as written for the first four, a list of nodes, or a list of (key node, value node).
    line:   from 1; 0 where the format's parser does not tell (TOML), and `keys` says it instead.
    column: from 1.
    length: of the text on its line, for the marker.
    """

    __slots__ = ("column", "keys", "kind", "length", "line", "source", "value")

    def __init__(
        self, kind: str, value: object, source: Source, line: int = 0, column: int = 0, length: int = 1, keys: str = ""
    ) -> None:
        self.kind = kind
        self.value = value
        self.source = source
        self.line = line
        self.column = column
        self.length = length
        self.keys = keys

    @property
    def text(self) -> str:
        return str(self.value)

    @property
    def items(self) -> list[Node]:
        return self.value if self.kind == LIST else []  # type: ignore[return-value]  # a LIST holds nodes

    @property
    def pairs(self) -> list[tuple[Node, Node]]:
        return self.value if self.kind == MAP else []  # type: ignore[return-value]  # a MAP holds pairs of nodes

    def place(self) -> str:
        """`file:line:column`, or as much of it as is known."""
        if self.line:
            return f"{self.source.shown}:{self.line}:{self.column}"
        return f"{self.source.shown}: {self.keys}" if self.keys else self.source.shown


def printable(text: str) -> str:
    """The text with what could steer a terminal shown as its escape."""
    return text if text.isprintable() else "".join([c if c.isprintable() else repr(c)[1:-1] for c in text])


def excerpt(line: str, column: int, length: int) -> str:
    """The source line and a marker under the culprit, cut to a window around it if the line is long."""
    start = max(0, column - 1 - WIDTH // 2) if len(line) > WIDTH else 0
    before = printable(line[start : column - 1].replace("\t", " "))
    culprit = printable(line[column - 1 : column - 1 + min(length, WIDTH)])
    after = printable(line[column - 1 + length : start + WIDTH])
    return f"  {before}{culprit}{after}".rstrip() + f"\n  {' ' * len(before)}{'^' * max(1, len(culprit))}"


def complaint(node: Node, message: str, offset: int = 0, length: int | None = None) -> str:
    """The message as a person reads it: place, message, the line, a marker.

    node:   what is wrong.
    offset, length: the part of the node's text that is wrong, if it is only a part.
    """
    line = node.source.line(node.line)
    quote = 1 if length is not None and line[node.column - 1 : node.column] in ("'", '"') else 0
    column, length = node.column + offset + quote, node.length if length is None else length
    if not line:
        return printable(f"{node.place()}: {message}")
    return printable(f"{node.source.shown}:{node.line}:{column}: {message}") + "\n" + excerpt(line, column, length)


def wrong(node: Node, message: str, offset: int = 0, length: int | None = None) -> PolicyError:
    """The error to raise about this node."""
    return PolicyError(complaint(node, message, offset, length))


def nearest(word: str, words: Iterable[str], likeness: float = 0.6) -> str:
    """The word among these that was probably meant, or ""."""
    from difflib import get_close_matches  # only on the way to an error: it takes 5 ms to import

    by_lower = {each.lower(): each for each in words}
    found = get_close_matches(word.lower(), by_lower, 1, likeness)
    return by_lower[found[0]] if found else ""


def meant(word: str, words: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or all that there are if none is near."""
    near = nearest(word, words)
    if near:
        return f"; did you mean '{near}'?"
    return f"; it can be {', '.join(words)}"
