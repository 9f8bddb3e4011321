"""The loop, with real processes on its channel: whatever they do, each question is answered or cut off."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.supervisor.running import is_alive, run_client, running
from tests.support.guard import run_guarded
from tests.support.listening import Listening

ALLOW = "version: 1\ndefault: allow\n"
LOG = "version: 1\ndefault: log\n"

#: A rule that holds its answer back, so that a question is open for a while.
SLOW = """
version: 1
default: allow
rules:
  - {allow: connect, to: "127.0.0.1:99", limit: {connections: 60/min, burst: 1, over: delay}}
"""


def ran(tmp_path: Path, script: str, rules: str = ALLOW) -> list[dict[str, object]]:
    """The tamper lines of a client script that ended well."""
    result = run_client(tmp_path, script, rules=rules)
    assert result.status == 0, result.stderr
    return result.lines("tamper")


# Who may ask


@pytest.mark.parametrize(
    ("opening", "why"),
    [
        ("Line(run='another')", "another run"),
        ("Line(run='')", "another run"),
        ("Line(version='2')", "another version"),
        ("Line(tid='x')", "a number that is none"),
        ("Line(opens=False)", "a question before the line was opened"),
    ],
)
def test_whoever_does_not_open_as_the_shim_does_is_cut_off(tmp_path: Path, opening: str, why: str) -> None:
    [line] = ran(tmp_path, f"assert {opening}.ask() is None\ngood()")
    assert (line["event"], line["why"]) == ("channel.malformed", why)


#: Prints where the supervisor listens, which the guest's own view of its environment does not show, and waits.
CHANNEL = """
text = open("/proc/self/environ").read()
print(text.partition("NETGUARD_CHANNEL=")[2].partition("\\0")[0], flush=True)
input()
"""


def test_process_of_another_run_is_not_heard(tmp_path: Path) -> None:
    """With its own run's name it knocks at the wrong door."""
    (tmp_path / "inner").mkdir()
    with running(tmp_path, ["-c", CHANNEL]) as other:
        channel = other.process.stdout.readline().strip()
        ran(tmp_path / "inner", f"ADDRESS = '\\0' + {channel[1:]!r}\nassert Line().ask() is None")
        other.process.communicate("\n", timeout=30)
        [line] = other.lines("tamper")
    assert line["why"] == "another run"


#: Runs what follows as nobody, who may all the same read the interpreter in root's folder.
AS_NOBODY = [
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
]  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can be another user")
@pytest.mark.parametrize("user", [0, 65_534])
def test_process_of_another_user_is_not_heard(tmp_path: Path, user: int) -> None:
    """The kernel says who calls. Where the supervisor is root, the run's name still has to be known."""
    with running(tmp_path, ["-c", CHANNEL], prefix=AS_NOBODY if user else []) as run:
        channel = run.process.stdout.readline().strip()
        assert channel, run.process.stderr.read()
        knock = f"""
import contextlib, os, socket
os.setuid({65_534 - user})
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.connect('\\0' + {channel[1:]!r})
with contextlib.suppress(ConnectionResetError, BrokenPipeError):
    sock.send(b'open\\x001\\0guessed\\x001\\0\\0')
    assert not sock.recv(9)
"""
        subprocess.run([sys.executable, "-I", "-c", knock], check=True, timeout=30)
        run.process.communicate("\n", timeout=30)
        assert len(run.lines("tamper")) == (user == 0)


# What breaks the protocol


MALFORMED = [
    b"\0", b"\xff\xfe", b"ask", b"nothing\0" + b"1", b"ask\0" * 40, b"open\x001\0\x001\0", b"result\0x\0y\0z",
    b"listening\x007\0-1", b"lookup\x007" + b"\0x" * 13, b"hello\x007\x009\0\0\0", b"x" * 131_072, b"x" * 131_073,
    b"ask\x007\0connect\0e\0tcp\0\x00\0\0\0f\0-1\0\0\0\0",
]  # fmt: skip


