"""The loop of `netguard watch`: a trail on a screen of its own, or as plain lines where there is no terminal."""

from __future__ import annotations

import os
import select
import signal
import sys
import time

from netguard.errors import UsageError
from netguard.viewer.terminal import ENDING, Gone, Signals, Terminal, find
from netguard.viewer.view import View
from netguard.views import keys
from netguard.views.board import Look
from netguard.views.lines import event_line
from netguard.views.screen import coloured, is_utf8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.trail.follow import Follow

#: Seconds between two looks at a trail that had nothing new.
POLL = 0.1

#: Open chains that are kept in mind. Of a trail with more, nobody knows when all have ended: it is watched for ever.
MAX_OPEN = 65_536


def watch(trail: Follow) -> int:
    """Shows a trail until the person leaves; returns the exit status. Raises UsageError where there is no output."""
    if sys.stdout is None:
        raise UsageError("standard output is closed, so there is nobody to show it to")
    fd = find(1)
    if fd < 0:
        return Lines(trail, sys.stdout.fileno(), sys.stdout.encoding).run()
    signals = Signals()
    terminal = Terminal(fd, signals, below=False, encoding=sys.stdout.encoding)
    signals.start()
    try:
        terminal.start()
        return Screen(trail, terminal, signals).run()
    except Gone:
        return 128 + signal.SIGHUP
    finally:
        terminal.close()
        signals.stop()


class Screen:
    """`watch` on a terminal."""

    def __init__(self, trail: Follow, terminal: Terminal, signals: Signals) -> None:
        self.view = View(trail)
        self.terminal = terminal
        self.signals = signals
        self.look = self.measured()

    def measured(self) -> Look:
        """The screen as it is now."""
        columns, rows = self.terminal.size()
        return Look(columns, rows, coloured(self.terminal.fd), is_utf8(self.terminal.encoding))

    def run(self) -> int:
        """Reads, draws and listens; returns the exit status."""
        view = self.view
        while True:
            behind = view.read()
            now = time.monotonic()
            view.waited(now, self.look)
            if now >= view.due:
                self.terminal.draw(view.lines(self.look))
            wait = 0.0 if behind else min(POLL, view.wait(time.monotonic()))
            ready = select.select([self.terminal.fd, self.signals.fd], [], [], wait)[0]
            if self.signals.fd in ready or self.signals.arrived:
                status = self.heard(self.signals.take())
                if status is not None:
                    return status
            if self.terminal.fd in ready:
                status = self.pressed(self.terminal.read())
                if status is not None:
                    return status

    def pressed(self, data: bytes) -> int | None:
        """Keys; an exit status if one of them ends the view."""
        now = time.monotonic()
        for wish in self.view.typed(data, now, self.look):
            if wish == keys.QUIT:
                return 0
            if wish == keys.INTERRUPT:
                return 128 + signal.SIGINT
            if wish == keys.ABORT:
                return 128 + signal.SIGQUIT
            if wish == keys.SUSPEND:
                self.suspend()
            elif wish == "redraw":
                self.terminal.forget()
            elif wish == "copy":
                self.terminal.copy(self.view.rule)
        return None

    def heard(self, arrived: list[int]) -> int | None:
        """Signals; an exit status if one of them ends the view."""
        for signum in arrived:
            if signum in ENDING:
                return 128 + signum
            if signum == signal.SIGTSTP:
                self.suspend()
            elif signum in (signal.SIGWINCH, signal.SIGCONT):
                self.fresh()
        return None

    def suspend(self) -> None:
        """Stops, as Ctrl-Z asks, and goes on when the shell says so."""
        self.terminal.suspend(self.terminal.stop, self.terminal.start)
        self.fresh()

    def fresh(self) -> None:
        """The screen is another one."""
        self.look = self.measured()
        self.terminal.forget()
        self.view.due = 0.0


class Lines:
    """`watch` without a terminal: one line for each event, until the run has ended."""

    def __init__(self, trail: Follow, fd: int, encoding: str) -> None:
        self.trail = trail
        self.fd = fd
        self.encoding = encoding
        self.utf8 = is_utf8(encoding)
        self.open: set[int] = set()  # by hash, since names may be long
        self.begun = False

    def run(self) -> int:
        """Prints what comes; returns the exit status."""
        while not self.step() or not self.over:
            if not self.trail.behind:
                time.sleep(POLL)
        return 0

    def step(self) -> bool:
        """Prints what is new. Returns whether there was nothing."""
        found = [record for record, _ in self.trail.more()]
        lines = [self.told(record) for record in found]
        text = "".join([f"{line}\n" for line in lines if line])
        write_all(self.fd, text.encode(self.encoding, "backslashreplace"))
        return not found

    def told(self, record: dict[str, object]) -> str:
        """The line of a record; takes up whether it begins or ends a chain."""
        kind = record.get("kind")
        chain = hash((str(record.get("run")), str(record.get("chain"))))
        if kind == "coverage" and record.get("event") != "process":
            self.begun = True
            if len(self.open) < MAX_OPEN:
                self.open.add(chain)
        elif kind == "close" and len(self.open) < MAX_OPEN:
            self.open.discard(chain)
        return event_line(record, utf8=self.utf8)

    @property
    def over(self) -> bool:
        """Whether nothing more is to come: the stream has ended, or each run that has begun is closed."""
        return self.trail.ended or (self.begun and not self.open and not self.trail.is_stream)


def write_all(fd: int, data: bytes) -> None:
    """Writes all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
