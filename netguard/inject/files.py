"""Files that a guard depends on, put where they belong: whole or not at all, read-only, never over something else."""

from __future__ import annotations

import hashlib
import os

from netguard.core.compiled import HEADER
from netguard.errors import InstallError

#: Readable for all, since the guest's user reads them; writable for nobody, its owner included.
READ_ONLY = 0o444


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def content(path: str) -> bytes | None:
    """What a file holds; None if there is none. A symbolic link is not followed. Raises InstallError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InstallError(f"{path}: cannot be read: {error.strerror}") from None


def put(path: str, data: bytes, mode: int = READ_ONLY) -> bool:
    """Make the file hold this, in one step for whoever reads it. Returns whether it had to be written."""
    if content(path) == data and os.stat(path).st_mode & 0o777 == mode:
        return False
    beside = f"{path}.{os.getpid()}.new"
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "wb") as file:
                file.write(data)
                os.fchmod(file.fileno(), mode)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as error:
        raise InstallError(f"{path}: cannot be written: {error.strerror}") from None
    return True


def put_policy(path: str, data: bytes) -> str:
    """Put a compiled policy there. Returns what happened, for people; "" if it was there already.

    A compiled policy may be replaced by another one, which is said; nothing else ever is.
    """
    before = content(path)
    if before == data:
        return ""
    if before is not None and not before.startswith(HEADER.encode() + b" "):
        raise InstallError(f"{path}: is there and is no compiled policy; --policy names another place")
    put(path, data)
    if before is None:
        return f"{path}: written, sha256 {digest(data)}"
    return f"{path}: replaced, sha256 {digest(before)} is now {digest(data)}"
