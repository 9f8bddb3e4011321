"""Files together: includes, order, defaults, bounds, tests."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from netguard.errors import PolicyError
from netguard.policy import compose as module
from netguard.policy.compose import compose
from netguard.policy.load import load_policy


def files(folder: Path, **texts: str) -> dict[str, str]:
    """Rule files of these texts, each after `version: 1`; their paths by name."""
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(f"version: 1\n{text}")
    return {name: str(folder / f"{name}.yaml") for name in texts}


def refusal(*sources: str) -> str:
    with pytest.raises(PolicyError) as caught:
        load_policy(sources)
    return str(caught.value)


def test_includes_come_before_the_own_rules_in_order(tmp_path: Path) -> None:
    files(
        tmp_path,
        a="include: [sub/b.yaml, 'netguard:metadata']\nrules: [{deny: exec, name: a}]\n",
        c="rules: [{deny: file, name: c}]\n",
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.yaml").write_text("version: 1\ninclude: ../c.yaml\nrules: [{deny: native, name: b}]\n")
    names = [rule.name for rule in load_policy([tmp_path / "a.yaml"]).rules]
    assert names == ["c", "b", "cloud-metadata", "a"]


def test_sources_come_in_order_and_each_file_once(tmp_path: Path) -> None:
    paths = files(
        tmp_path,
        a="include: c.yaml\nrules: [{deny: exec, name: a}]\n",
        b="include: c.yaml\nrules: [{deny: native, name: b}]\n",
        c="rules: [{deny: file, name: c}]\n",
    )
    rules = load_policy([paths["a"], paths["b"], paths["a"]]).rules
    assert [(rule.name, rule.index) for rule in rules] == [("c", 0), ("a", 1), ("b", 2)]


def test_file_is_once_by_where_it_really_is(tmp_path: Path) -> None:
    paths = files(tmp_path, a="rules: [{deny: exec, name: a}]\n")
    (tmp_path / "link.yaml").symlink_to("a.yaml")
    assert len(load_policy([paths["a"], tmp_path / "link.yaml"]).rules) == 1


DEFAULTS = [
    (["none"], None, "deny"),
    (["log"], None, "log"),
    (["log", "allow"], None, "allow"),
    (["log", "none"], None, "log"),
    (["includes"], None, "deny"),
    (["log"], "deny", "deny"),
]


@pytest.mark.parametrize(("names", "override", "expected"), DEFAULTS)
def test_default_is_of_the_last_file_that_is_no_include(
    names: list[str], override: str | None, expected: str, tmp_path: Path
) -> None:
    paths = files(tmp_path, none="", log="default: log\n", allow="default: allow\n", includes="include: log.yaml\n")
    assert load_policy([paths[name] for name in names], default=override).default == expected


def test_default_that_is_no_verdict_is_refused() -> None:
    with pytest.raises(PolicyError, match="the default cannot be 'ask'"):
        load_policy(["audit"], default="ask")


def test_circle_of_includes_is_refused(tmp_path: Path) -> None:
    paths = files(tmp_path, a="include: b.yaml\n", b="include: c.yaml\n", c="include: b.yaml\n")
    found = refusal(paths["a"])
    assert "include each other in a circle: " in found
    assert found.split("circle: ")[1].split("\n")[0].count("b.yaml") == 2
    assert "included at" in found
    paths = files(tmp_path, a="include: a.yaml\n")
    assert "circle" in refusal(paths["a"])


def test_error_in_an_include_says_who_included_it(tmp_path: Path) -> None:
    paths = files(tmp_path, a="include: b.yaml\n", b="include: c.yaml\n", c="ruels: []\n")
    found = refusal(paths["a"])
    assert "c.yaml:2:1: unknown key 'ruels' in a rule file; did you mean 'rules'?" in found
    assert f"included at {tmp_path}/b.yaml:2:10" in found
    assert found.count("included at") == 1


def test_missing_include_is_an_error_with_its_place(tmp_path: Path) -> None:
    paths = files(tmp_path, a="include: none.yaml\n", b="include: 'netguard:none'\n")
    assert "none.yaml: cannot be read: No such file" in refusal(paths["a"])
    assert "there is no rule pack 'none'" in refusal(paths["b"])
    assert f"included at {tmp_path}/b.yaml:2:10" in refusal(paths["b"])


REFUSED = [
    ("", "x: 1\n", "unknown key 'x' in a rule file"),
    ("", "rules: []\n", "a rule file begins with 'version: 1'"),
    ("", "[]\n", "a rule file must be a mapping"),
    ("", "version: 2\n", "this netguard reads version 1; a newer one is needed for version 2"),
    ("", "version: 0\n", "'version' must be between 1 and"),
    ("", "version: one\n", "'version' must be a whole number"),
    ("", "version: '1'\n", "'version' must be a whole number, not text"),
    ("", "version: 1\nversion: 1\n", "'version' stands twice in a rule file; the first is at line 1"),
    ("v", "default: ask\n", "'default' cannot be 'ask'; it can be allow, log, deny"),
    ("v", "default: Deny\n", "'default' cannot be 'Deny'; did you mean 'deny'?"),
    ("v", "include: []\n", "'include' is an empty list"),
    ("v", "include: [[a]]\n", "an include must be text, not a list"),
    ("v", "lists: []\n", "lists must be a mapping"),
    ("v", "rules: {}\n", "'rules' must be a list of rules, not a mapping"),
    ("v", "tests: {}\n", "'tests' must be a list of tests"),
    ("v", "tests: [{expect: deny}]\n", "a test needs 'request'"),
    ("v", "tests: [{request: dns a.b}]\n", "a test needs 'expect'"),
    ("v", "tests: [{expect: ask, request: dns a.b}]\n", "'expect' cannot be 'ask'"),
    ("v", "tests: [{expect: deny, request: dsn a.b}]\n", "did you mean 'dns'?"),
    ("v", "tests: [{expect: deny, request: dns a.b, rule: x}]\n", "unknown key 'rule' in a test"),
]


@pytest.mark.parametrize(("version", "text", "message"), REFUSED, ids=[row[2][:40] for row in REFUSED])
def test_file_that_cannot_be_meant_is_refused(version: str, text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(("version: 1\n" if version else "") + text)
    assert message in refusal(str(file))


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = "".join([f"- {{deny: connect, to: h{n}.example}}\n" for n in range(4)])
    paths = files(
        tmp_path, a="rules:\n" + many, b="include: a.yaml\n", t="tests:\n" + "- {expect: deny, request: dns a.b}\n" * 4
    )
    monkeypatch.setattr(module, "MAX_RULES", 3)
    assert "a.yaml:6:3: more than 3 rules" in refusal(paths["a"])
    monkeypatch.setattr(module, "MAX_FILES", 1)
    assert "more than 1 rule files" in refusal(paths["b"])
    monkeypatch.setattr(module, "MAX_TESTS", 3)
    assert "t.yaml:6:3: more than 3 tests" in refusal(paths["t"])


def test_rules_without_to_are_at_most_256(tmp_path: Path) -> None:
    rules = "".join([f"- {{deny: exec, program: p{n}}}\n" for n in range(257)])
    assert "more than 256 rules without `to`" in refusal(files(tmp_path, a="rules:\n" + rules)["a"])
    assert (
        len(
            load_policy([files(tmp_path, a="rules:\n" + rules.replace("- {deny: exec, program: p0}\n", ""))["a"]]).rules
        )
        == 256
    )


# Tests in files.


def test_failing_test_says_what_came_and_from_where(tmp_path: Path) -> None:
    text = "default: log\nrules: [{deny: connect, to: a.example, name: no}]\ntests:\n"
    tests = "- {expect: log, request: 'connect a.example:1'}\n- {expect: deny, request: 'dns b.example'}\n"
    found = refusal(files(tmp_path, a=text + tests)["a"])
    assert found.startswith(f"2 of 2 tests of {tmp_path}/a.yaml fail:\n")
    assert f"a.yaml:5:26: expected log, but the rule 'no' at {tmp_path}/a.yaml:3 says deny\n" in found
    assert "a.yaml:6:27: expected deny, but no rule matches, and the default is log\n" in found
    assert "'connect a.example:1'}\n" in found


def test_request_by_url_is_tested_as_its_connection_and_by_its_name(tmp_path: Path) -> None:
    """What only an address could grant is not granted by a name: a test may hold a run to that."""
    path = tmp_path / "a.yaml"
    path.write_text(
        "version: 1\nrules: [{log: [dns, connect], to: ['a.example:443', 10.0.0.0/8]}]\ntests:\n"
        "  - {expect: log, request: 'http GET https://a.example/'}\n"
        "  - {expect: deny, request: 'http GET http://a.example/'}\n"
        "  - {expect: deny, request: 'http POST https://evil.example/'}\n"
        "  - {expect: log, request: 'http GET http://b.example/ at 10.0.0.1'}\n"
    )
    assert len(load_policy([path]).rules) == 1


def test_unnamed_rule_is_told_once(tmp_path: Path) -> None:
    text = "rules: [{log: dns}]\ntests: [{expect: deny, request: dns a.b}]\n"
    assert "but the rule 'a.yaml:2' says log\n" in refusal(files(tmp_path, a=text)["a"])


def test_many_failing_tests_are_counted(tmp_path: Path) -> None:
    tests = "".join([f"- {{expect: log, request: 'dns h{n}.example'}}\n" for n in range(12)])
    found = refusal(files(tmp_path, a="tests:\n" + tests)["a"])
    assert found.count("expected log") == 10
    assert found.endswith("… and 2 more")


def test_tests_are_run_only_if_asked(tmp_path: Path) -> None:
    path = files(tmp_path, a="tests: [{expect: log, request: dns a.b}]\n")["a"]
    assert load_policy([path], run_tests=False).default == "deny"


def test_tests_hold_of_their_file_whatever_stands_around_it(tmp_path: Path) -> None:
    paths = files(
        tmp_path,
        a="rules: [{allow: [dns, connect], to: a.example}]\n",
        b="default: deny\ntests: [{expect: deny, request: dns a.example}]\n",
    )
    policy = load_policy([paths["a"], paths["b"]], default="log")
    assert (policy.default, len(policy.rules)) == ("log", 1)


def test_tests_of_an_include_are_run(tmp_path: Path) -> None:
    paths = files(tmp_path, a="include: b.yaml\n", b="tests: [{expect: log, request: dns a.b}]\n")
    assert "b.yaml:2:32: expected log" in refusal(paths["a"])


def test_collector_is_left_as_it_was(tmp_path: Path) -> None:
    path = files(tmp_path, a="rules: [{deny: exec}]\n")["a"]
    for before in (True, False):
        gc.enable() if before else gc.disable()
        try:
            load_policy([path])
            assert gc.isenabled() is before
        finally:
            gc.enable()


# Digest.


def test_digest_is_of_what_the_policy_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files(tmp_path, a="rules: [{deny: exec}]\n", b="rules: [{deny: exec}] # a comment\n", c="rules: [{log: exec}]\n")
    one = load_policy(["a.yaml"]).digest
    assert len(one) == 64
    assert load_policy(["a.yaml"]).digest == one
    assert load_policy(["c.yaml"]).digest != one
    assert load_policy(["a.yaml"], default="log").digest != one


# Unreachable rules.


def test_rule_that_can_never_match_is_an_error(tmp_path: Path) -> None:
    path = files(tmp_path, a="rules:\n- {deny: any, name: all}\n- {allow: dns, to: a.example}\n")["a"]
    found = refusal(path)
    assert f"a.yaml:4:3: this rule can never match: 'all' at {path}:3 comes first and takes all of it" in found


def test_rule_that_an_include_hides_is_no_error(tmp_path: Path) -> None:
    paths = files(tmp_path, a="include: b.yaml\nrules: [{allow: dns}]\n", b="rules: [{deny: dns}]\n")
    assert [how for _, _, how in compose([paths["a"]]).shadows] == ["certain"]
