"""What a guest does in great numbers, or to the calls that wait for us, neither stops the wall nor costs it anything."""

# ruff: noqa: E501  # one line a statement of the program, so that it can be read beside the others

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netguard.seccomp.callers import MAX_CALLERS
from tests.hostile.natives import program, said, walled
from tests.support.guard import clean_environment, read_trail, run_guarded

pytestmark = [pytest.mark.kernel, pytest.mark.hostile]


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a server that takes everything."""

    def take() -> None:
        try:
            while True:
                made.accept()[0].close()
        except OSError:
            pass

    with socket.create_server(("127.0.0.1", 0), backlog=4096) as made:
        threading.Thread(target=take, daemon=True).start()
        yield int(made.getsockname()[1])


#: Each thread connects to one port by Python and now and then to another without it.
MIXED = """
import ctypes, os, socket, struct, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
told, native = (struct.pack("<H", 2) + struct.pack(">H", port) + socket.inet_aton("127.0.0.1") + bytes(8) for port in PORTS)
def work():
    for number in range(ROUNDS):
        with socket.socket() as one:
            one.connect(("127.0.0.1", PORTS[0]))
        if number % 20 == 0:
            with socket.socket() as one:
                assert libc.connect(one.fileno(), native, 16) == 0
for _ in range(3):
    if os.fork() == 0:
        break
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def test_each_of_thousands_of_connects_is_told_from_native_ones(server: int, tmp_path: Path) -> None:
    """Several processes of several threads: none takes what another has announced."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as other:
        rounds = 200
        ports = (server, other.getsockname()[1])
        code = f"PORTS, ROUNDS = {ports!r}, {rounds}\n{MIXED}"
        rules = "version: 1\ndefault: deny\nrules:\n  - {allow: native}\n  - {log: connect, to: 127.0.0.1}\n"
        run = run_guarded(["-c", code], rules=rules, options=["--wall", "require"], timeout=120)
    assert run.status == 0, run.stderr
    found = Counter((line["dst"]["port"], tuple(line["layers"])) for line in run.lines("connect"))
    assert found[ports[0], ("hook", "kernel")] == 16 * rounds
    assert found[ports[1], ("kernel",)] == 16 * rounds // 20
    assert len(found) == 2
    results = Counter(line["of"] for line in run.lines("result"))
    assert set(results.values()) == {1}
    assert set(results) == {line["seq"] for line in run.lines("connect")}


class Watched:
    """A native program behind the wall that says when it has come somewhere, and goes on when it is told."""

    def __init__(self, folder: Path, code: str, rules: str, **given: Any) -> None:
        self.log = folder / "trail.jsonl"
        itself = f"  - {{allow: exec, program: {sys.executable}, unguarded: true}}\n"
        (folder / "rules.yaml").write_text(f"version: 1\ndefault: deny\nrules:\n{itself}{rules}")
        stops = "def stop():\n    os.write(1, b'.\\n'); assert os.read(0, 1)\n"
        words = ["-m", "netguard", "run", "--wall", "require", "--quiet", "--log", str(self.log)]
        words += ["--rules", str(folder / "rules.yaml"), "--", *program(folder, stops + code, **given)]
        self.process = subprocess.Popen(
            [sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=clean_environment(str(folder)), cwd=folder, start_new_session=True,
        )  # fmt: skip

    def comes(self) -> None:
        """Waits until the program has stopped the next time."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line == ".\n", (line, self.process.stderr and self.process.stderr.read())

    def goes_on(self) -> None:
        """Lets it."""
        assert self.process.stdin
        self.process.stdin.write("!")
        self.process.stdin.flush()

    def descriptors(self) -> int:
        """How many the supervisor has."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self) -> int:
        """The supervisor's, in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def end(self) -> list[dict[str, Any]]:
        """Its trail, when it has ended."""
        out, err = self.process.communicate("!!!!", timeout=60)
        assert self.process.returncode == 0, (out, err)
        return read_trail(self.log)


