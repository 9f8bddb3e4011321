"""The test suites of clients that everybody uses end under guard as they do without it.

They come as source distributions, with an environment of their own: from an index, or they are skipped. What they do
stays on the loopback of a namespace; a test that wants more fails there with and without a guard.
"""

from __future__ import annotations

import faulthandler
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.isolation import missing
from tests.transparency.running import GUARDED, Suite, compare

pytestmark = pytest.mark.slow


class Project(NamedTuple):
    """A source distribution: its name, the extras that its tests want, and what else they need."""

    name: str
    extras: str
    needs: tuple[str, ...]


PROJECTS = (
    Project("requests", "socks", ("pytest<9", "pytest-httpbin==2.1.0", "httpbin~=0.10.0", "pytest-mock", "trustme")),
    Project("httpx", "brotli,cli,http2,socks,zstd", ("pytest<9", "chardet", "trio", "trustme", "uvicorn")),
)


def pip(*words: str) -> None:
    """Runs pip; a machine that has no index is no failure."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    if done.returncode:
        pytest.skip(f"pip {words[0]} failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")


def made(project: Project, folder: Path) -> Suite:
    """The project's sources, and an environment with what its tests need."""
    pip("download", "--no-deps", "--no-binary", ":all:", "--dest", str(folder), project.name)
    archive = next(folder.glob("*.tar.gz"))
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    python = str(folder / "venv" / "bin" / "python")
    pip("--python", python, "install", f"{archive}[{project.extras}]", *project.needs)
    return Suite(python, sources=folder / archive.name.removesuffix(".tar.gz"))


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_clients_own_tests_end_as_without_a_guard(project: Project, tmp_path: Path) -> None:
    faulthandler.cancel_dump_traceback_later()  # they take minutes, and have ends of their own
    if missing():
        pytest.skip(missing())
    found = compare(made(project, tmp_path))
    assert len(found.tests) > 500
    for mode in GUARDED:
        assert not found.differences[mode], mode + "\n" + "\n".join(map(str, found.differences[mode]))
