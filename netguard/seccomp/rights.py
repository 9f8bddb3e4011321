"""What a guest that is root gives up: rights to change the network, the kernel, or other processes.

Its calls are decided on whoever it is; with these it could make an allowed address another machine's, or do
without calls. Files, users, owners and ports below 1024 stay its own. The supervisor gives them up as well, so
that none is lent; it only goes on looking into processes, which may have changed their user.
"""

from __future__ import annotations

from netguard.seccomp import abi

#: CAP_SYS_PTRACE of <linux/capability.h>.
_TRACE = 1 << 19

#: CAP_NET_ADMIN, NET_RAW, SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT, SYS_TIME, MAC_OVERRIDE, MAC_ADMIN,
#: PERFMON, BPF, CHECKPOINT_RESTORE: numbers of <linux/capability.h>.
GIVEN_UP = sum([1 << number for number in (12, 13, 16, 17, 19, 21, 22, 25, 32, 33, 38, 39, 40)])


def of_guest() -> None:
    """For the guest's process before it is the guest's, after no_new_privs. Raises OSError."""
    abi.give_up(GIVEN_UP)


def of_supervisor() -> None:
    """For the supervisor, before it acts for a guest. Raises OSError."""
    abi.give_up(GIVEN_UP & ~_TRACE)
