"""Whose code asked, as the trail says it; and that what a program says of itself can break nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.shim.guests import LOG, guarded, write
from tests.support.guard import Result, run_guarded
from tests.support.interpreters import Interpreter

#: A library, in a folder by whose name libraries are known, and a module of the user's.
LIBRARY = """\
import socket
def reach(port):
    with socket.socket() as sock:
        sock.connect_ex(("127.0.0.1", port))
def call(function, *args):
    return function(*args)
"""
MODULE = "import library\n\n\ndef go(port):\n    library.reach(port)\n"

CODE = """\
import socket, sys, threading
sys.path.insert(1, SITE)
import library, mine
def direct(port):
    library.reach(port)
direct(1)
mine.go(2)
thread = threading.Thread(target=direct, args=(3,))
thread.start(); thread.join()
exec("library.reach(4)")
exec(compile("\\n\\nlibrary.reach(5)", "<cell 7>", "exec"))
thread = threading.Thread(target=library.reach, args=(6,))
thread.start(); thread.join()
class Doer:
    def do(self):
        library.call(library.reach, 7)
Doer().do()
(lambda: library.reach(8))()
socket.create_connection
try:
    socket.create_connection(("127.0.0.1", 9))
except OSError:
    pass
"""


def codes(run: Result) -> dict[int, dict[str, Any]]:
    """Port -> the `code` of its line."""
    return {line["dst"]["port"]: line["code"] for line in run.lines("connect")}


def test_lines_name_the_code_that_asked(interpreter: Interpreter, tmp_path: Path) -> None:
    """The nearest frame of the user's own code, and the library that it called."""
    site = tmp_path / "site-packages"
    site.mkdir()
    write(site, LIBRARY, "library.py")
    mine = write(tmp_path, MODULE, "mine.py")
    run = guarded(tmp_path, CODE.replace("SITE", repr(str(site))), interpreter, rules=LOG)
    assert run.status == 0, run.stderr
    guest = str(tmp_path / "guest.py")
    found = codes(run)
    main = {"module": "__main__", "package": "__main__", "via": "library"}
    assert found == {
        1: {"file": guest, "line": 5, "func": "direct", **main},
        2: {"file": mine, "line": 5, "func": "go", "module": "mine", "package": "mine", "via": "library"},
        3: {"file": guest, "line": 5, "func": "direct", **main},
        4: {"file": "<string>", "line": 1, "func": "<module>", **main},
        5: {"file": "<cell 7>", "line": 3, "func": "<module>", **main},
        6: {"via": "library"},
        7: {"file": guest, "line": 16, "func": "do", **main},
        8: {"file": guest, "line": 18, "func": "<lambda>", **main},
        9: {"file": guest, "line": 21, "func": "<module>", **main, "via": "socket"},
    }


def test_code_on_the_command_line_is_the_users(interpreter: Interpreter, tmp_path: Path) -> None:
    code = "import socket\nsocket.socket().connect_ex(('127.0.0.1', 1))"
    run = run_guarded(["--", interpreter.path, "-c", code], rules=LOG, options=["--quiet"], cwd=tmp_path)
    expected = {"file": "<string>", "line": 2, "func": "<module>", "module": "__main__", "package": "__main__"}
    assert codes(run) == {1: expected}


HOSTILE = {
    "no name": "globals().pop('__name__'); act(1)",
    "a number for a name": "globals()['__name__'] = 5; act(1)",
    "a subclass for a name": "globals()['__name__'] = Evil('innocent'); act(1)",
    "a NUL in the name": "globals()['__name__'] = 'a\\0b'; act(1)",
    "globals that lie": "exec('act(1)', Lying(act=act))",
    "a file name that lies": "exec(compile('act(1)', 'x\\0y' if False else 'in\\x1b[31mnocent\\n', 'exec'))",
    "a huge file name": "exec(compile('act(1)', 'x' * 10_000_000, 'exec'))",
    "a huge function name": "f = lambda: act(1); f.__code__ = f.__code__.replace(co_name='x' * 1_000_000); f()",
    "a surrogate": "exec(compile('act(1)', 'caf\\udce9', 'exec'))",
    "deep recursion": "sys.setrecursionlimit(5000); deep(3000)",
    "the end of the stack": "full()",
}

EVIL = """\
import socket, sys
def act(port):
    with socket.socket() as sock:
        sock.connect_ex(("127.0.0.1", port))
class Evil(str):
    def __getattribute__(self, name): print("CALLED", name); return str.__getattribute__(self, name)
    def __hash__(self): print("CALLED hash"); return 0
    def __eq__(self, other): print("CALLED eq"); return True
    def __str__(self): print("CALLED str"); return "evil"
class Lying(dict):
    def get(self, *args): print("CALLED get"); return "innocent"
    def __getitem__(self, key): print("CALLED item", key); return dict.__getitem__(self, key)
    def __contains__(self, key): print("CALLED in"); return True
def deep(depth):
    return deep(depth - 1) if depth else act(1)
def full():
    try:
        full()
    except RecursionError:
        pass
    else:
        return
    try:
        act(1)
    except RecursionError:
        raise
"""


@pytest.mark.parametrize("what", HOSTILE)
def test_code_that_lies_of_itself_is_recorded_and_not_called(
    what: str, interpreter: Interpreter, tmp_path: Path
) -> None:
    """One line, the act decided on as ever, and no method of the guest's run by us."""
    run = guarded(tmp_path, f"{EVIL}\n{HOSTILE[what]}\n", interpreter, rules=LOG)
    assert "CALLED" not in run.stdout.replace("CALLED item act", "").replace("CALLED item __builtins__", "")
    assert run.stdout.count("CALLED get") == 0
    assert len(run.lines("connect")) >= 1, (run.stdout, run.stderr)
    assert all(line["dst"]["ip"] == "127.0.0.1" for line in run.lines("connect"))
