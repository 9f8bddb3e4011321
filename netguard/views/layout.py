"""How the live view shares the screen out: which columns a width has, how many rows each part gets. Numbers only.

Both depend on the size of the screen and on what kinds of parts there are, never on the length of a text: a view whose
columns move with every event cannot be read.
"""

from __future__ import annotations

from typing import NamedTuple

from netguard.views.line import GAP

#: The first column of the screen: where the mark of the selected event stands.
GUTTER = 1

#: From a width on: columns of kind, rule, outcome, code line of an event; 0: left out. What is left is the subject's.
EVENT_WIDTHS = (
    (200, (7, 30, 14, 44)),
    (160, (7, 24, 14, 36)),
    (120, (7, 14, 12, 24)),
    (100, (7, 12, 0, 20)),
    (80, (7, 0, 0, 18)),
    (60, (7, 0, 0, 0)),
    (0, (0, 0, 0, 0)),
)

#: The same for a destination: kind, rule, code line; and where bytes are known: kind, rule, code line.
DESTINATION_WIDTHS = (
    (200, (7, 30, 44), (7, 30, 44)),
    (160, (7, 24, 36), (7, 24, 36)),
    (120, (7, 16, 24), (7, 16, 20)),
    (100, (7, 14, 18), (7, 14, 0)),
    (80, (7, 16, 0), (7, 0, 0)),
    (60, (7, 0, 0), (0, 0, 0)),
    (0, (0, 0, 0), (0, 0, 0)),
)

#: `would deny` stands in dry runs alone.
WORD, WORD_DRY = 7, 10
TIME, COUNT, BYTES = 8, 7, 7
#: Below this, bytes have no column.
BYTES_FROM = 60


class Rows(NamedTuple):
    """How many lines each part has on a screen, headings counted; 0: left out. space, air: blank lines between them."""

    title: int
    coverage: int
    totals: int
    rate: int
    space: int
    findings: int
    limits: int
    destinations: int
    air: int
    events: int
    footer: int


def event_columns(width: int, dry_run: bool) -> list[tuple[str, int]]:
    """The columns of an event, with their widths."""
    kind, rule, outcome, code = next(row for least, row in EVENT_WIDTHS if width >= least)
    columns = [("time", TIME), ("verdict", WORD_DRY if dry_run else WORD), ("kind", kind), ("", 1)]
    return filled([*columns, ("outcome", outcome), ("rule", rule), ("asked by", code)], width)


def destination_columns(width: int, dry_run: bool, has_bytes: bool) -> list[tuple[str, int]]:
    """The columns of a destination, with their widths."""
    _, without, with_bytes = next(row for row in DESTINATION_WIDTHS if width >= row[0])
    kind, rule, code = with_bytes if has_bytes else without
    some = BYTES if has_bytes and width >= BYTES_FROM else 0
    columns = [("verdict", WORD_DRY if dry_run else WORD), ("kind", kind), ("", 1), ("count", COUNT)]
    columns += [("sent", some), ("received", some + bool(some)), ("rule", rule), ("asked by", code)]
    return filled(columns, width)


def filled(columns: list[tuple[str, int]], width: int) -> list[tuple[str, int]]:
    """Columns without those that are left out; the one without a name, the subject's, takes what is left."""
    columns = [(name, wide) for name, wide in columns if wide]
    rest = width - GUTTER - sum([wide for name, wide in columns if name]) - GAP * (len(columns) - 1)
    return [(name, wide if name else max(1, rest)) for name, wide in columns]


def share(height: int, *, findings: int, limits: int, destinations: int) -> Rows:
    """Lines for each part of the main page, for so many findings, limits and destinations that there are.

    Events get what the others leave, at least a line; the parts that explain go first where there is little room.
    """
    title, footer = 1, int(height >= 4)
    coverage, totals, rate = int(height >= 8), int(height >= 11), int(height >= 10)
    space, air = int(height >= 28), int(height >= 20)
    left = height - title - footer - coverage - totals - rate - space
    found = part(findings, left // 4) if left >= 4 else 0
    edge = part(limits, left // 5) if left >= 8 else 0
    left -= found + edge
    most = (left - air) * 2 // 5 if left >= 8 else 3
    reached = part(destinations, most) if left >= 6 else 0
    return Rows(title, coverage, totals, rate, space, found, edge, reached, air, left - reached - air, footer)


def part(count: int, most: int) -> int:
    """Lines of a part with so many rows and a heading; 0 if there is nothing in it."""
    return min(count + 1, max(2, most)) if count else 0
