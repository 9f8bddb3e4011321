"""Suggested rules load with the real loader, grant what was seen, and nothing that a guest wrote between the lines."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from netguard.core.address import parse_ip
from netguard.core.decide import decide
from netguard.core.policy import Policy
from netguard.core.request import Request
from netguard.policy.load import load_policy
from netguard.views.rule_text import quoted
from netguard.views.suggest import suggest
from netguard.views.summary import ROOM, Tally
from tests.views.runs import (
    AUDIT_RUN,
    DRY_RUN,
    HOSTILE,
    Record,
    connect,
    dns,
    hostile_record,
    hostile_text,
    line,
    listen,
    native,
    started,
    unix,
)

AUDIT_RULES = """\
# The rules that allow just what this run did. It did what a program wanted that nobody has vetted:
# read each line before you keep it.
version: 1
default: deny
include: ["netguard:metadata"]
rules:
  # Its own sockets, where only this machine can reach them.
  - allow: [any]
    to:
      - "@self"
  # Names, with the ports that were reached.
  - allow: [dns, connect]
    to:
      - "api.openai.com:443"
      - "pkg.test:443"
  # Programs it started, with whatever arguments.
  - allow: [exec]
    program:
      - "git"
# Denied, and so not suggested:
#   connect 169.254.169.254:80
#   dns paste.evil.example
#   exec curl -s
# Keep these rules as well, which let 1,243 acts through silently: own-sockets, pypi.
"""

EVERYTHING = [
    *AUDIT_RUN,
    *DRY_RUN,
    dns("only.looked.up.example"),
    dns("inside.example", seq=70),
    {"run": "01JD", "kind": "result", "of": 70, "dns": {"answers": ["192.168.1.1"]}},
    connect("localhost", "127.0.0.1", 8080),
    connect("", "93.184.216.34", 443),
    connect("", "2606:4700::1111", 53, proto="udp"),
    connect("dns.example", "9.9.9.9", 53, proto="udp"),
    line("http", "log", dst={"host": "api.openai.com", "port": 443, "proto": "tcp"}),
    unix("/run/user/1000/bus"),
    unix("@abstract"),
    listen("0.0.0.0", 9000),
    listen("::", 9001),
    line("listen", "log", dst={"path": "/tmp/own.sock", "proto": "unix"}),
    line("http", "log", http={"scheme": "gopher", "host": "any.port.example"}),
    line("http", "log", http={"scheme": "https", "host": "only.asked.example"}),
    line("http", "log", dst={"ip": "93.184.216.34", "port": 8443}),
    started("sh", "-c", "true", program="/bin/sh"),
    line("native", "log", native={"path": "libc.so.6", "symbol": "system"}),
    line("file", "log", file={"path": "/root/.aws/credentials", "mode": "r"}),
]


def loaded(text: str, folder: Path) -> Policy:
    path = folder / "suggested.yaml"
    path.write_text(text, encoding="ascii")
    return load_policy([path])


def request_of(record: Record) -> Request | None:
    """The request that a record tells of; None for the trail's own lines."""
    dst = record.get("dst") or {"host": record.get("http", {}).get("host", ""), "port": 443}
    address = parse_ip(dst["ip"]) if dst.get("ip") else None
    match record["kind"]:
        case "dns":
            return Request("dns", host=record["dns"]["name"])
        case "connect" | "listen" | "http" as kind:
            names = (dst["host"],) if dst.get("host") else ()
            return Request(
                kind, host=dst.get("host", ""), names=names, address=address, port=dst.get("port"),
                proto=dst.get("proto", "tcp"), path=dst.get("path", ""),
            )  # fmt: skip
        case "exec":
            return Request("exec", program=record["exec"]["program"], argv=tuple(record["exec"]["argv"]))
    return None


def verdict(policy: Policy, record: Record) -> str:
    request = request_of(record)
    assert request is not None
    return decide(policy, request).verdict


def test_rules_of_an_audit_run() -> None:
    assert suggest(AUDIT_RUN) == AUDIT_RULES


def test_rules_from_a_tally_and_from_its_records_are_the_same() -> None:
    tally = Tally()
    for record in AUDIT_RUN:
        tally.add(record)
    assert suggest(tally) == AUDIT_RULES


def test_rules_grant_what_was_seen_and_deny_what_was_denied(tmp_path: Path) -> None:
    policy = loaded(suggest(EVERYTHING), tmp_path)
    for record in EVERYTHING:
        if request_of(record) is None:
            continue
        refused = record["verdict"] == "deny" or record.get("would") == "deny"
        assert verdict(policy, record) == ("deny" if refused else "allow"), record


