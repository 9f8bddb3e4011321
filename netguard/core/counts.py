"""Shares counts and limits out over lines, so that none of them is cut: each line fits wherever a trail can be.

Pure. What is counted here has no line of its own, so what a cut took away would have left no trace.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Line = dict[str, object]

#: Bytes that counts and limits may take of one line: on a pipe it has 4,096, the writer's own part among them. A rule's
#: name has up to 100 characters, and so has what is shown of a limit's key.
COUNTED_A_LINE = 3_000


def count_lines(counts: Iterable[Line], limits: Iterable[Line]) -> list[Line]:
    """The fewest lines for them, each with `counts`, in order."""
    lines: list[Line] = []
    room = 0
    for key, parts in (("counts", counts), ("limits", limits)):
        for part in parts:
            width = sum([width_of(name) + width_of(value) for name, value in part.items()])
            room -= width
            if room < 0:
                lines.append({"kind": "count", "counts": {}})
                room = COUNTED_A_LINE - width
            if key == "counts":
                lines[-1]["counts"].update(part)  # type: ignore[attr-defined]
            else:
                lines[-1].setdefault(key, []).append(part)  # type: ignore[attr-defined]
    return lines


def width_of(value: object) -> int:
    """Bytes that a text or a number takes on a line at most, with what stands around it."""
    if type(value) is not str:
        return 24
    if not value.isprintable():
        return 8 * len(value) + 4  # an escape for each: of a limit's key the guest may have chosen every character
    return len(value.encode()) + value.count('"') + value.count("\\") + 4
