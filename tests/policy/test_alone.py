"""What `check --injection` says of policies that load: each thing that rests on a supervisor, at its place."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from netguard.commands import check as command
from netguard.policy.alone import check_alone
from netguard.policy.check import ERROR, WARNING, check
from netguard.policy.load import pack_names

LIMITED = "rules: [{log: connect, to: 192.0.2.7, limit: %s}]\n"

ROWS = [
    (LIMITED % "{connections: 5/min}", [(ERROR, "injection-limit")]),
    (LIMITED % "{connections: 5/min, per: process}", []),
    (LIMITED % "{connections: 5/min, per: destination}", [(ERROR, "injection-limit")]),
    (LIMITED % "{connections: 5/min, per: user, over: log}", [(ERROR, "injection-limit")]),
    (LIMITED % "{connections: 5/min, per: 'tag:job'}", [(ERROR, "injection-limit")]),
    (LIMITED % "[{connections: 5/min, per: process}, {connections: 9/run}]", [(ERROR, "injection-limit")]),
    (LIMITED % "[{connections: 5/min, per: run}, {connections: 9/h, per: session}]", [(ERROR, "injection-limit")] * 2),
    ("rules: [{log: native, user: ci}]\n", [(WARNING, "injection-identity")]),
    ("rules: [{log: native, tags: {a: b, c: d}, process: x}]\n", [(WARNING, "injection-identity")] * 2),
    ("rules: [{deny: native, tags: {a: b}}]\n", [(WARNING, "injection-identity")]),
    ("rules: [{log: connect, direct: true}]\n", [(WARNING, "injection-direct")]),
    ("rules: [{deny: connect, direct: true}]\n", []),
    ("rules: [{deny: any, native: true}]\n", [(WARNING, "injection-native")]),
    ("rules: [{log: listen, native: false}]\n", [(WARNING, "injection-native")]),
    ("rules: [{allow: any, to: '@self'}]\n", [(WARNING, "injection-own")]),
    ("rules: [{allow: listen, to: '@self'}]\n", []),
    ("rules: [{deny: any, to: '@self'}]\n", []),
    ("rules: [{log: any, to: a.example}]\n", [(WARNING, "injection-names")]),
    ("rules: [{log: dns, to: a.example}]\n", []),
    ("rules: [{log: connect, to: '*.example'}, {log: connect, to: a.test}]\n", [(WARNING, "injection-names")]),
    ("rules: [{deny: any, to: a.example}]\n", []),
    ("rules: [{log: exec}]\n", [(WARNING, "injection-programs")]),
    ("rules: [{deny: exec}]\n", []),
]


def written(text: str, folder: Path) -> str:
    (folder / "r.yaml").write_text("version: 1\n" + text)
    return str(folder / "r.yaml")


@pytest.mark.parametrize(("text", "expected"), ROWS, ids=[row[0][:60] for row in ROWS])
def test_findings(text: str, expected: list[tuple[str, str]], tmp_path: Path) -> None:
    path = written(text, tmp_path)
    found = [(each.severity, each.slug) for each in check_alone([path])[1]]
    assert [each for each in found if each[1].startswith("injection")] == expected
    assert not [each for each in check([path])[1] if each.slug.startswith("injection")]  # asked only where it matters


def test_ordinary_findings_are_told_too(tmp_path: Path) -> None:
    found = [each.slug for each in check_alone([written("default: allow\n", tmp_path)])[1]]
    assert found == ["open-default"]


def test_error_points_at_what_is_counted_apart(tmp_path: Path) -> None:
    path = written("rules:\n  - name: a\n    log: connect\n    limit: {connections: 5/min, per: session}\n", tmp_path)
    text = next(each.text for each in check_alone([path])[1] if each.slug == "injection-limit")
    assert text.startswith(f"{path}:5:38: 'a' limits per session: without a supervisor")
    assert text.endswith("^^^^^^^")
    path = written("rules:\n  - {name: a, log: connect, limit: {connections: 5/min}}\n", tmp_path)
    text = next(each.text for each in check_alone([path])[1] if each.slug == "injection-limit")
    assert text.startswith(f"{path}:3:37: 'a' limits per run, which is what a limit without 'per' means")
    assert text.endswith("^^^^^^^^^^^")


def test_limit_without_a_line_names_its_keys(tmp_path: Path) -> None:
    text = "version = 1\n[[rules]]\nname = 'a'\nlog = 'connect'\nlimit = {connections = '5/min'}\n"
    (tmp_path / "r.toml").write_text(text)
    assert [each.slug for each in check_alone([str(tmp_path / "r.toml")])[1]] == ["injection-limit"]


def test_strict_makes_grants_by_identity_errors(tmp_path: Path) -> None:
    path = written("rules: [{log: native, user: ci}, {deny: native, tags: {a: b}}]\n", tmp_path)
    found = [(each.severity, each.slug) for each in check_alone([path], strict=True)[1]]
    assert found == [(ERROR, "injection-identity"), (WARNING, "injection-identity")]


def test_what_nearly_every_policy_has_is_told_once(tmp_path: Path) -> None:
    path = written("rules: [{log: connect, to: a.b}, {log: connect, to: c.d}, {log: connect, to: e.f}]\n", tmp_path)
    (found,) = check_alone([path])[1]
    assert "'r.yaml:2' (and 2 more rules) grants by name" in found.text


@pytest.mark.parametrize("pack", pack_names())
def test_packs_can_be_injected(pack: str) -> None:
    assert not [each for each in check_alone([f"netguard:{pack}"])[1] if each.severity == ERROR]


def test_command_refuses_what_cannot_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(LIMITED % "{connections: 5/min}", tmp_path)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert command.run(parser.parse_args([path])) == 0
    assert command.run(parser.parse_args(["--injection", path])) == 1
    assert f"error: {path}:2:47: " in capsys.readouterr().out
