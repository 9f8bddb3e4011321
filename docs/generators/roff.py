"""Markdown as this documentation uses it, and plain text, as roff for `man`: paragraphs, lists, tables, blocks of code.

Written in the macros of man(7) that every reader has. Everything beyond ASCII is an escape, so that no reader has to
know how the file is encoded.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

#: Signs that roff would change or drop, outside of code and within, where a quote or a hyphen must stay what it is.
SIGNS = {"\\": r"\e", "…": r"\&...", "—": r"\(em"}
CODE_SIGNS = {**SIGNS, "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq"}


def escaped(text: str, signs: dict[str, str] = SIGNS) -> str:
    """The text with what roff reads as its own, and what is not ASCII, as escapes."""
    return "".join([signs.get(c) or (c if c.isascii() else f"\\[u{ord(c):04X}]") for c in text])


def code(text: str) -> str:
    """Words as they are typed, none of them hyphenated."""
    words = [rf"\%{escaped(word, CODE_SIGNS)}" for word in text.split()]
    return rf"\fB{' '.join(words)}\fR"


def inline(text: str) -> str:
    """A line of Markdown: links as their words, code and what is strong in bold."""
    text = re.sub(r"\b(see|See) \[([^\]]+)\]\([^)]+\)", r'\1 "\2" in the documentation', " ".join(text.split()))
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    parts = re.split(r"`([^`]+)`", text)
    found = [code(part) if number % 2 else escaped(part) for number, part in enumerate(parts)]
    return re.sub(r"\*\*(.+?)\*\*", r"\\fB\1\\fR", "".join(found))


def lines(text: str) -> str:
    """Text of roff in lines, none of which looks like a request."""
    found = textwrap.wrap(" ".join(text.split()), 78, break_long_words=False, break_on_hyphens=False)
    return "\n".join([rf"\&{line}" if line[:1] in (".", "'") else line for line in found])


def paragraph(text: str) -> str:
    """A paragraph of Markdown."""
    return f".PP\n{lines(inline(text))}\n"


def example(text: str) -> str:
    """Lines as they are typed, and what is said of each behind two spaces."""
    found = []
    for line in text.strip("\n").split("\n"):
        typed, _, told = line.strip().partition("  ")
        found.append(item(code(typed), escaped(told.strip())) if told else f".PP\n{code(typed)}\n")
    return "".join(found)


def item(name: str, text: str) -> str:
    """A term and what it means. Both are roff."""
    return f".TP\n{name}\n{lines(text)}\n"


def bullets(block: str) -> str:
    """A list."""
    return "".join([f".IP \\(bu 2\n{lines(inline(each))}\n" for each in re.split(r"(?m)^- ", block)[1:]])


def table(block: str) -> str:
    """A table of two columns as terms, under its heading where that is more than a word."""
    rows = [re.split(r"(?<!\\)\|", row.strip().strip("|")) for row in block.strip().split("\n")]
    (heading, _), _, *cells = [[cell.strip().replace("\\|", "|") for cell in row] for row in rows]
    above = paragraph(f"{heading[0].upper()}{heading[1:]}:") if " " in heading else ""
    return above + "".join([item(inline(first), inline(second)) for first, second in cells])


def section(title: str, *parts: str) -> str:
    """A section of the page."""
    return f".SH {title}\n{''.join(parts)}"


def blocks(text: str) -> Iterator[str]:
    """Each block of Markdown as roff."""
    for block in re.split(r"\n\n+", text.strip("\n")):
        if block.startswith("- "):
            yield bullets(block)
        elif block.startswith("|"):
            yield table(block)
        elif block.startswith("```"):
            yield example(block.partition("\n")[2].rpartition("\n")[0])
        elif block:
            yield paragraph(block)


def markdown(text: str) -> str:
    """A text of Markdown without headings."""
    return "".join(blocks(text))


def plain(text: str) -> str:
    """A docstring's paragraphs: what is indented keeps its lines."""
    parts = re.split(r"\n\n+", text.strip("\n"))
    return "".join([example(part) if part.startswith("  ") else paragraph(part) for part in parts])
