"""`netguard.Denied`: what a guest gets when a rule says no.

It is a `PermissionError`, so that every client's own clean-up runs. Under guard the shim makes this class from this
very file and puts it into `netguard` when the guest imports it, so that both sides of an `except` mean the same one.
"""

from __future__ import annotations

#: errno.EACCES on every platform CPython knows; `errno` itself is not loaded in a guest.
EACCES = 13


class Denied(PermissionError):
    """An act was refused.

    destination: what was asked for, such as "evil.example:443" or "/usr/bin/curl".
    rule:        the name of the rule that refused it, or "default".
    """

    destination: str
    rule: str

    def __init__(self, *args: object) -> None:
        # PermissionError fills errno and strerror in `__new__`; a pickled copy comes back through here too.
        super().__init__(*args)
        self.destination = ""
        self.rule = ""


Denied.__module__ = "netguard"  # where a guest finds it, and what its tracebacks say


def denied(kind: str, destination: str, rule: str, because: str) -> Denied:
    """Returns the error for one refusal; its text is short and names no more than the guest already knows."""
    reason = f": {because}" if because else ""
    error = Denied(EACCES, f"netguard denied {kind} {destination} (rule {rule}){reason}")
    error.destination = destination
    error.rule = rule
    return error
