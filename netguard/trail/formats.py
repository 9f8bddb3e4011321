"""What credentials look like in text: token formats, URLs with a password, headers, assignments, options.

Each row is looked for only where one of its literals occurs, so ordinary text never meets a pattern. The text is the
guest's and hostile: every pattern is linear in it. None has a repeat inside a repeat, and a repeat that something must
follow cannot run over the row's own beginning, or is bounded. `tests/trail/test_redact.py` times the worst texts.

What tokens begin with stands in `record.tokens`.
"""

from __future__ import annotations

import binascii
import re

from netguard.record.names import WORDS
from netguard.record.tokens import NO_SECRETS, NOT_VALUES, TOKENS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: Where a short prefix may begin: not inside a word, but right after a percent-escape (`%20sk-…`).
EDGE = r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2}))"

#: (literals, what follows them): a literal at an EDGE, then the rest. Whole match is the secret.
PREFIXES = tuple(
    (literals, f"[{chars}]{{{least}}}(?![{chars}])" if exact else f"[{chars}]{{{least},}}")
    for literals, chars, least, exact in TOKENS
)

#: A name from the table, however joined; the longest words first, so that `secret_key` is not read as `secret`.
NAMES = [word.replace("_", "[_.-]?") for word in sorted(WORDS, key=len, reverse=True)]
NAME = "(?:" + "|".join([*NAMES, "_auth"]) + r")\d{0,2}"  # npm's _auth, which is no word by itself
QUOTE = r"""(?:\\?["'])?"""
#: A value in quotes up to the same quote, else up to what ends a word. Groups are numbered by who uses it.
VALUE = r"""(?:"([^"\r\n]+)"|'([^'\r\n]+)'|""" + QUOTE + r"""(?!["'])([^\s"'&;,<>]+))"""

PEM = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----(?:[^-]|-(?!----END))*(?:-----END [A-Z0-9 ]{0,40}-----)?"
#: Dots are in the class: a repeat that a dot must follow would be quadratic.
JWT = EDGE + r"eyJ[A-Za-z0-9_.-]{16,}"
USERINFO = r"://(?:([^\s/?#@:\[\]]{20,})|[^\s/?#@:]*:([^\s/?#]+))@"
HEADER = rf"(?i)(?:authorization|cookie){QUOTE}\s{{0,3}}:\s{{0,3}}{QUOTE}([^\s\"'][^\"'\r\n]*)"
BEARER = r"(?i)\bbearer(?:\s|%20|\+){1,3}([A-Za-z0-9_.~+/=%:-]{8,})"
BASIC = r"(?i)\bbasic(?:\s|%20){1,3}([A-Za-z0-9+/_-]{8,}={0,2})"
ASSIGNED = rf"(?i){NAME}{QUOTE}\s{{0,3}}(=>|:=|==?|:|%3D)\s{{0,3}}{VALUE}"
OPTION = rf"(?i)(?<!\S)--?[a-z0-9_.-]{{0,40}}?{NAME}\s{{1,3}}(){VALUE}"
USER_OPTION = r"(?<!\S)(?:-u|-U|--user|--proxy-user)(?:\s{1,3}|=)[\"']?[^\s:\"']+:([^\s\"']+)"
TELEGRAM = r"[0-9]{8,10}:AA[A-Za-z0-9_-]{30,}"
WEBHOOK = r"(?:hooks\.slack\.com/(?:services|workflows)|discord(?:app)?\.com/api/webhooks)/([A-Za-z0-9_/-]{8,})"
SIGNED = r"[?&](?:sig|X-Amz-Signature|X-Goog-Signature|Signature)=([A-Za-z0-9%+/=_-]{8,})"


def redacted(value: str) -> str:
    """What stands in a secret's place: its length and nothing else."""
    return f"[redacted {len(value)}]"


def whole(match: re.Match[str]) -> str:
    """The whole match, or the group that matched, is the secret."""
    for group in range(1, (match.re.groups or 0) + 1):
        if match.group(group):
            return within(match, group)
    return redacted(match.group())


def within(match: re.Match[str], group: int) -> str:
    """The match with one group hidden, unless that was done before."""
    value = match.group(group)
    if value.lstrip(":").startswith(NOT_VALUES):  # a password behind a user's name that was hidden before, too
        return match.group()
    start, end = match.start(), match.start(group)
    return match.string[start:end] + redacted(value) + match.string[match.end(group) : match.end()]