#: What is done a thousand times over, and must leave nothing behind.
ROUNDS = {
    "connects": "with socket.socket() as s: raw('connect', s, inet(port), 16)",
    "denied connects": "with socket.socket() as s: raw('connect', s, inet(1), 16)",
    "datagrams": "with udp() as s: raw('sendto', s, b'x', 1, 0, inet(port), 16)",
    "messages with descriptors": "a, b = socket.socketpair(); a.sendmsg([b'x'], [(1, 1, struct.pack('2i', 0, 1))]); a.close(); b.close()",
    "bad calls": "raw('connect', 0, ctypes.c_void_p(8), 16); raw('sendmsg', 1, ctypes.c_void_p(8), 0); raw('bind', 999, inet(0), 16); raw('listen', -1, 5)",
    "processes": "pid = os.fork()\n    if not pid:\n        raw('connect', socket.socket(), inet(port), 16); os._exit(0)\n    os.waitpid(pid, 0)",
    "threads": "t = threading.Thread(target=lambda: raw('connect', socket.socket(), inet(port), 16)); t.start(); t.join()",
    "lines": "with socket.socket(1, socket.SOCK_SEQPACKET) as s: raw('connect', s, line, len(line))",
    "notes": "with socket.socket(1, socket.SOCK_SEQPACKET) as s: raw('connect', s, line + b'.notes', len(line) + 6); try_(s.send, b'note\\0' * 600)",
    "other names": "with socket.socket(1, socket.SOCK_SEQPACKET) as s: raw('connect', s, line + b'x', len(line) + 1); raw('connect', s, line[:-1], len(line) - 1)",
    "paths": "with socket.socket(1) as s: raw('connect', s, b'\\1\\0/proc/self/fd/0\\0', 19); raw('connect', s, b'\\1\\0/etc/passwd\\0', 14)",
    "binds": "with socket.socket(1) as s: raw('bind', s, b'\\1\\0made\\0', 7); try_(os.unlink, 'made')",
    "killed in the call": "pid = os.fork()\n    if not pid:\n        signal.alarm(1); raw('connect', socket.socket(), inet(full), 16); os._exit(0)\n    time.sleep(0.002); os.kill(pid, 9); os.waitpid(pid, 0)",
}  # fmt: skip

REPEATED = """
line = b"\\1\\0\\0" + os.environb.get(b"NETGUARD_CHANNEL", b"@none")[1:]
def many(times):
  for _ in range(times):
    ROUND
many(300)
stop()
many(500)
stop()
"""


@pytest.mark.parametrize("what", ROUNDS)
def test_nothing_is_left_of_what_is_done_many_times(what: str, server: int, tmp_path: Path) -> None:
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
    rules = f"  - {{allow: listen}}\n  - {{allow: connect, to: '127.0.0.1:{server}'}}\n"
    rules += f"  - {{allow: connect, to: '127.0.0.1:{full.getsockname()[1]}'}}\n"
    run = Watched(
        tmp_path, REPEATED.replace("ROUND", ROUNDS[what]), rules, port=server, full=full.getsockname()[1]
    )  # fmt: skip
    run.comes()
    before, memory = run.descriptors(), run.memory()
    if what == "killed in the call":
        before = max(before, 2 * MAX_CALLERS)  # not all had come so far as to be known; those that did are kept a while
    run.goes_on()
    run.comes()
    until = time.monotonic() + 5
    while run.descriptors() > before + 16 and time.monotonic() < until:
        time.sleep(0.05)  # what a process had that has just ended
    assert run.descriptors() <= before + 16
    assert run.memory() < memory + 4096
    assert [line for line in run.end() if line["kind"] == "tamper" and "fault" in line["event"]] == []
    for one in (full, *fillers):
        one.close()


CROWD = """
one = socket.socket(); one.bind(("127.0.0.1", 0)); one.listen(0); nowhere = one.getsockname()[1]
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE); resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
threading.stack_size(65536)
begun = []
def wait():
    begun.append(1); raw("connect", socket.socket(), inet(nowhere), 16)
for _ in range(many):
    try: threading.Thread(target=wait, daemon=True).start()
    except RuntimeError: break
while len(begun) < many * 0.9: time.sleep(0.05)
since = time.monotonic()
other = raw("connect", socket.socket(), inet(port), 16)
say(took=time.monotonic() - since)
since = time.monotonic()
again = [raw("connect", socket.socket(), inet(port), 16) for _ in range(20)]
say(other=other, twenty=time.monotonic() - since, same=again == [0] * 20, denied=raw("connect", socket.socket(), inet(1), 16))
print(json.dumps(said), flush=True)
os._exit(0)
"""


