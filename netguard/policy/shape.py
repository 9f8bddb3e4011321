"""Turns nodes into the plain values that a key wants, or says where and how they are not of its shape."""

from __future__ import annotations

from collections.abc import Collection

from netguard.policy.node import BOOL, EMPTY, LIST, MAP, NUMBER, TEXT, Node, meant, wrong
from netguard.policy.schema import MAX_TEXT, Key

#: Words that other YAML readers take for true or false. Here they are neither, and text only where text is wanted.
OTHER_BOOLS = frozenset(("yes", "no", "on", "off", "y", "n", "0", "1"))


def entries(node: Node, what: str) -> list[tuple[Node, Node]]:
    """The pairs of a mapping whose keys are texts, none twice."""
    if node.kind != MAP:
        raise wrong(node, f"{what} must be a mapping of keys to values, not {node.kind}")
    seen: dict[str, Node] = {}
    for key, _ in node.pairs:
        if key.kind in (LIST, MAP, EMPTY):
            raise wrong(key, f"a key of {what} must be text, not {key.kind}")
        if key.text in seen:
            raise wrong(key, f"'{key.text}' stands twice in {what}; the first is at line {seen[key.text].line}")
        seen[key.text] = key
    return node.pairs


def known(node: Node, keys: dict[str, Key], what: str) -> dict[str, tuple[Node, Node]]:
    """The pairs of a mapping by name, each a key of this table that this version builds."""
    found = {}
    for key, value in entries(node, what):
        entry = keys.get(key.text)
        if entry is None:
            raise wrong(key, f"unknown key '{key.text}' in {what}{meant(key.text, keys)}")
        if entry.refused:
            raise wrong(key, f"'{key.text}' {entry.refused}")
        found[key.text] = (key, value)
    return found


def text(node: Node, what: str) -> str:
    """The text as it was written, a number or a word such as `no` included."""
    if node.kind in (LIST, MAP):
        raise wrong(node, f"{what} must be text, not {node.kind}")
    if node.kind == EMPTY or not node.text:
        raise wrong(node, f"{what} is empty")
    if len(node.text) > MAX_TEXT:
        raise wrong(node, f"{what} is longer than {MAX_TEXT} characters", length=1)
    return node.text


def plain(node: Node, what: str) -> str:
    """A text that is shown to people on one line: nothing in it may steer their terminal."""
    line = " ".join(text(node, what).split())
    if not line.isprintable() or not line:
        raise wrong(node, f"{what} holds characters that cannot be printed")
    return line


def items(node: Node, what: str) -> list[Node]:
    """A list's items, or the one value alone."""
    if node.kind == LIST and not node.items:
        raise wrong(node, f"{what} is an empty list, which nothing could ever match")
    return node.items if node.kind == LIST else [node]


def texts(node: Node, what: str) -> tuple[str, ...]:
    """One text or a list of them; each once."""
    return tuple(dict.fromkeys([text(item, what) for item in items(node, what)]))


def choice(node: Node, what: str, words: Collection[str]) -> str:
    """One of these words."""
    found = text(node, what)
    if found not in words:
        raise wrong(node, f"{what} cannot be '{found}'{meant(found, words)}")
    return found


def flag(node: Node, what: str) -> bool:
    """true or false, unquoted."""
    if node.kind != BOOL:
        shown = f"'{node.text}'" if node.kind in (TEXT, NUMBER) else node.kind
        quoted = " without quotes" if node.text.lower() in ("true", "false") else ""
        spelled = quoted or (" spelled out" if node.text.lower() in OTHER_BOOLS else "")
        raise wrong(node, f"{what} must be true or false{spelled}, not {shown}")
    return node.text.lower() == "true"


def number(node: Node, what: str, low: int, high: int) -> int:
    """A whole number between these two, unquoted."""
    if node.kind != NUMBER:
        raise wrong(node, f"{what} must be a whole number, not {node.kind}")
    if len(node.text) > 18 or not low <= int(node.text) <= high:
        raise wrong(node, f"{what} must be between {low} and {high}")
    return int(node.text)
