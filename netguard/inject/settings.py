"""The variables that ask for a guard without a supervisor: made from options, and judged by the guard's own reader.

Nothing here opens a file or looks at the process's own environment. `docs/reference/environment.md` explains the names.
"""

from __future__ import annotations

from netguard.errors import UsageError
from netguard.shim.settings import Unusable, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

POLICY, SHA256 = "NETGUARD_POLICY", "NETGUARD_POLICY_SHA256"
LOG, LOG_FD = "NETGUARD_LOG", "NETGUARD_LOG_FD"
RUN, SESSION, TAGS, DRY_RUN = "NETGUARD_RUN", "NETGUARD_SESSION", "NETGUARD_TAGS", "NETGUARD_DRY_RUN"
#: What `netguard run` sets for its guests: with it a supervisor decides, and nothing of the above is read.
CHANNEL = "NETGUARD_CHANNEL"

PREFIX, UNIX = "NETGUARD_", "unix:"
#: sun_path of sockaddr_un on Linux holds 108 bytes, the last of them NUL; of an abstract name the first is NUL.
MAX_UNIX = 107


def fault(variables: Mapping[str, str]) -> str:
    """Why the guard would refuse these variables by themselves and stop the program; "" if it would not."""
    try:
        read({name.encode("utf-8", "surrogateescape"): value.encode("utf-8", "surrogateescape")
              for name, value in variables.items()})  # fmt: skip
    except Unusable as error:
        return str(error)
    place = variables.get(LOG, "")
    if place.startswith(UNIX) and len(place[len(UNIX) :].encode("utf-8", "surrogateescape")) > MAX_UNIX:
        return f"{LOG}={place}: longer than a socket's name can be ({MAX_UNIX} bytes)"
    return ""


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
    for name, value in variables.items():
        if not value.isprintable():  # it would break a line of a settings file or of a Dockerfile
            raise UsageError(f"{name} holds characters that cannot be printed")
    if fault(variables):
        raise UsageError(fault(variables))
    return variables


# The settings file of an environment.


def as_text(variables: Mapping[str, str]) -> str:
    """The lines of a settings file: NAME=VALUE."""
    return "".join([f"{name}={value}\n" for name, value in variables.items()])


def from_text(text: str) -> dict[str, str]:
    """The variables of a settings file. Raises ValueError on a line that is none, or a name that stands twice."""
    variables: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise ValueError(f"line {number} is not NAME=VALUE")
        if name in variables:
            raise ValueError(f"{name} stands twice")
        variables[name] = value
    return variables
