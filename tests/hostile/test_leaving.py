"""What a rule grants of this machine's own addresses stays on this machine, whatever goes with the call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.natives import USERS, alone, lacking, program, said, walled
from tests.hostile.test_routes import lacking as no_routes
from tests.support.guard import clean_environment
from tests.support.isolation import isolated

pytestmark = pytest.mark.hostile

LEAVING = Path(__file__).with_name("leaving.py")

#: All of this machine's own addresses are granted, and those of the link; and one elsewhere, to which the last goes.
RULES = """\
version: 1
default: deny
rules:
  - {allow: exec}
  - {allow: listen}
  - {allow: connect, to: [127.0.0.0/8, '::1', 'fe80::/10', 10.9.9.9]}
"""

#: Name -> how. Each ends in a datagram to this machine itself.
WAYS = {
    "packet info": """
        info = struct.pack("Qii", 28, 0, 8) + struct.pack("i8x", device) + bytes(4)
        raw("sendmsg", udp(), message(inet(9), b"MARK-A", info), 0)""",
    "packet info of IPv6": """
        info = struct.pack("Qii", 36, 41, 50) + struct.pack("16xi", device) + bytes(4)
        raw("sendmsg", udp(10), message(inet6(9), b"MARK-A", info), 0)""",
    "packet info of IPv6, mapped": """
        info = struct.pack("Qii", 36, 41, 50) + struct.pack("10xH4xi", 0xFFFF, device) + bytes(4)
        raw("sendmsg", udp(10), message(inet6(9, "::ffff:127.0.0.1"), b"MARK-A", info), 0)""",
    "old packet info": """
        info = struct.pack("Qii", 36, 41, 2) + struct.pack("16xi", device) + bytes(4)
        raw("sendmsg", udp(10), message(inet6(9), b"MARK-A", info), 0)""",
    "second message": """
        info = struct.pack("Qii", 28, 0, 8) + struct.pack("i8x", device) + bytes(4)
        both = message(inet(9), b"first", tail=bytes(8)) + message(inet(9), b"MARK-A", info, bytes(8))
        raw("sendmmsg", udp(), both, 2, 0)""",
    "bound with a scope": """
        one = udp(10)
        raw("bind", one, inet6(0, "fe80::5", device), 28)
        raw("sendto", one, b"MARK-A", 6, 0, inet6(9), 28)""",
    "connected with a scope before": """
        one = udp(10)
        raw("connect", one, inet6(9, "fe80::6", device), 28)
        if raw("connect", one, inet6(9), 28) == 0:
            try_(one.send, b"MARK-A")""",
    "connected with a scope, then sent elsewhere": """
        one = udp(10)
        raw("connect", one, inet6(9, "fe80::6", device), 28)
        raw("sendto", one, b"MARK-A", 6, 0, inet6(9, "::ffff:127.0.0.1"), 28)""",
}

LAST = """
import textwrap
device = socket.if_nametoindex("out")
exec(textwrap.dedent(way))
udp().sendto(b"THE-LAST", ("10.9.9.9", 9))
"""


def tried(folder: Path, way: str, before: Sequence[str]) -> list[str]:
    """The marks that left."""
    command = isolated([sys.executable, str(LEAVING), *before, *program(folder, LAST, way=way)])
    env = clean_environment(str(folder))
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    left: list[str] = found["left"]
    return left


def guard(folder: Path) -> list[str]:
    """The command that runs another behind the wall."""
    rules = folder / "rules.yaml"
    rules.write_text(RULES)
    folder.chmod(0o777)
    words = ["run", "--quiet", "--wall", "require", "--rules", str(rules), "--log", str(folder / "trail.jsonl"), "--"]
    return [sys.executable, "-m", "netguard", *words]


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("way", WAYS)
def test_what_goes_to_this_machine_stays_on_it(way: str, user: str, tmp_path: Path) -> None:
    if no_routes() or lacking(user):
        pytest.skip(no_routes() or lacking(user))
    code = WAYS[way]
    if not tried(tmp_path, code, USERS[user]):
        pytest.skip("this kernel lets nothing leave that way")
    assert tried(tmp_path, code, [*USERS[user], *guard(tmp_path)]) == []


MARK = """
mark = struct.pack("QiiI", 20, 1, 36, 7) + bytes(4)
say(marked=raw("sendmsg", udp(), message(inet(9), b"out", mark), 0))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="root, who alone may set a mark")
def test_mark_that_chooses_the_routes_goes_with_no_message(tmp_path: Path) -> None:
    """As the option of that name, for root too."""
    assert said(alone(tmp_path, MARK)) == {"marked": 3}
    assert said(walled(tmp_path, MARK, "- {allow: connect}\n")) == {"marked": "EPERM"}
