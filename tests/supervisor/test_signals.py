"""Signals as values: what each means, and that one sent to netguard's pid does to the guest what a plain run shows."""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netguard.supervisor import signals
from netguard.supervisor.signals import FORWARD, IGNORE, REAP, RESUME, SI_KERNEL, SI_USER
from tests.supervisor.terminal import PAUSE, PREFIXES, SECONDS, UP, environment, status_of

ME = sys.executable
SI_TKILL, SI_QUEUE = -6, -1


@pytest.fixture(params=PREFIXES, ids=str)
def prefix(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return PREFIXES[request.param]


@contextmanager
def running(prefix: tuple[str, ...], source: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """A program that has said "up"; its reads end with the test."""
    with subprocess.Popen(
        [*prefix, "-c", source], env=environment(**more), stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            said = line_of(process)
            assert said.startswith("up")
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line a program writes; fails the test when none comes in time. One line at a time is written."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], SECONDS)
    assert ready, "nothing was said"
    return process.stdout.readline().strip()


#: signal, code, from the guest, leads its session, guest left the group -> meaning
ROWS = [
    ("SIGINT", SI_KERNEL, False, False, False, IGNORE),
    ("SIGINT", SI_KERNEL, False, True, False, IGNORE),
    ("SIGINT", SI_KERNEL, False, False, True, FORWARD),
    ("SIGINT", SI_USER, False, False, False, FORWARD),
    ("SIGINT", SI_QUEUE, False, False, False, FORWARD),
    ("SIGINT", SI_TKILL, False, False, False, FORWARD),
    ("SIGINT", SI_USER, True, True, True, IGNORE),
    ("SIGTSTP", SI_KERNEL, False, False, False, IGNORE),
    ("SIGTSTP", SI_USER, False, False, False, FORWARD),
    ("SIGWINCH", SI_KERNEL, False, True, False, IGNORE),
    ("SIGHUP", SI_KERNEL, False, False, False, IGNORE),
    ("SIGHUP", SI_KERNEL, False, True, False, FORWARD),
    ("SIGHUP", SI_USER, False, False, False, FORWARD),
    ("SIGHUP", SI_USER, True, True, False, IGNORE),
    ("SIGTERM", SI_USER, False, False, False, FORWARD),
    ("SIGTERM", SI_USER, True, False, False, IGNORE),
    ("SIGALRM", SI_KERNEL, False, False, False, FORWARD),
    ("SIGCONT", SI_USER, False, False, False, RESUME),
    ("SIGCONT", SI_KERNEL, False, True, False, RESUME),
    ("SIGCHLD", 1, True, False, False, REAP),
    ("SIGCHLD", 6, True, False, False, REAP),
    ("SIGCHLD", SI_USER, False, False, False, REAP),
    ("SIGRTMIN", SI_QUEUE, False, False, False, FORWARD),
    ("SIGRTMAX", SI_QUEUE, True, False, False, IGNORE),
]


@pytest.mark.parametrize(("name", "code", "from_guest", "leads", "left", "meaning"), ROWS)
def test_a_signal_means(name: str, code: int, from_guest: bool, leads: bool, left: bool, meaning: str) -> None:
    assert signals.action(getattr(signal, name), code, from_guest, leads, left) == meaning


def test_every_signal_taken_has_a_meaning_in_every_case() -> None:
    for signum in signals.TAKEN:
        for code in (SI_KERNEL, SI_USER, 1):
            for case in range(8):
                answer = signals.action(signum, code, bool(case & 1), bool(case & 2), bool(case & 4))
                assert answer in (FORWARD, IGNORE, REAP, RESUME)


def test_the_table_names_only_signals() -> None:
    known = {name for name in dir(signal) if name.startswith("SIG")} | {"SIGINFO", "SIGPWR"}
    assert set(signals.TABLE) <= known


def test_signals_that_say_netguard_itself_is_broken_are_not_taken() -> None:
    """Those must end it: the guest's next question is then denied."""
    broken = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGKILL, signal.SIGSTOP}
    assert not broken & signals.TAKEN


PASSED_ON = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGABRT", "SIGIO", "SIGRTMIN"]


@pytest.mark.parametrize("name", PASSED_ON)
def test_a_signal_to_the_pid_ends_as_in_a_plain_run(prefix: tuple[str, ...], name: str) -> None:
    quiet = "import resource, signal\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nsignal.signal(2, 0)\n"
    with running(prefix, quiet + UP + PAUSE) as process:
        process.send_signal(getattr(signal, name))
        assert status_of(process.wait(SECONDS)) == 128 + getattr(signal, name)


@pytest.mark.parametrize("name", [*PASSED_ON, "SIGWINCH", "SIGTSTP", "SIGTTIN", "SIGURG", "SIGPROF"])
def test_a_signal_to_the_pid_is_heard_each_time(prefix: tuple[str, ...], name: str) -> None:
    """A second one too: netguard is no filter between someone who loses patience and the guest."""
    heard = f"import os, signal\nsignal.signal(signal.{name}, lambda *_: os.write(1, b'heard\\n'))\n"
    with running(prefix, heard + UP + PAUSE) as process:
        for _ in range(3):
            process.send_signal(getattr(signal, name))
            assert line_of(process) == "heard"
        process.kill()


def test_a_guest_may_end_as_it_likes_after_sigterm(prefix: tuple[str, ...]) -> None:
    with running(prefix, "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(3))\n" + UP + PAUSE) as process:
        process.terminate()
        assert process.wait(SECONDS) == 3


def test_nohup_outlives_a_hang_up(prefix: tuple[str, ...]) -> None:
    nohup = ("nohup", *prefix)
    heard = "import os, signal\nsignal.signal(signal.SIGUSR1, lambda *_: os.write(1, b'alive\\n'))\n"
    with running(nohup, heard + UP + PAUSE) as process:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGUSR1)
        assert line_of(process) == "alive"
        process.terminate()
        assert status_of(process.wait(SECONDS)) == 143


def test_a_background_job_ignores_the_keyboard(prefix: tuple[str, ...]) -> None:
    """A shell without job control starts it with SIGINT ignored, and Python keeps to that."""
    source = "import os, signal; os.kill(os.getppid() if {} else os.getpid(), 2); print(signal.getsignal(2))"
    words = [*prefix, "-c", source.format(prefix == PREFIXES["guarded"])]
    done = subprocess.run(
        ["sh", "-c", f"{shlex.join(words)} & wait $!"], env=environment(), stdout=-1, text=True, timeout=SECONDS
    )
    assert done.stdout.split()[-1] in ("1", "Handlers.SIG_IGN")
    assert done.returncode == 0


def test_a_signal_before_the_guest_exists_is_not_lost() -> None:
    """Ctrl-C while netguard starts: the guest was not there to get it."""
    early = environment(GUEST_DRIVER_EARLY=str(int(signal.SIGTERM)))
    done = subprocess.run([*PREFIXES["guarded"], "-c", UP + PAUSE], env=early, stderr=-3, timeout=SECONDS)
    assert done.returncode == 143


def test_a_guest_can_not_end_its_guard_with_a_signal() -> None:
    """The guest signals netguard with all it has; netguard must live and the guest must get none of it back."""
    source = (
        "import os, signal\n"
        "for name in ('TERM', 'INT', 'HUP', 'QUIT', 'USR1', 'ALRM', 'ABRT', 'IO', 'TSTP', 'TTIN', 'RTMIN'):\n"
        "    os.kill(os.getppid(), getattr(signal, 'SIG' + name))\n"
        "signal.signal(signal.SIGUSR2, lambda *_: os._exit(7))\n" + UP + PAUSE
    )
    with running(PREFIXES["guarded"], source) as process:
        process.send_signal(signal.SIGUSR2)
        assert process.wait(SECONDS) == 7


def test_a_stop_is_mirrored_and_sigcont_to_the_pid_is_enough(prefix: tuple[str, ...]) -> None:
    source = UP + "for _ in range(5): os.kill(os.getpid(), signal.SIGSTOP); print('on', flush=True)\nsys.exit(5)\n"
    with running(prefix, source) as process:
        for _ in range(5):
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            assert os.WSTOPSIG(status) == signal.SIGSTOP
            process.send_signal(signal.SIGCONT)
            assert line_of(process) == "on"
        assert process.wait(SECONDS) == 5


def test_a_stopped_guest_can_be_ended(prefix: tuple[str, ...]) -> None:
    """SIGTERM waits until someone continues the job, as for any stopped process."""
    with running(prefix, UP + "os.kill(os.getpid(), signal.SIGSTOP)" + PAUSE) as process:
        os.waitpid(process.pid, os.WUNTRACED)
        process.terminate()
        process.send_signal(signal.SIGCONT)
        assert status_of(process.wait(SECONDS)) == 143


def test_where_the_kernel_names_no_sender_signals_still_arrive() -> None:
    """The way of a system without sigwaitinfo; without a terminal nothing can be the keyboard's."""
    with running(PREFIXES["guarded"], UP + PAUSE, GUEST_DRIVER_GUESS="1") as process:
        process.send_signal(signal.SIGQUIT)
        assert process.wait(SECONDS) == 131


def test_an_inherited_ignore_of_sigchld_does_not_lose_the_status() -> None:
    line = f"trap '' CHLD; {shlex.join(PREFIXES['guarded'])} -c 'raise SystemExit(6)'"
    done = subprocess.run(["bash", "-c", f"{line}; exit $?"], env=environment(), timeout=SECONDS)
    assert done.returncode == 6


def test_an_inbox_hands_over_number_code_and_sender() -> None:
    """In a process of its own, whose signals all belong to the inbox."""
    source = """
import os, select, signal, subprocess
from netguard.supervisor import signals
mask = signals.hold()
print(sorted(mask))
inbox = signals.Inbox()
print(inbox.drain())
def wait():
    arrived = []
    while not arrived:  # the byte that wakes may come after what it tells of was taken
        select.select([inbox.fd], [], [])
        arrived = inbox.drain()
    return [(a.signum, a.code, a.pid) for a in arrived]
os.kill(os.getpid(), signal.SIGUSR1)
print(wait() == [(signal.SIGUSR1, signals.SI_USER, os.getpid())])
child = subprocess.Popen(["sh", "-c", "kill -TERM $PPID; read line"], stdin=subprocess.PIPE)
print(wait() == [(signal.SIGTERM, signals.SI_USER, child.pid)], signals.descends(child.pid, os.getpid()))
child.communicate()
print([(number, pid == child.pid) for number, _, pid in wait()] == [(signal.SIGCHLD, True)])
signal.setitimer(signal.ITIMER_REAL, 0.001)
print(wait() == [(signal.SIGALRM, signals.SI_KERNEL, 0)], inbox.drain())
"""
    done = subprocess.run([ME, "-c", source], env=environment(), stdout=-1, text=True, timeout=SECONDS)
    assert done.stdout.splitlines() == ["[]", "[]", "True", "True True", "True", "True []"]


def test_an_inbox_loses_no_signal_under_load() -> None:
    """Real-time signals queue instead of merging, so each one sent must come out."""
    source = """
import os, select, signal
from netguard.supervisor import signals
signals.hold()
inbox = signals.Inbox()
child = os.posix_spawn("/bin/bash", ["bash", "-c",
    f"for ((i = 0; i < 5000; i++)); do kill -{signal.SIGRTMIN + 1} $PPID || exit 1; done"], dict(os.environ))
count = ended = 0
while not ended or count < 5000:
    select.select([inbox.fd], [], [])
    for arrival in inbox.drain():
        count += arrival.signum == signal.SIGRTMIN + 1
        ended += arrival.signum == signal.SIGCHLD
print(count)
"""
    done = subprocess.run([ME, "-c", source], env=environment(), stdout=-1, text=True, timeout=SECONDS)
    assert done.stdout == "5000\n"


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc/PID/stat")
def test_descent_is_read_up_to_the_guest_and_no_further() -> None:
    with subprocess.Popen(["sh", "-c", "sh -c 'echo $$; read line'; true"], stdin=-1, stdout=-1, text=True) as process:
        inner = int(line_of(process))
        assert signals.descends(inner, process.pid)
        assert signals.descends(process.pid, process.pid)
        assert signals.descends(inner, os.getpid())
        assert not signals.descends(os.getpid(), process.pid)
        assert not signals.descends(1, process.pid)
        assert not signals.descends(0, process.pid)
        process.communicate(timeout=SECONDS)
    assert not signals.descends(inner, os.getpid())


@pytest.mark.skipif(not os.path.exists("/proc/self/comm"), reason="needs /proc/PID/comm")
def test_a_process_name_can_not_fake_its_parent() -> None:
    """The name stands in front of the parent's pid in /proc/PID/stat and is the process's own choice."""
    source = "open('/proc/self/comm', 'w').write('x) R 1 1 (y'); print('up', flush=True); input()"
    with subprocess.Popen([ME, "-c", source], stdin=-1, stdout=-1, text=True) as process:
        line_of(process)
        assert signals.parent(process.pid) == os.getpid()
        process.communicate("\n", timeout=SECONDS)


def test_a_deep_tree_does_not_hold_up_the_loop() -> None:
    """The look-up is bounded; past the bound a sender counts as a stranger."""
    depth = signals.DEPTH + 20
    source = (
        "import os, sys\n"
        f"for _ in range({depth}):\n"
        "    if os.fork():\n"
        "        os.wait()\n"
        "        os._exit(0)\n"
        "print(os.getpid(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([ME, "-c", source], stdin=-1, stdout=-1, text=True) as process:
        deepest = int(line_of(process))
        assert not signals.descends(deepest, process.pid)
        process.communicate(timeout=SECONDS)
