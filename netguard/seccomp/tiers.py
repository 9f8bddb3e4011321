"""What the wall can hold on this machine: a tier from A to D, and for all that is missing why, and how to get it.

Which abilities there are is found by `trials`, once an installation has failed or somebody asks. What that means is
said here, by functions of values: the tier in `judge`, the words, with `causes`, in `abilities`. It must never promise
more than was tried, and knows of no ability by the kernel's version alone.
"""

from __future__ import annotations

import errno
import os

from netguard.seccomp import causes
from netguard.seccomp.machine import look
from netguard.seccomp.numbers import MACHINES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netguard.seccomp.landlock import Fence
    from netguard.seccomp.machine import About

#: Letter -> the abilities it needs. The first of which all are there is the tier.
NEEDS = (
    ("A", ("machine", "no_new_privs", "filter", "listener", "descriptors", "memory")),
    ("B", ("machine", "no_new_privs", "filter", "listener", "memory", "sockets")),
    ("C", ("machine", "no_new_privs", "filter")),
    ("D", ()),
)

#: The tiers in which netguard decides on what the kernel hands to it. In the others nobody asks it but the witness.
DECIDING = ("A", "B")

#: Letter -> what holds, and what does not.
MEANING = {
    "A": (
        "the wall decides on all that a program, and whatever it starts, does to reach the network",
        "",
    ),
    "B": (
        "the wall decides on all that a program, and whatever it starts, does to reach the network, "
        "on sockets that it makes for the program",
        "a close of a socket is heard some milliseconds late, at most a tenth of a second; a socket from outside of "
        "the run can only send and receive; a process that becomes another user gets none",
    ),
    "C": (
        "the kernel refuses what no ordinary program needs, and TCP and UDP where no rule grants any; of what a rule "
        "grants, the witness alone decides, inside of Python",
        "native code, other programs and Python that sets out to evade reach, without being asked, any address at a "
        "TCP port that a rule grants (any port, where one names none), and any by UDP if a rule grants some or names "
        "may be looked up",
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

#: Those that are Landlock's -> what `Fence` calls them.
FENCED = {"tracing": "ptrace", "tcp": "tcp", "signals": "scope"}


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

    letter:  "A" to "D".
    fence:   the Landlock domain, None where no wall is put up at all.
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
    def decides(self) -> bool:
        """Whether all that reaches the network is decided on, whoever does it."""
        return self.letter in DECIDING

    def refusal(self) -> str:
        """Why `--wall require` does not start, with what would help; "" where it does."""
        if self.decides:
            return ""
        return f"{self.why}; {self.remedy}" if self.remedy else self.why


# Finding out


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
    found = look()
    errors = probe(found)
    for step, error in failed.items():
        for name in FENCED if step == "landlock" else (step,):
            errors[name] = errors.get(name) or error
    tier = judge(found, errors)
    known = {"landlock", *ABILITIES}
    strange = [f"{step}: {os.strerror(error)}" for step, error in failed.items() if step not in known]
    return Tier("D", None, "; ".join(strange)) if strange else tier


# What it means


def judge(about: About, errors: dict[str, int]) -> Tier:
    """The tier of a machine. An ability that nothing is known of is missing."""
    letter = next(letter for letter, needs in NEEDS if all([errors.get(name, errno.ENOSYS) == 0 for name in needs]))
    found: dict[int, str] = {}  # each cause is told once, of the first ability that it takes away
    for name in NEEDS[0][1]:
        if errors.get(name):
            found.setdefault(causes.find(name, errors[name], about), name)
    told = [causes.words(cause, name, errors[name], about) for cause, name in found.items()]
    remedies = list(dict.fromkeys([remedy for _, remedy in told]))
    return Tier(
        letter,
        fence(letter, about, errors),
        "; ".join([why for why, _ in told]),
        "; ".join(remedies) if "" not in remedies else "",  # half of what is needed would help nobody
    )


def fence(letter: str, about: About, errors: dict[str, int]) -> Fence | None:
    """The Landlock domain that is put up in a tier."""
    if letter == "D":
        return None
    from netguard.seccomp import landlock

    made = landlock.fence(about.landlock)
    if made.ptrace and errors.get("tracing", 0):
        return landlock.without(causes.explain("tracing", errors["tracing"], about)[0])
    return made if letter in DECIDING else landlock.alone(made)


def abilities(about: About, errors: dict[str, int]) -> Iterator[Ability]:
    """Each ability with its words."""
    for name in ABILITIES:
        if name not in errors:
            yield Ability(name, on=False, why="not tried, for want of what is missing above")
        else:
            words = causes.explain(name, errors[name], about) if errors[name] else ("", "")
            yield Ability(name, not errors[name], *words)
