"""What holds where a sandbox leaves a part of the wall: tier B, as in Docker; tier C, where nobody is asked."""

# ruff: noqa: E501  # one line a statement of the guest, so that it can be read beside the others

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from netguard.seccomp import landlock, tiers
from tests.support.guard import DOCKER, SANDBOXED, Result, run_guarded

pytestmark = pytest.mark.kernel

#: No listener is to be had: tier C.
ALONE = (sys.executable, "-I", "-S", SANDBOXED, "seccomp&8=EPERM", "--")

LOG = "version: 1\ndefault: log\n"

#: Libraries that send descriptors, message by message, or by sendmsg, over sockets that the run makes itself.
WORKS = {
    "asyncio": """
import asyncio
async def main():
    async def serve(reader, writer):
        writer.writelines([b"a" * 100_000] * 20); await writer.drain(); writer.close()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    print(len(await reader.read())); writer.close(); server.close()
    child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    print((await child.communicate(b"through"))[0].decode())
asyncio.run(main())
""",
    "multiprocessing": """
import multiprocessing, socket
from multiprocessing.reduction import recv_handle, send_handle
def child(pipe, place):
    made = socket.socket(fileno=recv_handle(pipe)); made.connect(place); made.sendall(b"handed"); made.close(); pipe.send("done")
def square(n): return n * n
if __name__ == "__main__":
    L = socket.create_server(("127.0.0.1", 0)); s = socket.socket()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(theirs, L.getsockname())); process.start()
    send_handle(ours, s.fileno(), process.pid); s.close(); c, _ = L.accept(); print(c.recv(9).decode(), c.recv(9), ours.recv())
    process.join()
    for way in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(way).Pool(2) as pool: print(pool.map(square, range(4)))
    with multiprocessing.Manager() as manager: print(manager.list([1, 2])[1])
""",
    "threads": """
import socket, threading
L = socket.create_server(("127.0.0.1", 0), backlog=128); got = []
def serve():
    for _ in range(120):
        c, _ = L.accept(); got.append(c.recv(9)); c.sendmsg([b"back"]); c.close()
threading.Thread(target=serve).start()
def one(n):
    for _ in range(30):
        with socket.create_connection(L.getsockname(), timeout=30) as c: c.sendmsg([b"x"]); assert c.recv(9) == b"back" and c.recv(9) == b""
threads = [threading.Thread(target=one, args=(n,)) for n in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(got))
""",
}

SAID = {
    "asyncio": "2000000\nthrough",
    "multiprocessing": "handed b'' done\n" + "[0, 1, 4, 9]\n" * 3 + "2",
    "threads": "120",
}


def in_docker(words: list[str], rules: str = LOG, **how: object) -> Result:
    return run_guarded(words, rules=rules, options=["--quiet"], before=DOCKER, wall="require", timeout=90, **how)


@pytest.mark.parametrize("name", WORKS)
def test_programs_work_on_sockets_that_are_made_for_them(name: str, tmp_path: Path) -> None:
    script = tmp_path / "works.py"
    script.write_text(WORKS[name])
    bare = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True)
    held = in_docker([str(script)])
    assert bare.stdout.strip() == held.stdout.strip() == SAID[name], held.stderr
    assert held.trail[0]["tier"] == "B"
    assert held.trail[0]["wall"].startswith("on, in tier B: ")
    assert held.lines("tamper") == held.lines("alert") == []
    assert all("kernel" in line["layers"] for line in held.lines("connect"))


@pytest.mark.parametrize("program", [["node", "-e", "require('net').connect({port}, '127.0.0.1').on('error', e => console.log(e.code))"],
                                     ["curl", "-sS", "http://127.0.0.1:{port}/"], ["bash", "-c", ": > /dev/tcp/127.0.0.1/{port}"]],
                         ids=["node", "curl", "bash"])  # fmt: skip
def test_program_of_another_language_is_held_in_tier_b(program: list[str], free_port: int) -> None:
    if not shutil.which(program[0]):
        pytest.skip(f"the program {program[0]}")
    words = ["--", *[word.replace("{port}", str(free_port)) for word in program]]
    denied = in_docker(words, f"version: 1\ndefault: allow\nrules:\n  - {{deny: connect, to: '127.0.0.1:{free_port}'}}\n")
    assert [line["dst"]["port"] for line in denied.lines("connect", verdict="deny")] == [free_port], denied.stderr


@pytest.fixture
def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


