"""What the kernel sees and no witness announced: told on the trail, asked for by rules, shown where a person looks."""

from __future__ import annotations

import platform
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.supervisor.running import running
from tests.support.guard import Result, run_guarded

pytestmark = pytest.mark.kernel

LOG = "version: 1\ndefault: log\n"

#: A listener of the guest's own, and `native()`: connects to it as native code does, past Python's hooks.
HEAD = """
import ctypes, os, socket, struct, subprocess, sys
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
PORT = server.getsockname()[1]
libc = ctypes.CDLL(None, use_errno=True)
connect = libc.connect
def native():
    address = struct.pack("=H", socket.AF_INET) + struct.pack("!H", PORT) + socket.inet_aton("127.0.0.1") + bytes(8)
    with socket.socket() as sock:
        return ctypes.get_errno() if connect(sock.fileno(), address, 16) else 0
"""

#: What another program does.
OTHER = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])))"


def ran(code: str, rules: str = LOG, **more: Any) -> Result:
    result = run_guarded(["-c", HEAD + code], rules=rules, **more)
    assert result.status == 0, result.stderr
    return result


def seen(result: Result) -> list[tuple[list[str], str, list[str]]]:
    """Of each connection: who saw it, its event, how severe is what was found in it."""
    return [
        (line["layers"], line["event"], [found["severity"] for found in line.get("findings", ())])
        for line in result.lines("connect")
    ]


ANNOUNCED = (["hook", "kernel"], "socket.connect", [])
NATIVE = (["kernel"], "connect", ["medium"])
FOREIGN = (["kernel"], "connect", ["info"])


@pytest.fixture
def other(tmp_path: Path) -> str:
    """A program of another name than the guest's that never reports: a copy of this Python, to be started with -S."""
    return str(shutil.copy(sys.executable, tmp_path / "other"))


def test_announced_and_native_are_told_apart() -> None:
    assert seen(ran("socket.create_connection(('127.0.0.1', PORT))\nnative()")) == [ANNOUNCED, NATIVE]


def test_an_announcement_serves_once() -> None:
    """What was announced and done gives the next call nothing, to the same place from the same thread."""
    code = "for _ in range(2):\n    socket.create_connection(('127.0.0.1', PORT))\n    native()\n"
    assert seen(ran(code)) == [ANNOUNCED, NATIVE] * 2


def test_another_program_announces_nothing_and_that_is_no_news(other: str) -> None:
    code = f"subprocess.run([{other!r}, '-S', '-c', {OTHER!r}, str(PORT)], check=True)"
    result = ran(code, env={"PYTHONHOME": sys.base_prefix})
    assert seen(result) == [FOREIGN]
    assert "found" not in result.stderr


def test_finding_of_a_guarded_python_is_in_the_summary() -> None:
    assert "netguard: found native (medium) in 1 act\n" in ran("native()").stderr


#: A child connects and so does its own child once that is an orphan; the first of the line waits for both.
FORKS = """
ready, go = os.pipe()
gone, last = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.read(ready, 1)
    native()
    os._exit(0)
os.wait()
os.close(last)
os.write(go, b"x")
os.read(gone, 1)
"""


def test_forks_of_a_guarded_python_are_no_other_program() -> None:
    """Those too that have said nothing of their own, and whose parents are gone."""
    assert seen(ran(FORKS)) == [NATIVE] * 2


def test_failed_exec_makes_no_other_program() -> None:
    code = "try: os.execv('/nowhere', ['x'])\nexcept OSError: pass\nnative()"
    assert seen(ran(code)) == [NATIVE]


def test_program_counts_as_guarded_as_soon_as_one_of_it_reports(other: str) -> None:
    """Also for what was granted a moment ago, word for word."""
    connects = OTHER.partition("; ")[2]
    code = f"import socket, subprocess, sys; {connects}; subprocess.run([sys.executable, '-c', '']); {connects}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = ["--", other, "-S", "-c", code, str(server.getsockname()[1])]
        result = run_guarded(command, env={"PYTHONHOME": sys.base_prefix}, rules=LOG)
    assert result.status == 0, result.stderr
    assert seen(result) == [FOREIGN, NATIVE]


def test_in_doubt_every_program_should_have_announced_it(tmp_path: Path, other: str) -> None:
    code = HEAD + f"subprocess.run([{other!r}, '-S', '-c', {OTHER!r}, str(PORT)], check=True)"
    fault = "import netguard.supervisor.loop as loop; loop.MAX_PROGRAMS = 0"
    with running(tmp_path, ["-c", code], fault=fault, env={"PYTHONHOME": sys.base_prefix}, wall="auto") as run:
        _, err = run.process.communicate(timeout=30)
        assert run.process.returncode == 0, err
        [line] = run.lines("connect")
    assert line["findings"][0]["severity"] == "medium"


DENY_NATIVE = "version: 1\ndefault: log\nrules: [{deny: any, native: true, because: none of that}]\n"


