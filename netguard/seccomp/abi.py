"""System calls that Python has no function for, and only those: the one owner of `ctypes`.

Each raises OSError as Python's own do. Nothing here decides, and a pointer of the guest's is only ever given to
what reads and writes another process's memory.
"""

from __future__ import annotations

import _thread
import ctypes
import errno
import os
import struct
import time

from netguard.seccomp.numbers import MACHINES, numbers

MACHINE = os.uname().machine  # `platform` would say the same and takes 6 ms to load

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
_getsockname = _function("getsockname", ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(ctypes.c_uint))
_accept = _function(
    "accept4", ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(ctypes.c_uint), ctypes.c_int
)  # fmt: skip
_listen = _function("listen", ctypes.c_int, ctypes.c_int)
_sendto = _function(
    "sendto", ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint,
    result=ctypes.c_ssize_t,
)  # fmt: skip
_recvfrom = _function(
    "recvfrom", ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_char_p,
    ctypes.POINTER(ctypes.c_uint), result=ctypes.c_ssize_t,
)  # fmt: skip
_sendmsg = _function("sendmsg", ctypes.c_int, ctypes.c_void_p, ctypes.c_int, result=ctypes.c_ssize_t)
_writev = _function(
    "process_vm_writev", ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong,
    result=ctypes.c_ssize_t,
)  # fmt: skip
_openat2 = _function("syscall", _long, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t, result=_long)
_unshare = _function("unshare", ctypes.c_int)
_texts = ctypes.POINTER(ctypes.c_char_p)
_execve = _function("execve", ctypes.c_char_p, _texts, _texts)

#: CLONE_FS of <linux/sched.h>: a folder and a umask of the thread's own.
_CLONE_FS = 0x200

#: RESOLVE_NO_MAGICLINKS of <linux/openat2.h>.  struct open_how: flags, mode, resolve.
_NO_MAGIC_LINKS = 2
_OPEN_HOW = struct.Struct("<QQQ")

#: struct sigevent: value, signal, notify, thread; SIGEV_THREAD_ID.  struct itimerspec: interval and value.
_SIGEVENT = struct.Struct("<8xiii44s")
_SIGEV_THREAD_ID = 4
_ITIMERSPEC = struct.Struct("<qqqq")

#: _LINUX_CAPABILITY_VERSION_3 of <linux/capability.h>. struct user_cap_data_struct, twice: effective, permitted,
#: inheritable; the lower halves first.
_CAPABILITY_VERSION = 0x20080522

#: struct iovec; struct msghdr with the padding of both machines.
_IOVEC = struct.Struct("<QQ")
_MSGHDR = struct.Struct("<QI4xQQQQi4x")


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


def execute(path: bytes, argv: list[bytes], environ: list[bytes]) -> None:
    """execve(2), of which no audit hook hears. Returns never; raises OSError."""
    texts = [(ctypes.c_char_p * (len(texts) + 1))(*texts, None) for texts in (argv, environ)]
    _execve(path, *texts)
    raise failed()


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


_ruleset = _function("syscall", _long, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, result=_long)
_rule = _function("syscall", _long, ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint, result=_long)


def create_ruleset(attributes: bytes | None, flags: int) -> int:
    """landlock_create_ruleset(2): a descriptor, or without attributes what the flags ask. Raises OSError."""
    result: int = _ruleset(NUMBERS.get("landlock_create_ruleset", -1), attributes, len(attributes or b""), flags)
    if result < 0:
        raise failed()
    return result


def add_rule(ruleset: int, kind: int, rule: bytes) -> None:
    """landlock_add_rule(2). Raises OSError."""
    if _rule(NUMBERS.get("landlock_add_rule", -1), ruleset, kind, rule, 0) < 0:
        raise failed()


def connect(fd: int, address: bytes) -> int:
    """connect(2) with a socket address as the kernel has it; returns 0 or the errno."""
    return ctypes.get_errno() if _connect(fd, address, len(address)) < 0 else 0


def bind(fd: int, address: bytes) -> int:
    """bind(2) likewise."""
    return ctypes.get_errno() if _bind(fd, address, len(address)) < 0 else 0


