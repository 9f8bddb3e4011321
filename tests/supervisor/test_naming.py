"""What programs ask name servers, through a real loop and real servers: decided, on record, and answered by us."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netguard.supervisor import naming
from netguard.supervisor.asking import LONGEST
from tests.supervisor.resolving import Running, process
from tests.support.dns import DnsServer, Question
from tests.support.queries import query

PUBLIC, OTHER, INSIDE = "93.184.216.34", "93.184.216.35", "10.0.0.1"
V6 = "2606:2800::1"
NAMES = {
    "a.example": [PUBLIC, V6, "MX 10 mail.example.", "HTTPS 1 . alpn=h2 ipv4hint=" + PUBLIC],
    "mixed.example": [PUBLIC, INSIDE, f"HTTPS 1 . ipv4hint={PUBLIC},{INSIDE}"],
    "inside.example": [INSIDE, "fd00::1"],
    "text.example": ['TXT "hello"'],
    "empty.example": [],
    "alias.example": ["CNAME a.example."],
    "_sip._tcp.example": ["SRV 1 2 5060 sip.example."],
    "8.8.8.8.in-addr.arpa": ["dns.example"],
}  # fmt: skip
LOG = "log dns *.example"

Starter = Callable[..., Running]


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer(dict(NAMES), tcp=True, negative=60) as server:
        yield server


@pytest.fixture
def start(server: DnsServer, tmp_path: Path) -> Iterator[Starter]:
    """Starts a loop under rules."""
    running: list[Running] = []

    def start(*rules: Any, **more: Any) -> Running:
        running.append(Running(tmp_path, server.port, *rules, **more))
        return running[-1]

    yield start
    for one in running:
        one.__exit__()


def number(text: str) -> tuple[int, int]:
    octets = [int(part) for part in text.split(".")]
    return 4, int.from_bytes(bytes(octets), "big")


# Verdicts


def test_granted_name_is_answered_recorded_and_leased(start: Starter, server: DnsServer) -> None:
    run = start(LOG)
    assert run.ask("A.example").addresses == [PUBLIC]
    assert server.questions == [Question("a.example", "A")]
    line, result = run.lines
    assert line == {
        "kind": "dns", "event": "dns.query", "layers": ["kernel"], "verdict": "log", "rule": "rule-0",
        "why": "rule matched", "dst": {"host": "a.example"}, "dns": {"name": "a.example", "type": "A/AAAA"},
        "proc": process().line,
    }  # fmt: skip
    assert (result["kind"], result["of"], result["dns"]) == ("result", 1, {"answers": [PUBLIC]})
    assert result["ms"] > 0
    assert run.leased(number(PUBLIC)) == ("a.example",)


def test_allowed_name_leaves_no_line_and_is_counted(start: Starter) -> None:
    run = start("allow dns *.example")
    assert run.ask("a.example").addresses == [PUBLIC]
    assert run.ask("a.example", "AAAA").addresses == [V6]
    assert run.lines == []
    assert run.session.counts == {"rule-0": 1}


def test_denied_name_is_no_name_and_nobody_is_asked(start: Starter, server: DnsServer) -> None:
    run = start("allow dns other.example")
    answer = run.ask("a.example")
    assert (answer.code, answer.answers, answer.blocked) == ("NXDOMAIN", [], "default")
    assert run.told == [("deny", "a.example", "A/AAAA", "default")]
    assert run.said == run.lines
    assert server.questions == []


def test_denial_is_told_without_its_reason_to_who_has_no_edns(start: Starter) -> None:
    answer = start().ask("a.example", edns=False)
    assert (answer.code, answer.blocked) == ("NXDOMAIN", None)


@pytest.mark.parametrize("kind", ["HTTPS", "SVCB"])
def test_denied_service_record_is_not_there_but_its_name_may_be(start: Starter, kind: str) -> None:
    """A client that is told that there is no such name would not ask for its addresses, which may be granted."""
    answer = start().ask("a.example", kind)
    assert (answer.code, answer.answers, answer.blocked) == ("NOERROR", [], "default")


def test_answer_that_a_rule_denies_is_taken_out(start: Starter) -> None:
    run = start(("deny any 10.0.0.0/8", {"because": "ours"}), (LOG, {"private": True}))
    assert run.ask("mixed.example").addresses == [PUBLIC]
    assert run.of_kind("result")[0]["why"] == f"taken out: {INSIDE}: ours"
    assert run.leased(number(INSIDE)) == ()


def test_hint_that_a_rule_denies_is_taken_out(start: Starter) -> None:
    run = start(LOG)
    assert run.ask("mixed.example", "HTTPS").answers == [f'HTTPS 1 . ipv4hint="{PUBLIC}"']
    assert run.leased(number(PUBLIC)) == ("mixed.example",)


def test_name_that_leads_nowhere_allowed_is_denied(start: Starter) -> None:
    """A name that is granted may be pointed anywhere by whoever owns it."""
    run = start(LOG)
    answer = run.ask("inside.example")
    assert (answer.code, answer.answers, answer.blocked) == ("NXDOMAIN", [], "default")
    assert [line[0] for line in run.told] == ["log", "deny"]
    assert run.lines[2]["why"].startswith(f"{INSIDE}: rule rule-0 grants this name no address")
    assert run.leased(number(INSIDE)) == ()


def test_both_kinds_of_denied_addresses_are_one_denial(start: Starter) -> None:
    run = start(LOG)
    for kind in ("A", "AAAA", "A", "AAAA"):
        assert run.ask("inside.example", kind).code == "NXDOMAIN"
    assert [line[0] for line in run.told] == ["log", "deny"]
    assert [line["of"] for line in run.of_kind("result")] == [1, 1]
    assert run.of_kind("result")[1]["why"].startswith("taken out: fd00::1")


def test_second_denial_of_a_silent_grant_is_told_with_the_first(start: Starter) -> None:
    run = start("allow dns *.example")
    for kind in ("A", "AAAA"):
        assert run.ask("inside.example", kind).code == "NXDOMAIN"
    denial, result = run.lines
    assert (denial["verdict"], result["of"]) == ("deny", 1)
    assert result["why"].startswith("taken out: fd00::1")


def test_name_that_moves_inside_is_denied_though_it_was_outside(start: Starter, server: DnsServer) -> None:
    """Rebinding: a first answer that is harmless, a second that is not."""
    server.ttl = 0
    run = start(LOG)
    assert run.ask("a.example").addresses == [PUBLIC]
    server.names["a.example"] = ["127.0.0.1", "169.254.169.254"]
    assert run.ask("a.example").code == "NXDOMAIN"
    assert run.leased(number("127.0.0.1")) == run.leased(number("169.254.169.254")) == ()


def test_address_rule_lets_names_be_looked_up_and_decides_on_the_answers(start: Starter) -> None:
    run = start("log any 10.0.0.0/8")
    assert run.ask("inside.example").addresses == [INSIDE]
    assert run.ask("a.example").code == "NXDOMAIN"
    assert run.ask("mixed.example").addresses == [INSIDE]


@pytest.mark.parametrize("kind", ["TXT", "MX", "ANY", "HTTPS", "TYPE4242"])
def test_address_rule_grants_nothing_that_has_no_addresses(start: Starter, server: DnsServer, kind: str) -> None:
    """Such a rule would be a way out to any name server for texts."""
    run = start("log any 10.0.0.0/8")
    assert run.ask("a.example", kind).blocked == "default"
    assert server.questions == []
    assert run.told == [("deny", "a.example", kind, "default")]


@pytest.mark.parametrize(
    ("name", "kind", "answer"),
    [
        ("text.example", "TXT", 'TXT "hello"'),
        ("a.example", "MX", "MX 10 mail.example."),
        ("_sip._tcp.example", "SRV", "SRV 1 2 5060 sip.example."),
        ("a.example", "HTTPS", f'HTTPS 1 . alpn="h2" ipv4hint="{PUBLIC}"'),
        ("alias.example", "CNAME", "CNAME a.example."),
    ],
)
def test_other_records_are_decided_by_the_name(start: Starter, name: str, kind: str, answer: str) -> None:
    run = start(LOG)
    assert run.ask(name, kind).answers == [answer]
    assert run.told == [("log", name, kind, "rule-0")]


def test_name_of_any_octets_is_decided_in_its_one_text(start: Starter, server: DnsServer) -> None:
    """A dot inside of a label is none of the dots that rules count by."""
    run = start(LOG, "deny dns *.test")
    assert run.ask(r"a\000b\.c.d.example", "TXT").code == "NXDOMAIN"
    assert run.ask(r"x.evil\.example", "TXT").blocked == "default"
    assert [line[:2] for line in run.told] == [("log", r"a\000b\046c.d.example"), ("deny", r"x.evil\046example")]
    assert len(server.questions) == 1


def test_reverse_name_is_decided_as_the_address(start: Starter) -> None:
    run = start("log dns 8.8.8.0/24", "log dns 2001:db8::/32")
    assert run.ask("8.8.8.8.in-addr.arpa", "PTR").answers == ["PTR dns.example."]
    assert run.ask("9.9.8.8.in-addr.arpa", "PTR").code == "NXDOMAIN"
    assert run.ask(f"1.{'0.' * 23}8.b.d.0.1.0.0.2.ip6.arpa", "PTR").blocked is None
    assert [line[:3] for line in run.told] == [
        ("log", "8.8.8.8", "PTR"), ("deny", "8.8.9.9", "PTR"), ("log", "2001:db8::1", "PTR"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["8.8.8.in-addr.arpa", "x.8.8.8.8.in-addr.arpa", "08.8.8.8.in-addr.arpa"])
def test_name_that_is_nearly_a_reverse_one_is_a_name(start: Starter, name: str) -> None:
    run = start("log dns 0.0.0.0/0")
    assert run.ask(name, "PTR").code == "NXDOMAIN"
    assert run.told == [("deny", name, "PTR", "default")]


@pytest.mark.parametrize("kind", ["A", "ANY"])
def test_records_of_a_reverse_name_bring_no_addresses(start: Starter, server: DnsServer, kind: str) -> None:
    server.names["8.8.8.8.in-addr.arpa"] = [INSIDE, "A 10.9.9.9"]
    run = start("log dns 8.8.8.8")
    assert run.ask("8.8.8.8.in-addr.arpa", kind).addresses == []
    assert run.session.leases.until == {}


def test_dry_run_lets_through_what_it_would_deny(start: Starter) -> None:
    run = start(LOG, dry_run=True)
    assert run.ask("a.test").blocked is None
    for _ in range(3):
        assert run.ask("inside.example").addresses == [INSIDE]
    assert [(line["verdict"], line.get("would")) for line in run.of_kind("dns")] == [
        ("log", "deny"), ("log", None), ("log", "deny"),
    ]  # fmt: skip


# This machine's own names


@pytest.mark.parametrize(
    ("name", "kind", "answers"),
    [
        ("localhost", "A", ["A 127.0.0.1"]),
        ("LOCALHOST", "AAAA", ["AAAA ::1"]),
        ("deep.er.localhost", "A", ["A 127.0.0.1"]),
        ("localhost", "MX", []),
        ("1.0.0.127.in-addr.arpa", "PTR", ["PTR localhost."]),
        (f"1.{'0.' * 31}ip6.arpa", "PTR", ["PTR localhost."]),
        ("7.7.7.127.in-addr.arpa", "PTR", []),
        ("1.0.0.127.in-addr.arpa", "TXT", []),
    ],
)
def test_this_machines_own_names_never_leave_it(
    start: Starter, server: DnsServer, name: str, kind: str, answers: list[str]
) -> None:
    """RFC 6761 section 6.3, RFC 6303 section 4: forwarded, they would carry what stands in them out."""
    run = start()
    answer = run.ask(name, kind)
    assert (answer.code, answer.answers) == ("NOERROR", answers)
    assert run.lines == []
    assert server.questions == []


# One act, one line


def test_retries_and_both_kinds_of_addresses_are_one_act(start: Starter, server: DnsServer) -> None:
    run = start((LOG, {"limits": limits(2)}))
    for kind in ("A", "AAAA", "A", "AAAA"):
        run.ask("a.example", kind)
    assert run.told == [("log", "a.example", "A/AAAA", "rule-0")]
    assert [line["dns"]["answers"] for line in run.of_kind("result")] == [[PUBLIC], [V6]]
    assert {line["of"] for line in run.of_kind("result")} == {1}
    assert len(server.questions) == 2


def test_limit_on_look_ups_counts_acts(start: Starter) -> None:
    run = start((LOG, {"limits": limits(2)}))
    assert [run.ask(name, kind).code for name in ("a.example", "empty.example") for kind in ("A", "AAAA")] == (
        ["NOERROR"] * 4
    )
    assert run.ask("mixed.example").code == "NXDOMAIN"
    assert run.told[-1][0] == "deny"


def test_limit_delays_both_kinds_of_addresses_together(start: Starter, server: DnsServer) -> None:
    run = start((LOG, {"limits": limits(20, window=1.0, burst=1, over="delay")}))
    run.ask("empty.example")
    first, second = run.begin("a.example"), run.begin("a.example", "AAAA")
    assert (first, second, len(server.questions)) == ([], [], 1)
    run.until(lambda: first and second)
    assert [line[1] for line in run.told] == ["empty.example", "a.example"]


@pytest.mark.parametrize(
    "who", [process(42), process(exe="/usr/bin/other"), process(user="root")], ids=["pid", "program", "user"]
)
def test_another_process_is_another_act(start: Starter, who: Any) -> None:
    run = start(LOG)
    run.ask("a.example")
    run.ask("a.example", by=who)
    assert len(run.told) == 2


def test_act_is_over_after_a_while(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "ONE_ACT", 0.0)
    run = start(LOG)
    run.ask("a.example")
    run.ask("a.example")
    assert len(run.told) == 2


def test_retry_is_the_same_act_while_nobody_has_answered(
    start: Starter, server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(naming, "ONE_ACT", 0.0)
    server.trick = "silent"
    run = start(LOG)
    heard = [run.begin("a.example") for _ in range(3)]
    run.until(lambda: all(heard))
    assert [one[0].code for one in heard] == ["SERVFAIL"] * 3
    assert len(run.told) == 1
    assert len(server.questions) == 1


def test_act_does_not_go_on_for_ever(start: Starter, server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one question under way at all times would be a licence."""
    monkeypatch.setattr(naming, "ONE_ACT", -LONGEST)
    server.trick = "silent"
    run = start(LOG)
    for _ in range(3):
        run.begin("a.example")
    assert len(run.told) == 3


