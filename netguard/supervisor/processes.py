"""What the kernel says of a process that asks: who runs it, what it is, what it was called with.

Read from /proc once for each connection, so a line names the program that asked and not what it says it is. Where
there is no /proc, only the ids that the socket itself attests are known.
"""

from __future__ import annotations

import os

from netguard.core.process import Process
from netguard.record.line import brief

#: A command line is shown, not kept: the rest of a longer one is cut.
MAX_CMDLINE = 16_384

#: Levels above a process that a line names.
MAX_PARENTS = 4

#: Accounts whose names are kept; most runs have one.
MAX_USERS = 256

_names: dict[int, str] = {}


def look(pid: int, tid: int, uid: int) -> Process:
    """Returns what is known of a process. A process that is gone meanwhile leaves only its ids."""
    exe, argv, cwd, ppid = _link(pid, "exe"), _cmdline(pid), _link(pid, "cwd"), origin(pid)[0]
    user = user_name(uid)
    line: dict[str, object] = {"pid": pid, "tid": tid, "ppid": ppid, "uid": uid, "user": user, "exe": exe}
    line["argv"] = brief(argv)
    line["cwd"] = cwd
    return Process(pid, tid, user, exe, line, tuple(argv))


def look_at(pid: int, tid: int) -> Process:
    """The same for a process whose user nobody has said yet."""
    try:
        return look(pid, tid, os.stat(f"/proc/{pid}").st_uid)
    except OSError:
        return look(pid, tid, os.getuid())


def parents(pid: int) -> list[dict[str, object]]:
    """The processes that it descends from, the nearest first: a few of them, and none above the run's own first."""
    found: list[dict[str, object]] = []
    above = origin(pid)[0]
    while above > 1 and above != os.getpid() and len(found) < MAX_PARENTS:
        found.append({"pid": above, "exe": _link(above, "exe")})
        above = origin(above)[0]
    return found


def user_name(uid: int) -> str:
    """The account's name, or the number where it has none. Asked for once: it may come from far away."""
    name = _names.get(uid)
    if name is None:
        import pwd

        if len(_names) >= MAX_USERS:
            _names.clear()
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = str(uid)
        _names[uid] = name
    return name


def _link(pid: int, name: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/{name}")
    except OSError:
        return ""


def _cmdline(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [os.fsdecode(part) for part in file.read(MAX_CMDLINE).split(b"\0")[:-1]]
    except OSError:
        return []


def origin(pid: int) -> tuple[int, int]:
    """(its parent, when it began): what tells it from a later process of its number; zeros for one that is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The program's name stands in brackets and may hold anything, brackets too: count from the last one.
            fields = file.read(4096).rpartition(b")")[2].split()
            return int(fields[1]), int(fields[19])
    except (OSError, ValueError, IndexError):
        return 0, 0
