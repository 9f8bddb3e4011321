"""Puts a guard into a virtual environment for good, and takes it away again: what it made, and nothing else.

    DIR/netguard/policy        the compiled policy
    DIR/netguard/settings      the variables that ask for the guard, NAME=VALUE
    DIR/netguard/installed     what was put there: where the starter is, and each file's SHA-256
    DIR/netguard/starter/…     with `copy`, the guest part
    site-packages/!netguard.pth    one line, which `site` runs at every start: also under -I and -E, not under -S

A `.pth` line that fails is printed and passed over, so this one ends the process instead. `.pth` files run in the order
of their names; no name that a package is likely to have comes before this one's.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from netguard.errors import InstallError
from netguard.inject import files, guest
from netguard.inject.venv import Venv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER, PTH = "netguard", "!netguard.pth"
POLICY, SETTINGS, INSTALLED = "policy", "settings", "installed"
HEADER = "netguard-install 1"

#: What the line does. `open` and `compile` by hand, because the starter is no module of the environment. Then it asks
#: whether a guard is running (shim/table.py), as a starter that was cut short would say nothing and start none.
CODE = """\
try:
    with open({starter}, encoding='utf-8') as file:
        code = compile(file.read(), {starter}, 'exec')
    exec(code, {{'__name__': 'netguard.pth', '__file__': {starter}, 'SETTINGS': {settings}}})
    import sys
    heard = []
    sys.audit('netguard.running', heard)
    if not heard:
        raise RuntimeError('the starter did not start one')
except BaseException as error:
    import os
    try:
        os.write(2, ascii('netguard: the guard could not start, so the program was stopped: %s: %s (asked for by %s)'
            % (type(error).__name__, error, {pth}))[1:-1].encode() + b'\\n')
    finally:
        os._exit(125)
