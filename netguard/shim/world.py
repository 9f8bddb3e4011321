"""What the file system and the kernel say about one question, in a guest that has no supervisor to look it up.

It reads with the system's own calls, bound at start. It opens no file by name but the program that is to start: that is
an event of its own, which the hook lets go but for a program that is called like a credential file. What it says is
what this process sees; a guest that gets hold of it can make it say anything.
"""

from __future__ import annotations

import _socket
from _thread import get_native_id
from posix import (
    O_CLOEXEC,
    O_RDONLY,
    X_OK,
    access,
    close,
    dup,
    fstat,
    getcwd,
    getpid,
    getppid,
    getuid,
    read,
    readlink,
    stat,
)
from posix import open as open_file

from ..core.acts import NO_FACTS, Facts, endpoint_of, host_of
from ..core.address import parse_ip
from ..core.interpreter import HEAD_BYTES, is_python, options_of
from ..core.leases import Leases
from ..core.process import Process
from ..record.line import brief
from .arguments import unix_path
from .borrowed import borrow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.question import Question

#: Links in one path that are followed, as many as the kernel does (ELOOP, path_resolution(7)).
MAX_LINKS = 40

#: Listeners kept; more are not the process's own.
MAX_LISTENERS = 4_096

S_IFMT, S_IFREG = 0o170000, 0o100000
_SOCKET = _socket.socket
_getsockname = _SOCKET.getsockname
_family = _SOCKET.family.__get__
_getsockopt = _SOCKET.getsockopt
_SOL_SOCKET, _SO_TYPE, _UNIX = _socket.SOL_SOCKET, _socket.SO_TYPE, _socket.AF_UNIX
_PROTOCOLS = {_socket.SOCK_STREAM: "tcp", _socket.SOCK_DGRAM: "udp"}

Endpoint = "tuple[str, object, int]"  # (proto, address or unix place, port)


class World:
    """Where facts come from in a guest without a supervisor.

    asks_own: whether a rule asks for the run's own sockets.
    """

    __slots__ = ("argv", "asks_own", "exe", "held", "leases", "user")

    def __init__(self, leases: Leases, argv: list[str], *, asks_own: bool) -> None:
        self.leases = leases
        self.asks_own = asks_own
        self.argv = argv
        self.exe = link("/proc/self/exe")
        self.user = user_name(getuid())
        self.held: dict[tuple[str, object, int], tuple[int, int]] = {}

    def process(self) -> Process:
        """The asking thread, as a line names it."""
        line: dict[str, object] = {"pid": getpid(), "tid": get_native_id(), "ppid": getppid(), "uid": getuid()}
        line.update(user=self.user, exe=self.exe, argv=brief(self.argv), cwd=here())
        return Process(getpid(), get_native_id(), self.user, self.exe, line, tuple(self.argv))

    def look(self, question: Question, now: float) -> Facts:
        """Returns the facts for one `ask`. Raises Malformed for a URL that cannot be read."""
        kind, _, proto, host, port, path, program = question.fields[:7]
        if kind in ("connect", "listen"):
            if proto == "unix":
                return self.socket(path)
            return self.at(parse_ip(host), proto, port, now) if kind == "connect" else Facts(parse_ip(host))
        if kind == "http":
            name, number = endpoint_of(question)
            return self.at(host_of(name)[1], "tcp", "" if number is None else str(number), now)
        if kind == "exec":
            return program_at(program, question.argv)
        return Facts(path=real_path(path)) if path else NO_FACTS

    def at(self, address: tuple[int, int] | None, proto: str, port: str, now: float) -> Facts:
        """What is known of an address: the names it was given for, and whether a socket of ours answers there."""
        if address is None:
            return NO_FACTS
        own = self.asks_own and port.isdigit() and self.holds((proto, address, int(port)))
        return Facts(address, self.leases.names(address, now), own)

    def socket(self, path: str) -> Facts:
        """A unix socket by the place that links lead to; an abstract name is its own."""
        real = path if path.startswith("@") else real_path(path)
        return Facts(path=real, own=self.asks_own and self.holds(("unix", place(real), 0)))

    def show(self, fd: int) -> None:
        """Keeps a descriptor of this process's that listens now."""
        try:
            sock = borrow(dup(fd))
        except OSError:
            return
        try:
            endpoint = bound(sock)
            if len(self.held) < MAX_LISTENERS:
                self.held[endpoint] = fd, fstat(fd).st_ino
        except (OSError, ValueError):
            pass  # not kept means not ours: the next connection to it is judged as any other
        finally:
            sock.close()

    def holds(self, endpoint: tuple[str, object, int]) -> bool:
        """Whether a listener of ours is there. A unix socket's file is enough: its maker may have handed it on."""
        found = self.held.get(endpoint)
        if found is None:
            return False
        if endpoint[0] == "unix" and type(endpoint[1]) is tuple:
            return True
        try:
            held = fstat(found[0]).st_ino == found[1]
        except OSError:
            held = False
        if not held:
            del self.held[endpoint]
        return held


