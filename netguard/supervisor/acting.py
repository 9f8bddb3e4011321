"""Carries out the calls that were granted, and tells the guest and the trail how each has ended. It decides nothing.

A call that cannot end at once waits here for its socket, and never holds up the loop.
"""

from __future__ import annotations

import errno
import time
from _socket import SOCK_DGRAM

from netguard.core.question import to_int, to_ms
from netguard.core.wire import unpack
from netguard.seccomp import act, unheard
from netguard.seccomp.notify import CONTINUE
from netguard.seccomp.waiting import ERESTARTSYS, Done, Queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from netguard.core.process import Process
    from netguard.seccomp.arguments import Wanted
    from netguard.seccomp.callers import Caller
    from netguard.seccomp.notify import Listener
    from netguard.supervisor.call import Call
    from netguard.supervisor.loop import Loop

#: Acts that are remembered until the next call of their thread: more than a run has threads at once. The oldest, whose
#: thread will not call again, make room.
MAX_KNOWN = 4_096

#: The port of name servers.
NAMES = 53

#: Errors that say "not yet": how it ends is not known to us.
PENDING = (errno.EINPROGRESS, errno.EALREADY, errno.EAGAIN)

#: Why an error is not the destination's own: the proxy is gone (ECONNREFUSED), or the socket is bound where it cannot
#: reach one.
REDIRECTED = "redirected to a proxy on this machine"


class Acting:
    """What of one run's calls is under way."""

    def __init__(self, listener: Listener, loop: Loop, process_of: Callable[[Caller], Process]) -> None:
        self.listener = listener
        self.loop = loop
        self.process_of = process_of
        self.queue = Queue(loop.poll, listener)
        self.waiting: dict[int, Call] = {}
        self.again: dict[int, tuple[tuple[object, ...], int]] = {}  # acts of threads that a signal has interrupted
        self.names_served = False  # whether a socket was bound to a name server's port
        self.begun: dict[tuple[int, int], int] = {}  # (pid, tid) -> the record of a connect that was under way

    def ready(self, fd: int) -> None:
        """What a call waits for is ready."""
        for id, _, done in self.queue.ready(fd):
            self.finish(self.waiting.pop(id), done)

    def sweep(self, now: float) -> None:
        """Looks after what waits: who was killed or interrupted, whose time is up."""
        for id, _, done in self.queue.sweep(now):
            self.finish(self.waiting.pop(id), done)

    def close(self) -> None:
        """The run is over: nobody is answered any more."""
        for id, _, _ in self.queue.close():
            self.waiting.pop(id).wanted.close()

    def resumed(self, call: Call, process: Process) -> int:
        """The record of the act that this call goes on with; 0 for a new one. The kernel makes a call once more after
        the handler of the signal that ended it, and that is the same act."""
        if not self.again:
            return 0
        known, seq = self.again.pop(call.caller.tid, ((), 0))
        return seq if known == (process, *substance(call.wanted)) else 0

    def perform(self, call: Call) -> None:
        """Does for the guest what it wants, on its own socket. Nothing in here waits."""
        if call.wanted.goes_on:
            self.go_on(call)
            return
        call.started = time.monotonic() if call.seq else 0.0
        if call.instead is not None:
            call.instead(call)
            return
        wanted, caller, redirects = call.wanted, call.caller, self.loop.redirects
        proxy = call.proxy or redirects.proxy_for(wanted)
        if proxy is None:
            redirects.leave(wanted)
            found = act.perform(wanted, caller)
        else:
            found = redirects.perform(wanted, caller, proxy, self.process_of(caller), call.servers)
        done = found if isinstance(found, Done) else self.queue.add(call.id, found)
        if done is None:
            self.waiting[call.id] = call
        else:
            self.finish(call, done)

    def go_on(self, call: Call) -> None:
        """Has the kernel carry out what nobody can change any more. Of a listen nobody tells whether it went well: a
        socket that is bound and does not listen is the run's own too, and takes no connection."""
        call.wanted.close()
        if call.wanted.call == "listen":
            self.show(call)
        self.listener.answer(call.id, flags=CONTINUE)

    def finish(self, call: Call, done: Done | None) -> None:
        """Tells the guest how its call ended, and the trail if the act is on it. None: nobody waits any more.

        Our copy of the socket is closed before: what the guest closes next is closed, and its port is free.
        """
        wanted = call.wanted
        wanted.close()
        if done is None:
            return
        if not done.error and wanted.call == "bind" and wanted.port == NAMES:
            self.names_served = True
            self.loop.names.served.add(wanted.where)
        if not done.error and (wanted.call == "listen" or (wanted.call == "bind" and wanted.type == SOCK_DGRAM)):
            self.show(call)
        if not done.tell(self.listener, call.id):
            self.unheard(call, done)
        if done.error == ERESTARTSYS and wanted.kind:
            make_room(self.again)
            self.again[call.caller.tid] = (call.caller.process, *substance(wanted)), call.seq
        elif call.seq and done.error == errno.EINPROGRESS:
            make_room(self.begun)
            self.begun[call.caller.pid, call.caller.tid] = call.seq  # its witness may know more
        elif call.seq and done.error not in PENDING:
            now = time.monotonic()
            ms = round((now - call.started) * 1000, 3)
            line: dict[str, object] = {"kind": "result", "of": call.seq, "errno": done.error, "ms": ms}
            if wanted.via and done.error:
                line["reason"] = REDIRECTED
            self.loop.desk.ended(line, now)

    def show(self, call: Call) -> None:
        """A socket listens now. Where no rule asks for the run's own, nobody has to find it in the kernel's tables,
        which takes 3 us for each connection of the machine. A name server has to be known, as only the run's own is
        reached."""
        if self.loop.world.asks_own or self.names_served:
            self.loop.desk.grants.forget()
            self.loop.world.listening.show(call.caller.pid, call.fd)

    def told(self, pid: int, text: bytes) -> None:
        """How a connect ended that was under way, as the witness says who waited for it."""
        try:
            _, tid, number, ms = unpack(text)
            seq = self.begun.pop((pid, to_int(tid)), 0)
            line: dict[str, object] = {"kind": "result", "of": seq, "errno": to_int(number), "ms": to_ms(ms)}
        except ValueError:
            return  # no witness of ours
        if seq:
            self.loop.desk.ended(line, time.monotonic())

    def unheard(self, call: Call, done: Done) -> None:
        """Remembers how a call ended whose caller did not hear of it; of its socket we have let go by now."""
        try:
            call.wanted.sock = call.caller.fetch(call.fd)
        except OSError:
            return
        unheard.keep(call.caller.tid, call.wanted, done)
        call.wanted.close()


def make_room(table: dict[Any, Any]) -> None:
    """Lets the oldest entry go where there are too many."""
    if len(table) >= MAX_KNOWN:
        del table[next(iter(table))]


def substance(wanted: Wanted) -> tuple[object, ...]:
    """All of a call that a decision looks at: what was granted stands for this and nothing else. The bytes of an
    address would not do: they lead elsewhere on another kind of socket, and a path when its links have changed."""
    return wanted.call, wanted.kind, wanted.proto, wanted.where, wanted.port, wanted.place
