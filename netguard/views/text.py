"""The guest's words made safe for a terminal: every view passes them through here, once, where they become a line.

A file name, an argument or a host name of the guest's may hold escape sequences that recolour, move or erase what
stands above it, or characters that reorder or hide their neighbours (CVE-2021-42574). Nothing of the kind is ever
sent to a terminal: it is shown as the escape that a Python string would need.
"""

from __future__ import annotations

#: What a cut text ends (or, cut at its head, begins) with: in UTF-8, and where the stream knows less.
CUT = "…"
CUT_ASCII = "..."

#: Printable by Python's word, and still nothing to see: fillers, selectors, blank signs. `str.isprintable` already
#: refuses control, format (bidi, zero width), surrogate, separator, private and unassigned characters.
BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\U0001d159"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)

#: Marks that may stand on one letter. Real writing needs two or three; a tower of them paints over other lines.
MARKS = 3

SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def plain(text: object, width: int | None = None, *, tail: bool = False, utf8: bool = True) -> str:
    """Text for one line of a terminal, with nothing in it that a terminal would obey.

    width: columns it may take, None for all of it; what is cut shows as "…".
    tail:  keep the end instead of the beginning (a host's registrable part and a path's last part say the most).
    utf8:  False: the stream knows ASCII only, so every other character is shown as its escape.
    """
    text = text if type(text) is str else str(text)
    if text.isascii() and text.isprintable():
        return text if width is None or len(text) <= width else cut_ascii(text, width, tail, utf8)
    if width is not None:
        # No character is wider than ten columns nor, but for marks, narrower than one: the rest cannot be shown.
        room = (width + 1) * (MARKS + 1)
        text = text[-room:] if tail else text[:room]
    pieces = split(text, utf8)
    if width is None or sum(columns for _, columns in pieces) <= width:
        return "".join(piece for piece, _ in pieces)
    return cut(pieces, width, tail, utf8)


def plain_lines(text: object) -> str:
    """The same of text that has lines of its own, such as an error with the part of a file that it is about."""
    return "\n".join([plain(line) for line in str(text).split("\n")])


def cut_ascii(text: str, width: int, tail: bool, utf8: bool) -> str:
    """ASCII text cut to `width` columns, the mark of the cut among them."""
    mark = (CUT if utf8 else CUT_ASCII)[:width] if width > 0 else ""
    keep = width - len(mark)
    if keep <= 0:
        return mark
    return mark + text[-keep:] if tail else text[:keep] + mark


def split(text: str, utf8: bool) -> list[tuple[str, int]]:
    """The text as pieces, each what stands for one character and the columns it takes."""
    from unicodedata import category, east_asian_width  # a shared library of its own: loaded when it is needed

    pieces: list[tuple[str, int]] = []
    marks = MARKS  # a mark at the very beginning would sit on our own text: it is escaped
    for char in text:
        if "\x20" <= char <= "\x7e":
            pieces.append((char, 1))
            marks = 0
        elif not utf8 or not char.isprintable() or char in BLANK:
            pieces.append(escaped(char))
            marks = MARKS
        elif category(char) in ("Mn", "Me"):
            pieces.append((char, 0) if marks < MARKS else escaped(char))
            marks += 1
        else:
            pieces.append((char, 2 if east_asian_width(char) in "WF" else 1))
            marks = 0
    return pieces


def escaped(char: str) -> tuple[str, int]:
    r"""One character as `\n`, `\x1b`, `\u202e` or `\U000e0041`, and its columns."""
    number = ord(char)
    form = "\\x%02x" if number < 0x100 else "\\u%04x" if number < 0x10000 else "\\U%08x"
    piece = SHORT.get(char) or form % number
    return piece, len(piece)


def cut(pieces: list[tuple[str, int]], width: int, tail: bool, utf8: bool) -> str:
    """As many whole pieces as fit beside the mark of the cut; an escape is never cut in two."""
    mark = (CUT if utf8 else CUT_ASCII)[:width] if width > 0 else ""
    room = width - len(mark)
    kept: list[tuple[str, int]] = []
    for piece in reversed(pieces) if tail else pieces:
        room -= piece[1]
        if room < 0:
            break
        kept.append(piece)
    while tail and kept and not kept[-1][1]:
        kept.pop()  # a mark whose letter was cut would sit on ours
    shown = "".join(piece for piece, _ in (reversed(kept) if tail else kept))
    return mark + shown if tail else shown + mark


def columns_of(text: str) -> int:
    """Columns that text which already went through `plain` takes on a terminal."""
    return len(text) if text.isascii() else sum(columns for _, columns in split(text, True))


def wrap(text: object, width: int, *, utf8: bool = True) -> list[str]:
    """Text as lines of at most `width` columns, at least ten, broken at spaces where there are any. Nothing is cut.

    Returns at least one line. No line begins or ends with what a break fell upon, and no escape is broken in two.
    """
    lines: list[str] = []
    line: list[tuple[str, int]] = []
    used = 0
    for piece in letters(split(text if type(text) is str else str(text), utf8)):
        while line and used + piece[1] > width:
            head, line = (line, []) if piece[0] == " " else broken(line)
            lines.append("".join(each for each, _ in head).rstrip(" "))
            used = sum(columns for _, columns in line)
        if line or not lines or piece[0] != " ":  # a break stands for the space that it fell upon
            line.append(piece)
            used += piece[1]
    return [*lines, "".join(each for each, _ in line)]


def letters(pieces: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The pieces with each mark on its letter, so that no break comes between them."""
    found: list[tuple[str, int]] = []
    for piece, columns in pieces:
        if columns:
            found.append((piece, columns))
        else:
            found[-1] = found[-1][0] + piece, found[-1][1]  # `split` begins with no mark
    return found


def broken(line: list[tuple[str, int]]) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """A full line, and what of it goes to the next: from behind its last space, nothing where there is none."""
    for at in range(len(line) - 1, 0, -1):
        if line[at][0] == " ":
            return line[:at], line[at + 1 :]
    return line, []
