"""The line to the supervisor: one connection per thread of each process, one question at a time on it.

Sharing a connection across fork or between threads gives answers to the wrong asker (measured: 80 % with fork), so each
thread opens its own, by name, and a process is told from its parent by its pid. No lock is held across a question. A
question that gets no answer is a denial.

The descriptor lies in the guest's table: it can be closed, and its number taken by a socket of the guest's. So each use
first asks the kernel who is at the other end; if it is not the supervisor, one new connection is tried and the loss
is told (`tamper`); if that fails, the act is denied.
"""

from __future__ import annotations

import _socket
import sys
from _thread import _local, get_native_id
from posix import getpid

from ..core.wire import MAX_FRAME, VERSION, pack, unpack

#: Seconds until a question counts as lost. A look-up through a dead resolver takes half a minute; a rule's delay is at
#: most 30 s.
PATIENCE = 75

#: struct timeval, as the kernel's own length on every 64-bit Linux that CPython runs on.
_TIMEVAL = PATIENCE.to_bytes(8, sys.byteorder) + bytes(8)

#: Guests may reset SIGPIPE to its default; a lost supervisor must deny, not kill.
_NOSIGNAL = getattr(_socket, "MSG_NOSIGNAL", 0)


class Lost(Exception):
    """The supervisor cannot be asked."""


class Connection:
    """One open line. It belongs to the thread and the process that made it."""

    __slots__ = ("busy", "count", "peer", "pid", "sock")

    def __init__(self, sock: _socket.socket, pid: int) -> None:
        self.sock = sock
        self.pid = pid
        self.peer = sock.getpeername()
        self.count = 0
        self.busy = False

    def ours(self) -> bool:
        """Whether the kernel says that the descriptor still leads to the supervisor."""
        try:
            return bool(self.sock.getpeername() == self.peer)
        except OSError:
            return False

    def __del__(self) -> None:
        # The number may be the guest's by now: then it is not ours to close. A socket that is left open would warn in
        # the guest's name, so it is let go of.
        if self.ours():
            self.sock.close()
        else:
            self.sock.detach()


class Channel:
    """Asks the supervisor at `address` (an abstract or a path name of a SEQPACKET socket)."""

    __slots__ = ("address", "lines", "run")

    def __init__(self, address: str | bytes, run: str) -> None:
        self.address = address
        self.run = run
        self.lines = _local()

    def ask(self, op: str, fields: tuple[str, ...]) -> list[str]:
        """Returns the answer's fields after the question's number. Raises Lost when there is none."""
        line = self._line()
        if line.busy:
            # A signal handler interrupted this thread's own question; the answer on its line is not for us.
            return self._exchange(self._open(getpid(), ""), op, fields)
        try:
            return self._exchange(line, op, fields)
        except (BrokenPipeError, ConnectionResetError):
            # Cut off: somebody wrote to our descriptor. The supervisor hears why this is a second line.
            line = self.lines.line = self._open(getpid(), "the channel was written to by others, or broke")
        try:
            return self._exchange(line, op, fields)
        except OSError as error:
            raise Lost(str(error)) from None

    def _exchange(self, line: Connection, op: str, fields: tuple[str, ...]) -> list[str]:
        """One question and its answer on one line. Raises BrokenPipeError when the line has ended, Lost otherwise."""
        line.busy = True
        line.count += 1
        number = str(line.count)
        try:
            line.sock.send(pack((op, number, *fields)), _NOSIGNAL)
            frame = line.sock.recv(MAX_FRAME)
            if not frame:
                raise BrokenPipeError(32, "the supervisor has hung up")
            answer = unpack(frame)
        except BaseException as error:
            # Also for KeyboardInterrupt from a handler that ran in between: the answer would come to the next question.
            self._drop(line)
            if isinstance(error, (BrokenPipeError, ConnectionResetError)):
                raise
            if isinstance(error, (OSError, ValueError)):
                raise Lost(str(error)) from None
            raise
        line.busy = False
        if answer[0] != number:
            self._drop(line)
            raise Lost("an answer to another question")
        return answer[1:]

    def tell(self, op: str, fields: tuple[str, ...]) -> None:
        """Sends a note that has no answer. A note that cannot be sent is dropped: it carries no right."""
        line = getattr(self.lines, "line", None)
        if type(line) is Connection and line.pid == getpid() and not line.busy and line.ours():
            try:
                line.sock.send(pack((op, "0", *fields)), _NOSIGNAL)
            except (OSError, ValueError):
                pass

    def _line(self) -> Connection:
        """This thread's connection in this process: the one it has, a first one, or one new try after a loss."""
        pid = getpid()
        line = getattr(self.lines, "line", None)
        if type(line) is Connection and line.pid == pid:
            if line.busy or line.ours():
                return line
            line = self._open(pid, "the channel's descriptor was closed or replaced")
        else:
            line = self._open(pid, "")
        self.lines.line = line
        return line

    def _drop(self, line: Connection) -> None:
        if getattr(self.lines, "line", None) is line:
            self.lines.line = None

    def _open(self, pid: int, why: str) -> Connection:
        try:
            # Not `socket.socket`: its methods are the guest's to change, those of the C type are not.
            sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
            sock.settimeout(None)  # the guest may have set a default time-out
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVTIMEO, _TIMEVAL)
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDTIMEO, _TIMEVAL)
            sock.connect(self.address)
            sock.send(pack(("open", VERSION, self.run, str(get_native_id()), why)), _NOSIGNAL)
            return Connection(sock, pid)
        except OSError as error:
            raise Lost(f"the supervisor cannot be reached: {error}") from None
