"""The timer that interrupts our own calls."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: The end of this interpreter takes longer than the timer, and its handlers are gone by then.
LATE = """
from netguard.seccomp import alarm
import time
class Late:
    def __del__(self, sleep=time.sleep):
        sleep(3 * alarm.PERIOD)
late = Late()
alarm.arm()
"""


@pytest.mark.kernel
def test_alarm_does_not_end_a_supervisor_that_is_ending() -> None:
    """Else a run ends with the signal's status now and then, and not with the guest's."""
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "")
