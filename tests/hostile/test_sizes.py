"""Values of absurd size or behaviour: refused in a moment, and the guard goes on as before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shim.guests import guarded, said
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.hostile

#: Each is evaluated; whatever comes of it must come soon.
CALLS = """
socket.getaddrinfo('a' * 10_000_000, 80)
socket.getaddrinfo(b'a' * 10_000_000, 80)
socket.getaddrinfo('a.' * 5_000_000, 80)
socket.getaddrinfo('ü' * 1_000_000, 80)
socket.getaddrinfo('127.0.0.1', '8' * 1_000_000)
socket.getaddrinfo('one.test', 'x' * 1_000_000)
socket.getaddrinfo('one.test', 'a\\0b')
socket.gethostbyname(':' * 10_000_000)
socket.gethostbyaddr('[' * 10_000_000)
socket.getnameinfo(('1' * 10_000_000, 80), 0)
socket.socket().connect(('a' * 10_000_000, 80))
socket.socket().connect((b'\\xff' * 1_000_000, 80))
_socket.socket().connect(('1' * 10_000_000, 80))
socket.socket().connect(('127.0.0.1', 10 ** 1000))
socket.socket(1).connect('x' * 10_000_000)
socket.socket(2, 2).sendto(b'x', ('evil\\0good', 9))
socket.socket(2, 2).sendto(b'x', (b'evil\\0good', 9))
_socket.socket(2, 2).sendto(b'x', (b'ev\\xe9l', 9))
subprocess.run(['true', 'x' * 1_000_000])
subprocess.run(['true'] + ['x'] * 100_000)
subprocess.run(['true', 'x' * 130_000])
subprocess.run(['x' * 1_000_000])
subprocess.run(['true', 'a\\udcff\\udc80b'])
subprocess.run(['true', 'new\\nline\\x1b[31m'])
os.system('true ' + 'x' * 1_000_000)
os.execv('/bin/' + 'x' * 1_000_000, ['x'])
os.posix_spawn('/bin/true', ['x' * 100_000], {})
open('x' * 1_000_000 + '/.aws/credentials')
open('/nonexistent\\0/.aws/credentials')
open(Bomb('/nonexistent/.aws/credentials'))
sqlite3.connect(':memory:').execute('select 1') and ctypes.CDLL('x' * 1_000_000)
urllib.request.urlopen('http://' + 'a' * 1_000_000 + '/')
urllib.request.urlopen('http://127.0.0.1:1/' + 'x' * 1_000_000)
urllib.request.urlopen('http://[::1')
urllib.request.urlopen(urllib.request.Request('http://127.0.0.1:1/', method='M' * 1_000_000))
sys.audit('socket.connect')
sys.audit('socket.connect', 1, 2, 3)
sys.audit('socket.getaddrinfo')
sys.audit('socket.getaddrinfo', Bomb('x'), 1, 2, 3, 4)
sys.audit('os.exec', Bomb('x'), [Bomb('y')], None)
sys.audit('os.exec', 'x', Bomb('y'), None)
sys.audit('import', Bomb('x'), Bomb('y'), 1, 2, 3)
sys.audit('import', Bomb('x'), None, 1, 2, 3)
sys.audit('open', Bomb('credentials'), 'r', 0)
sys.audit('ctypes.dlsym', Bomb('x'), Bomb('y'))
sys.audit('urllib.Request', Bomb('x'), Bomb('y'), Bomb('z'), Bomb('m'))
sys.audit('netguard.start', 1)
sys.audit('gc.get_objects', *[Bomb('x')] * 1000, *['x' * 1_000_000] * 10)
""".strip().splitlines()

CODE = """\
import _socket, ctypes, json, os, socket, sqlite3, subprocess, sys, time, urllib.request
class Bomb(str):
    def bomb(self, *args, **options):
        print("CALLED", file=sys.stderr)
        raise SystemExit(99)
    __eq__ = __ne__ = __hash__ = __format__ = __len__ = __iter__ = __getitem__ = __contains__ = __bool__ = bomb
    __str__ = __repr__ = encode = startswith = endswith = rfind = split = replace = rpartition = isascii = bomb
def told(call):
    start = time.monotonic()
    try:
        eval(call)
        outcome = "done"
    except Exception as error:
        outcome = type(error).__name__
    return outcome, time.monotonic() - start < 10
print(json.dumps([told(call) for call in CALLS]))
"""


@pytest.mark.parametrize("verdict", ["deny", "allow"])
def test_absurd_values_are_dealt_with_at_once(verdict: str, interpreter: Interpreter, tmp_path: Path) -> None:
    """None hangs, none stops the guard, and no method of the guest's is called on the way."""
    rules = f"version: 1\ndefault: {verdict}\nrules:\n  - {{deny: dns}}\n  - {{deny: connect, to: '@public'}}\n"
    code = CODE.replace("CALLS", repr(CALLS)) + "\nsys.exit(7)\n"
    run = guarded(tmp_path, code, interpreter, rules=rules, timeout=60)
    assert run.status == 7, run.stderr
    assert "CALLED" not in run.stderr
    slow = [call for call, (_, quick) in zip(CALLS, said(run), strict=True) if not quick]
    assert not slow
    assert [line for line in run.trail if line.get("kind") == "tamper"] == []
