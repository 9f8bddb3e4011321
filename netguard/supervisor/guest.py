"""The guest as a process: how it is started, what the kernel says became of it, and what netguard then ends with.

The guest starts as if netguard were not there: same terminal, process group, session, standard streams, signal
dispositions and mask. Only descriptors above 2 are kept from it, because one that is already connected to something
would be a way out that no later check sees.
"""

from __future__ import annotations

import errno
import os

from netguard.errors import NotExecutable, NotFound, StartError
from netguard.supervisor import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable, Iterator, Mapping

    from netguard.supervisor.target import Target
else:
    # The C half of `signal`: the same functions and plain numbers, without the 4 ms that its enums cost at start-up.
    import _signal as signal

#: Ignored by every Python at its own start (Python/pylifecycle.c), so not by the wish of whoever started netguard.
#: A program that is not Python must find them as a shell leaves them, or `-- yes | head -1` would never end.
PYTHONS_OWN = (signal.SIGPIPE, signal.SIGXFSZ)

FD_LISTS = ("/proc/self/fd", "/dev/fd")

#: What `env` says with 126 and 127; every other refusal of exec is netguard's 125. E2BIG and the like are the user's
#: command line, so they are 126 too.
MISSING = (errno.ENOENT,)
UNFIT = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOEXEC,
         errno.ETXTBSY, errno.E2BIG, errno.EINVAL)  # fmt: skip


class Change:
    """One change in the life of a child.

    pid:   the child.
    what:  "exited", "killed", "stopped" or "continued".
    value: the exit code, or the signal's number; 0 for "continued".
    core:  it was killed and left a core file.
    """

    __slots__ = ("core", "pid", "value", "what")

    def __init__(self, pid: int, what: str, value: int = 0, core: bool = False) -> None:
        self.pid = pid
        self.what = what
        self.value = value
        self.core = core

    @property
    def is_end(self) -> bool:
        """True when the child is gone and its pid may already be someone else's."""
        return self.what in ("exited", "killed")


def programs(target: Target) -> list[tuple[str, tuple[str, ...]]]:
    """What is executed: the second where the kernel knows no format for the first.

    That is a shell script without a first line: execvp and every shell do the same.
    """
    return [(target.program, target.argv), ("/bin/sh", ("/bin/sh", target.program, *target.argv[1:]))]


def start(target: Target, environ: Mapping[str, str], mask: Iterable[int]) -> int:
    """Start the guest without a wall and return its pid. `shut_inherited` comes before.

    environ: its whole environment.
    mask:    the signal mask it gets: what `signals.hold` returned.

    Raises NotFound (127), NotExecutable (126), StartError (125).
    """
    failed = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for program, argv in programs(target):
        try:
            return spawn(program, argv, environ, mask)
        except OSError as error:
            failed = error
            if error.errno != errno.ENOEXEC:
                break
    raise refusal(target.program, failed)


def spawn(program: str, argv: tuple[str, ...], environ: Mapping[str, str], mask: Iterable[int]) -> int:
    """posix_spawn with the dispositions of a plain run. Handlers fall back by themselves; inherited ignores stay."""
    return os.posix_spawn(program, argv, environ, setsigmask=mask, setsigdef=PYTHONS_OWN)


def refusal(program: str, error: OSError) -> StartError:
    """The error a person should see for a program that exec refused."""
    if error.errno in MISSING:
        if os.path.exists(program):
            return NotFound(f"{program}: the interpreter that its first line names does not exist")
        return NotFound(f"{program}: {error.strerror}")
    kind = NotExecutable if error.errno in UNFIT else StartError
    return kind(f"{program}: {error.strerror}")


def shut_inherited(keep: Iterable[int], named: Iterable[int] = ()) -> None:
    """Mark every descriptor above 2 close-on-exec, except those asked for.

    keep:  must be open and inherited, else StartError: a number that netguard itself opened would hand out the trail.
    named: kept where that is true of them, and passed over in silence where not.
    """
    inherited = set(inheritable_fds())
    for fd in keep:
        if fd > 2 and fd not in inherited:
            raise StartError(f"descriptor {fd} can not be kept: netguard was not started with it")
    for fd in inherited.difference(keep, named):
        os.set_inheritable(fd, False)


