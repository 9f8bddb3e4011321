"""The guest as a process: what it is given at its start, and how its end is told."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from netguard.errors import NotExecutable, NotFound, StartError
from netguard.supervisor import guest
from netguard.supervisor.guest import Change
from netguard.supervisor.target import Target
from tests.supervisor.terminal import PREFIXES, SECONDS, environment, status_of

ME = sys.executable
GUARDED = PREFIXES["guarded"]
#: 32 and 33 belong to glibc, whose posix_spawn leaves them ignored. No program sees it: its libc sets them when it
#: needs them, and its sigaction refuses them to everyone else.
LIBCS_OWN = 0b11 << 31
#: What the kernel says of a process's signals.
SIGNALS = ("SigBlk", "SigIgn", "SigCgt")


def command(*words: str) -> Target:
    """A program by its path."""
    return Target(words[0], words, False, words[0])


def masks(status: str) -> dict[str, int]:
    """The signal sets of a /proc/PID/status, by name; bit 0 is signal 1."""
    pairs = (line.split(":\t") for line in status.splitlines() if ":\t" in line)
    return {name: int(value, 16) & ~LIBCS_OWN for name, value in pairs if name in SIGNALS}


BLOCKING = """
import os, signal, sys
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD})
os.execvp(sys.argv[1], sys.argv[1:])
"""
#: How netguard itself may be started: as a shell prefix. Each must make no difference to the guest.
SURROUNDINGS = {
    "plain": "{}",
    "nohup": "nohup {}",
    "behind": "{} & wait",
    "ignoring": "trap '' TERM USR1 TSTP TTIN; {}",
    "blocking": shlex.join([ME, "-c", BLOCKING]).replace("{", "{{").replace("}", "}}") + " {}",
}


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc/PID/status")
@pytest.mark.parametrize("surrounding", SURROUNDINGS.values(), ids=SURROUNDINGS)
@pytest.mark.parametrize("is_python", [True, False], ids=["python", "command"])
def test_signals_are_set_as_in_a_plain_run(surrounding: str, is_python: bool, tmp_path: Path) -> None:
    script = tmp_path / "tell.py"
    script.write_text("print(open('/proc/self/status').read())\n")
    words = [str(script)] if is_python else ["cat", "/proc/self/status"]
    told = []
    for before in ([ME], [*GUARDED]) if is_python else ([], [*GUARDED, "--"]):
        line = surrounding.format(shlex.join(before + words))
        done = subprocess.run(["sh", "-c", line], env=environment(), stdout=-1, stderr=-1, stdin=-3, timeout=SECONDS)
        told.append(masks(done.stdout.decode()))
    assert set(told[0]) == set(SIGNALS)
    assert told[1] == told[0]


def test_a_mistaken_sigpipe_would_be_seen() -> None:
    """The control of the test above: what Python ignores for itself is no part of a command's plain run."""
    done = subprocess.run(["cat", "/proc/self/status"], stdout=-1, restore_signals=False, timeout=SECONDS)
    assert masks(done.stdout.decode())["SigIgn"] >> (signal.SIGPIPE - 1) & 1


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("raise SystemExit(255)", 255),
        ("import os; os._exit(126)", 126),
        ("1/0", 1),
        ("raise KeyboardInterrupt", 130),
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; os.kill(os.getpid(), 15)", 143),
        ("import os, resource as r; r.setrlimit(r.RLIMIT_CORE, (0, 0)); os.abort()", 134),
        ("import os, signal; os.kill(os.getpid(), signal.SIGRTMIN)", 128 + signal.SIGRTMIN),
    ],
)
def test_the_status_is_that_of_a_plain_run(source: str, status: int) -> None:
    for prefix in PREFIXES.values():
        done = subprocess.run([*prefix, "-c", source], env=environment(), stderr=-3, timeout=SECONDS)
        assert status_of(done.returncode) == status


def test_standard_input_reaches_the_guest_with_its_end() -> None:
    source = "import sys; print(sys.stdin.read().upper(), end=''); print(repr(sys.stdin.read()))"
    for prefix in PREFIXES.values():
        done = subprocess.run([*prefix, "-c", source], env=environment(), input=b"a\nb", stdout=-1, timeout=SECONDS)
        assert done.stdout == b"A\nB''\n"


