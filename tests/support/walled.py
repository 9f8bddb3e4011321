"""Runs a guest's code under a filter and a supervisor of the wall's own parts, in processes that are thrown away.

`run` starts one Python that becomes the supervisor (as an ordinary user where one is asked for) and forks the guest,
which has what `tests/support/guest.py` offers. What the guest says comes back as a dict, with what the supervisor saw.
"""

from __future__ import annotations

# What guests use, and an ordinary user may not be able to read where this Python lies.
import asyncio  # noqa: F401
import encodings.idna  # noqa: F401
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile  # noqa: F401
import threading  # noqa: F401
import time
from pathlib import Path
from typing import Any, NamedTuple

from netguard.core.process import Process
from netguard.seccomp import abi, act, alarm, arguments, filters, making, table, unheard
from netguard.seccomp.callers import Caller, Callers
from netguard.seccomp.held import Held
from netguard.seccomp.notify import CONTINUE, Listener, Notification
from netguard.seccomp.waiting import Done, Queue, Waiting
from netguard.supervisor.redirects import Redirects
from netguard.supervisor.stragglers import family
from tests.support.proxy import Telling

ROOT = Path(__file__).parent.parent.parent

#: An ordinary user: nobody, on every Linux.
NOBODY = 65534

_SET_DUMPABLE = 4


class Outcome(NamedTuple):
    """How a guest fared.

    said: what it told.  status: its wait status.  text: what it wrote besides.
    seen: what the supervisor was asked.  vanished: calls that were given up.  longest: seconds that one step took it.
    told: what a proxy was told of those that came to it.
    """

    said: dict[str, Any]
    status: int
    text: str
    seen: list[dict[str, Any]]
    vanished: int
    longest: float
    told: list[Any]

    def calls(self, call: str) -> list[dict[str, Any]]:
        """What was asked by calls of one name."""
        return [one for one in self.seen if one["call"] == call]


#: `TESTS_IN=docker` has every guest's sockets made for it, as where no descriptor may be copied.
ON = "hold" if os.environ.get("TESTS_IN") == "docker" else "on"


def run(guest: str, *, wall: str = ON, uid: int | None = None, timeout: float = 60, **spec: Any) -> Outcome:
    """Run a guest's source. `given` (a dict) is there as variables.

    wall: "on"; "hold": its sockets are made for it, and none is copied; "off": no filter at all; "check": what a check
          without acting for the guest would be: the address is looked at and the kernel told to go on.
    deny_ports, deny_places: where nothing may be sent; all else is allowed.
    deny_listen: protocols that may not listen.
    slow: seconds that each decision takes; with slow_answer, each answer to what has been done.
    killable: False for a kernel that cannot wait without being interrupted.
    files: how many descriptors the supervisor may have.
    redirect: ports of TCP that a proxy of the supervisor's is reached in place of; `told` is what it has answered.
    late:     how many connections the proxy refuses before it listens.
    inherited: whether the guest has a UDP socket from before, at `given_fd`.
    alarms: seconds between two signals that the supervisor gets, each of which may interrupt it.
    as_guest: the guest changes to this user, and the supervisor does not.
    """
    spec.update(guest=guest, wall=wall, uid=uid)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.walled"],
        cwd=ROOT, input=json.dumps(spec), capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    said: dict[str, Any] = {}
    report: dict[str, Any] = {}
    rest = []
    for line in done.stdout.splitlines():
        mark, _, value = line.partition(" ")
        if mark == "SAID":
            said.update(json.loads(value))
        elif mark == "REPORT":
            report = json.loads(value)
        else:
            rest.append(line)
    text = "\n".join(rest) + done.stderr
    assert report, f"the supervisor ended with {done.returncode}: {text}"
    assert not report["left"], f"descriptors that the supervisor has left open: {report['left']}"
    return Outcome(said, report["status"], text, report["seen"], report["vanished"], report["longest"], report["told"])


