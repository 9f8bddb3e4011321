"""The channel under attack from inside the guest: each ends in a denial, or in one new try and an alarm.

Never in an act that was denied and happens, or that happens and is not on record as its own process's.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from tests.shim.guests import guarded, plain, said, write
from tests.shim.test_channel import PRELUDE
from tests.supervisor.running import running
from tests.support.guard import Result, run_guarded
from tests.support.interpreters import Interpreter
from tests.support.isolation import ROOT

pytestmark = pytest.mark.hostile

CURRENT = Interpreter(sys.version_info[:2], sys.executable)

RULES = """\
version: 1
default: allow
rules:
  - {name: eight, deny: connect, to: "127.0.0.1:8"}
  - {log: connect, to: "127.0.0.1:9"}
"""

#: What the attacks share: a question of one's own, the code's size, and a second line to the supervisor.
TOOLS = f"""{PRELUDE}
SEAL = 16
def question(number, port=9):
    texts = ["ask", number, "connect", "socket.connect", "tcp", "127.0.0.1", str(port), "", "", "", "0", "", "", "", ""]
    return "\\0".join(texts).encode()
def number_of(frame):
    return frame[SEAL:].split(b"\\0")[0].decode()
def line_of_our_own():
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    asked = dict([entry.partition("=")[::2] for entry in open("/proc/self/environ").read().split("\\0")])
    sock.connect("\\0" + asked.get("NETGUARD_CHANNEL", "@none")[1:])
    sock.send("\\0".join(["open", "1", asked["NETGUARD_RUN"], "1", "", ""]).encode())
    return sock
"""


def attack(folder: Path, code: str, python: Interpreter = CURRENT, **how: object) -> Result:
    """The script, which works alone as far as its acts go: that is shown first."""
    bare = plain(folder, [python.path, write(folder, f"{PRELUDE}print(act(8), act(9))\n")])
    assert bare.stdout == "granted granted\n", bare.stderr
    return guarded(folder, TOOLS + code, python, rules=RULES, timeout=60, **how)


def tampers(run: Result) -> set[str]:
    """What was noticed."""
    return {line["event"] for line in run.lines("tamper")}


SWAPPED = """
found = [act(8)]
spare = socket.socket(fileno=os.dup(channel()[0]))
def handler(*_):
    os.kill(os.getppid(), signal.SIGCONT)
    frame = spare.recv(65536)  # the denial
    spare.send(question(number_of(frame)))  # the same number, but this is allowed
signal.signal(signal.SIGALRM, handler)
for _ in range(3):
    os.kill(os.getppid(), signal.SIGSTOP)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    found.append(act(8))
    spare = socket.socket(fileno=os.dup(channel()[-1]))
print(json.dumps(found))
"""


def test_answer_to_another_question_with_the_same_number_is_not_believed(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    """A handler takes the denial off the channel while the question waits, and has something else asked under it."""
    run = attack(tmp_path, SWAPPED, interpreter)
    assert said(run) == ["eight"] * 4
    assert tampers(run) == {"channel.lost"}


OWN = """
found = [act(9), act(8)]
sock = line_of_our_own()
for fd in channel():
    os.dup2(sock.fileno(), fd)
found += [act(8), act(9)]
print(json.dumps(found))
"""

HANDED = """
found = [act(9), act(8)]
left, right = socket.socketpair()
pid = os.fork()
if not pid:
    sock = line_of_our_own()
    socket.send_fds(left, [b"x"], [sock.fileno()])
    time.sleep(60)
[fd] = socket.recv_fds(right, 1, 1)[1]
for ours in channel():
    if ours != fd:
        os.dup2(fd, ours)
found += [act(8), act(9)]
os.kill(pid, 9)
print(json.dumps([*found, pid]))
"""


@pytest.mark.parametrize("code", [OWN, HANDED], ids=["of this process", "handed over by another process"])
def test_another_line_to_the_supervisor_is_not_ours(code: str, tmp_path: Path) -> None:
    """The supervisor is at its end, but its acts would be on record as whoever's line it is."""
    run = attack(tmp_path, code)
    answers = said(run)
    assert answers[:4] == ["granted", "eight", "eight", "granted"]
    assert [line["why"] for line in run.lines("tamper")] == ["the channel's descriptor was closed or replaced"]
    assert {line["proc"]["pid"] for line in run.lines("connect")}.isdisjoint(answers[4:])


#: A shim that waits one second, started by hand: what a guest itself can change comes too late.
IMPATIENT = f"""
import os, posix, sys
sys.path.insert(0, {ROOT!r})
from netguard.shim import channel, start
channel.PATIENCE = 1
start.start(dict(posix.environ), "")
sys.path.pop(0)
"""

STOPPED = f"""{TOOLS}
found = [act(9), act(8)]
parent = os.getppid()
os.kill(parent, signal.SIGSTOP)
start = time.monotonic()
found += [act(9), act(8)]
found.append(1.5 < time.monotonic() - start < 8)
try:
    socket.gethostbyname("one.test")
except PermissionError as error:
    found.append(error.rule)
os.kill(parent, signal.SIGCONT)
found += [act(8), act(9), act(8)]
print(json.dumps(found))
"""


