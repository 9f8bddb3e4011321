"""Makes a guest's sockets for it, where no descriptor of its can be copied: each call of its that would, is carried out
here with its own arguments, and what comes of it is given to it and kept.

What may be made the filter has said by the same registers, and a socket reaches nothing by itself: nothing is decided.
"""

from __future__ import annotations

import _socket
import errno
import os
import struct

from netguard.seccomp import abi, alarm
from netguard.seccomp.arguments import Foreign, signed
from netguard.seccomp.connecting import borrow, give_back
from netguard.seccomp.waiting import Coming, Done, Waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netguard.seccomp.arguments import Wanted
    from netguard.seccomp.callers import Caller
    from netguard.seccomp.held import Held
    from netguard.seccomp.notify import Listener, Notification

#: The flags of a socket's type; CLOEXEC is the descriptor's, and ours has it anyway.
_NONBLOCK, _CLOEXEC = _socket.SOCK_NONBLOCK, _socket.SOCK_CLOEXEC

#: Two descriptors; the length of an address.
_PAIR = struct.Struct("=ii")
_LENGTH = struct.Struct("=i")


class Made(Done):
    """A call that ends with a descriptor that is made for the guest."""

    __slots__ = ("_caller", "_close_on_exec", "_held", "_sock")

    def __init__(self, sock: int, caller: Caller, held: Held, close_on_exec: bool) -> None:
        super().__init__(0)
        self._sock = sock
        self._caller = caller
        self._held = held
        self._close_on_exec = close_on_exec

    def tell(self, listener: Listener, id: int) -> bool:
        """Gives it. To a caller that waits no more it is never given: it is closed, as the kernel would do."""
        try:
            number = listener.give_fd(id, self._sock, close_on_exec=self._close_on_exec)
        except OSError as error:
            os.close(self._sock)
            listener.answer(id, error=error.errno or errno.EPERM)
        else:
            self._held.keep(self._sock, self._caller.pid, number)
        return True


def make(name: str, call: Notification, caller: Caller, listener: Listener) -> None:
    """Carries out a `socket` or `socketpair`. Raises OSError: the errno that the guest gets; Foreign."""
    held = caller.held
    if held is None or not held.has_room():
        raise OSError(errno.ENFILE, os.strerror(errno.ENFILE))
    if not caller.is_equal():  # a socket has the user of who makes it, for firewalls and for who is at its other end
        raise Foreign(errno.EACCES, os.strerror(errno.EACCES))
    MAKES[name](call, caller, listener, held)


def _socket_(call: Notification, caller: Caller, listener: Listener, held: Held) -> None:
    family, kind, protocol = (signed(argument) for argument in call.args[:3])
    sock = _socket.socket(family, kind, protocol).detach()
    Made(sock, caller, held, bool(kind & _CLOEXEC)).tell(listener, call.id)


def _socketpair(call: Notification, caller: Caller, listener: Listener, held: Held) -> None:
    """Both ends are in the guest's table before it knows their numbers: if it is interrupted before Linux 5.19, they
    stay there and nobody uses them."""
    family, kind, protocol = (signed(argument) for argument in call.args[:3])
    caller.write((call.args[3], bytes(_PAIR.size)))  # EFAULT before anything is made
    numbers = []
    for end in _socket.socketpair(family, kind, protocol):
        sock = end.detach()
        try:
            numbers.append(listener.give_fd(call.id, sock, close_on_exec=bool(kind & _CLOEXEC), last=False))
        except OSError:
            os.close(sock)
            raise
        held.keep(sock, caller.pid, numbers[-1])
    caller.write((call.args[3], _PAIR.pack(*numbers)))
    listener.answer(call.id)


class Accepting(Coming):
    """An accept that waits for a connection."""

    __slots__ = ()

    def resume(self) -> Done | None:
        """Takes a connection, if nobody else has."""
        found = _accept(self.wanted, self.caller)
        return None if found.error == errno.EAGAIN else found


def accept(wanted: Wanted, caller: Caller) -> Done | Waiting:
    """Takes a connection from a socket that listens, and makes a socket of it for the guest."""
    if wanted.flags & ~(_NONBLOCK | _CLOEXEC):
        return Done(0, errno.EINVAL)
    found = _accept(wanted, caller)
    return Accepting(wanted, caller) if found.error == errno.EAGAIN and wanted.blocking else found


def _accept(wanted: Wanted, caller: Caller) -> Done:
    held = caller.held
    if held is None or not held.has_room():
        return Done(0, errno.ENFILE)
    try:
        room = _room(wanted, caller)
        alarm.arm()
        flags = borrow(wanted.sock)
        try:
            sock, address = abi.accept(wanted.sock, wanted.flags | _CLOEXEC)
        finally:
            give_back(wanted.sock, flags)
    except OSError as error:
        return Done(0, errno.EAGAIN if error.errno == errno.EINTR else error.errno or errno.EPERM)
    try:
        if wanted.counts:
            caller.write((wanted.counts, address[:room]))
            caller.write((wanted.lengths, _LENGTH.pack(len(address))))
    except OSError as error:
        os.close(sock)
        return Done(0, error.errno or errno.EFAULT)
    return Made(sock, caller, held, bool(wanted.flags & _CLOEXEC))


def _room(wanted: Wanted, caller: Caller) -> int:
    """How long an address may be that is told. Raises OSError, before a connection is taken that nobody would have."""
    if not wanted.counts:
        return 0
    (room,) = _LENGTH.unpack(caller.read(wanted.lengths, _LENGTH.size))
    if room < 0:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return int(room)


MAKES: dict[str, Callable[[Notification, Caller, Listener, Held], None]] = {
    "socket": _socket_,
    "socketpair": _socketpair,
}
