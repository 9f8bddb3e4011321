"""`netguard check`: is this policy what its author meant? Reads it, runs its tests, says what to look at again."""

from __future__ import annotations

import argparse

from netguard.errors import PolicyError
from netguard.policy.check import ERROR, Finding, check
from netguard.policy.compose import Composition
from netguard.policy.schema import VERDICTS

SUMMARY = "read rule files, run their tests, and say what is wrong or doubtful in them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a rule file, or a pack such as netguard:agent")
    parser.add_argument("--strict", action="store_true", help="grants that rest on what the guest says are errors")
    parser.add_argument("--default", choices=VERDICTS, help="what happens when no rule matches; overrides the files")


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def closing(composition: Composition, found: list[Finding]) -> str:
    """The last line: what there is, and what was found."""
    policy, documents = composition.policy, composition.documents
    errors = sum([finding.severity == ERROR for finding in found])
    tests = sum([len(document.tests) for document in documents])
    parts = [counted(len(policy.rules), "rule"), counted(len(documents), "file"), f"{counted(tests, 'test')} passed"]
    parts += [f"default {policy.default}", counted(errors, "error"), counted(len(found) - errors, "warning")]
    return ", ".join(parts)


def run(args: argparse.Namespace) -> int:
    """Print the findings. Returns 0 if the policy can be used (and is strict, if that was asked), else 1."""
    try:
        composition, found = check(args.files, default=args.default, strict=args.strict)
    except PolicyError as error:
        print(f"error: {error}")  # an answer to the question, and so on standard output
        return 1
    for finding in found:
        print(f"{finding.severity}: {finding.text}")
    print(closing(composition, found))
    return int(any([finding.severity == ERROR for finding in found]))
