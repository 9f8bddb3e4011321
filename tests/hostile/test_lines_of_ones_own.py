"""Without a supervisor the trail's descriptor lies in the guest's own hands: what it does to it is told, and denied.

Each attack is a piece of code run before one more connect. `Denied` must be what that connect meets, or a `tamper` line
must say what was done; and the control, no attack, must be neither.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.shim.guests import said, write
from tests.support.guard import Result
from tests.support.injection import run_injected, verified
from tests.support.interpreters import interpreters

pytestmark = pytest.mark.hostile

LOG = "version: 1\ndefault: log\n"

#: Meets one closed port before the attack and two after it; `LOG` is the trail's path, FDS all that is open above 2.
GUEST = """
import json, os, socket, sys, fcntl
LOG = os.environ.get("TRAIL", "")
def fds():
    return [int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2]
def tries():
    try:
        socket.create_connection(("127.0.0.1", 9), 5)
    except OSError as error:
        return type(error).__name__ + " " + getattr(error, "rule", "")
met = [tries()]
def each(act):
    for fd in fds():
        try:
            act(fd)
        except OSError:
            pass
{attack}
met += [tries(), tries()]
print(json.dumps(met))
"""

PASSED, DENIED = "ConnectionRefusedError ", "Denied trail"

#: name -> (code, what the two connects meet, the event of the `tamper` line or "" for none).
ON_FILE: dict[str, tuple[str, list[str], str]] = {
    "nothing": ("", [PASSED, PASSED], ""),
    "close": ("each(os.close)", [PASSED, PASSED], "channel.lost"),
    "close a range": ("os.closerange(3, 1024)", [PASSED, PASSED], "channel.lost"),
    "replace by /dev/null": (
        "null = os.open('/dev/null', os.O_WRONLY); each(lambda fd: fd != null and os.dup2(null, fd))", [PASSED, PASSED],
        "channel.lost",
    ),
    "replace by a socket": (
        "a, b = socket.socketpair(); each(lambda fd: fd not in (a.fileno(), b.fileno()) and os.dup2(a.fileno(), fd))",
        [PASSED, PASSED], "channel.lost",
    ),
    "append what is no line": (
        "open(LOG, 'a').write('{\"forged\": 1}\\n')", [DENIED, DENIED], "trail.changed",
    ),
    "append half a line": ("open(LOG, 'a').write('{\"v\":1,\"seq\":')", [DENIED, DENIED], "trail.changed"),
    "append through the descriptor": (
        "each(lambda fd: os.write(fd, b'\\n{\"forged\": 1}\\n'))", [DENIED, DENIED], "trail.changed",
    ),
    "append in our name": (
        "own = open(LOG).read().splitlines()[-1]; open(LOG, 'a').write(own + '\\n')", [DENIED, DENIED],
        "trail.changed",
    ),
    "truncate": ("os.truncate(LOG, 0)", [DENIED, DENIED], "trail.changed"),
    "truncate through the descriptor": ("each(lambda fd: os.ftruncate(fd, 10))", [DENIED, DENIED], "trail.changed"),
    "delete": ("os.unlink(LOG)", [DENIED, DENIED], ""),
    "rename": ("os.rename(LOG, LOG + '.old')", [DENIED, DENIED], ""),
    "rename and put another there": (
        "os.rename(LOG, LOG + '.old'); open(LOG, 'w').close()", [DENIED, DENIED], "",
    ),
    "a second name": ("os.link(LOG, LOG + '.too')", [DENIED, DENIED], "trail.changed"),
    "a link in its place": (
        "os.rename(LOG, LOG + '.old'); os.symlink(LOG + '.old', LOG)", [DENIED, DENIED], "",
    ),
    "close, and another file in its place": (
        "os.rename(LOG, LOG + '.old'); open(LOG, 'w').close(); each(os.close)", [DENIED, DENIED], "",
    ),
    "make it not block": ("each(lambda fd: os.set_blocking(fd, False))", [PASSED, PASSED], ""),
    "take the append away": (
        "each(lambda fd: fcntl.fcntl(fd, fcntl.F_SETFL, 0))", [PASSED, PASSED], "channel.lost",
    ),
    "write over what was written": (
        "[fd] = [fd for fd in fds() if fd > 600]\n"
        "real = fcntl.fcntl\n"
        "def over(): real(fd, fcntl.F_SETFL, 0); os.lseek(fd, 0, 0)\n"
        "sys.addaudithook(lambda event, args: event == 'socket.connect' and over())",
        [PASSED, PASSED], "channel.lost",
    ),
}  # fmt: skip


#: name -> code that runs in a signal handler a moment after the guard has looked, and once more when the act is over.
BETWEEN = """
save, null = os.dup([fd for fd in fds() if fd > 600][0]), os.open("/dev/null", os.O_RDWR)
import random, signal
number = [fd for fd in fds() if fd > 600][0]
signal.signal(signal.SIGALRM, lambda *_: os.dup2(null, number))
chance, passed = random.Random(SEED), 0
for _ in range(300):
    signal.setitimer(signal.ITIMER_REAL, chance.uniform(2e-5, 4e-4))
    passed += tries() == "ConnectionRefusedError "
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.dup2(save, number)
met.append(passed)
"""


@pytest.mark.parametrize("seed", range(7, 11))
def test_a_descriptor_that_is_swapped_while_a_line_is_written(tmp_path: Path, seed: int) -> None:
    """Whatever passed is on record; where a line went elsewhere, the act was denied."""
    run = attacked(tmp_path, BETWEEN.replace("SEED", str(seed)), env={"TRAIL": str(tmp_path / "trail.jsonl")})
    passed = said(run)[1]
    logged = run.lines("connect", verdict="log")
    after = [one for one in said(run)[2:] if one == PASSED]
    assert len(logged) >= 1 + passed + len(after), (passed, len(logged))
    report = verified(tmp_path / "trail.jsonl")
    assert report["whole"], report["first_bad"]


def attacked(folder: Path, attack: str, **how: Any) -> Result:
    script = write(folder, GUEST.replace("{attack}", attack))
    return run_injected([interpreters()[0].path, script], folder, LOG, **how)


@pytest.mark.parametrize("name", ON_FILE)
def test_a_file_that_is_meddled_with(tmp_path: Path, name: str) -> None:
    attack, meets, event = ON_FILE[name]
    run = attacked(tmp_path, attack, env={"TRAIL": str(tmp_path / "trail.jsonl")})
    assert said(run) == [PASSED, *meets], run.stderr
    if event:
        text = (tmp_path / "trail.jsonl").read_bytes()
        assert b'"kind":"tamper","event":"%b"' % event.encode() in text
    if not event and PASSED in meets:
        assert verified(tmp_path / "trail.jsonl")["whole"]
        assert run.lines("tamper") == []


def test_the_guest_sees_the_descriptors_of_a_plain_run(tmp_path: Path) -> None:
    """Ours is a high one: the numbers that a program gets are those of a plain run."""
    run = attacked(tmp_path, "met.append(os.open('/dev/null', os.O_RDONLY))")
    assert said(run)[1] == 3


class Reader(threading.Thread):
    """Reads a descriptor to its end, in the tests' own process."""

    def __init__(self, fd: int) -> None:
        super().__init__(daemon=True)
        self.fd = fd
        self.data = b""
        self.start()

    def run(self) -> None:
        while part := os.read(self.fd, 65_536):
            self.data += part

    def ended(self) -> bytes:
        self.join(20)
        os.close(self.fd)
        return self.data


