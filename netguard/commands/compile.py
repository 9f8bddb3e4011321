"""Write the compiled form of rule files: one policy, which loads without a parser.

  netguard compile rules.yaml                       to standard output
  netguard compile --output job.policy rules.yaml   into a file

The SHA-256 of what is written is the policy's digest, as the first line of
every trail that was made under these rules gives it.

Ends with 0 when it is written, with 1 when the files cannot be used.
"""

from __future__ import annotations

import argparse
import os
import sys

from netguard.core.compiled import dump
from netguard.errors import PolicyError, UsageError
from netguard.policy.load import load_policy
from netguard.policy.schema import VERDICTS

SUMMARY = "write the compiled form of rule files"

#: What a command about rule files ends with when they cannot be used, as `netguard check` does.
UNUSABLE = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE|PACK", help="rule files, or packs such as agent")
    parser.add_argument("--output", metavar="PATH", help="the file to write; without it: standard output")
    parser.add_argument("--default", choices=VERDICTS, help="if no rule matches, whatever the files say")


def write(text: str, path: str) -> None:
    """Put the text there whole or not at all: a policy cut short would not load, and its guests would not start."""
    beside = f"{path}.{os.getpid()}.new"
    try:
        with open(beside, "x", encoding="ascii") as file:
            file.write(text)
        os.replace(beside, path)
    except OSError as error:
        if os.path.exists(beside):
            os.unlink(beside)
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def run(args: argparse.Namespace) -> int:
    """Write the compiled policy. Raises PolicyError with exit code 1: the files were asked about and cannot be used."""
    try:
        policy = load_policy(args.files, default=args.default)
    except PolicyError as error:
        error.exit_code = UNUSABLE
        raise
    text = dump(policy)
    if args.output is None:
        sys.stdout.write(text)
    else:
        write(text, args.output)
        print(f"{args.output}: {len(policy.rules)} rules, sha256 {policy.digest}", file=sys.stderr)
    return 0
