"""What the wall can hold on this machine: a tier from A to D, and for all that is missing why, and how to get it.

Which abilities there are is found by `trials`, once an installation has failed or somebody asks. What that means is
said here, by functions of values: the tier in `judge`, the words in `abilities`. It must never promise more than was
tried, and knows of no ability by the kernel's version alone.
"""

from __future__ import annotations

import errno
import os

from netguard.seccomp.numbers import MACHINES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netguard.seccomp.landlock import Fence

#: Letter -> the abilities it needs. The first of which all are there is the tier.
NEEDS = (
    ("A", ("machine", "no_new_privs", "filter", "listener", "descriptors", "memory")),
    ("B", ("machine", "no_new_privs", "filter", "listener", "memory", "sockets")),
    ("C", ("machine", "no_new_privs", "filter")),
    ("D", ()),
)

#: Letter -> what this version then does. It can make no sockets for a guest yet, so B is no more than C.
RUNS_AS = {"A": "A", "B": "C", "C": "C", "D": "D"}

#: Letter -> what holds, and what does not.
MEANING = {
    "A": (
        "the wall decides on all that a program, and whatever it starts, does to reach the network",
        "",
    ),
    "B": (
        "the wall could make each socket itself; this version cannot do that yet, and does what it does in tier C",
        "native code and other programs reach the network without being asked, once the program runs",
    ),
    "C": (
        "the kernel refuses what no ordinary program needs; on connections the witness alone decides, inside of Python",
        "native code, other programs and Python that sets out to evade reach the network without being asked",
    ),
    "D": (
        "the witness alone decides, inside of Python",
        "native code, other programs and Python that sets out to evade reach the network without being asked",
    ),
}

#: Ability -> what it is for, in the order it is told.
ABILITIES = {
    "machine": "netguard knows the system calls of this machine",
    "no_new_privs": "a program can be kept from becoming another user",
    "filter": "system calls can be refused",
    "listener": "system calls can be handed to netguard, which decides",
    "killable": "a signal does not make a program ask twice",
    "descriptors": "netguard can take a program's socket, and connect it",
    "memory": "netguard can read which address a program means",
    "sockets": "netguard can give a program a socket",
    "tracing": "a program can neither trace nor read netguard",
    "tcp": "a program can open no TCP connection past netguard",
    "signals": "a program can send netguard no signal",
    "subreaper": "netguard ends all that a program leaves behind",
}

#: Ability -> what of the kernel's it is, for who has to look for it.
CALLED = {
    "filter": "seccomp filters", "listener": "a seccomp listener", "killable": "WAIT_KILLABLE_RECV of seccomp",
    "descriptors": "pidfd_getfd(2)", "memory": "process_vm_writev(2)", "sockets": "ADDFD_FLAG_SEND of seccomp",
    "tracing": "Landlock", "tcp": "Landlock's refusal of TCP", "signals": "Landlock's scope for signals",
}  # fmt: skip

#: Ability -> the Linux it came with.
SINCE = {
    "filter": (3, 17), "listener": (5, 0), "descriptors": (5, 6), "sockets": (5, 14), "killable": (5, 19),
    "tracing": (5, 19), "tcp": (6, 7), "signals": (6, 12),
}  # fmt: skip

#: Those that are Landlock's -> what `Fence` calls them.
FENCED = {"tracing": "ptrace", "tcp": "tcp", "signals": "scope"}

#: What gVisor calls every version of itself; newer ones also say so in the release.
GVISOR = "#1 SMP Sun Jan 10 15:06:54 PST 2016"


class About:
    """What is known of a machine without trying.

    yama:      kernel.yama.ptrace_scope, 0 where there is none.
    filtered:  whether this process is under a filter already: a container's, a sandbox's, an outer netguard's.
    guarded:   whether it says of itself that it runs inside of `netguard run`. It changes the words alone.
    landlock:  the ABI, 0 for none.
    """

    __slots__ = ("filtered", "guarded", "landlock", "machine", "release", "system", "version", "yama")

    def __init__(
        self, *, system: str = "Linux", release: str = "", version: str = "", machine: str = "x86_64",
        yama: int = 0, filtered: bool = False, guarded: bool = False, landlock: int = 0,
    ) -> None:  # fmt: skip
        self.system = system
        self.release = release
        self.version = version
        self.machine = machine
        self.yama = yama
        self.filtered = filtered
        self.guarded = guarded
        self.landlock = landlock


class Ability:
    """One thing that the wall uses: is it there, what is it for; if not, why, and what would help ("" for nothing)."""

    __slots__ = ("name", "on", "purpose", "remedy", "why")

    def __init__(self, name: str, on: bool, why: str = "", remedy: str = "") -> None:
        self.name = name
        self.purpose = ABILITIES[name]
        self.on = on
        self.why = why
        self.remedy = remedy


class Tier:
    """What is possible here.

    letter:  "A" to "D"; what this version makes of it is `runs_as`.
    fence:   the Landlock domain, None where there is no Linux to have one.
    why:     what is missing for A, "" for A itself.
    remedy:  how to get it, "" where nothing would help.
    """

    __slots__ = ("fence", "letter", "remedy", "why")

    def __init__(self, letter: str, fence: Fence | None, why: str = "", remedy: str = "") -> None:
        self.letter = letter
        self.fence = fence
        self.why = why
        self.remedy = remedy

    @property
    def runs_as(self) -> str:
        """The letter of what this version does."""
        return RUNS_AS[self.letter]

    def refusal(self) -> str:
        """Why `--wall require` does not start, with what would help; "" where it does."""
        if self.runs_as == "A":
            return ""
        return f"{self.why}; {self.remedy}" if self.remedy else self.why


