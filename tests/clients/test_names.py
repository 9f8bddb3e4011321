"""Programs that look a name up by themselves, whatever resolver they have, connect to it or are denied by that name."""

from __future__ import annotations

import shutil

import pytest

from tests.clients.programs import PROGRAMS
from tests.support.guard import run_guarded
from tests.support.isolation import Namespace
from tests.support.kernel import seccomp_missing

needs_wall = pytest.mark.skipif(bool(seccomp_missing()), reason=seccomp_missing())

RULES = "version: 1\ndefault: deny\nrules:\n  - {allow: [exec, native, listen, file]}\n"
RULES += "  - {name: by-name, VERDICT: [dns, connect], to: api.test, private: true}\n"


@needs_wall
@pytest.mark.parametrize("verdict", ["log", "deny"])
@pytest.mark.parametrize("name", ["curl", "wget", "node", "perl", "bash"])
def test_program_reaches_a_name_or_is_denied_it(name: str, verdict: str, netns: Namespace) -> None:
    client = PROGRAMS[name]
    if not shutil.which(client.wants):
        pytest.skip(f"the program {client.wants}")
    server = netns.open("http", port=0)
    netns.open("dns", names={"api.test": ["127.0.0.1"]}, port=53)
    words = [word.replace("127.0.0.1", "api.test") for word in client.command(server.port)]
    done = run_guarded(
        ["--", *words], rules=RULES.replace("VERDICT", verdict), options=["--quiet"], within=netns, wall="require"
    )
    assert (done.status == 0) == (verdict == "log"), done.stderr
    assert set(done.verdicts("dns")) == {verdict}
    assert {line["rule"] for line in done.lines("dns")} == {"by-name"}
    assert {line["dst"]["host"] for line in done.lines("dns")} == {"api.test"}
    assert set(done.verdicts("connect")) == ({"log"} if verdict == "log" else set())
    assert server.seen()["connections"] == (verdict == "log")
