"""Which servers are asked: as a libc reads the file, and as the file is now."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netguard.dns.servers import Configuration, parse


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("nameserver 192.0.2.1\n", ("192.0.2.1",)),
        ("nameserver\t192.0.2.1", ("192.0.2.1",)),
        ("nameserver   192.0.2.1   # the first\n", ("192.0.2.1",)),
        ("nameserver 192.0.2.1;the first\n", ("192.0.2.1",)),
        ("nameserver 192.0.2.1\nnameserver 2001:DB8::1\n", ("192.0.2.1", "2001:db8::1")),
        ("nameserver fe80::1%eth0\n", ("fe80::1%eth0",)),
        ("nameserver 64:ff9b::c000:201\n", ("64:ff9b::c000:201",)),  # as it is, not the address inside
        ("nameserver 10.1\n", ("10.0.0.1",)),
        ("".join(f"nameserver 192.0.2.{number}\n" for number in range(1, 6)), ("192.0.2.1", "192.0.2.2", "192.0.2.3")),
        ("nameserver nonsense\nnameserver [::1]\nnameserver\nnameserver 192.0.2.1\n", ("192.0.2.1",)),
        (" nameserver 192.0.2.9\n#nameserver 192.0.2.9\n", ("127.0.0.1",)),
        (";nameserver 192.0.2.9\nnameservers 192.0.2.9\nnameserver192.0.2.9\n", ("127.0.0.1",)),
        ("search example.com\n", ("127.0.0.1",)),
        ("", ("127.0.0.1",)),
        ("\xff\xfe\0\n\n\n", ("127.0.0.1",)),
    ],
)
def test_servers_are_read_as_a_libc_reads_them(text: str, addresses: tuple[str, ...]) -> None:
    assert parse(text.encode("latin-1")).addresses == addresses


@pytest.mark.parametrize(
    ("text", "timeout", "attempts", "tcp"),
    [
        ("", 5, 2, False),
        ("options timeout:1 attempts:3 use-vc\n", 1, 3, True),
        ("options timeout:1\noptions attempts:1 timeout:2\n", 2, 1, False),
        ("options timeout:99 attempts:99\n", 30, 5, False),
        ("options timeout:0 attempts:0\n", 1, 1, False),
        ("options timeout: attempts:x edns0 rotate ndots:5 timeout:-1\n", 5, 2, False),
        (f"options timeout:{'9' * 5000}\n", 30, 2, False),
    ],
)
def test_options_are_bounded_as_in_a_libc(text: str, timeout: int, attempts: int, tcp: bool) -> None:
    found = parse(text.encode())
    assert (found.timeout, found.attempts, found.tcp) == (timeout, attempts, tcp)


def test_server_is_known_in_each_form() -> None:
    found = parse(b"nameserver 192.0.2.1\nnameserver fe80::1%eth0\n")
    assert found.has((4, 0xC0000201))
    assert found.has((6, 0xFE80 << 112 | 1))
    assert not found.has((4, 0xC0000202))


def test_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    configuration = Configuration(str(path))
    assert configuration.servers().addresses == ("127.0.0.1",)
    path.write_text("nameserver 192.0.2.1\n")
    first = configuration.servers()
    assert first.addresses == ("192.0.2.1",)
    assert configuration.servers() is first
    path.write_text("nameserver 192.0.2.22\n")
    assert configuration.servers().addresses == ("192.0.2.22",)
    other = tmp_path / "other"
    other.write_text("nameserver 192.0.2.33\n")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    assert configuration.servers().addresses == ("192.0.2.33",)
    path.unlink()
    assert configuration.servers().addresses == ("127.0.0.1",)


def test_file_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert Configuration(str(tmp_path)).servers().addresses == ("127.0.0.1",)
