"""Services of a machine, each real and started by the test: reached where a rule grants its socket, and else not.

A service that this machine lacks is skipped by name.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.guard import run_guarded
from tests.support.kernel import seccomp_missing

pytestmark = [pytest.mark.kernel, pytest.mark.skipif(bool(seccomp_missing()), reason=seccomp_missing())]

BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>
"""


class Service(NamedTuple):
    """One service. `{folder}` and `{socket}` in its words are filled in.

    wants: its programs.  serves: what serves until it is ended.  asks: what asks it for something.
    says:  a part of the answer.  socket: its name in the folder.
    """

    wants: tuple[str, ...]
    serves: tuple[str, ...]
    asks: tuple[str, ...]
    says: str
    socket: str = "socket"


LIST_NAMES = ("--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames")

SERVICES = {
    "ssh-agent": Service(
        ("ssh-agent", "ssh-add"),
        ("ssh-agent", "-D", "-a", "{socket}"),
        ("sh", "-c", "SSH_AUTH_SOCK={socket} exec ssh-add -l"),
        "The agent has no identities",
    ),
    "dbus-send": Service(
        ("dbus-daemon", "dbus-send"),
        ("dbus-daemon", "--nofork", "--nopidfile", "--config-file={folder}/bus.conf"),
        ("dbus-send", "--bus=unix:path={socket}", *LIST_NAMES),
        "org.freedesktop.DBus",
    ),
    "busctl": Service(
        ("dbus-daemon", "busctl"),
        ("dbus-daemon", "--nofork", "--nopidfile", "--config-file={folder}/bus.conf"),
        ("busctl", "--address=unix:path={socket}", "--no-pager", "list"),
        "org.freedesktop.DBus",
    ),
    "gpg-agent": Service(
        ("gpg-agent", "gpg-connect-agent"),
        ("gpg-agent", "--homedir", "{folder}", "--daemon", "--no-detach"),
        ("gpg-connect-agent", "--homedir", "{folder}", "--no-autostart", "getinfo version", "/bye"),
        "OK",
        "S.gpg-agent",
    ),
    "tmux": Service(
        ("tmux",), ("tmux", "-S", "{socket}", "-D"), ("tmux", "-S", "{socket}", "list-commands"), "new-session"
    ),
}


@contextmanager
def served(service: Service) -> Iterator[Callable[[str], str]]:
    """The service, serving; gives what fills in a word. Its folder has a short name: a socket's is 108 bytes long."""
    for program in service.wants:
        if not shutil.which(program):
            pytest.skip(f"the program {program}")
    with tempfile.TemporaryDirectory(prefix="ng-") as folder:
        socket = Path(folder, service.socket)
        (Path(folder) / "bus.conf").write_text(BUS.format(socket=socket))

        def filled(word: str) -> str:
            return word.replace("{folder}", folder).replace("{socket}", str(socket))

        with subprocess.Popen([filled(word) for word in service.serves], stderr=subprocess.DEVNULL) as server:
            try:
                deadline = time.monotonic() + 10
                while not socket.exists():
                    if server.poll() is not None or time.monotonic() > deadline:
                        pytest.skip(f"{service.serves[0]} does not serve at {socket}")
                    time.sleep(0.01)
                yield filled
            finally:
                server.terminate()


def rules_for(verdict: str, socket: str) -> str:
    deny = "" if verdict == "default" else f'  - {{name: the-service, {verdict}: connect, to: "unix:{socket}"}}\n'
    return f"version: 1\ndefault: deny\nrules:\n{deny}  - {{log: exec}}\n"


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_reached_where_a_rule_grants_it(name: str) -> None:
    service = SERVICES[name]
    with served(service) as filled:
        command = [filled(word) for word in service.asks]
        socket = filled("{socket}")
        bare = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert service.says in bare.stdout, bare.stderr
        granted = run_guarded(["--", *command], rules=rules_for("log", socket), wall="require")
        assert (granted.status, service.says in granted.stdout) == (bare.returncode, True), granted.stderr
        lines = granted.lines("connect", rule="the-service")
        assert {line["dst"]["path"] for line in lines} == {socket}
        for verdict in ("deny", "default"):
            denied = run_guarded(["--", *command], rules=rules_for(verdict, socket), wall="require")
            assert service.says not in denied.stdout
            assert set(denied.verdicts("connect")) == {"deny"}


def test_agent_of_the_runs_own_is_its_own() -> None:
    """Where the pack denies those of others."""
    if not shutil.which("ssh-agent"):
        pytest.skip("the program ssh-agent")
    rules = "version: 1\ndefault: deny\ninclude: netguard:local-services\n"
    rules += "rules: [{log: exec}, {allow: listen, to: '@self'}]\n"
    result = run_guarded(["--", "ssh-agent", "ssh-add", "-l"], rules=rules, wall="require", env={"TMPDIR": None})
    assert "The agent has no identities" in result.stdout, result.stderr
    assert result.lines("connect") == [], "allowed in silence"


def test_pack_says_why_anothers_agent_is_denied() -> None:
    with tempfile.TemporaryDirectory(prefix="ssh-", dir="/tmp") as folder:
        command = ["--", "python3", "-c", f"import socket; socket.socket(1).connect('{folder}/agent.1')"]
        service = SERVICES["ssh-agent"]
        if not shutil.which("ssh-agent"):
            pytest.skip("the program ssh-agent")
        serves = [word.replace("{socket}", f"{folder}/agent.1") for word in service.serves]
        with subprocess.Popen(serves, stdout=subprocess.DEVNULL) as agent:
            try:
                deadline = time.monotonic() + 10
                while not Path(folder, "agent.1").exists():
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                rules = "version: 1\ndefault: log\ninclude: netguard:local-services\n"
                result = run_guarded(command, rules=rules, wall="require")
            finally:
                agent.terminate()
    assert result.status > 0
    assert [line["rule"] for line in result.lines("connect")] == ["key-agents"]
    assert "it signs with the user's keys for whoever asks" in result.stderr
