"""What a call that the wall decides leaves on record, and what its caller gets."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.supervisor.running import running
from tests.support.guard import run_guarded

pytestmark = pytest.mark.kernel

LOG = "version: 1\ndefault: log\n"

TIMED = """
import socket, sys
for port in map(int, sys.argv[1:]):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        pass
    lasting = socket.socket()
    lasting.setblocking(False)
    lasting.connect_ex(("127.0.0.1", port))
"""


def closed_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_connect_with_a_timeout_has_its_outcome_and_one_that_nobody_waits_for_has_none() -> None:
    """C waits for the first by itself, and the witness hears of it; the kernel told us only that it had begun."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = run_guarded(["-c", TIMED, str(port)], rules=LOG, wall="require")
    assert result.status == 0, result.stderr
    timed, lasting = result.lines("connect")
    [outcome] = result.lines("result")
    assert (outcome["of"], outcome["errno"]) == (timed["seq"], 0)
    assert lasting["layers"] == ["hook", "kernel"]


def test_refused_connection_has_its_errno() -> None:
    result = run_guarded(["-c", TIMED, str(closed_port())], rules=LOG, wall="require")
    assert {line["errno"] for line in result.lines("result")} == {111}
    assert result.lines("result")[0]["of"] == result.lines("connect")[0]["seq"]


CHANGED = """
import os, socket
os.setgid(65534), os.setuid(65534)
for sock, address in ((socket.socket(), ("127.0.0.1", 81)), (socket.socket(socket.AF_UNIX), "/nowhere")):
    try:
        sock.bind(address)
        print("bound")
    except PermissionError:
        print("refused")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its user")
def test_what_is_refused_to_a_changed_user_is_on_record_also_in_a_dry_run() -> None:
    """Netguard's rights are root's still: acting for it would lend them."""
    for options in ([], ["--dry-run"]):
        result = run_guarded(["-c", CHANGED], rules=LOG, wall="require", options=options)
        assert result.stdout.split() == ["refused"] * 2, result.stderr
        lines = result.lines("listen")
        said = [(line["verdict"], line["rule"], line["layers"]) for line in lines]
        assert said == [("deny", "other-user", ["kernel"])] * 2


FILLED = """
import socket, sys
for _ in range(40):  # until the trail is full
    try:
        socket.socket().connect(("127.0.0.1", 9))
    except OSError:
        pass
for family, address in ((socket.AF_INET, ("127.0.0.1", int(sys.argv[1]))), (socket.AF_UNIX, sys.argv[2])):
    try:
        socket.socket(family).connect(address)
        print("reached")
    except PermissionError as error:
        print(error.rule)
"""

#: The supervisor may write no file that is longer than 4 KB, once the guest has reported.
LIMIT = """
import resource, signal
from netguard.supervisor.loop import Loop
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
greet = Loop._greet
def filled(self, *args):
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    return greet(self, *args)
Loop._greet = filled
"""


@pytest.mark.parametrize(("fault", "outcome"), [("", "reached"), (LIMIT, "trail")], ids=["control", "full"])
def test_nothing_is_reached_that_cannot_be_put_on_record(tmp_path: Path, fault: str, outcome: str) -> None:
    place = str(tmp_path / "sock")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        local.bind(place)
        local.listen()
        args = ["-c", FILLED, str(server.getsockname()[1]), place]
        with running(tmp_path, args, fault=fault, wall="require") as run:
            out, err = run.process.communicate(timeout=60)
        assert out.split() == [outcome] * 2, err
        server.settimeout(0.0 if fault else 10.0)
        if fault:
            with pytest.raises(BlockingIOError):
                server.accept()
        else:
            server.accept()[0].close()