def test_thousands_of_connects_that_wait_keep_nobody_else_waiting(server: int, tmp_path: Path) -> None:
    """More than may wait; those that are too many fail, and others go on."""
    rules = f"- {{allow: listen}}\n- {{allow: connect, to: '127.0.0.1:{server}'}}\n- {{allow: connect, to: '@self'}}\n"
    run = walled(tmp_path, CROWD, rules, timeout=100, port=server, many=4500)
    found = said(run)
    assert (found["other"], found["same"], found["denied"]) == (0, True, "EACCES"), run.stderr
    assert (found["took"] < 30, found["twenty"] < 5) == (True, True), found
    assert run.lines("tamper") == []


STORM = """
import itertools
count = itertools.count()
signal.signal(signal.SIGALRM, lambda *_: next(count))
signal.siginterrupt(signal.SIGALRM, restarts == 0)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
ended = {}
for number in range(300):
    with socket.socket() as one:
        end = raw("connect", one, inet(port if number % 3 else 1), 16)
        ended[str(end)] = ended.get(str(end), 0) + 1
signal.setitimer(signal.ITIMER_REAL, 0)
say(ended=ended, signals=next(count) > 20)
"""


@pytest.mark.parametrize("restarts", [0, 1], ids=["EINTR", "restart"])
def test_storm_of_signals_changes_no_decision(restarts: int, server: int, tmp_path: Path) -> None:
    """Each connect is made and recorded once; a call that is interrupted says so."""
    run = walled(tmp_path, STORM, f"- {{log: connect, to: '127.0.0.1:{server}'}}\n", port=server, restarts=restarts)
    found = said(run)
    assert found["signals"], "there was no storm"
    assert set(found["ended"]) <= ({"0", "EACCES"} if restarts else {"0", "EACCES", "EINTR"})
    assert found["ended"]["EACCES"] <= 100
    verdicts = Counter((line["dst"]["port"], line["verdict"]) for line in run.lines("connect"))
    assert set(verdicts) == {(server, "log"), (1, "deny")}
    assert verdicts[server, "log"] <= 200 + found["ended"].get("EINTR", 0)


HELD = """
pid = os.fork()
if not pid:
    os.kill(os.getpid(), signal.SIGSTOP)
    while True: raw("connect", socket.socket(), inet(port), 16)
os.waitpid(pid, os.WUNTRACED)
for _ in range(40):
    os.kill(pid, signal.SIGCONT); time.sleep(0.003); os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    assert raw("connect", socket.socket(), inet(port), 16) == 0
os.kill(pid, signal.SIGKILL)
say(through=True)
"""


def test_process_that_is_stopped_in_its_call_stops_nobody_else(server: int, tmp_path: Path) -> None:
    run = walled(tmp_path, HELD, f"- {{allow: connect, to: '127.0.0.1:{server}'}}\n", port=server)
    assert said(run) == {"through": True}, run.stderr


CLOSED = """
for fd in range(3, 256): try_(os.close, fd)
os.closerange(3, 256)
say(granted=raw("connect", socket.socket(), inet(port), 16), denied=raw("connect", socket.socket(), inet(1), 16))
"""


def test_guest_without_any_line_is_decided_as_ever(server: int, tmp_path: Path) -> None:
    run = walled(tmp_path, CLOSED, f"- {{allow: connect, to: '127.0.0.1:{server}'}}\n", port=server)
    assert said(run) == {"granted": 0, "denied": "EACCES"}
    assert run.verdicts("connect") == ["deny"]


GONE = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    os.write(1, b"."); time.sleep(60)
until = time.monotonic() + 20
while os.getppid() == owner and time.monotonic() < until: time.sleep(0.01)
with open("ended", "w") as file:
    file.write(str(raw("connect", socket.socket(), inet(port), 16)))
os.rename("ended", "told")
"""


def test_what_is_left_of_a_guest_without_its_supervisor_reaches_nothing(server: int, tmp_path: Path) -> None:
    """Not even what was granted. The guest itself dies with it."""
    rules = tmp_path / "rules.yaml"
    rules.write_text("version: 1\ndefault: allow\n")
    words = ["run", "--quiet", "--wall", "require", "--rules", str(rules), "--log", str(tmp_path / "trail"), "--"]
    run = subprocess.Popen(
        [sys.executable, "-m", "netguard", *words, *program(tmp_path, GONE, port=server)],
        stdout=subprocess.PIPE, env=clean_environment(str(tmp_path)), cwd=tmp_path,
    )  # fmt: skip
    assert run.stdout
    assert run.stdout.read(1) == b"."
    run.send_signal(signal.SIGKILL)
    run.wait()
    until = time.monotonic() + 20
    while not (tmp_path / "told").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    assert (tmp_path / "told").read_text() == "ENOSYS"
    run.stdout.close()
