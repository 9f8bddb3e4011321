"""The recipes of the how-to pages, as folders: exactly the files that an image would have, read-only, and nothing else
of netguard; then a program with exactly the variables that were printed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from netguard.inject import venv
from netguard.trail.verify import verify
from tests.inject.environments import bare
from tests.support.guard import clean_environment
from tests.support.interpreters import Interpreter
from tests.support.isolation import ROOT, isolated, missing
from tests.test_floors import FLOORS

PAGE = Path(ROOT, "docs/how-to/inject-into-a-sandbox.md").read_text(encoding="utf-8")

RULES = """\
version: 1
rules:
  - {name: own, allow: any, to: "@self"}
  - {name: children, log: [exec, native]}
"""

#: Reaches out, and so does a child of it by each way in which Python makes one; then it uses a server of its own.
JOB = """\
import os, socket, subprocess, sys
def act(who):
    try: socket.create_connection(("192.0.2.7", 9), 0.2)
    except OSError as error: print(who, type(error).__name__, flush=True)
    else: print(who, "connected", flush=True)
if sys.argv[1:] == ["child"]:
    act("child")
    sys.exit()
act("program")
subprocess.run([sys.executable, __file__, "child"], check=True)
pid = os.fork()
if not pid:
    act("fork")
    sys.exit()
