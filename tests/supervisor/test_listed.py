"""The list of files that may start: there where the rules name all programs, and of just the files that are there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from netguard.core.policy import Policy
from netguard.policy.load import load_policy
from netguard.supervisor import listed as module
from netguard.supervisor.listed import Listed, listing
from netguard.supervisor.target import Target


def policy(tmp_path: Path, text: str) -> Policy:
    (tmp_path / "rules.yaml").write_text("version: 1\n" + text)
    return load_policy([str(tmp_path / "rules.yaml")])


def target(program: str = sys.executable) -> Target:
    return Target(program, (program,), False, "x")


def look(
    tmp_path: Path, rules: str, *, program: str = sys.executable, search: str = "/bin", dry: bool = False
) -> object:
    return listing(policy(tmp_path, rules), target(program), {"PATH": search}, dry_run=dry)


def paths(found: object) -> set[str]:
    assert isinstance(found, Listed), found
    return {os.path.realpath(path) for path, _, _ in found.found}


NAMED = "default: deny\nrules:\n"


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ("default: allow\n", "the default"),
        ("default: log\nrules:\n  - {deny: exec}\n", "the default"),
        (NAMED + "  - {name: any, log: exec}\n", "rule any lets programs start without naming them"),
        (NAMED + "  - {name: args, allow: exec, args: '* x'}\n", "rule args"),
        (NAMED + "  - {name: all, allow: any, to: example.com}\n", ""),
        (NAMED + "  - {name: all, allow: any}\n", "rule all"),
        (NAMED + "  - {allow: exec, program: '*/git'}\n", "any file"),
        (NAMED + "  - {deny: exec}\n", ""),
        ("default: deny\n", ""),
    ],
)
def test_there_is_one_where_every_grant_names_its_programs(tmp_path: Path, rules: str, why: str) -> None:
    found = look(tmp_path, rules)
    assert isinstance(found, Listed) == (not why)
    assert not why or why in str(found)


def test_dry_run_has_none(tmp_path: Path) -> None:
    assert look(tmp_path, "default: deny\n", dry=True) == "a dry run denies nothing"


def test_names_are_looked_for_along_path_and_patterns_in_folders(tmp_path: Path) -> None:
    for name in ("one/tool", "two/tool", "two/tool-b", "deep/er/x", "deep/y", "away/tool"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    (tmp_path / "two/toolbox").mkdir()
    rules = NAMED + f"  - {{allow: exec, program: [tool, 'tool-?', 'toolbo*', '{tmp_path}/deep/*', /none]}}\n"
    found = paths(look(tmp_path, rules, search=f"{tmp_path}/one:{tmp_path}/two:/none"))
    ours = {os.path.relpath(path, tmp_path) for path in found if path.startswith(str(tmp_path))}
    assert ours == {"one/tool", "two/tool", "two/tool-b", "deep/er/x", "deep/y"}


def test_what_a_program_needs_to_start_is_on_it_and_the_runs_own(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/usr/bin/env tool\n")
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    found = paths(look(tmp_path, "default: deny\n", program=str(script), search=str(tmp_path)))
    wanted = {str(script), str(tool), *map(os.path.realpath, ("/usr/bin/env", "/bin/sh", sys.executable))}
    assert wanted <= found
    assert any("ld" in os.path.basename(path) for path in found), "the loader"
    plain = tmp_path / "plain"
    plain.write_text("echo\n")
    assert os.path.realpath("/bin/sh") in paths(look(tmp_path, "default: deny\n", program=str(plain)))


def test_too_many_files_are_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = NAMED + f"  - {{allow: exec, program: '{tmp_path}/many/*'}}\n"
    (tmp_path / "many").mkdir()
    for number in range(9):
        (tmp_path / "many" / str(number)).write_text("")
    monkeypatch.setattr(module, "MAX_FILES", 8)
    assert "more than 8" in str(look(tmp_path, rules))
    monkeypatch.setattr(module, "MAX_LOOKED_AT", 8)
    assert "more than 8 files" in str(look(tmp_path, rules))


def test_file_is_barred_if_it_or_what_it_needs_is_not_on_the_list(tmp_path: Path) -> None:
    script, other = tmp_path / "script", tmp_path / "other"
    script.write_text("#!/bin/sh\n")
    other.write_text("#!/bin/sh\n")
    found = Listed([str(script)])
    assert found.bars(str(script)) == ""
    assert "when the run began" in found.bars(str(other))
    assert found.bars(str(tmp_path / "none")) == ""
    os.link(script, tmp_path / "same")
    assert found.bars(str(tmp_path / "same")) == ""
    script.write_text(f"#!{sys.executable}\n")
    assert found.bars(str(script))
