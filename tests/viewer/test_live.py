"""`netguard run --live` on a real terminal: what the guest writes stands above the view and reaches nothing else."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.supervisor.running import is_alive
from tests.support.guard import clean_environment, read_trail
from tests.viewer.person import NETGUARD, Person

RUN = "01KB0000000000000000000000"
ADVICE = "netguard: the keys belong to the view"

#: A guest that goes on until the person has seen what is to be seen: it waits for a file.
WAIT = "\nimport os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
LEAK = """
import socket
def leak():
    try: socket.create_connection(('169.254.169.254', 80), 1)
    except OSError: pass
leak()
"""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Callable[..., Person]]:
    """Starts `netguard run --live` with a script on a terminal."""
    with ExitStack() as closing:

        def start(code: str, *options: str, **more: Any) -> Person:
            (tmp_path / "job.py").write_text(code)
            (tmp_path / "rules.yaml").write_text("version: 1\ndefault: deny\n")
            words = ["run", "--live", "--rules", "rules.yaml", "--log", "trail.jsonl", *options, "job.py"]
            person = Person([*NETGUARD, *words], tmp_path, **more)
            closing.callback(person.close)
            return person

        yield start


def go(folder: Path) -> None:
    (folder / "go").touch()


def ends(person: Person, pid: int) -> bool:
    """Whether a process ends soon."""
    while is_alive(pid) and time.monotonic() < person.deadline:
        time.sleep(0.01)
    return not is_alive(pid)


# What stands where


def test_output_stands_above_the_view_and_the_summary_comes_last(tmp_path: Path, live: Callable[..., Person]) -> None:
    person = live(f"print('one')\nprint('two')\n{LEAK}{WAIT}\nprint('three')\nraise SystemExit(3)")
    shown = person.see("denied .* 169.254.169.254:80 .*leak")
    above, _, view = person.see("q leave").partition("─" * 80)
    assert above.index(ADVICE) < above.index("one\ntwo\n") < above.index("netguard: denied connect 169.254.169.254:80")
    assert re.search(r"^\n netguard  job\.py +running", view), shown
    assert "hooks on · wall " in view
    go(tmp_path)
    assert person.wait() == 3
    text = person.above
    for told in ("one\ntwo\n", "three\n", "netguard: 1 decision: 1 denied", "check: netguard verify"):
        assert text.count(told) == 1
    assert text.index("three\n") < text.index("netguard: 1 decision")
    assert not re.search("q leave|─{80}|running", text)
    assert person.is_put_back()
    assert person.stray() == []
    assert read_trail(tmp_path / "trail.jsonl")[0]["kind"] == "coverage"


def test_run_without_log_is_found_and_kept_as_any_other(tmp_path: Path) -> None:
    person = Person([*NETGUARD, "run", "--live", "--run", RUN, "-c", "print('hello')"], tmp_path)
    try:
        assert person.wait() == 0
        assert "hello\n" in person.above
        folder = tmp_path / "state" / "netguard" / "runs" / RUN
        assert sorted(os.listdir(folder)) == ["policy", "trail.jsonl"]
        assert {line["run"] for line in read_trail(folder / "trail.jsonl")} == {RUN}
    finally:
        person.close()


def test_lines_of_earlier_runs_in_the_same_file_are_not_shown(tmp_path: Path, live: Callable[..., Person]) -> None:
    assert live(LEAK).wait() == 0
    person = live(f"print('again'){WAIT}")
    person.see("no events yet")
    person.see("running")
    go(tmp_path)
    assert person.wait() == 0


def test_unfinished_line_is_shown_as_it_grows(tmp_path: Path, live: Callable[..., Person]) -> None:
    code = "import sys\nsys.stdout.write('10 %\\r50 %'); sys.stdout.flush()" + WAIT + "print('\\r100 % done')"
    person = live(code)
    person.see(r"(?m)^50 %$")
    person.see("running")
    assert "10 %" not in person.shown
    go(tmp_path)
    assert person.wait() == 0
    assert "100 % done\n" in person.above
    assert "50 %" not in person.above


def test_every_line_of_much_output_stands_above_once(tmp_path: Path, live: Callable[..., Person]) -> None:
    person = live("for n in range(3000): print(f'line {n} of many')")
    assert person.wait() == 0
    found = re.findall(r"(?m)^line (\d+) of many$", person.above)
    assert found == [str(n) for n in range(3000)]


def test_line_of_a_megabyte_comes_through(tmp_path: Path, live: Callable[..., Person]) -> None:
    person = live("print('x' * 1_000_000)\nprint('after')")
    person.looks = False
    assert person.wait() == 0
    rows = re.findall(rb"(x{100,})\x1b\[0m\r\n", person.raw)
    assert sum(map(len, rows)) == 1_000_000
    assert {len(row) % 80 for row in rows[:-1]} == {0}
    assert b"after\x1b[0m\r\n" in person.raw


def test_guest_waits_for_a_terminal_that_takes_nothing(tmp_path: Path, live: Callable[..., Person]) -> None:
    """What is not read must not pile up in the viewer: the guest's writes wait, as on a slow terminal."""
    code = "for n in range(60):\n    print('y' * 50_000)\n    open('count', 'w').write(str(n))\nprint('finished')"
    person = live(code)
    person.see("running")
    person.looks = False
    seen: list[str] = []
    while len(seen) < 4 or len(set(seen[-4:])) > 1:  # nothing is read here: until the guest gets no further
        time.sleep(0.2)
        seen.append((tmp_path / "count").read_text() if (tmp_path / "count").exists() else "0")
    assert int(seen[-1] or 0) < 40
    status = Path(f"/proc/{person.process.pid}/status").read_text()
    assert int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) < 120_000
    assert person.wait() == 0
    assert b"finished\x1b[0m\r\n" in person.raw


