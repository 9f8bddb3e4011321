"""Addresses and host names in one form each, so that a rule sees the destination and not its spelling.

Every spelling that a libc reads as an address becomes the same `(version, number)`. What only looks like one is None,
and then it is a name or nothing: this file never guesses, because a guess that differs from the libc's is a way round
a rule. Total: no `str` makes a function here raise. It runs in the guest at each connect, so the plain spelling is one
table look-up per octet and the rest may take longer.

Sources: inet_aton(3) and glibc resolv/inet_addr.c (IPv4 forms), RFC 4291 section 2.2 and glibc resolv/inet_pton.c
(IPv6 text), RFC 5952 (output), the IANA special-purpose registries for IPv4 and IPv6 (ranges), RFC 6052 (NAT64),
RFC 3056 (6to4).
"""

from __future__ import annotations

TYPE_CHECKING = False  # what typing exports, without importing typing into the guest
if TYPE_CHECKING:
    Address = tuple[int, int]
    Net = tuple[int, int, int]

#: The decimal octets as inet_pton reads them: no leading zero, no sign. A table, because `int()` takes +1, 1_0 and
#: digits of other scripts.
OCTETS = {str(number): number for number in range(256)}

DECIMAL, OCTAL, HEXADECIMAL = "0123456789", "01234567", "0123456789abcdefABCDEF"

#: Lower case letters, digits, hyphen, dot, and the underscore that real names (_dmarc, my_host) have.
HOST_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_."

#: The longest interface name there is (IFNAMSIZ 16 with its NUL), so that a zone is no room for other data.
MAX_ZONE = 15

#: The length of an address of each version.
BITS = {4: 32, 6: 128}

#: What stands behind @loopback and its like: (version, prefix length, network number without its host bits).
#: 0.0.0.0/8 and :: are loopback because connecting to them arrives there. ::/127 is one net on purpose: `decide` takes
#: a net of full length as written by hand, and only such a one may grant listening on every interface.
RANGES: dict[str, tuple[Net, ...]] = {
    "metadata": (
        (4, 32, 0xA9FEA9FE),  # 169.254.169.254, most clouds
        (4, 32, 0xA9FEAA02),  # 169.254.170.2, task credentials
        (4, 32, 0xA9FEAA17),  # 169.254.170.23, pod identity
        (4, 32, 0xA9FE0017),  # 169.254.0.23
        (4, 32, 0xA83F8110),  # 168.63.129.16, a public address that only exists inside one cloud
        (4, 32, 0x646464C8),  # 100.100.100.200
        (4, 32, 0xC00000C0),  # 192.0.0.192
        (6, 128, 0xFD000EC2_00000000_00000000_00000254),  # fd00:ec2::254
        (6, 128, 0xFD000EC2_00000000_00000000_00000023),  # fd00:ec2::23
        (6, 128, 0xFD2000CE_00000000_00000000_00000254),  # fd20:ce::254
        (6, 128, 0xFE800000_00000000_00000000_A9FEA9FE),  # fe80::a9fe:a9fe
    ),
    "loopback": ((4, 8, 127), (4, 8, 0), (6, 127, 0)),
    "private": (
        (4, 8, 10),
        (4, 12, 0xAC1),  # 172.16.0.0/12
        (4, 16, 0xC0A8),  # 192.168.0.0/16
        (4, 10, 0x191),  # 100.64.0.0/10, between a carrier and its customers: somebody's inside (RFC 6598)
        (6, 7, 0x7E),  # fc00::/7
        (6, 10, 0x3FB),  # fec0::/10, site-local: deprecated, still routed by some
    ),
    "linklocal": ((4, 16, 0xA9FE), (6, 10, 0x3FA)),
    "multicast": ((4, 4, 0xE), (6, 8, 0xFF)),
}

#: Neither public nor any of the above. Of IPv6, all that is not 2000::/3 is reserved besides.
RESERVED: tuple[Net, ...] = (
    (4, 24, 0xC00000),  # 192.0.0.0/24
    (4, 24, 0xC00002),  # 192.0.2.0/24
    (4, 24, 0xC05863),  # 192.88.99.0/24, the former 6to4 relays
    (4, 15, 0x6309),  # 198.18.0.0/15
    (4, 24, 0xC63364),  # 198.51.100.0/24
    (4, 24, 0xCB0071),  # 203.0.113.0/24
    (4, 4, 0xF),  # 240.0.0.0/4 with the broadcast address
    (6, 23, 0x100080),  # 2001::/23, Teredo among them: the address inside is not readable
    (6, 32, 0x20010DB8),
    (6, 20, 0x3FFF0),  # 3fff::/20
)


