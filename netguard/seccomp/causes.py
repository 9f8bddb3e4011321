"""Why an ability of the wall is missing on a machine, and what would help: one table, in which the first match wins.

It is told to people. Nothing is decided by it.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netguard.seccomp.machine import About

#: Ability -> what of the kernel's it is, for who has to look for it.
CALLED = {
    "machine": "the system calls of this machine", "no_new_privs": "PR_SET_NO_NEW_PRIVS", "filter": "seccomp filters",
    "listener": "a seccomp listener", "killable": "WAIT_KILLABLE_RECV of seccomp", "descriptors": "pidfd_getfd(2)",
    "memory": "process_vm_writev(2)", "sockets": "ADDFD_FLAG_SEND of seccomp", "subreaper": "PR_SET_CHILD_SUBREAPER",
    "tracing": "a Landlock that lets files be moved", "tcp": "Landlock's refusal of TCP",
    "signals": "Landlock's scope for signals",
}  # fmt: skip

#: Ability -> the Linux it came with.
SINCE = {
    "filter": (3, 17), "listener": (5, 0), "descriptors": (5, 6), "sockets": (5, 14), "killable": (5, 19),
    "tracing": (5, 19), "tcp": (6, 7), "signals": (6, 12),
}  # fmt: skip

#: What gVisor calls every version of itself; newer ones also say so in the release.
GVISOR = "#1 SMP Sun Jan 10 15:06:54 PST 2016"


def find(name: str, error: int, about: About) -> int:
    """The row of the table for an ability that failed with that errno. The last fits everything."""
    return next(
        number
        for number, (names, errors, fits, *_) in enumerate(CAUSES)
        if (not names or name in names.split()) and (not errors or error in errors) and fits(name, about)
    )


def words(cause: int, name: str, error: int, about: About) -> tuple[str, str]:
    """(why, what would help) as that row has it; "" where nothing would."""
    known = {
        "what": CALLED[name], "since": "{}.{}".format(*SINCE.get(name, (0, 0))), "release": about.release,
        "system": about.system, "machine": about.machine, "abi": about.landlock,
        "error": os.strerror(error) if error > 0 else "who tries it is ended",
    }  # fmt: skip
    *_, why, remedy = CAUSES[cause]
    return why.format(**known), remedy.format(**known)


def explain(name: str, error: int, about: About) -> tuple[str, str]:
    """Both at once."""
    return words(find(name, error, about), name, error, about)


def _numbers(release: str) -> tuple[int, int]:
    """The first two numbers of a release, (0, 0) if it does not begin with such."""
    found = [int(part) for part in release.replace("-", ".").split(".")[:2] if part.isdecimal()]
    return (found[0], found[1]) if len(found) == 2 else (0, 0)


def _always(_name: str, _about: About) -> bool:
    return True


def _old(name: str, about: About) -> bool:
    return (0, 0) < _numbers(about.release) < SINCE.get(name, (0, 0))


def _gvisor(_name: str, about: About) -> bool:
    return about.version == GVISOR or "gvisor" in about.release.lower()


def _filtered_already(_name: str, about: About) -> bool:
    return about.filtered


def _guarded_already(_name: str, about: About) -> bool:
    return about.guarded and about.filtered


def _yama_is(*scopes: int) -> Callable[[str, About], bool]:
    return lambda _name, about: about.yama in scopes


_FILTERS = "filter listener killable sockets"
_LOOKING = "descriptors memory"
_LANDLOCK = "tracing tcp signals"
_REFUSED = (errno.EPERM, errno.EACCES)
_UNKNOWN = (errno.ENOSYS, errno.EINVAL)

#: What abilities are missing for: which of them, with which errno (none: any), on what machine; why, and what would
#: help. The first that fits. Words in braces are the machine's and the ability's.
CAUSES: tuple[tuple[str, tuple[int, ...], Callable[[str, About], bool], str, str], ...] = (
    ("machine", (), lambda _, about: about.system != "Linux",
     "the wall is Linux's, and this is {system}", "run it on Linux, in a virtual machine for example"),
    ("machine", (), _always,
     "netguard does not know the system calls of {machine}", "a machine that is x86_64 or aarch64"),
    (f"{_FILTERS} {_LOOKING} {_LANDLOCK}", (), _gvisor,
     "gVisor does not have {what}", ""),
    (f"{_FILTERS} {_LOOKING}", (*_REFUSED, errno.EBUSY), _guarded_already,
     "this process runs inside of netguard run, whose wall holds it and leaves no room for a second one",
     "run netguard outside of it"),
    ("listener killable sockets", (errno.EBUSY,), _always,
     "another process decides on this one's system calls already: an outer netguard, or another sandbox",
     "run netguard outside of it"),
    (f"{_FILTERS} {_LOOKING}", _UNKNOWN, _old,
     "Linux {release} does not have {what}", "Linux {since} or newer"),
    (_FILTERS, (), _filtered_already,
     "what is around this process, a container or sandbox or an outer netguard, forbids {what}",
     "run netguard outside of it, or allow seccomp(2) in its profile"),
    ("filter listener", _UNKNOWN, _always,
     "this kernel does not have {what}", "Linux {since} or newer, built with CONFIG_SECCOMP_FILTER"),
    ("killable sockets", _UNKNOWN, _always,
     "this kernel does not have {what}", "Linux {since} or newer"),
    ("memory", (errno.ENOENT,), _always,
     "there is no /proc, or not all of it", "mount /proc"),
    (_LOOKING, _REFUSED, _yama_is(3),
     "Yama lets no process look into another (kernel.yama.ptrace_scope is 3)",
     "start the machine with kernel.yama.ptrace_scope=1: 3 cannot be taken back"),
    (_LOOKING, _REFUSED, _yama_is(2),
     "Yama lets no process look into its own children (kernel.yama.ptrace_scope is 2)",
     "sysctl kernel.yama.ptrace_scope=1, or the capability SYS_PTRACE"),
    (_LOOKING, _UNKNOWN, _filtered_already,
     "the container or sandbox around this process is older than the kernel, and refuses {what}",
     "a newer engine, or a profile that allows {what}"),
    (_LOOKING, (), _filtered_already,
     "the profile of the container or sandbox around this process forbids {what}, as Docker's does",
     "docker run --cap-add SYS_PTRACE, or a profile that allows {what}"),
    (_LOOKING, _REFUSED, _always,
     "a security module lets no process look into its own children",
     "with SELinux: setsebool deny_ptrace off; with AppArmor: a profile that allows ptrace"),
    (_LANDLOCK, (errno.EOPNOTSUPP,), _always,
     "Landlock is switched off", "start the kernel with landlock in its list lsm="),
    (_LANDLOCK, (errno.E2BIG,), _always,
     "there are 16 Landlock domains around this process, and the kernel has no room for more",
     "run netguard outside of them"),
    (_LANDLOCK, (errno.ENOSYS,), _old,
     "Linux {release} does not have {what}", "Linux {since} or newer"),
    (_LANDLOCK, (errno.ENOSYS,), lambda _, about: about.landlock > 0,
     "this kernel's Landlock, ABI {abi}, cannot do it", "Linux {since} or newer"),
    (_LANDLOCK, (), _filtered_already,
     "this kernel has no Landlock, or what is around this process hides it",
     "a profile that allows landlock_*(2), or a kernel with CONFIG_SECURITY_LANDLOCK"),
    (_LANDLOCK, (errno.ENOSYS,), _always,
     "this kernel is built without Landlock", "a kernel with CONFIG_SECURITY_LANDLOCK"),
    ("", (), _always,
     "{what}: {error}", ""),
)  # fmt: skip
