"""Addresses and names: every spelling against what the libc of this machine reads."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from netguard.core.address import (
    RANGES,
    RESERVED,
    canonical_host,
    format_ip,
    in_net,
    is_public,
    parse_host,
    parse_ip,
    special,
    unpack,
)

LOOPBACK = (4, 0x7F000001)


def number(text: str) -> tuple[int, int]:
    """The address as the standard library reads its plain spelling."""
    address = ipaddress.ip_address(text)
    return address.version, int(address)


def libc_reads(text: str) -> tuple[int, int] | None:
    """What getaddrinfo takes the text for, IPv4 inside IPv6 taken out as netguard does."""
    try:
        found = socket.getaddrinfo(text, 80, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError, ValueError):
        return None
    version, value = number(found[0][4][0].partition("%")[0])
    return unpack(value) if version == 6 else (version, value)


SPELLED = [
    "127.0.0.1", "127.1", "127.0.1", "0x7f.1", "0X7F.0.0.1", "0177.0.0.1", "00000177.1", "2130706433", "0x7f000001",
    "017700000001", "0x7f.0x0.0x0.0x1", "127.0x0.00.1", "127.0.0.0x1", "127.0.0.01", "::ffff:127.0.0.1",
    "::FFFF:7f00:1",
    "0:0:0:0:0:ffff:127.0.0.1", "::127.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b::127.0.0.1", "2002:7f00:1::",
    "2002:7f00:1:1:2:3:4:5",
]  # fmt: skip


@pytest.mark.parametrize("text", SPELLED)
def test_spelling_of_loopback_is_loopback(text: str) -> None:
    assert parse_ip(text) == LOOPBACK
    assert libc_reads(text) == LOOPBACK


READ = [
    ("0", "0.0.0.0"), ("0.0.0.0", "0.0.0.0"), ("00", "0.0.0.0"), ("0x0", "0.0.0.0"), ("1", "0.0.0.1"),
    ("255.255.255.255", "255.255.255.255"), ("4294967295", "255.255.255.255"), ("0xffffffff", "255.255.255.255"),
    ("037777777777", "255.255.255.255"), ("1.2.65535", "1.2.255.255"), ("1.16777215", "1.255.255.255"),
    ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
    ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
    ("2001:DB8::A", "2001:db8::a"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
    ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
    ("0001:0002::0003", "1:2::3"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "plain"), READ)
def test_spelling_is_its_plain_address(text: str, plain: str) -> None:
    assert parse_ip(text) == number(plain) == libc_reads(text)


NOT_READ = [
    "", ".", "..", " ", "127.0.0.1 ", " 127.0.0.1", "127.0.0.1\n", "127.0.0.1 x", "127.0.0.1\x00", "127.0.0.1.",
    "127..1",
    ".127.1", "1.2.3.4.5", "1.2.3.4.5.6", "256.0.0.1", "1.2.3.256", "1.2.65536", "1.16777216", "4294967296",
    "0x100000000",
    "040000000000", "0777777777777777", "08", "09.1", "0x", "0x.1", "0xg", "0b1", "0o17", "1e3", "+1", "-1", "1_0",
    "1_0.0.0.1",
    "+127.0.0.1", "1.-2", "1.2.3.x", "127.0.0.1%lo", "a.b.c.d", "localhost", "api.example", "0.0.0.0/0", "127.0.0.1:80",
    ":", ":::", "::1::", "1::2::3", ":1", "1:", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8",
    "12345::", "::g", "::-1", "::+1", "::0x1", "::1_0", "::1.2.3", "::1.2.3.4.5", "::01.2.3.4", "::1.2.3.256",
    "::0x1.2.3.4",
    "1.2.3.4::", "1.2.3.4:1::", "::1.2.3.4:1", "::1 ", " ::1", "::1%", "%lo", "1:2:3:4:5:6:7:1.2.3.4",
    "[::1", "::1]", "[]", "[127.0.0.1]", "[localhost]", "[[::1]]", "\u0661.1.1.1", "\uff11.1.1.1",
    "127\u30020\u30020\u30021",
    "::\u0661", "\ud800", "9" * 5000, "f" * 5000, "1." * 5000, ":" * 5000, "0" * 5000 + "8", "<broadcast>",
]  # fmt: skip

#: Read by Python's getaddrinfo all the same: it maps by IDNA first, which is for whoever has the codec, and it hands C
#: the text up to a NUL. To netguard these are neither address nor name, so nothing grants them.
READ_OTHERWISE = {"\uff11.1.1.1", "127\u30020\u30020\u30021", "\u0661.1.1.1", "::\u0661", "127.0.0.1\x00"}


@pytest.mark.parametrize("text", NOT_READ, ids=ascii)
def test_what_only_looks_like_an_address_is_none(text: str) -> None:
    assert parse_ip(text) is None
    if text and text not in READ_OTHERWISE:  # "" is no host at all to getaddrinfo
        assert libc_reads(text) is None


@pytest.mark.parametrize("text", ["fe80::1%lo", "fe80::1%1", "fe80::1%a-name-of-15-ch", "[fe80::1%lo]"])
def test_zone_is_dropped(text: str) -> None:
    assert parse_ip(text) == number("fe80::1")


@pytest.mark.parametrize("text", sorted(READ_OTHERWISE), ids=ascii)
def test_what_another_reader_may_read_is_no_name_either(text: str) -> None:
    assert canonical_host(text) is None
    assert parse_host(text) is None


def test_zone_is_no_room_for_other_data() -> None:
    assert parse_ip("fe80::1%" + "x" * 15) is not None
    assert parse_ip("fe80::1%" + "x" * 16) is None


def test_brackets_hold_ipv6() -> None:
    assert parse_ip("[::1]") == (6, 1)
    assert parse_ip("[::ffff:10.0.0.1]") == number("10.0.0.1")


def test_any_count_of_leading_zeros_is_read() -> None:
    """inet_aton reads them all, so a bound on them would be a spelling that the rules do not know."""
    assert parse_ip("0" * 60_000 + "177.1") == LOOPBACK
    assert parse_ip("0x" + "0" * 60_000 + "7f.1") == LOOPBACK
    assert socket.inet_aton("0" * 5_000 + "177.1") == b"\x7f\0\0\1"


@pytest.mark.parametrize("text", ["::", "::1", "::ffff:0:0:1", "64:ff9b:1::1", "2003::1", "2001::1"])
def test_address_without_ipv4_inside_stays_ipv6(text: str) -> None:
    assert parse_ip(text) == number(text)


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "255.1.2.3",
        "::",
        "::1",
        "1::",
        "1:0:0:2::3",
        "1:0:2:0:3:0:4:0",
        "2001:db8::1:0:0:1",
        "1:2:3:4:5:6:7:8",
    ],
)
def test_format_is_canonical(text: str) -> None:
    assert format_ip(number(text)) == str(ipaddress.ip_address(text))


HOSTS = [
    ("api.openai.com", "api.openai.com"), ("API.OpenAI.com.", "api.openai.com"), ("localhost", "localhost"),
    ("_dmarc.x_y.example", "_dmarc.x_y.example"), ("xn--bcher-kva.example", "xn--bcher-kva.example"), ("a", "a"),
    ("1password.com", "1password.com"), ("08", "08"), ("256.1.1.1", "256.1.1.1"), ("a" * 63 + ".b", "a" * 63 + ".b"),
    (".".join(["a" * 49] * 5) + ".abc", ".".join(["a" * 49] * 5) + ".abc"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "host"), HOSTS)
def test_host_has_one_spelling(text: str, host: str) -> None:
    assert canonical_host(text) == host


NO_HOSTS = [
    "", ".", "..", "a..b", ".a", "a..", "a" * 64, "a" * 64 + ".b", ".".join(["a" * 49] * 5) + ".abcd",
    "x" * 300, "a b", "a/b",
    "a@b", "a:80", "a\x00b", "b\u00fccher.example", "\u212aelvin", "127.0.0.1", "127.1", "0x7f.1", "127.0.0.1.", "::1",
    "*.a",
    "a%b",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_HOSTS, ids=ascii)
def test_no_host_is_none(text: str) -> None:
    assert canonical_host(text) is None


def test_host_of_a_url_is_address_or_name() -> None:
    assert parse_host("127.0.0.1.") == LOOPBACK
    assert parse_host("0x7f.1.") == LOOPBACK
    assert parse_host("[::1]") == (6, 1)
    assert parse_host("Example.com.") == "example.com"
    assert parse_host("::1.") is None
    assert parse_host("127.0.0.1..") is None


RANGE_OF = [
    ("127.0.0.1", "loopback"), ("127.255.255.255", "loopback"), ("0.0.0.0", "loopback"), ("0.1.2.3", "loopback"),
    ("::", "loopback"), ("::1", "loopback"), ("10.0.0.0", "private"), ("10.255.255.255", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"), ("192.168.1.1", "private"), ("100.64.0.0", "private"),
    ("100.127.255.255", "private"),
    ("fc00::1", "private"), ("fdff::1", "private"), ("fec0::1", "private"), ("169.254.0.1", "linklocal"),
    ("fe80::1", "linklocal"),
    ("febf::1", "linklocal"), ("169.254.169.254", "metadata"), ("169.254.170.2", "metadata"),
    ("169.254.170.23", "metadata"),
    ("169.254.0.23", "metadata"), ("168.63.129.16", "metadata"), ("100.100.100.200", "metadata"),
    ("192.0.0.192", "metadata"),
    ("fd00:ec2::254", "metadata"), ("fd00:ec2::23", "metadata"), ("fd20:ce::254", "metadata"),
    ("fe80::a9fe:a9fe", "metadata"),
    ("224.0.0.1", "multicast"), ("239.255.255.255", "multicast"), ("ff02::1", "multicast"), ("192.0.0.1", "reserved"),
    ("192.0.2.1", "reserved"), ("192.88.99.1", "reserved"), ("198.18.0.1", "reserved"), ("198.19.255.255", "reserved"),
    ("198.51.100.1", "reserved"), ("203.0.113.255", "reserved"), ("240.0.0.1", "reserved"),
    ("255.255.255.255", "reserved"),
    ("100::1", "reserved"), ("64:ff9b:1::1", "reserved"), ("2001::1", "reserved"), ("2001:1ff::1", "reserved"),
    ("2001:db8::1", "reserved"), ("3fff:fff::1", "reserved"), ("5f00::1", "reserved"), ("4000::", "reserved"),
    ("9.255.255.255", ""), ("11.0.0.0", ""), ("172.15.255.255", ""), ("172.32.0.0", ""), ("192.167.255.255", ""),
    ("192.169.0.0", ""), ("100.63.255.255", ""), ("100.128.0.0", ""), ("126.255.255.255", ""), ("128.0.0.0", ""),
    ("1.0.0.0", ""),
    ("169.253.255.255", ""), ("169.255.0.0", ""), ("168.63.129.15", ""), ("168.63.129.17", ""), ("192.0.1.0", ""),
    ("192.0.3.0", ""),
    ("192.88.98.255", ""), ("192.88.100.0", ""), ("198.17.255.255", ""), ("198.20.0.0", ""), ("198.51.99.255", ""),
    ("198.51.101.0", ""), ("203.0.112.255", ""), ("203.0.114.0", ""), ("223.255.255.255", ""), ("8.8.8.8", ""),
    ("2001:200::1", ""), ("2001:db7:ffff::", ""), ("2001:db9::", ""), ("2606:4700::1111", ""), ("2000::", ""),
    ("3ffe::1", ""),
    ("3fff:1000::", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name"), RANGE_OF)
def test_special_range_of_an_address(text: str, name: str) -> None:
    assert special(number(text)) == name
    assert is_public(number(text)) is (name == "")


def test_public_addresses_are_global_to_the_standard_library() -> None:
    """What we call public, Python calls global; the first address of each /16 of IPv4 and a spread of IPv6.

    Without 6to4: we judge it by the address inside, and older Pythons call all of it private.
    """
    for high in range(1 << 16):
        if is_public((4, high << 16)):
            assert ipaddress.IPv4Address(high << 16).is_global, high
        if high != 0x2002 and is_public((6, high << 112)):
            assert ipaddress.IPv6Address(high << 112).is_global, high


def test_ranges_have_no_host_bits() -> None:
    for version, length, network in [net for nets in (*RANGES.values(), RESERVED) for net in nets]:
        assert 0 <= network < 1 << length
        assert length <= (32 if version == 4 else 128)


def test_net_holds_its_own_version_only() -> None:
    assert in_net(number("10.1.2.3"), (4, 8, 10))
    assert not in_net(number("11.1.2.3"), (4, 8, 10))
    assert not in_net((6, 10 << 24), (4, 8, 10))
    assert in_net(number("9.9.9.9"), (4, 0, 0))
    assert in_net(number("::1"), (6, 128, 1))
