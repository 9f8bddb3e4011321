"""The rule for one record loads, decides that record's own act as it says, and leaves each neighbour to the default."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from netguard.core.address import parse_ip
from netguard.core.decide import decide
from netguard.core.policy import Policy
from netguard.core.request import Request
from netguard.policy.grammar import read_request
from netguard.policy.load import load_policy
from netguard.views.rule_for import rule_for
from tests.views.runs import (
    HOSTILE,
    WRONG,
    Record,
    connect,
    dns,
    hostile_record,
    hostile_text,
    line,
    listen,
    started,
    unix,
)


def http(host: str, port: int, **dst: object) -> Record:
    return line("http", "log", http={"host": host}, dst={"host": host, "port": port, **dst})


GIT = started("git", "push", "a b", program="git", path="")
GIT["exec"]["path"] = "/usr/bin/git"
PYTHON = started("python3", "-I", "x.py", program="/usr/bin/python3", shim="off: -I")

#: A record; its own act, in the words of a policy's tests; acts that are not it; the facets that its grant needs.
ACTS: list[tuple[Record, str, list[str], str]] = [
    (dns("a.example"), "dns a.example", ["dns b.a.example", "connect a.example:443 at 93.184.216.34"], ""),
    (dns("A.Example."), "dns a.example", ["dns example"], ""),
    (
        dns("in.example") | {"dns": {"name": "in.example", "answers": ["192.168.1.1"]}},
        "dns in.example at 192.168.1.1", ["dns other.example at 192.168.1.1"], "private",
    ),
    (
        dns("in.example", why="127.0.0.1: rule x grants this name no address that is not public"),
        "dns in.example at 127.0.0.1", ["dns example at 127.0.0.1"], "private",
    ),
    (
        connect("a.example", "93.184.216.34", 443), "connect a.example:443 at 93.184.216.34",
        ["connect a.example:80 at 93.184.216.34", "connect udp a.example:443 at 93.184.216.34",
         "connect 93.184.216.34:443", "connect b.example:443 at 93.184.216.34", "dns a.example",
         "http https://a.example:80/ at 93.184.216.34"], "",
    ),
    (
        connect("db.corp", "10.0.0.5", 5432), "connect db.corp:5432 at 10.0.0.5",
        ["connect x.corp:5432 at 10.0.0.5", "connect db.corp:5433 at 10.0.0.5"], "private",
    ),
    (
        connect("localhost", "127.0.0.1", 80), "connect localhost:80 at 127.0.0.1",
        ["connect localhost:81 at 127.0.0.1"], "",
    ),
    (
        connect("", "93.184.216.34", 443), "connect 93.184.216.34:443",
        ["connect 93.184.216.34:80", "connect 93.184.216.35:443", "connect udp 93.184.216.34:443",
         "listen 93.184.216.34:443"], "direct",
    ),
    (
        connect("", "2606:4700::1111", 53, proto="udp"), "connect udp [2606:4700::1111]:53",
        ["connect udp [2606:4700::1112]:53", "connect [2606:4700::1111]:53"], "direct",
    ),
    (unix("/run/bus"), "connect unix:/run/bus", ["connect unix:/run/bus2", "listen unix:/run/bus"], ""),
    (unix("@name"), "connect unix:@name", ["connect unix:@name2"], ""),
    (listen("0.0.0.0", 9000), "listen 0.0.0.0:9000", ["listen 0.0.0.0:9001", "listen 127.0.0.1:9000"], ""),
    (listen("127.0.0.1", 0), "listen 127.0.0.1:0", ["listen 127.0.0.1:1", "connect 127.0.0.1:0"], ""),
    (
        line("listen", "log", dst={"path": "/t.sock", "proto": "unix"}), "listen unix:/t.sock",
        ["listen unix:/u.sock", "connect unix:/t.sock"], "",
    ),
    (http("a.example", 443), "http https://a.example/", ["http http://a.example/", "http https://b.example/"], ""),
    (http("", 8443, ip="93.184.216.34"), "http https://93.184.216.34:8443/", ["http https://93.184.216.34/"], ""),
    (
        http("in.example", 80, ip="10.0.0.5"), "http http://in.example/ at 10.0.0.5",
        ["http http://x/ at 10.0.0.5"], "private",
    ),
    (
        GIT, "exec /usr/bin/git push 'a b'",
        ["exec /usr/bin/git push", "exec /tmp/git push 'a b'", "exec git push 'a b'"], "",
    ),
    (
        started("git", "push", program="/usr/bin/git", shim="off: not Python"), "exec /usr/bin/git push",
        ["exec /usr/bin/git pull"], "",
    ),
    (
        PYTHON, "exec /usr/bin/python3 -I x.py",
        ["exec /usr/bin/python3 -I y.py", "exec /tmp/python3 -I x.py"], "unguarded",
    ),
    (line("audit", "log", event="gc.get_objects"), "audit:gc.get_objects", ["audit:gc.get_referrers"], ""),
]  # fmt: skip

EACH = pytest.mark.parametrize(
    ("record", "own", "others", "needs"), ACTS, ids=[f"{own} {needs}".strip() for _, own, _, needs in ACTS]
)


def loaded(rule: str, default: str, folder: Path) -> Policy:
    path = folder / "one.yaml"
    path.write_text(f"version: 1\ndefault: {default}\nrules:\n{rule}", encoding="ascii")
    policy = load_policy([path])
    assert len(policy.rules) == 1
    return policy


def request_of(text: str, record: Record) -> Request:
    """The request in words; of a program the arguments are the record's, whose first need not be the program."""
    request = read_request(text)
    if request.kind == "exec":
        request.argv = (record["exec"]["argv"][0], *request.argv[1:])
    return request


