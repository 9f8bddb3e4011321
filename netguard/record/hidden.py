"""Hides credentials in lines without regular expressions, for a guest that has no supervisor: a guest has no `re`.

It hides what the supervisor's `trail.redact` hides, but for the special options of single programs. Each function goes
through the text once, and a replaced part is not looked at again.
"""

from __future__ import annotations

from .keys import NAMES, OWN
from .names import MIN_VALUE, secret_name
from .tokens import NO_SECRETS, NOT_VALUES, TOKENS, WEBHOOKS, characters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: (literal, characters that follow, at least so many, exactly so many), flat.
LITERALS = tuple([
    (literal, written, least, exact) for literals, written, least, exact in TOKENS for literal in literals
])  # fmt: skip

ALNUM = characters("A-Za-z0-9")
HEX = characters("0-9A-Fa-f")
BASE64 = ALNUM | frozenset("_.-")
WORD = ALNUM | frozenset("_.%+/=~-")
#: What ends a value that stands bare behind `name=`, and what may stand between the name and it.
ENDS, BETWEEN = " \t\r\n\"'&;,<>", " \"'="
#: Longest name that is looked at.
MAX_NAME = 64

#: Names of headers whose whole value is a secret, however many words it has.
HEADERS = ("authorization", "cookie")
#: Words before a credential, and how long a word is that can be nothing else.
SCHEMES, LONG = ("bearer", "basic"), 20

#: Texts remembered, and the longest that is.
REMEMBERED, REMEMBERED_TEXT = 1_024, 512
#: Characters of one text that are looked at; a line keeps fewer.
LOOKED_AT = 16_384
MAX_DEPTH = 6


def redacted(value: str) -> str:
    """What stands in a secret's place: its length and nothing else."""
    return f"[redacted {len(value)}]"


class Hider:
    """Hides credentials in strings and records.

    secrets: exact values that must never be shown (`names.secrets_of`), longest first.
    """

    __slots__ = ("known", "process", "secrets")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.secrets = tuple([value for value in secrets if len(value) >= MIN_VALUE])
        self.known: dict[str, str] = {}
        self.process: tuple[object, object] = (None, None)  # the last asking process, and how it is shown

    def text(self, text: str) -> str:
        """The text with every credential that is known as one replaced."""
        if len(text) < MIN_VALUE:
            return text
        found = self.known.get(text)
        if found is None:
            found = self.look(text[:LOOKED_AT])
            if len(text) <= REMEMBERED_TEXT:
                if len(self.known) >= REMEMBERED:
                    self.known.clear()
                self.known[text] = found
        return found

    def look(self, text: str) -> str:
        """A text seen for the first time. Headers go first, to their ends: what is left of one looks like text."""
        for sign in "=:":
            if sign in text:
                text = hide_assigned(text, sign)
        for secret in self.secrets:
            if secret in text:
                text = text.replace(secret, redacted(secret))
        if "PRIVATE KEY-----" in text:
            text = hide_keys(text)
        if "://" in text and "@" in text:
            text = hide_userinfo(text)
        for literal, follow, least, exact in LITERALS:
            if literal in text:
                text = hide_token(text, literal, characters(follow), least, exact)
        if "eyJ" in text or ":AA" in text:
            text = hide_dotted(text)
        for place in WEBHOOKS:
            if place in text:
                text = hide_token(text, place, WORD, MIN_VALUE, False, whole=False)
        if " " in text:
            text = hide_words(text)
        return text

    def value(self, value: object, depth: int = MAX_DEPTH) -> object:
        """Any value of a record."""
        kind = type(value)
        if kind is str:
            return self.text(value)  # type: ignore[arg-type]
        if kind is dict and depth:
            return {
                key: redacted(inner) if key not in NAMES and type(inner) is str and secret_name(str(key))
                else self.value(inner, depth - 1)
                for key, inner in value.items()  # type: ignore[attr-defined]
            }  # fmt: skip
        if kind in (list, tuple) and depth:
            return self.items(value)  # type: ignore[arg-type]
        return value

    def items(self, items: Iterable[object]) -> list[object]:
        """A list, such as a command line, where a secret may be the item behind the option that names it."""
        shown: list[object] = []
        before = ""
        for item in items:
            if type(item) is not str:
                shown.append(self.value(item, MAX_DEPTH - 1))
                before = ""
            else:
                shown.append(self.text(behind(before, item)))
                before = item
        return shown

    def onto(
        self,
        shown: dict[str, object],
        record: Mapping[str, object],
        keys: Iterable[str],
        pack: Callable[[object], bytes] | None,
    ) -> dict[str, object]:
        """`shown` with these keys of a record, in this order."""
        for key in keys:
            value = record[key]
            if key in OWN:
                shown[key] = value
            elif key == "proc":
                if value is not self.process[0]:
                    self.process = value, self.value(value)
                shown[key] = self.process[1]
            else:
                shown[key] = self.value(value)
        return shown


def behind(option: str, value: str) -> str:
    """A value behind an option that says what it is: `--password VALUE`, `-u NAME:PASSWORD`."""
    if option[:1] != "-" or "=" in option or not value or value.startswith(("--", *NOT_VALUES)):
        return value
    if secret_name(option):
        return redacted(value)
    name, colon, password = value.partition(":")
    if option in ("-u", "-U", "--user", "--proxy-user") and password and not (password.isdigit() and len(password) < 8):
        return f"{name}{colon}{redacted(password)}" if not password.startswith(NOT_VALUES) else value
    return value


