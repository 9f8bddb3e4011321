"""What starting the shim brings into an interpreter: hardly a module, and none of those that cost."""

from __future__ import annotations

from pathlib import Path

from tests.shim.guests import ALLOW, guarded, plain, said, write
from tests.support.interpreters import Interpreter

#: Each is milliseconds of every start (facts of CPython: `-X importtime`), or a name that a guest could have replaced.
FORBIDDEN = {
    "yaml", "rich", "orjson", "tomli", "tomllib", "json", "re", "dataclasses", "typing", "enum", "socket",
    "collections", "functools", "contextlib", "struct", "threading", "errno", "signal", "select", "inspect", "logging",
    "subprocess",
}  # fmt: skip

#: Modules that an interpreter may hold once it is guarded, when it held so few before.
MOST = 45

MODULES = "import sys; modules = sorted(sys.modules); import json; print(json.dumps(modules))"


def test_start_loads_next_to_nothing(interpreter: Interpreter, tmp_path: Path) -> None:
    """The C half of `socket`, what lifts a descriptor and what checks a seal; `.pth` files bring what they bring."""
    before = set(said(plain(tmp_path, [interpreter.path, write(tmp_path, MODULES)])))
    after = set(said(guarded(tmp_path, MODULES, interpreter, rules=ALLOW)))
    assert after - before <= {"_socket", "fcntl", "_blake2"}
    assert not (after - before) & FORBIDDEN


def test_bare_interpreter_stays_small(interpreter: Interpreter, tmp_path: Path) -> None:
    """Without site-packages, which is where `.pth` files lie, at most 45 modules in all."""
    run = guarded(tmp_path, "import sys\nprint(len(sys.modules))", interpreter, rules=ALLOW, flags=["-s"])
    bare = plain(tmp_path, [interpreter.path, "-I", "-S", "-c", "import sys, site; print(len(sys.modules))"])
    if int(run.stdout) > MOST:  # a `.pth` file's doing, then: what we add is counted all the same
        crowded = plain(tmp_path, [interpreter.path, "-s", "-c", "import sys; print(len(sys.modules))"])
        assert int(run.stdout) - int(crowded.stdout) <= MOST - int(bare.stdout)
        assert int(run.stdout) - int(crowded.stdout) <= 4
