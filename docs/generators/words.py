"""What several of the generators say alike."""

from __future__ import annotations

NOTE = "Made by `python docs/make_reference.py`; change {source} instead."


def note(source: str) -> str:
    """The first words of a made page, for whoever would edit it."""
    return f"<!-- {NOTE.format(source=source)} -->"


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", "\\|")
