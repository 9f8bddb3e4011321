"""A process in the domain, its parent outside of it: `fenced.py ABI UID brokered|alone` prints what each act came to.

Run as a program of its own. The parent plays the supervisor: it has what the child must not reach, and connects for it.
"""

from __future__ import annotations

import contextlib
import ctypes
import encodings.idna  # noqa: F401  # an ordinary user may not be able to read the interpreter's files later
import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)

from netguard.seccomp import abi, landlock  # noqa: E402

NO_NEW_PRIVS, DUMPABLE, TRACER, SEIZE = 38, 4, 0x59616D61, 0x4206
SET_OWNER, SET_SIGNAL = 8, 10
Act = Callable[["Outside"], "str | None"]
ACTS: dict[str, Act] = {}
SECRET = ctypes.create_string_buffer(b"only outside")

#: Signal -> the act that sends it out. They are blocked, so that what arrived can be asked for afterwards.
SENT = {"kill": signal.SIGUSR1, "pidfd-signal": signal.SIGUSR2, "owner": signal.SIGWINCH, "queue": signal.SIGRTMIN + 1}


class Outside:
    """What the parent has: its pid and the places of its sockets."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(type=socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind(f"\0outside-{self.pid}")
        self.abstract.listen()
        self.letters = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.letters.bind(f"\0letters-{self.pid}")


def act(function: Act) -> Act:
    """Each gets the Outside; returning is "ok", or the text returned."""
    ACTS[function.__name__.replace("_", "-")] = function
    return function


# The net


@act
def tcp_connect(outside: Outside) -> None:
    socket.socket().connect(outside.tcp.getsockname())


@act
def tcp_bind(outside: Outside) -> None:
    socket.socket().bind(("127.0.0.1", 0))


@act
def udp(outside: Outside) -> None:
    """Not Landlock's to refuse."""
    socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", outside.udp.getsockname())


@act
def abstract(outside: Outside) -> None:
    socket.socket(socket.AF_UNIX).connect(outside.abstract.getsockname())


@act
def abstract_letter(outside: Outside) -> None:
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", outside.letters.getsockname())


# Signals out


@act
def kill(outside: Outside) -> None:
    os.kill(outside.pid, SENT["kill"])


@act
def pidfd_signal(outside: Outside) -> None:
    """By a descriptor of its folder in /proc, which takes no other call that could be watched."""
    folder = os.open(f"/proc/{outside.pid}", os.O_DIRECTORY)
    abi.syscall("pidfd_send_signal", folder, SENT["pidfd-signal"], 0, 0)


@act
def owner(outside: Outside) -> None:
    """The kernel itself sends it, when something comes in: the caller sees no error either way."""
    ours, theirs = socket.socketpair()
    fcntl.fcntl(ours, SET_OWNER, outside.pid)
    fcntl.fcntl(ours, SET_SIGNAL, SENT["owner"])
    fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC)
    theirs.send(b"x")


@act
def queue(outside: Outside) -> None:
    info = ctypes.create_string_buffer(struct.pack("=iiixxxx", SENT["queue"], 0, -1), 128)
    abi.syscall("rt_sigqueueinfo", outside.pid, SENT["queue"], ctypes.addressof(info))


# Memory and descriptors


@act
def memory(outside: Outside) -> str:
    with open(f"/proc/{outside.pid}/mem", "rb", 0) as file:
        file.seek(ctypes.addressof(SECRET))
        return file.read(12).decode()


@act
def memory_call(outside: Outside) -> str:
    room = ctypes.create_string_buffer(12)
    ours = struct.pack("=QQ", ctypes.addressof(room), 12)
    theirs = struct.pack("=QQ", ctypes.addressof(SECRET), 12)
    ours, theirs = ctypes.create_string_buffer(ours), ctypes.create_string_buffer(theirs)
    abi.syscall("process_vm_readv", outside.pid, ctypes.addressof(ours), 1, ctypes.addressof(theirs), 1, 0)
    return room.raw.decode()


