"""Rule files as text: three formats into one tree, and every way in which a text can be wrong or hostile."""

from __future__ import annotations

import builtins
import contextlib
import json
import sys
import time
from pathlib import Path

import pytest
import yaml

from netguard.errors import PolicyError
from netguard.policy import load
from netguard.policy.compose import Files
from netguard.policy.load import find, joined_surrogates, load_policy, pack_names, read_file, read_string, read_text
from netguard.policy.node import Node

RULES = {
    "version": 1,
    "default": "deny",
    "lists": {"corp": ["10.0.0.0/8", "*.corp.example"]},
    "rules": [
        {"deny": "any", "to": ["@metadata"], "because": "kept \U0001f511 there"},
        {"log": ["dns", "connect"], "to": "@corp", "private": True, "name": "corp"},
        {"allow": "connect", "to": "a.example:443", "limit": {"connections": "5/min", "burst": 2}},
    ],
    "tests": [{"expect": "deny", "request": "connect 169.254.169.254:80"}],
}

AS_YAML = """\
version: 1
default: deny
lists: {corp: [10.0.0.0/8, '*.corp.example']}
rules:
- {deny: any, to: ['@metadata'], because: "kept \U0001f511 there"}
- log: [dns, connect]
  to: '@corp'
  private: true
  name: corp
- {allow: connect, to: a.example:443, limit: {connections: 5/min, burst: 2}}
tests:
- {expect: deny, request: 'connect 169.254.169.254:80'}
"""

AS_TOML = """\
version = 1
default = "deny"
[lists]
corp = ["10.0.0.0/8", "*.corp.example"]
[[rules]]
deny = "any"
to = ["@metadata"]
because = "kept \U0001f511 there"
[[rules]]
log = ["dns", "connect"]
to = "@corp"
private = true
name = "corp"
[[rules]]
allow = "connect"
to = "a.example:443"
limit = {connections = "5/min", burst = 2}
[[tests]]
expect = "deny"
request = "connect 169.254.169.254:80"
"""


def plain(node: Node) -> object:
    """The tree without its places."""
    if node.kind == "a mapping":
        return {key.text: plain(value) for key, value in node.pairs}
    if node.kind == "a list":
        return [plain(item) for item in node.items]
    return (node.kind, node.text)


def failure(text: str, shown: str = "rules.yaml") -> str:
    with pytest.raises(PolicyError) as caught:
        read_string(text, shown)
    return str(caught.value)


FORMATS = {
    "rules.yaml": AS_YAML,
    "rules.toml": AS_TOML,
    "rules.json": json.dumps(RULES),
    "tabs.json": json.dumps(RULES, indent="\t", ensure_ascii=False),
    "tight.json": json.dumps(RULES, separators=(",", ":")),
}


