"""Names: one text for one name, which no other name has, and which rules read as they read every host."""

from __future__ import annotations

import pytest

from netguard.core.acts import dns_request
from netguard.core.address import canonical_host, parse_ip
from netguard.dns.malformed import Malformed
from netguard.dns.names import name_of, read_name, text_of, zones_of
from tests.dns.packets import header, name

HOSTS = ["example.com", "a.b.c", "_dmarc.example.com", "xn--bcher-kva.example", "localhost", "a-b_c.test", "1.test"]


@pytest.mark.parametrize("host", HOSTS)
def test_text_of_a_host_is_its_canonical_form(host: str) -> None:
    for spelled in (host, host.upper(), host.title()):
        text = text_of(name(spelled))
        assert text == host == canonical_host(spelled)
        assert dns_request(text).host == host


def test_root_has_a_text() -> None:
    assert text_of(b"\0") == "."
    assert name_of(".") == b"\0"


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (b"\7a.b.com\0", r"a\046b\046com"),  # one label, and no rule's *.b.com
        (b"\3a.b\3com\0", r"a\046b.com"),
        (b"\2a\0\3com\0", r"a\000.com"),
        (b"\2\xc3\xa9\3com\0", r"\195\169.com"),
        (b"\1\\\3com\0", r"\092.com"),
        (b"\3\\.x\0", r"\092\046x"),
        (b"\1 \0", r"\032"),
        (b"\3::1\0", r"\058\0581"),  # no IPv6 address
        (b"\x0bfe80::1%eth\0", r"fe80\058\0581%eth"),
        (b"\x04[::]\0", r"[\058\058]"),
        (b"\1*\7example\0", "*.example"),
        (b"\4A+/B\7example\0", "a+/b.example"),
        (b"\x09127.0.0.1\0", r"127\0460\0460\0461"),
    ],
)
def test_octets_that_mean_something_are_escaped(wire: bytes, text: str) -> None:
    assert text_of(wire) == text
    assert name_of(text) == wire.lower()
    assert parse_ip(text) is None
    assert dns_request(text).host == text
    assert dns_request(text).address is None


@pytest.mark.parametrize(
    "text", ["", "a..b", ".a", "a\\", "a\\1", "a\\12x", "a\\256", "é", "a" * 64, ".".join(["a" * 63] * 4)]
)
def test_text_that_no_name_has_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        name_of(text)


def test_longest_name_is_read_and_one_octet_more_is_not() -> None:
    longest = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0"
    assert len(longest) == 255
    assert read_name(header() + longest, 12, {}) == (longest, 12 + 255)
    with pytest.raises(Malformed):
        read_name(header() + b"\x3f" + longest[1:64] + b"a" + longest[64:], 12, {})
    longer = longest[:192] + b"\x3e" + b"a" * 62 + b"\0"
    with pytest.raises(Malformed, match="255"):
        read_name(header() + longer, 12, {})


def test_name_lies_in_a_zone_only_at_a_border_of_labels() -> None:
    assert zones_of(b"\0") == [b"\0"]
    assert zones_of(name("a.example.com")) == [name(text) for text in ("a.example.com", "example.com", "com", "")]
    # The zone's very octets, but as the end of one label.
    assert zones_of(b"\5a\3com\0") == [b"\5a\3com\0", b"\0"]


def test_name_that_was_seen_is_read_alike() -> None:
    data = header() + name("a.example.com") + b"\1b\xc0\x0e" + b"\1c\xc0\x1b" + b"\1d\xc0\x1f"
    for again in range(2):
        seen: dict[int, tuple[bytes, int]] = {}
        places = [12, 27, 31, 35] if again else [35]
        for at in places:
            found = read_name(data, at, seen)
        assert found == (name("d.c.b.example.com"), 39)
        assert seen[35] == (name("d.c.b.example.com"), 3)
        assert seen[14] == (name("example.com"), 0)
    assert read_name(header() + b"\1a\0\xc0\x0c", 15, {12: (name("b"), 0)}) == (name("b"), 17)


def test_pointers_are_counted_through_names_that_were_seen() -> None:
    data, place, seen = header() + b"\1a\0", 12, {}
    for count in range(1, 18):
        here = len(data)
        data += b"\1a" + (0xC000 | place).to_bytes(2, "big")
        place = here
        if count == 17:
            with pytest.raises(Malformed):
                read_name(data, here, seen)
            with pytest.raises(Malformed):
                read_name(data, here, {})
        else:
            assert read_name(data, here, seen)[0] == b"\1a" * (count + 1) + b"\0" == read_name(data, here, {})[0]
