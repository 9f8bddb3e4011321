"""Nothing that a terminal would obey gets through `plain`, and what it returns fits."""

from __future__ import annotations

import random
import sys
import unicodedata

import pytest

from netguard.views.text import columns_of, plain, wrap
from tests.views.runs import HOSTILE, hostile_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("script.py", "script.py"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b2J", "\\x9b2J"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\0\x7f\x85", "\\x00\\x7f\\x85"),
        ("moc.live\u202e", "moc.live\\u202e"),
        ("\u2066\u2069\u200e\u200f\u061c", "\\u2066\\u2069\\u200e\\u200f\\u061c"),
        ("a\u200bb\u2060c\ufeff", "a\\u200bb\\u2060c\\ufeff"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\u3164\u2800\ufe0f", "\\u3164\\u2800\\ufe0f"),
        ("grün 漢字", "grün 漢字"),
        ("e\u0301", "e\u0301"),
        ("\u0301e", "\\u0301e"),
    ],
)
def test_plain_shows_what_it_cannot_print(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_every_character_is_printable_or_shown_as_its_escape() -> None:
    for start in range(0, sys.maxunicode + 1, 4096):
        shown = plain("".join(map(chr, range(start, start + 4096))))
        assert shown.isprintable()
        assert not {unicodedata.category(char)[0] for char in shown if char != " "} & {"C", "Z"}


@pytest.mark.parametrize(
    ("text", "width", "tail", "shown"),
    [
        ("abcdef", 6, False, "abcdef"),
        ("abcdefg", 6, False, "abcde…"),
        ("www.google.com.evil.example", 14, True, "….evil.example"),
        ("abc", 1, False, "…"),
        ("abc", 0, False, ""),
        ("漢字漢字", 5, False, "漢字…"),
        ("漢字漢字", 4, True, "…字"),
        ("abc\x1b", 6, False, "abc…"),
    ],
)
def test_plain_cuts_to_columns_and_never_inside_an_escape(text: str, width: int, tail: bool, shown: str) -> None:
    assert plain(text, width, tail=tail) == shown


def test_marks_on_one_letter_are_few() -> None:
    assert plain("e" + "\u0301" * 5) == "e" + "\u0301" * 3 + "\\u0301" * 2


def test_a_stream_without_utf8_gets_ascii() -> None:
    assert plain("grün", utf8=False) == "gr\\xfcn"
    assert plain("abcdefg", 6, utf8=False) == "abc..."
    assert plain("漢字", 7, utf8=False) == "..."


def test_what_is_no_text_is_shown_as_one() -> None:
    assert plain(None) == "None"
    assert plain(["\x1b"]) == "['\\x1b']"


def test_a_long_text_costs_no_more_than_its_width() -> None:
    assert plain("\u202e" * 50_000_000, 10) == "\\u202e…"


@pytest.mark.parametrize("seed", range(20))
def test_hostile_text_is_printable_and_fits(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(300):
        text, width, tail, utf8 = hostile_text(rng), rng.randrange(0, 60), rng.random() < 0.5, rng.random() < 0.5
        shown = plain(text, width, tail=tail, utf8=utf8)
        assert shown.isprintable()
        assert columns_of(shown) <= width
        assert utf8 or shown.isascii()
        whole = plain(text, utf8=utf8)
        assert whole == shown or "…" in shown or shown.strip(".") != shown or width == 0


def test_every_hostile_piece_was_worth_its_place() -> None:
    """Control: without `plain`, most of these would reach the terminal as they are."""
    assert sum(not piece.isprintable() for piece in HOSTILE) > 20


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("0123456789", ["0123456789"]),
        ("0123456789x", ["0123456789", "x"]),
        ("one two three four", ["one two", "three four"]),
        ("0123456789 x", ["0123456789", "x"]),
        ("01234 56789abcdefg", ["01234", "56789abcde", "fg"]),
        ("  a", ["  a"]),
        ("12345678\n9", ["12345678\\n", "9"]),
        ("123456\x1b9", ["123456\\x1b", "9"]),
        ("1234567\x1b9", ["1234567", "\\x1b9"]),
        ("a 345678\U000e0041", ["a", "345678", "\\U000e0041"]),
        ("\u6f22" * 6, ["\u6f22" * 5, "\u6f22"]),
        ("012345678e\u0301x", ["012345678e\u0301", "x"]),
    ],
    ids=ascii,
)
def test_wrap_breaks_at_spaces_and_never_within_an_escape(text: str, lines: list[str]) -> None:
    assert wrap(text, 10) == lines


@pytest.mark.parametrize("seed", range(10))
def test_wrapped_lines_fit_and_lose_nothing_but_spaces(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(50):
        text = hostile_text(rng) + rng.choice([" ", "  ", ""]) + hostile_text(rng)
        for utf8 in (True, False):
            lines = wrap(text, rng.choice([10, 11, 30]), utf8=utf8)
            assert all(columns_of(line) <= 30 for line in lines)
            assert "".join(lines).replace(" ", "") == plain(text, utf8=utf8).replace(" ", "")
