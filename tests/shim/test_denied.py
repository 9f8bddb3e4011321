"""`netguard.Denied` in a guest: an OSError that clients clean up after, and one class wherever it is named."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import netguard
from netguard.denied import denied
from tests.shim.guests import DENY, guarded, said
from tests.support.guard import run_guarded
from tests.support.interpreters import Interpreter

CODE = """\
import copy, errno, json, pickle, socket
found = {}
try:
    socket.socket().connect(("127.0.0.1", 9))
except OSError as error:
    kept = error
found["text"] = str(kept)
found["errno"] = [kept.errno == errno.EACCES, isinstance(kept, PermissionError)]
found["errno"] += [type(kept).__module__, type(kept).__name__]
found["parts"] = [kept.destination, kept.rule]
copies = {"pickle": pickle.loads(pickle.dumps(kept)), "copy": copy.copy(kept), "deep": copy.deepcopy(kept)}
for name, other in copies.items():
    same = type(other) is type(kept) and other.args == kept.args
    found[name] = [same, other.destination, other.rule, str(other) == str(kept)]
from netguard import Denied
import netguard
found["class"] = [Denied is type(kept), netguard.Denied is Denied]
try:
    socket.getaddrinfo("evil.example", 443)
except Denied as error:
    found["name"] = [error.destination, error.rule, error.filename]
try:
    open("/nonexistent/.aws/credentials")
except Denied as error:
    found["file"] = [error.destination, error.rule]
print(json.dumps(found))
"""


def check(found: dict[str, object]) -> None:
    """What the script found, wherever it ran."""
    assert found["text"] == "[Errno 13] netguard denied connect 127.0.0.1:9 (rule default): no rule matches"
    assert found["errno"] == [True, True, "netguard", "Denied"]
    assert found["parts"] == ["127.0.0.1:9", "default"]
    for name in ("pickle", "copy", "deep"):
        assert found[name] == [True, "127.0.0.1:9", "default", True]
    assert found["class"] == [True, True]
    assert found["name"] == ["evil.example", "default", None]
    assert found["file"] == ["/nonexistent/.aws/credentials", "default"]


def test_denied_is_one_class_where_netguard_is_installed(tmp_path: Path) -> None:
    """The environment of these tests has it."""
    run = run_guarded(["-c", CODE], rules=DENY, options=["--quiet"], cwd=tmp_path)
    check(said(run))


def test_denied_is_one_class_where_netguard_is_not_installed(interpreter: Interpreter, tmp_path: Path) -> None:
    """The guard brings the name along, so that a denial can be caught by it and can be pickled."""
    check(said(guarded(tmp_path, CODE, interpreter, rules=DENY)))


POOL = """\
import json, multiprocessing, socket
from concurrent.futures import ProcessPoolExecutor
def act():
    socket.socket().connect(("127.0.0.1", 9))
if __name__ == "__main__":
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        error = pool.submit(act).exception(30)
    print(json.dumps([type(error).__name__, error.rule]))
"""


def test_denied_comes_back_from_a_worker_process(interpreter: Interpreter, tmp_path: Path) -> None:
    """By pickle, in an environment that has no netguard."""
    assert said(guarded(tmp_path, POOL, interpreter, rules=DENY)) == ["Denied", "default"]


def test_guests_own_module_of_that_name_is_theirs(interpreter: Interpreter, tmp_path: Path) -> None:
    """It is found as ever."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "netguard.py").write_text("mine = 1\n")
    code = f"import sys\nsys.path.insert(0, {str(theirs)!r})\nimport netguard\nprint(netguard.mine)\n"
    assert said(guarded(tmp_path, code, interpreter, rules=DENY)) == 1


def test_denied_made_here_is_the_public_one() -> None:
    error = denied("connect", "evil.example:443", "default", "")
    assert type(error) is netguard.Denied
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(other), str(other), other.rule) == (netguard.Denied, str(error), "default")
