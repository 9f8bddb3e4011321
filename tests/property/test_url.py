"""A URL is read as the standard library reads it, whatever it looks like."""

from __future__ import annotations

from urllib.parse import urlsplit

import hypothesis.strategies as st
import pytest
from hypothesis import given

from netguard.core.url import split

pytestmark = pytest.mark.property

PIECES = st.sampled_from(
    ["http", "HTTPS", "ws", "file", ":", "//", "/", "?", "#", "@", "[", "]", "::1", "example.test", "EXAMPLE.test.",
     "127.0.0.1", "80", "65535", "65536", "0", "a=b", "&", "user:pass", " ", "\t", "\n", "%41", ".", "..", "\\", "*"]
)  # fmt: skip


def theirs(text: str) -> object:
    try:
        parts = urlsplit(text)
        return parts.scheme, parts.hostname or "", parts.port, parts.path, parts.query
    except ValueError:
        return "refused"


def ours(text: str) -> object:
    try:
        parts = split(text)
        return parts.scheme, parts.host, parts.port, parts.path, parts.query
    except ValueError:
        return "refused"


@given(st.lists(PIECES, max_size=10).map("".join) | st.text("htp:/?#@.[]0123456789aZ \t", max_size=24))
def test_a_url_is_read_as_urlsplit_reads_it(text: str) -> None:
    """Stricter is right too: what `urlsplit` takes between brackets, or refuses, differs from version to version."""
    if ours(text) != "refused":
        assert ours(text) == theirs(text) or theirs(text) == "refused"


@given(st.text(max_size=60))
def test_reading_is_total(text: str) -> None:
    ours(text)


def test_ordinary_urls_are_read() -> None:
    for text in (
        "http://example.test/", "https://user:pass@Example.TEST:8443/a/b?x=1&y=2#frag", "http://[::1]:80/x",
        "http://127.0.0.1:8000", "//example.test/x", "mailto:a@example.test", "/only/a/path?q", "ftp://h/;type=i",
    ):  # fmt: skip
        assert ours(text) == theirs(text) != "refused"
