"""Hides credentials in lines without regular expressions, for a guest that has no supervisor: a guest has no `re`.

It knows the values it was given, tokens by how they begin, what stands behind a secret's name, and the password in a
URL. It knows less than the supervisor's `trail.redact`, so the more is left to whoever keeps the lines.
"""

from __future__ import annotations

from .keys import NAMES, OWN
from .names import MIN_VALUE, secret_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: How tokens begin, and how many characters must follow for it to be one. Formats are from the vendors' documents.
TOKENS: tuple[tuple[str, int], ...] = (
    ("AKIA", 16), ("ASIA", 16), ("ghp_", 20), ("gho_", 20), ("ghu_", 20), ("ghs_", 20), ("ghr_", 20),
    ("github_pat_", 20), ("glpat-", 16), ("gldt-", 16), ("xoxb-", 8), ("xoxp-", 8), ("xoxa-", 8), ("xapp-", 8),
    ("sk_live_", 8), ("sk_test_", 8), ("rk_live_", 8), ("whsec_", 16), ("AIza", 30), ("ya29.", 16), ("sk-ant-", 12),
    ("sk-proj-", 12), ("sk-svcacct-", 12), ("sk-", 20), ("hf_", 20), ("gsk_", 20), ("nvapi-", 20), ("npm_", 30),
    ("pypi-AgE", 16), ("SG.", 33), ("hvs.", 16), ("dop_v1_", 32), ("dckr_pat_", 16), ("eyJ", 24),
)  # fmt: skip

WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.%+/=~")
EDGE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
#: What ends a value that stands bare behind `name=`.
ENDS = " \t\r\n\"'&;,<>"

#: Names of headers whose whole value is a secret, however many words it has.
HEADERS = ("authorization", "cookie")

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
        """A text seen for the first time."""
        for secret in self.secrets:
            if secret in text:
                text = text.replace(secret, redacted(secret))
        if "://" in text and "@" in text:
            text = hide_userinfo(text)
        for beginning, least in TOKENS:
            if beginning in text:
                text = hide_token(text, beginning, least)
        for sign in "=:":
            if sign in text:
                text = hide_assigned(text, sign)
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
            elif before and not item.startswith("--") and item:
                shown.append(redacted(item))
                before = ""
            else:
                shown.append(self.text(item))
                before = item if item[:1] == "-" and "=" not in item and secret_name(item) else ""
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


def hide_token(text: str, beginning: str, least: int) -> str:
    """The text without tokens that begin so."""
    at = text.find(beginning)
    while at >= 0:
        end = at + len(beginning)
        while end < len(text) and text[end] in WORD:
            end += 1
        if end - at - len(beginning) >= least and (at == 0 or text[at - 1] not in EDGE):
            text = text[:at] + redacted(text[at:end]) + text[end:]
            end = at
        at = text.find(beginning, end + 1)
    return text


def hide_userinfo(text: str) -> str:
    """The text without the passwords in its URLs."""
    at = text.find("://")
    while at >= 0:
        start = end = at + 3
        while end < len(text) and text[end] not in "/?# \t\r\n\"'":
            end += 1
        user, sign, _ = text[start:end].rpartition("@")
        name, _, password = user.partition(":")
        if sign and password and not password.startswith("[redacted "):
            place = start + len(name) + 1
            text = text[:place] + redacted(password) + text[place + len(password) :]
        at = text.find("://", start)
    return text


def hide_assigned(text: str, sign: str) -> str:
    """The text without what stands behind a secret's name and the sign: `token=…`, `Authorization: …`."""
    at = text.find(sign)
    while at >= 0:
        name = name_before(text, at)
        start = at + 1
        while start < len(text) and text[start] in " \"'=":
            start += 1
        if name and secret_name(name):
            whole = name.lower().endswith(HEADERS)
            end = start
            while end < len(text) and text[end] not in ("\r\n\"'" if whole else ENDS):
                end += 1
            value = text[start:end]
            if len(value) >= 3 and "[redacted " not in value and value[:1] not in "$%{[":
                text = text[:start] + redacted(value) + text[end:]
        at = text.find(sign, max(start, at + 1))
    return text


def name_before(text: str, at: int) -> str:
    """The word that ends where `at` is, quotes left out; at most 64 characters of it."""
    end = at
    while end > 0 and text[end - 1] in "\"' ":
        end -= 1
    start = end
    while start > 0 and end - start < 64 and text[start - 1] in WORD:
        start -= 1
    return text[start:end]
