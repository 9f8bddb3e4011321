"""The options that `env` and `install` share, and what they come to: a policy that holds, and the variables for it."""

from __future__ import annotations

import os

from netguard.core.compiled import dump
from netguard.errors import PolicyError, UsageError
from netguard.inject.settings import UNIX, made
from netguard.policy.alone import check_alone
from netguard.policy.check import ERROR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

#: What a command about rule files ends with when they cannot be used, as `netguard check` does.
UNUSABLE = 1


def declare(parser: ArgumentParser) -> None:
    """Declares them."""
    option = parser.add_argument
    option("--rules", action="append", required=True, metavar="FILE|PACK", help="rule file or pack; may be repeated")
    option("--log", metavar="PATH|unix:…", help="the file or unix socket that the lines go to")
    option("--log-fd", type=int, metavar="N", help="the open descriptor that they go to")
    option("--session", default="", metavar="NAME", help="what the runs belong to, on every line")
    option("--tag", action="append", default=[], metavar="KEY=VALUE", help="a label on every line; may be repeated")
    option("--dry-run", action="store_true", help="decide and record, but deny nothing")


def compiled(rules: list[str]) -> tuple[bytes, str]:
    """The compiled policy, and what to say of `check --injection`'s warnings. Raises PolicyError on its errors."""
    try:
        composition, found = check_alone(rules)
    except PolicyError as error:
        error.exit_code = UNUSABLE
        raise
    errors = [finding.text for finding in found if finding.severity == ERROR]
    if errors:
        refusal = PolicyError("\n".join(["these rules cannot hold without a supervisor:", *errors]))
        refusal.exit_code = UNUSABLE
        raise refusal
    warnings = f"{len(found)} warning{'s' * (len(found) > 1)}"
    told = f"{warnings}; netguard check --injection {' '.join(rules)} shows them" if found else ""
    return dump(composition.policy).encode("ascii"), told


def log_of(args: Namespace, here: bool) -> str | None:
    """Where the lines go. here: the guard will run on this machine, so a relative path is one of the current folder."""
    log: str | None = args.log
    if log is None and args.log_fd is None:
        raise UsageError("where do the lines go? --log PATH, --log unix:/PATH, --log unix:@NAME or --log-fd N")
    if log is not None and args.log_fd is not None:
        raise UsageError("--log and --log-fd: give one of them")
    if log is None or log.startswith(UNIX) or not here:
        return log
    return os.path.abspath(log)


def variables_of(args: Namespace, policy: str, digest: str, *, here: bool, run: str = "") -> dict[str, str]:
    """The variables that ask for a guard by this policy. Raises UsageError."""
    return made(
        policy, digest, log=log_of(args, here), log_fd=args.log_fd, run=run,
        session=args.session, tags=args.tag, dry_run=args.dry_run,
    )  # fmt: skip