# Finding out


def about() -> About:
    """This machine."""
    name = os.uname()
    linux = name.sysname == "Linux"
    return About(
        system=name.sysname, release=name.release, version=name.version, machine=name.machine,
        yama=_yama() if linux else 0, filtered=linux and _filtered(), guarded=linux and _guarded(),
        landlock=_landlock() if linux else 0,
    )  # fmt: skip


def _landlock() -> int:
    from netguard.seccomp import landlock  # not at the top: elsewhere than on Linux its calls are not there

    return landlock.abi()


def _yama() -> int:
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def _filtered() -> bool:
    try:
        with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
            return any([line.split()[1:] == ["2"] for line in file if line.startswith("Seccomp:")])
    except OSError:
        return False


def _guarded() -> bool:
    try:
        with open("/proc/self/environ", "rb") as file:  # `os.environ` does not show the guard
            return b"\0NETGUARD_RUN=" in b"\0" + file.read()
    except OSError:
        return False


def probe(about: About) -> dict[str, int]:
    """Ability -> 0, or the errno of trying it in a throw-away child. Some 15 ms."""
    if about.system != "Linux" or about.machine not in MACHINES:
        return {"machine": errno.ENOSYS}
    from netguard.seccomp import landlock, trials

    errors = {"machine": 0, **trials.run()}
    refused = errors.pop("landlock")
    fence = landlock.fence(about.landlock)
    for name, attribute in FENCED.items():
        errors[name] = refused or (0 if getattr(fence, attribute) else errno.ENOSYS)
    return errors


def after(failed: dict[str, int]) -> Tier:
    """The tier to go on with when steps of an installation failed: step -> errno.

    Steps are named as abilities, and there is "landlock". What failed is missing even if a trial then says that it is
    there; after a failure that is of no ability there is only the witness.
    """
    found = about()
    errors = probe(found)
    for step, error in failed.items():
        for name in FENCED if step == "landlock" else (step,):
            errors[name] = errors.get(name) or error
    tier = judge(found, errors)
    known = {"landlock", *ABILITIES}
    strange = [f"{step}: {os.strerror(error)}" for step, error in failed.items() if step not in known]
    return Tier("D", tier.fence, "; ".join(strange)) if strange else tier


# What it means


def judge(about: About, errors: dict[str, int]) -> Tier:
    """The tier of a machine. An ability that nothing is known of is missing."""
    letter = next(letter for letter, needs in NEEDS if all([errors.get(name, errno.ENOSYS) == 0 for name in needs]))
    causes = [(name, _cause(name, errors[name], about)) for name in NEEDS[0][1] if errors.get(name)]
    first = {cause: name for name, cause in reversed(causes)}  # one cause is told once, of the first it takes away
    told = [_worded(first[cause], errors[first[cause]], cause, about) for cause in dict.fromkeys(c for _, c in causes)]
    remedies = list(dict.fromkeys([remedy for _, remedy in told]))
    return Tier(
        letter,
        fence(about, errors) if about.system == "Linux" else None,
        "; ".join([why for why, _ in told]),
        "; ".join(remedies) if "" not in remedies else "",  # half of what is needed would help nobody
    )


def fence(about: About, errors: dict[str, int]) -> Fence:
    """The Landlock domain that can be had."""
    from netguard.seccomp import landlock

    made = landlock.fence(about.landlock)
    if made.ptrace and errors.get("tracing", 0):
        return landlock.without(_explained("tracing", errors["tracing"], about)[0])
    return made


def abilities(about: About, errors: dict[str, int]) -> Iterator[Ability]:
    """Each ability with its words."""
    for name in ABILITIES:
        if name not in errors:
            yield Ability(name, on=False, why="not tried, for want of what is missing above")
        else:
            words = _explained(name, errors[name], about) if errors[name] else ("", "")
            yield Ability(name, not errors[name], *words)


def _explained(name: str, error: int, about: About) -> tuple[str, str]:
    """(why, remedy) of an ability that is missing."""
    return _worded(name, error, _cause(name, error, about), about)


def _cause(name: str, error: int, about: About) -> int:
    """The first row of the table that fits. The last fits everything."""
    return next(
        number
        for number, (names, errors, fits, *_) in enumerate(CAUSES)
        if (not names or name in names.split()) and (not errors or error in errors) and fits(name, about)
    )


def _worded(name: str, error: int, cause: int, about: About) -> tuple[str, str]:
    words = {
        "what": CALLED.get(name, ABILITIES[name]), "since": "{}.{}".format(*SINCE.get(name, (0, 0))),
        "release": about.release, "system": about.system, "machine": about.machine, "abi": about.landlock,
        "error": os.strerror(error) if error > 0 else "who tries it is ended",
    }  # fmt: skip
    *_, why, remedy = CAUSES[cause]
    return why.format(**words), remedy.format(**words)


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
_LANDLOCK = " ".join(FENCED)
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
    (_LOOKING, (), _filtered_already,
     "the profile of the container or sandbox around this process forbids {what}, as Docker's does",
     "docker run --cap-add SYS_PTRACE, or a newer engine, or a profile that allows {what}"),
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
