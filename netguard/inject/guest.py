"""The part of netguard that runs inside a guest, as files: what an image needs where netguard itself is not installed.

It is laid out as in a wheel: `starter/` beside `core/` and `shim/`, so that the starter finds the others by its place.
"""

from __future__ import annotations

import os
import subprocess

from netguard.errors import InstallError
from netguard.inject import files
from netguard.paths import PACKAGE, starter_dir

STARTER = "starter"
#: Folders and files of the package that the starter loads by their place: the shim and all that it sees.
PARTS = ("core", "record", "shim", "denied.py", "resolver.py")


def guest_part() -> dict[str, bytes]:
    """Every file of the guest part by its name below the folder that holds it."""
    places = {STARTER: starter_dir(), **{part: os.path.join(PACKAGE, part) for part in PARTS}}
    found: dict[str, bytes] = {}
    for part, place in places.items():
        names = [""] if part.endswith(".py") else sorted([name for name in os.listdir(place) if name.endswith(".py")])
        for name in names:
            data = files.content(os.path.join(place, name) if name else place)
            if data is None:
                raise InstallError(f"{place}: netguard's own guest part is not whole")
            found[os.path.join(part, name) if name else part] = data
    return found


def copy(folder: str) -> bool:
    """Put the guest part there. Returns whether anything had to be written."""
    changed = False
    for name, data in guest_part().items():
        path = os.path.join(os.path.abspath(folder), name)
        make_folder(os.path.dirname(path))
        changed |= files.put(path, data)
    return changed


def keep_compiled(python: str, folder: str) -> None:
    """Have a Python write the compiled form of the guest part there: who runs programs may not be allowed to.

    Without it each start takes some 50 ms longer, so that it fails is no error. `-S`: a guard that is there already is
    not to be asked.
    """
    command = [python, "-I", "-S", "-m", "compileall", "-q", folder]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def make_folder(path: str) -> None:
    """Make a folder that others may read, whatever the umask says: the guest's user must."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.mkdir(path)
        os.chmod(path, 0o755)  # noqa: S103  # what is in it is no secret, and nobody but its owner may write
    except FileExistsError:
        if not os.path.isdir(path) or os.path.islink(path):
            raise InstallError(f"{path}: is there and is no folder") from None
    except OSError as error:
        raise InstallError(f"{path}: cannot be made: {error.strerror}") from None