def jwt(match: re.Match[str]) -> str:
    """A JSON Web Token has a second part; a cursor or an id that is merely base64 of JSON has not."""
    parts = match.group().split(".")
    return redacted(match.group()) if len(parts) > 1 and len(parts[1]) >= 8 else match.group()


def basic(match: re.Match[str]) -> str:
    """Basic credentials are base64 of `user:password`; "basic functionality" is not."""
    text = match.group(1).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        plain = binascii.a2b_base64(text + "=" * (-len(text) % 4))
    except ValueError:
        return match.group()
    return within(match, 1) if b":" in plain else match.group()


def bearer(match: re.Match[str]) -> str:
    """A bearer token has a digit or is long; "bearer instruments" is neither."""
    value = match.group(1)
    return within(match, 1) if len(value) >= 20 or any(c.isdigit() for c in value) else match.group()


#: With a colon or a space prose is likelier, so the value must look less like a word.
def assigned(match: re.Match[str]) -> str:
    """The value after a secret's name, unless it is too short or plainly something else."""
    sign = match.group(1)
    group = next(number for number in (2, 3, 4) if match.group(number))
    value = match.group(group)
    if match.group()[:3].lower() == "pwd" and value.startswith(("/", "~", ".")):
        return match.group()  # PWD is also the working directory
    if value.lower() in NO_SECRETS:
        return match.group()
    enough = 3 if "=" in sign or sign.upper() == "%3D" or not sign or group != 4 else 8
    if len(value) < enough and not (len(value) >= 5 and any(c.isdigit() for c in value) and not value.isdigit()):
        return match.group()
    return within(match, group)


def option(match: re.Match[str]) -> str:
    """The word after an option that names a secret, unless it is the next option."""
    return match.group() if (match.group(4) or "").startswith("--") else assigned(match)


def userpass(match: re.Match[str]) -> str:
    """`user:password` after curl's -u; `1000:1000` is docker's uid and gid."""
    return match.group() if match.group(1).isdigit() and len(match.group(1)) < 8 else within(match, 1)


def userinfo(match: re.Match[str]) -> str:
    """The password of a URL, or a long user part with a digit in it: a token used as a name."""
    if match.group(2):
        return within(match, 2)
    return within(match, 1) if any(c.isdigit() for c in match.group(1)) else match.group()


class Format:
    """One row: the literals that must occur, the pattern, and what hides a match. Compiled when first needed."""

    __slots__ = ("hide", "literals", "pattern", "source")

    def __init__(self, literals: tuple[str, ...], source: str, hide: Callable[[re.Match[str]], str] = whole) -> None:
        self.literals = literals
        self.source = source
        self.hide = hide
        self.pattern: re.Pattern[str] | None = None

    def sub(self, text: str) -> str:
        """The text with every match hidden."""
        if self.pattern is None:
            self.pattern = re.compile(self.source)
        return self.pattern.sub(self.hide, text)


def prefixed(literals: tuple[str, ...], rest: str) -> Format:
    """A row of PREFIXES as a format."""
    return Format(literals, EDGE + "(?:" + "|".join(map(re.escape, literals)) + ")" + rest)


#: Looked for as they are written, in this order: what spans the most text first.
EXACT: tuple[Format, ...] = (
    Format(("PRIVATE KEY-----",), PEM),
    Format(("eyJ",), JWT, jwt),
    *(prefixed(literals, rest) for literals, rest in PREFIXES),
    Format((":AA",), TELEGRAM),
    Format(("hooks.slack.com/", ".com/api/webhooks/"), WEBHOOK),
    Format(("ig=", "ignature="), SIGNED),
    Format(("://",), USERINFO, userinfo),
    Format(("-u", "-U", "--user", "--proxy-user"), USER_OPTION, userpass),
)
#: Looked for in any case, before and after the others.
HEADERS: tuple[Format, ...] = (Format(("authorization", "cookie"), HEADER),)
FOLDED: tuple[Format, ...] = (
    Format(("bearer",), BEARER, bearer),
    Format(("basic",), BASIC, basic),
    Format(("passw", "passphrase", "passcode", "pwd", "secret", "token", "credential", "key", "_auth", "session",
            "sessid", "signature"), ASSIGNED, assigned),
    Format(("passw", "passphrase", "passcode", "pwd", "secret", "token", "credential", "key"), OPTION, option),
)  # fmt: skip