# Streams


def test_redirected_output_is_not_touched(tmp_path: Path) -> None:
    code = "import sys; sys.stdout.buffer.write(b'\\x1b]0;t\\x07\\xff\\r\\n'); print('err', file=sys.stderr)"
    command = f"{sys.executable} -m netguard run --live --log t -c \"{code}\" > out"
    person = Person(["sh", "-c", command], tmp_path)
    try:
        assert person.wait() == 0
        assert (tmp_path / "out").read_bytes() == b"\x1b]0;t\x07\xff\r\n"
        assert "err\n" in person.above
        assert person.stray() == []
    finally:
        person.close()


def test_piped_input_is_the_guest_s(tmp_path: Path) -> None:
    command = f"printf 'a\\nb\\n' | {sys.executable} -m netguard run --live --log t -c "
    command += "'import sys; print(sys.stdin.read().split())'"
    person = Person(["sh", "-c", command], tmp_path)
    try:
        assert person.wait() == 0
        assert "['a', 'b']\n" in person.above
        assert ADVICE not in person.above
    finally:
        person.close()


def test_input_from_the_terminal_is_empty(live: Callable[..., Person]) -> None:
    person = live("import os, sys; print([sys.stdin.read(), os.isatty(0), os.isatty(1), os.isatty(2)])")
    person.type(b"xyz\r")
    assert person.wait() == 0
    assert "['', False, True, True]\n" in person.above


PERSONAL = [
    ["-"], ["--", sys.executable], ["--", sys.executable, "-i", "-c", "pass"], ["-m", "pdb", "x.py"], ["--", "bash"],
]  # fmt: skip


@pytest.mark.parametrize("words", PERSONAL, ids=["dash", "python", "python-i", "pdb", "bash"])
def test_program_that_wants_a_person_is_refused(tmp_path: Path, words: list[str]) -> None:
    person = Person([*NETGUARD, "run", "--live", *words], tmp_path)
    try:
        assert person.wait() == 125
        assert "netguard watch in another terminal" in " ".join(person.shown.split())
        assert b"\x1b" not in person.raw
    finally:
        person.close()


