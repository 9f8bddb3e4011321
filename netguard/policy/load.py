"""Reads rule files: the text of YAML, JSON or TOML becomes nodes, and sources with their includes become a policy.

The one owner of `yaml` and `tomllib`. YAML is read event by event and never constructed: no tags, no anchors, so that
no file of a few lines can grow into gigabytes or into objects, and no nesting deeper than a rule file can mean.
JSON is read as the YAML that it is, which gives it lines and columns.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from netguard.errors import PolicyError
from netguard.paths import packs_dir
from netguard.policy.node import BOOL, EMPTY, LIST, MAP, NUMBER, TEXT, Node, Source, nearest, wrong
from netguard.policy.schema import MAX_DEPTH, MAX_FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from netguard.core.policy import Policy

PACK = "netguard:"
NULLS = frozenset(("", "~", "null", "Null", "NULL"))
BOOLS = frozenset(("true", "True", "TRUE", "false", "False", "FALSE"))
#: Characters that YAML keeps for itself at the front of a value, and that rules use there.
QUOTED = {"*": "a value that begins with *", "@": "a value that begins with @", "%": "a value that begins with %"}


# Text to nodes: YAML and JSON.


def yaml_parser(text: str) -> object:
    """PyYAML's event parser, in C where it was built so."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)


def spot(source: Source, mark: object, length: int = 1) -> Node:
    """A node that is only a place, for an error."""
    return Node(TEXT, "", source, mark.line + 1, mark.column + 1, length)  # type: ignore[attr-defined]  # yaml's Mark


def scalar(event: object, source: Source) -> Node:
    """A scalar as written. What it looks like counts only where it was not quoted."""
    value, start, end = event.value, event.start_mark, event.end_mark  # type: ignore[attr-defined]  # yaml's ScalarEvent
    length = end.column - start.column if end.line == start.line else len(source.line(start.line + 1)) - start.column
    kind = TEXT
    if not event.style:  # type: ignore[attr-defined]  # plain: "" in C, None in Python
        digits = value[1:] if value[:1] == "-" else value
        number = digits.isascii() and digits.isdigit()
        kind = EMPTY if value in NULLS else BOOL if value in BOOLS else NUMBER if number else TEXT
    return Node(kind, value, source, start.line + 1, start.column + 1, max(1, length))


def refuse_extras(event: object, source: Source) -> None:
    """Refuse tags, which name objects to be made, and anchors and aliases, with which ten lines become a gigabyte."""
    mark = event.start_mark  # type: ignore[attr-defined]  # every yaml event has one
    if getattr(event, "anchor", None) is not None:
        alias = type(event).__name__ == "AliasEvent"
        if alias:
            raise wrong(spot(source, mark), quote_hint("*") + "; YAML's aliases are not used in rule files")
        raise wrong(spot(source, mark), "anchors (&) are not used in rule files; write the value out, or use `lists`")
    if getattr(event, "tag", None) is not None:
        raise wrong(spot(source, mark), "tags (!) are not used in rule files")


def quote_hint(letter: str) -> str:
    return f"{QUOTED[letter]} must be quoted in YAML"


def read_yaml(source: Source) -> Node:
    """The tree of a YAML or JSON text. Raises PolicyError with the place of what is wrong."""
    import yaml

    try:
        return tree(yaml_parser(source.text), source)
    except yaml.YAMLError as error:
        raise yaml_complaint(error, source) from None


