"""Runs a command below a sandbox such as containers and others make them: `sandboxed.py RULE… -- command`.

A rule is
  CALL=ERRNO      the call fails so; CALL=KILL ends who makes it, CALL=HOLD lets it wait for ever
  CALL&N=ERRNO    …if its second argument has this flag: seccomp&8 is a filter with a listener
  CALL:N=ERRNO    …if its first argument is this; CALL@N=ERRNO, if its second is
  listener        somebody has a listener already
  domains         there are as many Landlock domains as the kernel has room for
  docker          what Docker's default profile refuses that netguard would use, and without the right to trace
"""

from __future__ import annotations

import errno
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)

from netguard.seccomp import abi, landlock  # noqa: E402

# linux/filter.h, linux/seccomp.h
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, FAIL, KILL, HOLD = 0x7FFF0000, 0x00050000, 0x80000000, 0x7FC00000
NUMBER, FIRST, SECOND = 0, 16, 24
NEW_LISTENER = 8

#: What Docker refuses: its default profile, to who has no CAP_SYS_PTRACE and no CAP_SYS_ADMIN.
DOCKER = (
    "pidfd_getfd=EPERM", "kcmp=EPERM", "process_madvise=EPERM", "perf_event_open=EPERM", "bpf=EPERM", "unshare=EPERM",
    "setns=EPERM", "mount=EPERM", "umount2=EPERM", "pivot_root=EPERM", "open_by_handle_at=EPERM", "clone3=ENOSYS",
    "keyctl=EPERM", "add_key=EPERM", "request_key=EPERM", "userfaultfd=EPERM", "io_uring_setup=EPERM",
)  # fmt: skip

#: CAP_NET_ADMIN, SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_TIME, PERFMON, BPF, CHECKPOINT_RESTORE; and
#: PR_CAPBSET_DROP, which takes one from whoever executes a program.
TAKEN, DROP = (12, 16, 17, 19, 21, 25, 38, 39, 40), 24

ACTIONS = {"KILL": KILL, "HOLD": HOLD}


def program(rule: str) -> list[tuple[int, int, int, int]]:
    """The instructions of one rule."""
    call, kind, value, action = re.fullmatch(r"(\w+)(?:([&:@])(\d+))?=(\w+)", rule).groups()
    returned = ACTIONS[action] if action in ACTIONS else FAIL | getattr(errno, action)
    test = {
        "&": [(LOAD, 0, 0, SECOND), (ANY_BIT, 0, 1, int(value or 0))],
        ":": [(LOAD, 0, 0, FIRST), (EQUAL, 0, 1, int(value or 0))],
        "@": [(LOAD, 0, 0, SECOND), (EQUAL, 0, 1, int(value or 0))],
        None: [],
    }[kind]
    match = [*test, (RETURN, 0, 0, returned)]
    return [(LOAD, 0, 0, NUMBER), (EQUAL, 0, len(match), abi.NUMBERS[call]), *match, (RETURN, 0, 0, ALLOW)]


def apply(rule: str) -> None:
    """Puts this process, and so the command, into that part of the sandbox."""
    if rule == "listener":
        os.set_inheritable(abi.install_filter([(RETURN, 0, 0, ALLOW)], NEW_LISTENER), True)  # it lasts while it is open
    elif rule == "docker":
        for capability in TAKEN if os.geteuid() == 0 else ():
            abi.prctl(DROP, capability)
        for part in DOCKER:
            apply(part)
    elif rule == "domains":
        for _ in range(16):
            landlock.restrict(landlock.fence(2))
    else:
        held = abi.install_filter(program(rule), NEW_LISTENER if rule.endswith("HOLD") else 0)
        if held:
            os.set_inheritable(held, True)


if __name__ == "__main__":
    divider = sys.argv.index("--")
    abi.no_new_privs()
    for rule in sys.argv[1:divider]:
        apply(rule)
    os.execvp(sys.argv[divider + 1], sys.argv[divider + 1 :])
