"""A virtual environment on disk: what it is, read from its files alone, so that one that is guarded is not started."""

from __future__ import annotations

import os
from typing import NamedTuple

from netguard.errors import InstallError

#: The oldest Python that a guest may be.
OLDEST = (3, 9)
CONFIG = "pyvenv.cfg"


class Venv(NamedTuple):
    """One environment.

    folder: its real place. python: the path of its interpreter. version: what its interpreter says it is, such as
    "3.12.1". sites: each of its site-packages; more than one only after its Python was changed for another.
    """

    folder: str
    python: str
    version: str
    sites: tuple[str, ...]


def find(folder: str) -> Venv:
    """The environment in this folder. Raises InstallError where there is none that a guard can be put into."""
    real = os.path.realpath(folder)
    try:
        with open(os.path.join(real, CONFIG), encoding="utf-8", errors="replace") as file:
            config = dict([pair(line) for line in file])
    except OSError:
        raise InstallError(f"{folder}: is no virtual environment: there is no {CONFIG} in it") from None
    # `version` is venv's word, `version_info` virtualenv's.
    version = config.get("version") or config.get("version_info", "")
    sites = [(release, place) for release, place in site_packages(real) if os.path.isdir(place)]
    if not sites:
        raise InstallError(f"{folder}: there is no lib/python3.…/site-packages in it: only CPython's are known")
    for release in [*[release for release, _ in sites], numbers(version)]:
        if release and release < OLDEST:
            shown = ".".join(map(str, release))
            raise InstallError(f"{folder}: its Python is {shown}; a guest's is 3.9 or later")
    return Venv(real, os.path.join(real, "bin", "python"), version, tuple([place for _, place in sites]))


def pair(line: str) -> tuple[str, str]:
    """A line of pyvenv.cfg."""
    name, _, value = line.partition("=")
    return name.strip().lower(), value.strip()


def site_packages(folder: str) -> list[tuple[tuple[int, ...], str]]:
    """The site-packages that an environment may have, with the Python that each is for."""
    lib = os.path.join(folder, "lib")
    names = sorted(os.listdir(lib)) if os.path.isdir(lib) else []
    found = [(numbers(name.removeprefix("python")), name) for name in names if name.startswith("python")]
    return [(release, os.path.join(lib, name, "site-packages")) for release, name in found if release]


def numbers(version: str) -> tuple[int, ...]:
    """(3, 12) of "3.12.1.final.0" and of "3.13t"; () of what is no version."""
    parts = version.split(".")[:2]
    digits = [part.removesuffix("t") for part in parts]
    return tuple(map(int, digits)) if all([each.isascii() and each.isdigit() for each in digits]) else ()
