"""One rule at a time: kinds, facets and limits, and every way in which a rule cannot be meant."""

from __future__ import annotations

import pytest

from netguard.core.policy import Rule
from netguard.core.request import KINDS
from netguard.errors import PolicyError
from netguard.policy.compile import build_rules
from netguard.policy.load import read_string
from netguard.policy.schema import ALIASES, LIMIT_KEYS, NEEDS_DETECTORS, NEEDS_HTTP, RULE_KEYS
from netguard.policy.scope import scope_of

DESTINED = ("dns", "connect", "http", "listen")


def compiled(rule: str) -> Rule:
    """The rule of one flow mapping."""
    return build_rules(read_string(f"- {{{rule}}}\n"), scope_of(None, ()))[0][0]


def refusal(rule: str) -> str:
    with pytest.raises(PolicyError) as caught:
        compiled(rule)
    return str(caught.value)


SPOKEN = [
    ("deny: dns", ("dns",), ()),
    ("deny: [http, dns]", ("dns", "http"), ()),
    ("deny: [dns, dns]", ("dns",), ()),
    ("deny: any", KINDS, ()),
    ("deny: any, to: a.example", DESTINED, ()),
    ("deny: any, to: a.example, proto: udp", ("connect",), ()),
    ("deny: any, program: sh", ("exec",), ()),
    ("deny: any, args: x, program: sh", ("exec",), ()),
    ("deny: any, user: root", KINDS, ()),
    ("deny: any, direct: true", ("connect",), ()),
    ("deny: any, native: true", ("connect", "listen"), ()),
    ("deny: native", ("native",), ()),
    ("deny: 'audit:exec'", (), ("exec",)),
    ("deny: [exec, 'audit:sqlite3.connect']", ("exec",), ("sqlite3.connect",)),
    ("deny: [any, 'audit:gc.get_objects']", KINDS, ("gc.get_objects",)),
    ("deny: socket.connect", ("connect",), ()),
    ("deny: [os.exec, subprocess.Popen]", ("exec",), ()),
    ("allow: http, to: a.example", ("http",), ()),
]


@pytest.mark.parametrize(("rule", "kinds", "audit"), SPOKEN, ids=[row[0] for row in SPOKEN])
def test_rule_speaks_of_these(rule: str, kinds: tuple[str, ...], audit: tuple[str, ...]) -> None:
    found = compiled(rule)
    assert (found.kinds, found.audit) == (kinds, audit)


@pytest.mark.parametrize(("event", "kind"), ALIASES.items())
def test_alias_means_its_kind_and_is_no_audit_event(event: str, kind: str) -> None:
    assert compiled(f"log: {event}").kinds == (kind,)
    assert f"is decided as the kind {kind}" in refusal(f"log: 'audit:{event}'")


def test_facets_are_read() -> None:
    rule = compiled(
        "log: connect, to: ['*.a.example', b.example], private: true, proto: [tcp, udp, tcp], direct: false, "
        "from: {package: req*, module: m, file: /x, function: f}, user: [ci, root], process: python3, "
        "tags: {job: 7, n: no}, name: a name, because: 'two  words'"
    )
    assert [target.text for target in rule.to or ()] == ["*.a.example", "b.example"]
    assert (rule.private, rule.proto, rule.direct) == (True, ("tcp", "udp"), False)
    assert rule.origin == (("package", "req*"), ("module", "m"), ("file", "/x"), ("function", "f"))
    assert (rule.user, rule.process, rule.tags) == (("ci", "root"), ("python3",), (("job", "7"), ("n", "no")))
    assert (rule.name, rule.because, rule.where, rule.verdict) == ("a name", "two words", "rules.yaml:1", "log")


def test_program_that_may_be_without_the_guard_is_said_so() -> None:
    assert compiled("allow: exec, program: sh, unguarded: true").unguarded is True
    assert compiled("allow: exec, program: sh, unguarded: false").unguarded is False
    assert compiled("allow: exec, program: sh").unguarded is False


def test_native_asks_something_either_way() -> None:
    assert compiled("deny: connect, native: true").native == "true"
    assert compiled("log: [connect, listen], native: false").native == "false"
    assert compiled("log: connect").native == ""


@pytest.mark.parametrize(("library", "found"), [("'*grpc*'", ("*grpc*",)), ("[a, /b/*]", ("a", "/b/*"))])
def test_library_is_of_what_is_native(library: str, found: tuple[str, ...]) -> None:
    rule = compiled(f"deny: any, native: {{library: {library}}}")
    assert (rule.kinds, rule.native, rule.library) == (("connect", "listen"), "true", found)


def test_program_facets_are_read() -> None:
    rule = compiled("deny: exec, program: [sh, /bin/b*], args: ['* -c *']")
    assert (rule.program, rule.args) == (("sh", "/bin/b*"), ("* -c *",))


