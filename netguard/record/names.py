"""Names that say "what follows is a secret": of environment variables, headers, options, assignments.

One table of words serves them all, so that a name hidden in one place is hidden in every other.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: A name is a secret's when it ends in one of these, whatever its case and whatever joins its parts (_ - . or nothing).
WORDS = (
    "password", "passwd", "passphrase", "passcode", "pwd", "secret", "token", "credential", "credentials",
    "api_key", "access_key", "secret_key", "private_key", "account_key", "auth_key", "shared_key", "master_key",
    "service_key", "signing_key", "encryption_key", "authorization", "cookie", "session_id", "phpsessid",
    "amz_signature",
)  # fmt: skip

JOINED = tuple(word.replace("_", "") for word in WORDS)
#: Names that end like a secret's and hold something else.
PLAIN_NAMES = frozenset({"pwd", "oldpwd"})

#: Values so common that hiding them everywhere would hide hosts, users and paths; and nobody's secret.
COMMON_VALUES = frozenset(
    {"password", "postgres", "changeme", "localhost", "username", "anonymous", "production", "development",
     "disabled", "required", "undefined", "passw0rd", "rabbitmq", "password1", "password123"}
)  # fmt: skip
#: A shorter value occurs in ordinary text by chance.
MIN_VALUE = 8

JOINTS = str.maketrans("", "", "_-. ")


def secret_name(name: str) -> bool:
    """Whether a name says that its value is a secret: `GITHUB_TOKEN`, `x-api-key`, `--password`, `clientSecret2`."""
    joined = name[-64:].lower().translate(JOINTS).rstrip("0123456789")
    return joined.endswith(JOINED) and joined not in PLAIN_NAMES


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """The values of an environment that must never be shown, longest first.

    environ: names and values, such as the supervisor's own environment.
    Takes values of at least MIN_VALUE characters under a secret's name, generic `*_KEY` values that look random, and
    the password inside any URL.
    """
    found: set[str] = set()
    for name, value in environ.items():
        hidden = value if holds_secret(name, value) else url_password(value)
        if len(hidden) >= MIN_VALUE and hidden.lower() not in COMMON_VALUES:
            found.add(hidden)
    return sorted(found, key=len, reverse=True)


def holds_secret(name: str, value: str) -> bool:
    """Whether a variable's name, and for a mere `*_KEY` its value too, says secret. A path to one is not one."""
    if secret_name(name):
        return not value.startswith(("/", "~/", "./"))
    return name.upper().endswith("KEY") and len(value) >= 16 and any(c.isdigit() for c in value) and "/" not in value


def url_password(value: str) -> str:
    """The password in `scheme://user:password@host`, "" where there is none."""
    _, mark, rest = value.partition("://")
    userinfo, at, _ = rest.split("/", 1)[0].rpartition("@")
    return userinfo.partition(":")[2] if mark and at else ""
