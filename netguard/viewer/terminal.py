"""A person's terminal while a view is on it: its mode, size and keys, and what is drawn. In the end it is put back.

It is opened anew by name where that can be: O_NONBLOCK on the descriptor that a shell shares with us would be the
shell's too, and with a write that waits nobody could end a view on a terminal that is stuck.
"""

from __future__ import annotations

import os
import select
import signal
import termios
import tty
from base64 import b64encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import FrameType
    from typing import Any

#: Alternate screen, cursor away, no wrapping at the right edge; and back. Colours are put back first.
ENTER, LEAVE = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J", b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
#: The same for a view below what goes on in the normal screen.
ENTER_BELOW, LEAVE_BELOW = b"\x1b[?25l", b"\x1b[0m\x1b[?7h\x1b[?25h"
#: "Show nothing until all is there": terminals that do not know it pass over it.
BEGIN, END = b"\x1b[?2026h", b"\x1b[?2026l"
#: Puts text on the clipboard (OSC 52): our own words in base64 and nothing else.
COPY = b"\x1b]52;c;%s\x07"

#: Signals that end a view, and those that change it.
ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
CHANGING = (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2)

#: A terminal that takes nothing for so long counts as gone, when all that is left is to put it back.
PATIENCE = 1.0


class Signals:
    """Signals as values between `start` and `stop`: `fd` is readable when `take` has something."""

    def __init__(self, taken: Iterable[int] = (*ENDING, *CHANGING)) -> None:
        self.taken = tuple(taken)
        self.arrived: list[int] = []
        self.before: dict[int, Any] = {}
        self.fd, self.waker = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self.waker, False)

    def start(self) -> None:
        """From now on none of them ends or stops this process by itself."""
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        for signum in self.taken:
            self.before[signum] = signal.signal(signum, self.hear)

    def stop(self) -> None:
        """As it was before."""
        signal.set_wakeup_fd(-1)
        for signum, handler in self.before.items():
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)
        self.before.clear()

    def hear(self, signum: int, frame: FrameType | None) -> None:
        """Python's handler: keeps the number."""
        del frame
        self.arrived.append(signum)

    def take(self) -> list[int]:
        """Those that arrived since the last call."""
        try:
            os.read(self.fd, 4096)
        except BlockingIOError:
            pass
        found, self.arrived = self.arrived, []
        return found

    @property
    def ending(self) -> bool:
        """Whether one that ends a view waits to be taken."""
        return any([signum in ENDING for signum in self.arrived])


class Gone(Exception):
    """The terminal is there no more, or takes nothing while the view is to end."""


class Terminal:
    """A terminal that a view is on, from `start` to `stop`.

    fd:        of the terminal, which is read and written.
    below:     the view stands below what goes on in the normal screen, instead of on a screen of its own.
    encoding:  what text is written in.
    """

    def __init__(self, fd: int, signals: Signals, *, below: bool, encoding: str) -> None:
        self.fd, self.owned = reopened(fd)
        self.signals = signals
        self.below = below
        self.encoding = encoding
        self.mode: list[Any] | None = None
        self.shown: list[str] = []

    def start(self) -> None:
        """Takes the terminal over: keys come one by one, and those of signals as keys."""
        self.mode = termios.tcgetattr(self.fd)
        tty.setraw(self.fd, termios.TCSANOW)
        self.shown = []
        self.write(ENTER_BELOW if self.below else ENTER)

    def stop(self) -> None:
        """Puts the terminal back as it was. May be called at any time, more than once."""
        if self.mode is None:
            return
        mode, self.mode = self.mode, None
        try:
            self.write(LEAVE_BELOW if self.below else LEAVE, patience=PATIENCE)
        except Gone:
            pass
        try:
            termios.tcsetattr(self.fd, termios.TCSANOW, mode)
        except termios.error:
            pass

    def close(self) -> None:
        """Lets go of it."""
        self.stop()
        if self.owned:
            os.close(self.fd)

    def size(self) -> tuple[int, int]:
        """Columns and rows; 80 by 24 where nobody knows."""
        try:
            columns, rows = os.get_terminal_size(self.fd)
        except OSError:
            columns, rows = 0, 0
        return columns or 80, rows or 24

    def read(self) -> bytes:
        """What was typed; raises Gone at its end."""
        try:
            data = os.read(self.fd, 1024)
        except BlockingIOError:
            return b""
        except OSError:
            raise Gone from None
        if not data:
            raise Gone
        return data

    def write(self, data: bytes, patience: float | None = None) -> None:
        """Writes all of it, waiting as long as it takes, or until the view is to end. Raises Gone."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.fd, view) :]
                continue
            except BlockingIOError:
                pass
            except OSError:
                raise Gone from None
            ready = select.select([self.signals.fd], [self.fd], [], patience)
            if not ready[1] and (patience is not None or self.signals.ending):
                raise Gone
            if ready[0] and not ready[1]:
                select.select([], [self.fd], [], 0.05)  # a signal that ends nothing: no busy waiting until it is taken

    def draw(self, lines: Sequence[str]) -> None:
        """Shows lines on a screen of their own: only the rows that changed are written."""
        parts = []
        for at in range(max(len(lines), len(self.shown))):
            line = lines[at] if at < len(lines) else ""
            if at >= len(self.shown) or self.shown[at] != line:
                parts.append(f"\x1b[{at + 1};1H\x1b[2K{line}")
        self.shown = list(lines)
        if parts:
            self.write(BEGIN + "".join(parts).encode(self.encoding, "backslashreplace") + END)

    def forget(self) -> None:
        """The screen holds something else: the next `draw` begins anew."""
        self.shown = []
        if not self.below:
            self.write(b"\x1b[0m\x1b[2J")

    def copy(self, text: str) -> None:
        """Puts our own text on the clipboard, where the terminal lets us."""
        self.write(COPY % b64encode(text.encode("ascii", "backslashreplace")))

    def suspend(self, leave: Callable[[], None], enter: Callable[[], None]) -> None:
        """Stops this process as Ctrl-Z does, with the terminal put back meanwhile."""
        leave()
        before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, before)
        enter()


def reopened(fd: int) -> tuple[int, bool]:
    """The terminal by an open file of our own, and whether it is ours to close."""
    try:
        return os.open(os.ttyname(fd), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC), True
    except OSError:  # its name leads nowhere here, as in a container that was given the descriptor alone
        return fd, False


def find(*fds: int) -> int:
    """The first of the descriptors that is a terminal to show a view on; -1 if there is none.

    TERM=dumb is a terminal that cannot go up a line, which is none for a view.
    """
    if os.environ.get("TERM", "dumb") in ("dumb", ""):
        return -1
    return next((fd for fd in fds if os.isatty(fd)), -1)

