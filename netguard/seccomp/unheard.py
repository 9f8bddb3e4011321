"""What was done for a caller that did not hear of it, so that it is not done twice.

Before Linux 5.19 a signal ends the guest's wait for us at any moment, and a machine that goes to sleep does so still.
The guest then makes the same call again: by itself, because the kernel has it do so, or after an EINTR. A connection
that is there would be EISCONN to it, and what was sent would be sent again.
"""

from __future__ import annotations

from netguard.seccomp.bindings import cookie

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.seccomp.arguments import Wanted
    from netguard.seccomp.waiting import Done

    Act = tuple[str, int, bytes, list[bytes]]

#: Threads whose last call is remembered, with all that it sent.
MAX_UNHEARD = 16

_ends: dict[int, tuple[Act, Done]] = {}


def keep(tid: int, wanted: Wanted, done: Done) -> None:
    """The call ended so, and nobody was there to be told. To be called before the Wanted is closed."""
    if len(_ends) >= MAX_UNHEARD:
        del _ends[next(iter(_ends))]
    _ends[tid] = _act(wanted), done


def take(tid: int, wanted: Wanted) -> Done | None:
    """How this very call has ended before; None where the thread asks for it for the first time."""
    act, done = _ends.pop(tid, (None, None)) if _ends else (None, None)
    return done if act is not None and act == _act(wanted) else None


def _act(wanted: Wanted) -> Act:
    payloads = [message.payload for message in wanted.messages]
    return wanted.call, cookie(wanted.sock), wanted.address, payloads
