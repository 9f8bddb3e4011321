"""What a run leaves behind: the compiled policy beside the trail, suggested rules, a trail within its bound."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from netguard.core.compiled import load
from netguard.policy.load import load_policy
from tests.support.echo import TcpEcho
from tests.support.guard import clean_environment
from tests.support.isolation import Namespace

KNOCK = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5).close()"


def netguard(folder: Path, *words: str, within: Namespace | None = None) -> subprocess.CompletedProcess[str]:
    """`netguard run` with a state folder of its own."""
    command = [sys.executable, "-m", "netguard", "run", *words]
    return subprocess.run(
        within.command(command) if within else command, capture_output=True, text=True, timeout=60, check=False,
        cwd=folder, env=clean_environment(str(folder), {"XDG_STATE_HOME": str(folder / "state")}),
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_run_s_folder_holds_the_policy_that_its_first_line_names(tmp_path: Path) -> None:
    assert netguard(tmp_path, "--quiet", "-c", "pass").returncode == 0
    (folder,) = (tmp_path / "state" / "netguard" / "runs").iterdir()
    text = (folder / "policy").read_bytes()
    first = json.loads((folder / "trail.jsonl").read_text().splitlines()[0])
    assert first["policy"] == hashlib.sha256(text).hexdigest()
    assert load(text.decode("ascii")).default == "log"
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_suggested_rules_load_and_let_the_same_run_through(tmp_path: Path) -> None:
    with TcpEcho() as server:
        words = ("-c", KNOCK, str(server.address[1]))
        assert netguard(tmp_path, "--suggest", "rules.yaml", *words).returncode == 0
        assert load_policy([str(tmp_path / "rules.yaml")]).default == "deny"
        assert netguard(tmp_path, "--quiet", "--rules", "rules.yaml", *words).returncode == 0
        assert netguard(tmp_path, "--quiet", "--rules", "rules.yaml", "-c", "import os; os.system('true')").returncode


def test_suggested_rules_let_a_name_through_that_led_to_this_machine(netns: Namespace, tmp_path: Path) -> None:
    """Where a name leads is told behind its line; a rule without `private` would deny it the next time."""
    netns.open("dns", names={"inner.example.test": ["127.0.0.1"]}, port=53)
    words = ("-c", "import socket; print(socket.gethostbyname('inner.example.test'))")
    assert netguard(tmp_path, "--quiet", "--suggest", "rules.yaml", *words, within=netns).stdout == "127.0.0.1\n"
    done = netguard(tmp_path, "--quiet", "--rules", "rules.yaml", *words, within=netns)
    assert (done.returncode, done.stdout) == (0, "127.0.0.1\n"), done.stderr


def test_suggestion_that_cannot_be_written_is_said_and_leaves_the_guest_s_status(tmp_path: Path) -> None:
    done = netguard(tmp_path, "--quiet", "--suggest", "no/such/folder/rules.yaml", "-c", "raise SystemExit(3)")
    assert done.returncode == 3
    assert done.stderr == "netguard: --suggest no/such/folder/rules.yaml: No such file or directory\n"


def test_trail_at_its_bound_denies_and_still_closes(tmp_path: Path) -> None:
    code = (
        "import socket, sys\n"
        "for count in range(500):\n"
        "    try: socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5).close()\n"
        "    except PermissionError as error: print(count, error.rule); break\n"
    )
    with TcpEcho() as server:
        done = netguard(
            tmp_path, "--quiet", "--log", "t.jsonl", "--max-trail", "70KB", "-c", code, str(server.address[1])
        )
        assert done.stdout.split()[1:] == ["trail"]
        assert 0 < int(done.stdout.split()[0]) < 200
    lines = (tmp_path / "t.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["kind"] == "close"
    assert (tmp_path / "t.jsonl").stat().st_size <= 70_000
    assert "TAMPER: the trail" in done.stderr or "full" in done.stderr, "also when quiet"


@pytest.mark.parametrize("size", ["", "10X", "-1", "1.5GB", "1_000", "9" * 20])
def test_size_that_is_none_runs_nothing(tmp_path: Path, size: str) -> None:
    done = netguard(tmp_path, f"--max-trail={size}", "-c", "print('ran')")
    assert (done.returncode, done.stdout) == (125, "")
    assert "--max-trail" in done.stderr
