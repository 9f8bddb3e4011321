"""Any frame that is well formed comes to an answer, and each line about it is one that the trail takes."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from netguard.core.acts import Context
from netguard.core.commands import Later, Record, Reply
from netguard.core.policy import ALLOW, DENY, LOG
from netguard.core.process import Process
from netguard.core.question import SHAPES, Malformed, parse
from netguard.core.request import KINDS
from netguard.core.session import Session
from netguard.core.wire import pack
from netguard.policy.load import load_policy
from netguard.supervisor.facts import World
from netguard.trail.writer import Writer, open_stream

pytestmark = pytest.mark.property

RULES = """
version: 1
default: deny
rules:
  - {name: near, log: connect, to: ['127.0.0.0/8', '*.test', 'unix:/tmp/*', '@self']}
  - {name: web, allow: http, to: 'example.test'}
  - {name: programs, log: exec, program: 'pip*', args: '* install *'}
  - {name: files, deny: [file, native, listen], from: {package: 'a*'}}
  - {name: few, allow: connect, to: 10.0.0.0/8, limit: {connections: 2/min, over: delay}}
  - {name: names, allow: dns}
"""

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
LIKELY = st.sampled_from(
    ["", "tcp", "udp", "unix", "127.0.0.1", "::1", "a.test", "example.test", "http://example.test/x", "80", "65536",
     "-1", "/tmp/a", "@self", "@a\\0", "/proc/self/fd/0", "../..", "pip", "\ud800", "१", "a" * 5000, "GET", "x" * 70]
)  # fmt: skip
TEXTS = st.one_of(LIKELY, TEXT)
PROCESS = Process(os.getpid(), os.getpid(), "any", "/bin/any", {"pid": 1, "argv": ["a"], "cwd": "/"}, ("a",))


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """A question of the right shape."""
    op = draw(st.sampled_from(["ask", "ask", "ask", "hostile", "result", "why"]))
    begin, end, has_argv, code_at = SHAPES[op]
    texts = [draw(TEXTS) for _ in range(end - begin)]
    if op in ("ask", "hostile"):
        texts[0] = draw(st.sampled_from([*KINDS, "audit"]))
    if code_at:
        texts[code_at - begin + 1] = str(draw(st.integers(0, 2**31)))
    argv = draw(st.lists(TEXTS, max_size=5)) if has_argv else []
    return pack([op, draw(TEXT)[:64], *texts, *argv][: 2 + len(texts) + len(argv)])


class Asker:
    """Who asks; nobody looks into it."""


def trail() -> tuple[Writer, int]:
    """A trail that begins."""
    fd = os.memfd_create("trail")
    writer = open_stream(fd, "run")
    writer.write({"kind": "coverage", "event": "run"})
    return writer, fd


@given(st.lists(frames(), min_size=1, max_size=2))
def test_question_is_answered_and_its_line_is_a_line(asked: list[bytes]) -> None:
    session = Session(POLICY, Context("any", "", {}))
    world = World(session.leases, os.defpath)
    writer, fd = trail()
    to: Any = Asker()
    for at, frame in enumerate(asked):
        try:
            question = parse(frame)
            if question.op == "ask":
                commands = session.ask(to, PROCESS, question, world.look(question, PROCESS, at), at)
            elif question.op == "hostile":
                commands = session.hostile(to, PROCESS, question, question.fields[2])
            else:
                commands = [*session.result(PROCESS, question, 1)] if question.op == "result" else []
        except Malformed:
            continue
        replies = [command for command in whole(commands) if isinstance(command, Reply)]
        assert question.op not in ("ask", "hostile") or len(replies) == 1
        assert all(reply.verdict in (ALLOW, LOG, DENY) for reply in replies)
        for command in whole([*commands, *session.tick()]):
            if isinstance(command, Record):
                writer.write(command.line)
    lines = os.pread(fd, 1 << 20, 0)
    os.close(fd)
    assert all(isinstance(json.loads(line), dict) for line in io.BytesIO(lines))
    assert max(map(len, lines.splitlines())) < 65_536


def whole(commands: list[Any]) -> list[Any]:
    """Those that are delayed, too."""
    return [one for command in commands for one in (command.commands if isinstance(command, Later) else [command])]


def loaded() -> Any:
    """The rules."""
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(RULES)
        file.flush()
        return load_policy([file.name])


POLICY = loaded()
