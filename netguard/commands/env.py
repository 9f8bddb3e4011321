"""Print the variables that put a guard into a sandbox; write its compiled policy.

  netguard env --rules job.yaml --log /var/log/netguard.jsonl > netguard.env
  netguard env --rules agent --log unix:@lines --policy-at /etc/netguard.policy

It refuses what netguard check --injection does: then it prints nothing, and 1.
"""

from __future__ import annotations

import os
import sys

from netguard.errors import UsageError
from netguard.inject import files, formats, guest, options
from netguard.paths import starter_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "print the variables that put a guard into a sandbox"

#: Where the compiled policy is written when nobody says where.
POLICY = "netguard.policy"


def add_arguments(parser: ArgumentParser) -> None:
    options.declare(parser)
    option = parser.add_argument
    option("--run", default="", metavar="NAME", help="what the run is called, on every line")
    option("--policy", default=POLICY, metavar="PATH", help="where to write the policy (netguard.policy)")
    option("--policy-at", metavar="PATH", help="where the sandbox finds it, if elsewhere")
    option("--guest", dest="guest_part", metavar="DIR", help="copy here what a sandbox needs of netguard")
    option("--starter", metavar="DIR", help="where the sandbox finds the starter, if elsewhere")
    option("--format", choices=tuple(formats.FORMATS), default="shell", help="how the variables are written (shell)")
    parser.usage = "netguard env --rules FILE|PACK --log PATH|unix:… [options]"


def run(args: Namespace) -> int:
    """Print the variables; what else there is to know goes to standard error. Raises PolicyError with exit code 1."""
    here = args.starter is None and args.policy_at is None and args.format != "docker"
    starter = starter_of(args)
    data, told = options.compiled(args.rules)
    place = os.path.abspath(args.policy) if args.policy_at is None else args.policy_at
    variables = options.variables_of(args, place, files.digest(data), here=here, run=args.run)
    text = formats.FORMATS[args.format](places_of(starter, here), not here, variables)
    said = files.put_policy(args.policy, data)
    if args.guest_part is not None:
        guest.copy(args.guest_part)
    for line in filter(None, (said, elsewhere(args, place, starter), told)):
        print(f"netguard: {line}", file=sys.stderr)
    sys.stdout.write(text)
    return 0


def starter_of(args: Namespace) -> str:
    """The starter's folder, in the copy if there is one. PYTHONPATH divides places by colons and cannot quote one."""
    own = starter_dir() if args.guest_part is None else os.path.join(os.path.abspath(args.guest_part), guest.STARTER)
    starter: str = own if args.starter is None else args.starter
    if not starter.startswith("/") or ":" in starter or not starter.isprintable():
        raise UsageError(f"--starter {starter}: PYTHONPATH can hold an absolute path without a colon")
    return starter


def places_of(starter: str, here: bool) -> str:
    """PYTHONPATH: the starter first, and behind it what is there here, if it is for here.

    An empty element would be the current folder, and a `sitecustomize.py` lying there would run before ours.
    """
    there = os.environ.get("PYTHONPATH", "").split(os.pathsep) if here else []
    return os.pathsep.join([starter, *[place for place in there if place not in ("", starter)]])


def elsewhere(args: Namespace, place: str, starter: str) -> str:
    """What has to be brought into the sandbox, where it is not this machine."""
    needs = []
    if args.policy_at is not None:
        needs.append(f"{args.policy} as {place}")
    if args.starter is not None:
        needs.append(f"{args.guest_part or 'the guest part (--guest)'} as {os.path.dirname(starter.rstrip('/'))}")
    return f"the sandbox needs {' and '.join(needs)}, where it cannot write" if needs else ""