#: As ON_FILE, for a pipe that was handed over. What is written to it by others nobody can tell there.
ON_PIPE: dict[str, tuple[str, list[str]]] = {
    "nothing": ("", [PASSED, PASSED]),
    "close ours": ("each(lambda fd: fd > 50 and os.close(fd))", [PASSED, PASSED]),
    "close the one handed over": ("os.close(int(os.environ['N']))", [PASSED, PASSED]),
    "close both": ("each(os.close)", [DENIED, DENIED]),
    "replace both": (
        "null = os.open('/dev/null', os.O_WRONLY); each(lambda fd: fd != null and os.dup2(null, fd))", [DENIED, DENIED],
    ),
    "make it not block": ("each(lambda fd: os.set_blocking(fd, False))", [PASSED, PASSED]),
    "make it small": ("each(lambda fd: fcntl.fcntl(fd, 1031, 4096))", [PASSED, PASSED]),
}  # fmt: skip


@pytest.mark.parametrize("name", ON_PIPE)
def test_a_pipe_that_is_meddled_with(tmp_path: Path, name: str) -> None:
    attack, meets = ON_PIPE[name]
    r, w = os.pipe()
    reader = Reader(r)
    try:
        run = attacked(
            tmp_path, attack, env={"NETGUARD_LOG": None, "NETGUARD_LOG_FD": str(w), "N": str(w)}, pass_fds=[w]
        )
    finally:
        os.close(w)
    data = reader.ended()
    assert said(run) == [PASSED, *meets], run.stderr
    (tmp_path / "got").write_bytes(data)
    assert verified(tmp_path / "got")["whole"]
    assert max(map(len, data.splitlines())) < 4_096
    assert (b'"event":"channel.lost"' in data) == (name == "close ours")


