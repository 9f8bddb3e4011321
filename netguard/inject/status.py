"""Whether an environment or a shell is guarded, and why: what the starter will find, looked at without starting it.

Looks and changes nothing. It takes the files' word for it: that a guard is really on is in the first line of a chain.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import NamedTuple

from netguard.core.compiled import MAX_SIZE, BadPolicy, load
from netguard.errors import InstallError
from netguard.inject import files, settings
from netguard.inject.install import INSTALLED, SETTINGS, is_ours, own_folder, pth_files, pth_line, recorded
from netguard.inject.venv import Venv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

YES, NO, UNKNOWN = "guarded", "not guarded", "cannot tell"
STARTER = "sitecustomize.py"
#: What the starter loads: beside its folder in a checkout, beside the starter in a wheel.
SHIM = ("netguard/shim/start.py", "shim/start.py")
KINDS = (socket.SOCK_SEQPACKET, socket.SOCK_STREAM, socket.SOCK_DGRAM)


class Status(NamedTuple):
    """What was found.

    answer:   YES, NO or UNKNOWN.
    why:      the reason, for people.
    facts:    what is there, by name.
    warnings: what weakens it.
    """

    answer: str
    why: str
    facts: dict[str, str]
    warnings: list[str]


# What the variables lead to.


def policy_wrong(variables: Mapping[str, str]) -> str:
    """Why the policy that the variables name could not be used; "" if it can."""
    path, sha = variables.get(settings.POLICY, ""), variables.get(settings.SHA256, "")
    try:
        with open(path, "rb", opener=at_once) as file:
            data = file.read(MAX_SIZE + 1)
        load(data.decode("ascii"))
    except OSError as error:
        return f"the policy {path} cannot be read: {error.strerror}"
    except (BadPolicy, ValueError) as error:
        return f"the policy {path} is none: {error}"
    return "" if sha in ("", files.digest(data)) else f"the policy {path} is another one than {settings.SHA256} says"


def at_once(path: str, flags: int) -> int:
    """Opens without waiting: the settings may have been changed to name a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def log_wrong(variables: Mapping[str, str]) -> str:
    """Why no line would arrive; "" if one would, as far as can be seen from here."""
    place, fd = variables.get(settings.LOG, ""), variables.get(settings.LOG_FD, "")
    if fd:
        return ""  # every process is handed its own: nobody else can look
    if place.startswith(settings.UNIX):
        return socket_wrong(place[len(settings.UNIX) :])
    there = os.path.lexists(place)
    needed = place if there else os.path.dirname(place)
    if there and not (os.path.isfile(place) or is_device(place)):
        return f"the lines cannot go to {place}: it is no file"
    return "" if os.access(needed, os.W_OK) else f"the lines cannot go to {place}: this user may not write {needed}"


def is_device(path: str) -> bool:
    """Whether it is a character device, such as /dev/null."""
    import stat

    return stat.S_ISCHR(os.stat(path).st_mode)


def socket_wrong(place: str) -> str:
    """Why a collector cannot be reached; "" if one listens. It sees a connection that says nothing."""
    address = "\0" + place[1:] if place.startswith("@") else place
    reason = ""
    for kind in KINDS:
        with socket.socket(socket.AF_UNIX, kind) as sock:
            sock.settimeout(1)
            try:
                sock.connect(address)
            except OSError as error:
                if error.errno != errno.EPROTOTYPE or not reason:  # that one says only that it is of another kind
                    reason = error.strerror or str(error)
            else:
                return ""
    return f"the lines cannot go to {settings.UNIX}{place}: {reason}"


def fault(variables: Mapping[str, str]) -> str:
    """What would stop a program with these variables; "" if nothing would."""
    return settings.fault(variables) or "; ".join(filter(None, (policy_wrong(variables), log_wrong(variables))))


