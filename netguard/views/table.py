"""Rows that fit a terminal: columns shrink, then drop; guest text is made plain here, once, as it becomes a cell."""

from __future__ import annotations

from netguard.views.text import CUT, CUT_ASCII, columns_of, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

RED, GREEN, YELLOW, BOLD, DIM, OFF = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[1m", "\x1b[2m", "\x1b[0m"

#: Column names, over the row's own order.
HEAD = ("verdict", "kind", "destination", "count", "rule", "asked by")
DESTINATION, COUNT, RULE, CODE = 2, 3, 4, 5
#: No column but the destination's is wider than this, however much room there is.
WIDEST = {RULE: 24, CODE: 32}
#: When room is short, columns shrink in this order, down to what each needs to say anything: 80 columns hold a
#: destination of 24, a rule of 8 and a code line of 18.
SHRINK = {DESTINATION: 24, CODE: 14, RULE: 7}
#: On a terminal too narrow for even that, these go, in this order, and the destination takes what is left.
DROP = (CODE, RULE)
GAP = 2


class Row:
    """One line of the table, raw.

    extra: shown behind the destination if there is room for both (the address behind a name).
    tail:  a destination that is too long loses its beginning, not its end.
    """

    __slots__ = ("code", "count", "extra", "ink", "kind", "rule", "tail", "text", "verdict")

    def __init__(
        self, verdict: str, ink: str, kind: str, text: str, extra: str, count: int, rule: str, code: str, tail: bool
    ) -> None:
        self.verdict = verdict
        self.ink = ink
        self.kind = kind
        self.text = text
        self.extra = extra
        self.count = count
        self.rule = rule
        self.code = code
        self.tail = tail

    def cells(self) -> tuple[str, ...]:
        """Raw text of each column, in the order of HEAD."""
        return self.verdict, self.kind, self.text + self.extra, f"{self.count:,}", self.rule, self.code


class Table:
    """Lines as they will stand on the screen; the only place that knows of columns and colours."""

    def __init__(self, width: int, colour: bool, utf8: bool) -> None:
        self.width = width
        self.colour = colour
        self.utf8 = utf8
        self.lines: list[str] = []

    def line(self, text: str, ink: str = "") -> None:
        """One line of our own words, or of words that are plain already."""
        self.lines.append(f"{self.paint(text, ink)}\n")

    def cut_line(self, text: str, ink: str = "") -> None:
        """One line of raw words, cut to the width."""
        self.line(plain(text, self.width, utf8=self.utf8), ink)

    def paint(self, text: str, ink: str) -> str:
        """The text in a colour, if colours are wanted."""
        return f"{ink}{text}{OFF}" if self.colour and ink else text

    def rows(self, sections: Iterable[tuple[list[Row], str]]) -> None:
        """Sections below one head, each with the line that says what was folded away (or "")."""
        sections = list(sections)
        widths = self.widths([row for rows, _ in sections for row in rows])
        if not widths:
            return
        head = [self.cell(name, width) for name, width in zip(HEAD, widths, strict=True) if width]
        self.line((" " * GAP).join(head).rstrip(), DIM)
        for rows, fold in sections:
            for row in rows:
                self.row(row, widths)
            if fold:
                self.cut_line(f"{CUT if self.utf8 else CUT_ASCII} {fold}")

    def row(self, row: Row, widths: list[int]) -> None:
        """One row, its verdict painted."""
        cells = []
        for column, (text, width) in enumerate(zip(row.cells(), widths, strict=True)):
            if not width:
                continue
            if column == DESTINATION:
                text = self.cell(self.destination(row, width), width, row.tail)
            elif column == COUNT:
                text = text.rjust(width)
            else:
                text = self.cell(text, width)
            cells.append(self.paint(text, row.ink) if column == 0 else text)
        self.lines.append((" " * GAP).join(cells).rstrip(" ") + "\n")

    def destination(self, row: Row, width: int) -> str:
        """The destination with the address behind it, or without if both do not fit."""
        both = row.text + row.extra
        return both if columns_of(plain(both, utf8=self.utf8)) <= width else row.text

    def cell(self, text: str, width: int, tail: bool = False) -> str:
        """Raw text made plain, cut and filled up to `width` columns."""
        text = plain(text, width, tail=tail, utf8=self.utf8)
        return text + " " * (width - columns_of(text))

    def widths(self, rows: list[Row]) -> list[int]:
        """Columns for each cell, 0 for one that is left out; [] if there are no rows."""
        if not rows:
            return []
        columns = zip(HEAD, *(row.cells() for row in rows), strict=True)
        widths = [max(columns_of(plain(text, self.width, utf8=self.utf8)) for text in column) for column in columns]
        for column, widest in WIDEST.items():
            widths[column] = min(widths[column], widest)
        for column in DROP:
            if least(widths) > self.width:
                widths[column] = 0
        for column, least_width in SHRINK.items():
            over = total(widths) - self.width
            widths[column] = min(widths[column], max(least_width, widths[column] - over))
        # What is too wide even now has only the destination left to give.
        widths[DESTINATION] -= max(0, total(widths) - self.width)
        return widths


def total(widths: list[int]) -> int:
    """Columns that a row takes, gaps included."""
    shown = [width for width in widths if width]
    return sum(shown) + GAP * (len(shown) - 1)


def least(widths: list[int]) -> int:
    """Columns that a row takes when all that may shrink has shrunk."""
    return total([min(width, SHRINK.get(column, width)) for column, width in enumerate(widths)])