def test_stopped_supervisor_denies_after_a_while_and_late_answers_are_nobodys(tmp_path: Path) -> None:
    code = IMPATIENT + STOPPED
    words = ["--", "sh", "-c", 'exec "$@"', "sh", sys.executable, "-S", write(tmp_path, code)]
    run = run_guarded(words, rules=RULES, options=["--quiet"], timeout=60, wall="off")
    assert said(run) == ["granted", "eight", *["no-supervisor"] * 2, True, "no-supervisor", "eight", "granted", "eight"]


FILTERED = """
import array, struct
def attach(fd, most):
    code = array.array("B", struct.pack("HBBI", 6, 0, 0, most))  # BPF: RET most
    program = struct.pack("HxxxxxxP", 1, code.buffer_info()[0])
    with socket.socket(fileno=os.dup(fd)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, 26, program)  # SO_ATTACH_FILTER
found = [act(9), act(8)]
for most in (1, 16, 17, 30, 40, 45, 50, 60):
    for fd in channel():
        attach(fd, most)
    found.append([act(8), act(8)])
    for fd in channel():
        attach(fd, most)
    found.append([act(9), act(9)])
print(json.dumps(found))
"""


def test_filter_that_cuts_answers_short_makes_none_of_them_another(tmp_path: Path) -> None:
    run = attack(tmp_path, FILTERED)
    answers = said(run)
    assert answers[:2] == ["granted", "eight"]
    assert {answer for pair in answers[2::2] for answer in pair} == {"eight"}
    assert {answer for pair in answers[3::2] for answer in pair} == {"granted"}
    assert tampers(run) == {"channel.lost"}


PEEKED = """
found = [act(9), act(8)]
for fd in channel():
    with socket.socket(fileno=os.dup(fd)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, 42, 20)  # SO_PEEK_OFF
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
found += [act(8), act(9)]
print(json.dumps(found))
"""


def test_other_options_on_the_socket_change_no_answer(tmp_path: Path) -> None:
    assert said(attack(tmp_path, PEEKED)) == ["granted", "eight", "eight", "granted"]


RESULTS = """
seqs = []
import _socket
def other():
    act(9)
    time.sleep(0.2)
    for fd in channel():  # of every thread
        for seq in range(40):
            os.write(fd, "\\0".join(["result", "0", str(seq), "77", "1"]).encode())
threads = [threading.Thread(target=other) for _ in range(4)]
act(9)
for thread in threads: thread.start()
for thread in threads: thread.join()
found = [act(9), act(8)]
print(json.dumps(found))
"""


def test_outcome_is_added_once_to_an_act_and_by_its_own_line(tmp_path: Path) -> None:
    """Each act's own thread has told it already: nobody's second word is taken."""
    run = attack(tmp_path, RESULTS)
    assert said(run) == ["granted", "eight"]
    outcomes = run.lines("result")
    assert len({line["of"] for line in outcomes}) == len(outcomes) == 6
    assert {line["errno"] for line in outcomes} == {111}


def test_supervisor_s_number_is_not_enough(tmp_path: Path) -> None:
    """Who has killed the supervisor may get its process number, and its name: not its key."""
    if os.geteuid() != 0 or not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK):
        pytest.skip("the right to choose a process number")
    code = f"""{TOOLS}
import _socket, ctypes
bind = ctypes.CDLL(None).bind
name = b"\\0" + open("/proc/self/environ", "rb").read().partition(b"NETGUARD_CHANNEL=@")[2].partition(b"\\0")[0]
found = [act(8)]
supervisor = os.getppid()
ready = os.pipe()
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
os.kill(supervisor, signal.SIGKILL)
while os.path.exists(f"/proc/{{supervisor}}"):
    time.sleep(0.01)
address = (1).to_bytes(2, sys.byteorder) + name
while bind(listener.fileno(), address, len(address)):  # natively: what Python binds is asked about
    time.sleep(0.01)
def serve():
    _socket.socket.listen(listener, 9)  # whoever says this is whom the other side sees
    os.write(ready[1], b"x")
    while True:
        one = listener.accept()[0]
        while frame := one.recv(99999):
            fields = frame.split(b"\\0")
            if fields[0] != b"open":
                one.send(bytes(SEAL) + b"\\0".join([fields[1], b"allow", b"0", b"", b""]))
pid = 0
while pid != supervisor:
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(supervisor - 1))
    pid = os.fork()
    if not pid:
        if os.getpid() == supervisor:
            serve()
        os._exit(0)
os.read(ready[0], 1)
found += [act(8), act(8)]
os.kill(pid, 9)
with open("after.new", "w") as file:
    file.write(json.dumps(found))
os.rename("after.new", "after")
"""
    rules = "version: 1\ndefault: allow\nrules: [{name: eight, deny: connect, to: '127.0.0.1:8'}]\n"
    after, end = tmp_path / "after", time.monotonic() + 20
    # Below a shell: the number of a session's leader stays taken as long as the session lives.
    shell = ["sh", "-c", '"$@"; true', "sh"]
    with running(tmp_path, [write(tmp_path, code)], rules=rules, prefix=shell) as run:
        run.process.wait(30)
        while not after.exists():
            assert time.monotonic() < end, os.read(run.process.stderr.fileno(), 9999)
            time.sleep(0.05)
    assert json.loads(after.read_text()) == ["eight", "no-supervisor", "no-supervisor"]
