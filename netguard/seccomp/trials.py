"""What this kernel lets us do, tried out in throw-away children: nothing of it stays with the process that asks.

Asking is not enough: a kernel may know a call that a container's profile, Yama or another sandbox then refuses. So each
ability is tried as the wall uses it, by a child that ends with the errno. It must never say more than that errno.
"""

from __future__ import annotations

import _socket
import _thread
import errno
import os
import select
import struct

from netguard.seccomp import abi, landlock
from netguard.seccomp.notify import Listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: What a trial comes to whose child did not end by itself: killed by somebody else's filter, or stuck.
ENDED = -1

#: How long a child may take, in milliseconds. They take less than one each.
PATIENCE = 5_000

#: PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER of <linux/prctl.h>.
_DUMPABLE, _SUBREAPER = 4, 36

#: <linux/filter.h>, <linux/seccomp.h>: load the call's number, compare it, return what to do.
_LOAD_NUMBER, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000

_ALLOW_ALL = [(_RETURN, 0, 0, _ALLOW)]


def run() -> dict[str, int]:
    """Returns for each ability 0 where it is there, else the errno of trying it, or ENDED."""
    return {name: _in_child(trial) for name, trial in TRIALS.items()}


def _in_child(trial: Callable[[], None]) -> int:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        error = errno.EPROTO  # a fault of ours
        try:
            trial()
            error = 0
        except OSError as refused:
            error = refused.errno or error
        finally:
            os.write(writer, struct.pack("=i", error))
            os._exit(0)
    os.close(writer)
    try:
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        said = os.read(reader, 4) if poll.poll(PATIENCE) else b""
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(reader)
    return int(struct.unpack("=i", said)[0]) if len(said) == 4 else ENDED


def _filter(flags: int = 0) -> None:
    abi.no_new_privs()
    abi.install_filter(_ALLOW_ALL, flags)


class _Target:
    """A child to look into: as readable as a guest, and gone with the `with` block or the process that made it."""

    def __enter__(self) -> _Target:
        abi.prctl(_DUMPABLE, 1)  # the supervisor may not be, and what it forks is not then
        self.fd, self._end = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self._end)
            os.read(self.fd, 1)
            os._exit(0)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._end)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def _descriptors() -> None:
    with _Target() as target:
        abi.get_fd(abi.open_pidfd(target.pid), target.fd)


def _memory() -> None:
    with _Target() as target:
        memory = os.open(f"/proc/{target.pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        there = id(target)  # where an object is in this process, it is in the one forked from it
        abi.write_memory(target.pid, (there, os.pread(memory, 8, there)))


def _sockets() -> None:
    """A thread of this child's makes a call that is notified; it gets a descriptor for an answer."""
    ready, tell = os.pipe()
    _thread.start_new_thread(_ask, (tell,))
    (fd,) = struct.unpack("=i", os.read(ready, 4))
    if fd < 0:
        raise OSError(-fd, os.strerror(-fd))
    listener, poll = Listener(fd), select.poll()
    poll.register(fd, select.POLLIN)
    poll.poll(PATIENCE)
    asked = listener.receive()
    if asked is None:
        raise OSError(errno.ETIME, os.strerror(errno.ETIME))
    listener.give_fd(asked.id, ready)


def _ask(tell: int) -> None:
    """Puts this thread, and it alone, under a filter that notifies `listen`, tells of the listener, and listens."""
    program = [
        (_LOAD_NUMBER, 0, 0, 0),
        (_EQUAL, 0, 1, abi.NUMBERS["listen"]),
        (_RETURN, 0, 0, _NOTIFY),
        (_RETURN, 0, 0, _ALLOW),
    ]
    asking = _socket.socket(_socket.AF_UNIX)
    try:
        abi.no_new_privs()
        os.write(tell, struct.pack("=i", abi.install_filter(program, abi.NEW_LISTENER)))
        asking.listen()
    except OSError as error:
        os.write(tell, struct.pack("=i", -(error.errno or errno.EPROTO)))


def _subreaper() -> None:
    abi.prctl(_SUBREAPER, 1)


def _landlock() -> None:
    landlock.version()
    abi.no_new_privs()
    landlock.restrict(landlock.fence(landlock.abi()))


#: Ability -> how it is tried. What each is for, `tiers` says.
TRIALS: dict[str, Callable[[], None]] = {
    "no_new_privs": abi.no_new_privs,
    "filter": _filter,
    "listener": lambda: _filter(abi.NEW_LISTENER),
    "killable": lambda: _filter(abi.NEW_LISTENER | abi.WAIT_KILLABLE),
    "descriptors": _descriptors,
    "memory": _memory,
    "sockets": _sockets,
    "subreaper": _subreaper,
    "landlock": _landlock,
}
