"""A socket address means to us what it means to the kernel: what it reaches is what was decided."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from socket import AF_INET, AF_INET6, AF_UNIX, SOCK_DGRAM, SOCK_STREAM

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from netguard.seccomp import sockaddr
from tests.support.isolation import Namespace, missing

pytestmark = [
    pytest.mark.property,
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

#: Stands for the port that somebody listens at.
SERVED = 0xFFFF

FAMILIES = st.sampled_from([0, 1, 2, 2, 2, 10, 10, 10, 16, 17, 0x0200]) | st.integers(0, 0xFFFF)
PORTS = st.sampled_from([SERVED, SERVED, SERVED, 0, 53, 80]) | st.integers(0, 0xFFFF)
LIKELY = [bytes(4), b"\x7f\0\0\1", b"\xc0\0\2\7", b"\xa9\xfe\xa9\xfe", b"\xe0\0\0\1", b"\xff" * 4]
V4 = st.sampled_from(LIKELY) | st.binary(min_size=4, max_size=4)
PREFIXES = st.sampled_from(
    [bytes(12), bytes(10) + b"\xff\xff", b"\0\x64\xff\x9b" + bytes(8), b"\x20\2" + bytes(10), b"\xfe\x80" + bytes(10)]
)
V6 = st.one_of(
    st.builds(bytes.__add__, PREFIXES, V4), st.binary(min_size=16, max_size=16), st.just(bytes(15) + b"\1")
)


@st.composite
def addresses(draw: st.DrawFn) -> bytes:
    """Nearly right ones, of each family, too short and too long ones among them."""
    family, port = draw(FAMILIES), draw(PORTS)
    head = family.to_bytes(2, "little") + port.to_bytes(2, "big")
    four = head + draw(V4) + draw(st.just(bytes(8)) | st.binary(min_size=8, max_size=8))
    flow, scope = draw(st.sampled_from([bytes(4), b"\1\2\3\4"])), draw(st.sampled_from([bytes(4), b"\1\0\0\0"]))
    six = head + flow + draw(V6) + scope
    found = draw(st.sampled_from([four, six])) + draw(st.sampled_from([b"", b"", bytes(12), bytes(100)]))
    return found[: draw(st.sampled_from([len(found), len(found), 16, 24, 28]) | st.integers(0, 130))]


NAMES = st.binary(max_size=112) | st.text("ab./\0", max_size=20).map(str.encode)
UNIX = st.builds(lambda family, name: family.to_bytes(2, "little") + name, st.just(1) | FAMILIES, NAMES)

INTERNET = st.sampled_from([AF_INET, AF_INET6])
CASE = st.one_of(
    st.tuples(st.sampled_from(["connect", "bind", "send"]), INTERNET, st.just(SOCK_DGRAM), addresses()),
    st.tuples(st.just("connect"), INTERNET, st.just(SOCK_STREAM), addresses()),
    st.tuples(st.just("bind"), st.just(AF_UNIX), st.just(SOCK_STREAM), UNIX),
)

#: At a time: each time asks the kernel in another process.
CASES = st.lists(CASE, min_size=8, max_size=12)

Child = subprocess.Popen


@pytest.fixture(scope="module")
def kernel() -> Iterator[tuple[Child[str], int]]:
    """The process that asks the kernel, and the port."""
    with Namespace(anywhere=True) as space:
        words = space.command([sys.executable, "-I", "-S", str(Path(__file__).with_name("kernel.py"))])
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout
            yield child, int(child.stdout.readline())
            assert child.stdin
            child.stdin.close()


def asked(child: Child[str], cases: list[tuple[str, int, int, bytes]]) -> list[int | str]:
    """What the kernel makes of each."""
    assert child.stdin
    assert child.stdout
    child.stdin.write(json.dumps([[act, domain, kind, address.hex()] for act, domain, kind, address in cases]) + "\n")
    child.stdin.flush()
    found: list[int | str] = json.loads(child.stdout.readline())
    return found


def at_port(address: bytes, port: int) -> bytes:
    """The address with the port that is meant."""
    return address[:2] + port.to_bytes(2, "big") + address[4:] if address[2:4] == b"\xff\xff" else address


def is_same(ours: tuple[int, int] | None, theirs: tuple[int, int]) -> bool:
    """Whether that is what was decided. "This host" is the loopback address, as rules read it too."""
    return ours == theirs or (ours is not None and ours[1] == 0 and theirs in ((4, 0x7F000001), (6, 1)))


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=min(settings().max_examples, 2_000))
@given(CASES)
def test_address_is_what_the_kernel_takes_it_for(
    kernel: tuple[Child[str], int], cases: list[tuple[str, int, int, bytes]]
) -> None:
    child, port = kernel
    cases = [(act, domain, kind, at_port(address, port)) for act, domain, kind, address in cases]
    for (act, domain, kind, address), found in zip(cases, asked(child, cases), strict=True):
        if type(found) is int or not found:
            continue  # refused, or nowhere: then it does not matter what it was decided as
        theirs = bytes.fromhex(found)
        where = (act, domain, kind, address.hex(), found)
        if domain == AF_UNIX:
            check_unix(address, theirs)
        elif act == "send":
            ours = sockaddr.internet(domain, address, unspec=True)
            assert ours is not None, where
            assert is_same(ours[0], sockaddr.unpack(int.from_bytes(theirs, "big"))), where
            assert ours[1] == port, where
        else:
            check_internet(sockaddr.internet(domain, address, unspec=act == "bind"), theirs, act, where)


def check_internet(ours: tuple[tuple[int, int], int] | None, theirs: bytes, act: str, where: object) -> None:
    """The socket's own or its peer's address, as the kernel has it now."""
    known = sockaddr.internet(sockaddr.family(theirs), theirs, unspec=False)
    assert known is not None
    assert ours is not None, where
    assert ours[1] == known[1] or (act == "bind" and ours[1] == 0), where
    same = ours[0] == known[0] if act == "bind" else is_same(ours[0], known[0])
    assert same, where


def check_unix(address: bytes, theirs: bytes) -> None:
    """A bound unix socket: the name that the kernel shows for it."""
    if len(address) == 2:
        return  # it is to choose a name
    assert sockaddr.is_unix(address)
    name = sockaddr.abstract(address)
    if name:
        assert theirs == address[: len(theirs)], "every byte of an abstract name counts"
        assert len(theirs) == len(address)
    else:
        assert theirs[2:].split(b"\0", 1)[0] == sockaddr.path(address)
