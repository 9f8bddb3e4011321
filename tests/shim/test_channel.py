"""The line to the supervisor holds against what a program may do to its descriptors, signals, threads and forks."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.shim.guests import ALLOW, DENY, LOG, guarded, plain, said, write
from tests.support.interpreters import Interpreter

#: `act()` says whether a connection was granted; with LOG each is a line.
PRELUDE = """\
import json, os, signal, socket, stat, sys, threading, time
def act(port=9):
    try:
        with socket.socket() as sock:
            sock.connect(("127.0.0.1", port))
    except ConnectionRefusedError:
        return "granted"
    except PermissionError as error:
        return getattr(error, "rule", "plain")
def channel():
    \"\"\"The descriptors of this process that lead to the supervisor.\"\"\"
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink("/proc/self/fd/" + name).startswith("socket:"):
                with socket.socket(fileno=os.dup(int(name))) as sock:
                    if b"netguard" in bytes(sock.getpeername()):
                        found.append(int(name))
        except (OSError, TypeError):
            pass
    return found
"""

FORKS = f"""{PRELUDE}
import _thread
def child(report):
    pid = os.fork()
    if not pid:
        os._exit(0 if all(act() == "granted" for _ in range(20)) else 1)
    report.append(pid)
found = [act()] if sys.argv[1] == "asked" else []
pids = []
for _ in range(4):
    child(pids)
threads = [threading.Thread(target=child, args=(pids,)) for _ in range(4)]
for thread in threads:
    thread.start()
found += [act() for _ in range(20)]
for thread in threads:
    thread.join()
print(json.dumps([found, [os.waitpid(pid, 0)[1] for pid in pids]]))
"""


@pytest.mark.parametrize("before", ["asked", "not asked"])
def test_forks_ask_for_themselves(before: str, interpreter: Interpreter, tmp_path: Path) -> None:
    """A child has a line of its own, whether its parent had one, and whether a thread forked it."""
    code = FORKS.replace("sys.argv[1]", repr(before))
    run = guarded(tmp_path, code, interpreter, rules=LOG)
    answers, statuses = said(run)
    assert set(answers) == {"granted"}
    assert statuses == [0] * 8
    asked: dict[int, int] = {}
    for line in run.lines("connect"):
        asked[line["proc"]["pid"]] = asked.get(line["proc"]["pid"], 0) + 1
    assert sorted(asked.values()) == sorted([20] * 8 + [len(answers)])
    assert run.lines("tamper") == []


THREADS = f"""{PRELUDE}
start = threading.Barrier(64)
found = []
def work(number):
    start.wait()
    found.extend((number, act(number)) for _ in range(5))
threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 65)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(found))
"""


def test_threads_ask_at_once_and_each_gets_its_own_answer(interpreter: Interpreter, tmp_path: Path) -> None:
    """Sixty-four at once; even ports are denied, and no answer goes to another's question."""
    ports = ",".join(str(port) for port in range(2, 65, 2))
    rules = f'version: 1\ndefault: log\nrules: [{{name: even, deny: connect, to: "127.0.0.1:{ports}"}}]\n'
    run = guarded(tmp_path, THREADS, interpreter, rules=rules)
    answers = said(run)
    assert len(answers) == 64 * 5
    assert all(answer == ("granted" if number % 2 else "even") for number, answer in answers)
    assert len(run.lines("connect")) == 64 * 5


HANDLER = f"""{PRELUDE}
heard = []
class Stop(Exception): pass
def handler(number, frame):
    heard.append(act(8))
    if RAISES and len(heard) % 3 == 0:
        raise Stop
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0011)
answers = []
end = time.monotonic() + 20
def ask_on():
    while (len(answers) < 400 or len(heard) < 20) and time.monotonic() < end:
        answers.append(act(7))
    signal.setitimer(signal.ITIMER_REAL, 0)
    return True
done = False
while not done:
    try:
        done = ask_on()
    except Stop:
        pass
signal.signal(signal.SIGALRM, signal.SIG_IGN)
print(json.dumps([sorted(set(answers)), sorted(set(heard)), len(heard) >= 20, len(answers) >= 400]))
"""


