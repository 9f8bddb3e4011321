"""The second fence: a Landlock domain for the guest, so that a way the filter missed still leads nowhere.

Whoever is in a domain can neither trace nor read nor take descriptors from a process outside of it, whatever it asks
the kernel for and whoever it is, root too; from ABI 4 on it can make no TCP connection and take no TCP port, and from
ABI 6 on send no signal out. The supervisor is outside: it reads the guest, and connects and binds for it.

The domain must never get in the way of files. UDP, TCP Fast Open and what a listening socket binds by itself are not
Landlock's to refuse: the filter alone holds those.

Layouts and numbers: <linux/landlock.h>, landlock(7).
"""

from __future__ import annotations

import os
import struct

from netguard.seccomp import abi as kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    File = tuple[str, int, int]

#: LANDLOCK_CREATE_RULESET_VERSION: say which ABI this is, and make nothing.
_VERSION = 1

#: LANDLOCK_ACCESS_FS_REFER, from ABI 2: to move or link a file into another folder. A domain that handles any right to
#: files refuses this one, with EXDEV, unless it handles it too and a rule grants it: here the rule is on the root. A
#: domain that handles no right to files would do as well, until the guest makes one of its own inside: then ours
#: refuses what that one grants (seen on Linux 6.18). It costs a twentieth of each `open`, a quarter of each `rename`.
_REFER = 1 << 13

#: LANDLOCK_ACCESS_FS_EXECUTE, from ABI 1: to start a file. A domain that handles it refuses every file that no rule
#: grants it on, also as the interpreter of a script or the loader of a program; files that live in memory alone
#: (memfd_create) it does not ask about, and what is mapped as code neither.
_EXECUTE = 1

#: LANDLOCK_ACCESS_NET_BIND_TCP, LANDLOCK_ACCESS_NET_CONNECT_TCP, from ABI 4.
_BIND, _CONNECT = 1, 2

#: LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, LANDLOCK_SCOPE_SIGNAL, from ABI 6.
_ABSTRACT, _SIGNALS = 1, 2

#: struct landlock_ruleset_attr: handled_access_fs, handled_access_net, scoped. An older kernel takes the longer form of
#: a newer one, if what it does not know is zero.
_RULESET = struct.Struct("=QQQ")

#: struct landlock_path_beneath_attr, packed: allowed_access, parent_fd; and LANDLOCK_RULE_PATH_BENEATH.
_PATH_BENEATH = struct.Struct("=Qi")
_BENEATH = 1

#: struct landlock_net_port_attr: allowed_access, port; and LANDLOCK_RULE_NET_PORT. Port 0 is any that is free.
_NET_PORT = struct.Struct("=QQ")
_PORT = 2

_NO_SIGNALS = "Landlock keeps signals in from Linux 6.12 on, so the filter has to watch them"
_NO_TCP = "Landlock refuses TCP from Linux 6.7 on, so the filter alone holds connections"
_NO_MOVES = "Landlock before Linux 5.19 would forbid to move files between folders, so it is not used"
_NO_LANDLOCK = "there is no Landlock: it came with Linux 5.13 and can be left out or switched off"

#: Oldest ABI it holds for -> are TCP, signals and tracing fenced, and what is not, why. The newest first.
_FENCES = (
    (6, True, True, True, ""),
    (4, True, False, True, _NO_SIGNALS),
    (2, False, False, True, f"{_NO_TCP}; {_NO_SIGNALS}"),
    (1, False, False, False, _NO_MOVES),
    (0, False, False, False, _NO_LANDLOCK),
)


class Ports:
    """The TCP ports that a guest may connect to and bind, for whom nobody connects. None: all of them."""

    __slots__ = ("connect", "listen")

    def __init__(self, connect: Iterable[int] | None = None, listen: Iterable[int] | None = None) -> None:
        self.connect = connect
        self.listen = listen

    def each(self) -> Iterator[tuple[int, Iterable[int] | None]]:
        """Each right with the ports that it is for."""
        yield _CONNECT, self.connect
        yield _BIND, self.listen


