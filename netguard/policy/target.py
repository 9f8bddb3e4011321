"""One destination of a rule from its text: which form it has, its one canonical value, its ports.

Raises BadTarget, which says what part of the text is wrong and what to write instead. What the supervisor or the guest
will spell differently must come out the same here, so addresses and names go through `core.address` and nothing else.
"""

from __future__ import annotations

from netguard.core.address import RANGES, canonical_host, format_ip, parse_host, parse_ip
from netguard.core.policy import HOST, NET, PUBLIC, SELF, SUFFIX, UNIX, Target
from netguard.policy.schema import METADATA_NAMES

MAX_TARGET = 1_024  # a name has 253 characters, a unix socket's path 108; the rest is ports
MAX_PORTS = 64  # ranges; more are a list of destinations
BITS = {4: 32, 6: 128}


class BadTarget(ValueError):
    """The text is no destination. `offset` and `length` say which part of it is wrong."""

    def __init__(self, message: str, offset: int = 0, length: int = 0) -> None:
        super().__init__(message)
        self.offset = offset
        self.length = length


def parse_ports(text: str, offset: int) -> tuple[tuple[int, int], ...]:
    """`443`, `443,8443`, `8000-8100` as sorted inclusive ranges."""
    ranges = []
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        ends = [low, high if dash else low]
        if not all([end.isascii() and end.isdigit() and len(end) <= 5 for end in ends]):
            raise BadTarget(f"'{part}' is no port; ports are written 443, 443,8443 or 8000-8100", offset, len(text))
        if not int(ends[0]) <= int(ends[1]) <= 0xFFFF:
            raise BadTarget(f"ports go from 0 to 65535, the lower first; not '{part}'", offset, len(text))
        ranges.append((int(ends[0]), int(ends[1])))
    if len(ranges) > MAX_PORTS:
        raise BadTarget(f"more than {MAX_PORTS} ports and ranges; write several destinations", offset, len(text))
    return joined(sorted(ranges))


def joined(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sorted ranges with those that touch made one, so that equal sets of ports are equal values."""
    found: list[tuple[int, int]] = []
    for low, high in ranges:
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return tuple(found)


def ascii_name(name: str) -> str:
    """The name with Unicode labels as the `xn--` that the network sees; unchanged if it has none."""
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        raise BadTarget(f"'{name}' is no name that the network can carry (IDNA)") from None


def host_name(name: str, text: str) -> str:
    """The canonical name. Raises BadTarget on what is none, or looks like an address and is none."""
    if "*" in name:
        raise BadTarget("a * stands only at the front, as in *.example.org, and means every name below it")
    found = canonical_host(ascii_name(name))
    if found is None:
        if "%" in name or "://" in text or "/" in text:
            raise BadTarget(f"'{text}' is no destination; write HOST, HOST:PORT, an address, or a network")
        raise BadTarget(f"'{name}' is neither a host name nor an address")
    last = found.rpartition(".")[2]
    if last.isdigit() or (last.startswith("0x") and not last[2:].strip("0123456789abcdef")):
        raise BadTarget(f"'{name}' looks like an address and is none")
    return found


def parse_net(address: str, length: str, text: str) -> tuple[int, int, int]:
    """A NET's value from `ADDRESS/LENGTH`."""
    found = parse_ip(address)
    if found is None:
        raise BadTarget(f"'{text}' is no network; a destination has no path, and a network is written 10.0.0.0/8")
    version, bits = found
    if ":" in address and version == 4:
        raise BadTarget("addresses of this range are judged as the IPv4 address inside them; write the IPv4 network")
    if not (length.isascii() and length.isdigit() and len(length) <= 3 and int(length) <= BITS[version]):
        raise BadTarget(f"a network's length is 0 to {BITS[version]}, not '{length}'")
    free = BITS[version] - int(length)
    if bits & ((1 << free) - 1):
        whole = format_ip((version, bits >> free << free))
        raise BadTarget(f"bits are set behind the first {length}; write {whole}/{length}, or {address} alone")
    return version, int(length), bits >> free


def split_ports(text: str) -> tuple[str, str]:
    """(destination, ports) of a text; ports "" if there are none."""
    if text.startswith("["):
        inside, closed, rest = text[1:].partition("]")
        if not closed:
            raise BadTarget("the bracket is not closed")
        if not rest.startswith("/"):
            if rest[:1] not in ("", ":") or rest == ":":
                raise BadTarget(f"'{rest}' behind the bracket is no port", len(inside) + 2, len(rest))
            return inside, rest[1:]
        length, colon, ports = rest.partition(":")
        return inside + length, ports
    network, slash, length = text.rpartition("/")
    if slash:
        length, colon, ports = length.partition(":")
        return f"{network}/{length}", ports
    if text.count(":") > 1:  # an address of version 6 without brackets; it takes no ports
        return text, ""
    host, colon, ports = text.partition(":")
    if colon and not ports:
        raise BadTarget("a port is missing behind the colon", len(host), 1)
    return host, ports


def parse_target(text: str) -> Target:
    """A destination that is no @list. Raises BadTarget."""
    if len(text) > MAX_TARGET:
        raise BadTarget(f"longer than {MAX_TARGET} characters")
    if text.startswith("unix:"):
        return unix_target(text)
    if "://" in text:
        host = text.partition("://")[2].partition("/")[0]
        raise BadTarget(f"a URL is no destination; write its host and port, '{host}'")
    found, ports_text = split_ports(text)
    ports = parse_ports(ports_text, text.rindex(ports_text)) if ports_text else None
    if found in ("", "*"):
        raise BadTarget("a destination needs a host; leave `to` out to speak of every destination")
    if "/" in found:
        network, _, length = found.rpartition("/")
        return Target(NET, parse_net(network, length, text), ports, text)
    address = parse_host(found)
    if isinstance(address, tuple):
        return Target(NET, (address[0], BITS[address[0]], address[1]), ports, text)
    if ":" in found:
        raise BadTarget(f"'{found}' is no address; with a port, an IPv6 address stands in brackets")
    if found.startswith("*."):
        return Target(SUFFIX, host_name(found[2:], text), ports, text)
    return Target(HOST, host_name(found, text), ports, text)


def unix_target(text: str) -> Target:
    """`unix:/path` or `unix:@abstract`, perhaps ending in *."""
    path = text[len("unix:") :]
    if path[:1] not in ("/", "@") or len(path) < 2 or "*" in path[:-1] or "\0" in path:
        raise BadTarget("a unix socket is written unix:/path or unix:@name; a * may stand at its end")
    return Target(UNIX, path, None, text)


def with_ports(target: Target, ports: tuple[tuple[int, int], ...], text: str) -> Target:
    """A list's destination with the ports written behind the list's name. Raises BadTarget if it has its own."""
    if target.ports is not None or target.form == UNIX:
        raise BadTarget(f"'{target.text}' in the list cannot take other ports")
    return Target(target.form, target.value, ports, text)


def builtin_targets(name: str) -> tuple[Target, ...]:
    """The destinations of a built-in list, by its name without the @."""
    text = "@" + name
    forms = {"self": SELF, "public": PUBLIC}
    if name in forms:
        return (Target(forms[name], None, None, text),)
    nets = [Target(NET, net, None, text) for net in RANGES[name]]
    names = METADATA_NAMES if name == "metadata" else ()
    return (*nets, *[Target(HOST, host, None, text) for host in names])
