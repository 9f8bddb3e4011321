"""Real HTTP clients, allowed and denied: they reach the server, or they end at once with an error of their own kind."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.clients.clients import CLIENTS
from tests.support.guard import DOCKER, Result, run_guarded
from tests.support.injection import run_injected
from tests.support.isolation import Namespace, Remote
from tests.support.web import HttpServer

SCRIPT = str(Path(__file__).with_name("clients.py"))

#: A denial must not take a client longer than this, retries and start included.
PATIENCE = 20

#: What each client's own error is when a name or a connection is denied; the innermost is always `netguard.Denied`.
OWN_ERROR = {
    "urllib_request": "urllib.error.URLError",
    "http_client": "netguard.Denied",
    "requests_get": "requests.exceptions.ConnectionError",
    "urllib3_request": "urllib3.exceptions.MaxRetryError",
    "httpx_get": "httpx.ConnectError",
    "httpx_async": "httpx.ConnectError",
    "httpx_trio": "httpx.ConnectError",
    "aiohttp_get": "aiohttp.client_exceptions.ClientConnectorError",
    "asyncio_streams": "netguard.Denied",
    "trio_stream": "builtins.OSError",
    "anyio_asyncio": "builtins.OSError",
    "anyio_trio": "builtins.OSError",
    "xmlrpc": "netguard.Denied",
}

#: Where the error for a denied name is another one than for a denied connection.
NAME_ERROR = {
    "aiohttp_get": "aiohttp.client_exceptions.ClientConnectorDNSError",
    "trio_stream": "netguard.Denied",
    "anyio_asyncio": "netguard.Denied",
    "anyio_trio": "netguard.Denied",
}

#: Where a URL's connection is decided on before the client has begun it, and the client has no error of its own yet.
AT_THE_REQUEST = {"urllib_request": "netguard.Denied"}


#: Who decides: a supervisor that the kernel asks, the same where it has to make the sockets (as under Docker's default
#: profile), one that only the witness asks, or the guest by itself.
HOMES = (*[pytest.param(home, marks=pytest.mark.kernel) for home in ("wall", "docker")], "supervisor", "guest")
WALL = {"wall": "require", "docker": "require", "supervisor": "off"}


def go(client: str, url: str, rules: str, home: str, folder: Path, **how: Any) -> tuple[object, Result, float]:
    """Runs one client under a rule file; what it printed, the run, and how long it took."""
    start = time.monotonic()
    words = [sys.executable, SCRIPT, client, url]
    if home == "guest":
        run = run_injected(words, folder, rules, **how)
    else:
        around = DOCKER if home == "docker" else ()
        run = run_guarded(
            ["--", *words], rules=rules, options=["--quiet"], wall=WALL[home], before=around, timeout=60, **how
        )
    assert run.stdout, run.stderr
    return json.loads(run.stdout.splitlines()[-1]), run, time.monotonic() - start


def test_every_client_has_a_row() -> None:
    assert set(OWN_ERROR) == set(CLIENTS)


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("client", CLIENTS)
def test_allowed_client_reaches_the_server(client: str, home: str, http_server: HttpServer, tmp_path: Path) -> None:
    """By name, so that the look-up is part of it; with a rule for just this destination."""
    rules = f'version: 1\ndefault: deny\nrules:\n  - {{log: any, to: "localhost:{http_server.port}"}}\n' + HELPERS
    outcome, run, _ = go(client, f"http://localhost:{http_server.port}/bytes/1234", rules, home, tmp_path)
    assert outcome == (21 if client == "xmlrpc" else 1234), run.stderr
    assert len(http_server.hits) == 1
    assert run.lines("connect", verdict="log")
    assert all((home in ("wall", "docker")) == ("kernel" in line["layers"]) for line in run.lines("connect"))


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("client", CLIENTS)
def test_denied_connection_ends_the_client(client: str, home: str, http_server: HttpServer, tmp_path: Path) -> None:
    """No hang, no hit, the client's own error, and Denied behind it."""
    rule = f'{{name: that-one, deny: connect, to: "127.0.0.1:{http_server.port}"}}'
    rules = f"version: 1\ndefault: allow\nrules:\n  - {rule}\n"
    outcome, run, took = go(client, f"http://127.0.0.1:{http_server.port}/", rules, home, tmp_path)
    assert isinstance(outcome, list), outcome
    assert outcome[0] == AT_THE_REQUEST.get(client, OWN_ERROR[client]), outcome
    assert "netguard.Denied" in outcome
    assert "(rule that-one)" in run.stderr
    assert (http_server.hits, http_server.connections) == ([], 0)
    assert took < PATIENCE
    assert run.lines("http" if client in AT_THE_REQUEST else "connect", verdict="deny", rule="that-one")


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("client", CLIENTS)
def test_denied_name_ends_the_client(client: str, home: str, netns: Namespace, tmp_path: Path) -> None:
    """The same at the look-up, of which the name server hears nothing."""
    dns: Remote = netns.open("dns", names={"*": ["127.0.0.1"]}, port=53)
    web: Remote = netns.open("http", port=80)
    rules = 'version: 1\ndefault: allow\nrules:\n  - {name: that-one, deny: dns, to: "*.example.test"}\n'
    outcome, run, took = go(client, "http://api.example.test:80/", rules, home, tmp_path, within=netns)
    assert isinstance(outcome, list), outcome
    assert outcome[0] == NAME_ERROR.get(client, OWN_ERROR[client]), outcome
    assert "netguard.Denied" in outcome
    assert "(rule that-one)" in run.stderr
    assert (web.seen()["hits"], dns.seen()["questions"]) == ([], [])
    assert took < PATIENCE
    assert run.lines("dns", verdict="deny", rule="that-one")


#: Clients look for libraries and for IPv6 when they are imported, and event loops talk to themselves.
HELPERS = """\
  - {allow: [exec, native, file]}
  - {allow: [connect, listen], to: "@self"}
  - {allow: listen, to: "@loopback"}
"""
