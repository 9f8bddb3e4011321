"""Servers that answer, are slow, lie, flood, truncate and break off: each question ends, and in bounded work."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator

import pytest

from netguard.dns import upstream as module
from netguard.dns.message import Message
from netguard.dns.query import Query, parse_query, query_for
from netguard.dns.servers import Servers
from netguard.dns.upstream import MAX_ASKERS, MAX_LIES, MAX_UNDER_WAY, Upstream
from tests.support.dns import DnsServer, Question
from tests.support.queries import query

A = 1
HERE, THERE = "127.0.0.1", "127.0.0.2"
NAMES = {"a.example": ["192.0.2.1", "2001:db8::1"], "long.example": [f"192.0.2.{number}" for number in range(100)]}


class Asker:
    """An upstream and the loop that it is in. turns: how often something was ready."""

    def __init__(self, port: int) -> None:
        self.poll = select.epoll()
        self.upstream = Upstream(self.poll, port)
        self.turns = 0

    def turn(self) -> None:
        """One turn of the loop."""
        until = self.upstream.until()
        wait = 5.0 if until is None else max(0.0, until - time.monotonic())
        found = self.poll.poll(wait)
        for fd, events in found:
            self.turns += 1
            if fd in self.upstream:
                self.upstream.ready(fd, events)
        self.upstream.due(time.monotonic())

    def ends(self, ended: list[Message | None], count: int = 1) -> list[Message | None]:
        """Turns until so many questions have ended."""
        late = time.monotonic() + 20
        while len(ended) < count and time.monotonic() < late:
            self.turn()
        assert len(ended) == count
        return ended

    def ask(
        self, *addresses: str, name: str = "a.example", kind: int = A, timeout: float = 5, **more: int
    ) -> Message | None:
        """What comes for a name."""
        ended: list[Message | None] = []
        servers = Servers(addresses or (HERE,), timeout, **more)  # type: ignore[arg-type]
        self.upstream.ask(query_for(name, kind), servers, ended.append)
        [message] = self.ends(ended)
        assert not self.upstream.exchanges
        assert not self.upstream.sockets
        return message


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer(NAMES, tcp=True) as server:
        yield server


@pytest.fixture
def asker(server: DnsServer) -> Iterator[Asker]:
    asker = Asker(server.port)
    yield asker
    asker.upstream.close()
    assert not asker.upstream.sockets
    asker.poll.close()


def addresses(message: Message | None) -> list[str]:
    assert message is not None
    return message.addresses()


def test_name_is_asked_in_one_packet(server: DnsServer, asker: Asker) -> None:
    assert addresses(asker.ask()) == ["192.0.2.1"]
    assert server.questions == [Question("a.example", "A")]


def test_name_that_is_not_there_is_an_answer(asker: Asker) -> None:
    message = asker.ask(HERE, THERE, name="b.example")
    assert message is not None
    assert message.rcode == 3


def test_each_try_has_a_number_and_a_port_of_its_own(server: DnsServer, asker: Asker) -> None:
    """Whoever cannot see the packets has both to guess (RFC 5452 section 4)."""
    numbers = set()
    for _ in range(20):
        asker.ask()
    numbers = {data[:2] for data in server.received}
    assert len(numbers) > 15


def test_packet_holds_what_was_decided_on_and_nothing_else(server: DnsServer, asker: Asker) -> None:
    """Letters' case and options would be a way out for data."""
    loud = parse_query(query("A.eXaMpLe", secret=b"secret"))
    ended: list[Message | None] = []
    asker.upstream.ask(loud, Servers((HERE,)), ended.append)
    asker.ends(ended)
    [sent] = server.received
    assert b"secret" not in sent
    assert b"\1a\7example" in sent


def test_packet_from_elsewhere_is_not_heard(asker: Asker, server: DnsServer) -> None:
    """The socket is connected: the kernel keeps others' packets out, right number or not."""
    server.trick = "silent"
    ended: list[Message | None] = []
    asker.upstream.ask(query_for("a.example", A), Servers((HERE,), 5, 1), ended.append)
    [exchange] = asker.upstream.exchanges.values()
    assert exchange.sock is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        right = server.right(exchange.number.to_bytes(2, "big") + query("a.example")[2:])
        other.sendto(right, exchange.sock.getsockname())
    server.trick = ""
    server.socket.sendto(right, exchange.sock.getsockname())
    assert addresses(asker.ends(ended)[0]) == ["192.0.2.1"]
    assert asker.upstream.lies == 0


