"""`env`, `install`, `uninstall` and `status` as a person meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from netguard.inject import venv
from netguard.paths import starter_dir
from tests.inject.environments import bare, tree
from tests.support.guard import clean_environment

LIMITED = "version: 1\nrules: [{name: a, log: connect, to: 192.0.2.7, limit: {connections: 5/min}}]\n"


def ran(folder: Path, *words: str, **env: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "netguard", *words],
        cwd=folder, env=clean_environment(str(folder), env), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_env_prints_variables_and_writes_the_policy(tmp_path: Path) -> None:
    status, out, err = ran(tmp_path, "env", "--rules", "agent", "--log", "lines.jsonl", PYTHONPATH=":/a::/b:")
    policy = tmp_path / "netguard.policy"
    sha = subprocess.run(["sha256sum", policy], capture_output=True, text=True, check=True).stdout.split()[0]
    assert status == 0
    assert out.splitlines() == [
        f"export PYTHONPATH='{starter_dir()}:/a:/b'",
        f"export NETGUARD_POLICY='{policy}'",
        f"export NETGUARD_POLICY_SHA256='{sha}'",
        f"export NETGUARD_LOG='{tmp_path}/lines.jsonl'",
    ]
    assert err.splitlines() == [
        f"netguard: netguard.policy: written, sha256 {sha}",
        "netguard: 2 warnings; netguard check --injection agent shows them",
    ]
    assert policy.read_text().startswith("netguard-policy 1\n")
    compiled = subprocess.run([sys.executable, "-m", "netguard", "compile", "agent"], capture_output=True, check=True)
    assert policy.read_bytes() == compiled.stdout
    assert ran(tmp_path, "env", "--rules", "agent", "--log", "lines.jsonl")[2].count("\n") == 1  # nothing new to say


def test_env_does_not_take_a_starter_twice(tmp_path: Path) -> None:
    path = f"/a:{starter_dir()}"
    _, out, _ = ran(tmp_path, "env", "--rules", "agent", "--log-fd", "3", "--format", "json", PYTHONPATH=path)
    assert json.loads(out)["PYTHONPATH"] == f"{starter_dir()}:/a"


def test_env_with_a_copy_leads_to_the_copy(tmp_path: Path) -> None:
    _, out, _ = ran(tmp_path, "env", "--rules", "agent", "--log-fd", "3", "--guest", "guest", "--format", "json")
    assert json.loads(out)["PYTHONPATH"] == f"{tmp_path}/guest/starter"


def test_env_replaces_a_policy_and_says_so(tmp_path: Path) -> None:
    ran(tmp_path, "env", "--rules", "agent", "--log", "x")
    status, _, err = ran(tmp_path, "env", "--rules", "deny-all", "--log", "x")
    assert status == 0
    assert "netguard: netguard.policy: replaced, sha256 " in err


def test_env_replaces_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine\n")
    status, out, err = ran(tmp_path, "env", "--rules", "agent", "--log", "x", "--policy", "mine")
    assert (status, out, err) == (
        1, "", "netguard: mine: is there and is no compiled policy; --policy names another place\n",
    )  # fmt: skip
    assert (tmp_path / "mine").read_text() == "mine\n"


def test_env_refuses_rules_that_cannot_hold(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(LIMITED)
    status, out, err = ran(tmp_path, "env", "--rules", "r.yaml", "--log", "x")
    assert (status, out) == (1, "")
    assert err.startswith("netguard: these rules cannot hold without a supervisor:\nr.yaml:2:56: 'a' limits per run")
    assert os.listdir(tmp_path) == ["r.yaml"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "where do the lines go?"),
        (["--log", "x", "--log-fd", "3"], "give one of them"),
        (["--log", "x", "--format", "docker"], "NETGUARD_LOG=x: not absolute"),
        (["--log", "x", "--starter", "/s"], "NETGUARD_LOG=x: not absolute"),
        (["--log", "/x", "--starter", "s"], "PYTHONPATH can hold an absolute path without a colon"),
        (["--log", "/x", "--starter", "/s:/t"], "PYTHONPATH can hold an absolute path without a colon"),
        (["--log", "/x", "--policy-at", "p"], "NETGUARD_POLICY=p: not absolute"),
        (["--log", "unix:x"], "NETGUARD_LOG=unix:x: not absolute"),
        (["--log", "/x", "--run", "a b"], "NETGUARD_RUN=a b: a name of 1 to 64"),
        (["--log", "/x", "--tag", "a"], "NETGUARD_TAGS=a: KEY=VALUE"),
        (["--log", "/x", "--tag", "a=b,c=d"], "a tag may hold no comma"),
    ],
)
def test_env_refuses_what_would_stop_a_program(words: list[str], says: str, tmp_path: Path) -> None:
    status, out, err = ran(tmp_path, "env", "--rules", "agent", *words)
    assert (status, out) == (2, "")
    assert says in err
    assert os.listdir(tmp_path) == []


def test_env_for_an_image_names_what_it_needs(tmp_path: Path) -> None:
    words = ["--log", "unix:@lines", "--format", "docker", "--guest", "guest", "--policy", "a.policy", "--run", "r"]
    places = ["--starter", "/opt/netguard/starter", "--policy-at", "/opt/netguard/a.policy"]
    status, out, err = ran(tmp_path, "env", "--rules", "agent", *words, *places, PYTHONPATH="/mine")
    assert status == 0
    assert out.splitlines()[0] == 'ENV PYTHONPATH="/opt/netguard/starter${PYTHONPATH:+:$PYTHONPATH}"'
    assert 'ENV NETGUARD_POLICY="/opt/netguard/a.policy"' in out
    assert "the sandbox needs a.policy as /opt/netguard/a.policy and guest as /opt/netguard, where it" in err
    assert (tmp_path / "guest/starter/sitecustomize.py").is_file()


@pytest.fixture
def environment(tmp_path: Path) -> venv.Venv:
    return bare(sys.executable, tmp_path / "venv")


def test_install_status_uninstall(environment: venv.Venv, tmp_path: Path) -> None:
    before = tree(environment.folder)
    words = ["install", "--venv", "venv", "--rules", "agent", "--log", "lines.jsonl", "--tag", "a=b"]
    assert ran(tmp_path, "status", "--venv", "venv")[:2] == (
        1,
        "not guarded: the environment: netguard install was not run for it\n\n"
        f"environment: not guarded\n  python       {environment.version} ({environment.python})\n",
    )
    status, out, err = ran(tmp_path, *words)
    assert (status, out.splitlines()[0]) == (0, f"{environment.folder}: guarded, by {starter_dir()}")
    assert err == "netguard: 2 warnings; netguard check --injection agent shows them\n"
    status, out, _ = ran(tmp_path, "status", "--venv", "venv")
    assert (status, out.splitlines()[0]) == (
        0, "guarded: the environment: every Python in it starts with the guard, but for -S",
    )  # fmt: skip
    assert f"  lines go to  {tmp_path}/lines.jsonl" in out
    assert ran(tmp_path, *words)[1].startswith(f"{environment.folder}: guarded already, nothing changed, by ")
    status, out, err = ran(tmp_path, "uninstall", "--venv", "venv")
    assert (status, out.count("removed "), err) == (0, 4, "")
    assert tree(environment.folder) == before
    assert ran(tmp_path, "uninstall", "--venv", "venv")[1].endswith(": nothing of netguard install is here\n")


def test_install_refuses_rules_that_cannot_hold(environment: venv.Venv, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(LIMITED)
    before = tree(environment.folder)
    assert ran(tmp_path, "install", "--venv", "venv", "--rules", "r.yaml", "--log", "x")[0] == 1
    assert tree(environment.folder) == before


def test_uninstall_says_what_it_leaves(environment: venv.Venv, tmp_path: Path) -> None:
    ran(tmp_path, "install", "--venv", "venv", "--rules", "agent", "--log", "x")
    policy = Path(environment.folder, "netguard/policy")
    policy.chmod(0o644)
    policy.write_text("mine")
    status, out, err = ran(tmp_path, "uninstall", "--venv", "venv", "--quiet")
    assert (status, out, err) == (1, "", f"netguard: {policy}: is not what was put there, and is left\n")


def test_status_looks_at_the_environment_in_use_and_the_shell(environment: venv.Venv, tmp_path: Path) -> None:
    status, out, _ = ran(tmp_path, "status", VIRTUAL_ENV=environment.folder)
    assert (status, out.splitlines()[0]) == (
        1,
        "not guarded: the environment: netguard install was not run for it; "
        "the shell: no NETGUARD_ variable is set",
    )  # fmt: skip
    ran(tmp_path, "install", "--venv", "venv", "--rules", "agent", "--log", "x")
    status, out, _ = ran(tmp_path, "status", "--json", VIRTUAL_ENV=environment.folder)
    shown = json.loads(out)
    assert (status, shown["guarded"], shown["environment"]["guarded"], shown["shell"]["guarded"]) == (
        0, True, True, False,
    )  # fmt: skip
    assert shown["environment"]["facts"]["environment"] == environment.folder


def test_status_that_cannot_tell_is_neither(tmp_path: Path) -> None:
    status, out, _ = ran(tmp_path, "status", "--venv", ".", "--json")
    assert (status, json.loads(out)["guarded"]) == (2, None)
    assert ran(tmp_path, "status", "--venv", ".")[1].startswith("cannot tell: the environment: .: is no virtual")
