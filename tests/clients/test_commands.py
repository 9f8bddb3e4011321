"""Commands as people run them: each does behind the wall what it does without it, and ends with the same status.

A program that this machine lacks is skipped by name. All servers are the test's own, on loopback or in a folder.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients.serving import serving
from tests.support.guard import Result, clean_environment, run_guarded
from tests.support.kernel import seccomp_missing

needs_wall = pytest.mark.skipif(bool(seccomp_missing()), reason=seccomp_missing())
pytestmark = needs_wall

LOG = "version: 1\ndefault: log\n"


def guarded(words: list[str], folder: Path, rules: str = LOG, timeout: float = 120, **more: object) -> Result:
    """A command behind the wall, in a folder."""
    return run_guarded(
        ["--", *words], rules=rules, options=["--quiet"], wall="require", cwd=folder, timeout=timeout, **more
    )  # type: ignore[arg-type]


def bare(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """The same without netguard."""
    environ = clean_environment(str(folder))
    return subprocess.run(
        words, cwd=folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def wants(*programs: str) -> None:
    """Skips where a program is not there."""
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"the program {program}")


NODE = """
const http = require('http')
const server = http.createServer((asked, answer) => answer.end('answered ' + asked.url))
server.listen(0, '127.0.0.1', () => http.get({port: server.address().port, host: '127.0.0.1', path: '/here'}, found =>
  found.on('data', text => { console.log('' + text); server.close() })))
"""
MAKEFILE = "all: a b c d e f\n\t@echo all\na b c d e f:\n\t@echo $@ > $@.made\n"
CODE = '#include <stdio.h>\nint main(void) { puts("compiled"); return 3; }\n'
PIPES = "for i in $(seq 40); do echo $i | cat | tr 1 2 | sort | wc -l; done | sort -u; exit 7"
MANY = """
import asyncio, multiprocessing, sys
def square(number):
    return number * number
async def children():
    child = await asyncio.create_subprocess_exec("sh", "-c", "echo $((1 + 1)); exit 3", stdout=-1)
    print(await child.communicate(), child.returncode)
    child = await asyncio.create_subprocess_shell("cat", stdin=-1, stdout=-1)
    print(await child.communicate(b"typed"))
if __name__ == "__main__":
    for method in multiprocessing.get_all_start_methods():
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(method, pool.map(square, range(5)))
    with multiprocessing.Manager() as manager:
        shared = manager.dict(); shared["a"] = 1; print(dict(shared))
    asyncio.run(children())
