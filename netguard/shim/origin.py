"""Where in the guest's code an act comes from: the nearest frame outside the standard library, site-packages and us.

Every value read here is the guest's to forge; it is context for people and for `from` facets, never a right. No
method of a guest's object is called: frames and code objects are the interpreter's, and text is taken only if it is
exactly `str`.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType

#: A recursion of the guest's must not make each of its acts slow. Deeper than any client's own stack.
MAX_FRAMES = 200

#: Longest text that is taken from a frame: file names are at most 4,096 bytes on Linux.
MAX_TEXT = 4_096

OWN, STDLIB, LIBRARY, USER = 0, 1, 2, 3

_STDLIB = sys.modules["os"].__file__.rpartition("/")[0] + "/"  # type: ignore[union-attr]  # `os` always has a file by now
_PACKAGE = __file__.rpartition("/shim/")[0]
_OWN = tuple([_PACKAGE + part for part in ("/shim/", "/core/", "/denied.py")])
_getframe = sys._getframe
_get = dict.get
_classes: dict[str, int] = {}


def classify(file: str) -> int:
    """Returns whose file this is. Frozen modules are the standard library's; other `<...>` names are user code."""
    if file.startswith(_OWN):
        return OWN
    if "/site-packages/" in file or "/dist-packages/" in file:
        return LIBRARY
    if file.startswith((_STDLIB, "<frozen ")):
        return STDLIB
    return USER


def whose(file: str) -> int:
    """Returns `classify(file)`, remembered; the memory is emptied when a guest fills it with made-up names."""
    found = _classes.get(file)
    if found is None:
        if len(_classes) > 2_000:
            _classes.clear()
        found = _classes[file] = classify(file)
    return found


def text(value: object) -> str:
    """Returns the value if it is an exact, short `str` that a frame can carry, else a mark in its place."""
    if type(value) is not str:
        return ""
    return value[:MAX_TEXT].replace("\0", "\\0")


def here(depth: int = 1) -> tuple[str, str, str, str, str, str]:
    """Returns (file, line, function, module, package, via) of the frame that asked.

    via is the last library on the way there: the one that user code called. With no user frame on the stack (a library
    function as a thread's target) via is all there is.
    """
    frame: FrameType | None = _getframe(depth)
    via: FrameType | None = None
    for _ in range(MAX_FRAMES):
        if frame is None:
            break
        code: CodeType = frame.f_code
        file = code.co_filename
        owner = whose(file) if type(file) is str else USER
        if owner == USER:
            return _describe(frame, code, via)
        if owner == LIBRARY or (owner == STDLIB and (via is None or whose(via.f_code.co_filename) == STDLIB)):
            via = frame
        frame = frame.f_back
    return "", "0", "", "", "", _module(via).partition(".")[0] if via is not None else ""


def is_ours(error: BaseException) -> bool:
    """Whether an error came up in our own code, and not in a signal handler that ran while it did."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is None or whose(trace.tb_frame.f_code.co_filename) == OWN


def _describe(frame: FrameType, code: CodeType, via: FrameType | None) -> tuple[str, str, str, str, str, str]:
    module = _module(frame)
    return (
        text(code.co_filename),
        str(frame.f_lineno or 0),
        text(code.co_name),
        module,
        module.partition(".")[0],
        _module(via).partition(".")[0] if via is not None else "",
    )


def _module(frame: FrameType) -> str:
    """The frame's `__name__`. `dict.get` itself is called: globals may be a dict subclass with a `get` of its own."""
    return text(_get(frame.f_globals, "__name__"))