def test_unnamed_rule_is_called_by_its_place() -> None:
    rules = build_rules(read_string("- deny: dns\n\n- deny: exec\n", "/some/where/r.yaml"), scope_of(None, ()))
    assert [rule.name for rule, _ in rules] == ["r.yaml:1", "r.yaml:3"]
    assert [rule.where for rule, _ in rules] == ["/some/where/r.yaml:1", "/some/where/r.yaml:3"]


LIMITS = [
    ("{connections: 60/min}", [("connections", 60, 60.0, 60, "run", "deny")]),
    ("{connections: 60 / min, burst: 5, per: destination, over: delay}",
     [("connections", 60, 60.0, 5, "destination", "delay")]),
    ("{connections: 1/s, lookups: 9/day, per: 'tag:job'}",
     [("connections", 1, 1.0, 1, "tag:job", "deny"), ("lookups", 9, 86400.0, 9, "tag:job", "deny")]),
    ("[{connections: 10/h}, {connections: 50/run, over: log}]",
     [("connections", 10, 3600.0, 10, "run", "deny"), ("connections", 50, 0.0, 50, "run", "log")]),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "expected"), LIMITS, ids=[row[0] for row in LIMITS])
def test_limits_are_read(limit: str, expected: list[tuple[object, ...]]) -> None:
    found = compiled(f"allow: [dns, connect], limit: {limit}").limits
    assert [(each.counter, each.amount, each.window, each.burst, each.per, each.over) for each in found] == expected


REFUSED = [
    ("name: x", "a rule needs a verdict: allow, log, deny"),
    ("allow: dns, deny: exec", "a rule has one verdict; this one has allow and deny"),
    ("deny: dsn", "unknown kind 'dsn'; did you mean 'dns'?"),
    ("deny: zzz", "it can be any, dns, connect"),
    ("deny: []", "empty list"),
    ("deny: {dns: 1}", "a kind must be text, not a mapping"),
    ("deny: sqlite3.connect.x", "is written 'audit:sqlite3.connect.x'"),
    ("deny: open", "write the kind file"),
    ("deny: 'audit:open'", "only credential files are watched"),
    ("deny: import", "write the kind native"),
    ("deny: 'audit:'", "followed by the name of an audit event"),
    ("deny: 'audit:a b'", "followed by the name of an audit event"),
    ("deny: [any, dns]", "'any' speaks of dns already"),
    ("deny: any, to: a.example, program: sh", "no kind has all of: to, program"),
    ("deny: exec, to: a.example", "'to' does not apply to exec, only to dns, connect, http, listen"),
    ("deny: [connect, exec], program: sh", "'program' does not apply to connect"),
    ("deny: 'audit:exec', to: a.example", "'to' does not apply to 'audit:exec': an audit event is known by its name"),
    ("deny: dns, proto: udp", "'proto' does not apply to dns"),
    ("deny: any, native: {}", "'native' is empty; it can be library"),
    ("deny: any, native: {library: []}", "empty list"),
    ("deny: any, native: [true]", "'native' must be true or false, not a list"),
    ("deny: exec, native: {library: x}", "'native' does not apply to exec, only to connect, listen"),
    ("deny: any, to: []", "empty list"),
    ("deny: any, to: {a: b}", "a destination must be text, not a mapping"),
    ("deny: any, to: '@nolist'", "there is no list '@nolist'"),
    ("deny: any, to: 'a.example:x'", "'x' is no port"),
    ("deny: any, to: ''", "a destination is empty"),
    ("deny: any, to: ~", "a destination is empty"),
    ("deny: any, private: true", "'private' is about names in `to`"),
    ("deny: any, to: 10.0.0.1, private: true", "'private' is about names in `to`"),
    ("deny: any, to: a.example, private: yes", "must be true or false spelled out, not 'yes'"),
    ("deny: any, to: a.example, private: 'true'", "must be true or false without quotes"),
    ("deny: any, to: a.example, private: 5", "must be true or false, not '5'"),
    ("deny: any, to: a.example, private: [true]", "must be true or false, not a list"),
    ("deny: any, proto: icmp", "'proto' cannot be 'icmp'; it can be tcp, udp, unix"),
    ("deny: exec, program: sh, unguarded: true", "'unguarded' does not apply to deny"),
    ("allow: exec, unguarded: true", "'unguarded' is about programs in `program`, and there is none"),
    ("allow: exec, program: sh, unguarded: 1", "'unguarded' must be true or false spelled out, not '1'"),
    ("allow: connect, unguarded: true", "'unguarded' does not apply to connect"),
    ("deny: exec, program: [sh, [x]]", "'program' must be text, not a list"),
    ("deny: any, from: {}", "'from' is empty"),
    ("deny: any, from: requests", "'from' must be a mapping"),
    ("deny: any, from: {pakage: x}", "unknown key 'pakage' in 'from'; did you mean 'package'?"),
    ("deny: any, from: {package: [x]}", "'package' must be text, not a list"),
    ("deny: any, tags: {}", "'tags' is empty"),
    ("deny: any, tags: {a: ~}", "the tag 'a' is empty"),
    ("deny: any, tags: {a: 1, a: 2}", "'a' stands twice in 'tags'"),
    ("deny: any, tags: {[a]: 1}", "a key of 'tags' must be text, not a list"),
    ("deny: any, deny: dns", "'deny' stands twice in a rule; the first is at line 1"),
    ("deny: any, name: default", "cannot be called 'default'"),
    ("deny: any, name: " + "x" * 101, "longer than 100 characters"),
    ('deny: any, name: "a\\e[31m"', "cannot be printed"),
    ('deny: any, because: " "', "cannot be printed"),
    ("deny: any, user: " + "x" * 5_000, "longer than 4096 characters"),
    ("deny: dns, limit: {lookups: 1/s}", "'limit' does not apply to deny"),
    ("allow: dns, limit: {connections: 1/s}", "'connections' counts connect, of which this rule does not speak"),
    ("allow: dns, limit: {per: run}", "a limit needs something to count: connections or lookups"),
    ("allow: dns, limit: 5/min", "a limit must be a mapping"),
    ("allow: dns, limit: {lookups: 60}", "such as 60/min; not '60'"),
    ("allow: dns, limit: {lookups: x/min}", "such as 60/min; not 'x/min'"),
    ("allow: dns, limit: {lookups: 60/minute}", "unknown unit 'minute'; did you mean 'min'?"),
    ("allow: dns, limit: {lookups: 60/}", "unknown unit ''"),
    ("allow: dns, limit: {lookups: 0/min}", "to let through none, deny"),
    ("allow: dns, limit: {lookups: " + "9" * 30 + "/min}", "to let through none, deny"),
    ("allow: dns, limit: {lookups: 1/s, per: host}", "'per' cannot be 'host'; it can be run"),
    ("allow: dns, limit: {lookups: 1/s, per: domain}", "needs the list of registrable domains"),
    ("allow: dns, limit: {lookups: 1/s, per: 'tag:'}", "'per' cannot be 'tag:'"),
    ("allow: dns, limit: {lookups: 1/s, over: ask}", "'over' cannot be 'ask'"),
    ("allow: dns, limit: {lookups: 1/s, burst: 0}", "'burst' must be between 1 and"),
    ("allow: dns, limit: {lookups: 1/s, burst: '5'}", "'burst' must be a whole number, not text"),
    ("allow: dns, limit: {lookups: 9/run, burst: 5}", "a limit for the whole run has no burst"),
    ("allow: dns, limit: [" + "{lookups: 1/s}," * 17 + "]", "more than 16 limits"),
]


