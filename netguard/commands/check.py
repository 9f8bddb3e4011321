"""Check rule files and run their tests: do they say what their author meant?

  netguard check rules.yaml             a rule file, with all that it includes
  netguard check base.yaml job.yaml     several, put together as for a run
  netguard check --strict agent         a pack that is shipped
  netguard check --injection job.yaml   for a guard without a supervisor

Errors keep the files from being used. Warnings are worth a second look: a rule
that never comes to its turn, a grant that rests on what the guest says of
itself, a list that no rule names. Each is shown with file, line and column.

Ends with 0 when the files can be used, with 1 when not.
"""

from __future__ import annotations

import argparse

from netguard.errors import PolicyError
from netguard.policy.alone import check_alone
from netguard.policy.check import ERROR, Finding, check
from netguard.policy.compose import Composition
from netguard.policy.schema import VERDICTS
from netguard.views.text import plain_lines

SUMMARY = "check rule files and run their tests"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE|PACK", help="rule files, or packs such as agent")
    parser.add_argument("--strict", action="store_true", help="a grant that rests on the guest's word is an error")
    parser.add_argument("--injection", action="store_true", help="what cannot hold without a supervisor is an error")
    parser.add_argument("--default", choices=VERDICTS, help="if no rule matches, whatever the files say")


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
        checked = check_alone if args.injection else check
        composition, found = checked(args.files, default=args.default, strict=args.strict)
    except PolicyError as error:
        print(plain_lines(f"error: {error}"))  # an answer to the question, and so on standard output
        return 1
    for finding in found:
        print(plain_lines(f"{finding.severity}: {finding.text}"))
    print(closing(composition, found))
    return int(any([finding.severity == ERROR for finding in found]))
