"""Servers in a process of their own, told what to do in JSON lines: the part of a `Namespace` that lives inside it."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from tests.support.authority import Authority
from tests.support.dns import DnsServer
from tests.support.echo import TcpEcho, UdpEcho, UnixEcho
from tests.support.web import HttpServer


class Stage:
    """The servers that are open, by number."""

    def __init__(self, closing: contextlib.ExitStack) -> None:
        self.closing = closing
        self.servers: list[Any] = []
        self._authority: Authority | None = None

    def open(self, kind: str, **options: Any) -> dict[str, Any]:
        """Start a server; answers with its number and where it is."""
        server = self.closing.enter_context(OPENERS[kind](self, **options))
        self.servers.append(server)
        about = {name: getattr(server, name) for name in ("url", "port", "path") if hasattr(server, name)}
        return {"number": len(self.servers) - 1, "ca_file": self.ca_file, **about}

    def seen(self, number: int) -> dict[str, Any]:
        """What a server saw."""
        seen: dict[str, Any] = self.servers[number].seen()
        return seen

    @property
    def ca_file(self) -> str:
        return self._authority.ca_file if self._authority else ""

    def open_tls(self, names: list[str], **options: Any) -> HttpServer:
        """An HTTPS server for `names`; all of one stage have the same authority."""
        if self._authority is None:
            self._authority = Authority(self.closing.enter_context(tempfile.TemporaryDirectory()))
        return HttpServer(authority=self._authority, names=tuple(names), **options)


#: What a stage can open.
OPENERS: dict[str, Callable[..., Any]] = {
    "http": lambda stage, **options: HttpServer(**options),
    "https": Stage.open_tls,
    "dns": lambda stage, **options: DnsServer(**options),
    "tcp": lambda stage, **options: TcpEcho(**options),
    "udp": lambda stage, **options: UdpEcho(**options),
    "unix": lambda stage, **options: UnixEcho(**options),
}


def main() -> None:
    """Answer each line until there are no more; an order that fails is answered with its error."""
    with contextlib.ExitStack() as closing:
        stage = Stage(closing)
        print("{}", flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            try:
                answer = {"open": stage.open, "seen": stage.seen}[order.pop("do")](**order)
            except Exception as error:  # noqa: BLE001 - the test that gave the order is told
                answer = {"error": repr(error)}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