def yaml_complaint(error: Exception, source: Source) -> PolicyError:
    """PyYAML's complaint with the line shown, and with the advice that is almost always the right one."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:  # a character that YAML does not allow at all, which comes with an offset only
        return PolicyError(f"{source.shown}: {' '.join(str(error).split())[:200]}")
    for each in (mark, getattr(error, "context_mark", None) or mark):
        letter = source.line(each.line + 1)[each.column : each.column + 1]
        if letter in QUOTED:
            return wrong(spot(source, each), quote_hint(letter))
    problem = getattr(error, "problem", None) or "cannot be read"
    context = getattr(error, "context", None)
    return wrong(spot(source, mark), f"this is not YAML: {problem}" + (f" ({context})" if context else ""))


def tree(parser: object, source: Source) -> Node:
    """Nodes from events, without recursion: a hostile depth ends in an error and never in the C stack."""
    root = Node(LIST, [], source)
    stack: list[tuple[Node, list[Node]]] = [(root, root.items)]
    next_event = parser.get_event  # type: ignore[attr-defined]  # yaml's parser
    while True:
        event = next_event()
        name = type(event).__name__
        if name == "ScalarEvent":
            if event.anchor is not None or event.tag is not None:
                refuse_extras(event, source)
            stack[-1][1].append(scalar(event, source))
        elif name in ("MappingStartEvent", "SequenceStartEvent"):
            refuse_extras(event, source)
            mark = event.start_mark
            node = Node(MAP if name == "MappingStartEvent" else LIST, [], source, mark.line + 1, mark.column + 1)
            if len(stack) > MAX_DEPTH:
                raise wrong(node, f"nested more than {MAX_DEPTH} deep")
            stack[-1][1].append(node)
            stack.append((node, node.items if node.kind == LIST else []))
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            node, children = stack.pop()
            if node.kind == MAP:
                node.value = list(zip(children[::2], children[1::2], strict=True))
        elif name == "AliasEvent":
            refuse_extras(event, source)
        elif name == "DocumentStartEvent" and root.items:
            raise wrong(spot(source, event.start_mark, 3), "a rule file holds one document; this starts a second")
        elif name == "StreamEndEvent":
            return root.items[0] if root.items else Node(MAP, [], source, 1, 1)


SURROGATE_START = ("\\ud8", "\\ud9", "\\uda", "\\udb")


def joined_surrogates(text: str) -> str:
    """JSON writes a character beyond U+FFFF as two escapes, which YAML does not know: put the character itself."""
    if not any([start in text.lower() for start in SURROGATE_START]):
        return text
    import re

    pair = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

    def character(found: re.Match[str]) -> str:
        high, low = int(found[2], 16), int(found[3], 16)
        return found[1] + chr(0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF))

    return pair.sub(character, text)


def read_json(source: Source) -> Node:
    """The tree of a JSON text."""
    source.text = joined_surrogates(source.text)
    return read_yaml(source)


# Text to nodes: TOML.


def read_toml(source: Source) -> Node:
    """The tree of a TOML text. Its parser tells no places; lines are found again by their keys where that is sure."""
    try:
        import tomllib
    except ImportError:  # before Python 3.11
        import tomli as tomllib  # type: ignore[import-not-found,no-redef,unused-ignore]
    try:
        found = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{source.shown}: this is not TOML: {error}") from None
    except RecursionError:
        raise PolicyError(f"{source.shown}: nested more than {MAX_DEPTH} deep") from None
    root = toml_node(found, source, "", 0)
    place_toml(root, source)
    return root


def toml_node(value: object, source: Source, keys: str, depth: int) -> Node:
    """A TOML value as a node that knows its path of keys."""
    here = Node(TEXT, "", source, keys=keys)
    if depth > MAX_DEPTH:
        raise wrong(here, f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        pairs = [
            (Node(TEXT, key, source, keys=keys), toml_node(each, source, f"{keys}.{key}".lstrip("."), depth + 1))
            for key, each in value.items()
        ]
        return Node(MAP, pairs, source, keys=keys)
    if isinstance(value, list):
        nodes = [toml_node(each, source, f"{keys}[{place}]", depth + 1) for place, each in enumerate(value)]
        return Node(LIST, nodes, source, keys=keys)
    if isinstance(value, bool):
        return Node(BOOL, str(value).lower(), source, keys=keys)
    return Node(NUMBER if isinstance(value, int) else TEXT, str(value), source, keys=keys)


def place_toml(root: Node, source: Source) -> None:
    """Give each `[[rules]]` and `[[tests]]` table, and each key written plainly in it, its line.

    Only if there are as many headers as tables: a header inside a long string would put every place one off.
    """
    source.line(1)
    lines = [line.strip() for line in source.lines or ()]
    for key, value in root.pairs:
        heads = [number for number, line in enumerate(lines, 1) if line.replace(" ", "").startswith(f"[[{key.text}]]")]
        if value.kind == LIST and len(heads) == len(value.items):
            for number, item in zip(heads, value.items, strict=True):
                place_table(item, source, number)


def place_table(table: Node, source: Source, head: int) -> None:
    """Give the table's header line to it, and to its keys and their values the lines where they are set."""
    at(table, head, 1, len(source.line(head)))
    waiting = {key.text: (key, value) for key, value in table.pairs}
    number = head + 1
    while waiting and number <= len(source.lines or ()) and not source.line(number).startswith("["):
        line = source.line(number)
        name = line.partition("=")[0]
        key, value = waiting.pop(name.strip().strip("\"'"), (None, None)) if "=" in line else (None, None)
        if key is not None and value is not None:
            column = len(name) - len(name.lstrip()) + 1
            at(key, number, column, len(name.strip()))
            rest = line[len(name) + 1 :]
            at(value, number, len(name) + 2 + len(rest) - len(rest.lstrip()), len(rest.strip()))
        number += 1