def bound(sock: _socket.socket) -> tuple[str, object, int]:
    """Where a socket is bound. Raises OSError, or ValueError for what has no place."""
    name = _getsockname(sock)
    if _family(sock) == _UNIX:
        text = unix_path(name)
        return "unix", place(text if text.startswith("@") else real_path(text)), 0
    address = parse_ip(name[0])
    if address is None:
        raise ValueError(name[0])
    return _PROTOCOLS[_getsockopt(sock, _SOL_SOCKET, _SO_TYPE)], address, name[1]


def place(path: str) -> object:
    """What tells a unix socket from every other: its file's device and inode, or its abstract name."""
    if path.startswith("@"):
        return path
    try:
        status = stat(path)
    except (OSError, ValueError):
        return path
    return status.st_dev, status.st_ino


def program_at(path: str, argv: tuple[str, ...]) -> Facts:
    """The real path of what would run, and what of its arguments a Python would read; nothing is there: neither."""
    try:
        mode = stat(path).st_mode
    except (OSError, ValueError):
        return NO_FACTS
    if mode & S_IFMT != S_IFREG or not access(path, X_OK):
        return NO_FACTS
    real = real_path(path)
    head = b"" if is_python(path, real) else head_of(path)
    return Facts(resolved=real, options=options_of(path, real, head, argv, real_path, is_there))


def is_there(path: str) -> bool:
    """Whether there is a file of that name."""
    try:
        stat(path)
    except (OSError, ValueError):
        return False
    return True


def head_of(path: str) -> bytes:
    """The beginning of a program's file; b"" where it may not be read."""
    try:
        fd = open_file(path, O_RDONLY | O_CLOEXEC)
    except OSError:
        return b""
    try:
        return read(fd, HEAD_BYTES)
    except OSError:
        return b""
    finally:
        close(fd)


def real_path(path: str) -> str:
    """An absolute path with its links followed, as far as there is one; text that can be no path stays as it is."""
    if "\0" in path or not path.startswith("/"):
        return path
    todo, done, links = path.split("/")[::-1], "", 0
    while todo:
        part = todo.pop()
        if part == "..":
            done = done.rpartition("/")[0]
        elif part and part != ".":
            target = link(f"{done}/{part}") if links < MAX_LINKS else ""
            if not target:
                done = f"{done}/{part}"
                continue
            links += 1
            done = "" if target.startswith("/") else done
            todo += target.split("/")[::-1]
    return done or "/"


def link(path: str) -> str:
    """Where a link leads, "" for what is none."""
    try:
        return readlink(path)
    except OSError:
        return ""


def here() -> str:
    """The current folder, "" when it is gone."""
    try:
        return getcwd()
    except OSError:
        return ""


def user_name(uid: int) -> str:
    """The account's name, or the number where it has none."""
    try:
        import pwd  # a C module of every build

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return str(uid)
