"""Signals as values: what reaches netguard, who sent it, and what it means for the guest.

netguard must never die or stop on a signal while the guest goes on, and the guest must see each signal once, as in a
plain run. Both are in one process group, so what the terminal sends reaches the guest by itself; what someone sends to
netguard's own pid reaches the guest only if netguard passes it on. The kernel says which it was: signals of the
terminal carry si_code SI_KERNEL, those of kill(2) name their sender.

All signals here are blocked from `hold` on, in every thread, and one thread takes them with sigwaitinfo. Handlers
would not do: Python's see neither code nor sender.
"""

from __future__ import annotations

import _thread
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    # The C half of `signal`: the same functions and plain numbers, without the 4 ms that its enums cost at start-up.
    import _signal as signal

#: si_code of <asm-generic/siginfo.h>: sent by kill(2), sent by the kernel itself.
SI_USER = 0
SI_KERNEL = 0x80

FORWARD = "forward"  # send it to the guest
IGNORE = "ignore"  # the guest has it already, or sent it itself
REAP = "reap"  # a child changed: ask `guest.reap`
RESUME = "resume"  # continue the guest if it is still stopped after a `guest.reap`

#: The columns of TABLE: who sent it, and where the guest stands.
GROUP, LEFT, LEADER, GUEST, OTHER = range(5)

#: What each signal means, when it was sent by
#:   the kernel | the kernel, and the guest has left the group that netguard leads (in a plain run it would be the
#:   leader and could not) | the kernel, and netguard leads its session | the guest's own tree | anyone else.
#: The kernel sends the keyboard's signals to the whole foreground group. It sends SIGHUP to that group when a shell
#: ends, but to the session's leader alone when the terminal goes away. Timers set before netguard was started are
#: netguard's alone, hence FORWARD for SIGALRM.
KEYBOARD_ROW = (IGNORE, FORWARD, IGNORE, IGNORE, FORWARD)
ALONE_ROW = (FORWARD, FORWARD, FORWARD, IGNORE, FORWARD)
TABLE = {
    "SIGINT": KEYBOARD_ROW,
    "SIGQUIT": KEYBOARD_ROW,
    "SIGTSTP": KEYBOARD_ROW,
    "SIGTTIN": KEYBOARD_ROW,
    "SIGTTOU": KEYBOARD_ROW,
    "SIGWINCH": KEYBOARD_ROW,
    "SIGINFO": KEYBOARD_ROW,
    "SIGHUP": (IGNORE, FORWARD, FORWARD, IGNORE, FORWARD),
    "SIGCONT": (RESUME, RESUME, RESUME, RESUME, RESUME),
    "SIGCHLD": (REAP, REAP, REAP, REAP, REAP),
    "SIGTERM": ALONE_ROW,
    "SIGUSR1": ALONE_ROW,
    "SIGUSR2": ALONE_ROW,
    "SIGALRM": ALONE_ROW,
    "SIGVTALRM": ALONE_ROW,
    "SIGPROF": ALONE_ROW,
    "SIGABRT": ALONE_ROW,
    "SIGIO": ALONE_ROW,
    "SIGURG": ALONE_ROW,
    "SIGPWR": ALONE_ROW,
}

#: TABLE by number, with what this system does not have left out.
ACTIONS = {
    **dict.fromkeys(range(getattr(signal, "SIGRTMIN", 1), getattr(signal, "SIGRTMAX", 0) + 1), ALONE_ROW),
    **{getattr(signal, name): row for name, row in TABLE.items() if hasattr(signal, name)},
}
#: Every signal that `hold` blocks and `Inbox` takes.
TAKEN = frozenset(ACTIONS)
#: The signals that the terminal sends to its foreground group.
KEYBOARD = frozenset(getattr(signal, name, 0) for name, row in TABLE.items() if row is KEYBOARD_ROW)

#: How far up `descends` looks. A guest may stack processes as deep as it likes to make each look-up dear; past this a
#: sender counts as a stranger, and the guest only gets back what it could have sent itself.
DEPTH = 256


class Arrival:
    """One signal that reached netguard: its number, its si_code, and the sender's pid (0: unknown or the kernel)."""

    __slots__ = ("code", "pid", "signum")

    def __init__(self, signum: int, code: int = SI_USER, pid: int = 0) -> None:
        self.signum = signum
        self.code = code
        self.pid = pid


def hold() -> frozenset[int]:
    """Block every signal of TABLE in this thread and those it starts; return the mask as it was, for `guest.start`.

    To be called before the first thread starts. Nothing is lost: what arrives waits for the Inbox.
    """
    # An inherited "ignore" would let the kernel throw the guest's exit status away.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN))


