"""The CPython versions on this machine that really run, the current one first."""

from __future__ import annotations

import functools
import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

#: What a guest may run on.
VERSIONS = tuple((3, minor) for minor in range(9, 16))

_ASK = "import sys; print(sys.implementation.name, *sys.version_info[:2], sys.executable)"


class Interpreter(NamedTuple):
    """One interpreter. `str()` is its version, which makes a readable pytest id."""

    version: tuple[int, int]
    path: str

    def __str__(self) -> str:
        return "{}.{}".format(*self.version)


def _asked(path: str) -> Interpreter | None:
    """What the program at `path` says it is; None when it is no CPython or does not run (a shim with no version)."""
    try:
        answer = subprocess.run([path, "-I", "-c", _ASK], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = answer.stdout.strip().split(" ", 3)
    if answer.returncode or len(words) != 4 or words[0] != "cpython":
        return None
    return Interpreter((int(words[1]), int(words[2])), words[3])


def _candidates(version: tuple[int, int]) -> Iterator[str]:
    """Where that version may be: on PATH, and behind a pyenv shim that refuses to choose."""
    name = "python{}.{}".format(*version)
    found = shutil.which(name)
    if found:
        yield found
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    yield from sorted(glob.glob(os.path.join(root, "versions", "{}.{}.*".format(*version), "bin", name)), reverse=True)


@functools.cache
def interpreters(oldest: tuple[int, int] = (3, 9)) -> tuple[Interpreter, ...]:
    """Every version from `oldest` up that runs here, the one running the tests first.

    A version that is missing is simply not in the list: a test that needs a certain one says so itself.
    """
    current = Interpreter(sys.version_info[:2], sys.executable)
    found = [current]
    for version in VERSIONS:
        if version >= oldest and version != current.version:
            answers = (_asked(path) for path in _candidates(version))
            found += [answer for answer in answers if answer and answer.version == version][:1]
    return tuple(found)
