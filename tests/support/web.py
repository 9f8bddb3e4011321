"""An HTTP/1.1 server on loopback, with or without TLS, that remembers each request."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.support.authority import Authority
from tests.support.echo import family_of
from tests.support.listening import Listening

#: More than any test sends; a client under test that never stops sending must not fill the machine's memory.
LARGEST_BODY = 64 * 2**20


class Hit(NamedTuple):
    """One request as the server got it. Header names are lower case; `path` has its query."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class HttpServer(Listening):
    """Answers every request with JSON and keeps it in `hits`.

    Paths with a meaning: `/status/N` answers with that status, `/bytes/N` with that many bytes, `/redirect?to=URL`
    with a 302, `/drop` closes without an answer, `/slow` answers once `release` is set or the server closes.
    An `authority` makes it an HTTPS server with a certificate for `names`.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        authority: Authority | None = None,
        names: tuple[str, ...] = ("localhost", "127.0.0.1", "::1"),
    ) -> None:
        self.hits: list[Hit] = []
        self.release = threading.Event()
        self.context = authority.server_context(names) if authority else None
        super().__init__(family_of(host), (host, port))

    @property
    def url(self) -> str:
        host = self.address[0]
        return f"http{'s' if self.context else ''}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def serve(self, connection: socket.socket) -> None:
        if self.context:
            # A client that does not trust our certificate ends here, as it should.
            with contextlib.suppress(ssl.SSLError), self.context.wrap_socket(connection, server_side=True) as secured:
                Handler(secured, self)
        else:
            Handler(connection, self)

    def close(self) -> None:
        self.release.set()
        super().close()

    def seen(self) -> dict[str, object]:
        """What it saw, as JSON can say it."""
        hits = [{**hit._asdict(), "body": hit.body.decode("latin-1")} for hit in self.hits]
        return {"connections": self.connections, "hits": hits}


class Handler(BaseHTTPRequestHandler):
    """The requests of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = False  # set on an accepted socket of ours, which may be a unix one
    server: HttpServer  # type: ignore[assignment]

    def __init__(self, connection: socket.socket, server: HttpServer) -> None:
        super().__init__(connection, ("", 0), server)  # type: ignore[arg-type]

    def handle_any(self) -> None:
        """Record the request, then answer it as its path asks."""
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), LARGEST_BODY)) or self._chunks()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.hits.append(Hit(self.command, self.path, headers, body))
        first = urlsplit(self.path).path.split("/")[1]
        PATHS.get(first, Handler.say)(self)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any  # noqa: N815 - http.server's names

    def _chunks(self) -> bytes:
        body = b""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while (size := int(self.rfile.readline().split(b";")[0], 16)) and len(body) < LARGEST_BODY:
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        return body

    def say(self, status: int = 200, body: bytes | None = None, headers: dict[str, str] | None = None) -> None:
        hit = self.server.hits[-1]
        if body is None:
            body = json.dumps({"method": hit.method, "path": hit.path, "size": len(hit.body)}).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def say_status(self) -> None:
        self.say(int(self._last_part()))

    def say_bytes(self) -> None:
        self.say(200, b"x" * int(self._last_part()), {"Content-Type": "application/octet-stream"})

    def say_redirect(self) -> None:
        self.say(302, b"", {"Location": parse_qs(urlsplit(self.path).query)["to"][0]})

    def say_nothing(self) -> None:
        self.close_connection = True

    def say_late(self) -> None:
        self.server.release.wait()
        self.say()

    def _last_part(self) -> str:
        return urlsplit(self.path).path.rsplit("/", 1)[1]

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: `hits` is the record."""


#: The first part of a path to what it does; any other path is answered by `say`.
PATHS: dict[str, Callable[[Handler], None]] = {
    "status": Handler.say_status,
    "bytes": Handler.say_bytes,
    "redirect": Handler.say_redirect,
    "drop": Handler.say_nothing,
    "slow": Handler.say_late,
}
