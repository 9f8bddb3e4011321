"""A call that starts a program, read once from its caller's memory into values, and what its path leads to as the
caller sees it. Nothing here decides, and nothing here has an effect.

The kernel reads path, arguments and environment again when the call goes on, and another thread may have changed them
by then: what is known here of a granted start is what was asked, and no more. A denial needs none of it.
"""

from __future__ import annotations

import errno
import os
import stat

from netguard.seccomp import alarm, places
from netguard.seccomp.arguments import signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.seccomp.callers import Caller

#: execveat(2): AT_FDCWD, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW. AT_EXECVE_CHECK, which starts nothing, is refused as an
#: older kernel refuses it.
HERE, EMPTY_PATH, NO_FOLLOW = -100, 0x1000, 0x100

#: Bytes of a path with its end (PATH_MAX), and of one argument or variable (MAX_ARG_STRLEN): the kernel's own bounds.
MAX_PATH, MAX_WORD = 4_096, 131_072

#: How many arguments or variables are read, and how many bytes of them in all. The kernel takes 6 MB; more than this is
#: said to be more. A shell that hands on a folder's files stays below.
MAX_WORDS, MAX_BYTES = 16_384, 1_048_576

#: Memory is read up to the end of a page, and of the next where less than that is left: the words of a command line lie
#: side by side, or each somewhere else, and each page costs a microsecond.
PAGE, LEAST = 4_096, 128

#: Bytes of a program's file that say what it is. The kernel looks at 256; a launcher of pip's says more
#: (`core/interpreter.py`).
HEAD_BYTES = 2_048

#: How a file begins that the kernel knows to start.
FORMATS = (b"\x7fELF", b"#!")

#: Further formats that were registered for this machine, besides two files that are always there.
REGISTERED = "/proc/sys/fs/binfmt_misc"


class Unreadable(OSError):
    """The caller's memory is kept from us."""


