"""Whether a program is one that a person talks to, by how it is called. Pure; a guess in the person's favour."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netguard.supervisor.target import Target

#: Modules, and programs called without an argument, that read what a person types.
MODULES = frozenset(("code", "pdb", "IPython", "ptpython", "bpython"))
PROGRAMS = frozenset("sh bash dash zsh ksh fish ipython ipython3 ptpython bpython node irb psql mysql sqlite3".split())
#: Options of Python that take the next word, if nothing stands behind them.
VALUED = "WX"


def wants_person(target: Target) -> str:
    """What in a call wants a person at the keyboard: `python -i`, `bash`; "" if nothing does."""
    words = target.argv
    name = target.program.rpartition("/")[2]
    if not target.is_python:
        return name if len(words) == 1 and name in PROGRAMS else ""
    if name in PROGRAMS or not name.startswith("python"):
        return name if len(words) == 1 and name in PROGRAMS else ""  # a script with a first line that names Python
    return asked(words[1:])


def asked(words: Sequence[str]) -> str:
    """The same of the words behind an interpreter's name."""
    at = 0
    while at < len(words):
        word = words[at]
        if word == "-":
            return "python -"
        if not word.startswith("-") or word == "--":
            return "" if word != "--" or at + 1 < len(words) else "python"
        found, ends, takes = cluster(word, words[at + 1 : at + 2])
        if found or ends:
            return found
        at += 1 + takes
    return "python"


def cluster(word: str, following: Sequence[str]) -> tuple[str, bool, bool]:
    """Of one word of options: what wants a person, whether what follows is the program's, whether it takes a word."""
    for at, letter in enumerate(word[1:], 1):
        if letter == "i":
            return "python -i", True, False
        if letter == "m":
            module = word[at + 1 :] or "".join(following)
            return f"python -m {module}" if module in MODULES else "", True, False
        if letter == "c":
            return "", True, False
        if letter in VALUED:
            return "", False, at + 1 == len(word)
        if letter == "-":
            return "", False, word == "--check-hash-based-pycs"
    return "", False, False