@pytest.mark.parametrize("closing", [False, True], ids=["control", "closed"])
def test_what_leaves_no_line_is_denied_too_where_none_could_be_written(tmp_path: Path, closing: bool) -> None:
    """A silent grant is counted, and the count could not be recorded."""
    r, w = os.pipe()
    reader = Reader(r)
    script = write(tmp_path, GUEST.replace("{attack}", "each(os.close)" if closing else ""))
    try:
        run = run_injected(
            [interpreters()[0].path, script], tmp_path, "version: 1\ndefault: allow\n",
            env={"NETGUARD_LOG": None, "NETGUARD_LOG_FD": str(w)}, pass_fds=[w],
        )  # fmt: skip
    finally:
        os.close(w)
    reader.ended()
    assert said(run) == [PASSED, *([DENIED, DENIED] if closing else [PASSED, PASSED])], run.stderr


KINDS = (socket.SOCK_SEQPACKET, socket.SOCK_STREAM, socket.SOCK_DGRAM)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_lines_reach_a_unix_socket_of_every_kind(tmp_path: Path, kind: socket.SocketKind, abstract: bool) -> None:
    name = f"@netguard-test-{os.getpid()}-{kind.value}" if abstract else str(tmp_path / "lines")
    got: list[bytes] = []
    with socket.socket(socket.AF_UNIX, kind) as server:
        server.bind("\0" + name[1:] if abstract else name)
        if kind == socket.SOCK_DGRAM:
            server.settimeout(20)
            collector = threading.Thread(daemon=True, target=collect, args=(server, got))
        else:
            server.listen()
            collector = threading.Thread(daemon=True, target=lambda: collect(server.accept()[0], got))
        collector.start()
        run = attacked(tmp_path, "each(os.close)", env={"NETGUARD_LOG": f"unix:{name}"})
        collector.join(20)
    assert said(run)[0] == PASSED, run.stderr
    lines = b"".join(got).splitlines()
    assert lines[0].startswith(b'{"v":1,"seq":0,')
    assert b'"kind":"connect"' in b"".join(lines)


def collect(source: socket.socket, got: list[bytes]) -> None:
    """What arrives until the sender has gone; a datagram socket hears of no end, so until the `close` line."""
    with source:
        while part := source.recv(65_536):
            got.append(part)
            if source.type == socket.SOCK_DGRAM and b'"kind":"close"' in part:
                return


def test_somebody_else_cannot_answer_in_the_reader_s_name(tmp_path: Path) -> None:
    """The guest closes the line and listens itself where the collector did."""
    place = str(tmp_path / "lines")
    attack = """
os.unlink(os.environ["PLACE"])
mine = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
mine.bind(os.environ["PLACE"]); mine.listen()
each(lambda fd: fd != mine.fileno() and os.close(fd))
"""
    got: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(place)
        server.listen()
        collector = threading.Thread(daemon=True, target=lambda: collect(server.accept()[0], got))
        collector.start()
        run = attacked(tmp_path, attack, env={"NETGUARD_LOG": f"unix:{place}", "PLACE": place})
        collector.join(20)
    assert said(run)[1:] == [DENIED, DENIED], run.stderr


