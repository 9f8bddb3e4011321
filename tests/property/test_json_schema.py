"""Whatever the loader takes of a random rule file, the JSON Schema takes too, in whole files and in each pattern."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from netguard.core.request import KINDS
from netguard.errors import PolicyError
from netguard.policy import schema
from netguard.policy.compile import rate
from netguard.policy.grammar import read_request
from netguard.policy.json_schema import DESTINATION, json_schema, request
from netguard.policy.json_schema import rate as rate_form
from netguard.policy.node import TEXT, Node, Source
from netguard.policy.schema import RULE_KEYS
from netguard.policy.target import BadTarget, parse_target
from tests.policy.rule_files import tree

pytestmark = pytest.mark.property

SCHEMA = Draft7Validator(json_schema())

#: What is right, and pieces that are put into it anywhere.
DESTINATIONS = (
    "api.example.org:443", "*.example.org", "10.0.0.0/8:80,8000-8100", "2001:db8::/32", "[2001:db8::7]:443", "::1",
    "unix:/run/x*", "unix:@abstract", "[10.0.0.0/8]", "0x7f.1", "ü.example:1", "example.org: 443 , 80", "[::]/0:443",
    "a.b:65535,65529,65499,64999,59999,00080", "::1/128", "unix:/run/a@b:80", "unix:/*", "10.0.0.0/8:", "2130706433",
)  # fmt: skip
PIECES = (
    "*",
    "[",
    "]",
    "/",
    "/8",
    ":",
    "443",
    "65535",
    "65536",
    ",",
    "-",
    " ",
    "%",
    "@",
    ".",
    "ü",
    "\ufeff",
    "\n",
    "٣",
)
RATES = ("60/min", "1 / s", "500/run", " 007/day", "5/h")
UNITS = ("0", "9", "/", " ", "-", "٣", "min", "month", "\u3000", "\n")
REQUESTS = (
    "dns example.org at 10.0.0.1", "connect udp [::1]:53", "http GET https://a/", "exec 'git' push", "'dns' x",
    "[user=ci own] native /x.so", "audit:os.putenv", "listen unix:@x", "[tags.job='a b']exec LD_PRELOAD=/x sh",
)  # fmt: skip
WORDS = ("'", '"', "\\", " ", "[", "]", "own", "audit:", "dns", "\t", "\n", "x", "\u3000")


@st.composite
def nearly(draw: st.DrawFn, right: tuple[str, ...], pieces: tuple[str, ...]) -> str:
    """A right text, or one with something taken out or put in at a place or two."""
    text = draw(st.sampled_from(right))
    for _ in range(draw(st.integers(0, 2))):
        at, out = draw(st.integers(0, len(text))), draw(st.integers(0, 2))
        text = text[:at] + draw(st.sampled_from(pieces) | st.text(max_size=1)) + text[at + out :]
    return text


def takes(read: object, *arguments: object) -> bool:
    """Whether the loader's reader takes it."""
    try:
        read(*arguments)  # type: ignore[operator]
    except (BadTarget, PolicyError):
        return False
    return True


def matches(form: dict[str, object], text: str) -> bool:
    return re.search(str(form["pattern"]), text) is not None


@given(nearly(DESTINATIONS, PIECES))
def test_destination_that_the_loader_takes_matches(text: str) -> None:
    assert matches(DESTINATION, text) or not takes(parse_target, text)


@given(nearly(RATES, UNITS))
def test_rate_that_the_loader_takes_matches(text: str) -> None:
    assert matches(rate_form(), text) or not takes(rate, Node(TEXT, text, Source("x", "", text)), "a rate")


@given(nearly(REQUESTS, WORDS))
def test_request_that_the_loader_takes_matches(text: str) -> None:
    assert matches(request(), text) or not takes(read_request, text)


@pytest.mark.parametrize(
    ("form", "read", "right"),
    [(DESTINATION, parse_target, DESTINATIONS), (request(), read_request, REQUESTS)],
    ids=["destination", "request"],
)
def test_what_is_right_is_taken_by_both(form: dict[str, object], read: object, right: tuple[str, ...]) -> None:
    """Or the tests above would compare nothing."""
    assert [text for text in right if not (takes(read, text) and matches(form, text))] == []


VALUES: dict[str, st.SearchStrategy[object]] = {
    "text": st.sampled_from(["a", "no", 7, 1.5, True]),
    "text or a list of texts": st.sampled_from(["git", ["python3", 3], "*"]),
    "true or false": st.booleans(),
    schema.KINDS_SHAPE: st.sampled_from(
        ["any", *KINDS, "socket.connect", "audit:os.putenv", ["dns", "connect"], ["exec", "subprocess.Popen"]]
    ),
    "a destination or a list of them": st.sampled_from(["example.org:443", ["*.a.example", "10.0.0.0/8"]]),
    "tcp, udp or unix, or a list of them": st.sampled_from(["tcp", ["udp", "unix"]]),
    "a mapping or a list of them": st.sampled_from(
        [{"connections": "5/min"}, [{"lookups": "5 / h", "per": "tag:job"}, {"connections": "9/run", "over": "log"}]]
    ),
}
MAPPINGS: dict[str, st.SearchStrategy[object]] = {
    "from": st.sampled_from([{"package": "requests"}, {"module": "a", "file": "b"}]),
    "tags": st.sampled_from([{"job": "x"}, {"n": 3}]),
    "native": st.sampled_from([True, False, {"library": "*grpc*"}, {"library": ["a", 7]}]),
}


@st.composite
def rules(draw: st.DrawFn) -> dict[str, object]:
    """A rule of keys from the table, each with a value of its shape; by far not all fit together."""
    keys = [draw(st.sampled_from(schema.VERDICTS))]
    keys += draw(st.lists(st.sampled_from([name for name in RULE_KEYS if name != "ask"]), max_size=4, unique=True))
    return {name: draw(MAPPINGS[name] if name in MAPPINGS else VALUES[RULE_KEYS[name].shape]) for name in keys if
            RULE_KEYS[name].shape != "a mapping" or name in MAPPINGS}  # fmt: skip


@given(st.lists(rules(), min_size=1, max_size=2), st.sampled_from([None, *schema.VERDICTS]))
def test_rule_file_that_the_loader_takes_is_valid(found: list[dict[str, object]], default: str | None) -> None:
    whole: dict[str, object] = {"version": 1, "rules": found, **({"default": default} if default else {})}

    assert tree(json.dumps(whole)) is None or list(SCHEMA.iter_errors(whole)) == []
