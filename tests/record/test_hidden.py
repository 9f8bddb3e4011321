"""The guest's own way to hide credentials: what the supervisor's hides, without patterns, and no text makes it slow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netguard.record.hidden import LOOKED_AT, Hider
from netguard.record.tokens import TOKENS as ROWS
from netguard.record.tokens import characters
from tests.support.credentials import NAMED, PLAIN, TOKENS


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_a_token_is_hidden_wherever_it_stands(token: str) -> None:
    hider = Hider()
    assert hider.text(token) == f"[redacted {len(token)}]"
    for text in (f"see {token}", f"/a?x={token}", f'"{token}"', f"a%20{token}", f"https://{token}@github.com/x"):
        assert token not in hider.text(text)
        assert "[redacted " in hider.text(text)


@pytest.mark.parametrize(("text", "shown"), NAMED)
def test_what_a_name_says_is_a_secret_is_hidden(text: str, shown: str) -> None:
    assert Hider().text(text) == shown


@pytest.mark.parametrize("text", PLAIN)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert Hider().text(text) == text


def test_known_values_are_hidden_everywhere() -> None:
    hider = Hider(["pa ss/word"])
    record = {"why": "xpa ss/wordx", "exec": {"argv": ["tool", "--token", "abc", "-u", "bob:hunter2", "pa ss/word"]}}
    assert hider.onto({}, record, tuple(record), None) == {
        "why": "x[redacted 10]x",
        "exec": {"argv": ["tool", "--token", "[redacted 3]", "-u", "bob:[redacted 7]", "[redacted 10]"]},
    }


def test_what_is_hidden_stays_so() -> None:
    hider = Hider()
    for text in [*TOKENS.values(), *[text for text, _ in NAMED]]:
        shown = hider.text(text)
        assert Hider().text(shown) == shown


@given(st.text(alphabet='abPWD=:"-_ @/.%eyJ0A', max_size=60))
def test_any_text_is_taken(text: str) -> None:
    assert isinstance(Hider().text(text), str)


def test_characters_are_those_of_the_pattern() -> None:
    assert characters("A-C0-1_.-") == frozenset("ABC01_.-")
    for _, written, _, _ in ROWS:
        assert characters(written)


PIECES = ("eyJ", "token=", "://", "-----BEGIN ", ":AA", "sk-", "a:b@", "bearer ", "=", "x-", "%")


@pytest.mark.parametrize("piece", PIECES)
def test_no_text_makes_it_slow(piece: str) -> None:
    """The longest that is looked at, made of what each function looks for: a fraction of a second, not minutes."""
    text = piece * (LOOKED_AT // len(piece))
    start = time.perf_counter()
    Hider().text(text)
    assert time.perf_counter() - start < 5
