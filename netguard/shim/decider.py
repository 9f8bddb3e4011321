"""Makes the supervisor's part of a guest that has none: from the settings to an `Alone` that is ready to be asked.

Loaded only there, so that a guest with a supervisor does not pay for it. Whatever is wrong is raised as Unusable.
"""

from __future__ import annotations

import sys
from posix import O_CLOEXEC, O_RDONLY, close, fstat, read
from posix import open as open_file
from time import time_ns

from ..core import compiled
from ..core.acts import Context
from ..core.session import Session
from ..record import NotRecorded
from ..record.hidden import Hider
from ..record.line import Tools
from ..record.names import secrets_of
from .alone import Alone
from .double import double
from .settings import Settings, Unusable
from .world import World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.policy import Policy


def decider(wanted: Settings, started: dict[bytes, bytes], argv: list[str]) -> Alone:
    """Returns what decides. Raises Unusable.

    started: gets the run's name, the policy's digest and what the lines' place is, which children are started with: so
             they are of the same run, and refuse another policy and another place.
    """
    text = content(wanted.policy)
    digest = digest_of(text)
    if wanted.sha256 and wanted.sha256 != digest:
        raise Unusable(f"{wanted.policy} is not the policy that NETGUARD_POLICY_SHA256 names: it was changed")
    started[b"NETGUARD_POLICY_SHA256"] = digest.encode()
    wanted.run = wanted.run or f"{time_ns():x}"
    started[b"NETGUARD_RUN"] = wanted.run.encode()
    policy = loaded(text, wanted.policy)
    policy.digest = digest
    tags = {"session": wanted.session} if wanted.session else {}
    tags.update(wanted.tags)
    session = Session(policy, Context("", wanted.session, tags), dry_run=wanted.dry_run)
    world = World(session.leases, argv, asks_own=session.asks_own)
    alone = Alone(wanted, policy, session, world, Hider(secrets_of(decoded(started))))
    try:
        alone.turn.began(alone.opened())
    except NotRecorded as error:
        raise Unusable(str(error)) from None
    started[b"NETGUARD_LOG_ID"] = alone.mark.encode()
    end_with(alone)
    return alone


def content(path: str) -> bytes:
    """The policy's bytes. Raises Unusable."""
    try:
        fd = open_file(path, O_RDONLY | O_CLOEXEC)
        try:
            text = b""
            while len(text) <= compiled.MAX_SIZE:
                part = read(fd, max(fstat(fd).st_size - len(text), 0) + 1)
                if not part:
                    break
                text += part
            return text
        finally:
            close(fd)
    except OSError as error:
        raise Unusable(f"the policy {path} cannot be read: {error.strerror}") from None


def digest_of(text: bytes) -> str:
    """SHA-256 in hex, as `sha256sum` prints it."""
    return Tools.digest(text).hexdigest()  # type: ignore[attr-defined,no-any-return]


def loaded(text: bytes, path: str) -> Policy:
    """The policy in compiled form. Raises Unusable."""
    try:
        return compiled.load(text.decode("ascii"))
    except ValueError as error:  # BadPolicy and UnicodeDecodeError are
        raise Unusable(f"{path} is no compiled policy ({error}); `netguard compile` writes one") from None


def decoded(started: dict[bytes, bytes]) -> dict[str, str]:
    """The environment as texts, for the values in it that are secrets."""
    return {
        name.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
        for name, value in started.items()
    }


def end_with(alone: Alone) -> None:
    """Has the last line written when the process ends by itself, also by `os._exit`, as a worker process does."""
    import atexit  # a C module that is built in

    atexit.register(alone.close)
    posix = sys.modules["posix"]
    original = posix._exit

    def _exit(_: object, status: int) -> None:
        alone.close()
        original(status)

    found = double(_exit, original)
    for module in (posix, sys.modules["os"]):
        if getattr(module, "_exit", None) is original:
            module._exit = found  # type: ignore[attr-defined]
