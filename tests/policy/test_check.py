"""What `check` has to say about policies that load."""

from __future__ import annotations

from pathlib import Path

import pytest

from netguard.policy.check import ERROR, WARNING, check

ROWS = [
    ("rules: [{log: any, to: a.example, from: {package: requests}}]\n", ["witness-grant"]),
    ("rules: [{allow: exec, program: git, args: 'git status'}]\n", ["witness-grant", "witness-grant"]),
    ("rules: [{log: connect, to: 192.0.2.7, native: false}]\n", ["witness-grant"]),
    ("rules: [{allow: listen, native: true}]\n", ["witness-grant"]),
    ("rules: [{log: connect, to: 192.0.2.7, native: {library: '*grpc*'}}]\n", ["witness-grant"]),
    ("rules: [{deny: any, native: {library: '*grpc*'}}]\n", []),
    ("rules: [{deny: any, native: true}, {deny: listen, native: false}]\n", []),
    ("rules: [{deny: exec, program: git}]\n", []),
    ("rules: [{allow: exec}]\n", []),
    ("rules: [{log: any, user: ci, process: python3, tags: {a: b}}]\n", []),
    ("rules: [{log: any, to: 10.0.0.0/8}]\n", ["address-grant"]),
    ("rules: [{log: [connect], to: 10.0.0.0/8}]\n", []),
    ("rules: [{log: dns, to: '@public'}]\n", ["address-grant"]),
    ("rules: [{log: dns, to: ['@self', a.example]}]\n", []),
    ("rules: [{deny: any, to: 10.0.0.0/8}]\n", []),
    ("rules: [{allow: any}]\n", ["open-grant"]),
    ("rules: [{log: any}]\n", []),
    ("rules: [{allow: any, user: ci}]\n", []),
    ("rules: [{allow: exec}, {allow: native}]\n", []),
    ("default: allow\n", ["open-default"]),
    ("default: log\n", []),
    ("lists: {a: a.example, b: b.example}\nrules: [{deny: any, to: '@a'}]\n", ["unused-list"]),
    ("lists: {a: a.example}\n", []),
    ("rules: [{allow: connect, to: '*.example'}, {deny: connect, to: a.example}]\n", ["shadowed"]),
]


def slugs(*texts: str, folder: Path, default: str | None = None) -> list[str]:
    paths = []
    for number, text in enumerate(texts):
        paths.append(str(folder / f"r{number}.yaml"))
        Path(paths[-1]).write_text("version: 1\n" + text)
    return [finding.slug for finding in check(paths, default=default)[1]]


@pytest.mark.parametrize(("text", "expected"), ROWS, ids=[row[0][:60] for row in ROWS])
def test_findings(text: str, expected: list[str], tmp_path: Path) -> None:
    assert slugs(text, folder=tmp_path) == expected


def test_finding_shows_its_place(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("version: 1\nrules:\n  - {log: any, to: a.example, from: {package: requests}, name: x}\n")
    finding = check([str(file)])[1][0]
    assert (finding.severity, finding.text.split("\n")[0].partition(":3:31: ")[2][:34]) == (
        WARNING,
        "the grant 'x' rests on the witness",
    )
    assert finding.text.endswith("^^^^")


def test_strict_makes_grants_on_the_guests_word_errors(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("version: 1\ndefault: allow\nrules: [{log: exec, program: git}]\n")
    found = check([str(file)], strict=True)[1]
    assert [(each.severity, each.slug) for each in found] == [(WARNING, "open-default"), (ERROR, "witness-grant")]


def test_default_of_the_command_line_has_no_place(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("version: 1\ndefault: deny\n")
    found = check([str(tmp_path / "r.yaml")], default="allow")[1]
    assert [(each.slug, each.text.count("\n")) for each in found] == [("open-default", 0)]


def test_rule_hidden_by_another_file_is_a_warning(tmp_path: Path) -> None:
    assert slugs("rules: [{deny: dns}]\n", "rules: [{log: dns}]\n", folder=tmp_path) == ["shadowed"]


def test_test_that_other_files_change_is_a_warning(tmp_path: Path) -> None:
    texts = ("rules: [{log: dns, to: a.b}]\n", "tests: [{expect: deny, request: dns a.b}]\n")
    assert slugs(*texts, folder=tmp_path) == ["changed-test"]
    assert slugs(texts[1], folder=tmp_path, default="log") == ["changed-test"]
