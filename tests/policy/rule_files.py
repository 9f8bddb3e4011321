"""Rule files for whoever holds something to all of them: those that are shipped or shown, and those of other tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from netguard.errors import PolicyError
from netguard.policy.compose import Files
from netguard.policy.load import read_string
from netguard.policy.node import BOOL, EMPTY, LIST, MAP, NUMBER, Node

ROOT = Path(__file__).parent.parent.parent


def shipped() -> Iterator[tuple[str, str]]:
    """(name, text) of each pack, each example, and each rule file that a page shows."""
    for path in [*sorted((ROOT / "rules").glob("*.yaml")), *sorted((ROOT / "examples").rglob("*.yaml"))]:
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for number, text in enumerate(re.findall(r"(?ms)^```yaml.*?\n(.*?)^```$", page.read_text(encoding="utf-8"))):
            if "version: 1" in text:
                yield f"{page.relative_to(ROOT).as_posix()}:{number}", text


def of_tests() -> Iterator[tuple[str, str]]:
    """(place, text) of each text in the tests that could be a rule file, or one without its first line."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"\w: ", node.value):
                for before in ("", "version: 1\n", "version: 1\nrules:\n", "version: 1\nrules:\n  - "):
                    yield f"{path.relative_to(ROOT).as_posix()}:{node.lineno}", before + node.value


def tree(text: str) -> Node | None:
    """The text's tree if the loader takes it all, else None. Tests of it need not hold."""
    try:
        node = read_string(text, str(ROOT / "rules" / "some.yaml"))
        Files().build(node)
    except (PolicyError, ValueError):
        return None
    return node


def value(node: Node) -> object:
    """What the loader takes the node for."""
    if node.kind == MAP:
        return {key.text: value(each) for key, each in node.pairs}
    if node.kind == LIST:
        return [value(each) for each in node.items]
    words = {NUMBER: int, BOOL: lambda text: text.lower() == "true", EMPTY: lambda text: None}
    return words[node.kind](node.text) if node.kind in words else node.text


class Reader(yaml.SafeLoader):
    """YAML as others read it, who take `no` for false and 1.10 for a number; only that a day stays a text."""


Reader.add_constructor("tag:yaml.org,2002:timestamp", yaml.SafeLoader.construct_yaml_str)


def elsewhere(text: str) -> object:
    """What another reader takes the text for, as JSON has it: with texts for keys."""

    def named(found: object) -> object:
        if isinstance(found, dict):
            return {str(key): named(each) for key, each in found.items()}
        return [named(each) for each in found] if isinstance(found, list) else found

    return named(yaml.load(text, Reader))
