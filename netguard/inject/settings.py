"""The variables that ask for a guard without a supervisor, and what is wrong with some: as the starter checks them.

Nothing here opens a file or looks at the process's own environment. `docs/reference/environment.md` explains the names.
"""

from __future__ import annotations

from netguard.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

POLICY, SHA256 = "NETGUARD_POLICY", "NETGUARD_POLICY_SHA256"
LOG, LOG_FD = "NETGUARD_LOG", "NETGUARD_LOG_FD"
RUN, SESSION, TAGS, DRY_RUN = "NETGUARD_RUN", "NETGUARD_SESSION", "NETGUARD_TAGS", "NETGUARD_DRY_RUN"
#: What `netguard run` sets for its guests: with it a supervisor decides, and nothing of the above is read.
CHANNEL = "NETGUARD_CHANNEL"

PREFIX, UNIX = "NETGUARD_", "unix:"
NAME_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
MAX_NAME = 64
#: sun_path of sockaddr_un on Linux holds 108 bytes, the last of them NUL; of an abstract name the first is NUL.
MAX_UNIX = 107
#: Descriptors are ints of C.
MAX_FD = 2**31 - 1


# One question a variable: its value -> what is wrong with it, or "".


def path_wrong(value: str) -> str:
    return "" if value.startswith("/") else "is no absolute path"


def digest_wrong(value: str) -> str:
    hexadecimal = len(value) == 64 and set(value) <= frozenset("0123456789abcdef")
    return "" if hexadecimal else "is no SHA-256 in lower-case hex"


def log_wrong(value: str) -> str:
    if not value.startswith(UNIX):
        return "" if value.startswith("/") else "is neither an absolute path nor unix:/PATH nor unix:@NAME"
    place = value[len(UNIX) :]
    if not place.startswith(("/", "@")) or len(place) < 2:
        return "is no unix socket: unix:/PATH or unix:@NAME"
    return "" if len(place.encode()) <= MAX_UNIX else f"is longer than a socket's name can be ({MAX_UNIX} bytes)"


def fd_wrong(value: str) -> str:
    number = value.isascii() and value.isdigit() and len(value) <= 10 and int(value) <= MAX_FD
    return "" if number else "is no descriptor"


def run_wrong(value: str) -> str:
    name = 0 < len(value) <= MAX_NAME and set(value) <= NAME_LETTERS
    return "" if name else f"is not 1 to {MAX_NAME} of A-Z a-z 0-9 . _ -"


def tags_wrong(value: str) -> str:
    pairs = [pair.partition("=") for pair in value.split(",")]
    return "" if all([key and equals for key, equals, _ in pairs]) else "is not KEY=VALUE,KEY=VALUE"


def dry_run_wrong(value: str) -> str:
    return "" if value == "1" else "can be 1 and nothing else"


#: Every variable of the contract, in the order they are printed, and what its value must be.
VARIABLES: dict[str, Callable[[str], str]] = {
    POLICY: path_wrong,
    SHA256: digest_wrong,
    LOG: log_wrong,
    LOG_FD: fd_wrong,
    RUN: run_wrong,
    SESSION: lambda value: "" if value else "is empty",
    TAGS: tags_wrong,
    DRY_RUN: dry_run_wrong,
}


def value_wrong(name: str, value: str) -> str:
    """What is wrong with a value by itself, or "". No value may break a line of a settings file or of a script."""
    if not value.isprintable():
        return "holds characters that cannot be printed"
    return VARIABLES[name](value)


def faults(variables: Mapping[str, str]) -> list[str]:
    """Why the starter would stop a program that has these variables; nothing if it would start the guard."""
    ours = {name: value for name, value in variables.items() if name.startswith(PREFIX)}
    found = [f"{name}: there is no such variable" for name in sorted(ours) if name not in VARIABLES]
    for name in VARIABLES:
        reason = value_wrong(name, ours[name]) if name in ours else ""
        if reason:
            found.append(f"{name} {reason}")
    if POLICY not in ours:
        found.append(f"{POLICY} is not set")
    if (LOG in ours) == (LOG_FD in ours):
        found.append(f"{LOG} and {LOG_FD} are both set" if LOG in ours else f"neither {LOG} nor {LOG_FD} is set")
    return found


def made(
    policy: str,
    digest: str,
    *,
    log: str | None,
    log_fd: int | None,
    run: str = "",
    session: str = "",
    tags: Sequence[str] = (),
    dry_run: bool = False,
) -> dict[str, str]:
    """The variables that options come to.

    policy, digest: where the guard will find the compiled policy, and the SHA-256 that pins it.
    The others are as `netguard env` takes them. Raises UsageError on what would stop a program.
    """
    for tag in tags:
        if "," in tag:
            raise UsageError(f"--tag {tag}: a tag may hold no comma here: it divides one tag from the next")
    wanted = {
        POLICY: policy,
        SHA256: digest,
        LOG: log or "",
        LOG_FD: "" if log_fd is None else str(log_fd),
        RUN: run,
        SESSION: session,
        TAGS: ",".join(tags),
        DRY_RUN: "1" if dry_run else "",
    }
    variables = {name: value for name, value in wanted.items() if value}
    for fault in faults(variables):
        raise UsageError(fault)
    return variables


# The settings file of an environment.


def as_text(variables: Mapping[str, str]) -> str:
    """The lines of a settings file: NAME=VALUE."""
    return "".join([f"{name}={value}\n" for name, value in variables.items()])


def from_text(text: str) -> dict[str, str]:
    """The variables of a settings file. Raises ValueError on a line that is none, or a name that stands twice."""
    variables: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        name, equals, value = line.partition("=")
        if line and (not equals or name in variables):
            raise ValueError(f"line {number} is not NAME=VALUE" if not equals else f"{name} stands twice")
        if line:
            variables[name] = value
    return variables
