"""Queries to name servers, decided: what each is as a request, and what becomes of the answers."""

from __future__ import annotations

from typing import Any

import pytest

from netguard.core.acts import DNS_QUERY, reversed_address
from netguard.core.address import parse_ip
from netguard.core.answer import Answer
from netguard.core.commands import LookUp, Record, Reply, Say
from netguard.core.leases import LEASE
from netguard.core.policy import Limit
from tests.core.policies import policy
from tests.playbook import PEER, PROCESS, Playbook

INSIDE, PUBLIC = "10.0.0.1", "93.184.216.34"


def shape(commands: list[Any]) -> list[tuple[Any, ...]]:
    """Commands as values."""
    found: list[tuple[Any, ...]] = []
    for command in commands:
        if isinstance(command, Record):
            line = command.line
            found.append(("record", line["kind"], line.get("verdict"), line.get("why")))
        elif isinstance(command, Reply):
            assert command.to is PEER
            found.append(("reply", command.verdict, *command.rest))
        else:
            found.append((type(command).__name__,))
    return found


def asked(book: Playbook, name: str = "a.example", kind: str = "A/AAAA") -> list[tuple[Any, ...]]:
    lookups = book.session.lookups
    return shape(lookups.query(PEER, lookups.asked(PROCESS, name, kind), book.now))


def came(book: Playbook, *addresses: str, name: str = "a.example", ours: bool = True, **pending: bool) -> list[Any]:
    """What follows when these addresses have come for a name."""
    made = book.session.lookups.asked(PROCESS, name, "A/AAAA")
    for key, value in pending.items():
        setattr(made, key, value)
    task = LookUp(PEER, "", "query", name, "", (), made)
    task.seq = 7
    answer = Answer(list(addresses), list(addresses))
    answer.ours, answer.lasts = ours, 2 * LEASE
    return shape(book.session.lookups.looked_up(task, answer, 1.5, book.now))


@pytest.mark.parametrize(
    ("name", "kind", "host", "address", "alone"),
    [
        ("a.example", "A/AAAA", "a.example", None, False),
        ("a.example", "TXT", "a.example", None, True),
        (r"a\000b.example", "A/AAAA", r"a\000b.example", None, False),
        (".", "NS", ".", None, True),
        ("1.0.0.10.in-addr.arpa", "PTR", "", INSIDE, True),
    ],
)
def test_query_is_a_request(name: str, kind: str, host: str, address: str | None, alone: bool) -> None:
    pending = Playbook(policy()).session.lookups.asked(PROCESS, name, kind)
    request = pending.request
    assert (request.kind, request.event, request.host, request.alone) == ("dns", DNS_QUERY, host, alone)
    assert request.address == (parse_ip(address) if address else None)
    assert (request.user, request.process, request.native) == ("ci", PROCESS.exe, False)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("4.3.2.1.in-addr.arpa", "1.2.3.4"),
        (f"1.{'0.' * 23}8.b.d.0.1.0.0.2.ip6.arpa", "2001:db8::1"),
        (f"4.0.3.0.2.0.1.0.f.f.f.f.{'0.' * 20}ip6.arpa", "1.2.3.4"),  # inside of the other
        ("3.2.1.in-addr.arpa", None),
        ("5.4.3.2.1.in-addr.arpa", None),
        ("04.3.2.1.in-addr.arpa", None),
        ("256.3.2.1.in-addr.arpa", None),
        ("4.3.2.1.in-addr.arpa.example", None),
        ("4.3.2.1.ip6.arpa", None),
        (f"{'0.' * 31}ip6.arpa", None),
        (f"g.{'0.' * 31}ip6.arpa", None),
        (f"01.{'0.' * 31}ip6.arpa", None),
        (f"00.{'0.' * 29}0.ip6.arpa", None),
        ("in-addr.arpa", None),
        ("", None),
    ],
)
def test_reverse_name_is_one_in_its_one_spelling(name: str, address: str | None) -> None:
    assert reversed_address(name) == (parse_ip(address) if address else None)


def test_query_is_decided_as_any_act() -> None:
    book = Playbook(policy("log dns *.example", "allow dns a.test", "deny dns b.test"))
    assert asked(book) == [("record", "dns", "log", "rule matched"), ("reply", "log", "")]
    assert asked(book, "a.test") == [("reply", "allow", "")]
    assert asked(book, "b.test") == [
        ("record", "dns", "deny", "rule matched"), ("Say",), ("reply", "deny", "rule-2", "rule matched"),
    ]  # fmt: skip


def test_grant_by_the_addresses_lets_a_name_be_looked_up_though_nobody_announced_it() -> None:
    """A connect without a witness is granted by no such rule; a query's answers are still to be decided on."""
    book = Playbook(policy("allow any 10.0.0.0/8"))
    assert asked(book) == [("reply", "allow", "")]
    assert asked(book, kind="TXT")[-1] == ("reply", "deny", "default", "no rule matches this name")


def test_limit_delays_a_query() -> None:
    limit = Limit("lookups", 1, 1.0, burst=1, over="delay", text="1/s")
    book = Playbook(policy(("log dns *.example", {"limits": (limit,)})))
    asked(book)
    assert asked(book)[-1] == ("Later",)


def test_answers_of_a_server_of_the_guests_choice_are_never_leased() -> None:
    book = Playbook(policy("allow any *.example"))
    assert came(book, PUBLIC, ours=False) == [("reply", "allow", "ok", PUBLIC)]
    assert book.session.leases.until == {}
    came(book, PUBLIC)
    address = parse_ip(PUBLIC)
    assert address
    assert book.session.leases.until[address] == {"a.example": book.now + 2 * LEASE}


def test_denial_of_what_a_name_leads_to_is_told_once() -> None:
    book = Playbook(policy(("deny any 10.0.0.0/8", {"because": "ours"}), "allow any *.example"))
    why = f"{INSIDE}: ours"
    denied = ("reply", "deny", "rule-0", why)
    assert came(book, INSIDE) == [("record", "dns", "deny", why), ("Say",), denied]
    assert came(book, INSIDE, denied=True, recorded=True) == [
        ("record", "result", None, f"taken out: {why}"), denied,
    ]  # fmt: skip


def test_dry_run_tells_once_what_it_would_deny_and_releases_it() -> None:
    book = Playbook(policy("deny any 10.0.0.0/8", "allow any *.example"), dry_run=True)
    assert came(book, INSIDE)[-1] == ("reply", "log", "ok", INSIDE)
    assert came(book, INSIDE, denied=True) == [("reply", "allow", "ok", INSIDE)]


def test_said_is_what_is_on_record() -> None:
    book = Playbook(policy())
    lookups = book.session.lookups
    commands = lookups.query(PEER, lookups.asked(PROCESS, "a.example", "TYPE65280"), book.now)
    line = commands[0].line
    assert isinstance(commands[1], Say)
    assert commands[1].line is line
    assert line["dns"] == {"name": "a.example", "type": "TYPE65280"}
    assert line["layers"] == ["kernel"]
    assert "findings" not in line
    assert "code" not in line
