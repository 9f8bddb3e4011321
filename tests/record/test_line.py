"""Lines: exact, bounded and total, whatever text a guest puts into a record."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
import time

import pytest

from netguard.record import line
from netguard.record.keys import STAMPED
from netguard.trail import encoder

encoder.warm()  # as while a guest runs; the first encoder has a test of its own

RECORD: dict[str, object] = {"v": 1, "seq": 3, "kind": "dns", "dst": {"host": "h", "port": 443}, "ms": 1.5, "ok": None}


def test_a_line_is_the_records_json() -> None:
    assert json.loads(line.encode(RECORD)) == RECORD
    assert b"\n" not in line.encode(RECORD)


def test_leaf_is_the_rfc_6962_leaf_hash() -> None:
    """RFC 6962 section 2.1: the hash of the empty string's leaf, and of any other."""
    assert line.leaf(b"") == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert line.leaf(b"abc") == hashlib.sha256(b"\0abc").hexdigest()


def test_the_first_encoder_and_the_warm_one_say_the_same() -> None:
    """In a fresh interpreter, because warming cannot be undone."""
    program = (
        "import sys; from netguard.record import line\n"
        "assert not {'orjson', 'json', 're', 'hashlib'} & set(sys.modules)\n"
        "record = {'a': 'x\\x00\\u20ac\\x80', 'b': [1, 2.5, None, True], 'c': {'d': 'e'}}\n"
        "cold = line.encode(record), line.leaf(b'x')\n"
        "from netguard.trail import encoder; encoder.warm()\n"
        "assert cold == (line.encode(record), line.leaf(b'x')), cold\n"
    )
    subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n" + program], check=True)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("/tmp/\udcff", "/tmp/\\udcff"),
        ("\ud800", "\\ud800"),
        (1 << 70, hex(1 << 70)),
        (-(1 << 70), hex(-(1 << 70))),
        (math.inf, None),
        (math.nan, None),
        (b"raw\xff", "raw\\xff"),
        (object(), "<object>"),
        ({1: "a", ("b",): "c"}, {"1": "a", "?": "c"}),
        ((1, "\udc80"), [1, "\\udc80"]),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"g": "\ud800"}}}}}}}, {"a": {"b": {"c": {"d": {"e": {"f": "…[+1]"}}}}}}),
    ],
    ids=repr,
)
def test_what_is_no_json_becomes_text(value: object, shown: object) -> None:
    assert json.loads(line.encode({"why": value}))["why"] == shown


@pytest.mark.parametrize("hidden", "\x00 \x1b \x7f \x85 \x9b \u2028 \u2029 \u202e \u2066 \ufeff".split(" "))
def test_hidden_characters_are_escaped(hidden: str) -> None:
    """A trail shown on a terminal moves no cursor, and `splitlines` finds as many lines as there are."""
    body = line.encode({"why": f"a{hidden}b"})
    assert hidden not in body.decode()
    assert json.loads(body) == {"why": f"a{hidden}b"}
    assert len(body.decode().splitlines()) == 1


def test_a_long_text_is_cut_where_a_reader_sees_it() -> None:
    shown = json.loads(line.encode({"why": "x" * 10_000}))["why"]
    assert shown == "x" * line.MAX_TEXT + f"…[+{10_000 - line.MAX_TEXT}]"


def test_a_long_list_is_cut_where_a_reader_sees_it() -> None:
    shown = json.loads(line.encode({"argv": ["arg" * 10] * 1_000}))["argv"]
    assert len(shown) == line.MAX_ITEMS + 1
    assert shown[-1] == f"…[+{1_000 - line.MAX_ITEMS}]"


def test_a_large_object_is_cut_where_a_reader_sees_it() -> None:
    shown = json.loads(line.encode({"tags": {f"key-{n}": "value" * 5 for n in range(1_000)}}))["tags"]
    assert shown["…"] == f"…[+{1_000 - line.MAX_ITEMS}]"


def test_text_cut_once_is_not_cut_again() -> None:
    once = line.cut("x" * 10_000, line.MAX_TEXT)
    assert line.cut(once, line.MAX_TEXT) == once


@pytest.mark.parametrize("limit", [8_192, line.MAX_LINE])
@pytest.mark.parametrize("text", ["\x01", "\u2028", "\U0001f600", "\ud800", "x"])
def test_no_record_makes_a_line_too_long(text: str, limit: int) -> None:
    """Escapes make text six times longer: the bound is on the line, not on what goes into it."""
    record = {"v": 1, "kind": "exec", **{f"k{n}": {"argv": [text * 5_000] * 300} for n in range(40)}}
    body = line.encode(record, (*STAMPED, "kind"), limit)
    assert len(body) + 1 < limit
    assert json.loads(body)["kind"] == "exec"


def test_a_huge_record_costs_no_more_than_a_line_of_it() -> None:
    """60 MB of text in one record: cut before it is looked at."""
    record = {"kind": "exec", **{f"k{n}": {"argv": ["\u2028" * 5_000] * 300} for n in range(40)}}
    begin = time.process_time()
    line.encode(record, ("kind",))
    assert time.process_time() - begin < 1.0


def test_a_list_cut_once_keeps_its_number() -> None:
    items = ["x" * 40] * line.MAX_ITEMS + [line.mark(7)]
    assert json.loads(line.encode({"argv": items}))["argv"][-2:] == ["x" * 40, "…[+7]"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"\xff", b'{"a":NaN}', b'{"a":1}x', b"[" * 100_000])
def test_parse_gives_none_for_what_is_no_object(body: bytes) -> None:
    assert encoder.parse(body) is None
