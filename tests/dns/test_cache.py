"""Answers that are kept: for as long as they are good, for the question they answer, and not without bound."""

from __future__ import annotations

import pytest

from netguard.dns import cache as module
from netguard.dns.cache import Cache
from netguard.dns.message import Message, parse_answer
from netguard.dns.query import Query, parse_query
from tests.dns.packets import AAAA, TXT, A, answer, option, query

SERVERS = ("192.0.2.53",)
SOA = "example.com. 900 IN SOA ns.example.com. root.example.com. 1 2 3 4 120"


def asked(name: str = "www.example.com", kind: int = A, flags: int = 0x0100, tail: bytes = b"") -> Query:
    """A query."""
    return parse_query(query(name, kind, flags, tail))


def told(ttl: int = 60, name: str = "www.example.com") -> Message:
    """An answer."""
    return parse_answer(answer(name + ".", A, f"{name}. {ttl} IN A 192.0.2.1"))


def test_answer_is_good_for_its_time() -> None:
    cache, message = Cache(), told(60)
    cache.put(asked(), SERVERS, message, 1000.0)
    assert message.at == 1000.0
    assert cache.get(asked(), SERVERS, 1059.9) is message
    assert cache.get(asked("WWW.example.com"), SERVERS, 1059.9) is message
    assert cache.get(asked(), SERVERS, 1060.0) is None
    assert (len(cache), cache.octets) == (0, 0)


@pytest.mark.parametrize(
    ("question", "servers"),
    [
        (asked("example.com"), SERVERS),
        (asked(kind=AAAA), SERVERS),
        (asked(flags=0x0110), SERVERS),
        (asked(tail=option(flags=0x8000)), SERVERS),
        (asked(), ("198.51.100.53",)),
        (asked(), (*SERVERS, "198.51.100.53")),
        (asked(), ()),
    ],
)
def test_answer_is_to_its_question_and_from_its_server(question: Query, servers: tuple[str, ...]) -> None:
    cache = Cache()
    cache.put(asked(), SERVERS, told(), 0.0)
    assert cache.get(asked(), SERVERS, 1.0) is not None
    assert cache.get(question, servers, 1.0) is None


def test_that_there_is_none_is_kept_as_the_zone_says() -> None:
    cache = Cache()
    cache.put(asked(), SERVERS, parse_answer(answer("www.example.com.", A, authority=(SOA,))), 0.0)
    assert cache.get(asked(), SERVERS, 119.9) is not None
    assert cache.get(asked(), SERVERS, 120.0) is None


def test_time_is_bounded() -> None:
    cache = Cache()
    cache.put(asked(), SERVERS, told(0x7FFFFFFF), 0.0)
    assert cache.get(asked(), SERVERS, 86_399.0) is not None
    assert cache.get(asked(), SERVERS, 86_400.0) is None
    negative = SOA.replace("120", "100000").replace("900", "100000")
    cache.put(asked(), SERVERS, parse_answer(answer("www.example.com.", A, authority=(negative,))), 0.0)
    assert cache.get(asked(), SERVERS, 3_599.0) is not None
    assert cache.get(asked(), SERVERS, 3_600.0) is None


def test_what_is_good_for_no_time_is_not_kept() -> None:
    cache = Cache()
    truncated = bytearray(answer("www.example.com.", A, "www.example.com. 60 IN A 192.0.2.1"))
    truncated[2] |= 2
    failed = bytearray(answer("www.example.com.", A, authority=(SOA,)))
    failed[3] |= 2
    for message in (
        told(0),
        parse_answer(answer("www.example.com.", A)),
        parse_answer(bytes(truncated)),
        parse_answer(bytes(failed)),
        told(name="evil.example"),
    ):
        cache.put(asked(), SERVERS, message, 0.0)
        assert len(cache) == 0
    assert cache.octets == 0


def test_what_was_used_longest_ago_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ANSWERS", 3)
    cache = Cache()
    for name in "abc":
        cache.put(asked(name), SERVERS, told(name=name), 0.0)
    cache.get(asked("a"), SERVERS, 1.0)
    cache.put(asked("d"), SERVERS, told(name="d"), 1.0)
    assert [name for name in "abcd" if cache.get(asked(name), SERVERS, 2.0)] == ["a", "c", "d"]


def test_octets_are_bounded() -> None:
    cache = Cache()
    text = " ".join(['"' + "x" * 250 + '"'] * 100)
    for number in range(300):
        name = f"n{number}.example"
        message = parse_answer(answer(name + ".", TXT, f"{name}. 60 IN TXT {text}"))
        cache.put(asked(name, TXT), SERVERS, message, 0.0)
        assert cache.octets <= module.MAX_OCTETS
    assert 100 < len(cache) < 200
    assert cache.octets == sum(module.weight(entry[0]) for entry in cache._found.values())


def test_answer_that_would_fill_the_room_is_not_kept() -> None:
    cache = Cache()
    lines = [f"www.example.com. 60 IN TXT {number:050}" for number in range(1000)]
    cache.put(asked(kind=TXT), SERVERS, parse_answer(answer("www.example.com.", TXT, *lines)), 0.0)
    assert len(cache) == 0


def test_newer_answer_takes_the_olds_place() -> None:
    cache = Cache()
    for _ in range(3):
        cache.put(asked(), SERVERS, told(), 0.0)
    assert (len(cache), cache.octets) == (1, module.weight(told()))