def parse_ip(text: str) -> Address | None:
    """The address that `text` spells, or None when it spells none.

    Reads what getaddrinfo(AI_NUMERICHOST) reads and nothing else (one to four parts, decimal, octal or hexadecimal;
    IPv6 with a zone), but for brackets round IPv6 as in a URL. A zone is dropped. IPv4 inside IPv6 comes out as IPv4
    (see `unpack`). "" and text that is not ASCII are None, and so is "127.0.0.1.": a resolver takes it for a name.

    Returns: (4 or 6, number) or None. Never raises.
    """
    parts = text.split(".", 4)
    if len(parts) == 4:
        try:
            return 4, OCTETS[parts[0]] << 24 | OCTETS[parts[1]] << 16 | OCTETS[parts[2]] << 8 | OCTETS[parts[3]]
        except KeyError:
            pass  # another spelling, or none
    if not text.isascii():
        return None
    if ":" in text:
        return parse_v6(text)
    return parse_v4(text)


def parse_v4(text: str) -> Address | None:
    """The IPv4 address in any of inet_aton's forms: the last part fills what the others leave."""
    parts = text.split(".", 4)
    if len(parts) > 4:
        return None
    total = 0
    for part in parts[:-1]:
        value = parse_number(part)
        if value is None or value > 255:
            return None
        total = total << 8 | value
    rest = 8 * (5 - len(parts))
    last = parse_number(parts[-1])
    return None if last is None or last >> rest else (4, total << rest | last)


def parse_number(part: str) -> int | None:
    """One part as strtoul(…, 0) reads it and reads it whole: 0x… hexadecimal, 0… octal, else decimal; below 2**32."""
    if part[:1] != "0":
        return bounded(part, DECIMAL, 10)
    if part[1:2] in ("x", "X"):
        return bounded(part[2:], HEXADECIMAL, 16)
    return bounded(part, OCTAL, 8)


def bounded(digits: str, alphabet: str, base: int) -> int | None:
    """`digits` as a number below 2**32, or None. A libc reads any count of leading zeros, so they are not a limit."""
    if not digits or digits.strip(alphabet):
        return None
    significant = digits.lstrip("0")
    if len(significant) > 11:  # 2**32 has 11 octal digits; beyond, int() is quadratic in text the guest chose
        return None
    value = int(significant or "0", base)
    return None if value >> 32 else value


def parse_v6(text: str) -> Address | None:
    """An IPv6 address as inet_pton reads it, perhaps with a zone, perhaps in brackets."""
    if text.startswith("["):
        if not text.endswith("]"):
            return None
        text = text[1:-1]
    text, percent, zone = text.partition("%")
    if (percent and not 0 < len(zone) <= MAX_ZONE) or len(text) > 45:
        return None
    groups = parse_groups(text)
    if groups is None:
        return None
    number = 0
    for group in groups:
        number = number << 16 | group
    return unpack(number)


def parse_groups(text: str) -> list[int] | None:
    """The eight groups of an IPv6 text, its "::" filled with zeros."""
    halves = text.split("::")
    if len(halves) > 2:
        return None
    head = parse_half(halves[0], ends=len(halves) == 1)
    if len(halves) == 1 or head is None:
        return head if head is not None and len(head) == 8 else None
    tail = parse_half(halves[1], ends=True)
    if tail is None or len(head) + len(tail) > 7:  # "::" stands for one group at least
        return None
    return head + [0] * (8 - len(head) - len(tail)) + tail


def parse_half(text: str, ends: bool) -> list[int] | None:
    """The groups on one side of "::"; only where the address ends may its last 32 bits be a dotted quad."""
    if not text:
        return []
    pieces = text.split(":")
    tail: list[int] = []
    if ends and "." in pieces[-1]:
        octets = [OCTETS.get(part) for part in pieces.pop().split(".")]
        if len(octets) != 4 or None in octets:
            return None
        one, two, three, four = [octet or 0 for octet in octets]
        tail = [one << 8 | two, three << 8 | four]
    if any(len(piece) not in (1, 2, 3, 4) or piece.strip(HEXADECIMAL) for piece in pieces):
        return None
    return [int(piece, 16) for piece in pieces] + tail


