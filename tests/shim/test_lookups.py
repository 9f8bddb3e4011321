"""The wrapped look-ups: the results and the errors of a plain run, for everything that a program may pass them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shim.guests import ALLOW, DENY, acts, guarded, plain, said, write
from tests.support.interpreters import Interpreter
from tests.support.isolation import Namespace, Remote

#: What the name server inside the namespace knows.
NAMES = {
    "api.example.test": ["192.0.2.10"],
    "many.example.test": ["192.0.2.11", "192.0.2.12", "2001:db8::11"],
    "six.example.test": ["2001:db8::6"],
    "xn--bcher-kva.example.test": ["192.0.2.13"],
    "10.2.0.192.in-addr.arpa": ["api.example.test"],
    "1.0.0.127.in-addr.arpa": ["localhost"],
}

#: Every call is an expression; what it gives, or the type and text of what it raises, is compared.
CALLS = """
getaddrinfo('127.0.0.1', 80)
getaddrinfo('127.0.0.1', 80, 0, SOCK_STREAM)
getaddrinfo('::1', 80, type=SOCK_STREAM)
getaddrinfo('::1%lo', 80, type=SOCK_STREAM)
getaddrinfo('fe80::1%lo', 80, type=SOCK_STREAM)
getaddrinfo('fe80::1%nosuch', 80)
getaddrinfo('127.1', 80, type=SOCK_STREAM)
getaddrinfo('0x7f000001', 80, type=SOCK_STREAM)
getaddrinfo('2130706433', '80', type=SOCK_STREAM)
getaddrinfo('[::1]', 80)
getaddrinfo('127.0.0.1', 80, AF_INET6)
getaddrinfo('127.0.0.1', 80, AF_INET6, SOCK_STREAM, 0, AI_V4MAPPED)
getaddrinfo('127.0.0.1', None)
getaddrinfo(None, 80, type=SOCK_STREAM)
getaddrinfo(None, 80, AF_INET, SOCK_STREAM, 0, AI_PASSIVE)
getaddrinfo('', 80, AF_INET, SOCK_STREAM)
getaddrinfo(None, None)
getaddrinfo('localhost', 80, AF_INET, SOCK_STREAM)
getaddrinfo('localhost', 'http', AF_INET, SOCK_STREAM)
getaddrinfo('localhost', b'http', AF_INET, SOCK_STREAM)
getaddrinfo('localhost', '\\ud800')
getaddrinfo('no-such.example.test', Text('h\\ud800'))
getaddrinfo('localhost', 'caf\\xe9')
getaddrinfo(b'localhost', 80, AF_INET, SOCK_STREAM)
getaddrinfo(bytearray(b'localhost'), 80, AF_INET, SOCK_STREAM)
getaddrinfo('LocalHost', 80, AF_INET, SOCK_STREAM)
getaddrinfo(Text('localhost'), Number(80), Number(AF_INET), SOCK_STREAM)
getaddrinfo('api.example.test', 443, type=SOCK_STREAM)
getaddrinfo('api.example.test.', 443, type=SOCK_STREAM)
getaddrinfo('API.Example.Test', 443, type=SOCK_STREAM)
getaddrinfo('api.example.test', 'https', type=SOCK_STREAM)
getaddrinfo('api.example.test', 'no-such-service')
getaddrinfo('api.example.test', '443', type=SOCK_DGRAM)
getaddrinfo('api.example.test', None, flags=AI_CANONNAME)
getaddrinfo(host='api.example.test', port=443, family=AF_INET, type=SOCK_STREAM, proto=IPPROTO_TCP, flags=0)
getaddrinfo('many.example.test', 443, type=SOCK_STREAM)
getaddrinfo('many.example.test', 443, AF_INET6, SOCK_STREAM)
getaddrinfo('six.example.test', 443, type=SOCK_STREAM)
getaddrinfo('six.example.test', 443, AF_INET)
getaddrinfo('api.example.test', 443, flags=AI_NUMERICHOST)
getaddrinfo('api.example.test', 'https', flags=AI_NUMERICSERV)
getaddrinfo('bücher.example.test', 443, type=SOCK_STREAM)
getaddrinfo('xn--bcher-kva.example.test', 443, type=SOCK_STREAM)
getaddrinfo('no-such.example.test', 443)
getaddrinfo('a..b', 443)
getaddrinfo('.example.test', 443)
getaddrinfo('a' * 64 + '.example.test', 443)
getaddrinfo('ü' * 64, 443)
getaddrinfo(b'a..b', 443)
getaddrinfo('under_score.example.test', 443)
getaddrinfo('two words', 443)
getaddrinfo('api.example.test', 99999, type=SOCK_STREAM)
getaddrinfo('api.example.test', 443, 999)
getaddrinfo('api.example.test', 443, AF_INET, 999)
getaddrinfo('api.example.test', 443, 'x')
getaddrinfo('api.example.test', 443, None)
getaddrinfo('api.example.test', 4.5)
getaddrinfo('api.example.test', object)
getaddrinfo(5, 443)
getaddrinfo(4.5, 443)
getaddrinfo(object, 443)
_socket.getaddrinfo('api.example.test', 443, AF_INET, SOCK_STREAM)
_socket.getaddrinfo('api.example.test', 443, 'x')
_socket.getaddrinfo('127.0.0.1', 80, Number(AF_INET), SOCK_STREAM)
gethostbyname('127.0.0.1')
gethostbyname('127.1')
gethostbyname('')
gethostbyname('<broadcast>')
gethostbyname('localhost')
gethostbyname('api.example.test')
gethostbyname(b'api.example.test')
gethostbyname(bytearray(b'api.example.test'))
gethostbyname(Text('api.example.test'))
gethostbyname('bücher.example.test')
gethostbyname('no-such.example.test')
gethostbyname('six.example.test')
gethostbyname('a..b')
gethostbyname('::1')
gethostbyname(5)
gethostbyname(None)
gethostbyname_ex('127.0.0.1')
gethostbyname_ex('localhost')
gethostbyname_ex('many.example.test')
gethostbyname_ex('no-such.example.test')
gethostbyname_ex(b'api.example.test')
gethostbyname_ex(5)
gethostbyaddr('127.0.0.1')
gethostbyaddr('127.1')
gethostbyaddr(b'127.0.0.1')
gethostbyaddr('192.0.2.10')
gethostbyaddr('192.0.2.99')
gethostbyaddr('api.example.test')
gethostbyaddr('no-such.example.test')
gethostbyaddr('a..b')
gethostbyaddr('::1')
gethostbyaddr(5)
getfqdn('192.0.2.10')
getfqdn('no-such.example.test')
getnameinfo(('127.0.0.1', 80), 0)
getnameinfo(('127.0.0.1', 80), NI_NUMERICHOST | NI_NUMERICSERV)
getnameinfo(('192.0.2.10', 443), 0)
getnameinfo(('192.0.2.10', 443), NI_NUMERICSERV)
getnameinfo(('192.0.2.99', 443), NI_NAMEREQD)
getnameinfo(('192.0.2.99', 443), 0)
getnameinfo(('192.0.2.10', 53), NI_DGRAM)
getnameinfo(('::1', 80, 0, 0), NI_NUMERICHOST)
getnameinfo(('fe80::1', 80, 0, if_nametoindex('lo')), NI_NUMERICHOST | NI_NUMERICSERV)
getnameinfo(('::1', 80, 0, 0, 0), 0)
getnameinfo(('::1', 80, 1 << 20, 0), 0)
getnameinfo(('api.example.test', 80), 0)
getnameinfo(('bücher.example.test', 80), 0)
getnameinfo((b'127.0.0.1', 80), 0)
getnameinfo(('127.0.0.1', '80'), 0)
getnameinfo(('127.0.0.1',), 0)
getnameinfo(['127.0.0.1', 80], 0)
getnameinfo(('127.0.0.1', 80), None)
getnameinfo(('127.0.0.1', 99999), NI_NUMERICHOST | NI_NUMERICSERV)
getnameinfo(Pair(('127.0.0.1', 80)), NI_NUMERICHOST | NI_NUMERICSERV)
create_connection(('no-such.example.test', 80))
create_connection(('a..b', 80))
""".strip().splitlines()

PRELUDE = """\
import _socket, json, sys
from socket import *
class Text(str): pass
class Number(int): pass
class Pair(tuple): pass
def told(call):
    try:
        return repr(eval(call))
    except Exception as error:
        return f"{type(error).__module__}.{type(error).__qualname__}{error.args}"
