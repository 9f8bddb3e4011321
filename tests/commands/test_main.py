"""The command line itself: a table of commands, and every error as one line."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import netguard
from netguard.commands import COMMANDS
from tests.supervisor.running import ENTRY

MODULE = [sys.executable, "-m", "netguard"]
SCRIPT = [sys.executable, "-c", ENTRY.format("")]


def ran(*words: str, command: list[str] = MODULE) -> tuple[int, str, str]:
    done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("command", [MODULE, SCRIPT], ids=["module", "script"])
def test_both_ways_in_are_the_same(command: list[str]) -> None:
    assert ran("--version", command=command) == (0, f"netguard {netguard.__version__}\n", "")
    status, _, err = ran("run", command=command)
    assert status == 125
    assert err.startswith("netguard: nothing to run")


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_lists_every_command(word: str) -> None:
    status, out, err = ran(word)
    assert (status, err) == (0, "")
    assert all(f"  {name} " in out and summary in out for name, summary in COMMANDS.items())


def test_no_command_is_a_usage_error_with_the_help() -> None:
    status, out, err = ran()
    assert (status, out) == (2, "")
    assert err == ran("help")[1]


def test_unknown_command_is_a_usage_error() -> None:
    assert ran("rum") == (2, "", "netguard: there is no command 'rum'; netguard --help lists them\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_module_with_its_help(name: str) -> None:
    module = importlib.import_module(f"netguard.commands.{name}")
    assert module.SUMMARY
    status, out, err = ran(name, "--help")
    assert (status, err) == (0, "")
    assert module.__doc__.splitlines()[0] in out


@pytest.mark.parametrize("name", COMMANDS)
def test_unknown_option_is_one_line(name: str) -> None:
    status, out, err = ran(name, "--nonsense", "x")
    assert (status, out) == (125 if name == "run" else 2, "")
    assert err.startswith("netguard: ")
    assert err.count("\n") == 1


def test_reader_that_has_gone_is_no_fault() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as out:
        done = subprocess.run([*MODULE, "help"], stdout=out, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("name", "status"), [("run", 125), ("check", 2)])
def test_fault_of_netguard_s_own_shows_itself_and_has_a_status(name: str, status: int, tmp_path: Path) -> None:
    fault = f"import netguard.commands.{name} as it\ndef run(args): raise ZeroDivisionError('a bug')\nit.run = run"
    (tmp_path / "x").touch()
    done, out, err = ran(name, str(tmp_path / "x"), command=[sys.executable, "-c", ENTRY.format(fault)])
    assert (done, out) == (status, "")
    assert "ZeroDivisionError: a bug" in err
    assert "fault in netguard itself" in err.splitlines()[-1]


@pytest.mark.parametrize("name", ["verify", "show", "check", "run"])
def test_error_sends_a_terminal_nothing_but_text(name: str) -> None:
    """A name on the command line may be of a file that a guest has made, and be typed by a completion."""
    word = "./\x1b]0;title\x07\u202e\n\x9b2J.yaml"
    words = ["run", "--rules", word, "-c", "0"] if name == "run" else [name, word]
    status, out, err = ran(*words)
    assert status
    err += out
    assert "title" in err
    assert err.replace("\n", "").isprintable()
