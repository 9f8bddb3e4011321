"""What the file system and the kernel know about one question, looked up before it is decided."""

from __future__ import annotations

import os

from netguard.core.address import parse_ip
from netguard.supervisor.leases import Leases
from netguard.supervisor.listening import Listening
from netguard.supervisor.processes import Process
from netguard.supervisor.question import Question
from netguard.supervisor.requests import NO_FACTS, Facts


class World:
    """Where facts come from during a run."""

    __slots__ = ("leases", "listening", "search")

    def __init__(self, leases: Leases, search: str) -> None:
        self.leases = leases
        self.listening = Listening()
        self.search = search  # PATH, as the guest was started with

    def look(self, question: Question, process: Process, now: float) -> Facts:
        """Returns the facts for one `ask`."""
        kind = question.fields[0]
        if kind in ("connect", "listen"):
            return self._destination(question, now)
        if kind == "exec":
            return Facts(resolved=self._program(question.fields[6], process))
        path = question.fields[5]
        if path and kind in ("file", "native"):
            return Facts(path=os.path.realpath(path) if path.startswith("/") else path)
        return NO_FACTS

    def _destination(self, question: Question, now: float) -> Facts:
        _, _, proto, host, port, path, _ = question.fields[:7]
        if proto == "unix":
            # A socket has one place, whatever links lead there; an abstract name is its own place.
            real = path if path.startswith("@") or not path else os.path.realpath(path)
            own = self.listening.owns("unix", None, 0, path) or self.listening.owns("unix", None, 0, real)
            return Facts(path=real, own=own)
        address = parse_ip(host)
        if address is None:
            return NO_FACTS
        names = self.leases.names(address, now)
        own = bool(self.listening.held) and port.isdigit() and self.listening.owns(proto, address, int(port))
        return Facts(address, names, own)

    def _program(self, program: str, process: Process) -> str:
        """The real path of what would run, "" when nothing is there."""
        if "/" in program:
            cwd = process.line.get("cwd")
            return os.path.realpath(os.path.join(cwd if type(cwd) is str else "/", program))
        for folder in self.search.split(os.pathsep):
            path = os.path.join(folder, program)
            if os.access(path, os.X_OK):
                return os.path.realpath(path)
        return ""
