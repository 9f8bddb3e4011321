"""The words of `tests` and `netguard explain`."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as some

from netguard.core.request import KINDS, Request
from netguard.errors import PolicyError
from netguard.policy.grammar import parse_request, read_request
from netguard.policy.target import BadTarget

LOCAL = (4, 0x7F000001)
METADATA = (4, 0xA9FEA9FE)

GOOD: list[tuple[str, dict[str, object]]] = [
    ("dns X.Y.", {"kind": "dns", "host": "x.y"}),
    ("dns bücher.example", {"host": "xn--bcher-kva.example"}),
    ("dns x.y at 127.0.0.1", {"host": "x.y", "address": LOCAL}),
    ("dns 127.1", {"host": "", "address": LOCAL}),
    ("connect evil.com:443", {"kind": "connect", "host": "evil.com", "port": 443, "proto": "tcp", "address": None}),
    ("  connect   udp 1.2.3.4:53 ", {"proto": "udp", "port": 53, "address": (4, 0x01020304)}),
    ("connect tcp [::1]:80", {"proto": "tcp", "port": 80, "address": (6, 1)}),
    ("connect 2852039166:80", {"address": METADATA}),
    ("connect a.b:80 at 169.254.169.254", {"host": "a.b", "address": METADATA, "port": 80}),
    ("connect unix:/run/x", {"proto": "unix", "path": "/run/x", "port": None}),
    ("connect unix:@x", {"proto": "unix", "path": "@x"}),
    ("listen 0.0.0.0:80", {"kind": "listen", "address": (4, 0), "port": 80}),
    ("listen unix:/run/x", {"kind": "listen", "proto": "unix", "path": "/run/x"}),
    ("http POST https://h.example/p?q", {"kind": "http", "host": "h.example", "port": 443, "proto": "tcp"}),
    ("http http://user:pw@h.example", {"host": "h.example", "port": 80}),
    ("http GET https://[::1]:8443/", {"address": (6, 1), "port": 8443}),
    ("http GET http://a.example?x@b.example/", {"host": "a.example"}),
    ("http GET http://a.example#@b.example/", {"host": "a.example"}),
    ("http GET http://a.example/ at 127.0.0.1", {"host": "a.example", "address": LOCAL}),
    ("exec curl -s x", {"kind": "exec", "program": "curl", "resolved": "", "argv": ("curl", "-s", "x")}),
    ("exec python3 -I x.py", {"program": "python3", "python": True, "uncovered": "-I"}),
    ("exec python3 x.py -I", {"program": "python3", "python": True, "uncovered": ""}),
    ("exec LD_PRELOAD=x python3 -S", {"argv": ("python3", "-S"), "uncovered": "-S, LD_PRELOAD"}),
    ("exec PYTHONWARNINGS=error true", {"program": "true", "python": False, "uncovered": ""}),
    ("exec PYTHONWARNINGS=error::a.B true", {"uncovered": "PYTHONWARNINGS"}),
    ("exec /bin/sh -c 'a b'", {"program": "/bin/sh", "resolved": "/bin/sh", "argv": ("/bin/sh", "-c", "a b")}),
    ("native /lib/x.so", {"kind": "native", "path": "/lib/x.so"}),
    ("file ~/.aws/credentials", {"kind": "file", "path": os.path.expanduser("~/.aws/credentials")}),
    ("file '/a b'", {"path": "/a b"}),
    ("audit:sqlite3.connect", {"kind": "audit", "event": "sqlite3.connect"}),
    ("[user=ci process=/bin/p tags.job=7 tags.x= own] dns a.b",
     {"user": "ci", "process": "/bin/p", "tags": {"job": "7", "x": ""}, "own": True, "host": "a.b"}),
    ("[native] connect 192.0.2.7:1", {"native": True, "own": False}),
    ("[own native] listen unix:@x", {"native": True, "own": True}),
    ("[library=/lib/libcurl.so.4] connect 192.0.2.7:1", {"native": True, "library": "/lib/libcurl.so.4"}),
    ("connect 192.0.2.7:1", {"native": False}),
    ("native /x", {"native": False}),
    ("[]audit:x", {"kind": "audit", "event": "x"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fields"), GOOD, ids=[row[0] for row in GOOD])
def test_request_means_this(text: str, fields: dict[str, object]) -> None:
    request = parse_request(text)
    assert {name: getattr(request, name) for name in fields} == fields


def test_context_says_where_the_code_is() -> None:
    code = parse_request("[from.package=p from.module=m from.file=f from.function=g] dns a.b").code
    assert (code.package, code.module, code.file, code.func) == ("p", "m", "f", "g")


BAD = [
    ("", "begins with its kind, not ''"),
    ("conect a:1", "did you mean 'connect'?"),
    ("audit:", "begins with its kind"),
    ("audit:x y", "begins with its kind"),
    ("dns", "a name is missing"),
    ("dns a..b", "neither a host name nor an address"),
    ("dns a.b to 1.2.3.4", "behind a name may stand: at ADDRESS"),
    ("dns a.b at nowhere", "behind a name may stand: at ADDRESS"),
    ("dns 127.0.0.1 at 127.0.0.1", "behind a name may stand: at ADDRESS"),
    ("connect", "a destination is missing"),
    ("connect udp", "a destination is missing"),
    ("connect a.example", "needs one port"),
    ("connect ::1", "needs one port"),
    ("connect a.example:1-2", "needs one port"),
    ("connect a.example:70000", "needs one port"),
    ("connect a.example:", "a port is missing"),
    ("connect [::1:80", "bracket is not closed"),
    ("http", "a URL is missing"),
    ("http GET", "a URL is missing"),
    ("http GET ftp://a.example/", "a URL is missing"),
    ("http GET http://a.example:x/", "'x' is no port"),
    ("http GET http:///x", "neither a host name"),
    ("exec", "a program is missing"),
    ("exec LD_PRELOAD=x", "a program is missing"),
    ("exec LD_PRELOD=x true", "'LD_PRELOD' brings no code along; did you mean 'LD_PRELOAD'?"),
    ("exec 'sh", "no closing quotation"),
    ("native", "one path is wanted"),
    ("file a b", "one path is wanted"),
    ("[user=x dns a.b", "the bracket is not closed"),
    ("[usr=x] dns a.b", "'usr=x' is not understood; did you mean 'user=…'?"),
    ("[native] dns a.b", "'native' is about connect and listen, not about dns"),
    ("[native=true] connect a.b:1", "not understood"),
    ("[library=] connect a.b:1", "not understood"),
    ("[library=/x] dns a.b", "'native' is about connect and listen, not about dns"),
    ("[from.line=x] dns a.b", "not understood"),
    ("[user] dns a.b", "not understood"),
    ("[tags.=x] dns a.b", "not understood"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[row[0] or "empty" for row in BAD])
def test_what_is_no_request_is_refused(text: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_request(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("request")


@pytest.mark.property
@given(some.sampled_from([*KINDS, "audit:x", "[own]"]), some.text(max_size=30))
def test_any_text_is_a_request_or_refused(kind: str, rest: str) -> None:
    try:
        assert isinstance(read_request(f"{kind} {rest}"), Request)
    except BadTarget:
        pass
