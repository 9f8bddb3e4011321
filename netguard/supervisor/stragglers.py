"""What outlives the program: processes that it has left behind, found below us and ended.

netguard takes in its guest's orphans (PR_SET_CHILD_SUBREAPER), so all of them are its own descendants: nobody else's
process is ever signalled.
"""

from __future__ import annotations

import os

from netguard.supervisor import guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator
else:
    import _signal as signal  # the same functions without the enums, which cost 4 ms at start-up

#: How often all are looked for anew: whoever forks meanwhile is found in the next round, and one more hundred of rounds
#: would only give a fork bomb more time. Who is left then reaches nothing: nobody answers its calls.
ROUNDS = 100


def descendants() -> list[int]:
    """The pids of all processes below this one, the nearest first. One look at /proc: who comes later is not in it."""
    below: dict[int, list[int]] = {}
    for pid, parent in parents():
        below.setdefault(parent, []).append(pid)
    found: list[int] = []
    todo = [os.getpid()]
    for pid in todo:  # grows on the way
        children = below.pop(pid, [])
        found += children
        todo += children
    return found


def parents() -> Iterator[tuple[int, int]]:
    """(pid, its parent's) of every process that has not ended."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, parent = file.read(4096).rpartition(b")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state not in (b"Z", b"X"):
            yield int(name), int(parent)


def end_all() -> int:
    """Ends every process below this one; returns how many there were."""
    ended: set[int] = set()
    for _ in range(ROUNDS):
        guest.reap()
        found = descendants()
        if not found:
            break
        ended.update(found)
        for pid in found:
            guest.send(pid, signal.SIGKILL)
        wait_a_moment()
    return len(ended)


def wait_a_moment() -> None:
    """Until a child has ended, or a hundredth of a second."""
    signal.sigtimedwait({signal.SIGCHLD}, 0.01)
