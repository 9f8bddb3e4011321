"""Frames from a guest: each is a question or Malformed, and nothing else ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netguard.core.question import (
    INT_MAX,
    INT_MIN,
    MAX_NUMBER,
    SHAPES,
    Malformed,
    Question,
    parse,
    to_int,
    to_ms,
)
from netguard.core.request import KINDS
from netguard.core.wire import MAX_FRAME, pack, unpack

CODE = ["s.py", "12", "f", "m", "p", "v"]
NUMBERS = {op: ["7"] if op != "open" else [] for op in SHAPES}


def frame_of(op: str, *more: str) -> list[str]:
    """A well-formed frame's texts."""
    begin, end, _, code_at = SHAPES[op]
    texts = [op, *NUMBERS[op], *["x"] * (end - begin)]
    if op in ("ask", "note", "hostile"):
        texts[2] = "connect"
    if code_at:
        texts[code_at : code_at + 6] = CODE
    return [*texts, *more]


@pytest.mark.parametrize("op", SHAPES)
def test_frame_of_each_shape_is_read(op: str) -> None:
    texts = frame_of(op)
    found = parse(pack(texts))
    assert (found.op, [*NUMBERS[op], *found.fields]) == (op, texts[1:])
    assert found.number == "".join(NUMBERS[op])
    assert found.argv == ()
    code = found.code
    said = [code.file, str(code.line), code.func, code.module, code.package, code.via]
    assert said == (CODE if SHAPES[op][3] else ["", "0", "", "", "", ""])


@pytest.mark.parametrize("op", SHAPES)
def test_more_fields_are_arguments_or_malformed(op: str) -> None:
    frame = pack(frame_of(op, "a", "", "b"))
    if SHAPES[op][2]:
        found = parse(frame)
        assert found.argv == ("a", "", "b")
        assert [op, *NUMBERS[op], *found.fields] == frame_of(op)
    else:
        with pytest.raises(Malformed):
            parse(frame)


@pytest.mark.parametrize("op", SHAPES)
def test_fewer_fields_are_malformed(op: str) -> None:
    texts = frame_of(op)
    for count in range(1, len(texts)):
        with pytest.raises(Malformed):
            parse(pack(texts[:count]))


@pytest.mark.parametrize("op", ["", "Ask", "ask ", "exec", "reply"])
def test_operation_that_nobody_knows_is_malformed(op: str) -> None:
    with pytest.raises(Malformed):
        parse(pack([op, *frame_of("ask")[1:]]))


@pytest.mark.parametrize("op", ["ask", "hostile"])
@pytest.mark.parametrize("kind", [*KINDS, "audit", "any", "", "Connect", "coverage", "close", "result"])
def test_only_kinds_of_acts_can_be_asked_for(op: str, kind: str) -> None:
    texts = frame_of(op)
    texts[2] = kind
    if kind in (*KINDS, "audit"):
        assert parse(pack(texts)).fields[0] == kind
    else:
        with pytest.raises(Malformed):
            parse(pack(texts))


@pytest.mark.parametrize("op", ["ask", "lookup", "hostile"])
@pytest.mark.parametrize("line", ["", "-1", "x", "1.5", "2147483648", "٣"])
def test_code_line_that_is_no_number_is_malformed(op: str, line: str) -> None:
    texts = frame_of(op)
    texts[SHAPES[op][3] + 1] = line
    with pytest.raises(Malformed):
        parse(pack(texts))


def test_number_comes_back_bounded() -> None:
    texts = frame_of("ask")
    texts[1] = "n" * 1_000
    assert parse(pack(texts)).number == "n" * MAX_NUMBER


@pytest.mark.parametrize("frame", [b"", b"\0", b"\xff", b"ask\0\xc3", b"\xed\xa0", b"\0" * MAX_FRAME], ids=repr)
def test_bytes_that_are_no_frame_are_malformed(frame: bytes) -> None:
    with pytest.raises(Malformed):
        parse(frame)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_question_or_malformed(frame: bytes) -> None:
    read(frame)


TEXT = st.text(st.characters(codec=None, exclude_characters="\0"), max_size=12) | st.sampled_from(["0", "1", "connect"])


@given(st.sampled_from(sorted(SHAPES)), st.lists(TEXT, max_size=18))
def test_any_texts_are_a_question_or_malformed(op: str, texts: list[str]) -> None:
    read(pack([op, *texts]))


def read(frame: bytes) -> Question | None:
    try:
        return parse(frame)
    except Malformed:
        return None


@given(st.lists(TEXT, min_size=1))
def test_packed_texts_come_back(texts: list[str]) -> None:
    assert unpack(pack(texts)) == texts


@given(TEXT | st.text(max_size=30))
def test_text_is_an_int_within_bounds_or_malformed(text: str) -> None:
    try:
        found = to_int(text, INT_MIN)
    except Malformed:
        return
    assert INT_MIN <= found <= INT_MAX
    assert found == int(text)
    assert text.isascii()


@pytest.mark.parametrize("number", [INT_MIN, -1, 0, 65_535, INT_MAX])
def test_number_within_bounds_is_read(number: int) -> None:
    assert to_int(str(number), INT_MIN) == number
    with pytest.raises(Malformed):
        to_int(str(number), number + 1)
    with pytest.raises(Malformed):
        to_int(str(number), INT_MIN, number - 1)


@given(st.floats() | st.text(max_size=30))
def test_text_is_a_time_or_malformed(value: object) -> None:
    try:
        found = to_ms(str(value))
    except Malformed:
        return
    assert 0.0 <= found < 1e9
