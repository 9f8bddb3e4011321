"""Lists of destinations that a file holds: /etc/hosts lines, names, or networks, as block lists are published.

A line that cannot be read is an error and not skipped: in a list that denies, what is skipped is let through.
"""

from __future__ import annotations

from netguard.core.address import parse_ip
from netguard.core.policy import HOST, NET, SUFFIX, Target
from netguard.errors import PolicyError
from netguard.policy.node import excerpt, printable
from netguard.policy.target import BITS, BadTarget, host_name, parse_net

#: Names that every hosts file has for the machine itself and its links; published lists keep them, they block nothing.
OWN_NAMES = frozenset(
    "localhost localhost.localdomain local broadcasthost ip6-localhost ip6-loopback ip6-localnet ip6-mcastprefix "
    "ip6-allnodes ip6-allrouters ip6-allhosts 0.0.0.0".split()
)


def hosts_line(fields: list[str]) -> list[Target]:
    """`ADDRESS NAME…`: each name exactly."""
    if parse_ip(fields[0]) is None or len(fields) < 2:
        raise BadTarget("a line of a hosts file is ADDRESS NAME; a list of bare names has the format domains")
    return [Target(HOST, host_name(name, name), None, name) for name in fields[1:] if name.lower() not in OWN_NAMES]


def domains_line(fields: list[str]) -> list[Target]:
    """A name: itself and everything below it."""
    if len(fields) != 1:
        raise BadTarget("a line of a list of domains is one name; a hosts file has the format hosts")
    name = fields[0].removeprefix("*.")
    host = host_name(name, name)
    return [Target(HOST, host, None, name), Target(SUFFIX, host, None, "*." + name)]


def cidr_line(fields: list[str]) -> list[Target]:
    """A network or one address."""
    text = fields[0]
    address, slash, length = text.partition("/")
    found = parse_ip(address)
    if len(fields) != 1 or found is None:
        raise BadTarget("a line of a cidr list is one network or address")
    value = parse_net(address, length, text) if slash else (found[0], BITS[found[0]], found[1])
    return [Target(NET, value, None, text)]


LINES = {"hosts": hosts_line, "domains": domains_line, "cidr": cidr_line}


def read_list(text: str, format: str, shown: str) -> tuple[Target, ...]:
    """The destinations of a list file's text.

    format: a key of LINES.  shown: the file's name for errors. Comments begin with `#` or `;`.
    Raises PolicyError with the line of what cannot be read.
    """
    read = LINES[format]
    found: list[Target] = []
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.partition("#")[0].partition(";")[0].split()
        if fields:
            try:
                found += read(fields)
            except BadTarget as error:
                place = f"{printable(shown)}:{number}:{line.index(fields[0]) + 1}"
                marked = excerpt(line.rstrip(), line.index(fields[0]) + 1, len(line.strip()))
                raise PolicyError(f"{place}: {error}\n{marked}") from None
    return tuple(found)
