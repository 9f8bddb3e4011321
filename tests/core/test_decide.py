"""What a request comes to under a policy: a row for every kind, facet, destination and way of deciding."""

from __future__ import annotations

import pytest

from netguard.core.address import parse_ip
from netguard.core.decide import decide
from netguard.core.explain import explain
from netguard.core.policy import DENY, HOST, NET, Decision, Policy, Rule, Target
from netguard.core.request import KINDS, Code, Request
from tests.core.policies import ask, policy, rule


def decided(rules: Policy, request: Request) -> Decision:
    """The decision, after the walk that explains it came to the same."""
    decision = decide(rules, request)
    rows = explain(rules, request)
    if decision.index >= 0:
        assert rows[-1][0].index == decision.index
        assert rows[-1][1]
        assert ("addresses decide" in rows[-1][2]) is decision.open
    else:
        assert decision.rule == ("connection" if decision.open else "default")
        assert not any(matched for _, matched, _ in rows)
    assert all(why for _, _, why in rows)
    return decision


def row(rules: list[object], request: Request, expect: str, id: str) -> object:
    return pytest.param(rules, request, expect, id=id)


def verdict_of(decision: Decision) -> str:
    """`VERDICT INDEX`, with "open" behind it where only a look-up is granted."""
    return f"{decision.verdict} {decision.index}" + (" open" if decision.open else "")


def address(text: str) -> tuple[int, int]:
    found = parse_ip(text)
    assert found is not None
    return found


def at(text: str, port: int | None = 443, *names: str, **more: object) -> Request:
    """A connect as the session asks it: by address, with the names that led to it."""
    return Request("connect", "socket.connect", address=address(text), port=port, proto="tcp", names=names, **more)  # type: ignore[arg-type]


PUBLIC_IP = "93.184.216.34"
CODE = Code("/job/script.py", 12, "upload", "script", "__main__", "requests")
BLIND = Request("exec", program="python3", argv=("python3", "-I", "x.py"), python=True, uncovered="-I")
EXEC = Request("exec", program="/bin/sh", resolved="/usr/bin/dash", argv=("sh", "-c", "curl -s evil.com"))


# --- kinds ---