@pytest.mark.parametrize(("name", "text"), FORMATS.items(), ids=list(FORMATS))
def test_format_gives_the_same_tree(name: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    assert plain(read_file(name, str(file))) == plain(read_string(AS_YAML))


@pytest.mark.parametrize(("name", "text"), FORMATS.items(), ids=list(FORMATS))
def test_format_gives_the_same_rules(name: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    rules = load_policy([file]).rules
    assert [(rule.verdict, rule.kinds, rule.because) for rule in rules] == [
        ("deny", ("dns", "connect", "http", "listen"), "kept \U0001f511 there"),
        ("log", ("dns", "connect"), ""),
        ("allow", ("connect",), ""),
    ]
    assert [rule.where.rpartition(":")[2].isdigit() for rule in rules] == [True] * 3


def test_pure_python_parser_gives_the_same_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = plain(read_string(AS_YAML))
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert plain(read_string(AS_YAML)) == fast


LOOKS = [
    ("no", "text"), ("1.10", "text"), ("22:30", "text"), ("0x10", "text"), ("+1", "text"), ("1_000", "text"),
    ("2026-01-01", "text"), ("'12'", "text"), ('"true"', "text"), ("12", "a number"), ("-12", "a number"),
    ("true", "true or false"), ("False", "true or false"), ("~", "empty"), ("null", "empty"), ("", "empty"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "kind"), LOOKS)
def test_scalar_looks_like_what_it_is_in_any_yaml_version(written: str, kind: str) -> None:
    assert read_string(f"key: {written}\n").pairs[0][1].kind == kind


BAD_YAML = [
    ("to: *.corp.example\n", "rules.yaml:1:5: a value that begins with * must be quoted"),
    ("to: *corp\n", "rules.yaml:1:5: a value that begins with * must be quoted"),
    ("to: @corp\n", "rules.yaml:1:5: a value that begins with @ must be quoted"),
    ("to: %corp\n", "rules.yaml:1:5: a value that begins with % must be quoted"),
    ("a: &x [1]\nb: 2\n", "rules.yaml:1:4: anchors (&) are not used"),
    ("a: &x 1\n", "rules.yaml:1:4: anchors (&) are not used"),
    ("a: !!python/object:os.system 1\n", "rules.yaml:1:4: tags (!) are not used"),
    ("a: !x [1]\n", "rules.yaml:1:4: tags (!) are not used"),
    ("a: 1\n---\nb: 2\n", "rules.yaml:2:1: a rule file holds one document"),
    ("a: [1\n", "this is not YAML"),
    ("a: 1\n b: 2\n", "rules.yaml:2:3: this is not YAML"),
    ("a: \x01\n", "rules.yaml: "),
    ("[" * 100, "rules.yaml:1:17: nested more than 16 deep"),
    ("- " * 100_000, "nested more than 16 deep"),
    ("{a: " * 100_000, "nested more than 16 deep"),
    ("? " * 100_000, "nested more than 16 deep"),
]


@pytest.mark.parametrize(("text", "message"), BAD_YAML, ids=[message[-30:] for _, message in BAD_YAML])
def test_bad_yaml_is_refused_with_its_place(text: str, message: str) -> None:
    assert message in failure(text)


def test_alias_bomb_is_refused_at_its_first_line() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        [f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    )
    assert "rules.yaml:1:4: anchors" in failure(bomb)


@pytest.mark.parametrize("text", ["[", "{", "- ", "? ", "a: ", '"', "'", "|\n", "{a,", "[a,", "? [", "#"])
def test_a_megabyte_of_the_same_is_refused_or_read_in_time(text: str) -> None:
    started = time.perf_counter()
    with contextlib.suppress(PolicyError):
        read_string(text * (1_000_000 // len(text)))
    assert time.perf_counter() - started < 20


def test_empty_file_is_an_empty_mapping() -> None:
    assert plain(read_string("# nothing\n")) == {}


def test_error_shows_the_line_and_a_marker(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("version: 1\nrules:\n  - {deny: any, metod: GET}\n")
    with pytest.raises(PolicyError) as caught:
        load_policy([file])
    assert str(caught.value) == (
        f"{file}:3:17: unknown key 'metod' in a rule; did you mean 'method'?\n"
        "    - {deny: any, metod: GET}\n"
        "                  ^^^^^"
    )


def test_marker_stands_under_the_part_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text('version: 1\nrules:\n  - {deny: any, to: "a.example:70000"}\n')
    with pytest.raises(PolicyError) as caught:
        load_policy([file])
    line, marker = str(caught.value).split("\n")[1:]
    assert line[marker.index("^") : marker.rindex("^") + 1] == "70000"


def test_marker_stands_in_a_window_of_a_long_line() -> None:
    text = '{"version": 1, ' + ", ".join([f'"key{n}": {n}' for n in range(10_000)]) + "}"
    with pytest.raises(PolicyError) as caught:
        build(text)
    line, marker = str(caught.value).split("\n")[1:]
    assert line[marker.index("^") : marker.rindex("^") + 1] == '"key0"'
    assert len(line) < 160


def build(text: str) -> None:
    """Read a JSON policy that lies in no file."""
    Files().build(read_string(text, "rules.json"))


def test_error_does_not_pass_control_characters_on() -> None:
    with pytest.raises(PolicyError) as caught:
        build('{"version": 1, "x\\u001b[31m": "a\x7f"}')
    assert str(caught.value).replace("\n", "").isprintable()


SURROGATES = [
    (r'"\ud83d\ude00"', '"\U0001f600"'),
    (r'"\\\uD83D\uDE00"', '"\\\\\U0001f600"'),
    (r'"\\ud83d\\ude00"', r'"\\ud83d\\ude00"'),
    (r'"\ud83d"', r'"\ud83d"'),
    ('"plain"', '"plain"'),
]


@pytest.mark.parametrize(("text", "joined"), SURROGATES)
def test_json_surrogate_pairs_become_their_character(text: str, joined: str) -> None:
    assert joined_surrogates(text) == joined


def test_half_a_surrogate_pair_is_an_error() -> None:
    assert "this is not YAML" in failure(r'{"a": "\ud83d"}', "rules.json")


# TOML.


def test_toml_places_are_found_again() -> None:
    root = read_string(AS_TOML, "rules.toml")
    rules = next(value for key, value in root.pairs if key.text == "rules")
    assert [item.line for item in rules.items] == [5, 9, 14]
    key, value = rules.items[1].pairs[2]
    assert (key.line, key.column, value.line, value.column) == (12, 1, 12, 11)


def test_toml_places_are_left_out_where_they_are_not_sure() -> None:
    text = 'version = 1\nx = """\n[[rules]]\n"""\n[[rules]]\ndeny = "any"\n'
    rules = next(value for key, value in read_string(text, "r.toml").pairs if key.text == "rules")
    assert rules.items[0].place() == "r.toml: rules[0]"


def test_toml_inline_rules_are_named_by_their_keys(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text('version = 1\nrules = [{deny = "exec"}, {log = "dns"}]\n')
    assert [rule.name for rule in load_policy([file]).rules] == ["r.toml:rules[0]", "r.toml:rules[1]"]
    file.write_text('version = 1\nrules = [{deny = "exec"}, {lgo = "dns"}]\n')
    with pytest.raises(PolicyError, match=r"r\.toml: rules\[1\]: unknown key 'lgo'"):
        load_policy([file])


def test_toml_keys_in_odd_places_do_not_shift_others() -> None:
    text = '[[rules]]\n# a comment\n"deny" = "exec"\nnot a key\n[[rules]]\nlog = "dns"\n'.replace("not a key\n", "\n")
    rules = read_string(text, "r.toml").pairs[0][1]
    assert [item.pairs[0][0].line for item in rules.items] == [3, 6]


BAD_TOML = [
    ("a = ", "rules.toml: this is not TOML"),
    ("a = " + "[" * 20 + "]" * 20, "nested more than 16 deep"),
    ("a = " + "[" * 5_000 + "]" * 5_000, "nested more than 16 deep"),
]


@pytest.mark.parametrize(("text", "message"), BAD_TOML, ids=[message[12:] for _, message in BAD_TOML])
def test_bad_toml_is_refused(text: str, message: str) -> None:
    assert message in failure(text, "rules.toml")


def test_toml_is_read_with_tomli_before_python_3_11(monkeypatch: pytest.MonkeyPatch) -> None:
    tomllib = pytest.importorskip("tomllib")
    monkeypatch.setitem(sys.modules, "tomli", tomllib)
    real = builtins.__import__

    def without_tomllib(name: str, *rest: object, **more: object) -> object:
        if name == "tomllib":
            raise ImportError(name)
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_tomllib)
    assert plain(read_string("version = 1", "r.toml")) == {"version": ("a number", "1")}


# Files.


def test_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes(b"\xef\xbb\xbfversion: 1\n")
    assert plain(read_file("r.yaml", str(file))) == {"version": ("a number", "1")}


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes(b"version: 1\nname: \xff\n")
    with pytest.raises(PolicyError, match=r"r.yaml:2: not UTF-8 \(byte 0xff\)"):
        read_file("r.yaml", str(file))


def test_too_large_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes(b"#" * 101)
    with pytest.raises(PolicyError, match="larger than"):
        read_text("r.yaml", str(file), 100)
    file.write_bytes(b"#" * 100)
    assert read_text("r.yaml", str(file), 100) == "#" * 100


@pytest.mark.parametrize("name", ["missing.yaml", ".", "a\0b.yaml"])
def test_file_that_cannot_be_read_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        read_text(name, str(tmp_path / name), 100)


@pytest.mark.parametrize("named", ["audit", "netguard:audit"])
def test_pack_is_found_by_either_name(named: str) -> None:
    shown, path = find(named)
    assert shown == "netguard:audit"
    assert Path(path).name == "audit.yaml"


def test_pack_that_does_not_exist_is_an_error_with_the_nearest() -> None:
    with pytest.raises(PolicyError, match=r"no rule pack 'adit'; did you mean 'audit'\? \(packs: agent, audit,"):
        find("netguard:adit")
    with pytest.raises(PolicyError, match="no rule file or pack 'zzzzzz' "):
        find("zzzzzz")


def test_bare_name_of_a_file_is_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").write_text("version: 1\n")
    monkeypatch.chdir(tmp_path)
    assert find("mine") == ("mine", "mine")
    assert load_policy(["mine"]).default == "deny"


def test_include_of_a_bare_name_is_a_file(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="there is no such file; the pack is written netguard:audit"):
        find("audit", str(tmp_path))
    (tmp_path / "audit").write_text("version: 1\n")
    assert find("audit", str(tmp_path)) == (str(tmp_path / "audit"), str(tmp_path / "audit"))


def test_pack_names_are_the_files() -> None:
    assert pack_names() == ["agent", "audit", "deny-all", "local-services", "loopback", "metadata", "package-install"]


def test_no_source_is_an_error() -> None:
    with pytest.raises(PolicyError, match="no rule file is named"):
        load_policy([])


def test_error_without_a_place_still_says_something() -> None:
    assert str(load.yaml_complaint(ValueError("odd"), load.Source("r.yaml", "r.yaml", ""))) == "r.yaml: odd"