# The next server


def test_next_server_is_asked_when_one_is_silent(asker: Asker, server: DnsServer) -> None:
    with DnsServer(NAMES, THERE, server.port):
        server.trick = "silent"
        assert addresses(asker.ask(HERE, THERE, timeout=0.05)) == ["192.0.2.1"]


@pytest.mark.parametrize("trick", ["servfail", "refused", "malformed", "other question"])
def test_next_server_is_asked_at_once_when_one_is_of_no_use(asker: Asker, server: DnsServer, trick: str) -> None:
    with DnsServer(NAMES, THERE, server.port):
        server.trick = trick
        assert addresses(asker.ask(HERE, THERE, timeout=30)) == ["192.0.2.1"]
        assert len(server.received) == 1


def test_next_server_is_asked_at_once_when_nobody_listens(asker: Asker) -> None:
    assert addresses(asker.ask(THERE, HERE, timeout=30)) == ["192.0.2.1"]


def test_every_server_is_asked_again_while_none_answers(asker: Asker, server: DnsServer) -> None:
    server.trick = "silent"
    with DnsServer(NAMES, THERE, server.port, trick="silent") as other:
        assert asker.ask(HERE, THERE, timeout=0.02, attempts=3) is None
        assert (len(server.received), len(other.received)) == (3, 3)


def test_failure_is_passed_on_when_no_server_has_an_answer(asker: Asker, server: DnsServer) -> None:
    server.trick = "servfail"
    message = asker.ask(HERE, attempts=3)
    assert message is not None
    assert message.rcode == 2
    assert len(server.received) == 1


@pytest.mark.parametrize("place", ["fe80::1%nosuchinterface", "fe80::1%99999999999", "fe80::1%²", "::ffff:1%0"])
def test_server_that_cannot_be_reached_is_passed_over(asker: Asker, place: str) -> None:
    assert addresses(asker.ask(place, HERE, timeout=0.05)) == ["192.0.2.1"]


# Servers that do not keep to it


@pytest.mark.parametrize("trick", ["no edns", "not implemented"])
def test_server_without_edns_is_asked_without(asker: Asker, server: DnsServer, trick: str) -> None:
    server.trick = trick
    assert addresses(asker.ask()) == ["192.0.2.1"]
    assert [data[11] for data in server.received] == [1, 0]


def test_lies_are_passed_over_and_counted(asker: Asker, server: DnsServer) -> None:
    server.trick = "lies"
    assert addresses(asker.ask(timeout=30)) == ["192.0.2.1"]
    assert asker.upstream.lies == 4


def test_flood_of_lies_costs_the_server_its_turn(asker: Asker, server: DnsServer) -> None:
    server.trick = "flood"
    assert asker.ask(attempts=3, timeout=30) is None
    assert asker.upstream.lies == MAX_LIES
    assert asker.turns <= MAX_LIES


def test_answer_that_is_too_long_comes_over_tcp(asker: Asker, server: DnsServer) -> None:
    server.truncates = True
    assert len(addresses(asker.ask(name="long.example"))) == 100
    assert (len(server.received), len(server.streamed)) == (1, 1)


def test_servers_are_asked_over_tcp_alone_where_the_file_says_so(asker: Asker, server: DnsServer) -> None:
    assert addresses(asker.ask(tcp=True)) == ["192.0.2.1"]
    assert (len(server.received), len(server.streamed)) == (0, 1)


@pytest.mark.parametrize("trick", ["cut", "empty", "malformed", "lies", "servfail", "silent", "endless"])
def test_next_server_is_asked_when_one_breaks_its_connection(asker: Asker, server: DnsServer, trick: str) -> None:
    server.trick = trick
    with DnsServer(NAMES, THERE, server.port, tcp=True):
        assert addresses(asker.ask(HERE, THERE, tcp=True, timeout=0.2 if trick == "silent" else 30)) == ["192.0.2.1"]


def test_answer_that_drips_over_tcp_is_heard_whole(asker: Asker, server: DnsServer) -> None:
    server.trick = "drip"
    assert len(addresses(asker.ask(tcp=True, name="long.example"))) == 100


