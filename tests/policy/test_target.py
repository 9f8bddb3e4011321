"""Destinations: every form of the rule language, every spelling of one destination, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from netguard.core.address import RANGES, format_ip
from netguard.core.policy import HOST, NET, PUBLIC, SELF, SUFFIX, UNIX
from netguard.policy.schema import BUILTIN, METADATA_NAMES
from netguard.policy.target import BadTarget, builtin_targets, parse_target, with_ports

ALL = None
HTTPS = ((443, 443),)
LOCAL = (4, 32, 0x7F000001)
SIX = (6, 128, 0x20010DB8 << 96 | 7)

GOOD = [
    ("api.example.org", HOST, "api.example.org", ALL),
    ("API.Example.ORG.", HOST, "api.example.org", ALL),
    ("api.example.org:443", HOST, "api.example.org", HTTPS),
    ("my_host", HOST, "my_host", ALL),
    ("bücher.example:443", HOST, "xn--bcher-kva.example", HTTPS),
    ("Ｅｘａｍｐｌｅ。org", HOST, "example.org", ALL),
    ("xn--bcher-kva.example", HOST, "xn--bcher-kva.example", ALL),
    ("*.example.org", SUFFIX, "example.org", ALL),
    ("*.Bücher.example:443", SUFFIX, "xn--bcher-kva.example", HTTPS),
    ("127.0.0.1", NET, LOCAL, ALL),
    ("127.1:443", NET, LOCAL, HTTPS),
    ("2130706433", NET, LOCAL, ALL),
    ("0x7f.1:443", NET, LOCAL, HTTPS),
    ("0177.0.0.1", NET, LOCAL, ALL),
    ("127.0.0.1.:443", NET, LOCAL, HTTPS),
    ("::ffff:127.0.0.1", NET, LOCAL, ALL),
    ("[64:ff9b::7f00:1]:443", NET, LOCAL, HTTPS),
    ("2001:db8::7", NET, SIX, ALL),
    ("[2001:DB8:0::7]", NET, SIX, ALL),
    ("[2001:db8::7]:443", NET, SIX, HTTPS),
    ("10.0.0.0/8", NET, (4, 8, 10), ALL),
    ("10.0.0.0/8:443", NET, (4, 8, 10), HTTPS),
    ("0.0.0.0/0", NET, (4, 0, 0), ALL),
    ("192.0.2.7/32", NET, (4, 32, 0xC0000207), ALL),
    ("2001:db8::/32", NET, (6, 32, 0x20010DB8), ALL),
    ("2001:db8::/32:443", NET, (6, 32, 0x20010DB8), HTTPS),
    ("[2001:db8::/32]:443", NET, (6, 32, 0x20010DB8), HTTPS),
    ("[2001:db8::]/32:443", NET, (6, 32, 0x20010DB8), HTTPS),
    ("::/0", NET, (6, 0, 0), ALL),
    ("a.example:443,8443", HOST, "a.example", (*HTTPS, (8443, 8443))),
    ("a.example:8000-8100", HOST, "a.example", ((8000, 8100),)),
    ("a.example:8443,443,442-444,445", HOST, "a.example", ((442, 445), (8443, 8443))),
    ("a.example:0", HOST, "a.example", ((0, 0),)),
    ("unix:/run/app.sock", UNIX, "/run/app.sock", ALL),
    ("unix:/run/*", UNIX, "/run/*", ALL),
    ("unix:@name", UNIX, "@name", ALL),
    ("unix:@*", UNIX, "@*", ALL),
]


@pytest.mark.parametrize(("text", "form", "value", "ports"), GOOD, ids=[row[0] for row in GOOD])
def test_destination_has_one_form(text: str, form: str, value: object, ports: object) -> None:
    target = parse_target(text)
    assert (target.form, target.value, target.ports, target.text) == (form, value, ports, text)


BAD = [
    ("*", "leave `to` out"),
    ("*:443", "leave `to` out"),
    (":443", "leave `to` out"),
    ("a.*.example", "only at the front"),
    ("*example.org", "only at the front"),
    ("*.*.example", "only at the front"),
    ("https://a.example/x", "write its host and port, 'a.example'"),
    ("a.example/x", "is no network"),
    ("10.0.0.1/8", "write 10.0.0.0/8, or 10.0.0.1 alone"),
    ("10.0.0.0/33", "0 to 32"),
    ("10.0.0.0/x", "0 to 32"),
    ("2001:db8::/129", "0 to 128"),
    ("::ffff:10.0.0.0/104", "write the IPv4 network"),
    ("2002::/16", "write the IPv4 network"),
    ("10.0.0.256", "looks like an address and is none"),
    ("1.2.3.4.5", "looks like an address and is none"),
    ("a.0x7f", "looks like an address and is none"),
    ("*.a.10", "looks like an address and is none"),
    ("a b", "neither a host name nor an address"),
    ("a..example", "neither a host name nor an address"),
    ("x" * 64 + ".example", "neither a host name nor an address"),
    ("ü" * 70, "(IDNA)"),
    ("1:2:3", "is no address"),
    ("::1:443x", "is no address"),
    ("a%b", "is no destination"),
    ("[::1", "bracket is not closed"),
    ("[::1]x", "is no port"),
    ("[::1]:", "is no port"),
    ("a.example:", "a port is missing"),
    ("a.example:https", "'https' is no port"),
    ("a.example:443,", "'' is no port"),
    ("a.example:1-2-3", "is no port"),
    ("a.example:70000", "0 to 65535"),
    ("a.example:9-8", "0 to 65535"),
    ("a.example:٤٤٣", "is no port"),
    ("a.example:" + ",".join(map(str, range(1, 200, 2))), "more than 64"),
    ("unix:relative", "unix:/path or unix:@name"),
    ("unix:/", "unix:/path or unix:@name"),
    ("unix:/a*b", "unix:/path or unix:@name"),
    ("unix:", "unix:/path or unix:@name"),
    ("x" * 2_000, "longer than"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[row[0][:20] for row in BAD])
def test_what_is_no_destination_is_refused_with_advice(text: str, message: str) -> None:
    with pytest.raises(BadTarget) as caught:
        parse_target(text)
    assert message in str(caught.value)


@pytest.mark.property
@given(some.text(max_size=40) | some.from_regex(r"[\[*]?[0-9a-fx.:*-]{0,20}[\]/]?[0-9:,-]{0,8}", fullmatch=True))
def test_any_text_is_a_destination_or_refused(text: str) -> None:
    try:
        target = parse_target(text)
    except BadTarget as error:
        offset, form = error.offset, HOST
    else:
        offset, form = 0, target.form
    assert 0 <= offset <= len(text)
    assert form in (HOST, SUFFIX, NET, UNIX)


@pytest.mark.property
@given(some.sampled_from([4, 6]), some.data())
def test_network_from_its_canonical_text_is_itself(version: int, data: some.DataObject) -> None:
    bits = {4: 32, 6: 128}[version]
    length = data.draw(some.integers(0, bits))
    value = data.draw(some.integers(0, (1 << length) - 1))
    text = f"{format_ip((version, value << (bits - length)))}/{length}"
    try:
        assert parse_target(text).value == (version, length, value)
    except BadTarget as error:
        assert "IPv4" in str(error)  # noqa: PT017  # the ranges that are judged as the address inside them


def test_builtin_lists_are_those_of_the_core() -> None:
    assert set(BUILTIN) == {*RANGES, "self", "public"}


def test_builtin_lists_have_their_targets() -> None:
    assert [target.form for target in builtin_targets("self")] == [SELF]
    assert [target.form for target in builtin_targets("public")] == [PUBLIC]
    assert [target.value for target in builtin_targets("private")] == list(RANGES["private"])
    names = [target.value for target in builtin_targets("metadata") if target.form == HOST]
    assert names == list(METADATA_NAMES)


def test_ports_go_to_those_that_have_none() -> None:
    found = with_ports(parse_target("a.example"), HTTPS, "@list:443")
    assert (found.value, found.ports, found.text) == ("a.example", HTTPS, "@list:443")
    for text in ("a.example:80", "unix:/run/x"):
        with pytest.raises(BadTarget, match="cannot take other ports"):
            with_ports(parse_target(text), HTTPS, "@list:443")
