"""What a run is called: its name is on every line and is its folder's, and names sort by time (the form is ULID's)."""

from __future__ import annotations

import os

from netguard.errors import UsageError

#: Characters of a name, and Crockford's base 32: no letter that is read as another.
LENGTH, ALPHABET = 26, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def name_of(given: str) -> str:
    """The run's name: the one that was given, if it is in the form of our own, or a new one."""
    if given and (len(given) != LENGTH or not set(given) <= set(ALPHABET)):
        raise UsageError(f"--run {given}: a run's name is {LENGTH} digits and capital letters without I, L, O and U")
    return given or new_run()


def new_run() -> str:
    """A run's name: 48 bits of milliseconds and 80 random bits, so names sort by time."""
    import time

    number = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join([ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)])
