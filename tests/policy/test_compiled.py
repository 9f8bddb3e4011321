"""The compiled form: every policy comes back exactly, and nothing else loads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from netguard.core import compiled
from netguard.core.compiled import BadPolicy, dump, escape, load, unescape
from netguard.core.policy import HOST, NET, PUBLIC, SELF, SUFFIX, UNIX, Limit, Policy, Rule, Target
from netguard.core.request import KINDS

TEXT = some.text(some.characters(codec=None), max_size=12)  # lone surrogates too: argv and paths have them
SEVERAL = some.lists(TEXT, max_size=3).map(tuple)
PAIRS = some.lists(some.tuples(TEXT, TEXT), max_size=2).map(tuple)
PORT = some.tuples(some.integers(0, 65535), some.integers(0, 65535)).map(sorted).map(tuple)
PORTS = some.none() | some.lists(PORT, max_size=3).map(tuple)


@some.composite
def nets(draw: some.DrawFn) -> tuple[int, int, int]:
    version = draw(some.sampled_from([4, 6]))
    length = draw(some.integers(0, {4: 32, 6: 128}[version]))
    return version, length, draw(some.integers(0, (1 << length) - 1))


TARGET = some.one_of(
    some.builds(Target, some.sampled_from([HOST, SUFFIX, UNIX]), TEXT, PORTS, TEXT),
    some.builds(Target, some.just(NET), nets(), PORTS, TEXT),
    some.builds(Target, some.sampled_from([SELF, PUBLIC]), some.none(), PORTS, TEXT),
)
LIMIT = some.builds(
    Limit,
    some.sampled_from(["connections", "lookups"]),
    some.integers(1, 10**12),
    some.sampled_from([0.0, 0.05, 1.0, 60.0, 86400.0]),
    burst=some.integers(1, 10**12),
    per=TEXT,
    over=some.sampled_from(["deny", "log", "delay"]),
    text=TEXT,
)
RULE = some.builds(
    Rule,
    some.just(0),
    some.sampled_from(["allow", "log", "deny"]),
    TEXT,
    kinds=some.lists(some.sampled_from(KINDS), unique=True).map(tuple),
    audit=SEVERAL,
    to=some.none() | some.lists(TARGET, max_size=3).map(tuple),
    private=some.booleans(),
    proto=SEVERAL,
    direct=some.booleans(),
    native=some.sampled_from(["", "true", "false"]),
    library=SEVERAL,
    program=SEVERAL,
    args=SEVERAL,
    unguarded=some.booleans(),
    origin=PAIRS,
    user=SEVERAL,
    process=SEVERAL,
    tags=PAIRS,
    limits=some.lists(LIMIT, max_size=2).map(tuple),
    because=TEXT,
    where=TEXT,
)


def fields(each: object) -> object:
    """A rule, target or limit as plain values, to compare."""
    if isinstance(each, (Rule, Target, Limit)):
        return [type(each).__name__, *[fields(getattr(each, name)) for name in type(each).__slots__ if name != "index"]]
    return [fields(item) for item in each] if isinstance(each, tuple) else each


@pytest.mark.property
@given(some.lists(RULE, max_size=4).map(tuple), some.sampled_from(["allow", "log", "deny"]))
def test_policy_comes_back_exactly(rules: tuple[Rule, ...], default: str) -> None:
    text = dump(Policy(rules, default))
    found = load(text)
    assert text.replace("\n", "").isprintable()
    assert text.isascii()
    assert fields(found.rules) == fields(rules)
    assert [rule.index for rule in found.rules] == list(range(len(rules)))
    assert (found.default, found.digest) == (default, "")
    assert dump(found) == text


@pytest.mark.property
@given(TEXT)
def test_text_comes_back_from_one_field(text: str) -> None:
    assert unescape(escape(text)) == text
    assert escape(text)
    assert " " not in escape(text)


def test_lists_that_rules_share_are_written_once() -> None:
    to = tuple([Target(HOST, f"h{n}.example", None, f"h{n}.example") for n in range(1_000)])
    rules = tuple([Rule(n, "deny", f"r{n}", kinds=("dns",), to=to) for n in range(10)])
    text = dump(Policy(rules))
    assert text.count("host h7.example ") == 1
    found = load(text).rules
    assert found[0].to is found[9].to


GOOD = """\
netguard-policy 1
default deny
targets 2
host a.example 443-443,8000-8100 a.example:443
net 4/8/a * 10.0.0.0/8
rule allow one
to 0
kinds dns connect
origin package requests
private
limit 5 60.0 5 connections run deny connections%20;5/min
rule deny two
audit exec
end 2
"""

BROKEN = [
    ("netguard-policy 1", "netguard-policy 2"),
    ("netguard-policy 1", "netguard-policy one"),
    ("netguard-policy 1", "netguard-kept 1"),
    ("netguard-policy 1", ""),
    ("default deny", "default ask"),
    ("default deny", "default deny x"),
    ("targets 2", "targets 3"),
    ("targets 2", "targets 99999999"),
    ("targets 2", "targets -1"),
    ("targets 2", "targets " + "9" * 30),
    ("host a.example", "hots a.example"),
    ("host a.example ", "host a.example"),
    ("443-443", "443-"),
    ("443-443", "443-442"),
    ("8000-8100", "8000-99999"),
    ("net 4/8/a", "net 4/33/a"),
    ("net 4/8/a", "net 5/8/a"),
    ("net 4/8/a", "net 4/8/aaa"),
    ("net 4/8/a", "net 4/8"),
    ("net 4/8/a", "net 4/8/a/b"),
    ("net 4/8/a", "net 4/8/-a"),
    ("net 4/8/a", "self x"),
    ("rule allow one", "rule ask one"),
    ("rule allow one", "rule allow"),
    ("to 0", "to 1"),
    ("to 0", "to x"),
    ("kinds dns connect", "kinds dns conect"),
    ("private", "private x"),
    ("private", "native yes"),
    ("private", "native"),
    ("private", "native true false"),
    ("private", "pirvate"),
    ("origin package requests", "origin package"),
    ("60.0 5", "60 5"),
    ("60.0 5", "x.0 5"),
    ("60.0 5", "60.x 5"),
    ("60.0 5", "inf 5"),
    ("connections run", "requests run"),
    ("run deny", "run ask"),
    ("limit 5", "limit 5 5"),
    ("%20;", "%20"),
    ("%20;", "%zz;"),
    ("%20;", "%110000;"),
    ("%20;", "%" + "f" * 40 + ";"),
    ("end 2\n", ""),
    ("end 2", "end 3"),
    ("end 2\n", "end 2"),
    ("end 2\n", "end 2\nrule deny x\n"),
]


def test_good_text_loads() -> None:
    policy = load(GOOD)
    assert [rule.name for rule in policy.rules] == ["one", "two"]
    assert policy.rules[0].limits[0].text == "connections 5/min"
    assert dump(policy) == GOOD


@pytest.mark.parametrize(("old", "new"), BROKEN, ids=[f"{old[:20]}>{new[:20]}" for old, new in BROKEN])
def test_anything_else_is_refused(old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(BadPolicy):
        load(GOOD.replace(old, new, 1))


@pytest.mark.parametrize("cut", range(len(GOOD)))
def test_text_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(BadPolicy):
        load(GOOD[:cut])


def test_too_large_a_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "MAX_SIZE", len(GOOD) - 1)
    with pytest.raises(BadPolicy, match="larger"):
        load(GOOD)


@pytest.mark.property
@given(some.integers(0, len(GOOD)), some.integers(0, 6), some.text(max_size=6))
def test_any_change_loads_as_some_policy_or_is_refused(at: int, length: int, put: str) -> None:
    try:
        found = load(GOOD[:at] + put + GOOD[at + length :])
    except BadPolicy:
        return
    assert isinstance(found, Policy)
