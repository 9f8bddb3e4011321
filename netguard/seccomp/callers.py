"""Who asks: a thread of the guest's, its descriptors and its memory. Everything is copied out; nothing is decided here.

What is read about a thread is that thread's only while its call waits: whoever asks here asks the listener afterwards
whether it still does, and acts only then. The number of a thread that is gone may be another's by now.
"""

from __future__ import annotations

import errno
import itertools
import os

from netguard.seccomp import abi, reopening
from netguard.seccomp.rights import GIVEN_UP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import pidfd_send_signal

    from netguard.seccomp.held import Held
else:
    from _signal import pidfd_send_signal  # without the enums, which cost 4 ms at start-up

#: Threads that are kept, each with two descriptors of ours. Beyond it the one that was found first makes room.
MAX_CALLERS = 256

#: Processes that a thread other than their first has had execute a program. With more, nobody is kept any more.
MAX_CHANGING = 4096

#: Of /proc/TID/status: who it is and what it may do. The kernel decides by these when it opens, binds or connects.
_CREDENTIALS = (b"Uid", b"Gid", b"Groups")

#: Addresses from here on are the kernel's, and `pread` takes none of them.
_ADDRESSES = 1 << 63


class Caller:
    """One thread of the guest's.

    tid, pid: the thread and its process.
    held:     the sockets that are kept for it, where its descriptors cannot be copied; else None.
    pidfd:    of the thread; where the kernel has none, of its process.
    shared:   whether `pidfd` is the process's.
    process:  what the supervisor knows of it: its own affair, None at first.
    map:      of its memory, where somebody has asked which library calls (`libraries`).
    """

    __slots__ = ("_memory", "_own", "held", "map", "pid", "pidfd", "process", "shared", "tid")

    def __init__(self, tid: int, own: bytes, held: Held | None = None) -> None:
        self.tid = tid
        self.held = held
        self.process: object = None
        self.map: object = None
        self._own = own
        self._memory = -1
        self.shared = False
        try:
            self.pidfd = abi.open_pidfd(tid, abi.PIDFD_THREAD)
            self.pid = self._leader()
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self.pid = self._leader()  # before Linux 6.9: a process has a descriptor, a thread has none
            self.pidfd = abi.open_pidfd(self.pid)
            self.shared = self.pid != tid

    def fetch(self, fd: int) -> int:
        """Returns a copy of its socket's descriptor. Raises OSError: EBADF, ESRCH (gone), EPERM (not ours to look
        into); where sockets are kept, ENOTSOCK and Unheld."""
        return abi.get_fd(self.pidfd, fd) if self.held is None else self.held.copy(self.tid, fd)

    def fetch_any(self, fd: int) -> int:
        """Returns a copy of any descriptor of its, to be handed on. Raises OSError; where sockets are kept, EPERM for
        what can be had in no other way than by copying it."""
        return abi.get_fd(self.pidfd, fd) if self.held is None else reopening.copy(self, self.held, fd)

    def read(self, address: int, size: int) -> bytes:
        """Returns exactly `size` bytes of its memory. Raises OSError(EFAULT) where not all of it is there."""
        data = self.read_some(address, size)
        if len(data) != size:
            raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
        return data

    def read_some(self, address: int, size: int) -> bytes:
        """Returns what is there from `address` on, at most `size` bytes and perhaps none. Raises OSError: gone."""
        if not size or address >= _ADDRESSES:
            return b""
        if self._memory < 0:
            self._open_memory()
        try:
            data = os.pread(self._memory, size, address)
            if not data:  # the memory has ended: the thread has executed a program and has another one
                self._open_memory()
                self.process = self.map = None
                data = os.pread(self._memory, size, address)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return b""  # nothing is mapped there
        return data

    def write(self, *parts: tuple[int, bytes]) -> None:
        """Writes into its memory, to each address what belongs there, where it could do so itself. Raises OSError:
        EFAULT, or gone."""
        abi.write_memory(self.tid, *parts)

    def signal(self, number: int) -> None:
        """Sends the thread a signal, as the kernel would have. One that is gone needs none."""
        try:
            abi.syscall("tgkill", self.pid, self.tid, number)
        except OSError:
            pass

    def status(self) -> bytes:
        """What /proc says of the thread: see proc_pid_status(5). Raises OSError: gone."""
        return status(str(self.tid))

    def is_equal(self) -> bool:
        """Whether it may do what we may, no more and no less: else acting for it would lend it our rights."""
        return credentials(self.status()) == self._own

    def is_alone(self) -> bool:
        """Whether its process has no other thread. The filter lets no two processes share their descriptors, so while
        the call waits, what they are stays."""
        return field(self.status(), b"Threads") == b"1"

    def is_alive(self) -> bool:
        """Whether its number is still its own."""
        try:
            pidfd_send_signal(self.pidfd, 0)
            if self.shared:
                os.stat(f"/proc/{self.pid}/task/{self.tid}")
        except PermissionError:
            return True  # it has changed its user: alive, and its calls will be refused for that
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Lets go of it. It is not asked again."""
        os.close(self.pidfd)
        if self._memory >= 0:
            os.close(self._memory)

    def _leader(self) -> int:
        return int(field(self.status(), b"Tgid"))

    def _open_memory(self) -> None:
        fd = os.open(f"/proc/{self.tid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        if self._memory >= 0:
            os.close(self._memory)
            self.process = self.map = None  # another program
        self._memory = fd


class Callers:
    """The threads that have asked lately. held: the sockets that are kept, where no descriptor can be copied."""

    def __init__(self, held: Held | None = None) -> None:
        self._known: dict[int, Caller] = {}
        self._held = held
        self._changing: dict[int, None] = {}
        self._own = credentials(status("self"))

    def __len__(self) -> int:
        return len(self._known)

    def find(self, tid: int) -> Caller:
        """Returns the thread of that number. Raises OSError: gone, or not ours to look into.

        One that is known by a descriptor of its own is not asked whether it lives: what is fetched from it next says so
        (ESRCH), and then `anew` is for its number's next owner.
        """
        caller = self._known.get(tid)
        if caller is not None and self._lasts(caller.pid) and (not self._asks(caller) or caller.is_alive()):
            return caller
        return self.anew(tid)

    def _asks(self, caller: Caller) -> bool:
        """Whether nothing that is fetched from it would say that it is gone, and its number another's."""
        return caller.shared or self._held is not None

    def living(self, tid: int) -> Caller:
        """The same for one that nothing will be fetched from, so that it has to be asked. Raises OSError: gone."""
        caller = self.find(tid)
        return caller if caller.is_alive() else self.anew(tid)

    def anew(self, tid: int) -> Caller:
        """The same, forgetting who had that number before."""
        if tid in self._known:
            self._drop(tid)
        caller = Caller(tid, self._own, self._held)
        if len(self._known) >= MAX_CALLERS:
            self._drop(next(iter(self._known)))
        self._known[tid] = caller
        return caller

    def executes(self, caller: Caller) -> None:
        """A thread is about to execute a program: what is known of its process will not hold.

        Nobody says when it has. One that is not the first takes the first's number over, and until then the first may
        call and be known as what it was: so of such a process nothing is kept from now on.
        """
        self.forget(caller.pid)
        if caller.tid != caller.pid:
            self._let_go_of_ended()
            if len(self._changing) < MAX_CHANGING:
                self._changing[caller.pid] = None

    def forget(self, pid: int) -> None:
        """What was known of a process's threads, and their memory, is no longer theirs."""
        for tid in [tid for tid, caller in self._known.items() if caller.pid == pid]:
            self._drop(tid)

    def close(self) -> None:
        """Lets go of all."""
        for tid in list(self._known):
            self._drop(tid)

    def _lasts(self, pid: int) -> bool:
        """Whether what is known of a process holds from one call to the next."""
        return not self._changing or (pid not in self._changing and len(self._changing) < MAX_CHANGING)

    def _let_go_of_ended(self) -> None:
        """Two of the processes that changed are looked at for each one more: those that have ended make room."""
        for pid in list(itertools.islice(self._changing, 2)):
            del self._changing[pid]
            if os.path.exists(f"/proc/{pid}"):
                self._changing[pid] = None  # behind all others

    def _drop(self, tid: int) -> None:
        self._known.pop(tid).close()


def status(name: str) -> bytes:
    """The whole of /proc/NAME/status; its list of groups may be long. Raises OSError: gone."""
    fd = os.open(f"/proc/{name}/status", os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = os.read(fd, 4096)
        if len(text) == 4096:
            while piece := os.read(fd, 65_536):
                text += piece
    finally:
        os.close(fd)
    return text


def field(status: bytes, name: bytes) -> bytes:
    """One line of a status, without its name. A program cannot forge one: the kernel escapes what it is called."""
    start = status.index(b"\n" + name + b":") + len(name) + 2
    return status[start : status.index(b"\n", start)].strip()


def credentials(status: bytes) -> bytes:
    """What a status says of who a thread is and what it may do, but for what a guest gives up."""
    rights = int(field(status, b"CapEff"), 16) & ~GIVEN_UP
    return b"\n".join([*[field(status, name) for name in _CREDENTIALS], b"%x" % rights])
