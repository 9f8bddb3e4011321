"""Any record makes one line that reads back; any bytes make a report; redaction never undoes itself."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netguard.record import line
from netguard.trail import encoder
from netguard.trail.redact import Redactor
from netguard.trail.verify import verify
from netguard.trail.writer import open_trail

pytestmark = pytest.mark.property

TEXT = st.text(st.characters(), max_size=60) | st.text("\ud800\udcff\x00\x1b\x7f\u2028\u202e\\\"", max_size=8)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary(max_size=20)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(TEXT, inner, max_size=6))
RECORDS = st.dictionaries(st.sampled_from(["why", "dst", "proc", "tags", "exec", "x", "\udc80"]), VALUES)
SECRETISH = st.lists(
    st.sampled_from(["token", "=", ":", " ", "--password", "'", '"', "\\", "hunter2", "://", "@", "a", "eyJ", ".",
                     "-u ", "Bearer ", "basic ",
                     "Authorization: ", "cookie:", "ghp_", "a1" * 12, "sk-", "[redacted 3]", "%3D",
                     "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "\n", "AKIA", "SG.", "PWD=",
                     "very-secret"]),
    max_size=14,
).map("".join)  # fmt: skip


@given(RECORDS, st.sampled_from([8_192, line.MAX_LINE]))
def test_any_record_makes_one_line_that_reads_back(record: dict[str, object], limit: int) -> None:
    encoder.warm()
    body = line.encode(record, ("kind",), limit)
    assert len(body) + 1 < limit
    assert b"\n" not in body
    assert len(body.decode().splitlines()) <= 1
    assert encoder.parse(body) is not None


@given(st.lists(RECORDS, max_size=8))
def test_any_records_make_a_whole_trail(records: list[dict[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "t.jsonl")
        writer = open_trail(path, "r")
        writer.write({"kind": "coverage"})
        for record in records:
            writer.write({**record, "kind": "connect"})
        writer.close({})
        assert verify(path).whole


LINES = st.sampled_from(
    [b"", b"\n", b"{}", b"[]", b'{"v":1}', b'{"v":1,"seq":0,"prev":"' + b"0" * 64 + b'","run":"r","kind":"coverage"}',
     b'{"v":1,"seq":1e999,"run":"r","kind":"dns"}', b'{"v":1,"seq":1,"run":"r","kind":"tamper","torn":[]}',
     b'{"v":1,"seq":0,"run":"r","chain":{},"kind":"close"}', b"[" * 3_000, b"\xff" * 65_536, b'{"v":1' + b" " * 65_530]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(LINES | st.binary(max_size=200), max_size=12), st.booleans())
def test_any_bytes_give_a_report(pieces: list[bytes], live: bool) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\n".join(pieces))
        file.flush()
        report = verify(file.name, live=live)
        assert report.whole is (report.first_bad is None)


@given(SECRETISH)
def test_hiding_twice_is_hiding_once(text: str) -> None:
    redactor = Redactor(["very-secret"])
    shown = redactor.text(text)
    assert "very-secret" not in shown
    assert Redactor(["very-secret"]).text(shown) == shown


@given(st.lists(SECRETISH | st.sampled_from(["curl", "mysql", "-p", "--token", "-u"]), max_size=6))
def test_a_command_line_is_hidden_once_too(argv: list[str]) -> None:
    redactor = Redactor(["very-secret"])
    shown = redactor.argv(argv)
    assert Redactor(["very-secret"]).argv(shown) == shown


@given(RECORDS)
def test_hiding_keeps_what_holds_no_secret(record: dict[str, object]) -> None:
    """A record goes the same way remembered or not, as finished JSON or as values."""
    encoder.warm()
    redactor = Redactor()
    first = line.encode(redactor.record(record))
    assert line.encode(redactor.record(record)) == first
    try:
        quick = line.quick(redactor.onto({}, record, tuple(record), line.packer()))
    except line.NOT_JSON:
        quick = None
    assert quick is None or quick == first
