"""What is known of this machine without trying anything. All of it is read once, and decides nothing by itself."""

from __future__ import annotations

import os


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


def look() -> About:
    """What is known of this one."""
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
