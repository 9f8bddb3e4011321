"""The words of an explanation: a person reads why each rule did not match."""

from __future__ import annotations

import pytest

from netguard.core.address import parse_ip
from netguard.core.decide import decide
from netguard.core.explain import explain, walks, why_denied
from netguard.core.policy import DENY, NET, Decision, Policy, Rule, Target
from netguard.core.request import Request
from tests.core.policies import ask, policy

EXEC = Request("exec", program="/bin/sh", resolved="/usr/bin/dash", argv=("sh", "-c", "x" * 100))

WORDS = [
    ("allow dns", {}, "connect a.example:443", "kind: connect is not dns"),
    ("allow dns,audit:exec", {}, "connect a.example:443", "kind: connect is not dns or audit:exec"),
    ("allow audit:exec", {}, "audit:compile", "event: the rule does not name compile"),
    ("allow any api.openai.com", {}, "connect evil.com:443", "to: evil.com is not api.openai.com"),
    ("allow any *.openai.com", {}, "connect evil.com:443", "to: evil.com is not below openai.com"),
    ("allow any evil.com:443", {}, "connect evil.com:80", "to: port 80 is not 443"),
    ("allow any evil.com:443,8000-8100", {}, "connect evil.com:80", "to: port 80 is not 443 or 8000-8100"),
    ("allow any evil.com:443", {}, "connect evil.com", "to: port none is not 443"),
    ("allow any a b evil.com:443 c d", {}, "connect evil.com:80",
     "to: port 80 is not 443; evil.com is not a; evil.com is not b; and 2 more destinations"),
    ("allow any a b c d", {}, "connect evil.com:80",
     "to: evil.com is not a; evil.com is not b; evil.com is not c; and 1 more destination"),
    ("allow any @metadata", {}, "connect evil.com:80", "to: the address is not known, so not @metadata"),
    ("allow any 10.0.0.0/8", {}, "connect 11.0.0.1:80", "to: 11.0.0.1 is not in 10.0.0.0/8"),
    ("allow any 10.0.0.0/8", {}, "connect evil.com:80", "to: the address is not known, so not 10.0.0.0/8"),
    ("allow any @public", {}, "connect evil.com:80", "to: the address is not known, so not @public"),
    ("allow any @public", {}, "connect 10.0.0.1:80", "to: 10.0.0.1 is private, not public"),
    ("allow any @self", {}, "connect 127.0.0.1:80", "to: 127.0.0.1 is no socket of this run's own"),
    ("allow any unix:/x", {}, "connect unix:/y", "to: '/y' is not /x"),
    ("allow any unix:/x", {}, "connect 127.0.0.1:80", "to: 127.0.0.1 is no unix socket"),
    ("allow any a", {}, "connect unix:/y", "to: /y is not a"),
    ("deny any evil.com:25", {}, "dns evil.com", "to: the port is not known yet"),
    ("allow listen @loopback", {}, "listen 0.0.0.0:80", "to: listening on every interface is more than this net; "),
    ("allow exec @self", {}, "exec sh", "to: a request of kind exec has no destination"),
    ("allow any", {"proto": ("udp",)}, "connect 1.2.3.4:53", "proto: 'tcp' is not udp"),
    ("allow any", {"direct": True}, "connect a:1", "direct: this is no connect to an address that was never looked up"),
    ("allow any", {"native": "true"}, "connect a:1", "native: it is not native: a witness announced it"),
    ("allow any", {"native": "true"}, "dns a", "native: a dns is neither announced nor native"),
    ("allow any", {"native": "true", "library": ("x",)}, "connect a:1", "native: it is not native: "),
    ("allow any", {"program": ("sh",)}, "dns a", "program: a dns starts no program"),
    ("allow any", {"program": ("sh", "bash")}, "exec curl -s", "program: 'curl' is not sh or bash"),
    ("allow any", {"program": ("curl",)}, "exec -I curl -s",
     "unguarded: what starts is not covered by the guard (-I), and the rule does not say true"),
    ("allow any", {"program": ("sh",)}, "exec -I curl -s", "program: 'curl' is not sh"),
    ("allow any", {"args": ("a", "b", "c", "d", "e")}, "exec curl -s",
     "args: 'curl -s' is not a or b or c or d or 1 more"),
    ("allow any", {"origin": (("package", "x"),)}, "dns a", "from: package nothing is not x"),
    ("allow any", {"origin": (("line", "1"),)}, "dns a", "from: line is not set"),
    ("allow any", {"user": ("ci",)}, "dns a", "user: nothing is not ci"),
    ("allow any", {"process": ("python*",)}, "dns a", "process: nothing is not python*"),
    ("allow any", {"tags": (("job", "7"),)}, "dns a", "tags: job is not set"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "facets", "request_", "why"), WORDS)