class Supervisor:
    """The wall's parts in a loop that decides by a list."""

    def __init__(self, spec: dict[str, Any], listener: Listener) -> None:
        self.spec = spec
        self.listener = listener
        self.epoll = select.epoll()
        self.epoll.register(listener.fd, select.EPOLLIN)
        self.held = Held(family) if spec["wall"] == "hold" else None
        self.callers = Callers(self.held)
        self.queue = Queue(self.epoll, listener)
        self.names = {abi.NUMBERS[name]: name for name in (*table.NOTIFIED, *table.MAKING)}
        self.seen: list[dict[str, Any]] = []
        self.vanished = 0
        self.longest = 0.0
        self.redirects = Redirects()
        self.proxy = Telling(self.epoll, self.redirects)
        self.told = self.proxy.told
        self.redirects.map = {(None, port): self.proxy.at for port in spec.get("redirect", ())}
        self.late = spec.get("late", 0)

    def loop(self, child: int) -> int:
        """Serves until nobody is left; returns the child's wait status."""
        status = None
        while True:
            now = time.monotonic()
            pauses = [self.queue.pause(now), self.held.pause(now) if self.held else None, 0.2]
            for fd, _ in self.epoll.poll(min([pause for pause in pauses if pause is not None])):
                begun = time.monotonic()
                if fd in self.queue:
                    self.end(self.queue.ready(fd))
                elif fd in self.proxy:
                    self.proxy.ready(fd)
                elif fd == self.listener.fd:
                    self.serve()
                self.longest = max(self.longest, time.monotonic() - begun)
            self.end(self.queue.sweep(time.monotonic()))
            if self.held:
                self.held.sweep(time.monotonic())
            if status is None:
                ended, found = os.waitpid(child, os.WNOHANG)
                status = found if ended else None
            elif self.listener.hung_up():
                self.end(self.queue.close())
                return status

    def serve(self) -> None:
        """Takes one call and answers it."""
        call = self.listener.receive()
        if call is None:
            return
        if self.names[call.number] == "recvfrom":
            self.listener.answer(call.id, flags=CONTINUE)
            return
        if self.names[call.number].startswith("exec"):
            self.callers.forget(self.callers.find(call.tid).pid)
            self.listener.answer(call.id, flags=CONTINUE)
            return
        if self.spec["wall"] == "check":
            self.check(call)
            return
        note: dict[str, Any] = {"call": self.names[call.number], "tid": call.tid}
        if len(self.seen) < 2_000:
            self.seen.append(note)
        try:
            caller = self.callers.find(call.tid)
            if note["call"] in making.MAKES:
                making.make(note["call"], call, caller, self.listener)
                return
            wanted = arguments.read(note["call"], call.args, caller)
        except OSError as error:
            note["error"] = error.errno
            self.listener.answer(call.id, 0, error.errno or 1)
            return
        note.update(kind=wanted.kind, proto=wanted.proto, where=wanted.where, port=wanted.port, place=wanted.place)
        note["pid"] = caller.pid
        if not self.listener.is_waiting(call.id):
            wanted.close()
            return
        if self.spec.get("slow") and not self.spec.get("slow_answer"):
            time.sleep(self.spec["slow"])
        if not self.allows(wanted):
            self.finish(call.id, call.tid, wanted, Done(0, 13))
            return
        if wanted.goes_on:
            note["goes_on"] = True
            wanted.close()
            self.listener.answer(call.id, flags=CONTINUE)
            return
        try:
            done = self.perform(wanted, caller)
        except OSError as error:
            done = Done(0, error.errno or 1)
        if isinstance(done, Waiting):
            ended = self.queue.add(call.id, done)
            if ended is None:
                return
            done = ended
        self.finish(call.id, call.tid, wanted, done)

    def perform(self, wanted: arguments.Wanted, caller: Caller) -> Done | Waiting:
        """Carries a call out, where it goes or at the proxy."""
        proxy = self.redirects.proxy_for(wanted)
        if proxy is None:
            self.redirects.leave(wanted)
            return act.perform(wanted, caller)
        if self.late <= 0:
            self.proxy.open()
        self.late -= 1
        process = Process(caller.pid, caller.tid, "", "", {})
        return self.redirects.perform(wanted, caller, proxy, process)

    def allows(self, wanted: arguments.Wanted) -> bool:
        """Whether the list lets it through."""
        if wanted.kind == "listen" and wanted.proto in self.spec.get("deny_listen", ()):
            return False
        refused = wanted.port in self.spec.get("deny_ports", ()) or wanted.place in self.spec.get("deny_places", ())
        return not (wanted.kind == "connect" and refused)

    def check(self, call: Notification) -> None:
        """What a supervisor does that only looks: the port is read, and the kernel reads it again."""
        caller = self.callers.find(call.tid)
        name = self.names[call.number]
        if name in ("bind", "listen"):
            wanted = arguments.Wanted(name, caller.fetch(arguments.signed(call.args[0])))
            wanted.identify()
            refused = name == "listen" and wanted.domain == socket.AF_INET and "tcp" in self.spec.get("deny_listen", ())
            wanted.close()
            self.listener.answer(call.id, 0, 13 if refused else 0, 0 if refused else CONTINUE)
            return
        at = call.args[4] if name == "sendto" else call.args[1]
        if name in ("sendmsg", "sendmmsg"):
            at = int.from_bytes(caller.read(at, 8), "little")
        port = int.from_bytes(caller.read(at + 2, 2), "big")
        refused = port in self.spec.get("deny_ports", ())
        self.listener.answer(call.id, 0, 13 if refused else 0, 0 if refused else CONTINUE)

    def end(self, ended: list[tuple[int, Waiting, Done | None]]) -> None:
        """Answers the calls that have waited."""
        for id, waiting, done in ended:
            if done is None:
                waiting.wanted.close()
                self.vanished += 1
            else:
                self.finish(id, waiting.caller.tid, waiting.wanted, done)

    def finish(self, id: int, tid: int, wanted: arguments.Wanted, done: Done) -> None:
        """Answers one call."""
        if self.spec.get("slow_answer"):
            time.sleep(self.spec["slow"])
        if not done.tell(self.listener, id):
            unheard.keep(tid, wanted, done)
        wanted.close()