@pytest.mark.parametrize("frame", MALFORMED, ids=lambda frame: repr(frame[:24]))
def test_malformed_frame_is_recorded_and_cuts_its_sender_off(tmp_path: Path, frame: bytes) -> None:
    [line] = ran(tmp_path, f"line = Line()\nline.raw({frame!r})\nassert line.hear() is None\ngood()")
    assert (line["event"], line["proc"]["exe"]) == ("channel.malformed", os.path.realpath(sys.executable))


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("line.send('open', '1', RUN, '1', '', '')", "opened twice"),
        ("[line.send('hello', str(number), '1', '3', 'x', '/') for number in '12']\nline.hear()", "a report that was"),
        ("line.ask(99)\n[line.send('ask', number, 'connect', 'e', 'tcp', '127.0.0.1', '99', '', '', *CODE)"
         " for number in '12']", "a question before the last"),
    ],
    ids=["open", "hello", "question"],
)  # fmt: skip
def test_what_is_said_out_of_turn_cuts_off(tmp_path: Path, script: str, why: str) -> None:
    [line] = ran(tmp_path, f"line = Line()\n{script}\nassert line.hear() is None\ngood()", SLOW)
    assert line["why"].startswith(why)


def test_flood_of_malformed_connections_is_survived_and_bounded_on_record(tmp_path: Path) -> None:
    lines = ran(
        tmp_path,
        "for number in range(10_000):\n"
        "    line = Line(opens=number % 2)\n"
        "    line.raw(b'junk')\n"
        "    assert line.hear() is None\n"
        "    line.close()\n"
        "good()",
    )
    floods = [line for line in lines if line["event"] == "channel.flood"]
    left_out = sum(int(line["why"].split()[2]) for line in floods)
    assert len(lines) - len(floods) + left_out == 10_000
    assert len(lines) < 5_000


def test_many_connections_at_once_are_served(tmp_path: Path) -> None:
    """More than the 1,024 descriptors a process usually starts with."""
    script = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
lines = [Line() for _ in range(3_000)]
assert all(line.ask()[1] == "allow" for line in lines)
"""
    assert ran(tmp_path, script) == []


def test_answer_goes_to_the_connection_that_asked_and_to_none_after_it(tmp_path: Path) -> None:
    """The descriptor of the one that hung up is the next one's; the answer it waited for is not."""
    script = """
first = Line()
assert first.ask(99)[1] == "allow"
first.send("ask", "7", "connect", "e", "tcp", "127.0.0.1", "99", "", "", *CODE)
first.close()
second = Line()
assert second.ask(80)[1] == "allow"
second.sock.settimeout(1.5)
try:
    raise SystemExit(f"heard {second.hear()}")
except TimeoutError:
    pass
"""
    assert ran(tmp_path, script, SLOW) == []


def test_sender_that_never_reads_is_cut_off(tmp_path: Path) -> None:
    """A full socket must not hold up the others."""
    script = """
line = Line()
line.sock.settimeout(5)
try:
    for _ in range(100_000):
        line.sock.send(pack(("ask", "7", "connect", "e", "tcp", "127.0.0.1", "80", "", "", *CODE)))
    raise SystemExit("still heard")
except (BrokenPipeError, ConnectionResetError):
    pass
good()
"""
    assert ran(tmp_path, script) == []


def test_answer_that_fits_no_frame_is_a_denial(tmp_path: Path) -> None:
    script = "line = Line()\nassert line.question('hello', '1', '3', 'x', '/') is None\ngood()"
    names = ", ".join(f"audit:{'n' * 200}.{number}" for number in range(400))
    rules = f"version: 1\ndefault: allow\nrules:\n  - log: [{names}]\n"
    assert ran(tmp_path, script, rules) == []


# Outcomes