EXAMPLES = {
    "dns": ask("dns a.example"),
    "connect": ask("connect a.example:443"),
    "http": ask("http 93.184.216.34:443"),
    "listen": ask("listen 127.0.0.1:80"),
    "exec": EXEC,
    "native": ask("native /lib/x.so"),
    "file": ask("file /root/.aws/credentials"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rule_speaks_of_its_kind_only(kind: str) -> None:
    for asked, request in EXAMPLES.items():
        expect = "allow 0" if asked == kind or (asked, kind) == ("http", "connect") else "deny -1"
        assert verdict_of(decided(policy(f"allow {kind}"), request)) == expect


@pytest.mark.parametrize("kind", KINDS)
def test_any_speaks_of_every_kind(kind: str) -> None:
    assert verdict_of(decided(policy("log any"), EXAMPLES[kind])) == "log 0"


def test_any_does_not_speak_of_audit_events() -> None:
    assert verdict_of(decided(policy("deny any", default="deny"), ask("audit:socket.listen"))) == "log -1"


def test_event_is_decided_by_rules_that_name_it() -> None:
    rules = policy("deny audit:sys.settrace", "allow audit:exec,audit:sys.settrace")
    assert verdict_of(decided(rules, ask("audit:sys.settrace"))) == "deny 0"
    assert verdict_of(decided(rules, ask("audit:exec"))) == "allow 1"
    assert verdict_of(decided(rules, ask("audit:compile"))) == "log -1"


def test_rule_may_speak_of_kinds_and_events() -> None:
    rules = policy("deny exec,audit:exec")
    assert verdict_of(decided(rules, EXEC)) == "deny 0"
    assert verdict_of(decided(rules, ask("audit:exec"))) == "deny 0"


@pytest.mark.parametrize("kind", ["", "Connect", "socket.connect", "ptrace", "audit:exec"])
def test_unknown_kind_is_denied(kind: str) -> None:
    rules = policy("allow any", default="allow")
    assert verdict_of(decide(rules, Request(kind))) == "deny -1"


# --- order, verdicts, default ---


@pytest.mark.parametrize("default", ["allow", "log", "deny"])
def test_default_decides_when_no_rule_matches(default: str) -> None:
    decision = decided(policy("deny dns", default=default), at(PUBLIC_IP))
    assert (decision.verdict, decision.rule, decision.index) == (default, "default", -1)


@pytest.mark.parametrize("default", ["ask", "", "ALLOW", "yes"])
def test_unknown_default_denies(default: str) -> None:
    assert decided(policy(default=default), at(PUBLIC_IP)).verdict == DENY


def test_unknown_verdict_denies() -> None:
    decision = decided(policy("ask connect", "allow connect"), at(PUBLIC_IP))
    assert verdict_of(decision) == "deny 0"
    assert "'ask'" in decision.why


def test_first_rule_that_matches_wins() -> None:
    rules = policy("deny any bad.example", "allow any *.example", "deny any")
    assert verdict_of(decided(rules, ask("connect bad.example:1"))) == "deny 0"
    assert verdict_of(decided(rules, ask("connect good.example:1"))) == "allow 1"
    assert verdict_of(decided(rules, ask("connect good.test:1"))) == "deny 2"


def test_index_keeps_the_order_of_different_forms() -> None:
    """Each form of entry is the first rule once; it wins over all the others that match too."""
    forms = ["a.example", "*.example", "*.com", f"{PUBLIC_IP}", "93.184.0.0/16", "0.0.0.0/0", "@public", "@self"]
    request = at(PUBLIC_IP, 443, "a.example", own=True)
    for first in forms:
        if first != "*.com":
            rules = policy(f"deny connect {first}", *[f"allow connect {form}" for form in forms], "allow connect")
            assert verdict_of(decided(rules, request)) == "deny 0"
            rules = policy("deny connect", *[f"allow connect {form}" for form in forms])
            assert verdict_of(decided(rules, request)) == "deny 0"


def test_decision_names_the_rule_and_its_reason() -> None:
    rules = Policy((Rule(0, DENY, "no-metadata", kinds=("connect",), because="instance credentials live there"),))
    decision = decide(rules, at(PUBLIC_IP))
    assert (decision.rule, decision.because, decision.why) == (
        "no-metadata", "instance credentials live there", "rule matched",
    )  # fmt: skip


def test_decisions_are_made_once() -> None:
    rules = policy("allow connect 1.2.3.4")
    assert decide(rules, at("1.2.3.4")) is decide(rules, at("1.2.3.4", 80))
    assert decide(rules, at("1.2.3.5")) is decide(rules, at("1.2.3.6"))


# --- destinations ---

DESTINATIONS = [
    row(["allow connect a.example"], ask("connect a.example:443"), "allow 0", "host"),
    row(["allow connect a.example"], ask("connect b.example:443"), "deny -1", "another-host"),
    row(["allow connect a.example"], ask("connect x.a.example:443"), "deny -1", "host-is-not-below-itself"),
    row(["allow connect *.example"], ask("connect a.example:443"), "allow 0", "suffix"),
    row(["allow connect *.example"], ask("connect a.b.c.example:443"), "allow 0", "suffix-at-any-depth"),
    row(["allow connect *.example"], ask("connect example:443"), "deny -1", "suffix-is-not-the-apex"),
    row(["allow connect *.example"], ask("connect badexample:443"), "deny -1", "suffix-begins-at-a-dot"),
    row(["deny any *.example", "allow any"], ask("dns .example"), "deny 0", "suffix-of-an-odd-name"),
    row(["allow connect *.b.example"], ask("connect a.b.example.test:443"), "deny -1", "suffix-is-at-the-end"),
    row(["allow connect 93.184.216.34"], at(PUBLIC_IP), "allow 0", "ip"),
    row(["allow connect 93.184.216.35"], at(PUBLIC_IP), "deny -1", "another-ip"),
    row(["allow connect 93.184.0.0/16"], at(PUBLIC_IP), "allow 0", "cidr"),
    row(["allow connect 93.185.0.0/16"], at(PUBLIC_IP), "deny -1", "another-cidr"),
    row(["allow connect 92.0.0.0/6"], at(PUBLIC_IP), "allow 0", "cidr-shorter-than-a-stem"),
    row(["allow connect 93.184.216.32/27"], at(PUBLIC_IP), "allow 0", "cidr-longer-than-a-stem"),
    row(["allow connect 0.0.0.0/0"], at(PUBLIC_IP), "allow 0", "cidr-of-everything"),
    row(["allow connect 0.0.0.0/0"], at("2606:4700::1"), "deny -1", "cidr-of-the-other-version"),
    row(["allow connect [2606:4700::1]:443"], at("2606:4700::1"), "allow 0", "v6"),
    row(["allow connect 2606:4700::/32"], at("2606:4700::1"), "allow 0", "v6-cidr"),
    row(["allow connect ::/0"], at("2606:4700::1"), "allow 0", "v6-cidr-of-everything"),
    row(["allow connect 2606:4700:1:2:3::/80"], at("2606:4700:1:2:3::9"), "allow 0", "v6-cidr-longer-than-a-stem"),
    row(["allow connect a.example:443"], ask("connect a.example:443"), "allow 0", "port"),
    row(["allow connect a.example:443"], ask("connect a.example:80"), "deny -1", "another-port"),
    row(["allow connect a.example:443,8443"], ask("connect a.example:8443"), "allow 0", "ports"),
    row(["allow connect a.example:8000-8100"], ask("connect a.example:8000"), "allow 0", "port-range-from"),
    row(["allow connect a.example:8000-8100"], ask("connect a.example:8100"), "allow 0", "port-range-to"),
    row(["allow connect a.example:8000-8100"], ask("connect a.example:8101"), "deny -1", "port-past-the-range"),
    row(["allow connect 10.0.0.0/8:22"], at("10.1.1.1", 22), "allow 0", "cidr-with-port"),
    row(["allow connect 10.0.0.0/8:22"], at("10.1.1.1", 23), "deny -1", "cidr-with-another-port"),
    row(["allow connect 10.0.0.0/8:22"], at("10.1.1.1", None), "deny -1", "destination-without-a-port"),
    row(["deny connect a.example:25", "allow connect a.example"], ask("connect a.example:443"),
        "allow 1", "deny-by-port"),
    row(["allow connect unix:/run/x"], ask("connect unix:/run/x"), "allow 0", "unix"),
    row(["allow connect unix:/run/x"], ask("connect unix:/run/xy"), "deny -1", "unix-is-the-whole-path"),
    row(["allow connect unix:/run/x*"], ask("connect unix:/run/xy/z"), "allow 0", "unix-prefix"),
    row(["allow connect unix:/run/x*"], ask("connect unix:/run/"), "deny -1", "unix-other-prefix"),
    row(["allow connect unix:@abstract"], ask("connect unix:@abstract"), "allow 0", "unix-abstract"),
    row(["allow connect unix:/run/x"], Request("connect", path="/run/x", proto="tcp"),
        "deny -1", "unix-path-of-no-unix"),
    row(["allow listen unix:/run/x"], ask("listen unix:/run/x"), "allow 0", "unix-listen"),
    row(["deny connect unix:/run/x", "allow connect unix:/*"], ask("connect unix:/run/x"), "deny 0", "unix-path-first"),
    row(["deny connect unix:/run/*", "allow connect unix:/run/x"], ask("connect unix:/run/x"),
        "deny 0", "unix-prefix-first"),
    row(["allow any @loopback"], at("127.0.0.1"), "allow 0", "loopback"),
    row(["allow any @loopback"], at("0.0.0.0"), "allow 0", "loopback-by-zero"),
    row(["allow any @loopback"], at("::"), "allow 0", "loopback-by-zero-v6"),
    row(["allow any @loopback"], at("10.0.0.1"), "deny -1", "loopback-is-not-private"),
    row(["allow any @private"], at("10.0.0.1"), "allow 0", "private"),
    row(["allow any @linklocal"], at("fe80::1"), "allow 0", "linklocal"),
    row(["deny any @metadata", "allow any"], at("169.254.169.254", 80), "deny 0", "metadata"),
    row(["deny any @multicast", "allow any"], at("224.0.0.251", 5353), "deny 0", "multicast"),
    row(["allow any @public"], at(PUBLIC_IP), "allow 0", "public"),
    row(["allow any @public"], at("192.168.0.1"), "deny -1", "public-is-not-private"),
    row(["allow any @public"], at("168.63.129.16"), "deny -1", "public-is-not-metadata"),
    row(["allow any @self"], at("127.0.0.1", 5000, own=True), "allow 0", "self-connect"),
    row(["allow any @self"], at("127.0.0.1", 5432), "deny -1", "self-is-not-all-of-loopback"),
    row(["allow any @self"], ask("connect unix:@mp-1", own=True), "allow 0", "self-unix"),
    row(["allow any @self"], ask("connect unix:/run/docker.sock"), "deny -1", "self-is-not-all-of-unix"),
    row(["allow any @self"], ask("listen 127.0.0.1:0"), "allow 0", "self-listen"),
    row(["allow any @self"], ask("listen unix:/tmp/x"), "allow 0", "self-listen-unix"),
    row(["allow any @self"], ask("listen [::1]:80"), "allow 0", "self-listen-v6"),
    row(["allow any @self"], ask("listen 0.0.0.0:80"), "deny -1", "self-is-not-every-interface"),
    row(["allow any @self"], ask("listen [::]:80"), "deny -1", "self-is-not-every-interface-v6"),
    row(["allow any @self"], ask("listen 10.0.0.1:80"), "deny -1", "self-is-not-an-interface"),
    row(["allow listen @loopback"], ask("listen 127.0.0.1:80"), "allow 0", "loopback-listen"),
    row(["allow listen @loopback"], ask("listen 0.0.0.0:80"), "deny -1", "loopback-is-not-every-interface"),
    row(["allow listen @loopback"], ask("listen [::]:80"), "deny -1", "loopback-is-not-every-interface-v6"),
    row(["deny listen @loopback", "allow listen"], ask("listen 0.0.0.0:80"),
        "deny 0", "deny-loopback-denies-every-interface"),
    row(["allow listen 0.0.0.0:80"], ask("listen 0.0.0.0:80"), "allow 0", "every-interface-by-its-address"),
    row(["allow listen [::]:80"], ask("listen [::]:80"), "allow 0", "every-interface-by-its-address-v6"),
    row(["allow listen 0.0.0.0/0"], ask("listen 0.0.0.0:80"), "allow 0", "every-interface-by-every-address"),
    row(["allow listen localhost:80"], ask("listen localhost:80", address=address("127.0.0.1")),
        "allow 0", "listen-name"),
    row(["deny connect", "allow connect a.example"], ask("connect a.example:1"), "deny 0", "no-to-is-any-destination"),
    row(["allow http a.example:443"], ask("http a.example:443"), "allow 0", "http-host"),
    row(["allow http 10.0.0.0/8"], ask("http 10.0.0.1:80"), "allow 0", "http-address"),
    row([("allow connect", {"to": ()})], at(PUBLIC_IP), "deny -1", "empty-to-is-no-destination"),
    row([("allow exec @self", {})], Request("exec", own=True), "deny -1", "no-destination-at-exec"),
    row([("allow audit:exec @self", {})], Request("audit", "exec", own=True), "log -1", "no-destination-at-an-event"),
]  # fmt: skip


def made(rules: list[object]) -> Policy:
    """The policy of a row; a row may overrule `to`."""
    parsed = []
    for index, text in enumerate(rules):
        words, facets = (text, {}) if isinstance(text, str) else text  # type: ignore[misc]
        facets = dict(facets)
        to = facets.pop("to", None)
        one = rule(words, index, **facets)
        if to is not None:
            one.to = to
        parsed.append(one)
    return Policy(tuple(parsed))


@pytest.mark.parametrize(("rules", "request_", "expect"), DESTINATIONS)
def test_destination(rules: list[object], request_: Request, expect: str) -> None:
    assert verdict_of(decided(made(rules), request_)) == expect


# --- facets ---


def with_facets(**facets: object) -> list[object]:
    return [("allow any", facets)]


BY_LIBRARY = [("deny any", {"native": "true", "library": ("*grpc*", "*/uvloop/*")}), "log any"]

FACETS = [
    row(with_facets(proto=("tcp",)), at(PUBLIC_IP), "allow 0", "proto"),
    row(with_facets(proto=("udp", "unix")), at(PUBLIC_IP), "deny -1", "another-proto"),
    row(with_facets(proto=("udp",)), ask("listen 0.0.0.0:53", proto="udp"), "allow 0", "proto-listen"),
    row(with_facets(direct=True), at(PUBLIC_IP), "allow 0", "direct"),
    row(with_facets(direct=True), at(PUBLIC_IP, 443, "a.example"), "deny -1", "looked-up"),
    row(with_facets(direct=True), ask("connect a.example:1"), "deny -1", "named"),
    row(with_facets(direct=True), ask("listen 0.0.0.0:1"), "deny -1", "direct-is-for-connect"),
    row(with_facets(native="true"), at(PUBLIC_IP, native=True), "allow 0", "native"),
    row(with_facets(native="true"), at(PUBLIC_IP), "deny -1", "announced-is-not-native"),
    row(with_facets(native="false"), at(PUBLIC_IP), "allow 0", "announced"),
    row(with_facets(native="false"), at(PUBLIC_IP, native=True), "deny -1", "native-is-not-announced"),
    row(with_facets(), at(PUBLIC_IP, native=True), "allow 0", "native-where-nobody-asks"),
    row(with_facets(native="true"), ask("listen 0.0.0.0:1", native=True), "allow 0", "native-listener"),
    row(with_facets(native="false"), ask("dns a.example"), "deny -1", "native-is-for-connect-and-listen"),
    row([("deny any", {"native": "true"}), "log any"], at(PUBLIC_IP, native=True), "deny 0", "native-denied"),
    row([("deny any", {"native": "true"}), "log any"], at(PUBLIC_IP), "log 1", "announced-not-denied"),
    row([("log connect", {"native": "false"})], ask("http a.example:80"), "log 0", "url-is-announced"),
    row(BY_LIBRARY, at(PUBLIC_IP, native=True, library="/usr/lib/libgrpc.so.1"), "deny 0", "library-by-name"),
    row(BY_LIBRARY, at(PUBLIC_IP, native=True, library="/opt/uvloop/loop.so"), "deny 0", "library-by-path"),
    row(BY_LIBRARY, at(PUBLIC_IP, native=True, library="/opt/libgrpc/other.so"), "log 1", "name-is-the-last-part"),
    row(BY_LIBRARY, at(PUBLIC_IP, native=True), "log 1", "library-that-nobody-can-tell"),
    row(BY_LIBRARY, at(PUBLIC_IP, library="/usr/lib/libgrpc.so.1"), "log 1", "library-of-what-is-announced"),
    row(with_facets(program=("sh",)), EXEC, "allow 0", "program-as-given"),
    row(with_facets(program=("dash",)), EXEC, "allow 0", "program-as-resolved"),
    row(with_facets(program=("bash", "zsh")), EXEC, "deny -1", "another-program"),
    row(with_facets(program=("/usr/bin/dash",)), EXEC, "allow 0", "program-path"),
    row(with_facets(program=("/bin/*",)), EXEC, "allow 0", "program-path-glob"),
    row(with_facets(program=("?ash",)), EXEC, "allow 0", "program-glob"),
    row(with_facets(program=("/bin/dash",)), EXEC, "deny -1", "program-another-path"),
    row(with_facets(program=("sh",)), ask("native /bin/sh"), "deny -1", "program-is-for-exec"),
    row(with_facets(program=("python3.?",)), ask("exec python3.9 -S x"), "allow 0", "program-without-path"),
    row(with_facets(program=("python3",)), BLIND, "deny -1", "program-without-the-guard"),
    row(with_facets(program=("python3",), unguarded=True), BLIND, "allow 0", "program-may-be-without-the-guard"),
    row([("log exec", {"program": ("python3",)})], BLIND, "deny -1", "program-logged-without-the-guard"),
    row([("deny exec", {"program": ("python3",)}), "allow exec"], BLIND, "deny 0", "program-denied-all-the-same"),
    row(["allow exec"], BLIND, "allow 0", "any-program-at-all"),
    row(with_facets(args=("*-I*",)), BLIND, "allow 0", "any-program-with-these-arguments"),
    row([*with_facets(program=("python3",)), "log exec"], BLIND, "log 1", "goes-on-to-the-next-rule"),
    row(with_facets(args=("*curl *",)), EXEC, "allow 0", "args"),
    row(with_facets(args=("sh -c *", "x")), EXEC, "allow 0", "args-from-the-start"),
    row(with_facets(args=("curl *",)), EXEC, "deny -1", "args-are-the-whole-line"),
    row(with_facets(args=("*",)), ask("native /x"), "deny -1", "args-are-for-exec"),
    row(with_facets(origin=(("package", "__main__"),)), at(PUBLIC_IP, code=CODE), "allow 0", "from-package"),
    row(with_facets(origin=(("module", "scr*"),)), at(PUBLIC_IP, code=CODE), "allow 0", "from-module"),
    row(with_facets(origin=(("file", "/job/*"),)), at(PUBLIC_IP, code=CODE), "allow 0", "from-file"),
    row(with_facets(origin=(("function", "upload"),)), at(PUBLIC_IP, code=CODE), "allow 0", "from-function"),
    row(with_facets(origin=(("package", "__main__"), ("function", "download"))), at(PUBLIC_IP, code=CODE), "deny -1",
        "from-all"),
    row(with_facets(origin=(("line", "12"),)), at(PUBLIC_IP, code=CODE), "deny -1", "from-unknown"),
    row(with_facets(origin=(("package", "requests"),)), at(PUBLIC_IP), "deny -1", "from-nothing-known"),
    row(with_facets(user=("ci", "root")), at(PUBLIC_IP, user="root"), "allow 0", "user"),
    row(with_facets(user=("c*",)), at(PUBLIC_IP, user="root"), "deny -1", "another-user"),
    row(with_facets(process=("python3*",)), at(PUBLIC_IP, process="/usr/bin/python3.11"), "allow 0", "process"),
    row(with_facets(process=("/opt/*",)), at(PUBLIC_IP, process="/usr/bin/python3.11"), "deny -1", "another-process"),
    row(with_facets(tags=(("job", "7"), ("team", "a*"))), at(PUBLIC_IP, tags={"job": "7", "team": "ab"}),
        "allow 0", "tags"),
    row(with_facets(tags=(("job", "7"), ("team", "a*"))), at(PUBLIC_IP, tags={"job": "7", "team": "b"}), "deny -1",
        "tags-all"),
    row(with_facets(tags=(("job", "*"),)), at(PUBLIC_IP), "deny -1", "tag-not-set"),
    row(with_facets(user=("ci",), to=None, proto=("tcp",)), at(PUBLIC_IP, user="ci"), "allow 0", "several"),
    row([("deny any", {"user": ("ci",)}), "allow any"], at(PUBLIC_IP, user="me"), "allow 1", "facet-of-a-deny"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "request_", "expect"), FACETS)
def test_facet(rules: list[object], request_: Request, expect: str) -> None:
    assert verdict_of(decided(made(rules), request_)) == expect


# --- private ---

INSIDE = ["127.0.0.1", "0.0.0.0", "::1", "10.0.0.1", "192.168.1.1", "100.64.0.1", "fc00::1", "169.254.1.1", "fe80::1",
          "169.254.169.254", "168.63.129.16", "224.0.0.1", "240.0.0.1", "192.0.2.1"]  # fmt: skip


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize("entry", ["a.example", "*.example"])
def test_name_grants_no_special_address(entry: str, inside: str) -> None:
    """Rebinding: the owner of a granted name may give it any address."""
    request = at(inside, 443, "a.example")
    for verdict in ("allow", "log"):
        assert verdict_of(decided(policy(f"{verdict} connect {entry}"), request)) == "deny -1"
        assert verdict_of(decided(policy((f"{verdict} connect {entry}", {"private": True})), request)) == f"{verdict} 0"
    answer = Request("dns", host="a.example", address=address(inside))
    assert verdict_of(decided(policy(f"allow dns {entry}"), answer)) == "deny -1"
    assert verdict_of(decided(policy((f"allow dns {entry}", {"private": True})), answer)) == "allow 0"


@pytest.mark.parametrize("inside", INSIDE)
def test_name_denies_every_address(inside: str) -> None:
    rules = policy("deny connect a.example", "allow connect")
    assert verdict_of(decided(rules, at(inside, 443, "a.example"))) == "deny 0"


PRIVATE = [
    row(["allow connect localhost"], at("127.0.0.1", 80, "localhost"), "allow 0", "localhost-is-itself"),
    row(["allow connect localhost"], at("::1", 80, "localhost"), "allow 0", "localhost-is-itself-v6"),
    row(["allow connect *.localhost"], at("127.0.0.1", 80, "x.localhost"), "allow 0", "below-localhost"),
    row(["allow connect localhost"], at("10.0.0.1", 80, "localhost"), "deny -1", "localhost-elsewhere"),
    row(["allow connect notlocalhost"], at("127.0.0.1", 80, "notlocalhost"), "deny -1", "not-localhost"),
    row(["allow connect a.example 10.0.0.0/8"], at("10.0.0.1", 80, "a.example"), "allow 0", "address-entry-grants-it"),
    row(
        ["allow connect a.example", "log connect @private"],
        at("10.0.0.1", 80, "a.example"),
        "log 1",
        "later-rule-grants",
    ),
    row(["allow connect a.example"], ask("connect a.example:80"), "allow 0", "address-not-known"),
    row(["allow connect a.example"], at(PUBLIC_IP, 80, "a.example"), "allow 0", "public-address"),
    row(["allow http a.example"], ask("http a.example:80", address=address("10.0.0.1")), "deny -1", "http"),
]


@pytest.mark.parametrize(("rules", "request_", "expect"), PRIVATE)
def test_private(rules: list[object], request_: Request, expect: str) -> None:
    assert verdict_of(decided(made(rules), request_)) == expect


# --- dns ---


def answer(text: str, host: str = "a.example", **more: object) -> Request:
    return Request("dns", "socket.getaddrinfo", host=host, address=address(text), **more)  # type: ignore[arg-type]


NAME = ask("dns a.example")

DNS = [
    row(["allow dns a.example"], NAME, "allow 0", "name"),
    row(["allow dns *.example"], NAME, "allow 0", "suffix"),
    row(["allow dns b.example"], NAME, "deny -1", "another-name"),
    row(["allow any a.example:443"], NAME, "allow 0", "grant-with-port"),
    row(["deny any a.example", "allow any"], NAME, "deny 0", "deny"),
    row(["deny any a.example:25", "allow any *.example"], NAME, "allow 1", "deny-with-port-is-open"),
    row(["deny any 10.0.0.0/8", "allow dns a.example"], NAME, "allow 1", "deny-by-address-is-open"),
    row(["deny any @public @self", "allow dns a.example"], NAME, "allow 1", "deny-by-other-addresses-is-open"),
    row(["allow any 10.0.0.0/8"], NAME, "allow 0 open", "grant-by-address-looks-up"),
    row(["log any @public"], NAME, "log 0 open", "grant-of-public-looks-up"),
    row(["allow any 10.0.0.0/8:443"], NAME, "allow 0 open", "grant-by-address-with-port"),
    row(["allow any 10.0.0.0/8", "deny dns a.example"], NAME, "allow 0 open", "open-grant-before-a-denial"),
    row(["deny dns a.example", "allow any 10.0.0.0/8"], NAME, "deny 0", "denial-before-an-open-grant"),
    row(["allow dns a.example", "log any 10.0.0.0/8"], NAME, "allow 0", "grant-before-an-open-grant"),
    row(["log any 10.0.0.0/8", "allow dns a.example"], NAME, "log 0 open", "open-grant-before-a-grant"),
    row(["allow any 10.0.0.0/8 a.example"], NAME, "allow 0", "name-and-address-in-one-rule"),
    row([("allow any 10.0.0.0/8", {"user": ("ci",)}), "log any 10.0.0.0/8"], NAME,
        "log 1 open", "open-grant-of-another"),
    row(["allow any 10.0.0.0/8", "log any 11.0.0.0/8"], NAME, "allow 0 open", "first-open-grant"),
    row(["allow any 10.0.0.0/8"], ask("dns a.example", alone=True), "deny -1", "no-grant-by-address-without-addresses"),
    row(["allow any 10.0.0.0/8", "log any a.example"], ask("dns a.example", alone=True), "log 1", "alone-by-its-name"),
    row(["allow any @self"], ask("dns localhost", alone=True), "deny -1", "self-has-no-other-records"),
    row(["allow any @self"], NAME, "deny -1", "self-looks-up-no-name-of-others"),
    row(["allow any @self"], ask("dns localhost"), "allow 0 open", "self-looks-up-localhost"),
    row(["allow any @self"], ask("dns x.localhost"), "allow 0 open", "self-looks-up-below-localhost"),
    row(["allow any @self"], ask("dns my-host", own=True), "allow 0", "self-looks-up-its-own-name"),
    row(["allow any 10.0.0.0/8 @self"], ask("dns my-host", own=True), "allow 0", "its-own-name-and-an-address"),
    row(["allow any @self"], answer("127.0.0.1", "localhost"), "allow 0", "self-answers-loopback"),
    row(["allow any @self"], answer("0.0.0.0", "localhost"), "deny -1", "self-answers-not-zero"),
    row(["allow any @self"], answer("10.0.0.1", own=True), "allow 0", "self-answers-its-own"),
    row(["allow any @self"], answer("10.0.0.1"), "deny -1", "self-answers-nothing-else"),
    row(["allow any unix:/x"], NAME, "deny -1", "unix"),
    row(["allow any 10.0.0.0/8"], answer("10.0.0.1"), "allow 0", "answer-granted"),
    row(["allow any 10.0.0.0/8"], answer("11.0.0.1"), "deny -1", "answer-not-granted"),
    row(["deny any 10.0.0.0/8", "allow any"], answer("10.0.0.1"), "deny 0", "answer-denied"),
    row(["deny any 10.0.0.0/8:22", "allow any"], answer("10.0.0.1"), "allow 1", "answer-denied-at-a-port-only"),
    row(["allow any 10.0.0.0/8:22"], answer("10.0.0.1"), "allow 0", "answer-granted-at-a-port"),
    row(["deny any a.example:25", "allow any"], answer(PUBLIC_IP), "allow 1", "answer-of-a-name-denied-at-a-port"),
    row(["allow any a.example:443"], answer(PUBLIC_IP), "allow 0", "answer-of-a-granted-name"),
    row(["allow any @public"], answer(PUBLIC_IP), "allow 0", "answer-public"),
    row(["log any 10.0.0.0/8", "allow dns a.example"], answer(PUBLIC_IP), "allow 1", "answer-of-an-open-grant"),
    row(["allow any 10.0.0.0/8"], Request("dns", address=address("10.0.0.1")), "allow 0", "reverse"),
    row(["allow any 10.0.0.0/8:22"], Request("dns", address=address("10.0.0.1")), "allow 0", "reverse-ignores-ports"),
    row(["allow any a.example"], Request("dns", address=address("10.0.0.1")), "deny -1", "reverse-has-no-name"),
    row(["allow any 10.0.0.0/8"], Request("dns"), "deny -1", "no-name-looks-up-nothing"),
    row(["allow any @self"], Request("dns"), "deny -1", "no-name-looks-up-nothing-of-its-own"),
    row(["allow dns"], Request("dns"), "allow 0", "no-name-and-no-to"),
    row(["allow dns a.example"], Request("dns", host="b.example", names=("a.example",)),
        "deny -1", "names-are-for-connect"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "request_", "expect"), DNS)
def test_dns(rules: list[object], request_: Request, expect: str) -> None:
    assert verdict_of(decided(made(rules), request_)) == expect


# --- connect by address with names ---

LEASES = [
    row(["allow connect a.example"], at(PUBLIC_IP, 443, "a.example", "b.example"), "allow 0", "any-granted"),
    row(["deny connect b.example", "allow connect *.example"], at(PUBLIC_IP, 443, "a.example", "b.example"), "deny 0",
        "any-denied"),
    row(["allow connect a.example", "deny connect b.example"], at(PUBLIC_IP, 443, "a.example", "b.example"), "deny 1",
        "any-denied-later"),
    row(["allow connect a.example", "deny connect"], at(PUBLIC_IP, 443, "a.example", "b.example"), "deny 1",
        "denied-by-a-rule-for-all"),
    row(["allow connect b.example", "log connect a.example"], at(PUBLIC_IP, 443, "a.example", "b.example"), "allow 0",
        "first-grant"),
    row(["deny connect b.example", "deny connect a.example"], at(PUBLIC_IP, 443, "a.example", "b.example"), "deny 0",
        "first-denial"),
    row(["allow connect c.example"], at(PUBLIC_IP, 443, "a.example", "b.example"), "deny -1", "none"),
    row(["allow connect a.example", "deny connect"], at(PUBLIC_IP, 443, "a.example"), "allow 0", "not-as-an-address"),
    row(["allow connect 93.184.0.0/16"], at(PUBLIC_IP, 443, "a.example", "b.example"), "allow 0", "granted-by-address"),
    row(["deny connect 93.184.0.0/16", "allow connect *.example"], at(PUBLIC_IP, 443, "a.example"), "deny 0",
        "denied-by-address"),
    row(["allow connect a.example:443"], at(PUBLIC_IP, 80, "a.example"), "deny -1", "another-port"),
    row(["allow connect a.example"], at(PUBLIC_IP), "deny -1", "address-only"),
    row(["allow connect a.example"], at(PUBLIC_IP, 443, "b.example", host="a.example"),
        "allow 0", "host-is-a-name-too"),
    row(["deny connect a.example", "allow connect"], at(PUBLIC_IP, 443, "b.example", host="a.example"), "deny 0",
        "host-is-denied-too"),
    row(["allow connect a.example"], at(PUBLIC_IP, 443, "a.example", host="a.example"),
        "allow 0", "host-among-the-names"),
    row(["allow http a.example"], ask("http a.example:443", address=address(PUBLIC_IP), names=("b.example",)),
        "allow 0",
        "http"),
    row(["allow connect 10.0.0.0/8 @public @self"], ask("connect a.example:443"), "deny -1", "address-not-known-grant"),
    row(["deny connect 10.0.0.0/8 @public @self", "allow connect"], ask("connect a.example:443"), "allow 1",
        "address-not-known-denial"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "request_", "expect"), LEASES)
def test_names_of_an_address(rules: list[object], request_: Request, expect: str) -> None:
    assert verdict_of(decided(made(rules), request_)) == expect


def test_default_of_several_names_is_the_default() -> None:
    assert verdict_of(decided(policy(default="log"), at(PUBLIC_IP, 443, "a.example", "b.example"))) == "log -1"


def test_default_grant_of_one_name_does_not_hide_the_denial_of_another() -> None:
    rules = policy("deny connect b.example", default="allow")
    assert verdict_of(decided(rules, at(PUBLIC_IP, 443, "a.example", "b.example"))) == "deny 0"


def test_why_says_that_only_the_name_is_known() -> None:
    rules = policy("allow connect 10.0.0.0/8")
    assert decide(rules, ask("connect a.example:443")).why == "no rule matches this name"
    assert decide(policy("allow dns b.example"), NAME).why == "no rule matches this name"
    assert decide(rules, at(PUBLIC_IP, 443, "a.example")).why == "no rule matches"
    assert decide(rules, at(PUBLIC_IP)).why == "no rule matches"


# --- http: a request by URL that no rule speaks of ---

URL = ask("http a.example:443")
BY_CONNECTION = "no rule speaks of the request; its connection: rule matched"


def url(text: str, **more: object) -> Request:
    return ask("http a.example:443", address=address(text), **more)


BY_URL = [
    row(["deny connect a.example:443", "log http a.example"], URL, "log 1", "rule-of-http-first"),
    row(["allow connect a.example", "deny http"], URL, "deny 1", "denial-of-http-first"),
    row(["log connect a.example:443"], URL, "log 0", "grant-of-the-connection"),
    row(["deny connect a.example", "allow any *.test"], URL, "deny 0", "denial-of-the-connection"),
    row(["deny dns", "allow connect"], URL, "allow 1", "only-connect-is-asked"),
    row(["allow connect a.example:80"], URL, "allow -1 open", "another-port"),
    row(["allow connect 10.0.0.0/8"], URL, "allow -1 open", "only-an-address-can-tell"),
    row([], URL, "allow -1 open", "no-rules"),
    row(["allow connect 10.0.0.0/8"], url("10.0.0.1"), "allow 0", "address-known"),
    row(["allow connect 10.0.0.0/8"], url("11.0.0.1"), "deny -1", "address-known-and-not-granted"),
    row(["allow connect a.example"], url("10.0.0.1"), "deny -1", "shield-holds-for-the-connection"),
    row(["allow connect"], Request("http"), "allow 0", "nothing-known"),
    row(["allow connect 10.0.0.0/8"], Request("http"), "deny -1", "nothing-known-to-look-up"),
    row(["deny connect b.example", "allow connect"], url(PUBLIC_IP, names=("b.example",)), "deny 0", "its-names"),
    row(["allow connect @self"], url("127.0.0.1", own=True), "allow 0", "its-own-server"),
    row(["allow connect unix:/run/x"], Request("http", path="/run/x", proto="unix"), "allow 0", "over-a-unix-socket"),
    row([("allow connect", {"proto": ("tcp",)})], Request("http", host="a.example"), "allow 0", "tcp-unless-said"),
    row([("allow connect", {"direct": True})], ask("http 93.184.216.34:80"), "allow 0", "address-in-the-url"),
    row([("allow connect", {"user": ("ci",)})], url(PUBLIC_IP, user="ci"), "allow 0", "facets-of-who-asks"),
    row([("allow connect", {"tags": (("job", "7"),)})], url(PUBLIC_IP, tags={"job": "8"}), "deny -1", "facets-differ"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "request_", "expect"), BY_URL)
def test_request_by_url_takes_its_connections_verdict(rules: list[object], request_: Request, expect: str) -> None:
    assert verdict_of(decided(made(rules), request_)) == expect


@pytest.mark.parametrize("default", ["allow", "log"])
def test_request_by_url_that_nothing_speaks_of_takes_a_default_that_grants(default: str) -> None:
    decision = decided(policy("deny connect 10.0.0.0/8", default=default), URL)
    assert (decision.verdict, decision.rule, decision.open) == (default, "default", False)


def test_rule_of_the_connection_decides_a_request_by_url_and_says_how() -> None:
    rules = Policy((Rule(0, DENY, "no-collector", kinds=("connect",), because="it collects"),))
    decision = decide(rules, URL)
    assert (decision.rule, decision.because, decision.why) == ("no-collector", "it collects", BY_CONNECTION)
    assert decide(rules, URL) is decision
    assert decide(policy(), URL).why == "no rule speaks of the request; its connection decides"


# --- never raises, never opens by a fault ---

BROKEN = {
    "port": Request("connect", host="a.example", port="443"),  # type: ignore[arg-type]
    "kind": Request([]),  # type: ignore[arg-type]
    "host": Request("connect", host=7, port=443),  # type: ignore[arg-type]
    "address": Request("connect", address=4, port=443),  # type: ignore[arg-type]
    "names": Request("connect", names=7, port=443),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", BROKEN)
def test_fault_is_a_denial(what: str) -> None:
    rules = policy("allow connect a.example:443 *.example 10.0.0.0/8", default="allow")
    decision = decide(rules, BROKEN[what])
    assert verdict_of(decision) == "deny -1"
    assert decision.why.startswith("deciding failed: ")


@pytest.mark.parametrize(
    "target",
    [Target("port", 1), Target(NET, "10.0.0.0/8"), Target(HOST, 7), Target(NET, (5, 8, 10)), Target(NET, None)],
    ids=lambda target: f"{target.form}-{target.value}",
)
def test_policy_that_was_never_compiled_denies(target: Target) -> None:
    rules = Policy((Rule(0, "allow", "x", kinds=("connect",), to=(target,)),), default="allow")
    assert verdict_of(decide(rules, at(PUBLIC_IP))) == "deny -1"


def test_fault_in_one_kind_leaves_the_others() -> None:
    rules = Policy((Rule(0, "allow", "x", kinds=("connect",), to=(Target("port", 1),)),), default="log")
    assert decide(rules, ask("dns a.example")).verdict == "log"