def test_rule_denies_what_was_not_announced() -> None:
    """Without the rule it works: the tests above."""
    code = "socket.create_connection(('127.0.0.1', PORT))\nassert native() == 13, native()"
    result = ran(code, DENY_NATIVE)
    assert result.verdicts("connect") == ["log", "deny"]
    assert result.lines("connect")[1]["why"] == "none of that"
    assert seen(result) == [ANNOUNCED, NATIVE]


def test_announcement_proves_nothing() -> None:
    """Anybody can raise the event: so no grant rests on it, and the reference says what the denial above is worth."""
    code = "sys.audit('socket.connect', socket.socket(), ('127.0.0.1', PORT))\nassert native() == 0\n"
    assert seen(ran(code, DENY_NATIVE)) == [ANNOUNCED]


def test_listener_that_was_not_announced_is_native_too() -> None:
    code = """
sock = socket.socket()
address = struct.pack("=H", socket.AF_INET) + bytes(2) + socket.inet_aton("127.0.0.1") + bytes(8)
assert libc.bind(sock.fileno(), address, 16) == -1 and ctypes.get_errno() == 13
"""
    result = ran(code, DENY_NATIVE)
    assert result.verdicts("listen") == ["log", "deny"]
    [announced, native] = result.lines("listen")
    assert ("findings" in announced, native["findings"][0]["id"]) == (False, "native")


#: `raw()`: connects by machine code that lies in a file of its own, as a program without the C library does.
RAW = """
import mmap
#: mov eax, 42 (connect); syscall; ret
with open("raw.so", "w+b") as file:
    file.write(bytes.fromhex("b82a0000000f05c3").ljust(4096, bytes(1)))
    libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_long] * 6
    code = libc.mmap(0, 4096, 5, 2, file.fileno(), 0)
made = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int)(code)
def raw():
    address = struct.pack("=H", socket.AF_INET) + struct.pack("!H", PORT) + socket.inet_aton("127.0.0.1") + bytes(8)
    with socket.socket() as sock:
        return -made(sock.fileno(), address, 16)
"""

x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86-64")


def libraries(result: Result) -> list[str]:
    """The base name of the library that each connection's line names."""
    return [line.get("code", {}).get("library", "").rpartition("/")[2] for line in result.lines("connect")]


@x86_64
def test_line_names_the_library_that_called() -> None:
    """Also of what was granted a moment ago, word for word, to another one."""
    result = ran(RAW + "for _ in range(3): assert (native(), raw()) == (0, 0)")
    ctypes_s, *others = libraries(result)
    assert ctypes_s.startswith("libffi")
    assert others == ["raw.so", ctypes_s, "raw.so", ctypes_s, "raw.so"]
    [found] = result.lines("connect")[1]["findings"]
    assert found["why"].endswith("; its stack says that raw.so made the call")


@x86_64
@pytest.mark.parametrize("default", ["log", "allow"])
def test_rule_denies_a_library(default: str) -> None:
    """And nothing else: neither what was announced nor another one's calls to the same place, before and after."""
    rules = f"version: 1\ndefault: {default}\nrules: [{{deny: any, native: {{library: 'raw.*'}}}}]\n"
    acts = "socket.create_connection(('127.0.0.1', PORT)); assert (native(), raw()) == (0, 13)"
    result = ran(RAW + f"for _ in range(2): {acts}", rules)
    denied = result.lines("connect", verdict="deny")
    assert [line["code"]["library"].rpartition("/")[2] for line in denied] == ["raw.so"] * 2
    assert "raw in python" in result.stderr


def test_program_that_was_executed_has_another_map(tmp_path: Path, other: str) -> None:
    """Of the same process and thread: what was there before names nothing any more."""
    code = f"assert native() == 0; os.execv({other!r}, ['other', '-S', '-c', {OTHER!r}, str(PORT)])"
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"PORT = {server.getsockname()[1]}\n" + code
        result = ran(code, env={"PYTHONHOME": sys.base_prefix})
    first, second = libraries(result)
    assert first.startswith("libffi")
    assert second.startswith(("_socket", "other", "libpython"))


def test_without_a_wall_nothing_is_native() -> None:
    """The rule then stops nothing: so the reference says."""
    result = ran("assert native() == 0, native()", DENY_NATIVE, options=["--wall", "off"])
    assert result.lines("connect") == []


def test_rules_are_suggested_for_what_was_not_announced(tmp_path: Path, other: str) -> None:
    path = tmp_path / "suggested.yaml"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = ["--", other, "-S", "-c", OTHER, str(port)]
        env = {"PYTHONHOME": sys.base_prefix}
        first = run_guarded(command, options=["--suggest", str(path)], env=env)
        again = run_guarded(command, rules=path.read_text(), env=env)
    assert (first.status, seen(first)) == (0, [FOREIGN]), first.stderr
    assert (again.status, again.lines("connect")) == (0, []), again.stderr  # allowed in silence
    assert "1 allowed silently" in again.stderr
