"""Unix sockets of every kind behind the wall: what the run itself serves is its own, however it is reached, and what
has taken its place is not."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.guard import Result, run_guarded

pytestmark = pytest.mark.kernel

#: Nothing but what the run itself serves.
OWN = "version: 1\ndefault: deny\nrules: [{log: any, to: '@self'}, {log: [native]}]\n"

HEAD = """
import errno, os, socket, sys, threading
UNIX, STREAM, DGRAM, SEQ = socket.AF_UNIX, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET
def server(place, kind):
    made = socket.socket(UNIX, kind); made.bind(place)
    if kind != DGRAM: made.listen()
    return made
def reach(place, kind):
    "The errno that it fails with, 0 where it does not."
    with socket.socket(UNIX, kind) as sock:
        try: sock.connect(place)
        except OSError as error: return error.errno
    return 0
"""


def ran(code: str, cwd: Path, rules: str = OWN, **env: str) -> Result:
    result = run_guarded(["-c", HEAD + code], rules=rules, cwd=cwd, wall="require", env=env)
    assert result.status == 0, result.stderr
    return result


def run_in_background(code: str, cwd: Path, rules: str) -> Callable[[], Result]:
    """The same while the test goes on; call what comes back for the result."""
    pool = ThreadPoolExecutor(1)
    found = pool.submit(run_guarded, ["-c", HEAD + code], rules=rules, cwd=cwd, wall="require")
    pool.shutdown(wait=False)
    return lambda: found.result(30)


PLACES = {
    "path": ("'here'", "'here'"),
    "absolute": ("os.getcwd() + '/here'", "'./../' + os.path.basename(os.getcwd()) + '/here'"),
    "link": ("'here'", "os.symlink('here', 'there') or 'there'"),
    "hard link": ("'here'", "os.link('here', 'there') or 'there'"),
    "moved": ("'here'", "os.rename('here', 'there') or 'there'"),
    "root": ("'here'", "'/proc/self/root' + os.getcwd() + '/here'"),
    "descriptor": ("'here'", "'/proc/self/fd/%d' % os.open('here', os.O_PATH)"),
    "folder": ("'/proc/self/fd/%d/here' % os.open('.', os.O_PATH)", "'here'"),
    "abstract": ("'\\0netguard-%d' % os.getpid()", "'\\0netguard-%d' % os.getpid()"),
    "with NULs": ("'\\0\\0netguard\\0%d\\0' % os.getpid()", "'\\0\\0netguard\\0%d\\0' % os.getpid()"),
    "chosen": ("''", "made.getsockname()"),
}


@pytest.mark.parametrize("kind", ["STREAM", "DGRAM", "SEQ"])
@pytest.mark.parametrize("how", PLACES)
def test_own_server_is_reached(how: str, kind: str, tmp_path: Path) -> None:
    bound, reached = PLACES[how]
    code = f"made = server({bound}, {kind}); place = {reached}; found = reach(place, {kind}); assert found == 0, found"
    [line] = ran(code, tmp_path).lines("connect")
    assert line["dst"]["own"] is True


def test_name_that_only_looks_alike_is_anothers(tmp_path: Path) -> None:
    """What is bound abstractly may hold any byte; `\\0` with a backslash is another name than a NUL."""
    name = f"\0netguard-{os.getpid()}\\0x"
    with socket.socket(socket.AF_UNIX) as another:
        another.bind(name)
        another.listen()
        code = """
bytes_ = os.environ["NAME"].encode()
made = server(b"\\0" + bytes_.replace(b"\\\\0", b"\\0"), STREAM)
assert reach(b"\\0" + bytes_.replace(b"\\\\0", b"\\0"), STREAM) == 0
assert reach(b"\\0" + bytes_, STREAM) == errno.EACCES
"""
        ran(code, tmp_path, NAME=name[1:])


def test_answer_to_a_datagram_is_to_its_own(tmp_path: Path) -> None:
    """By path, abstractly, and to a name that the kernel chose."""
    code = """
box = server("box", DGRAM)
for name in ("client", "\\0netguard-%d" % os.getpid(), ""):
    with server(name, DGRAM) as client:
        client.sendto(b"ask", "box"); asked, where = box.recvfrom(9)
        box.sendto(b"answer", where); assert client.recv(9) == b"answer"
        box.sendmsg([b"more"], [], 0, where); assert client.recv(9) == b"more"
"""
    assert set(ran(code, tmp_path).verdicts("connect")) == {"log"}


@pytest.mark.parametrize("kind", ["STREAM", "DGRAM", "SEQ"])
def test_place_that_was_bound_anew_is_own_again(kind: str, tmp_path: Path) -> None:
    code = f"""
for _ in range(3):
    made = server("here", {kind}); assert reach("here", {kind}) == 0
    os.unlink("here"); assert reach("here", {kind}) == errno.ENOENT
    if _ == 1: made.close()
"""
    ran(code, tmp_path)


@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_DGRAM", "SOCK_SEQPACKET"])
@pytest.mark.parametrize("how", ["symlink", "rename"])
def test_what_has_taken_its_place_is_anothers(how: str, kind: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, getattr(socket, kind)) as another:
        another.bind(str(tmp_path / "another"))
        if kind != "SOCK_DGRAM":
            another.listen()
        code = f"""
kind = socket.{kind}
made = server("here", kind); assert reach("here", kind) == 0
os.unlink("here"); os.{how}("another", "here"); found = reach("here", kind); assert found == errno.EACCES, found
with socket.socket(UNIX, DGRAM) as sock:
    try: sock.sendto(b"x", "here")
    except OSError as error: assert error.errno == errno.EACCES, error
    else: assert 0
"""
        ran(code, tmp_path)


@pytest.mark.parametrize("threads", [False, True], ids=["one-thread", "two-threads"])
def test_descriptors_are_handed_on_both_ways(threads: bool, tmp_path: Path) -> None:
    """To and from a server outside: files, sockets, pidfds, many at once."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "out"))
        server.listen()
        code = f"""
if {threads}: threading.Thread(target=threading.Event().wait, daemon=True).start()
sock = socket.socket(UNIX); sock.connect("out")
one, other = socket.socketpair(); pidfd = os.pidfd_open(os.getpid()); held = open("file", "w")
socket.send_fds(sock, [b"some"], [one.fileno(), pidfd, held.fileno()])
socket.send_fds(sock, [b"many"], [held.fileno()] * 253)
assert other.recv(9) == b"heard"
data, found, _, _ = socket.recv_fds(sock, 9, 9); assert data == b"back"; os.write(found[0], b"written")
"""
        rules = f'version: 1\ndefault: deny\nrules: [{{log: connect, to: "unix:{tmp_path}/out"}}]\n'
        guest = run_in_background(code, tmp_path, rules)
        server.settimeout(20)
        conn, _ = server.accept()
        with conn:
            data, some, _, _ = socket.recv_fds(conn, 4, 9)
            assert (data, len(some)) == (b"some", 3)
            with socket.socket(fileno=some[0]) as got:
                got.send(b"heard")
            data, many, _, _ = socket.recv_fds(conn, 4, 253)
            assert (data, len(many)) == (b"many", 253)
            with open(tmp_path / "back", "w+b") as file:
                socket.send_fds(conn, [b"back"], [file.fileno()])
                result = guest()
                assert result.status == 0, result.stderr
                assert (tmp_path / "back").read_bytes() == b"written"
            for fd in (*some[1:], *many):
                os.close(fd)
