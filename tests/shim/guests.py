"""Guests for the tests of the shim: a script written to a folder, run plain or guarded on any interpreter."""

from __future__ import annotations

import json
import subprocess
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.guard import Result, clean_environment, run_guarded
from tests.support.interpreters import Interpreter
from tests.support.isolation import ROOT, Namespace

#: The starter's folder, and the one above it, which guards as well.
STARTER = ROOT + "/sitecustomize"

LOG = "version: 1\ndefault: log\n"
ALLOW = "version: 1\ndefault: allow\n"
DENY = "version: 1\ndefault: deny\n"


def write(folder: Path, code: str, name: str = "guest.py") -> str:
    """Writes a script and returns its path."""
    path = folder / name
    path.write_text(textwrap.dedent(code), encoding="utf-8")
    return str(path)


def guarded(
    folder: Path, code: str, interpreter: Interpreter, *, rules: str = LOG, flags: Sequence[str] = (), **how: Any
) -> Result:
    """Runs the script under `netguard run`, quiet, on one interpreter: the witness alone, unless `wall` says more."""
    words = ["--", interpreter.path, *flags, write(folder, code)]
    return run_guarded(words, rules=rules, options=["--quiet"], cwd=folder, **{"wall": "off", **how})


def plain(
    folder: Path,
    words: Sequence[str],
    *,
    within: Namespace | None = None,
    env: Mapping[str, str | None] | None = None,
    stdin: str = "",
) -> subprocess.CompletedProcess[str]:
    """Runs a command without any guard, in the environment that `run_guarded` gives."""
    return subprocess.run(
        within.command(words) if within else list(words),
        env=clean_environment(str(folder), env),
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    )


def said(result: Result | subprocess.CompletedProcess[str]) -> Any:
    """What a script printed as JSON in its last line, with its errors when it printed none."""
    lines = result.stdout.splitlines()
    assert lines, result.stderr
    return json.loads(lines[-1])


def acts(result: Result) -> list[tuple[str, str, str]]:
    """(kind, event, verdict) of every decision on the trail, in order."""
    return [(line["kind"], line["event"], line["verdict"]) for line in result.trail if "verdict" in line]
