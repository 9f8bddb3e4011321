"""Answers: of all that a server says, only what the question leads to is known or passed on."""

from __future__ import annotations

import time

import pytest

from netguard.dns.malformed import Malformed
from netguard.dns.message import chain, made, parse_answer, read_message
from netguard.dns.query import parse_query
from tests.dns.nasty import ANSWERS, POINTER, answered, pointer, service
from tests.dns.packets import AAAA, CNAME, HTTPS, NS, SRV, TXT, A, answer, header, name, option, query, question, record

CHAIN = ("www.example.com. 300 IN CNAME edge.cdn.net.", "edge.cdn.net. 60 IN A 192.0.2.1")
SOA = "example.com. 900 IN SOA ns.example.com. root.example.com. 1 2 3 4 120"


def test_addresses_are_read() -> None:
    found = parse_answer(answer("www.example.com.", A, "www.example.com. 60 IN A 192.0.2.1"), 5.0)
    assert (found.addresses(), found.ttl(), found.rcode, found.at) == (["192.0.2.1"], 60, 0, 5.0)
    found = parse_answer(answer("www.example.com.", AAAA, "www.example.com. 60 IN AAAA 2001:DB8::1"))
    assert found.addresses() == ["2001:db8::1"]


def test_ipv4_inside_ipv6_is_the_ipv4_address() -> None:
    found = parse_answer(answer("www.example.com.", AAAA, "www.example.com. 60 IN AAAA ::ffff:127.0.0.1"))
    assert found.addresses() == ["127.0.0.1"]


def test_hints_are_addresses() -> None:
    line = "www.example.com. 60 IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1"
    found = parse_answer(answer("www.example.com.", HTTPS, line))
    assert found.addresses() == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]


def test_hints_of_an_alias_are_addresses_too() -> None:
    """They mean nothing there, but a client may read them."""
    alias = record(POINTER, HTTPS, b"\0\0" + service((4, b"\1\2\3\4"))[2:])
    data = header(1, 1) + question("www.example.com", HTTPS) + alias
    assert parse_answer(data).addresses() == ["1.2.3.4"]


def test_chain_is_followed() -> None:
    found = parse_answer(answer("www.example.com.", A, *reversed(CHAIN)))
    assert found.addresses() == ["192.0.2.1"]
    assert found.ttl() == 60
    assert len(found.answer) == 2


def test_chain_is_followed_whatever_the_letters_case() -> None:
    assert parse_answer(answer("wWw.eXample.com.", A, CHAIN[0].upper(), CHAIN[1])).addresses() == ["192.0.2.1"]


def test_chain_through_a_dname_is_followed() -> None:
    lines = ("example.com. 50 IN DNAME example.net.", "www.example.net. 60 IN A 192.0.2.1")
    found = parse_answer(answer("www.example.com.", A, *lines))
    assert found.addresses() == ["192.0.2.1"]
    assert len(found.answer) == 2
    synthesised = "www.example.com. 0 IN CNAME www.example.net."
    assert parse_answer(answer("www.example.com.", A, lines[0], synthesised, lines[1])).addresses() == ["192.0.2.1"]
    own = answer("example.com.", A, *lines, "example.net. 60 IN A 192.0.2.1")
    assert parse_answer(own).addresses() == []  # a DNAME is not for its own name
    assert parse_answer(answer("www.badexample.com.", A, *lines)).addresses() == []


@pytest.mark.parametrize(
    "extra",
    [
        "evil.net. 60 IN A 10.0.0.1",
        "example.com. 60 IN A 10.0.0.1",  # a name above
        "a.www.example.com. 60 IN A 10.0.0.1",  # a name below
        "www.example.com. 60 IN A 10.0.0.1",  # a link of the chain has nothing but its target
        "www.example.com. 60 IN CNAME evil.net.",  # a second target
        "edge.cdn.net. 60 IN AAAA ::ffff:10.0.0.1",  # not asked for
        "edge.cdn.net. 60 IN TXT 10.0.0.1",
        "evil.net. 60 IN DNAME evil.org.",
        "edge.cdn.net. 60 IN HTTPS 1 . ipv4hint=10.0.0.1",
    ],
)
def test_what_the_question_does_not_lead_to_is_left_out(extra: str) -> None:
    found = parse_answer(answer("www.example.com.", A, *CHAIN, extra, additional=(extra,)))
    assert found.addresses() == ["192.0.2.1"]
    assert len(found.answer) == 2
    assert not found.additional


