"""Mail and file transfer of the standard library, and a program that is a client: they talk, or are denied and end."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shim.guests import guarded
from tests.support.interpreters import Interpreter
from tests.support.listening import Listening
from tests.support.web import HttpServer

#: What each protocol's server says first, and to anything else; `{tag}` is the first word of the line it answers.
SPOKEN = {
    "ftp": (b"220 hello\r\n", b"230 yes\r\n"),
    "smtp": (b"220 hello\r\n", b"250 yes\r\n"),
    "imap": (b"* OK hello\r\n", b"* CAPABILITY IMAP4REV1\r\n{tag} OK yes\r\n"),
    "pop": (b"+OK hello\r\n", b"+OK yes\r\n"),
}


class Talker(Listening):
    """A server that is content with everything."""

    def __init__(self, protocol: str) -> None:
        self.greeting, self.answer = SPOKEN[protocol]
        super().__init__(socket.AF_INET, ("127.0.0.1", 0))

    def serve(self, connection: socket.socket) -> None:
        connection.sendall(self.greeting)
        with connection.makefile("rb") as lines:
            for line in lines:
                connection.sendall(self.answer.replace(b"{tag}", line.split()[0] if line.split() else b""))


CLIENTS = {
    "ftp": "import ftplib; c = ftplib.FTP(); c.connect(HOST, PORT, 5); print('said', c.login()); c.close()",
    "smtp": "import smtplib; c = smtplib.SMTP(HOST, PORT, timeout=5); print('said', c.noop()); c.close()",
    "imap": "import imaplib; c = imaplib.IMAP4(HOST, PORT); print('said', c.noop()); c.shutdown()",
    "pop": "import poplib; c = poplib.POP3(HOST, PORT, 5); print('said', c.noop()); c.close()",
}


@pytest.fixture
def talker(protocol: str) -> Iterator[Talker]:
    with Talker(protocol) as server:
        yield server


@pytest.mark.parametrize("protocol", CLIENTS)
@pytest.mark.parametrize("verdict", ["log", "deny"])
def test_protocol_client_talks_or_ends(
    protocol: str, verdict: str, talker: Talker, interpreter: Interpreter, tmp_path: Path
) -> None:
    """One connection, one line; a denial is an OSError, which is what these clients' callers expect."""
    code = f"HOST, PORT = '127.0.0.1', {talker.port}\ntry:\n    {CLIENTS[protocol]}\n"
    code += "except OSError as error:\n    print('ended', type(error).__name__)\n"
    rules = f'version: 1\ndefault: allow\nrules:\n  - {{{verdict}: connect, to: "127.0.0.1:{talker.port}"}}\n'
    run = guarded(tmp_path, code, interpreter, rules=rules)
    assert run.stdout.startswith("said" if verdict == "log" else "ended Denied"), run.stderr
    assert talker.connections == (verdict == "log")
    assert [line["verdict"] for line in run.lines("connect")] == [verdict]


@pytest.mark.skipif(not shutil.which("curl"), reason="the program curl")
@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "denied"])
def test_curl_is_decided_on_as_a_program(
    allowed: bool, http_server: HttpServer, interpreter: Interpreter, tmp_path: Path
) -> None:
    """Its own connections are none of the witness's; that it starts is."""
    code = f"""\
        import subprocess
        try:
            print(subprocess.run(["curl", "-s", "{http_server.url}/bytes/5"], capture_output=True).stdout)
        except PermissionError as error:
            print("ended", type(error).__name__)
    """
    rules = f"version: 1\ndefault: allow\nrules:\n  - {{{'log' if allowed else 'deny'}: exec, program: curl}}\n"
    run = guarded(tmp_path, code, interpreter, rules=rules)
    assert run.stdout == ("b'xxxxx'\n" if allowed else "ended Denied\n")
    assert len(http_server.hits) == allowed
    assert [line["exec"]["argv"][0] for line in run.lines("exec")] == ["curl"]
