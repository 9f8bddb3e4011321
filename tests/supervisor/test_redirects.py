"""A granted connection can be made to end at a proxy, which learns what it was meant for, whatever kind it is of."""

from __future__ import annotations

import shutil
import socket
from typing import Any

import pytest

from tests.support.walled import run

pytestmark = pytest.mark.kernel

#: An address of a test network: nothing is there, and a connection to it would not end before the test.
FAR, FAR6 = "192.0.2.7", "2001:db8::7"

ASK = r"""
import asyncio, select, threading
def told(sock):
    "What the proxy says of a connection."
    sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
    return json.loads(sock.makefile("rb").read().partition(b"\r\n\r\n")[2])
me = os.getpid()
"""


def one(guest: str, **spec: Any) -> dict[str, Any]:
    """What a guest says whose connections to port 80 are redirected."""
    outcome = run(ASK + guest, redirect=[80], **spec)
    assert outcome.status == 0, outcome.text
    return outcome.said


KINDS = {
    "blocking": "s = socket.socket(); s.connect((FAR, 80)); say(got=told(s), me=me)",
    "with_a_time_out": "s = socket.create_connection((FAR, 80), timeout=5); say(got=told(s), me=me)",
    "bound_to_any": 's = socket.socket(); s.bind(("", 0)); s.connect((FAR, 80)); say(got=told(s), me=me)',
    "bound_to_loopback": 's = socket.socket(); s.bind(("127.0.0.1", 0)); s.connect((FAR, 80)); say(got=told(s), me=me)',
    "bound_without_a_port": """
s = socket.socket(); s.setsockopt(0, 24, 1); s.bind(("127.0.0.1", 0))  # IP_BIND_ADDRESS_NO_PORT
s.connect((FAR, 80)); say(got=told(s), me=me)""",
    "non_blocking": """
s = socket.socket(); s.setblocking(False); number = s.connect_ex((FAR, 80)); select.select([], [s], [], 5)
error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR); s.setblocking(True)
say(number=errno.errorcode[number], error=error, got=told(s), me=me)""",
    "asyncio": """
async def ask():
    reader, writer = await asyncio.open_connection(FAR, 80)
    writer.write(b"\\r\\n\\r\\n"); return await reader.read()
say(got=json.loads(asyncio.run(ask()).partition(b"\\r\\n\\r\\n")[2]), me=me)""",
    "fast_open": """
s = socket.socket(); sent = s.sendto(b"GET / HTTP/1.0\\r\\n\\r\\n", 0x20000000, (FAR, 80))
say(got=json.loads(s.makefile("rb").read().partition(b"\\r\\n\\r\\n")[2]), me=me, sent=sent)""",
    "fast_open_message": """
s = socket.socket(); sent = s.sendmsg([b"GET / HTTP", b"/1.0\\r\\n\\r\\n"], [], 0x20000000, (FAR, 80))
say(got=json.loads(s.makefile("rb").read().partition(b"\\r\\n\\r\\n")[2]), me=me, sent=sent)""",
    "fast_open_non_blocking": """
s = socket.socket(); s.setblocking(False)
number = became(lambda: s.sendto(b"\\r\\n\\r\\n", 0x20000000, (FAR, 80))); select.select([], [s], [], 5)
s.setblocking(True); say(got=told(s), me=me, number=number)""",
    "with_an_option_for_it": """
s = socket.socket(); s.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
s.connect((FAR, 80)); say(got=told(s), me=me)""",
    "closed_at_once": """
s = socket.socket(); s.connect((FAR, 80)); s.sendall(b"\\r\\n\\r\\n"); s.close()
s = socket.socket(); s.connect((FAR, 80)); told(s)  # the proxy has come to the other one by then
say(got=["tcp", FAR, 80, me], me=me)""",
    "by_another_thread": """
def work():
    s = socket.socket(); s.connect((FAR, 80)); say(got=told(s), me=me)
t = threading.Thread(target=work); t.start(); t.join()""",
    "in_a_child": """
if not os.fork():
    s = socket.socket(); s.connect((FAR, 80)); say(got=told(s), me=os.getpid()); os._exit(0)
os.wait()""",
}


@pytest.mark.parametrize("kind", KINDS)
def test_connection_ends_at_the_proxy_which_knows_what_was_meant(kind: str) -> None:
    outcome = run(ASK + KINDS[kind], redirect=[80], given={"FAR": FAR})
    said = outcome.said
    assert outcome.status == 0, outcome.text
    assert said["got"] == ["tcp", FAR, 80, said["me"]]
    assert outcome.told[0] == said["got"]


@pytest.mark.parametrize("kind", ["blocking", "non_blocking", "asyncio", "with_a_time_out", "fast_open"])
def test_ipv6_ends_at_its_own(kind: str) -> None:
    guest = KINDS[kind].replace("socket.socket()", "socket.socket(socket.AF_INET6)")
    said = one(guest, given={"FAR": FAR6})
    assert said["got"] == ["tcp", FAR6, 80, said["me"]]


@pytest.mark.parametrize("kind", ["blocking", "non_blocking", "bound_to_any"])
def test_ipv4_behind_an_ipv6_socket_is_ipv4(kind: str) -> None:
    guest = KINDS[kind].replace("socket.socket()", "socket.socket(socket.AF_INET6)")
    said = one(guest, given={"FAR": "::ffff:" + FAR})
    assert said["got"] == ["tcp", FAR, 80, said["me"]]


