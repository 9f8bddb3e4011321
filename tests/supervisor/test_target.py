"""From the words after netguard's options to the program and its exact arguments."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netguard.errors import NetguardError, NotExecutable, NotFound, UsageError
from netguard.supervisor import target

ME = sys.executable


def program(path: Path, text: str = "#!/bin/sh\n", mode: int = 0o755) -> Path:
    """A file that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("words", "script"),
    [
        (["-m", "json.tool", "-h"], "-m json.tool"),
        (["-mjson.tool"], "-m json.tool"),
        (["-c", "pass", "-x", "--"], "-c"),
        (["-cpass"], "-c"),
        (["-"], "-"),
        ([__file__, "--", "-c", ""], __file__),
        ([os.path.dirname(__file__)], os.path.dirname(__file__)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_python_form_is_what_plain_python_would_get(words: list[str], script: str) -> None:
    asked = target.parse(words, {})
    assert (asked.program, asked.argv) == (ME, (ME, *words))
    assert (asked.is_python, asked.script, asked.blind) == (True, script, "")


@pytest.mark.parametrize("words", [[], ["--"], ["-m"], ["-c"], ["-x"], ["--rules"]], ids=" ".join)
def test_words_that_name_nothing_to_run_are_a_usage_error(words: list[str]) -> None:
    with pytest.raises(UsageError):
        target.parse(words, {})


def test_a_missing_script_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"-- pip") as caught:
        target.parse(["pip", "install"], {"PATH": str(tmp_path)})
    assert caught.value.exit_code == 127


def test_a_command_is_found_as_a_shell_finds_it(tmp_path: Path) -> None:
    program(tmp_path / "no" / "tool", mode=0o644)
    (tmp_path / "folder" / "tool").mkdir(parents=True)
    wanted = program(tmp_path / "yes" / "tool")
    program(tmp_path / "late" / "tool")
    path = os.pathsep.join(str(tmp_path / name) for name in ("absent", "folder", "no", "yes", "late"))
    asked = target.parse(["--", "tool", "-x"], {"PATH": path})
    assert (asked.program, asked.argv, asked.is_python, asked.script) == (str(wanted), ("tool", "-x"), False, "tool")


def test_an_empty_entry_of_path_is_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "tool")
    monkeypatch.chdir(tmp_path)
    assert target.parse(["--", "tool"], {"PATH": "/nowhere:"}).program == "tool"


def test_a_name_with_a_slash_is_not_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "path" / "sub" / "tool")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound):
        target.parse(["--", "sub/tool"], {"PATH": str(tmp_path / "path")})


def test_without_a_path_the_systems_default_is_searched() -> None:
    assert target.parse(["--", "sh"], {}).program.endswith("/sh")


@pytest.mark.parametrize(
    ("name", "error"),
    [("./plain", NotExecutable), ("./folder", NotExecutable), ("plain", NotExecutable), ("absent", NotFound),
     ("./absent", NotFound), ("plain/below", NotFound), ("", NotFound)],
)  # fmt: skip
def test_the_status_is_that_of_env(
    name: str, error: type[NetguardError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "plain", mode=0o644)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as caught:
        target.parse(["--", name], {"PATH": "/nowhere:" + str(tmp_path)})
    if name not in ("", "plain/below"):  # env says 127 and 126 of these by its libc's mood
        control = subprocess.run(["env", name], env={"PATH": "/nowhere:/usr/bin:/bin:" + str(tmp_path)}, stderr=-3)
        assert caught.value.exit_code == control.returncode


@pytest.mark.parametrize(
    ("name", "expected"),
    [("python", True), ("python3", True), ("python3.9", True), ("python3.13t", True), ("python3.15d", True),
     ("python2.7", True), ("pypy3", False), ("python-config", False), ("python3.11-config", False), ("ipython", False),
     ("sh", False)],
)  # fmt: skip
def test_an_interpreter_is_known_by_its_name(name: str, expected: bool, tmp_path: Path) -> None:
    program(tmp_path / name, "")
    assert target.parse(["--", name], {"PATH": str(tmp_path)}).is_python is expected


def test_an_interpreter_is_known_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "snake").symlink_to(ME)
    assert target.parse(["--", "snake"], {"PATH": str(tmp_path)}).is_python


