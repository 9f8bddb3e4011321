"""Programs that talk to a person: a shell with its jobs, an editor, a pager, a multiplexer, each on a terminal.

Each claim is shown without netguard first and must then hold word for word behind the wall.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervisor.running import is_alive
from tests.supervisor.terminal import CTRL_BACKSLASH, CTRL_C, CTRL_Z, PREFIXES, SECONDS, Shell, Terminal

PREFIX = {"plain": (), "walled": (*PREFIXES["walled"], "--")}
MARKED = [pytest.param(name, marks=pytest.mark.kernel if name == "walled" else ()) for name in PREFIX]

#: Says when it has the terminal: after its start, and each time it goes on. It starts no program: one that is stopped
#: while it does may stay neither here nor there. The words are in two pieces: `fg` shows the command before the job has
#: the terminal.
WAITING = f"""{sys.executable} -I -S -c '
import os, signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCONT])
os.write(2, b"up")
while signal.sigwait([signal.SIGCONT]): os.write(2, b"gone" b" on")
'"""


class Bash(Shell):
    """An interactive bash that is the guest, not netguard's parent."""

    def said(self, line: str) -> str:
        """What a line prints."""
        self.type(line)
        return self.end()[0].replace("\r\n", "\n")


@pytest.fixture(params=MARKED, ids=str)
def prefix(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return PREFIX[request.param]


@pytest.fixture
def bash(prefix: tuple[str, ...]) -> Iterator[Bash]:
    if not shutil.which("bash"):
        pytest.skip("the program bash")
    shell = Bash(prefix)
    yield shell
    shell.close()


def test_shell_has_its_terminal_and_ends_with_its_status(bash: Bash) -> None:
    assert bash.said("tty").startswith("/dev/pts/")
    bash.resize(33, 111)
    assert bash.said("stty size") == "33 111\n"
    assert bash.said("false | true; echo ${PIPESTATUS[@]}") == "1 0\n"
    bash.type("exit 5")
    assert bash.wait() == 5


def test_job_is_stopped_goes_on_behind_and_comes_back(bash: Bash) -> None:
    bash.type(WAITING)
    bash.expect("up")
    bash.type(CTRL_Z)
    before, status = bash.end()
    assert ("Stopped" in before, status) == (True, 148)
    assert "Stopped" in bash.said("jobs")
    bash.type("bg")
    bash.expect("gone on")
    bash.type("echo here")
    bash.expect("here\r\n")
    bash.status()
    assert "Running" in bash.said("jobs")
    bash.said("kill -STOP %1; wait %1")
    assert "Stopped" in bash.said("jobs")
    bash.type("fg")
    bash.expect("gone on")
    bash.type(CTRL_C)
    assert bash.status() == 130
    assert bash.said("jobs") == ""


def test_keys_reach_the_job_in_front_alone(bash: Bash) -> None:
    bash.said("trap 'echo shell heard' INT; sleep 1000 & sleep 1000 & echo")
    bash.type(WAITING)
    bash.expect("up")
    bash.type(CTRL_C)
    bash.status()
    assert bash.said("jobs").count("Running") == 2
    bash.said("ulimit -c 0")
    bash.type(WAITING)
    bash.expect("up")
    bash.type(CTRL_BACKSLASH)
    assert bash.status() == 131
    bash.said("kill %1; wait %1")
    assert bash.said("jobs").count("Running") == 1
    bash.said("kill %2; wait %2")
    bash.type("exit 0")
    assert bash.wait() == 0


def test_pipeline_in_front_is_one_job(bash: Bash) -> None:
    bash.type(f"yes | {WAITING} | cat")
    bash.expect("up")
    bash.type(CTRL_Z)
    assert bash.status() == 148
    assert "yes | " in bash.said("jobs")
    bash.type("fg")
    bash.expect("gone on")
    bash.type(CTRL_C)
    assert bash.status() == 130


def test_shell_hears_the_size_while_a_job_runs(bash: Bash) -> None:
    bash.type("sh -c 'trap \"stty size; exit 3\" WINCH; echo up; while :; do sleep 0.01; done'")
    bash.expect("up")
    bash.resize(44, 55)
    bash.expect("44 55")
    assert bash.status() == 3


def test_shell_that_loses_its_terminal_ends_with_its_jobs(prefix: tuple[str, ...], tmp_path: Path) -> None:
    if not shutil.which("bash"):
        pytest.skip("the program bash")
    bash = Bash(prefix)
    bash.type(f"sh -c 'echo $$ > {tmp_path}/pid; echo up; exec sleep 1000'")
    bash.expect("up")
    assert bash.hang_up() == 129
    pid, until = int((tmp_path / "pid").read_text()), time.monotonic() + SECONDS
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert not is_alive(pid)


def test_editor_draws_and_writes(prefix: tuple[str, ...], tmp_path: Path) -> None:
    if not shutil.which("vim"):
        pytest.skip("the program vim")
    file = tmp_path / "text"
    editor = Terminal([*prefix, "vim", "-u", "NONE", "-i", "NONE", "-n", "-N", str(file)], TERM="xterm")
    editor.expect("[New]")
    editor.type(b"ityped by hand\x1b")
    editor.type(b":wq\r")
    assert editor.wait() == 0
    assert file.read_text() == "typed by hand\n"
    editor.close()


def test_pager_shows_page_by_page(prefix: tuple[str, ...], tmp_path: Path) -> None:
    if not shutil.which("less"):
        pytest.skip("the program less")
    file = tmp_path / "long"
    file.write_text("".join(f"line {number}\n" for number in range(1, 500)))
    pager = Terminal([*prefix, "less", str(file)], TERM="xterm", LESS="", LINES="10", COLUMNS="80")
    pager.expect("line 9")
    pager.type(b" ")
    pager.expect("line 18")
    pager.type(b"q")
    assert pager.wait() == 0
    pager.close()


def test_multiplexer_has_sessions(prefix: tuple[str, ...], tmp_path: Path) -> None:
    """Its server is a daemon of the run's, and ends with its last session."""
    if not shutil.which("tmux"):
        pytest.skip("the program tmux")
    words = ["tmux", "-S", str(tmp_path / "socket"), "-f", "/dev/null", "new-session", "sh"]
    tmux = Terminal([*prefix, *words], TERM="xterm", PS1="ready> ", SHELL="/bin/sh", ENV="")
    tmux.resize(24, 80)
    tmux.expect("ready>")
    tmux.type(f"echo $((6 * 7)) | tee {tmp_path}/told")
    tmux.expect("42")
    tmux.type("exit")
    assert tmux.wait() == 0
    assert (tmp_path / "told").read_text() == "42\n"
    tmux.close()


def test_python_prompt_is_a_prompt(prefix: tuple[str, ...]) -> None:
    prompt = Terminal([*prefix, sys.executable, "-q"], TERM="dumb", PYTHON_BASIC_REPL="1")
    prompt.expect(">>>")
    prompt.type("6 * 7")
    prompt.expect("42")
    prompt.type("import time; print('up'); time.sleep(1000)")
    prompt.expect("up\r\n")
    prompt.type(CTRL_C)
    prompt.expect("KeyboardInterrupt")
    prompt.type("exit(3)")
    assert prompt.wait() == 3
    prompt.close()
