"""One record in full: all of it, in order, on lines that fit, whatever the record holds."""

from __future__ import annotations

import random
import unicodedata
from typing import Any

import pytest

from netguard.record.keys import KINDS, OBJECTS, STAMPED
from netguard.views.event import event_lines
from netguard.views.table import DIM, RED
from netguard.views.text import BLANK, columns_of
from netguard.views.value import text_of
from tests.views.runs import HOSTILE, WRONG, Record, connect, dns, hostile_record, hostile_text, line, native, started

PROC = {
    "pid": 4242, "tid": 4243, "ppid": 4240, "uid": 1000, "user": "ci", "exe": "/usr/bin/python3.12",
    "argv": ["python", "my script.py"], "cwd": "/job",
}  # fmt: skip
CODE = {
    "file": "/job/script.py",
    "line": 12,
    "func": "upload",
    "module": "up",
    "package": "__main__",
    "via": "requests",
}
STAMP = {
    "v": 1, "seq": 17, "prev": "9f" * 32, "ts": "2026-11-22T10:00:00.123456Z", "mono_ns": 123_456_789_000,
    "run": "01JD", "chain": "42-ab",
}  # fmt: skip

FULL: Record = {
    **STAMP, "kind": "connect", "event": "socket.connect", "layers": ["hook", "kernel"], "verdict": "deny",
    "rule": "default", "why": "no rule matches",
    "dst": {"host": "collector.evil.example", "ip": "203.0.113.66", "port": 443, "proto": "tcp",
            "asked": "collector.evil.example:443", "name_from": "lookup"},
    "proc": PROC, "code": CODE, "tags": {"session": "job-7", "team": "a b"}, "claims": {"user": "alice"},
    "findings": [{"id": "fronting", "severity": "high", "why": "another name in the greeting", "attack": "T1090"}],
    "later": {"key": 1},
}  # fmt: skip

FULL_80 = f"""\
denied  connect  collector.evil.example:443 (203.0.113.66)

why        no rule matches
rule       default: no rule matched
findings   high fronting: another name in the greeting, attack T1090
to         collector.evil.example, at 203.0.113.66, port 443, tcp, named by its
           look-up
code       /job/script.py:12 upload, module up, package __main__, through
           requests (the program's own word)
process    4242, thread 4243, child of 4240, user ci (1000)
runs       /usr/bin/python3.12
           as python 'my script.py'
folder     /job
session    job-7
tags       team='a b'
claims     user=alice (the program's own word, never a right)
when       2026-11-22 10:00:00.123456 UTC, clock 123.456789 s
seen by    hook, kernel, event socket.connect
also       later: key=1
line       17, run 01JD, chain 42-ab
prev       {"9f" * 32}
"""


def shown(record: Record, *results: Record, width: int = 80) -> str:
    return "\n".join(event_lines(record, results, width, colour=False)) + "\n"


def fields(record: Record, *results: Record) -> dict[str, list[str]]:
    """The values by their labels, on a terminal wide enough for any."""
    found: dict[str, list[str]] = {}
    label = ""
    for text in event_lines(record, results, 10_000, colour=False)[2:]:
        label = text[:11].strip() or label
        found.setdefault(label, []).append(text[11:])
    return found


def test_a_denial_in_full() -> None:
    assert shown(FULL) == FULL_80