def test_why_a_rule_does_not_match(rule: str, facets: dict[str, object], request_: str, why: str) -> None:
    rows = explain(policy((rule, facets)), ask(request_))
    assert [matched for _, matched, _ in rows] == [False]
    assert rows[0][2] == why or (why.endswith(("; ", ": ")) and rows[0][2].startswith(why))


def test_native_of_another_library_says_which() -> None:
    rules = policy(("allow any", {"native": "true", "library": ("*grpc*", "*ssl*")}))
    why = explain(rules, ask("connect a:1", native=True, library="/usr/lib/libcurl.so.4"))[0][2]
    assert why == "native: library '/usr/lib/libcurl.so.4' is not *grpc* or *ssl*"


def test_native_that_an_announcement_is_wanted_of_says_so() -> None:
    why = explain(policy(("allow any", {"native": "false"})), ask("connect a:1", native=True))[0][2]
    assert why == "native: no witness announced it"


def test_name_that_grants_no_private_address_says_so() -> None:
    request = ask("connect a.example:80", address=(4, 10 << 24))
    why = explain(policy("allow any a.example"), request)[0][2]
    assert why == "to: a.example is at a private address, which a name does not grant: private: true is not set"


def test_resolved_program_and_long_arguments_are_shown() -> None:
    rules = policy(("allow exec", {"program": ("bash",)}), ("allow exec", {"args": ("y",)}))
    whys = [why for _, _, why in explain(rules, EXEC)]
    assert whys[0] == "program: '/bin/sh' ('/usr/bin/dash') is not bash"
    assert whys[1].startswith("args: 'sh -c xxx")
    assert len(whys[1]) < 100


def test_tag_that_differs_is_shown() -> None:
    rules = policy(("allow any", {"tags": (("a", "1"), ("job", "7"))}))
    why = explain(rules, ask("dns x", tags={"a": "1", "job": "8"}))[0][2]
    assert why == "tags: job '8' is not 7"


def test_walk_ends_at_the_first_match() -> None:
    rows = explain(policy("deny any b", "allow any a", "deny any"), ask("connect a:1"))
    assert [(rule.index, matched, why) for rule, matched, why in rows] == [
        (0, False, "to: a is not b"),
        (1, True, "matched"),
    ]


def test_match_says_that_only_a_lookup_is_granted() -> None:
    rows = explain(policy("allow any 10.0.0.0/8"), ask("dns a"))
    assert rows[0][1:] == (True, "granted no more than a look-up: the addresses decide")


def test_match_by_name_grants_more_than_a_lookup() -> None:
    rows = explain(policy("allow any 10.0.0.0/8 a"), ask("dns a"))
    assert rows[0][1:] == (True, "matched")


def test_unknown_verdict_says_that_it_denies() -> None:
    rows = explain(policy("ask any"), ask("dns a"))
    assert rows[0][1:] == (True, "matched; its verdict 'ask' is not known, so it denies")


def test_rows_are_those_of_the_name_that_decided() -> None:
    rules = policy("allow connect a.example", "deny connect b.example")
    rows = explain(rules, ask("connect 93.184.216.34:1", names=("a.example", "b.example")))
    assert [(rule.index, matched) for rule, matched, _ in rows] == [(0, False), (1, True)]


def test_nothing_is_explained_by_no_rules() -> None:
    assert explain(Policy(()), ask("dns a")) == []


def test_destination_and_net_without_words_are_still_explained() -> None:
    rules = Policy((Rule(0, "allow", "x", kinds=("connect",), to=(Target(NET, (4, 8, 10)), Target("host", "h"))),))
    unknown = "to: the address is not known, so not the net; nothing known is not h"
    assert explain(rules, Request("connect"))[0][2] == unknown
    assert explain(rules, Request("connect", address=(4, 1)))[0][2] == "to: 0.0.0.1 is not in the net; 0.0.0.1 is not h"
    empty = Policy((Rule(0, "allow", "x", kinds=("connect",), to=()),))
    assert explain(empty, Request("connect"))[0][2] == "to: it lists nothing"


