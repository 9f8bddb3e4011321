"""Draws a view below what a guest writes: its whole lines go into the normal screen, and with it into the scrollback.

What is drawn at the end of the screen, the block, is the guest's unfinished line and the view. New lines of the guest's
are written where the block stands, and the block anew below them, all in one write.
"""

from __future__ import annotations

from netguard.viewer.terminal import BEGIN, END

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netguard.viewer.terminal import Terminal

RESET = "\x1b[0m"

#: A row never goes on in the next one, however wide a terminal takes the guest's unfinished line to be: it would move
#: the view. No two agree on soft hyphens, ambiguous letters and signs of later Unicode.
CUT, WRAP = "\x1b[?7l", "\x1b[?7h"


class Block:
    """What stands at the end of the screen, drawn on one terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.rows: list[str] = []
        self.stale = False

    def draw(self, above: Sequence[str], rows: Sequence[str]) -> None:
        """Writes whole lines above, and the block below them. Each row of the block fits the screen."""
        parts = self.changed(rows) if not above and len(rows) == len(self.rows) and not self.stale else None
        if parts is None:
            parts = [self.away(), *[f"{line}{RESET}\r\n" for line in above], CUT, "\r\n".join(rows), WRAP]
        self.rows, self.stale = list(rows), False
        if any(parts):
            text = "".join(parts)
            self.terminal.write(BEGIN + text.encode(self.terminal.encoding, "backslashreplace") + END)

    def away(self) -> str:
        """To where the block begins, and everything from there erased."""
        up = len(self.rows) - 1
        return (f"\x1b[{up}A" if up > 0 else "") + "\r\x1b[J"

    def changed(self, rows: Sequence[str]) -> list[str]:
        """Only the rows that are others than before, each by way of the last one's beginning."""
        parts = []
        for at, row in enumerate(rows):
            if row != self.rows[at]:
                up = len(rows) - 1 - at
                there, back = (f"\x1b[{up}A", f"\x1b[{up}B") if up else ("", "")
                parts.append(f"\r{there}\x1b[2K{CUT}{row}{WRAP}\r{back}")
        return parts

    def forget(self) -> None:
        """The screen has changed its size or holds something else: draw all of it next time."""
        self.stale = True