def unpack(number: int) -> Address:
    """The IPv6 address `number` in canonical form: the IPv4 address inside where there is one.

    Inside are IPv4-mapped and IPv4-compatible (but :: and ::1 are themselves), NAT64 64:ff9b::/96 and 6to4 2002::/16:
    each of them reaches the IPv4 host, so each must meet the rules of that host.
    """
    high = number >> 32
    if high == 0xFFFF or high == 0x64FF9B << 64 or (high == 0 and number > 1):
        return 4, number & 0xFFFFFFFF
    if number >> 112 == 0x2002:
        return 4, number >> 80 & 0xFFFFFFFF
    return 6, number


def format_ip(address: Address) -> str:
    """The canonical text of an address: a dotted quad, or IPv6 after RFC 5952 without a dotted tail."""
    version, number = address
    if version == 4:
        return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    groups = [f"{number >> shift & 0xFFFF:x}" for shift in range(112, -16, -16)]
    start, length = longest_zeros(groups)
    if length < 2:
        return ":".join(groups)
    return ":".join(groups[:start]) + "::" + ":".join(groups[start + length :])


def longest_zeros(groups: list[str]) -> tuple[int, int]:
    """(start, length) of the first longest run of "0"; (0, 0) when there is none."""
    best = (0, 0)
    run = 0
    for place, group in enumerate(groups):
        run = run + 1 if group == "0" else 0
        if run > best[1]:
            best = (place + 1 - run, run)
    return best


def canonical_host(text: str) -> str | None:
    """The one spelling of a host name, or None when `text` is no name.

    Lower case, without its one trailing dot; ASCII letters, digits, hyphens and underscores in labels of 1 to 63, 253
    in all. An address is not a name. `xn--` labels stay; Unicode is for whoever has a codec to turn into them first.
    """
    if len(text) > 254 or not text.isascii():
        return None
    host = text.lower()
    if host.endswith("."):
        host = host[:-1]
    if not host or len(host) > 253 or host.strip(HOST_CHARACTERS):
        return None
    for label in host.split("."):
        if not 0 < len(label) < 64:
            return None
    if "0" <= host[0] <= "9" and parse_ip(host) is not None:
        return None
    return host


def parse_host(text: str) -> Address | str | None:
    """What a URL, a header or a policy calls a host: its address, else its canonical name, else None.

    Here, and not where a libc will read the text, one trailing dot behind an IPv4 address is a spelling of it: URL
    parsers say so (WHATWG URL, "ends in a number"), and no name can be meant.
    """
    address = parse_ip(text[:-1] if text.endswith(".") and ":" not in text else text)
    return canonical_host(text) if address is None else address


def in_net(address: Address, net: Net) -> bool:
    """Whether the address lies in the net, which is (version, prefix length, number without its host bits)."""
    version, length, network = net
    return address[0] == version and address[1] >> (BITS[version] - length) == network


def special_by_octet() -> dict[int, tuple[tuple[str, int, int], ...]]:
    """For each first octet that has special IPv4 nets: (range's name, shift, network), the narrow word first."""
    table: dict[int, tuple[tuple[str, int, int], ...]] = {}
    for name, nets in [*RANGES.items(), ("reserved", RESERVED)]:
        for version, length, network in nets:
            if version == 4:
                first = network >> (length - 8) if length >= 8 else network << (8 - length)
                for octet in range(first, first + (1 << max(0, 8 - length))):
                    table[octet] = (*table.get(octet, ()), (name, 32 - length, network))
    return table


SPECIAL_V4 = special_by_octet()


def special(address: Address) -> str:
    """The name of the special range the address lies in: a key of RANGES or "reserved"; "" for a public one.

    Metadata is asked first, because its addresses lie in other ranges as well.
    """
    version, number = address
    if version == 4:
        for name, shift, network in SPECIAL_V4.get(number >> 24, ()):
            if number >> shift == network:
                return name
        return ""
    for name, nets in RANGES.items():
        for net in nets:
            if in_net(address, net):
                return name
    if number >> 125 != 1:
        return "reserved"
    return "reserved" if any(in_net(address, net) for net in RESERVED) else ""


def is_public(address: Address) -> bool:
    """Whether the address is in no special range."""
    return not special(address)
