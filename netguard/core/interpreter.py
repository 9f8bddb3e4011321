"""What a command line says of a Python that it starts: whether one is started, and whether the guard can start in it.

Pure; whoever asks looks up the real path of a program and the beginning of its file before.
"""

from __future__ import annotations

from .carriers import CARRIERS, dotted

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

#: From 3.11 on Python reads this file beside its own: it then ignores PYTHONPATH and imports no site.
PTH = "._pth"
#: What `env -S` reads in a way of its own: quotes, escapes, variables and comments.
QUOTING = "\"'\\$#"
#: Variables that a first line may not set for a Python that counts as covered, besides the carriers.
SETTING = ("PYTHON", "NETGUARD_", "LD_")


class Uncovered(tuple):  # type: ignore[type-arg]  # tuple[str] has no C type in 3.9
    """In the place of options: the one reason why the guard can not be counted on in this Python, whatever they are."""


def is_python(path: str, real: str) -> bool:
    """True for a name CPython is installed under: python, python3, python3.13t; by itself or behind a symbolic link.

    Python 2 counts too: it is expected to report, does not, and is therefore ended instead of run unwatched.
    """
    names = [text[text.rfind("/") + 1 :] for text in (path, real)]
    return any([name.startswith("python") and not name[6:].strip("0123456789.td") for name in names])


def options_of(
    program: str,
    real: str,
    head: bytes,
    argv: Sequence[str],
    follow: Callable[[str], str],
    exists: Callable[[str], bool],
) -> Sequence[str] | None:
    """The arguments Python itself will read when the program is or starts an interpreter, else None.

    real:   the program's path with links followed.  head: the beginning of its file, b"" where it cannot be read.
    follow: follows the links of a path, for the interpreter that a script names.  exists: whether a file is there.
    """
    if is_python(program, real):
        # Python takes its own place from argv[0] when there is a "/" in it, whatever file was started.
        named = [argv[0]] if argv and "/" in argv[0] and argv[0] != program else []
        return beside([program, real, *named], argv[1:], exists)
    if head.startswith(LONG_LAUNCHER):
        path = launched(head)
        real = follow(path)
        return beside([path, real], (), exists) if is_python(path, real) else None
    if not head.startswith(b"#!"):
        return None
    return shebang_options(first_line(head), follow, exists)


def launched(head: bytes) -> str:
    """The path that a launcher as LONG_LAUNCHER names."""
    line = head[len(LONG_LAUNCHER) :].split(b"\n", 1)[0].split(b'"$0"', 1)[0]
    return line.decode("utf-8", "surrogateescape").strip(" '\"")


def first_line(head: bytes) -> list[str]:
    """The words of a script's first line, behind its mark; none for what is no script."""
    if not head.startswith(b"#!"):
        return []
    return head[2:].split(b"\n", 1)[0].decode("utf-8", "surrogateescape").split()


def goes_through(head: bytes) -> str:
    """The program that a script starts in a second step, as its first line says it: behind `env`, which looks for a
    name along PATH, or in such a launcher. "" where there is none, or what the line does cannot be told."""
    if head.startswith(LONG_LAUNCHER):
        return launched(head)
    words: Sequence[str] = first_line(head)
    if not words or words[0][words[0].rfind("/") + 1 :] != "env":
        return ""
    words, reason = through_env(words[1:])
    return words[0] if words and not reason else ""


def shebang_options(
    words: Sequence[str], follow: Callable[[str], str], exists: Callable[[str], bool]
) -> Sequence[str] | None:
    """The interpreter's arguments in a first line split at blanks, looking through env; None if it is not Python."""
    reason = ""
    if words and words[0][words[0].rfind("/") + 1 :] == "env":
        words, reason = through_env(words[1:])
    if reason:
        return Uncovered([reason]) if any([may_be_python(word, follow) for word in words]) else None
    real = follow(words[0]) if words else ""
    if not words or not is_python(words[0], real):
        return None
    return beside([words[0], real] if "/" in words[0] else [], words[1:], exists)


def through_env(words: Sequence[str]) -> tuple[Sequence[str], str]:
    """What env would start, with its arguments, and what speaks against a guard in it; then every word that is left.

    Only `-S` and harmless assignments are looked through: what another option does to the environment is not guessed.
    """
    if any([mark in word for word in words for mark in QUOTING]):
        return words, "env -S"
    while words and (words[0].startswith("-") or "=" in words[0]):
        word = words[0]
        name = word.partition("=")[0]
        if word.startswith("-S"):
            words = [*([word[2:]] if word[2:] else []), *words[1:]]
        elif word.startswith("-"):
            return words, "env " + shown(name if word.startswith("--") else word[:2])
        elif name in CARRIERS or name == "PATH" or name.startswith(SETTING):
            return words, shown(name)
        else:
            words = words[1:]
    return words, ""


def may_be_python(word: str, follow: Callable[[str], str]) -> bool:
    """Whether a word that env reads may name a Python, as in -iSpython3 or "/path/python3"."""
    place = word.find("/")
    return "python" in word or (place >= 0 and is_python("", follow(word[place:])))


def shown(text: str) -> str:
    """A part of a script's first line, short and printable."""
    return "".join([letter for letter in text[:40] if "!" <= letter <= "~"])


def beside(places: Sequence[str], words: Sequence[str], exists: Callable[[str], bool]) -> Sequence[str]:
    """The options as they are, unless a file beside the interpreter makes it ignore what starts the guard."""
    return Uncovered([PTH]) if any([exists(place + PTH) for place in places]) else words


def blinding_option(words: Sequence[str]) -> str:
    """The first of Python's own options in `words` that keeps the shim from starting, as "-I", or ""."""
    return next((f"-{letter}" for letter, _ in options(words) if letter in BLINDING), "")


def uncovering_option(words: Sequence[str]) -> str:
    """The first that does so, or that brings code before the shim, as "-I", "-X presite" or "-W"; or ""."""
    if type(words) is Uncovered:
        return str(words[0])
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
