"""Whatever a guest sends and a server answers: one reply, in which is no address that the rules deny."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netguard.core.address import format_ip, parse_ip
from netguard.core.leases import Leases
from netguard.dns.cache import Cache
from netguard.dns.malformed import Malformed
from netguard.dns.message import parse_answer
from netguard.dns.query import parse_query, question_end
from netguard.dns.records import addresses_of
from netguard.dns.servers import Servers
from tests.property.test_dns import answers, broken, queries
from tests.supervisor.resolving import STREAM, Running, process
from tests.support.echo import UdpEcho

pytestmark = pytest.mark.property

#: A packet to a real server and back takes a tenth of a millisecond, one that nobody answers twenty.
dear = settings(
    max_examples=min(settings().max_examples, 2_000),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

#: Half of all addresses, so that most answers have some of each.
RULES = ("deny any 128.0.0.0/1 8000::/1", ("log any", {}))


NAME = b"\1a\7example\0"


@st.composite
def leading(draw: st.DrawFn) -> bytes:
    """An answer that leads to addresses, most of them the name's own."""
    kind = draw(st.sampled_from([1, 28, 65]))
    owners = st.sampled_from([NAME, NAME, b"\xc0\x0c", b"\1b" + NAME])
    found = []
    for _ in range(draw(st.integers(1, 5))):
        size = draw(st.sampled_from([4, 16]))
        address = draw(st.binary(min_size=size, max_size=size))
        data = address if kind in (1, 28) else b"\0\1\0" + struct.pack("!HH", 4 if size == 4 else 6, size) + address
        mine = 65 if kind == 65 else {4: 1, 16: 28}[size]
        found.append(draw(owners) + struct.pack("!HHIH", mine, 1, draw(st.integers(0, 90)), len(data)) + data)
    head = struct.pack("!6H", 7, 0x8180, 1, len(found), 0, 0)
    return head + NAME + struct.pack("!HH", kind, 1) + b"".join(found)


class Server(UdpEcho):
    """Answers with what it was given, under the number that it was asked with."""

    said: bytes = b""

    def answer(self, data: bytes) -> bytes:
        return data[:2] + self.said[2:]


class Fixed:
    """Servers that are given up soon."""

    def servers(self) -> Servers:
        return Servers(("127.0.0.1",), 0.02, 1)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def run(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(Path(tmp_path_factory.mktemp("run")), server.port, *RULES) as run:
        run.names.system = Fixed()  # type: ignore[assignment]
        yield run


def reply(run: Running, data: bytes) -> bytes:
    """What a guest is sent, as if nothing had been asked before."""
    run.names.acts.clear()
    run.names.noted.clear()
    run.lines.clear()
    run.names.cache, run.session.leases.until = Cache(), Leases().until
    heard: list[bytes] = []
    run.names.ask(process(), data, STREAM, heard.append)
    run.until(lambda: heard)
    assert len(heard) == 1
    assert not run.names.waiting
    assert not run.names.upstream.exchanges
    assert run.of_kind("tamper") == []
    return heard[0]


def granted(run: Running, name: str, address: str) -> bool:
    """Whether the rules let this name lead there."""
    request = run.session.lookups.asked(process(), name, "A/AAAA").request
    return run.session.lookups.judge(request, [address]) == {}


@dear
@given(leading() | broken(leading()) | answers() | broken(answers()))
def test_reply_has_no_address_that_is_denied(server: Server, run: Running, data: bytes) -> None:
    try:
        question = data[12 : question_end(data)]
        asked = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + question
        query = parse_query(asked)
    except Malformed:
        return
    server.said = data
    said = reply(run, asked)
    dns.message.from_wire(said)
    message = parse_answer(said)
    assert message.id == 7
    found = {text for record in message.answer for text in addresses_of(record)}
    assert all(granted(run, query.name, text) for text in found)
    assert {format_ip(address) for address in run.session.leases.until} <= found


@dear
@given(queries() | broken(queries()) | st.binary(max_size=600))
def test_whatever_is_sent_has_one_reply_and_one_line(server: Server, run: Running, data: bytes) -> None:
    server.said = data[:2] + b"\x81\x83" + data[4:6] + bytes(6) + data[12:]
    said = reply(run, data)
    assert len(run.of_kind("dns")) <= 2  # a denial of where it leads stands beside the grant
    if said:
        assert said[:2] == data[:2]
        assert said[2] & 0x80
    try:
        query = parse_query(data)
    except Malformed:
        assert run.lines[0]["rule"] == "hostile-argument"
    else:
        assert said.endswith(query.question) or query.question in said
        assert parse_ip(query.name) is None
