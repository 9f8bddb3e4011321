"""`netguard schema`: the file that is shipped, and lines that rule files may begin with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from netguard.commands import schema
from netguard.commands.manual import parser_of
from netguard.paths import schema_file
from netguard.policy.load import load_policy

#: A rule file of each format behind its line.
FILES = {
    "yaml": "{line}\nversion: 1\nrules: [{{deny: exec}}]\n",
    "toml": '{line}\nversion = 1\n[[rules]]\ndeny = "exec"\n',
    "json": '{{{line}\n"version": 1, "rules": [{{"deny": "exec"}}]}}\n',
}


def said(*words: str) -> str:
    command = [sys.executable, "-m", "netguard", "schema", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_schema_is_the_file_that_is_shipped() -> None:
    assert said() == Path(schema_file()).read_text(encoding="utf-8")
    assert json.loads(said())["title"] == "netguard rule file"


def test_line_is_of_yaml_unless_asked_otherwise() -> None:
    assert said("--line") == said("--line", "yaml")


@pytest.mark.parametrize("form", schema.LINES)
def test_rule_file_with_the_line_is_taken(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"rules.{form}"
    path.write_text(FILES[form].format(line=said("--line", form).rstrip("\n")))
    assert [rule.kinds for rule in load_policy([path]).rules] == [("exec",)]


def test_line_has_no_space_within_the_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The YAML language server reads the address up to the first one."""
    monkeypatch.setattr(schema, "schema_file", lambda: "/home/a b/ü#/schema.json")
    assert schema.run(parser_of("schema").parse_args(["--line"])) == 0
    line = capsys.readouterr().out
    assert line == "# yaml-language-server: $schema=file:///home/a%20b/%C3%BC%23/schema.json\n"
