"""Signals of the guest's where Landlock does not keep them in: none may reach the supervisor.

These calls have their whole meaning in their registers, so no other thread can change it, and the kernel may be told to
go on with them (seccomp_unotify(2)).
"""

from __future__ import annotations

import errno
import os

from netguard.seccomp.notify import CONTINUE

#: Which arguments of each call name a process or thread.
TARGETS = {
    "kill": (0,),
    "tkill": (0,),
    "tgkill": (0, 1),
    "rt_sigqueueinfo": (0,),
    "rt_tgsigqueueinfo": (0, 1),
    "pidfd_open": (0,),
}


def judge(name: str, args: tuple[int, ...], tid: int) -> tuple[int, int]:
    """Returns (errno, flags) to answer a call with: it may go on, or it fails.

    To a whole group the supervisor's own belongs to, the signal is sent here, to all the others in it.
    """
    targets = [number(args[at]) for at in TARGETS[name]]
    ours = os.getpgrp()
    if name == "kill" and targets[0] <= 0:
        group = os.getpgid(tid) if targets[0] == 0 else -targets[0]
        if targets[0] == -1:
            return errno.EPERM, 0  # everybody, the supervisor too
        return (0, CONTINUE) if group != ours else (signal_group(ours, number(args[1])), 0)
    if any([target == os.getpid() or os.path.exists(f"/proc/self/task/{target}") for target in targets]):
        return errno.EPERM, 0
    return 0, CONTINUE


def number(argument: int) -> int:
    """An `int` argument: the lower word of its register, with its sign."""
    low = argument & 0xFFFFFFFF
    return low - 0x1_0000_0000 if low & 0x8000_0000 else low


def signal_group(group: int, signum: int) -> int:
    """Sends a signal to every process of a group but this one; returns 0, or the errno if it reached none."""
    failed = errno.ESRCH
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and int(name) != os.getpid() and os.getpgid(int(name)) == group:
                os.kill(int(name), signum)
                failed = 0
        except OSError as error:
            failed = failed and (error.errno or errno.EPERM)
    return failed
