"""What a command line says of a Python that it starts: whether one is started, and whether the guard can start in it.

Pure; whoever asks looks up the real path of a program and the beginning of its file before.
"""

from __future__ import annotations

from .carriers import dotted

TYPE_CHECKING = False  # what typing exports, without importing typing into the guest
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: CPython's own short options that take a value (Python/getopt.c, SHORT_OPTS); -c and -m also end the options.
TAKES_VALUE = "WX"
ENDS_OPTIONS = "cm"
#: The one long option with a value.
LONG_WITH_VALUE = "--check-hash-based-pycs"
#: -S skips site, -E and -I skip PYTHONPATH: each keeps the starter from being found, so the shim can not start.
BLINDING = "SEI"
#: Values of -X by which code of the program's own comes before the starter.
CARRYING = ("pycache_prefix", "presite")

#: The kernel reads 256 bytes of a script's first line. pip puts a longer interpreter path on the second line.
HEAD_BYTES = 2048
#: How pip and uv write a launcher whose interpreter path does not fit a first line: valid sh and valid Python.
LONG_LAUNCHER = b"#!/bin/sh\n'''exec' "


def is_python(path: str, real: str) -> bool:
    """True for a name CPython is installed under: python, python3, python3.13t; by itself or behind a symbolic link.

    Python 2 counts too: it is expected to report, does not, and is therefore ended instead of run unwatched.
    """
    names = [text[text.rfind("/") + 1 :] for text in (path, real)]
    return any([name.startswith("python") and not name[6:].strip("0123456789.td") for name in names])


def options_of(
    program: str, real: str, head: bytes, argv: Sequence[str], follow: Callable[[str], str]
) -> Sequence[str] | None:
    """The arguments Python itself will read when the program is or starts an interpreter, else None.

    real:   the program's path with links followed.  head: the beginning of its file, b"" where it cannot be read.
    follow: follows the links of a path, for the interpreter that a script names.
    """
    if is_python(program, real):
        return argv[1:]
    if head.startswith(LONG_LAUNCHER):
        line = head[len(LONG_LAUNCHER) :].split(b"\n", 1)[0].split(b'"$0"', 1)[0]
        path = line.decode("utf-8", "surrogateescape").strip(" '\"")
        return () if is_python(path, follow(path)) else None
    if not head.startswith(b"#!"):
        return None
    return shebang_options(head[2:].split(b"\n", 1)[0].decode("utf-8", "surrogateescape").split(), follow)


def shebang_options(words: Sequence[str], follow: Callable[[str], str]) -> Sequence[str] | None:
    """The interpreter's arguments in a first line split at blanks, looking through env; None if it is not Python."""
    if words and words[0][words[0].rfind("/") + 1 :] == "env":
        # -S NAME=VALUE… python3 -I: options and assignments come first, the program is the first plain word.
        words = words[1:]
        while words and (words[0].startswith("-") or "=" in words[0]):
            glued = words[0][2:] if words[0].startswith("-S") else ""
            words = [*([glued] if glued else []), *words[1:]]
    return words[1:] if words and is_python(words[0], follow(words[0])) else None


def blinding_option(words: Sequence[str]) -> str:
    """The first of Python's own options in `words` that keeps the shim from starting, as "-I", or ""."""
    return next((f"-{letter}" for letter, _ in options(words) if letter in BLINDING), "")


def uncovering_option(words: Sequence[str]) -> str:
    """The first that does so, or that brings code before the shim, as "-I", "-X presite" or "-W"; or ""."""
    for letter, value in options(words):
        if letter in BLINDING or (letter == "W" and dotted(value)):
            return f"-{letter}"
        if letter == "X" and value.partition("=")[0] in CARRYING:
            return f"-X {value.partition('=')[0]}"
    return ""


def options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every one-letter option with its value, as CPython's getopt reads `words`, up to the script, -c, -m or --."""
    rest = iter(words)
    for word in rest:
        if word in ("-", "--") or not word.startswith("-"):
            return
        if word.startswith("--"):
            if word == LONG_WITH_VALUE:
                next(rest, "")
            continue
        for place, letter in enumerate(word[1:], 2):
            if letter in ENDS_OPTIONS:
                return
            if letter in TAKES_VALUE:
                yield letter, word[place:] or next(rest, "")
                break
            yield letter, ""
