"""The wrapped methods of `socket.socket`: what they reach and how they fail is as without a guard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.shim.guests import ALLOW, DENY, LOG, acts, guarded, plain, said, write
from tests.support.echo import UnixEcho
from tests.support.guard import Result
from tests.support.injection import run_injected
from tests.support.interpreters import Interpreter
from tests.support.isolation import Namespace


def injected(folder: Path, code: str, interpreter: Interpreter, *, rules: str) -> Result:
    """As `guarded`, without a supervisor."""
    return run_injected([interpreter.path, write(folder, code)], folder, rules)


#: Each expression is evaluated in a folder of its own with the servers below; its value or error is compared.
CALLS = """
reach(('127.0.0.1', tcp))
reach(('localhost', tcp))
reach(('api.example.test', tcp))
reach((b'127.0.0.1', tcp))
reach((b'api.example.test', tcp))
reach((bytearray(b'127.0.0.1'), tcp))
reach((memoryview(b'127.0.0.1'), tcp))
reach((Text('api.example.test'), Port.TCP))
reach(('bücher.example.test', tcp))
reach(Pair(('127.0.0.1', tcp)))
reach(['127.0.0.1', tcp])
reach(('127.1', tcp))
reach(('0x7f000001', tcp))
reach(('１２７.0.0.1', tcp))
reach(('', tcp))
reach(('<broadcast>', tcp))
reach((None, tcp))
reach((5, tcp))
reach(('127.0.0.1',))
reach(('127.0.0.1', tcp, 0))
reach(('127.0.0.1', str(tcp)))
reach(('127.0.0.1', 70000))
reach(('127.0.0.1', -1))
reach(('127.0.0.1', None))
reach(('127.0.0.1', True))
reach(('127.0.0.1', Indexed(tcp)))
reach(('api.example.test', None))
reach(('api.example.test', 70000))
reach(('no-such.example.test', tcp))
reach(('no\\0such', tcp))
reach(('a..b', tcp))
reach(None)
reach(('::1', tcp), family=AF_INET6)
reach(('::1', tcp, 0, 0), family=AF_INET6)
reach(('::1%lo', tcp), family=AF_INET6)
reach(('::1', tcp, 0, Number(0)), family=AF_INET6)
reach(('::1', tcp, 0, 0, 0), family=AF_INET6)
reach(('::1', tcp, 1 << 20, 0), family=AF_INET6)
reach(('::1', tcp, 'x'), family=AF_INET6)
reach(('::ffff:127.0.0.1', tcp), family=AF_INET6)
reach(('127.0.0.1', tcp), family=AF_INET6)
reach(('six.example.test', tcp), family=AF_INET6)
reach(('api.example.test', tcp), family=AF_INET6)
reach(('::1', tcp))
reach(unix, family=AF_UNIX)
reach(unix.encode(), family=AF_UNIX)
reach(bytearray(unix.encode()), family=AF_UNIX)
reach(memoryview(unix.encode()), family=AF_UNIX)
reach(Text(unix), family=AF_UNIX)
reach('here.sock', family=AF_UNIX)
reach(b'./here.sock', family=AF_UNIX)
reach('\\0' + abstract, family=AF_UNIX)
reach(b'\\0' + abstract.encode(), family=AF_UNIX)
reach('', family=AF_UNIX)
reach('no-such.sock', family=AF_UNIX)
reach('x' * 200, family=AF_UNIX)
reach(pathlib.Path('here.sock'), family=AF_UNIX)
reach(5, family=AF_UNIX)
reach(('here.sock', 1), family=AF_UNIX)
reach('r\\udce9.sock', family=AF_UNIX)
name_of('127.0.0.1', 0)
name_of('localhost', 0)
name_of('api.example.test', 0)
name_of('', 0)
name_of(b'127.0.0.1', 0)
name_of('no-such.example.test', 0)
name_of('127.0.0.1', 'x')
name_of('::1', 0, family=AF_INET6)
name_of('127.0.0.1', 0, type=SOCK_DGRAM)
bound('bound.sock')
bound(b'bound2.sock')
bound('\\0' + abstract + 'bound')
bound('')
bound(5)
listens()
listens(5)
listens(Number(5))
listens('x')
listens(1, 2)
socket(AF_UNIX).listen()
closed().connect(('127.0.0.1', tcp))
closed().connect_ex(('127.0.0.1', tcp))
closed().listen()
closed().bind(('127.0.0.1', 0))
closed(SOCK_DGRAM).sendto(b'x', ('127.0.0.1', udp))
ask(b'x', ('127.0.0.1', udp))
ask(b'x', ('api.example.test', udp))
ask(b'x', 0, ('127.0.0.1', udp))
ask(b'x', Number(0), (Text('localhost'), Port.UDP))
ask(bytearray(b'x'), ('127.0.0.1', udp))
ask('x', ('127.0.0.1', udp))
ask(b'x')
ask(b'x', 0)
ask(b'x', ('127.0.0.1', udp), 0)
ask(b'x', 'x', ('127.0.0.1', udp))
ask(b'x', ('no-such.example.test', udp))
ask(b'x' * 70000, ('127.0.0.1', udp))
ask_all([b'a', b'b'], [], 0, ('127.0.0.1', udp))
ask_all([b'a'], [], 0, ('api.example.test', udp))
ask_all([b'a'], (), Number(0), (b'127.0.0.1', Port.UDP))
ask_all([b'a'], [], 0, None)
ask_all([b'a'])
ask_all(b'a', [], 0, ('127.0.0.1', udp))
ask_all([b'a'], [], 'x', ('127.0.0.1', udp))
ask_all([b'a'], [], 0, 'x')
ask_all([b'a'], [], 0, ('127.0.0.1', udp), 1)
talk()
pair()
create_connection(('api.example.test', tcp)).getpeername()
create_connection(('127.0.0.1', tcp), 5, ('127.0.0.1', 0)).getpeername()
create_connection(('127.0.0.1', 1))
create_server(('127.0.0.1', 0)).getsockname()[0]
has_dualstack_ipv6()
""".strip().splitlines()

PRELUDE = """\
import enum, json, os, pathlib, sys, threading, warnings
from socket import *
warnings.simplefilter("ignore")
tcp, udp, unix, abstract = {servers!r}
class Text(str): pass
class Number(int): pass
class Pair(tuple): pass
class Indexed:
    def __init__(self, value): self.value = value
    def __index__(self): return self.value
