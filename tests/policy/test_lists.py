"""Lists: written out, in files of the three formats, built in, inherited; and what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from netguard.core.policy import HOST, NET, SUFFIX, Rule
from netguard.errors import PolicyError
from netguard.policy import scope
from netguard.policy.lists import read_list
from netguard.policy.load import load_policy

HOSTS = """\
# a published list, as they come
127.0.0.1 localhost
::1 ip6-localhost ip6-loopback
0.0.0.0 0.0.0.0
0.0.0.0 Bad.example.test other.example.test  # two

"""


def values(text: str, form: str) -> list[tuple[str, object]]:
    return [(target.form, target.value) for target in read_list(text, form, "list.txt")]


def test_hosts_list_names_each_name_and_not_the_machine() -> None:
    assert values(HOSTS, "hosts") == [(HOST, "bad.example.test"), (HOST, "other.example.test")]


def test_domains_list_means_the_name_and_everything_below() -> None:
    both = [(HOST, "bad.example.test"), (SUFFIX, "bad.example.test")]
    assert values("bad.example.test\r\n", "domains") == both
    assert values("*.bad.example.test # wild\n", "domains") == both


def test_cidr_list_has_networks_and_addresses() -> None:
    text = "1.4.0.0/17 ; SBL256893\n192.0.2.7\n2001:db8::/32\n"
    assert values(text, "cidr") == [
        (NET, (4, 17, 0x01040000 >> 15)),
        (NET, (4, 32, 0xC0000207)),
        (NET, (6, 32, 0x20010DB8)),
    ]


BAD = [
    ("hosts", "bad.example.test\n", "list.txt:1:1: a line of a hosts file is ADDRESS NAME"),
    ("hosts", "0.0.0.0\n", "list.txt:1:1: a line of a hosts file"),
    ("hosts", "0.0.0.0 a b..c\n", "'b..c' is neither"),
    ("domains", "ok.example\n  a b\n", "list.txt:2:3: a line of a list of domains is one name"),
    ("domains", "||bad.example.test^\n", "neither a host name"),
    ("domains", "192.0.2.7\n", "neither a host name"),
    ("cidr", "bad.example.test\n", "one network or address"),
    ("cidr", "10.0.0.0/8 x\n", "one network or address"),
    ("cidr", "10.0.0.1/8\n", "bits are set"),
]


@pytest.mark.parametrize(("form", "text", "message"), BAD)
def test_line_that_cannot_be_read_is_an_error_with_its_place(form: str, text: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_list(text, form, "list.txt")
    assert message in str(caught.value)


def load(folder: Path, lists: str, to: str, more: str = "") -> Rule:
    file = folder / "r.yaml"
    file.write_text(f"version: 1\n{more}lists:\n{lists}rules:\n  - deny: any\n    to: {to}\n")
    return load_policy([file]).rules[-1]


def shown(rule: Rule) -> list[tuple[str, object]]:
    return [(target.value, target.ports) for target in rule.to or ()]


def test_list_from_a_file_lies_beside_the_rules(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("0.0.0.0 bad.example\n")
    rule = load(tmp_path, "  bad: {file: bad.txt, format: hosts}\n", "['@bad:443', a.example]")
    assert shown(rule) == [("bad.example", ((443, 443),)), ("a.example", None)]


def test_lists_can_hold_lists(tmp_path: Path) -> None:
    rule = load(tmp_path, "  a: ['@b', x.example]\n  b: y.example\n", "'@a'")
    assert shown(rule) == [("y.example", None), ("x.example", None)]


def test_same_destination_twice_is_once(tmp_path: Path) -> None:
    assert len(shown(load(tmp_path, "  a: [x.example, X.example.]\n", "['@a', x.example]"))) == 1


def test_included_lists_are_seen_and_the_last_wins(tmp_path: Path) -> None:
    for name in "one", "two":
        (tmp_path / f"{name}.yaml").write_text(
            f"version: 1\nlists: {{a: {name}.example, {name}: only.{name}.example}}\n"
        )
    rule = load(tmp_path, "  b: ['@a', '@one']\n", "'@b'", "include: [one.yaml, two.yaml]\n")
    assert shown(rule) == [("two.example", None), ("only.one.example", None)]


def test_file_own_list_comes_before_an_included_one(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("version: 1\nlists: {a: one.example}\n")
    assert shown(load(tmp_path, "  a: own.example\n", "'@a'", "include: one.yaml\n")) == [("own.example", None)]


WRONG = [
    ("  a: x.example\n", "'@aa'", "there is no list '@aa'; did you mean '@a'?"),
    ("  a: ['@b']\n  b: ['@a']\n", "'@a'", "the list '@a' holds itself: a > b > a"),
    ("  metadata: x.example\n", "x.example", "'@metadata' is built in"),
    ("  'a b': x.example\n", "x.example", "a list's name has letters"),
    ("  a: {file: bad.txt}\n", "'@a'", "needs 'format'"),
    ("  a: {file: bad.txt, format: csv}\n", "'@a'", "cannot be 'csv'; it can be hosts, domains, cidr"),
    ("  a: {file: none.txt, format: hosts}\n", "'@a'", "none.txt: cannot be read"),
    ("  a: {file: broken.txt, format: hosts}\n", "'@a'", "broken.txt:1:1: a line of a hosts file"),
    ("  a: {file: empty.txt, format: hosts}\n", "'@a'", "this list is empty"),
    ("  a: {file: bad.txt, form: hosts}\n", "'@a'", "unknown key 'form' in a list"),
    ("  a: []\n", "'@a'", "an empty list"),
    ("  a: 'x.example:80'\n", "'@a:443'", "'x.example:80' in the list cannot take other ports"),
    ("  a: x.example\n", "'@a:99999'", "ports go from 0"),
    ("  a: [['x']]\n", "'@a'", "a destination must be text"),
]


@pytest.mark.parametrize(("lists", "to", "message"), WRONG, ids=[row[2][:30] for row in WRONG])
def test_wrong_list_is_refused(lists: str, to: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("0.0.0.0 bad.example\n")
    (tmp_path / "broken.txt").write_text("bad.example\n")
    (tmp_path / "empty.txt").write_text("# nothing\n0.0.0.0 localhost\n")
    with pytest.raises(PolicyError) as caught:
        load(tmp_path, lists, to)
    assert message in str(caught.value)


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope, "MAX_ENTRIES", 3)
    (tmp_path / "bad.txt").write_text("a.example\nb.example\n")
    for lists, to in [
        ("  a: {file: bad.txt, format: domains}\n", "'@a'"),
        ("  a: x.example\n", "[a.example, b.example, c.example, d.example]"),
        ("  a: [x.example, y.example]\n", "'@a:443'"),
    ]:
        with pytest.raises(PolicyError, match="brings the destinations of this file to more than 3"):
            load(tmp_path, lists, to)


def test_list_that_rules_share_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope, "MAX_ENTRIES", 3)
    file = tmp_path / "r.yaml"
    rules = "".join([f"- {{deny: connect, to: {to}, user: u{n}}}\n" for n, to in enumerate(["'@a'", "['@a']", "'@a'"])])
    file.write_text(f"version: 1\nlists: {{a: [x.example, y.example, z.example]}}\nrules:\n{rules}")
    first, second, third = load_policy([file]).rules
    assert first.to is second.to
    assert first.to is third.to


def test_lists_are_not_nested_without_end(tmp_path: Path) -> None:
    chain = "".join([f"  a{n}: '@a{n + 1}'\n" for n in range(5_000)])
    with pytest.raises(PolicyError, match="lists within lists, more than 16 deep"):
        load(tmp_path, chain + "  a5000: x.example\n", "'@a0'")


def test_list_is_seen_through_several_includes(tmp_path: Path) -> None:
    (tmp_path / "f0.yaml").write_text("version: 1\nlists: {deep: deep.example}\n")
    for n in range(1, 40):
        (tmp_path / f"f{n}.yaml").write_text(
            f"version: 1\ninclude: [f{n - 1}.yaml, {'f0' if n < 2 else f'f{n - 2}'}.yaml]\n"
        )
    assert shown(load(tmp_path, "  a: x.example\n", "'@deep'", "include: f39.yaml\n")) == [("deep.example", None)]
