"""Queries: what is read of a guest's, and that nothing else of it goes on."""

from __future__ import annotations

import dns.flags
import dns.message
import pytest

from netguard.dns.codes import BADVERS, FORMERR, NOTIMP, NXDOMAIN, REFUSED
from netguard.dns.malformed import Malformed
from netguard.dns.query import encode_query, parse_query, query_for, restate
from tests.dns.nasty import QUERIES
from tests.dns.packets import AAAA, HTTPS, TXT, A, option, query, question


def test_query_is_read() -> None:
    found = parse_query(query("WwW.Example.COM", AAAA))
    assert (found.id, found.name, found.type) == (0x1234, "www.example.com", AAAA)
    assert found.question == question("WwW.Example.COM", AAAA)
    assert found.key == question("www.example.com", AAAA)
    assert (found.rd, found.cd, found.ad, found.edns, found.do, found.size) == (True, False, False, False, False, 512)


def test_type_that_looks_like_a_letter_is_none() -> None:
    assert parse_query(query("a.example", HTTPS)).key == question("a.example", HTTPS)


def test_flags_and_edns_are_read() -> None:
    found = parse_query(query("a.example", TXT, flags=0x0030, tail=option(2000, flags=0x8000)))
    assert (found.rd, found.cd, found.ad, found.edns, found.do, found.size) == (False, True, True, True, True, 2000)


@pytest.mark.parametrize(("said", "size"), [(0, 512), (100, 512), (512, 512), (1232, 1232), (65535, 4096)])
def test_size_of_a_datagram_is_bounded(said: int, size: int) -> None:
    found = parse_query(query("a.example", tail=option(said)))
    assert found.edns
    assert found.size == size


@pytest.mark.parametrize("what", QUERIES)
def test_nasty_query_is_malformed(what: str) -> None:
    with pytest.raises(Malformed):
        parse_query(QUERIES[what])


@pytest.mark.parametrize(
    ("what", "rcode"),
    [
        ("half a header", None),
        ("an answer", None),
        ("two questions", FORMERR),
        ("OPT twice", FORMERR),
        ("an update", NOTIMP),
        ("a transfer", NOTIMP),
        ("class CHAOS", REFUSED),
        ("EDNS of version 1", BADVERS),
        ("an address", NXDOMAIN),
    ],
)
def test_malformed_query_says_what_its_sender_is_told(what: str, rcode: int | None) -> None:
    with pytest.raises(Malformed) as error:
        parse_query(QUERIES[what])
    assert error.value.rcode == rcode


def test_query_to_a_server_has_nothing_of_the_guest_but_the_question() -> None:
    secret = b"\0\x0a\0\x06secret"
    found = parse_query(query("SeCrEt.example", flags=0x0130, tail=option(4000, 0x8000, data=secret)))
    sent = dns.message.from_wire(encode_query(found, 7))
    assert sent.id == 7
    assert sent.flags == dns.flags.RD | dns.flags.AD | dns.flags.CD
    assert sent.question[0].name.to_text() == "secret.example."
    assert (sent.edns, sent.payload, sent.ednsflags, sent.options) == (0, 1232, dns.flags.DO, ())
    assert dns.message.from_wire(encode_query(found, 7, edns=False)).edns == -1


def test_query_from_the_guests_own_socket_is_answered_to_what_it_has_asked() -> None:
    """Number, case and size as they were, for the client compares; and still none of its options."""
    secret = b"\0\x0a\0\x06secret"
    found = parse_query(query("SeCrEt.example", flags=0x0000, tail=option(4000, data=secret)))
    sent = dns.message.from_wire(restate(found))
    assert (sent.id, sent.flags) == (0x1234, 0)
    assert sent.question[0].name.to_text() == "SeCrEt.example."
    assert (sent.edns, sent.payload, sent.ednsflags, sent.options) == (0, 4000, 0, ())
    assert restate(parse_query(query("a.example"))) == query("a.example")


def test_query_of_our_own_asks_for_a_name() -> None:
    found = query_for("Www.Example.com", AAAA)
    assert found.key == found.question == question("www.example.com", AAAA)
    assert found.name == "www.example.com"
    assert found.rd
    assert not found.edns
    assert query_for("www.example.com", A).key != found.key
    with pytest.raises(Malformed):
        query_for("a..b", A)
