"""Makes system calls under the wall's filter, or without: `acts.py bare|static|notify|signals`. Each has its process.

Prints how each ended, as JSON: `ok`, an errno's name, `signal N`, or what the act itself has to say. `notify` and
`signals` are the whole filter, but no one listens: the kernel then answers ENOSYS to what would be handed over.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import platform
import pty
import signal
import socket
import struct
import sys
import termios
import threading
from collections.abc import Callable

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from netguard.seccomp import abi, filters, table
from netguard.seccomp.table import by_call

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
LIBC.syscall.argtypes = [ctypes.c_long] * 7

#: A register full of ones: no file, no memory, no process.
NONE = -1

#: What an `int` must not be confused by.
GARBAGE = 0x5A5A << 32

#: mov eax, 20 (i386's getpid); int 0x80; ret
INT80 = bytes.fromhex("b814000000cd80c3")

#: Nothing listens there.
NOBODY = ("127.0.0.1", 9)

SIGCHLD = int(signal.SIGCHLD)


def call(name: str | int, *args: int) -> int:
    """Any system call, raw."""
    number = abi.NUMBERS[name] if isinstance(name, str) else name
    result: int = LIBC.syscall(number, *[ctypes.c_long(arg).value for arg in args], *[0] * (6 - len(args)))
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def opened(family: int, kind: int, protocol: int) -> None:
    """socket(2), whose descriptor is really a socket."""
    os.close(call("socket", family, kind, protocol))


def set_option(family: int, kind: int, level: int, option: int, value: bytes) -> None:
    """setsockopt(2) on a new socket."""
    with socket.socket(family, kind) as some:
        some.setsockopt(level, option, value)


def terminal(request: int, value: bytes) -> None:
    """ioctl(2) on a terminal of this process's own, which is also its controlling one."""
    os.setsid()
    _, user = pty.openpty()
    fcntl.ioctl(user, termios.TIOCSCTTY, 0)
    fcntl.ioctl(user, request, value)


def device(request: int) -> None:
    """ioctl(2) on a device that knows no such request."""
    with open("/dev/null") as null:
        fcntl.ioctl(null, request, 0)


def new_process(flags: int) -> None:
    """clone(2), like fork."""
    pid = call("clone", flags | SIGCHLD)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def stays_dumpable() -> str:
    """PR_SET_DUMPABLE, and what came of it."""
    call("prctl", 4, 0)
    return f"dumpable {call('prctl', 3)}"


def becomes_dumpable() -> str:
    """The same, after what a change of the user does; only the kernel can undo it."""
    os.setresuid(65534, 65534, 65534)
    before = call("prctl", 3)
    call("prctl", 4, 1)
    return f"dumpable {min(before, 1)}, then {call('prctl', 3)}"


def own_memory() -> None:
    """process_vm_readv(2) of this very process."""
    here = ctypes.create_string_buffer(8)
    vector = struct.pack("PN", ctypes.addressof(here), 8)
    held = ctypes.create_string_buffer(vector, len(vector))
    call("process_vm_readv", os.getpid(), ctypes.addressof(held), 1, ctypes.addressof(held), 1)


def own_descriptor() -> None:
    """pidfd_getfd(2) of this very process."""
    call("pidfd_getfd", call("pidfd_open", os.getpid()), 0)


def parents_limit() -> None:
    """prlimit64(2) of another process: leaves its limits as they are."""
    limits = ctypes.create_string_buffer(16)
    call("prlimit64", os.getppid(), 7, 0, ctypes.addressof(limits))
    call("prlimit64", os.getppid(), 7, ctypes.addressof(limits))


def own_limit() -> None:
    """prlimit64(2) of this process."""
    limits = ctypes.create_string_buffer(16)
    call("prlimit64", 0, 7, 0, ctypes.addressof(limits))
    call("prlimit64", 0, 7, ctypes.addressof(limits))


def lease() -> None:
    """A lease on a file of one's own."""
    fd = os.memfd_create("some")
    copy = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    os.close(fd)
    fcntl.fcntl(copy, 1024, fcntl.F_RDLCK)


def own_filter(flags: int) -> None:
    """A filter of the guest's own, which allows everything."""
    abi.no_new_privs()
    abi.install_filter([(6, 0, 0, 0x7FFF0000)], flags)


def int80() -> str:
    """A call of i386, from 64-bit code."""
    with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(INT80)
        start = ctypes.addressof(ctypes.c_char.from_buffer(page))
        return "ok" if ctypes.CFUNCTYPE(ctypes.c_int)(start)() > 0 else "no"