@pytest.mark.parametrize("fd", [0, 1, 2])
def test_a_closed_standard_stream_stays_closed_for_a_command(fd: int, tmp_path: Path) -> None:
    """Python opens nothing in its place, and neither may netguard."""
    told = tmp_path / "told"
    ask = f"[ -e /proc/self/fd/{fd} ] && echo open >{told} || echo closed >{told}"
    for before in ("", shlex.join([*GUARDED, "--"])):
        line = f"{before} sh -c {shlex.quote(ask)} {fd}>&-"
        subprocess.run(["bash", "-c", line], env=environment(), timeout=SECONDS)
        assert told.read_text() == "closed\n"


LIST = "import os; print(*sorted(int(n) for n in os.listdir('/dev/fd') if os.path.exists('/dev/fd/' + n)))"


def run_with(fds: tuple[int, ...], keep: str) -> subprocess.CompletedProcess[str]:
    """The guest's list of its descriptors, when netguard is started with `fds` and told to keep some."""
    return subprocess.run(
        [*GUARDED, "-c", LIST], env=environment(GUEST_DRIVER_KEEP=keep), pass_fds=fds, text=True, stdout=-1, stderr=-1,
        timeout=SECONDS,
    )  # fmt: skip


def test_a_connected_socket_is_not_inherited() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fd = theirs.fileno()
        control = subprocess.run([ME, "-c", LIST], pass_fds=(fd,), text=True, stdout=-1, timeout=SECONDS)
        assert str(fd) in control.stdout.split()
        assert run_with((fd,), "").stdout == "0 1 2\n"


def test_a_descriptor_is_kept_when_asked_for() -> None:
    read, write = os.pipe()
    assert run_with((read, write), str(write)).stdout == f"0 1 2 {write}\n"
    os.close(read)
    os.close(write)


def test_a_descriptor_that_was_not_handed_over_can_not_be_kept() -> None:
    """Otherwise --keep-fd could be given the number of netguard's own trail."""
    done = run_with((), "77")
    assert done.returncode == 125
    assert "descriptor 77" in done.stderr
    with open(os.devnull) as file, pytest.raises(StartError):
        guest.shut_inherited((file.fileno(),))