def test_without_a_terminal_events_are_plain_lines(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("version: 1\ndefault: deny\n")
    done = subprocess.run(
        [*NETGUARD, "run", "--live", "--rules", "rules.yaml", "-c", f"print('one')\n{LEAK}\nraise SystemExit(4)"],
        capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path, env=clean_environment(str(tmp_path)),
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (4, "one\n")
    told = r"(?m)^\d\d:\d\d:\d\d\.\d{3} denied connect 169\.254\.169\.254:80 \(default, <string>:\d leak\)"
    assert re.search(told, done.stderr)
    assert "\x1b" not in done.stderr
    assert re.search(r"(?m)^\S+ ended exit 4$", done.stderr)


@pytest.mark.parametrize("words", [["--log", "-"], ["--log-fd", "2"]])
def test_trail_that_cannot_be_read_back_is_refused(tmp_path: Path, words: list[str]) -> None:
    done = subprocess.run(
        [*NETGUARD, "run", "--live", *words, "-c", "print('ran')"], capture_output=True, text=True, timeout=60,
        check=False, cwd=tmp_path, env=clean_environment(str(tmp_path)),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (125, "")
    assert "--live reads the trail" in done.stderr


@pytest.mark.parametrize("name", ["a/b", "..", "X" * 25, "X" * 27, "É" * 26, "a" * 26, "I" * 26])
def test_name_that_is_no_folder_s_is_refused(tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [*NETGUARD, "run", "--run", name, "-c", "print('ran')"], capture_output=True, text=True, timeout=60,
        check=False, cwd=tmp_path, env=clean_environment(str(tmp_path)),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (125, "")
    assert "a run's name is 26" in done.stderr


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- >&-"])
def test_streams_that_are_closed_are_nobody_s(tmp_path: Path, closed: str) -> None:
    """What the viewer opens would take their numbers; the guest finds them closed, as without a view."""
    code = (
        "import os\n"
        "def is_open(fd):\n    try: os.fstat(fd)\n    except OSError: return False\n    return True\n"
        "open('seen', 'w').write(str([is_open(fd) for fd in range(3)]))\n"
    )
    (tmp_path / "job.py").write_text(code)
    seen = []
    for live in ("", "--live"):
        command = f"{' '.join(NETGUARD)} run --default deny {live} --log {live or 'plain'}.jsonl job.py {closed}"
        person = Person(["bash", "-c", command.replace("--log --", "--log ./")], tmp_path)
        assert person.wait() == 0, person.shown
        assert b"Traceback" not in person.raw
        assert b"wake" not in person.raw
        seen.append((tmp_path / "seen").read_text())
        person.close()
    assert person.stray() == []
    assert seen[0] == seen[1]


def test_failure_of_the_run_is_told_and_is_its_status(tmp_path: Path) -> None:
    person = Person([*NETGUARD, "run", "--live", "--rules", "nowhere.yaml", "-c", "pass"], tmp_path)
    try:
        assert person.wait() == 125
        assert "nowhere.yaml" in person.above
        assert person.is_put_back()
    finally:
        person.close()


@pytest.mark.parametrize(("words", "said"), [("nowhere.py", "netguard not-found 127"), ("-c pass", "guest exited 0")])
def test_status_fd_says_whose_the_status_is(tmp_path: Path, words: str, said: str) -> None:
    command = f"{sys.executable} -m netguard run --live --status-fd 3 {words} 3> status"
    person = Person(["sh", "-c", command], tmp_path)
    try:
        person.wait()
        assert (tmp_path / "status").read_text() == f"{said}\n"
    finally:
        person.close()


# Keys and signals


def test_ctrl_c_reaches_the_guest(live: Callable[..., Person]) -> None:
    code = "import time\ntry:\n    print('up', flush=True)\n    time.sleep(60)\n"
    person = live(f"{code}except KeyboardInterrupt:\n    print('interrupted')\n    raise SystemExit(7)")
    person.see("(?m)^up$")
    person.see("running")
    person.type(b"\x03")
    assert person.wait() == 7
    assert person.above.count("interrupted") == 1
    assert person.is_put_back()


def test_ctrl_c_reaches_a_guest_that_has_turned_the_key_off(live: Callable[..., Person]) -> None:
    code = "import time, tty\ntty.setraw(2)\nprint('up', flush=True)\ntime.sleep(60)"
    person = live(code)
    person.see("(?m)^up")
    person.see("running")
    person.type(b"\x03")
    assert person.wait() == 130
    assert person.is_put_back()


def test_ctrl_c_reaches_a_guest_that_has_filled_its_input(live: Callable[..., Person]) -> None:
    code = """
import fcntl, os, termios, threading, time, tty
tty.setraw(2)
fd = os.open('/dev/tty', os.O_RDWR)
def fill():
    try:
        while True: fcntl.ioctl(fd, termios.TIOCSTI, b'x')
    except OSError:
        pass  # where the kernel refuses that, there is nothing to fill
threading.Thread(target=fill, daemon=True).start()
time.sleep(0.3)
print('up', flush=True)
time.sleep(60)
"""
    person = live(code)
    person.see("(?m)^up")
    person.see("running")
    person.type(b"\x03")
    assert person.wait() == 130


def test_ctrl_backslash_reaches_the_guest(live: Callable[..., Person]) -> None:
    code = "import resource, time\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nprint('up', flush=True)\n"
    person = live(f"{code}time.sleep(60)")
    person.see("(?m)^up$")
    person.see("running")
    person.type(b"\x1c")
    assert person.wait() == 131


def test_ctrl_z_is_refused_with_a_word(tmp_path: Path, live: Callable[..., Person]) -> None:
    person = live("print('up')" + WAIT)
    person.see("q leave")
    person.type(b"\x1a")
    person.see("Ctrl-Z does not stop")
    go(tmp_path)
    assert person.wait() == 0


def test_view_goes_away_and_comes_back(tmp_path: Path, live: Callable[..., Person]) -> None:
    person = live("print('up')" + WAIT + "print('after')")
    person.see("q leave")
    person.type(b"q")
    person.see("q leave|running", gone=True)
    person.see("(?m)^up$")
    person.type(b"x")
    person.see("q leave")
    person.type(b"q")
    person.see("q leave|running", gone=True)
    go(tmp_path)
    assert person.wait() == 0
    assert "after\n" in person.above


def test_guest_that_stops_itself_goes_on(live: Callable[..., Person]) -> None:
    person = live("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nprint('went on')")
    assert person.wait() == 0
    assert "went on\n" in person.above


@pytest.mark.parametrize("how", ["termios.tcflow(1, termios.TCOOFF)", "fcntl.ioctl(tty, termios.TIOCSTI, b'\\x13')"])
def test_guest_that_stops_its_output_keeps_nobody_waiting(live: Callable[..., Person], how: str) -> None:
    """Nobody can type Ctrl-Q there, and the supervisor's own words would wait as well."""
    code = (
        "import fcntl, os, termios\ntty = os.open('/dev/tty', os.O_RDWR)\n"
        f"try: {how}\nexcept OSError: pass\n"  # some kernels take no key from a program
    )
    person = live(f"{code}{LEAK}print('last')")
    assert person.wait() == 0
    assert "netguard: denied connect 169.254.169.254:80" in person.above
    assert "last\n" in person.above
    assert "netguard: 1 decision" in person.above


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda each: each.name)
def test_signal_to_the_viewer_reaches_the_guest_and_the_terminal_is_put_back(
    live: Callable[..., Person], signum: signal.Signals
) -> None:
    code = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\nprint('up', flush=True)\ntime.sleep(60)"
    person = live(code)
    person.see("(?m)^up$")
    person.see("running")
    os.kill(person.process.pid, signum)
    assert person.wait() == 128 + signum
    assert person.is_put_back()


def test_guest_ends_with_a_viewer_that_was_killed(live: Callable[..., Person]) -> None:
    """The pty hangs up; its supervisor hears that and passes it on."""
    person = live("import os, time\nprint('up', os.getpid(), os.getppid(), '.', flush=True)\ntime.sleep(60)")
    pids = re.search(r"up (\d+) (\d+) \.", person.see(r"up \d+ \d+ \."))
    assert pids
    person.process.kill()
    assert ends(person, int(pids[1]))
    assert ends(person, int(pids[2]))


def test_guest_ends_with_a_terminal_that_is_gone(live: Callable[..., Person]) -> None:
    person = live("import os, time\nprint('up', os.getpid(), '.', flush=True)\ntime.sleep(60)")
    pid = re.search(r"up (\d+) \.", person.see(r"up \d+ \."))
    assert pid
    assert person.hang_up() in (128 + signal.SIGHUP, -signal.SIGHUP)
    assert ends(person, int(pid[1]))


def test_window_size_is_the_guest_s_without_the_view(tmp_path: Path, live: Callable[..., Person]) -> None:
    code = """
import os, signal, time
def told(*_): print('size', *os.get_terminal_size(1), '.', flush=True)
signal.signal(signal.SIGWINCH, told)
told()
"""
    person = live(code + WAIT)
    person.see(r"size 80 12 \.")
    person.see("running")
    person.resize(40, 100)
    person.see(r"size 100 22 \.")
    go(tmp_path)
    assert person.wait() == 0


# A hostile guest

HOSTILE_OUTPUT = [
    b"\x1b]0;owned\x07", b"\x1b]52;c;ZXZpbA==\x07", b"\x1b[2J\x1b[H", b"\x1b[?1049h", b"\x1b[10A\x1b[2K", b"\x1bc",
    b"\x1b[?2026h", b"\x1b[1;5r", b"\x1b]8;;http://evil.example\x1b\\x\x1b]8;;\x1b\\", b"\x9b2J", b"\x1bP1$r\x1b\\",
    "\u009b2J\u009d0;t\u009c".encode(), b"\x1b[6n\x1b[c\x1b[?u", b"\xff\xfe\xc3(", b"\x1b#8\x1b(0",
    b"\x00\x07\x0e\x0f\x05", "\u202eabc".encode(), b"\x1b_Gf=1\x1b\\", b"\x1b[5i",
    b"\x1b]0;not ended\n", b"\x1b[38;5", b"\x1bP", b"\x1b]52;c;AAAA",
]  # fmt: skip


def test_hostile_output_reaches_the_terminal_as_text_alone(tmp_path: Path, live: Callable[..., Person]) -> None:
    code = f"import os\nfor data in {HOSTILE_OUTPUT!r}:\n    os.write(1, b'before ' + data + b' after\\n')\n"
    person = live(code + "    os.write(2, data)\nprint('last')" + WAIT)
    person.see("running")
    go(tmp_path)
    assert person.wait() == 0
    assert person.stray() == []
    text = person.raw.decode()
    assert not re.search("[\u2028-\u202e\u2066-\u2069\x80-\x9f]", text)
    assert re.findall(rb"\x1b\]52", person.raw) == []
    assert person.raw.count(b"\x1b[?1049h") == 0
    assert "netguard: no decisions" in person.above  # no sequence has swallowed the summary
    assert person.is_put_back()


@pytest.mark.parametrize("char", ["\u00ad", "\u0600"])
def test_unfinished_line_of_odd_width_leaves_the_view_whole(
    tmp_path: Path, live: Callable[..., Person], char: str
) -> None:
    """What takes no column by Python's word, and one by the terminal's, would go on in rows that are the view's."""
    person = live(f"import os\nos.write(1, {char!r}.encode() * 300)\n{WAIT}")
    person.see("running 0:01")  # drawn anew at least once
    rows = person.shown.split("\n")
    at = rows.index("─" * 80)
    assert "job.py" in rows[at + 1]
    assert "q leave" in rows[at + 11]
    assert at == 3  # our advice, and one row of the guest's
    go(tmp_path)
    assert person.wait() == 0


def test_dev_tty_of_the_guest_is_not_the_person_s(tmp_path: Path, live: Callable[..., Person]) -> None:
    """It can neither type into the person's terminal, nor change its mode, nor write past the filter, nor read keys."""
    code = """
import fcntl, os, select, termios
tty = os.open('/dev/tty', os.O_RDWR)
os.write(tty, b'\\x1b]0;owned\\x07on dev tty\\n')
print('mine:', os.ttyname(tty), os.ttyname(1), '.')
mode = termios.tcgetattr(tty)
mode[3] &= ~(termios.ECHO | termios.ICANON)
termios.tcsetattr(tty, termios.TCSANOW, mode)
try:
    for char in b'touch typed\\n': fcntl.ioctl(tty, termios.TIOCSTI, bytes([char]))
except OSError as error:
    print('TIOCSTI:', error)
print('ready', flush=True)
""" + WAIT + "print('read', [os.read(tty, 99) if select.select([tty], [], [], 0)[0] else b''])"  # fmt: skip
    person = live(code)
    shown = person.see("(?m)^ready$")
    names = re.search(r"mine: (\S+) (\S+) \.", shown)
    assert names
    assert names[1] in (names[2], "/dev/tty")
    assert names[2] != person.name
    assert "on dev tty" in shown
    person.see("running")
    person.type(b"jk?")
    person.see("copy the rule")
    go(tmp_path)
    assert person.wait() == 0
    assert "jk" not in person.above.partition("read [")[2].partition("]")[0]
    assert person.is_put_back()
    assert person.stray() == []


# What it does not cost


@pytest.mark.parametrize("option", [[], ["--quiet"]])
def test_run_without_live_loads_nothing_of_it(tmp_path: Path, option: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "netguard", "run", *option, "-c", "pass"], capture_output=True,
        text=True, timeout=60, check=False, cwd=tmp_path, env=clean_environment(str(tmp_path)),
    )  # fmt: skip
    loaded = re.findall(r"\| +(\S+)$", done.stderr, re.MULTILINE)
    assert "netguard.supervisor.loop" in loaded  # control
    own = r"rich|pty|tty|netguard\.viewer|netguard\.views\.(live|picture|pages|board)"
    assert [name for name in loaded if re.match(own, name)] == []