def udp(send: Callable[[socket.socket], object]) -> None:
    """Something with a UDP socket."""
    with socket.socket(type=socket.SOCK_DGRAM) as some:
        send(some)


def send() -> None:
    """A send without an address."""
    one, other = socket.socketpair()
    with one, other:
        one.send(b"x")


def threads() -> str:
    """Threads and children, which C libraries start by clone3 where they can."""
    done: list[int] = []
    for started in [threading.Thread(target=done.append, args=(1,)) for _ in range(4)]:
        started.start()
        started.join()
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    return f"{len(done)} threads, a child of {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}"


def network_namespace() -> None:
    """setns(2) into the namespace that one is in."""
    with open("/proc/self/ns/net") as own:
        call("setns", own.fileno(), 0)


SEGMENTS = struct.pack("BBBBBBH", 0, 4, 4, 1, 1, 0, 0) + bytes(16) + socket.inet_pton(socket.AF_INET6, "fd00::66")
LO = socket.if_nametoindex("lo")
GROUP = socket.inet_aton("239.7.8.9") + struct.pack("4si", b"", LO)
GROUP6 = socket.inet_pton(socket.AF_INET6, "ff05::7:8:9") + struct.pack("i", LO)
UDP, UDP6, TCP = (2, 2), (10, 2), (2, 1)
ONE = struct.pack("i", 1)

