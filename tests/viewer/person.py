"""A person at a terminal: a program on a real pty whose output goes through a terminal in memory (pyte), and keys."""

from __future__ import annotations

import fcntl
import os
import re
import select
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyte

from tests.supervisor.terminal import Terminal
from tests.support.guard import clean_environment

NETGUARD = (sys.executable, "-m", "netguard")

#: Everything that the view may send: colours, where to draw, its modes, the clipboard with base64.
OURS = re.compile(
    rb"\x1b\[[0-9;]*m|\x1b\[[0-9]+;1H|\x1b\[H|\x1b\[[0-9]*[ABJK]|\x1b\[\?(?:25|7|1049|2026)[hl]"
    rb"|\x1b\]52;c;[A-Za-z0-9+/=]*\x07"
)


class Person(Terminal):
    """A program on a terminal that understands what a real one does. `raw` is every byte that came."""

    def __init__(
        self, argv: Sequence[str], folder: Path, *, size: tuple[int, int] = (80, 24), **more: str
    ) -> None:
        self.columns, self.rows = size
        self.screen = pyte.HistoryScreen(self.columns, self.rows, history=100_000, ratio=0.5)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.looks = True  # False: only `raw` grows; pyte takes ten seconds for a megabyte
        env: dict[str, Any] = {**clean_environment(str(folder)), "TERM": "xterm-256color", "PWD": str(folder), **more}
        before = os.getcwd()
        os.chdir(folder)
        try:
            super().__init__(argv, **env)
        finally:
            os.chdir(before)
        self.mode = termios.tcgetattr(self.side)
        if size != (80, 24):
            self.resize(self.rows, self.columns)

    @property
    def name(self) -> str:
        """The terminal's name, as a program on it sees it."""
        number = fcntl.ioctl(self.side, 0x80045430, bytes(4))  # TIOCGPTN of <asm-generic/ioctls.h>
        return f"/dev/pts/{int.from_bytes(number, sys.byteorder)}"

    def resize(self, rows: int, columns: int) -> None:
        """Another size, for the program and for what is seen of it."""
        self.screen.resize(rows, columns)
        super().resize(rows, columns)

    def read(self, seconds: float | None = None) -> bool:
        """Reads once; False at the end, or when nothing came for so many seconds."""
        wait = max(0.0, self.deadline - time.monotonic()) if seconds is None else seconds
        ready, _, _ = select.select([self.side], [], [], wait)
        assert ready or seconds is not None, f"nothing more came; the screen shows:\n{self.shown}"
        if not ready:
            return False
        try:
            data = os.read(self.side, 65536)
        except OSError:
            return False
        self.raw += data
        if self.looks:
            self.stream.feed(data)
        return bool(data)

    @property
    def shown(self) -> str:
        """What is on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    @property
    def above(self) -> str:
        """What has gone off the screen at the top, and what is on it."""
        gone = ["".join(line[at].data for at in range(self.columns)).rstrip() for line in self.screen.history.top]
        return "\n".join([*gone, self.shown])

    def see(self, wanted: str, *, gone: bool = False) -> str:
        """Waits until a pattern is on the screen, or is there no more; returns the screen."""
        while bool(re.search(wanted, self.shown)) == gone:
            assert self.read(), f"ended {'with' if gone else 'without'} {wanted!r}:\n{self.shown}"
        return self.shown

    def stray(self) -> list[bytes]:
        """The control sequences that came and are none of the view's own, and control characters besides CR and LF."""
        strange = rb"(?s)\x1b.{0,12}|[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]"
        return re.findall(strange, OURS.sub(b"", self.raw))

    def is_put_back(self) -> bool:
        """Whether the terminal is as it was: its mode, its screen, its cursor."""
        cursor = self.raw.rfind(b"\x1b[?25h") > self.raw.rfind(b"\x1b[?25l")
        screen = self.raw.rfind(b"\x1b[?1049l") >= self.raw.rfind(b"\x1b[?1049h")
        return termios.tcgetattr(self.side) == self.mode and cursor and screen