def test_truncated_answer_over_tcp_is_none(asker: Asker, server: DnsServer) -> None:
    server.truncates = True
    whole = server.right
    server.right = lambda data: whole(data)[:2] + b"\x83\x80" + whole(data)[4:]  # type: ignore[method-assign]
    assert asker.ask(attempts=2) is None


def test_server_without_tcp_is_passed_over_when_its_answer_is_too_long() -> None:
    with DnsServer(NAMES, truncates=True) as server:
        asker = Asker(server.port)
        assert asker.ask(attempts=2, timeout=30) is None
        asker.poll.close()


# Crowds


def test_same_question_is_one_packet_for_all_who_ask(asker: Asker, server: DnsServer) -> None:
    ended: list[Message | None] = []
    for _ in range(50):
        asker.upstream.ask(query_for("a.example", A), Servers((HERE,)), ended.append)
    assert len({id(message) for message in asker.ends(ended, 50)}) == 1
    assert len(server.received) == 1


def test_other_servers_and_wishes_are_other_questions(asker: Asker, server: DnsServer) -> None:
    ended: list[Message | None] = []
    plain = query_for("a.example", A)
    signed = parse_query(query("a.example", signed=True))
    unchecked = parse_query(query("a.example", unchecked=True))
    with DnsServer(NAMES, THERE, server.port) as other:
        for asked, place in ((plain, HERE), (signed, HERE), (unchecked, HERE), (plain, THERE)):
            asker.upstream.ask(asked, Servers((place,)), ended.append)
        asker.ends(ended, 4)
        assert (len(server.received), len(other.received)) == (3, 1)


def test_questions_at_once_are_bounded(asker: Asker, server: DnsServer) -> None:
    server.trick = "silent"
    ended: list[Message | None] = []
    servers = Servers((HERE,), 30)
    for number in range(MAX_UNDER_WAY + 5):
        asker.upstream.ask(query_for(f"n{number}.example", A), servers, ended.append)
    assert ended == [None] * 5
    for _ in range(MAX_ASKERS + 3):
        asker.upstream.ask(query_for("n0.example", A), servers, ended.append)
    assert ended == [None] * 9
    assert len(asker.upstream.sockets) == MAX_UNDER_WAY


def test_crowd_that_is_not_answered_ends_a_part_a_turn(asker: Asker, server: DnsServer) -> None:
    server.trick = "silent"
    ended: list[Message | None] = []
    for number in range(200):
        asker.upstream.ask(query_for(f"n{number}.example", A), Servers((HERE,), 0.01, 1), ended.append)  # type: ignore[arg-type]
    late = time.monotonic() + 0.02
    while time.monotonic() < late:
        pass
    asker.upstream.due(time.monotonic())
    assert len(ended) == module.OVERDUE_A_TURN
    asker.ends(ended, 200)


def test_who_is_gone_is_not_answered(asker: Asker, server: DnsServer) -> None:
    ended: list[Message | None] = []
    gone: list[Message | None] = []
    waits = asker.upstream.ask(query_for("a.example", A), Servers((HERE,)), gone.append)
    asker.upstream.ask(query_for("a.example", A), Servers((HERE,)), ended.append)
    assert waits is not None
    waits.cancel()
    waits.cancel()
    asker.ends(ended)
    assert gone == []


def test_question_of_nobody_is_asked_no_more(asker: Asker, server: DnsServer) -> None:
    server.trick = "silent"
    waits = asker.upstream.ask(query_for("a.example", A), Servers((HERE,)), [].append)
    assert waits is not None
    waits.cancel()
    assert (asker.upstream.exchanges, asker.upstream.sockets, asker.upstream.until()) == ({}, {}, None)


def test_system_without_descriptors_is_no_answer(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def refused(server: str, port: int, kind: int) -> socket.socket:
        tried.append(server)
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(module, "open_socket", refused)
    assert asker.ask(HERE, THERE, attempts=5) is None
    assert tried == [HERE, THERE]


def test_key_is_the_question() -> None:
    """What waits for the same exchange would accept the same answer."""
    one: Query = parse_query(query("a.example"))
    assert one.key == parse_query(query("A.EXAMPLE")).key
