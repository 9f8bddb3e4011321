"""Imports point down. The table says which part of netguard may see which, and why; the source is read, not run.

What the shim makes an interpreter load is another question, asked of a fresh interpreter in `tests/shim/`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent


class Floor(NamedTuple):
    """One part: the parts it sees, what it may load of the standard library (None: anything), and why so."""

    sees: str
    why: str
    loads: frozenset[str] | None = None


#: In a guest, every further module costs each start of an interpreter, and may be one the guest has replaced. These are
#: in every interpreter before its first line, or are C modules that bring no other with them.
FREE = frozenset(
    {"sys", "builtins", "_thread", "posix", "os", "time", "marshal", "_imp", "_io", "_weakref", "_frozen_importlib"}
    | {"_frozen_importlib_external"}
)

FLOORS = {
    "core": Floor(
        "",
        "decides in the supervisor and in guests alike: pure, so a test shows what happens",
        frozenset({"_blake2"}),  # a pure function in C
    ),
    "record": Floor(
        "core",
        "makes and chains lines, in a guest without a supervisor too: nothing that a bare interpreter has not",
        FREE | {"_json", "_sha2", "_sha256", "hashlib"},  # C modules; `hashlib` only where neither of the two is there
    ),
    "denied": Floor("", "the class that guest and shim share, read by path where there is no netguard", frozenset()),
    "resolver": Floor(
        "core", "asks the resolver for the supervisor and for guests without one", frozenset({"_socket"})
    ),
    "shim": Floor(
        "core record resolver denied",
        "lives in the guest: where there is a supervisor it only asks; without one it decides and records by itself",
        # The finder and the wrappers load the first two when the guest itself has just loaded them; the others are C
        # modules that bring no other with them.
        FREE | {"_socket", "_posixsubprocess", "atexit", "pwd", "fcntl"},
    ),
    "errors": Floor("record", "every part raises them"),
    "paths": Floor("", "where our own files are; knows nothing of what is in them"),
    "policy": Floor("core errors paths", "text to compiled policy, tested without a guest and without a trail"),
    "dns": Floor(
        "core errors",
        "reads what servers and guests send and writes it anew; the supervisor starts with it, so it is light",
        FREE | {"_socket", "struct", "select", "errno"},
    ),
    "trail": Floor("core record errors paths", "writes and reads lines; must not know why a line was written"),
    "seccomp": Floor("core errors", "the kernel's side of the wall: asks, answers and acts, and decides nothing"),
    "supervisor": Floor(
        "core dns policy record resolver seccomp trail errors paths denied", "joins the parts; prints nothing"
    ),
    "views": Floor("core policy record trail supervisor errors paths", "show what is on record; they decide nothing"),
    "viewer": Floor(
        "core record trail views supervisor errors", "puts views on a terminal; starts a run and decides nothing"
    ),
    "inject": Floor(
        "core policy shim errors paths",
        "puts a guard where no supervisor is: it knows rules, files, and what the guard reads of the environment",
    ),
    "commands": Floor(
        "core policy record seccomp trail supervisor views viewer inject errors paths denied __init__",
        "what a person calls",
    ),
    "__init__": Floor("denied", "what a guest pays that imports netguard to catch `Denied`", frozenset()),
    "__main__": Floor("commands", "the door to the commands"),
    "sitecustomize": Floor(
        "shim",
        "runs first in every interpreter that is guarded",
        FREE | {"sitecustomize", "zipimport", "gc", "_signal"},  # the last two are built in
    ),
}

#: A third-party package has one owner: a change of it, or its removal, is a change of one file.
OWNERS = {
    "yaml": ("pyyaml", "policy/load.py"),
    "tomli": ("tomli", "policy/load.py"),
    "orjson": ("orjson", "trail/encoder.py"),
    "rich": ("rich", "views/live.py"),
}

#: Of the standard library, but with one owner all the same: `tomli` by another name; what can write to any memory.
OWNED = {"tomllib": "policy/load.py", "ctypes": "seccomp/abi.py"}


class Import(NamedTuple):
    """One import: the file, its line, and the absolute name of the module imported."""

    file: str
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.name}"


def _only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _statements(node: ast.AST, types_too: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if types_too or not _only_for_types(child):
            yield child
            yield from _statements(child, types_too)


def _names(statement: ast.AST, package: list[str]) -> list[str]:
    """The modules a statement imports; `from package import module` names the module."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    if not isinstance(statement, ast.ImportFrom) or statement.module == "__future__":
        return []
    above = package[: len(package) - statement.level + 1] if statement.level else []
    base = ".".join([*above, *([statement.module] if statement.module else [])])
    return [f"{base}.{alias.name}" for alias in statement.names]


