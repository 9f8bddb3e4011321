"""`netguard run` as a user calls it: options, exit statuses, what is on the screen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from netguard.paths import starter_dir
from netguard.trail.verify import verify
from tests.support.echo import TcpEcho
from tests.support.guard import clean_environment, read_trail, run_guarded

DENY = "version: 1\ndefault: deny\n"
ALLOW = "version: 1\ndefault: allow\n"
KNOCK = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5).close()
    print("reached")
except OSError as error:
    print(type(error).__name__)
"""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe whose read end is ours; the guest's supervisor is handed the other."""
    read, write = os.pipe()
    yield read, write
    for fd in (read, write):
        try:
            os.close(fd)
        except OSError:
            pass


def netguard(
    *words: str, folder: Path, fds: tuple[int, ...] = (), env: dict[str, str | None] | None = None
) -> subprocess.CompletedProcess[str]:
    """`netguard run` with nothing added."""
    return subprocess.run(
        [sys.executable, "-m", "netguard", "run", *words], capture_output=True, text=True, timeout=60, check=False,
        cwd=folder, env=clean_environment(str(folder), env), pass_fds=fds, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def all_of(read: int, write: int) -> str:
    os.close(write)
    with os.fdopen(read) as file:
        return file.read()


# Exit statuses

STATUSES: list[tuple[str, list[str], int, str]] = [
    ("ends", ["-c", "pass"], 0, "guest exited 0"),
    ("code", ["-c", "raise SystemExit(3)"], 3, "guest exited 3"),
    ("error", ["-c", "1/0"], 1, "guest exited 1"),
    ("own-125", ["-c", "raise SystemExit(125)"], 125, "guest exited 125"),
    ("own-127", ["--", "sh", "-c", "exit 127"], 127, "guest exited 127"),
    ("signal", ["-c", "import os; os.kill(os.getpid(), 15)"], 143, "guest killed 15"),
    ("killed", ["-c", "import os; os.kill(os.getpid(), 9)"], 137, "guest killed 9"),
    ("command", ["--", "false"], 1, "guest exited 1"),
    ("no-script", ["nowhere.py"], 127, "netguard not-found 127"),
    ("no-command", ["--", "no-such-command"], 127, "netguard not-found 127"),
    ("no-program", ["--", "/etc/passwd"], 126, "netguard not-executable 126"),
    ("no-rules", ["--rules", "nowhere.yaml", "-c", "pass"], 125, "netguard policy 125"),
    ("no-pack", ["--rules", "nowhere", "-c", "pass"], 125, "netguard policy 125"),
    ("nothing", [], 125, "netguard usage 125"),
    ("blind", ["--", sys.executable, "-I", "-c", "pass"], 125, "netguard start 125"),
    ("tag", ["--tag", "nonsense", "-c", "pass"], 125, "netguard usage 125"),
    ("trail", ["--log", "/nowhere/trail", "-c", "pass"], 125, "netguard trail 125"),
    ("log-fd", ["--log-fd", "987", "-c", "pass"], 125, "netguard usage 125"),
]


@pytest.mark.parametrize(("words", "status", "said"), [row[1:] for row in STATUSES], ids=[row[0] for row in STATUSES])
def test_exit_status_is_the_guest_s_or_says_that_it_is_not(
    tmp_path: Path, pipe: tuple[int, int], words: list[str], status: int, said: str
) -> None:
    done = netguard("--status-fd", str(pipe[1]), *words, folder=tmp_path, fds=(pipe[1],))
    assert (done.returncode, all_of(*pipe)) == (status, said + "\n"), done.stderr
    if said.startswith("netguard"):
        assert done.stderr.startswith("netguard: ")
        assert "Traceback" not in done.stderr


def test_guest_that_its_starter_stops_is_unguarded_and_not_run(tmp_path: Path, pipe: tuple[int, int]) -> None:
    """The guest's own environment takes the guard's variable away; another interpreter cannot find the shim."""
    script = tmp_path / "python3"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} -I -c 'print(\"ran\")'\n")
    script.chmod(0o755)
    words = ["--status-fd", str(pipe[1]), "--", str(script)]
    done = netguard(*words, folder=tmp_path, fds=(pipe[1],))
    assert (done.returncode, all_of(*pipe)) == (125, "netguard unguarded 125\n"), done.stderr
    assert "ended with status 0 and never reported" in done.stderr