NATIVE = """
import ctypes, errno, json, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
def at(port): return struct.pack("<H", 2) + struct.pack(">H", port) + socket.inet_aton("127.0.0.1") + bytes(8)
def became(act):
    try:
        result = act()
        return result if not isinstance(result, int) or result >= 0 else errno.errorcode[ctypes.get_errno()]
    except OSError as error:
        return errno.errorcode[error.errno]
def made(kind): return libc.socket(2, kind, 0)
def connected(port):
    fd = made(1)
    return fd if fd < 0 else libc.connect(fd, at(port), 16)
def fast(port):
    fd = made(1)
    return fd if fd < 0 else libc.sendto(fd, b"x", 1, 0x20000000, at(port), 16)
def bound(port):
    fd = made(1)
    return fd if fd < 0 else libc.bind(fd, at(port), 16)
print(json.dumps([became(lambda: connected(OPEN)), became(lambda: connected(OTHER)), became(lambda: fast(OTHER)), became(lambda: bound(0)),
                  "ok" if made(2) >= 0 else errno.errorcode[ctypes.get_errno()], "ok" if libc.socket(1, 1, 0) >= 0 else "no"]))
"""

PORT = "version: 1\ndefault: deny\nrules:\n  - {allow: [exec, native, file]}\n  - {allow: connect, to: '127.0.0.1:OPEN', proto: tcp}\n"

HAS_PORTS = landlock.abi() >= 4


@pytest.mark.parametrize(
    ("rules", "options", "found"),
    [
        ("version: 1\ndefault: deny\nrules:\n  - {allow: [exec, native, file]}\n", [], ["EACCES"] * 5 + ["ok"]),
        (PORT, [], [0, "EACCES", "EOPNOTSUPP", "EACCES", "EACCES", "ok"]),
        (PORT, ["--dry-run"], [0, 0, 1, 0, "ok", "ok"]),
        ("version: 1\ndefault: allow\n", [], [0, 0, 1, 0, "ok", "ok"]),
    ],
    ids=["no network", "one port", "dry run", "control"],
)  # fmt: skip
def test_static_wall_refuses_what_no_rule_grants(rules: str, options: list[str], found: list[object], tmp_path: Path) -> None:
    if "OPEN" in rules and not HAS_PORTS:
        pytest.skip("Landlock ABI 4, which knows TCP ports")
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = {"OPEN": one.getsockname()[1], "OTHER": other.getsockname()[1]}
        script = tmp_path / "native.py"
        script.write_text("".join(f"{name} = {port}\n" for name, port in ports.items()) + NATIVE)
        words = ["--", "/usr/bin/env", sys.executable, "-I", "-S", str(script)]
        done = run_guarded(
            words, rules=rules.replace("OPEN", str(ports["OPEN"])), options=["--quiet", *options], before=ALONE
        )
    said = json.loads(done.stdout)
    assert [("EOPNOTSUPP" if one == "ENOTSUP" else one) for one in said] == found, done.stderr
    assert done.trail[0]["tier"] == "C"
    assert done.trail[0]["static"]
    assert (done.trail[0]["held"], done.trail[0]["not_held"]) == tiers.MEANING["C"]


def test_python_is_asked_in_tier_c_as_ever(tmp_path: Path) -> None:
    """The channel, names and what a rule grants work; what none grants is denied by the witness, with its line."""
    code = """
import socket, sys
socket.create_connection(("localhost", int(sys.argv[1]))).close(); print("granted")
try: socket.create_connection(("127.0.0.1", 9))
except PermissionError as error: print(error.rule)
"""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        rules = f"version: 1\ndefault: deny\nrules:\n  - {{allow: [connect], to: 'localhost:{port}'}}\n  - {{allow: dns, to: localhost}}\n"
        done = run_guarded(["-c", code, str(port)], rules=rules, options=["--quiet"], before=ALONE)
    assert done.stdout.split() == ["granted", "default"], done.stderr
    assert [line["verdict"] for line in done.lines("connect")] == ["deny"]


@pytest.mark.parametrize(("around", "status"), [(DOCKER, 0), (ALONE, 125)], ids=["B", "C"])
def test_required_wall_is_one_that_decides(around: tuple[str, ...], status: int) -> None:
    done = run_guarded(["-c", "print('ran')"], rules=LOG, wall="require", before=around)
    assert done.status == status, done.stderr
    assert ("ran" in done.stdout) == (status == 0)
