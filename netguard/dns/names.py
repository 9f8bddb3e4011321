"""Domain names: octets on the wire, and the one text that rules and people read.

On the wire a name is its labels, each behind its length, and an empty one (RFC 1035 section 3.1). The text of a name
that could be a host's is what `core.address.canonical_host` makes of it. In any other, each octet that has a meaning in
a text is escaped as in a master file (RFC 1035 section 5.1), always in the form of three digits: so a dot in a text is
always a border of labels, and no label passes for an address, for two labels, or for a pattern's end.
"""

from __future__ import annotations

from netguard.dns.malformed import Malformed

TYPE_CHECKING = False
if TYPE_CHECKING:
    #: Place in a message -> the name there, and the pointers it ends with.
    Seen = dict[int, tuple[bytes, int]]

#: RFC 1035 section 2.3.4.
MAX_NAME, MAX_LABEL = 255, 63

#: Pointers of one name; other readers stop there too. It bounds what a name costs that is mostly pointers.
MAX_JUMPS = 16

#: Octets before the first name of a message. They are no labels, so nothing may point there.
HEADER = 12

ROOT = b"\0"

#: Octets of a label that mean nothing but themselves: printable, and none of `" $ ( ) . : ; @ \` or a space. The colon
#: is not special in master files; without it no name reads as an IPv6 address.
PLAIN = bytes(octet for octet in range(0x21, 0x7F) if octet not in b'"$().:;@\\')

_TEXT = [chr(octet) if octet in PLAIN else f"\\{octet:03d}" for octet in range(256)]


def read_name(data: bytes, at: int, seen: Seen) -> tuple[bytes, int]:
    """The name at `at`, its pointers followed, and where the message goes on behind it.

    A pointer leads to a name that ends before the labels that end with it: each jump goes back, and the walk ends.
    seen: the names of this message so far; this one is put in, so that many pointers to a long name cost little.
    Raises Malformed.
    """
    begin, after, stop, known = at, 0, len(data), (b"", 0)
    head, jumps = b"", [(at, 0)]
    try:
        while length := data[at]:
            if length <= MAX_LABEL:
                at += 1 + length
                if len(head) + at - begin >= MAX_NAME:
                    raise Malformed("a name of more than 255 octets")
                if at >= stop:
                    raise Malformed("a name that runs into another")
                continue
            target = (length & 0x3F) << 8 | data[at + 1]
            if length < 0xC0 or not HEADER <= target < begin or len(jumps) > MAX_JUMPS:
                raise Malformed("a name with a pointer that leads nowhere")
            after = after or at + 2
            head += data[begin:at]
            jumps.append((target, len(head)))
            if target in seen:
                known = seen[target]
                break
            stop, begin, at = begin, target, target
    except IndexError:
        raise Malformed("a name without an end") from None
    name = head + (known[0] or data[begin : at + 1])
    count = len(jumps) - 1 + known[1]
    if len(name) > MAX_NAME or count > MAX_JUMPS:
        raise Malformed("a name of more than 255 octets, or too many pointers")
    for made, (place, size) in enumerate(jumps):
        seen[place] = (name[size:], count - made)
    return name, after or at + 1


def labels_of(name: bytes) -> list[bytes]:
    """The labels of a name that is known to be whole, without the root's."""
    labels, at = [], 0
    while length := name[at]:
        labels.append(name[at + 1 : at + 1 + length])
        at += 1 + length
    return labels


def text_of(name: bytes) -> str:
    """The text of a name that is known to be whole: lower case, no dot at its end; "." for the root."""
    labels = labels_of(name.lower())  # a length is below 64, and no letter
    if b"".join(labels).translate(None, PLAIN):
        return ".".join(["".join([_TEXT[octet] for octet in label]) for label in labels])
    return b".".join(labels).decode("ascii") or "."


def name_of(text: str) -> bytes:
    """The name that has this text, in lower case. Raises Malformed when none has."""
    found = bytearray()
    for part in text.removesuffix(".").split(".") if text != "." else ():
        label = unescape(part)
        if not 0 < len(label) <= MAX_LABEL:
            raise Malformed("a label of no octets or more than 63")
        found += bytes((len(label),)) + label
    if len(found) >= MAX_NAME:
        raise Malformed("a name of more than 255 octets")
    return bytes(found.lower()) + ROOT


def unescape(part: str) -> bytes:
    """The octets of one label's text. Raises Malformed."""
    first, *escaped = part.split("\\")
    try:
        found = first.encode("ascii")
        for piece in escaped:
            digits, rest = piece[:3], piece[3:]
            if len(digits) != 3 or digits.strip("0123456789"):
                raise Malformed("an escape that is not three digits")
            found += bytes((int(digits),)) + rest.encode("ascii")
    except ValueError:
        raise Malformed("a label that is not ASCII, or an escape past 255") from None
    return found


def zones_of(name: bytes) -> list[bytes]:
    """The name and those it lies in, up to the root."""
    found, at = [name], 0
    while length := name[at]:
        at += 1 + length
        found.append(name[at:])
    return found
