"""What outlives the program: processes that it has left behind, found below us and ended.

netguard takes in its guest's orphans (PR_SET_CHILD_SUBREAPER), so all of them are its own descendants. Nobody else's
process is ever signalled: a number is held by a descriptor before it is looked at, and what was netguard's child
before the guest was there (`server & exec netguard run …`) is none of the guest's.
"""

from __future__ import annotations

import os
import time

from netguard.supervisor import guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterable, Iterator
else:
    import _signal as signal  # the same functions without the enums, which cost 4 ms at start-up

#: Seconds for ending them. Who is left then, a fork bomb on a machine that it has brought down, reaches nothing: nobody
#: answers its calls.
ENDING = 5.0

#: Looks at our own children between two looks at all. A process that forks and ends before it is found is always a new
#: child of ours; it lives for some 100 us, such a look takes 30, and one at all of /proc 10,000.
CHASES = 1_000

#: Processes named to a person.
NAMED = 3


def earlier() -> frozenset[int]:
    """The processes below this one now: before the guest is there, those that are not the guest's."""
    return frozenset(descendants() if has_children() else ())


def is_alone(others: frozenset[int] = frozenset()) -> bool:
    """Whether no process is below this one, apart from `others`. With such, what forks and ends may not be found."""
    return not has_children() or (bool(others) and not descendants(others))


def has_children() -> bool:
    """Whether this process has any. It nearly never has, and a look at all processes would take milliseconds."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def descendants(others: frozenset[int] = frozenset()) -> dict[int, int]:
    """pid -> its parent's, of all processes below this one and not below one of `others`, the nearest first.

    One look at /proc: who comes later is not in it.
    """
    below: dict[int, list[int]] = {}
    for pid, parent in parents():
        below.setdefault(parent, []).append(pid)
    found: dict[int, int] = {}
    todo = [os.getpid()]
    for parent in todo:  # grows on the way
        children = [pid for pid in below.pop(parent, []) if pid not in others]
        found.update(dict.fromkeys(children, parent))
        todo += children
    return found


def family() -> Iterable[int]:
    """The processes below this one, fast where the kernel keeps a list of children: some 20 us for each thread."""
    found, todo = [], [os.getpid()]
    try:
        for pid in todo:  # grows on the way
            children = children_of(pid)
            found += children
            todo += children
    except FileNotFoundError:
        return descendants()
    return found


def children_of(pid: int) -> list[int]:
    """The children of all threads of a process; none if it is gone. Raises FileNotFoundError: nobody keeps a list."""
    found: list[int] = []
    try:
        for tid in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{tid}/children", "rb") as file:
                    found += map(int, file.read().split())
            except OSError:
                if pid == os.getpid():
                    raise
    except OSError:
        if pid == os.getpid():
            raise
    return found


def parents() -> Iterator[tuple[int, int]]:
    """(pid, its parent's) of every process that has not ended."""
    for name in os.listdir("/proc"):
        if name.isdigit() and (parent := parent_of(int(name))):
            yield int(name), parent


def parent_of(pid: int) -> int:
    """The parent of a process that has not ended, else 0."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, parent = file.read(4096).rpartition(b")")[2].split()[:2]
    except (OSError, ValueError):
        return 0
    return 0 if state in (b"Z", b"X") else int(parent)


def named(pids: dict[int, int]) -> str:
    """What a person is told of processes: "2 processes (sleep 4711, python 4712)"."""
    names = [f"{name_of(pid)} {pid}" for pid in list(pids)[:NAMED]]
    more = len(pids) - len(names)
    return f"{counted(len(pids))} ({', '.join(names)}{f', {more} more' if more else ''})"


def counted(number: int) -> str:
    """1 process, 2 processes."""
    return f"{number} process{'' if number == 1 else 'es'}"


def name_of(pid: int) -> str:
    """What a process calls itself, as its own choice without what would steer a terminal."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            name = file.read(64).rstrip("\n")
    except OSError:
        return "?"
    return "".join([letter if letter.isprintable() else "?" for letter in name])


def end_all(others: frozenset[int], gone: Callable[[], bool]) -> tuple[int, int]:
    """Ends every process below this one, apart from `others`; returns how many there were, and how many are left.

    gone: whether all have ended. A look at the processes cannot tell: one that forks and ends is in none.
    """
    until = time.monotonic() + ENDING
    were = 0
    while not gone():
        found = descendants(others)
        were = were or len(found) or 1
        if time.monotonic() > until:
            return were, len(found) or 1
        for pid, parent in found.items():
            end(pid, parent)
        chase(others)
        wait_a_moment()
        guest.reap()
    return were, 0


def end(pid: int, parent: int) -> None:
    """Ends a process if it is still the one that was found: under fork bombs numbers come round in no time."""
    try:
        held = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if parent_of(pid) in (parent, os.getpid()):  # ours by now: its parent has ended
            signal.pidfd_send_signal(held, signal.SIGKILL)
    except OSError:
        pass
    finally:
        os.close(held)


def chase(others: frozenset[int]) -> None:
    """Ends our own children as fast as they are found. Their numbers stay theirs until we ask how they ended."""
    try:
        fd = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY)
    except OSError:
        return  # the kernel keeps no list of them (CONFIG_PROC_CHILDREN)
    try:
        for _ in range(CHASES):
            pids = [int(pid) for pid in os.pread(fd, 65_536, 0).split()]
            if not others.issuperset(pids):
                end_children(pids, others)
            elif not has_children():
                return
    finally:
        os.close(fd)


def end_children(pids: list[int], others: frozenset[int]) -> None:
    """Ends these children of ours and reaps them."""
    for pid in pids:
        if pid not in others:
            guest.send(pid, signal.SIGKILL)
    for pid in pids:
        if pid not in others:
            os.waitpid(pid, os.WNOHANG)


def wait_a_moment() -> None:
    """Until a child has ended, or a hundredth of a second."""
    signal.sigtimedwait({signal.SIGCHLD}, 0.01)
