"""Where a guest without a supervisor puts its lines: an appended file, an inherited descriptor, a unix socket.

The descriptor lies in the guest's own table, so each use begins with the kernel's word on what is behind it. What was
closed or replaced is opened once more, and that is told; where it cannot be, nothing more is granted. Bytes are taken
whole or not at all: a line that was cut is told by the chain.
"""

from __future__ import annotations

import _socket
import sys
from fcntl import F_GETFL, F_SETFL, fcntl
from posix import (
    O_APPEND,
    O_CLOEXEC,
    O_CREAT,
    O_NOFOLLOW,
    O_NONBLOCK,
    O_RDWR,
    O_WRONLY,
    close,
    dup,
    fstat,
    getpid,
    getuid,
    lseek,
    lstat,
    pread,
    stat,
    write,
)
from posix import open as open_file
from time import monotonic, sleep

from ..record import NotRecorded
from .asker import reach_out
from .high import lift

#: Longest line on a pipe or a socket, with its line feed: what POSIX promises to write in one piece is 512 bytes, what
#: Linux does is 4,096 (PIPE_BUF, pipe(7)); a longer one could be torn by another process's.
PIPE_BUF = 4_096

#: Seconds that a full pipe or socket is waited for; then the line counts as lost and the act is denied.
PATIENCE = 5.0

#: Seconds between two tries: doubled from the one to the other.
SHORTEST, LONGEST = 0.0005, 0.05

#: Seconds that another process's line may be seen half, as a file grows page by page, before it counts as unfinished.
GROWING = 0.1

#: Of what others have appended since the last line, so many bytes are read and checked; the rest is `verify`'s.
SCANNED = 65_536

S_IFMT, S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR = 0o170000, 0o100000, 0o010000, 0o140000, 0o020000
SEEK_CUR, SEEK_END = 1, 2
EBADF, ENOENT, EPROTOTYPE = 9, 2, 91

#: How every line begins (record.keys.STAMPED).
BEGINNING = b'{"v":1,"seq":'

_SOCKET = _socket.socket
_UNIX, _SEQPACKET, _STREAM, _DGRAM = _socket.AF_UNIX, _socket.SOCK_SEQPACKET, _socket.SOCK_STREAM, _socket.SOCK_DGRAM
_NOW = _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL
_SOL_SOCKET, _PEERCRED, _SO_TYPE = _socket.SOL_SOCKET, _socket.SO_PEERCRED, _socket.SO_TYPE


def identity(fd: int) -> tuple[int, int]:
    """Device and inode behind a descriptor; (-1, -1) when it is not open."""
    try:
        status = fstat(fd)
    except OSError:
        return -1, -1
    return status.st_dev, status.st_ino


class Sink:
    """What all sinks share: the chain's view of one (record.chain), and what to do when the descriptor is not ours."""

    torn = b""
    size = 0
    limit = PIPE_BUF
    patience = PATIENCE
    watch = "a stream: what others write there is not seen"

    #: How the descriptor writes (F_GETFL); None where nothing of ours depends on it.
    flags: int | None = None

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.identity = identity(fd)
        self.pid = getpid()

    def mark(self) -> tuple[int, int]:
        """What every opening of the same place has in common."""
        return self.identity

    def ours(self) -> bool:
        """Whether the descriptor still leads where it did."""
        return identity(self.fd) == self.identity

    def kept(self) -> str:
        """Sees to it that the descriptor is ours. Returns "" if it was, else what had happened and was mended.

        Raises NotRecorded when it cannot be mended.
        """
        if self.ours():
            if self.flags is None or fcntl(self.fd, F_GETFL) == self.flags:
                return ""
            fcntl(self.fd, F_SETFL, self.flags)
            return "the trail's descriptor was made to write otherwise"
        try:
            self.fd = self.again()
        except OSError as error:
            raise NotRecorded(f"the trail's descriptor was closed or replaced: {error.strerror}") from None
        if not self.ours():
            raise NotRecorded("the trail's descriptor was closed or replaced, and what is in its place is another")
        return "the trail's descriptor was closed or replaced"

    def again(self) -> int:
        """Opens it once more. Raises OSError."""
        raise OSError(EBADF, "there is no way to open it again")

    def serve(self, chain: str) -> None:
        """From now on it takes the lines of this chain."""

    def put(self, data: bytes) -> tuple[int, str]:
        """Takes bytes; returns (how many arrived, why not all: "" if they did). Waits for a slow reader, once."""
        if getpid() != self.pid:
            return 0, "a child does not go on with its parent's line"  # forked by a signal handler in the middle of it
        until = monotonic() + self.patience
        done, pause = 0, SHORTEST
        while done < len(data):
            try:
                done += self.send(data[done:] if done else data)
            except BlockingIOError:
                if monotonic() > until:
                    self.patience = 0.0  # whoever comes next need not wait as long for the same reader
                    return done, f"nobody took the line for {PATIENCE:.0f} s"
                sleep(pause)
                pause = min(pause * 2, LONGEST)
            except OSError as error:
                return done, error.strerror or "it cannot be written"
        self.patience = PATIENCE
        return (done, "") if self.ours() else (0, "the descriptor was changed while the line was written")

    def send(self, data: bytes) -> int:
        """One write(2) or send(2). Raises OSError."""
        return write(self.fd, data)

    def foul(self, now_ns: int) -> str:
        """What somebody else did since the last line; nothing is known of a stream."""
        return ""

    def accept(self) -> None:
        """Takes the place as it is."""

    def at_line_start(self) -> bool:
        """Each line is ended by whoever wrote it."""
        return True

    def close(self) -> None:
        """Closes the descriptor, unless the number is the guest's by now."""
        if self.ours():
            close(self.fd)
        self.fd = -1


