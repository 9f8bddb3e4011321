"""Every error netguard tells a person about: one base, a slug each, an exit code each.

Modules raise them; only `commands.main` prints them. A guest never sees one of these: it gets `netguard.Denied`.
"""

from __future__ import annotations

from netguard.record import NotRecorded


class NetguardError(Exception):
    """Something netguard could not do. `str(error)` is the whole text a person reads.

    slug:      the error's name in `docs/reference/messages.md`.
    exit_code: what the command ends with (125-127 as `env` and `timeout` use them, 1 and 2 for the other commands).
    """

    slug = "error"
    exit_code = 125


class UsageError(NetguardError):
    """The command line asks for something that does not fit together."""

    slug = "usage"
    exit_code = 125


class PolicyError(NetguardError):
    """A rule file says something that cannot be meant. The text shows file, line, column and a marker."""

    slug = "policy"
    exit_code = 125


class TrailError(NotRecorded, NetguardError):
    """A line could not be put on record whole, or a trail cannot be read."""

    slug = "trail"
    exit_code = 125


class StartError(NetguardError):
    """The guard or the guest could not be started."""

    slug = "start"
    exit_code = 125


class NotExecutable(StartError):
    """The program is there and cannot be run (126, as `env` says it)."""

    slug = "not-executable"
    exit_code = 126


class NotFound(StartError):
    """There is no such program or script (127, as `env` says it)."""

    slug = "not-found"
    exit_code = 127


class Unguarded(NetguardError):
    """The guest ran without the shim's report and was ended."""

    slug = "unguarded"
    exit_code = 125


class InstallError(NetguardError):
    """A guard cannot be put where it is wanted, or not be taken away from there."""

    slug = "install"
    exit_code = 1