@act
def environment(outside: Outside) -> str:
    return open(f"/proc/{outside.pid}/environ").read().partition("=")[0]


@act
def descriptors(outside: Outside) -> None:
    os.readlink(f"/proc/{outside.pid}/fd/{outside.tcp.fileno()}")


@act
def descriptor(outside: Outside) -> None:
    os.close(abi.get_fd(abi.open_pidfd(outside.pid), outside.tcp.fileno()))


@act
def trace(outside: Outside) -> None:
    abi.syscall("ptrace", SEIZE, outside.pid, 0, 0)


# Files: two folders on each of two file systems, where there are two


def folders() -> Iterator[str]:
    for place in (None, *filter(os.path.isdir, ["/dev/shm"])):
        base = tempfile.mkdtemp(dir=place)
        try:
            for name in ("one", "two"):
                os.mkdir(f"{base}/{name}")
            os.mkdir(f"{base}/one/folder")
            open(f"{base}/one/file", "w").close()
            yield base
        finally:
            shutil.rmtree(base)


@act
def rename(outside: Outside) -> None:
    for base in folders():
        os.rename(f"{base}/one/file", f"{base}/two/file")
        os.rename(f"{base}/one/folder", f"{base}/two/folder")


@act
def rename_over(outside: Outside) -> None:
    for base in folders():
        open(f"{base}/two/file", "w").close()
        os.replace(f"{base}/one/file", f"{base}/two/file")


@act
def link(outside: Outside) -> None:
    for base in folders():
        os.link(f"{base}/one/file", f"{base}/two/file")
        os.symlink(f"{base}/one/file", f"{base}/two/symbolic")


@act
def unnamed(outside: Outside) -> None:
    """A file without a name gets one, in another folder than it was made in."""
    for base in folders():
        try:
            file = os.open(f"{base}/one", os.O_TMPFILE | os.O_RDWR)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                continue  # a file system that knows none
            raise
        # With a folder's descriptor, or Python would make a link to the link in /proc.
        os.link(f"/proc/self/fd/{file}", f"{base}/two/named", src_dir_fd=file, follow_symlinks=True)
        os.close(file)


@act
def across(outside: Outside) -> str:
    """Refused by any kernel, in any process; what copies instead then does."""
    here, there = [tempfile.mkdtemp(dir=place) for place in (None, "/dev/shm")]
    open(f"{here}/file", "w").close()
    try:
        os.rename(f"{here}/file", f"{there}/file")
    except OSError as error:
        shutil.move(f"{here}/file", f"{there}/file")
        return errno.errorcode[error.errno]
    finally:
        shutil.rmtree(here)
        shutil.rmtree(there)


@act
def own_domain(outside: Outside) -> None:
    """The guest makes a domain of its own, which lets it move files: ours does not take that from it."""
    if landlock.abi() < 2:
        return
    ruleset = abi.create_ruleset(struct.pack("=QQQ", 1 << 8 | 1 << 13, 0, 0), 0)
    abi.add_rule(ruleset, 1, struct.pack("=Qi", 1 << 8 | 1 << 13, os.open("/", os.O_PATH)))
    in_child(lambda: (abi.syscall("landlock_restrict_self", ruleset, 0), rename(outside)))


# Its own


def in_child(function: Callable[[], object]) -> None:
    """In a child, with the error it ended in."""
    child = os.fork()
    if not child:
        status = 0
        try:
            function()
        except OSError as error:
            status = error.errno
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise OSError(status, os.strerror(status) if status > 0 else "signal")


def waiting() -> int:
    """A child that waits to be ended by a signal that is sent to it."""
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        signal.pause()
        os._exit(0)
    return child