# --- a request by URL ---


def test_request_that_a_rule_speaks_of_is_one_walk() -> None:
    rules = policy("allow http a.example", "deny connect")
    (asked, rows), *rest = walks(rules, ask("http a.example:80"))
    assert (asked.kind, [matched for _, matched, _ in rows], rest) == ("http", [True], [])


def test_request_that_no_rule_speaks_of_is_walked_again_as_its_connection() -> None:
    rules = policy("allow connect b.example", "deny connect a.example", "allow any")
    request = ask("http a.example:80", user="ci")
    first, second = walks(policy("allow connect b.example", "deny connect a.example"), request)
    assert first == (request, [(first[1][0][0], False, "kind: http is not connect"),
                               (first[1][1][0], False, "kind: http is not connect")])  # fmt: skip
    assert (second[0].kind, second[0].host, second[0].port, second[0].user) == ("connect", "a.example", 80, "ci")
    assert [(matched, why) for _, matched, why in second[1]] == [(False, "to: a.example is not b.example"),
                                                                (True, "matched")]  # fmt: skip
    assert explain(rules, request)[-1][0].index == 2


def test_nothing_speaks_of_a_request_under_no_rules() -> None:
    assert [(asked.kind, rows) for asked, rows in walks(Policy(()), ask("http a:1"))] == [("http", []), ("connect", [])]


# --- what a person is told of a denial ---

INSIDE = parse_ip("10.0.0.1")
SHIELDED = "rule rule-1 grants this name no address that is not public (private: true would)"
NO_MATCH = "no rule matches"

DENIALS = [
    ("connect a.example:443", {"address": INSIDE}, SHIELDED),
    ("connect 10.0.0.1:443", {"names": ("x.example", "a.example")}, SHIELDED),
    ("connect 10.0.0.1:443", {"names": ("x.test", "b.example", "a.example")}, SHIELDED),
    ("connect sub.b.example:443", {"address": INSIDE}, SHIELDED.replace("rule-1", "rule-2")),
    ("dns a.example", {"address": INSIDE}, SHIELDED),
    ("http a.example:443", {"address": INSIDE}, SHIELDED),
    ("connect a.example:80", {"address": INSIDE}, NO_MATCH),
    ("connect a.example:443", {"address": INSIDE, "proto": "udp"}, NO_MATCH),
    ("connect z.example:443", {"address": INSIDE}, NO_MATCH),
    ("connect 10.0.0.1:443", {}, NO_MATCH),
    ("connect z.example:443", {}, "no rule matches this name"),
    ("dns z.example", {}, "no rule matches this name"),
    ("exec true", {}, NO_MATCH),
    ("connect secret.example:443", {"address": INSIDE}, "it is a secret"),
    ("connect other.example:443", {"address": INSIDE}, "rule matched"),
    ("nonsense a.example", {"address": INSIDE}, "no such kind of request is known"),
]


@pytest.mark.parametrize(("request_", "more", "why"), DENIALS)
def test_denial_is_worded(request_: str, more: dict[str, object], why: str) -> None:
    rules = policy(
        ("deny any secret.example", {"because": "it is a secret"}),
        ("allow any a.example:443 *.b.example", {"proto": ()}),
        "log dns,connect *.b.example sub.b.example",
        "deny any other.example",
    )
    rules.rules[1].proto = ("tcp", "")
    rules.rules[1].to = rules.rules[1].to[:1]  # type: ignore[index]
    request = ask(request_, **more)
    decision = decide(rules, request)
    assert decision.verdict == DENY
    assert why_denied(rules, request, decision) == why


def test_denial_that_no_decision_made_keeps_its_words() -> None:
    rules = policy("allow connect a.example")
    request = ask("connect a.example:1", address=INSIDE)
    assert why_denied(rules, request, Decision(DENY, "hostile-argument", "a host is none")) == "a host is none"


def test_denial_stands_whatever_can_be_said_of_it() -> None:
    rules = policy("allow connect a.example")
    broken = Request("connect", host="a.example", address=7)  # type: ignore[arg-type]
    assert why_denied(rules, broken, decide(rules, broken)) == "deciding failed: TypeError"
    broken.names = 7  # type: ignore[assignment]
    assert why_denied(rules, broken, Decision(DENY, "default", NO_MATCH)) == NO_MATCH
