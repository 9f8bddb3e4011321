"""Opens the place that NETGUARD_LOG or NETGUARD_LOG_FD names, whatever it is. Nothing is written here."""

from __future__ import annotations

from posix import O_APPEND, O_CLOEXEC, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR, close, dup, fstat
from posix import open as open_file

from ..record import NotRecorded
from .borrowed import borrow
from .high import lift
from .sink import FileSink, Sink
from .stream import PipeSink, SocketSink, connected

#: Bits of `st_mode` that say what a file is, and their values for a regular one and a socket (inode(7)).
S_IFMT, S_IFREG, S_IFSOCK = 0o170000, 0o100000, 0o140000


def address_of(log: str) -> str | bytes | None:
    """A unix socket's name as C wants it; None for a file's path."""
    if not log.startswith("unix:"):
        return None
    name = log[5:]
    return b"\0" + name[1:].encode("utf-8", "surrogateescape") if name.startswith("@") else name


def open_sink(log: str, number: int, address: str | bytes | None) -> Sink:
    """The place that NETGUARD_LOG or NETGUARD_LOG_FD names. Raises OSError, NotRecorded.

    address: `address_of(log)`.  number: NETGUARD_LOG_FD, where there is no log.
    """
    if address is not None:
        return SocketSink(connected(address), address)
    if log:
        flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
        return checked(FileSink(lift(open_file(log, flags, 0o600)), log))
    kind = fstat(number).st_mode & S_IFMT
    if kind == S_IFSOCK:
        return SocketSink(borrow(lift(dup(number))), None, number)
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
