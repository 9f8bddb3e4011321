"""What is granted from memory is what would be granted anew, and is counted all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netguard.core.commands import Record, Reply
from netguard.core.policy import ALLOW, LOG
from netguard.core.process import Process
from netguard.core.question import MAX_NUMBER
from netguard.core.wire import pack
from netguard.supervisor import grants
from netguard.supervisor.grants import Grants
from tests.supervisor.client import CODE
from tests.supervisor.running import run_client


class Asker:
    """As much of a peer as is looked at."""

    def __init__(self) -> None:
        self.process = Process(1, 1, "ci", "", {})
        self.waiting = False


def frame(number: str, *fields: str) -> bytes:
    return pack(("ask", number, *fields))


def granted(verdict: str = ALLOW, *rest: str) -> Reply:
    reply = Reply(None, "1", verdict, *rest)
    reply.rule = "rule"
    return reply


def kept(asker: Any, line: dict[str, object] | None = None) -> Grants:
    known = Grants()
    keep(known, asker, "connect\0x", granted(LOG if line else ALLOW, ""), line)
    return known


def keep(known: Grants, asker: Any, text: str, reply: Reply, line: dict[str, object] | None = None) -> None:
    """Keeps the grant of a question, by what stands behind its number."""
    known.keep(asker.process, b"\0" + text.encode(), [*([Record(line)] if line else []), reply])


def test_same_question_of_the_same_process_is_found_with_its_own_number() -> None:
    asker: Any = Asker()
    found = kept(asker).find(asker, frame("2", "connect", "x"))
    assert found is not None
    grant, number = found
    assert (grant.rule, grant.line, grant.answer(number, 0)) == ("rule", None, pack(("2", "allow", "0", "")))


def test_a_logged_one_keeps_its_line_and_says_its_number() -> None:
    asker: Any = Asker()
    found = kept(asker, {"kind": "connect"}).find(asker, frame("2", "connect", "x"))
    assert found is not None
    grant, number = found
    assert (grant.line, grant.answer(number, 17)) == ({"kind": "connect"}, pack(("2", "log", "17", "")))


def test_any_other_question_is_not() -> None:
    asker: Any = Asker()
    known = kept(asker)
    for other in (
        frame("2", "connect", "y"), frame("2", "connect"), frame("2", "connect", "x", ""), frame("2"), b"ask", b"ask\0",
        pack(("lookup", "2", "connect", "x")), frame("n" * (MAX_NUMBER + 1), "connect", "x"), b"",
    ):  # fmt: skip
        assert known.find(asker, other) is None
    other_process: Any = Asker()
    assert known.find(other_process, frame("2", "connect", "x")) is None
    asker.waiting = True
    assert known.find(asker, frame("2", "connect", "x")) is None


def test_bound_of_a_number_is_the_same_in_both_readings() -> None:
    assert grants.MAX_NUMBER == MAX_NUMBER


def test_too_many_grants_are_forgotten() -> None:
    asker: Any = Asker()
    known = Grants()
    for number in range(grants.MAX_GRANTS + 1):
        keep(known, asker, str(number), granted())
    assert len(known.known) == 1
    known.forget()
    assert known.known == {}


def test_long_question_is_not_kept() -> None:
    """A guest could have a thousand of 128 KB kept."""
    asker: Any = Asker()
    known = Grants()
    keep(known, asker, "x" * grants.MAX_KEPT, granted())
    assert known.known == {}


def test_repeated_grants_are_counted(tmp_path: Path) -> None:
    script = "line = Line()\nfor _ in range(500): assert line.ask()[1:] == ['allow', '0', '']"
    result = run_client(tmp_path, script, rules="version: 1\nrules:\n  - {allow: connect, name: mine}\n")
    assert result.status == 0, result.stderr
    assert sum(line["counts"].get("mine", 0) for line in result.lines("count")) == 500
    assert result.lines("close")[0]["decisions"] == 500


def test_limited_grants_are_decided_each_time(tmp_path: Path) -> None:
    rules = """
version: 1
rules:
  - {allow: connect, to: "127.0.0.1:80", limit: {connections: 3/run}}
  - {log: connect, to: "127.0.0.1:81", limit: {connections: 3/run}}
"""
    script = """
line = Line()
assert [line.ask(80)[1] for _ in range(5)] == ["allow"] * 3 + ["deny"] * 2
assert [line.ask(81)[1] for _ in range(5)] == ["log"] * 3 + ["deny"] * 2
"""
    result = run_client(tmp_path, script, rules=rules)
    assert result.status == 0, result.stderr


def test_each_logged_grant_has_its_line_and_its_outcome(tmp_path: Path) -> None:
    """All the same, but for what the trail itself adds; another thread's names that thread."""
    script = """
line, other = Line(), Line(tid="2")
for number in range(20):
    for one in line, other:
        answer = one.question("ask", *ASK, number=f"n{number}")
        assert answer[:2] == [f"n{number}", "log"], answer
        one.send("result", "0", answer[2], "111", "0.25")
"""
    script = f"ASK = {('connect', 'socket.connect', 'tcp', '127.0.0.1', '80', '', '', *CODE)!r}\n" + script
    result = run_client(tmp_path, script, rules="version: 1\nrules:\n  - {log: connect, name: seen}\n")
    assert result.status == 0, result.stderr
    lines = result.lines("connect")
    ends = [line["of"] for line in result.lines("result") if line["errno"] == 111]
    assert sorted(ends) == [line["seq"] for line in lines]
    assert [line["proc"]["tid"] for line in lines] == [1, 2] * 20
    told = [{key: line[key] for key in line if key not in ("seq", "prev", "ts", "mono_ns")} for line in lines]
    assert all(one == told[at % 2] for at, one in enumerate(told))
    assert [list(line) for line in lines] == [list(lines[0])] * 40
    assert result.lines("close")[0]["decisions"] == 40


@pytest.mark.parametrize("verdict", [ALLOW, LOG])
def test_new_name_behind_an_address_is_looked_at_at_once(tmp_path: Path, verdict: str) -> None:
    """A denied name that turns out to be behind an address takes the address with it."""
    rules = """
version: 1
default: VERDICT
rules:
  - {deny: connect, to: localhost}
"""
    script = f"""
line = Line()
assert [line.ask()[1] for _ in range(3)] == ["{verdict}"] * 3
assert line.lookup("localhost")[1] == "allow"
assert line.ask()[1] == "deny"
"""
    result = run_client(tmp_path, script, rules=rules.replace("VERDICT", verdict))
    assert result.status == 0, result.stderr


def test_denied_address_that_becomes_the_run_s_own_is_granted(tmp_path: Path) -> None:
    """And the other way round: what was its own is not once it is closed."""
    rules = "version: 1\nrules:\n  - {allow: [connect, listen], to: '@self'}\n"
    script = """
import socket
server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
line = Line()
assert line.ask(port)[1] == "deny"
assert line.question("listening", str(server.fileno()))[1] == "allow"
assert [line.ask(port)[1] for _ in range(3)] == ["allow"] * 3
server.close()
assert line.ask(port)[1] == "deny"
"""
    result = run_client(tmp_path, script, rules=rules)
    assert result.status == 0, result.stderr
