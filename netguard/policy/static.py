"""What of a policy can be held without asking anybody: which kinds of sockets and which TCP ports no rule grants.

Where no supervisor decides on native code (tier C), the kernel refuses these by itself. A pure function of the policy:
it must never close what `decide` would grant, and what it cannot be certain of it leaves open and says so.
"""

from __future__ import annotations

from netguard.core.policy import DENY, UNIX, Policy, Rule, Target
from netguard.core.reach import grants

#: Kinds whose grant lets a TCP connection out. A request by URL goes over one.
CONNECTS = ("connect", "http")

#: Ports that are listed one by one for the kernel; with more, TCP stays open.
MAX_PORTS = 4_096


class Static:
    """What the kernel is told to refuse.

    tcp, udp: whether such sockets may be made at all.
    connect:  the TCP ports that may be connected to, None where no rule limits them.
    listen:   likewise those that may be listened at.
    """

    __slots__ = ("connect", "listen", "tcp", "udp")

    def __init__(
        self, tcp: bool = True, udp: bool = True, connect: frozenset[int] | None = None,
        listen: frozenset[int] | None = None,
    ) -> None:  # fmt: skip
        self.tcp = tcp
        self.udp = udp
        self.connect = connect
        self.listen = listen

    def closed(self) -> tuple[str, ...]:
        """The protocols of which no socket may be made."""
        return tuple([name for name in ("tcp", "udp") if not getattr(self, name)])

    def words(self, *, ports: bool) -> str:
        """What is held of destinations, for the record. ports: whether the kernel can refuse TCP ports."""
        if not self.tcp and not self.udp:
            return "no rule grants TCP or UDP, so no socket for either can be made"
        said = []
        if not self.tcp:
            said.append("no TCP socket can be made")
        elif ports and self.connect is not None:
            said.append(f"TCP connects to {_listed(self.connect)} alone, at any address")
        else:
            said.append("TCP connects anywhere")
        if self.tcp and ports and self.listen is not None:
            said.append(f"listens at {_listed(self.listen)} alone")
        said.append("UDP goes anywhere" if self.udp else "no UDP socket can be made")
        return "of native code and other programs: " + ", ".join(said)


#: Nothing is held: for a dry run, or where the policy is not known.
OPEN = Static()


def static(policy: Policy) -> Static:
    """What can be held of a policy."""
    if policy.default != DENY:
        return OPEN
    rules = [rule for rule in policy.rules if grants(rule)]
    connect, listen = _ports(rules, CONNECTS, "tcp"), _ports(rules, ("listen",), "tcp")
    # A name that may be looked up is asked for over UDP by all that is not Python.
    udp = any([reaches(rule, ("dns",), "") or reaches(rule, (*CONNECTS, "listen"), "udp") for rule in rules])
    tcp = connect is None or listen is None or bool(connect or listen)
    return Static(tcp, udp, connect, listen)


def reaches(rule: Rule, kinds: tuple[str, ...], proto: str) -> bool:
    """Whether a rule could match an act of these kinds that is no unix socket's. In doubt it could."""
    if not set(kinds) & set(rule.kinds) or (proto and rule.proto and proto not in rule.proto):
        return False
    return rule.to is None or any([target.form != UNIX for target in rule.to])


def _ports(rules: list[Rule], kinds: tuple[str, ...], proto: str) -> frozenset[int] | None:
    """Every port that a rule could grant; None for any."""
    found: set[int] = set()
    for rule in rules:
        if not reaches(rule, kinds, proto):
            continue
        for target in rule.to or (Target("", None),):
            if target.form == UNIX:
                continue
            if target.ports is None:
                return None
            for low, high in target.ports:
                if len(found) + high - low >= MAX_PORTS:
                    return None
                found.update(range(low, high + 1))
    return frozenset(found)


def _listed(ports: frozenset[int]) -> str:
    """Ports as a person reads them."""
    first = ", ".join([str(port) for port in sorted(ports)[:8]])
    more = f" and {len(ports) - 8} more" if len(ports) > 8 else ""
    return f"port {first}{more}" if len(ports) == 1 else f"ports {first}{more}" if ports else "no port"
