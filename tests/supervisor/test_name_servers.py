"""What programs ask name servers is decided before a packet leaves, and answered so that they accept it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.guard import Result, run_guarded
from tests.support.isolation import Namespace, missing

pytestmark = [pytest.mark.kernel, pytest.mark.skipif(bool(missing()), reason=missing())]

#: Programs may start and know names below good.test, wherever those lead.
RULES = """\
version: 1
default: deny
rules:
  - {allow: exec}
  - {allow: native}
  - {log: dns, to: "*.good.test", private: true}
"""

#: The same, and whoever is asked may be one of these.
SERVERS = RULES + "  - {log: connect, to: ['192.0.2.99:53']}\n"

NAMES = {
    "a.good.test": ["192.0.2.7", "192.0.2.8", "2001:db8::7"],
    "one.good.test": ["192.0.2.7"],
    "text.good.test": ["some words"],
    "7.2.0.192.in-addr.arpa": ["a.good.test"],
    "a.bad.test": ["192.0.2.66"],
}

#: A program that is not Python's, as far as the guard knows: no hook, raw sockets of its own.
PLAIN = ("sh", "-c", 'exec "$@"', "sh", sys.executable, "-I", "-S", "-c")

#: What it starts with: a query by hand.
BY_HAND = """
import socket, struct, sys, errno
def query(name, kind=1, number=0x1234):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">6H", number, 0x100, 1, 0, 0, 0) + labels + b"\\0" + struct.pack(">HH", kind, 1)
def show(data):
    print("id", hex(data[0] << 8 | data[1]), "rcode", data[3] & 15, "answers", data[7], flush=True)
"""


@pytest.fixture
def here() -> Iterator[tuple[Namespace, Any]]:
    """A namespace whose name server is on loopback, and that server."""
    with Namespace() as space:
        yield space, space.open("dns", names=NAMES, port=53)


@pytest.fixture
def there() -> Iterator[tuple[Namespace, Any]]:
    """A namespace whose name server is another machine's, and that server."""
    with Namespace(anywhere=True, server="192.0.2.53") as space:
        yield space, space.open("dns", names=NAMES, host="192.0.2.53", port=53)


def asked(server: Any) -> set[str]:
    """The names that have reached a server."""
    return {name for name, _ in server.seen()["questions"]}


def lookups(result: Result) -> list[tuple[str, str, str]]:
    """The name, the type and the verdict of each look-up on record."""
    return [(line["dns"]["name"], line["dns"]["type"], line["verdict"]) for line in result.lines("dns")]


def run(space: Namespace, command: list[str], rules: str = RULES, **changes: str) -> Result:
    return run_guarded(["--", *command], rules=rules, within=space, env=changes)


#: Program -> its command for a name, and the type on record.
PROGRAMS = {
    "getent hosts": (["getent", "hosts", "NAME"], "A/AAAA"),
    "getent ahosts": (["getent", "ahosts", "NAME"], "A/AAAA"),
    "perl": (["perl", "-e", 'gethostbyname("NAME") or exit 2; print "192.0.2.7"'], "A/AAAA"),
    "node lookup": (["node", "-e", 'dns.lookup("NAME", (e, a) => { console.log(e ? e.code : a) })'], "A/AAAA"),
    "node resolve4": (["node", "-e", 'dns.resolve4("NAME", (e, a) => { console.log(e ? e.code : a) })'], "A/AAAA"),
    "node resolveMx": (
        ["node", "-e", 'dns.resolveMx("NAME", (e, a) => { console.log(e ? e.code : "192.0.2.7") })'],
        "MX",
    ),
}


