"""What goes over the channel: a frame is a list of texts, in one bounded form that both sides read the same.

A frame is the texts with a NUL between them, in UTF-8. Nothing is escaped: no name, path or argument that the
system takes can hold a NUL, so a text that does is refused by the side that would send it, and cannot reach into the
field beside it. `surrogatepass` carries paths that are not UTF-8. Reading is total: it gives a list of `str` or
raises ValueError, and never runs code of the sender's (which is why the supervisor reads no `marshal` from a guest).
"""

from __future__ import annotations

#: Raised by one when a frame's meaning changes; each side refuses another's.
VERSION = "1"

#: Longest frame in bytes. A SEQPACKET message must fit the socket buffer (212,992 bytes by default on Linux).
MAX_FRAME = 131_072

#: Longest answer in bytes: a look-up's thousand addresses. Whoever receives makes room for the longest there may be,
#: and from 128 KiB on the allocator maps and unmaps that room each time, which costs more than all else of a question.
MAX_ANSWER = 65_536

#: One text is cut at this many characters by whoever sends it: a trail line is shorter than 65,536 bytes.
MAX_TEXT = 16_384


def pack(fields: tuple[str, ...] | list[str], most: int = MAX_FRAME) -> bytes:
    """Returns the frame that holds these texts. Raises ValueError when one holds a NUL or all are too long."""
    frame = "\0".join(fields).encode("utf-8", "surrogatepass")
    if frame.count(0) != len(fields) - 1 or len(frame) > most:
        raise ValueError("a text that no frame can carry")
    return frame


def unpack(frame: bytes) -> list[str]:
    """Returns the texts of a frame. Raises ValueError (UnicodeDecodeError is one) for bytes that are no UTF-8."""
    return frame.decode("utf-8", "surrogatepass").split("\0")