def give_up(capabilities: int) -> None:
    """capset(2): takes rights from this thread; with no_new_privs, from all that it executes too. Raises OSError."""
    header = struct.pack("=II", _CAPABILITY_VERSION, 0)
    room = ctypes.create_string_buffer(24)
    syscall("capget", _at(header), ctypes.addressof(room))
    held = struct.unpack("=6I", room.raw)
    left = [value & ~(capabilities >> 32 * (number // 3)) & 0xFFFFFFFF for number, value in enumerate(held)]
    data = struct.pack("=6I", *left)
    if data != room.raw:
        syscall("capset", _at(header), _at(data))


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


def listen(fd: int, backlog: int) -> int:
    """listen(2); returns 0 or the errno."""
    return ctypes.get_errno() if _listen(fd, backlog) < 0 else 0


def accept(fd: int, flags: int) -> tuple[int, bytes]:
    """accept4(2): a descriptor, and who has connected, as the kernel has it. Raises OSError."""
    room, length = ctypes.create_string_buffer(128), ctypes.c_uint(128)
    made = _accept(fd, room, length, flags)
    if made < 0:
        raise failed()
    return made, room.raw[: length.value]


def own_address(fd: int) -> bytes:
    """getsockname(2), as the kernel has it. Raises OSError."""
    room, length = ctypes.create_string_buffer(128), ctypes.c_uint(128)
    if _getsockname(fd, room, length) < 0:
        raise failed()
    return room.raw[: length.value]


def send(fd: int, data: bytes, flags: int, address: bytes) -> int:
    """sendto(2); returns how many bytes it took, or the errno as a negative number."""
    sent: int = _sendto(fd, data, len(data), flags, address or None, len(address))
    return sent if sent >= 0 else -ctypes.get_errno()


def receive(fd: int, size: int, flags: int) -> tuple[bytes, bytes, int] | int:
    """recvfrom(2); returns what came, who has sent it and how long it was, or the errno."""
    data, sender, length = ctypes.create_string_buffer(size), ctypes.create_string_buffer(128), ctypes.c_uint(128)
    count: int = _recvfrom(fd, data, size, flags, sender, length)
    if count < 0:
        return ctypes.get_errno()
    return data.raw[: min(count, size)], sender.raw[: length.value], count


def send_message(fd: int, data: bytes, flags: int, address: bytes, control: bytes) -> int:
    """sendmsg(2) likewise, with ancillary data."""
    vector = _IOVEC.pack(_at(data), len(data))
    name = _at(address) if address else 0
    header = _MSGHDR.pack(name, len(address), _at(vector), 1, _at(control) if control else 0, len(control), 0)
    sent: int = _sendmsg(fd, _at(header), flags)
    return sent if sent >= 0 else -ctypes.get_errno()


def _at(data: bytes) -> int:
    """Where the bytes lie in our own memory, as long as the caller holds them."""
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0


def write_memory(tid: int, *parts: tuple[int, bytes]) -> None:
    """Writes into another process's memory, to each address what belongs there, where it may write itself.

    Raises OSError: EFAULT, ESRCH, EPERM.
    """
    here = b"".join([_IOVEC.pack(_at(data), len(data)) for _, data in parts])
    there = b"".join([_IOVEC.pack(address, len(data)) for address, data in parts])
    written: int = _writev(tid, _at(here), len(parts), _at(there), len(parts), 0)
    if written < 0:
        raise failed()
    if written != sum([len(data) for _, data in parts]):
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))


def open_place(folder: int, path: bytes, flags: int) -> int:
    """openat2(2) that follows no magic link: what stands behind /proc/self is the caller's, and would be ours.

    Raises OSError; ELOOP where the path goes through one.
    """
    how = _OPEN_HOW.pack(flags | os.O_CLOEXEC, 0, _NO_MAGIC_LINKS)
    fd: int = _openat2(NUMBERS["openat2"], folder, path, how, len(how))
    if fd < 0:
        raise failed()
    return fd


def leave_folder() -> None:
    """Gives the calling thread a current folder and a umask of its own. Raises OSError."""
    if _unshare(_CLONE_FS) < 0:
        raise failed()


def make_timer(number: int) -> int:
    """A timer of the kernel's that sends the calling thread a signal. Raises OSError."""
    about = _SIGEVENT.pack(number, _SIGEV_THREAD_ID, _thread.get_native_id(), b"")
    made = ctypes.c_int()
    syscall("timer_create", time.CLOCK_MONOTONIC, _at(about), ctypes.addressof(made))
    return made.value


def set_timer(timer: int, seconds: float) -> None:
    """Has a timer go off once. Raises OSError."""
    when = _ITIMERSPEC.pack(0, 0, int(seconds), int(seconds % 1 * 1e9))
    syscall("timer_settime", timer, 0, _at(when), 0)