class FileSink(Sink):
    """A file to which each process of the run appends lines of its own, whole, by one write(2).

    A line that claims the chain it serves, and was not written here, is a forgery.
    """

    limit = 65_536
    watch = "a file: its size, names and path are compared, and what others append to it is looked at"

    def __init__(self, fd: int, path: str) -> None:
        super().__init__(fd)
        self.path = path
        self.flags = fcntl(fd, F_GETFL)
        self.misplaced = ""  # what is wrong with how the last line was written
        self.ends: list[int] = []  # of our own lines that were not looked at yet
        start, end = self.tail(0)
        self.size = start + len(end)  # all before this was looked at
        self.torn = end[end.rfind(b"\n") + 1 :]

    def serve(self, chain: str) -> None:
        """What is told apart from now on is this chain; lines of the one before are as any other's."""
        self.own = b',"chain":"%b",' % chain.encode()
        self.ends = []

    def tail(self, since: int) -> tuple[int, bytes]:
        """(place, what the file holds from there on): from `since`, or of much the last part.

        Waits a moment for a line that is just being written.
        """
        until = monotonic() + GROWING
        while True:
            start = max(since, fstat(self.fd).st_size - SCANNED)
            data = pread(self.fd, 2 * SCANNED, start)
            if data.endswith(b"\n") or not data or monotonic() > until:
                return start, data
            sleep(SHORTEST)

    def again(self) -> int:
        """The file at the path, if it is still that one."""
        if not self.path:
            raise OSError(EBADF, "it was handed over and has no name here")
        return lift(open_file(self.path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK))

    def put(self, data: bytes) -> tuple[int, str]:
        """As ever; what others have put in front of it meanwhile is looked at with the next line.

        It is read back: between two calls of ours another file can be put behind the descriptor's number, and taken
        away again, or the file's end be moved.
        """
        written, why = super().put(data)
        if not self.ours():
            return 0, why  # said above
        end = lseek(self.fd, 0, SEEK_CUR)  # behind our line, wherever it has come to lie
        if not why and (end - written < self.least() or pread(self.fd, written, end - written) != data):
            self.misplaced = "a line did not get where it belongs"
            return 0, self.misplaced
        if end - written == self.size and not self.ends:
            self.size = end
        else:
            self.ends.append(end)
        return written, why

    def foul(self, now_ns: int) -> str:
        """Cut, deleted, given a second name, exchanged, or written to by one who is no guard."""
        if self.misplaced:
            return self.misplaced
        status, least = fstat(self.fd), self.least()
        if status.st_size < least:
            return f"the trail holds {status.st_size} bytes where {least} were written"
        if status.st_nlink != 1:
            return f"the trail has {status.st_nlink} names where it had one"
        if self.path and not self.is_there():
            return "the trail's path leads to something else"
        return self.forged() if status.st_size != self.size else ""

    def least(self) -> int:
        """What the file must hold by now."""
        return self.ends[-1] if self.ends else self.size

    def is_there(self) -> bool:
        """Whether the path still leads to the file."""
        try:
            status = lstat(self.path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self.identity

    def forged(self) -> str:
        """What is wrong with the lines that others have appended, "" if nothing; they count as looked at then."""
        start, data = self.tail(self.size)
        at = 0 if start == self.size else data.find(b"\n") + 1
        for line in data[at:].split(b"\n")[:-1]:
            at += len(line) + 1
            if not line.startswith(BEGINNING) or not line.endswith(b"}"):
                return "somebody wrote to the trail what is no line of it"
            if self.own in line and start + at not in self.ends:
                return "somebody wrote a line in this process's name"
        if data and not data.endswith(b"\n"):
            return "somebody left a line without an end on the trail"
        self.size, self.ends = start + len(data), []
        return ""

    def accept(self) -> None:
        """Takes the file as it is: what was done to it is about to be said."""
        self.kept()
        self.size, self.ends, self.misplaced = fstat(self.fd).st_size, [], ""

    def at_line_start(self) -> bool:
        """Whether what is written next begins a line."""
        return self.size == 0 or pread(self.fd, 1, self.size - 1) == b"\n"


class PipeSink(Sink):
    """A pipe, a terminal or another device that was handed over.

    number: where it was handed over. The descriptor in use is an opening of its own of the same thing, so that
    `O_NONBLOCK` set on the guest's touches nothing here and nothing here touches the guest's.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)
        self.fd = self.again()
        self.flags = fcntl(self.fd, F_GETFL)

    def again(self) -> int:
        """Opens what the number leads to, if it is still that. Without /proc a copy of the number has to do."""
        if identity(self.number) != self.identity:
            raise OSError(EBADF, f"descriptor {self.number} is not open any more, or is another")
        try:
            return lift(open_file(f"/proc/self/fd/{self.number}", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_APPEND))
        except OSError:
            return lift(dup(self.number))


class SocketSink(Sink):
    """A unix socket: one message a line, or a stream of lines."""

    def __init__(self, sock: _socket.socket, address: str | bytes | None, number: int = -1) -> None:
        self.sock = sock
        self.address = address
        self.number = number
        self.peer = reader(sock, address)
        self.name = name_of(sock)
        super().__init__(sock.fileno())

    def ours(self) -> bool:
        """Also whether it still leads to the same name: a datagram socket can be connected elsewhere."""
        return super().ours() and name_of(self.sock) == self.name

    def mark(self) -> tuple[int, int]:
        return self.identity if self.address is None else self.peer

    def again(self) -> int:
        """A new connection, if the same process answers. What was handed over is taken again by its number."""
        if self.address is None:
            if identity(self.number) != self.identity:
                raise OSError(EBADF, f"descriptor {self.number} is not open any more, or is another")
            found = _SOCKET(fileno=lift(dup(self.number)))
        else:
            found = connected(self.address)
            if reader(found, self.address) != self.peer:
                found.close()
                raise OSError(EBADF, "somebody else answers in its reader's name")
            self.identity = identity(found.fileno())
        self.sock.detach()  # the number is the guest's by now
        self.sock = found
        return found.fileno()

    def send(self, data: bytes) -> int:
        return self.sock.send(data, _NOW)

    def close(self) -> None:
        """Closes it, unless the number is the guest's by now."""
        if self.ours():
            self.sock.close()
        else:
            self.sock.detach()
        self.fd = -1


def name_of(sock: _socket.socket) -> object:
    """What the socket is connected to, None for nothing."""
    try:
        return sock.getpeername()
    except OSError:
        return None


def reader(sock: _socket.socket, address: str | bytes | None) -> tuple[int, int]:
    """Who reads at the other end, by the kernel's word: (process, user), struct ucred of unix(7).

    Of a datagram socket the kernel says nothing of the kind, so its file has to do.

    A reader of another user's may be another process after a restart: no guest can be it. One of the guest's own user
    may not.
    """
    if sock.getsockopt(_SOL_SOCKET, _SO_TYPE) == _DGRAM and type(address) is str:
        status = stat(address)
        return status.st_dev, status.st_ino
    attested = sock.getsockopt(_SOL_SOCKET, _PEERCRED, 12)
    pid, uid = [int.from_bytes(attested[at : at + 4], sys.byteorder) for at in (0, 4)]
    return (0, uid) if uid != getuid() else (pid, uid)


def connected(address: str | bytes) -> _socket.socket:
    """A connection to the unix socket, of whatever type it is, under a high number. Raises OSError."""
    refusal = OSError(ENOENT, "there is no such socket")
    for kind in (_SEQPACKET, _STREAM, _DGRAM):
        sock = _SOCKET(_UNIX, kind)
        sock.settimeout(None)
        try:
            reach_out(sock, address)
        except OSError as error:
            sock.close()
            if error.errno != EPROTOTYPE:  # for a path of another type; of an abstract name nobody knows that
                refusal = error
            continue
        return _SOCKET(_UNIX, kind, 0, lift(sock.detach()))
    raise refusal


def address_of(log: str) -> str | bytes | None:
    """A unix socket's name as C wants it; None for a file's path."""
    if not log.startswith("unix:"):
        return None
    name = log[5:]
    return b"\0" + name[1:].encode("utf-8", "surrogateescape") if name.startswith("@") else name


def open_sink(log: str, number: int, address: str | bytes | None) -> Sink:
    """The place that NETGUARD_LOG or NETGUARD_LOG_FD names. Raises OSError, NotRecorded.

    address: `address_of(log)`, this very object: the guest's hook knows the guard's own connection by it.
    """
    if address is not None:
        return SocketSink(connected(address), address)
    if log:
        flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
        return checked(FileSink(lift(open_file(log, flags, 0o600)), log))
    kind = fstat(number).st_mode & S_IFMT
    if kind == S_IFSOCK:
        return SocketSink(_SOCKET(fileno=lift(dup(number))), None, number)
    if kind == S_IFREG:
        again = open_file(f"/proc/self/fd/{number}", O_RDWR | O_APPEND | O_CLOEXEC | O_NONBLOCK)
        return checked(FileSink(lift(again), ""))
    return PipeSink(number)


def checked(sink: FileSink) -> FileSink:
    """Refuses what is no file, or could be changed under another name."""
    status = fstat(sink.fd)
    if status.st_mode & S_IFMT != S_IFREG or status.st_nlink != 1:
        close(sink.fd)
        raise NotRecorded("the trail is no file, or one with a second name")
    return sink