@pytest.mark.parametrize("raises", [False, True], ids=["returns", "raises"])
def test_signal_handler_that_asks_while_a_question_is_under_way(
    raises: bool, interpreter: Interpreter, tmp_path: Path
) -> None:
    """Neither takes the other's answer, also when the handler breaks the question off."""
    rules = 'version: 1\ndefault: allow\nrules: [{name: eight, deny: connect, to: "127.0.0.1:8"}]\n'
    code = HANDLER.replace("RAISES", str(raises))
    assert said(guarded(tmp_path, code, interpreter, rules=rules)) == [["granted"], ["eight"], True, True]


TAMPERS = {
    "closed": "os.closerange(3, 4096)",
    "shut down": "[socket.socket(fileno=os.dup(fd)).shutdown(2) for fd in channel()]",
    "replaced by a file": "null = os.open('/dev/null', 2); [os.dup2(null, fd) for fd in channel()]",
    "replaced by a pipe": "pipe = os.pipe(); [os.dup2(pipe[1], fd) for fd in channel()]",
    "replaced by a unix socket": "pair = socket.socketpair(); [os.dup2(pair[0].fileno(), fd) for fd in channel()]",
    "written to": "[os.write(fd, b'ask\\0one\\0connect') for fd in channel()]",
    "written nonsense to": "[os.write(fd, b'\\xff\\xfe') for fd in channel()]",
    "asked on": "[os.write(fd, QUESTION) for fd in channel()]; time.sleep(0.2)",
    "not blocking": "[os.set_blocking(fd, False) for fd in channel()]",
    "out of time": "[socket.socket(fileno=os.dup(fd)).setsockopt(1, 20, bytes([0] * 8 + [1] + [0] * 7)) "
    "for fd in channel()]",
}

#: A question that the shim itself could ask, about what is allowed.
QUESTION = "\\0".join(["ask", "1", "connect", "socket.connect", "tcp", "127.0.0.1", "9", "", "", "", "0", *[""] * 4])


@pytest.mark.parametrize("what", TAMPERS)
def test_meddled_channel_denies_or_is_opened_anew(what: str, interpreter: Interpreter, tmp_path: Path) -> None:
    """What is denied stays denied, whatever is done to the descriptor; no answer of another's is taken."""
    rules = 'version: 1\ndefault: allow\nrules: [{name: eight, deny: connect, to: "127.0.0.1:8"}]\n'
    code = f"""{PRELUDE}
QUESTION = b"{QUESTION}"
found = [act(9), act(8)]
for _ in range(3):
    {TAMPERS[what]}
    found += [act(8), act(8)]
    {TAMPERS[what]}
    found += [act(9), act(9)]
print(json.dumps(found))
"""
    run = guarded(tmp_path, code, interpreter, rules=rules)
    answers = said(run)
    assert answers[:2] == ["granted", "eight"]
    for at in range(2, len(answers), 4):
        assert "granted" not in answers[at : at + 2], answers
    again = [answer for at in range(4, len(answers), 4) for answer in answers[at : at + 2]]
    if what not in ("not blocking", "out of time"):  # those make a question fail, which is a denial
        assert set(again) == {"granted"}
        assert {line["event"] for line in run.lines("tamper")} <= {"channel.lost", "channel.malformed"}
        assert run.lines("tamper")


TCP = f"""{PRELUDE}
import select
server = socket.create_server(("127.0.0.1", 0))
found = [act()]
for round in range(3):
    mine = socket.create_connection(server.getsockname())
    theirs = server.accept()[0]
    fds = channel()
    for fd in fds:
        os.dup2(mine.fileno(), fd)
    found.append(act())
    # The number stays the guest's: it is neither written to nor closed.
    found.append([os.fstat(fd).st_ino == os.fstat(mine.fileno()).st_ino for fd in fds])
    found.append(select.select([theirs], [], [], 0.05)[0] == [])
    mine.sendall(b"mine")
    found.append(theirs.recv(9) == b"mine")
    for fd in fds:
        os.close(fd)
print(json.dumps(found))
"""