Port = enum.IntEnum("Port", {{"TCP": tcp, "UDP": udp}})
def reach(*address, family=AF_INET):
    sock = socket(family)
    sock.settimeout(5)
    first = "number", sock.connect_ex(*address)
    sock.close()
    sock = socket(family)
    sock.settimeout(5)
    sock.connect(*address)
    sock.sendall(b"hello")
    return first, sock.recv(5), repr(sock.getpeername())
def name_of(*address, family=AF_INET, type=SOCK_STREAM):
    sock = socket(family, type)
    sock.bind(address)
    return repr(sock.getsockname()[0])
def bound(address):
    sock = socket(AF_UNIX)
    sock.bind(address)
    name = sock.getsockname()
    return len(name) if name[:1] in (b"\\0", "\\0") and not address else repr(name)
def listens(*backlog):
    sock = socket()
    sock.listen(*backlog)
    return sock.getsockname()[0]
def closed(type=SOCK_STREAM):
    sock = socket(AF_INET, type)
    sock.close()
    return sock
def ask(*args):
    sock = socket(AF_INET, SOCK_DGRAM)
    sock.settimeout(5)
    return sock.sendto(*args), sock.recv(9)
def ask_all(*args):
    sock = socket(AF_INET, SOCK_DGRAM)
    sock.settimeout(5)
    return sock.sendmsg(*args), sock.recv(9)
def talk():
    sock = socket(AF_INET, SOCK_DGRAM)
    sock.settimeout(5)
    sock.connect(("127.0.0.1", udp))
    return sock.send(b"x"), sock.recv(1), sock.sendmsg([b"y"]), sock.recv(1), repr(sock.getpeername())
def pair():
    one, two = socketpair()
    return one.sendmsg([b"x"], [], 0, None), two.recv(1)
