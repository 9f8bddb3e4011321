"""The supervisor's memory and descriptors are not the guest's to read, where the guest is not root."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.supervisor.running import running

#: As nobody, who may all the same read the interpreter in root's folder; without the right to trace.
AS_NOBODY = [
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all,+dac_override",
    "--ambient-caps=+dac_override", "--bounding-set=-sys_ptrace",
]  # fmt: skip

REACH = """
import os, socket, sys
found = []
for name in ("mem", "fd", "environ", "maps"):
    try:
        path = f"/proc/{os.getppid()}/{name}"
        os.readlink(path + "/0") if name == "fd" else open(path, "rb").close()
        found.append(name)
    except PermissionError:
        pass
try:  # the run itself goes on as ever, and the guest is as readable as without a guard
    socket.create_connection(("127.0.0.1", 9))
except ConnectionRefusedError:
    found.append("asked")
print(*found, len(open("/proc/self/environ").read()) > 9, os.stat("/proc/self/mem").st_uid == os.getuid())
"""

OFF = "import netguard.supervisor.shield as shield; shield.hide = lambda: False"


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="a user who is not root")
@pytest.mark.parametrize("fault", [OFF, ""], ids=["control", "hidden"])
def test_guest_can_read_nothing_of_the_supervisor(tmp_path: Path, fault: str) -> None:
    yama = Path("/proc/sys/kernel/yama/ptrace_scope")
    if fault and yama.exists() and yama.read_text().strip() != "0":
        pytest.skip("a kernel that lets a process read its parent (Yama off)")
    (tmp_path / "reach.py").write_text(REACH)
    tmp_path.chmod(0o777)
    prefix = AS_NOBODY if os.geteuid() == 0 else []
    with running(tmp_path, [str(tmp_path / "reach.py")], fault=fault, prefix=prefix) as run:
        out, err = run.process.communicate(timeout=60)
    reached = "mem fd environ maps " if fault else ""
    assert out == f"{reached}asked True True\n", err
