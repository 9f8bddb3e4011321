"""The alarm interrupts what lasts, and does no harm afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest

ENDING = """
import os, sys, time
from netguard.seccomp import alarm

class Slow:
    def __del__(self, now=time.monotonic, period=alarm.PERIOD):
        until = now() + 3 * period
        while now() < until:
            pass

alarm.arm()
sys.slow = Slow()
"""


@pytest.mark.kernel
def test_alarm_that_is_armed_does_not_end_a_supervisor_that_is_ending() -> None:
    """Its handlers are gone by then, and so would it be."""
    assert subprocess.run([sys.executable, "-c", ENDING], check=False).returncode == 0
