"""What is the run's own, with real sockets: whatever the kernel does not confirm is not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from netguard.core import abstract
from netguard.core.address import parse_ip
from netguard.supervisor import listening
from netguard.supervisor.listening import Listening
from tests.support.isolation import missing

PID = os.getpid()


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def bound(
    closing: ExitStack, host: str, kind: int = socket.SOCK_STREAM, port: int = 0, **options: int
) -> socket.socket:
    sock = closing.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind))
    for name, value in options.items():
        level = socket.IPPROTO_IPV6 if name.startswith("IPV6") else socket.SOL_SOCKET
        sock.setsockopt(level, getattr(socket, name), value)
    sock.bind((host, port))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


def bound_path(closing: ExitStack, path: str) -> socket.socket:
    sock = closing.enter_context(socket.socket(socket.AF_UNIX))
    sock.bind(path)
    sock.listen()
    return sock


def shown(*socks: socket.socket) -> Listening:
    known = Listening()
    for sock in socks:
        known.show(PID, sock.fileno())
    return known


def owns(known: Listening, host: str, port: int, proto: str = "tcp", pid: int = PID) -> bool:
    address = parse_ip(host)
    assert address is not None
    return known.owns(pid, proto, address, port)


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "0.0.0.0"),  # arrives at 127.0.0.1
        ("127.0.0.2", "127.0.0.2"),
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "127.8.8.8"),
        ("0.0.0.0", "0.0.0.0"),
        ("::1", "::1"),
        ("::1", "::"),
        ("::", "::1"),
        ("::", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
    ],
)
def test_listener_is_own_where_it_answers(closing: ExitStack, host: str, reached: str) -> None:
    sock = bound(closing, host)
    port = sock.getsockname()[1]
    with socket.create_connection((reached, port)):  # the control: it does answer there
        pass
    known = shown(sock)
    assert owns(known, reached, port)
    assert not owns(known, reached, port + 1 if port < 65535 else port - 1)
    assert not owns(known, reached, port, "udp")


@pytest.mark.parametrize(
    ("host", "reached"),
    [("127.0.0.1", "127.0.0.2"), ("127.0.0.2", "0.0.0.0"), ("0.0.0.0", "::1"), ("::1", "127.0.0.1"),
     ("0.0.0.0", "10.0.0.1"), ("::", "10.0.0.1"), ("::", "fe80::1")],
)  # fmt: skip
def test_listener_is_not_own_elsewhere(closing: ExitStack, host: str, reached: str) -> None:
    sock = bound(closing, host)
    assert not owns(shown(sock), reached, sock.getsockname()[1])


def test_nothing_is_own_before_it_is_shown() -> None:
    known = Listening()
    assert not owns(known, "127.0.0.1", 80)
    assert not known.owns_path(PID, "/run/x")
    assert not known.owns_path(PID, "@x")
    assert not known.owns_path(PID, "")


def test_datagram_socket_is_own_as_udp(closing: ExitStack) -> None:
    sock = bound(closing, "127.0.0.1", socket.SOCK_DGRAM)
    port = sock.getsockname()[1]
    assert owns(shown(sock), "127.0.0.1", port, "udp")
    assert not owns(shown(sock), "127.0.0.1", port)


def test_socket_that_does_not_listen_is_not_own(closing: ExitStack) -> None:
    sock = closing.enter_context(socket.socket())
    sock.bind(("127.0.0.1", 0))
    assert not owns(shown(sock), "127.0.0.1", sock.getsockname()[1])


def test_connected_socket_is_not_own(closing: ExitStack) -> None:
    server = bound(closing, "127.0.0.1")
    client = closing.enter_context(socket.create_connection(server.getsockname()))
    known = shown(client)
    assert known.held == {}


def test_file_and_missing_descriptor_are_not_own(tmp_path: Path) -> None:
    known = Listening()
    with open(tmp_path / "file", "w") as file:
        known.show(PID, file.fileno())
    known.show(PID, 999_999)
    known.show(2**30, 0)
    assert known.held == {}


def test_closed_listener_is_own_no_more(closing: ExitStack) -> None:
    sock = bound(closing, "127.0.0.1")
    port = sock.getsockname()[1]
    known = shown(sock)
    sock.close()
    assert not owns(known, "127.0.0.1", port)
    assert known.held == {}


def test_other_socket_under_the_same_number_is_not_own(closing: ExitStack) -> None:
    """The descriptor is used again: the port may be another's by now."""
    sock = bound(closing, "127.0.0.1")
    port, number = sock.getsockname()[1], sock.fileno()
    known = shown(sock)
    other = bound(closing, "127.0.0.1")
    os.dup2(other.fileno(), number)
    assert not owns(known, "127.0.0.1", port)


