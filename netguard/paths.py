"""Where netguard's own files are: in a checkout beside the package, in a wheel inside it."""

from __future__ import annotations

import os

PACKAGE = os.path.dirname(os.path.abspath(__file__))


def _own(inside: str, beside: str) -> str:
    """The folder inside the installed package, or the checkout's one beside it."""
    installed = os.path.join(PACKAGE, inside)
    return installed if os.path.isdir(installed) else os.path.join(os.path.dirname(PACKAGE), beside)


def starter_dir() -> str:
    """The folder that holds `sitecustomize.py`, to be put on a guest's PYTHONPATH."""
    return _own("starter", "sitecustomize")


def packs_dir() -> str:
    """The folder of the rule packs that are shipped."""
    return _own("rules", "rules")


def schema_file() -> str:
    """The JSON Schema of rule files, for editors."""
    return os.path.join(packs_dir(), "schema.json")


def share_dir() -> str:
    """The folder of the man page and of what completes commands in a shell."""
    return _own("share", "system")


def state_dir() -> str:
    """The user's state folder for netguard (XDG Base Directory: XDG_STATE_HOME, else ~/.local/state)."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # the specification: a relative value is to be ignored
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "netguard")


def run_dir(run: str) -> str:
    """The folder of one run: its trail and its compiled policy. Not created here."""
    return os.path.join(state_dir(), "runs", run)
