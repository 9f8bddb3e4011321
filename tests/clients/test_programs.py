"""What no witness sees connects, or is denied by its rule and ends, because the kernel hands its calls over.

A program that this machine lacks is skipped by name; the libraries come from an index, or are skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from netguard.core.facets import any_program
from tests.clients.programs import JAVA, LIBRARIES, PROGRAMS, TALKERS, Client
from tests.clients.serving import serving
from tests.support.guard import Result, run_guarded
from tests.support.kernel import seccomp_missing
from tests.support.web import HttpServer

#: Seconds that a denial may add to what the client takes to connect. None takes one; the machine is shared.
PATIENCE = 5.0

needs_wall = pytest.mark.skipif(bool(seccomp_missing()), reason=seccomp_missing())

RULES = "version: 1\ndefault: allow\nrules:\n  - {{name: the-server, {verdict}: connect, to: '127.0.0.1:{port}'}}\n"


#: The same for whoever is named by its library alone.
BY_LIBRARY = (
    "version: 1\ndefault: allow\nrules:\n"
    "  - {{name: the-server, {verdict}: connect, native: {{library: '{library}'}}}}\n"
)


def run(
    client: Client, verdict: str, server: HttpServer, python: str = sys.executable, rules: str = RULES
) -> Result:
    rules = rules.format(verdict=verdict, port=server.port, library=client.library)
    command = ["--", *client.command(server.port, python)]
    return run_guarded(command, rules=rules, options=["--quiet"], wall="require", timeout=60)


def try_out(client: Client, server: HttpServer, python: str = sys.executable, *, fetches: bool = True) -> None:
    """Bare, then allowed, then denied."""
    start = time.monotonic()
    bare = subprocess.run(client.command(server.port, python), capture_output=True, text=True, check=False, timeout=60)
    took = time.monotonic() - start
    assert server.connections == 1
    assert len(server.hits) == fetches
    allowed = run(client, "log", server, python)
    assert server.connections == 2, allowed.stderr
    assert allowed.status == bare.returncode, allowed.stderr
    assert len(allowed.stdout) == len(bare.stdout)
    check(allowed, client, "log")
    for rules in (RULES, BY_LIBRARY) if client.library else (RULES,):
        start = time.monotonic()
        denied = run(client, "deny", server, python, rules)
        assert time.monotonic() - start < took + PATIENCE
        assert server.connections == 2
        assert denied.status > 0, denied.stdout
        check(denied, client, "deny")


def check(result: Result, client: Client, verdict: str) -> None:
    lines = result.lines("connect", rule="the-server")
    assert lines
    assert {line["verdict"] for line in lines} == {verdict}
    assert {tuple(line["layers"]) for line in lines} == {client.layers}
    for line in lines if client.library else ():
        assert any_program((client.library,), (line["code"]["library"],)), line["code"]


@needs_wall
@pytest.mark.parametrize("name", PROGRAMS)
def test_program_connects_or_is_denied(name: str, http_server: HttpServer, tmp_path: Path) -> None:
    client = PROGRAMS[name]
    if not shutil.which(client.wants):
        pytest.skip(f"the program {client.wants}")
    source = tmp_path / "Get.java"
    source.write_text(JAVA)
    words = [str(source) if word == source.name else word for word in client.words]
    try_out(client._replace(words=tuple(words)), http_server)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with all libraries that are to be had."""
    folder = tmp_path_factory.mktemp("libraries") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", python, "install"]
    for client in LIBRARIES.values():
        only = ["--only-binary", ":all:", client.wants]
        subprocess.run([*pip, *only], capture_output=True, timeout=280, check=False)
    return python


@needs_wall
@pytest.mark.slow
@pytest.mark.parametrize("name", LIBRARIES)
def test_native_library_connects_or_is_denied(name: str, environment: str, http_server: HttpServer) -> None:
    if subprocess.run([environment, "-c", f"import {name}"], capture_output=True, check=False).returncode:
        pytest.skip(f"the distribution {LIBRARIES[name].wants}")
    try_out(LIBRARIES[name], http_server, environment, fetches=name not in TALKERS)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[int]:
    """The port of a web server that has a repository with one commit."""
    if not shutil.which("git"):
        pytest.skip("the program git")
    folder = tmp_path / "served"
    who = ["-c", "user.name=any", "-c", "user.email=any@example.test"]
    for words in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "first"], ["update-server-info"]):
        folder.mkdir(exist_ok=True)
        subprocess.run(["git", *words], cwd=folder, check=True)
    with serving(folder) as port:
        yield port


@needs_wall
@pytest.mark.parametrize("verdict", ["log", "deny"])
def test_git_clones_or_is_denied(verdict: str, repository: int, tmp_path: Path) -> None:
    """What connects is a helper that git starts, two programs below the one that was asked for."""
    client = Client("git", ("git", "clone", "-q", f"http://127.0.0.1:{repository}/.git", str(tmp_path / "clone")))
    rules = RULES.format(verdict=verdict, port=repository)
    done = run_guarded(["--", *client.words], rules=rules, options=["--quiet"], wall="require", timeout=60)
    assert (done.status == 0) == (verdict == "log"), done.stderr
    assert (tmp_path / "clone" / ".git" / "HEAD").exists() == (verdict == "log")
    check(done, client, verdict)
