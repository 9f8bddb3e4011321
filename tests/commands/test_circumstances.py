"""Runs that are not started at a terminal: by another user, by cron, by a CI runner, with streams closed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.hostile.natives import USERS, lacking
from tests.support.guard import Result, run_guarded
from tests.support.kernel import seccomp_missing

#: No `kernel` mark: here a program may be missing.
pytestmark = pytest.mark.skipif(bool(seccomp_missing()), reason=seccomp_missing())

NETGUARD = (sys.executable, "-m", "netguard", "run", "--wall", "require", "--quiet", "--default", "log")

#: Connects to a server, from Python and from a program that is none, and says how it went.
BOTH = """
import socket, subprocess, sys
port = sys.argv[1]
print(socket.socket().connect_ex(("127.0.0.1", int(port))), flush=True)
code = f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo 0"
subprocess.run(["bash", "-c", code])
"""


def both(**more: object) -> Result:
    """The run of both, with a server for them."""
    if not shutil.which("bash"):
        pytest.skip("the program bash")
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = ["-c", BOTH, str(server.getsockname()[1])]
        return run_guarded(words, rules="version: 1\ndefault: log\n", wall="require", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("user", USERS)
def test_user_is_root_or_anybody(user: str) -> None:
    if lacking(user):
        pytest.skip(lacking(user))
    done = both(before=USERS[user])
    assert (done.status, done.stdout) == (0, "0\n0\n"), done.stderr
    assert [line["layers"] for line in done.lines("connect")] == [["hook", "kernel"], ["kernel"]]
    assert {line["proc"]["uid"] for line in done.lines("connect")} == {65534 if USERS[user] else os.getuid()}


def test_cron_gives_no_home_no_terminal_and_a_short_path(tmp_path: Path) -> None:
    """PATH, HOME and SHELL are all it sets, and HOME may lead nowhere; nothing of ours may need more."""
    env = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LOGNAME": "any"}
    code = "import os; print(os.umask(0), os.environ.get('HOME')); print(open(0).read() == '')"
    words = ["sh", "-c", 'umask 077; exec "$@"', "sh", *NETGUARD, "--log", str(tmp_path / "trail"), "-c", code]
    done = subprocess.run(
        words, env=env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        start_new_session=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "63 None\nTrue\n"), done.stderr
    assert done.stderr == ""
    assert (tmp_path / "trail").stat().st_mode & 0o777 == 0o600


def test_home_that_cannot_be_written_is_said_with_what_helps(tmp_path: Path) -> None:
    user = USERS["ordinary user"]
    if lacking("ordinary user"):
        pytest.skip(lacking("ordinary user"))
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    words = [*user, *NETGUARD, "-c", "print(1)"]
    done = subprocess.run(words, env=env, cwd="/", capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (125, "")
    assert "cannot make the run's folder /nonexistent/" in done.stderr
    assert "--log names another" in done.stderr


def test_runner_has_pipes_and_no_terminal() -> None:
    code = "import os, sys; print([os.isatty(fd) for fd in (0, 1, 2)], os.environ.get('TERM'), os.environ['CI'])"
    done = run_guarded(["-c", code], env={"TERM": None, "CI": "true"}, wall="require", options=["--default", "log"])
    assert (done.status, done.stdout) == (0, "[False, False, False] None true\n")
    assert "\x1b" not in done.stderr


#: Streams that a shell closes, and what `sh -c 'echo told'` makes of each: its output and its status.
CLOSED = {"<&-": ("told\n", 0), ">&-": ("", 1), "2>&-": ("told\n", 0), "<&- 2>&-": ("told\n", 0)}


@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("guarded", [False, True], ids=["plain", "walled"])
def test_streams_may_be_closed(closed: str, guarded: bool, tmp_path: Path) -> None:
    words = [*NETGUARD, "--log", str(tmp_path / "trail"), "--"] if guarded else []
    done = shell(f'"$@" {closed}', *words, "sh", "-c", "echo told")
    assert (done.stdout, done.returncode) == CLOSED[closed]


def shell(line: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A line of bash, with words that it may use."""
    command = ["bash", "-c", line, "bash", *words]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("guarded", [False, True], ids=["plain", "walled"])