SERVER = """
import socket, sys
sock = socket.socket()
sock.bind(("127.0.0.1", 0))
sock.listen()
print(sock.getsockname()[1], sock.fileno(), flush=True)
sys.stdin.read()
"""


def test_other_process_s_server_is_not_own(closing: ExitStack) -> None:
    """A guest may say any descriptor; only one of its own process is looked at."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with server:
        port, number = map(int, server.stdout.readline().split())
        mine = bound(closing, "127.0.0.1")
        known = shown(mine)
        known.show(PID, number)
        assert not owns(known, "127.0.0.1", port)
        known.show(server.pid, number)  # the control: as a process of the run it would be
        assert owns(known, "127.0.0.1", port)
        server.stdin.close()


def test_listener_that_a_child_has_taken_over_is_own(closing: ExitStack, tmp_path: Path) -> None:
    """As with a forkserver: one process binds, another accepts."""
    path = str(tmp_path / "server")
    sock = bound_path(closing, path)
    known = shown(sock)
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(sock.fileno(),)) as child:
        sock.close()
        assert known.owns_path(PID, path)
        assert child.stdin is not None
        child.stdin.close()
    assert not known.owns_path(PID, path)


def test_nearer_server_of_another_is_not_own(closing: ExitStack) -> None:
    """On all IPv6 addresses and no IPv4 one: 127.0.0.1 at the same port is somebody else's."""
    ours = bound(closing, "::", IPV6_V6ONLY=1)
    port = ours.getsockname()[1]
    known = shown(ours)
    assert owns(known, "::1", port)
    bound(closing, "127.0.0.1", port=port)
    assert not owns(known, "127.0.0.1", port)


@pytest.mark.parametrize("nearer", ["127.0.0.1", "0.0.0.0"])
def test_nearer_datagram_socket_of_another_is_not_own(closing: ExitStack, nearer: str) -> None:
    ours = bound(closing, "0.0.0.0", socket.SOCK_DGRAM, SO_REUSEADDR=1)
    port = ours.getsockname()[1]
    known = shown(ours)
    assert owns(known, "127.0.0.1", port, "udp")
    bound(closing, nearer, socket.SOCK_DGRAM, port, SO_REUSEADDR=1)
    assert not owns(known, "127.0.0.1", port, "udp")