os.waitpid(pid, 0)
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
print("own server")
"""
GUARDED = "program Denied\nchild Denied\nfork Denied\nown server\n"


class Image:
    """What lies in the image, and beside it what was printed for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inside = folder / "image"
        self.lines = folder / "lines.jsonl"
        (folder / "rules.yaml").write_text(RULES)
        (folder / "job.py").write_text(JOB)

    def env(self, *words: str, starter: str = "starter") -> str:
        """What `netguard env` prints for it."""
        done = subprocess.run(
            [sys.executable, "-m", "netguard", "env", "--rules", "rules.yaml", "--log", str(self.lines),
             "--guest", str(self.inside), "--starter", str(self.inside / starter),
             "--policy", str(self.inside / "policy"), *words],
            cwd=self.folder, env=clean_environment(str(self.folder)), capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    def freeze(self) -> None:
        """Nobody may write any of it."""
        subprocess.run(["chmod", "-R", "a-w", self.inside], check=True)

    def thaw(self) -> None:
        subprocess.run(["chmod", "-R", "u+w", self.inside], check=True)

    def run(self, python: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """The job, with these variables."""
        return subprocess.run(
            [python, "job.py"], cwd=self.folder, env=clean_environment(str(self.folder), variables),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Image]:
    made = Image(tmp_path)
    made.inside.mkdir()
    yield made
    made.thaw()


def chains(lines: Path) -> tuple[int, int]:
    """(chains, chains without an end) of a file that must be whole, and have the chain that each was forked from."""
    report = verify(str(lines))
    assert report.whole, report.first_bad
    assert report.orphans == 0
    assert len(report.runs) == 1  # children are of their parent's run
    return len(report.chains), report.unclosed


def test_control_the_job_reaches_out_unguarded(image: Image, interpreter: Interpreter) -> None:
    done = image.run(interpreter.path, {})
    assert done.stdout.count("Denied") == 0
    assert done.stdout.endswith("own server\n")


def test_image_holds_the_guest_part_and_nothing_else(image: Image) -> None:
    image.env()
    parts = {name.removesuffix(".py") for name in os.listdir(image.inside)}
    assert parts == {"starter", "policy", "shim", *FLOORS["shim"].sees.split()}


def test_read_only_image_guards(image: Image, interpreter: Interpreter) -> None:
    variables = json.loads(image.env("--format", "json"))
    image.freeze()
    done = image.run(interpreter.path, variables)
    assert (done.returncode, done.stdout) == (0, GUARDED), done.stderr
    assert chains(image.lines) == (3, 0)
    denied = [line for line in map(json.loads, image.lines.read_bytes().splitlines()) if line.get("verdict") == "deny"]
    assert [(line["kind"], line["dst"]["ip"]) for line in denied] == [("connect", "192.0.2.7")] * 3


@pytest.mark.parametrize("kind", ["shell", "docker"])
def test_printed_lines_guard(kind: str, image: Image) -> None:
    """As a shell reads them; an ENV line's quotes are those of a shell."""
    text = image.env("--format", kind).replace("ENV ", "export ")
    image.freeze()
    done = subprocess.run(
        ["sh", "-c", f'{text}exec "$0" job.py', sys.executable],
        cwd=image.folder, env=clean_environment(str(image.folder)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, GUARDED), done.stderr


def test_guest_part_in_a_zip_guards(image: Image, interpreter: Interpreter) -> None:
    """Where a platform takes one file as a layer."""
    variables = json.loads(image.env("--format", "json"))
    archive = image.folder / "guest.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(image.inside.rglob("*.py")):
            file.write(path, path.relative_to(image.inside))
    done = image.run(interpreter.path, {**variables, "PYTHONPATH": f"{archive}/starter"})
    assert (done.returncode, done.stdout) == (0, GUARDED), done.stderr


def test_image_without_a_part_stops_the_program(image: Image, interpreter: Interpreter) -> None:
    variables = json.loads(image.env("--format", "json"))
    shutil.rmtree(image.inside / "record")
    done = image.run(interpreter.path, variables)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("netguard: ")


def test_policy_that_was_changed_stops_the_program(image: Image, interpreter: Interpreter) -> None:
    variables = json.loads(image.env("--format", "json"))
    policy = image.inside / "policy"
    policy.chmod(0o644)
    policy.write_text(policy.read_text().replace("default deny", "default log"))
    done = image.run(interpreter.path, variables)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("netguard: ")


# The page's own commands and files, at the places they name


def fences(info: str) -> list[str]:
    return re.findall(rf"(?m)^```{info}\n((?:.*\n)*?)```$", PAGE)


@pytest.fixture
def tools(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has netguard and this Python on PATH."""
    (tmp_path / "bin").mkdir()
    for name, command in (("netguard", "-m netguard "), ("python", "")):
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command}"$@"\n')
        (tmp_path / "bin" / name).chmod(0o755)
    return clean_environment(str(tmp_path), {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})


def test_first_commands_of_the_page_guard(tools: dict[str, str], tmp_path: Path) -> None:
    commands = fences("sh")[0].replace("/tmp/", f"{tmp_path}/")
    done = subprocess.run(["sh", "-c", commands], cwd=tmp_path, env=tools, capture_output=True, text=True, check=False)
    assert "PermissionError: [Errno 13] netguard denied connect 192.0.2.7:9" in done.stderr.replace(
        "netguard.Denied", "PermissionError"
    )
    assert "\nwhole: 1 run, 1 chain, " in done.stdout
    assert done.returncode == 0


class Collector:
    """Reads what arrives at a unix socket, one line a message, until it is closed."""

    def __init__(self, path: Path) -> None:
        self.lines: list[bytes] = []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.bind(str(path))
        self.sock.listen(64)
        self.readers = [threading.Thread(target=self.accept, daemon=True)]
        self.readers[0].start()

    def accept(self) -> None:
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            reader = threading.Thread(target=self.read, args=(sock,), daemon=True)
            self.readers.append(reader)
            reader.start()

    def read(self, sock: socket.socket) -> None:
        with sock:
            while line := sock.recv(65_536):
                self.lines.append(line)

    def close(self) -> list[bytes]:
        """Everything that came; the programs have ended."""
        self.sock.shutdown(socket.SHUT_RDWR)
        for reader in self.readers:
            reader.join(20)
        self.sock.close()
        return self.lines


#: Mounts, in a namespace of its own, what the image and the platform bring, and proves that it cannot be written.
MOUNT = """\
set -e
mount -t tmpfs none /opt
mkdir /opt/netguard
mount --bind "$1" /opt/netguard
mount -o remount,ro,bind /opt/netguard
mount -t tmpfs none /run
mkdir /run/netguard
mount --bind "$2" /run/netguard
if touch /opt/netguard/probe 2>/dev/null; then echo writable; exit 1; fi
shift 2
exec "$@"
"""


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_dockerfile_of_the_page_guards(tools: dict[str, str], tmp_path: Path, interpreter: Interpreter) -> None:
    """Its commands make the files that it copies; its variables, at its places, on a read-only mount."""
    if os.path.realpath(interpreter.path).startswith(("/opt/", "/run/")):
        pytest.skip("this interpreter lies where the image's own files are to be")
    (command,) = [fence for fence in fences("sh") if "--format docker" in fence]
    (dockerfile,) = fences("dockerfile")
    work, layers = tmp_path / "work", tmp_path / "layers"
    (work / "collector").mkdir(parents=True)
    layers.mkdir()
    subprocess.run(["sh", "-c", command], cwd=work, env=tools, check=True, capture_output=True)
    printed = (work / "netguard.env").read_text()
    shown = [line for line in dockerfile.splitlines() if line.startswith("ENV ")]
    assert [line.split('"')[0] for line in printed.splitlines()] == [line.split('"')[0] for line in shown]
    for source, place in re.findall(r"(?m)^COPY (\S+) /opt/netguard(\S*)$", dockerfile):
        if (work / source).is_dir():
            shutil.copytree(work / source, layers / place.lstrip("/"), dirs_exist_ok=True)
        else:
            shutil.copy(work / source, layers / place.lstrip("/"))
    (work / "job.py").write_text(
        "import socket\n"
        "try: socket.create_connection(('192.0.2.7', 9), 2)\n"
        "except OSError as error: print(type(error).__name__)\n"
    )
    collector = Collector(work / "collector/lines")
    script = printed.replace("ENV ", "export ") + 'exec "$@"'
    inner = ["sh", "-c", script, "sh", interpreter.path, str(work / "job.py")]
    words = isolated(["sh", "-c", MOUNT, "sh", str(layers), str(work / "collector"), *inner])
    done = subprocess.run(words, cwd=work, env=tools, capture_output=True, text=True, timeout=60, check=False)
    lines = collector.close()
    assert (done.returncode, done.stdout) == (0, "Denied\n"), done.stderr
    (tmp_path / "lines.jsonl").write_bytes(b"".join(lines))
    assert chains(tmp_path / "lines.jsonl") == (1, 0)


# An environment that is guarded for good


@pytest.fixture
def environment(interpreter: Interpreter, tmp_path: Path) -> venv.Venv:
    return bare(interpreter.path, tmp_path / "venv")


def installed(environment: venv.Venv, folder: Path, *words: str) -> None:
    (folder / "rules.yaml").write_text(RULES)
    (folder / "job.py").write_text(JOB)
    command = [sys.executable, "-m", "netguard", "install", "--venv", environment.folder, "--rules", "rules.yaml"]
    words = (*command, "--log", "lines.jsonl", *words)
    subprocess.run(words, cwd=folder, env=clean_environment(str(folder)), check=True, capture_output=True)


@pytest.mark.parametrize("copy", [[], ["--copy"]], ids=["by reference", "copied"])
@pytest.mark.parametrize("flags", [[], ["-I"], ["-E"]], ids=["plain", "I", "E"])
def test_installed_environment_guards(
    flags: list[str], copy: list[str], environment: venv.Venv, tmp_path: Path
) -> None:
    installed(environment, tmp_path, *copy)
    done = subprocess.run(
        [environment.python, *flags, "job.py"], cwd=tmp_path, env=clean_environment(str(tmp_path)),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, GUARDED), done.stderr
    assert chains(tmp_path / "lines.jsonl") == (3, 0)


def test_copy_is_compiled_for_those_who_cannot_write_it(environment: venv.Venv, tmp_path: Path) -> None:
    installed(environment, tmp_path, "--copy")
    found = {path.name.partition(".")[0] for path in Path(environment.folder, "netguard").rglob("*.pyc")}
    assert {"start", "alone", "session", "denied"} <= found


def test_installed_environment_without_its_guest_part_stops(environment: venv.Venv, tmp_path: Path) -> None:
    installed(environment, tmp_path, "--copy")
    shutil.rmtree(Path(environment.folder, "netguard/shim"))
    done = subprocess.run([environment.python, "-c", "print(1)"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("netguard: ")


def test_variables_and_an_installed_guard_are_one_guard(environment: venv.Venv, tmp_path: Path) -> None:
    """A process has one chain, whichever way it was asked."""
    installed(environment, tmp_path)
    options = ["--rules", "rules.yaml", "--log", "lines.jsonl", "--format", "json"]
    words = [sys.executable, "-m", "netguard", "env", *options]
    printed = subprocess.run(
        words, cwd=tmp_path, env=clean_environment(str(tmp_path)), capture_output=True, text=True, check=True
    ).stdout
    done = subprocess.run(
        [environment.python, "job.py"], cwd=tmp_path, env=clean_environment(str(tmp_path), json.loads(printed)),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, GUARDED), done.stderr
    assert chains(tmp_path / "lines.jsonl") == (3, 0)


@pytest.mark.parametrize(
    "more", [{"NETGUARD_DRY_RUN": "1"}, {"NETGUARD_POLICY": "/nonexistent"}, {"NETGUARD_LOG": "/dev/null"}], ids=str
)
def test_variables_do_not_change_what_an_installed_guard_decides(more: dict[str, str], tmp_path: Path) -> None:
    """As a shell would set them that the guest starts: rules and lines are the settings' own."""
    environment = bare(sys.executable, tmp_path / "venv")
    installed(environment, tmp_path)
    done = subprocess.run(
        [environment.python, "job.py"], cwd=tmp_path, env=clean_environment(str(tmp_path), more),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, GUARDED), done.stderr
    assert chains(tmp_path / "lines.jsonl") == (3, 0)


@pytest.mark.parametrize("action", ["install", "uninstall", "status"])
def test_guarded_netguard_still_manages_its_environment(action: str, tmp_path: Path) -> None:
    """netguard may live in the environment that it guards; then its own commands run guarded."""
    environment = bare(sys.executable, tmp_path / "venv")
    installed(environment, tmp_path)
    code = f"import sys; sys.path[:0] = {sys.path[1:]!r}; from netguard.commands import main; sys.exit(main())"
    more = ["--rules", "rules.yaml", "--log", "lines.jsonl"] if action == "install" else []
    done = subprocess.run(
        [environment.python, "-c", code, action, "--venv", environment.folder, *more],
        cwd=tmp_path, env=clean_environment(str(tmp_path)), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert chains(tmp_path / "lines.jsonl") == (1, 0)


def test_run_within_an_installed_environment_is_its_supervisors(environment: venv.Venv, tmp_path: Path) -> None:
    """A supervisor that is there decides, and the settings are not asked."""
    installed(environment, tmp_path)
    words = ["run", "--quiet", "--rules", "rules.yaml", "--log", "run.jsonl", "--", environment.python, "job.py"]
    done = subprocess.run(
        [sys.executable, "-m", "netguard", *words], cwd=tmp_path, env=clean_environment(str(tmp_path)),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, GUARDED), done.stderr
    assert chains(tmp_path / "run.jsonl") == (1, 0)
    assert not (tmp_path / "lines.jsonl").exists()
