"""Rows that fit a terminal: columns shrink, then drop; guest text is made plain here, once, as it becomes a cell.

How the width is shared. Verdict, kind and count are short and always whole. Destination, rule and code line begin with
the least that says anything (for the code line: file and line), and what is left of the terminal is handed out in the
order of `MORE`. A function's name is shown whole or not at all, so its column asks for no more than the longest that
fits. Bars take what nobody needs; only a wide terminal has them before the ends of long commands.
"""

from __future__ import annotations

from netguard.views.text import CUT, CUT_ASCII, columns_of, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

RED, GREEN, YELLOW, BOLD, DIM, OFF = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[1m", "\x1b[2m", "\x1b[0m"

#: Column names, over the row's own order.
HEAD = ("verdict", "kind", "destination", "count", "share", "rule", "asked by")
DESTINATION, COUNT, SHARE, RULE, CODE = 2, 3, 4, 5, 6
#: The least of each column that may be cut.
LEAST = {DESTINATION: 20, RULE: 10, CODE: 12}
#: What file and line may ask for where they are too long to be shown whole.
PLACE = 18
#: Who gets the rest, in this order, and up to how many columns; None: all it can use. A destination first asks for what
#: the network's rows need, because a name or an address that is cut says less than a command that is.
MORE = ((RULE, 16), (CODE, 20), (DESTINATION, 32), (RULE, 32), (CODE, 44), (SHARE, None), (DESTINATION, None))
#: On a terminal too narrow for the least and so many columns more, these go, in this order: where the code line would
#: have both its neighbours cut, it is worth less than they are.
DROP = ((CODE, 6), (RULE, 0))
GAP = 2
#: Columns of a row's bar, and of a terminal that is wide enough for bars before all else is whole.
BAR, WIDE = 10, 100
#: A column in eighths, from the left. ASCII has whole ones, and a sign for less than half of one.
EIGHTHS, WHOLE_ASCII, LESS_ASCII = "▏▎▍▌▋▊▉█", "#", "."


class Row:
    """One line of the table, raw.

    extra: shown behind the destination if there is room for both (the address behind a name).
    code:  file with line, and the function, shown if there is room for both.
    tail:  a destination that is too long loses its beginning, not its end.
    """

    __slots__ = ("code", "count", "extra", "ink", "kind", "rule", "tail", "text", "verdict")

    def __init__(
        self,
        verdict: str,
        ink: str,
        kind: str,
        text: str,
        extra: str,
        count: int,
        rule: str,
        code: tuple[str, str],
        tail: bool,
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
        code = " ".join(part for part in self.code if part)
        return self.verdict, self.kind, self.text + self.extra, f"{self.count:,}", "", self.rule, code


class Table:
    """Lines as they will stand on the screen; the only place that knows of columns and colours."""

    def __init__(self, width: int, colour: bool, utf8: bool) -> None:
        self.width = width
        self.colour = colour
        self.utf8 = utf8
        self.lines: list[str] = []
        self.whole = 0

    def line(self, text: str, ink: str = "") -> None:
        """One line of our own words, or of words that are plain already."""
        self.lines.append(f"{self.paint(text, ink)}\n")

    def cut_line(self, text: str, ink: str = "") -> None:
        """One line of raw words, cut to the width."""
        self.line(plain(text, self.width, utf8=self.utf8), ink)

    def paint(self, text: str, ink: str) -> str:
        """The text in a colour, if colours are wanted."""
        return f"{ink}{text}{OFF}" if self.colour and ink else text

    def rows(self, sections: Iterable[tuple[list[Row], str]], whole: int = 0) -> None:
        """Sections below one head, each with the line that says what was folded away (or "").

        whole: how many decisions a full bar stands for; 0: no bars.
        """
        sections = list(sections)
        all_rows = [row for rows, _ in sections for row in rows]
        # Bars that are all alike say nothing.
        self.whole = whole if len({row.count for row in all_rows}) > 1 else 0
        widths = self.widths(all_rows)
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
                text = self.cell(text if self.fits(text, width) else row.text, width, row.tail)
            elif column == CODE:
                text = self.cell(text if self.fits(text, width) else row.code[0], width, True)  # the line is at the end
            elif column == COUNT:
                text = text.rjust(width)
            elif column == SHARE:
                text = bar(row.count, self.whole, width, self.utf8).ljust(width)
            else:
                text = self.cell(text, width)
            cells.append(self.paint(text, row.ink) if column in (0, SHARE) else text)
        self.lines.append((" " * GAP).join(cells).rstrip(" ") + "\n")

    def columns(self, text: str) -> int:
        """Columns of raw text, no more than the terminal has."""
        return columns_of(plain(text, self.width, utf8=self.utf8))

    def fits(self, text: str, width: int) -> bool:
        """Whether raw text can be shown whole."""
        return columns_of(plain(text, utf8=self.utf8)) <= width

    def cell(self, text: str, width: int, tail: bool = False) -> str:
        """Raw text made plain, cut and filled up to `width` columns."""
        text = plain(text, width, tail=tail, utf8=self.utf8)
        return text + " " * (width - columns_of(text))

    def widths(self, rows: list[Row]) -> list[int]:
        """Columns for each cell, 0 for one that is left out; [] if there are no rows."""
        if not rows:
            return []
        cells = [[self.columns(text) for text in row.cells()] for row in rows]
        wanted = [max(column) for column in zip([len(name) for name in HEAD], *cells, strict=True)]
        widths = [min(width, LEAST.get(column, width)) for column, width in enumerate(wanted)]
        widths[SHARE] = 0
        for column, spare in DROP:
            if total(widths) + spare > self.width:
                widths[column] = 0
        wishes = {
            RULE: [wanted[RULE]],
            CODE: [row[CODE] for row in cells] + [min(PLACE, self.columns(row.code[0])) for row in rows],
            DESTINATION: [self.columns(row.text) for row in rows if row.tail],
        }
        for column, most in MORE:
            room = widths[column] + max(0, self.width - total(widths))
            if column == SHARE:
                widths[column] = BAR if self.has_bars(widths, wanted, cells, rows) else 0
            elif most is None:
                widths[column] = min(room, wanted[column])
            elif widths[column]:
                wish = best(wishes[column], min(most, room), whole=column == CODE)
                widths[column] = max(widths[column], wish)
        # What is too wide even now has only the destination left to give.
        widths[DESTINATION] -= max(0, total(widths) - self.width)
        return widths

    def has_bars(self, widths: list[int], wanted: list[int], cells: list[list[int]], rows: list[Row]) -> bool:
        """Whether there is room for bars beside all that is wanted; if it is wide, but for the ends of commands."""
        need = [max(pair) for pair in zip(widths, wanted, strict=True)]
        if self.width >= WIDE:
            named = [cell[DESTINATION] for cell, row in zip(cells, rows, strict=True) if row.tail]
            need = [*widths]
            need[DESTINATION] = max([widths[DESTINATION], *named])
        need[SHARE] = BAR
        return self.whole > 0 and total(need) <= self.width


def bar(count: int, whole: int, width: int, utf8: bool) -> str:
    """A row's share of the whole, linear. What is more than nothing shows."""
    eighths = max(1, min(count, whole) * width * 8 // whole)
    full, part = divmod(eighths, 8)
    if utf8:
        return EIGHTHS[7] * full + (EIGHTHS[part - 1] if part else "")
    return WHOLE_ASCII * (full + (part >= 4)) or LESS_ASCII


def total(widths: list[int]) -> int:
    """Columns that a row takes, gaps included."""
    shown = [width for width in widths if width]
    return sum(shown) + GAP * (len(shown) - 1)


def best(wishes: list[int], room: int, *, whole: bool) -> int:
    """The most that the room can be used for; whole: by a cell that fits into it."""
    return max([wish for wish in wishes if wish <= room], default=0) if whole else min(room, max(wishes, default=0))
