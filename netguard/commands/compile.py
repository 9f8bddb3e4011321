"""`netguard compile`: the policy in the one form that a guest without a supervisor can load."""

from __future__ import annotations

import argparse
import os
import sys

from netguard.core.compiled import dump
from netguard.errors import UsageError
from netguard.policy.load import load_policy
from netguard.policy.schema import VERDICTS

SUMMARY = "write rule files as one compiled policy, which loads without any parser"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a rule file, or a pack such as netguard:agent")
    parser.add_argument("--output", metavar="PATH", help="where to; without it, standard output")
    parser.add_argument("--default", choices=VERDICTS, help="what happens when no rule matches; overrides the files")


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
    """Write the compiled policy. The SHA-256 of what is written is the policy's digest in every trail."""
    policy = load_policy(args.files, default=args.default)
    text = dump(policy)
    if args.output is None:
        sys.stdout.write(text)
    else:
        write(text, args.output)
        print(f"{args.output}: {len(policy.rules)} rules, sha256 {policy.digest}", file=sys.stderr)
    return 0
