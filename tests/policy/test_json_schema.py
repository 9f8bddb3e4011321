"""The JSON Schema takes what the loader takes, refuses what people mistype, and explains every key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from netguard.errors import PolicyError
from netguard.policy import schema
from netguard.policy.json_schema import json_schema, property_of
from netguard.policy.load import load_policy, read_string
from tests.policy.rule_files import elsewhere, of_tests, shipped, tree, value

SCHEMA = Draft7Validator(json_schema())
SHIPPED = dict(shipped())

TABLES = [
    schema.FILE_KEYS, schema.RULE_KEYS, schema.FROM_KEYS, schema.LIMIT_KEYS, schema.LIST_KEYS, schema.TEST_KEYS
]  # fmt: skip


def complaints(found: object) -> list[str]:
    """What the schema has against a value."""
    return [f"{error.json_path}: {error.message[:200]}" for error in SCHEMA.iter_errors(found)]


def test_schema_is_one() -> None:
    Draft7Validator.check_schema(json_schema())


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_and_shown_rule_files_are_valid(name: str) -> None:
    text = SHIPPED[name]
    assert complaints(value(read_string(text))) == []
    assert complaints(elsewhere(text)) == []


def test_rule_files_of_the_tests_are_valid_where_the_loader_takes_them() -> None:
    """As the loader reads them, and as an editor does, for which `no` and `1.10` may be no texts."""
    taken = {text: (place, node) for place, text in of_tests() if (node := tree(text)) is not None}
    assert len(taken) > 120
    for text, (place, node) in taken.items():
        assert complaints(value(node)) == [], f"{place}\n{text}"
        assert complaints(elsewhere(text)) == [], f"{place}\n{text}"


#: What stands in for the rules of a file that says `version: 1`, or for all of it.
MISTAKES = {
    "no-version": "rules: []",
    "later-version": "version: 2",
    "version-quoted": "version: '1'",
    "unknown-key": "version: 1\nrule: []",
    "unknown-default": "version: 1\ndefault: block",
    "rules-mapping": "version: 1\nrules: {deny: any}",
    "unknown-pack": "version: 1\ninclude: netguard:agnet",
    "include-nothing": "version: 1\ninclude: []",
    "list-name": "version: 1\nlists: {a b: example.org}",
    "list-name-letter": "version: 1\nlists: {\u212a: example.org}",  # K's double, which lower case would make a k
    "list-built-in": "version: 1\nlists: {private: example.org}",
    "list-format": "version: 1\nlists: {bad: {file: x, format: csv}}\nrules: [{deny: any, to: '@bad'}]",
    "list-without-format": "version: 1\nlists: {bad: {file: x}}\nrules: [{deny: any, to: '@bad'}]",
    "test-without-request": "version: 1\ntests: [{expect: deny}]",
    "test-kind": "version: 1\ntests: [{expect: deny, request: 'conect example.org:443'}]",
    "test-verdict": "version: 1\ntests: [{expect: block, request: 'dns example.org'}]",
    "no-verdict": "- {to: example.org}",
    "two-verdicts": "- {allow: dns, deny: connect}",
    "wrong-verdict": "- {block: any}",
    "unknown-facet": "- {deny: any, destination: example.org}",
    "later-facet": "- {deny: http, path: /x}",
    "reserved": "- {ask: any}",
    "unknown-kind": "- {deny: conect}",
    "kind-empty": "- deny:",
    "kinds-empty": "- {deny: []}",
    "event-of-a-kind": "- {deny: 'audit:socket.connect'}",
    "event-in-part": "- {deny: open}",
    "to-url": "- {deny: any, to: 'https://example.org/'}",
    "to-path": "- {deny: any, to: example.org/x}",
    "to-star": "- {deny: any, to: 'api.*.org'}",
    "to-port": "- {deny: any, to: 'example.org:99999'}",
    "to-port-word": "- {deny: any, to: 'example.org:https'}",
    "to-no-port": "- {deny: any, to: 'example.org:'}",
    "to-space": "- {deny: any, to: 'example.org 443'}",
    "to-unix": "- {deny: any, to: 'unix:run/x'}",
    "to-mapping": "- {deny: any, to: {host: example.org}}",
    "to-empty": "- {deny: any, to: ''}",
    "to-of-exec": "- {deny: exec, to: example.org}",
    "program-of-connect": "- {deny: connect, program: git}",
    "proto": "- {deny: connect, proto: icmp}",
    "private-quoted": "- {log: any, to: example.org, private: 'true'}",
    "private-word": "- {log: any, to: example.org, private: yes}",
    "private-of-nothing": "- {log: any, private: true}",
    "unguarded-of-deny": "- {deny: exec, program: git, unguarded: true}",
    "unguarded-of-nothing": "- {log: exec, unguarded: true}",
    "from-key": "- {deny: any, from: {line: 3}}",
    "from-empty": "- {deny: any, from: {}}",
    "tags-list": "- {deny: any, tags: [ci]}",
    "limit-of-deny": "- {deny: connect, limit: {connections: 5/min}}",
    "limit-of-nothing": "- {log: connect, limit: {per: run}}",
    "limit-unit": "- {log: connect, limit: {connections: 5/month}}",
    "limit-number": "- {log: connect, limit: {connections: 5}}",
    "limit-later": "- {log: http, limit: {requests: 5/min}}",
    "limit-per": "- {log: connect, limit: {connections: 5/min, per: host}}",
    "limit-over": "- {log: connect, limit: {connections: 5/min, over: drop}}",
    "burst-zero": "- {log: connect, limit: {connections: 5/min, burst: 0}}",
    "name-default": "- {deny: any, name: default}",
    "name-list": "- {deny: any, name: [a]}",
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in MISTAKES.items()])
def test_mistake_is_refused_by_both(text: str) -> None:
    text = "version: 1\nrules:\n" + text if text.startswith("- ") else text
    assert tree(text) is None
    assert complaints(value(read_string(text))) != []


def every(table: dict[str, schema.Key]) -> list[schema.Key]:
    return list(table.values())


@pytest.mark.parametrize("key", [key for table in TABLES for key in every(table)], ids=lambda key: key.name)
def test_every_key_is_explained_in_the_words_of_the_table(key: schema.Key) -> None:
    """Of a key that this version refuses, the reason is the explanation, and no value is right."""
    found = property_of(key)
    assert (key.refused or key.meaning) in str(found["description"])
    assert bool(key.refused) == ("errorMessage" in found and found.get("type") == "null")


def references(found: object) -> list[dict[str, object]]:
    """Each mapping of the schema that leads elsewhere."""
    if isinstance(found, dict):
        return [found] * ("$ref" in found) + [one for each in found.values() for one in references(each)]
    return [one for each in found for one in references(each)] if isinstance(found, list) else []


def test_reference_stands_alone() -> None:
    """Draft 7 ignores whatever stands beside it."""
    found = references(json_schema())
    assert found
    assert [one for one in found if len(one) > 1] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "$schema: rules.schema.json\nversion: 1\nrules: [{deny: exec, name: x}]\n"),
        ("a.toml", '"$schema" = "x.json"\nversion = 1\n[[rules]]\ndeny = "exec"\nname = "x"\n'),
        ("a.json", '{"$schema": "file:///x.json", "version": 1, "rules": [{"deny": "exec", "name": "x"}]}'),
    ],
)
def test_key_for_editors_means_nothing(name: str, text: str, tmp_path: Path) -> None:
    """Nothing is read from where it leads, and the policy is the same without it."""
    (tmp_path / name).write_text(text)
    (tmp_path / "plain.yaml").write_text("version: 1\nrules: [{deny: exec, name: x}]\n")
    with_it, without = load_policy([tmp_path / name]), load_policy([tmp_path / "plain.yaml"])
    assert [(rule.name, rule.kinds) for rule in with_it.rules] == [(rule.name, rule.kinds) for rule in without.rules]
    assert complaints(value(read_string(text, name))) == []


def test_list_may_be_named_in_any_letters() -> None:
    text = "version: 1\nlists: {My_List-2: example.org}\nrules: [{deny: any, to: '@My_List-2:443'}]\n"
    node = tree(text)
    assert node is not None
    assert complaints(value(node)) == []


def test_key_for_editors_is_a_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"$schema": {"a": 1}, "version": 1}))
    with pytest.raises(PolicyError, match="'\\$schema' must be text"):
        load_policy([tmp_path / "a.json"])
