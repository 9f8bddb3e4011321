"""A proxy in a process of its own asks over a line what its connections were meant for."""

from __future__ import annotations

import contextlib
import select
import socket
import types
from typing import Any

import pytest

from netguard.core.process import Process
from netguard.core.wire import pack, unpack
from netguard.supervisor import inetdiag
from netguard.supervisor.inquiries import Inquiries
from netguard.supervisor.redirects import MAX_KNOWN, Original, Redirects

pytestmark = pytest.mark.kernel

ME = Process(42, 42, "", "", {})


def meant(sock: socket.socket) -> Original:
    """That a socket was sent to where it is in place of 192.0.2.7:80."""
    wanted: Any = types.SimpleNamespace(
        proto="tcp", where=(4, 0xC0000207), port=80, address=b"", sock=sock.fileno(), via=b""
    )
    return Original(wanted, ME, None)


@contextlib.contextmanager
def asking() -> Any:
    """(a function that asks over a line, the redirects, the inquiries)."""
    with contextlib.closing(select.epoll()) as poll:
        redirects = Redirects()
        inquiries = Inquiries(poll, redirects)
        line = inquiries.open()

        def ask(*texts: str) -> list[str]:
            line.send(pack(texts))
            for fd, _ in poll.poll(5):
                inquiries.ready(fd)
            return unpack(line.recv(1024))

        yield ask, redirects, inquiries
        line.close()
        for fd in list(inquiries.lines):
            inquiries.close(fd)


@contextlib.contextmanager
def connection() -> Any:
    """(the client's end, the server's, a question about it)."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(server.getsockname()) as client, server.accept()[0] as accepted:
            (host, port), (own, own_port) = accepted.getpeername(), accepted.getsockname()
            yield client, accepted, ("tcp", host, str(port), own, str(own_port))


def test_who_was_sent_there_is_known_and_who_was_not_is_not() -> None:
    with asking() as (ask, redirects, _), connection() as (client, _, question):
        assert ask(*question) == [""]
        redirects.keep(meant(client))
        assert ask(*question) == ["192.0.2.7", "80", "42"]
        redirects.forget(meant(client))
        assert ask(*question) == [""]


def test_another_socket_at_the_same_address_is_not_known() -> None:
    with asking() as (ask, redirects, _):
        with connection() as (client, _, _):
            redirects.keep(meant(client))
        with connection() as (_, _, question):
            assert ask(*question) == [""]


def test_kernel_without_such_tables_is_asked_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read from /proc, which only knows the inode."""
    monkeypatch.setattr(inetdiag, "_answered", set())
    monkeypatch.setattr(inetdiag, "_asked", lambda *_: b"")
    with asking() as (ask, redirects, _), connection() as (client, _, question):
        assert ask(*question) == [""]
        redirects.keep(meant(client))
        assert ask(*question) == ["192.0.2.7", "80", "42"]


@pytest.mark.parametrize("question", [("tcp",), ("icmp", "a", "1", "b", "2"), ("tcp", "::1", "x", "::1", "2"), ("",)])
def test_what_is_no_question_ends_the_line(question: tuple[str, ...]) -> None:
    with asking() as (ask, _, inquiries):
        assert ask(*question) == [""]  # nothing, the end
        assert not inquiries.lines


def test_what_is_remembered_is_bounded() -> None:
    redirects = Redirects()
    with connection() as (client, _, _):
        for number in range(MAX_KNOWN + 10):
            one = meant(client)
            one.cookie = number
            redirects.keep(one)
            redirects.keep(redirects.known[0])  # it is in use
    assert len(redirects.known) == MAX_KNOWN
    assert 0 in redirects.known
    assert 1 not in redirects.known