def test_a_shells_file_from_a_command_works(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys; print(open(sys.argv[1]).read(), end='')")
    for prefix in PREFIXES.values():
        line = f"{shlex.join(prefix)} {script} <(echo text)"
        done = subprocess.run(["bash", "-c", line], env=environment(), stdout=-1, timeout=SECONDS)
        assert done.stdout == b"text\n"


def test_a_kept_pipe_ends_when_the_guest_closes_it() -> None:
    """netguard holds no copy: the reader sees the end while the guest still lives."""
    read, write = os.pipe()
    source = f"import os, sys; os.write({write}, b'ready'); os.close({write}); sys.stdin.read()"
    with subprocess.Popen(
        [*GUARDED, "-c", source], env=environment(GUEST_DRIVER_KEEP=str(write)), pass_fds=(write,), stdin=-1
    ) as process:
        os.close(write)
        with open(read, "rb") as file:
            assert file.read() == b"ready"
        assert process.poll() is None
        process.communicate(timeout=SECONDS)
    assert process.returncode == 0


def test_letting_go_keeps_the_standard_numbers_taken() -> None:
    """And closes only what the guest was given, whatever number the user wrote."""
    source = (
        "import os; from netguard.supervisor import guest\n"
        "own = os.open('/', 0); given = os.dup(own); os.set_inheritable(given, True)\n"
        "guest.let_go((0, own, given, 99))\n"
        "print(os.path.samefile(0, os.devnull), os.path.samefile(own, '/'), os.open('/', 0) == given)"
    )
    done = subprocess.run([ME, "-c", source], env=environment(), stdin=-1, stdout=-1, text=True, timeout=SECONDS)
    assert done.stdout == "True True True\n"


@pytest.mark.parametrize(
    ("text", "mode", "error"),
    [
        (None, 0, NotFound),
        ("#!/no/such/interpreter\n", 0o755, NotFound),
        ("#!/bin/sh\n", 0o644, NotExecutable),
    ],
    ids=["absent", "no interpreter", "not executable"],
)
def test_a_refused_start_says_which_kind(text: str | None, mode: int, error: type[StartError], tmp_path: Path) -> None:
    path = tmp_path / "tool"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    with pytest.raises(error, match=str(path)) as caught:
        guest.start(command(str(path)), {}, ())
    assert caught.value.exit_code == (127 if error is NotFound else 126)


def test_arguments_that_are_too_long_are_told() -> None:
    with pytest.raises(NotExecutable, match=r"(?i)argument list too long"):
        guest.start(command("/bin/true", "x" * 2**22), {}, ())


def test_a_script_without_a_first_line_is_run_by_the_shell(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_text('echo "$0 $*"\n')
    path.chmod(0o755)
    done = subprocess.run([*GUARDED, "--", str(path), "a", "b"], env=environment(), stdout=-1, timeout=SECONDS)
    assert done.stdout.decode() == f"{path} a b\n"


def test_the_errors_of_the_driver_are_those_of_env() -> None:
    for words, status in ((["--", "no-such-tool"], 127), (["--", "/etc/passwd"], 126), (["no-such.py"], 127)):
        done = subprocess.run([*GUARDED, *words], env=environment(), stderr=-1, timeout=SECONDS)
        assert done.returncode == status


def test_what_python_says_of_itself_is_as_in_a_plain_run(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint(sys.argv, sys.path, __file__, __name__, sys.executable, sys.orig_argv)\n1/0\n")
    told = [
        subprocess.run([*prefix, "script.py", "-a", "--", ""], cwd=tmp_path, env=environment(), stdout=-1, stderr=-1)
        for prefix in PREFIXES.values()
    ]
    assert (told[1].stdout, told[1].stderr) == (told[0].stdout, told[0].stderr)


@pytest.mark.parametrize(
    ("change", "status", "is_end"),
    [(Change(1, "exited", 3), 3, True), (Change(1, "killed", 9), 137, True), (Change(1, "stopped", 20), 20, False)],
    ids=["exited", "killed", "stopped"],
)
def test_a_change_knows_if_it_is_the_end(change: Change, status: int, is_end: bool) -> None:
    assert (guest.exit_status(change), change.is_end) == (status, is_end)


def test_every_change_of_a_child_is_told_once() -> None:
    """In a process of its own: `reap` takes every child there is."""
    source = """
import os, signal
from netguard.supervisor import guest
assert guest.reap() == []
read, write = os.pipe()
pid = os.posix_spawn("/bin/cat", ["cat"], {}, file_actions=[(os.POSIX_SPAWN_DUP2, read, 0)])
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
assert guest.reap() == []
for signum in (signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL):
    os.kill(pid, signum)
    signal.sigwait({signal.SIGCHLD})
    for change in guest.reap():
        assert change.pid == pid
        print(change.what, change.value, change.core, guest.send(pid, 0))
print(guest.reap())
"""
    done = subprocess.run([ME, "-c", source], env=environment(), stdout=-1, text=True, timeout=SECONDS)
    assert done.stdout.splitlines() == [
        f"stopped {int(signal.SIGSTOP)} False True", "continued 0 False True", "killed 9 False False", "[]",
    ]  # fmt: skip


def test_a_core_is_told() -> None:
    assert guest.decode(1, 0x80 | signal.SIGSEGV).core
    assert not guest.decode(1, signal.SIGSEGV).core


def test_the_modules_are_cheap_to_import() -> None:
    """Start-up counts each millisecond: nothing that a bare interpreter does not load, but our own."""
    source = (
        "import sys; before = set(sys.modules); from netguard.supervisor import guest, signals, target;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([ME, "-c", source], env=environment(), stdout=-1, text=True, timeout=SECONDS)
    foreign = [name for name in done.stdout.split() if not name.startswith("netguard")]
    assert set(foreign) <= {"__future__", "errno"}
