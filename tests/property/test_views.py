"""Whatever a record holds, what a person sees of it is text that no terminal obeys, on lines that fit; and a rule
that is made of it is one rule, about that and nothing else."""

from __future__ import annotations

import re
import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from netguard.core.decide import decide
from netguard.policy.grammar import read_request
from netguard.policy.load import load_policy
from netguard.policy.schema import VERDICTS
from netguard.record.keys import KEYS, KINDS, OBJECTS, STAMPED
from netguard.views.event import event_lines
from netguard.views.rhythm import SECOND, Rhythm
from netguard.views.rule_for import rule_for
from netguard.views.summary import Tally
from netguard.views.text import BLANK, columns_of
from tests.views.runs import HOSTILE

pytestmark = pytest.mark.property

#: What a terminal would obey, hide or turn around, what YAML reads as more than text, and plain words between them.
TEXT = st.lists(
    st.sampled_from([*HOSTILE, "a.example", "10.0.0.5", "/bin/sh", "-c", ", ", "default", "deny", "::1", "localhost"])
    | st.text(max_size=8),
    max_size=5,
).map("".join)
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, 80, 443, 10**400, -1, 2**63, 1.0, 0.9])
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))
INNER = {
    "ip": st.sampled_from(["10.0.0.5", "93.184.216.34", "::1", "0.0.0.0"]),
    "port": st.sampled_from([0, 80, 443, 65_535]),
    "proto": st.sampled_from(["tcp", "udp", "unix", "packet"]),
    "argv": st.lists(TEXT, max_size=5),
    "shim": st.sampled_from(["on", "off: not Python", "off: -I"]),
    "program": TEXT.map("/bin/{}".format),
    "fill": st.sampled_from([0.5, 0.8, 0.99, 1.0]),
}


def holding(name: str, names: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """An object of ours, each key with what belongs there or anything at all."""
    each = {key: INNER[key] | VALUES if key in INNER else TEXT | VALUES for key in names}
    found = st.fixed_dictionaries({}, optional=each)
    return st.lists(found, max_size=3) if name in ("findings", "limits") else found


#: Each object by itself makes a rule; any keys of ours, and one of nobody's, come on top.
ACTS = st.sampled_from(["dns", "connect", "listen", "http", "exec", "native", "file", "audit"])
ODD = st.dictionaries(st.sampled_from([*STAMPED, *KEYS, "odd\x1b[2J"]), VALUES, max_size=3)
ROUND = st.fixed_dictionaries({}, optional={name: holding(name, names) for name, names in OBJECTS.items()})
RECORDS = st.builds(
    lambda kind, verdict, would, counts, around, odd: {
        "kind": kind, "verdict": verdict, **({"would": would} if would else {}), "counts": counts, **around, **odd,
    },
    ACTS | st.sampled_from([*KINDS]), st.sampled_from(VERDICTS), st.sampled_from([None, "deny", "log"]),
    st.dictionaries(TEXT, NUMBERS, max_size=3), ROUND, ODD,
)  # fmt: skip

#: Acts that are whole but for a text here and there, so that most of them have a rule.
WORDS = st.sampled_from(["a.example", "localhost", "X.Internal", "10.0.0.5", "git", "-c"]) | TEXT
PORTS = st.sampled_from([80, 443, 65_536, "80"])
DST = st.fixed_dictionaries(
    {"port": PORTS, "proto": INNER["proto"], "ip": INNER["ip"], "path": WORDS.map("/{}".format)},
    optional={"host": WORDS},
)
CHILD = st.fixed_dictionaries(
    {"program": WORDS.map("/bin/{}".format), "argv": st.lists(WORDS, min_size=1, max_size=3), "shim": INNER["shim"]}
)
NEAR = st.builds(
    lambda kind, dst, child, name, why: {
        "kind": kind, "verdict": "deny", "dst": dst, "dns": {"name": name}, "exec": child, "event": name, "why": why,
    },
    ACTS, DST, CHILD, WORDS, st.sampled_from(["no rule matches", "10.0.0.5: no rule matches"]),
)  # fmt: skip

OURS = re.compile(r"\x1b\[(?:0|1|2|31|32|33)m")


def assert_safe(text: str, width: int, utf8: bool) -> None:
    """Nothing but letters, signs, spaces and our own colours, and no line wider than the terminal."""
    for line in text.split("\n"):
        shown = OURS.sub("", line)
        assert not [c for c in shown if (unicodedata.category(c)[0] in "CZ" and c != " ") or c in BLANK], ascii(line)
        assert columns_of(shown) <= width, ascii(line)
        assert utf8 or shown.isascii()


@given(RECORDS, st.lists(RECORDS, max_size=3), st.integers(0, 200), st.booleans(), st.booleans())
def test_event_stays_on_its_lines(
    record: dict[str, Any], results: list[dict[str, Any]], width: int, colour: bool, utf8: bool
) -> None:
    lines = event_lines(record, results, width, colour=colour, utf8=utf8)
    assert not any("\n" in line for line in lines)
    assert_safe("\n".join(lines), max(40, width), utf8)


@given(st.lists(RECORDS, max_size=30), st.integers(0, 200), st.booleans(), st.booleans())
def test_summary_stays_on_its_lines(records: list[dict[str, Any]], width: int, colour: bool, utf8: bool) -> None:
    tally, rhythm = Tally(), Rhythm(0)
    for at, record in enumerate(records):
        tally.add(record)
        rhythm.add(record, at * SECOND // 7)
    text = tally.render(width, colour, utf8=utf8, rhythm=rhythm, now=len(records) * SECOND // 7)
    # Our own sentences may be longer than a narrow terminal, which then wraps them.
    rows = [line for line in text.split("\n") if not OURS.sub("", line).startswith(("netguard:", "started without"))]
    assert_safe("\n".join(rows), max(40, width), utf8)
    assert_safe(text, 10_000, utf8)


@given(NEAR | RECORDS, st.sampled_from(VERDICTS))
def test_rule_is_one_rule_or_none(record: dict[str, Any], verdict: str) -> None:
    text = rule_for(record, verdict)
    event("a rule" if text else "none")
    if not text:
        return
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.yaml"
        path.write_text(f"version: 1\ndefault: {'allow' if verdict == 'deny' else 'deny'}\nrules:\n{text}")
        policy = load_policy([path])
    (rule,) = policy.rules
    assert rule.verdict == verdict
    assert (*rule.kinds, *rule.audit) == (record["kind"] if record["kind"] != "audit" else record["event"],)
    for other in ("dns other.test", "connect 198.51.100.7:9", "exec /opt/other x", "listen 198.51.100.7:9"):
        assert decide(policy, read_request(other)).index == -1