def test_reader_that_goes_away_ends_a_program_as_ever(guarded: bool, tmp_path: Path) -> None:
    if not shutil.which("bash"):
        pytest.skip("the program bash")
    words = [*NETGUARD, "--log", str(tmp_path / "trail"), "--"] if guarded else []
    done = shell('"$@" | head -1; echo ${PIPESTATUS[@]}', *words, "yes")
    assert done.stdout == "y\n141 0\n"
    assert done.stderr == ""


@pytest.mark.parametrize("leader", ["nohup", "setsid --wait", "env", "timeout 20", "nice", "sh -c 'exec \"$@\"' sh"])
def test_netguard_may_be_started_by_another_program(leader: str, tmp_path: Path) -> None:
    if not shutil.which(leader.split()[0]):
        pytest.skip(f"the program {leader.split()[0]}")
    words = [*NETGUARD, "--log", str(tmp_path / "trail"), "--", "sh", "-c", "echo told; exit 7"]
    done = shell(f'{leader} "$@"', *words)
    assert (done.returncode, done.stdout) == (7, "told\n"), done.stderr


STATUSES = {
    "exit 77": 77,
    "kill -9 $$": 137,
    "kill -TERM $$": 143,
    "ulimit -c 0; kill -SEGV $$": 139,
    "exec no-such-program": 127,
    "exec /etc/passwd": 126,
}


@pytest.mark.parametrize("script", STATUSES)
def test_status_is_the_guest_s(script: str, tmp_path: Path) -> None:
    done = shell('"$@"', *NETGUARD, "--log", str(tmp_path / "trail"), "--", "sh", "-c", script)
    assert done.returncode == STATUSES[script]


def test_changed_user_reaches_what_its_rights_cannot_lend(tmp_path: Path) -> None:
    """Addresses are decided as ever; where our own rights would count, the call is denied, and on record."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("root, to become another user; the program setpriv")
    code = "import socket; print(socket.socket().connect_ex(('127.0.0.1', 1)))\n"
    code += "try: socket.socket(socket.AF_UNIX).connect('/nowhere')\nexcept PermissionError as error: print('denied')"
    words = ["--", "setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-S", "-c", code]
    done = run_guarded(words, rules="version: 1\ndefault: log\n", wall="require", env={"LC_ALL": "C"})
    if done.status:
        pytest.skip("a Python that another user may read")
    assert done.stdout == "111\ndenied\n"
    assert done.lines("connect", verdict="deny")[0]["rule"] == "other-user"


def test_program_that_is_to_become_root_does_not_and_that_is_said() -> None:
    if lacking("ordinary user") or not shutil.which("id"):
        pytest.skip(lacking("ordinary user") or "the program id")
    user = USERS["ordinary user"]
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are for its user alone
        os.chmod(folder, 0o755)
        program = os.path.join(folder, "become")
        shutil.copy(str(shutil.which("id")), program)
        os.chmod(program, 0o4755)
        plain = subprocess.run([*user, program, "-u"], capture_output=True, text=True, check=False)
        if plain.stdout != "0\n":
            pytest.skip("a file system without nosuid")
        done = run_guarded(["--", program, "-u"], before=user, wall="require", cwd="/", options=["--default", "log"])
        root = run_guarded(["--", program, "-u"], wall="require", options=["--default", "log"])
    assert (done.status, done.stdout) == (0, "65534\n")
    said = f"netguard: {program}: no program gets rights from its file (setuid) in a run, only yours\n"
    assert said in done.stderr
    assert "setuid" not in root.stderr, "root has all of them"
