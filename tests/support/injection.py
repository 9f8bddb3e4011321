"""Runs a Python with the guard injected: by the environment alone, no supervisor, netguard not installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from netguard.core.compiled import dump
from netguard.policy.load import load_policy
from tests.support.guard import Result, clean_environment
from tests.support.isolation import ROOT, Namespace

#: The starter's folder in this checkout.
STARTER = ROOT + "/sitecustomize"


def compiled(folder: Path, rules: str) -> str:
    """Writes the compiled form of rules and returns its path."""
    text, path = folder / "rules.yaml", folder / "compiled.policy"
    text.write_text(rules, encoding="utf-8")
    path.write_text(dump(load_policy([str(text)])), encoding="ascii")
    return str(path)


def asking(folder: Path, rules: str, *, starter: str = STARTER, log: str | None = None) -> dict[str, str]:
    """The variables that ask for a guard with these rules; lines go to `trail.jsonl` in the folder, or to `log`."""
    return {
        "PYTHONPATH": starter,
        "NETGUARD_POLICY": compiled(folder, rules),
        "NETGUARD_LOG": str(folder / "trail.jsonl") if log is None else log,
    }


def run_injected(
    words: Sequence[str],
    folder: Path,
    rules: str,
    *,
    starter: str = STARTER,
    env: Mapping[str, str | None] | None = None,
    within: Namespace | None = None,
    pass_fds: Sequence[int] = (),
    timeout: float = 60,
) -> Result:
    """Runs a command whose environment asks for the guard.

    env: changes to the environment that `asking` gives; None takes a name away.
    """
    with tempfile.TemporaryDirectory(prefix="netguard-test-") as state:
        done = subprocess.run(
            within.command(words) if within else list(words),
            env=clean_environment(state, {**asking(folder, rules, starter=starter), **(env or {})}),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            pass_fds=pass_fds,
            timeout=timeout,
            check=False,
        )
    return Result(done.returncode, done.stdout, done.stderr, readable(folder / "trail.jsonl"))


def readable(path: Path) -> list[dict[str, Any]]:
    """The lines of a trail that are lines: a guest may have written others."""
    found = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def verified(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `netguard verify --json` says of a trail."""
    done = subprocess.run(
        [sys.executable, "-m", "netguard", "verify", "--json", str(path)], capture_output=True, text=True, check=False
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report
