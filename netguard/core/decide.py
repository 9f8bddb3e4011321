"""The decision: one request, one policy, one verdict. Pure, total, and its last word is no.

Rules are tried from the top and the first that matches wins; the index only spares asking those that cannot. Every way
out of here that no rule opened is a denial: an unknown kind, an unknown verdict, a fault of our own. One grant is no
rule's: a request by URL that no rule speaks of goes on to its look-up and its connection, which are decided in their
turn.
"""

from __future__ import annotations

from .address import is_public
from .index import NOBODY, Entry, Index, Shelf
from .policy import ALLOW, DENY, LOG, Decision, Policy
from .reach import NAMED, is_localhost, is_own, port_holds, shielded
from .request import Request

TYPE_CHECKING = False  # what typing exports, without importing typing into the guest
if TYPE_CHECKING:
    from .policy import Rule

    Address = tuple[int, int]

UNKNOWN_KIND = Decision(DENY, "default", "no such kind of request is known")

#: An event that no rule speaks of is put on record: denying it would break programs for what nobody asked to guard.
UNSPOKEN = Decision(LOG, "default", "no rule speaks of this event")

#: A request whose connection only an address could decide, and none is known: nothing has left the machine by it yet.
AWAITED = Decision(ALLOW, "connection", "no rule speaks of the request; its connection decides", open=True)

#: Why a grant that waits for more to be known is none for what came without a witness.
UNANNOUNCED = "it is granted only until more is known, and nobody will tell: no witness in the program announced it"


def decide(policy: Policy, request: Request) -> Decision:
    """What the policy says to the request.

    The first call for a policy lays out its rules (see `index`); the rules must not change afterwards.

    Returns: the decision; the same object each time for the same rule. Never raises: a fault is a denial that names it.
    """
    try:
        decision = judge(policy, request)
        return unmet(decision) if request.native and decision.open else decision
    except Exception as fault:  # noqa: BLE001  # whatever it is, the act is not let through for it
        return Decision(DENY, "default", f"deciding failed: {type(fault).__name__}")


def unmet(decision: Decision) -> Decision:
    """The denial of what a grant lets through only for now, where no witness announced it: what the grant waits for is
    the witness's to tell, and an act without one would never be asked about again."""
    return Decision(DENY, decision.rule, UNANNOUNCED, decision.index)


def judge(policy: Policy, request: Request) -> Decision:
    """`decide` without its safety net."""
    index = index_of(policy)
    shelf = index.shelves.get(request.kind) or index.shelf(request.kind)
    if shelf is None:
        return judge_event(index, request) if request.kind == "audit" else UNKNOWN_KIND
    found = match(shelf, request)
    if found is not NOBODY:
        return found.decision
    if request.kind == "http":
        return judge_connection(index, request)
    return shelf.unnamed if request.address is None and request.host else shelf.default


def index_of(policy: Policy) -> Index:
    """The policy's rules laid out, made when they are first asked."""
    index = policy.index
    if not isinstance(index, Index):
        index = policy.index = Index(policy)
    return index


def match(shelf: Shelf, request: Request) -> Entry:
    """The entry that decides under all names of the destination, or NOBODY."""
    names = judged_names(request) if request.names else (request.host,)
    if len(names) == 1:
        return first_match(shelf, request, names[0], request.address)
    return strictest([first_match(shelf, request, name, request.address) for name in names])


def judge_connection(index: Index, request: Request) -> Decision:
    """A request by URL that no rule speaks of takes the verdict of its connection.

    That one is not made yet. Where a rule matches what is known of it, or the address is known, or the default grants,
    this is that verdict; else the request goes on to the look-up and the connect.
    """
    shelf = index.shelves.get("connect") or index.lay_out("connect")
    found = match(shelf, connection_of(request))
    if found is not NOBODY:
        return index.of_connection(found)
    if request.address is not None or not request.host or shelf.default.verdict != DENY:
        return shelf.default
    return AWAITED


def connection_of(request: Request) -> Request:
    """The connect that a request by URL leads to, as far as it is known."""
    return Request(
        "connect", request.event, host=request.host, names=request.names, address=request.address, port=request.port,
        proto=request.proto or "tcp", path=request.path, own=request.own, code=request.code, user=request.user,
        tags=request.tags, process=request.process, native=request.native,
        library=request.library,
    )  # fmt: skip


def judge_event(index: Index, request: Request) -> Decision:
    """An audit event by its own name: only rules that name it speak of it."""
    found = earliest(index.event(request.event), NOBODY, request, "", None)
    return UNSPOKEN if found is NOBODY else found.decision