@pytest.mark.parametrize(("rule", "message"), REFUSED, ids=[row[0][:50] for row in REFUSED])
def test_rule_that_cannot_be_meant_is_refused(rule: str, message: str) -> None:
    found = refusal(rule)
    assert message in found
    assert found.startswith("rules.yaml:1:")
    assert found.endswith("^")


def test_keys_of_later_versions_are_refused_by_name() -> None:
    later = {name: key.refused for name, key in [*RULE_KEYS.items(), *LIMIT_KEYS.items()] if key.refused}
    assert later.keys() == {"ask", "method", "path", "header", "url", "body", "finding", "requests", "bytes"}
    for name in ("method", "path", "header", "url", "body"):
        assert f"'{name}' {NEEDS_HTTP}" in refusal(f"log: any, {name}: x")
    assert f"'finding' {NEEDS_DETECTORS}" in refusal("deny: any, finding: [x]")
    assert "'ask' is reserved" in refusal("ask: any")
    assert "unknown key 'libary' in 'native'" in refusal("deny: connect, native: {libary: x}")
    for native in ("''", "'true'", "[true]", "yes"):
        assert "'native' must be true or false" in refusal(f"deny: connect, native: {native}")
    assert "'native' does not apply to dns" in refusal("deny: [dns, connect], native: true")
    assert "'native' does not apply to 'audit:exec'" in refusal("deny: ['audit:exec'], native: true")
    for name in ("requests", "bytes"):
        assert f"'{name}' {NEEDS_HTTP}" in refusal(f"allow: any, limit: {{{name}: 1/s}}")


def test_rules_must_be_a_list_of_mappings() -> None:
    for text, message in (("a: b\n", "'rules' must be a list of rules"), ("- deny\n", "a rule must be a mapping")):
        with pytest.raises(PolicyError, match=message):
            build_rules(read_string(text), scope_of(None, ()))


def test_two_rules_of_one_name_are_refused() -> None:
    text = "- {deny: dns, name: a}\n- {deny: exec, name: b}\n- {deny: file, name: a}\n"
    with pytest.raises(PolicyError, match="two rules are called 'a'; the other is at "):
        build_rules(read_string(text), scope_of(None, ()))