"""
SUITE = "def test_good():\n    pass\n\ndef test_bad():\n    assert 0, 'as it should'\n"
SERVED = """
import http.client, socket, subprocess, sys, time
server = subprocess.Popen([sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"], stdout=-1, stderr=-3)
port = int(server.stdout.readline().split()[5])
connection = http.client.HTTPConnection("127.0.0.1", port)
connection.request("GET", "/many.py")
print(connection.getresponse().status)
server.terminate(); print(server.wait())
"""

#: Files that the rows below use.
FILES = {
    "app.js": NODE, "Makefile": MAKEFILE, "code.c": CODE, "many.py": MANY, "served.py": SERVED, "test_it.py": SUITE,
}  # fmt: skip

#: name -> (what must be installed, the command). Its output and its status are those of a plain run.
ROWS: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "bash": (("bash",), ["bash", "-c", PIPES]),
    "sh": ((), ["sh", "-c", PIPES]),
    "zsh": (("zsh",), ["zsh", "-c", PIPES]),
    "fish": (("fish",), ["fish", "-c", "echo one | cat | tr a-z A-Z; exit 4"]),
    "make": (("make",), ["make", "-j4", "-s"]),
    "gcc": (("gcc",), ["sh", "-c", "gcc -o made code.c && ./made"]),
    "perl": (("perl",), ["perl", "-e", 'print "printed\\n"; system("exit 2"); exit $? >> 8']),
    "node": (("node",), ["node", "app.js"]),
    "npm": (("npm",), ["npm", "--version"]),
    "java": (("java",), ["java", "-version"]),
    "tclsh": (("tclsh",), ["sh", "-c", "echo 'puts [exec echo told]; exit 5' | tclsh"]),
    "sqlite3": (("sqlite3",), ["sqlite3", ":memory:", "select 6 * 7"]),
    "xargs": (("xargs",), ["sh", "-c", "seq 30 | xargs -P 4 -n 1 echo | sort -n"]),
    "script": (("script",), ["script", "-qec", "echo typed; exit 9", "/dev/null"]),
    "ip": (("ip",), ["ip", "-brief", "link", "show", "lo"]),
    "ssh": (("ssh",), ["ssh", "-F", "none", "-o", "BatchMode=yes", "-p", "1", "127.0.0.1", "true"]),
    "psql": (("psql",), ["psql", "-w", "-h", "127.0.0.1", "-p", "1"]),
    "setsid": (("setsid",), ["setsid", "--wait", "sh", "-c", "echo led; exit 8"]),
    "nohup": (("nohup",), ["nohup", "sh", "-c", "echo on; exit 6"]),
    "timeout": (("timeout",), ["timeout", "-s", "KILL", "0.2", "sleep", "30"]),
    "multiprocessing": ((), [sys.executable, "many.py"]),
    "pytest": ((), [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no"]),
    "http.server": ((), [sys.executable, "served.py"]),
    "pydoc": ((), [sys.executable, "-m", "pydoc", "getpass"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_command_does_what_it_does_without_a_wall(name: str, tmp_path: Path) -> None:
    programs, words = ROWS[name]
    wants(*programs)
    plain, walled = tmp_path / "plain", tmp_path / "walled"
    for folder in (plain, walled):
        folder.mkdir()
        for file, text in FILES.items():
            (folder / file).write_text(text)
    expected, found = bare(words, plain), guarded(words, walled)
    status = expected.returncode if expected.returncode >= 0 else 128 - expected.returncode
    assert (found.status, same(found.stdout)) == (status, same(expected.stdout)), found.stderr
    assert same(found.stderr) == same(expected.stderr)
    assert sorted(os.listdir(walled)) == sorted(os.listdir(plain))


def same(text: str) -> list[str]:
    """A text without what is another each time: how long something took, where it was done."""
    words = text.replace("/walled/", "/plain/").split("\n")
    return [line.rpartition(" in ")[0] if line.endswith("s") and " in 0." in line else line for line in words]


def test_twenty_scripts_of_pipelines_end(tmp_path: Path) -> None:
    """Where calls of shells are handed over, an interrupted wait for a child has hung shells before."""
    for _ in range(20):
        assert guarded(["sh", "-c", PIPES], tmp_path, timeout=30)[:2] == (7, "1\n")


DAEMON = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
while os.getppid() == int(sys.argv[1]):
    time.sleep(0.01)
import socket
socket.create_connection(("127.0.0.1", int(sys.argv[2]))).close()
try:
    socket.create_connection(("127.0.0.1", 1))
except OSError as error:
    open("told", "w").write(type(error).__mro__[-4].__name__)
"""


def test_daemon_goes_on_under_the_same_rules(tmp_path: Path) -> None:
    (tmp_path / "daemon.py").write_text(DAEMON)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        rules = f"version: 1\ndefault: deny\nrules:\n  - {{log: connect, to: '127.0.0.1:{port}'}}\n"
        rules += "  - {allow: [exec, native]}\n"
        words = ["sh", "-c", f'"{sys.executable}" daemon.py $$ {port}']
        done = guarded(words, tmp_path, rules)
    assert done.status == 0, done.stderr
    assert (tmp_path / "told").read_text() == "OSError"
    assert done.verdicts("connect") == ["log", "deny"]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a package index with one distribution, and the port to name in a rule."""
    folder = tmp_path / "served" / "thing"
    folder.mkdir(parents=True)
    wheel(folder / "thing-1.0-py3-none-any.whl")
    with serving(tmp_path / "served") as port:
        yield f"http://127.0.0.1:{port}/", str(port)


def wheel(path: Path) -> None:
    """The smallest wheel that there may be: one module."""
    info = "thing-1.0.dist-info"
    files = {
        "thing.py": "number = 42\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: any\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{name},sha256={digest(text)},{len(text)}" for name, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    with zipfile.ZipFile(path, "w") as file:
        for name, text in files.items():
            file.writestr(name, text)


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.mark.parametrize("verdict", ["log", "deny"])
def test_pip_installs_from_an_index_or_is_denied(verdict: str, index: tuple[str, str], tmp_path: Path) -> None:
    url, port = index
    target = tmp_path / "installed"
    options = ["--disable-pip-version-check", "--no-cache-dir", "--retries", "0", "--isolated", "--no-deps"]
    words = [sys.executable, "-m", "pip", "install", *options, "--index-url", url, "--target", str(target), "thing"]
    rules = f"version: 1\ndefault: deny\nrules:\n  - {{{verdict}: connect, to: '127.0.0.1:{port}'}}\n"
    rules += "  - {allow: [exec, native, file, listen]}\n"
    done = guarded(words, tmp_path, rules)
    assert (done.status == 0) == (verdict == "log"), done.stderr
    assert (target / "thing.py").exists() == (verdict == "log")
    assert set(done.verdicts("connect")) == {verdict}


class Repository:
    """A bare repository with one commit. url: how to reach it, by the way that is named."""

    def __init__(self, folder: Path, way: str) -> None:
        self.bare = folder / "bare.git"
        work = folder / "work"
        git(folder, "init", "-q", "--bare", str(self.bare))
        git(folder, "init", "-q", str(work))
        git(work, "commit", "-q", "--allow-empty", "-m", "first")
        git(work, "push", "-q", str(self.bare), "HEAD:refs/heads/master")
        git(self.bare, "update-server-info")
        git(self.bare, "config", "daemon.receivepack", "true")
        self.url = str(self.bare) if way == "path" else f"file://{self.bare}"


def git(folder: Path, *words: str) -> None:
    """Any git command, by nobody in particular."""
    who = ["-c", "user.name=any", "-c", "user.email=any@example.test", "-c", "init.defaultBranch=master"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, timeout=60)


@contextmanager
def daemon(repository: Repository) -> Iterator[str]:
    """git's own server."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    words = ["git", "daemon", "--export-all", "--listen=127.0.0.1", f"--port={port}", "--reuseaddr", "--verbose"]
    words += [f"--base-path={repository.bare.parent}"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert "Ready" in process.stderr.readline()
        yield f"git://127.0.0.1:{port}/bare.git"
        process.terminate()


@pytest.mark.parametrize("way", ["path", "file", "git"])
def test_git_clones_and_pushes(way: str, tmp_path: Path) -> None:
    wants("git")
    repository = Repository(tmp_path, way)
    if way != "git":
        push_and_clone(repository.url, tmp_path)
        return
    if subprocess.run(["git", "daemon", "--version"], capture_output=True, check=False).returncode == 1:
        pytest.skip("the program git-daemon")
    with daemon(repository) as url:
        done = push_and_clone(url, tmp_path)
        assert done.lines("connect", verdict="log")
        rules = "version: 1\ndefault: deny\nrules:\n  - {allow: [exec, listen]}\n"
        denied = guarded(["git", "clone", "-q", url, "never"], tmp_path, rules)
        assert denied.status == 128
        assert "Permission denied" in denied.stderr


def push_and_clone(url: str, folder: Path) -> Result:
    """A clone behind the wall, a commit in it, and that pushed from there."""
    done = guarded(["git", "clone", "-q", url, "clone"], folder)
    assert done.status == 0, done.stderr
    git(folder / "clone", "commit", "-q", "--allow-empty", "-m", "second")
    pushed = guarded(["git", "push", "-q", "origin", "HEAD:refs/heads/other"], folder / "clone")
    assert pushed.status == 0, pushed.stderr
    heads = subprocess.run(["git", "ls-remote", url], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert "refs/heads/other" in heads
    return pushed


def test_each_python_that_a_build_starts_reports(tmp_path: Path) -> None:
    """What a build does: it configures, compiles, tests, and starts another Python for each."""
    wants("make")
    recipe = f"for i in 1 2 3; do {sys.executable} -c 'print({{}})' || exit 1; done"
    (tmp_path / "Makefile").write_text(f"all:\n\t{recipe}\n")
    done = guarded(["make", "-s"], tmp_path)
    assert (done.status, done.stdout) == (0, "{}\n" * 3), done.stderr
    assert len([line for line in done.lines("coverage") if line["event"] == "process"]) == 3
