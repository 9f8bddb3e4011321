"""Guard every Python of a virtual environment, for good.

  netguard install --venv .venv --rules job.yaml --log /var/log/netguard.jsonl
  netguard install --venv .venv --rules agent --log unix:/run/lines --copy

From then on each Python of DIR starts guarded or is stopped, also with -I or
-E; only -S keeps the guard out. It decides by itself, without a supervisor.
What is put there is listed in DIR/netguard/installed; installing again brings
it up to date. Whoever runs the programs should not be able to write DIR.

Ends with 0 when it is there, with 1 when it cannot be or the rules cannot hold.
"""

from __future__ import annotations

import os
import sys

from netguard.inject import files, guest, options, venv
from netguard.inject.install import FOLDER, POLICY, install
from netguard.paths import starter_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "guard every Python of a virtual environment, for good"

STARTER = "sitecustomize.py"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--venv", required=True, metavar="DIR", help="the virtual environment")
    options.declare(parser)
    parser.add_argument("--copy", action="store_true", help="copy what guards, so that netguard itself can go away")
    parser.usage = "netguard install --venv DIR --rules FILE|PACK --log PATH|unix:… [options]"


def run(args: Namespace) -> int:
    """Install. Raises InstallError, UsageError, and PolicyError with exit code 1."""
    found = venv.find(args.venv)
    data, told = options.compiled(args.rules)
    folder = os.path.join(found.folder, FOLDER)
    variables = options.variables_of(args, os.path.join(folder, POLICY), files.digest(data), here=True)
    place = os.path.join(folder, guest.STARTER) if args.copy else starter_dir()
    changed = install(found, data, variables, os.path.join(place, STARTER), copy=args.copy)
    if told:
        print(f"netguard: {told}", file=sys.stderr)
    print(f"{found.folder}: {'guarded' if changed else 'guarded already, nothing changed'}, by {place}")
    print(f"check: netguard status --venv {found.folder}")
    return 0