def facts_of(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables in words."""
    fd = variables.get(settings.LOG_FD)
    found = {
        "policy": variables.get(settings.POLICY, ""),
        "sha256": variables.get(settings.SHA256, ""),
        "lines go to": f"descriptor {fd}" if fd else variables.get(settings.LOG, ""),
        "session": variables.get(settings.SESSION, ""),
        "tags": variables.get(settings.TAGS, ""),
        "dry run": "decides and records, denies nothing" if variables.get(settings.DRY_RUN) == "1" else "",
    }
    return {name: value for name, value in found.items() if value}


def writable(paths: list[str]) -> list[str]:
    """A warning that names those of these that this user may change, by themselves or by their folder."""
    found = [path for path in dict.fromkeys(paths) if any(map(may_write, (path, os.path.dirname(path))))]
    who = "root" if os.geteuid() == 0 else "this user"
    return [f"{who} can change what guards, and so can what {who} runs: {', '.join(found)}"] if found else []


def may_write(path: str) -> bool:
    return os.path.exists(path) and os.access(path, os.W_OK)


# An environment.


def of_venv(venv: Venv) -> Status:
    """Whether each Python of this environment starts guarded."""
    try:
        return looked_at(venv)
    except (InstallError, OSError, ValueError) as error:
        return Status(UNKNOWN, str(error), {"python": f"{venv.version or 'unknown'} ({venv.python})"}, [])


def looked_at(venv: Venv) -> Status:
    """`of_venv` without its safety net."""
    folder = own_folder(venv)
    facts = {"environment": venv.folder, "python": f"{venv.version or 'unknown'} ({venv.python})"}
    lines = {path: (files.content(path) or b"").decode("ascii", "replace") for path in pth_files(venv)}
    missing = [path for path, line in lines.items() if not line]
    if len(missing) == len(lines):
        return Status(NO, "netguard install was not run for it", facts, [])
    record, place = recorded(folder), os.path.join(folder, SETTINGS)
    facts["starter"] = record.starter
    text = files.content(place)
    variables = settings.from_text(text.decode("utf-8", "replace")) if text is not None else {}
    facts |= facts_of(variables)
    for path, line in lines.items():
        if line and line != pth_line(record.starter, place, path):
            known = "asks for another starter or other settings" if is_ours(line) else "was not made by netguard"
            return Status(UNKNOWN, f"{path} {known} than {os.path.join(folder, INSTALLED)} says", facts, [])
    if missing:
        return Status(NO, f"{missing[0]} is missing", facts, [])
    why = stopped(record.starter, place, text is not None, variables)
    kept = [record.starter, place, variables.get(settings.POLICY, place), *lines]
    if why:
        return Status(NO, f"no program starts there at all: {why}", facts, writable(kept))
    return Status(YES, "every Python in it starts with the guard, but for -S", facts, writable(kept))


def stopped(starter: str, place: str, there: bool, variables: Mapping[str, str]) -> str:
    """Why every start would be stopped; "" if it would not."""
    if not os.access(starter, os.R_OK):
        return f"the starter {starter} cannot be read"
    if not guest_part_of(starter):
        return f"the starter {starter} has no guest part beside it"
    if not there:
        return f"the settings {place} are missing"
    return fault(variables)


def guest_part_of(starter: str) -> str:
    """What the starter loads, found as it finds it; "" if it is not there."""
    above = os.path.dirname(os.path.dirname(starter))
    return next((path for path in [os.path.join(above, name) for name in SHIM] if os.path.isfile(path)), "")


# A shell.


def of_shell(environ: Mapping[str, str]) -> Status:
    """Whether a Python that is started with these variables starts guarded."""
    ours = {name: value for name, value in environ.items() if name.startswith(settings.PREFIX)}
    starter, before = starter_on(environ.get("PYTHONPATH", ""))
    facts = {"starter": starter} if starter else {}
    if not ours:
        return Status(NO, "no NETGUARD_ variable is set", facts, [])
    if settings.CHANNEL in ours:
        return Status(YES, "a run of netguard is around it, whose supervisor decides", facts, [])
    facts |= facts_of(ours)
    found = fault(ours)
    warnings = [f"{place}: comes first on PYTHONPATH and may hold a sitecustomize of its own" for place in before]
    if not starter:
        return Status(NO, "PYTHONPATH leads to no starter, so the variables do nothing", facts, [])
    if not guest_part_of(starter):
        return Status(NO, f"no program starts: the starter {starter} has no guest part beside it", facts, [])
    if found:
        return Status(NO, f"no program starts: {found}", facts, warnings)
    kept = [starter, ours[settings.POLICY]]
    return Status(YES, "its variables ask for the guard", facts, warnings + writable(kept))


def starter_on(places: str) -> tuple[str, list[str]]:
    """(the starter that PYTHONPATH leads to or "", the places before it that could hold another `sitecustomize`).

    An empty place is the current folder, and what lies there changes with it.
    """
    before: list[str] = []
    for place in places.split(os.pathsep) if places else []:
        for inside in (STARTER, os.path.join("sitecustomize", STARTER), os.path.join("starter", STARTER)):
            path = os.path.join(os.path.abspath(place), inside)
            if place and is_starter(path):
                return path, before
        if not place or os.path.exists(os.path.join(place, STARTER)) or not os.path.isabs(place):
            before.append(place or "the current folder")
    return "", before


def is_starter(path: str) -> bool:
    """Whether the file is a starter of netguard's, of whatever version."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return settings.PREFIX in file.read() and bool(guest_part_of(path))
    except OSError:
        return False
