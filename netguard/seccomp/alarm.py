"""Interrupts a system call of ours that the guest has made to last.

A socket is the guest's while we act on it: another of its threads may set it to blocking between our own flag and our
connect, or close it with SO_LINGER so that our copy is the last and closing it waits. No call here may hold up the
loop, so a timer of the kernel's sends this thread a signal, which ends such a call with EINTR. Armed for a while at a
time, it costs a look at the clock; while nothing happens it is not armed.
"""

from __future__ import annotations

import atexit
import time

from netguard.seccomp import abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # without the enums, which cost 4 ms at start-up

#: SIGSTKFLT, which no kernel sends and nobody else uses. aarch64 has the same number.
SIGNAL = 16

#: Seconds after which a call is interrupted, and how many of them must be left when one begins.
PERIOD, LEAST = 0.1, 0.05

_until = 0.0
_timer = -1


def arm() -> None:
    """Whatever this thread does next is interrupted if it lasts. To be called in the main thread. Raises OSError."""
    global _timer, _until
    now = time.monotonic()
    if _until - now > LEAST:
        return
    if _timer < 0:
        signal.signal(SIGNAL, _nothing)
        # A Python that ends takes its handlers back, and what is armed still would then be the end of us by a signal.
        atexit.register(signal.signal, SIGNAL, signal.SIG_IGN)
        _timer = abi.make_timer(SIGNAL)
    abi.set_timer(_timer, PERIOD)
    _until = now + PERIOD


def _nothing(number: int, frame: object) -> None:
    """The signal has done what it is for."""