@act
def own_child(outside: Outside) -> str:
    child = waiting()
    os.kill(child, signal.SIGTERM)
    return str(-os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


@act
def own_thread(outside: Outside) -> str:
    """Blocked as it is, it is pending there, and only there."""
    seen, done = threading.Event(), []

    def thread():
        seen.wait()
        done.append(signal.sigtimedwait([signal.SIGTERM], 10).si_signo)

    other = threading.Thread(target=thread)
    other.start()
    signal.pthread_kill(other.ident, signal.SIGTERM)
    seen.set()
    other.join()
    return str(done[0])


@act
def own_group(outside: Outside) -> str:
    """Though the parent is of the group, and must not get it."""
    assert os.getpgid(0) == os.getpgid(outside.pid)
    child = waiting()
    os.kill(0, signal.SIGTERM)
    return str(-os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


@act
def own_sockets(outside: Outside) -> None:
    for name in (f"\0own-{os.getpid()}", tempfile.mktemp()):
        for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
            name += "x"
            server, client = socket.socket(socket.AF_UNIX, kind), socket.socket(socket.AF_UNIX, kind)
            server.bind(name)
            if kind != socket.SOCK_DGRAM:
                server.listen()
            in_child(lambda: (client.connect(name), client.send(b"hello")))  # noqa: B023
            if kind != socket.SOCK_DGRAM:
                server = server.accept()[0]
            assert server.recv(9) == b"hello"
            if name[0] != "\0":
                os.unlink(name)
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
        one, other = socket.socketpair(socket.AF_UNIX, kind)
        one.send(b"hello")
        assert other.recv(9) == b"hello"


# With the parent's help


def ask(*sockets: socket.socket) -> None:
    """The parent connects these to what it has; `serve` is its side."""
    os.write(REQUESTS[1], struct.pack("=ii", *[sock.fileno() for sock in sockets]))
    assert os.read(ANSWERS[0], 1) == b"."


def serve(outside: Outside, child: int) -> None:
    pidfd = abi.open_pidfd(child)
    while request := os.read(REQUESTS[0], 8):
        places = (outside.tcp.getsockname(), outside.letters.getsockname())
        for number, place in zip(struct.unpack("=ii", request), places, strict=True):
            socket.socket(fileno=abi.get_fd(pidfd, number)).connect(place)
        os.write(ANSWERS[1], b".")


@act
def helped(outside: Outside) -> str:
    """What the supervisor has connected is the guest's to use; what it takes in reaches it."""
    stream, letters = socket.socket(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ask(stream, letters)
    stream.send(b"x")
    letters.send(b"x")
    return letters.getpeername()[:8].decode().replace("\0", "@") + str(stream.getpeername()[0])


def attempt(function: Act, outside: Outside) -> str:
    try:
        return function(outside) or "ok"
    except OSError as error:
        return errno.errorcode[error.errno]


def guest(number: int, brokered: bool, outside: Outside) -> None:
    landlock.restrict(landlock.fence(number), landlock.NONE if brokered else landlock.Ports())
    for name, function in ACTS.items():
        print(json.dumps([name, attempt(function, outside)]), flush=True)


def main() -> None:
    global REQUESTS, ANSWERS
    number, uid, how = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    os.chdir("/")
    if uid != os.getuid():
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    abi.prctl(DUMPABLE, 1)
    with contextlib.suppress(OSError):  # there is no Yama
        abi.prctl(TRACER, (1 << 64) - 1)  # Yama would keep the child from what only the domain should
    os.setpgid(0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, *SENT.values()])
    outside = Outside()
    REQUESTS, ANSWERS = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.close(REQUESTS[0])
        abi.prctl(NO_NEW_PRIVS, 1)
        try:
            guest(number, how == "brokered", outside)
        except BaseException:  # noqa: BLE001  # whatever it is, the parent must not go on as the child
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(REQUESTS[1])
    serve(outside, child)
    os.waitpid(child, 0)
    pending = signal.sigpending()
    print(json.dumps(["arrived", " ".join(name for name, sent in SENT.items() if sent in pending)]))
    print(json.dumps(["group", "arrived" if signal.SIGTERM in pending else "kept in"]))


if __name__ == "__main__":
    main()
