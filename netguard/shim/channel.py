"""The line to the supervisor: one connection per thread of each process, one question at a time on it.

Sharing a connection across fork or between threads gives answers to the wrong asker (measured: 80 % with fork), so each
thread opens its own, by name, and a process is told from its parent by its pid. No lock is held across a question. A
question that gets no answer is a denial.

The descriptor lies in the guest's table: it can be closed, and its number taken by a socket of the guest's. So each use
first asks the kernel whether it is the same socket with the supervisor at its other end; if not, one new connection is
tried and the loss is told (`tamper`); if that fails, the act is denied. What another thread does to the descriptor
between that look and the answer shows in the answer's code (`core/seal`).

The number is high, so that the guest's own files get those that they have without a guard.
"""

from __future__ import annotations

import _socket
import sys
from _thread import _local, get_native_id
from posix import getpid, register_at_fork, urandom

from ..core.seal import SIZE, keyed, seal
from ..core.wire import MAX_ANSWER, VERSION, pack, unpack
from .asker import INTERRUPTIONS, Lost, reach_out
from .high import lift

#: Seconds until a question counts as lost. A look-up through a dead resolver takes half a minute; a rule's delay is at
#: most 30 s.
PATIENCE = 75

# Bound here: a guest that replaces `_socket.socket` would otherwise be handed the channel and answer on it. It is not
# `socket.socket` either, whose methods are the guest's to change.
_SOCKET = _socket.socket
_UNIX, _SEQPACKET = _socket.AF_UNIX, _socket.SOCK_SEQPACKET
_SOL_SOCKET, _SO_RCVTIMEO, _SO_SNDTIMEO = _socket.SOL_SOCKET, _socket.SO_RCVTIMEO, _socket.SO_SNDTIMEO

#: As an int it reads the first member of struct ucred, the pid (unix(7)). 0 where the platform has no such option.
_PEERCRED = getattr(_socket, "SO_PEERCRED", 0)

#: SO_COOKIE of <asm-generic/socket.h>: a number that no other socket has or will have. 0: the platform has none.
_COOKIE, _COOKIE_SIZE = (57, 8) if sys.platform == "linux" else (0, 0)

#: Guests may reset SIGPIPE to its default; a lost supervisor must deny, not kill.
_NOSIGNAL = getattr(_socket, "MSG_NOSIGNAL", 0)

#: A note waits for nobody, not even for a supervisor that somebody has stopped.
_NOTE = _NOSIGNAL | _socket.MSG_DONTWAIT

#: Behind the channel's name: where notes are taken (supervisor/wall.py).
NOTES = b".notes"

#: Bytes of chance in a question's number. Whoever writes questions of his own to our descriptor, so that their answers
#: wait there for the next one, would have to guess its number.
CHANCE = 8


class Broken(Exception):
    """This line has ended or has been meddled with; another may do."""


def raised_by_guest(error: BaseException) -> bool:
    """Whether an error that came up here is what a signal handler of the guest's raised: it is the program's, as ever.

    What C raises stands in the frame that called it, and is an OSError; anything else, or from deeper, is a handler's.
    """
    trace = error.__traceback__
    return not isinstance(error, OSError) or (trace is not None and trace.tb_next is not None)


class Connection:
    """One open line. It belongs to the thread and the process that made it."""

    __slots__ = ("busy", "cookie", "name", "peer", "pid", "sock")

    def __init__(self, sock: _socket.socket, pid: int) -> None:
        self.sock = sock
        self.pid = pid
        self.name = sock.getpeername()
        self.peer = sock.getsockopt(_SOL_SOCKET, _PEERCRED) if _PEERCRED else 0
        self.cookie = cookie(sock)
        self.busy = False

    def ours(self) -> bool:
        """Whether the kernel says that the descriptor is still this very socket, and leads to the supervisor.

        The process at the other end is not enough: another connection to the supervisor, of this process or handed
        over by another one, has the same. Nor is the cookie: before Linux 5.8 each network namespace counts its own.
        Without either, the name has to do.
        """
        sock = self.sock
        try:
            if not self.peer:
                return bool(sock.getpeername() == self.name)
            return sock.getsockopt(_SOL_SOCKET, _PEERCRED) == self.peer and (
                not self.cookie or sock.getsockopt(_SOL_SOCKET, _COOKIE, _COOKIE_SIZE) == self.cookie
            )
        except OSError:
            return False

    def leave(self) -> None:
        """Closes the descriptor, unless the number is the guest's by now: then it is not ours to close.

        Before a new line is opened, which may get this very number.
        """
        if self.ours():
            self.sock.close()
        else:
            self.sock.detach()  # left open, it would warn in the guest's name

    def __del__(self) -> None:
        try:
            self.leave()
        except AttributeError:
            pass  # a signal handler broke off its making


