"""What a guest is sent: made anew, without what is denied, no longer than it may be."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from netguard.dns.codes import BLOCKED, MAX_MESSAGE, NXDOMAIN, SERVFAIL
from netguard.dns.malformed import Malformed
from netguard.dns.message import Message, made, parse_answer
from netguard.dns.query import parse_query
from netguard.dns.reply import encode, refusal, rejection
from tests.dns.nasty import POINTER, QUERIES, answered, service
from tests.dns.packets import (
    AAAA,
    HTTPS,
    NS,
    RRSIG,
    SRV,
    TXT,
    A,
    answer,
    header,
    name,
    option,
    query,
    question,
    record,
)

CHAIN = (
    "www.example.com. 300 IN CNAME edge.cdn.net.",
    "edge.cdn.net. 60 IN A 192.0.2.1",
    "edge.cdn.net. 60 IN A 10.0.0.1",
)


def sent(data: bytes) -> dns.message.Message:
    """What a client reads."""
    return dns.message.from_wire(data)


def lines(found: dns.message.Message) -> list[str]:
    """The answer's records as a zone file has them."""
    return [line for rrset in found.answer for line in rrset.to_text().split("\n")]


def test_answer_has_the_askers_number_question_and_wish() -> None:
    asked = parse_query(query("wWw.Example.com", flags=0x0110))
    data = encode(asked, parse_answer(answer("www.example.com.", A, *CHAIN)), None, 512)
    found = sent(data)
    assert data[12:].startswith(question("wWw.Example.com"))
    assert (found.id, found.rcode()) == (0x1234, 0)
    assert found.flags == dns.flags.QR | dns.flags.RD | dns.flags.RA | dns.flags.CD
    assert lines(found) == [line.replace("www.example.com", "wWw.Example.com") for line in CHAIN]


def test_denied_address_is_taken_out_and_the_chain_stays() -> None:
    asked = parse_query(query("www.example.com"))
    message = parse_answer(answer("www.example.com.", A, *CHAIN))
    assert lines(sent(encode(asked, message, None, 512))) == list(CHAIN)
    assert lines(sent(encode(asked, message, {"192.0.2.1"}, 512))) == list(CHAIN[:2])
    assert lines(sent(encode(asked, message, set(), 512))) == list(CHAIN[:1])
    assert lines(sent(encode(asked, message, None, 512))) == list(CHAIN)


def test_address_denied_in_one_form_is_denied_in_each() -> None:
    asked = parse_query(query("www.example.com", AAAA))
    message = parse_answer(answer("www.example.com.", AAAA, "www.example.com. 60 IN AAAA ::ffff:10.0.0.1"))
    assert lines(sent(encode(asked, message, {"192.0.2.1"}, 512))) == []
    assert len(lines(sent(encode(asked, message, {"10.0.0.1"}, 512)))) == 1


def test_denied_hints_are_taken_out() -> None:
    asked = parse_query(query("www.example.com", HTTPS))
    line = 'www.example.com. 60 IN HTTPS 1 . alpn="h2" ipv4hint="192.0.2.1,10.0.0.1" ipv6hint="fd00::1"'
    message = parse_answer(answer("www.example.com.", HTTPS, line))
    kept = lines(sent(encode(asked, message, {"192.0.2.1"}, 512)))
    assert kept == ['www.example.com. 60 IN HTTPS 1 . alpn="h2" ipv4hint="192.0.2.1"']
    assert lines(sent(encode(asked, message, set(), 512))) == ['www.example.com. 60 IN HTTPS 1 . alpn="h2"']
    assert lines(sent(encode(asked, message, None, 512))) == [line]


def test_service_whose_hints_are_mandatory_goes_with_them() -> None:
    asked = parse_query(query("www.example.com", HTTPS))
    line = 'www.example.com. 60 IN HTTPS 1 . mandatory="ipv4hint" ipv4hint="10.0.0.1"'
    message = parse_answer(answer("www.example.com.", HTTPS, line))
    assert lines(sent(encode(asked, message, {"10.0.0.1"}, 512))) == [line]
    assert lines(sent(encode(asked, message, set(), 512))) == []


def test_mandatory_that_makes_no_sense_is_no_error() -> None:
    asked = parse_query(query("www.example.com", HTTPS))
    data = record(POINTER, HTTPS, service((0, b"\0\4\0"), (4, b"\x0a\0\0\1")))
    message = parse_answer(header(1, 1) + question("www.example.com", HTTPS) + data)
    assert len(encode(asked, message, {"10.0.0.1"}, 512)) > len(encode(asked, message, set(), 512))