def test_option_that_python_does_not_know_is_no_run_that_netguard_ended(tmp_path: Path) -> None:
    """Python says what is wrong and ends by itself, before any guard can stand."""
    done = netguard("--", sys.executable, "--no-such-option", folder=tmp_path)
    assert done.returncode == 125
    assert "unknown option --no-such-option" in done.stderr.lower()
    assert done.stderr.endswith("the guest ended with status 2 and never reported: what it did was not guarded\n")


def test_status_fd_that_is_not_open_runs_nothing(tmp_path: Path) -> None:
    done = netguard("--status-fd", "987", "-c", "print('ran')", folder=tmp_path)
    assert (done.returncode, done.stdout) == (125, "")
    assert "--status-fd 987" in done.stderr


def test_option_that_is_cut_short_is_unknown(tmp_path: Path) -> None:
    done = netguard("--rule", "agent", "-c", "print('ran')", folder=tmp_path)
    assert (done.returncode, done.stdout) == (125, "")


# What runs


def test_script_module_code_and_command_run_as_without_netguard(tmp_path: Path) -> None:
    show = "import sys; print(sys.argv[1:], __name__, sys.path[0])"
    (tmp_path / "thing.py").write_text(show)
    for words in (["thing.py", "--rules", "-x"], ["-m", "thing", "-c"], ["-c", show, "-m"]):
        plain = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True, cwd=tmp_path)
        done = netguard("--quiet", *words, folder=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, plain.stdout, plain.stderr)
    done = netguard("--quiet", "--", "sh", "-c", 'echo "$@"', "sh", "--quiet", folder=tmp_path)
    assert done.stdout == "--quiet\n"


def test_rules_behind_the_script_are_told_to_be_the_scripts(tmp_path: Path) -> None:
    """Whoever writes them there takes the run for held."""
    (tmp_path / "rules.yaml").write_text(DENY)
    (tmp_path / "show.py").write_text("import sys; print(*sys.argv[1:])\n")
    told = "netguard: no rules: --rules stands behind what is run and was given to that; it belongs before it\n"
    run = netguard("show.py", "--rules", "rules.yaml", folder=tmp_path)
    assert (run.returncode, run.stdout) == (0, "--rules rules.yaml\n")
    assert told in run.stderr
    run = netguard("--rules", "rules.yaml", "show.py", "--rules", "other", folder=tmp_path)
    assert (run.returncode, run.stdout) == (0, "--rules other\n")
    assert told not in run.stderr


def test_command_that_is_not_python_is_said_to_be_unseen_without_a_wall(tmp_path: Path) -> None:
    done = netguard("--wall", "off", "--", "true", folder=tmp_path)
    assert done.stderr.splitlines()[0] == (
        "netguard: true is not Python: only the Python that it starts is seen, nothing else"
    )


# Rules


def test_no_rules_watch_and_suggest(tmp_path: Path) -> None:
    """A new user's first run: what the script did, and the rules that would allow just that."""
    with TcpEcho() as server:
        done = netguard("-c", KNOCK, str(server.port), folder=tmp_path)
        assert (done.returncode, done.stdout) == (0, "reached\n")
        screen = done.stderr
        assert f"127.0.0.1:{server.port}" in screen.split("netguard: ")[0]
        trail = next(line for line in screen.splitlines() if line.startswith("trail: "))[7:]
        assert trail.startswith(str(tmp_path / "state" / "netguard" / "runs"))
        assert os.stat(trail).st_mode & 0o777 == 0o600
        assert os.stat(os.path.dirname(trail)).st_mode & 0o777 == 0o700
        assert verify(trail).whole
        suggested = screen[screen.index("version: 1") :]
        assert yaml.safe_load(suggested)["default"] == "deny"
        (tmp_path / "rules.yaml").write_text(suggested)
        again = netguard("--rules", "rules.yaml", "-c", KNOCK, str(server.port), folder=tmp_path)
        assert (again.returncode, again.stdout) == (0, "reached\n"), again.stderr
        assert "version: 1" not in again.stderr


