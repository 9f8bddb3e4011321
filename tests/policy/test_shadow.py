"""Rules that can never match: found where it is certain, never where a request could still reach them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from netguard.core.decide import decide
from netguard.core.policy import Policy, Rule
from netguard.core.request import Request
from netguard.policy import shadow
from netguard.policy.compile import build_rules
from netguard.policy.compose import numbered
from netguard.policy.grammar import read_request
from netguard.policy.load import read_string
from netguard.policy.scope import scope_of
from netguard.policy.shadow import CERTAIN, PUBLIC_ONLY, shadowed


def rules(*texts: str) -> tuple[Rule, ...]:
    found = build_rules(read_string("".join([f"- {{{text}}}\n" for text in texts])), scope_of(None, ()))
    return tuple([numbered(rule, index) for index, (rule, _) in enumerate(found)])


ROWS = [
    # earlier, later, what is said
    ("deny: any", "allow: dns", CERTAIN),
    ("deny: any", "deny: any", CERTAIN),
    ("deny: [dns, exec]", "allow: dns", CERTAIN),
    ("deny: dns", "allow: [dns, exec]", ""),
    ("deny: any, to: a.example", "allow: any", ""),
    ("deny: any", "allow: 'audit:exec'", ""),
    ("deny: 'audit:exec'", "allow: 'audit:exec'", CERTAIN),
    ("deny: 'audit:exec'", "allow: ['audit:exec', 'audit:compile']", ""),
    # facets
    ("deny: any, user: ci", "allow: dns", ""),
    ("deny: any, user: ci", "allow: dns, user: ci", CERTAIN),
    ("deny: any, user: ci", "allow: dns, user: root", ""),
    ("deny: any", "allow: dns, user: root", CERTAIN),
    ("deny: exec, program: sh", "allow: exec", ""),
    ("allow: exec, program: sh", "allow: exec, program: sh", CERTAIN),
    ("allow: exec, program: sh", "allow: exec, program: sh, unguarded: true", ""),
    ("allow: exec, program: sh", "deny: exec, program: sh", ""),
    ("allow: exec, program: sh, unguarded: true", "deny: exec, program: sh", CERTAIN),
    ("allow: exec", "allow: exec, program: sh, unguarded: true", CERTAIN),
    ("deny: exec", "allow: exec, program: sh", CERTAIN),
    ("allow: dns, limit: {lookups: 1/s}", "log: dns", CERTAIN),
    # names
    ("deny: any, to: a.example", "allow: any, to: a.example", CERTAIN),
    ("deny: any, to: [b.example, a.example]", "allow: any, to: a.example", CERTAIN),
    ("deny: any, to: a.example", "allow: any, to: [a.example, b.example]", ""),
    ("deny: any, to: '*.example'", "allow: any, to: x.y.example", CERTAIN),
    ("deny: any, to: '*.example'", "allow: any, to: '*.y.example'", CERTAIN),
    ("deny: any, to: '*.example'", "allow: any, to: example", ""),
    ("deny: any, to: '*.y.example'", "allow: any, to: '*.example'", ""),
    ("deny: any, to: 'a.example:443'", "allow: any, to: a.example", ""),
    ("deny: connect, to: 'a.example:1-9'", "allow: connect, to: 'a.example:2,4-5'", CERTAIN),
    ("deny: connect, to: 'a.example:1-9'", "allow: connect, to: 'a.example:2,10'", ""),
    ("deny: connect, to: a.example", "allow: connect, to: 'a.example:2'", CERTAIN),
    ("deny: any, to: 'a.example:443'", "allow: any, to: 'a.example:443'", ""),  # at dns the denial says nothing yet
    ("deny: any, to: 'a.example:443'", "deny: any, to: 'a.example:443'", CERTAIN),
    ("allow: any, to: 'a.example:443'", "log: any, to: 'a.example:443'", CERTAIN),
    # names and private addresses
    ("allow: connect, to: a.example", "log: connect, to: a.example", CERTAIN),
    ("allow: connect, to: a.example", "log: connect, to: a.example, private: true", ""),
    ("allow: connect, to: a.example, private: true", "log: connect, to: a.example, private: true", CERTAIN),
    ("allow: connect, to: a.example, private: true", "deny: connect, to: a.example", CERTAIN),
    ("allow: connect, to: '*.example'", "deny: connect, to: bad.example", PUBLIC_ONLY),
    ("allow: connect, to: ['*.example', 10.0.0.1]", "deny: connect, to: [bad.example, 10.0.0.1]", PUBLIC_ONLY),
    ("allow: connect", "deny: connect, to: a.example", CERTAIN),
    # networks
    ("deny: any, to: 10.0.0.0/8", "allow: any, to: 10.1.0.0/16", CERTAIN),
    ("deny: any, to: 10.0.0.0/8", "allow: any, to: 10.1.2.3", CERTAIN),
    ("deny: any, to: 10.1.0.0/16", "allow: any, to: 10.0.0.0/8", ""),
    ("deny: any, to: '0.0.0.0/0'", "allow: any, to: '::/0'", ""),
    ("deny: any, to: '@private'", "allow: any, to: 10.1.2.3", CERTAIN),
    ("deny: any, to: 10.0.0.0/8", "allow: any, to: a.example", ""),
    ("deny: any, to: '@self'", "allow: any, to: '@self'", CERTAIN),
    ("deny: any, to: '@public'", "allow: any, to: '@public'", CERTAIN),
    # listening on every interface
    ("allow: listen, to: '@loopback'", "allow: listen, to: 0.0.0.0", ""),
    ("allow: listen, to: '@loopback'", "deny: listen, to: '0.0.0.0/8'", ""),
    ("allow: listen, to: '@loopback'", "allow: listen, to: '0.0.0.0/8'", CERTAIN),
    ("allow: listen, to: '0.0.0.0/0'", "allow: listen, to: 0.0.0.0", CERTAIN),
    ("allow: listen, to: '@loopback'", "deny: listen, to: 127.0.0.1", CERTAIN),
    ("allow: connect, to: '@loopback'", "allow: connect, to: 0.0.0.0", CERTAIN),
    ("deny: listen, to: '@loopback'", "allow: listen, to: 0.0.0.0", CERTAIN),
    # unix sockets
    ("deny: connect, to: 'unix:/run/*'", "allow: connect, to: 'unix:/run/a'", CERTAIN),
    ("deny: connect, to: 'unix:/run/*'", "allow: connect, to: 'unix:/run/a/*'", CERTAIN),
    ("deny: connect, to: 'unix:/run/a'", "allow: connect, to: 'unix:/run/*'", ""),
    ("deny: connect, to: 'unix:/run/a'", "allow: connect, to: 'unix:/run/a'", CERTAIN),
]


@pytest.mark.parametrize(("earlier", "later", "said"), ROWS, ids=[f"{row[0]} | {row[1]}" for row in ROWS])
def test_later_rule_is(earlier: str, later: str, said: str) -> None:
    found = shadowed(rules(earlier, "deny: 'audit:between'", later))
    assert [(rule.index, by.index, how) for rule, by, how in found] == ([(2, 0, said)] if said else [])


def test_the_first_that_covers_is_named() -> None:
    found = shadowed(
        rules("deny: dns", "deny: exec", "deny: [dns, exec], to: a.example".replace("[dns, exec]", "dns"), "log: exec")
    )
    assert [(rule.index, by.index) for rule, by, _ in found] == [(2, 0), (3, 1)]


def test_certain_comes_before_less() -> None:
    found = shadowed(
        rules(
            "allow: connect, to: '*.example'",
            "deny: connect, to: '*.b.example', user: x",
            "deny: connect, to: a.b.example, user: x",
        )
    )
    assert [(rule.index, by.index, how) for rule, by, how in found] == [(1, 0, PUBLIC_ONLY), (2, 0, PUBLIC_ONLY)]


def test_bounds_cost_findings_only(monkeypatch: pytest.MonkeyPatch) -> None:
    same = rules("deny: connect, to: [a.example, b.example]", "allow: connect, to: a.example")
    assert len(shadowed(same)) == 1
    monkeypatch.setattr(shadow, "MAX_TARGETS", 1)
    assert shadowed(same) == []
    monkeypatch.setattr(shadow, "MAX_TARGETS", 1_000)
    monkeypatch.setattr(shadow, "MAX_CANDIDATES", 0)
    assert shadowed(same) == []


# No false alarm: whatever is said to be hidden is decided by no request.

VERDICTS = ("allow", "log", "deny")
KINDS = ("dns", "connect", "listen", "[dns, connect]", "any")
TARGETS = (
    "a.example", "*.example", "a.example:80", "*.example:80", "a.example:80-81", "10.0.0.0/8", "10.0.0.1", "0.0.0.0",
    "0.0.0.0/8", "0.0.0.0/0", "@loopback", "@self", "@public", "unix:/run/*", "unix:/run/a", "127.0.0.1:80",
)  # fmt: skip
PLACES = (
    "a.example:{}", "a.example:{} at 10.0.0.1", "a.example:{} at 8.8.8.8", "b.example:{} at 10.0.0.1", "10.0.0.1:{}",
    "10.0.0.2:{}", "0.0.0.0:{}", "127.0.0.1:{}", "8.8.8.8:{}", "0.0.0.1:{}",
)  # fmt: skip
ANSWERS = ("", " at 10.0.0.1", " at 8.8.8.8", " at 127.0.0.1")
REQUESTS = [
    *[f"{kind} {place.format(port)}" for kind in ("connect", "listen") for port in (80, 81, 82) for place in PLACES],
    *[f"dns {name}{answer}" for name in ("a.example", "b.example", "localhost") for answer in ANSWERS],
    "connect unix:/run/a", "connect unix:/run/b", "listen unix:/run/a",
    "[own] connect 127.0.0.1:80", "[own] connect 10.0.0.1:80",
]  # fmt: skip


@some.composite
def rule_text(draw: some.DrawFn) -> str:
    verdict, kinds = draw(some.sampled_from(VERDICTS)), draw(some.sampled_from(KINDS))
    to = draw(some.lists(some.sampled_from(TARGETS), max_size=3))
    names = any(["example" in target for target in to])
    private = ", private: true" if names and draw(some.booleans()) else ""
    quoted = ", ".join([f"'{target}'" for target in to])
    return f"{verdict}: {kinds}" + (f", to: [{quoted}]{private}" if to else "")


@pytest.mark.property
@given(some.lists(rule_text(), min_size=2, max_size=4))
def test_hidden_rule_decides_nothing(texts: list[str]) -> None:
    """A hidden rule may open a look-up that its addresses never pass (shadow says why that is no use of it)."""
    policy = Policy(rules(*texts), "deny")
    hidden = {rule.index for rule, _, how in shadowed(policy.rules) if how == CERTAIN}
    for request in PARSED:
        decision = decide(policy, request)
        assert decision.index not in hidden or decision.open, (texts, request.kind, decision.index)


PARSED: list[Request] = [read_request(text) for text in REQUESTS]
