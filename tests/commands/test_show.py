"""`netguard show`: one event of a trail that a real run left, and the rule below it that decides it the other way."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from netguard.core.decide import decide
from netguard.policy.grammar import read_request
from netguard.policy.load import load_policy
from tests.support.guard import clean_environment

SCRIPT = """\
import socket
for port in (80, 81):
    with socket.socket() as client:
        try:
            client.connect(("127.0.0.1", port))
        except OSError:
            pass
"""
RULES = """\
version: 1
default: deny
rules:
  - {name: no-web, deny: connect, to: "127.0.0.1:80", because: no web}
  - {log: connect, to: "127.0.0.1:81"}
"""


def show(*words: str, cwd: Path, stdin: bytes = b"", **environ: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "netguard", "show", *words],
        cwd=cwd, input=stdin, capture_output=True, timeout=60, check=False,
        env={**clean_environment(cwd), "XDG_STATE_HOME": str(cwd / "state"), "PYTHONUTF8": "1", **environ},
    )  # fmt: skip
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run's trail in the state folder, and a copy of it."""
    folder = tmp_path_factory.mktemp("show")
    (folder / "job.py").write_text(SCRIPT)
    (folder / "rules.yaml").write_text(RULES)
    environ = {**clean_environment(folder), "XDG_STATE_HOME": str(folder / "state")}
    command = [sys.executable, "-m", "netguard", "run", "--rules", "rules.yaml", "job.py"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    (trail,) = folder.glob("state/netguard/runs/*/trail.jsonl")
    (folder / "t.jsonl").write_bytes(trail.read_bytes())
    return folder


def records(folder: Path) -> list[dict[str, object]]:
    return [json.loads(raw) for raw in (folder / "t.jsonl").read_bytes().splitlines()]


def number_of(folder: Path, key: str, value: object) -> str:
    return next(str(record["seq"]) for record in records(folder) if record.get(key) == value)


def test_last_denial_of_the_newest_run_is_what_no_words_mean(folder: Path) -> None:
    status, out, err = show(cwd=folder)
    assert (status, err) == (0, "")
    assert out.startswith("denied  connect  127.0.0.1:80\n\nwhy        no web\nrule       no-web\n")
    assert "job.py:5 " in out
    run = str(records(folder)[0]["run"])
    for words in (["last-denied"], [number_of(folder, "verdict", "deny")], [run[:8]], [run, "last-denied"]):
        assert show(*words, cwd=folder) == (0, out, "")
    for words in (["t.jsonl"], ["t.jsonl", "last-denied"], ["./t.jsonl", number_of(folder, "verdict", "deny")]):
        assert show(*words, cwd=folder) == (0, out, "")
    assert show("-", stdin=(folder / "t.jsonl").read_bytes(), cwd=folder) == (0, out, "")


def test_rule_below_it_decides_it_the_other_way(folder: Path) -> None:
    """Copied to where it says, before the rule that denied."""
    _, out, _ = show("t.jsonl", cwd=folder)
    before, _, rule = out.partition("The rule that would allow just this, before the one that denied it:\n\n")
    assert before
    assert rule
    (folder / "new.yaml").write_text(RULES.replace("rules:\n", f"rules:\n{rule}"))
    policy = load_policy([folder / "new.yaml"])
    assert decide(policy, read_request("connect 127.0.0.1:80")).verdict == "allow"
    assert decide(policy, read_request("connect 127.0.0.2:80")).verdict == "deny"


def test_what_came_of_it_is_told_and_the_rule_that_would_deny_it(folder: Path) -> None:
    _, out, _ = show("t.jsonl", "last", cwd=folder)
    assert out.startswith("logged  connect  127.0.0.1:81\n")
    assert "outcome    ECONNREFUSED (Connection refused); took " in out
    assert 'The rule that would deny just this:\n\n  - deny: [connect]\n    to: "127.0.0.1:81"\n' in out


def test_lines_of_the_trails_own_have_no_rule(folder: Path) -> None:
    _, out, _ = show("t.jsonl", "0", cwd=folder)
    assert out.startswith("coverage  run\n")
    assert "rule " not in out


def test_json_is_the_lines_as_they_stand(folder: Path) -> None:
    status, out, _ = show("t.jsonl", "last", "--json", cwd=folder)
    raw = (folder / "t.jsonl").read_text().splitlines()
    seq = number_of(folder, "verdict", "log")
    assert status == 0
    assert out.splitlines() == [line for line in raw if f'"seq":{seq},' in line or f'"of":{seq},' in line]
    assert len(out.splitlines()) == 2


def written(folder: Path, *changed: dict[str, object]) -> Path:
    """A file with a denial in each of several runs or chains."""
    path = folder / "many.jsonl"
    denial = records(folder)[int(number_of(folder, "verdict", "deny"))]
    path.write_text("".join(json.dumps({**denial, **each}, separators=(",", ":")) + "\n" for each in changed))
    return path


def test_line_that_several_runs_have_is_asked_after(folder: Path) -> None:
    names = [{"run": "A1"}, {"run": "B1", "chain": "7-\x1b[2J"}, {"run": "B2"}]
    path = written(folder, *[{"seq": 3, **name} for name in names])
    status, out, err = show(str(path), "3", cwd=folder)
    assert (status, out) == (1, "")
    assert err.splitlines() == [
        "netguard: there are 3 lines 3; say which:",
        "  --run A1   denied connect 127.0.0.1:80",
        "  --run B1 --chain 7-\\x1b[2J   denied connect 127.0.0.1:80",
        "  --run B2   denied connect 127.0.0.1:80",
    ]
    status, out, _ = show(str(path), "3", "--run", "B1", "--chain", "7", cwd=folder)
    assert status == 0
    assert "line       3, run B1, chain 7-\\x1b[2J\n" in out
    assert show(str(path), "last", "--run", "A", cwd=folder)[0] == 0


def test_only_some_of_very_many_are_named(folder: Path) -> None:
    path = written(folder, *[{"seq": 3, "run": f"R{number}"} for number in range(100)])
    _, _, err = show(str(path), "3", cwd=folder)
    assert err.startswith("netguard: there are 100 lines 3; say which:\n")
    assert err.endswith("\n  and 90 more\n")


def test_line_that_is_there_twice_is_told(folder: Path) -> None:
    path = written(folder, {"seq": 3}, {"seq": 3})
    status, out, _ = show(str(path), "3", cwd=folder)
    assert status == 0
    assert "1 more line says that it is this one: netguard verify tells which is wrong\n" in out


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"kind": "native", "native": {"symbol": "system"}}, "No rule can allow just this and nothing else."),
        ({"rule": "hostile-argument"}, "No rule decides this: it is denied whatever the rules say."),
        ({"rule": "default"}, "The rule that would allow just this:"),
    ],
    ids=["native", "above", "default"],
)
def test_what_can_be_done_is_said(folder: Path, keys: dict[str, object], says: str) -> None:
    assert f"\n{says}\n" in show(str(written(folder, keys)), cwd=folder)[1]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["t.jsonl", "99"], 1, "there is no line 99 in t.jsonl"),
        (["t.jsonl", "3", "--run", "zz"], 1, "there is no line 3 of run zz… in t.jsonl"),
        (["t.jsonl", "3", "--chain", "42"], 1, "there is no line 3 of chain 42 in t.jsonl"),
        (["job.py"], 1, "there is no denial in job.py"),
        (["job.py", "last"], 1, "there is no act on record in job.py"),
        (["none.jsonl", "3"], 2, "cannot read the trail none.jsonl: No such file or directory"),
        (["0000", "3"], 2, "there is no file 0000 here, and no run that begins so in "),
        (["-", "9"], 1, "there is no line 9 in standard input"),
        (["t.jsonl", "x"], 2, "x is no line: a number, last or last-denied"),
        (["t.jsonl", "-1"], 2, "-1 is no line"),
        (["t.jsonl", "1", "2"], 2, "unrecognized arguments: 2; netguard show --help tells more"),
        (["t.jsonl", "9" * 30], 2, "is no line"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_told(folder: Path, words: list[str], status: int, says: str) -> None:
    found, out, err = show(*words, cwd=folder)
    assert (found, out) == (status, "")
    assert err.startswith("netguard: ")
    assert says in err


def test_width_is_the_terminals_and_colours_can_be_refused(folder: Path) -> None:
    _, out, _ = show("t.jsonl", cwd=folder, COLUMNS="50")
    head = out.partition("The rule")[0]
    assert max(map(len, head.splitlines())) <= 50
    assert "\x1b" not in out

    def on_terminal(*words: str, **environ: str) -> str:
        leader, follower = pty.openpty()
        command = [sys.executable, "-m", "netguard", "show", "t.jsonl", *words]
        env = {**clean_environment(folder), "TERM": "xterm", "PYTHONUTF8": "1", **environ}
        env.pop("NO_COLOR", None) if "NO_COLOR" not in environ else None
        subprocess.run(command, cwd=folder, env=env, stdout=follower, timeout=60, check=True)
        os.close(follower)
        text = b""
        try:
            while part := os.read(leader, 65_536):
                text += part
        except OSError:  # the end of a terminal that nobody holds open
            pass
        os.close(leader)
        return text.decode()

    assert on_terminal().startswith("\x1b[31mdenied  connect\x1b[0m")
    assert on_terminal(NO_COLOR="1").startswith("denied  connect")
    assert "\x1b" not in on_terminal(TERM="dumb")
    assert "\x1b" not in on_terminal("--json")


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["text", "json"])
def test_closed_output_is_no_fault(folder: Path, words: list[str]) -> None:
    command = f'"{sys.executable}" -m netguard show t.jsonl {" ".join(words)} >&-'
    env = clean_environment(str(folder))
    done = subprocess.run(["sh", "-c", command], cwd=folder, env=env, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_ascii_terminal_gets_ascii(folder: Path) -> None:
    path = written(folder, {"why": "na\u00efve \u2026"})
    status, out, _ = show(str(path), cwd=folder, PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert status == 0
    assert "why        na\\xefve \\u2026\n" in out
