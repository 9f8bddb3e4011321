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


def nothing(path: str) -> bool:
    return False


STARTS: list[tuple[str, str, bytes, str, tuple[str, ...] | None]] = [
    ("python3", "", b"", "-I x", ("-I", "x")),
    ("/usr/bin/python3.13t", "", b"", "", ()),
    ("/tmp/foo", "/usr/bin/python3.11", b"", "-S", ("-S",)),
    ("/bin/sh", "/usr/bin/dash", b"\x7fELF", "-c true", None),
    ("pythonista", "", b"", "-I", None),
    ("/job/x.py", "", b"#!/usr/bin/python3 -I\nimport x\n", "-S", ("-I",)),
    ("/job/x.py", "", b"#! /usr/bin/env -S A=1 python3 -E", "", ("-E",)),
    ("/job/x.py", "", b"#!/bin/sh\npython3 -I\n", "", None),
    ("/job/pip", "", b'#!/bin/sh\n\'\'\'exec\' "/long/path/python3" "$0" "$@"\n', "", ()),
    ("/job/x.py", "", b"import x\n", "", None),
]


@pytest.mark.parametrize(("program", "real", "head", "args", "options"), STARTS)
def test_python_is_known_by_its_name_or_first_line(
    program: str, real: str, head: bytes, args: str, options: tuple[str, ...] | None
) -> None:
    found = options_of(program, real, head, (program, *args.split()), same, nothing)
    assert (found if found is None else tuple(found)) == options


def test_links_of_the_interpreter_that_a_script_names_are_followed() -> None:
    found = options_of("/job/x", "", b"#!/job/run -I", ("x",), lambda path: "/usr/bin/python3", nothing)
    assert found == ["-I"]


#: First line -> why the guard can not be counted on in what it starts; None where that is no Python.
FIRST_LINES: dict[str, str | None] = {
    "/usr/bin/env python3": "",
    "/usr/bin/env -S python3 -u": "",
    "/usr/bin/env -S A=1 HOME=/x python3": "",
    "/usr/bin/env -Spython3": "",
    "/usr/bin/env -S python3 -I": "-I",
    "/usr/bin/env -S -i /usr/bin/python3": "env -i",
    "/usr/bin/env -iSpython3": "env -i",
    "/usr/bin/env -iS/job/linked": "env -i",
    "/usr/bin/env -S - python3": "env -",
    "/usr/bin/env -S -u PYTHONPATH python3": "env -u",
    "/usr/bin/env -S -uPYTHONPATH python3": "env -u",
    "/usr/bin/env -S -C /tmp python3": "env -C",
    "/usr/bin/env -S --ignore-environment python3": "env --ignore-environment",
    "/usr/bin/env -S --unset=PYTHONPATH python3": "env --unset",
    "/usr/bin/env -S --later\x1b[m python3": "env --later[m",
    "/usr/bin/env -S A=1 PYTHONPATH= python3": "PYTHONPATH",
    "/usr/bin/env -S PYTHONHOME=/x python3": "PYTHONHOME",
    "/usr/bin/env -S LD_PRELOAD=/x python3": "LD_PRELOAD",
    "/usr/bin/env -S NETGUARD_X=1 python3": "NETGUARD_X",
    "/usr/bin/env -S OPENSSL_CONF=/x python3": "OPENSSL_CONF",
    "/usr/bin/env -S PATH=/x python3": "PATH",
    '/usr/bin/env -S python3 "-I"': "env -S",
    "/usr/bin/env -S python3 ${X}": "env -S",
    "/usr/bin/env -S -i sh": None,
    "/usr/bin/env -S PATH=/x sh": None,
    "/usr/bin/env": None,
    "": None,
}


@pytest.mark.parametrize("line", FIRST_LINES)
def test_first_line_with_more_than_plain_env_is_not_covered(line: str) -> None:
    def follow(path: str) -> str:
        return "/usr/bin/python3" if path == "/job/linked" else path

    found = options_of("/job/x", "/job/x", f"#!{line}\n".encode(), ("x",), follow, nothing)
    assert (None if found is None else uncovering_option(found)) == FIRST_LINES[line]


#: Program, argv[0], first line; each starts a Python that may read a file beside /p/python3 or the real /q/python3.9.
BESIDE = [
    ("/p/python3", "python3", ""),
    ("/job/x", "x", "#!/p/python3\n"),
    ("/job/x", "x", "#!/usr/bin/env /p/python3\n"),
    ("/job/x", "x", "#!/bin/sh\n'''exec' \"/p/python3\" \"$0\"\n"),
]


@pytest.mark.parametrize(("program", "name", "head"), BESIDE)
def test_file_beside_the_interpreter_uncovers_it(program: str, name: str, head: str) -> None:
    def reason(there: str) -> str:
        links = {"/p/python3": "/q/python3.9"}
        words = options_of(
            program,
            links.get(program, program),
            head.encode(),
            (name,),
            lambda path: links.get(path, path),
            there.__eq__,
        )
        assert words is not None
        return uncovering_option(words)

    assert [reason(path) for path in ("/p/python3._pth", "/q/python3.9._pth", "/x._pth")] == ["._pth", "._pth", ""]


def test_file_beside_the_place_that_a_python_is_told_to_stand_uncovers_it() -> None:
    words = options_of("/p/python3", "/p/python3", b"", ("/x/python3", "-u"), same, "/x/python3._pth".__eq__)
    assert words is not None
    assert uncovering_option(words) == "._pth"


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