def test_guests_own_connection_never_gets_our_bytes(interpreter: Interpreter, tmp_path: Path) -> None:
    """A descriptor whose number was taken over is the guest's."""
    found = said(guarded(tmp_path, TCP, interpreter, rules=ALLOW))
    assert found == ["granted"] + ["granted", [True], True, True] * 3


DEATH = f"""{PRELUDE}
found = [act()]
parent = os.getppid()
os.kill(parent, signal.SIGKILL)
while os.getppid() == parent:
    time.sleep(0.01)
start = time.monotonic()
def look(): socket.getaddrinfo("one.invalid", 80)
def spawn(): os.posix_spawn("/bin/true", ["true"], {{}})
def listen(): socket.create_server(("127.0.0.1", 0))
for way in (act, act, look, spawn, listen):
    try:
        found.append(way())
    except PermissionError as error:
        found.append(getattr(error, "rule", "no-supervisor" if "no-supervisor" in str(error) else ""))
worker = threading.Thread(target=lambda: found.append(act()))
worker.start()
worker.join()
with open("after", "w") as file:
    file.write(json.dumps([found, time.monotonic() - start < 10]))
"""


def test_everything_is_denied_once_the_supervisor_is_gone(interpreter: Interpreter, tmp_path: Path) -> None:
    """At once, not after a time-out."""
    guarded(tmp_path, DEATH, interpreter, rules=ALLOW)
    after = tmp_path / "after"
    end = time.monotonic() + 20
    while not (after.exists() and after.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    found, quick = json.loads(after.read_text())
    assert found == ["granted"] + ["no-supervisor"] * 6
    assert quick


SURROUNDINGS = {
    "a default time-out": "socket.setdefaulttimeout(0.001)",
    "SIGPIPE as a shell leaves it": "signal.signal(signal.SIGPIPE, signal.SIG_DFL)",
    "no room for files": "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
    "interrupted calls": "signal.signal(signal.SIGALRM, lambda *_: None); signal.setitimer(0, 0.001, 0.001)",
    "another folder": "os.chdir('/')",
    "no environment": "os.environ.clear()",
    "child watcher": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "blocked signals": "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))",
}


@pytest.mark.parametrize("what", SURROUNDINGS)
def test_surroundings_that_a_program_may_have_change_nothing(
    what: str, interpreter: Interpreter, tmp_path: Path
) -> None:
    """Both answers stay what they are, in this thread, in another and in a child."""
    rules = 'version: 1\ndefault: allow\nrules: [{name: eight, deny: connect, to: "127.0.0.1:8"}]\n'
    code = f"""{PRELUDE}
found = [act(9), act(8)]
{SURROUNDINGS[what]}
def both():
    return [act(9), act(8)] == ["granted", "eight"]
found.append(both())
thread = threading.Thread(target=lambda: found.append(both()))
thread.start()
thread.join()
pid = os.fork()
if not pid:
    os._exit(0 if both() else 1)
try:
    found.append(os.waitpid(pid, 0)[1])
except ChildProcessError:
    found.append(0)
signal.setitimer(signal.ITIMER_REAL, 0)
print(json.dumps(found))
"""
    run = guarded(tmp_path, code, interpreter, rules=rules)
    assert said(run) == ["granted", "eight", True, True, 0]
    assert run.lines("tamper") == []


def test_few_descriptors_deny_and_never_grant(interpreter: Interpreter, tmp_path: Path) -> None:
    """A new thread's line needs a descriptor; without one its question is denied."""
    code = f"""{PRELUDE}
import resource
found = [act(9)]
sock = socket.socket()
resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
def take():
    taken = []
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        return taken
taken = take()
def connect():
    try:
        sock.connect(("127.0.0.1", 9))
    except ConnectionRefusedError:
        return "granted"
    except PermissionError as error:
        return error.rule
found.append(connect())
thread = threading.Thread(target=lambda: found.append(connect()))
thread.start()
thread.join()
for fd in taken:
    os.close(fd)
found.append(act(9))
print(json.dumps(found))
"""
    assert said(guarded(tmp_path, code, interpreter, rules=ALLOW)) == ["granted", "granted", "no-supervisor", "granted"]


QUIET = f"""{PRELUDE}
import subprocess
found = [act()]
threads = [threading.Thread(target=act) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
subprocess.run(["true"], check=True)
os.closerange(3, 4096)
found.append(act())
socket.getaddrinfo("localhost", 80)
pid = os.fork()
if not pid:
    act()
    sys.exit(0)
os.waitpid(pid, 0)
print(json.dumps(found))
"""


def test_shim_warns_of_nothing_in_the_guests_name(interpreter: Interpreter, tmp_path: Path) -> None:
    """Every warning an error, in development mode, with every import shown as unused resources are."""
    flags = ["-X", "dev", "-W", "error", "-b"]
    for rules, answer in ((ALLOW, "granted"), (DENY.replace("deny", "log"), "granted")):
        run = guarded(tmp_path, QUIET, interpreter, rules=rules, flags=flags)
        assert (run.stderr, run.status) == ("", 0)
        assert said(run) == [answer] * 2


def test_shim_warns_of_nothing_without_a_supervisor(interpreter: Interpreter, tmp_path: Path) -> None:
    """Lines that cannot be opened are closed, not left to the collector."""
    code = f"""{PRELUDE}
import warnings
act()
parent = os.getppid()
os.kill(parent, signal.SIGKILL)
while os.getppid() == parent:
    time.sleep(0.01)
found = {{act() for _ in range(10)}}
sys.stderr.write(json.dumps(sorted(found)))
"""
    run = guarded(tmp_path, code, interpreter, rules=ALLOW, flags=["-X", "dev", "-W", "error"])
    assert run.stderr == '["no-supervisor"]'


NUMBERS = """\
import json, os, resource, socket, threading
if MOST:
    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
found = []
def look():
    with socket.socket() as sock:
        sock.connect_ex(("127.0.0.1", 9))
    found.append([os.open("/dev/null", os.O_RDONLY) for _ in range(3)])
    found.append(os.pipe())
look()
for _ in range(3):
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
pid = os.fork()
if not pid:
    look()
    print(json.dumps(found), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
"""


@pytest.mark.parametrize("limit", [0, 256])
def test_program_gets_the_descriptors_that_it_gets_without_a_guard(
    limit: int, interpreter: Interpreter, tmp_path: Path
) -> None:
    """Some daemons and shells count on them; so do programs that close a range of them."""
    code = NUMBERS.replace("MOST", str(limit))
    bare = plain(tmp_path, [interpreter.path, write(tmp_path, code)])
    assert said(guarded(tmp_path, code, interpreter, rules=LOG)) == said(bare)


def test_daemon_that_closes_what_it_inherited_does_not_hit_the_channel(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    code = f"{PRELUDE}found = [act()]\nos.closerange(3, 256)\nprint(json.dumps([*found, act(), min(channel()) > 255]))"
    run = guarded(tmp_path, code, interpreter, rules=LOG)
    assert said(run) == ["granted", "granted", True]
    assert run.lines("tamper") == []


@pytest.mark.parametrize("event", ["socket.__new__", "fcntl.fcntl"])
def test_rule_for_an_event_that_opening_a_line_raises_asks_once(
    event: str, interpreter: Interpreter, tmp_path: Path
) -> None:
    """Asking opens a line where a thread has none: about that, nobody asks."""
    code = f"""{PRELUDE}
import fcntl
def both():
    fcntl.fcntl(0, fcntl.F_GETFD)
    found.append(act())
found = []
thread = threading.Thread(target=both)
thread.start()
thread.join()
both()
print(json.dumps(found))
"""
    rules = f"version: 1\ndefault: allow\nrules: [{{log: 'audit:{event}'}}]\n"
    run = guarded(tmp_path, code, interpreter, rules=rules)
    assert said(run) == ["granted", "granted"]
    assert [line["event"] for line in run.lines("audit")] == [event] * 2


BREAKS = f"""{PRELUDE}
class Stop(KeyboardInterrupt): pass
def handler(*_):
    os.kill(os.getppid(), signal.SIGCONT)
    raise Stop
signal.signal(signal.SIGALRM, handler)
found = [act(7)]
sock = socket.create_server(("127.0.0.1", 0))
for _ in range(3):
    os.kill(os.getppid(), signal.SIGSTOP)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        socket.create_connection(sock.getsockname(), 5)
        found.append("connected")
    except Stop:
        sock.settimeout(0.1)
        try:
            sock.accept()
            found.append("accepted")
        except socket.timeout:
            found.append("stopped")
    found += [act(8), act(7), len(channel())]
print(json.dumps(found))
"""


def test_act_that_is_broken_off_does_not_happen_and_the_next_one_works(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    """A handler raises while the question waits. Its line goes, and its answer with it."""
    rules = 'version: 1\ndefault: allow\nrules: [{name: eight, deny: connect, to: "127.0.0.1:8"}]\n'
    run = guarded(tmp_path, BREAKS, interpreter, rules=rules)
    assert said(run) == ["granted", *["stopped", "eight", "granted", 1] * 3]
    assert run.lines("tamper") == []


#: Run without a guard: takes every place in the supervisor's queue once it is told that the supervisor has stopped.
CROWD = """
import socket, sys
sys.stdin.readline()
full = []
try:
    while True:
        full.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        full[-1].setblocking(False)
        full[-1].connect(chr(0) + sys.argv[1][1:])
except BlockingIOError:
    print(len(full), flush=True)
sys.stdin.readline()
"""

QUEUED = f"""{PRELUDE}
import subprocess
signal.signal(signal.SIGALRM, lambda *_: None)
crowd = subprocess.Popen(
    [sys.executable, "-I", "-S", "-c", {CROWD!r},
     open("/proc/self/environ").read().partition("NETGUARD_CHANNEL=")[2].partition(chr(0))[0]],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
)
def tell():
    crowd.stdin.write(b"go\\n")
    crowd.stdin.flush()
found = [act()]
os.kill(os.getppid(), signal.SIGSTOP)
tell()
crowd.stdout.readline()
pid = os.fork()
if not pid:
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    os._exit(0 if act() == "granted" else 1)
time.sleep(0.4)
tell()
os.kill(os.getppid(), signal.SIGCONT)
found.append(os.waitpid(pid, 0)[1])
crowd.communicate()
print(json.dumps(found))
"""


def test_signals_while_a_line_waits_to_be_taken_change_nothing(interpreter: Interpreter, tmp_path: Path) -> None:
    """More threads begin to ask at once than the supervisor's queue has places: a signal is no reason for a denial."""
    assert said(guarded(tmp_path, QUEUED, interpreter, rules=ALLOW)) == ["granted", 0]


FORKED_WITHIN = """
import json, os, signal, socket, time
children = []
def handler(signum, frame):
    children.append(os.fork())
signal.signal(signal.SIGALRM, handler)
def reach():
    try:
        socket.create_connection(("127.0.0.1", 9), 5)
    except OSError as error:
        return type(error).__name__
first = reach()
signal.setitimer(signal.ITIMER_REAL, 0.3)
start = time.monotonic()
second = reach()
if children == [0]:
    # It shares the socket, on which its parent has come first; but it was let go on.
    os._exit(7 if second != "Denied" and time.monotonic() - start < 20 else 1)
print(json.dumps([first, second, len(children), os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1])]))
"""


def test_a_handler_that_forks_while_its_thread_waits_leaves_each_its_own_answer(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    """The answer is a second away when the fork comes; the child asks anew, on a line of its own."""
    rules = """
    version: 1
    default: deny
    rules:
      - {name: slow, log: connect, to: "127.0.0.1", limit: {connections: 1/s, burst: 1, over: delay}}
    """
    run = guarded(tmp_path, FORKED_WITHIN, interpreter, rules=rules)
    assert said(run) == ["ConnectionRefusedError", "ConnectionRefusedError", 1, 7], run.stderr
    assert len({line["proc"]["pid"] for line in run.lines("connect")}) == 2
    assert len(run.lines("connect")) == 3
    assert run.lines("tamper") == []
