"""The ends of a walled run: of its supervisor, whatever the way, and of what outlives the program.

Guests here are Python without a shim (`-I -S`), so that nothing but the kernel holds them. Each does its act with the
guard there first, and `test_acts_work_without_a_guard` is the control for all.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.supervisor.running import Running, is_alive, running
from tests.support.echo import TcpEcho

#: A run behind the wall.
walled = functools.partial(running, wall="require")

pytestmark = pytest.mark.kernel

#: What guests have at hand: `knock` tries to reach the server, by TCP, UDP and a unix socket, and says how it went.
GUEST = """
import errno, os, signal, socket, sys
PORT, PLACE = int(sys.argv[1]), sys.argv[2]
def attempt(family, kind, address, send=False):
    with socket.socket(family, kind) as sock:
        try:
            sock.sendto(b"x", address) if send else sock.connect(address)
            return "ok"
        except OSError as error:
            return errno.errorcode[error.errno]
def knock():
    return [
        attempt(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", PORT)),
        attempt(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", PORT), True),
        attempt(socket.AF_UNIX, socket.SOCK_STREAM, PLACE),
    ]
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
def daemon():
    '''Leaves parent, session and terminal; true in the daemon.'''
    if os.fork():
        os.wait()
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return True
"""

#: A Python without a shim; netguard refuses to start one itself, as it would not see what that does.
BARE = ["--", "sh", "-c", 'exec "$@"', "sh", sys.executable, "-I", "-S"]

REACHED = "ok ok ok\n"


class Places:
    """What guests try to reach: TCP and UDP of one port, and a unix socket."""

    def __init__(self, folder: Path) -> None:
        import socket

        self.tcp, self.udp, self.unix = socket.socket(), socket.socket(type=socket.SOCK_DGRAM), socket.socket(1)
        self.tcp.bind(("127.0.0.1", 0))
        self.udp.bind(self.tcp.getsockname())
        self.place = str(folder / "place")
        self.unix.bind(self.place)
        for sock in (self.tcp, self.udp, self.unix):
            sock.setblocking(False)
        self.tcp.listen()
        self.unix.listen()
        self.args = [str(self.tcp.getsockname()[1]), self.place]

    def arrived(self) -> int:
        """How many acts have reached one of them since the last time."""
        count = 0
        for take in (self.tcp.accept, lambda: self.udp.recv(9), self.unix.accept):
            try:
                while found := take():
                    count += 1
                    if isinstance(found, tuple):
                        found[0].close()
            except BlockingIOError:
                pass
        return count

    def close(self) -> None:
        for sock in (self.tcp, self.udp, self.unix):
            sock.close()


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    found = Places(tmp_path)
    yield found
    found.close()


def words(code: str, places: Places) -> list[str]:
    return [*BARE, "-c", GUEST + code, *places.args]


def line(run: Running) -> str:
    """The next line of a guest's output; fails the test where none comes."""
    fd, text = run.process.stdout.fileno(), b""
    while not text.endswith(b"\n"):
        assert select.select([fd], [], [], 60)[0], "the guest says nothing"
        piece = os.read(fd, 1)
        assert piece, f"the guest has ended after {text!r}"
        text += piece
    return text.decode()


def tell(run: Running) -> None:
    """Lets a guest that reads a line go on."""
    run.process.stdin.write("\n")
    run.process.stdin.flush()


def until(true: Callable[[], bool]) -> None:
    """Looks again and again; for what nothing tells of."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it never came"
        select.select([], [], [], 0.01)


def close_line(run: Running) -> dict[str, Any]:
    return run.lines("close")[0]


# The supervisor's end

#: A program and a daemon of its, which both knock, wait for a line each, and knock again.
PAIR = """
heard, hear = os.pipe()
if daemon():
    say(*knock())
    say(os.getpid())
    os.read(heard, 1)
    say(*knock())
    os._exit(0)
say(*knock())
say(os.getpid())
sys.stdin.readline()
os.write(hear, b"x")
say(*knock())
"""


def test_acts_work_without_a_guard(places: Places) -> None:
    done = subprocess.run(
        words(PAIR, places)[1:], input="\n", capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.count(REACHED) == 4
    assert places.arrived() == 12


#: Waits for its supervisor's end, and only then knocks.
SURVIVOR = """
if daemon():
    say(*knock())
    say(os.getpid())
    with open(sys.argv[3]) as gate:
        gate.read()
    say(*knock())
    os._exit(0)
sys.stdin.readline()
"""


def test_killed_supervisor_takes_the_program_with_it_and_a_daemon_reaches_nothing(
    tmp_path: Path, places: Places
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with walled(tmp_path, [*words(SURVIVOR, places), str(gate)]) as run:
        assert line(run) == REACHED
        pid = int(line(run))
        assert places.arrived() == 3
        [program] = [int(text) for text in children(run.process.pid) if int(text) != pid]
        run.process.kill()
        run.process.wait(60)
        until(lambda: not is_alive(program))
        assert is_alive(pid)
        gate.write_text("")
        assert line(run) == "ENOSYS ENOSYS ENOSYS\n"
        until(lambda: not is_alive(pid))
    assert places.arrived() == 0


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_program_that_will_not_die_with_its_supervisor_reaches_nothing(tmp_path: Path, places: Places) -> None:
    """It takes back that it dies with it, as a set-user-ID program would."""
    code = """
import ctypes
assert ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) == 0  # PR_SET_PDEATHSIG
say(*knock())
sys.stdin.readline()
say(*knock())
"""
    with walled(tmp_path, words(code, places)) as run:
        assert line(run) == REACHED
        assert places.arrived() == 3
        run.process.kill()
        run.process.wait(60)
        tell(run)
        assert line(run) == "ENOSYS ENOSYS ENOSYS\n"
    assert places.arrived() == 0


#: An end that nothing in netguard expects, at the first call of the guest's after the first three.
CRASHES = """
from netguard.supervisor.wall import Wall
handle, seen = Wall.handle, []
def crash(self, call):
    seen.extend([call.id] * (self.calls[call.number] != "execve"))
    if len(seen) > {}:
        raise SystemExit("crashed")
    handle(self, call)
Wall.handle = crash
"""


def test_crashed_supervisor_ends_all_that_it_no_longer_watches(tmp_path: Path, places: Places) -> None:
    with walled(tmp_path, words(PAIR, places), fault=CRASHES.format(6)) as run:
        for _ in range(4):
            line(run)
        assert places.arrived() == 6
        tell(run)
        out, err = run.process.communicate(timeout=60)  # the end of what holds the pipe, too: the daemon's
        assert run.process.returncode == 1, err
        assert (out, err.strip()) == ("", "crashed")
    assert places.arrived() == 0


def test_stopped_supervisor_lets_nothing_through_until_it_goes_on(tmp_path: Path, places: Places) -> None:
    code = "say(*knock())\nsay(os.getpid())\nsys.stdin.readline()\nsay(*knock())\n"
    with walled(tmp_path, words(code, places)) as run:
        assert line(run) == REACHED
        pid = int(line(run))
        assert places.arrived() == 3
        os.kill(run.process.pid, signal.SIGSTOP)
        tell(run)
        until(lambda: Path(f"/proc/{pid}/syscall").read_text().split()[0] == CONNECT)
        assert places.arrived() == 0
        os.kill(run.process.pid, signal.SIGCONT)
        assert line(run) == REACHED
        assert places.arrived() == 3
        assert run.process.wait(60) == 0


CONNECT = {"x86_64": "42", "aarch64": "203"}.get(os.uname().machine, "")


def test_supervisor_out_of_descriptors_denies_and_recovers(tmp_path: Path, places: Places) -> None:
    code = "say(*knock())\n" + "sys.stdin.readline()\nsay(*knock())\n" * 2
    with walled(tmp_path, words(code, places)) as run:
        assert line(run) == REACHED
        assert places.arrived() == 3
        whole = resource.prlimit(run.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(run.process.pid, resource.RLIMIT_NOFILE, (3, whole[1]))
        tell(run)
        assert line(run) == "EACCES EACCES EACCES\n"
        assert places.arrived() == 0
        resource.prlimit(run.process.pid, resource.RLIMIT_NOFILE, whole)
        tell(run)
        assert line(run) == REACHED
        assert places.arrived() == 3
        run.process.wait(60)
        assert [fault["event"] for fault in run.lines("tamper")] == ["supervisor.fault"] * 3
        assert "Too many open files" in run.lines("tamper")[0]["why"]


def test_closed_listener_leaves_the_guest_nothing(tmp_path: Path, places: Places) -> None:
    fault = """
import os
from netguard.supervisor.wall import Wall
handle, seen = Wall.handle, []
def close(self, call):
    handle(self, call)
    seen.extend([call.id] * (self.calls[call.number] != "execve"))
    if len(seen) == 3:
        os.close(self.listener.fd)
Wall.handle = close
from netguard.supervisor import after
after.GRACE = 0.0
"""
    code = "say(*knock())\nsay(*knock())\n"
    with walled(tmp_path, words(code, places), fault=fault) as run:
        assert line(run) == REACHED
        assert line(run) == "ENOSYS ENOSYS ENOSYS\n"
        assert run.process.wait(60) == 0, run.process.stderr.read()
    assert places.arrived() == 3


# What outlives the program


def grace(seconds: float) -> str:
    return f"from netguard.supervisor import after\nafter.GRACE = {seconds}\n"


#: A daemon of one's, which waits to be ended; the program says its pid and ends with 3.
LEAVES = """
told, tells = os.pipe()
if daemon():
    os.write(tells, str(os.getpid()).encode())
    with open(sys.argv[3]) as gate:
        gate.read()
    say(*knock())
    os._exit(0)
say(os.read(told, 99).decode())
sys.exit(3)
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def test_daemon_is_told_of_and_ended_when_its_time_is_up(tmp_path: Path, places: Places, gate: Path) -> None:
    with walled(tmp_path, [*words(LEAVES, places), str(gate)], fault=grace(1.5)) as run:
        pid = int(line(run))
        out, err = run.process.communicate(timeout=60)
        assert (run.process.returncode, out) == (3, ""), err
        assert not is_alive(pid)
    name = Path(sys.executable).resolve().name[:15]
    told = [text for text in err.splitlines() if text.startswith("netguard: the program has ended")]
    assert len(told) == 1
    assert told[0].startswith(f"netguard: the program has ended and has left 1 process (python {pid}); they") or (
        f"1 process ({name} {pid})" in told[0]
    )
    assert "netguard: 1 process outlived the program and was ended (--keep-stragglers waits for them)" in err
    assert (close_line(run)["exit"], close_line(run)["why"]) == (3, "1 process outlived the program and was ended")
    assert places.arrived() == 0


def test_daemon_that_ends_in_time_is_watched_until_then(tmp_path: Path, places: Places, gate: Path) -> None:
    with walled(tmp_path, [*words(LEAVES, places), str(gate)], fault=grace(600)) as run:
        int(line(run))
        gate.write_text("")
        out, err = run.process.communicate(timeout=60)
        assert (run.process.returncode, out) == (3, REACHED), err
    assert places.arrived() == 3
    assert len([act for act in run.lines("connect") if act["verdict"] == "log"]) == 3
    assert "why" not in close_line(run)
    assert "outlived" not in err


def test_stragglers_that_are_kept_may_take_their_time(tmp_path: Path, places: Places, gate: Path) -> None:
    options = ["--keep-stragglers"]
    with walled(tmp_path, [*words(LEAVES, places), str(gate)], fault=grace(0), options=options) as run:
        int(line(run))
        told = run.process.stderr.readline()
        assert "has ended and has left 1 process" in told
        assert "waiting until they end, Ctrl-C ends them now" in told
        gate.write_text("")
        out, err = run.process.communicate(timeout=60)
        assert (run.process.returncode, out) == (3, REACHED), err
    assert "why" not in close_line(run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("options", [[], ["--keep-stragglers"]], ids=["grace", "kept"])
def test_signal_ends_what_is_left_at_once(
    tmp_path: Path, places: Places, gate: Path, number: int, options: list[str]
) -> None:
    with walled(tmp_path, [*words(LEAVES, places), str(gate)], fault=grace(600), options=options) as run:
        pid = int(line(run))
        assert "has ended and has left 1 process" in run.process.stderr.readline()
        run.process.send_signal(number)
        out, err = run.process.communicate(timeout=60)
        assert (run.process.returncode, out) == (3, ""), err
        assert not is_alive(pid)
    assert close_line(run)["why"] == "1 process outlived the program and was ended"
    assert ("--keep-stragglers" in err) == (not options)


@pytest.mark.parametrize(
    "code",
    [
        # Never there when it is looked for: each forks one and ends.
        "for _ in range(4):\n    if os.fork() == 0:\n        while True:\n            if os.fork(): os._exit(0)\n",
        # Many, deep, which ignore what can be ignored, in sessions of their own, some of them stopped.
        """
for number in range(signal.SIGRTMAX + 1):
    if number not in (0, 9, 17, 19, 32, 33):
        signal.signal(number, signal.SIG_IGN)
for depth in range(40):
    if os.fork():
        if depth % 3 == 0:
            os.kill(os.getpid(), signal.SIGSTOP) if depth else None
        break
    os.setsid()
    if os.fork() == 0:
        while True:
            signal.pause()
if depth:
    while True:
        signal.pause()
""",
        # As many as there may be, each making more.
        """
shared = os.pipe()
os.write(shared[1], b"x" * 300)
if os.fork() == 0:
    while True:
        if os.fork() == 0:
            os.read(shared[0], 1)
            continue
        os.wait()
""",
    ],
    ids=["hoppers", "deaf", "bomb"],
)
def test_whatever_forks_is_ended(tmp_path: Path, places: Places, code: str) -> None:
    """The pipe ends when the last that holds it is gone."""
    with walled(tmp_path, words(code + "say('up')\nos._exit(5)\n", places), fault=grace(0.5)) as run:
        assert line(run) == "up\n"
        out, err = run.process.communicate(timeout=120)
        assert (run.process.returncode, out) == (5, ""), err
    assert close_line(run)["why"].endswith(" ended")
    assert "could not" not in close_line(run)["why"]


def test_program_that_leaves_nothing_is_not_waited_for(tmp_path: Path, places: Places) -> None:
    with walled(tmp_path, words("say(os.getpid())\nsys.exit(4)", places), fault=grace(10_000)) as run:
        int(line(run))
        out, err = run.process.communicate(timeout=60)
        assert (run.process.returncode, out) == (4, ""), err
    assert "has left" not in err
    assert "why" not in close_line(run)


def test_what_was_there_before_is_none_of_the_guests(tmp_path: Path, places: Places, gate: Path) -> None:
    """`server & exec netguard run …`: the shell's other child is then netguard's."""
    script = 'sleep 1000 >/dev/null 2>&1 & echo $!; exec "$@"'
    args = [*words(LEAVES, places), str(gate)]
    with walled(tmp_path, args, fault=grace(0), prefix=["sh", "-c", script, "sh"]) as run:
        earlier, straggler = int(line(run)), int(line(run))
        _, err = run.process.communicate(timeout=60)
        assert run.process.returncode == 3, err
        assert is_alive(earlier)
        assert not is_alive(straggler)
    assert close_line(run)["why"] == "1 process outlived the program and was ended"


# What the guest has, and what it can do to its supervisor


def test_guest_has_no_descriptor_but_its_own(tmp_path: Path) -> None:
    """Neither what netguard inherited nor what it opened; the control has all of the former."""
    code = """
import json, os
found = {}
for fd in os.listdir("/proc/self/fd"):
    try:
        found[fd] = os.readlink("/proc/self/fd/" + fd)
    except FileNotFoundError:
        pass  # the listing's own
print(json.dumps(found))
"""
    command = [*BARE[1:], "-c", code]
    with TcpEcho() as server, open(os.devnull) as null, open(tmp_path / "named", "w") as named:
        import socket

        with socket.create_connection(("127.0.0.1", server.port)) as way_out:
            fds = (null.fileno(), named.fileno(), way_out.fileno())
            control = subprocess.run(command, capture_output=True, text=True, pass_fds=fds, check=True, timeout=60)
            assert {"0", "1", "2", *map(str, fds)} == set(json.loads(control.stdout))
            keep = ["--keep-fd", str(named.fileno())]
            with walled(tmp_path, ["--", *command], options=keep, pass_fds=fds) as run:
                out, err = run.process.communicate(timeout=60)
                assert set(json.loads(out)) == {"0", "1", "2", str(named.fileno())}, err
    assert run.lines("coverage")[0]["tier"] == "A"
