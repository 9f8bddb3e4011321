"""A compiled policy: rules in order, each with its facets as values that can be compared at once.

Built by `policy/compile` from text and by nothing else; nothing here reads text or changes after it was built.
The index that makes matching fast lives in `decide`; this file only says what a rule is.
"""

from __future__ import annotations

ALLOW, LOG, DENY = "allow", "log", "deny"

#: The forms an entry of `to` can take. A form's value is given behind it.
HOST = "host"  # str: this name exactly
SUFFIX = "suffix"  # str: any name below this one, at any depth, not itself ("*.host")
NET = "net"  # (version, prefix length, network integer shifted right by the host bits)
UNIX = "unix"  # str: "/path" or "@abstract"; a trailing "*" matches any rest
SELF = "self"  # None: a socket of the run's own (listen: one that only this machine can reach)
PUBLIC = "public"  # None: an address that is in none of the special ranges

#: Inclusive port ranges, or None for every port.
Ports = "tuple[tuple[int, int], ...] | None"


class Target:
    """One entry of `to`: a form, its value, and the ports it is limited to."""

    __slots__ = ("form", "ports", "text", "value")

    def __init__(
        self, form: str, value: object, ports: tuple[tuple[int, int], ...] | None = None, text: str = ""
    ) -> None:
        self.form = form
        self.value = value
        self.ports = ports
        self.text = text  # as the policy wrote it, for explanations


class Limit:
    """How often a rule may let something through.

    counter: "connections" or "lookups"; amount per `window` seconds (0.0: the whole run); `burst` at once;
    per: "run", "process", "user", "session", "destination", "origin" or "tag:NAME"; over: "deny", "log", "delay".
    """

    __slots__ = ("amount", "burst", "counter", "over", "per", "text", "window")

    def __init__(
        self,
        counter: str,
        amount: int,
        window: float,
        *,
        burst: int,
        per: str = "run",
        over: str = DENY,
        text: str = "",
    ) -> None:
        self.counter = counter
        self.amount = amount
        self.window = window
        self.burst = burst
        self.per = per
        self.over = over
        self.text = text


class Rule:
    """One rule. A facet that is empty (None or ()) asks nothing.

    kinds:    the kinds it speaks of ("any" is already spelled out to the kinds its facets apply to).
    audit:    names of audit events it speaks of (`audit:NAME`), beside or instead of kinds.
    to:       targets, any of which may match; None: any destination.
    private:  a name in `to` may grant loopback, private, link-local and metadata addresses too.
    proto:    () or some of "tcp", "udp", "unix".
    direct:   the address was never looked up.
    native:   "true": no witness announced it; "false": one did; "" asks nothing.
    library:  globs, of which one names the library that made a native call, as `program`'s do.
    program:  names (no slash) or paths; a trailing or inner "*" is a glob. args: globs over the joined arguments.
    unguarded: the programs it names may also start without the guard, or with code of their own before it.
    origin:   ((facet, glob), …) with facet in package, module, file, function; all must match.
    user, process: globs over the user's name, the asking process's program.  tags: ((key, glob), …), all must match.
    limits:   charged after the rule matched.
    where:    "file:line", for people.
    """

    __slots__ = (
        "args", "audit", "because", "direct", "index", "kinds", "library", "limits", "name", "native", "origin",
        "private", "process", "program", "proto", "tags", "to", "unguarded", "user", "verdict", "where",
    )  # fmt: skip

    def __init__(
        self,
        index: int,
        verdict: str,
        name: str,
        *,
        kinds: tuple[str, ...],
        audit: tuple[str, ...] = (),
        to: tuple[Target, ...] | None = None,
        private: bool = False,
        proto: tuple[str, ...] = (),
        direct: bool = False,
        native: str = "",
        library: tuple[str, ...] = (),
        program: tuple[str, ...] = (),
        args: tuple[str, ...] = (),
        unguarded: bool = False,
        origin: tuple[tuple[str, str], ...] = (),
        user: tuple[str, ...] = (),
        process: tuple[str, ...] = (),
        tags: tuple[tuple[str, str], ...] = (),
        limits: tuple[Limit, ...] = (),
        because: str = "",
        where: str = "",
    ) -> None:
        self.index = index
        self.verdict = verdict
        self.name = name
        self.kinds = kinds
        self.audit = audit
        self.to = to
        self.private = private
        self.proto = proto
        self.direct = direct
        self.native = native
        self.library = library
        self.program = program
        self.args = args
        self.unguarded = unguarded
        self.origin = origin
        self.user = user
        self.process = process
        self.tags = tags
        self.limits = limits
        self.because = because
        self.where = where


class Policy:
    """Rules in the order they are tried, and what happens when none matches.

    index: where `decide` keeps what it made of the rules, so that it is made once; nobody else reads it.
    """

    __slots__ = ("default", "digest", "index", "rules")

    def __init__(self, rules: tuple[Rule, ...], default: str = DENY, digest: str = "") -> None:
        self.rules = rules
        self.default = default
        self.digest = digest  # SHA-256 of the compiled form, hex; the trail's first line names it
        self.index: object = None


class Decision:
    """What was decided and why.

    rule:   the rule's name, or "default", or "connection" for a request by URL whose connection will decide.
    index:  the rule's place, -1 where no rule decided.
    open:   it is granted for now, because only an address can decide: a look-up whose answers will be decided on, or
            a request by URL whose look-up and connection will.
    """

    __slots__ = ("because", "index", "open", "rule", "verdict", "why")

    def __init__(
        self, verdict: str, rule: str, why: str, index: int = -1, because: str = "", open: bool = False
    ) -> None:
        self.verdict = verdict
        self.rule = rule
        self.why = why
        self.index = index
        self.because = because
        self.open = open
