"""The guest's output above the live view: its words and colours come through, and nothing else that terminals obey."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netguard.views.pane import LINE, STRING, Pane

#: What may be in a line: our own form of SGR, and no other control character, nor what turns text around.
OURS = re.compile(r"\x1b\[(?:0|[0-9]{1,3}(?:;[0-9]{1,3})*)m")
FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def lines_of(*pieces: bytes, width: int = 80) -> list[str]:
    pane = Pane(width)
    found = [line for piece in pieces for line in pane.feed(piece)]
    return [*found, *pane.finish()]


def is_safe(line: str) -> bool:
    return FORBIDDEN.search(OURS.sub("", line)) is None


#: what the guest writes, the lines that stand above the view
WRITTEN: list[tuple[str, bytes, list[str]]] = [
    ("text", b"one\ntwo\n", ["one", "two"]),
    ("crlf", b"one\r\ntwo\r\n", ["one", "two"]),
    ("unfinished", b"one\ntwo", ["one", "two"]),
    ("empty-lines", b"\n\na\n", ["", "", "a"]),
    ("utf-8", "é漢😀\n".encode(), ["é漢😀"]),
    ("joined emoji", "\U0001f469\u200d\U0001f4bb\n".encode(), ["\U0001f469\u200d\U0001f4bb"]),
    ("no-utf-8", b"a\xffb\x9b1mc\n", ["a\ufffdb\ufffd1mc"]),
    ("progress", b"10 %\r50 %\r100 %\n", ["100 %"]),
    ("shorter", b"abcdef\rxy\n", ["xycdef"]),
    ("erased", b"abcdef\r\x1b[Kxy\n", ["xy"]),
    ("erased-all", b"abc\x1b[2Kd\n", ["   d"]),
    ("erased-before", b"abcd\b\b\x1b[1K\n", ["   d"]),
    ("backspace", b"abc\b\bX\n", ["aXc"]),
    ("backspace-far", b"a" + b"\b" * 99 + b"b\n", ["b"]),
    ("tab", b"a\tb\n", ["a       b"]),
    ("column", b"abc\x1b[5Gx\x1b[1Gy\n", ["ybc x"]),
    ("forward", b"a\x1b[3Cb\x1b[Dc\n", ["a   c"]),
    ("column-far", b"\x1b[999Gx\r\x1b[999999999Gy\n", ["y" + " " * 997 + "x"]),
    ("down", b"a\x0bb\x0cc\n", ["a", "b", "c"]),
    ("bell", b"a\x07b\x00c\n", ["abc"]),
    ("colour", b"\x1b[31mred\x1b[0m plain\n", ["\x1b[31mred\x1b[0m plain"]),
    ("colour-goes-on", b"\x1b[1;31ma\nb\x1b[mc\n", ["\x1b[1;31ma\x1b[0m", "\x1b[1;31mb\x1b[0mc"]),
    ("colour-replaced", b"\x1b[31m\x1b[32ma\n", ["\x1b[32ma\x1b[0m"]),
    ("colour-256", b"\x1b[38;5;200mx\x1b[39m\n", ["\x1b[38;5;200mx\x1b[0m"]),
    ("colour-rgb", b"\x1b[48;2;1;2;3mx\x1b[49my\n", ["\x1b[48;2;1;2;3mx\x1b[0my"]),
    ("colour-wrong", b"\x1b[38;5mx\x1b[38;5;999my\x1b[38mz\x1b[38;9mw\n", ["xyzw"]),
    ("hidden-text", b"\x1b[8mx\x1b[5my\x1b[73mz\n", ["xyz"]),
    ("colour-many", b"\x1b[" + b"1;" * 99 + b"1mx\n", ["x"]),
    ("bright", b"\x1b[97;104;3;4;9;7mx\x1b[23;24;29;27;22my\n", ["\x1b[97;104;3;4;9;7mx\x1b[0m\x1b[97;104my\x1b[0m"]),
    ("title", b"a\x1b]0;title\x07b\n", ["ab"]),
    ("title-st", b"a\x1b]0;title\x1b\\b\n", ["ab"]),
    ("clipboard", b"a\x1b]52;c;ZXZpbA==\x07b\n", ["ab"]),
    ("link", b"\x1b]8;;http://evil.example\x1b\\text\x1b]8;;\x1b\\\n", ["text"]),
    ("dcs", b"a\x1bP1;2qdata\x1b\\b\x1b_apc\x1b\\c\x1bXsos\x1b\\d\x1b^pm\x1b\\\n", ["abcd"]),
    ("cursor", b"a\x1b[2J\x1b[Hb\x1b[5A\x1b[10;10Hc\x1b7\x1b8\n", ["abc"]),
    ("modes", b"\x1b[?1049h\x1b[?25l\x1b[?1000ha\x1b[?2004h\x1bc\x1b=\n", ["a"]),
    ("charset", b"\x1b(0a\x1b)B\x1b#8b\n", ["ab"]),
    ("c1", "a\u009b31mb\u009d0;t\u009cc\u0085d\u0090x\u009ce\n".encode(), ["a\x1b[31mbcde\x1b[0m"]),
    ("answers", b"a\x1b[6n\x1b[c\x1b[>c\x1b[?15nb\n", ["ab"]),
    ("scroll", b"a\x1b[1;5r\x1b[3S\x1bD\x1bMb\n", ["ab"]),
    ("bidi", "a\u202eb\u2066c\u2029d\n".encode(), ["a\\u202eb\\u2066c\\u2029d"]),
    ("marks", ("e\u0301a" + "\u0300" * 99 + "b\n").encode(), ["e\u0301a\u0300\u0300\u0300b"]),
    ("marks-alone", "\u0300a\r\u0301b\n\u0301\u0300\n".encode(), ["b", ""]),
    ("string-without-end", b"a\x1b]0;netguard: denied x\nb\n", ["a0;netguard: denied x", "b"]),
    ("string-at-the-end", b"a\x1b]0;b", ["a0;b"]),
    ("string-cut-off", b"a\x1b]0;b\x18c\n", ["ac"]),
    ("string-in-string", b"a\x1b]0;b\x1b[31mc\n", ["a\x1b[31mc\x1b[0m"]),
    ("escape-at-the-end", b"a\x1b", ["a"]),
    ("csi-at-the-end", b"a\x1b[31", ["a"]),
    ("escape-in-csi", b"\x1b[3\x1b[31ma\n", ["\x1b[31ma\x1b[0m"]),
    ("newline-in-csi", b"a\x1b[3\n1mb\n", ["a", "1mb"]),
    ("return-in-csi", b"abc\x1b[3\r1mX\n", ["\x1b[31mX\x1b[0mbc"]),
    ("cancelled", b"a\x1b[3\x181m\n", ["a1m"]),
    ("csi-long", b"a\x1b[" + b"9" * 500 + b"mb\n", ["ab"]),
    ("csi-private-colour", b"\x1b[?31ma\x1b[>4;2mb\x1b[31 mc\n", ["abc"]),
]  # fmt: skip


@pytest.mark.parametrize(("data", "lines"), [row[1:] for row in WRITTEN], ids=[row[0] for row in WRITTEN])
def test_output_is_shown(data: bytes, lines: list[str]) -> None:
    assert lines_of(data) == lines


@pytest.mark.parametrize("data", [row[1] for row in WRITTEN], ids=[row[0] for row in WRITTEN])
def test_output_is_the_same_however_it_is_cut(data: bytes) -> None:
    assert lines_of(*[bytes([byte]) for byte in data]) == lines_of(data)


PIECES = [row[1] for row in WRITTEN] + [b"\x1b", b"[", b"]", b"\x1b]", b"\x1b[", b"\x9b", b"\xc2\x9b", b"\r", b"\n"]


@pytest.mark.property
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=20)), max_size=12), st.integers(1, 200))
@example([b"\x1b]" + b"x" * 5_000 + b"\n"], 80)
def test_nothing_but_text_and_colours_ever_comes_out(pieces: list[bytes], width: int) -> None:
    pane = Pane(width)
    for piece in pieces:
        for line in pane.feed(piece):
            assert is_safe(line), line
        assert is_safe(pane.partial)
        assert is_safe(pane.partial_in(width))
        assert len(pane.chars) == len(pane.inks) <= LINE
        assert len(pane.sequence) <= STRING
    assert all(map(is_safe, pane.finish()))
    assert lines_of(b"".join(pieces), width=width) == lines_of(*pieces, width=width)


def test_every_character_of_a_line_without_end_comes_out_in_whole_rows() -> None:
    rng = random.Random(1)
    text = "".join(rng.choice("abc漢") for _ in range(100_000))
    pane = Pane(80)
    found = pane.feed(text.encode())
    assert len(pane.chars) <= LINE
    for line in found:
        columns = sum(2 if char == "漢" else 1 for char in line)
        assert columns % 80 in (0, 79)  # a character of two columns does not fit into the last one
    assert "".join([*found, *pane.finish()]) == text


def test_colours_of_a_line_without_end_go_on() -> None:
    found = lines_of(b"\x1b[32m" + b"x" * 10_000 + b"\n")
    assert all(line.startswith("\x1b[32m") and line.endswith("\x1b[0m") for line in found)


def test_what_was_swallowed_is_bounded_and_its_end_is_shown() -> None:
    """The supervisor's words behind a guest's unfinished sequence."""
    pane = Pane()
    assert pane.feed(b"\x1b]52;c;" + b"A" * 1_000_000) == []
    assert len(pane.sequence) <= STRING
    told = "netguard: denied connect 192.0.2.1:80"
    assert "".join(pane.feed(f"{told}\n".encode())).endswith(told)


def test_unfinished_line_is_shown_as_it_is_now() -> None:
    pane = Pane()
    assert pane.feed(b"done 10 %\r\x1b[32mdone 99 %") == []
    assert pane.partial == "\x1b[32mdone 99 %\x1b[0m"
    assert pane.partial_in(4) == "\x1b[32m99 %\x1b[0m"
    assert Pane().partial_in(10) == ""
    wide = Pane()
    wide.feed("a漢漢".encode())
    assert wide.partial_in(3) == "漢"
