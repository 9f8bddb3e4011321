"""A run's loop whose questions to name servers a test asks itself: real servers, real rules, no guest."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netguard.core.acts import Context
from netguard.core.process import Process
from netguard.core.session import Session
from netguard.dns.servers import Configuration
from netguard.errors import TrailError
from netguard.supervisor.loop import Loop
from netguard.supervisor.outlet import Outlet
from tests.core.policies import policy
from tests.support.queries import Heard, query

if TYPE_CHECKING:
    from typing_extensions import Self

#: What a datagram's asker and one over TCP have room for.
STREAM = 65_535


def process(pid: int = 41, exe: str = "/usr/bin/getent", user: str = "ci") -> Process:
    """Who asks."""
    return Process(pid, pid, user, exe, {"pid": pid, "exe": exe})


class Running:
    """A loop under these rules. A test turns it, and nobody else does.

    lines: the trail's.  broken: whether it takes no more.  said: what a person was told.
    """

    def __init__(
        self, folder: Path, port: int, *rules: Any, default: str = "deny", dry_run: bool = False,
        servers: Sequence[str] = ("127.0.0.1",), options: str = "timeout:1 attempts:1",
    ) -> None:  # fmt: skip
        self.lines: list[dict[str, Any]] = []
        self.said: list[dict[str, Any]] = []
        self.broken = False
        outlet = Outlet(self._write, self._write_all, self.said.append, lambda now: None)
        self.session = Session(policy(*rules, default=default), Context("ci"), dry_run=dry_run)
        address = f"\0netguard-test-{os.getpid()}-{id(self)}"
        self.loop = Loop(self.session, outlet, address, "run", "")
        self.fd, self._other = os.pipe()  # the loop's inbox of signals, in which there never are any
        self.names = self.loop.names
        self.names.upstream.port = port
        self.file = folder / "resolv.conf"
        self.say_servers(*servers, options=options)
        self.names.system = Configuration(str(self.file))

    def say_servers(self, *servers: str, options: str = "timeout:1 attempts:1") -> None:
        """Writes the machine's resolv.conf anew."""
        self.file.write_text("".join(f"nameserver {server}\n" for server in servers) + f"options {options}\n")

    def _write(self, line: dict[str, Any]) -> int:
        if self.broken:
            raise TrailError("the disk is full")
        self.lines.append(dict(line))
        return len(self.lines)

    def _write_all(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            self._write(line)

    def turn(self) -> None:
        """One turn of the loop."""
        self.loop._turn(self)  # type: ignore[arg-type]

    def until(self, done: Any) -> None:
        """Turns until it is so."""
        late = time.monotonic() + 20
        while not done():
            assert time.monotonic() < late, "nothing comes"
            self.turn()

    def begin(self, name: str, kind: str = "A", by: Process | None = None, **more: Any) -> list[Heard]:
        """Asks, and returns at once: what is answered comes to be in the list."""
        heard: list[Heard] = []
        limit, servers = more.pop("limit", STREAM), more.pop("servers", None)
        data = query(name, kind, **more)
        self.names.ask(by or process(), data, limit, lambda answer: heard.append(Heard(answer)), servers)
        return heard

    def ask(self, name: str, kind: str = "A", by: Process | None = None, **more: Any) -> Heard:
        """Asks, and turns until there is an answer."""
        heard = self.begin(name, kind, by, **more)
        self.until(lambda: heard)
        [answer] = heard
        return answer

    def judge(self, name: str, kind: str = "A", **more: Any) -> bytes | None:
        """What a process that sends by itself may send."""
        found: list[bytes | None] = []
        self.names.judge_only(process(), query(name, kind, **more), found.append)
        self.until(lambda: found)
        return found[0]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """The lines of a kind on record."""
        return [line for line in self.lines if line["kind"] == kind]

    @property
    def told(self) -> list[tuple[str, str, str, str]]:
        """Of each decision on record: verdict, name, type, rule."""
        return [
            (line["verdict"], line["dns"]["name"], line["dns"]["type"], line["rule"]) for line in self.of_kind("dns")
        ]

    def leased(self, address: tuple[int, int]) -> tuple[str, ...]:
        """The names behind an address."""
        return self.session.leases.names(address, time.monotonic())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.names.close()
        self.loop.poll.close()
        self.loop.listener.close()
        for fd in (self.fd, self._other, self.loop.desk.resolver.fd, self.loop.desk.resolver._wake):
            with contextlib.suppress(OSError):
                os.close(fd)
