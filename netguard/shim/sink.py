"""Where a guest without a supervisor puts its lines: what all such places have in common, and an appended file.

The descriptor lies in the guest's own table, so each use begins with the kernel's word on what is behind it. What was
closed or replaced is opened once more, and that is told; where it cannot be, nothing more is granted. Bytes are taken
whole or not at all: a line that was cut is told by the chain.
"""

from __future__ import annotations

from fcntl import F_GETFL, F_SETFL, fcntl
from posix import (
    O_APPEND,
    O_CLOEXEC,
    O_NOFOLLOW,
    O_NONBLOCK,
    O_RDWR,
    close,
    fstat,
    getpid,
    lseek,
    lstat,
    pread,
    write,
)
from posix import open as open_file
from time import monotonic, sleep

from ..record import NotRecorded
from .high import lift

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import stat_result

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

SEEK_CUR, EBADF = 1, 9

#: What is said of a line that was written and is not where it must be.
CHANGED, MISPLACED = "the descriptor was changed while the line was written", "a line did not get where it belongs"

#: How every line begins (record.keys.STAMPED).
BEGINNING = b'{"v":1,"seq":'


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
        """Takes bytes; returns (how many arrived, why not all: "" if they did)."""
        done, why = self.sent(data)
        return (done, why) if why or self.ours() else (0, CHANGED)

    def sent(self, data: bytes) -> tuple[int, str]:
        """The bytes, sent to whatever is behind the descriptor. Waits for a slow reader, once."""
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
        return done, ""

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
        self.status: stat_result | None = None  # as it was when this turn last looked
        self.ends: list[int] = []  # of our own lines that were not looked at yet
        self.size = fstat(fd).st_size  # all before this was looked at
        if not self.at_line_start():  # nearly never; a forked child would touch many pages to read the end of it
            start, end = self.tail(0)
            self.size = start + len(end)
            self.torn = end[end.rfind(b"\n") + 1 :]

    def serve(self, chain: str) -> None:
        """What is told apart from now on is this chain; lines of the one before are as any other's."""
        self.own = b',"chain":"%b",' % chain.encode()
        self.ends, self.status = [], None

    def ours(self) -> bool:
        """As ever; what else the kernel says of it is kept for `foul`, which is asked in the same turn."""
        try:
            self.status = status = fstat(self.fd)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self.identity

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
        written, why = self.sent(data)
        if self.ours():
            end = lseek(self.fd, 0, SEEK_CUR)  # behind our line, wherever it has come to lie
            if why or (end - written >= self.least() and pread(self.fd, written, end - written) == data):
                if end - written == self.size and not self.ends:
                    self.size = end
                else:
                    self.ends.append(end)
                return written, why
            self.misplaced = MISPLACED
        if self.arrived(data):
            self.misplaced = ""
            return len(data), ""
        return 0, why or self.misplaced or CHANGED

    def arrived(self, data: bytes) -> bool:
        """Whether a line got there before its descriptor was changed: looked for through another one.

        The chain counts it then, or its number would be given once more.
        """
        least = self.least()
        try:
            fd = self.again()
            before, at = identity(fd), pread(fd, SCANNED, least).find(data)
            if not before == self.identity == identity(fd):
                return False  # not ours to close either
            close(fd)
        except OSError:
            return False
        if at >= 0:
            self.ends.append(least + at + len(data))
        return at >= 0

    def foul(self, now_ns: int) -> str:
        """Cut, deleted, given a second name, exchanged, or written to by one who is no guard."""
        if self.misplaced:
            return self.misplaced
        status, least = self.status or fstat(self.fd), self.least()
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
        self.status = None
        self.size, self.ends, self.misplaced = fstat(self.fd).st_size, [], ""

    def at_line_start(self) -> bool:
        """Whether what is written next begins a line."""
        return self.size == 0 or pread(self.fd, 1, self.size - 1) == b"\n"
