"""Which command lines start a Python, and which of its options keep the guard out; the real one is the control."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from netguard.core.carriers import CARRIERS, brings
from netguard.core.interpreter import options_of, uncovering_option
from tests.support.interpreters import Interpreter


def same(path: str) -> str:
    return path


STARTS: list[tuple[str, str, bytes, str, tuple[str, ...] | None]] = [
    ("python3", "", b"", "-I x", ("-I", "x")),
    ("/usr/bin/python3.13t", "", b"", "", ()),
    ("/tmp/foo", "/usr/bin/python3.11", b"", "-S", ("-S",)),
    ("/bin/sh", "/usr/bin/dash", b"\x7fELF", "-c true", None),
    ("pythonista", "", b"", "-I", None),
    ("/job/x.py", "", b"#!/usr/bin/python3 -I\nimport x\n", "-S", ("-I",)),
    ("/job/x.py", "", b"#! /usr/bin/env -S A=1 python3 -E", "", ("-E",)),
    ("/job/x.py", "", b"#!/bin/sh\npython3 -I\n", "", None),
    ("/job/pip", "", b"#!/bin/sh\n'''exec' \"/long/path/python3\" \"$0\" \"$@\"\n", "", ()),
    ("/job/x.py", "", b"import x\n", "", None),
]


@pytest.mark.parametrize(("program", "real", "head", "args", "options"), STARTS)
def test_python_is_known_by_its_name_or_first_line(
    program: str, real: str, head: bytes, args: str, options: tuple[str, ...] | None
) -> None:
    found = options_of(program, real, head, (program, *args.split()), same)
    assert (found if found is None else tuple(found)) == options


def test_links_of_the_interpreter_that_a_script_names_are_followed() -> None:
    found = options_of("/job/x", "", b"#!/job/run -I", ("x",), lambda path: "/usr/bin/python3")
    assert found == ["-I"]


#: Options before a script that prints nothing, with what they come to.
OPTIONS = {
    "x.py": "",
    "-u -B x.py": "",
    "-I x.py": "-I",
    "-uS x.py": "-S",
    "-E x.py": "-E",
    "-W ignore x.py": "",
    "-Werror::DeprecationWarning x.py": "",
    "-W error::carried.Kind x.py": "-W",
    "-Wignore::carried.Kind x.py": "-W",
    "-X pycache_prefix=cache x.py": "-X pycache_prefix",
    "-Xpycache_prefix=cache x.py": "-X pycache_prefix",
    "-X presite=carried x.py": "-X presite",
    "-X utf8 x.py": "",
    "--check-hash-based-pycs default -I x.py": "-I",
    "-- x.py": "",
    "-c pass -I": "",
    "-m carried -I": "",
    "x.py -I -W error::carried.Kind": "",
}


@pytest.mark.parametrize("words", OPTIONS)
def test_option_that_uncovers_is_named(words: str) -> None:
    assert uncovering_option(words.split()) == OPTIONS[words]


@pytest.mark.parametrize("words", [words for words in OPTIONS if "presite" not in words and "carried -I" not in words])
def test_options_do_what_is_said_of_them(words: str, interpreter: Interpreter, tmp_path: Path) -> None:
    """Told or not, by whether the starter ran first of all: alone, and before any other code of the folder's."""
    said = "import os; os.write(1, b'%s ')\n"
    (tmp_path / "sitecustomize.py").write_text(said % "starter")
    (tmp_path / "carried.py").write_text(said % "carried" + "class Kind(Warning): pass\n")
    (tmp_path / "x.py").write_text(said % "script")
    env = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [interpreter.path, *words.split()], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True, check=True
    )
    first = done.stdout.split()[:1] or ["starter"]
    covered = first == ["starter"] and "pycache_prefix" not in words
    assert covered is (OPTIONS[words] == "")


VALUES = [
    ("LD_PRELOAD", "x.so", True),
    ("LD_PRELOAD", "", False),
    ("PYTHONWARNINGS", "error", False),
    ("PYTHONWARNINGS", "error::DeprecationWarning", False),
    ("PYTHONWARNINGS", "error:a.b:Kind:c.d:5", False),
    ("PYTHONWARNINGS", "default,error::a.Kind", True),
]


@pytest.mark.parametrize(("name", "value", "carries"), VALUES)
def test_variable_brings_code_by_its_value(name: str, value: str, carries: bool) -> None:
    assert brings(name, value) is carries


def test_every_variable_says_what_it_brings() -> None:
    assert all(text and not text.endswith(".") for text in CARRIERS.values())
    assert os.environ.keys().isdisjoint({"LD_AUDIT", "PYTHONHOME"}), "the tests would not see what these do"
