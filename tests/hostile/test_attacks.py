"""Every attack reaches its target without the guard, and neither reaches it nor stays off the record with it: with a
supervisor, and with a guard that decides by itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.hostile.attacks import ATTACKS, HELPERS, PRELUDE
from tests.hostile.targets import PYTHONS, RULES, Targets
from tests.shim.guests import guarded, plain, write
from tests.support.injection import run_injected
from tests.support.interpreters import Interpreter, interpreters

pytestmark = pytest.mark.hostile


#: Modules that are files in some builds of CPython and part of the program in others.
BUILT_IN = frozenset(("_socket", "_posixsubprocess"))


#: What keeps a guest that writes its own lines from writing any. The act is denied for just that.
UNRECORDED = ("no files",)


def built_in(python: Interpreter, name: str) -> bool:
    """Whether the interpreter has the module in itself."""
    ask = f"import sys; sys.exit({name!r} not in sys.builtin_module_names)"
    return subprocess.run([python.path, "-I", "-c", ask], check=False, timeout=20).returncode == 0


@pytest.mark.parametrize("python", PYTHONS, ids=str)
@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_works_alone_and_is_refused_on_record(
    attack: str, python: Interpreter, targets: Targets, tmp_path: Path
) -> None:
    target, code = ATTACKS[attack]
    for name in BUILT_IN.intersection(code.split("'")) if "COPY(" in code else ():
        if built_in(python, name):
            pytest.skip(f"a {name} that is a file: this Python has it built in, which is among what is not held")
    script = f"{PRELUDE.format(place=targets.place)}{HELPERS}{code}\n"
    targets.touched()
    bare = plain(tmp_path, [python.path, write(tmp_path, script)], within=targets.space)
    assert target in targets.touched(), (bare.stdout, bare.stderr)
    run = guarded(tmp_path, script, python, rules=RULES, within=targets.space)
    assert targets.touched() == set(), (run.stdout, run.stderr, run.trail)
    assert [line for line in run.trail if line.get("verdict") == "deny"], (run.stdout, run.stderr)
    alone = run_injected([python.path, write(tmp_path, script)], tmp_path, RULES, within=targets.space)
    assert targets.touched() == set(), (alone.stdout, alone.stderr, alone.trail)
    denials = [line for line in alone.trail if line.get("verdict") == "deny"]
    assert denials or attack in UNRECORDED, (alone.stdout, alone.stderr)


#: A listener of the same name, in a network namespace of the guest's own, to which the shim would turn when its line
#: is closed. A socket made before is still in the namespace where the target is.
NAMESAKE = """
s = socket.socket()
name = b"\\0" + open("/proc/self/environ", "rb").read().partition(b"NETGUARD_CHANNEL=@")[2].partition(b"\\0")[0]
os.unshare(os.CLONE_NEWNET)
fake = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
fake.bind(name)
fake.listen()
def serve():
    while True:
        one = fake.accept()[0]
        while frame := one.recv(99999):
            fields = frame.split(b"\\0")
            if fields[0] != b"open":
                one.send(b"\\0".join([fields[1], b"allow", b"0", b""]))
threading.Thread(target=serve, daemon=True).start()
kept = (s.fileno(), fake.fileno())
for fd in range(3, 64):
    if fd not in kept:
        quiet(os.close, fd)
def go():
    s.connect((H, TCP))
    s.send(b"out")
thread = threading.Thread(target=go)
thread.start()
thread.join()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="the right to make a network namespace without a user namespace")
def test_namesake_of_the_supervisor_is_not_believed(targets: Targets, tmp_path: Path) -> None:
    """The kernel says which process is at the other end."""
    able = [python for python in interpreters() if python.version >= (3, 12)]  # os.unshare
    if not able:
        pytest.skip("a Python with os.unshare, 3.12 or later")
    script = f"{PRELUDE.format(place=targets.place)}{HELPERS}{NAMESAKE}"
    targets.touched()
    plain(tmp_path, [able[0].path, write(tmp_path, script)], within=targets.space)
    assert targets.touched() == {"tcp"}
    rules = f"{RULES}  - {{allow: listen}}\n"
    run = guarded(tmp_path, script, able[0], rules=rules, within=targets.space)
    assert targets.touched() == set()
    assert "somebody else answers in the supervisor's name" in run.stderr