def test_what_is_not_mapped_goes_where_it_goes() -> None:
    said = one("""
L = server(); s = socket.create_connection(L.getsockname())
say(peer=s.getpeername() == L.getsockname())""")
    assert said["peer"]


def test_guest_may_see_where_it_ended_and_nothing_else() -> None:
    said = one("""
s = socket.socket(); s.connect(("192.0.2.7", 80))
say(again=became(lambda: s.connect(("192.0.2.8", 80))), peer=s.getpeername()[0], blocks=s.getblocking(), got=told(s))
""")
    assert said["again"] == "EISCONN"
    assert said["got"][1] == FAR  # and not what was asked for in vain
    assert (said["peer"], said["blocks"]) == ("127.0.0.1", True)


def test_refusal_is_one_and_the_socket_may_try_again() -> None:
    said = one(
        """
s = socket.socket()
first = became(lambda: s.connect(("192.0.2.7", 80)))
n = socket.socket(); n.setblocking(False); n.connect_ex(("192.0.2.7", 80)); select.select([], [n], [], 5)
error = n.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
s.connect(("192.0.2.9", 80)); n.setblocking(True)
n.connect_ex(("192.0.2.8", 80)); n.connect(("192.0.2.8", 80))  # the kernel says ECONNABORTED first
say(first=first, second=errno.errorcode[error], got=told(s)[1], then=told(n)[1])""",
        late=2,
    )
    assert said == {"first": "ECONNREFUSED", "second": "ECONNREFUSED", "got": "192.0.2.9", "then": "192.0.2.8"}


def own_address() -> str:
    """An address of this machine's that is not loopback's, "" for none."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((FAR, 9))  # sends nothing
        except OSError:
            return ""
        return str(sock.getsockname()[0])


def test_socket_that_is_bound_to_an_interface_ends_there_too() -> None:
    if not own_address():
        pytest.skip("an address beside loopback's")
    said = one(
        's = socket.socket(); s.bind((own, 0)); s.connect(("192.0.2.7", 80)); say(got=told(s)[1])',
        given={"own": own_address()},
    )
    assert said["got"] == FAR


def test_socket_that_can_reach_no_proxy_gets_the_kernels_error() -> None:
    said = one("""
L = server(); control = socket.socket(socket.AF_INET6); control.bind(("::1", 0))
s = socket.socket(socket.AF_INET6); s.bind(("::1", 0))
say(control=became(lambda: control.connect(("::ffff:127.0.0.1", L.getsockname()[1]))),
    got=became(lambda: s.connect(("::ffff:192.0.2.7", 80))))""")
    assert said["got"] == said["control"]
    assert said["got"] in ("EINVAL", "ENETUNREACH", "EADDRNOTAVAIL")


def test_who_was_sent_there_by_nobody_is_known_to_no_proxy() -> None:
    """The port of one that was redirected is not enough."""
    said = one("""
s, t = socket.socket(), socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # nothing is left of it when it is closed
s.connect(("192.0.2.7", 80)); proxy = s.getpeername(); mine = s.getsockname()
known = told(s); s.close()
t.bind(mine); t.connect(proxy)
say(known=known[1], same=t.getsockname() == mine, then=told(t))""")
    assert said == {"known": FAR, "same": True, "then": None}


def test_socket_that_comes_by_itself_is_not_what_it_was_before() -> None:
    """A connection to the proxy's own address, where the rules grant that, is no second one to a destination."""
    said = one("""
s = socket.socket(); s.connect(("192.0.2.7", 80)); proxy = s.getpeername()
known = told(s)[1]
say(gone=raw("connect", s, bytes(16), 16))
s.connect(proxy)
say(known=known, then=told(s))""")
    assert said == {"gone": 0, "known": FAR, "then": None}


def test_many_at_once_are_each_known() -> None:
    said = one("""
def work(number):
    s = socket.socket(); s.connect((f"192.0.2.{number}", 80))
    right.append(told(s)[1] == f"192.0.2.{number}")
right = []; threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 101)]
[t.start() for t in threads]; [t.join() for t in threads]
say(right=sum(right))""")
    assert said["right"] == 100


URLLIB = 'import urllib.request; print(urllib.request.urlopen("http://192.0.2.7/", timeout=9).read().decode())'
REQUESTS = 'import requests; print(requests.get("http://192.0.2.7/", timeout=9).text)'
NODE = 'fetch("http://192.0.2.7/").then(r => r.text()).then(console.log)'

PROGRAMS = {
    "urllib": (["python", "-I", "-c", URLLIB], ""),
    "requests": (["python", "-I", "-c", REQUESTS], ""),
    "curl": (["curl", "-sS", "-m", "9", "http://192.0.2.7/"], "curl"),
    "curl_six": (["curl", "-sS", "-m", "9", "http://[2001:db8::7]/"], "curl"),
    "node": (["node", "-e", NODE], "node"),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_do_not_notice(program: str) -> None:
    command, needed = PROGRAMS[program]
    if needed and not shutil.which(needed):
        pytest.skip(f"the program {needed}")
    said = one(
        """
command = [sys.executable if word == "python" else word for word in command]
done = __import__("subprocess").run(command, capture_output=True, text=True, timeout=30)
say(out=done.stdout, err=done.stderr)""",
        given={"command": command},
    )
    assert '["tcp", "%s", 80, ' % (FAR6 if "six" in program else FAR) in said["out"], said["err"]
