"""Where a unix socket's path leads, as its caller sees it: pinned by a descriptor, so that it stays what was decided.

The guest may not leave its file system (no chroot, no namespace): an absolute path means the same to it and to us,
but for what /proc says of whoever asks. Such a path begins at the caller's own folder there.
"""

from __future__ import annotations

import os

from netguard.seccomp import abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.seccomp.callers import Caller

#: How a path begins that means another thing to each process -> what stands for it, by process and thread.
_OWN = (
    (b"/proc/self/", "/proc/{pid}/"),
    (b"/proc/thread-self/", "/proc/{pid}/task/{tid}/"),
    (b"/dev/fd/", "/proc/{pid}/fd/"),
)


def pin(caller: Caller, path: bytes) -> tuple[int, str]:
    """A descriptor of what the path leads to, and its real path. Raises OSError, as following the path does."""
    fd = _open(caller, path, os.O_PATH)
    return fd, real(fd)


def new(caller: Caller, path: bytes) -> tuple[int, str, bytes]:
    """(the folder to bind from, the real path there will be, the path to bind), for a path that is yet to be made.

    Raises OSError, as following the path does. A path with folders in it is followed once more when it is bound, for
    the socket shows it as it is written, and the guest can have changed where it leads by then. That gives it nothing:
    it can put a link to a socket of its own wherever it could bind one.
    """
    above, slash, name = path.rpartition(b"/")
    folder = _open(caller, above or slash or b".", os.O_PATH | os.O_DIRECTORY)
    try:
        place = os.path.join(real(folder), os.fsdecode(name))
        if is_own(path) or not slash:
            return os.dup(folder), place, name
        return current(caller), place, path
    finally:
        os.close(folder)


def follow(caller: Caller, path: bytes, flags: int) -> int:
    """A descriptor of what a path leads to that the kernel will follow again for the caller, and ask what it may: so it
    may also go through what /proc shows of other processes. Raises OSError, as following the path does."""
    return _open(caller, path, flags, others=True)


def below(folder: int, path: bytes, flags: int) -> int:
    """The same of a path that begins at a folder that a descriptor holds."""
    return abi.open_place(folder, path, flags)


def held(caller: Caller, fd: int) -> int:
    """A descriptor of what one of the caller's holds. Raises OSError: ENOENT for none."""
    return os.open(f"/proc/{caller.tid}/fd/{fd}", os.O_PATH | os.O_CLOEXEC)


def real(fd: int) -> str:
    """The path of what a descriptor holds, in our own view."""
    return os.readlink(f"/proc/self/fd/{fd}")


def is_own(path: bytes) -> bool:
    """Whether the path means another thing to each process."""
    return path.startswith(tuple([head for head, _ in _OWN]))


def current(caller: Caller) -> int:
    """A descriptor of the caller's current folder. Raises OSError."""
    return os.open(f"/proc/{caller.tid}/cwd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _open(caller: Caller, path: bytes, flags: int, *, others: bool = False) -> int:
    base, rest = _base(caller, path, others)
    if base < 0:
        return abi.open_place(base, path, flags)
    if not rest:
        return base
    try:
        return abi.open_place(base, rest, flags)
    finally:
        os.close(base)


def _base(caller: Caller, path: bytes, others: bool) -> tuple[int, bytes]:
    """(a descriptor to begin at, what is left to follow); -1 for a path that needs none."""
    for head, instead in [*_OWN, *(_of_another(path) if others else ())]:
        if path.startswith(head):
            name, _, rest = path[len(head) :].partition(b"/")
            if name == b"fd":  # one step further: what the descriptor holds
                number, _, rest = rest.partition(b"/")
                name += b"/" + number
            place = os.fsencode(instead.format(pid=caller.pid, tid=caller.tid)) + name
            return os.open(place, os.O_PATH | os.O_CLOEXEC), rest
    return (-1, path) if path.startswith(b"/") else (current(caller), path)


def _of_another(path: bytes) -> tuple[tuple[bytes, str], ...]:
    """The row of a path that begins in the folder of a process that it names by number."""
    parts = path.split(b"/", 3)
    number = parts[2] if len(parts) == 4 and parts[:2] == [b"", b"proc"] else b""
    return ((b"/proc/%b/" % number, f"/proc/{number.decode()}/"),) if number.isdigit() else ()
