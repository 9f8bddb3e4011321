"""System calls that Python has no function for, and only those: the one owner of `ctypes`.

Each raises OSError as Python's own do. Nothing here decides, and nothing here is ever given a pointer of the guest's.
"""

from __future__ import annotations

import ctypes
import os
import struct

from netguard.seccomp.numbers import MACHINES, numbers

MACHINE = os.uname().machine

#: Name -> number on this machine; empty on one that the wall does not know.
NUMBERS = numbers(MACHINE) if MACHINE in MACHINES else {}

#: AUDIT_ARCH of this machine, 0 where it is not known.
ARCH = MACHINES[MACHINE][1] if MACHINE in MACHINES else 0

#: PIDFD_THREAD of <linux/pidfd.h>, since Linux 6.9: the descriptor of one thread.
PIDFD_THREAD = os.O_EXCL

#: Of prctl(2): nothing that this process or its children execute gets more rights than they have.
_PR_SET_NO_NEW_PRIVS = 38

#: Of seccomp(2): to install a filter; with a listener; with waits that only a fatal signal interrupts (Linux 5.19).
_SET_MODE_FILTER = 1
NEW_LISTENER, WAIT_KILLABLE = 0x08, 0x20

#: struct sock_filter and struct sock_fprog of <linux/filter.h>, the latter's pointer aligned.
_INSTRUCTION = struct.Struct("HBBI")
_FILTER = struct.Struct("HP")

_libc = ctypes.CDLL(None, use_errno=True)


def _function(name: str, *arguments: type, result: type = ctypes.c_int):  # type: ignore[no-untyped-def]
    """A function of libc's with its prototype. A new object each time: `syscall` has several forms."""
    found = _libc[name]
    found.argtypes = arguments
    found.restype = result
    return found


_long = ctypes.c_long
_syscall = _function("syscall", _long, _long, _long, _long, _long, _long, _long, result=_long)
_getfd = _function("syscall", _long, ctypes.c_int, ctypes.c_int, ctypes.c_uint, result=_long)
_prctl = _function("prctl", ctypes.c_int, *[ctypes.c_ulong] * 4)
_connect = _function("connect", ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
_bind = _function("bind", ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)


def failed() -> OSError:
    """The error of the call that just failed."""
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


def syscall(name: str, *args: int) -> int:
    """Any call by name, with whole numbers (or addresses that the caller keeps alive). Raises OSError."""
    result: int = _syscall(NUMBERS[name], *args, *[0] * (6 - len(args)))
    if result < 0:
        raise failed()
    return result


def prctl(option: int, value: int = 0) -> int:
    """prctl(2) of one argument. Raises OSError."""
    result: int = _prctl(option, value, 0, 0, 0)
    if result < 0:
        raise failed()
    return result


def open_pidfd(tid: int, flags: int = 0) -> int:
    """pidfd_open(2). Raises OSError; EINVAL for a thread that leads no process, without PIDFD_THREAD."""
    return syscall("pidfd_open", tid, flags)


_GETFD = NUMBERS.get("pidfd_getfd", -1)


def get_fd(pidfd: int, fd: int) -> int:
    """A copy of another process's descriptor, close-on-exec. Raises OSError: EBADF, ESRCH (it is gone), EPERM."""
    result: int = _getfd(_GETFD, pidfd, fd, 0)
    if result < 0:
        raise failed()
    return result


def connect(fd: int, address: bytes) -> int:
    """connect(2) with a socket address as the kernel has it; returns 0 or the errno."""
    return ctypes.get_errno() if _connect(fd, address, len(address)) < 0 else 0


def bind(fd: int, address: bytes) -> int:
    """bind(2) likewise."""
    return ctypes.get_errno() if _bind(fd, address, len(address)) < 0 else 0


def no_new_privs() -> None:
    """What the kernel wants of a process that is not root before it takes a filter or a Landlock domain. For good."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def install_filter(program: list[tuple[int, int, int, int]], flags: int = 0) -> int:
    """Puts this thread and all it will start under a filter, for good. Returns the listener with NEW_LISTENER, else 0.

    Raises OSError: EINVAL for a flag that the kernel does not know, EBUSY where there is a listener already.
    """
    code = b"".join([_INSTRUCTION.pack(*instruction) for instruction in program])
    held = ctypes.create_string_buffer(code, len(code))
    about = _FILTER.pack(len(program), ctypes.addressof(held))
    given = ctypes.create_string_buffer(about, len(about))
    return syscall("seccomp", _SET_MODE_FILTER, flags, ctypes.addressof(given))
