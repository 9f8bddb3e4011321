"""Look-ups on threads: answered as the C functions answer, bounded, and never an exception."""

from __future__ import annotations

import select
import socket
import threading
from typing import Any

import pytest

from netguard import resolver
from netguard.core.answer import NO_NAME, ROW, Answer
from netguard.core.commands import LookUp
from netguard.resolver import look_up
from netguard.supervisor import lookups
from netguard.supervisor.lookups import MAX_THREADS, MAX_WAITING, Resolver

ANYONE: Any = None
NONE = (0, 0, 0, 0)


def task(function: str, name: str = "localhost", service: str = "", numbers: tuple[int, ...] = NONE) -> LookUp:
    return LookUp(ANYONE, "1", function, name, service, numbers, ANYONE)


def all_finished(resolver: Resolver, count: int) -> list[tuple[LookUp, Answer]]:
    found: list[tuple[LookUp, Answer]] = []
    while len(found) < count:
        assert select.select([resolver.fd], [], [], 20)[0], "the resolver says nothing"
        found += resolver.finished()
    return found


# What a function answers


@pytest.mark.parametrize("service", ["", "80", "name:http"])
def test_getaddrinfo_answers_rows_of_plain_text(service: str) -> None:
    port = service.removeprefix("name:") or None
    numbers = (socket.AF_INET, socket.SOCK_STREAM, 0, 0)
    answer = look_up("getaddrinfo", "localhost", service, numbers)
    expected = socket.getaddrinfo("localhost", port, *numbers)
    assert answer.error is None
    assert answer.addresses == [row[4][0] for row in expected]
    assert len(answer.fields) == ROW * len(expected)
    family, kind, proto, _, (host, number) = expected[0]
    assert answer.fields[:ROW] == [str(int(family)), str(int(kind)), str(proto), "", host, str(number), "0", "0"]


def test_getaddrinfo_tells_flow_and_scope_of_ipv6() -> None:
    answer = look_up("getaddrinfo", "fe80::1%1", "80", (socket.AF_INET6, socket.SOCK_STREAM, 0, 0))
    assert answer.fields[5:ROW] == ["80", "0", "1"]


def test_gethostbyname_answers_one_address() -> None:
    answer = look_up("gethostbyname", "localhost", "", NONE)
    assert (answer.fields, answer.addresses) == (["127.0.0.1"], ["127.0.0.1"])


@pytest.mark.parametrize("function", ["gethostbyname_ex", "gethostbyaddr"])
def test_host_lists_answer_name_count_aliases_addresses(function: str) -> None:
    answer = look_up(function, "127.0.0.1", "", NONE)
    name, aliases, addresses = getattr(socket, function)("127.0.0.1")
    assert answer.fields == [name, str(len(aliases)), *aliases, *addresses]
    assert answer.addresses == addresses


@pytest.mark.parametrize(("name", "numbers"), [("127.0.0.1", (3, 0, 0, 0)), ("::1", (3, 0, 0, 0))])
def test_getnameinfo_answers_host_and_service(name: str, numbers: tuple[int, ...]) -> None:
    assert look_up("getnameinfo", name, "80", numbers).fields == [name, "80"]


