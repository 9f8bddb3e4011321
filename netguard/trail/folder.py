"""A run's own folder, with its trail and its compiled policy; and where else the trail goes when a person says so."""

from __future__ import annotations

import os

from netguard.errors import TrailError, UsageError
from netguard.paths import run_dir
from netguard.trail.place import FILE
from netguard.trail.writer import open_stream, open_trail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.core.policy import Policy
    from netguard.trail.redact import Redactor
    from netguard.trail.writer import Writer

UNITS = {"K": 1_000, "M": 1_000_000, "G": 1_000_000_000}


def open_log(run: str, path: str | None, fd: int | None, redactor: Redactor, max_bytes: int) -> tuple[Writer, str]:
    """Opens a run's trail: at `path` ("-" is standard output), on `fd`, or with neither in a folder of its own.

    Returns it and what a person calls it, "" for a descriptor. Raises UsageError, TrailError.
    """
    if fd is not None and path:
        raise UsageError("--log and --log-fd: give one of them")
    fd = 1 if path == "-" else fd
    if fd is not None:
        return open_stream(fd, run, redactor=redactor, max_bytes=max_bytes, warm=False), ""
    path = path or os.path.join(made(run_dir(run)), FILE)
    return open_trail(path, run, redactor=redactor, max_bytes=max_bytes, warm=False), path


def made(folder: str) -> str:
    """The folder, which nobody else may look into."""
    try:
        os.makedirs(folder, mode=0o700)
    except OSError as error:
        raise TrailError(f"cannot make the run's folder {folder}: {error.strerror}; --log names another") from None
    return folder


def keep_policy(policy: Policy, run: str) -> None:
    """Puts the compiled policy beside the trail in the run's folder: what the digest in the first line stands for."""
    from netguard.core.compiled import dump

    with open(os.path.join(run_dir(run), "policy"), "x", encoding="ascii", opener=private) as file:
        file.write(dump(policy))


def private(path: str, flags: int) -> int:
    """Opens a file that nobody else may read."""
    return os.open(path, flags, 0o600)


def size_of(text: str) -> int:
    """Bytes in "64KB", "500MB", "1GB" or a plain number. Raises UsageError."""
    number = text.upper().removesuffix("B")
    unit = UNITS.get(number[-1:], 1)
    digits = number[:-1] if unit > 1 else number
    if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
        raise UsageError(f"--max-trail {text}: a size is a number with KB, MB, GB or nothing behind it")
    return int(digits) * unit