IN_ANOTHER_NETWORK = """
import ctypes, os, socket, subprocess, sys
if ctypes.CDLL(None).unshare(0x10000000 * (os.geteuid() != 0) | 0x40000000):
    sys.exit("unshare")
subprocess.run(["ip", "link", "set", "lo", "up"], check=False)
sock = socket.socket()
sock.bind(("127.0.0.1", int(sys.argv[1])))
sock.listen()
abstract = socket.socket(socket.AF_UNIX)
abstract.bind("\\0" + sys.argv[2])
abstract.listen()
print(sock.fileno(), abstract.fileno(), flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_same_address_in_another_network_namespace_is_not_own(closing: ExitStack) -> None:
    theirs = bound(closing, "127.0.0.1")
    port, name = theirs.getsockname()[1], f"netguard-test-{PID}"
    bound_path(closing, "\0" + name)
    command = [sys.executable, "-c", IN_ANOTHER_NETWORK, str(port), name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as guest:
        numbers = [int(number) for number in guest.stdout.readline().split()]
        known = Listening()
        for number in numbers:
            known.show(guest.pid, number)
        assert not owns(known, "127.0.0.1", port)
        assert not known.owns_path(PID, "@" + name)
        assert owns(known, "127.0.0.1", port, pid=guest.pid)  # there it is
        guest.stdin.close()


def test_unix_socket_is_own_by_path_and_link(closing: ExitStack, tmp_path: Path) -> None:
    sock = bound_path(closing, str(tmp_path / "a  b"))
    (tmp_path / "link").symlink_to("a  b")
    known = shown(sock)
    assert known.owns_path(PID, str(tmp_path / "a  b"))
    assert known.owns_path(PID, str(tmp_path / "link"))
    assert not known.owns_path(PID, str(tmp_path / "c"))


def test_abstract_socket_is_own_by_name(closing: ExitStack) -> None:
    sock = bound_path(closing, f"\0netguard-test-{PID}")
    known = shown(sock)
    assert known.owns_path(PID, f"@netguard-test-{PID}")
    assert not known.owns_path(PID, "@netguard-test")


def test_abstract_name_with_a_nul_is_no_other_one(closing: ExitStack) -> None:
    """Another's name may be what ours would look like on paper."""
    name = f"netguard-test-{PID}\0b"
    known = shown(bound_path(closing, "\0" + name))
    assert known.owns_path(PID, abstract.shown(name))
    assert not known.owns_path(PID, abstract.shown(name.replace("\0", "\\0")))
    assert not known.owns_path(PID, abstract.shown(name.partition("\0")[0]))


def test_socket_without_a_name_is_not_own(closing: ExitStack) -> None:
    one, other = socket.socketpair()
    closing.enter_context(one)
    closing.enter_context(other)
    assert shown(one, other).held == {}


def test_path_that_now_leads_to_another_s_socket_is_not_own(closing: ExitStack, tmp_path: Path) -> None:
    theirs = str(tmp_path / "theirs")
    bound_path(closing, theirs)
    path = tmp_path / "ours"
    sock = bound_path(closing, str(path))
    known = shown(sock)
    assert known.owns_path(PID, str(path))
    path.unlink()
    path.symlink_to(theirs)
    assert not known.owns_path(PID, str(path))


@pytest.mark.parametrize("how", ["symlink", "link"])
def test_path_that_led_elsewhere_before_it_was_shown_is_not_own(closing: ExitStack, tmp_path: Path, how: str) -> None:
    """Between bind and listen a guest can put anything in the path's place."""
    theirs = str(tmp_path / "theirs")
    bound_path(closing, theirs)
    path = str(tmp_path / "ours")
    sock = bound_path(closing, path)
    os.unlink(path)
    getattr(os, how)(theirs, path)
    known = shown(sock)
    assert not known.owns_path(PID, path)
    assert not known.owns_path(PID, theirs)


def test_relative_path_is_own_by_what_it_made(
    closing: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sock = bound_path(closing, "here")
    assert shown(sock).owns_path(PID, str(tmp_path / "here"))


def test_closed_listeners_make_room(closing: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MAX_LISTENERS", 2)
    monkeypatch.setattr(listening, "SECOND", 0.0)
    first, second, third = [bound(closing, "127.0.0.1") for _ in range(3)]
    known = shown(first, second, third)
    assert not owns(known, "127.0.0.1", third.getsockname()[1])
    first.close()
    known.show(PID, third.fileno())
    assert owns(known, "127.0.0.1", third.getsockname()[1])
    assert owns(known, "127.0.0.1", second.getsockname()[1])


def test_who_holds_all_the_room_has_it_looked_through_once_a_second(
    closing: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MAX_LISTENERS", 2)
    monkeypatch.setattr(listening, "SECOND", 3600.0)  # a second of a busy machine's may be over
    held = [bound(closing, "127.0.0.1") for _ in range(3)]
    known = shown(*held)
    before = known.looked
    assert before > 0
    for _ in range(20):
        known.show(PID, held[2].fileno())
    assert known.looked == before
