"""Random policies and requests: the index comes to what the walk comes to, nothing raises, nothing opens by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netguard.core.address import parse_ip
from netguard.core.decide import UNANNOUNCED, connection_of, decide, withheld
from netguard.core.explain import explain, walks, why_denied
from netguard.core.policy import ALLOW, DENY, HOST, LOG, NET, PUBLIC, SELF, SUFFIX, UNIX, Policy, Rule, Target
from netguard.core.reach import DESTINED, grants
from netguard.core.request import KINDS, Code, Request

pytestmark = pytest.mark.property

#: Few words, so that rules and requests meet often.
NAMES = ("a.example", "b.example", "x.a.example", "example", "localhost", "x.localhost", "a", "test")
ADDRESSES = tuple(
    parse_ip(text)
    for text in ("0.0.0.0", "127.0.0.1", "10.0.0.1", "10.0.1.1", "93.184.216.34", "93.184.216.35", "169.254.169.254",
                 "::", "::1", "fc00::1", "2606:4700::1", "2606:4700:1:2:3:4:5:6")
)  # fmt: skip
PATHS = ("/run/x", "/run/xy", "@abstract", "")
PORTS = (None, 0, 80, 443, 8000, 65535)
RANGES = st.none() | st.sampled_from([((443, 443),), ((80, 80), (8000, 8100)), ((0, 65535),), ()])


def nets() -> st.SearchStrategy[tuple[int, int, int]]:
    """Nets round the addresses that are asked for, of every length."""
    return st.builds(
        lambda address, length: (address[0], (32 if address[0] == 4 else 128) * length // 128, address[1] >> (
            32 - 32 * length // 128 if address[0] == 4 else 128 - length
        )),
        st.sampled_from(ADDRESSES),
        st.integers(0, 128),
    )  # fmt: skip


TARGETS = st.one_of(
    st.builds(Target, st.just(HOST), st.sampled_from(NAMES), RANGES),
    st.builds(Target, st.just(SUFFIX), st.sampled_from(NAMES), RANGES),
    st.builds(Target, st.just(NET), nets(), RANGES),
    st.builds(Target, st.just(UNIX), st.sampled_from(("/run/x", "/run/x*", "@abstract", "*")), RANGES),
    st.builds(Target, st.sampled_from((SELF, PUBLIC)), st.none(), RANGES),
)
TO = st.lists(TARGETS, max_size=4).map(tuple)
KIND = st.sampled_from((*KINDS, "audit", "nonsense"))
VERDICTS = st.sampled_from((ALLOW, LOG, DENY, "ask"))
GLOBS = st.sampled_from(("a", "b", "*", "?", "a*", "/bin/a", "/bin/*"))
WORDS = st.sampled_from(("a", "b", "ab", "", "/bin/a", "/usr/bin/b"))


def some(items: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    """Mostly nothing: each facet is asked by few rules, as in policies."""
    return st.just(()) | st.just(()) | st.just(()) | st.lists(items, max_size=2).map(tuple)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    rules = []
    for index in range(draw(st.integers(0, 8))):
        kinds = draw(st.just(DESTINED) | st.just(KINDS) | st.lists(KIND, max_size=3).map(tuple))
        rules.append(
            Rule(
                index,
                draw(VERDICTS),
                f"rule {index}",
                kinds=kinds,
                audit=draw(some(st.sampled_from(("exec", "compile")))),
                to=draw(st.none() | TO | TO),
                private=draw(st.booleans()),
                proto=draw(some(st.sampled_from(("tcp", "udp", "unix")))),
                direct=draw(st.sampled_from((False, False, False, True))),
                native=draw(st.sampled_from(("", "", "", "true", "false"))),
                program=draw(some(GLOBS)),
                args=draw(some(GLOBS)),
                unguarded=draw(st.booleans()),
                origin=draw(some(st.tuples(st.sampled_from(("package", "module", "file", "function", "x")), GLOBS))),
                user=draw(some(GLOBS)),
                process=draw(some(GLOBS)),
                tags=draw(some(st.tuples(st.sampled_from(("job", "team")), GLOBS))),
            )
        )
    return Policy(tuple(rules), draw(VERDICTS))


REQUESTS = st.builds(
    Request,
    KIND,
    st.sampled_from(("exec", "compile", "socket.connect")),
    host=st.just("") | st.sampled_from(NAMES),
    names=st.lists(st.sampled_from(NAMES), max_size=3).map(tuple),
    address=st.none() | st.sampled_from(ADDRESSES),
    port=st.sampled_from(PORTS),
    proto=st.sampled_from(("tcp", "udp", "unix", "packet", "")),
    path=st.sampled_from(PATHS),
    program=WORDS,
    resolved=WORDS,
    argv=st.lists(WORDS, max_size=2).map(tuple),
    uncovered=st.sampled_from(("", "", "-I")),
    own=st.booleans(),
    native=st.booleans(),
    code=st.builds(Code, WORDS, func=WORDS, module=WORDS, package=WORDS),
    user=WORDS,
    tags=st.dictionaries(st.sampled_from(("job", "team")), WORDS),
    process=WORDS,
)


@given(policies(), st.lists(REQUESTS, min_size=1, max_size=8))
def test_index_comes_to_what_the_walk_comes_to(policy: Policy, requests: list[Request]) -> None:
    for request in requests:
        decision = decide(policy, request)
        if request.kind == "nonsense":
            assert (decision.verdict, decision.index) == (DENY, -1)
            continue
        rows = explain(policy, request)
        rule, matched, why = rows[-1] if rows else (None, False, "")
        assert decision.index == (rule.index if matched else -1)
        waits = (matched and "addresses decide" in why) or decision.rule == "connection"
        assert decision.open is (waits and not request.native)
        assert (decision.why == UNANNOUNCED) is (waits and request.native)
        assert not decision.why.startswith("deciding failed")


@given(policies(), REQUESTS)
def test_nothing_is_let_through_but_by_a_grant_or_the_default(policy: Policy, request: Request) -> None:
    decision = decide(policy, request)
    assert decision.verdict in (ALLOW, LOG, DENY)
    assert not decision.why.startswith("deciding failed")
    if decision.why == UNANNOUNCED:
        assert (decision.verdict, request.native) == (DENY, True)
    elif decision.index >= 0:
        assert (decision.verdict != DENY) is grants(policy.rules[decision.index])
    elif request.kind == "audit":
        assert decision.verdict == LOG
    elif decision.rule == "connection":
        assert decision.open
        assert (request.kind, request.address, request.host != "") == ("http", None, True)
        assert policy.default not in (ALLOW, LOG)
    elif request.kind == "nonsense" or policy.default not in (ALLOW, LOG):
        assert decision.verdict == DENY
    else:
        assert decision.verdict == policy.default


@given(policies(), REQUESTS)
def test_request_by_url_comes_to_a_rule_of_its_own_or_to_its_connection(policy: Policy, request: Request) -> None:
    request.kind = "http"
    decision = decide(policy, request)
    connect = decide(policy, connection_of(request))
    if decision.rule == "connection":
        assert (connect.verdict, connect.index) == (DENY, -1)
        return
    (_, rows), *rest = walks(policy, request)
    if not rest:
        assert decision.index == rows[-1][0].index
        assert "http" in policy.rules[decision.index].kinds
    elif connect.index >= 0 or request.address is not None:
        assert (decision.verdict, decision.rule, decision.index) == (connect.verdict, connect.rule, connect.index)
    else:
        assert decision.rule == "default"


@given(policies(), REQUESTS)
def test_denial_has_words_and_names_only_a_rule_that_would_grant(policy: Policy, request: Request) -> None:
    decision = decide(policy, request)
    if decision.verdict != DENY:
        return
    assert why_denied(policy, request, decision)
    rule = withheld(policy, request) if decision.rule == "default" else None
    if rule is not None:
        rule.private = True
        assert decide(Policy(policy.rules, policy.default), request).index == rule.index


@given(policies(), REQUESTS)
def test_no_more_is_let_through_with_a_denial_on_top(policy: Policy, request: Request) -> None:
    """The first rule wins: a rule that denies all of a kind, put before the others, leaves nothing of it."""
    first = Rule(-1, DENY, "no", kinds=KINDS)
    assert decide(Policy((first, *policy.rules), policy.default), request).verdict == (
        DENY if request.kind != "audit" else decide(policy, request).verdict
    )


ODD = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=3) | st.floats() | st.binary()


@given(policies(), REQUESTS, st.sampled_from(Request.__slots__), ODD)
def test_request_of_wrong_types_never_raises(policy: Policy, request: Request, field: str, value: object) -> None:
    setattr(request, field, value)
    assert decide(policy, request).verdict in (ALLOW, LOG, DENY)


@given(st.text(), st.text(), st.integers(0, 65535))
def test_name_that_no_rule_lists_is_denied(host: str, other: str, port: int) -> None:
    rules = tuple(
        Rule(index, ALLOW, "x", kinds=KINDS, to=(Target(form, other),)) for index, form in enumerate((HOST, SUFFIX))
    )
    matches = host != "" and (host == other or host.endswith("." + other))
    decision = decide(Policy(rules), Request("connect", host=host, port=port))
    assert (decision.verdict == ALLOW) is matches
