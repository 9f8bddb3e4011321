"""A line of a screen as parts, each a text and the name of a style; what paints it knows what the styles look like.

Every text in a part is plain already: guest text goes through `text.plain` when the part is made.
"""

from __future__ import annotations

from netguard.views.text import columns_of, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    #: A raw text, its style, and whether it stands at the right (">") or loses its beginning ("<") when it is cut.
    Cell = tuple[str, str, str]

#: Names of styles. `warn` is what is not as it should be without being denied; `painted` a text with our own SGR in it.
NONE, DIM, BOLD, RED, GREEN, WARN, HEAD, PAINTED = "", "dim", "bold", "red", "green", "warn", "head", "painted"

GAP = 2


class Line:
    """One line. chosen: it is shown as the selected one."""

    __slots__ = ("chosen", "parts")

    def __init__(self, text: str = "", style: str = NONE, *, chosen: bool = False) -> None:
        self.parts: list[tuple[str, str]] = [(text, style)] if text else []
        self.chosen = chosen

    def add(self, text: str, style: str = NONE) -> Line:
        """One part more; returns the line."""
        if text:
            self.parts.append((text, style))
        return self

    @property
    def text(self) -> str:
        """The line without its styles."""
        return "".join([text for text, _ in self.parts])


def cell(text: str, width: int, side: str, utf8: bool) -> str:
    """Raw text made plain, cut and filled up to its column."""
    text = plain(text, width, tail=side == "<", utf8=utf8)
    blank = " " * (width - columns_of(text))
    return blank + text if side == ">" else text + blank


def row(
    cells: Sequence[Cell], columns: Sequence[tuple[str, int]], utf8: bool, mark: str = " ", *, chosen: bool = False
) -> Line:
    """Cells side by side, behind the mark."""
    line = Line(mark, chosen=chosen)
    for at, ((text, style, side), (_, width)) in enumerate(zip(cells, columns, strict=True)):
        line.add(" " * GAP * bool(at)).add(cell(text, width, side, utf8), style)
    return line