def test_outcome_can_be_added_to_the_last_act_of_the_connection_only(tmp_path: Path) -> None:
    script = """
line, other = Line(), Line()
seq = line.ask()[2]
before = line.ask()[2]
for one, of in ((line, seq), (other, before), (line, "0"), (line, "999"), (line, before)):
    one.send("result", "0", of, "111", "0.5")
    one.ask()
seq = line.ask()[2]
line.send("result", "0", seq, "111", "0.5")
line.send("result", "0", seq, "112", "0.5")
good()
print(seq)
"""
    result = run_client(tmp_path, script, rules=LOG)
    assert result.status == 0, result.stderr
    [line] = result.lines("result")
    assert (line["of"], line["errno"], line["ms"]) == (int(result.stdout), 111, 0.5)


# Faults of our own


FAULT = """
import netguard.supervisor.facts as facts
whole = facts.World.look
def look(self, question, process, now):
    if question.fields[4] == "81":
        raise ZeroDivisionError("a bug")
    return whole(self, question, process, now)
facts.World.look = look
"""


def test_fault_in_a_handler_is_a_denial_and_a_record_and_not_the_end(tmp_path: Path) -> None:
    script = """
import socket, netguard
for port, expected in ((80, OSError), (81, netguard.Denied), (80, OSError)):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError as error:
        assert isinstance(error, expected), error
        print(port, type(error).__name__)
"""
    with running(tmp_path, ["-c", script], rules=ALLOW, fault=FAULT) as run:
        out, err = run.process.communicate(timeout=60)
        assert run.process.returncode == 0, err
        lines = run.lines("tamper")
    assert "81 Denied" in out
    assert lines[0]["event"] == "supervisor.fault"
    assert "ZeroDivisionError: a bug" in lines[0]["why"]


def test_fault_that_ends_the_loop_ends_the_guest(tmp_path: Path) -> None:
    """Nobody would watch it."""
    fault = "import netguard.supervisor.loop as loop\nloop.Desk.tick = lambda self, now: 1 / 0"
    guest = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with running(tmp_path, ["-c", guest], fault=fault) as run:
        run.process.wait(60)
        pid = int(run.process.stdout.readline())
        assert not is_alive(pid)
        assert run.process.returncode == 125
        assert "ZeroDivisionError" in run.process.stderr.read()


# Names


def test_names_are_looked_up_side_by_side(tmp_path: Path) -> None:
    script = """
import threading
def look():
    line = Line()
    for _ in range(20):
        assert line.lookup("localhost")[1:] == ["allow", "0", "ok", "127.0.0.1"]
threads = [threading.Thread(target=look) for _ in range(32)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    assert ran(tmp_path, script) == []


# The run's own sockets


OWN = """
version: 1
default: deny
rules:
  - allow: [listen, connect, dns]
    to: "@self"
"""


class Quiet(Listening):
    """Somebody's server."""

    def serve(self, connection: socket.socket) -> None:
        connection.recv(1)


def test_guest_reaches_its_own_server_and_nobody_else_s() -> None:
    script = """
import socket, sys, threading, netguard, urllib.request, http.server
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname(), 5).close()
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
    raise SystemExit("reached")
except netguard.Denied:
    pass
web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=web.serve_forever, daemon=True).start()
for host in ("127.0.0.1", "localhost"):
    urllib.request.urlopen(f"http://{host}:{web.server_port}/", timeout=5).read()
gone = server.getsockname()
server.close()
try:
    socket.create_connection(gone, 5)
    raise SystemExit("reached")
except netguard.Denied:
    print("ok")
"""
    with Quiet(socket.AF_INET, ("127.0.0.1", 0)) as other:
        result = run_guarded(["-c", script, str(other.port)], rules=OWN)
        assert (result.status, result.stdout) == (0, "ok\n"), result.stderr
        assert other.connections == 0


def test_alarms_are_told_at_once_and_only_so_many(tmp_path: Path) -> None:
    script = """
for _ in range(30):
    line = Line()
    line.raw(b"junk")
    assert line.hear() is None
"""
    result = run_client(tmp_path, script)
    told = [line for line in result.stderr.splitlines() if line == "netguard: TAMPER: an operation that nobody knows"]
    assert 10 <= len(told) <= 15  # and the first five again in the summary
    assert "more tamper and alert lines are in the trail" in result.stderr
    assert len(result.lines("tamper")) == 30
