"""The man page: every reader takes it without complaint, it has what a manual has, and fits 80 columns."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from netguard.commands import COMMANDS
from netguard.commands.manual import arguments, called, parser_of
from netguard.paths import share_dir

PAGE = Path(share_dir()) / "man" / "man1" / "netguard.1"


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


def said(*words: str, **more: str) -> str:
    """What a program says, on both outputs."""
    done = subprocess.run(
        [*words, str(PAGE)], capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **more}
    )
    return done.stdout + done.stderr


def test_page_has_the_sections_of_a_manual() -> None:
    text = PAGE.read_text(encoding="ascii")
    assert re.findall(r"(?m)^\.SH (.*)$", text) == [
        "NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "RULE FILES", "EXIT STATUS", "ENVIRONMENT", "FILES",
        "EXAMPLES", "SECURITY", "SEE ALSO",
    ]  # fmt: skip
    assert re.findall(r"(?m)^\.SS netguard (.*)$", text) == list(COMMANDS)


@needs("groff")
def test_page_is_taken_by_groff() -> None:
    assert said("groff", "-man", "-ww", "-z") == ""


@needs("mandoc")
def test_page_is_taken_by_mandoc() -> None:
    """It has no date, or it would be another page each day that it is made."""
    complaints = [line for line in said("mandoc", "-Tlint", "-Wwarning").splitlines() if "missing date" not in line]
    assert complaints == []


@needs("mandoc")
def test_page_shows_every_option_within_the_width() -> None:
    shown = re.sub(r".\x08", "", said("mandoc", "-Tascii", "-Owidth=78"))
    assert [line for line in shown.splitlines() if len(line) > 80] == []
    for name in COMMANDS:
        part = shown.split(f"   netguard {name}\n", 1)[1]
        for action in arguments(parser_of(name)):
            assert called(action).replace("…", "...") in part, f"{name} {called(action)}"
