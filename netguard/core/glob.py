"""Does a text match a pattern with "*" and "?"? The text may be hostile and long, so there is no backtracking here.

The parts between the stars are found from left to right, each as early as possible; an earlier place never spoils a
later one, so nothing is ever tried twice. (`fnmatch` would load `re`, and `re` backtracks.)
"""

from __future__ import annotations


def glob(pattern: str, text: str) -> bool:
    """Whether the whole text matches the pattern: "*" is any text, "?" any one character, there are no escapes.

    Time: length of the text times, at worst, the length of the pattern, which the policy wrote and not the guest.
    """
    if "*" not in pattern:
        return pattern == text if "?" not in pattern else len(pattern) == len(text) and fits(pattern, text, 0)
    first, *middle, last = pattern.split("*")
    end = len(text) - len(last)
    if end < len(first) or not fits(first, text, 0) or not fits(last, text, end):
        return False
    at = len(first)
    for part in middle:
        at = find(part, text, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def fits(part: str, text: str, at: int) -> bool:
    """Whether the text has `part` at this place, "?" standing for any character; the place must have the room."""
    if "?" not in part:
        return text.startswith(part, at)
    for piece in part.split("?"):
        if not text.startswith(piece, at):
            return False
        at += len(piece) + 1
    return True


def find(part: str, text: str, start: int, end: int) -> int:
    """The first place in text[start:end] where `part` fits, or -1."""
    if "?" not in part:
        return text.find(part, start, end)
    # Only places that have the longest run of plain characters are looked at, and str.find goes there quickly.
    anchor = max(part.split("?"), key=len)
    ahead = part.index(anchor)
    last = end - len(part)
    at = text.find(anchor, start + ahead, end) - ahead
    while start <= at <= last:
        if fits(part, text, at):
            return at
        at = text.find(anchor, at + ahead + 1, end) - ahead
    return -1