@pytest.mark.parametrize(
    "record",
    [
        dns("other.example"),
        connect("pkg.test", "151.101.0.223", 80),
        connect("pkg.test", "127.0.0.1", 443),
        connect("", "151.101.0.223", 443),
        connect("", "93.184.216.34", 443, proto="udp"),
        connect("other.example", "93.184.216.34", 443),
        unix("/run/user/1000/bus2"),
        listen("0.0.0.0", 9002),
        started("bash", program="/bin/bash"),
        started("sh", program="/tmp/sh"),
    ],
    ids=lambda record: record["kind"],
)
def test_rules_grant_nothing_else(tmp_path: Path, record: Record) -> None:
    assert verdict(loaded(suggest(EVERYTHING), tmp_path), record) == "deny"


def test_answers_of_a_look_up_are_granted_where_they_are_private(tmp_path: Path) -> None:
    policy = loaded(suggest(EVERYTHING), tmp_path)
    answer = Request("dns", host="inside.example", address=parse_ip("192.168.1.1"))
    assert decide(policy, answer).verdict == "allow"


def test_own_sockets_are_granted_as_such_and_not_by_ports_that_change(tmp_path: Path) -> None:
    own = [listen("127.0.0.1", 0), connect("", "127.0.0.1", 41234), connect("localhost", "127.0.0.1", 41234)]
    text = suggest([*own, connect("", "127.0.0.1", 5432)])
    assert "41234" not in text
    policy = loaded(text, tmp_path)
    address = parse_ip("127.0.0.1")
    assert decide(policy, Request("connect", address=address, port=50000, proto="tcp", own=True)).verdict == "allow"
    assert decide(policy, Request("connect", address=address, port=50000, proto="tcp")).verdict == "deny"
    assert verdict(policy, connect("", "127.0.0.1", 5432)) == "allow"


def owned(record: Record, own: bool = True) -> Record:
    """As netguard writes it: a destination that the run itself listens on says so."""
    return {**record, "dst": {**record["dst"], **({"own": True} if own else {})}}


def test_own_sockets_are_those_that_the_trail_calls_so(tmp_path: Path) -> None:
    records = [
        owned(listen("127.0.0.1", 0)),
        owned(connect("", "127.0.0.1", 41234)),
        owned(unix("/tmp/pymp-x/listener")),
        connect("", "127.0.0.1", 45678),
        owned(connect("", "127.0.0.1", 50000)),
        connect("", "127.0.0.1", 50000),
    ]
    text = suggest(records)
    assert "41234" not in text
    assert "pymp" not in text
    policy = loaded(text, tmp_path)
    assert verdict(policy, connect("", "127.0.0.1", 45678)) == "allow"
    assert verdict(policy, connect("", "127.0.0.1", 50000)) == "allow"
    assert verdict(policy, connect("", "127.0.0.1", 41234)) == "deny"
    assert decide(policy, Request("connect", path="/tmp/pymp-y/other", proto="unix", own=True)).verdict == "allow"


def test_own_sockets_are_granted_where_only_the_reaching_was_seen(tmp_path: Path) -> None:
    policy = loaded(suggest([owned(connect("", "127.0.0.1", 41234))]), tmp_path)
    own = Request("connect", address=parse_ip("127.0.0.1"), port=40000, proto="tcp", own=True)
    assert decide(policy, own).verdict == "allow"


def test_requests_by_url_need_no_more_than_their_connection(tmp_path: Path) -> None:
    record = line("http", "log", dst={"host": "a.example", "port": 443, "proto": "tcp"})
    text = suggest([dns("a.example"), connect("a.example", "93.184.216.34", 443), record])
    assert "  - allow: [dns, connect]\n" in text
    assert "http" not in text
    assert verdict(loaded(text, tmp_path), record) == "allow"


def test_only_rules_are_said_to_be_kept() -> None:
    text = suggest([{"kind": "count", "counts": {"connection": 4, "local": 1, "default": 3, "mine": 2}}])
    assert "# Missing here, because the default let it through silently: 3 acts.\n" in text
    assert text.endswith("# Keep these rules as well, which let 2 acts through silently: mine.\n")
    assert "Keep" not in suggest([{"kind": "count", "counts": {"connection": 4}}])


def test_loopback_services_of_others_are_listed(tmp_path: Path) -> None:
    policy = loaded(suggest([connect("", "127.0.0.1", 41234)]), tmp_path)
    assert verdict(policy, connect("", "127.0.0.1", 41234)) == "allow"
    assert verdict(policy, connect("", "127.0.0.1", 41235)) == "deny"


