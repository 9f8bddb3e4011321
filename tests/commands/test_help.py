"""What `--help` says: it fits a small terminal, shows commands that work, and names every option once."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys

import pytest

from netguard.commands import COMMANDS
from netguard.commands.manual import COLUMNS, LINES, arguments, called, parser_of, written

EACH = pytest.mark.parametrize("name", COMMANDS)


def helped(*words: str) -> list[str]:
    """The lines of a help."""
    command = [sys.executable, "-m", "netguard", *words, "--help"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()


def examples(name: str) -> list[list[str]]:
    """The words behind `netguard NAME` in each example: up to what is said of it, or what a shell reads as its own."""
    doc = written(importlib.import_module(f"netguard.commands.{name}").__doc__)
    found = re.findall(rf"(?m)^  (?:source <\()?netguard {name}(.*?)(?:  +.*|\).*| [<>|].*)?$", doc)
    return [shlex.split(words) for words in found]


@pytest.mark.parametrize(
    "words", [(), *[(name,) for name in COMMANDS]], ids=lambda words: " ".join(words) or "netguard"
)
def test_help_fits_a_small_terminal(words: tuple[str, ...]) -> None:
    lines = helped(*words)
    assert len(lines) <= LINES, f"{len(lines)} lines"
    assert [line for line in lines if len(line) > COLUMNS] == []


@EACH
def test_help_begins_with_examples(name: str) -> None:
    """Usage, one sentence, then what to type."""
    usage, _, summary, _, *rest = helped(name)
    assert usage.startswith(f"usage: netguard {name}")
    assert summary.endswith((".", "?"))
    assert re.match(rf"  (source <\()?netguard {name}", rest[0])
    assert len(examples(name)) >= 2


@EACH
def test_examples_are_taken(name: str) -> None:
    module = importlib.import_module(f"netguard.commands.{name}")
    split = getattr(module, "split", None)
    for words in examples(name):
        own, guest = split(words) if split else (words, [])
        parser_of(name).parse_args(own)
        assert bool(guest) == bool(split), words


@EACH
def test_every_argument_is_told_on_one_line(name: str) -> None:
    lines = helped(name)
    for action in arguments(parser_of(name)):
        assert action.help, called(action)
        assert [line for line in lines if line.startswith(f"  {called(action)} ") and line.endswith(action.help)]


@EACH
def test_summary_is_said_once(name: str) -> None:
    """The list of commands can be shown without loading one, so it has its own copy."""
    assert COMMANDS[name] == importlib.import_module(f"netguard.commands.{name}").SUMMARY