def imports_of(path: Path, *, types_too: bool = False) -> list[Import]:
    """Every import in a file, inside functions too; with `types_too`, also those that only a type checker does."""
    relative = path.relative_to(ROOT)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        Import(str(relative), statement.lineno, name)  # type: ignore[attr-defined]
        for statement in _statements(tree, types_too)
        for name in _names(statement, list(relative.parent.parts))
    ]


def floor_of(path: Path) -> str:
    """The part a file belongs to: its folder under `netguard`, or itself where it lies beside those."""
    parts = path.relative_to(ROOT).parts
    return parts[0] if parts[0] != "netguard" else parts[1].removesuffix(".py")


FILES = sorted([*ROOT.glob("netguard/**/*.py"), *ROOT.glob("sitecustomize/*.py")])
by_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def test_every_part_has_a_row() -> None:
    assert {floor_of(path) for path in FILES} - set(FLOORS) == set()


@by_file
def test_imports_point_down(path: Path) -> None:
    floor = floor_of(path)
    seen = {floor, *FLOORS[floor].sees.split()}
    wrong = []
    for imported in imports_of(path, types_too=True):
        top, _, rest = imported.name.partition(".")
        part = rest.split(".")[0]
        if top == "netguard" and (part if part in FLOORS else "__init__") not in seen:
            wrong.append(str(imported))
    assert not wrong, f"{floor}: {FLOORS[floor].why}"


@by_file
def test_guest_code_loads_nothing_but_what_is_there(path: Path) -> None:
    floor = FLOORS[floor_of(path)]
    if floor.loads is not None:
        own = {"netguard"}
        wrong = [str(found) for found in imports_of(path) if found.name.split(".")[0] not in floor.loads | own]
        assert not wrong, floor.why


@by_file
def test_third_party_packages_are_imported_by_their_owner_alone(path: Path) -> None:
    inside = str(path.relative_to(ROOT)).removeprefix("netguard/")
    wrong = []
    for imported in imports_of(path, types_too=True):
        top = imported.name.split(".")[0]
        # With an underscore it is the standard library of another version: `_sha2` is not in 3.11's own list.
        ours = top in ("netguard", "sitecustomize") or top.startswith("_")
        theirs = top not in sys.stdlib_module_names and not ours
        if (theirs or top in OWNED) and inside not in (*OWNERS.get(top, ())[1:], OWNED.get(top)):
            wrong.append(str(imported))
    assert not wrong


def test_dependencies_are_those_that_have_an_owner() -> None:
    text = ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8")
    block = text.partition("\ndependencies = [\n")[2].partition("\n]")[0]
    required = re.findall(r'^\s*"([a-z0-9-]+)', block, re.MULTILINE)
    assert sorted(required) == sorted(distribution for distribution, _ in OWNERS.values())


def test_dependencies_each_say_why() -> None:
    text = ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8")
    block = text.partition("\ndependencies = [\n")[2].partition("[project.scripts]")[0]
    entries = [line for line in block.splitlines() if line.lstrip().startswith('"')]
    assert entries
    assert [line for line in entries if not re.search(r"#\s+\w", line)] == []
