"""The one rule that would decide just one record, to be copied into a rule file by a person who has read it.

Exactly that record's act: its destination with its port and protocol, its program with its arguments. Where the rule
language cannot name an act so exactly (native code, a credential file, a program whose arguments hold a `*`), there is
no such rule, and none that would let more through is offered in its place.

Which library made a native call stands in none: a grant by it would rest on the guest's own word, and a denial by it
would hold less than one without.

Two acts that one rule cannot tell apart: the same arguments split at other spaces, and an audit event with other
arguments. A denial of an address holds under any name for it.
"""

from __future__ import annotations

from netguard.core.address import canonical_host, format_ip, parse_ip
from netguard.core.policy import DENY
from netguard.core.reach import shielded
from netguard.policy.schema import ALIASES, MAX_TEXT, PARTLY, VERDICTS
from netguard.views.rule_text import is_destination, is_exact, quoted, with_port
from netguard.views.summary import NOT_PYTHON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netguard.views.subject import Record

    #: What stands behind a rule's kinds, key by key, each value as YAML.
    Facets = dict[str, str]

#: Denials that stand above every rule of this run: another rule would change nothing.
ABOVE = ("hostile-argument", "other-user", "unknown-socket", "outer-run")


def rule_for(record: Record, verdict: str) -> str:
    """The rule that decides this record's act so, as an item of `rules:`. Total.

    record:  a line of the trail, whoever wrote it.
    verdict: allow, log or deny.
    Returns YAML in ASCII, indented as under `rules:`, lines ended by LF; "" where no rule names just this act.
    """
    try:
        reader = READERS.get(record["kind"])
        if reader is None or verdict not in VERDICTS or record.get("rule") in ABOVE:
            return ""
        kind, facets = reader(record, verdict != DENY)
    except (Unnameable, KeyError, TypeError, AttributeError, ValueError):
        return ""
    return "".join([f"  - {verdict}: [{kind}]\n", *[f"    {key}: {value}\n" for key, value in facets.items()]])


class Unnameable(Exception):
    """No rule can name it, or none just it."""


def name_facets(record: Record, grants: bool) -> tuple[str, Facets]:
    """dns: a name. No grant of an address that is asked for its name: it would let any name out to be looked up, since
    one of them might lead there."""
    name = record["dns"]["name"]
    host = canonical_host(name)
    if host is None:
        if grants:
            raise Unnameable
        return "dns", to(format_ip(address_of(name)))
    # Where every answer was refused, the reason begins with one of them.
    answers = [*(record["dns"].get("answers") or ()), str(record.get("why")).partition(": ")[0]]
    return "dns", to(host) | private(host, answers, grants)


def reach_facets(record: Record, grants: bool) -> tuple[str, Facets]:
    """connect: a unix socket, a name or an address with its port."""
    dst = record["dst"]
    if dst.get("proto") == "unix":
        return "connect", to(f"unix:{dst['path']}")
    proto = {"proto": one_of(dst.get("proto"), ("tcp", "udp"))}
    if dst.get("host"):
        return "connect", endpoint(dst, grants) | proto
    return "connect", endpoint(dst, grants) | ({"direct": "true"} if grants else {}) | proto


def request_facets(record: Record, grants: bool) -> tuple[str, Facets]:
    """http: the place that the URL leads to."""
    return "http", endpoint(record["dst"], grants)


def listen_facets(record: Record, grants: bool) -> tuple[str, Facets]:
    """listen: a unix socket, or an address with its port."""
    dst = record["dst"]
    return "listen", to(f"unix:{dst['path']}") if dst.get("proto") == "unix" else endpoint(dst, grants)


def start_facets(record: Record, grants: bool) -> tuple[str, Facets]:
    """exec: the program that ran, by its path where that is known, with its arguments."""
    child = record["exec"]
    word, _, why = str(child.get("shim", "")).partition(": ")
    uncovered = grants and word == "off" and why != NOT_PYTHON
    program, argv = child.get("path") or child["program"], child["argv"]
    if "/" not in program or not isinstance(argv, list):
        raise Unnameable  # a name by itself is any program of that name
    facets = {"program": said(program), "args": said(" ".join(argv))}
    return "exec", facets | ({"unguarded": "true"} if uncovered else {})


def event_facets(record: Record, grants: bool) -> tuple[str, Facets]:
    """audit: an event by its name."""
    event = record["event"]
    if not event or event in ALIASES or event in PARTLY or " " in event:
        raise Unnameable
    return said(f"audit:{event}"), {}


#: What makes a rule of a record of each kind. Which native code it was, or which file, no rule can say.
READERS: dict[object, Callable[[Record, bool], tuple[str, Facets]]] = {
    "dns": name_facets,
    "connect": reach_facets,
    "http": request_facets,
    "listen": listen_facets,
    "exec": start_facets,
    "audit": event_facets,
}


def endpoint(dst: Record, grants: bool) -> Facets:
    """A name or an address, with its port."""
    port, name = dst["port"], dst.get("host")
    if type(port) is not int or not 0 <= port <= 0xFFFF:
        raise Unnameable
    if not name:
        return to(with_port(format_ip(address_of(dst["ip"])), port))
    host = canonical_host(name)
    if host is None:
        raise Unnameable
    return to(with_port(host, port)) | private(host, [dst.get("ip") or ""], grants)


def private(host: str, addresses: list[str], grants: bool) -> Facets:
    """A grant by name needs it where the name leads to an address that is not public."""
    return {"private": "true"} if grants and any([shielded(host, parse_ip(text)) for text in addresses]) else {}


def address_of(text: str) -> tuple[int, int]:
    """An address by itself."""
    address = parse_ip(text)
    if address is None:
        raise Unnameable
    return address


def to(destination: str) -> Facets:
    """`to`, if the loader takes it and it is this one alone."""
    if not is_destination(destination):
        raise Unnameable
    return {"to": said(destination)}


def said(text: str) -> str:
    """A text in quotes, if it means itself and nothing else."""
    if not text or len(text) > MAX_TEXT or not is_exact(text):
        raise Unnameable
    return quoted(text)


def one_of(word: object, words: tuple[str, ...]) -> str:
    """One of our own words."""
    if word not in words:
        raise Unnameable
    return str(word)
