"""Virtual environments for the tests of what is put into them: bare ones, of every Python that a guest may have."""

from __future__ import annotations

import subprocess
from pathlib import Path

from netguard.inject import venv
from tests.support.guard import clean_environment

#: Stands in the starter's place where only the line that runs it is looked at: says that it ran, and with what.
TELLS = """\
import os, sys
os.write(1, ('%s %s %s|' % (__name__, __file__, SETTINGS)).encode())
sys.addaudithook(lambda event, args: args[0].append(True) if event == 'netguard.running' else None)
"""

VARIABLES = {"NETGUARD_POLICY": "/p", "NETGUARD_LOG": "/l"}
POLICY = b"netguard-policy 1\ndefault deny\nend 0\n"


def bare(python: str, folder: Path) -> venv.Venv:
    """A fresh environment without pip."""
    command = [python, "-I", "-m", "venv", "--without-pip", "--symlinks", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return venv.find(str(folder))


def start(
    environment: venv.Venv, *words: str, env: dict[str, str | None] | None = None
) -> subprocess.CompletedProcess[str]:
    """One start of its Python."""
    return subprocess.run(
        [environment.python, *words],
        cwd=environment.folder, env=clean_environment(environment.folder, env),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def tree(folder: str | Path) -> dict[str, tuple[int, bytes]]:
    """Every file and folder with its mode and content; an interpreter's own bytecode is none of ours."""
    return {
        str(path): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(Path(folder).rglob("*"))
        if "__pycache__" not in path.parts
    }