"""


@pytest.fixture
def names(netns: Namespace) -> Remote:
    """The name server of the namespace."""
    return netns.open("dns", names=NAMES, port=53)


def test_look_ups_answer_as_without_a_guard(
    interpreter: Interpreter, netns: Namespace, names: Remote, tmp_path: Path
) -> None:
    """Addresses in any spelling, names, services, flags, scopes, subclasses, and everything that is wrong."""
    code = f"{PRELUDE}\nprint(json.dumps([told(call) for call in {CALLS!r}]))"
    bare = said(plain(tmp_path, [interpreter.path, write(tmp_path, code)], within=netns))
    asked = names.seen()["questions"]
    run = guarded(tmp_path, code, interpreter, rules=ALLOW, within=netns)
    differing = [
        (call, plain_result, guarded_result)
        for call, plain_result, guarded_result in zip(CALLS, bare, said(run), strict=True)
        if plain_result != guarded_result
    ]
    assert not differing, "\n".join(map(str, differing))
    assert run.lines("dns") == []
    # The name server hears of no name that it would not hear of without us.
    assert {tuple(question) for question in names.seen()["questions"][len(asked) :]} <= {tuple(q) for q in asked}


DENIED = [
    "getaddrinfo('api.example.test', 443)",
    "getaddrinfo(b'api.example.test', 443)",
    "getaddrinfo('bücher.example.test', 443)",
    "gethostbyname('api.example.test')",
    "gethostbyname_ex('api.example.test')",
    "gethostbyaddr('api.example.test')",
    "gethostbyaddr('192.0.2.10')",
    "getnameinfo(('192.0.2.10', 443), 0)",
    "create_connection(('api.example.test', 443))",
    "socket().connect(('api.example.test', 443))",
    "socket().connect_ex(('api.example.test', 443))",
    "socket().bind(('api.example.test', 0))",
    "socket(AF_INET, SOCK_DGRAM).sendto(b'x', ('api.example.test', 53))",
    "socket(AF_INET, SOCK_DGRAM).sendmsg([b'x'], [], 0, ('api.example.test', 53))",
]


def test_no_packet_leaves_for_a_denied_name(
    interpreter: Interpreter, netns: Namespace, names: Remote, tmp_path: Path
) -> None:
    """Each way to a name is refused, is on record, and the name server hears nothing."""
    code = f"{PRELUDE}\nprint(json.dumps([told(call) for call in {DENIED!r}]))"
    plain(tmp_path, [interpreter.path, write(tmp_path, code)], within=netns)
    control = names.seen()["questions"]
    assert {"api.example.test", "xn--bcher-kva.example.test", "10.2.0.192.in-addr.arpa"} <= {q[0] for q in control}
    run = guarded(tmp_path, code, interpreter, rules=DENY, within=netns)
    answers = said(run)
    assert all(answer.startswith("netguard.Denied(13, ") for answer in answers), answers
    assert names.seen()["questions"] == control
    assert len(acts(run)) == len(DENIED)
    assert {(kind, verdict) for kind, _, verdict in acts(run)} == {("dns", "deny")}


def test_denied_answers_are_taken_out(
    interpreter: Interpreter, netns: Namespace, names: Remote, tmp_path: Path
) -> None:
    """A rule about addresses holds for what a name leads to; the other answers remain."""
    rules = 'version: 1\ndefault: allow\nrules:\n  - {deny: [dns, connect], to: ["192.0.2.11", "2001:db8::/32"]}\n'
    calls = [
        "[row[4][0] for row in getaddrinfo('many.example.test', 443, type=SOCK_STREAM)]",
        "gethostbyname_ex('many.example.test')[2]",
        "getaddrinfo('six.example.test', 443)",
    ]
    code = f"{PRELUDE}\nprint(json.dumps([told(call) for call in {calls!r}]))"
    first, second, third = said(guarded(tmp_path, code, interpreter, rules=rules, within=netns))
    assert (first, second) == ("['192.0.2.12']", "['192.0.2.12']")
    assert third.startswith("netguard.Denied(13,")