def test_times_to_live_run() -> None:
    asked = parse_query(query("www.example.com"))
    message = parse_answer(answer("www.example.com.", A, *CHAIN), 1000.0)
    for now, age in ((1000.0, 0), (1000.9, 0), (1001.0, 1), (1059.0, 59), (1061.0, 61), (1001.0, 1), (999.0, 0)):
        found = sent(encode(asked, message, None, 512, now))
        assert [rrset.ttl for rrset in found.answer] == [300 - age, max(0, 60 - age)]


def test_answers_for_different_rules_are_kept_apart() -> None:
    asked = parse_query(query("www.example.com"))
    message = parse_answer(answer("www.example.com.", A, *CHAIN))
    addresses = [f"192.0.2.{number}" for number in range(100)]
    for _ in range(2):
        for address in addresses:
            assert len(lines(sent(encode(asked, message, {address}, 512)))) == (2 if address == "192.0.2.1" else 1)
    assert len(message.prepared) < 20


def test_edns_is_answered_where_it_was_asked() -> None:
    message = parse_answer(answer("www.example.com.", A, *CHAIN))
    assert sent(encode(parse_query(query("www.example.com")), message, None, 512)).edns == -1
    found = sent(encode(parse_query(query("www.example.com", tail=option(4096, 0x8000))), message, None, 4096))
    assert (found.edns, found.payload, found.ednsflags) == (0, 1232, dns.flags.DO)


def test_answer_that_does_not_fit_says_so_and_fits_over_tcp() -> None:
    asked = parse_query(query("www.example.com", TXT))
    texts = [f'www.example.com. 60 IN TXT "{at:0100}"' for at in range(9)]
    message = parse_answer(answer("www.example.com.", TXT, *texts))
    data = encode(asked, message, None, asked.size)
    found = sent(data)
    assert len(data) < 512
    assert found.flags & dns.flags.TC
    assert lines(found) == []
    assert len(lines(sent(encode(asked, message, None, MAX_MESSAGE)))) == 9
    size = len(encode(asked, message, None, MAX_MESSAGE))
    assert not sent(encode(asked, message, None, size)).flags & dns.flags.TC
    assert sent(encode(asked, message, None, size - 1)).flags & dns.flags.TC


def test_answer_that_fits_nowhere_is_a_failure() -> None:
    """Names that came compressed and may not be sent so can make 64 KiB of a few."""
    long = (b"\x3f" + b"a" * 63) * 3 + b"\x3c" + b"a" * 60 + b"\0"
    data = header(1, 1000) + long + b"\0\x23\0\1" + record(POINTER, 35, bytes(7) + POINTER) * 1000
    assert len(data) < MAX_MESSAGE
    asked = parse_query(header(1, flags=0x0100) + long + b"\0\x23\0\1")
    assert sent(encode(asked, parse_answer(data), None, MAX_MESSAGE)).rcode() == SERVFAIL


def test_names_are_compressed_only_where_every_client_reads_it() -> None:
    asked = parse_query(query("example.com", NS))
    found = answer("example.com.", NS, *[f"example.com. 60 IN NS {letter}.ns.example.com." for letter in "abcdefgh"])
    assert len(encode(asked, parse_answer(found), None, 512)) <= len(found)
    asked = parse_query(query("_http._tcp.example.com", SRV))
    data = header(1, 1) + question("_http._tcp.example.com", SRV) + record(POINTER, SRV, bytes(6) + POINTER)
    assert encode(asked, parse_answer(data), None, 512).endswith(bytes(6) + asked.question[:-4])


def test_pointers_lead_where_they_can_and_no_further_than_clients_follow() -> None:
    asked = parse_query(query("example", NS))
    nested = [record(POINTER, NS, name("".join(f"n{at}." for at in range(many, 0, -1)) + "net")) for many in range(30)]
    many = [record(POINTER, NS, name(f"{at:050}.{at % 400}.example.net")) for at in range(800)]
    for records in (nested, many):
        data = header(1, len(records)) + question("example", NS) + b"".join(records)
        wire = encode(asked, parse_answer(data), None, MAX_MESSAGE)
        assert len(wire) < len(data)
        assert lines(sent(wire)) == lines(sent(data))


def test_proofs_are_for_whom_asks_for_them() -> None:
    signature = "www.example.com. 60 IN RRSIG A 8 3 60 20300101000000 20200101000000 1 example.com. AAAA"
    proof = ("www.example.com. 60 IN NSEC z.example.com. A",)
    data = answer("www.example.com.", A, "www.example.com. 60 IN A 192.0.2.1", signature, authority=proof)
    plain = sent(encode(parse_query(query("www.example.com")), parse_answer(data), None, 512))
    checks = parse_query(query("www.example.com", tail=option(flags=0x8000)))
    wanted = sent(encode(checks, parse_answer(data), None, 1232))
    assert (len(lines(plain)), len(plain.authority)) == (1, 0)
    assert (len(lines(wanted)), len(wanted.authority)) == (2, 1)
    asked = answer("www.example.com.", RRSIG, signature)
    assert len(lines(sent(encode(parse_query(query("www.example.com", RRSIG)), parse_answer(asked), None, 512)))) == 1


