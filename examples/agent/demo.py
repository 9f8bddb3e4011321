"""Sets the stage for `agent.py` and runs it guarded, in a network that nothing can leave.

The stage is a namespace in which every address is this machine's: the documentation, the API, but also the metadata
address and the collector are servers that count what reaches them. Where no namespace can be made, the servers are on
loopback and the two steps that aim outside are left out, so that even a broken guard would send nothing. Where there is
no wall, curl reaches the collector, and the last line says so.

`--unguarded` shows what the agent does when nobody looks; only inside a namespace.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(os.path.dirname(HERE)))  # the checkout, for the test suite's servers

from tests.support.isolation import Namespace, missing  # noqa: E402
from tests.support.web import HttpServer  # noqa: E402

#: The same ports on both stages: the rule file names them.
DOCS_PORT, API_PORT, COLLECTOR_PORT = 8000, 8001, 8002

#: Names the namespace's name server knows. 203.0.113.0/24 is nobody's (RFC 5737).
NAMES = {
    "docs.example.test": ["127.0.0.1"],
    "api.example.test": ["127.0.0.1"],
    "collector.evil.example": ["203.0.113.66"],
}

#: The agent gets an environment worth stealing, and none of the user's own secrets.
BAIT = {"AWS_SECRET_ACCESS_KEY": "example-not-a-real-key", "DEPLOY_TOKEN": "example-not-a-real-token"}
KEPT = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TERM", "NO_COLOR", "COLUMNS", "TMPDIR", "XDG_STATE_HOME")


class Stage:
    """How to start a command on the stage, what to tell the agent, and who is listening."""

    def __init__(self, command: Callable[[list[str]], list[str]]) -> None:
        self.command = command
        self.env: dict[str, str] = {}
        self.steps: list[str] = []
        self.servers: dict[str, Any] = {}


def isolated_stage(closing: contextlib.ExitStack) -> Stage:
    """Everything the agent reaches for is there, and is ours."""
    space = closing.enter_context(Namespace(anywhere=True))
    stage = Stage(lambda command: space.command(command))
    space.open("dns", names=NAMES, port=53)
    stage.servers["docs"] = space.open("http", port=DOCS_PORT)
    stage.servers["api"] = space.open("http", port=API_PORT)
    stage.servers["metadata"] = space.open("http", host="0.0.0.0", port=80)
    collector = space.open("https", host="0.0.0.0", port=443, names=["collector.evil.example"])
    stage.servers["collector"] = collector
    stage.env["REQUESTS_CA_BUNDLE"] = collector.ca_file
    return stage


def loopback_stage(closing: contextlib.ExitStack) -> Stage:
    """Only what is on this machine."""
    stage = Stage(lambda command: command)
    stage.servers["docs"] = closing.enter_context(HttpServer(port=DOCS_PORT))
    stage.servers["api"] = closing.enter_context(HttpServer(port=API_PORT))
    stage.servers["collector"] = closing.enter_context(HttpServer(port=COLLECTOR_PORT))
    urls = {"DOCS_URL": "docs", "API_URL": "api", "COLLECTOR_ADDRESS": "collector"}
    stage.env = {variable: stage.servers[name].url for variable, name in urls.items()}
    stage.steps = ["index", "report", "shell", "curl"]
    return stage


def perform(stage: Stage, guarded: bool) -> int:
    """Run the agent and say what reached each server; the agent's own exit status."""
    guard = ["-m", "netguard", "run", "--rules", os.path.join(HERE, "rules.yaml")] if guarded else []
    command = [sys.executable, *guard, os.path.join(HERE, "agent.py"), *stage.steps]
    shown = " ".join(os.path.relpath(word) if os.path.isabs(word) else word for word in command)
    print(f"$ {shown}\n", flush=True)
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    status = subprocess.run(stage.command(command), env={**kept, **BAIT, **stage.env}, check=False).returncode
    print("\nWhat the servers saw:")
    reached = {name: server.seen() for name, server in stage.servers.items()}
    for name, seen in reached.items():
        print(f"  {name:10} {len(seen['hits'])} requests on {seen['connections']} connections")
    if guarded and reached["collector"]["connections"]:
        print("curl reached the collector: without the wall nobody sees what other programs do. See: netguard doctor")
    return status


def main() -> int:
    guarded = "--unguarded" not in sys.argv[1:]
    if missing():
        print(f"No namespace: this machine lacks {missing()}.")
        print("So the servers are on loopback, and the agent does not try to reach anything else.")
        if not guarded:
            return 1
    with contextlib.ExitStack() as closing:
        return perform((loopback_stage if missing() else isolated_stage)(closing), guarded)


if __name__ == "__main__":
    sys.exit(main())