#: Nothing by itself: the supervisor connects and binds for it.
NONE = Ports((), ())


class Fence:
    """What the domain holds.

    abi:     the kernel's, 0 where there is no Landlock.
    tcp:     no TCP connection, no TCP port but by the supervisor.
    scope:   no signal reaches a process outside; where there is `tcp`, no abstract socket but by the supervisor.
    ptrace:  no process outside can be traced, read or robbed of descriptors. Without it there is no domain at all.
    note:    what does not hold and why; "" where all of it does.
    """

    __slots__ = ("abi", "note", "ptrace", "scope", "tcp")

    def __init__(self, abi: int, tcp: bool, scope: bool, ptrace: bool, note: str) -> None:
        self.abi = abi
        self.tcp = tcp
        self.scope = scope
        self.ptrace = ptrace
        self.note = note


def fence(abi: int) -> Fence:
    """What `restrict` does at this ABI. One that is newer than all known here is taken for the newest that is."""
    _, tcp, scope, ptrace, note = next(row for row in _FENCES if abi >= row[0])
    return Fence(abi, tcp, scope, ptrace, note)


def alone(fence: Fence) -> Fence:
    """What is left of it where nobody connects for the guest; see `restrict`."""
    note = "TCP ports that a rule grants and abstract sockets stay open, for nobody would connect for the program"
    return Fence(fence.abi, fence.tcp, fence.scope, fence.ptrace, "; ".join(filter(None, [note, fence.note])))


def without(note: str) -> Fence:
    """No fence, and why: where `restrict` failed, what it failed with."""
    return Fence(0, False, False, False, note)


def abi() -> int:
    """The kernel's Landlock ABI, 0 where there is none, or where a sandbox around us hides it."""
    try:
        return version()
    except OSError:
        return 0


def version() -> int:
    """The kernel's Landlock ABI. Raises OSError: ENOSYS not built in, EOPNOTSUPP switched off, EPERM kept from us."""
    return kernel.create_ruleset(None, _VERSION)


def restrict(fence: Fence, ports: Ports = NONE, files: Iterable[File] | None = None) -> None:
    """Puts the calling process into the domain, for good, with all it starts. Raises OSError: nothing is done then.

    For the guest's process before it is the guest's: after no_new_privs, before the filter. It must have one thread,
    for others would stay outside.

    ports: what the guest may do by itself with TCP. Where that is something, there is nobody who connects for it, and
    the abstract sockets of others stay open: closed, they would be closed for what the rules allow too.

    files: the only ones that may be started from now on, each as (path, device, inode); None for all there are. One
    that is no longer the same is left out.
    """
    if not fence.ptrace:
        return
    scopes = _SIGNALS | (_ABSTRACT if ports is NONE else 0) if fence.scope else 0
    limited = [(right, each) for right, each in ports.each() if each is not None] if fence.tcp else []
    rights = _REFER if files is None else _REFER | _EXECUTE
    ruleset = kernel.create_ruleset(_RULESET.pack(rights, sum([right for right, _ in limited]), scopes), 0)
    try:
        _grant(ruleset, _REFER, "/")
        for path, *identity in files or ():
            try:
                _grant(ruleset, _EXECUTE, path, identity)
            except FileNotFoundError:
                pass
        for right, each in limited:
            for port in each:
                kernel.add_rule(ruleset, _PORT, _NET_PORT.pack(right, port))
        kernel.syscall("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _grant(ruleset: int, right: int, path: str, identity: list[int] | None = None) -> None:
    """A right on what a path leads to; nothing if that is another file than was looked at."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        about = os.fstat(fd)
        if identity is None or identity == [about.st_dev, about.st_ino]:
            kernel.add_rule(ruleset, _BENEATH, _PATH_BENEATH.pack(right, fd))
    finally:
        os.close(fd)