@pytest.mark.parametrize("where", ["here", "there"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_program_finds_what_is_granted_and_nothing_else(
    program: str, where: str, request: pytest.FixtureRequest
) -> None:
    """It gives up at once on what is denied, and the server never hears of that."""
    command, kind = PROGRAMS[program]
    if not shutil.which(command[0]):
        pytest.skip(f"the program {command[0]}")
    space, server = request.getfixturevalue(where)
    subprocess.run(space.command([word.replace("NAME", "a.bad.test") for word in command]), capture_output=True)
    before = len(server.seen()["questions"])
    assert before
    result = run(space, [word.replace("NAME", "a.good.test") for word in command])
    assert kind == "MX" or "192.0.2.7" in result.stdout or "2001:db8::7" in result.stdout, result.stderr
    assert lookups(result) == [("a.good.test", kind, "log")]
    assert result.lines("connect") == []
    denied = run(space, [word.replace("NAME", "a.bad.test") for word in command])
    assert "192.0.2.66" not in denied.stdout
    assert lookups(denied) == [("a.bad.test", kind, "deny")]
    assert {name for name, _ in server.seen()["questions"][before:]} == {"a.good.test"}


@pytest.mark.parametrize("tool", [["curl", "-sS", "-m", "9"], ["wget", "-qO-", "-T9", "-t1"]], ids=["curl", "wget"])
def test_tool_reaches_a_host_by_name(tool: list[str]) -> None:
    if not shutil.which(tool[0]):
        pytest.skip(f"the program {tool[0]}")
    server_names = RULES + "  - {log: connect, to: web.good.test:80, private: true}\n"
    with Namespace() as space:
        server = space.open("dns", names={"web.good.test": ["127.0.0.1"], "a.bad.test": ["127.0.0.1"]}, port=53)
        web = space.open("http", port=80)
        result = run(space, [*tool, "http://web.good.test/"], rules=server_names)
        assert result.status == 0, result.stderr
        (line,) = result.lines("connect")
        assert line["dst"]["host"] == "web.good.test"
        denied = run(space, [*tool, "http://a.bad.test/"], rules=server_names)
        assert denied.status not in (0, 28)
        assert asked(server) == {"web.good.test"}
        assert len(web.seen()["hits"]) == 1


def test_name_over_tcp(there: tuple[Namespace, Any]) -> None:
    space, server = there
    result = run(space, ["getent", "ahosts", "a.good.test"], RES_OPTIONS="use-vc")
    assert "192.0.2.7" in result.stdout, result.stderr
    denied = run(space, ["getent", "ahosts", "a.bad.test"], RES_OPTIONS="use-vc")
    assert denied.status == 2
    assert asked(server) == {"a.good.test"}
    assert result.lines("connect") == denied.lines("connect") == []


def test_sender_of_a_datagram_is_the_server_that_was_asked(there: tuple[Namespace, Any]) -> None:
    """A connected socket's answer, blocking and not, and one whose sender nobody asks for."""
    space, server = there
    code = (
        BY_HAND
        + """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("192.0.2.53", 53))
s.send(query("a.good.test")); data, sender = s.recvfrom(4096); show(data); print(sender)
s.settimeout(9)
s.send(query("a.good.test", 28, 7)); data, sender = s.recvfrom(4096); show(data); print(sender)
s.send(query("a.bad.test", 1, 8)); show(s.recv(4096))
s.settimeout(0.2)
try: s.recvfrom(10)
except TimeoutError: print("time is up")
"""
    )
    result = run(space, [*PLAIN, code])
    assert result.stdout.splitlines() == [
        "id 0x1234 rcode 0 answers 2", "('192.0.2.53', 53)", "id 0x7 rcode 0 answers 1", "('192.0.2.53', 53)",
        "id 0x8 rcode 3 answers 0", "time is up",
    ], result.stderr  # fmt: skip
    assert asked(server) == {"a.good.test"}


def test_socket_that_is_not_connected_gets_the_servers_own_answer(there: tuple[Namespace, Any]) -> None:
    space, server = there
    code = (
        BY_HAND
        + """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(9)
print(s.sendto(query("a.good.test") , ("192.0.2.53", 53)) == len(query("a.good.test")))
data, sender = s.recvfrom(4096); show(data); print(sender)
s.sendmsg([query("text.good.test", 16, 9)], [], 0, ("192.0.2.53", 53)); data, _, _, sender = s.recvmsg(4096)
show(data); print(sender)
try: s.sendto(query("a.bad.test"), ("192.0.2.53", 53))
except OSError as error: print(errno.errorcode[error.errno])
"""
    )
    result = run(space, [*PLAIN, code])
    assert result.stdout.splitlines() == [
        "True", "id 0x1234 rcode 0 answers 2", "('192.0.2.53', 53)", "id 0x9 rcode 0 answers 1", "('192.0.2.53', 53)",
        "EACCES",
    ], result.stderr  # fmt: skip
    assert asked(server) == {"a.good.test", "text.good.test"}
    assert lookups(result) == [
        ("a.good.test", "A/AAAA", "log"), ("text.good.test", "TXT", "log"), ("a.bad.test", "A/AAAA", "deny"),
    ]  # fmt: skip


ANOTHER = {
    "connected": 's.connect(X); s.send(query("a.good.test")); data, sender = s.recvfrom(4096)',
    "not connected": 's.sendto(query("a.good.test"), X); data, sender = s.recvfrom(4096)',
    "TCP": """
s = socket.socket(); s.settimeout(9); s.connect(X); q = query("a.good.test")
s.sendall(len(q).to_bytes(2, "big") + q); data = s.recv(4096)[2:]; sender = X""",
}


@pytest.mark.parametrize("way", ANOTHER)
def test_another_server_is_asked_only_if_the_rules_grant_it(way: str, there: tuple[Namespace, Any]) -> None:
    """Else the system's answers, under the other's address, and there is no line of it."""
    space, server = there
    other = space.open("dns", names={"a.good.test": ["192.0.2.9"]}, host="192.0.2.99", port=53)
    code = BY_HAND + 's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(9); X = ("192.0.2.99", 53)\n'
    code += ANOTHER[way] + "\nshow(data); print(sender)"
    result = run(space, [*PLAIN, code])
    assert result.stdout.splitlines() == ["id 0x1234 rcode 0 answers 2", "('192.0.2.99', 53)"], result.stderr
    assert (asked(server), asked(other)) == ({"a.good.test"}, set())
    assert result.lines("connect") == []
    if way == "TCP":
        return  # this test's servers speak UDP
    granted = run(space, [*PLAIN, code], rules=SERVERS)
    assert granted.stdout.splitlines() == ["id 0x1234 rcode 0 answers 1", "('192.0.2.99', 53)"], granted.stderr
    assert asked(other) == {"a.good.test"}
    (line,) = granted.lines("connect")
    assert (line["verdict"], line["dst"]["ip"], line["dst"]["port"]) == ("log", "192.0.2.99", 53)


def test_another_servers_answers_make_no_address_known(there: tuple[Namespace, Any]) -> None:
    space, _ = there
    space.open("dns", names={"a.good.test": ["192.0.2.9"]}, host="192.0.2.99", port=53)
    space.open("tcp", host="192.0.2.9", port=80)
    rules = SERVERS + "  - {log: connect, to: '*.good.test:80', private: true}\n"
    code = (
        BY_HAND
        + """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(9); s.connect(("192.0.2.99", 53))
s.send(query("a.good.test")); show(s.recv(4096))
try: socket.create_connection(("192.0.2.9", 80), timeout=9)
except OSError as error: print(errno.errorcode[error.errno])
"""
    )
    result = run(space, [*PLAIN, code], rules=rules)
    assert result.stdout.splitlines()[-1] == "EACCES", result.stderr


def test_ipv6_server() -> None:
    with Namespace(anywhere=True, server="2001:db8::53") as space:
        server = space.open("dns", names=NAMES, host="2001:db8::53", port=53)
        result = run(space, ["getent", "ahosts", "a.good.test"])
        assert "2001:db8::7" in result.stdout, result.stderr
        code = (
            BY_HAND
            + """
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.settimeout(9); s.connect(("2001:db8::53", 53))
s.send(query("a.good.test")); data, sender = s.recvfrom(4096); show(data); print(sender[:2])"""
        )
        result = run(space, [*PLAIN, code])
        assert result.stdout.splitlines() == ["id 0x1234 rcode 0 answers 2", "('2001:db8::53', 53)"], result.stderr
        assert asked(server) == {"a.good.test"}


DNSPYTHON = """
import dns.resolver
for tcp in (False, True):
    print(sorted(str(answer) for answer in dns.resolver.resolve("a.good.test", "A", tcp=tcp, lifetime=9)))
for tcp in (False, True):
    try: print(list(dns.resolver.resolve("a.bad.test", "A", tcp=tcp, lifetime=3)))
    except Exception as error: print(type(error).__name__)
"""

PYCARES = """
import pycares, threading
def ask(name):
    done, found = threading.Event(), []
    channel = pycares.Channel(timeout=9, tries=1)
    channel.query(name, pycares.QUERY_TYPE_A,
                  callback=lambda result, error: (found.append((result, error)), done.set()))
    done.wait(20)
    channel.close()
    result, error = found[0]
    return pycares.errno.errorcode[error] if error else sorted(record.data.addr for record in result.answer)
print(ask("a.good.test")); print(ask("a.bad.test"))
"""


@pytest.mark.parametrize("where", ["here", "there"])
def test_pycares(where: str, request: pytest.FixtureRequest) -> None:
    """c-ares, which compares the sender of an answer with the server that it has asked."""
    pytest.importorskip("pycares")
    space, server = request.getfixturevalue(where)
    result = run_guarded(["-c", PYCARES], rules=RULES, within=space)
    assert result.stdout.splitlines() == ["['192.0.2.7', '192.0.2.8']", "ARES_ENOTFOUND"], result.stderr
    assert asked(server) == {"a.good.test"}


@pytest.mark.parametrize("where", ["here", "there"])
def test_dnspython(where: str, request: pytest.FixtureRequest) -> None:
    """Its sockets are not connected, and it looks at the sender."""
    space, server = request.getfixturevalue(where)
    result = run_guarded(["-c", DNSPYTHON], rules=RULES, within=space)
    lines = result.stdout.splitlines()
    assert lines[:2] == ["['192.0.2.7', '192.0.2.8']"] * 2, result.stderr
    assert not [line for line in lines[2:] if "192" in line]
    assert asked(server) == {"a.good.test"}


@pytest.mark.parametrize(
    ("granted", "after"),
    [("@self", "id 0x1234 rcode 0 answers 2"), ("127.0.0.2:53", "id 0x1234 rcode 2 answers 0")],
)
def test_own_server_is_one_like_any_other(granted: str, after: str, here: tuple[Namespace, Any]) -> None:
    """A script's own test server is decided on as a connection; once it is closed, it is whoever the rules grant."""
    space, _ = here
    code = (
        BY_HAND
        + """
mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); mine.bind(("127.0.0.2", 53))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("127.0.0.2", 53)); s.send(b"no query")
print(mine.recv(100)); mine.close()
s.connect(("127.0.0.2", 53)); s.settimeout(9); s.send(query("a.good.test")); show(s.recv(4096))
"""
    )
    rules = RULES + "  - {log: listen, to: '127.0.0.2:53'}\n  - {log: connect, to: 'GRANTED'}\n".replace(
        "GRANTED", granted
    )
    result = run(space, [*PLAIN, code], rules=rules)
    assert result.stdout.splitlines() == ["b'no query'", after], result.stderr
    assert [line["dst"]["ip"] for line in result.lines("connect")] == ["127.0.0.2"]


SERVICES = """
import errno, os, socket
for path in ("/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve", "/run/avahi-daemon/socket", "/run/other"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    server = socket.socket(socket.AF_UNIX); server.bind(path); server.listen()
    try: socket.socket(socket.AF_UNIX).connect(path); print("there")
    except OSError as error: print(errno.errorcode[error.errno])
"""


def test_service_that_hands_names_on_is_not_there() -> None:
    """So that libc asks a name server; and there is no line of it."""
    covered = ["sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]
    with Namespace() as space:
        bare = [*covered, sys.executable, "-I", "-S", "-c", SERVICES]
        control = subprocess.run(space.command(bare), capture_output=True, text=True)
        assert control.stdout.split() == ["there"] * 4, control.stderr
        rules = "version: 1\ndefault: log\n"
        result = run_guarded(["--", *PLAIN, SERVICES], rules=rules, within=space, before=covered)
    assert result.stdout.split() == ["ENOENT"] * 3 + ["there"], result.stderr
    assert [line["dst"]["path"] for line in result.lines("connect")] == ["/run/other"]


def test_sorting_of_addresses_is_no_act_and_can_send_nothing(there: tuple[Namespace, Any]) -> None:
    space, _ = there
    code = (
        BY_HAND
        + """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(9); s.connect(("192.0.2.53", 53))
s.send(query("a.good.test")); show(s.recv(4096))
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); probe.connect(("192.0.2.7", 9)); print(probe.getpeername())
for act in (lambda: probe.send(b"x"), lambda: probe.sendmsg([b"x"])):
    try: print(act())
    except OSError as error: print(errno.errorcode[error.errno])
try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.7", 9))
except OSError as error: print(errno.errorcode[error.errno])
try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.70", 9))
except OSError as error: print(errno.errorcode[error.errno])
"""
    )
    echo = space.open("udp", host="192.0.2.7", port=9)
    result = run(space, [*PLAIN, code])
    assert result.stdout.splitlines()[1:] == ["('192.0.2.7', 9)", "EPIPE", "EPIPE", "EACCES", "EACCES"], result.stderr
    assert [line["dst"]["ip"] for line in result.lines("connect")] == ["192.0.2.7", "192.0.2.70"]
    assert echo.seen()["received"] == []


#: Takes the place of this machine's name server, and has us ask it.
OWN_ANSWER = (
    BY_HAND
    + """
import os
wanted = sys.argv[1]
mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); mine.bind((wanted, 53))
served = os.fork()
if not served:
    while True:
        data, sender = mine.recvfrom(4096)
        end = 12 + data[12:].index(b"\\0") + 5
        mine.sendto(data[:2] + b"\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0" + data[12:end]
                    + b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4" + bytes([192, 0, 2, 66]), sender)
mine.close()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(9); s.connect(("192.0.2.98", 53))
s.send(query("a.good.test")); show(s.recv(4096))
try: socket.create_connection(("192.0.2.66", 80), timeout=9); print("reached")
except OSError as error: print(errno.errorcode[error.errno])
os.kill(served, 9)
"""
)


#: The same, asked by a Python for which the supervisor asks libc.
OWN_FACE = OWN_ANSWER.replace('s.send(query("a.good.test"))', 'print(socket.gethostbyname("a.good.test"))').replace(
    "show(s.recv(4096))", ""
)


OWN_RULES = """\
  - {log: connect, to: '*.good.test:80', private: true}
  - {log: connect, to: '@loopback'}
  - {log: listen, to: ['127.0.0.1:53', '0.0.0.0:53']}
"""


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0"])
def test_run_that_is_this_machines_name_server_makes_no_address_known(bound: str) -> None:
    """Else it would put a granted name before any address, and reach that."""
    with Namespace(anywhere=True, server="127.0.0.1") as space:
        web = space.open("tcp", host="192.0.2.66", port=80)
        result = run(space, [*PLAIN, OWN_ANSWER, bound], rules=RULES + OWN_RULES)
        assert result.stdout.splitlines() == ["id 0x1234 rcode 0 answers 1", "EACCES"], result.stderr
        assert not web.seen()["connections"]


def test_nor_does_it_where_the_supervisor_asks() -> None:
    with Namespace(anywhere=True, server="127.0.0.1") as space:
        web = space.open("tcp", host="192.0.2.66", port=80)
        result = run_guarded(["-c", OWN_FACE, "127.0.0.1"], rules=RULES + OWN_RULES, within=space)
        assert result.stdout.splitlines() == ["192.0.2.66", "EACCES"], result.stderr
        assert not web.seen()["connections"]


def arrived(server: Any) -> None:
    """Waits until something has come to a server."""
    late = time.monotonic() + 20
    while not server.seen()["received"]:
        assert time.monotonic() < late, "nothing comes"


#: Begins a datagram to where it may, and connects to an address that it was told, as sorting does.
BEGUN = (
    BY_HAND
    + """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(9); s.connect(("192.0.2.53", 53))
s.send(query("a.good.test")); show(s.recv(4096))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"some", socket.MSG_MORE, ("127.0.0.1", 7777))
try: s.connect(("192.0.2.7", 5000))
except OSError as error: print(errno.errorcode[error.errno])
s.setsockopt(socket.IPPROTO_UDP, 1, 1); s.setsockopt(socket.IPPROTO_UDP, 1, 0)
"""
)


def test_datagram_that_was_begun_goes_nowhere_else(there: tuple[Namespace, Any]) -> None:
    """A connect has the kernel send it there, also on a socket that can send nothing any more."""
    space, _ = there
    meant, other = space.open("udp", port=7777), space.open("udp", host="192.0.2.7", port=5000)
    subprocess.run(space.command([sys.executable, "-c", BEGUN]), check=True)
    arrived(other)
    result = run(space, [*PLAIN, BEGUN], rules=RULES + "  - {log: connect, to: '127.0.0.1:7777'}\n")
    assert result.stdout.splitlines() == ["id 0x1234 rcode 0 answers 2", "EACCES"], result.stderr
    arrived(meant)
    assert other.seen()["received"] == ["some"]


#: Has a query kept back by the kernel, and adds to it.
ADDED = (
    BY_HAND
    + """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.IPPROTO_UDP, 1, 1)
first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); first.connect(("192.0.2.53", 53))
first.send(query("a.good.test")); first.recv(4096)
for _ in range(2):
    s.sendto(query("a.good.test"), ("192.0.2.53", 53))
    try: s.send(b"secret")
    except OSError as error: print(errno.errorcode[error.errno])
s.setsockopt(socket.IPPROTO_UDP, 1, 0)
"""
)


def test_query_that_is_sent_on_has_nothing_added(there: tuple[Namespace, Any]) -> None:
    """So a socket that joins what is sent has its query go nowhere."""
    space, server = there
    plain = subprocess.run(space.command([sys.executable, "-c", ADDED]), capture_output=True, text=True, check=True)
    assert not plain.stdout, "octets are added to it"
    before = len(server.seen()["questions"])
    result = run(space, [*PLAIN, ADDED])
    assert result.stdout.split() == ["EDESTADDRREQ"] * 2, result.stderr
    assert len(server.seen()["questions"]) == before + 1, "netguard's own"


#: As the resolvers of musl and busybox begin.
BOUND = BY_HAND + """
def bound(*where, kind=socket.SOCK_DGRAM):
    sock = socket.socket(type=kind)
    try: sock.bind(where)
    except OSError as error: return errno.errorcode[error.errno]
    return sock
print(bound("", 0, kind=socket.SOCK_STREAM), bound("", 5353), bound("127.0.0.1", 0))
mine = bound("", 0)
print(mine.getsockname())
mine.sendto(query("one.good.test"), (SERVER, 53))
data, sender = mine.recvfrom(4096)
show(data); print(sender == (SERVER, 53))
mine.sendto(query("a.good.test"), (SERVER, 53)); show(mine.recv(4096))
for host in "192.0.2.7", "192.0.2.8":
    sorting = socket.socket(type=socket.SOCK_DGRAM); error = sorting.connect_ex((host, 65535))
    print(error in (0, errno.ENETUNREACH))
"""


@pytest.mark.parametrize(("where", "server"), [("here", "127.0.0.1"), ("there", "192.0.2.53")])
def test_resolver_may_bind_before_it_asks_and_opens_nothing(
    where: str, server: str, request: pytest.FixtureRequest
) -> None:
    space, _ = request.getfixturevalue(where)
    result = run(space, [*PLAIN, f"SERVER = {server!r}\n" + BOUND])
    assert result.stdout.splitlines() == [
        "EACCES EACCES EACCES", "('0.0.0.0', 0)", "id 0x1234 rcode 0 answers 1", "True", "id 0x1234 rcode 0 answers 2",
        "True", "True",
    ]  # fmt: skip
    assert result.lines("connect") == []
    assert [line["dst"]["port"] for line in result.lines("listen")] == [0, 5353, 0]
    assert lookups(result) == [(name, "A/AAAA", "log") for name in ("one.good.test", "a.good.test")]