class Inbox:
    """Takes signals in a thread of its own and hands them to a loop.

    fd: readable when `drain` has something.

    To be made right after `guest.start`. What the terminal sent before the guest was there to hear it waits until then
    and is marked as sent by a stranger, so that a Ctrl-C while netguard starts is passed on instead of lost.
    """

    def __init__(self) -> None:
        self.fd, self.waker = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self.waker, False)
        self.arrived = [Arrival(signum) for signum in pending()]
        self.wake()
        _thread.start_new_thread(self.watch, ())

    def watch(self) -> None:
        """Wait for signals for ever; ends with the process."""
        while True:
            arrival = take()
            self.arrived.append(arrival)
            self.wake()

    def wake(self) -> None:
        """Make `fd` readable."""
        try:
            os.write(self.waker, b"!")
        except BlockingIOError:
            pass  # The pipe is full, so it is readable.

    def drain(self) -> list[Arrival]:
        """Everything that arrived since the last call, in order; [] when there is nothing."""
        # First the pipe, then the list: the other way round, one that comes in between would be left without a wake-up.
        try:
            os.read(self.fd, 65536)
        except BlockingIOError:
            pass
        arrived = []
        while self.arrived:
            arrived.append(self.arrived.pop(0))
        return arrived


def pending() -> list[int]:
    """Take every blocked signal that is already waiting."""
    taken: list[int] = []
    while waiting := signal.sigpending() & TAKEN:
        taken += [signal.sigwait({signum}) for signum in sorted(waiting)]
    return taken


def take() -> Arrival:
    """Wait for one signal."""
    if hasattr(signal, "sigwaitinfo"):
        info = signal.sigwaitinfo(TAKEN)
        return Arrival(info.si_signo, info.si_code, info.si_pid)
    return guess(signal.sigwait(TAKEN))


def guess(signum: int) -> Arrival:
    """An arrival on a system that does not say who sent it (macOS): the keyboard, if that could have been it."""
    return Arrival(signum, SI_KERNEL if signum in KEYBOARD and is_foreground() else SI_USER)


def is_foreground() -> bool:
    """True if netguard's process group is the one its terminal listens to."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)


def action(signum: int, code: int, from_guest: bool, leads_session: bool = False, guest_left: bool = False) -> str:
    """What one signal means: FORWARD, IGNORE, REAP or RESUME.

    code:          its si_code.
    from_guest:    its sender is the guest or a descendant, which has signalled whom it wants to by itself.
    leads_session: netguard is the leader of its session.
    guest_left:    netguard leads its process group and the guest is in another.
    """
    row = ACTIONS[signum]
    if from_guest:
        return row[GUEST]
    if code != SI_KERNEL:
        return row[OTHER]
    return row[LEFT if guest_left else LEADER if leads_session else GROUP]


def meaning(arrival: Arrival, guest: int) -> str:
    """`action` for an arrival, with what the kernel says now about its sender, the session and the group."""
    row = ACTIONS[arrival.signum]
    if row.count(row[0]) == len(row):
        return row[0]  # whoever sent it: who ends as fast as processes can makes a SIGCHLD each time
    from_guest = arrival.pid > 0 and descends(arrival.pid, guest)
    return action(arrival.signum, arrival.code, from_guest, os.getsid(0) == os.getpid(), has_left(guest))


def has_left(guest: int) -> bool:
    """True if the guest, not yet reaped, is in a process group of its own while netguard leads the one they had."""
    try:
        return os.getpgrp() == os.getpid() != os.getpgid(guest)
    except ProcessLookupError:
        return False


def descends(pid: int, ancestor: int) -> bool:
    """True if `pid` is `ancestor` or a descendant; False where /proc does not say (gone, or no /proc)."""
    for _ in range(DEPTH):
        if pid == ancestor:
            return True
        if pid <= 1:
            return False
        pid = parent(pid)
    return False


def parent(pid: int) -> int:
    """The parent of a process, 0 if unknown."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name in brackets is the process's own choice and may hold brackets and blanks: look behind the last.
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def stop_like(signum: int) -> None:
    """Stop netguard as the guest was stopped, so that the shell sees the job stop; returns when it is continued.

    The same signal is used where it can be, because shells and waiting parents show and read which one it was. It is
    sent to this thread alone: sent to the process, the Inbox could take it.
    """
    if signum not in TAKEN or signal.getsignal(signum) != signal.SIG_DFL:
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    signal.pthread_kill(_thread.get_ident(), signum)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signum})
    signal.pthread_sigmask(signal.SIG_BLOCK, {signum})