def serve():
    while True:
        with server.accept()[0] as other:
            try:
                other.sendall(other.recv(5))
            except OSError:
                pass
server = socket(AF_UNIX)
server.bind("\\0" + abstract)
server.listen()
threading.Thread(target=serve, daemon=True).start()
def told(call):
    try:
        return repr(eval(call))
    except Exception as error:
        return f"{{type(error).__module__}}.{{type(error).__qualname__}}{{error.args}}"
"""


@pytest.fixture
def prelude(netns: Namespace, tmp_path: Path) -> Iterator[str]:
    """Servers on the loopback of the namespace, and the code that knows them. Unix paths know no namespace."""
    names = {
        "api.example.test": ["127.0.0.1"],
        "six.example.test": ["::1"],
        "xn--bcher-kva.example.test": ["127.0.0.1"],
    }
    netns.open("dns", names=names, port=53)
    tcp = netns.open("tcp", host="127.0.0.1", port=7007)
    netns.open("tcp", host="::1", port=7007)
    udp = netns.open("udp")
    with UnixEcho(str(tmp_path / "here.sock")) as unix:
        yield PRELUDE.format(servers=(tcp.port, udp.port, unix.path, "netguard-test-echo"))


def test_sockets_reach_and_fail_as_without_a_guard(
    interpreter: Interpreter, netns: Namespace, prelude: str, tmp_path: Path
) -> None:
    """Addresses of every type and spelling that is right or wrong."""
    code = f"{prelude}\nprint(json.dumps([told(call) for call in {CALLS!r}]))"
    bare = said(plain(tmp_path, [interpreter.path, write(tmp_path, code)], within=netns))
    for name in ("bound.sock", "bound2.sock"):
        (tmp_path / name).unlink()
    run = guarded(tmp_path, code, interpreter, rules=ALLOW, within=netns)
    assert not [row for row in zip(CALLS, bare, strict=True) if "timed out" in row[1]]
    results = zip(CALLS, bare, said(run), strict=True)
    differing = [row for row in results if row[1] != row[2]]
    assert not differing, "\n".join(map(str, differing))
    assert run.lines("tamper") == []


def test_connect_by_name_is_a_look_up_and_a_connect(
    interpreter: Interpreter, netns: Namespace, prelude: str, tmp_path: Path
) -> None:
    """A connect by name is a look-up and a connect, and no more; a connected datagram socket is asked for once."""
    code = f"{prelude}\nreach(('api.example.test', tcp))\ntalk()\n"
    run = guarded(tmp_path, code, interpreter, rules=LOG, within=netns)
    dns, connect = ("dns", "socket.getaddrinfo", "log"), ("connect", "socket.connect", "log")
    assert [act for act in acts(run) if act[0] != "listen"] == [dns, connect, dns, connect, connect]
    of = [line["of"] for line in run.lines("result")]
    assert len(of) == len(set(of)) == 5


def test_listening_without_bind_is_asked_about(interpreter: Interpreter, tmp_path: Path) -> None:
    """The kernel then takes any free port, on every address, and no event says so."""
    code = """\
        import json, socket
        answers = []
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                sock = socket.socket(family)
                sock.listen()
                answers.append(list(sock.getsockname()[:1]))
            except PermissionError as error:
                answers.append(error.destination)
        print(json.dumps(answers))
    """
    assert said(plain(tmp_path, [interpreter.path, write(tmp_path, code)])) == [["0.0.0.0"], ["::"]]
    run = guarded(tmp_path, code, interpreter, rules=DENY)
    assert said(run) == ["0.0.0.0:0", "[::]:0"]
    assert acts(run) == [("listen", "socket.bind", "deny")] * 2


def test_granted_datagrams_are_one_act(interpreter: Interpreter, tmp_path: Path) -> None:
    """Each datagram raises an event; reaching a destination is one act, and another destination another."""
    code = """\
        import socket
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for number in range(50):
            sock.sendto(b"x", ("127.0.0.1", 9))
        sock.sendto(b"x", ("127.0.0.1", 10))
    """
    run = guarded(tmp_path, code, interpreter, rules=LOG)
    assert [line["dst"]["port"] for line in run.lines("connect")] == [9, 10]


def test_denied_datagrams_are_denied_each_time(interpreter: Interpreter, tmp_path: Path) -> None:
    code = """\
        import socket
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        denied = 0
        for number in range(5):
            try:
                sock.sendto(b"x", ("127.0.0.1", 9))
            except PermissionError:
                denied += 1
        print(denied)
    """
    assert said(guarded(tmp_path, code, interpreter, rules=DENY)) == 5


KEPT = """\
import gc, json, sys, weakref
from socket import *
gc.disable()
kinds = {"sendto": SOCK_DGRAM, "sendmsg": SOCK_DGRAM}
calls = {
    "connect": (("127.0.0.1", 1),), "connect_ex": (5,), "bind": (("192.0.2.1", 0),), "listen": ("x",),
    "sendto": (b"x" * 70000, ("127.0.0.1", 9)), "sendmsg": ([b"x" * 70000], [], 0, ("127.0.0.1", 9)),
}
found, errors = {}, []
for name, args in calls.items():
    sock = socket(AF_INET, kinds.get(name, SOCK_STREAM))
    gone = weakref.ref(sock)
    try:
        getattr(sock, name)(*args)
    except (OSError, TypeError) as error:
        errors.append(error)
    del sock
    found[name] = gone() is None
