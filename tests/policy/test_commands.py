"""`check`, `explain` and `compile` as a person meets them."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from netguard.commands import COMMANDS, check, compile, explain
from netguard.core.compiled import dump, load
from netguard.errors import PolicyError, UsageError
from netguard.policy.load import load_policy

POLICY = """\
version: 1
rules:
  - {deny: any, to: "@metadata", name: cloud, because: credentials live there}
  - {log: [dns, connect], to: "a.example:443", name: a, limit: {connections: 5/min}}
  - {log: [dns, connect], to: 10.0.0.0/8}
  - {deny: exec, program: [sh, curl], name: a-rule-with-a-name-that-is-far-too-long-for-its-column-in-any-table-of-ours}
tests:
  - {expect: deny, request: "connect b.example:443"}
"""


@pytest.fixture
def policy(tmp_path: Path) -> str:
    (tmp_path / "r.yaml").write_text(POLICY)
    return str(tmp_path / "r.yaml")


def run(module: ModuleType, *argv: str) -> int:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    result: int = module.run(parser.parse_args(argv))
    return result


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_the_summary_of_the_list(name: str) -> None:
    assert COMMANDS[name] == import_module(f"netguard.commands.{name}").SUMMARY


@pytest.mark.parametrize("name", ["check", "compile", "explain", "verify", "env", "install", "uninstall", "status"])
def test_help_fits_a_screen_and_shows_how_it_is_called(name: str) -> None:
    command = [sys.executable, "-c", "from netguard.commands import main; main()", name, "--help"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    text = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    assert len(text.splitlines()) <= 25
    assert max(map(len, text.splitlines())) <= 80
    assert text.count(f"  netguard {name} ") >= 2
    assert "`" not in text


def test_check_tells_findings_and_counts(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(check, policy) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"warning: {policy}:5:27: 'r.yaml:5' grants names by their addresses (10.0.0.0/8)")
    assert lines[-1] == "4 rules, 1 file, 1 test passed, default deny, 0 errors, 1 warning"


def test_check_tells_an_error_and_fails(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(policy).write_text(POLICY + "  - {expect: log, request: 'exec true'}\n")
    assert run(check, policy) == 1
    assert capsys.readouterr().out.startswith(f"error: 1 of 2 tests of {policy} fail:\n")


def test_check_strict_fails_on_a_grant_that_rests_on_the_witness(
    policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(policy).write_text("version: 1\nrules: [{log: exec, program: git}]\n")
    assert run(check, policy) == 0
    assert run(check, "--strict", policy) == 1
    assert "error: " in capsys.readouterr().out


def test_check_takes_a_default(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(check, "--default", "log", policy) == 0
    assert "default log, 0 errors, 2 warnings" in capsys.readouterr().out


EXPLAINED = [
    ("connect 169.254.169.254:80", "deny: by 'cloud' at {}:3\nbecause credentials live there\n"),
    ("connect a.example:443", "log: by 'a' at {}:4\nat most connections 5/min per run, then deny\n"),
    (
        "dns z.example",
        "log: by 'r.yaml:5' at {}:5\nfor the look-up; its answers are decided on before they are released\n",
    ),
    ("native /x.so", "deny: no rule matches; the default is deny\n"),
]


@pytest.mark.parametrize(("request_text", "ending"), EXPLAINED, ids=[row[0] for row in EXPLAINED])
def test_explain_ends_with_what_decides(
    request_text: str, ending: str, policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(explain, policy, request_text) == 0
    assert capsys.readouterr().out.split("\n\n")[1] == ending.format(policy)


BY_URL = "No rule speaks of the request itself. Its connection, connect {}:"


def test_explain_shows_the_connection_of_a_request_by_url(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(explain, policy, "http GET https://a.example/x")
    table, ending = capsys.readouterr().out.split("\n\n")
    assert table.splitlines()[0] == BY_URL.format("a.example:443")
    assert table.splitlines()[-1].split() == [">", "log", "a", "matched"]
    assert ending == f"log: by 'a' at {policy}:4\nat most connections 5/min per run, then deny\n"


def test_explain_shows_a_rule_for_requests_alone_apart(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(policy).write_text("version: 1\nrules: [{log: http, to: b.example, name: b}, {log: connect, name: all}]\n")
    run(explain, policy, "http http://[2001:db8::1]/")
    first, second, ending = capsys.readouterr().out.split("\n\n")
    assert first.splitlines()[-1].split(maxsplit=2) == ["log", "b", "to: 2001:db8::1 is not b.example"]
    assert second.splitlines()[0] == BY_URL.format("[2001:db8::1]:80")
    assert ending == f"log: by 'all' at {policy}:2\n"


THEN = "then its connection; put an address behind the request to see what it comes to: 'at 127.0.0.1'"
NEXT = [
    ("http http://evil.example/", "next, dns evil.example: deny, by the default; it ends there"),
    ("http http://a.example/", f"next, dns a.example: log, by 'a'\n{THEN}"),
    (
        "http http://localhost/",
        f"next, dns localhost: this machine's own name, looked up without a decision\n{THEN}",
    ),
]


@pytest.mark.parametrize(("request_text", "then"), NEXT)
def test_explain_says_what_comes_next_where_only_an_address_can_tell(
    request_text: str, then: str, policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(policy).write_text("version: 1\nrules: [{log: [dns, connect], to: 'a.example:443', name: a}]\n")
    run(explain, policy, request_text)
    told = "allow: no rule speaks of the request; its connection decides, once its address is known"
    assert capsys.readouterr().out.split("\n\n")[-1] == f"{told}\n{then}\n"


def test_explain_says_that_only_the_address_is_in_the_way(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(explain, policy, "connect a.example:443 at 127.0.0.1")
    told = "deny: rule a grants this name no address that is not public (private: true would); the default is deny\n"
    assert capsys.readouterr().out.endswith(told)


@pytest.mark.parametrize(
    "request_text", ["connect b.example:443", "exec curl", "connect udp 10.0.0.1:5", "file /" + "x" * 300]
)
def test_explain_is_readable_in_80_columns(request_text: str, policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(explain, policy, request_text)
    table = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert table[0].split() == ["VERDICT", "RULE", "WHY"]
    assert max(map(len, table)) <= 80
    assert [line[0] for line in table].count(">") == 1


def test_explain_without_files_asks_the_audit_pack(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(explain, "connect 169.254.169.254:80") == 0
    assert "netguard:metadata:" in capsys.readouterr().out


def test_explain_refuses_what_is_no_request(policy: str) -> None:
    with pytest.raises(PolicyError, match="did you mean 'connect'") as refused:
        run(explain, policy, "conect x:1")
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(("module", "more"), [(explain, ["dns x.y"]), (compile, [])])
def test_rules_that_cannot_be_used_end_it_with_1(module: ModuleType, more: list[str], policy: str) -> None:
    Path(policy).write_text("version: 1\nrules: {}\n")
    with pytest.raises(PolicyError) as refused:
        run(module, policy, *more)
    assert refused.value.exit_code == 1


@pytest.mark.parametrize(("text", "lines"), [
    ("", [""]), ("ab", ["ab"]), ("ab cd", ["ab cd"]), ("abc def", ["abc", "def"]), ("abcdefgh", ["abcde", "fgh"]),
    ("ab abcdefghijkl x", ["ab", "abcde", "fghij", "kl x"]), ("abcde abcde", ["abcde", "abcde"]),
])  # fmt: skip
def test_text_is_wrapped(text: str, lines: list[str]) -> None:
    assert explain.wrapped(text, 5) == lines


def test_compile_writes_what_loads(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(compile, policy) == 0
    text = capsys.readouterr().out
    assert dump(load(text)) == text
    assert hashlib.sha256(text.encode()).hexdigest() == load_policy([policy]).digest


def test_compile_writes_a_file_whole(policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out.policy"
    output.write_text("old")
    assert run(compile, policy, "--output", str(output), "--default", "log") == 0
    assert load(output.read_text()).default == "log"
    assert capsys.readouterr().err == f"{output}: 4 rules, sha256 {hashlib.sha256(output.read_bytes()).hexdigest()}\n"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out.policy", "r.yaml"]


@pytest.mark.parametrize("name", ["none/out.policy", "."])
def test_compile_says_why_it_cannot_write(name: str, policy: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        run(compile, policy, "--output", str(tmp_path / name))
    assert not list(tmp_path.parent.rglob("*.new"))
