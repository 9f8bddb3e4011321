"""From questions to requests: one form for each host, and Malformed for what is none. Lines: see `test_session`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netguard.core.acts import (
    BUILDERS,
    DESCRIBERS,
    NO_FACTS,
    UNREAD,
    Context,
    Facts,
    code_line,
    describe,
    endpoint_of,
    host_of,
    request_of,
)
from netguard.core.question import Malformed
from netguard.core.request import KINDS
from tests.playbook import CODE, CODE_LINE, PROCESS, heard

CONTEXT = Context("ci", "job-7", {"team": "red"})


@pytest.mark.parametrize("kind", [*KINDS, "audit"])
def test_every_kind_can_be_built_and_described(kind: str) -> None:
    assert kind in BUILDERS
    assert kind in DESCRIBERS
    assert kind in UNREAD or kind == "audit"


@pytest.mark.parametrize("kind", [*KINDS, "audit"])
def test_who_asks_is_what_the_supervisor_knows(kind: str) -> None:
    question = heard("ask", kind, "an.event", "tcp", "", "", "", "", *CODE)
    request = request_of(question, PROCESS, CONTEXT, NO_FACTS)
    assert (request.kind, request.event) == (kind, "an.event")
    assert (request.user, request.process, request.tags) == ("ci", "/usr/bin/python3", {"team": "red"})
    assert code_line(request.code) == CODE_LINE


@pytest.mark.parametrize(
    ("text", "host", "address"),
    [
        ("", "", None),
        ("Example.COM", "example.com", None),
        ("example.com.", "example.com", None),
        ("bücher.example", "xn--bcher-kva.example", None),
        ("EXAMPLE。com", "example.com", None),  # the ideographic full stop
        ("127.1", "", (4, 0x7F000001)),
        ("１２７.0.0.1", "", (4, 0x7F000001)),
        ("[::1]", "", (6, 1)),
        ("No Name", "no name", None),
        ("\ud800", "\ud800", None),
        ("ü" * 80, "ü" * 80, None),
    ],
)
def test_host_has_one_form(text: str, host: str, address: tuple[int, int] | None) -> None:
    assert host_of(text) == (host, address)


@given(st.text(max_size=80))
def test_any_text_is_a_host_of_some_form(text: str) -> None:
    host, address = host_of(text)
    assert (address is None) or host == ""


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://a.example", ("a.example", 80)),
        ("HTTPS://A.example:8443/x", ("a.example", 8443)),
        ("http://user:pw@a.example@b.example/", ("b.example", 80)),
        ("http://a.example\\@b.example/", ("b.example", 80)),
        ("ftp://a.example/", ("a.example", 21)),
        ("wss://a.example/", ("a.example", 443)),
        ("gopher://a.example/", ("a.example", None)),
        ("file:///etc/passwd", ("", None)),
        ("data:,x", ("", None)),
        ("", ("", None)),
        ("http://[::1]:80/", ("::1", 80)),
    ],
)
def test_url_leads_to_an_endpoint(url: str, endpoint: tuple[str, int | None]) -> None:
    assert endpoint_of(heard("ask", "http", "urllib.Request", "", "", "", url, "GET", *CODE)) == endpoint


TEXT = st.text(st.characters(codec=None, exclude_characters="\0"), max_size=10)
NUMBER = st.sampled_from(["", "0", "80", "65535", "65536", "-1", "x"])
URL = st.builds(lambda *parts: "".join(parts), st.sampled_from(["http://", "//", "x:", ""]), TEXT, TEXT)


@given(
    st.sampled_from([*KINDS, "audit"]), TEXT, st.sampled_from(["tcp", "udp", "unix", ""]), TEXT, NUMBER, TEXT | URL,
    TEXT, st.lists(TEXT, max_size=3), st.booleans(),
)  # fmt: skip
def test_any_question_is_a_request_that_can_be_described_or_malformed(
    kind: str, event: str, proto: str, host: str, port: str, path: str, program: str, argv: list[str], known: bool
) -> None:
    question = heard("ask", kind, event, proto, host, port, path, program, *CODE, *argv)
    facts = Facts((4, 0x7F000001), ("a.example",), True, path, program) if known else NO_FACTS
    try:
        request = request_of(question, PROCESS, CONTEXT, facts)
    except Malformed:
        return
    assert request.kind == kind
    describe(question, request)
