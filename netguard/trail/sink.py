"""Where lines go: a file that nobody else may touch, or a stream that somebody reads. The trail's only descriptor I/O.

A sink never decides what is written and never retries what failed: it says how many bytes arrived.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat

from netguard.errors import TrailError
from netguard.record.line import MAX_LINE

#: A full pipe is waited for this long; then the line counts as lost and the act is denied.
STREAM_WAIT_MS = 5_000
#: POSIX: a pipe that poll calls writable takes this much without blocking. Linux's PIPE_BUF.
PIECE = 4_096
#: The size is compared before every line. Its number of names and that the path still leads here take longer to ask,
#: so a flood of lines asks less often: at most this long after the last time. One line in a millisecond is every line.
NAME_CHECK_NS, PATH_CHECK_NS = 1_000_000, 50_000_000
OPEN_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class FileSink:
    """A regular file that this process alone may write, watched for anybody who does so too.

    fd, path: the open file. size: what the file must hold now. torn: an unfinished line somebody left at its end.
    """

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path
        status = os.fstat(fd)
        self.identity = (status.st_dev, status.st_ino)
        self.size = status.st_size
        self.names_due_ns = self.path_due_ns = 0  # monotonic clocks never show less
        self.torn = read_torn(fd, self.size, path)

    def put(self, data: bytes) -> tuple[int, str]:
        """Append with one write(2). Returns (bytes that arrived, why not all: "" if they did)."""
        try:
            written = os.write(self.fd, data)
        except OSError as error:
            return 0, error.strerror or str(error)
        self.size += written
        return written, "" if written == len(data) else f"{written} of {len(data)} bytes were written"

    def foul(self, now_ns: int) -> str:
        """What somebody else did to the file since the last line, "" if nothing. `now_ns` is monotonic."""
        size = os.lseek(self.fd, 0, os.SEEK_END)  # a third of what fstat takes; O_APPEND writes where the end is anyway
        if size != self.size:
            return f"the trail holds {size} bytes where {self.size} were written"
        return "" if now_ns < self.names_due_ns else self.renamed(now_ns)

    def renamed(self, now_ns: int) -> str:
        """Whether the file lost its name, got a second one, or its path leads elsewhere; "" if not."""
        self.names_due_ns = now_ns + NAME_CHECK_NS
        names = os.fstat(self.fd).st_nlink
        if names != 1:
            return f"the trail has {names} names where it had one"
        if now_ns < self.path_due_ns:
            return ""
        self.path_due_ns = now_ns + PATH_CHECK_NS
        return "" if self.identity == identity_of(self.path) else "the trail's path leads to something else"

    def accept(self) -> None:
        """Take the file as it is now: what was done to it is about to be said on the next line."""
        self.size = os.fstat(self.fd).st_size

    def at_line_start(self) -> bool:
        """Whether what is written next begins a line."""
        return self.size == 0 or os.pread(self.fd, 1, self.size - 1) == b"\n"

    def close(self) -> None:
        """Let the next writer in, and close."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_UN)
        finally:
            os.close(self.fd)


class StreamSink:
    """A pipe, socket, terminal or borrowed file: others may write there too, so nothing about it is compared."""

    def __init__(self, fd: int, owned: bool = False) -> None:
        self.fd = fd
        self.owned = owned
        self.size = 0
        self.torn = b""
        self.poll = select.poll()
        self.poll.register(fd, select.POLLOUT)
        kind = stat.S_IFMT(os.fstat(fd).st_mode)
        self.piece = MAX_LINE if kind in (stat.S_IFREG, stat.S_IFCHR) else PIECE

    def put(self, data: bytes) -> tuple[int, str]:
        """Write everything, waiting for a slow reader up to STREAM_WAIT_MS. Returns as `FileSink.put`.

        Never sets O_NONBLOCK: the guest may share the stream, and its own prints would start to fail.
        """
        done = 0
        while done < len(data):
            try:
                if not self.poll.poll(STREAM_WAIT_MS):
                    return self.arrived(done), f"nobody read the stream for {STREAM_WAIT_MS // 1000} s"
                done += os.write(self.fd, data[done : done + self.piece])
            except BlockingIOError:
                continue  # another writer was faster: wait again
            except OSError as error:
                return self.arrived(done), error.strerror or str(error)
        return self.arrived(done), ""

    def arrived(self, count: int) -> int:
        """Count bytes that were written."""
        self.size += count
        return count

    def foul(self, now_ns: int) -> str:
        """Nothing is known of a stream."""
        return ""

    def accept(self) -> None:
        """Nothing to take over."""

    def at_line_start(self) -> bool:
        """The writer itself ends every line."""
        return True

    def close(self) -> None:
        """Close what was opened here; a borrowed descriptor is its lender's."""
        if self.owned:
            os.close(self.fd)


def open_file(path: str) -> FileSink | StreamSink:
    """Open or create a trail file for one writer, 0600. A character device such as /dev/null becomes a stream.

    Raises TrailError for a symlink, a second name, another writer, a file that is no trail, or what the system refuses.
    """
    path = os.path.abspath(path)
    try:
        fd = os.open(path, OPEN_FLAGS, 0o600)
    except OSError as error:
        hint = " (a symbolic link is not followed; for standard output use -)" if os.path.islink(path) else ""
        raise TrailError(f"cannot open the trail {path}: {error.strerror}{hint}") from error
    try:
        return claim(fd, path)
    except BaseException:
        os.close(fd)
        raise


def claim(fd: int, path: str) -> FileSink | StreamSink:
    """The sink of an open descriptor, or a TrailError when the file must not be written."""
    status = os.fstat(fd)
    if stat.S_ISCHR(status.st_mode):
        return StreamSink(fd, owned=True)
    if not stat.S_ISREG(status.st_mode):
        raise TrailError(f"the trail {path} is not a file; hand a pipe or socket over as a descriptor")
    if status.st_nlink != 1:
        raise TrailError(f"the trail {path} has {status.st_nlink} names: it could be changed under another one")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise TrailError(f"the trail {path} is being written by another run: {error.strerror}") from error
    return FileSink(fd, path)


def read_torn(fd: int, size: int, path: str) -> bytes:
    """The unfinished line at the end of an existing trail, b"" if none. Raises TrailError if it is no trail at all."""
    if size == 0:
        return b""
    end = os.pread(fd, MAX_LINE, max(0, size - MAX_LINE))
    torn = end[end.rfind(b"\n") + 1 :]
    if not os.pread(fd, 5, 0).startswith(b'{"v":'[:size]) or len(torn) >= MAX_LINE:
        raise TrailError(f"{path} exists and is not a trail: nothing is added to it")
    return torn


def identity_of(path: str) -> tuple[int, int] | None:
    """Device and inode that a path leads to, None where it leads nowhere."""
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return status.st_dev, status.st_ino