def test_an_address_whose_name_was_asked_for_is_not_granted(tmp_path: Path) -> None:
    """The grant would let every name out to a name server, since one of them might lead there."""
    text = suggest([dns("93.184.216.34")])
    assert "# Seen, and nothing that a rule could name exactly:\n#   dns 93.184.216.34\n" in text
    assert verdict(loaded(text, tmp_path), dns("secret.data.evil.example")) == "deny"


def test_program_without_the_guard_is_granted_as_such(tmp_path: Path) -> None:
    """And no more: the same program under the guard is a start of its own."""
    records = [started("python3", "-I", shim="off: -I"), started("git", "push", shim="off: not Python")]
    policy = loaded(suggest(records), tmp_path)
    named = {rule.program: rule.unguarded for rule in policy.rules if rule.program}
    assert named == {("git",): False, ("python3",): True}


def test_a_run_that_did_nothing_gets_rules_that_allow_nothing(tmp_path: Path) -> None:
    assert verdict(loaded(suggest([]), tmp_path), dns("example.org")) == "deny"


def test_kinds_that_can_only_be_granted_whole_stay_comments() -> None:
    text = suggest(EVERYTHING)
    assert "  # - allow: [native]  # 1 seen" in text
    assert "  # - allow: [file]  # 1 seen" in text


@pytest.mark.parametrize(
    "record",
    [
        started("*", program="*"),
        started("?h", program="/bin/?h"),
        unix("/run/*"),
        unix("relative.sock"),
        dns("*.example"),
        dns("@public"),
        dns("host.123"),
        dns("not a name"),
        connect("host.123", "93.184.216.34", 80),
        connect("", "not an address", 80),
        line("connect", "log", dst={"proto": "packet"}),
        line("connect", "log", dst={"proto": "family-17"}),
        line("connect", "log", dst={"proto": "unix"}),
        line("connect", "log"),
        line("http", "log"),
        line("exec", "log"),
        line("dns", "log"),
        connect("@loopback", "127.0.0.1", 80),
        connect("*", "127.0.0.1", 80),
        connect("", "10.0.0.0/8", 80),
        started("x", program="/opt/[redacted 20]/x"),
        started("x", program="/opt/\\udcff/x"),
        started("x", program="/" + "x" * 4000),
    ],
    ids=lambda record: str(record.get("dst") or record.get("dns") or record.get("exec"))[:40],
)
def test_what_no_rule_can_say_exactly_is_left_out_and_told(tmp_path: Path, record: Record) -> None:
    text = suggest([record])
    assert "rules: []" in text
    assert "# Seen, and nothing that a rule could name exactly:" in text
    assert loaded(text, tmp_path)


def test_what_had_no_room_is_told() -> None:
    assert "no more room: 5 decisions" in suggest(dns(f"n{number}.example") for number in range(ROOM + 5))


@pytest.mark.parametrize("piece", HOSTILE, ids=ascii)
def test_quoted_text_is_read_back_by_yaml_as_it_was(piece: str) -> None:
    yaml = pytest.importorskip("yaml")
    if not any("\ud800" <= char <= "\udfff" for char in piece):
        assert yaml.safe_load(f"- {quoted(piece)}\n") == [piece]


@pytest.mark.parametrize("seed", range(15))
def test_hostile_names_add_no_rule(tmp_path: Path, seed: int) -> None:
    """Whatever a guest names, the file holds the rules of the good run and never one for what it did not do."""
    rng = random.Random(seed)
    records = [hostile_record(rng) for _ in range(40)]
    records += [started(hostile_text(rng), hostile_text(rng)) for _ in range(10)]
    text = suggest([*AUDIT_RUN, *records])
    assert text.isascii()
    assert all(row.isprintable() for row in text.split("\n"))
    policy = loaded(text, tmp_path)
    assert verdict(policy, connect("pkg.test", "151.101.0.223", 443)) == "allow"
    for record in (dns("other.example"), connect("", "8.8.8.8", 53), started("/bin/bash"), listen("0.0.0.0", 1)):
        assert verdict(policy, record) == "deny"
    kinds = {kind for rule in policy.rules if rule.verdict != "deny" for kind in rule.kinds}
    assert kinds <= {"dns", "connect", "http", "listen", "exec"}


def test_native_act_is_granted_as_any_other(tmp_path: Path) -> None:
    """What a program that is no Python looked up is an address of nobody's to the run."""
    path = tmp_path / "r.yaml"
    path.write_text(suggest([native("info"), native("medium")]))
    policy = load_policy([path])
    for asked in (False, True):
        request = Request("connect", address=(4, 0xC0000207), port=443, proto="tcp", native=asked)
        assert decide(policy, request).verdict == "allow"
