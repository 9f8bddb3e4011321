"""Abstract names as text: none can be taken for another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from netguard.core.abstract import meant, shown

NAMES = [
    ("plain", "@plain"),
    ("", "@"),
    ("a\0b", "@a\\0b"),
    ("a\\0b", "@a\\\\0b"),
    ("\\\0", "@\\\\\\0"),
    ("/tmp/.X11-unix/X0", "@/tmp/.X11-unix/X0"),
]


@pytest.mark.parametrize(("name", "text"), NAMES, ids=[text for _, text in NAMES])
def test_name_is_shown_and_meant(name: str, text: str) -> None:
    assert shown(name) == text
    assert meant(text) == "\0" + name


@pytest.mark.property
@given(some.text(some.sampled_from("a\\0\0@\udc80"), max_size=12))
def test_every_name_comes_back_and_holds_no_nul(name: str) -> None:
    assert meant(shown(name)) == "\0" + name
    assert "\0" not in shown(name)