@pytest.mark.parametrize(
    ("function", "name", "service", "numbers", "error"),
    [
        ("getaddrinfo", "localhost", "name:nosuchservice", NONE, ("gaierror", socket.EAI_SERVICE)),
        ("getaddrinfo", "localhost", "", (99, 0, 0, 0), ("gaierror", socket.EAI_FAMILY)),
        ("getaddrinfo", "localhost", "", (0, 99, 0, 0), ("gaierror", socket.EAI_SOCKTYPE)),
        ("getaddrinfo", "localhost", "", (0, 0, 0, -1), ("gaierror", socket.EAI_BADFLAGS)),
        ("getaddrinfo", "localhost", "-5", NONE, ("gaierror", socket.EAI_SERVICE)),
        ("getaddrinfo", "x" * 64, "", NONE, NO_NAME[:2]),
        ("getaddrinfo", "a.\ud800", "", NONE, NO_NAME[:2]),
        ("getaddrinfo", "localhost", "name:\ud800", NONE, NO_NAME[:2]),
        ("getaddrinfo", "a\0b", "", NONE, NO_NAME[:2]),
        ("gethostbyname", "", "", NONE, None),
        ("gethostbyname_ex", "x" * 300, "", NONE, NO_NAME[:2]),
        ("getnameinfo", "no address", "80", NONE, ("gaierror", socket.EAI_NONAME)),
        ("getnameinfo", "127.0.0.1", "99999", NONE, None),
        ("getnameinfo", "127.0.0.1", "-1", NONE, None),
        ("getnameinfo", "127.0.0.1", "", NONE, NO_NAME[:2]),
        ("getnameinfo", "127.0.0.1", "80", (-1, 0, 0, 0), None),
        ("getnameinfo", "::1", "80", (3, 2**31 - 1, 0, 0), NO_NAME[:2]),
        ("getnameinfo", "::1", "80", (3, 0, -1, 0), None),
    ],
)
def test_what_fails_is_an_answer_too(
    function: str, name: str, service: str, numbers: tuple[int, ...], error: tuple[str, int] | None
) -> None:
    answer = look_up(function, name, service, numbers)
    if error is not None:
        assert answer.error is not None
        assert answer.error[:2] == error
        assert answer.error[2]
        assert (answer.fields, answer.addresses) == ([], [])


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (socket.herror(1, "Unknown host"), ("herror", 1, "Unknown host")),
        (OSError(24, "Too many open files"), ("error", 24, "Too many open files")),
        (OSError("odd"), ("error", 0, "odd")),
        (socket.gaierror("odd"), ("gaierror", socket.EAI_FAIL, "")),
        (UnicodeError("label too long"), NO_NAME),
        (MemoryError(), ("error", 5, "MemoryError")),
    ],
    ids=repr,
)
def test_every_error_of_a_resolver_has_a_form(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException, error: tuple[str, int, str]
) -> None:
    def fails(*_: object) -> Answer:
        raise raised

    monkeypatch.setitem(resolver.FUNCTIONS, "fails", fails)
    assert look_up("fails", "a.example", "", NONE).error == error


# The threads


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Semaphore]:
    """A resolver that does not answer until the event is set; the semaphore counts those that asked it."""
    opened, asked = threading.Event(), threading.Semaphore(0)

    def waits(name: bytes, service: str, numbers: tuple[int, ...]) -> Answer:
        asked.release()
        opened.wait(20)
        return Answer([name.decode()], [])

    monkeypatch.setitem(resolver.FUNCTIONS, "waits", waits)
    return opened, asked


def test_finished_look_ups_come_back_with_their_tasks() -> None:
    resolver = Resolver()
    assert resolver.finished() == []
    tasks = [task("gethostbyname"), task("getaddrinfo"), task("getnameinfo", "127.0.0.1", "80")]
    assert all(resolver.start(one) for one in tasks)
    found = dict(all_finished(resolver, 3))
    assert set(found) == set(tasks)
    assert found[tasks[0]].fields == ["127.0.0.1"]
    assert resolver.finished() == []


def test_slow_look_up_holds_up_no_other(gate: tuple[threading.Event, threading.Semaphore]) -> None:
    opened, asked = gate
    resolver = Resolver()
    resolver.start(task("waits"))
    asked.acquire()
    quick = task("gethostbyname")
    resolver.start(quick)
    assert [one for one, _ in all_finished(resolver, 1)] == [quick]
    opened.set()
    all_finished(resolver, 1)


def test_only_so_many_run_and_wait_at_once(gate: tuple[threading.Event, threading.Semaphore]) -> None:
    opened, asked = gate
    resolver = Resolver()
    running = [task("waits", f"running-{number}") for number in range(MAX_THREADS)]
    assert all(resolver.start(one) for one in running)
    for _ in running:
        asked.acquire()
    waiting = [task("waits", f"waiting-{number}") for number in range(MAX_WAITING)]
    assert all(resolver.start(one) for one in waiting)
    assert not resolver.start(task("waits", "too many"))
    assert not asked.acquire(blocking=False)
    opened.set()
    found = all_finished(resolver, MAX_THREADS + MAX_WAITING)
    assert {one.name: answer.fields for one, answer in found} == {one.name: [one.name] for one in running + waiting}
    again = task("gethostbyname")
    assert resolver.start(again)
    assert all_finished(resolver, 1)[0][0] is again


def test_look_up_that_no_thread_can_take_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    resolver = Resolver()
    with monkeypatch.context() as patch:
        patch.setattr(lookups._thread, "start_new_thread", refuses)
        assert not resolver.start(task("gethostbyname"))
    assert resolver.start(task("gethostbyname"))
    assert len(all_finished(resolver, 1)) == 1
