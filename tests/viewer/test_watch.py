"""`netguard watch` on a real terminal and without one: what a person sees, what keys do, and how it leaves."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from netguard.trail.follow import Follow
from netguard.trail.writer import Writer, open_trail
from netguard.viewer.watch import MAX_OPEN, Lines
from netguard.views.rule_for import rule_for
from tests.support.guard import clean_environment, read_trail
from tests.viewer.person import NETGUARD, Person
from tests.views.runs import HOSTILE, Record, code, connect, dns, hostile_record

FIRST: dict[str, object] = {
    "kind": "coverage", "event": "run", "hooks": "asked for", "wall": "off: none here", "http_view": "off: not read",
    "mode": "run", "command": ["/usr/bin/python3", "agent.py"],
}  # fmt: skip
LEAK = connect("", "169.254.169.254", 80, "deny", rule="default", why="no rule matches", code=code(41, "fetch_token"))
ASK = connect("api.openai.com", "192.0.2.7", 443, code=code(12, "ask"))


def act(record: Record) -> dict[str, object]:
    """A record without what the writer puts there."""
    return {key: value for key, value in record.items() if key not in ("v", "seq", "prev", "run")}


@contextmanager
def writing(path: Path, run: str = "01JDRUN") -> Iterator[Writer]:
    writer = open_trail(str(path), run)
    try:
        writer.write(FIRST)
        yield writer
    finally:
        if writer.refusal != "closed":
            writer.sink.close()


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Callable[..., Person]]:
    """Starts `netguard watch` on a terminal."""
    with ExitStack() as closing:

        def start(*words: str, **more: Any) -> Person:
            person = Person([*NETGUARD, "watch", *words], tmp_path, **more)
            closing.callback(person.close)
            return person

        yield start


def plain(folder: Path, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """`netguard watch` without a terminal."""
    return subprocess.run(
        [*NETGUARD, "watch", *words], capture_output=True, text=True, timeout=60, check=False, cwd=folder,
        env=clean_environment(str(folder), {"PYTHONUTF8": "1"}), **{"stdin": subprocess.DEVNULL, **more},
    )  # fmt: skip


# On a terminal


def test_trail_is_shown_while_it_is_written(tmp_path: Path, watching: Callable[..., Person]) -> None:
    person = watching("trail.jsonl")
    person.see("waiting for the first line")
    with writing(tmp_path / "trail.jsonl") as writer:
        person.see(r"agent\.py +running 0:0\d")
        assert "hooks asked for · wall off · requests off" in person.shown
        writer.write(act(ASK))
        person.see("logged   connect  api.openai.com:443 ")
        writer.write(act(LEAK))
        shown = person.see("denied   connect  169.254.169.254:80 ")
        assert "2 decisions · 1 denied · 1 logged" in shown
        assert re.search(r"(?m)^ \d\d:\d\d:\d\d  denied   connect  169\.254\.169\.254:80 +agent\.py:41$", shown)
        writer.close({"exit": 0})
        person.see("ended, exit 0 after")
    person.type(b"q")
    assert person.wait() == 0
    assert person.is_put_back()
    assert person.stray() == []


def test_keys_pause_filter_select_open_and_copy(tmp_path: Path, watching: Callable[..., Person]) -> None:
    path = tmp_path / "trail.jsonl"
    with writing(path) as writer:
        for n in range(30):
            writer.write(act(dns(f"host{n}.example")))
        writer.write(act(LEAK))
        person = watching("trail.jsonl")
        person.see("31 decisions")
        person.type(b" ")
        person.see("paused at")
        writer.write(act(dns("later.example")))
        person.type(b"/LATER")
        person.see("filter: LATER")
        person.see("nothing passes the filter")
        person.type(b"\x1b")
        person.see("denied .* 169.254.169.254:80")
        person.type(b"p")
        person.see("later.example")
        person.type(b"/169\r")
        person.see("filter: 169 +q leave")
        assert "later.example" not in person.shown
        person.type(b"\x1b[B")
        person.see("(?m)^›.*169.254.169.254:80")
        person.type(b"\r")
        shown = person.see("code .*/job/agent.py:41 fetch_token")
        assert "no rule matches" in shown
        person.type(b"a")
        person.see("- allow: ")
        record = next(line for line in read_trail(path) if line.get("verdict") == "deny")
        sent = re.findall(rb"\x1b\]52;c;([^\x07]*)\x07", person.raw)
        assert [base64.b64decode(each).decode() for each in sent] == [rule_for(record, "allow")]
        person.type(b"\x1b")
        person.see("event, newest first")
        person.type(b"?")
        person.see("copy the rule that would allow or deny")
        person.type(b"qc")
        person.see("off: none here")
        person.type(b"\x1b")
        person.see("event, newest first")
    person.type(b"q")
    assert person.wait() == 0
    assert person.stray() == []


def test_selected_event_stays_while_others_come(tmp_path: Path, watching: Callable[..., Person]) -> None:
    with writing(tmp_path / "trail.jsonl") as writer:
        writer.write(act(LEAK))
        person = watching("trail.jsonl")
        person.see("1 decision")
        person.type(b"j")
        person.see("(?m)^›.*169.254.169.254:80")
        for n in range(200):
            writer.write(act(dns(f"host{n}.example")))
        person.see("201 decisions")
        person.see("(?m)^›.*169.254.169.254:80")


@pytest.mark.parametrize(("columns", "rows"), [(40, 10), (120, 40), (200, 50)])
def test_window_that_changes_its_size_is_filled(
    tmp_path: Path, watching: Callable[..., Person], columns: int, rows: int
) -> None:
    with writing(tmp_path / "trail.jsonl") as writer:
        for n in range(60):
            writer.write(act(dns(f"host{n}.example")))
        person = watching("trail.jsonl")
        person.see("60 decisions")
        person.resize(rows, columns)
        person.see(r"(?s)^ netguard  agent\.py +running [^\n]*\n.*\n( q leave[^\n]*)$")
        lines = person.shown.split("\n")
        assert (len(lines), lines[-1].startswith(" q leave")) == (rows, True)
        assert len([line for line in lines if "host" in line]) >= min(5, rows - 6)


@pytest.mark.parametrize(
    ("end", "status"),
    [(b"q", 0), (b"\x03", 130), (b"\x1c", 131), (signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)],
    ids=["q", "ctrl-c", "ctrl-backslash", "SIGTERM", "SIGINT", "SIGHUP"],
)
def test_terminal_is_put_back_however_it_ends(
    tmp_path: Path, watching: Callable[..., Person], end: bytes | signal.Signals, status: int
) -> None:
    with writing(tmp_path / "trail.jsonl"):
        person = watching("trail.jsonl")
        person.see("agent.py")
        assert not person.is_put_back()  # control
        if isinstance(end, bytes):
            person.type(end)
        else:
            os.kill(person.process.pid, end)
        assert person.wait() == status
    assert person.is_put_back()


def test_terminal_is_put_back_after_a_failure(tmp_path: Path, watching: Callable[..., Person]) -> None:
    """The trail turns into what cannot be read."""
    person = watching("trail.jsonl")
    person.see("waiting for the first line")
    (tmp_path / "trail.jsonl").mkdir()
    assert person.wait() == 2
    assert person.is_put_back()
    assert "is a folder" in person.shown


def test_view_that_was_stopped_comes_back(tmp_path: Path) -> None:
    """Ctrl-Z gives the terminal back to the shell; fg takes it again."""
    with writing(tmp_path / "trail.jsonl") as writer:
        writer.write(act(LEAK))
        person = Person(["bash", "--norc", "--noprofile", "--noediting", "-i"], tmp_path, PS1="[status $?]")
        try:
            person.see(r"\[status 0\]")
            person.type(f"{sys.executable} -m netguard watch trail.jsonl\n".encode())
            person.see("1 decision")
            person.type(b"\x1a")
            person.see(rf"\[status {128 + signal.SIGTSTP}\]")
            assert "1 decision" not in person.shown.replace("watch", "") or b"\x1b[?1049l" in person.raw
            writer.write(act(LEAK))
            person.type(b"fg\n")
            person.see("2 decisions")
            person.type(b"q")
            person.see(r"\[status 0\]")
        finally:
            person.close()


def test_no_colour_and_ascii(tmp_path: Path, watching: Callable[..., Person]) -> None:
    with writing(tmp_path / "trail.jsonl") as writer:
        writer.write(act(LEAK))
        person = watching("trail.jsonl", NO_COLOR="1", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
        person.see("1 decision, 1 denied")
        person.type(b"q")
        assert person.wait() == 0
    assert person.raw.isascii()
    assert re.findall(rb"\x1b\[[0-9;]*m", person.raw) == [b"\x1b[0m"]  # before it leaves


def test_hostile_trail_sends_nothing_of_its_own(tmp_path: Path, watching: Callable[..., Person]) -> None:
    """In injection the guest writes the trail itself, so every word in it may be anything."""
    import json
    import random

    rng = random.Random(2)
    lines = [json.dumps({"v": 1, **hostile_record(rng), "ts": rng.choice(HOSTILE)}) for _ in range(500)]
    lines += [json.dumps({**FIRST, "command": ["x", text], "run": text, "wall": text}) for text in HOSTILE]
    text = "\n".join([*lines, *HOSTILE[:40], ""])
    (tmp_path / "trail.jsonl").write_text(text, encoding="utf-8", errors="surrogatepass")
    person = watching("trail.jsonl", size=(120, 40))
    person.see("noticed")
    for keys in (b"j", b"\r", b"a", b"\x1b", b"jjj\r", b"\x1b", b"c", b"\x1b", b"/", "漢\u202e".encode(), b"\r"):
        person.type(keys)
        person.read(0.3)
    person.type(b"\x03")
    assert person.wait() == 130
    assert person.stray() == []
    assert not re.search("[\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]", person.raw.decode())


# Without one


def test_plain_lines_end_with_the_run(tmp_path: Path) -> None:
    with writing(tmp_path / "trail.jsonl") as writer:
        writer.write(act(ASK))
        writer.write(act(LEAK))
        writer.close({"exit": 0})
    done = plain(tmp_path, "trail.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split(" ", 1)[1] for line in done.stdout.splitlines()]
    assert lines == [
        "run 01JDRUN: hooks asked for; wall off: none here; http_view off: not read",
        "logged connect api.openai.com:443 (rule audit, agent.py:12 ask)",
        "denied connect 169.254.169.254:80 (default, agent.py:41 fetch_token) — no rule matches",
        "ended exit 0",
    ]


def test_forged_trail_of_many_runs_takes_little_room(tmp_path: Path) -> None:
    """Each line begins a run with a long name of its own; and it never seems to be over."""
    path = tmp_path / "trail.jsonl"
    for kind in ("coverage", "close"):
        with path.open("a") as file:
            for number in range(MAX_OPEN + 1):
                file.write(f'{{"kind":"{kind}","run":"{number:01000}"}}\n')
    trail = Follow(str(path))
    lines = Lines(trail, os.open(os.devnull, os.O_WRONLY), "utf-8")
    tracemalloc.start()
    while not lines.step():
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    os.close(lines.fd)
    trail.close()
    assert peak < 32 << 20
    assert not lines.over


def test_plain_lines_follow_a_run_that_goes_on(tmp_path: Path) -> None:
    with writing(tmp_path / "trail.jsonl") as writer:
        process = subprocess.Popen(
            [*NETGUARD, "watch", "trail.jsonl"], stdout=subprocess.PIPE, text=True, cwd=tmp_path,
            env=clean_environment(str(tmp_path)),
        )  # fmt: skip
        with process:
            assert process.stdout
            assert "hooks asked for" in process.stdout.readline()
            writer.write(act(LEAK))
            assert "denied connect" in process.stdout.readline()
            writer.close({"exit": 0})
            assert [line.split(" ", 1)[1] for line in process.stdout] == ["ended exit 0\n"]
    assert process.returncode == 0


def test_stream_is_watched_to_its_end(tmp_path: Path) -> None:
    with writing(tmp_path / "trail.jsonl") as writer:
        writer.write(act(LEAK))
    for word in ("-", "/dev/stdin"):
        with open(tmp_path / "trail.jsonl") as file:
            done = subprocess.run(
                ["sh", "-c", f'cat | "{sys.executable}" -m netguard watch {word}'], stdin=file, capture_output=True,
                text=True, timeout=60, check=False, env=clean_environment(str(tmp_path)),
            )  # fmt: skip
        assert (done.returncode, done.stdout.count("denied connect"), done.stderr) == (0, 1, "")


def test_terminal_that_cannot_move_its_cursor_gets_plain_lines(tmp_path: Path, watching: Callable[..., Person]) -> None:
    with writing(tmp_path / "trail.jsonl") as writer:
        writer.write(act(LEAK))
        writer.close({"exit": 0})
    person = watching("trail.jsonl", TERM="dumb")
    assert person.wait() == 0
    assert b"\x1b" not in person.raw
    assert "denied connect 169.254.169.254:80" in person.shown


def test_pipe_gets_plain_lines_though_errors_go_to_a_terminal(tmp_path: Path) -> None:
    with writing(tmp_path / "trail.jsonl") as writer:
        writer.write(act(LEAK))
        writer.close({"exit": 0})
    person = Person(["sh", "-c", f"{sys.executable} -m netguard watch trail.jsonl | grep -c ' denied '"], tmp_path)
    try:
        assert person.wait() == 0
        assert person.shown.strip() == "1"
    finally:
        person.close()


def test_closed_output_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "trail.jsonl").touch()
    words = ["bash", "-c", f"{' '.join(NETGUARD)} watch trail.jsonl >&-"]
    done = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, timeout=60, env=clean_environment(str(tmp_path))
    )
    assert done.returncode == 2
    assert done.stderr == "netguard: standard output is closed, so there is nobody to show it to\n"


def test_reader_that_has_gone_ends_it_quietly(tmp_path: Path) -> None:
    with writing(tmp_path / "trail.jsonl") as writer:
        for _ in range(3_000):
            writer.write(act(LEAK))
    command = f"{sys.executable} -m netguard watch trail.jsonl | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"{command} >/dev/null; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True, timeout=60,
        check=False, cwd=tmp_path, env=clean_environment(str(tmp_path)),
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("141\n", "")


# Which trail


def make_run(folder: Path, name: str) -> None:
    place = folder / "state" / "netguard" / "runs" / name
    place.mkdir(parents=True)
    with writing(place / "trail.jsonl", name) as writer:
        writer.close({"exit": 0})


A, B, C = "01JA".ljust(26, "0"), "01JB1".ljust(26, "0"), "01JB2".ljust(26, "0")


@pytest.mark.parametrize(("words", "run"), [((), C), (("01JA",), A), (("01ja",), A), ((B,), B)])
def test_run_is_found_by_its_name_or_as_the_newest(tmp_path: Path, words: tuple[str, ...], run: str) -> None:
    for name in (A, B, C):
        make_run(tmp_path, name)
    done = plain(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert f" run {run}: " in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [(("NOWHERE",), "no file NOWHERE here"), (("01JB",), "2 runs begin with 01JB"), ((".",), "is a folder")],
)
def test_trail_that_cannot_be_meant_is_an_error(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    for name in (A, B, C):
        make_run(tmp_path, name)
    (tmp_path / "trail.jsonl").mkdir()
    done = plain(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_no_run_yet_is_an_error(tmp_path: Path) -> None:
    done = plain(tmp_path)
    assert done.returncode == 2
    assert "there is no run with a trail" in done.stderr


def test_modules_in_the_current_folder_are_not_loaded(tmp_path: Path) -> None:
    """A guest may write there."""
    for name in ("rich", "orjson", "pyte", "bisect"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(99)")
    with writing(tmp_path / "trail.jsonl") as writer:
        writer.close({"exit": 0})
    assert plain(tmp_path, "trail.jsonl").returncode == 0
    person = Person([*NETGUARD, "watch", "trail.jsonl"], tmp_path)
    try:
        person.see("agent.py")
        person.type(b"q")
        assert person.wait() == 0
    finally:
        person.close()