def inheritable_fds() -> Iterator[int]:
    """Descriptors above 2 that came from netguard's parent: what Python opens itself is never inheritable (PEP 446)."""
    for fd in open_fds():
        try:
            if fd > 2 and os.get_inheritable(fd):
                yield fd
        except OSError:
            pass  # The listing's own descriptor, or a number that is not open.


def open_fds() -> Iterable[int]:
    """Numbers among which are all open descriptors."""
    for folder in FD_LISTS:
        try:
            return [int(name) for name in os.listdir(folder)]
        except OSError:
            continue
    return range(3, os.sysconf("SC_OPEN_MAX"))


def let_go(fds: Iterable[int]) -> None:
    """Give up netguard's own copies of what the guest now holds, once the guest has started.

    Otherwise the other end of a pipe would wait for netguard after the guest has closed its side. Numbers up to 2 go
    to /dev/null instead of being closed, so that no later file takes their place. Above, only what the guest was given
    is closed: a user may write any /dev/fd/N, also the number of netguard's own trail.
    """
    null = os.open(os.devnull, os.O_RDWR)
    given = set(inheritable_fds())
    for fd in set(fds):
        if fd <= 2:
            os.dup2(null, fd)
        elif fd in given:
            os.close(fd)
    os.close(null)


def reap() -> list[Change]:
    """Every change of every child since the last call, without waiting. Ended children are gone afterwards."""
    changes: list[Change] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        except ChildProcessError:
            return changes
        if pid == 0:
            return changes
        changes.append(decode(pid, status))


def decode(pid: int, status: int) -> Change:
    """What a wait status says."""
    if os.WIFSTOPPED(status):
        return Change(pid, "stopped", os.WSTOPSIG(status))
    if os.WIFCONTINUED(status):
        return Change(pid, "continued")
    if os.WIFSIGNALED(status):
        return Change(pid, "killed", os.WTERMSIG(status), os.WCOREDUMP(status))
    return Change(pid, "exited", os.WEXITSTATUS(status))


def exit_status(end: Change) -> int:
    """What netguard ends with for a guest that ended so: its exit code, or 128 and the signal's number."""
    return 128 + end.value if end.what == "killed" else end.value


def send(pid: int, signum: int) -> bool:
    """Send a signal to the guest. False when it is already gone, or runs as someone netguard may not signal (sudo)."""
    try:
        os.kill(pid, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True


class Job:
    """The started guest as the shell sees it through netguard: signals go in, its end comes out.

    What the loop must get right and can not see from one signal: a stop is mirrored once, and a SIGCONT continues the
    guest only if it is still in the stop that was mirrored. A shell's `fg` continues guest and netguard together; by
    the time netguard hears of it, the guest may have been stopped anew, and that stop must last.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.stopped = 0  # the signal the guest is stopped by, 0 while it runs
        self.mirrored = False  # netguard stopped for it, and nothing happened to the guest since

    def hear(self, arrivals: Iterable[signals.Arrival]) -> Change | None:
        """Act on what `Inbox.drain` gave; returns the guest's end once it has. netguard may be stopped in here."""
        # The meaning first: it looks up senders, who may be the guest, and reaping takes it out of the table.
        meant = [(signals.meaning(arrival, self.pid), arrival.signum) for arrival in arrivals]
        end = self.look()
        if end:
            return end
        for meaning, signum in meant:
            if meaning == signals.FORWARD or (meaning == signals.RESUME and self.mirrored):
                send(self.pid, signum)
        if self.stopped and not self.mirrored:
            self.mirrored = True
            signals.stop_like(self.stopped)
        return None

    def look(self) -> Change | None:
        """Take up every change of the guest; returns its end."""
        for change in reap():
            if change.pid == self.pid:
                if change.is_end:
                    return change
                self.stopped, self.mirrored = change.value, False
        return None