def test_no_rules_deny_cloud_metadata(tmp_path: Path) -> None:
    code = "import socket\ntry: socket.create_connection(('169.254.169.254', 80), 5)\nexcept OSError as e: print(e)"
    done = netguard("-c", code, folder=tmp_path)
    assert "netguard denied connect 169.254.169.254:80 (rule " in done.stdout
    assert "netguard: denied connect 169.254.169.254:80" in done.stderr


def test_rules_are_files_and_packs_in_order(tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text("version: 1\nrules:\n  - {deny: connect, to: '127.0.0.1', name: mine}\n")
    words = ["--log", "t", "--rules", "first.yaml", "--rules", "loopback", "-c", KNOCK, "9"]
    assert netguard(*words, folder=tmp_path).stdout == "Denied\n"
    assert [line["rule"] for line in read_trail(tmp_path / "t") if line["kind"] == "connect"] == ["mine"]
    os.unlink(tmp_path / "t")
    words[2:6] = ["--rules", "loopback", "--rules", "first.yaml"]
    assert netguard(*words, folder=tmp_path).stdout == "ConnectionRefusedError\n"


def test_bad_rules_show_the_place_and_run_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: 1\nrules:\n  - {alow: connect}\n")
    done = netguard("--rules", "bad.yaml", "-c", "print('ran')", folder=tmp_path)
    assert (done.returncode, done.stdout) == (125, "")
    assert "bad.yaml:3:" in done.stderr
    assert "alow" in done.stderr.splitlines()[1]
    assert "^" in done.stderr.splitlines()[2]
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(("default", "said"), [("allow", "ConnectionRefusedError"), ("deny", "Denied")])
def test_default_option_is_the_last_word(default: str, said: str) -> None:
    result = run_guarded(["-c", KNOCK, "9"], rules="version: 1\n", options=["--default", default])
    assert result.stdout == said + "\n"
    assert result.trail[0]["default"] == default


def test_dry_run_records_and_denies_nothing() -> None:
    result = run_guarded(["-c", KNOCK, "9"], rules=DENY, options=["--dry-run"])
    assert result.stdout == "ConnectionRefusedError\n"
    [line] = result.lines("connect")
    assert (line["verdict"], line["would"]) == ("log", "deny")
    assert result.trail[0]["mode"] == "dry-run"
    assert "would deny" in result.stderr
    assert "dry run: nothing was denied" in result.stderr


# Labels and the trail


def test_session_and_tags_stand_on_every_decision() -> None:
    result = run_guarded(["-c", KNOCK, "9"], options=["--session", "job-7", "--tag", "team=red", "--tag", "a=b=c"])
    assert result.lines("connect")[0]["tags"] == {"session": "job-7", "team": "red", "a": "b=c"}
    assert result.trail[0]["tags"] == {"session": "job-7", "team": "red", "a": "b=c"}


@pytest.mark.parametrize(
    ("wall", "said"),
    [pytest.param("require", ("on", "A"), marks=pytest.mark.kernel), ("off", ("off: --wall off", "D"))],
)
def test_coverage_says_what_is_on_and_what_is_not(wall: str, said: tuple[str, str]) -> None:
    result = run_guarded(["-c", "pass"], wall=wall)
    first, second, *_, last = result.trail
    assert (first["kind"], first["event"], first["mode"], first["hooks"]) == ("coverage", "run", "run", "asked for")
    assert (first["wall"], first["tier"]) == said
    assert first["http_view"].startswith("off: ")
    assert len(first["policy"]) == 64
    assert first["command"][1:] == ["-c", "pass"]
    assert (second["kind"], second["event"], second["hooks"]) == ("coverage", "process", "on")
    assert second["python"] == sys.version.split()[0]
    assert (last["kind"], last["exit"], last["decisions"]) == ("close", 0, 0)


def test_grants_that_rest_on_the_guest_s_word_are_named() -> None:
    rules = DENY + "rules:\n  - {allow: exec, program: git, name: vcs}\n  - {deny: exec, program: curl}\n"
    rules += "  - {log: connect, native: false, name: said}\n  - {log: listen, native: true, name: unsaid}\n"
    rules += "  - {deny: connect, native: true}\n"
    assert run_guarded(["-c", "pass"], rules=rules).trail[0]["told"] == ["vcs", "said", "unsaid"]


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_trail_can_go_to_standard_output(tmp_path: Path) -> None:
    done = netguard("--log", "-", "-c", "print('mine')", folder=tmp_path)
    assert [line["kind"] for line in records(done.stdout)] == ["coverage", "coverage", "close"]
    assert "mine" in done.stdout.splitlines()
    assert "trail: " not in done.stderr


def test_trail_can_go_to_a_descriptor_that_the_guest_does_not_get(tmp_path: Path, pipe: tuple[int, int]) -> None:
    code = f"import os\ntry: os.write({pipe[1]}, b'for' b'ged')\nexcept OSError as error: print(error.errno)"
    done = netguard("--log-fd", str(pipe[1]), "-c", code, folder=tmp_path, fds=(pipe[1],))
    assert (done.returncode, done.stdout) == (0, "9\n")
    text = all_of(*pipe)
    assert "forged" not in text
    assert [line["seq"] for line in records(text)] == list(range(3))


@pytest.mark.parametrize(
    "words", [("--keep-fd", "{fd}", "-c", "pass"), ("-c", "open('/dev/fd/{fd}', 'w')", "/dev/fd/{fd}")]
)
def test_guest_is_never_given_the_trail_s_descriptor(
    tmp_path: Path, pipe: tuple[int, int], words: tuple[str, ...]
) -> None:
    args = [word.format(fd=pipe[1]) for word in words]
    done = netguard("--log-fd", str(pipe[1]), *args, folder=tmp_path, fds=(pipe[1],))
    assert done.returncode in (1, 125)
    assert len(records(all_of(*pipe))) in (0, 3)


@pytest.mark.parametrize("options", [("--log-fd", "1"), ("--status-fd", "1", "--log-fd", "1")])
def test_trail_and_status_may_share_standard_output(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = netguard("--quiet", *options, "-c", "pass", folder=tmp_path)
    assert records(done.stdout)[-1]["kind"] == "close"
    assert ("guest exited 0" in done.stdout) == (len(options) == 4)


def test_two_places_for_the_trail_are_refused(tmp_path: Path) -> None:
    done = netguard("--log", "t", "--log-fd", "1", "-c", "print('ran')", folder=tmp_path)
    assert (done.returncode, done.stdout) == (125, "")


def test_trail_s_folder_that_cannot_be_made_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    done = netguard("-c", "print('ran')", folder=tmp_path)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("netguard: cannot ")
    assert "Traceback" not in done.stderr


def test_runs_can_share_one_file_one_after_the_other(tmp_path: Path) -> None:
    for _ in range(2):
        assert netguard("--log", "t", "-c", "pass", folder=tmp_path).returncode == 0
    report = verify(str(tmp_path / "t"))
    assert (report.whole, len(report.runs)) == (True, 2)


# The screen


def test_quiet_says_nothing_but_our_own_failures(tmp_path: Path) -> None:
    quiet = run_guarded(["-c", KNOCK, "9"], rules=DENY, options=["--quiet"])
    assert (quiet.stdout, quiet.stderr) == ("Denied\n", "")
    assert "nowhere.yaml" in netguard("--quiet", "--rules", "nowhere.yaml", "-c", "pass", folder=tmp_path).stderr


def test_denial_is_told_at_once_and_repeats_are_counted() -> None:
    script = """
import socket, sys
for _ in range(5):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
    except OSError:
        pass
"""
    result = run_guarded(["-c", script, "9"], rules=DENY)
    told = [line for line in result.stderr.splitlines() if "netguard: denied" in line]
    assert told[0].startswith("netguard: denied connect 127.0.0.1:9 — no rule matches (default deny, <string>:")
    assert len(told) == 2
    assert "repeated 4 more times" in told[1]
    assert len(result.lines("connect", verdict="deny")) == 5


def test_run_without_decisions_says_so(tmp_path: Path) -> None:
    done = netguard("-c", "pass", folder=tmp_path)
    assert done.stderr.startswith("netguard: no decisions")
    assert "version: 1" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_screen_keeps_to_the_terminal_s_encoding(encoding: str) -> None:
    result = run_guarded(["-c", KNOCK, "9"], rules=DENY, env={"PYTHONIOENCODING": encoding})
    assert ("—" in result.stderr) == (encoding == "utf-8")
    assert "?" not in result.stderr.split("(")[0]


def test_standard_error_that_is_gone_does_not_end_the_run(tmp_path: Path) -> None:
    command = f"exec {sys.executable} -m netguard run --log t --rules deny-all -c 'print(1)' 2>&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "1\n")


# The environment


def test_guest_s_environment_is_its_own(tmp_path: Path) -> None:
    """What asks for the guard is there for its children, and not to be seen."""
    code = "import json, os; print(json.dumps([dict(os.environ), open('/proc/self/environ').read().split(chr(0))]))"
    done = netguard("--quiet", "-c", code, folder=tmp_path, env={"PYTHONPATH": f"/one::{tmp_path}:"})
    found, started = json.loads(done.stdout)
    found.pop("LC_CTYPE", None)  # Python's own doing in a C locale
    assert found == clean_environment(str(tmp_path), {"PYTHONPATH": f"/one::{tmp_path}:"})
    added = dict(entry.split("=", 1) for entry in started if entry.startswith(("NETGUARD_", "PYTHONPATH=")))
    assert (added["PYTHONPATH"], added["NETGUARD_PYTHONPATH"]) == (starter_dir(), f"/one::{tmp_path}:")
    assert added["NETGUARD_RUN"] not in added["NETGUARD_CHANNEL"]


# A run inside a run


def nested(
    tmp_path: Path, outer: str, inner: str, *words: str, options: Sequence[str] = ()
) -> tuple[str, str, list[Any], list[Any]]:
    """Runs under both, the outer one with these options; returns output, errors, and both trails."""
    (tmp_path / "inner.yaml").write_text(inner)
    log = str(tmp_path / "inner.jsonl")
    command = ["-m", "netguard", "run", "--quiet", "--rules", str(tmp_path / "inner.yaml"), "--log", log, *words]
    result = run_guarded(command, rules=outer, options=options)
    return result.stdout, result.stderr, result.trail, read_trail(log)


def connects(trail: list[Any]) -> list[tuple[str, str, int]]:
    found = [(line["verdict"], line["dst"]) for line in trail if line["kind"] == "connect"]
    return [(verdict, dst["ip"], dst["port"]) for verdict, dst in found if "ip" in dst]


def test_inner_run_works_and_the_outer_one_hears_of_it(tmp_path: Path) -> None:
    with TcpEcho() as server:
        log = ALLOW.replace("allow", "log")
        out, err, outer, inner = nested(tmp_path, log, log, "-c", KNOCK, str(server.port))
        assert (out, server.connections) == ("reached\n", 1), err
    assert connects(outer) == connects(inner) == [("log", "127.0.0.1", server.port)]
    assert inner[0]["why"].startswith("inside another run")
    assert outer[-1]["exit"] == inner[-1]["exit"] == 0


@pytest.mark.parametrize("wall", [pytest.param("require", marks=pytest.mark.kernel), "off"])
def test_inner_run_that_the_outer_one_denies_its_channel_says_so(tmp_path: Path, wall: str) -> None:
    rules = DENY + "rules:\n  - {allow: [exec, native]}\n"
    log = str(tmp_path / "inner.jsonl")
    words = ["-m", "netguard", "run", "--log", log, "-c", "print(1)"]
    denied = run_guarded(words, rules=rules, wall=wall)
    assert (denied.status, denied.stdout) == (125, "")
    assert "netguard: the channel cannot be opened: Permission denied; a run around this one has to" in denied.stderr
    granted = rules + "  - {allow: [listen, connect], to: 'unix:@netguard-*'}\n"
    assert run_guarded(words, rules=granted, wall=wall).stdout == "1\n"


NO_TCP = ALLOW + "rules:\n  - {deny: connect, proto: tcp, name: no-tcp, because: not from here}\n"


def test_outer_run_denies_what_the_inner_one_allows(tmp_path: Path) -> None:
    with TcpEcho() as server:
        words = ("-c", KNOCK, str(server.port))
        out, err, outer, inner = nested(tmp_path, NO_TCP, ALLOW, *words, options=["--wall", "off"])
        assert (out, server.connections) == ("Denied\n", 0), err
    assert connects(outer) == [("deny", "127.0.0.1", server.port)]
    [line] = [line for line in inner if line["kind"] == "connect"]
    assert line["rule"] == "outer-run"
    assert "no-tcp" in line["why"]


@pytest.mark.kernel
def test_outer_wall_denies_what_the_inner_run_allows(tmp_path: Path) -> None:
    """It answers the inner guest's own call: the inner run has nothing to say in it."""
    with TcpEcho() as server:
        out, err, outer, _ = nested(tmp_path, NO_TCP, ALLOW, "-c", KNOCK, str(server.port))
        assert (out, server.connections) == ("PermissionError\n", 0), err
    assert connects(outer) == [("deny", "127.0.0.1", server.port)]


@pytest.mark.kernel
def test_inner_run_knows_its_guest_behind_an_outer_wall(tmp_path: Path) -> None:
    """Though another process connects for it: on record is who asked, and what holds is said."""
    code = KNOCK.replace("import", "import os, threading; print(os.getpid())\nimport", 1)
    with TcpEcho() as server:
        log = ALLOW.replace("allow", "log")
        out, err, outer, inner = nested(tmp_path, log, log, "-c", code, str(server.port))
        assert server.connections == 1, err
    pid = int(out.split()[0])
    said = [line["proc"] for line in inner if line["kind"] == "connect" and "ip" in line["dst"]]
    assert [(proc["pid"], proc["tid"], proc["argv"][1]) for proc in said] == [(pid, pid, "-c")]
    assert (outer[0]["tier"], outer[0]["wall"]) == ("A", "on")
    assert inner[0]["tier"] == "C"
    assert inner[0]["wall"].startswith("partly: inside another run")


@pytest.mark.kernel
def test_wall_that_is_required_is_not_to_be_had_inside(tmp_path: Path) -> None:
    log = str(tmp_path / "inner.jsonl")
    result = run_guarded(["-m", "netguard", "run", "--wall", "require", "--log", log, "-c", "print(1)"], rules=ALLOW)
    assert (result.status, result.stdout) == (125, "")
    assert "--wall require: inside another run, " in result.stderr
    assert "run netguard outside of it" in result.stderr


def test_inner_run_denies_what_the_outer_one_allows(tmp_path: Path) -> None:
    with TcpEcho() as server:
        out, _, _, inner = nested(tmp_path, ALLOW, DENY, "-c", KNOCK, str(server.port))
        assert (out, server.connections) == ("Denied\n", 0)
    assert [line["rule"] for line in inner if line["kind"] == "connect"] == ["default"]


def test_outer_run_hears_of_names_too(tmp_path: Path) -> None:
    rules = ALLOW + "rules:\n  - {deny: dns, to: '*.test', name: no-test}\n"
    code = "import socket\ntry: socket.getaddrinfo('a.test', 80)\nexcept OSError as error: print(type(error).__name__)"
    out, _, outer, _ = nested(tmp_path, rules, ALLOW, "-c", code)
    assert out == "Denied\n" or "Error" in out
    assert [line["rule"] for line in outer if line["kind"] == "dns"] == ["no-test"]


def test_loopback_names_and_own_sockets_work_inside(tmp_path: Path) -> None:
    code = """
import socket
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(("localhost", server.getsockname()[1]), 5).close()
print("ok")
"""
    out, err, _, _ = nested(tmp_path, ALLOW, "version: 1\nrules:\n  - {allow: any, to: '@self'}\n", "-c", code)
    assert out == "ok\n", err
