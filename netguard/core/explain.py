"""The same decision the long way, for people: every rule up to the one that matches, and why it did not.

A plain walk over the rules, without the index of `decide` and with the same questions. That both come to the same is
what the property tests hold them to. Never on the way of a real act: each line of it is a new text.
"""

from __future__ import annotations

from .address import format_ip, in_net, special
from .decide import connection_of, judged_names, withheld
from .facets import missed, short
from .index import UNMATCHED
from .policy import DENY, HOST, NET, PUBLIC, SELF, SUFFIX, UNIX, Decision, Policy, Rule, Target
from .reach import (
    ADDRESSED,
    DESTINED,
    grants,
    guarded,
    is_localhost,
    is_own,
    is_wildcard,
    net_of,
    port_holds,
    ports_at,
    shielded,
    spares_wildcard,
    text_of,
    wants_guard,
)

TYPE_CHECKING = False  # what typing exports, without importing typing into the guest
if TYPE_CHECKING:
    from collections.abc import Callable

    from .request import Request

    Row = tuple[Rule, bool, str]

#: How many entries of a long `to` an explanation names.
SHOWN = 3

PORT_UNKNOWN = "the port is not known yet"
ADDRESS_UNKNOWN = "the address is not known"


def explain(policy: Policy, request: Request) -> list[Row]:
    """The rules in order, each with whether it matched and why (not); the last one matched, or none did.

    Of a request by URL that no rule speaks of: then the rules again, with its connection.
    """
    return [row for asked, rows in walks(policy, request) for row in rows]


def walks(policy: Policy, request: Request) -> list[tuple[Request, list[Row]]]:
    """What was asked of the rules, each with its rows: the request, and where that did not decide, its connection."""
    rows = rows_of(policy, request)
    if request.kind != "http" or (rows and rows[-1][1]):
        return [(request, rows)]
    connection = connection_of(request)
    return [(request, rows), (connection, rows_of(policy, connection))]


def rows_of(policy: Policy, request: Request) -> list[Row]:
    """The rows of one walk; where several names are judged, of the name that decided."""
    found = [walk(policy, request, name) for name in judged_names(request)]
    matched = [rows for rows in found if rows and rows[-1][1]]
    denied = [rows for rows in matched if not grants(rows[-1][0])]
    return min(denied or matched or found[:1], key=len)


def why_denied(policy: Policy, request: Request, decision: Decision) -> str:
    """What a person is told of a denial: the rule's own reason, or what kept a grant away, or why nothing matched.

    decision: what `decide` said to the request. Any other denial comes back with its own words. Never raises, for the
    denial stands whatever can be said of it.
    """
    if decision.why == UNMATCHED:
        try:
            rule = withheld(policy, request)
            barred = barring(policy, request)
        except Exception:  # noqa: BLE001  # its own words will do
            rule = barred = None
        if rule is not None:
            return f"rule {rule.name} grants this name no address that is not public (private: true would)"
        if barred is not None:
            under = f"rule {barred.name} grants it under the guard only"
            return f"{under}, not with {request.uncovered} (unguarded: true would)"
    return decision.because or decision.why


def barring(policy: Policy, request: Request) -> Rule | None:
    """The first rule that would let the program through if it were covered by the guard."""
    if not request.uncovered:
        return None
    found = [rule for rule in policy.rules if guard_missed(rule, request) and not missed(rule, request)]
    return next((rule for rule in found if not kind_missed(rule, request)), None)


def walk(policy: Policy, request: Request, name: str) -> list[Row]:
    """The rows of one name: up to the first rule that matches."""
    rows: list[Row] = []
    for rule in policy.rules:
        miss = mismatch(rule, request, name)
        if not miss:
            rows.append((rule, True, praise(rule, request, name)))
            break
        rows.append((rule, False, miss))
    return rows


def mismatch(rule: Rule, request: Request, name: str) -> str:
    """Why the rule does not match the request, or "" when it does."""
    return (
        kind_missed(rule, request)
        or missed(rule, request)
        or guard_missed(rule, request)
        or destination_missed(rule, request, name)
    )


def praise(rule: Rule, request: Request, name: str) -> str:
    """The words for a rule that matches."""
    if is_open(rule, request, name):
        return "granted no more than a look-up: the addresses decide"
    if not grants(rule) and rule.verdict != DENY:
        return f"matched; its verdict {rule.verdict!r} is not known, so it denies"
    return "matched"


def kind_missed(rule: Rule, request: Request) -> str:
    """Why the rule does not speak of the request's kind, or its event."""
    if request.kind == "audit":
        return "" if request.event in rule.audit else f"event: the rule does not name {request.event}"
    if request.kind in rule.kinds:
        return ""
    spoken = [*rule.kinds, *[f"audit:{event}" for event in rule.audit]]
    return f"kind: {request.kind} is not {' or '.join(spoken)}"


