"""A guest that is root changes nothing of the network, the kernel or other processes, and does what else root does."""

# ruff: noqa: E501  # one line a statement of the program

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.natives import program, said
from tests.support.guard import clean_environment
from tests.support.isolation import isolated, missing

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.hostile,
    pytest.mark.skipif(os.geteuid() != 0, reason="root"),
]

#: A route, by the three ways to say it to the kernel; a name for the machine; port 80 and another owner; another user.
ROOT = """
device = socket.if_nametoindex("lo")
def route(last, send):
    body = struct.pack("8BI", 2, 32, 0, 0, 254, 4, 253, 1, 0) + struct.pack("HHBBBB", 8, 1, 10, 8, 8, last) + struct.pack("HHI", 8, 4, device)
    with socket.socket(16, socket.SOCK_RAW, 0) as net:
        send(net, struct.pack("IHHII", 16 + len(body), 24, 0x605, 1, 0) + body)
        return struct.unpack("i", net.recv(4096)[16:20])[0]
say(
    send=route(1, lambda net, text: net.send(text)),
    sendto=route(2, lambda net, text: net.sendto(text, (0, 0))),
    sendmsg=route(3, lambda net, text: net.sendmsg([text], [], 0, (0, 0))),
    name=try_(socket.sethostname, socket.gethostname()),
    port=try_(lambda: socket.socket().bind(("127.0.0.1", 80))),
)
open("file", "w"); os.chown("file", 7, 7)
say(owner=os.stat("file").st_uid, path=try_(lambda: socket.socket(1).bind("made")))
pid = os.fork()
if not pid:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    os._exit(raw("connect", udp(), inet(9), 16) == 0)
say(child=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
say(program=subprocess.run(["/usr/bin/env", sys.executable, "-I", "-S", "-c", "import socket; socket.sethostname(socket.gethostname())"], stderr=-3).returncode)
"""


def test_root_may_change_nothing_of_the_network_and_does_its_work(tmp_path: Path) -> None:
    if missing():
        pytest.skip(missing())
    rules = tmp_path / "rules.yaml"
    rules.write_text("version: 1\ndefault: allow\n")
    words = program(tmp_path, ROOT)
    guard = [sys.executable, "-m", "netguard", "run", "--quiet", "--wall", "require", "--rules", str(rules), "--"]
    found = []
    for command in (words, [*guard, *words]):
        done = subprocess.run(
            isolated(command), cwd=tmp_path, env=clean_environment(str(tmp_path)),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        found.append(said(done))
        (tmp_path / "made").unlink()
    may = {"port": None, "owner": 7, "path": None, "child": 1}
    assert found[0] == {**may, "send": 0, "sendto": 0, "sendmsg": 0, "name": None, "program": 0}
    assert found[1] == {**may, "send": -1, "sendto": -1, "sendmsg": -1, "name": "EPERM", "program": 1}