assert len(errors) == len(calls)
address = ("no-such.example.test", 0)
before = sys.getrefcount(address)
try:
    getnameinfo(address, 0)
except OSError as error:
    errors.append(error)
found["getnameinfo"] = sys.getrefcount(address) == before
print(json.dumps(found))
"""


def test_errors_that_are_kept_keep_nothing_open(interpreter: Interpreter, tmp_path: Path) -> None:
    """C leaves no frame in a traceback; ours may not hold the socket either."""
    bare = said(plain(tmp_path, [interpreter.path, write(tmp_path, KEPT)]))
    assert all(bare.values())
    assert said(guarded(tmp_path, KEPT, interpreter, rules=ALLOW)) == bare


LOOKS = """\
import inspect, json, pickle, socket, _socket, subprocess, _posixsubprocess, os, posix
found = {}
for name in ("connect", "connect_ex", "bind", "listen", "sendto", "sendmsg"):
    method, original = getattr(socket.socket, name), getattr(_socket.socket, name)
    plain = ":" not in str(inspect.signature(method))
    found[name] = [method.__name__ == name, method.__qualname__ == original.__qualname__, plain,
                   method.__doc__ == original.__doc__, pickle.loads(pickle.dumps(method)) is method]
for module, names in ((_socket, "getaddrinfo gethostbyname gethostbyname_ex gethostbyaddr getnameinfo"),
                      (socket, "gethostbyname gethostbyname_ex gethostbyaddr getnameinfo"),
                      (os, "posix_spawn posix_spawnp execve execv"), (_posixsubprocess, "fork_exec")):
    for name in names.split():
        function = getattr(module, name)
        plain = ":" not in str(inspect.signature(function))
        back = pickle.loads(pickle.dumps(function))
        found[name] = [function.__name__ == name, bool(function.__doc__), back is function, plain]
found["same"] = [socket.gethostbyname is _socket.gethostbyname, os.execv is posix.execv]
print(json.dumps(found))
"""


def test_wrapped_functions_look_like_what_they_wrap(interpreter: Interpreter, tmp_path: Path) -> None:
    """Name, documentation, a signature, and a pickle that leads back."""
    found = said(guarded(tmp_path, LOOKS, interpreter, rules=ALLOW))
    assert not {name: looks for name, looks in found.items() if not all(looks)}


WAYS = """\
import copy, json, os, pickle, posix, subprocess, _posixsubprocess, _socket, socket
class Holds:
    lookup, reverse, start, put = socket.gethostbyname, _socket.getnameinfo, os.posix_spawn, os.putenv
    fork, run, leave = _posixsubprocess.fork_exec, os.execv, os._exit
def said(call):
    try:
        return repr(call())
    except Exception as error:
        return f"{type(error).__name__} {error}"
