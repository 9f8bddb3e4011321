"""The glob matcher against the standard library's, and against text that is there to make it slow."""

from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netguard.core.glob import glob

PATTERNS = [
    ("", "", True), ("", "a", False), ("a", "a", True), ("a", "ab", False), ("*", "", True), ("*", "anything", True),
    ("a*", "a", True), ("a*", "ba", False), ("*a", "ba", True), ("*a", "ab", False), ("a*a", "a", False),
    ("a*a", "aa", True),
    ("a*b*c", "axxbxxc", True), ("a*b*c", "axxcxxb", False), ("*b*", "abc", True), ("?", "a", True), ("?", "", False),
    ("??", "a", False), ("a?c", "abc", True), ("a?c", "abbc", False), ("*a?c*", "xxabcxx", True),
    ("*a?c", "aacabc", True),
    ("*a?c*", "aaac", True), ("*?*", "", False), ("*?*", "a", True), ("a**b", "ab", True), ("*??*", "a", False),
    ("*.?", "x.y", True), ("?*", "", False), ("*a?", "a", False), ("*[a]", "[a]", True), ("*a?b*", "acacb", True),
    ("*?b*b", "b", False), ("x*a?c", "xabc", True),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text", "matches"), PATTERNS)
def test_glob(pattern: str, text: str, matches: bool) -> None:
    assert glob(pattern, text) is matches


@pytest.mark.property
@given(st.text("ab*?", max_size=8), st.text("ab", max_size=10))
def test_glob_is_fnmatch_without_classes(pattern: str, text: str) -> None:
    assert glob(pattern, text) is fnmatch.fnmatchcase(text, pattern)


@pytest.mark.parametrize("pattern", ["*a" * 20 + "*b", "*a?a?a?a*b", "*" * 50 + "b", "*aaaa*aaab", "*?a?b?*"])
def test_hostile_text_takes_no_time(pattern: str) -> None:
    """A matcher that tries again would need longer than the universe; bounded by a second for a busy machine."""
    start = time.perf_counter()
    assert glob(pattern, "a" * 65_536) is False
    assert time.perf_counter() - start < 1