def hide_words(text: str) -> str:
    """The text without what stands behind an option's name, or behind `bearer` and `basic`."""
    words = text.split(" ")
    for at in range(1, len(words)):
        words[at] = behind(words[at - 1], words[at])
        value = words[at]
        if words[at - 1].lower().endswith(SCHEMES) and WORD.issuperset(value) and is_random(value):
            words[at] = redacted(value)
    return " ".join(words)


def is_random(value: str) -> bool:
    """Whether a word behind `bearer` or `basic` is none of a language: long, or with digits or capitals in it."""
    odd = len(value) >= LONG or any([letter in "0123456789" for letter in value]) or value[1:].lower() != value[1:]
    return len(value) >= MIN_VALUE and odd


def hide_token(text: str, literal: str, follow: frozenset[str], least: int, exact: bool, *, whole: bool = True) -> str:
    """The text without tokens of one row; with `whole` the literal is a part of them."""
    at = text.find(literal)
    while at >= 0:
        start = end = at + len(literal)
        while end < len(text) and text[end] in follow:
            end += 1
        long_enough = end - start == least if exact else end - start >= least
        if long_enough and (not whole or at_edge(text, at)):
            begin = at if whole else start
            text = text[:begin] + redacted(text[begin:end]) + text[end:]
            end = start
        at = text.find(literal, end)
    return text


def at_edge(text: str, at: int) -> bool:
    """Whether a token may begin here: not inside a word, but right behind a percent-escape."""
    if at == 0 or text[at - 1] not in ALNUM:
        return True
    return at >= 3 and text[at - 3] == "%" and text[at - 2] in HEX and text[at - 1] in HEX


def hide_dotted(text: str) -> str:
    """The text without JSON Web Tokens, which have a second part, and bots' tokens: digits, `:AA`, the rest."""
    for literal in ("eyJ", ":AA"):
        at = text.find(literal)
        while at >= 0:
            begin, end = at, at + 3
            while end < len(text) and text[end] in BASE64:
                end += 1
            while literal == ":AA" and begin > 0 and text[begin - 1] in "0123456789":
                begin -= 1
            second = text[at:end].partition(".")[2].partition(".")[0]
            if len(second) >= 8 and at_edge(text, at) if literal == "eyJ" else at - begin >= 8 and end - at >= 33:
                text = text[:begin] + redacted(text[begin:end]) + text[end:]
                end = begin + 3
            at = text.find(literal, end)
    return text


def hide_keys(text: str) -> str:
    """The text without private keys, whole or cut off."""
    at = text.find("-----BEGIN ")
    while at >= 0:
        begin = text.find("PRIVATE KEY-----", at, at + 80)
        if begin < 0:
            at = text.find("-----BEGIN ", at + 1)
            continue
        end = text.find("-----END ", begin)
        end = text.find("-----", end + 9) + 5 if end >= 0 and text.find("-----", end + 9) >= 0 else len(text)
        text = text[:at] + redacted(text[at:end]) + text[end:]
        at = text.find("-----BEGIN ", at)
    return text


def hide_userinfo(text: str) -> str:
    """The text without the passwords in its URLs, and without long names with a digit in: tokens used as one."""
    at = text.find("://")
    while at >= 0:
        start = end = at + 3
        while end < len(text) and text[end] not in "/?# \t\r\n\"'":
            end += 1
        user, sign, _ = text[start:end].rpartition("@")
        name, _, password = user.partition(":")
        if sign and password and not password.startswith(NOT_VALUES):
            place = start + len(name) + 1
            text = text[:place] + redacted(password) + text[place + len(password) :]
        elif sign and not password and len(name) >= LONG and any([letter in "0123456789" for letter in name]):
            text = text[:start] + redacted(name) + text[start + len(name) :]
        at = text.find("://", start)
    return text


def hide_assigned(text: str, sign: str) -> str:
    """The text without what stands behind a secret's name and the sign: `token=…`, `Authorization: …`."""
    at = text.find(sign)
    while at >= 0:
        start = at + 1
        while start < len(text) and text[start] in BETWEEN:
            start += 1
        name = name_before(text, at)
        if name and (secret_name(name) or name.lower() in ("pwd", "sig", "signature")):
            quote = text[start - 1] if text[start - 1] in "\"'" else ""
            ends = quote or ("\r\n\"'" if name.lower().endswith(HEADERS) else ENDS)
            end = start
            while end < len(text) and text[end] not in ends:
                end += 1
            value = text[start:end]
            if is_value(value, name, bare=sign == ":" and not quote):
                text = text[:start] + redacted(value) + text[end:]
        at = text.find(sign, max(start, at + 1))
    return text


def is_value(value: str, name: str, *, bare: bool) -> bool:
    """Whether it can be a secret. Behind a colon prose is likelier, so there it must look less like a word."""
    if value.lstrip(":").startswith(NOT_VALUES) or value.lower() in NO_SECRETS:
        return False
    if name.lower() == "pwd" and value.startswith(("/", "~", ".")):
        return False  # the working directory
    if not bare or name.lower().endswith(HEADERS):
        return len(value) >= 3
    digits = [letter for letter in value if letter in "0123456789"]
    return len(value) >= 8 or (len(value) >= 5 and 0 < len(digits) < len(value))


def name_before(text: str, at: int) -> str:
    """The word that ends where `at` is, quotes left out; at most MAX_NAME characters of it."""
    end = at
    while end > 0 and text[end - 1] in "\"' ":
        end -= 1
    start = end
    while start > 0 and end - start < MAX_NAME and (text[start - 1] in ALNUM or text[start - 1] in "_.-"):
        start -= 1
    return text[start:end]