holds = Holds()
holds.put("SAID", "x")
holds.start("/bin/sh", ["sh", "-c", "exit 3"], os.environ, setpgroup=0)
print(json.dumps([
    holds.lookup("127.0.0.1"), holds.reverse(("127.0.0.1", 80), 3), os.wait()[1], os.system("test $SAID = x"),
    said(lambda: holds.run("/no-such", ["x"])), said(lambda: holds.run()) != "", said(lambda: holds.lookup(5)),
    Holds.lookup is holds.lookup, os.execv is posix.execv, os.execve in os.supports_fd, len(os.supports_fd),
    [copy.copy(f) is f and copy.deepcopy(f)("127.0.0.1") for f in [socket.gethostbyname]],
    hash(os.execv) == hash(posix.execv), os.execv == posix.execv, os.execv == os.execve, os.execv.__self__ is not None,
    pickle.loads(pickle.dumps([os._exit]))[0] is os._exit,
]))
"""


@pytest.mark.parametrize("run", [guarded, injected])
def test_wrapped_functions_behave_like_what_they_wrap(
    run: Callable[..., Result], interpreter: Interpreter, tmp_path: Path
) -> None:
    """In a class they become no methods, and what is known of the built-in ones is known of them."""
    bare = said(plain(tmp_path, [interpreter.path, write(tmp_path, WAYS)]))
    assert said(run(tmp_path, WAYS, interpreter, rules=ALLOW)) == bare


BLOCKING = """\
import json, os
from socket import *
setdefaulttimeout(0.2)
found = []
for kind in (SOCK_STREAM, SOCK_DGRAM):
    for timeout in (None, 5, 0):
        sock = socket(AF_INET, kind)
        sock.settimeout(timeout)
        sock.bind(("127.0.0.1", 0))
        if kind == SOCK_STREAM:
            sock.listen()
        found.append([os.get_blocking(sock.fileno()), sock.gettimeout()])
print(json.dumps(found))
"""


@pytest.mark.parametrize("run", [guarded, injected])
def test_sockets_block_as_without_a_guard(
    run: Callable[..., Result], interpreter: Interpreter, tmp_path: Path
) -> None:
    """Whoever is shown a listener has a descriptor of his own for it, and a default time-out works on that as well."""
    bare = said(plain(tmp_path, [interpreter.path, write(tmp_path, BLOCKING)]))
    assert said(run(tmp_path, BLOCKING, interpreter, rules=ALLOW)) == bare


def test_reloaded_modules_are_wrapped_once(interpreter: Interpreter, tmp_path: Path) -> None:
    """One question an act, before and after."""
    code = """\
        import importlib, sys, _socket, socket, _posixsubprocess, subprocess
        def act():
            try:
                socket.create_connection(("localhost", 1))
            except OSError:
                pass
            subprocess.run(["true"])
        act()
        for module in (_socket, socket, _posixsubprocess, subprocess, sys.modules["posix"], sys.modules["os"]):
            importlib.reload(module)
        act()
        for name in ("socket", "subprocess"):
            del sys.modules[name]
        import socket, subprocess
        act()
    """
    run = guarded(tmp_path, code, interpreter, rules="version: 1\ndefault: log\nrules: [{deny: dns, to: '*.x.test'}]\n")
    assert run.status == 0, run.stderr
    kinds = [kind for kind, _, _ in acts(run)]
    assert kinds.count("exec") == 3
    assert 3 <= kinds.count("connect") <= 6  # `localhost` may have two addresses
    assert len(kinds) == kinds.count("exec") + kinds.count("connect")


def test_connection_that_times_out_is_told_as_such(interpreter: Interpreter, tmp_path: Path) -> None:
    """A listener whose queue is full lets the next one wait; Python's own time-out carries no number."""
    code = """
    import socket
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = []
    for _ in range(8):
        sock = socket.socket()
        sock.settimeout(0.2)
        waiting.append(sock)
        try:
            sock.connect(listener.getsockname())
        except socket.timeout:
            break
    print("timed out")
    """
    run = guarded(tmp_path, code, interpreter)
    assert run.stdout == "timed out\n"
    assert [line["errno"] for line in run.trail if line["kind"] == "result"][-1] == 110
