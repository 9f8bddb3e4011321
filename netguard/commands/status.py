"""Say whether an environment and this shell are guarded, and why.

  netguard status                  the environment in use, and this shell
  netguard status --venv .venv     that environment
  netguard status --json           for programs

Without --venv, the environment is $VIRTUAL_ENV, or the one that runs netguard.
It looks at what the guard would find and starts nothing. Warnings say what
could be changed by whoever runs the programs.

Ends with 0 for guarded, with 1 for not guarded, with 2 if it cannot tell.
"""

from __future__ import annotations

import os
import sys

from netguard.errors import InstallError
from netguard.inject import venv
from netguard.inject.status import NO, UNKNOWN, YES, Status, of_shell, of_venv
from netguard.policy.node import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "say whether this environment and this shell are guarded"

STATUSES = {YES: 0, NO: 1, UNKNOWN: 2}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--venv", metavar="DIR", help="this virtual environment, and not the shell")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: Namespace) -> int:
    """Print what is found. Returns 0 guarded, 1 not guarded, 2 cannot tell."""
    found: dict[str, Status] = {}
    folder = args.venv or used()
    if folder:
        found["environment"] = environment(folder)
    if not args.venv:
        found["shell"] = of_shell(os.environ)
    answer, why = together(found)
    print(as_json(answer, why, found) if args.json else as_text(answer, why, found))
    return STATUSES[answer]


def used() -> str:
    """The environment in use, "" if none is."""
    return os.environ.get("VIRTUAL_ENV", "") or (sys.prefix if sys.prefix != sys.base_prefix else "")


def environment(folder: str) -> Status:
    """Whether the environment in this folder is guarded."""
    try:
        return of_venv(venv.find(folder))
    except InstallError as error:
        return Status(UNKNOWN, str(error), {}, [])


def together(found: dict[str, Status]) -> tuple[str, str]:
    """The answer of all, and its reason: guarded by one is guarded; not known of one is not known."""
    order = (YES, UNKNOWN, NO)
    what, first = min(found.items(), key=lambda item: order.index(item[1].answer))
    rest = [f"the {name}: {status.why}" for name, status in found.items() if name != what and status.answer == NO]
    why = [f"the {what}: {first.why}", *(rest if first.answer == NO else [])]
    return first.answer, "; ".join(why)


def as_text(answer: str, why: str, found: dict[str, Status]) -> str:
    """The answer on the first line, then what there is."""
    lines = [f"{answer}: {printable(why)}"]
    for name, status in found.items():
        lines += ["", f"{name}: {status.answer}"]
        lines += [f"  {key:<12} {printable(value)}" for key, value in status.facts.items() if key != name]
        lines += [f"  warning: {printable(warning)}" for warning in status.warnings]
    return "\n".join(lines)


def as_json(answer: str, why: str, found: dict[str, Status]) -> str:
    """The same as one object."""
    import json

    guarded = {YES: True, NO: False, UNKNOWN: None}
    parts = {
        name: {**status._asdict(), "answer": None, "guarded": guarded[status.answer]} for name, status in found.items()
    }
    for part in parts.values():
        del part["answer"]
    return json.dumps({"guarded": guarded[answer], "why": why, **parts})
