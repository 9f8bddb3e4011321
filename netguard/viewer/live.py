"""`netguard run --live`: the view of a run below what its guest writes. This process starts the run and watches it.

The run itself is an ordinary one, in a process of its own; only its trail and its terminal output come here. Reading is
what makes the guest's writes go on, so a terminal that is slow makes the guest slow, and nothing piles up.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time

from netguard.errors import UsageError
from netguard.supervisor.shield import hide
from netguard.viewer import guest
from netguard.viewer.below import Block
from netguard.viewer.interactive import wants_person
from netguard.viewer.terminal import Gone, Signals, Terminal, find
from netguard.viewer.view import View
from netguard.viewer.watch import POLL, Lines
from netguard.views import keys
from netguard.views.board import Look
from netguard.views.line import DIM, Line
from netguard.views.live import painted
from netguard.views.pane import Pane
from netguard.views.screen import coloured, is_utf8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netguard.supervisor.target import Target
    from netguard.trail.follow import Follow
    from netguard.viewer.guest import Child

#: Rows of the view at most; the guest's output has at least half of the screen.
ROWS = 18
#: Seconds in which what the guest writes is gathered before it is shown, and bytes after which it is shown at once.
GATHER, MUCH = 0.03, 1 << 16
#: More than a pty holds: what comes behind it when the run has ended is of a daemon, which may never cease.
HELD = 1 << 18

#: Signals that somebody sends to this process and means for the run.
PASSED = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)

EMPTY_INPUT = (
    "netguard: the keys belong to the view, so the program's input is empty; run one that asks for input without "
    "--live, and netguard watch in another terminal"
)


def run(words: Sequence[str], target: Target, trail: Follow, name: str) -> int:
    """Runs `netguard run` with these words and shows it; returns its exit status.

    target: what it will start.  trail: where it will write.  name: of the run.
    Raises UsageError for a program that a person would talk to.
    """
    guest.fill()
    fd = find(2, 1)
    if fd < 0:
        return without_terminal(words, trail)
    if os.isatty(0) and (asked := wants_person(target)):
        raise UsageError(
            f"--live: {asked} reads what is typed, and the keys belong to the view; "
            "run it without --live, and netguard watch in another terminal"
        )
    hide()  # the guest is the same user's: it must not look into this process either
    signals = Signals()
    terminal = Terminal(fd, signals, below=True, encoding=encoding_of(fd))
    columns, rows = terminal.size()
    size = columns, max(1, rows - rows_of(rows))
    child = guest.start(guest.command(words), size, termios.tcgetattr(terminal.fd))
    signals.start()
    try:
        return Live(View(trail, own=name), terminal, signals, child).run()
    finally:
        terminal.close()
        signals.stop()
        child.hang_up()  # if the run still goes on, it hears that its terminal has gone
        child.wait()


def rows_of(rows: int) -> int:
    """How many rows of a screen are the view's: at most half of them."""
    return max(2, min(ROWS, rows // 2))


def encoding_of(fd: int) -> str:
    """What text for that stream is written in."""
    stream = sys.stdout if fd == 1 else sys.stderr
    return getattr(stream, "encoding", None) or "ascii"


def without_terminal(words: Sequence[str], trail: Follow) -> int:
    """No terminal to draw on: the run as it is, and its events as plain lines on standard error.

    Both processes are in one group: what a shell or a keyboard sends, stops included, reaches the run by itself.
    """
    argv = guest.command(words)
    signals = Signals((*PASSED, signal.SIGCHLD))
    child = guest.Child(os.posix_spawn(argv[0], argv, os.environ))
    signals.start()
    lines = Lines(trail, 2, encoding_of(2))
    try:
        while child.status is None:
            pass_on(signals.take(), child)
            child.look(0)
            step(lines)
            if not trail.behind and child.status is None:
                select.select([signals.fd], [], [], POLL)
        while not step(lines) or trail.behind:
            pass
    finally:
        signals.stop()
        child.wait()
    return child.status or 0


def step(lines: Lines) -> bool:
    """Prints what is new. If nobody reads that any more, the run goes on all the same."""
    try:
        return lines.step()
    except OSError:
        return True


def pass_on(arrived: Sequence[int], child: Child) -> None:
    """What the keyboard sends reaches the run by itself; what somebody sends to us is passed on."""
    for signum in arrived:
        if signum in PASSED and signum not in (signal.SIGINT, signal.SIGQUIT):
            child.send(signum)


class Live:
    """A run and its view on one terminal."""

    def __init__(self, view: View, terminal: Terminal, signals: Signals, child: Child) -> None:
        self.view = view
        self.terminal = terminal
        self.signals = signals
        self.child = child
        self.block = Block(terminal)
        self.pane = Pane()
        self.lines: list[str] = []
        self.gathered = 0
        self.shown_at = 0.0
        self.partial = ""
        self.hidden = False
        self.rows: list[str] = []
        self.look = self.measured()

    def measured(self) -> Look:
        """The part of the screen that is the view's, as it is now."""
        columns, rows = self.terminal.size()
        self.pane.width = columns
        return Look(columns, rows_of(rows), coloured(self.terminal.fd), is_utf8(self.terminal.encoding))

    def run(self) -> int:
        """Until the run has ended; returns what it ended with."""
        try:
            self.terminal.start()
            if os.isatty(0):
                self.lines.append(EMPTY_INPUT)
            while self.child.status is None:
                self.turn()
            self.end()
        except Gone:
            self.alone()
        return self.child.status or 0

    def turn(self) -> None:
        """One round: what the guest wrote, what the trail says, what was typed, what is due to be drawn."""
        if self.child.look():
            self.view.tell("the program had stopped itself; it goes on", time.monotonic())
        self.take(self.child.read())
        behind = self.view.read()
        now = time.monotonic()
        self.view.waited(now, self.look)
        self.show(now)
        wait = 0.0 if behind or self.gathered >= MUCH else min(POLL, self.due(time.monotonic()))
        ready = select.select([self.terminal.fd, self.signals.fd, self.child.master], [], [], wait)[0]
        if self.signals.arrived:
            self.heard(self.signals.take())
        if self.terminal.fd in ready:
            self.typed(self.terminal.read())

    def take(self, data: bytes) -> None:
        """What the guest wrote."""
        if data:
            self.gathered += len(data)
            self.lines += self.pane.feed(data)

    def due(self, now: float) -> float:
        """Seconds until something is to be drawn."""
        wait = POLL if self.hidden else self.view.wait(now)
        return min(wait, max(0.0, self.shown_at + GATHER - now)) if self.gathered else wait

    def show(self, now: float) -> None:
        """Draws what is due."""
        gathered = bool(self.gathered or self.lines) and (now >= self.shown_at + GATHER or self.gathered >= MUCH)
        drawn = not self.hidden and now >= self.view.due
        if drawn:
            rows = self.view.lines(self.look._replace(height=self.look.height - 1))
            self.rows = [self.border(), *rows]
        if gathered or drawn:
            self.draw(now if gathered else self.shown_at)

    def border(self) -> str:
        """What parts the guest's output from the view."""
        line = Line(("─" if self.look.utf8 else "-") * self.look.width, DIM)
        return painted([line], colour=self.look.colour)[0]

    def draw(self, now: float) -> None:
        """Writes the guest's lines and the block below them."""
        partial = self.pane.partial_in(self.look.width - 1)
        lines, self.lines = self.lines, []
        self.gathered, self.shown_at = 0, now
        self.block.draw(lines, [*[partial] * bool(partial), *([] if self.hidden else self.rows)])

    def end(self) -> None:
        """The run has ended: the view goes, what the guest wrote stays."""
        left = HELD
        while left > 0 and (data := self.child.read()):
            left -= len(data)
            self.take(data)
            if self.gathered >= MUCH:
                self.draw(0.0)
        self.lines += self.pane.finish()
        self.hidden = True
        self.draw(0.0)

    def alone(self) -> None:
        """The terminal has gone: the run hears it as it would without us, and what it still writes goes nowhere."""
        self.child.send(signal.SIGHUP)
        while self.child.status is None:
            self.child.look()
            wait = 0.0 if self.child.read() else POLL
            select.select([self.signals.fd], [], [], wait)
            pass_on(self.signals.take(), self.child)

    # Keys and signals

    def typed(self, data: bytes) -> None:
        """Keys."""
        now = time.monotonic()
        was_hidden = self.hidden
        for wish in self.view.typed(data, now, self.look):
            if wish == keys.INTERRUPT:
                self.child.key(signal.SIGINT)
                return
            if wish == keys.ABORT:
                self.child.key(signal.SIGQUIT)
                return
            if wish == keys.QUIT:
                self.hide(not was_hidden)
                return
            if wish == keys.SUSPEND:
                self.view.tell("Ctrl-Z does not stop a run that is shown live", now)
            elif wish == "redraw":
                self.block.forget()
            elif wish == "copy":
                self.terminal.copy(self.view.rule)
        if was_hidden:
            self.hide(False)

    def hide(self, hidden: bool) -> None:
        """Takes the view away, or brings it back; the guest's terminal has the rest of the screen."""
        self.hidden = hidden
        self.view.due = 0.0
        self.resize()
        self.draw(self.shown_at)

    def heard(self, arrived: Sequence[int]) -> None:
        """Signals."""
        for signum in arrived:
            if signum in PASSED:
                self.child.send(signum)
            elif signum == signal.SIGTSTP:
                self.view.tell("a run that is shown live cannot be stopped", time.monotonic())
            elif signum in (signal.SIGWINCH, signal.SIGCONT):
                self.look = self.measured()
                self.resize()
                self.block.forget()
                self.view.due = 0.0

    def resize(self) -> None:
        """The guest's terminal is the part of the screen that is not the view's."""
        columns, rows = self.terminal.size()
        self.child.resize(columns, max(1, rows - (0 if self.hidden else self.look.height)))