ACTS: dict[str, Callable[[], object]] = {
    # Sockets
    "socket tcp": lambda: opened(2, 1 | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 6),
    "socket udp6": lambda: opened(10, 2, 17),
    "socket garbage": lambda: opened(2 | GARBAGE, 1 | GARBAGE, GARBAGE),
    "socket unix": lambda: opened(1, 5, 0),
    "socket route": lambda: opened(16, 3, 0),
    "socketpair": lambda: socket.socketpair(),
    "socket packet": lambda: opened(17, 3, 0x300),
    "socket packet garbage": lambda: opened(17 | GARBAGE, 3, 0x300),
    "socket old packet": lambda: opened(2, 10, 0x300),
    "socket raw": lambda: opened(2, 3, 1),
    "socket ping": lambda: opened(2, 2, 1),
    "socket mptcp": lambda: opened(2, 1, 262),
    "socket sctp": lambda: opened(2, 1, 132),
    "socket udplite": lambda: opened(2, 2, 136),
    "socket generic netlink": lambda: opened(16, 3, 16),
    "socket netfilter": lambda: opened(16, 3, 12),
    "socket vsock": lambda: opened(40, 1, 0),
    "socket alg": lambda: opened(38, 5, 0),
    "socket xdp": lambda: opened(44, 3, 0),
    "socketpair inet": lambda: call("socketpair", 2, 1, 0, NONE),
    # Options
    "option keepalive": lambda: set_option(*TCP, 1, 9, ONE),
    "option nodelay": lambda: set_option(*TCP, 6, 1, ONE),
    "option v6only": lambda: set_option(*UDP6, 41, 26, ONE),
    "option source route": lambda: set_option(*UDP, 0, 4, b"\1" * 4),
    "option segments": lambda: set_option(*UDP6, 41, 57, SEGMENTS),
    "option destination header": lambda: set_option(*UDP6, 41, 59, b"\0" * 7),
    "option device": lambda: set_option(*UDP, 1, 25, b"lo"),
    "option device number": lambda: set_option(*UDP, 1, 62, struct.pack("i", LO)),
    "option unicast": lambda: set_option(*UDP, 0, 50, struct.pack("!i", LO)),
    "option flow label": lambda: set_option(*UDP6, 41, 32, bytes(15) + b"\1" + bytes(16)),
    "option unicast6": lambda: set_option(*UDP6, 41, 76, struct.pack("!i", LO)),
    "option packet info6": lambda: set_option(*UDP6, 41, 50, bytes(16) + struct.pack("i", LO)),
    "option group": lambda: set_option(*UDP, 0, 35, GROUP),
    "option group6": lambda: set_option(*UDP6, 41, 20, GROUP6),
    "option other family": lambda: set_option(*UDP6, 41, 1, struct.pack("i", 2)),
    "option other protocol": lambda: set_option(*TCP, 6, 31, b"smc"),
    "option mark": lambda: set_option(*UDP, 1, 36, ONE),
    "option repair": lambda: set_option(*TCP, 6, 19, ONE),
    "option transparent": lambda: set_option(*UDP, 0, 19, ONE),
    # Calls
    "x32": lambda: call(0x40000000 | 39),
    "x32 number": lambda: call(520, NONE, NONE, NONE),
    "newer": lambda: call(470),
    "threads": threads,
    "io_uring": lambda: call("io_uring_setup", 1, NONE),
    "clone namespace": lambda: new_process(0x10000000),
    "clone": lambda: new_process(0),
    "clone descriptors": lambda: new_process(0x400),
    "clone3": lambda: call("clone3", NONE, 88),
    "unshare": lambda: call("unshare", 0x10000000),
    "unshare files": lambda: call("unshare", 0x400),
    "setns": network_namespace,
    "ptrace": lambda: call("ptrace", 0),
    "process memory": own_memory,
    "pidfd_getfd": own_descriptor,
    "other's limit": parents_limit,
    "own limit": own_limit,
    "lease": lease,
    "typing": lambda: terminal(0x5412, b"x"),
    "typing garbage": lambda: call("ioctl", pty.openpty()[1], 0x5412 | GARBAGE, NONE),
    "line discipline": lambda: terminal(0x5423, struct.pack("i", 0)),
    "window size": lambda: terminal(0x5413, bytes(8)),
    "tun": lambda: device(0x400454CA),
    "vhost": lambda: device(0xAF01),
    "userfaultfd device": lambda: device(0xAA00),
    "dumpable": stays_dumpable,
    "dumpable again": becomes_dumpable,
    "tracer": lambda: call("prctl", 0x59616D61, 0),
    "shown memory": lambda: call("prctl", 35, NONE, NONE),
    "filter": lambda: own_filter(0),
    "filter with unknown flag": lambda: own_filter(1 << 30),
    "filter with listener": lambda: own_filter(abi.NEW_LISTENER),
    # What is handed over
    "connect": lambda: udp(lambda some: some.connect(NOBODY)),
    "sendto": lambda: udp(lambda some: some.sendto(b"x", NOBODY)),
    "sendmsg": lambda: udp(lambda some: some.sendmsg([b"x"], [], 0, NOBODY)),
    "sendmmsg": lambda: call("sendmmsg", NONE, NONE, 1),
    "bind": lambda: socket.socket().bind(("127.0.0.1", 0)),
    "listen": lambda: socket.socketpair()[0].listen(),
    "execve": lambda: os.execv("/", ["/"]),
    "execveat": lambda: call("execveat", NONE, NONE, NONE, NONE, 0),
    "send": send,
    # Signals
    "pidfd_open": lambda: call("pidfd_open", os.getpid()),
    "pidfd_send_signal": lambda: call("pidfd_send_signal", NONE, 0),
    "kill": lambda: os.kill(os.getpid(), 0),
    "owner": lambda: fcntl.fcntl(socket.socketpair()[0], 8, os.getpid()),
    "owner by ioctl": lambda: fcntl.ioctl(socket.socketpair()[0], 0x8901, struct.pack("i", os.getpid())),
}

if platform.machine() == "x86_64":
    ACTS["int 0x80"] = int80

#: Every call that is refused whatever its arguments. vhangup has none, and would do what it says.
ACTS.update(
    {
        f"refused {name}": lambda name=name: call(name, NONE, NONE, NONE, NONE, NONE, NONE)
        for name, rows in by_call(table.ROWS).items()
        if len(rows) == 1 and not rows[0][1] and rows[0][2] != table.NOTIFY
        if name in abi.NUMBERS and name != "vhangup"
    }
)


def outcome(act: Callable[[], object]) -> str:
    """How an act ends, in a process of its own."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            said = act()
            result = said if isinstance(said, str) else "ok"
        except OSError as error:
            result = errno.errorcode.get(error.errno or 0, str(error.errno))
        os.write(writer, result.encode())
        os._exit(0)
    os.close(writer)
    status = os.waitpid(pid, 0)[1]
    with os.fdopen(reader, "rb") as said_here:
        return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else said_here.read().decode()


def main(mode: str) -> None:
    """Does all of them."""
    if mode != "bare":
        abi.no_new_privs()
        abi.install_filter(filters.program(abi.MACHINE, notify=mode != "static", signals=mode == "signals"))
    print(json.dumps({name: outcome(act) for name, act in ACTS.items()}))


if __name__ == "__main__":
    main(sys.argv[1])