@EACH
@pytest.mark.parametrize("verdict", ["allow", "log", "deny"])
def test_rule_decides_the_record_and_nothing_beside_it(
    record: Record, own: str, others: list[str], needs: str, verdict: str, tmp_path: Path
) -> None:
    text = rule_for(record, verdict)
    default = "allow" if verdict == "deny" else "deny"
    policy = loaded(text, default, tmp_path)
    assert decide(policy, request_of(own, record)).verdict == verdict
    for other in others:
        request = request_of(other, record)
        found = decide(policy, request)
        # An event that no rule speaks of is put on record, whatever the default is.
        assert found.index == -1, f"{other} is decided by\n{text}"
        assert found.verdict == default or request.kind in ("audit", "http")


@EACH
def test_rule_says_no_more_than_is_needed(record: Record, own: str, others: list[str], needs: str) -> None:
    grant, denial = rule_for(record, "allow"), rule_for(record, "deny")
    for flag in ("private", "direct", "unguarded"):
        assert (f"    {flag}: true\n" in grant) == (flag == needs)
        assert f"{flag}:" not in denial


def test_address_asked_for_its_name_is_denied_or_has_no_rule(tmp_path: Path) -> None:
    """Its grant would let every name out to a name server, since one of them might lead there."""
    record = dns("93.184.216.34")
    assert rule_for(record, "allow") == rule_for(record, "log") == ""
    policy = loaded(rule_for(record, "deny"), "allow", tmp_path)
    assert decide(policy, read_request("dns 93.184.216.34")).verdict == "deny"
    assert decide(policy, read_request("dns other.example")).index == -1


def test_program_that_brings_code_along_is_another_start(tmp_path: Path) -> None:
    """Not granted with the one that does not, and denied with it."""
    record = started("/usr/bin/git", "push", program="/usr/bin/git", shim="off: not Python")
    brought = read_request("exec LD_PRELOAD=/x.so /usr/bin/git push")
    assert decide(loaded(rule_for(record, "allow"), "deny", tmp_path), brought).verdict == "deny"
    assert decide(loaded(rule_for(record, "deny"), "allow", tmp_path), brought).verdict == "deny"


def test_rule_as_it_stands_in_a_file() -> None:
    assert rule_for(connect("db.corp", "10.0.0.5", 5432), "allow") == (
        '  - allow: [connect]\n    to: "db.corp:5432"\n    private: true\n    proto: tcp\n'
    )


def test_denied_address_is_denied_under_any_name(tmp_path: Path) -> None:
    """Else a look-up of some name for it would be the way around."""
    policy = loaded(rule_for(connect("", "93.184.216.34", 443), "deny"), "allow", tmp_path)
    address = parse_ip("93.184.216.34")
    named = Request("connect", host="x.example", names=("x.example",), address=address, port=443, proto="tcp")
    assert decide(policy, named).verdict == "deny"


@pytest.mark.parametrize(
    "record",
    [
        line("native", "deny", native={"path": "libc.so.6"}),
        line("file", "deny", file={"path": "/root/.netrc"}),
        {"kind": "coverage", "event": "run"},
        {"kind": ["dns"]},
        {},
        dns("not a name"),
        dns("host.123"),
        dns("*.example"),
        dns("@public"),
        connect("host.123", "93.184.216.34", 80),
        connect("*", "93.184.216.34", 80),
        connect("", "10.0.0.0/8", 80),
        connect("a.example", "93.184.216.34", 70_000),
        connect("a.example", "93.184.216.34", 80, proto="packet"),
        line("connect", "deny", rule="hostile-argument", dst={"asked": "?"}),
        connect("a.example", "93.184.216.34", 80, rule="outer-run"),
        line("connect", "log", dst={"proto": "unix"}),
        unix("/run/*"),
        unix("relative"),
        line("http", "log", http={"host": "a.example"}, dst={"host": "a.example"}),
        started("git", "push"),
        started("ls", "*", program="/bin/ls"),
        started("ls", "[redacted 20]", program="/bin/ls"),
        started("ls", "a…[+200]", program="/bin/ls"),
        started("ls", "a\nb", program="/bin/ls"),
        started("ls", program="/bin/l?"),
        started("ls", "x" * 5_000, program="/bin/ls"),
        line("exec", "log", exec={"program": "/bin/ls", "argv": "ls"}),
        line("exec", "log", exec={"program": "/bin/ls", "argv": []}),
        line("audit", "log"),
        line("audit", "log", event=""),
        line("audit", "log", event="open"),
        line("audit", "log", event="socket.connect"),
        line("audit", "log", event="a b"),
    ],
    ids=lambda record: str(record.get("dst") or record.get("dns") or record.get("exec") or record)[:50],
)
def test_what_no_rule_names_exactly_has_none(record: Record) -> None:
    assert rule_for(record, "allow") == rule_for(record, "deny") == ""


def test_there_is_no_rule_with_another_verdict() -> None:
    assert rule_for(dns("a.example"), "ask") == ""


@pytest.mark.parametrize("seed", range(10))
def test_hostile_records_make_one_rule_or_none(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        record = hostile_record(rng)
        if rng.random() < 0.3:
            record = started(hostile_text(rng), hostile_text(rng), program="/" + hostile_text(rng))
        if rng.random() < 0.2:
            record[rng.choice(["dns", "dst", "exec", "event", "kind"])] = rng.choice([*WRONG, *HOSTILE])
        for verdict in ("allow", "deny"):
            text = rule_for(record, verdict)
            if text:
                assert text.isascii()
                policy = loaded(text, "deny", tmp_path)
                assert policy.rules[0].verdict == verdict
                assert decide(policy, read_request("dns other.example")).index == -1
                assert decide(policy, read_request("exec /bin/other x")).index == -1