def _install(killable: bool, hold: bool) -> int:
    abi.no_new_privs()
    flags = abi.NEW_LISTENER | (abi.WAIT_KILLABLE if killable else 0)
    return abi.install_filter(filters.program(abi.MACHINE, hold=hold), flags)


def _become(uid: int | None) -> None:
    if uid is not None:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        abi.prctl(_SET_DUMPABLE, 1)  # else nobody of that user may look into us


#: What every guest has at hand, read while that may be read.
_OFFERED = (Path(__file__).parent / "guest.py").read_text()


def _guest(spec: dict[str, Any], report: int, go: int) -> None:
    _become(spec.get("as_guest"))
    listener = _install(spec.get("killable", True), spec["wall"] == "hold") if spec["wall"] != "off" else -1
    os.write(report, listener.to_bytes(4, "little", signed=True))
    os.read(go, 1)
    if listener >= 0:
        os.close(listener)
    scope = {"__name__": "guest", "given_fd": spec.get("given_fd"), **spec.get("given", {})}
    exec(compile(_OFFERED, "guest.py", "exec"), scope)
    exec(compile(spec["guest"], "<guest>", "exec"), scope)


def _watch(spec: dict[str, Any], child: int, number: int, go: int) -> dict[str, Any]:
    """The guest's whole life; returns what is to be reported."""
    pidfd = abi.open_pidfd(child)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spec.get("files", limits[0]), limits[1]))
    supervisor = Supervisor(spec, Listener(abi.get_fd(pidfd, number)))
    os.close(pidfd)
    os.write(go, b"x")
    if spec.get("alarms"):
        alarm.SIGNAL = signal.SIGALRM
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, spec["alarms"], spec["alarms"])
    status = supervisor.loop(child)
    signal.setitimer(signal.ITIMER_REAL, 0)
    supervisor.callers.close()
    if supervisor.held:
        supervisor.held.close()
    supervisor.proxy.close()
    os.close(supervisor.listener.fd)
    supervisor.epoll.close()
    return {"status": status, **{name: getattr(supervisor, name) for name in ("seen", "vanished", "longest", "told")}}


def main() -> None:
    """Become the supervisor of one guest."""
    spec = json.loads(sys.stdin.read())
    _become(spec["uid"])
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    before = len(os.listdir("/proc/self/fd"))
    old = socket.socket(type=socket.SOCK_DGRAM) if spec.get("inherited") else None
    spec["given_fd"] = old.fileno() if old else -1
    (report_read, report), (go, go_write) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.close(go_write)
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
            _guest(spec, report, go)
            status = 0
        except BaseException:  # noqa: BLE001 # it is told, and the guest ends here whatever it was
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    number = int.from_bytes(os.read(report_read, 4), "little", signed=True)
    report_of: dict[str, Any] = {"seen": [], "vanished": 0, "longest": 0.0, "told": []}
    if number < 0:
        os.write(go_write, b"x")
        report_of["status"] = os.waitpid(child, 0)[1]
    else:
        report_of = _watch(spec, child, number, go_write)
    if old:
        old.close()
    for fd in (report_read, report, go, go_write):
        os.close(fd)
    report_of.update(left=len(os.listdir("/proc/self/fd")) - before)
    sys.stdout.write("\nREPORT " + json.dumps(report_of) + "\n")


if __name__ == "__main__":
    main()