def at(node: Node, line: int, column: int, length: int) -> None:
    """Place the node and what it holds there, as far as nothing nearer is known."""
    node.line, node.column, node.length = line, column, max(1, length)
    for each in [*node.items, *[part for pair in node.pairs for part in pair]]:
        at(each, line, column, length)


READERS = {".json": read_json, ".toml": read_toml}  # anything else is YAML


# Files.


def pack_names() -> list[str]:
    """The names of the packs that are shipped."""
    return sorted([name[:-5] for name in os.listdir(packs_dir()) if name.endswith(".yaml")])


def pack_path(name: str) -> str:
    return os.path.join(packs_dir(), name + ".yaml")


def find(named: str, folder: str = "") -> tuple[str, str]:
    """(how it is shown, its path) of a pack or a file.

    named:  `netguard:NAME`, a path, or a bare NAME, which is the pack if there is one.
    folder: what a relative path is relative to.
    """
    bare = named[len(PACK) :] if named.startswith(PACK) else named
    if named.startswith(PACK) or (not folder and "/" not in bare and "." not in bare and os.sep not in bare):
        if bare in pack_names():
            return PACK + bare, pack_path(bare)
        if named.startswith(PACK) or not os.path.exists(named):
            near = nearest(bare, pack_names())
            hint = f"; did you mean '{near}'?" if near else ""
            what = "rule pack" if named.startswith(PACK) else "rule file or pack"
            raise PolicyError(f"there is no {what} '{bare}'{hint} (packs: {', '.join(pack_names())})")
    path = os.path.join(folder, named)
    if bare in pack_names() and not os.path.exists(path):
        raise PolicyError(f"{path}: there is no such file; the pack is written {PACK}{bare}")
    return (path if folder else named), path


def read_text(shown: str, path: str, limit: int) -> str:
    """The text of a file. Raises PolicyError if it cannot be read, is not UTF-8 or has more bytes than the limit."""
    try:
        with open(path, "rb") as file:
            raw = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise PolicyError(f"{shown}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > limit:
        raise PolicyError(f"{shown}: larger than {limit >> 20} MiB; name long lists of destinations in a list file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise PolicyError(f"{shown}:{line}: not UTF-8 (byte 0x{raw[error.start]:02x})") from None


def read_file(shown: str, path: str) -> Node:
    """The tree of one rule file; its name's end says which format it is."""
    source = Source(shown, path, read_text(shown, path, MAX_FILE))
    return READERS.get(os.path.splitext(path)[1].lower(), read_yaml)(source)


def read_string(text: str, shown: str = "rules.yaml") -> Node:
    """The tree of a text that lies in no file; `shown` ends as its format wants."""
    return READERS.get(os.path.splitext(shown)[1].lower(), read_yaml)(Source(shown, shown, text))


def kept_policy(named: str) -> Policy | None:
    """The pack of this name from its kept form, or None if it has to be read. Spares the start a YAML parser."""
    bare = named.removeprefix(PACK)
    if bare not in pack_names() or find(named)[0] != PACK + bare:
        return None
    from netguard.policy.kept import kept

    return kept(bare)


def load_policy(sources: Sequence[str | Path], *, default: str | None = None, run_tests: bool = True) -> Policy:
    """The policy of these files and packs, in this order, with what they include.

    sources:   paths, or packs ("audit", "netguard:audit").
    default:   overrides what the files say happens when no rule matches.
    run_tests: whether the files' own tests are run; a file whose test fails is not what its author meant.

    Raises PolicyError, whose text shows the place, on anything wrong with the files or their tests.
    """
    kept = kept_policy(str(sources[0])) if len(sources) == 1 and default is None else None
    if kept is not None:
        return kept
    from netguard.policy.compose import compose

    return compose([str(source) for source in sources], default=default, run_tests=run_tests).policy