def cookie(sock: _socket.socket) -> bytes:
    """The socket's own number, b"" where the kernel gives none."""
    try:
        return sock.getsockopt(_SOL_SOCKET, _COOKIE, _COOKIE_SIZE) if _COOKIE else b""
    except OSError:
        return b""


def reach(sock: _socket.socket, address: str | bytes) -> None:
    """Connects, also when signals interrupt the wait for a place in the supervisor's queue.

    C takes that for a connection which is under way, and then, since nothing is wrong with the socket, for made.
    """
    for _ in range(INTERRUPTIONS):
        reach_out(sock, address)
        try:
            sock.getpeername()
        except OSError:
            continue
        return


class Channel:
    """Asks the supervisor at `address` (an abstract or a path name of a SEQPACKET socket).

    key, name: what the supervisor seals its answers to this process and its forks with, and what it calls that key.
    """

    __slots__ = ("address", "key", "lines", "name", "notes", "patience", "run", "supervisor")

    def __init__(self, address: str | bytes, run: str) -> None:
        self.address = address
        self.run = run
        self.lines = _local()
        self.supervisor = -1  # its pid, from the first connection on, which is made before the guest runs
        self.name, self.key = "", keyed(b"")
        self.notes: Connection | None = None
        # struct timeval, in the kernel's own length on every 64-bit Linux that CPython runs on
        self.patience = PATIENCE.to_bytes(8, sys.byteorder) + bytes(8)
        register_at_fork(after_in_child=self.forked)

    def forked(self) -> None:
        """A child lets go of the lines on which its thread was asking: a signal handler may have forked in the middle.

        Both would wait for the one answer otherwise, and whoever does not get it would wait for nothing.
        """
        for line in getattr(self.lines, "asking", ()):
            line.leave()

    def know(self, answer: list[str]) -> list[str]:
        """Takes the key that comes with the answer to the report: from now on no answer without it is believed."""
        if answer[0] == "allow":
            self.name, self.key = answer[2], keyed(bytes.fromhex(answer[3]))
            del answer[2:4]
        return answer

    def ask(self, op: str, fields: tuple[str, ...]) -> list[str]:
        """Returns the answer's fields after the question's number. Raises Lost when there is none."""
        line = self._line()
        # Busy: a signal handler interrupted this thread's own question; the answer on its line is not for us.
        kept = not line.busy
        if not kept:
            line = self._open(getpid(), "")
        try:
            return self._exchange(line, op, fields)
        except Broken as error:
            line = self._open(getpid(), str(error))
        if kept:
            self.lines.line = line
        try:
            return self._exchange(line, op, fields)
        except Broken as error:
            raise Lost(str(error)) from None

    def _exchange(self, line: Connection, op: str, fields: tuple[str, ...]) -> list[str]:
        """One question and its answer on one line. Raises Broken, Lost, or ValueError for what no frame can carry."""
        number = urandom(CHANCE).hex()
        question = pack((op, number, *fields))
        sock, lines = line.sock, self.lines
        before = getattr(lines, "asking", ())  # of a question that a signal handler has interrupted for this one
        try:
            lines.asking = (*before, line)
            line.busy = True
            sock.send(question, _NOSIGNAL)
            frame = sock.recv(MAX_ANSWER)
            line.busy = False
        except BaseException as error:
            self._drop(line)  # the answer would come to the next question
            if raised_by_guest(error):
                raise
            if line.pid != getpid():
                raise Broken("") from None  # we are a child: `forked` has closed it
            if isinstance(error, (BrokenPipeError, ConnectionResetError)):
                raise Broken("the channel broke") from None
            raise Lost("no answer came" if isinstance(error, BlockingIOError) else str(error)) from None
        finally:
            lines.asking = before
        answer = frame[SIZE:]
        if frame[:SIZE] != seal(self.key, question, answer):
            # Nothing (it was hung up), the answer to a question that we have not asked, or one that others have made.
            self._drop(line)
            raise Broken("the channel was written to by others" if frame else "the channel was cut off")
        texts = unpack(answer)[1:]
        return self.know(texts) if op == "hello" else texts

    def tell(self, op: str, fields: tuple[str, ...]) -> None:
        """Sends a note that has no answer. A note that cannot be sent is dropped: it carries no right."""
        line = getattr(self.lines, "line", None)
        if type(line) is Connection and line.pid == getpid() and not line.busy and line.ours():
            try:
                line.sock.send(pack((op, "0", *fields)), _NOTE)
            except (OSError, ValueError):
                pass

    def note(self, op: str, fields: tuple[str, ...]) -> None:
        """Announces the system call that this thread makes next, or says how it ended. What cannot be sent is lost."""
        notes = self.notes
        try:
            if notes is None or notes.pid != getpid() or not notes.ours():
                notes = self._open_notes()
            notes.sock.send(pack((op, str(get_native_id()), *fields)), _NOTE)
        except (OSError, ValueError):
            pass

    def _open_notes(self) -> Connection:
        """The socket for the notes of this whole process; whoever writes here is not waited for by anybody."""
        if self.notes is not None:
            self.notes.leave()
        sock = _SOCKET(_UNIX, _SEQPACKET, 0, lift(_SOCKET(_UNIX, _SEQPACKET).detach()))
        try:
            sock.settimeout(None)
            reach(sock, self.address + NOTES)  # type: ignore[operator]  # there is a wall, so it is an abstract name
            self.notes = Connection(sock, getpid())
        except BaseException:
            sock.close()
            raise
        return self.notes

    def _line(self) -> Connection:
        """This thread's connection in this process: the one it has, a first one, or one new try after a loss."""
        pid = getpid()
        line = getattr(self.lines, "line", None)
        if type(line) is Connection and line.pid == pid:
            if line.busy or line.ours():
                return line
            line.leave()
            line = self._open(pid, "the channel's descriptor was closed or replaced")
        else:
            line = self._open(pid, "")
        self.lines.line = line
        return line

    def _drop(self, line: Connection) -> None:
        line.leave()
        if getattr(self.lines, "line", None) is line:
            self.lines.line = None

    def _bear(self, sock: _socket.socket) -> None:
        """Waits on this socket end some time."""
        sock.setsockopt(_SOL_SOCKET, _SO_RCVTIMEO, self.patience)
        sock.setsockopt(_SOL_SOCKET, _SO_SNDTIMEO, self.patience)

    def _open(self, pid: int, why: str) -> Connection:
        sock = None
        lines = self.lines
        lines.opening = getattr(lines, "opening", 0) + 1
        try:
            sock = _SOCKET(_UNIX, _SEQPACKET, 0, lift(_SOCKET(_UNIX, _SEQPACKET).detach()))
            sock.settimeout(None)  # the guest may have set a default time-out
            self._bear(sock)
            reach(sock, self.address)
            self._bear(sock)  # behind a wall another socket is there now (supervisor/wall.py)
            line = Connection(sock, pid)
            if self.supervisor != line.peer:
                if self.supervisor != -1:
                    raise Lost("somebody else answers in the supervisor's name")
                self.supervisor = line.peer
            sock.send(pack(("open", VERSION, self.run, str(get_native_id()), why, self.name)), _NOSIGNAL)
            return line
        except BaseException as error:
            if sock is not None:
                sock.close()  # or it would warn in the guest's name
            if not isinstance(error, OSError):
                raise  # Lost, or a signal handler's
            raise Lost(f"the supervisor cannot be reached: {error}") from None
        finally:
            lines.opening -= 1
