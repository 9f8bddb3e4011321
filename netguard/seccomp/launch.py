"""Starts the guest behind the wall: a child that fences itself in, hands the listener over, and becomes the guest.

    supervisor                                child
    fork ───────────────────────────────────▶ dies with the supervisor; gives up all later privileges
                                              Landlock, then the filter: from here on its calls are ours
    copies the listener (pidfd_getfd)   ◀──── says its number on a pipe, and waits
    writes the trail's first line, then go ─▶ closes the listener, executes the program
    answers that one call               ◀────

The number goes through a pipe, and not the descriptor over a socket: `sendmsg` is notified already, and nobody would
be there to answer it. Where no descriptor may be copied (tier B), a thread of the child sends it that was there before
the filter, and so is not under it; executing the program ends that thread, if it has not ended by then. The child is a
copy of the supervisor and runs its code alone until it executes the program.
"""

from __future__ import annotations

import _socket
import _thread
import errno
import os
import select
import struct
import sys

from netguard.seccomp import abi, filters, landlock, rights
from netguard.seccomp.notify import CONTINUE, Listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import NoReturn

    Program = tuple[str, tuple[str, ...]]
else:
    import _signal as signal  # the same functions without the enums, which cost 4 ms at start-up

#: Of <linux/prctl.h>.
SET_PDEATHSIG, SET_DUMPABLE, SET_NO_NEW_PRIVS, SET_CHILD_SUBREAPER = 1, 4, 38, 36

#: What the child says on the pipe: a step of STEPS, and an errno or the listener's number.
_SAID = struct.Struct("<ii")
STEPS = ("ready", "no_new_privs", "landlock", "filter", "listener", "start")

#: A descriptor, as it is sent over a socket.
_FD = struct.Struct("=i")

#: Ignored by every Python at its own start, so not by the wish of whoever started netguard.
PYTHONS_OWN = (signal.SIGPIPE, signal.SIGXFSZ)


class Refused(Exception):
    """The kernel did not give what a step needs. step: one of STEPS, "descriptors" or "memory"; errno: why."""

    def __init__(self, step: str, number: int) -> None:
        super().__init__(f"{step}: {os.strerror(number)}")
        self.step = step
        self.errno = number


class Launch:
    """One child that stands ready to become the guest.

    pid:      its own, and the guest's.
    listener: what its calls come out of; None without `notify`.

    programs: (path, argv), tried in order while the kernel knows no format for one.
    mask:     the signal mask that the guest gets.
    fence:    of Landlock; None for none.  notify: whether its calls are handed over; else only the static part holds.
    files:    see `landlock.restrict`.
    hold:     whether its sockets have to be made for it.
    ports, closed: what it may do by itself with TCP, and what no rule grants: `landlock.restrict`, `filters.program`.
    Raises Refused; then there is no child.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        environ: Mapping[str, str],
        mask: Iterable[int],
        fence: landlock.Fence | None,
        *,
        notify: bool = True,
        files: Iterable[landlock.File] | None = None,
        hold: bool = False,
        ports: landlock.Ports = landlock.NONE,
        closed: tuple[str, ...] = (),
    ) -> None:
        self.listener: Listener | None = None
        path, argv = programs[0]
        encoded = {os.fsencode(name): os.fsencode(value) for name, value in environ.items()}
        self._tells = path, list(argv), encoded
        self._said, say = os.pipe()
        heard, self._go = os.pipe()
        signals = notify and not (fence and fence.scope)
        listed = files is not None and fence is not None and fence.ptrace
        program = filters.program(
            abi.MACHINE, notify=notify, signals=signals, hold=hold, closed=closed, listed=listed
        )  # fmt: skip
        hand: _socket.socket | None = None
        self._hand: _socket.socket | None = None
        if hold:
            self._hand, hand = _socket.socketpair()
        parent = os.getpid()
        self.pid = os.fork()
        if not self.pid:
            os.close(self._said)
            os.close(self._go)
            child(programs, environ, mask, Fences(parent, fence, program, notify, hand, ports, files), say, heard)
        os.close(say)
        os.close(heard)
        if hand:
            hand.close()
        try:
            step, value = self._hear()
            if step != "ready":
                raise Refused(step, value)
            if notify:
                self.listener = Listener(self._fetch(value))
        except Refused:
            self.give_up()
            raise

    def _hear(self) -> tuple[str, int]:
        """What the child says next; ("", 0) when it has become the guest or is gone."""
        said = os.read(self._said, _SAID.size)
        if len(said) != _SAID.size:
            return "", 0
        step, value = _SAID.unpack(said)
        return STEPS[step], value

    def _fetch(self, fd: int) -> int:
        """Our copy of the listener. What is tried here is what acting for the guest will need. Raises Refused."""
        pidfd = -1
        step = "descriptors"
        try:
            pidfd = abi.open_pidfd(self.pid)
            found = self._handed(self._hand) if self._hand else abi.get_fd(pidfd, fd)
            step = "memory"
            os.close(os.open(f"/proc/{self.pid}/mem", os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            if step == "memory":
                os.close(found)
            raise Refused(step, error.errno or errno.EPERM) from None
        finally:
            if pidfd >= 0:
                os.close(pidfd)
        return found

    def _handed(self, hand: _socket.socket) -> int:
        """What the child's thread sends. Raises OSError."""
        _, control, _, _ = hand.recvmsg(1, _socket.CMSG_LEN(_FD.size), _socket.MSG_CMSG_CLOEXEC)
        hand.close()
        if not control:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        (found,) = _FD.unpack_from(control[0][2])
        return int(found)

    def go(self) -> int:
        """Lets the child become the guest; returns 0, or the errno of the program that could not be executed."""
        try:
            sys.audit("os.exec", *self._tells)  # of a run around this one: the child is where it could ask nobody
        except PermissionError as error:
            self.give_up()
            return error.errno or errno.EACCES
        os.write(self._go, b"!")
        os.close(self._go)
        self._go = -1
        waiting = select.poll()
        waiting.register(self._said, select.POLLIN)
        if self.listener:
            waiting.register(self.listener.fd, select.POLLIN)
        while True:
            ready = [fd for fd, _ in waiting.poll()]
            if self._said in ready:
                break  # it executes close-on-exec, or says why not
            self._let_execute()
        step, value = self._hear()
        os.close(self._said)
        self._said = -1
        if step:
            os.waitpid(self.pid, 0)
        return value

    def _let_execute(self) -> None:
        """Answers the one call that the child makes on our account. Nothing of the guest's runs yet."""
        call = self.listener.receive() if self.listener else None
        if call is not None and self.listener:
            if call.number == abi.NUMBERS["execve"]:
                self.listener.answer(call.id, flags=CONTINUE)
            else:
                self.listener.answer(call.id, error=errno.EACCES)

    def give_up(self) -> None:
        """Ends the child, which has run nothing of the guest's."""
        for fd in (self._go, self._said):
            if fd >= 0:
                os.close(fd)
        self._go = self._said = -1
        if self.listener:
            os.close(self.listener.fd)
            self.listener = None
        os.waitpid(self.pid, 0)


