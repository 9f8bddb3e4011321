"""What the file system and the kernel know about one question, looked up before it is decided."""

from __future__ import annotations

import os

from netguard.core.acts import NO_FACTS, Facts, endpoint_of, host_of
from netguard.core.address import parse_ip
from netguard.core.leases import Leases
from netguard.core.process import Process
from netguard.core.question import Question
from netguard.supervisor.listening import Listening
from netguard.supervisor.target import interpreter_flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netguard.supervisor.listed import Listed


class World:
    """Where facts come from during a run.

    asks_own: whether a rule asks for the run's own sockets; else nobody has to look, which takes longer than to decide.
    """

    __slots__ = ("asks_own", "leases", "listed", "listening", "outer", "search")

    def __init__(self, leases: Leases, search: str, *, asks_own: bool = True) -> None:
        self.asks_own = asks_own
        self.leases = leases
        self.listening = Listening()
        self.search = search  # PATH, as the guest was started with
        self.outer: Callable[[Question], str] | None = None  # what the run around this one says against an act
        self.listed: Listed | None = None  # the files that the kernel lets start, where it has such a list

    def look(self, question: Question, process: Process, now: float) -> Facts:
        """Returns the facts for one `ask`. Raises Malformed for a URL that cannot be read."""
        return self.told(question, self._look(question, process, now))

    def told(self, question: Question, facts: Facts) -> Facts:
        """The facts of a question, with what the run around this one says to it."""
        if self.outer is None:
            return facts
        # NO_FACTS is everybody's.
        found = Facts(facts.address, facts.names, facts.own, facts.path, facts.resolved, facts.options)
        found.outer, found.barred = self.outer(question), facts.barred
        return found

    def _look(self, question: Question, process: Process, now: float) -> Facts:
        kind, _, proto, host, port, path, program = question.fields[:7]
        if kind == "connect" and proto != "unix":
            address = parse_ip(host)
            number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else None
            return self.at(process.pid, address, proto, number, now)
        if kind == "connect" or kind == "listen":
            return self.at_path(process.pid, path) if proto == "unix" else Facts(parse_ip(host))
        if kind == "http":
            name, number = endpoint_of(question)
            return self.at(process.pid, host_of(name)[1], "tcp", number, now)
        if kind == "exec":
            return self._program(program, question.argv, process)
        return Facts(path=real_path(path)) if path.startswith("/") else Facts(path=path) if path else NO_FACTS

    def at(self, pid: int, address: tuple[int, int] | None, proto: str, port: int | None, now: float) -> Facts:
        """What is known of an address: the names it was given for, and whether the run itself answers there."""
        if address is None:
            return NO_FACTS
        own = self.asks_own and port is not None and self.listening.owns(pid, proto, address, port)
        return Facts(address, self.leases.names(address, now), own)

    def at_path(self, pid: int, path: str) -> Facts:
        """A unix socket has one place, whatever links lead there; an abstract name is its own place."""
        real = real_path(path) if path and not path.startswith("@") else path
        return Facts(path=real, own=self.asks_own and self.listening.owns_path(pid, real))

    def at_socket(self, pid: int, place: str, pin: int) -> Facts:
        """The same of a place that is real already, and whose socket a descriptor of ours holds: the path may lead to
        another one by now, and is not looked at again."""
        held = f"/proc/self/fd/{pin}" if pin >= 0 else place
        return Facts(path=place, own=self.asks_own and self.listening.owns_path(pid, held))

    def _program(self, program: str, argv: tuple[str, ...], process: Process) -> Facts:
        """The real path of what would run, and what of its arguments a Python would read; nothing is there: neither."""
        folders = self.search.split(os.pathsep) if "/" not in program else [folder_of(process)]
        for folder in folders:
            path = os.path.join(folder, program)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                real = real_path(path)
                facts = Facts(resolved=real, options=interpreter_flags(path, real, argv, folder_of(process)))
                facts.barred = self.listed.bars(real) if self.listed else ""
                return facts
        return NO_FACTS


def folder_of(process: Process) -> str:
    """The process's folder as it is now; where it was when it first asked if nobody can tell."""
    try:
        return os.readlink(f"/proc/{process.pid}/cwd")
    except OSError:
        return str(process.line["cwd"])


def real_path(path: str) -> str:
    """The path with its links followed. Text that no file can be named stays as it is, and leads nowhere."""
    try:
        return os.path.realpath(path)
    except ValueError:
        return path
