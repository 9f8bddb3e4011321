"""Every way through the session, played: events in, commands out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netguard.core.acts import NO_FACTS, Facts
from netguard.core.counts import COUNTED_A_LINE
from netguard.core.decide import UNANNOUNCED
from netguard.core.policy import Limit
from netguard.core.process import Process
from netguard.core.question import BOTH, KERNEL, Malformed, Question, untold
from netguard.core.request import NO_CODE
from netguard.core.session import TAMPERS_A_SECOND
from tests.core.policies import policy
from tests.playbook import (
    CODE,
    CUT,
    NUMBER,
    PEER,
    PROCESS,
    SAY,
    Playbook,
    heard,
    later,
    look_up,
    note,
    record,
    reply,
    told,
)

LOOPBACK = {"ip": "127.0.0.1", "port": 80, "proto": "tcp"}
GETADDRINFO = "socket.getaddrinfo"
NO_RULE, RULE = "no rule matches", "rule matched"
UNNAMED = "no rule matches this name"
SHIELDED = "rule rule-0 grants this name no address that is not public (private: true would)"
BAD_NUMBERS = ["", "-", "x", "1x", "99999999999", "2147483648", "١", "+1", " 1", "1.0", "\ud800"]


def connect(book: Playbook, host: str = "127.0.0.1", port: str = "80", **more: Any) -> list[Any]:
    return book.ask("connect", proto=more.pop("proto", "tcp"), host=host, port=port, **more)


def connected(verdict: str, rule: str, why: str, dst: dict[str, Any] = LOOPBACK, **more: Any) -> tuple[Any, ...]:
    return record("connect", verdict, rule, why, "socket.connect", dst=dst, **more)


# Verdicts


def test_denial_is_recorded_then_shown_then_answered() -> None:
    book = Playbook(policy("deny connect 127.0.0.1"))
    book.plays(connect(book), connected("deny", "rule-0", RULE), SAY, reply("deny", "rule-0", RULE))


def test_denial_gives_the_rules_own_reason() -> None:
    book = Playbook(policy(("deny connect 127.0.0.1", {"because": "not yours"})))
    book.plays(connect(book), connected("deny", "rule-0", "not yours"), SAY, reply("deny", "rule-0", "not yours"))


def test_no_rule_denies_by_default() -> None:
    book = Playbook(policy())
    book.plays(connect(book), connected("deny", "default", NO_RULE), SAY, reply("deny", "default", NO_RULE))


def test_log_is_recorded_then_answered() -> None:
    book = Playbook(policy("log connect 127.0.0.1"))
    book.plays(connect(book), connected("log", "rule-0", RULE), reply("log"))


def test_allow_is_answered_and_counted_within_the_second() -> None:
    book = Playbook(policy("allow connect 127.0.0.1"))
    for _ in range(3):
        book.plays(connect(book), reply("allow"))
    book.plays(book.session.tick(), note("count", counts={"rule-0": 3}))
    book.plays(book.session.tick())


def test_counts_of_many_rules_are_split_over_lines() -> None:
    rules = 300
    book = Playbook(policy(*[f"allow connect 127.0.0.1:{1000 + number}" for number in range(rules)]))
    for number in range(rules):
        book.plays(connect(book, port=str(1000 + number)), reply("allow"))
    found = [command.line["counts"] for command in book.session.tick()]
    assert [item for counts in found for item in counts.items()] == sorted(
        (f"rule-{number}", 1) for number in range(rules)
    )
    assert len(found) > 1
    assert all(len(json.dumps(counts)) <= COUNTED_A_LINE for counts in found)


def test_tags_and_session_stand_on_every_line() -> None:
    tags = {"team": "red"}
    book = Playbook(policy(), session="job-7", tags=tags)
    book.plays(connect(book), connected("deny", "default", NO_RULE, tags=tags), SAY, reply("deny", "default", NO_RULE))


def test_code_that_nobody_knows_is_left_out() -> None:
    book = Playbook(policy())
    commands = connect(book, code=("", "0", "", "", "", ""))
    assert "code" not in commands[0].line
    assert commands[0].line["proc"] == PROCESS.line


# A dry run


def test_dry_run_records_what_would_be_denied_and_lets_it_through() -> None:
    book = Playbook(policy(), dry_run=True)
    book.plays(connect(book), connected("log", "default", NO_RULE, would="deny"), reply("log"))


def test_dry_run_still_refuses_what_it_cannot_read() -> None:
    book = Playbook(policy(default="allow"), dry_run=True)
    book.plays(
        connect(book, host="example.com"),
        connected("deny", "hostile-argument", "a host that is no address", {"asked": "?"}),
        SAY, reply("deny", "hostile-argument", "a host that is no address"),
    )  # fmt: skip


def test_dry_run_looks_up_and_releases_what_it_would_deny() -> None:
    book = Playbook(policy(), dry_run=True)
    name = {"dst": {"host": "a.example"}, "dns": {"name": "a.example", "type": "A"}}
    event = "socket.gethostbyname"
    book.plays(
        book.lookup("gethostbyname", "a.example"),
        record("dns", "log", "default", UNNAMED, event, would="deny", **name),
        look_up("gethostbyname", "a.example"),
    )
    book.plays(
        book.answer(["10.0.0.1"], ["10.0.0.1"]),
        note("result", of=7, ms=1.5, why=f"taken out: 10.0.0.1: {NO_RULE}", dns={"answers": ["10.0.0.1"]}),
        record("dns", "log", "default", f"10.0.0.1: {NO_RULE}", event, would="deny", **name),
        reply("log", "ok", "10.0.0.1"),
    )
    assert book.session.leases.names((4, 0x0A000001), book.now) == ("a.example",)


def test_dry_run_releases_even_what_is_no_address() -> None:
    book = Playbook(policy("allow dns a.example"), dry_run=True)
    book.plays(book.lookup("gethostbyname_ex", "a.example"), look_up("gethostbyname_ex", "a.example"))
    fields = ["a.example", "0", "junk", "93.184.216.34"]
    book.plays(book.answer(fields, fields[2:]), reply("allow", "ok", *fields))
    assert list(book.session.leases.until) == [(4, 0x5DB8D822)]


# Limits


def limited(over: str, counter: str = "connections", amount: int = 1) -> dict[str, object]:
    return {"limits": (Limit(counter, amount, 10.0, burst=1, over=over, text=f"{amount}/10s"),)}


def bursts(amount: int) -> dict[str, object]:
    return {"limits": (Limit("connections", amount, 10.0, burst=amount, text=f"{amount}/10s"),)}


def per(word: str) -> dict[str, object]:
    return {"limits": (Limit("connections", 1, 10.0, burst=1, per=word, text="1/10s"),)}


def fill(share: float, limit: str = "3/10s", **key: object) -> dict[str, object]:
    return {"rule": "rule-0", "limit": limit, **key, "fill": share}


def test_limit_denies() -> None:
    book = Playbook(policy(("allow connect 127.0.0.1", limited("deny"))))
    book.plays(connect(book), reply("allow"))
    why = "over its limit of 1/10s"
    book.plays(connect(book), connected("deny", "rule-0", why), SAY, reply("deny", "rule-0", why))
    book.now += 10
    book.plays(connect(book), reply("allow"))


def test_limit_logs() -> None:
    book = Playbook(policy(("allow connect 127.0.0.1", limited("log"))))
    book.plays(connect(book), reply("allow"))
    book.plays(connect(book), connected("log", "rule-0", "over its limit of 1/10s: log"), reply("log"))


def test_limit_delays_behind_its_record() -> None:
    book = Playbook(policy(("allow connect 127.0.0.1", limited("delay"))))
    book.plays(connect(book), reply("allow"))
    why = "over its limit of 1/10s: delay"
    book.plays(connect(book), connected("log", "rule-0", why), later(10.0, reply("log")))


def test_limit_that_is_half_full_is_told_with_the_counts() -> None:
    book = Playbook(policy(("allow connect 127.0.0.1", bursts(3))))
    book.plays(connect(book), reply("allow"))
    book.plays(book.session.tick(), note("count", counts={"rule-0": 1}))
    book.plays(connect(book), reply("allow"))
    book.plays(book.session.tick(), note("count", counts={"rule-0": 1}, limits=[fill(0.66)]))
    book.plays(connect(book), reply("allow"))
    book.plays(book.session.tick(), note("count", counts={"rule-0": 1}, limits=[fill(1.0)]))
    why = "over its limit of 3/10s"
    book.plays(connect(book), connected("deny", "rule-0", why), SAY, reply("deny", "rule-0", why))
    book.plays(book.session.tick())


def test_limit_of_a_rule_that_logs_is_told_on_a_line_without_counts() -> None:
    book = Playbook(policy(("log connect 127.0.0.1", limited("deny"))))
    book.plays(connect(book), connected("log", "rule-0", RULE), reply("log"))
    book.plays(book.session.tick(), note("count", counts={}, limits=[fill(1.0, "1/10s")]))


@pytest.mark.parametrize("sign", ["n", '"', "é", "😀"])
def test_limits_leave_room_for_counts(sign: str) -> None:
    """On a pipe a line has 4 KB, and what is cut there must not be a count."""
    names = [f"{number:02}{sign * 98}" for number in range(16)]
    rules = policy(*[(f"allow connect 127.0.0.1:{1000 + number}", per("origin")) for number in range(16)])
    for rule, name in zip(rules.rules, names, strict=True):
        rule.name = name
    book = Playbook(rules)
    for number in range(16):
        connect(book, port=str(1000 + number))
    lines = [command.line for command in book.session.tick()]
    assert [name for line in lines for name in line["counts"]] == names
    assert [limit["rule"] for line in lines for limit in line.get("limits", ())] == names
    assert all(len(json.dumps(line, ensure_ascii=False).encode()) < 3_500 for line in lines)


def test_limit_names_whom_it_is_counted_for() -> None:
    book = Playbook(policy(("allow connect 127.0.0.1", per("destination"))))
    connect(book, port="8080")
    key = {"key": "127.0.0.1:8080"}
    book.plays(book.session.tick(), note("count", counts={"rule-0": 1}, limits=[fill(1.0, "1/10s", **key)]))


def test_limit_delays_a_look_up() -> None:
    book = Playbook(policy(("log dns a.example", limited("delay", "lookups"))))
    name = {"dst": {"host": "a.example"}, "dns": {"name": "a.example", "type": "A/AAAA"}}
    book.plays(
        book.lookup("getaddrinfo", "a.example"),
        record("dns", "log", "rule-0", RULE, GETADDRINFO, **name), look_up("getaddrinfo", "a.example"),
    )  # fmt: skip
    book.plays(
        book.lookup("getaddrinfo", "a.example"),
        record("dns", "log", "rule-0", "over its limit of 1/10s: delay", GETADDRINFO, **name),
        later(10.0, look_up("getaddrinfo", "a.example")),
    )
    assert book.task.pending.recorded


@pytest.mark.parametrize(
    ("rules", "asks"),
    [((), False), (("allow connect 127.0.0.1", "deny exec"), False), (("deny connect a.example", "log any @self"), 1)],
    ids=["none", "others", "self"],
)
def test_own_sockets_matter_where_a_rule_asks_for_them(rules: tuple[str, ...], asks: bool) -> None:
    assert Playbook(policy(*rules)).session.asks_own == asks


# What need not be asked again


@pytest.mark.parametrize(
    ("kind", "more"),
    [("connect", {"proto": "udp", "host": "127.0.0.1", "port": "53"}), ("native", {"path": "/lib/x.so"})],
)
def test_grant_of_datagrams_and_libraries_may_be_remembered(kind: str, more: dict[str, str]) -> None:
    book = Playbook(policy(f"allow {kind}"))
    book.plays(book.ask(kind, **more), reply("allow", "again"))


def test_grant_with_a_limit_is_asked_for_each_time() -> None:
    book = Playbook(policy(("allow connect", limited("deny", amount=5))))
    book.plays(connect(book, proto="udp"), reply("allow"))


# Kinds


def test_connection_to_a_name_says_which() -> None:
    book = Playbook(policy("log connect a.example", "log connect b.example"))
    book.session.leases.give((4, 0x5DB8D822), "b.example", book.now)
    book.session.leases.give((4, 0x5DB8D822), "a.example", book.now)
    dst = {
        "host": "a.example", "ip": "93.184.216.34", "port": 443, "proto": "tcp", "asked": "a.example:443",
        "name_from": "lookup",
    }  # fmt: skip
    book.plays(connect(book, "93.184.216.34", "443"), connected("log", "rule-0", RULE, dst), reply("log"))


def test_connection_to_the_runs_own_socket_says_so() -> None:
    book = Playbook(policy("log connect @self"))
    facts = Facts((4, 0x7F000001), own=True)
    book.plays(connect(book, facts=facts), connected("log", "rule-0", RULE, {**LOOPBACK, "own": True}), reply("log"))


def test_unix_socket_is_its_path() -> None:
    book = Playbook(policy("log connect unix:/run/x"))
    facts = Facts(path="/run/x")
    book.plays(
        book.ask("connect", proto="unix", path="/link/x", facts=facts),
        connected("log", "rule-0", RULE, {"proto": "unix", "path": "/run/x"}), reply("log"),
    )  # fmt: skip


def test_listening_is_decided_on_its_address() -> None:
    book = Playbook(policy("log listen 0.0.0.0:8080"))
    book.plays(
        book.ask("listen", "socket.bind", proto="tcp", host="0.0.0.0", port="8080"),
        record("listen", "log", "rule-0", RULE, "socket.bind", dst={"ip": "0.0.0.0", "port": 8080, "proto": "tcp"}),
        reply("log"),
    )


EXEC = {"program": "curl", "argv": ["curl", "-s"], "shim": "off: not Python"}


@pytest.mark.parametrize(
    ("resolved", "described"),
    [("/usr/bin/curl", {**EXEC, "path": "/usr/bin/curl"}), ("curl", EXEC), ("", EXEC)],
    ids=["elsewhere", "itself", "missing"],
)
def test_program_is_shown_as_given_and_as_found(resolved: str, described: dict[str, Any]) -> None:
    book = Playbook(policy("log exec"))
    facts = Facts(resolved=resolved)
    book.plays(
        book.ask("exec", "os.exec", program="curl", argv=("curl", "-s"), facts=facts),
        record("exec", "log", "rule-0", RULE, "os.exec", exec=described), reply("log"),
    )  # fmt: skip


#: what a Python reads as its options (None: no Python), the variables that the shim names -> what the line says.
COVERED: list[tuple[tuple[str, ...] | None, str, str]] = [
    (None, "", "off: not Python"),
    (None, "LD_PRELOAD", "off: LD_PRELOAD"),
    ((), "", "on"),
    (("x.py", "-I"), "", "on"),
    (("-I", "x.py"), "", "off: -I"),
    (("-W", "error::mine.Warning", "x.py"), "", "off: -W"),
    (("-S",), "LD_PRELOAD PYTHONHOME", "off: -S, LD_PRELOAD, PYTHONHOME"),
]


@pytest.mark.parametrize(("options", "carried", "shim"), COVERED)
def test_start_is_shown_as_covered_or_not(options: tuple[str, ...] | None, carried: str, shim: str) -> None:
    book = Playbook(policy("log exec"))
    told = book.ask("exec", "os.exec", path=carried, program="p", argv=("p",), facts=Facts(options=options))
    described = {"program": "p", "argv": ["p"], "shim": shim}
    book.plays(told, record("exec", "log", "rule-0", RULE, "os.exec", exec=described), reply("log"))


def test_start_without_the_guard_is_denied_with_what_would_grant_it() -> None:
    book = Playbook(policy(("allow exec", {"program": ("p",)})))
    facts = Facts(options=("-I",))
    why = "rule rule-0 grants it under the guard only, not with -I (unguarded: true would)"
    told = book.ask("exec", "os.exec", program="p", argv=("p", "-I"), facts=facts)
    described = {"program": "p", "argv": ["p", "-I"], "shim": "off: -I"}
    line = record("exec", "deny", "default", why, "os.exec", exec=described)
    book.plays(told, line, ("say",), reply("deny", "default", why))


def test_variable_that_the_shim_never_names_is_not_believed() -> None:
    book = Playbook(policy("allow exec"))
    commands = book.ask("exec", "os.exec", path="HOME", program="p", argv=("p",))
    assert commands[0].line["rule"] == "hostile-argument"


@pytest.mark.parametrize(
    ("more", "described"),
    [({"path": "/lib/x.so"}, {"path": "/lib/x.so"}), ({"program": "connect"}, {"symbol": "connect"})],
    ids=["library", "symbol"],
)
def test_native_code_is_a_library_or_a_symbol(more: dict[str, str], described: dict[str, str]) -> None:
    book = Playbook(policy("log native"))
    book.plays(
        book.ask("native", "ctypes.dlsym", **more),
        record("native", "log", "rule-0", RULE, "ctypes.dlsym", native=described), reply("log", "again"),
    )  # fmt: skip


def test_credential_file_is_its_path() -> None:
    book = Playbook(policy("log file"))
    book.plays(
        book.ask("file", "open", path="/home/ci/.netrc"),
        record("file", "log", "rule-0", RULE, "open", file={"path": "/home/ci/.netrc"}), reply("log"),
    )  # fmt: skip


@pytest.mark.parametrize(("argv", "described"), [(("x",), {"audit": {"args": ["x"]}}), ((), {})])
def test_audit_event_is_decided_by_its_own_name(argv: tuple[str, ...], described: dict[str, Any]) -> None:
    book = Playbook(policy("deny audit:sys.addaudithook"))
    book.plays(
        book.ask("audit", "sys.addaudithook", argv=argv),
        record("audit", "deny", "rule-0", RULE, "sys.addaudithook", **described), SAY, reply("deny", "rule-0", RULE),
    )  # fmt: skip


def test_name_that_the_hook_saw_is_decided_in_one_form() -> None:
    book = Playbook(policy("deny dns xn--bcher-kva.example", default="allow"))
    host = "xn--bcher-kva.example"
    book.plays(
        book.ask("dns", "socket.gethostbyaddr", host="BÜCHER.example"),
        record(
            "dns", "deny", "rule-0", RULE, "socket.gethostbyaddr",
            dst={"host": host}, dns={"name": host, "type": "PTR"},
        ),
        SAY, reply("deny", "rule-0", RULE),
    )  # fmt: skip


# Requests


def request(book: Playbook, url: str, method: str = "GET", size: str = "", facts: Facts = NO_FACTS) -> list[Any]:
    return book.ask("http", "urllib.Request", port=size, path=url, program=method, facts=facts)


def requested(verdict: str, rule: str, why: str, dst: dict[str, Any], **http: Any) -> tuple[Any, ...]:
    return record("http", verdict, rule, why, "urllib.Request", dst=dst, http=http)


def test_request_is_decided_by_a_rule_for_http() -> None:
    book = Playbook(policy("log http api.example"))
    book.plays(
        request(book, "https://Api.Example/v1?a=secret&b&=c", "POST", "12"),
        requested(
            "log", "rule-0", RULE, {"host": "api.example", "port": 443}, scheme="https", method="POST",
            host="api.example", path="/v1", query=["a", "b", ""], body_bytes=12,
        ),
        reply("log"),
    )  # fmt: skip


def test_request_takes_the_verdict_of_the_rule_for_its_connection() -> None:
    book = Playbook(policy("deny connect api.example", default="allow"))
    dst = {"host": "api.example", "port": 80}
    why = f"no rule speaks of the request; its connection: {RULE}"
    book.plays(
        request(book, "http://api.example"),
        requested("deny", "rule-0", why, dst, scheme="http", method="GET", host="api.example", path="/"),
        SAY, reply("deny", "rule-0", why),
    )  # fmt: skip


def test_request_that_only_an_address_could_decide_awaits_its_connection() -> None:
    book = Playbook(policy("allow connect 10.0.0.0/8"))
    book.plays(request(book, "http://api.example/"), reply("allow"))
    book.plays(book.session.tick(), note("count", counts={"connection": 1}))


def test_request_that_nothing_speaks_of_takes_the_default() -> None:
    book = Playbook(policy(default="log"))
    dst = {"host": "api.example", "port": 80}
    book.plays(
        request(book, "http://api.example/"),
        requested("log", "default", NO_RULE, dst, scheme="http", method="GET", host="api.example", path="/"),
        reply("log"),
    )


def test_request_to_an_address_is_decided_as_the_connection_will_be() -> None:
    book = Playbook(policy())
    dst = {"ip": "127.0.0.1", "port": 8080}
    book.plays(
        request(book, "http://127.0.0.1:8080/"),
        requested("deny", "default", NO_RULE, dst, scheme="http", method="GET", host="127.0.0.1", path="/"),
        SAY, reply("deny", "default", NO_RULE),
    )  # fmt: skip


def test_request_to_the_runs_own_server_is_as_its_connection() -> None:
    book = Playbook(policy("allow connect @self"))
    book.plays(request(book, "http://127.0.0.1:8080/", facts=Facts((4, 0x7F000001), own=True)), reply("allow"))


def test_request_to_an_address_is_judged_by_its_names() -> None:
    book = Playbook(policy("allow connect api.example"))
    facts = Facts((4, 0x5DB8D822), ("api.example",))
    book.plays(request(book, "http://93.184.216.34/", facts=facts), reply("allow"))


@pytest.mark.parametrize("url", ["http://[::1", "http://h:99999/", "http://h:x/", "http://[x]/"])
def test_url_that_cannot_be_read_is_denied(url: str) -> None:
    book = Playbook(policy(default="allow"))
    why = "a URL that cannot be read"
    book.plays(
        request(book, url),
        record("http", "deny", "hostile-argument", why, "urllib.Request", dst={"asked": "?"}, http={}),
        SAY, reply("deny", "hostile-argument", why),
    )  # fmt: skip


# A run around this one


def outer(why: str = "not from here") -> Facts:
    facts = Facts((4, 0x7F000001))
    facts.outer = why
    return facts


@pytest.mark.parametrize("verdict", ["allow", "log"])
def test_run_around_this_one_denies_what_is_granted(verdict: str) -> None:
    book = Playbook(policy(f"{verdict} connect 127.0.0.1"))
    book.plays(
        connect(book, facts=outer()),
        connected("deny", "outer-run", "not from here"), SAY, reply("deny", "outer-run", "not from here"),
    )  # fmt: skip


def test_own_denial_comes_before_that_of_the_run_around() -> None:
    book = Playbook(policy("deny connect 127.0.0.1"))
    book.plays(connect(book, facts=outer()), connected("deny", "rule-0", RULE), SAY, reply("deny", "rule-0", RULE))


# Names


def name_line(name: str, kind: str = "A/AAAA") -> dict[str, Any]:
    return {"dst": {"host": name}, "dns": {"name": name, "type": kind}}


ROWS = [
    ["2", "1", "6", "", "93.184.216.34", "80", "0", "0"],
    ["10", "1", "6", "", "2606:2800::1", "80", "0", "0"],
    ["2", "1", "6", "", "10.0.0.1", "80", "0", "0"],
]


def fields_of(*rows: list[str]) -> list[str]:
    return [field for row in rows for field in row]


def test_logged_name_is_looked_up_and_its_answers_are_on_record() -> None:
    book = Playbook(policy("log dns a.example"))
    book.plays(
        book.lookup("getaddrinfo", "A.Example.", "80", ("2", "1", "0", "-1")),
        record("dns", "log", "rule-0", RULE, GETADDRINFO, **name_line("a.example")),
        look_up("getaddrinfo", "A.Example.", "80", 2, 1, 0, -1),
    )
    book.plays(
        book.answer(fields_of(*ROWS[:2]), ["93.184.216.34", "2606:2800::1"]),
        note("result", of=7, ms=1.5, dns={"answers": ["93.184.216.34", "2606:2800::1"]}),
        reply("allow", "ok", *fields_of(*ROWS[:2])),
    )
    assert book.session.leases.names((4, 0x5DB8D822), book.now) == ("a.example",)


def test_allowed_name_leaves_no_line() -> None:
    book = Playbook(policy("allow dns a.example"))
    book.plays(book.lookup("gethostbyname", "a.example"), look_up("gethostbyname", "a.example"))
    book.plays(book.answer(["93.184.216.34"], ["93.184.216.34"]), reply("allow", "ok", "93.184.216.34"))


def test_denied_name_is_not_looked_up() -> None:
    book = Playbook(policy())
    book.plays(
        book.lookup("getaddrinfo", "evil.example"),
        record("dns", "deny", "default", UNNAMED, GETADDRINFO, **name_line("evil.example")),
        SAY, reply("deny", "default", UNNAMED),
    )  # fmt: skip


def test_answer_that_a_rule_denies_is_taken_out() -> None:
    book = Playbook(policy("log dns a.example"))
    book.plays(
        book.lookup("getaddrinfo", "a.example"),
        record("dns", "log", "rule-0", RULE, GETADDRINFO, **name_line("a.example")),
        look_up("getaddrinfo", "a.example"),
    )
    book.plays(
        book.answer(fields_of(*ROWS), ["93.184.216.34", "2606:2800::1", "10.0.0.1"]),
        note(
            "result", of=7, ms=1.5, why=f"taken out: 10.0.0.1: {SHIELDED}",
            dns={"answers": ["93.184.216.34", "2606:2800::1"]},
        ),
        reply("allow", "ok", *fields_of(*ROWS[:2])),
    )  # fmt: skip
    assert book.session.leases.names((4, 0x0A000001), book.now) == ()


def test_name_is_denied_when_no_answer_is_left() -> None:
    book = Playbook(policy("log dns a.example"))
    book.plays(
        book.lookup("gethostbyname_ex", "a.example"),
        record("dns", "log", "rule-0", RULE, "socket.gethostbyname", **name_line("a.example", "A")),
        look_up("gethostbyname_ex", "a.example"),
    )
    why = f"10.0.0.1: {SHIELDED}"
    book.plays(
        book.answer(["a.example", "0", "10.0.0.1"], ["10.0.0.1"]),
        note("result", of=7, ms=1.5, why=f"taken out: {why}", dns={"answers": []}),
        record("dns", "deny", "default", why, "socket.gethostbyname", **name_line("a.example", "A")),
        SAY, reply("deny", "default", why),
    )  # fmt: skip


def test_answer_that_is_no_address_is_taken_out() -> None:
    book = Playbook(policy("allow dns a.example"))
    book.plays(book.lookup("gethostbyname", "a.example"), look_up("gethostbyname", "a.example"))
    why = "junk: this is no address"
    book.plays(
        book.answer(["junk"], ["junk"]),
        record("dns", "deny", "default", why, "socket.gethostbyname", **name_line("a.example", "A")),
        SAY, reply("deny", "default", why),
    )  # fmt: skip


def test_failed_look_up_says_how_it_failed() -> None:
    book = Playbook(policy("log dns a.example"))
    book.plays(
        book.lookup("getaddrinfo", "a.example"),
        record("dns", "log", "rule-0", RULE, GETADDRINFO, **name_line("a.example")),
        look_up("getaddrinfo", "a.example"),
    )
    book.plays(
        book.answer([], [], ("gaierror", -2, "Name or service not known")),
        note("result", of=7, ms=1.5, errno=-2, reason="Name or service not known"),
        reply("allow", "gaierror", "-2", "Name or service not known"),
    )


def test_this_machines_own_name_is_looked_up_without_a_rule() -> None:
    book = Playbook(policy())
    book.plays(book.lookup("getaddrinfo", "LocalHost", "name:http"), look_up("getaddrinfo", "LocalHost", "name:http"))
    book.plays(
        book.answer(fields_of(["2", "1", "6", "", "127.0.0.1", "80", "0", "0"]), ["127.0.0.1"]),
        reply("allow", "ok", "2", "1", "6", "", "127.0.0.1", "80", "0", "0"),
    )
    assert book.session.leases.names((4, 0x7F000001), book.now) == ("localhost",)


def test_this_machines_own_name_does_not_lead_elsewhere() -> None:
    book = Playbook(policy())
    book.plays(book.lookup("gethostbyname", "localhost"), look_up("gethostbyname", "localhost"))
    why = f"10.0.0.1: {NO_RULE}"
    book.plays(
        book.answer(["10.0.0.1"], ["10.0.0.1"]),
        record("dns", "deny", "default", why, "socket.gethostbyname", **name_line("localhost", "A")),
        SAY, reply("deny", "default", why),
    )  # fmt: skip


def test_name_below_localhost_is_decided_as_any() -> None:
    book = Playbook(policy())
    book.plays(
        book.lookup("gethostbyname", "secret.localhost"),
        record("dns", "deny", "default", UNNAMED, "socket.gethostbyname", **name_line("secret.localhost", "A")),
        SAY, reply("deny", "default", UNNAMED),
    )  # fmt: skip


def test_name_of_a_loopback_address_is_looked_up_without_a_rule() -> None:
    book = Playbook(policy())
    book.plays(book.lookup("gethostbyaddr", "127.0.0.1"), look_up("gethostbyaddr", "127.0.0.1"))
    book.plays(
        book.answer(["localhost", "0", "127.0.0.1"], ["127.0.0.1"]), reply("allow", "ok", "localhost", "0", "127.0.0.1")
    )
    assert book.session.leases.until == {}


def test_name_of_any_other_address_is_decided() -> None:
    book = Playbook(policy())
    book.plays(
        book.lookup("gethostbyaddr", "8.8.8.8"),
        record("dns", "deny", "default", NO_RULE, "socket.gethostbyaddr", **name_line("8.8.8.8", "PTR")),
        SAY, reply("deny", "default", NO_RULE),
    )  # fmt: skip


@pytest.mark.parametrize(("flags", "asks"), [("1", False), ("3", False), ("0", True), ("8", True)])
def test_digits_of_an_address_need_no_look_up(flags: str, asks: bool) -> None:
    """NI_NUMERICHOST is 1 on Linux."""
    book = Playbook(policy("log dns 8.8.8.8"))
    asked = [record("dns", "log", "rule-0", RULE, "socket.getnameinfo", **name_line("8.8.8.8", "PTR"))]
    book.plays(
        book.lookup("getnameinfo", "8.8.8.8", "80", (flags, "0", "0", "0")),
        *(asked if asks else ()), look_up("getnameinfo", "8.8.8.8", "80", int(flags)),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["a b", "a..b", "x" * 64, "\ud800", "a\n", "127.0.0.1."])
def test_text_that_is_no_name_is_asked_of_nobody(name: str) -> None:
    book = Playbook(policy(default="log"))
    book.plays(book.lookup("getaddrinfo", name), reply("allow", "gaierror", "-2", "Name or service not known"))


@pytest.mark.parametrize(
    ("name", "spelled"), [("bücher.example", "xn--bcher-kva.example"), ("８.8.8.8", "8.8.8.8")], ids=["idna", "digits"]
)
def test_name_is_looked_up_as_it_was_decided_on(name: str, spelled: str) -> None:
    book = Playbook(policy(default="allow"))
    book.plays(book.lookup("gethostbyaddr", name), look_up("gethostbyaddr", spelled))


@pytest.mark.parametrize("number", BAD_NUMBERS)
@pytest.mark.parametrize("place", range(4))
def test_look_up_with_a_number_that_is_none_is_malformed(place: int, number: str) -> None:
    numbers = ["0"] * 4
    numbers[place] = number
    with pytest.raises(Malformed):
        Playbook(policy(default="allow")).lookup("getaddrinfo", "a.example", "", tuple(numbers))


@pytest.mark.parametrize("service", [number for number in BAD_NUMBERS if number])
def test_look_up_with_a_service_that_is_none_is_malformed(service: str) -> None:
    with pytest.raises(Malformed):
        Playbook(policy(default="allow")).lookup("getaddrinfo", "a.example", service)


@pytest.mark.parametrize("service", ["", "name:http", "x"])
def test_getnameinfo_wants_a_port(service: str) -> None:
    with pytest.raises(Malformed):
        Playbook(policy(default="allow")).lookup("getnameinfo", "127.0.0.1", service)


def test_look_up_that_nobody_knows_is_malformed() -> None:
    with pytest.raises(Malformed):
        Playbook(policy(default="allow")).lookup("gethostbyother", "a.example")


# Arguments that cannot be read


@pytest.mark.parametrize("port", [*[number for number in BAD_NUMBERS if number], "-1", "65536"])
def test_port_that_is_none_is_denied(port: str) -> None:
    book = Playbook(policy(default="allow"))
    why = "a number that is none"
    book.plays(
        connect(book, port=port),
        connected("deny", "hostile-argument", why, {"asked": "?"}), SAY, reply("deny", "hostile-argument", why),
    )  # fmt: skip


@pytest.mark.parametrize("size", [*[number for number in BAD_NUMBERS if number], "-1"])
def test_body_size_that_is_none_is_denied(size: str) -> None:
    book = Playbook(policy(default="allow"))
    why = "a number that is none"
    book.plays(
        request(book, "http://a.example/", size=size),
        record("http", "deny", "hostile-argument", why, "urllib.Request", dst={"asked": "?"}, http={}),
        SAY, reply("deny", "hostile-argument", why),
    )  # fmt: skip


UNREAD = {
    "connect": {"dst": {"asked": "?"}}, "listen": {"dst": {"asked": "?"}}, "dns": {"dns": {"name": "?"}},
    "http": {"dst": {"asked": "?"}, "http": {}}, "exec": {"exec": {"program": "?"}},
    "native": {"native": {"path": "?"}}, "file": {"file": {"path": "?"}}, "audit": {},
}  # fmt: skip


@pytest.mark.parametrize("kind", UNREAD)
def test_argument_that_the_shim_could_not_read_is_denied(kind: str) -> None:
    book = Playbook(policy(default="allow"))
    question = heard("hostile", kind, "some.event", "no exact str", *CODE)
    book.plays(
        book.session.hostile(PEER, PROCESS, question, question.fields[2]),
        record(kind, "deny", "hostile-argument", "no exact str", "some.event", **UNREAD[kind]),
        SAY, reply("deny", "hostile-argument", "no exact str"),
    )  # fmt: skip


# Reports and outcomes


def test_report_of_an_interpreter_is_on_record_and_names_the_events_that_rules_name() -> None:
    book = Playbook(policy("deny audit:gc.get_objects", "log audit:exec,audit:gc.get_objects"))
    proc = {**PROCESS.line, "argv": ["python3", "s.py"]}
    book.plays(
        book.session.hello(PEER, PROCESS, heard("hello", "1", "3.12.1", "/usr/bin/python3", "/job", "script.py")),
        note("coverage", event="process", hooks="on", python="3.12.1", proc=proc),
        reply("allow", "", "exec", "gc.get_objects"),
    )


def test_outcome_is_added_to_the_act_that_it_is_of() -> None:
    book = Playbook(policy())
    played = book.session.result(PROCESS, heard("result", "7", "111", "0.25"), 7)
    book.plays(played, note("result", of=7, errno=111, ms=0.25))


@pytest.mark.parametrize("seq", [0, 6, 8])
def test_outcome_of_any_other_line_is_left_out(seq: int) -> None:
    book = Playbook(policy())
    book.plays(book.session.result(PROCESS, heard("result", "7", "0", "1"), seq))


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("number", [*[number for number in BAD_NUMBERS if number != "1.0"], "nan", "inf", "-1e5"])
def test_outcome_with_a_number_that_is_none_is_malformed(place: int, number: str) -> None:
    fields = ["7", "0", "1"]
    fields[place] = number
    if (place, number) in {(2, "99999999999"), (2, "2147483648"), (2, "+1"), (2, " 1")}:
        fields[2] = "1e99"
    with pytest.raises(Malformed):
        Playbook(policy()).session.result(PROCESS, heard("result", *fields), 7)


def test_flood_of_what_was_noticed_is_counted_and_not_written() -> None:
    book = Playbook(policy())
    lost = note("tamper", event="channel.lost", why="closed", proc=PROCESS.line)
    for _ in range(TAMPERS_A_SECOND):
        book.plays(book.session.reopened(PROCESS, "closed"), lost)
    book.plays(book.session.reopened(PROCESS, "closed"))
    book.plays(book.session.cut_off(PEER, PROCESS, "channel.malformed", "no"), CUT)
    why = "left out: 2 tamper lines of the last second"
    book.plays(book.session.tick(), note("tamper", event="channel.flood", why=why))
    book.plays(book.session.reopened(PROCESS, "closed"), lost)
    book.plays(book.session.tick())


@pytest.mark.parametrize("process", [PROCESS, None], ids=["known", "unknown"])
def test_whoever_breaks_the_protocol_is_recorded_and_cut_off(process: Any) -> None:
    book = Playbook(policy())
    proc = {"proc": PROCESS.line} if process else {}
    book.plays(
        book.session.cut_off(PEER, process, "channel.malformed", "no"),
        note("tamper", event="channel.malformed", why="no", **proc), SAY, CUT,
    )  # fmt: skip


# Native acts: the kernel saw them, and no witness had announced them


def kernel_saw(
    book: Playbook, *fields: str, process: Process = PROCESS, layers: list[str] = KERNEL, library: Any = untold
) -> list[Any]:
    """A call that came to the wall."""
    asked = Question("ask", NUMBER, [*fields, *[""] * (7 - len(fields))], (), NO_CODE, layers, library)
    facts = Facts((4, 0x7F000001)) if fields[0] == "connect" else NO_FACTS
    return book.session.ask(PEER, process, asked, facts, book.now)


def kernel_line(verdict: str, severity: str = "info", process: Process = PROCESS) -> tuple[Any, ...]:
    finding = {"id": "native", "severity": severity, "why": FOUND[severity]}
    line = {"kind": "connect", "event": "connect", "layers": KERNEL, "verdict": verdict, "rule": "rule-0", "why": RULE}
    return "record", {**line, "dst": LOOPBACK, "proc": process.line, "findings": [finding]}


FOUND = {
    "info": "another program, which announces nothing",
    "medium": "a program that reports what it does did not announce this: native code, or code that evades the guard",
}
CALL = ("connect", "connect", "tcp", "127.0.0.1", "80")


def test_native_act_carries_a_finding() -> None:
    book = Playbook(policy("log connect 127.0.0.1"))
    book.plays(kernel_saw(book, *CALL), kernel_line("log"), reply("log"))


def test_native_act_of_a_program_that_reports_is_out_of_the_ordinary() -> None:
    python = Process(7, 7, "ci", "/usr/bin/python3", {"pid": 7})
    python.guarded = True
    for verdict, says in (("log", ()), ("deny", (SAY,))):
        book = Playbook(policy(f"{verdict} connect 127.0.0.1"))
        line = kernel_line(verdict, "medium", python)
        answer = reply("deny", "rule-0", RULE) if says else reply("log")
        book.plays(kernel_saw(book, *CALL, process=python), line, *says, answer)


def test_line_of_a_native_act_names_its_library() -> None:
    for verdict in ("log", "deny"):
        book = Playbook(policy(f"{verdict} connect 127.0.0.1"))
        line = told(kernel_saw(book, *CALL, library=lambda: "/usr/lib/libcurl.so.4")[0])[1]
        assert line["code"] == {"library": "/usr/lib/libcurl.so.4"}
        assert line["findings"][0]["why"] == FOUND["info"] + "; its stack says that libcurl.so.4 made the call"


def test_program_that_calls_itself_is_named_once() -> None:
    book = Playbook(policy("log connect 127.0.0.1"))
    line = told(kernel_saw(book, *CALL, library=lambda: PROCESS.exe)[0])[1]
    assert line["code"] == {"library": PROCESS.exe}
    assert line["findings"][0]["why"] == FOUND["info"]


def test_rule_tells_libraries_apart() -> None:
    book = Playbook(policy(("deny any", {"native": "true", "library": ("*grpc*",)}), "allow any"))
    for library, verdict in (("/usr/lib/libgrpc.so", "deny"), ("/usr/lib/libcurl.so", "allow")):
        assert kernel_saw(book, *CALL, library=lambda found=library: found)[-1].verdict == verdict


def unasked() -> str:
    raise AssertionError("nobody wants to know")


def test_library_is_not_looked_for_where_nobody_asks() -> None:
    """Without a rule that asks and a line that tells it; nor of what was announced, whatever the rules ask."""
    assert kernel_saw(Playbook(policy("allow any")), *CALL, library=unasked)[-1].verdict == "allow"
    book = Playbook(policy(("deny any", {"native": "true", "library": ("*grpc*",)}), "log any"))
    assert kernel_saw(book, *CALL, library=unasked, layers=BOTH)[-1].verdict == "log"


def test_announced_act_carries_none() -> None:
    book = Playbook(policy("log connect 127.0.0.1"))
    (_, line), _ = [told(command) for command in kernel_saw(book, *CALL, layers=BOTH)]
    assert line["layers"] == ["hook", "kernel"]
    assert "findings" not in line


def test_rule_tells_native_from_announced() -> None:
    book = Playbook(policy(("deny any", {"native": "true"}), "log any"))
    assert kernel_saw(book, *CALL)[-1].verdict == "deny"
    assert kernel_saw(book, *CALL, layers=BOTH)[-1].verdict == "log"
    assert connect(book)[-1].verdict == "log"  # without a wall nothing is native


@pytest.mark.parametrize(
    ("rules", "fields", "rule"),
    [
        (["log dns,connect 127.0.0.0/8"], ("dns", "sendto", "", "a.example"), "rule-0"),
        ([], ("http", "sendto", "", "", "", "http://a.example/", "GET"), "connection"),
    ],
    ids=["rule", "connection"],
)
def test_grant_that_waits_for_more_is_none_for_a_native_act(
    rules: list[str], fields: tuple[str, ...], rule: str
) -> None:
    """No act of today's is both: what the wall sees has an address. The day one is, it must not get through."""
    book = Playbook(policy(*rules))
    assert kernel_saw(book, *fields, layers=BOTH)[-1].verdict in ("allow", "log")
    commands = kernel_saw(book, *fields)
    assert [told(commands[-1])] == [reply("deny", rule, UNANNOUNCED)]
    assert (commands[0].line["rule"], commands[0].line["why"]) == (rule, UNANNOUNCED)