def test_a_reader_that_does_not_read_ends_in_denials(tmp_path: Path) -> None:
    """A pipe that nobody reads fills up; then acts are denied after a wait, once, and nothing hangs."""
    r, w = os.pipe()
    code = """
import json, os, socket, time
met = []
start = time.monotonic()
for number in range(400):
    try:
        socket.create_connection(("127.0.0.1", 9), 5)
    except OSError as error:
        met.append(getattr(error, "rule", "passed"))
print(json.dumps([met[0], met[-1], met.count("trail"), time.monotonic() - start]))
"""
    try:
        run = run_injected(
            [interpreters()[0].path, write(tmp_path, code)], tmp_path, LOG,
            env={"NETGUARD_LOG": None, "NETGUARD_LOG_FD": str(w)}, pass_fds=[w],
        )  # fmt: skip
    finally:
        os.close(r)
        os.close(w)
    first, last, denied, seconds = said(run)
    assert (first, last) == ("passed", "trail")
    assert denied > 200
    assert seconds < 20


def test_a_datagram_socket_that_is_connected_elsewhere(tmp_path: Path) -> None:
    """The guest leads the guard's own socket to one of its own: it is told, and the collector goes on getting lines."""
    place = str(tmp_path / "lines")
    attack = """
mine = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
mine.bind(os.environ["PLACE"] + ".mine")
[fd] = [fd for fd in fds() if fd > 600]
socket.socket(fileno=os.dup(fd)).connect(os.environ["PLACE"] + ".mine")
mine.setblocking(False)
"""
    got: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(place)
        collector = threading.Thread(daemon=True, target=collect, args=(server, got))
        collector.start()
        run = attacked(tmp_path, attack, env={"NETGUARD_LOG": f"unix:{place}", "PLACE": place})
        collector.join(20)
    assert said(run)[1:] == [PASSED, PASSED], run.stderr
    lines = b"".join(got).splitlines()
    assert len([line for line in lines if b'"port":9,' in line]) == 3
    assert any([b'"event":"channel.lost"' in line for line in lines])


def test_the_guard_s_own_connect_lends_itself_to_no_other(tmp_path: Path) -> None:
    """A hook of the guest's sees the very objects of the connect to the collector, in a child that makes one."""
    place = str(tmp_path / "lines")
    attack = """
seen = []
def hook(event, args):
    if event == "socket.connect" and type(args[1]) is str:
        seen.append(args)
        try:
            args[0].connect(os.environ["PLACE"] + ".secret")
            seen.append("nested")
        except OSError as error:
            seen.append(type(error).__name__)
sys.addaudithook(hook)
read, write = os.pipe()
if os.fork() == 0:
    tries()
    found = [one for one in seen if type(one) is str]
    try:
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(seen[0][1])
        found.append("reached")
    except OSError as error:
        found.append(type(error).__name__)
    os.write(write, json.dumps([seen[0][1] == os.environ["PLACE"], found[-1]]).encode())
    os._exit(0)
os.wait()
met.append(os.read(read, 999).decode())
"""
    rules = 'version: 1\ndefault: log\nrules: [{name: no-lines, deny: connect, to: "unix:/*"}]\n'
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(place)
        server.listen()
        threading.Thread(daemon=True, target=lambda: [collect(server.accept()[0], []) for _ in range(4)]).start()
        script = write(tmp_path, GUEST.replace("{attack}", attack))
        env = {"NETGUARD_LOG": f"unix:{place}", "PLACE": place}
        run = run_injected([interpreters()[0].path, script], tmp_path, rules, env=env)
    assert said(run)[1] == '[true, "Denied"]', (run.stdout, run.stderr)
