"""Hides credentials in everything a line says, before it is hashed: what was never written cannot leak.

It knows the values it was given, the formats of `formats.py` and the names of `record.names`. It does not decode: a
secret in base64 inside a longer text, or split over two strings, is the detectors' business.
"""

from __future__ import annotations

from netguard.record.keys import NAMES, OWN
from netguard.record.line import MAX_ITEMS, MAX_TEXT, mark, packed
from netguard.record.names import MIN_VALUE, secret_name
from netguard.trail.formats import EXACT, FOLDED, HEADERS, redacted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from netguard.trail.formats import Format

#: No credential worth hiding is shorter together with what marks it as one.
SHORT = 7
#: Characters of one text that are looked at; of a longer one only the beginning is kept, as on the line itself.
LOOKED_AT = 65_536
#: Texts remembered, and the longest that is: at most 4096 x 512 characters of memory whatever the guest says.
REMEMBERED, REMEMBERED_TEXT = 4_096, 512
MAX_DEPTH = 6

#: Programs whose short options are followed by a secret as the next argument, and those that take it attached.
NEXT_IS_SECRET = {"sshpass": ("-p",), "redis-cli": ("-a", "--pass"), "smbclient": ("-U",), "ldapsearch": ("-w",)}
ATTACHED = {"mysql": "-p", "mysqldump": "-p", "mysqladmin": "-p", "mariadb": "-p", "sshpass": "-p"}
USER_OPTIONS = frozenset({"-u", "-U", "--user", "--proxy-user"})


def literals_of(formats: Iterable[Format]) -> tuple[tuple[str, Format], ...]:
    """(literal, its format), flat, so that looking for them is one short loop."""
    return tuple((literal, row) for row in formats for literal in row.literals)


HEADER_LITERALS = literals_of(HEADERS)
EXACT_LITERALS = literals_of(EXACT)
FOLDED_LITERALS = literals_of(FOLDED)


class Known(dict[str, str]):
    """Texts and how they are shown. Looking one up that is new hides it first; a hit never leaves C code."""

    def __init__(self, look: Callable[[str], str]) -> None:
        super().__init__()
        self.look = look

    def __missing__(self, text: str) -> str:
        """A text not seen lately."""
        shown = self.look(text)
        if len(text) <= REMEMBERED_TEXT:
            if len(self) >= REMEMBERED:
                self.clear()  # the guest may flood it; a memory that starts anew is only slower
            self[text] = shown
        return shown


