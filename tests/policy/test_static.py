"""What the kernel is told to refuse is nothing that a rule grants: `decide` is asked about every act that is closed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netguard.core.address import parse_ip
from netguard.core.decide import decide
from netguard.core.policy import DENY, Policy
from netguard.core.request import Request
from netguard.policy.compile import build_rules
from netguard.policy.load import read_string
from netguard.policy.scope import scope_of
from netguard.policy.static import MAX_PORTS, Static, static

PORTS = (0, 1, 53, 80, 85, 443, 8080, 65535)
TARGETS = ("api.test:443", "api.test", "'*.test:80-90'", "10.0.0.0/8:443", "'@self'", "'@public'", "'unix:/run/x'",
           "127.0.0.1:0-1", "'127.0.0.1:443,8080'")  # fmt: skip
KINDS = ("connect", "listen", "dns", "http", "any", "exec", "file")
ADDRESSES = [parse_ip(text) for text in ("127.0.0.1", "10.1.2.3", "93.184.216.34", "0.0.0.0", "::1", "2606:4700::1")]


def made(*rules: str, default: str = "deny") -> tuple[Policy, Static]:
    text = "".join(f"- {{{rule}}}\n" for rule in rules) or "[]"
    policy = Policy(tuple(pair[0] for pair in build_rules(read_string(text), scope_of(None, ()))), default)
    return policy, static(policy)


@pytest.mark.parametrize(
    ("rules", "closed", "connect", "listen"),
    [
        ((), ("tcp", "udp"), set(), set()),
        (("allow: exec",), ("tcp", "udp"), set(), set()),
        (("allow: connect, to: 'unix:/run/x'",), ("tcp", "udp"), set(), set()),
        (("allow: connect, to: 'api.test:443', proto: tcp",), ("udp",), {443}, set()),
        (("allow: connect, to: 'api.test:443'",), (), {443}, set()),
        (("allow: http, to: 'api.test:443'",), (), {443}, set()),
        (("allow: dns, to: api.test",), ("tcp",), set(), set()),
        (("log: connect, to: '10.0.0.0/8:80-82', proto: tcp",), ("udp",), {80, 81, 82}, set()),
        (("allow: connect, to: api.test, proto: tcp",), ("udp",), None, set()),
        (("allow: connect",), (), None, set()),
        (("allow: listen, to: '127.0.0.1:0'",), (), set(), {0}),
        (("allow: listen, to: '@self'",), (), set(), None),
        (("deny: connect, to: api.test",), ("tcp", "udp"), set(), set()),
        ((f"allow: connect, to: '10.0.0.1:1-{MAX_PORTS + 9}', proto: tcp",), ("udp",), None, set()),
    ],
)
def test_what_no_rule_grants_is_closed(
    rules: tuple[str, ...], closed: tuple[str, ...], connect: set[int] | None, listen: set[int] | None
) -> None:
    _, plan = made(*rules)
    assert plan.closed() == closed
    assert (plan.connect, plan.listen) == (connect, listen)


@pytest.mark.parametrize("default", ["allow", "log"])
def test_nothing_is_closed_where_silence_grants(default: str) -> None:
    _, plan = made("deny: connect", default=default)
    assert (plan.closed(), plan.connect, plan.listen) == ((), None, None)


RULES = st.builds(
    lambda verdict, kind, to, proto: f"{verdict}: {kind}"
    + (f", to: {to}" if to and kind not in ("exec", "file") else "")
    + (f", proto: {proto}" if proto and kind == "connect" and "unix" not in to else ""),
    st.sampled_from(["allow", "log", "deny"]), st.sampled_from(KINDS), st.sampled_from(["", *TARGETS]),
    st.sampled_from(["", "tcp", "udp"]),
)  # fmt: skip


@given(st.lists(RULES, max_size=5))
def test_nothing_that_is_granted_is_closed(rules: list[str]) -> None:
    policy, plan = made(*rules)
    ports = {"connect": plan.connect, "listen": plan.listen}
    names = ((), ("api.test",))
    cases = itertools.product(("connect", "listen"), ("tcp", "udp"), PORTS, ADDRESSES, names, (True, False))
    for kind, proto, port, address, known, own in cases:
        allowed = ports[kind]
        open_ = getattr(plan, proto) and (proto == "udp" or allowed is None or port in allowed)
        if not open_:
            request = Request(kind, "", names=known, address=address, port=port, proto=proto, own=own)
            assert decide(policy, request).verdict == DENY, (kind, proto, port)


@pytest.mark.parametrize(
    ("rules", "ports", "said"),
    [
        ((), True, "no rule grants TCP or UDP, so no socket for either can be made"),
        (("allow: connect, to: 'a.test:443', proto: tcp",), True, "TCP connects to port 443 alone, at any address"),
        (("allow: connect, to: 'a.test:443', proto: tcp",), False, "TCP connects anywhere"),
        (("allow: connect, to: 'a.test:443', proto: tcp",), True, "no UDP socket can be made"),
        (("allow: dns",), True, "no TCP socket can be made, UDP goes anywhere"),
    ],
)
def test_record_says_what_is_held(rules: tuple[str, ...], ports: bool, said: str) -> None:
    assert said in made(*rules)[1].words(ports=ports)
