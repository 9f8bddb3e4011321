"""Acts told to a run around this one, as the audit events that they would raise."""

from __future__ import annotations

import subprocess
import sys

import pytest

from netguard.core.question import Question
from netguard.core.request import KINDS
from netguard.supervisor.outer import EVENTS, denial
from tests.playbook import CODE, heard

#: Raises each act's event in an interpreter with a hook of its own, and prints what that heard.
TOLD = """
import sys
from netguard.supervisor.outer import denial
from tests.supervisor.test_outer import asked
heard = []
def hook(event, args):
    if recording and event not in ("import", "compile", "exec", "socket.__new__"):
        plain = (str, int, bytes, list, dict, tuple)
        heard.append((event, *[arg if type(arg) in plain else type(arg).__name__ for arg in args]))
        if event == sys.argv[2]:
            raise PermissionError(13, "not from here")
recording = False
sys.addaudithook(hook)
"ü".encode("idna")  # its codecs open files when they are loaded
question = asked(*eval(sys.argv[1]))
recording = True
said = denial(question)
recording = False
print(heard, repr(said))
"""

SOCKET = "socket"
CARRIES = {b"NETGUARD_INSIDE": b"1", b"NETGUARD_CHANNEL": b"inner", b"LD_PRELOAD": b"::."}
ACTS = [
    (("connect", "tcp", "127.0.0.1", "80"), ("socket.connect", SOCKET, ("127.0.0.1", 80))),
    (("connect", "udp", "::1", "53"), ("socket.connect", SOCKET, ("::1", 53))),
    (("connect", "unix", "", "", "/run/x"), ("socket.connect", SOCKET, "/run/x")),
    (("connect", "unix", "", "", "@x"), ("socket.connect", SOCKET, "\0x")),
    (("listen", "tcp", "0.0.0.0", "0"), ("socket.bind", SOCKET, ("0.0.0.0", 0))),
    (("dns", "", "bücher.test"), ("socket.gethostbyname", b"xn--bcher-kva.test")),
    (("http", "", "", "3", "http://a.test/", "POST"), ("urllib.Request", "http://a.test/", b"\0\0\0", {}, "POST")),
    (("http", "", "", "", "http://a.test/", "GET"), ("urllib.Request", "http://a.test/", "NoneType", {}, "GET")),
    (("exec", "", "", "", "", "/bin/x", "x", "-y"), ("os.exec", "/bin/x", ["x", "-y"], "NoneType")),
    (("exec", "", "", "", "LD_PRELOAD", "/bin/x", "x"), ("os.exec", "/bin/x", ["x"], CARRIES)),
    (("native", "", "", "", "/lib/x.so"), ("ctypes.dlopen", "/lib/x.so")),
    (("native", "", "", "", "", "connect"), ("ctypes.dlsym", "NoneType", "connect")),
    (("file", "", "", "", "/home/ci/.netrc"), ("open", "/home/ci/.netrc", "r", 0)),
    (("audit",), ("an.event",)),
]


def asked(
    kind: str, proto: str = "", host: str = "", port: str = "", path: str = "", program: str = "", *argv: str
) -> Question:
    return heard("ask", kind, "an.event", proto, host, port, path, program, *CODE, *argv)


def test_every_kind_can_be_told() -> None:
    assert set(EVENTS) == {*KINDS, "audit"}


@pytest.mark.parametrize(("act", "event"), ACTS, ids=lambda row: str(row[0]))
@pytest.mark.parametrize("denies", [False, True], ids=["lets", "denies"])
def test_act_is_told_as_its_event(act: tuple[str, ...], event: tuple[object, ...], denies: bool) -> None:
    command = [sys.executable, "-c", TOLD, repr(act), str(event[0]) if denies else ""]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{[event]} {('not from here' if denies else '')!r}\n"


@pytest.mark.parametrize(
    "act",
    [("connect", "family-17"), ("connect", "tcp", "127.0.0.1", "x"), ("connect", "tcp", "127.0.0.1", "65536"),
     ("dns", "", "ü" * 80), ("http", "", "", "x", "http://a.test/")],
)  # fmt: skip
def test_what_cannot_be_told_is_denied(act: tuple[str, ...]) -> None:
    assert denial(asked(*act)).startswith("it could not be told: ")