@pytest.mark.parametrize(
    ("text", "is_python", "blind"),
    [
        ("#!/usr/bin/python3\n", True, ""),
        ("#! /usr/bin/python3 \r\n", True, ""),
        ("#!/usr/bin/python3 -I\n", True, "-I"),
        ("#!/usr/bin/python3 -Es\n", True, "-E"),
        ("#!/usr/bin/env python3\n", True, ""),
        ("#!/usr/bin/env -S python3 -S\n", True, "-S"),
        ("#!/usr/bin/env -Spython3 -u\n", True, ""),
        ("#!/usr/bin/env -S A=1 python3\n", True, ""),
        ("#!/usr/bin/env\n", False, ""),
        ("#!\n", False, ""),
        ("#!/bin/sh python3\n", False, ""),
        ("#!/bin/sh\n'''exec' \"/very long/bin/python3.11\" \"$0\" \"$@\"\n' '''\n", True, ""),
        ("#!/bin/sh\n'''exec' /very/long/bin/python \"$0\" \"$@\"\n' '''\n", True, ""),
        ("#!/bin/sh\n'''exec' /bin/ruby \"$0\" \"$@\"\n' '''\n", False, ""),
        ("", False, ""),
        ("\x7fELF", False, ""),
    ],
)
def test_a_scripts_first_line_is_read(text: str, is_python: bool, blind: str, tmp_path: Path) -> None:
    script = program(tmp_path / "tool", text)
    asked = target.parse(["--", str(script), "-I"], {})
    assert (asked.is_python, asked.blind) == (is_python, blind)


def test_a_program_that_may_not_be_read_is_still_run(tmp_path: Path) -> None:
    script = program(tmp_path / "tool", "#!/usr/bin/python3\n", 0o111)
    asked = target.parse(["--", str(script)], {})
    assert asked.is_python is os.access(script, os.R_OK)


#: Words behind the interpreter and the option that keeps the starter out; the interpreter itself is asked below.
FLAGS = [
    ("-I x.py", "-I"),
    ("-S x.py", "-S"),
    ("-E x.py", "-E"),
    ("-uIs x.py", "-I"),
    ("-Bs -E x.py", "-E"),
    ("-W ignore -I x.py", "-I"),
    ("-Wignore -S x.py", "-S"),
    ("-X dev -uE x.py", "-E"),
    ("--check-hash-based-pycs never -I x.py", "-I"),
    ("-W -I x.py", ""),
    ("-X -I x.py", ""),
    ("-WI x.py", ""),
    ("-XI x.py", ""),
    ("-bcI x.py", ""),
    ("-c I -S", ""),
    ("-m site -I", ""),
    ("-umI x.py", ""),
    ("x.py -I", ""),
    ("- -I", ""),
    ("-- -I", ""),
    ("-P x.py", ""),
    ("-s x.py", ""),
    ("", ""),
]


@pytest.mark.parametrize(("words", "blind"), FLAGS, ids=[words for words, _ in FLAGS])
def test_a_flag_that_blinds_the_shim_is_named(words: str, blind: str) -> None:
    asked = target.parse(["--", ME, *words.split()], {})
    assert (asked.is_python, asked.blind) == (True, blind)


@pytest.mark.parametrize("words", [words for words, _ in FLAGS if words.endswith("x.py") and "-umI" not in words])
def test_blind_is_what_the_interpreter_does(words: str, tmp_path: Path) -> None:
    """The control: a sitecustomize on PYTHONPATH runs exactly when no blinding flag was named."""
    if words.startswith("-P") and sys.version_info < (3, 11):
        pytest.skip("this Python has no -P")
    (tmp_path / "sitecustomize.py").write_text("print('started')\n")
    (tmp_path / "x.py").write_text("")
    run = [ME, *words.split()]
    done = subprocess.run(run, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, text=True, capture_output=True)
    assert ("started" in done.stdout) is (not target.parse(["--", *run], {}).blind)


@pytest.mark.parametrize(
    ("word", "fds"),
    [("/dev/fd/63", (63,)), ("--file=/dev/fd/63", (63,)), ("/proc/self/fd/4", (4,)), ("/dev/fd/2", ()),
     ("/dev/fd/", ()), ("/dev/fd/x", ()), ("/dev/fd/٣", ()), ("x/dev/fd/63", ()), ("/dev/fd/63/x", ())],
)  # fmt: skip
def test_descriptors_named_by_a_shell_are_known(word: str, fds: tuple[int, ...]) -> None:
    assert target.parse(["-c", "", word], {}).fds == fds