@pytest.mark.parametrize(
    ("record", "headline"),
    [
        (connect("a.example", "93.184.216.34", 443), "logged  connect  a.example:443 (93.184.216.34)"),
        (connect("", "2001:db8::1", 53, proto="udp", would="deny"), "would deny  connect  [2001:db8::1]:53/udp"),
        (dns("a.example", "allow"), "allowed  dns  a.example"),
        (started("git", "clone", "x y"), "logged  exec  git clone x y"),
        (line("connect", "log", dst="x"), "logged  connect  (unreadable)"),
        ({"kind": "coverage", "event": "process"}, "coverage  process"),
        ({"kind": "result", "of": 3}, "result  of line 3"),
        ({"kind": "tamper", "event": "channel.lost"}, "tamper  channel.lost"),
        ({"kind": "close"}, "close"),
        ({"kind": ["dns"], "verdict": "maybe"}, "maybe  dns  (unreadable)"),
        ({}, ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_headline_says_verdict_kind_and_subject(record: Record, headline: str) -> None:
    assert event_lines(record, [], 80, colour=False)[:2] == [headline, ""]


def test_native_act_says_who_saw_it_and_what_was_found() -> None:
    shown = event_lines(native("info", why="rule matched"), [], 80, colour=False)
    assert shown[0] == "logged  connect  192.0.2.7:443"
    assert "findings   info native: nobody announced it" in shown
    assert "seen by    kernel, event connect" in shown


def test_native_act_says_which_library_made_it() -> None:
    shown = event_lines({**native("info"), "code": {"library": "/usr/lib/libcurl.so.4"}}, [], 80, colour=False)
    assert "code       library /usr/lib/libcurl.so.4 (the program's own word)" in shown


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"why": "rule matched", "because": "no"}, {"why": ["rule matched", "no"]}),
        ({"rule": "pypi"}, {"rule": ["pypi"]}),
        ({"findings": ["odd", {"id": "x", "of": 2}, {}]}, {"findings": ["odd", "x, of=2"]}),
        ({"findings": "odd"}, {"findings": ["odd"]}),
        ({"dst": {"ip": "10.0.0.5", "port": 0, "own": True}}, {"to": ["10.0.0.5, port 0, the run's own socket"]}),
        ({"dst": {"path": "/run/x", "proto": "unix", "own": "so"}}, {"to": ["unix, /run/x, own: so"]}),
        ({"dst": {"asked": "?", "name_from": "guess"}}, {"to": ["asked for as ?, named by guess"]}),
        ({"dst": {"host": "a", "asked": "a", "odd": [1, "b c"]}}, {"to": ["a"], "dst": ["odd: 1, 'b c'"]}),
        ({"dst": "x"}, {"dst": ["x"]}),
        (
            {"dns": {"name": "a", "type": "A", "answers": ["1.2.3.4", "::1"], "ms": 2.5}},
            {"look-up": ["A of a", "answers: 1.2.3.4, ::1", "2.5 ms"]},
        ),
        ({"dns": {"name": "a"}}, {"look-up": ["a"]}),
        ({"dns": {"type": "PTR"}}, {"look-up": ["PTR"]}),
        (
            {"http": {"scheme": "https", "method": "POST", "host": "a", "path": "/x", "query": ["p", "q"],
                      "headers": {"user-agent": "u", "accept": "*"}, "content_type": "text/plain", "body_bytes": 2048,
                      "entropy": 4.2}},
            {"request": ["POST https://a/x", "query names: p, q"], "headers": ["user-agent: u", "accept: *"],
             "body": ["2,048 bytes, text/plain, entropy 4.2 bits a byte"]},
        ),
        (
            {"http": {"host": "a", "headers": ["x"], "body_bytes": -1}},
            {"request": ["a"], "headers": ["x"], "body": ["-1"]},
        ),
        (
            {"exec": {"program": "git", "path": "/usr/bin/git", "argv": ["git", "a b", ""], "cwd": "/", "shim": "on"}},
            {"program": ["git (/usr/bin/git)"], "command": ["git 'a b' ''"], "starts in": ["/"],
             "guard": ["the guard is in it"]},
        ),
        (
            {"exec": {"path": "/usr/bin/git", "argv": "git", "shim": "off: not Python"}},
            {"program": ["/usr/bin/git"], "command": ["git"], "guard": ["the guard is not in it: not Python"]},
        ),
        ({"exec": {"program": "git", "shim": "maybe"}}, {"program": ["git"], "guard": ["maybe"]}),
        ({"native": {"path": "libc.so.6", "symbol": "system"}}, {"native": ["libc.so.6", "symbol system"]}),
        ({"file": {"path": "/root/.netrc", "mode": "r"}}, {"file": ["/root/.netrc, mode r"]}),
        ({"audit": {"args": ["a", 1, None]}}, {"arguments": ["a, 1, ''"]}),
        ({"exit": 3, "reason": "ended"}, {"outcome": ["ended; exit status 3"]}),
        ({"code": {"via": "ctypes"}}, {"code": ["through ctypes (the program's own word)"]}),
        (
            {"code": {"file": "a.py", "module": "m", "package": "m"}},
            {"code": ["a.py, package m (the program's own word)"]},
        ),
        ({"proc": {"pid": 1, "tid": 1, "uid": 0}}, {"process": ["1, user 0"]}),
        ({"proc": {"user": "ci"}}, {"process": ["user ci"]}),
        ({"ts": "yesterday", "mono_ns": -1}, {"when": ["yesterday, clock -1"]}),
        ({"command": ["a", "b c"], "told": []}, {"command": ["a 'b c'"], "told": ["none"]}),
        ({"counts": {"pypi": 3, "a b": [1, [2]]}}, {"counts": ["pypi: 3", "a b: 1, (2)"]}),
        ({"tags": {}, "claims": {}}, {}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_each_key_is_said(keys: Record, expected: dict[str, list[str]]) -> None:
    assert fields({"kind": "audit", "verdict": "deny", **keys}) == expected


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ({"errno": 0, "ms": 0.5}, "ok; took 0.5 ms"),
        ({"errno": 111}, "ECONNREFUSED (Connection refused)"),
        ({"errno": 111, "reason": "so"}, "ECONNREFUSED (so)"),
        ({"errno": -2, "reason": "Name or service not known"}, "EAI_NONAME (Name or service not known)"),
        ({"errno": -2}, "EAI_NONAME"),
        ({"errno": 99_999}, "errno 99999"),
        ({"errno": "odd", "reason": "so"}, "errno odd; so"),
        ({"status": 200, "ms": 20, "ttfb_ms": 12.5}, "status 200; took 20 ms; first byte after 12.5 ms"),
        ({"bytes_out": 2311, "bytes_in": 1}, "2,311 bytes sent; 1 byte received"),
        ({"bytes_out": None, "dns": {"answers": ["1.2.3.4"]}}, "answers: 1.2.3.4"),
        ({"signal": 15}, "ended by SIGTERM"),
        ({"signal": 999}, "ended by signal 999"),
        ({"signal": [9]}, "ended by signal 9"),
        ({"why": "taken out: 10.0.0.5"}, "taken out: 10.0.0.5"),
        ({}, "it ended"),
    ],
    ids=str,
)
def test_what_came_of_it_is_said(result: Record, says: str) -> None:
    assert fields(connect("a", "1.2.3.4", 1), {"kind": "result", "of": 1, **result})["outcome"] == [says]