def judged_names(request: Request) -> tuple[str, ...]:
    """The names under which the destination is judged, at least one; "" is the address by itself."""
    if not request.names or request.kind not in NAMED:
        return (request.host,)
    if not request.host or request.host in request.names:
        return request.names
    return (request.host, *request.names)


def strictest(found: list[Entry]) -> Entry:
    """Of what each name came to: a rule's denial if there is one, else a grant if there is one, the first rule's."""
    denials = [entry for entry in found if not entry.grants and entry is not NOBODY]
    grants = [entry for entry in found if entry.grants]
    return min(denials or grants or [NOBODY], key=place)


def place(entry: Entry) -> int:
    return entry.index


def first_match(shelf: Shelf, request: Request, name: str, address: Address | None) -> Entry:
    """The entry of the first rule that matches the request under this name, or NOBODY."""
    best = NOBODY
    if shelf.plain:
        best = earliest(shelf.plain, best, request, name, address)
    if name:
        best = by_name(shelf, best, request, name, address)
    if address is not None:
        best = by_address(shelf, best, request, name, address)
    if request.proto == "unix":
        best = by_path(shelf, best, request)
    if shelf.own and is_own(request):
        best = earliest(shelf.own, best, request, name, address)
    if address is None and (shelf.open or shelf.home) and not request.alone:
        best = by_answers(shelf, best, request, name)  # last: of one rule's entries, one that matches now comes first
    return best


def earliest(entries: tuple[Entry, ...], best: Entry, request: Request, name: str, address: Address | None) -> Entry:
    """The first of the entries that matches, unless `best` comes before it."""
    for entry in entries:
        if entry.index >= best.index:
            break
        if entry.ports is not None and not port_holds(entry.ports, request.port):
            continue
        if entry.guarded and shielded(name, address):
            continue
        for test in entry.tests:
            if not test(entry.rule, request):
                break
        else:
            return entry
    return best


def by_name(shelf: Shelf, best: Entry, request: Request, name: str, address: Address | None) -> Entry:
    """The name itself, and the names above it, each looked up as the suffix of a rule."""
    entries = shelf.hosts.get(name)
    if entries is not None:
        best = earliest(entries, best, request, name, address)
    suffixes = shelf.suffixes
    dot = name.find(".") if suffixes else -1
    while dot >= 0:
        entries = suffixes.get(name[dot + 1 :])
        if entries is not None:
            best = earliest(entries, best, request, name, address)
        dot = name.find(".", dot + 1)
    return best


def by_address(shelf: Shelf, best: Entry, request: Request, name: str, address: Address) -> Entry:
    """The nets that hold the address, and @public."""
    version, number = address
    for stem, branches in shelf.nets.get(version, ()):
        branch = branches.get(number >> stem)
        if branch is not None:
            for shift, networks in branch:
                entries = networks.get(number >> shift)
                if entries is not None:
                    best = earliest(entries, best, request, name, address)
    if shelf.public and is_public(address):
        best = earliest(shelf.public, best, request, name, address)
    return best


def by_answers(shelf: Shelf, best: Entry, request: Request, name: str) -> Entry:
    """A name whose addresses a grant has to see: it may be looked up. A request without a name has nothing to look up.

    @self alone lets only names of this machine be looked up: it stands in nearly every policy, and would otherwise let
    any name out to a name server.
    """
    if not name:
        return best
    best = earliest(shelf.open, best, request, name, None)
    if shelf.home and is_localhost(name):
        best = earliest(shelf.home, best, request, name, None)
    return best


def by_path(shelf: Shelf, best: Entry, request: Request) -> Entry:
    """A unix socket by its whole path or by the beginning of it."""
    best = earliest(shelf.sockets.get(request.path, ()), best, request, "", None)
    for start, entry in shelf.prefixes:
        if request.path.startswith(start):
            best = earliest((entry,), best, request, "", None)
    return best


def withheld(policy: Policy, request: Request) -> Rule | None:
    """The first rule that grants the destination's name public addresses only, where it is at another.

    None if that is not what keeps the request from being granted. For a request that no rule matched, and never on the
    way of a grant.
    """
    index = index_of(policy)
    for asked in (request, connection_of(request)) if request.kind == "http" else (request,):
        shelf = index.shelf(asked.kind)
        if shelf is None or asked.address is None:
            break
        # Without the address the shield is down; what then matches by name is what it stood before.
        found = [by_name(shelf, NOBODY, asked, name, None) for name in judged_names(asked) if name]
        best = min(found, key=place, default=NOBODY)
        if best is not NOBODY:
            return best.rule
    return None
