"""What was granted a moment ago must not let through what only looks the same to the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.guard import run_guarded

pytestmark = pytest.mark.kernel

#: Calls as native code makes them: no witness says what they are.
HEAD = """
import ctypes, errno, os, signal, socket, struct, time
libc = ctypes.CDLL(None, use_errno=True)
def at(port):
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton("127.0.0.1") + bytes(8)
def call(name, sock, *args):
    return ctypes.get_errno() if getattr(libc, name)(sock.fileno(), *args) < 0 else 0
udp = lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
"""


def test_a_stream_does_not_follow_a_datagram_to_the_same_address() -> None:
    code = """
assert call("connect", udp(), at(9), 16) == 0
print(errno.errorcode[call("connect", socket.socket(), at(9), 16)])
"""
    rules = "version: 1\ndefault: deny\nrules:\n  - {allow: native}\n  - {allow: connect, proto: udp}\n"
    open_rules = rules.replace("proto: udp", 'to: "127.0.0.1"')
    for text, said in ((open_rules, "ECONNREFUSED"), (rules, "EACCES")):
        result = run_guarded(["-c", HEAD + code], rules=text, options=["--wall", "require"])
        assert (result.status, result.stdout) == (0, said + "\n"), result.stderr


def test_an_address_that_may_be_reached_may_not_be_bound_for_that() -> None:
    code = """
taken = udp(); taken.bind(("127.0.0.2", 0)); port = taken.getsockname()[1]
sock = udp()
assert libc.sendto(sock.fileno(), b"x", 1, 0, at(port), 16) == 1, ctypes.get_errno()
print(errno.errorcode.get(call("bind", udp(), at(port), 16), "bound"))
"""
    rules = "version: 1\ndefault: deny\nrules:\n  - {allow: [native, connect]}\n"
    rules += '  - {allow: listen, to: "127.0.0.2"}\n'
    for text, said in ((rules + "  - {allow: listen}\n", "bound"), (rules, "EACCES")):
        result = run_guarded(["-c", HEAD + code], rules=text, options=["--wall", "require"])
        assert (result.status, result.stdout) == (0, said + "\n"), result.stderr


def test_a_call_that_a_signal_broke_off_is_the_same_act_only_where_it_still_leads(tmp_path: Path) -> None:
    """The kernel makes it once more; meanwhile a link of its path may lead elsewhere."""
    code = """
import sys, threading
folder = sys.argv[1] + "/"
full = socket.socket(socket.AF_UNIX); full.bind(folder + "full"); full.listen(0)
other = socket.socket(socket.AF_UNIX); other.bind(folder + "other"); other.listen(9)
held = socket.socket(socket.AF_UNIX); held.connect(folder + "full")
os.symlink("full", folder + "link")
signal.signal(signal.SIGUSR1, lambda *_: None)
signal.siginterrupt(signal.SIGUSR1, False)
def swap():
    while open(folder + "trail.jsonl").read().count('"kind":"connect"') < 2:
        time.sleep(0.01)  # until it was granted, and so waits
    os.symlink("other", folder + "new"); os.rename(folder + "new", folder + "link")
    signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
path = (folder + "link").encode()
address = struct.pack("=H", socket.AF_UNIX) + path + bytes(1)
sock = socket.socket(socket.AF_UNIX)
function = libc.connect
threading.Thread(target=swap).start()
found = function(sock.fileno(), address, len(address))
print(errno.errorcode[ctypes.get_errno()] if found < 0 else "connected", flush=True)
os._exit(0)
"""
    rules = "version: 1\ndefault: deny\nrules:\n  - {allow: [native, listen]}\n"
    rules += f'  - {{log: connect, to: "unix:{tmp_path}/full"}}\n'
    open_rules = rules + f'  - {{log: connect, to: "unix:{tmp_path}/other"}}\n'
    for text, said in ((open_rules, "connected"), (rules, "EACCES")):
        for name in ("full", "other", "link", "trail.jsonl"):
            (tmp_path / name).unlink(missing_ok=True)
        options = ["--wall", "require", "--log", str(tmp_path / "trail.jsonl")]
        result = run_guarded(["-c", HEAD + code, str(tmp_path)], rules=text, options=options)
        assert (result.status, result.stdout.splitlines()[-1:]) == (0, [said]), (result.stdout, result.stderr)
