"""The list of files that the kernel lets a run start, where its rules name all that may start.

A rule that names a program is advisory by itself: between our look at the path and the kernel's, the path may be
changed. So where programs start by such rules alone, Landlock holds the kernel to the files that those rules named as
the run began. What a granted interpreter or loader then loads is code all the same, and no start.
"""

from __future__ import annotations

import os
import stat

from netguard.core.facets import any_program
from netguard.core.policy import DENY
from netguard.core.reach import grants
from netguard.seccomp import images
from netguard.supervisor.target import head_of, places, second

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from netguard.core.policy import Policy
    from netguard.supervisor.target import Target

#: More files than the rules of a run name; each costs the start some microseconds.
MAX_FILES = 4_096

#: Entries of folders that are looked at for patterns. Whoever names more has named no list.
MAX_LOOKED_AT = 65_536

#: Why a program is denied that the rules grant.
NOT_LISTED = (
    "the rules name it, but not as a file that was there when the run began, on the PATH of then where they give no "
    "path: Landlock lets no other start"
)


class Listed:
    """The files. found: (path, device, inode) of each."""

    __slots__ = ("found", "known")

    def __init__(self, paths: Iterable[str]) -> None:
        self.known: set[tuple[int, int]] = set()
        self.found: list[tuple[str, int, int]] = []
        for path in paths:
            for one in images.chain(path):
                self.add(one)

    def add(self, path: str) -> None:
        """One file, if it is there."""
        try:
            about = os.stat(path)
        except (OSError, ValueError):
            return
        if not stat.S_ISREG(about.st_mode):
            return  # a folder would stand for all that is below it
        identity = about.st_dev, about.st_ino
        if identity not in self.known:
            self.known.add(identity)
            self.found.append((path, *identity))

    def bars(self, path: str) -> str:
        """Why the kernel would not start the program at this path; "" where it would."""
        for one in images.chain(path):
            try:
                about = os.stat(one)
            except (OSError, ValueError):
                return ""  # nothing starts, and the kernel says why
            if (about.st_dev, about.st_ino) not in self.known:
                return NOT_LISTED
        return ""

    def bars_file(self, fd: int, identity: tuple[int, int]) -> str:
        """The same of a file that a descriptor holds, and which has this identity."""
        return NOT_LISTED if identity not in self.known else self.bars(f"/proc/self/fd/{fd}")


class NoList(Exception):
    """There is none, and why."""


def listed(policy: Policy, target: Target, environ: Mapping[str, str], *, dry_run: bool) -> Listed:
    """The list of a run. Raises NoList."""
    if dry_run:
        raise NoList("a dry run denies nothing")
    patterns = patterns_of(policy)
    search = environ.get("PATH", os.defpath)
    paths = [*own(target, environ), *[path for pattern in patterns for path in matches(pattern, search)]]
    found = Listed(paths)
    if len(found.found) > MAX_FILES:
        raise NoList(f"the rules name {len(found.found):,} programs, more than {MAX_FILES:,}")
    return found


def listing(policy: Policy, target: Target, environ: Mapping[str, str], *, dry_run: bool) -> Listed | str:
    """The same, or why there is none."""
    try:
        return listed(policy, target, environ, dry_run=dry_run)
    except NoList as error:
        return str(error)


def patterns_of(policy: Policy) -> list[str]:
    """What the rules name that grant a start. Raises NoList where one grants a start without naming it."""
    if policy.default != DENY:
        raise NoList("a program that no rule names may start too, by the default")
    found: list[str] = []
    for rule in policy.rules:
        if grants(rule) and "exec" in rule.kinds:
            if not rule.program:
                raise NoList(f"rule {rule.name} lets programs start without naming them")
            found += rule.program
    return list(dict.fromkeys(found))


def own(target: Target, environ: Mapping[str, str]) -> Iterator[str]:
    """What the run itself starts: its program, what that goes on to, the shell for a script without a first line."""
    import sys

    yield target.program
    yield second(target, environ) or target.program
    if not head_of(target.program).startswith((b"\x7fELF", b"#!")):
        yield "/bin/sh"
    yield sys.executable


def matches(pattern: str, search: str) -> list[str]:
    """The paths that a pattern of a rule's names: without a slash along PATH. Raises NoList for one that names all."""
    if "/" not in pattern:
        if not wild(pattern):
            return places(pattern, search)
        folders = dict.fromkeys(folder or "." for folder in search.split(os.pathsep))
        return [path for folder in folders for path in entries(folder) if any_program((pattern,), (path,))]
    if not wild(pattern):
        return [pattern]
    fixed = pattern[: min([pattern.find(mark) for mark in "*?" if mark in pattern])]
    folder = fixed[: fixed.rfind("/") + 1]
    if not folder.strip("/"):
        raise NoList(f"a rule names {pattern}, which is any file")
    return [path for path in below(folder) if any_program((pattern,), (path,))]


def wild(pattern: str) -> bool:
    """Whether a pattern stands for more than itself."""
    return "*" in pattern or "?" in pattern


def entries(folder: str) -> list[str]:
    """The paths in a folder."""
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError:
        return []


def below(folder: str) -> Iterator[str]:
    """All paths of files below a folder. Raises NoList for too many."""
    looked_at = 0
    for place, _, names in os.walk(folder):
        looked_at += len(names) + 1
        if looked_at > MAX_LOOKED_AT:
            raise NoList(f"more than {MAX_LOOKED_AT:,} files are below {folder}, which a rule names")
        for name in names:
            yield os.path.join(place, name)
