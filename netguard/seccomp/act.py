"""Carries out what was granted, on the guest's own socket and with the bytes that were decided; nothing may block here.

Whether the guest waits is the guest's affair: for it a call that cannot end at once is put aside (Waiting), and for us
each call is one that does not wait.
"""

from __future__ import annotations

import errno

from netguard.seccomp import abi, bindings, connecting, folders, making, receiving, sending, sockaddr, unheard
from netguard.seccomp.waiting import Done, Waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netguard.seccomp.arguments import Wanted
    from netguard.seccomp.callers import Caller


class Binding(Waiting):
    """A bind to a unix path, which another thread carries out."""

    __slots__ = ("_job",)

    interruptible = False

    def __init__(self, wanted: Wanted, caller: Caller, job: folders.Job) -> None:
        super().__init__(wanted, caller, -1)
        self.deadline = None
        self._job = job

    def resume(self) -> Done | None:
        """Looks whether it is done."""
        return None if self._job.error is None else Done(0, self._job.error)


def perform(wanted: Wanted, caller: Caller) -> Done | Waiting:
    """Carries the call out. Raises OSError where we lack a descriptor: the errno that the guest gets.

    Whoever is given a Done closes the Wanted; a Waiting holds it until it has ended. A Done that nobody hears of
    (the call waits no more) goes to `unheard.keep` before.
    """
    done = unheard.take(caller.tid, wanted)
    return done if done is not None else _ACTS[wanted.call](wanted, caller)


def _bind(wanted: Wanted, caller: Caller) -> Done | Waiting:
    if wanted.pin >= 0:
        job = folders.bind(wanted.sock, wanted.pin, wanted.umask, wanted.address)
        return Done(0, errno.ENOBUFS) if job is None else Binding(wanted, caller, job)
    error = abi.bind(wanted.sock, wanted.address)
    if error == errno.EADDRINUSE and caller.held is not None:
        caller.held.collect()  # by a copy of ours perhaps, of a socket that nobody has any more
        error = abi.bind(wanted.sock, wanted.address)
    if not error and wanted.kind == "listen" and wanted.domain != sockaddr.UNIX:
        bindings.remember(wanted.sock)
    return Done(0, error)


def _listen(wanted: Wanted, caller: Caller) -> Done:
    error = abi.listen(wanted.sock, wanted.backlog)
    if not error and caller.held is not None:
        caller.held.listens(wanted.sock)
    return Done(0, error)


def _connect(wanted: Wanted, caller: Caller) -> Done | Waiting:
    if caller.held is not None:
        caller.held.settle()
    return connecting.connect(wanted, caller)


_ACTS: dict[str, Callable[[Wanted, Caller], Done | Waiting]] = {
    "accept": making.accept,
    "accept4": making.accept,
    "connect": _connect,
    "bind": _bind,
    "listen": _listen,
    "recvfrom": receiving.receive,
    "sendto": sending.send,
    "sendmsg": sending.send,
    "sendmmsg": sending.send_many,
}
