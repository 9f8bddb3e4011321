"""The listener: notifications of the guest's system calls come out of it, and the answers go in. It decides nothing.

Layouts and numbers: <linux/seccomp.h>, seccomp_unotify(2).
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct

from netguard.seccomp import alarm

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # without the enums, which cost 4 ms at start-up

#: ioctls of the listener.
RECEIVE, SEND, IS_VALID, ADD_FD, SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082102, 0x40182103, 0x40082104

#: struct seccomp_notif: id, pid (a thread's), flags, and seccomp_data: nr, arch, instruction_pointer, args[6].
_NOTIFICATION = struct.Struct("<QIIiIQ6Q")

#: struct seccomp_notif_resp: id, val, error, flags.  struct seccomp_notif_addfd: id, flags, srcfd, newfd, newfd_flags.
_RESPONSE = struct.Struct("<QqiI")
_ADD_FD = struct.Struct("<QIIII")

#: SECCOMP_USER_NOTIF_FLAG_CONTINUE: the kernel carries the call out itself, with what the arguments point to *then*.
#: Never the answer to a call that names a destination: another thread may have changed it by now.
CONTINUE = 1

#: SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, since Linux 6.6: hand the CPU over at once. A quarter less time for each call.
SYNC_WAKE_UP = 1

#: SECCOMP_ADDFD_FLAG_SETFD: at the number asked for. SECCOMP_ADDFD_FLAG_SEND, since Linux 5.14: and that ends the call.
SET_FD, SEND_FD = 1, 2


class Notification:
    """One system call that waits: its id, thread, number, where it was called from, its six arguments."""

    __slots__ = ("args", "at", "id", "number", "tid")

    def __init__(self, id: int, tid: int, number: int, at: int, args: tuple[int, ...]) -> None:
        self.id = id
        self.tid = tid
        self.number = number
        self.at = at
        self.args = args


class Listener:
    """The descriptor that the filter hands its calls to. `fd` is readable when one waits, hung up once all are gone."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._room = bytearray(_NOTIFICATION.size)
        self._empty = bytes(_NOTIFICATION.size)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        try:
            fcntl.ioctl(fd, SET_FLAGS, SYNC_WAKE_UP)
        except OSError:
            pass  # before Linux 6.6: it is only slower

    def receive(self, *, told: bool = False) -> Notification | None:
        """Returns the next call that waits, None when none does. Never waits itself: the ioctl alone would.

        told: a poll has just said that one waits. Should it be gone by now, the kernel says so and does not wait.
        """
        if not told:
            found = self._poll.poll(0)
            if not found or not found[0][1] & select.POLLIN:
                return None
        self._room[:] = self._empty  # the kernel refuses a buffer that is not empty
        try:
            fcntl.ioctl(self.fd, RECEIVE, self._room)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                return None  # it was interrupted or killed meanwhile, and asks again if it lives
            raise
        id, tid, _, number, _, at, *args = _NOTIFICATION.unpack(self._room)
        return Notification(id, tid, number, at, tuple(args))

    def answer(self, id: int, value: int = 0, error: int = 0, flags: int = 0) -> bool:
        """Ends a call with a value or an errno; False when it waits no more (killed, interrupted)."""
        try:
            self._tell(SEND, _RESPONSE.pack(id, value, -error, flags))
        except OSError:
            return False
        return True

    def is_waiting(self, id: int) -> bool:
        """Whether a call still waits: only then was what was read about its thread that thread's."""
        try:
            self._tell(IS_VALID, struct.pack("<Q", id))
        except OSError:
            return False
        return True

    def put_fd(self, id: int, fd: int, at: int, *, close_on_exec: bool) -> None:
        """Puts a copy of our `fd` into the caller's table, at a number of its. Raises OSError."""
        flags = os.O_CLOEXEC if close_on_exec else 0
        self._tell(ADD_FD, _ADD_FD.pack(id, SET_FD, fd, at, flags))

    def give_fd(self, id: int, fd: int, *, close_on_exec: bool = True, last: bool = True) -> int:
        """Gives the caller a copy of our `fd`, as if it had made it; returns its number. Raises OSError.

        last: whether that ends the call too, with the number for its value.
        """
        what = _ADD_FD.pack(id, SEND_FD if last else 0, fd, 0, os.O_CLOEXEC if close_on_exec else 0)
        if not last:
            return self._tell(ADD_FD, what)
        # Were we interrupted, the kernel would give nothing and end the call all the same, with 0 for its value: the
        # guest would take its standard input for what it has made (Linux 6.18).
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {alarm.SIGNAL})
        try:
            return self._tell(ADD_FD, what)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def hung_up(self) -> bool:
        """Whether no process is left that the filter holds."""
        found = self._poll.poll(0)
        return bool(found and found[0][1] & select.POLLHUP and not found[0][1] & select.POLLIN)

    def _tell(self, request: int, what: bytes) -> int:
        """One ioctl; returns its value.

        A signal of ours (see `alarm`) must not end it: the call would wait for its answer for ever.
        """
        room = bytearray(what)  # from what cannot change, `ioctl` would return that
        while True:
            try:
                return int(fcntl.ioctl(self.fd, request, room))
            except InterruptedError:
                continue