@pytest.mark.parametrize(
    ("flags", "keep", "vouched"),
    [
        (0x0120, None, True),
        (0x0100, None, False),
        (0x0120, {"192.0.2.1"}, False),
        (0x0120, {"192.0.2.1", "10.0.0.1"}, True),
    ],
)
def test_answer_is_vouched_for_only_whole_and_to_whom_it_means_something(
    flags: int, keep: set[str] | None, vouched: bool
) -> None:
    data = bytearray(answer("www.example.com.", A, *CHAIN))
    data[3] |= 0x20
    found = sent(encode(parse_query(query("www.example.com", flags=flags)), parse_answer(bytes(data)), keep, 512))
    assert bool(found.flags & dns.flags.AD) == vouched


def test_server_is_never_called_authoritative() -> None:
    data = bytearray(answer("www.example.com.", A, *CHAIN))
    data[2] |= 4
    found = sent(encode(parse_query(query("www.example.com")), parse_answer(bytes(data)), None, 512))
    assert not found.flags & dns.flags.AA


def test_another_questions_answer_is_a_failure() -> None:
    message = parse_answer(answer("www.example.com.", A, *CHAIN))
    for asked in (query("www.example.com", AAAA), query("ww.example.com")):
        found = sent(encode(parse_query(asked), message, None, 512))
        assert (found.rcode(), lines(found)) == (SERVFAIL, [])


def test_response_code_that_needs_edns_is_a_failure_without() -> None:
    plain, extended = parse_query(query("a.example")), parse_query(query("a.example", tail=option()))
    message = Message(0, plain.key, 23)
    assert sent(encode(plain, message, None, 512)).rcode() == SERVFAIL
    assert sent(encode(extended, message, None, 512)).rcode() == dns.rcode.BADCOOKIE


def test_refusal_says_why_where_there_is_room() -> None:
    found = sent(refusal(parse_query(query("www.example.com", tail=option())), NXDOMAIN, BLOCKED, "Regel für alle"))
    assert (found.rcode(), found.id, lines(found)) == (dns.rcode.NXDOMAIN, 0x1234, [])
    assert [(extra.code, extra.text) for extra in found.extended_errors()] == [(15, "Regel für alle")]
    plain = sent(refusal(parse_query(query("www.example.com")), NXDOMAIN, BLOCKED, "default"))
    assert (plain.rcode(), plain.edns) == (dns.rcode.NXDOMAIN, -1)
    assert sent(refusal(parse_query(query("a.example", tail=option())), SERVFAIL)).options == ()


def test_text_of_a_refusal_is_cut_between_letters() -> None:
    long = ".".join(["a" * 60] * 4)
    for text in ("x" * 1000, "ü" * 1000, "x" + "ü" * 1000, "\ud800" * 500):
        data = refusal(parse_query(query(long, tail=option())), NXDOMAIN, BLOCKED, text)
        assert len(data) <= 512
        assert sent(data).extended_errors()[0].text


@pytest.mark.parametrize("what", QUERIES)
def test_what_cannot_be_read_is_answered_or_not_at_all(what: str) -> None:
    with pytest.raises(Malformed) as error:
        parse_query(QUERIES[what])
    data = rejection(QUERIES[what], error.value)
    if error.value.rcode is None:
        assert data == b""
        return
    found = dns.message.from_wire(data[:2] + bytes((data[2] & 0x87,)) + data[3:])  # dnspython reads queries' answers
    assert data[:2] == QUERIES[what][:2]
    assert found.flags & dns.flags.QR
    assert found.rcode() == error.value.rcode
    assert data[2] & 0x78 == QUERIES[what][2] & 0x78


def test_rejection_repeats_the_question() -> None:
    """A client takes no answer without it."""
    with pytest.raises(Malformed) as error:
        parse_query(QUERIES["an address"])
    assert rejection(QUERIES["an address"], error.value)[12:] == question("127.0.0.1")


def test_answer_of_our_own_is_sent_like_any() -> None:
    asked = parse_query(query("LocalHost"))
    found = sent(encode(asked, made(asked, ["127.0.0.1"], 30), None, 512))
    assert lines(found) == ["LocalHost. 30 IN A 127.0.0.1"]


def test_record_of_the_name_itself_points_to_the_question() -> None:
    asked = parse_query(query("www.example.com"))
    data = encode(asked, parse_answer(answered(record(POINTER, A, b"\1\2\3\4"))), None, 512)
    assert data == header(1, 1) + question("www.example.com") + record(POINTER, A, b"\1\2\3\4")