"""
START, END = "import sys; exec(", ", {})\n"


class Record(NamedTuple):
    """What an installation says of itself. files: SHA-256 by name below DIR/netguard."""

    starter: str
    files: dict[str, str]


def pth_line(starter: str, settings: str, pth: str) -> str:
    """The line of the .pth file. ASCII alone: before 3.13 `site` reads it in whatever encoding the locale has."""
    code = CODE.format(starter=ascii(starter), settings=ascii(settings), pth=ascii(pth))
    return f"{START}{code!a}{END}"


def is_ours(line: str) -> bool:
    """Whether a .pth file is one that `install` made, for whatever starter and settings."""
    marks = line.startswith(START) and line.endswith(END) and "'netguard.pth', " in line.replace("\\'", "'")
    return marks and line.count("\n") == 1


def own_folder(venv: Venv) -> str:
    """Where everything but the .pth file lies. Raises InstallError if somebody made it lead elsewhere."""
    folder = os.path.join(venv.folder, FOLDER)
    if os.path.islink(folder) or (os.path.exists(folder) and not os.path.isdir(folder)):
        raise InstallError(f"{folder}: is there and is no folder")
    return folder


def pth_files(venv: Venv) -> list[str]:
    """The .pth file of each site-packages."""
    return [os.path.join(site, PTH) for site in venv.sites]


# Installing.


def install(venv: Venv, policy: bytes, variables: Mapping[str, str], starter: str, *, copy: bool) -> bool:
    """Guard the environment.

    policy, variables: the compiled policy and the settings that name it. starter: the starter's file, which is the
    copy in DIR/netguard with `copy`. The .pth files come last: until then nothing is asked for.
    Returns whether anything had to be changed. Raises InstallError.
    """
    from netguard.inject.settings import as_text

    folder = own_folder(venv)
    refuse_unprintable(venv.folder, starter, *venv.sites)
    refuse_unwritable(venv, folder)
    refuse_foreign(venv, folder)
    before = recorded(folder)
    contents = {**(guest.guest_part() if copy else {}), POLICY: policy, SETTINGS: as_text(variables).encode()}
    record = Record(starter, {name: files.digest(data) for name, data in contents.items()})
    changed = False
    for name, data in {**contents, INSTALLED: record_text(record).encode()}.items():
        path = os.path.join(folder, name)
        guest.make_folder(os.path.dirname(path))
        changed |= files.put(path, data)
    if copy:
        guest.keep_compiled(venv.python, folder)
    for path in pth_files(venv):
        line = pth_line(starter, os.path.join(folder, SETTINGS), path)
        changed |= files.put(path, line.encode("ascii"))
    # What an earlier installation had and this one has not goes last, when nothing asks for it any more.
    remove_files(folder, {name: sha for name, sha in before.files.items() if name not in contents})
    return changed


def refuse_unwritable(venv: Venv, folder: str) -> None:
    """Before anything is written: a guard that is half there would stop every program."""
    for place in [*venv.sites, folder if os.path.isdir(folder) else venv.folder]:
        if not os.access(place, os.W_OK | os.X_OK):
            raise InstallError(f"{place}: cannot be written by this user")


def refuse_unprintable(*places: str) -> None:
    """A line feed in a path would be two lines of a record."""
    for place in places:
        if not place.isprintable():
            raise InstallError(f"{place!r}: holds characters that cannot be printed")


def refuse_foreign(venv: Venv, folder: str) -> None:
    """A folder or a .pth file of that name that somebody else made is left alone."""
    if os.path.isdir(folder) and os.listdir(folder) and not os.path.lexists(os.path.join(folder, INSTALLED)):
        raise InstallError(f"{folder}: is there and was not made by netguard install")
    for path in pth_files(venv):
        line = files.content(path)
        if line is not None and not is_ours(line.decode("ascii", "replace")):
            raise InstallError(f"{path}: is there and was not made by netguard install")


# The record.


def record_text(record: Record) -> str:
    """The record as it is kept."""
    lines = [f"file {sha} {name}" for name, sha in record.files.items()]
    return "\n".join([HEADER, f"starter {record.starter}", *lines, ""])


def recorded(folder: str) -> Record:
    """What is recorded in this folder; nothing where there is no record. Raises InstallError on one that is none.

    Who can write there could name any file for `uninstall` to remove, perhaps as another user: a name that leads out of
    the folder is refused.
    """
    data = files.content(os.path.join(folder, INSTALLED))
    if data is None:
        return Record("", {})
    header, *lines = data.decode("utf-8", "replace").rstrip("\n").split("\n")[:1_000]
    starter, found = "", {}
    for line in lines:
        word, _, rest = line.partition(" ")
        sha, _, name = rest.partition(" ")
        if word == "starter":
            starter = rest
        elif word == "file" and is_inside(name):
            found[name] = sha
        else:
            header = ""
    if header != HEADER:
        raise InstallError(f"{os.path.join(folder, INSTALLED)}: is no record of netguard install")
    return Record(starter, found)


def is_inside(name: str) -> bool:
    """Whether a recorded name stays below the folder, and can be shown."""
    return name.isprintable() and all([part not in ("", ".", "..") for part in name.split("/")])


# Removing.


def uninstall(venv: Venv) -> tuple[list[str], list[str]]:
    """Take the guard away: the .pth files first, so that no start meets half a guard.

    Returns (files removed, files left because they are no longer what was put there). Raises InstallError.
    """
    folder = own_folder(venv)
    record = recorded(folder)
    removed, left = [], []
    for path in pth_files(venv):
        line = files.content(path)
        if line is not None and is_ours(line.decode("ascii", "replace")):
            remove(path)
            removed.append(path)
        elif line is not None:
            left.append(path)
    some, others = remove_files(folder, record.files)
    own = os.path.join(folder, INSTALLED)
    if os.path.lexists(own):
        remove(own)
        some.append(own)
    remove_empty(folder)
    return removed + some, left + others


def remove_files(folder: str, recorded_files: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Remove those files that still are what was put there, with the bytecode made of them, and folders then empty."""
    removed, left = [], []
    for name, sha in recorded_files.items():
        path = os.path.join(folder, name)
        if leads_elsewhere(folder, name):
            left.append(path)
            continue
        data = files.content(path)
        if data is not None and files.digest(data) == sha:
            remove(path)
            removed.append(path)
            remove_bytecode(path)
        elif data is not None:
            left.append(path)
    for place in sorted({os.path.dirname(os.path.join(folder, name)) for name in recorded_files}, reverse=True):
        remove_empty(os.path.join(place, "__pycache__"))
        if place != folder:  # which still holds the record of what was put there
            remove_empty(place)
    return removed, left


def leads_elsewhere(folder: str, name: str) -> bool:
    """Whether a folder on the way to the file is a link: what it leads to is not ours."""
    parts = name.split("/")[:-1]
    return any([os.path.islink(os.path.join(folder, *parts[: count + 1])) for count in range(len(parts))])


def remove_bytecode(path: str) -> None:
    """Remove what interpreters keep of a module: `__pycache__/NAME.cpython-312.pyc`."""
    place, name = os.path.split(path)
    cache = os.path.join(place, "__pycache__")
    if not name.endswith(".py") or os.path.islink(cache) or not os.path.isdir(cache):
        return
    for kept in os.listdir(cache):
        if kept.startswith(name.removesuffix("py") + "cpython-") and kept.endswith(".pyc"):
            remove(os.path.join(cache, kept))


def remove(path: str) -> None:
    """Remove a file. Raises InstallError."""
    try:
        os.unlink(path)
    except OSError as error:
        raise InstallError(f"{path}: cannot be removed: {error.strerror}") from None


def remove_empty(folder: str) -> None:
    """Remove a folder that holds nothing any more."""
    if os.path.isdir(folder) and not os.path.islink(folder) and not os.listdir(folder):
        os.rmdir(folder)
