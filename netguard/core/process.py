"""One asking process, as whoever decides knows it. Values only: who looks them up, and where, is not said here."""

from __future__ import annotations


class Process:
    """One asking process.

    line: its part of a trail line. argv: its whole command line. user, exe: what rules compare.
    guarded: it runs a program that reports what it does, so what it does not announce is out of the ordinary.
    """

    __slots__ = ("argv", "exe", "guarded", "line", "pid", "tid", "user")

    def __init__(
        self, pid: int, tid: int, user: str, exe: str, line: dict[str, object], argv: tuple[str, ...] = ()
    ) -> None:
        self.pid = pid
        self.tid = tid
        self.user = user
        self.exe = exe
        self.line = line
        self.argv = argv
        self.guarded = False
