"""Take the guard out of a virtual environment: what netguard install put there.

  netguard uninstall --venv .venv
  netguard uninstall --venv .venv --quiet

A file that somebody has changed since is left where it is and named.

Ends with 0 when nothing of it is left, with 1 when something is.
"""

from __future__ import annotations

import sys

from netguard.inject import venv
from netguard.inject.install import uninstall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "take the guard out of a virtual environment"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--venv", required=True, metavar="DIR", help="the virtual environment")
    parser.add_argument("--quiet", action="store_true", help="do not list what is removed")


def run(args: Namespace) -> int:
    """Uninstall. Returns 1 if something had to be left. Raises InstallError."""
    found = venv.find(args.venv)
    removed, left = uninstall(found)
    if not args.quiet:
        for path in removed:
            print(f"removed {path}")
        if not removed and not left:
            print(f"{found.folder}: nothing of netguard install is here")
    for path in left:
        print(f"netguard: {path}: is not what was put there, and is left", file=sys.stderr)
    return int(bool(left))
