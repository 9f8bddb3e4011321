"""What a rule asks of a destination and of a start: the questions that `decide`'s index and `explain`'s walk both put.

Each is a plain yes or no on values; where it is asked, and in which order, is theirs.
"""

from __future__ import annotations

from .address import BITS, special
from .policy import ALLOW, LOG, NET, PUBLIC, SELF, Rule, Target

TYPE_CHECKING = False  # what typing exports, without importing typing into the guest
if TYPE_CHECKING:
    from .request import Request

    Address = tuple[int, int]
    Ports = tuple[tuple[int, int], ...]

#: The kinds that have a destination; a rule with `to` says nothing of the others.
DESTINED = ("dns", "connect", "http", "listen")

#: The kinds that may have several names for one address, each of which is judged.
NAMED = ("connect", "http")

#: The forms that match an address and cannot be answered while it is unknown.
ADDRESSED = (NET, PUBLIC, SELF)


def grants(rule: Rule) -> bool:
    """Whether the rule lets through. A verdict that is not known does not."""
    return rule.verdict in (ALLOW, LOG)


def rests_on_guest(rule: Rule) -> bool:
    """Whether a grant holds only as far as the guest's own word does: where its code stands, which program it names,
    whether it announced what it does, which library its stack names."""
    return grants(rule) and bool(rule.origin or rule.program or rule.args or rule.native)


def port_holds(ports: Ports | None, port: int | None) -> bool:
    """Whether the port is in one of the ranges; a destination without a port is in none."""
    if ports is None:
        return True
    if port is None:
        return False
    for low, high in ports:  # not any(): a generator would cost more than the rest of this
        if low <= port <= high:
            return True
    return False


def ports_at(kind: str, rule: Rule, target: Target) -> tuple[bool, Ports | None]:
    """(can the entry match, the ports to ask for) at this kind. A name is asked for without a port.

    So at dns an entry with ports grants the look-up, and denies nothing yet: the same name at another port may be
    granted, and the connect is decided in its turn.
    """
    if kind != "dns" or target.ports is None:
        return True, target.ports
    return grants(rule), None


def is_localhost(name: str) -> bool:
    """Whether the name means this machine by itself (RFC 6761 section 6.3)."""
    return name == "localhost" or name.endswith(".localhost")


def guarded(rule: Rule) -> bool:
    """Whether the rule's names grant public addresses only."""
    return grants(rule) and not rule.private


def shielded(name: str, address: Address | None) -> bool:
    """Whether a name may not grant this address without `private: true`.

    This stops rebinding: whoever owns a granted name chooses the addresses it has, and may choose 127.0.0.1.
    """
    if address is None:
        return False
    inside = special(address)
    return inside != "" and not (inside == "loopback" and is_localhost(name))


def wants_guard(rule: Rule) -> bool:
    """Whether the rule lets programs through by name, and so means them as they are: guarded, without others' code.

    A rule that names none lets through all there is, and a denial denies all the more.
    """
    return grants(rule) and bool(rule.program) and not rule.unguarded


def is_own(request: Request) -> bool:
    """Whether @self holds: a socket of this run's own, or what only this machine can reach or be asked after.

    Listening on every interface is not @self, although connecting to 0.0.0.0 or :: arrives at loopback.
    """
    if request.own:
        return True
    if request.kind == "listen" and request.proto == "unix":
        return True
    if request.kind not in ("listen", "dns") or request.address is None or is_wildcard(request):
        return False
    return special(request.address) == "loopback"


def is_wildcard(request: Request) -> bool:
    """Whether the address is 0.0.0.0 or ::, which for a listener is every interface."""
    return request.address is not None and request.address[1] == 0


def spares_wildcard(kind: str, rule: Rule, target: Target) -> bool:
    """Whether a NET entry may not grant listening on every interface.

    `@loopback` and 0.0.0.0/8 hold the number 0.0.0.0, but whoever wrote them granted no more than those addresses; the
    address itself, or a net of all addresses, is meant.
    """
    if kind != "listen" or target.form != NET or not grants(rule):
        return False
    version, length, _ = net_of(target)
    return length not in (0, BITS[version])


def net_of(target: Target) -> tuple[int, int, int]:
    """The value of a NET entry. Raises TypeError on anything else: the policy was not compiled."""
    value = target.value
    if type(value) is not tuple:
        raise TypeError(f"no net: {value!r}")
    return value


def text_of(target: Target) -> str:
    """The value of a HOST, SUFFIX or UNIX entry. Raises TypeError on anything else: the policy was not compiled."""
    value = target.value
    if type(value) is not str:
        raise TypeError(f"no text: {value!r}")
    return value
