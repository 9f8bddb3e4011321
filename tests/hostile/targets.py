"""What attacks try to reach, and on which interpreters they are run."""

from __future__ import annotations

from pathlib import Path

from tests.support.echo import UnixEcho
from tests.support.interpreters import interpreters
from tests.support.isolation import Namespace, Remote

#: One innocent name may be looked up; everything else is denied.
RULES = "version: 1\ndefault: deny\nrules:\n  - {allow: dns, to: good.test}\n"

#: The oldest, the newest and the one that runs these tests: what differs between versions differs between these.
PYTHONS = sorted({min(interpreters()), max(interpreters()), interpreters()[0]})


class Targets:
    """What may not be reached, and whether it was since the last look."""

    def __init__(self, space: Namespace, unix: UnixEcho, mark: Path) -> None:
        self.space = space
        self.dns: Remote = space.open("dns", names={"*": ["127.0.0.1"]}, port=53)
        self.tcp: Remote = space.open("tcp", port=7007)
        self.udp: Remote = space.open("udp")
        self.unix = unix
        self.mark = mark
        self.before = self.counts()

    @property
    def place(self) -> tuple[str, int, int, str, str]:
        """What a script knows of them."""
        return "127.0.0.1", self.tcp.port, self.udp.port, self.unix.path, str(self.mark)

    def counts(self) -> dict[str, int]:
        asked = [name for name, _ in self.dns.seen()["questions"]]
        return {
            "tcp": self.tcp.seen()["connections"],
            "udp": len(self.udp.seen()["received"]),
            "dns": len([name for name in asked if "evil" in name or name.endswith(".arpa")]),
            "unix": self.unix.connections,
            "mark": len(list(self.mark.parent.glob("*.ran"))),
        }

    def touched(self) -> set[str]:
        """The targets that something has reached since this was last asked."""
        for file in self.mark.parent.glob("*.ran"):
            file.rename(file.with_suffix(f".was{self.before['mark']}"))
            self.before["mark"] = -1
        now = self.counts()
        reached = {name for name, count in now.items() if count != self.before[name]}
        self.before = now
        return reached
