"""An ordinary `netguard run` as a child with a terminal of its own, so that its guest has no hold on the person's.

The child leads a session whose controlling terminal is a pty: /dev/tty of a hostile guest is that, and typing into the
person's terminal (TIOCSTI), changing its mode or reading its keys is out of its reach. Those of its output streams that
were the person's terminal are the pty; what was redirected stays as it is. If this process dies, the pty hangs up: the
child's supervisor hears it as it would hear a closed window, and passes it on.
"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import sys
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

#: "The terminal sends a signal": _IOW('T', 0x36, int) of <asm-generic/ioctls.h>, which Python has no name for.
TIOCSIG = 0x40045436

#: Bytes that one `read` takes at most. The kernel holds 4 KB of a pty; the rest waits in the guest, whose writes wait.
PIECE = 1 << 16


class Child:
    """The run. `status` is None while it goes on, then what it ended with as a shell shows it.

    master, slave: the two sides of its terminal. The slave is held open here too, or the other side would say "error"
                   whenever nobody in the run has it open.
    """

    def __init__(self, pid: int, master: int = -1, slave: int = -1) -> None:
        self.pid = pid
        self.master = master
        self.slave = slave
        self.status: int | None = None

    def read(self) -> bytes:
        """What it has written to its terminal by now, up to a bound; b"" if there is nothing."""
        found = b""
        while len(found) < PIECE:
            try:
                piece = os.read(self.master, PIECE)
            except BlockingIOError:
                break
            found += piece
        if not found:
            self.go_on()
        return found

    def go_on(self) -> None:
        """Lets its output go on where a guest has stopped it, as Ctrl-S does. Nobody can type Ctrl-Q there, and the
        supervisor, whose words go the same way, would wait for it as well."""
        try:
            termios.tcflow(self.slave, termios.TCOOFF)  # what a key has stopped, only goes on from this stop
            termios.tcflow(self.slave, termios.TCOON)
        except termios.error:
            pass  # it was hung up

    def resize(self, columns: int, rows: int) -> None:
        """Its terminal has another size."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def key(self, signum: int) -> None:
        """What Ctrl-C (SIGINT) or Ctrl-\\ (SIGQUIT) sends: the signal, by its terminal, to whoever is in front there.

        Not as a key: a guest may have turned that off, or filled what is waiting to be read, and could not be ended.
        """
        try:
            fcntl.ioctl(self.master, TIOCSIG, signum)
        except OSError:
            self.send(signum)  # a system with another number for it

    def send(self, signum: int) -> None:
        """A signal to the supervisor, which passes it on as one that was sent to `netguard run`."""
        if self.status is None:
            os.kill(self.pid, signum)

    def look(self, options: int = os.WUNTRACED) -> bool:
        """Takes up what became of it; returns whether it was found stopped, and lets it go on then."""
        if self.status is not None:
            return False
        pid, status = os.waitpid(self.pid, os.WNOHANG | options)
        if pid and os.WIFSTOPPED(status):
            os.kill(self.pid, signal.SIGCONT)  # there is no shell below that could be asked to
            return True
        if pid:
            self.status = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return False

    def hang_up(self) -> None:
        """Its terminal goes away."""
        os.close(self.slave)
        os.close(self.master)

    def wait(self) -> None:
        """Waits for its end."""
        while self.status is None:
            _, status = os.waitpid(self.pid, 0)
            self.status = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def fill() -> None:
    """Standard streams that are closed lead nowhere in this process: what it opens next would take their numbers, and
    be taken for them. A program that is started finds them closed all the same."""
    while (fd := os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)) <= 2:
        pass
    os.close(fd)


def start(argv: list[str], size: tuple[int, int], mode: list[Any]) -> Child:
    """Starts it on a pty of that size (columns, rows) and mode. Standard input that is a terminal becomes empty."""
    terminals = [fd for fd in (1, 2) if os.isatty(fd)]
    empty = os.isatty(0)
    master, slave = pty.openpty()
    child = Child(0, master, slave)
    child.resize(*size)
    termios.tcsetattr(slave, termios.TCSANOW, mode)
    child.pid = os.fork()
    if not child.pid:
        become(argv, slave, terminals, empty)
    os.set_blocking(master, False)
    let_go(terminals)
    return child


def become(argv: list[str], slave: int, terminals: Sequence[int], empty: bool) -> None:
    """In the child: the pty is its terminal, and the program is started. Never returns."""
    try:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in terminals:
            os.dup2(slave, fd)
        if empty:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execv(argv[0], argv)  # noqa: S606  # an own command line, word by word
    except BaseException as error:  # noqa: BLE001  # whatever it is, two processes must not go on from here
        os.write(2, f"netguard: cannot start itself again: {error}\n".encode())
    finally:
        os._exit(125)


def let_go(terminals: Sequence[int]) -> None:
    """Gives up what is redirected: whoever reads it must not wait for our copy of it."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        if fd not in terminals and not (fd == 0 and os.isatty(0)):
            os.dup2(null, fd)
    os.close(null)


def command(words: Sequence[str]) -> list[str]:
    """The command line that starts netguard as this process was started, with other words behind it."""
    own = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]
    if len(own) < 2 or sys.argv[1:2] != ["run"]:  # called from a program that is not the command
        own = [sys.executable, "-m", "netguard"]
    return [sys.executable, *own[1:], *words]
