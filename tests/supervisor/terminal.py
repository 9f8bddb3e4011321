"""A real terminal for tests: a pty pair, a program that leads its session, and reads that wait with a time limit."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.guard import AROUND

SECONDS = 30  # how long a test waits for what must come; reached only when it fails

CTRL_C, CTRL_Z, CTRL_BACKSLASH = b"\x03", b"\x1a", b"\x1c"

#: The same words after each prefix must behave the same. The first is the control.
DRIVER = Path(__file__).with_name("guest_driver.py")
PREFIXES = {"plain": (sys.executable,), "guarded": (sys.executable, str(DRIVER))}

#: `netguard run` as a whole, behind the wall.
WALLED = (*"-m netguard run --quiet --default allow --wall require".split(), "--log", "/dev/null")
PREFIXES["walled"] = (*AROUND, sys.executable, *WALLED)

#: How guests in these tests wait. A signal that comes after the last look at Python's flags and before a blocking call
#: would be handled only when that call returns, in a plain run as well; the byte in the pipe makes it return.
UP = """
import os, select, signal, sys
woken, waker = os.pipe()
os.set_blocking(waker, False)
signal.set_wakeup_fd(waker)
print(f"up {os.getpid()}", flush=True)
"""
WAKE = "os.read(woken, 1)\n"
PAUSE = f"\nwhile True: {WAKE}"
LISTEN = f"\nwhile 0 not in select.select([0, woken], [], [])[0]: {WAKE}"


def environment(**more: str) -> dict[str, str]:
    """The environment of every program here: this checkout's netguard, a shell prompt that tells the last status."""
    return {**os.environ, "TERM": "dumb", "PS1": "[status $?]", "HISTFILE": "", **more}


def status_of(code: int) -> int:
    """A Popen return code as a shell's $? would show it."""
    return code if code >= 0 else 128 - code


class Terminal:
    """A program whose controlling terminal is the other side of this one."""

    def __init__(self, argv: Sequence[str], **more: str) -> None:
        self.side, other = pty.openpty()
        self.process = subprocess.Popen(
            argv, stdin=other, stdout=other, stderr=other, env=environment(**more), start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(other)
        self.text = ""
        self.deadline = time.monotonic() + SECONDS

    def type(self, keys: bytes | str) -> None:
        """Press keys; a str gets a return key at its end."""
        os.write(self.side, keys if isinstance(keys, bytes) else keys.encode() + b"\n")

    def read(self) -> bool:
        """Read once, False at the end; fails the test when nothing comes in time."""
        ready, _, _ = select.select([self.side], [], [], self.deadline - time.monotonic())
        assert ready, f"nothing more came after:\n{self.text}"
        try:
            data = os.read(self.side, 65536)
        except OSError:
            return False  # Linux says EIO when the last holder of the other side is gone
        self.text += data.decode(errors="replace")
        return bool(data)

    def expect(self, wanted: str) -> str:
        """Wait for a text and return what came before it; both are taken out of `text`."""
        while wanted not in self.text:
            assert self.read(), f"ended without {wanted!r}:\n{self.text}"
        before, _, self.text = self.text.partition(wanted)
        return before

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size, as a terminal emulator does."""
        fcntl.ioctl(self.side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait(self) -> int:
        """Read to the end; the program's status as a shell shows it."""
        while self.read():
            pass
        return status_of(self.process.wait(SECONDS))

    def hang_up(self) -> int:
        """Pull the plug; the program's status as a shell shows it."""
        os.close(self.side)
        self.side = -1
        return status_of(self.process.wait(SECONDS))

    def close(self) -> None:
        """End what is left of it: the hang-up reaches all who still have the terminal, the kill its leader."""
        if self.side >= 0:
            os.close(self.side)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Shell(Terminal):
    """An interactive bash with job control, in which nothing typed is echoed."""

    def __init__(self, prefix: tuple[str, ...] = (), **more: str) -> None:
        super().__init__([*prefix, "bash", "--norc", "--noprofile", "--noediting", "-i"], **more)
        self.status()
        self.type("stty -echo")
        self.status()

    def status(self) -> int:
        """Wait for the next prompt and return the status it shows: of a line that is over, or of a job that stopped."""
        return self.end()[1]

    def end(self) -> tuple[str, int]:
        """Wait for the next prompt; what came before it, and the status it shows."""
        before = self.expect("[status ")
        return before, int(self.expect("]"))
