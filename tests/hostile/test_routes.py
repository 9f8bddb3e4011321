"""Nothing leaves the machine under an address of this machine's own: what a rule grants is where packets go."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.isolation import isolated, missing
from tests.support.kernel import seccomp_missing

pytestmark = pytest.mark.hostile

ROUTES = Path(__file__).with_name("routes.py")

#: The ways, each with what an ordinary user sends: to 127.0.0.1 or ::1, or to no address at all.
WAYS = ["device", "device number", "unicast", "connect", "segments", "flow label", "group"]


@functools.cache
def tried(mode: str) -> dict[str, Any]:
    """What came of each way, `bare` or `filtered`."""
    command = isolated([sys.executable, "-I", "-S", str(ROUTES), mode])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def lacking() -> str:
    """What this machine lacks to show it; empty when nothing."""
    return seccomp_missing() or missing() or ("" if os.path.exists("/dev/net/tun") else "the device /dev/net/tun")


@pytest.mark.parametrize("way", WAYS)
def test_packet_for_this_machine_stays_on_it(way: str) -> None:
    if lacking():
        pytest.skip(lacking())
    if tried("bare")["ended"][way] != "ok":
        pytest.skip(f"this kernel offers no such way: {way} ({tried('bare')['ended'][way]})")
    assert way in tried("bare")["left"]
    assert tried("filtered")["ended"][way] == "EPERM"
    assert way not in tried("filtered")["left"]