class Redactor:
    """Hides credentials in strings and records.

    secrets: exact values that must never be shown (see `names.secrets_of`); shorter ones than MIN_VALUE are left out,
             they would hide ordinary text. Longest first, so that a part never breaks the whole.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        values = {value for value in secrets if len(value) >= MIN_VALUE}
        values |= {quoted(value) for value in values}
        self.secrets = tuple(sorted(values, key=len, reverse=True))
        self.known = Known(self.look)
        self.lists: dict[tuple[object, ...], list[object]] = {}
        self.objects: dict[bytes, object] = {}

    def text(self, text: str) -> str:
        """A text with every credential replaced by `[redacted N]`, N being the length of what stood there."""
        return self.known[text]

    def look(self, text: str) -> str:
        """A text seen for the first time. Of a very long one only the beginning is kept, as on a line anyway."""
        if len(text) <= SHORT:
            return text
        if len(text) <= LOOKED_AT:
            return self.hidden(text)
        # Cut after hiding: half a secret at the edge would no longer look like one.
        return self.hidden(text[:LOOKED_AT])[:MAX_TEXT] + mark(len(text) - MAX_TEXT)

    def hidden(self, text: str) -> str:
        """The text after every row that its literals call for."""
        named = "=" in text or ":" in text or " " in text or "%" in text  # else no name can have a value here
        if named:  # a header hides to its end, so it goes first: what is left of it could not be told from text
            text = apply(text, HEADER_LITERALS, text.lower())
        for secret in self.secrets:
            if secret in text:
                text = text.replace(secret, redacted(secret))
        text = apply(text, EXACT_LITERALS, text)
        return apply(text, FOLDED_LITERALS, text.lower()) if named else text

    def argv(self, items: Sequence[object]) -> list[object]:
        """A list, such as a command line, where a secret may be the item after the one that names it."""
        key = tuple(items)
        try:
            known = self.lists.get(key)
        except TypeError:  # it holds an object or a list
            return self.listed(items)
        if known is None:
            known = self.listed(items)
            if sum(len(item) if type(item) is str else REMEMBERED_TEXT for item in items) < REMEMBERED_TEXT:
                if len(self.lists) >= REMEMBERED:
                    self.lists.clear()
                self.lists[key] = known
        return known

    def listed(self, items: Sequence[object]) -> list[object]:
        """The list, item by item, each with the one before it in mind; no more items than a line keeps."""
        program = items[0].rsplit("/", 1)[-1] if items and isinstance(items[0], str) else ""
        shown: list[object] = []
        before = ""
        for item in items[:MAX_ITEMS]:
            if isinstance(item, str):
                shown.append(self.item(item, before, program))
                before = item if item[:1] == "-" else ""
            else:
                shown.append(self.value(item, MAX_DEPTH - 1))
                before = ""
        if len(items) > MAX_ITEMS:
            shown.append(mark(len(items) - MAX_ITEMS))
        return shown

    def item(self, item: str, before: str, program: str) -> str:
        """One item of a command line, knowing the option before it ("" if that is none)."""
        if before and not item.startswith(("--", "[redacted ")) and item:
            if before in NEXT_IS_SECRET.get(program, ()) or ("=" not in before and secret_name(before)):
                return redacted(item)
            if before in USER_OPTIONS and ":" in item:
                return self.text(hide_password(item))
        attached = ATTACHED.get(program)
        if attached and item.startswith(attached) and len(item) > len(attached) and "[redacted " not in item:
            return attached + redacted(item[len(attached) :])
        if program == "curl" and item.startswith("-u") and ":" in item:
            return self.text(hide_password(item))
        return self.text(item)

    def value(self, value: object, depth: int = MAX_DEPTH) -> object:
        """Any value of a record, every string in it shown safely. Deeper than MAX_DEPTH nothing is shown."""
        if isinstance(value, str):
            return self.text(str(value))
        if isinstance(value, dict):
            return self.mapping(value, depth - 1) if depth else mark(len(value))
        if isinstance(value, (list, tuple)):
            return self.argv(value) if depth else mark(len(value))
        if isinstance(value, (bytes, bytearray)):
            return self.text(bytes(value[:LOOKED_AT]).decode("ascii", "backslashreplace"))
        return value

    def finished(self, value: dict[object, object], key: bytes) -> object:
        """An object for `line.quick`, as finished JSON that is remembered under the JSON it came from."""
        shown = self.mapping(value)
        if len(key) > REMEMBERED_TEXT:
            return shown
        if len(self.objects) >= REMEMBERED:
            self.objects.clear()
        self.objects[key] = known = packed(shown)
        return known

    def mapping(self, value: Mapping[object, object], depth: int = MAX_DEPTH) -> dict[object, object]:
        """An object. Where the keys are not netguard's own they are shown safely too, and may name a secret."""
        known = self.known
        if NAMES.issuperset(value):
            return {
                key: known[inner] if type(inner) is str else inner if type(inner) is int else self.value(inner, depth)
                for key, inner in value.items()
            }
        return {
            known[key] if isinstance(key, str) else key: self.named(key, inner, depth) for key, inner in value.items()
        }

    def named(self, key: object, value: object, depth: int) -> object:
        """A value under a key that is not netguard's own: a header's, tag's or claim's name."""
        if not isinstance(key, str) or not secret_name(key):
            return self.value(value, depth)
        if isinstance(value, str):
            return value if value.startswith("[redacted ") else redacted(value)
        if isinstance(value, (list, tuple)):
            return [self.named(key, item, depth) for item in value]
        return self.value(value, depth)

    def record(self, record: Mapping[str, object]) -> dict[str, object]:
        """A record with every string shown safely, but for the trail's own keys (records.OWN)."""
        return self.onto({}, record, tuple(record), None)

    def onto(
        self,
        shown: dict[str, object],
        record: Mapping[str, object],
        keys: Iterable[str],
        pack: Callable[[object], bytes] | None,
    ) -> dict[str, object]:
        """`shown` with these keys of a record, in this order: every line passes here, so it is written for speed.

        pack: makes objects finished JSON, which only `line.quick` understands, and raises line.NOT_JSON on what is
              none. One process, one call site and one destination are most of a run, so most objects were seen before.
        """
        known, objects = self.known, self.objects
        for key in keys:
            value = record[key]
            if type(value) is str:
                shown[key] = value if key in OWN else known[value]
            elif type(value) is dict:
                if pack is None:
                    shown[key] = self.mapping(value)
                else:
                    body = pack(value)
                    shown[key] = objects.get(body) or self.finished(value, body)
            else:
                shown[key] = value if key in OWN else self.value(value)
        return shown


def redact_record(record: Mapping[str, object], redactor: Redactor) -> dict[str, object]:
    """`redactor.record(record)`, for those who hold both."""
    return redactor.record(record)


def apply(text: str, literals: tuple[tuple[str, Format], ...], where: str) -> str:
    """The text after each row that has a literal in `where` (the text itself or in lower case), in order."""
    last: Format | None = None
    for row in [row for literal, row in literals if literal in where]:
        if row is not last:
            text = row.sub(text)
        last = row
    return text


def hide_password(item: str) -> str:
    """`user:[redacted N]`; `1000:1000` is a uid and a gid."""
    user, _, password = item.partition(":")
    if not password or password.startswith("[redacted ") or (password.isdigit() and len(password) < MIN_VALUE):
        return item
    return f"{user}:{redacted(password)}"


def quoted(value: str) -> str:
    """The value as a URL carries it (RFC 3986: all but unreserved characters escaped)."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-._~") else percent(c) for c in value)


def percent(character: str) -> str:
    """One character, percent-encoded."""
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
