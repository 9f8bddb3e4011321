"""What the environment asks of the guard: the NETGUARD_ variables, read once and checked before anything starts.

A variable that nobody knows, or half a request, is an error: a guard that was asked for must not be off for a typing
mistake. Texts are decoded as the file system's names are, so that a path comes back exactly.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = b"NETGUARD_"

#: Longest run name, and the characters of one: it stands on every line.
MAX_NAME = 64
NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
HEX = frozenset("0123456789abcdef")


class Unusable(Exception):
    """The request for a guard cannot be met as it stands. The text is for whoever set the variables."""


class Settings:
    """What is asked for.

    channel: the supervisor's address, "" where there is none and the policy is decided on here.
    run, session, tags: on every line.  policy: a compiled policy's path.  sha256: what its content must come to.
    log: a path, "unix:…", or "" for log_fd.  log_id: what the first process of the run found there.
    dry_run: deny nothing.
    """

    __slots__ = ("channel", "dry_run", "log", "log_fd", "log_id", "policy", "run", "session", "sha256", "tags")

    def __init__(self) -> None:
        self.channel = self.run = self.policy = self.sha256 = self.log = self.log_id = self.session = ""
        self.log_fd = -1
        self.tags: dict[str, str] = {}
        self.dry_run = False


def read(environ: dict[bytes, bytes]) -> Settings:
    """Returns what these variables ask for. Raises Unusable."""
    found = Settings()
    for name, value in environ.items():
        if name.startswith(PREFIX):
            word = name.decode("ascii", "backslashreplace")
            setter = SETTERS.get(word[len(PREFIX) :])
            if setter is None:
                raise Unusable(f"{word} is set, which this version does not know; it knows {known()}")
            setter(found, value.decode("utf-8", "surrogateescape"))
    if not found.channel:
        complete(found)
    return found


def complete(found: Settings) -> None:
    """Without a supervisor there must be a policy and a place for the lines. Raises Unusable."""
    if not found.policy:
        raise Unusable("NETGUARD_ variables are set, and neither NETGUARD_POLICY nor NETGUARD_CHANNEL is among them")
    if bool(found.log) == (found.log_fd >= 0):
        raise Unusable("NETGUARD_POLICY is set, so one of NETGUARD_LOG and NETGUARD_LOG_FD must be: where do lines go?")
    absolute = ("/", "unix:/", "unix:@")
    for name, path, forms in (("NETGUARD_POLICY", found.policy, absolute[:1]), ("NETGUARD_LOG", found.log, absolute)):
        if path and not path.startswith(forms):
            raise Unusable(f"{name}={path}: not absolute, so it would be another file in another folder")


def known() -> str:
    """The variables that may be set, for a person."""
    return ", ".join(["NETGUARD_" + name for name in SETTERS])


def text_of(attribute: str) -> Callable[[Settings, str], None]:
    """A setter for a text that is taken as it is."""

    def set_text(found: Settings, value: str) -> None:
        setattr(found, attribute, value)

    return set_text


def set_run(found: Settings, value: str) -> None:
    if not 0 < len(value) <= MAX_NAME or not NAME.issuperset(value):
        raise Unusable(f"NETGUARD_RUN={value[:80]}: a name of 1 to {MAX_NAME} letters, digits, dots, - or _")
    found.run = value


def set_sha256(found: Settings, value: str) -> None:
    if len(value) != 64 or not HEX.issuperset(value):
        raise Unusable("NETGUARD_POLICY_SHA256: 64 hex digits in lower case, as sha256sum prints them")
    found.sha256 = value


def set_log_fd(found: Settings, value: str) -> None:
    if not (value.isascii() and value.isdigit() and len(value) <= 7):
        raise Unusable(f"NETGUARD_LOG_FD={value[:20]}: not a descriptor's number")
    if int(value) < 3:
        raise Unusable(f"NETGUARD_LOG_FD={value}: programs send 0 to 2 elsewhere for children; take another")
    found.log_fd = int(value)


def set_tags(found: Settings, value: str) -> None:
    for entry in value.split(",") if value else ():
        key, equals, text = entry.partition("=")
        if not key or not equals:
            raise Unusable(f"NETGUARD_TAGS={value[:80]}: KEY=VALUE, divided by commas")
        found.tags[key] = text


def set_dry_run(found: Settings, value: str) -> None:
    if value not in ("", "0", "1"):
        raise Unusable(f"NETGUARD_DRY_RUN={value[:20]}: 1 or 0")
    found.dry_run = value == "1"


def ignored(found: Settings, value: str) -> None:
    """What a guard hands to the one of a child: read elsewhere."""


#: The variables behind NETGUARD_, in the order that a message lists them.
SETTERS: dict[str, Callable[[Settings, str], None]] = {
    "POLICY": text_of("policy"),
    "POLICY_SHA256": set_sha256,
    "LOG": text_of("log"),
    "LOG_FD": set_log_fd,
    "LOG_ID": text_of("log_id"),
    "RUN": set_run,
    "SESSION": text_of("session"),
    "TAGS": set_tags,
    "DRY_RUN": set_dry_run,
    "CHANNEL": text_of("channel"),
    "PYTHONPATH": ignored,
    "PYTHONPYCACHEPREFIX": ignored,
    "INSIDE": ignored,
}