def test_record_of_another_class_is_left_out() -> None:
    assert parse_answer(answered(record(POINTER, A, b"\1\2\3\4", klass=3))).answer == []


def test_address_behind_a_chain_that_is_cut_belongs_to_nothing() -> None:
    links = [f"n{at}.example. 60 IN CNAME n{at + 1}.example." for at in range(40)]
    found = parse_answer(answer("n0.example.", A, *links, "n40.example. 60 IN A 192.0.2.1"))
    assert found.addresses() == []
    assert found.ttl() == 0


def test_chain_that_bites_its_tail_ends() -> None:
    links = ("a.example. 60 IN CNAME b.example.", "b.example. 60 IN CNAME a.example.")
    assert parse_answer(answer("a.example.", A, *links)).addresses() == []
    assert parse_answer(answer("a.example.", A, "a.example. 60 IN CNAME a.example.")).addresses() == []


def test_dname_that_makes_a_name_too_long_leads_nowhere() -> None:
    for size, links in ((60, 2), (61, 1)):
        alias = record(name("com"), 39, name(".".join(["a" * size] * 4)))
        records = read_message(header(1, 1) + question("example.com") + alias).answer
        assert len(chain(name("example.com"), A, records)) == links


def test_alias_that_is_asked_for_is_not_followed() -> None:
    found = parse_answer(answer("www.example.com.", CNAME, *CHAIN))
    assert [entry.type for entry in found.answer] == [CNAME]


def test_everything_is_everything_of_the_name() -> None:
    lines = ("www.example.com. 60 IN A 192.0.2.1", "www.example.com. 60 IN TXT x", "evil.net. 60 IN A 10.0.0.1")
    found = parse_answer(answer("www.example.com.", 255, *lines))
    assert found.addresses() == ["192.0.2.1"]
    assert len(found.answer) == 2
    assert not found.negative()


def test_negative_answer_is_good_for_what_its_zone_says() -> None:
    found = parse_answer(answer("www.example.com.", A, authority=(SOA,)))
    assert (found.negative(), found.ttl(), len(found.authority)) == (True, 120, 1)
    found = parse_answer(answer("www.example.com.", A, "www.example.com. 7 IN CNAME a.example.com.", authority=(SOA,)))
    assert (found.negative(), found.ttl()) == (True, 7)
    assert parse_answer(answer("www.example.com.", A)).ttl() == 0


def test_zone_that_the_name_does_not_lie_in_says_nothing() -> None:
    found = parse_answer(answer("www.example.net.", A, authority=(SOA,)))
    assert (found.authority, found.ttl()) == ([], 0)


def test_authority_gives_no_addresses() -> None:
    lines = ("example.com. 60 IN NS ns.example.com.", "example.com. 60 IN A 10.0.0.1", "net. 60 IN NS ns.net.")
    found = parse_answer(answer("www.example.com.", A, authority=lines))
    assert [entry.type for entry in found.authority] == [NS]


def test_failure_is_good_for_no_time() -> None:
    data = bytearray(answer("www.example.com.", A, authority=(SOA,)))
    data[3] |= 2
    assert (parse_answer(bytes(data)).rcode, parse_answer(bytes(data)).ttl()) == (2, 0)


def test_time_to_live_past_31_bits_is_none() -> None:
    assert parse_answer(answered(record(POINTER, A, b"\1\2\3\4", ttl=0x80000000))).ttl() == 0
    assert parse_answer(answered(record(POINTER, A, b"\1\2\3\4", ttl=0x7FFFFFFF))).ttl() == 0x7FFFFFFF