def guard_missed(rule: Rule, request: Request) -> str:
    """Why the rule does not let the program through that it names."""
    if not request.uncovered or not wants_guard(rule):
        return ""
    return f"unguarded: what starts is not covered by the guard ({request.uncovered}), and the rule does not say true"


def destination_missed(rule: Rule, request: Request, name: str) -> str:
    """Why no entry of `to` matches; an entry that came close is named before those that did not."""
    if rule.to is None:
        return ""
    if request.kind not in DESTINED:
        return f"to: a request of kind {request.kind} has no destination"
    near: list[str] = []
    far: list[str] = []
    for target in rule.to:
        close, why = target_missed(rule, target, request, name)
        if not why:
            return ""
        (near if close else far).append(why)
    if is_open(rule, request, name):
        return ""
    reasons = list(dict.fromkeys(near + far))  # a list in `to` gives one reason for all of its addresses
    rest = len(reasons) - SHOWN
    more = f"; and {rest} more destination{'s' if rest > 1 else ''}" if rest > 0 else ""
    return f"to: {'; '.join(reasons[:SHOWN]) or 'it lists nothing'}{more}"


def is_open(rule: Rule, request: Request, name: str) -> bool:
    """Whether the rule grants a look-up only: dns by name, no entry matches the name, one waits for the addresses."""
    if request.kind != "dns" or not name or request.address is not None or request.alone:
        return False
    if rule.to is None or not grants(rule):
        return False
    if any(not target_missed(rule, target, request, name)[1] for target in rule.to):
        return False
    return any(target.form in ADDRESSED and (target.form != SELF or is_localhost(name)) for target in rule.to)


def target_missed(rule: Rule, target: Target, request: Request, name: str) -> tuple[bool, str]:
    """(whether it came close, why this entry does not match); the second is "" when it matches."""
    miss = FORMS[target.form](target, request, name)
    if miss:
        return False, miss
    answerable, ports = ports_at(request.kind, rule, target)
    if not answerable:
        return True, PORT_UNKNOWN
    if not port_holds(ports, request.port):
        return True, port_missed(target, request)
    if target.form in (HOST, SUFFIX) and guarded(rule) and shielded(name, request.address):
        inside = special(request.address) if request.address is not None else ""
        return True, f"{name} is at a {inside} address, which a name does not grant: private: true is not set"
    if spares_wildcard(request.kind, rule, target) and is_wildcard(request):
        return True, "listening on every interface is more than this net"
    return True, ""


def port_missed(target: Target, request: Request) -> str:
    """The words for a port that is in none of the entry's ranges."""
    ranges = [str(low) if low == high else f"{low}-{high}" for low, high in target.ports or ()]
    return f"port {'none' if request.port is None else request.port} is not {' or '.join(ranges)}"


def asked(request: Request, name: str) -> str:
    """The destination as a person would call it."""
    if name:
        return name
    if request.address is not None:
        return format_ip(request.address)
    return request.path or "nothing known"


def host_missed(target: Target, request: Request, name: str) -> str:
    return "" if name and name == target.value else f"{asked(request, name)} is not {text_of(target)}"


def suffix_missed(target: Target, request: Request, name: str) -> str:
    below = "." + text_of(target)
    return "" if name.endswith(below) else f"{asked(request, name)} is not below {text_of(target)}"


def net_missed(target: Target, request: Request, name: str) -> str:
    if request.address is None:
        return f"{ADDRESS_UNKNOWN}, so not {target.text or 'the net'}"
    if in_net(request.address, net_of(target)):
        return ""
    return f"{format_ip(request.address)} is not in {target.text or 'the net'}"


def public_missed(target: Target, request: Request, name: str) -> str:
    if request.address is None:
        return f"{ADDRESS_UNKNOWN}, so not @public"
    inside = special(request.address)
    return f"{format_ip(request.address)} is {inside}, not public" if inside else ""


def self_missed(target: Target, request: Request, name: str) -> str:
    return "" if is_own(request) else f"{asked(request, name)} is no socket of this run's own"


def unix_missed(target: Target, request: Request, name: str) -> str:
    path = text_of(target)
    if request.proto != "unix":
        return f"{asked(request, name)} is no unix socket"
    hit = request.path.startswith(path[:-1]) if path.endswith("*") else request.path == path
    return "" if hit else f"{short(request.path)} is not {path}"


#: One question for each form of entry, in words when the answer is no.
FORMS: dict[str, Callable[[Target, Request, str], str]] = {
    HOST: host_missed,
    SUFFIX: suffix_missed,
    NET: net_missed,
    PUBLIC: public_missed,
    SELF: self_missed,
    UNIX: unix_missed,
}