class Fences:
    """What the child puts around itself.

    parent: the supervisor, without which it must not live.  hand: what the listener is sent over, if it has to be.
    """

    __slots__ = ("fence", "files", "hand", "notify", "parent", "ports", "program")

    def __init__(
        self,
        parent: int,
        fence: landlock.Fence | None,
        program: list[tuple[int, int, int, int]],
        notify: bool,
        hand: _socket.socket | None,
        ports: landlock.Ports,
        files: Iterable[landlock.File] | None,
    ) -> None:
        self.parent = parent
        self.fence = fence
        self.program = program
        self.notify = notify
        self.hand = hand
        self.ports = ports
        self.files = files

    def stand(self) -> int:
        """Puts them up, one after the other; returns the listener. Raises Refused."""
        step = "no_new_privs"
        try:
            abi.prctl(SET_PDEATHSIG, signal.SIGKILL)
            # A supervisor that hides its memory has hidden ours too, and could not copy the listener.
            abi.prctl(SET_DUMPABLE, 1)
            abi.prctl(SET_NO_NEW_PRIVS, 1)
            rights.of_guest()
            step = "landlock"
            if self.fence:
                landlock.restrict(self.fence, self.ports, self.files)
            step = "listener" if self.notify else "filter"
            return HandOver(self.hand).after(self._filter) if self.hand else self._filter()
        except OSError as error:
            raise Refused(step, error.errno or errno.EPERM) from None

    def _filter(self) -> int:
        if not self.notify:
            return abi.install_filter(self.program, 0)
        try:
            # A call that we have taken waits for us and for SIGKILL alone. That is Linux 5.19's: without it a signal
            # ends the wait, and the call comes again.
            return abi.install_filter(self.program, abi.NEW_LISTENER | abi.WAIT_KILLABLE)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return abi.install_filter(self.program, abi.NEW_LISTENER)


class HandOver:
    """A thread that sends the listener to the supervisor: there before the filter, which so is not around it."""

    def __init__(self, hand: _socket.socket) -> None:
        self._hand = hand
        self._listener = -1
        self._made, self._sent = _thread.allocate_lock(), _thread.allocate_lock()
        self._made.acquire()
        self._sent.acquire()
        _thread.start_new_thread(self._send, ())

    def after(self, install: Callable[[], int]) -> int:
        """Installs the filter, and returns the listener once it has been sent. Raises OSError; then the thread waits
        for ever, and ends with the child."""
        self._listener = install()
        self._made.release()
        self._sent.acquire()
        return self._listener

    def _send(self) -> None:
        self._made.acquire()
        try:
            self._hand.sendmsg([b"!"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, _FD.pack(self._listener))])
        finally:
            self._hand.close()
            self._sent.release()


def child(
    programs: Sequence[Program],
    environ: Mapping[str, str],
    mask: Iterable[int],
    fences: Fences,
    say: int,
    heard: int,
) -> NoReturn:
    """The child's whole life until it is the guest. It never returns: two supervisors would be one too many."""
    try:
        listener = fences.stand()
        os.write(say, _SAID.pack(STEPS.index("ready"), listener))
        if os.read(heard, 1) and os.getppid() == fences.parent:
            if fences.notify:
                os.close(listener)
            become(programs, environ, mask)
    except Refused as refused:
        os.write(say, _SAID.pack(STEPS.index(refused.step), refused.errno))
    except OSError as error:
        os.write(say, _SAID.pack(STEPS.index("start"), error.errno or errno.EPERM))
    finally:
        os._exit(127)


def become(programs: Sequence[Program], environ: Mapping[str, str], mask: Iterable[int]) -> None:
    """Executes the program with the signals of a plain run. Raises OSError: of the last that was tried."""
    for number in PYTHONS_OWN:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    last = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    variables = [os.fsencode(name) + b"=" + os.fsencode(value) for name, value in environ.items()]
    for path, argv in programs:
        try:
            abi.execute(os.fsencode(path), [os.fsencode(word) for word in argv], variables)
        except OSError as error:
            last = error
            if error.errno != errno.ENOEXEC:
                break
    raise last