def test_denied_name_is_told_once(start: Starter) -> None:
    run = start()
    assert {run.ask("a.example", kind).blocked for kind in ("A", "AAAA", "A")} == {"default"}
    assert len(run.lines) == 1


def test_acts_that_are_remembered_are_bounded(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "MAX_ACTS", 8)
    run = start()
    for at in range(20):
        run.ask(f"n{at}.test")
    assert len(run.names.acts) == 8
    assert len(run.lines) == 20


# What fails


@pytest.mark.parametrize(
    ("trick", "code", "errno", "reason"),
    [
        ("servfail", "SERVFAIL", -3, "SERVFAIL"),
        ("refused", "REFUSED", -3, "REFUSED"),
        ("silent", "SERVFAIL", -3, "no name server has answered"),
        ("malformed", "SERVFAIL", -3, "no name server has answered"),
    ],
)
def test_failing_server_is_a_failure_on_record(
    start: Starter, server: DnsServer, trick: str, code: str, errno: int, reason: str
) -> None:
    server.trick = trick
    run = start(LOG)
    assert run.ask("a.example").code == code
    [result] = run.of_kind("result")
    assert (result["errno"], result["reason"]) == (errno, reason)


def test_name_that_is_not_there_says_so_and_is_remembered(start: Starter, server: DnsServer) -> None:
    run = start(LOG)
    for _ in range(3):
        assert run.ask("no.example").code == "NXDOMAIN"
    assert (run.of_kind("result")[0]["errno"], run.of_kind("result")[0]["reason"]) == (-2, "NXDOMAIN")
    assert len(server.questions) == 1


