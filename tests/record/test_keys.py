"""The record tables agree with each other, with the reference page, and with what verifies."""

from __future__ import annotations

import re
from pathlib import Path

import netguard
from netguard.record.keys import KEYS, KINDS, NAMES, OBJECTS, OWN, STAMPED

PAGE = Path(netguard.__file__).parent.parent / "docs" / "reference" / "trail.md"


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    section = PAGE.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    table = [one for one in section.splitlines() if one.startswith("|")][2:]
    return [[cell.strip() for cell in one.strip("|").split("|")] for one in table]


def names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def test_the_page_names_every_kind_and_its_keys() -> None:
    shown = {names(kind)[0]: (names(always), names(sometimes)) for kind, _, always, sometimes in rows("Kinds")}
    assert shown == {kind: (list(always), list(sometimes)) for kind, (always, sometimes) in KINDS.items()}


def test_the_page_names_every_object_and_its_keys() -> None:
    assert {names(key)[0]: names(keys) for key, keys in rows("Objects")} == {k: list(v) for k, v in OBJECTS.items()}


def test_the_page_explains_every_key() -> None:
    explained = [name for row in rows("On every line") + rows("Other keys") for name in names(row[0])]
    assert sorted(explained) == sorted({*STAMPED, *KEYS})


def test_every_key_has_its_place_on_the_line() -> None:
    used = {key for always, sometimes in KINDS.values() for key in (*always, *sometimes)}
    assert used | {"kind", "cut"} == set(KEYS)
    assert len(set(KEYS)) == len(KEYS)
    assert not set(KEYS) & set(STAMPED)
    assert set(OBJECTS) <= set(KEYS)
    assert OWN <= NAMES
