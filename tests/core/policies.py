"""Short forms to write policies and requests with in tests: `rules("allow connect api.example:443", …)`."""

from __future__ import annotations

import ipaddress

from netguard.core.address import RANGES, parse_ip
from netguard.core.policy import HOST, NET, SUFFIX, UNIX, Policy, Rule, Target
from netguard.core.request import KINDS, Request


def targets(text: str) -> tuple[Target, ...]:
    """The entries that one word of `to` stands for."""
    if text in ("@self", "@public"):
        return (Target(text[1:], None, text=text),)
    if text.startswith("@"):
        return tuple(Target(NET, net, text=text) for net in RANGES[text[1:]])
    if text.startswith("unix:"):
        return (Target(UNIX, text[5:], text=text),)
    with_ports = "]:" in text or text.count(":") == 1
    host, _, ports = text.rpartition(":") if with_ports else (text, "", "")
    host = host.strip("[]")
    ranges = tuple(
        (int(low), int(high or low)) for low, _, high in (part.partition("-") for part in ports.split(",") if part)
    )
    return (target(host, ranges or None, text),)


def target(host: str, ports: tuple[tuple[int, int], ...] | None, text: str) -> Target:
    if "/" in host:
        net = ipaddress.ip_network(host)
        return Target(NET, (net.version, net.prefixlen, int(net[0]) >> net.max_prefixlen - net.prefixlen), ports, text)
    address = parse_ip(host)
    if address is not None:
        return Target(NET, (address[0], 32 if address[0] == 4 else 128, address[1]), ports, text)
    if host.startswith("*."):
        return Target(SUFFIX, host[2:], ports, text)
    return Target(HOST, host, ports, text)


def rule(text: str, index: int = 0, **facets: object) -> Rule:
    """`VERDICT KIND[,KIND] [TARGET…]`; "any" is every kind with a destination, or all when there is no target."""
    verdict, kinds, *to = text.split()
    names = kinds.split(",")
    audit = tuple(name[6:] for name in names if name.startswith("audit:"))
    spoken = tuple(name for name in names if not name.startswith("audit:"))
    if kinds == "any":
        spoken = ("dns", "connect", "http", "listen") if to else KINDS
    entries = tuple(entry for word in to for entry in targets(word)) if to else None
    return Rule(index, verdict, f"rule-{index}", kinds=spoken, audit=audit, to=entries, **facets)  # type: ignore[arg-type]


def policy(*texts: str | tuple[str, dict[str, object]], default: str = "deny") -> Policy:
    """Rules from top to bottom, each a text or (text, facets)."""
    made = []
    for index, text in enumerate(texts):
        words, facets = (text, {}) if isinstance(text, str) else text
        made.append(rule(words, index, **facets))
    return Policy(tuple(made), default)


def ask(text: str, **more: object) -> Request:
    """`KIND DESTINATION[:PORT]`, as a policy's test line; an address is an address, anything else a name."""
    kind, _, rest = text.partition(" ")
    if kind == "exec":
        if rest.startswith("-"):
            more["uncovered"], _, rest = rest.partition(" ")  # exec -I PROGRAM…: why the guard does not cover it
        return Request(kind, program=rest.split()[0], argv=tuple(rest.split()), **more)  # type: ignore[arg-type]
    if kind in ("native", "file"):
        return Request(kind, path=rest, **more)  # type: ignore[arg-type]
    if kind.startswith("audit:"):
        return Request("audit", kind[6:], **more)  # type: ignore[arg-type]
    if rest.startswith("unix:"):
        return Request(kind, path=rest[5:], proto="unix", **more)  # type: ignore[arg-type]
    host, _, port = rest.rpartition(":") if kind != "dns" and rest.count(":") else (rest, "", "")
    address = parse_ip(host)
    fields: dict[str, object] = {"port": int(port) if port else None, "proto": "" if kind == "dns" else "tcp"}
    fields.update({"address": address} if address is not None else {"host": host})
    fields.update(more)
    return Request(kind, **fields)  # type: ignore[arg-type]