def test_nothing_is_asked_when_the_trail_takes_no_line(start: Starter, server: DnsServer) -> None:
    run = start(LOG)
    run.broken = True
    answer = run.ask("a.example")
    assert (answer.code, answer.blocked) == ("NXDOMAIN", "trail")
    assert run.judge("a.example") is None
    assert server.questions == []
    run.broken = False
    assert run.ask("a.example").addresses == [PUBLIC]


def test_nothing_is_released_when_the_trail_takes_no_line(start: Starter, server: DnsServer) -> None:
    run = start(LOG)
    heard = run.begin("a.example")
    run.broken = True
    run.until(lambda: heard)
    assert (heard[0].code, heard[0].answers) == ("NXDOMAIN", [])


def test_nothing_is_let_through_in_silence_while_counts_are_owed(start: Starter, server: DnsServer) -> None:
    run = start("allow dns *.example")
    run.ask("a.example")
    run.broken = True
    run.loop.desk.tick(0.0)
    assert run.loop.desk.owed
    assert run.ask("empty.example").blocked == "trail"
    assert len(server.questions) == 1


@pytest.mark.parametrize("part", ["query", "looked_up"])
def test_fault_of_ours_is_a_failure_and_on_record(start: Starter, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    run = start(LOG)
    with monkeypatch.context() as broken:
        broken.setattr(type(run.session.lookups), part, fails)
        assert run.ask("a.example").code == "SERVFAIL"
    [line] = run.of_kind("tamper")
    assert (line["event"], line["why"]) == ("supervisor.fault", "ZeroDivisionError: a bug")
    assert run.ask("a.example").addresses == [PUBLIC]


def test_fault_in_reading_a_server_is_a_failure_and_on_record(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    run = start(LOG, options="timeout:1 attempts:3")
    monkeypatch.setattr(run.names.upstream, "_take", fails)
    assert run.ask("a.example").code == "SERVFAIL"
    assert [line["event"] for line in run.of_kind("tamper")] == ["supervisor.fault"]


def test_fault_with_one_asker_is_none_of_the_others(
    start: Starter, server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(LOG)
    put = run.names.cache.put
    calls: list[object] = []

    def fails_once(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 1:
            raise ZeroDivisionError("a bug")
        put(*args)

    monkeypatch.setattr(type(run.names.cache), "put", lambda self, *args: fails_once(*args))
    heard = [run.begin("a.example") for _ in range(3)]
    run.until(lambda: all(heard))
    assert [one[0].code for one in heard] == ["SERVFAIL", "NOERROR", "NOERROR"]


def test_fault_in_asking_again_is_a_failure_and_not_the_end(
    start: Starter, server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.trick = "silent"
    run = start(LOG, options="timeout:1 attempts:2")
    heard = run.begin("a.example")

    def fails(*_: object, **more: object) -> bool:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(run.names.upstream, "_send", fails)
    run.until(lambda: heard)
    assert heard[0].code == run.ask("empty.example").code == "SERVFAIL"
    assert [line["event"] for line in run.of_kind("tamper")] == ["supervisor.fault"] * 2
    assert not run.names.upstream.exchanges
    run.turn()


# What is no query


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\n", None),
        (query("a.example")[:-3], None),
        (b"\0\7\x80\0" + query("a.example")[4:], b""),
        (b"\0\7\x28\0" + query("a.example")[4:], None),
        (query("a.example", "AXFR"), None),
        (query("127.0.0.1"), None),
    ],
    ids=["empty", "http", "cut", "answer", "update", "transfer", "address"],
)
def test_what_is_no_query_goes_nowhere_and_is_told_once(
    start: Starter, server: DnsServer, data: bytes, answer: bytes | None
) -> None:
    run = start(default="allow")
    heard: list[bytes] = []
    for _ in range(3):
        run.names.ask(process(), data, 512, heard.append)
    assert len(heard) == 3
    assert answer is None or heard[0] == answer
    assert run.told[0][0] == "deny" if "type" in run.lines[0]["dns"] else run.lines[0]["rule"] == "hostile-argument"
    assert len(run.lines) == 1
    assert server.questions == []
    found: list[bytes | None] = []
    run.names.judge_only(process(), data, found.append)
    assert found == [None]
    denial = run.names.denied(process(), data)
    assert denial is not None
    assert denial[0] == "hostile-argument"


# Servers and the cache


def test_answer_is_asked_for_once_while_it_is_good(start: Starter, server: DnsServer) -> None:
    run = start(LOG)
    assert [run.ask("a.example", by=process(pid)).addresses for pid in (1, 2, 3)] == [[PUBLIC]] * 3
    assert len(server.questions) == 1
    assert len(run.told) == 3


def test_server_that_the_guest_names_is_asked_and_never_leased(start: Starter, server: DnsServer) -> None:
    """It could put any name behind any address."""
    with DnsServer({"a.example": [OTHER]}, "127.0.0.2", server.port) as other:
        run = start(LOG)
        assert run.ask("a.example", servers=("127.0.0.2",)).addresses == [OTHER]
        assert run.leased(number(OTHER)) == ()
        assert run.ask("a.example").addresses == [PUBLIC]
        assert run.leased(number(PUBLIC)) == ("a.example",)
        assert (len(other.questions), len(server.questions)) == (1, 1)


def test_systems_server_is_leased_even_when_the_guest_names_it(start: Starter) -> None:
    run = start(LOG)
    assert run.ask("a.example", servers=("127.0.0.1",)).addresses == [PUBLIC]
    assert run.leased(number(PUBLIC)) == ("a.example",)


def test_answer_that_nobody_checked_is_not_leased(start: Starter) -> None:
    run = start(LOG)
    assert run.ask("a.example", unchecked=True).addresses == [PUBLIC]
    assert run.leased(number(PUBLIC)) == ()


def test_servers_are_those_of_now(start: Starter, server: DnsServer) -> None:
    with DnsServer({"a.example": [OTHER]}, "127.0.0.2", server.port):
        run = start(LOG)
        assert run.ask("a.example").addresses == [PUBLIC]
        run.say_servers("127.0.0.2", options="timeout:2")
        assert run.ask("a.example").addresses == [OTHER]


def test_lease_lasts_as_long_as_the_answer(start: Starter, server: DnsServer) -> None:
    server.ttl = 7_200
    run = start(LOG)
    run.ask("a.example")
    [(name, until)] = run.session.leases.until[number(PUBLIC)].items()
    assert name == "a.example"
    assert until > run.loop.next_tick + 7_100


def test_alias_is_followed_and_known_by_the_name_that_was_asked(start: Starter, server: DnsServer) -> None:
    server.names["alias.example"] = ["CNAME alias.example."]  # and an address of its own, as no server would
    run = start(LOG)
    assert run.ask("alias.example", "A").addresses == []


def test_answer_that_is_too_long_is_cut_for_a_datagram_alone(start: Starter, server: DnsServer) -> None:
    server.names["long.example"] = [f"93.184.216.{at}" for at in range(50)]
    run = start(LOG)
    short = run.ask("long.example", limit=1_232, edns=False)
    assert (short.truncated, short.addresses) == (True, [])
    assert len(run.ask("long.example", limit=1_232).addresses) == 50


def test_answers_that_are_looked_at_are_bounded(start: Starter, server: DnsServer) -> None:
    """And what nobody has looked at is not released."""
    server.truncates = True
    server.names["many.example"] = [f"93.184.{at // 250}.{at % 250}" for at in range(1_000)]
    run = start(LOG)
    assert len(run.ask("many.example").addresses) == naming.MAX_ADDRESSES


# Askers


def test_asker_that_is_gone_is_not_answered(start: Starter, server: DnsServer) -> None:
    server.trick = "silent"
    run = start(LOG)
    heard: list[bytes] = []
    asked = run.names.ask(process(), query("a.example"), 512, heard.append)
    assert asked is not None
    asked.cancel()
    asked.cancel()
    assert not run.names.upstream.exchanges
    assert not run.names.waiting
    assert heard == []


def test_asker_that_is_gone_while_a_limit_delays_is_not_answered(start: Starter, server: DnsServer) -> None:
    run = start((LOG, {"limits": limits(20, window=1.0, burst=1, over="delay")}))
    run.ask("empty.example")
    heard: list[bytes] = []
    asked = run.names.ask(process(), query("a.example"), 512, heard.append)
    assert asked is not None
    asked.cancel()
    act = asked.act
    run.until(lambda: act.verdict)
    assert heard == []
    assert len(server.questions) == 1


def test_queries_of_one_process_that_wait_are_bounded(
    start: Starter, server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(naming, "MAX_WAITING", 5)
    server.trick = "silent"
    run = start(LOG)
    heard = [run.begin(f"n{at}.example") for at in range(7)]
    assert [one[0].code for one in heard if one] == ["SERVFAIL"] * 2
    assert run.begin("n.example", by=process(42)) == []
    run.until(lambda: all(heard))


# Queries that their process sends by itself


def test_query_that_is_granted_is_restated(start: Starter) -> None:
    run = start(LOG)
    sent = run.judge("A.eXample", number=99, secret=b"secret", payload=512)
    assert sent == query("A.eXample", number=99, payload=512)


@pytest.mark.parametrize(("name", "sent"), [("empty.example", True), ("no.example", True), ("mixed.example", False)])
def test_query_is_not_sent_when_a_denied_address_would_come(start: Starter, name: str, sent: bool) -> None:
    """What its server says goes past us."""
    assert (start(LOG).judge(name) is not None) is sent


@pytest.mark.parametrize("trick", ["silent", "servfail"])
def test_query_is_not_sent_when_nobody_knows_what_would_come(start: Starter, server: DnsServer, trick: str) -> None:
    server.trick = trick
    assert start(LOG).judge("a.example") is None


def test_name_alone_denies_at_once_and_on_record(start: Starter, server: DnsServer) -> None:
    run = start(("deny dns evil.example", {"because": "it is evil"}), LOG)
    assert run.names.denied(process(), query("evil.example")) == ("rule-0", "it is evil")
    assert run.names.denied(process(), query("a.example")) is None
    assert run.names.denied(process(), query("localhost")) is None
    assert server.questions == []
    assert run.judge("a.example") is not None
    assert [line[:2] for line in run.told] == [("deny", "evil.example"), ("log", "a.example")]


def limits(amount: int, *, window: float = 0.0, burst: int = 0, over: str = "deny") -> tuple[Any, ...]:
    """One limit on look-ups."""
    from netguard.core.policy import Limit

    return (Limit("lookups", amount, window, burst=burst or amount, over=over, text="so many"),)
