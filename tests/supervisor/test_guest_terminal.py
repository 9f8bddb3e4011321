"""A guest on a terminal: each claim is shown with plain Python first and must then hold word for word when guarded."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervisor.terminal import (
    CTRL_BACKSLASH,
    CTRL_C,
    CTRL_Z,
    LISTEN,
    PAUSE,
    PREFIXES,
    SECONDS,
    UP,
    Shell,
    Terminal,
    environment,
    status_of,
)

CONTINUED = "import os, signal\nsignal.signal(signal.SIGCONT, lambda *_: os.write(1, b'continued\\n'))\n"
READ = "print(f'read {sys.stdin.readline().strip()}', flush=True)\n"


def count(name: str, first: str = "") -> str:
    """A guest that does `first`, and tells how often it heard a signal when a line is typed: by then all have come."""
    heard = f"signal.signal(signal.{name}, lambda *_: (counts.append(1), os.write(1, b'heard\\n')))"
    return (
        f"import os, signal\ncounts = []\n{heard}\n{UP}\n{first}{LISTEN}\nprint(f'count {{len(counts)}}', flush=True)\n"
    )


MARKED = [pytest.param(name, marks=pytest.mark.kernel if name == "walled" else ()) for name in PREFIXES]


@pytest.fixture(params=MARKED, ids=str)
def prefix(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return PREFIXES[request.param]


@pytest.fixture
def shell() -> Iterator[Shell]:
    terminal = Shell()
    yield terminal
    terminal.close()


@pytest.fixture
def line(prefix: tuple[str, ...], tmp_path: Path):  # noqa: ANN201 - a function that writes a script and names it
    def write(source: str) -> str:
        script = tmp_path / "script.py"
        script.write_text(source)
        return shlex.join((*prefix, str(script)))

    return write


def test_ctrl_c_interrupts_a_waiting_guest_once(shell: Shell, line) -> None:
    shell.type(line(UP + PAUSE))
    shell.expect("up")
    shell.type(CTRL_C)
    said, status = shell.end()
    assert (said.count("KeyboardInterrupt"), status) == (1, 130)


@pytest.mark.parametrize(("keys", "name"), [(CTRL_C, "SIGINT"), (CTRL_BACKSLASH, "SIGQUIT")])
def test_a_key_is_heard_once(shell: Shell, line, keys: bytes, name: str) -> None:
    shell.type(line(count(name)))
    shell.expect("up")
    shell.type(keys)
    shell.expect("heard")
    shell.type("")
    shell.expect("count 1")
    assert shell.status() == 0


def test_ctrl_backslash_quits(shell: Shell, line) -> None:
    shell.type("ulimit -c 0; " + line(UP + PAUSE))
    shell.expect("up")
    shell.type(CTRL_BACKSLASH)
    assert shell.status() == 131


def test_ctrl_z_stops_the_job_and_fg_goes_on(shell: Shell, line) -> None:
    shell.type(line(UP + LISTEN + READ))
    shell.expect("up")
    shell.type(CTRL_Z)
    said, status = shell.end()
    assert "[1]+  Stopped   " in said
    assert status == 148
    shell.type("fg")
    shell.expect("script.py")
    shell.type("on")
    shell.expect("read on")
    assert shell.status() == 0


def test_ctrl_z_and_bg_goes_on_behind(shell: Shell, line) -> None:
    shell.type(line(CONTINUED.replace("os.write(1, b'continued\\n')", "sys.exit('continued')") + UP + PAUSE))
    shell.expect("up")
    shell.type(CTRL_Z)
    assert shell.status() == 148
    shell.type("bg; wait %1")
    said, status = shell.end()
    assert (said.count("continued"), status) == (1, 1)


def test_a_job_can_be_stopped_many_times(shell: Shell, line) -> None:
    shell.type(line(CONTINUED + UP + LISTEN + READ))
    shell.expect("up")
    for _ in range(10):
        shell.type(CTRL_Z)
        assert shell.status() == 148
        shell.type("fg")
        shell.expect("continued\r\n")
    shell.type("on")
    assert "continued" not in shell.expect("read on")
    assert shell.status() == 0


def test_a_guest_that_handles_ctrl_z_stops_when_it_is_ready(shell: Shell, line) -> None:
    handler = (
        "import os, signal\n"
        "def stop(*_):\n"
        "    print('saving', flush=True); os.kill(os.getpid(), signal.SIGSTOP); print('restored', flush=True)\n"
        "signal.signal(signal.SIGTSTP, stop)\n"
    )
    shell.type(line(handler + UP + LISTEN + READ))
    shell.expect("up")
    shell.type(CTRL_Z)
    shell.expect("saving")
    said, status = shell.end()
    assert "Stopped" in said
    assert status == 128 + signal.SIGSTOP
    shell.type("fg")
    shell.expect("restored")
    shell.type("on")
    shell.expect("read on")
    assert shell.status() == 0


def test_a_guest_that_ignores_ctrl_z_goes_on(shell: Shell, line) -> None:
    shell.type(line("import signal\nsignal.signal(signal.SIGTSTP, signal.SIG_IGN)\n" + UP + LISTEN + READ))
    shell.expect("up")
    shell.type(CTRL_Z)
    shell.type("on")
    assert "Stopped" not in shell.expect("read on")
    assert shell.status() == 0


def test_a_job_that_reads_from_behind_stops_until_fg(shell: Shell, line) -> None:
    shell.type(line(UP + READ) + " &")
    assert shell.status() == 0
    shell.type("wait %1")
    said, status = shell.end()
    assert "Stopped" in said
    assert status == 128 + signal.SIGTTIN
    shell.type("fg")
    shell.expect("script.py")
    shell.type("on")
    shell.expect("read on")
    assert shell.status() == 0


def test_a_guest_that_leads_its_own_group_still_hears_ctrl_c(shell: Shell, line) -> None:
    """os.setpgrp() changes nothing for a plain job, which leads its group already."""
    shell.type(line("import os\nos.setpgrp()\n" + UP + PAUSE))
    shell.expect("up")
    shell.type(CTRL_C)
    said, status = shell.end()
    assert (said.count("KeyboardInterrupt"), status) == (1, 130)


def test_a_shell_as_guest_has_job_control_of_its_own(shell: Shell, prefix: tuple[str, ...]) -> None:
    sleeper = shlex.join((*PREFIXES["plain"], "-c", CONTINUED + UP + PAUSE))
    inner = shlex.join(("bash", "--norc", "--noprofile", "--noediting", "-i"))
    shell.type(inner if prefix == PREFIXES["plain"] else f"{shlex.join(prefix)} -- {inner}")
    assert shell.status() == 0
    shell.type(sleeper)
    shell.expect("up")
    shell.type(CTRL_Z)
    assert shell.status() == 148
    shell.type("fg")
    shell.expect("continued\r")
    shell.type(CTRL_C)
    assert shell.status() == 130
    shell.type("exit 4")
    assert shell.status() == 4


def test_the_window_size_is_seen_and_its_change_heard_once(shell: Shell, line) -> None:
    shell.resize(30, 90)
    source = count("SIGWINCH") + "print('size', *os.get_terminal_size(), flush=True)\n"
    shell.type(line(source))
    shell.expect("up")
    shell.resize(40, 100)
    shell.expect("heard")
    shell.type("")
    shell.expect("count 1")
    shell.expect("size 100 40")


def test_streams_group_and_session_are_those_of_a_plain_run(shell: Shell, line) -> None:
    shell.type(
        line(
            "import os\n"
            "print(*(os.isatty(fd) for fd in range(3)), os.getpgrp() == os.tcgetpgrp(0),"
            f" os.ttyname(0) == os.ttyname(2), os.getsid(0) == {shell.process.pid})\n"
        )
    )
    shell.expect("True True True True True True")
    assert shell.status() == 0


def test_pipes_are_pipes(shell: Shell, line) -> None:
    guest = line("import os\nprint(os.isatty(0), os.isatty(1), os.isatty(2), input())\n")
    shell.type(f"echo text | {guest} | cat")
    shell.expect("False False True text")


def test_a_command_dies_of_a_closed_pipe(shell: Shell, prefix: tuple[str, ...]) -> None:
    run = "yes" if prefix == PREFIXES["plain"] else shlex.join((*prefix, "--", "yes"))
    shell.type(f"{run} | head -1; (exit ${{PIPESTATUS[0]}})")
    assert shell.status() == 141


def test_a_reader_is_told_when_the_guest_closes_its_output(shell: Shell, line) -> None:
    shell.type(line("import os, sys\nos.close(1); open('/dev/tty').readline()\n") + " | (cat; echo clo''sed)")
    shell.expect("closed")
    shell.type("on")
    assert shell.status() == 0


def test_a_signal_to_the_own_group_comes_once(shell: Shell, line) -> None:
    source = count("SIGUSR1", "os.kill(0, signal.SIGUSR1)")
    shell.type(line(source))
    shell.expect("heard")
    shell.type("")
    shell.expect("count 1")
    assert shell.status() in (0, 138)  # the plain job has the group to itself; nothing else may die of it


def test_a_signal_from_the_guests_child_to_the_group_comes_once(shell: Shell, line, prefix: tuple[str, ...]) -> None:
    """The child lives on, so that netguard can see whose child it is, until a later signal was passed on."""
    source = count(
        "SIGUSR1",
        "signal.signal(signal.SIGUSR2, lambda *_: os.write(1, b'passed\\n'))\n"
        "import subprocess\n"
        "print(f'job {os.getpid()} {os.getppid()} end', flush=True)\n"
        "child = subprocess.Popen(['sh', '-c', 'trap : USR1; kill -USR1 0; read line'], stdin=subprocess.PIPE)\n",
    )
    shell.type(line(source))
    shell.expect("job ")
    own, parent = shell.expect(" end").split()
    shell.expect("heard")
    os.kill(int(own if prefix == PREFIXES["plain"] else parent), signal.SIGUSR2)
    shell.expect("passed")
    shell.type("")
    shell.expect("count 1")


def test_a_vanished_terminal_hangs_up_the_guest(prefix: tuple[str, ...], tmp_path: Path) -> None:
    """Alone on its terminal the program leads the session: the kernel tells the leader, and nobody else."""
    script = tmp_path / "script.py"
    script.write_text("import signal\nsignal.signal(signal.SIGHUP, lambda *_: sys.exit(9))\nimport sys\n" + UP + PAUSE)
    terminal = Terminal([*prefix, str(script)])
    terminal.expect("up")
    terminal.expect("\n")
    assert terminal.hang_up() == 9
    terminal.close()


def test_a_closed_shell_ends_the_job_and_netguard_outlives_it(prefix: tuple[str, ...], tmp_path: Path) -> None:
    """The pipe's last writer is the job; it must tell its parent's pid as it was before the hang-up."""
    script, told = tmp_path / "script.py", tmp_path / "told"
    os.mkfifo(told)
    script.write_text(
        "import os, signal, sys\n"
        "parent = os.getppid()\n"
        "def end(*_):\n"
        "    os.write(out, b'alone' if os.getppid() != parent else b'kept'); os._exit(0)\n"
        f"out = os.open({str(told)!r}, os.O_WRONLY)\n"
        "signal.signal(signal.SIGHUP, end)\n" + UP + PAUSE
    )
    shell = Shell()
    shell.type(shlex.join((*prefix, str(script))))
    with open(told, "rb") as file:
        shell.expect("up")
        shell.expect("\n")  # a hang-up in the middle of the line would be an error for its writer
        shell.hang_up()
        heard = file.read()
    shell.close()
    # bash itself is the plain script's parent and may be gone; netguard waits for its guest. The shell hangs up the
    # whole job, so the guest hears of it from the shell and through netguard: what it says may come twice.
    assert heard
    assert prefix == PREFIXES["plain"] or b"alone" not in heard


def test_the_guests_foreground_status_is_what_a_parent_sees(prefix: tuple[str, ...]) -> None:
    """A parent that waits for stops sees the very signal, and its SIGCONT to that one pid is enough."""
    source = "import os, signal, sys; os.kill(os.getpid(), signal.SIGSTOP); sys.exit(5)"
    with subprocess.Popen([*prefix, "-c", source], env=environment()) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert os.WSTOPSIG(status) == signal.SIGSTOP
        os.kill(process.pid, signal.SIGCONT)
        assert status_of(process.wait(SECONDS)) == 5
