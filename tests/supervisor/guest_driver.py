"""The smallest loop that runs a guest with the supervisor's building blocks; started by the tests as a program.

`guest_driver.py [words as after netguard run]`. GUEST_DRIVER_KEEP lists descriptors to keep; GUEST_DRIVER_EARLY is a
signal the driver gets before its guest exists; GUEST_DRIVER_GUESS makes it work as where sigwaitinfo is missing.
"""

from __future__ import annotations

import os
import select
import sys

from netguard.errors import NetguardError
from netguard.supervisor import guest, signals, target


def run(words: list[str]) -> int:
    """Start the guest, pass on what is meant for it, and return what netguard would end with."""
    mask = signals.hold()
    if "GUEST_DRIVER_EARLY" in os.environ:
        os.kill(os.getpid(), int(os.environ.pop("GUEST_DRIVER_EARLY")))
    if os.environ.pop("GUEST_DRIVER_GUESS", ""):
        del signals.signal.sigwaitinfo
    keep = tuple(int(word) for word in os.environ.pop("GUEST_DRIVER_KEEP", "").split())
    asked = target.parse(words, os.environ)
    guest.shut_inherited(keep, asked.fds)
    pid = guest.start(asked, os.environ, mask)
    guest.let_go((0, 1, *keep))
    inbox = signals.Inbox()
    job, end = guest.Job(pid), None
    while not end:
        select.select([inbox.fd], [], [])
        end = job.hear(inbox.drain())
    return guest.exit_status(end)


if __name__ == "__main__":
    try:
        sys.exit(run(sys.argv[1:]))
    except NetguardError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