class Execution:
    """One call.

    call:    its name.
    fd:      of ours, of what the path leads to; -1 once it is closed.
    path:    as given, absolute.  real: with its links followed; of a file in memory, what the kernel calls it.
    folder:  the caller's own.
    identity: (device, inode) of the file.
    head:    how the file begins, b"" where it cannot be read.
    argv:    the arguments.  environ: the variables, NAME=VALUE.  Each False at `whole…` where there was more.
    """

    __slots__ = (
        "argv", "call", "environ", "fd", "folder", "head", "identity", "path", "real", "whole", "whole_environ",
    )  # fmt: skip

    def __init__(self, call: str, fd: int) -> None:
        self.call = call
        self.fd = fd
        self.path = self.real = self.folder = ""
        self.identity = (0, 0)
        self.head = b""
        self.argv: list[bytes] = []
        self.environ: list[bytes] = []
        self.whole = self.whole_environ = True

    def close(self) -> None:
        """Lets go of the file."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def read(call: str, args: tuple[int, ...], caller: Caller) -> Execution:
    """Returns the call as values. Raises OSError: the errno that the guest gets, for nothing would start; Unreadable.

    The errors come in the kernel's order: the path, what it leads to, the arguments, the file's format.
    """
    folder, at, rest, flags = (HERE, args[0], args[1:3], 0)
    if call == "execveat":
        folder, at, rest, flags = signed(args[0]), args[1], args[2:4], args[4] & 0xFFFFFFFF
    if flags & ~(EMPTY_PATH | NO_FOLLOW):
        raise _error(errno.EINVAL)
    try:
        memory = Memory(caller)
        path = memory.path(at)
    except PermissionError as error:
        raise Unreadable(*error.args) from None
    alarm.arm()
    found = Execution(call, -1)
    try:
        _open(found, caller, path, folder, flags)
        _look(found)
        found.argv, found.whole = memory.words(rest[0])
        found.environ, found.whole_environ = memory.words(rest[1])
        found.head = _head(found.fd)
        if found.head and not found.head.startswith(FORMATS) and not _others():
            raise _error(errno.ENOEXEC)
    except BaseException:
        found.close()
        raise
    return found


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _open(found: Execution, caller: Caller, path: bytes, folder: int, flags: int) -> None:
    """Opens what the path leads to, as following it for the caller does."""
    how = os.O_PATH | (os.O_NOFOLLOW if flags & NO_FOLLOW else 0)
    found.folder = os.readlink(f"/proc/{caller.tid}/cwd")
    if not path and not flags & EMPTY_PATH:
        raise _error(errno.ENOENT)
    if path.startswith(b"/") or (path and folder == HERE):
        found.path = os.path.join(found.folder, os.fsdecode(path))
        found.fd = places.follow(caller, path, how)
        return
    if folder == HERE:
        raise _error(errno.EACCES)  # a folder
    try:
        held = places.held(caller, folder)
    except FileNotFoundError:
        raise _error(errno.EBADF) from None
    if not path:
        found.fd = held
        return
    try:
        found.path = os.path.join(places.real(held), os.fsdecode(path))
        found.fd = places.below(held, path, how)
    finally:
        os.close(held)


def _look(found: Execution) -> None:
    """Learns what was found. Raises OSError: ELOOP, EACCES for what is no program."""
    about = os.fstat(found.fd)
    if stat.S_ISLNK(about.st_mode):
        raise _error(errno.ELOOP)
    if not stat.S_ISREG(about.st_mode) or not os.access(f"/proc/self/fd/{found.fd}", os.X_OK):
        raise _error(errno.EACCES)
    found.identity = about.st_dev, about.st_ino
    found.real = places.real(found.fd)
    found.path = found.path or found.real


def _head(fd: int) -> bytes:
    """How the file begins. It may be started and not be read: then only the kernel knows what it is."""
    try:
        opened = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        return b""
    try:
        return os.read(opened, HEAD_BYTES) or b"\0"  # an empty file is none that we may not read
    finally:
        os.close(opened)


def _others() -> bool:
    """Whether this machine knows further formats."""
    try:
        return len(os.listdir(REGISTERED)) > 2
    except OSError:
        return False


class Memory:
    """The caller's memory, read piece by piece. A text is cut out of one reading, and is not looked at again."""

    __slots__ = ("caller", "data", "start")

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.start = 0
        self.data = b""

    def path(self, at: int) -> bytes:
        """A path. Raises OSError: EFAULT, ENAMETOOLONG."""
        return self.text(at, MAX_PATH, errno.ENAMETOOLONG)

    def words(self, at: int) -> tuple[list[bytes], bool]:
        """A list of texts that ends with a null pointer, and whether that is all of it. None is as good as empty.

        Raises OSError: EFAULT, E2BIG.
        """
        found: list[bytes] = []
        left = MAX_BYTES
        for pointer in self.pointers(at):
            if not pointer:
                return found, True
            if len(found) == MAX_WORDS or left <= 0:
                return found, False
            found.append(self.text(pointer, MAX_WORD, errno.E2BIG))
            left -= len(found[-1]) + 1
        return found, not at

    def pointers(self, at: int) -> list[int]:
        """The list's pointers, up to its end or one more than are read. Raises OSError: EFAULT."""
        found: list[int] = []
        while at and len(found) <= MAX_WORDS:
            data = self.caller.read_some(at, 4 * PAGE if found else 512)  # most have a few dozen
            if len(data) < 8:
                raise _error(errno.EFAULT)
            some = memoryview(data[: len(data) & ~7]).cast("Q").tolist()
            if 0 in some:
                return [*found, *some[: some.index(0) + 1]]
            found += some
            at += len(some) * 8
        return found

    def text(self, at: int, most: int, over: int) -> bytes:
        """A text at an address, at most so long with its end, else the error `over`. Raises OSError: EFAULT too."""
        place = at - self.start
        end = self.data.find(b"\0", place) if 0 <= place < len(self.data) else -1
        if end < 0:
            self.start, place = at, 0
            self.data = self.caller.read_some(at, window(at))
            end = self.data.find(b"\0")
        while end < 0 and len(self.data) < most:
            more = self.caller.read_some(self.start + len(self.data), 4 * PAGE)
            if not more:
                raise _error(errno.EFAULT)
            begun = len(self.data)
            self.data += more
            end = self.data.find(b"\0", begun)
        if end < 0 or end - place >= most:
            raise _error(over)
        return self.data[place:end]


def window(at: int) -> int:
    """How many bytes are read at an address."""
    left = PAGE - at % PAGE
    return left if left >= LEAST else left + PAGE