def test_later_lines_say_where_they_stand_and_how_much_later() -> None:
    act = {**STAMP, **connect("a", "1.2.3.4", 1)}
    result = {**STAMP, "kind": "result", "seq": 18, "of": 17, "mono_ns": 123_457_289_000, "errno": 0, "x": 1}
    alert = {"kind": "alert", "seq": 19, "of": 17, "findings": [{"id": "leak", "why": "a key"}], "mono_ns": "?"}
    found = fields(act, result, alert)
    assert found["outcome"] == ["ok (line 18, 0.500 ms later)"]
    assert found["alert"] == ["leak: a key (line 19)"]
    assert found["also"] == ["x: 1"]


def test_an_act_without_an_end_is_told_and_a_denial_has_none() -> None:
    assert fields(dns("a"))["outcome"] == ["no line says how it ended"]
    assert "outcome" not in fields(dns("a", "deny"))
    assert "outcome" not in fields({"kind": "seal", "size": 3})


@pytest.mark.parametrize("kind", KINDS)
def test_no_key_of_the_format_is_lost(kind: str) -> None:
    """Each key of each kind, with a value of its own, is on the screen."""
    number = iter(range(1_000_000_001, 1_000_001_000))
    record: Record = {"kind": kind}
    for key in {*STAMPED[1:], *KINDS[kind][0], *KINDS[kind][1]}:
        inner = {name: f"w{next(number)}" for name in OBJECTS.get(key, ())}
        record[key] = ([inner] if key == "findings" else inner) or f"w{next(number)}"
    text = shown(record, width=200)
    assert [n for n in range(1_000_000_001, next(number)) if f"w{n}" not in text] == []


def test_what_is_none_of_our_words_is_said_below_too() -> None:
    assert fields({"v": 2, "kind": "odd", "verdict": "maybe", "would": 3}) == {
        "also": ["v: 2"], "kind": ["odd"], "verdict": ["maybe"], "would": ["3"],
    }  # fmt: skip


def test_values_of_any_sort_are_texts() -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    assert text_of(deep) == "((((((((…))))))))"
    assert text_of({"a": True, "b": False, "c": None}) == "a=true, b=false, c=''"
    assert text_of(10**5_000) == hex(10**5_000)


def test_colours_are_for_labels_and_verdicts_alone() -> None:
    lines = event_lines(FULL, [], 80, colour=True)
    assert lines[0].startswith(f"{RED}denied  connect\x1b[0m  ")
    assert lines[2] == f"{DIM}why        \x1b[0mno rule matches"
    assert event_lines({"kind": "tamper", "event": "x"}, [], 80, colour=True)[0].startswith(RED)


def assert_safe(lines: list[str], width: int, utf8: bool) -> None:
    """Nothing that a terminal would obey or hide, no line too wide, and the guest's words never at a line's start."""
    for at, text in enumerate(lines):
        assert utf8 or text.isascii()
        assert not [c for c in text if (unicodedata.category(c)[0] in "CZ" and c != " ") or c in BLANK], ascii(text)
        assert columns_of(text) <= width, ascii(text)
        if at:
            assert text[:10].isascii()


@pytest.mark.parametrize("width", [0, 40, 41, 80, 200])
@pytest.mark.parametrize("utf8", [True, False])
def test_hostile_records_stay_on_their_lines(width: int, utf8: bool) -> None:
    rng = random.Random(width)
    for _ in range(150):
        record = hostile_record(rng)
        record.update({rng.choice([*STAMPED, hostile_text(rng)]): rng.choice([hostile_text(rng), *WRONG])})
        if rng.random() < 0.1:
            record["kind"], record["verdict"] = hostile_text(rng), hostile_text(rng)
        results = [{"kind": hostile_text(rng), "of": 1, "seq": hostile_text(rng), "why": hostile_text(rng)}]
        assert_safe(event_lines(record, results, width, colour=False, utf8=utf8), max(width, 40), utf8)


@pytest.mark.parametrize("piece", HOSTILE, ids=ascii)
def test_a_wrapped_value_is_whole(piece: str) -> None:
    """Joined again, the lines say what one long line says."""
    why = f"a{piece} b{piece * 30}"
    narrow = [text[11:] for text in event_lines({"kind": "count", "why": why}, [], 40, colour=False)[2:]]
    wide = event_lines({"kind": "count", "why": why}, [], 100_000, colour=False)[2][11:]
    assert "".join(narrow).replace(" ", "") == wide.replace(" ", "")
