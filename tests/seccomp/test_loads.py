"""What the filter makes a supervisor load: it is there before the guest starts, so each module is waited for."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Modules that cost a start more than all of the wall's own.
HEAVY = {"dataclasses", "enum", "ipaddress", "json", "platform", "re", "subprocess", "threading", "typing"}

LIST = "import sys; sys.path.insert(0, '.'); import {0}; print(*sys.modules)"


@pytest.mark.parametrize("module", ["netguard.seccomp.filters", "netguard.seccomp.abi"])
def test_module_loads_nothing_heavy(module: str) -> None:
    command = [sys.executable, "-I", "-S", "-c", LIST.format(module)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    assert module in loaded
    assert not loaded & HEAVY
