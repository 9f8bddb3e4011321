"""Random spellings: whatever names an address names one address, and it is the libc's."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netguard.core.address import canonical_host, format_ip, parse_host, parse_ip, special, unpack

pytestmark = pytest.mark.property

V4 = st.integers(0, 2**32 - 1)
V6 = st.integers(0, 2**128 - 1)


@st.composite
def spelled_v4(draw: st.DrawFn, value: int) -> str:
    """The address in one of inet_aton's forms, each part in one of its bases."""
    count = draw(st.integers(1, 4))
    parts = [value >> (32 - 8 * (place + 1)) & 255 for place in range(count - 1)]
    parts.append(value & (1 << 8 * (5 - count)) - 1)
    texts = []
    for part in parts:
        base = draw(st.sampled_from(["{:d}", "0x{:x}", "0X{:X}", "0{:o}"]))
        text = base.format(part)
        if text[0] == "0" and text != "0":
            zeros = "0" * draw(st.integers(0, 20))
            text = text[:2] + zeros + text[2:] if text[1] in "xX" else zeros + text
        texts.append(text)
    return ".".join(texts)


@st.composite
def spelled_v6(draw: st.DrawFn, value: int) -> str:
    """The address as full groups, compressed, with a dotted tail, in either case, with leading zeros."""
    address = ipaddress.IPv6Address(value)
    text = draw(st.sampled_from([address.exploded, str(address)]))
    if draw(st.booleans()):
        head = [f"{value >> shift & 0xFFFF:x}" for shift in range(112, 16, -16)]
        text = ":".join([*head, str(ipaddress.IPv4Address(value & 0xFFFFFFFF))])
    return draw(st.sampled_from([text, text.upper()]))


@given(V4, st.data())
def test_every_spelling_of_ipv4_is_one_address(value: int, data: st.DataObject) -> None:
    text = data.draw(spelled_v4(value))
    assert parse_ip(text) == (4, value) == parse_host(text) == parse_host(text + ".")
    assert canonical_host(text) is None
    assert int.from_bytes(socket.inet_aton(text), "big") == value


@given(V4, st.data())
def test_every_ipv6_that_holds_ipv4_is_it(value: int, data: st.DataObject) -> None:
    rest = data.draw(st.integers(0, 2**80 - 1))
    held = [0xFFFF << 32 | value, 0x64FF9B << 96 | value, 0x2002 << 112 | value << 80 | rest]
    if value > 1:
        held.append(value)
    for number in held:
        assert parse_ip(data.draw(spelled_v6(number))) == (4, value)


@given(V6, st.data())
def test_every_spelling_of_ipv6_is_one_address(value: int, data: st.DataObject) -> None:
    text = data.draw(spelled_v6(value))
    bare = parse_ip(text)
    assert bare == unpack(value) == parse_ip(f"[{text}]") == parse_ip(f"{text}%eth0")
    assert int.from_bytes(socket.inet_pton(socket.AF_INET6, text), "big") == value


@given(V4, V6)
def test_formatted_address_is_read_back(four: int, six: int) -> None:
    for address in ((4, four), unpack(six)):
        text = format_ip(address)
        assert parse_ip(text) == address
        assert text == str(ipaddress.ip_address(text))


@given(st.text() | st.text("0123456789abcdefxX.:%[]+-_ \x00\u0661\uff11", max_size=30))
def test_text_is_read_as_the_libc_reads_it_or_not_at_all(text: str) -> None:
    """No text makes these raise; and where both read an address, it is the same one, in both directions."""
    canonical_host(text)
    parse_host(text)
    ours = parse_ip(text)
    if not text or not text.isascii() or text.startswith("[") or any(mark in text for mark in "%\x00"):
        return  # zones and brackets are ours to read; Python's getaddrinfo hands C the text up to a NUL
    try:
        found = socket.getaddrinfo(text, 80, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
    except (socket.gaierror, UnicodeError, ValueError):
        if len(text) < 64:  # Python's codec refuses longer labels before the libc sees them
            assert ours is None
        return
    theirs = ipaddress.ip_address(found[4][0])
    assert ours == (unpack(int(theirs)) if theirs.version == 6 else (4, int(theirs)))


@given(st.text("abcXYZ019-_.", max_size=270))
def test_canonical_host_is_its_own_canonical_form(text: str) -> None:
    host = canonical_host(text)
    if host is not None:
        assert canonical_host(host) == host == canonical_host(host.upper() + ("." if len(host) < 254 else ""))


@given(V4, V6)
def test_every_address_has_one_range(four: int, six: int) -> None:
    for address in ((4, four), unpack(six)):
        known = ipaddress.ip_address(format_ip(address))
        if not special(address):
            assert known.is_global
        if known.is_loopback:
            assert special(address) == "loopback"