def test_upper_bits_of_the_response_code_are_read() -> None:
    found = parse_answer(header(1, 0, 0, 1) + question("a.example") + option(rcode=1))
    assert found.rcode == 16
    assert found.additional == []


def test_truncated_answer_has_a_question_only() -> None:
    whole = bytearray(answer("www.example.com.", A, *CHAIN))
    whole[2] |= 2
    found = parse_answer(bytes(whole[:40]))
    assert found.truncated
    assert found.answer == []
    assert found.ttl() == 0
    assert found.answers(parse_query(query("www.example.com")), 0x1234)


def test_answer_is_to_its_number_and_question() -> None:
    found = parse_answer(answer("wWw.example.com.", A, *CHAIN))
    asked = parse_query(query("www.Example.com"))
    assert found.answers(asked, 0x1234)
    assert not found.answers(asked, 0x1235)
    assert not found.answers(parse_query(query("www.example.com", AAAA)), 0x1234)
    assert not found.answers(parse_query(query("ww.example.com")), 0x1234)


def test_failure_without_a_question_is_read_and_answers_nothing() -> None:
    """A server without EDNS may say FORMERR and no more."""
    found = parse_answer(header(0, flags=0x8181))
    assert (found.rcode, found.key, found.type) == (1, b"", 0)
    assert not found.answers(parse_query(query("www.example.com")), 0x1234)


def test_names_in_data_are_whole_where_they_may_be_compressed() -> None:
    target = name("www.example.com")
    for kind, data in ((CNAME, b""), (15, b"\0\1"), (18, b"\0\1"), (SRV, bytes(6)), (35, b"\0\1\0\1\1a\1b\1c")):
        found = read_message(answered(record(POINTER, kind, data + POINTER)))
        assert found.answer[0].data == data + target, kind
        assert found.answer[0].owner == target
    found = read_message(answered(record(POINTER, 6, POINTER + b"\1x" + POINTER + bytes(20))))
    assert found.answer[0].data == target + b"\1x" + target + bytes(20)


def test_data_of_an_unknown_type_is_opaque() -> None:
    assert read_message(answered(record(POINTER, 65280, POINTER))).answer[0].data == POINTER
    assert read_message(answered(record(POINTER, TXT, POINTER))).answer[0].data == POINTER


@pytest.mark.parametrize("what", ANSWERS)
def test_nasty_answer_is_malformed(what: str) -> None:
    with pytest.raises(Malformed):
        parse_answer(ANSWERS[what])


@pytest.mark.parametrize(
    "data",
    [
        # pointers to pointers, as many as one name may have, in each of the records
        header(1, 1000)
        + question("www.example.com")
        + record(POINTER, TXT, b"\xc0\x0c" + b"".join(pointer(43 + 2 * at) for at in range(1, 15)))
        + record(b"\xc0\x49", CNAME, b"\xc0\x49") * 999,
        # links in the wrong order, each to the next
        header(1, 1000) + question("n0") + b"".join(
            record(name(f"n{at}"), CNAME, name(f"n{at + 1}")) for at in reversed(range(1000))
        ),
        # the longest names
        header(1, 1000) + question("a")
        + record((b"\x3f" + b"a" * 63) * 3 + b"\x3c" + b"a" * 60 + b"\0", NS, b"\xc0\x13")
        + record(b"\xc0\x13", SRV, bytes(6) + b"\xc0\x13") * 999,
    ],
    ids=["pointers", "links", "long names"],
)  # fmt: skip
def test_answer_made_to_be_dear_costs_little(data: bytes) -> None:
    begin = time.process_time()
    parse_answer(data)
    assert time.process_time() - begin < 0.5


def test_answer_of_our_own_has_the_addresses_of_its_type() -> None:
    asked = parse_query(query("localhost"))
    assert made(asked, ["127.0.0.1", "::1", "no address"]).addresses() == ["127.0.0.1"]
    assert made(parse_query(query("localhost", AAAA)), ["127.0.0.1", "::1"]).addresses() == ["::1"]
    assert made(parse_query(query("localhost", TXT)), ["127.0.0.1", "::1"]).negative()
