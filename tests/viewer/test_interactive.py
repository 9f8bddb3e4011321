"""Which programs want a person at the keyboard."""

from __future__ import annotations

import pytest

from netguard.supervisor.target import Target
from netguard.viewer.interactive import wants_person

PYTHON = "/usr/bin/python3"

#: program, its words, whether it is Python, what wants a person
CALLS: list[tuple[str, list[str], bool, str]] = [
    (PYTHON, ["python3"], True, "python"),
    (PYTHON, ["python3", "-"], True, "python -"),
    (PYTHON, ["python3", "-", "x"], True, "python -"),
    (PYTHON, ["python3", "-u"], True, "python"),
    (PYTHON, ["python3", "-i", "x.py"], True, "python -i"),
    (PYTHON, ["python3", "-ui", "x.py"], True, "python -i"),
    (PYTHON, ["python3", "-W", "error"], True, "python"),
    (PYTHON, ["python3", "-Werror", "x.py"], True, ""),
    (PYTHON, ["python3", "-X", "dev", "x.py", "-i"], True, ""),
    (PYTHON, ["python3", "--check-hash-based-pycs", "always", "x.py"], True, ""),
    (PYTHON, ["python3", "--"], True, "python"),
    (PYTHON, ["python3", "--", "x.py"], True, ""),
    (PYTHON, ["python3", "x.py", "-"], True, ""),
    (PYTHON, ["python3", "-c", "pass"], True, ""),
    (PYTHON, ["python3", "-cpass"], True, ""),
    (PYTHON, ["python3", "-m", "pdb", "x.py"], True, "python -m pdb"),
    (PYTHON, ["python3", "-mcode"], True, "python -m code"),
    (PYTHON, ["python3", "-m", "pytest"], True, ""),
    (PYTHON, ["python3", "-m"], True, ""),
    ("/venv/bin/ipython", ["ipython"], True, "ipython"),
    ("/venv/bin/ipython", ["ipython", "x.py"], True, ""),
    ("/venv/bin/pytest", ["pytest"], True, ""),
    ("/bin/bash", ["bash"], False, "bash"),
    ("/bin/bash", ["bash", "-c", "ls"], False, ""),
    ("/bin/ls", ["ls"], False, ""),
]


@pytest.mark.parametrize(("program", "words", "is_python", "wanted"), CALLS, ids=[" ".join(row[1]) for row in CALLS])
def test_call_is_read(program: str, words: list[str], is_python: bool, wanted: str) -> None:
    assert wants_person(Target(program, tuple(words), is_python, words[0])) == wanted
