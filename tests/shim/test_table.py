"""Every watched event, raised for real, is asked about; every event there is stands in one table or the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from netguard.shim.arguments import READERS
from netguard.shim.credentials import NAMES
from netguard.shim.table import LEFT, WATCHED, watched
from tests.shim.guests import LOG, guarded
from tests.support.interpreters import Interpreter

#: event -> (what raises it, kind of the line, the event the line names). Several lines where C asks for several things.
RAISERS: dict[str, tuple[str, str, str]] = {
    "socket.connect": ("socket.socket().connect(('127.0.0.1', 1))", "connect", "socket.connect"),
    "socket.sendto": ("udp().sendto(b'x', ('127.0.0.1', 9))", "connect", "socket.sendto"),
    "socket.sendmsg": ("udp().sendmsg([b'x'], [], 0, ('127.0.0.2', 9))", "connect", "socket.sendmsg"),
    "socket.bind": ("socket.socket().bind(('127.0.0.1', 0))", "listen", "socket.bind"),
    "socket.getaddrinfo": ("socket.getaddrinfo('one.invalid', 80)", "dns", "socket.getaddrinfo"),
    "socket.gethostbyname": ("socket.gethostbyname('two.invalid')", "dns", "socket.gethostbyname"),
    "socket.gethostbyaddr": ("socket.gethostbyaddr('192.0.2.3')", "dns", "socket.gethostbyaddr"),
    "socket.getnameinfo": ("socket.getnameinfo(('192.0.2.4', 80), 0)", "dns", "socket.getnameinfo"),
    "urllib.Request": ("urllib.request.urlopen('http://127.0.0.1:1/')", "http", "urllib.Request"),
    "os.system": ("os.system('true')", "exec", "os.system"),
    "os.exec": ("os.spawnv(os.P_WAIT, '/bin/true', ['true'])", "exec", "os.exec"),
    "os.posix_spawn": ("os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)", "exec", "os.posix_spawn"),
    "subprocess.Popen": ("subprocess.run(['true'])", "exec", "subprocess.Popen"),
    "_posixsubprocess.fork_exec": (
        "os.waitpid(multiprocessing.util.spawnv_passfds(b'/bin/true', [b'true'], []), 0)",
        "exec",
        "_posixsubprocess.fork_exec",
    ),
    "ctypes.dlopen": ("ctypes.CDLL('libc.so.6')", "native", "ctypes.dlopen"),
    "ctypes.dlsym": ("ctypes.CDLL(None).getppid", "native", "ctypes.dlsym"),
    "ctypes.dlsym/handle": ("_ctypes.dlsym(_ctypes.dlopen(None, 0), 'getuid')", "native", "ctypes.dlsym/handle"),
    "sqlite3.enable_load_extension": ("base.enable_load_extension(True)", "audit", "sqlite3.enable_load_extension"),
    "sqlite3.load_extension": ("base.load_extension('/nonexistent.so')", "native", "sqlite3.load_extension"),
    "import": ("foreign('/tmp/nonexistent.so')", "native", "import"),
    "open": ("open('/nonexistent/.aws/credentials')", "file", "open"),
    "sys.addaudithook": ("sys.addaudithook(lambda event, args: None)", "audit", "sys.addaudithook"),
    "sys.remote_exec": ("sys.remote_exec(os.getpid(), '/nonexistent')", "audit", "sys.remote_exec"),
    "cpython.remote_debugger_script": (
        "sys.audit('cpython.remote_debugger_script', 'x')", "audit", "cpython.remote_debugger_script",
    ),
    "gc.get_objects": ("gc.get_objects()", "audit", "gc.get_objects"),
    "gc.get_referrers": ("gc.get_referrers(base)", "audit", "gc.get_referrers"),
    "os.putenv": ("fresh().putenv(b'NETGUARD_RUN', b'another')", "audit", "os.putenv"),
    "os._clearenv": ("fresh()._clearenv()", "audit", "os._clearenv"),
    "os.unsetenv": ("fresh().unsetenv(b'NETGUARD_RUN')", "audit", "os.unsetenv"),
}  # fmt: skip

PRELUDE = """\
import _ctypes, _imp, ctypes, gc, multiprocessing.util, os, posix, socket, sqlite3, subprocess, sys, urllib.request
from importlib.machinery import ExtensionFileLoader, ModuleSpec
base = sqlite3.connect(":memory:")
def udp():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def fresh():
    module = _imp.create_builtin(posix.__spec__)
    _imp.exec_builtin(module)
    return module
def foreign(path):
    ExtensionFileLoader("strange", path).create_module(ModuleSpec("strange", None, origin=path))
def run(code):
    try:
        exec(code, globals())
    except Exception as error:
        print(code, repr(error))
"""

#: Raised for real only by what this interpreter has.
NEEDS = {
    "sqlite3.enable_load_extension": "enable_load_extension",
    "sqlite3.load_extension": "enable_load_extension",
    "sys.remote_exec": "remote_exec",
    "os._clearenv": "_clearenv",
}


def test_every_row_has_a_reader_and_a_raiser() -> None:
    assert {reader for _, reader in WATCHED.values()} <= {*READERS, "variable"}  # which `Environment` has
    assert set(RAISERS) == set(WATCHED)


def test_no_event_stands_in_both_tables() -> None:
    assert not set(WATCHED) & set(LEFT)


def test_events_that_rules_name_are_watched_by_their_name_alone() -> None:
    table = watched(frozenset({"sys.settrace", "socket.connect"}))
    assert table["sys.settrace"] == ("audit", "bare")
    assert table["socket.connect"] == WATCHED["socket.connect"]


def test_every_watched_event_is_asked_about(interpreter: Interpreter, tmp_path: Path) -> None:
    """One act, one line, of the right kind and event."""
    lines = [PRELUDE]
    expected = []
    for event, (code, kind, name) in RAISERS.items():
        # A row whose act this interpreter does not have raises nothing: `hasattr` in the guest decides.
        need = NEEDS.get(event)
        guard = f"if hasattr(base, {need!r}) or hasattr(sys, {need!r}) or hasattr(posix, {need!r}): " if need else ""
        lines.append(f"{guard}run({code!r})")
        expected.append((kind, name, bool(need)))
    run = guarded(tmp_path, "\n".join(lines), interpreter, rules=LOG)
    assert run.status == 0, run.stderr
    told = [(line["kind"], line["event"]) for line in run.trail if "verdict" in line]
    for kind, name, may_lack in expected:
        count = told.count((kind, name))
        wanted = 2 if name == "socket.connect" else 1  # the URL's connection is an act of its own
        assert count == wanted or (may_lack and not count), (name, count, told, run.stdout)
    beyond = [act for act in told if act not in {(kind, name) for kind, name, _ in expected}]
    assert not beyond, (beyond, run.stdout)


def test_every_credential_file_is_asked_about_and_its_neighbours_are_not(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    """The hook lets files go by the last letters of their name; none of the list may be among them."""
    named = [f"/nonexistent/{(folders or ('any',))[0]}/{name}" for name, folders in NAMES.items()]
    others = [f"{path}x" for path in named] + ["/nonexistent/any/x" + path.rpartition("/")[2] for path in named]
    others += ["/n", "x", "", "/nonexistent/etc/"]
    code = f"""\
        for path in {[*named, *others]}:
            try:
                open(path)
            except OSError:
                pass
    """
    run = guarded(tmp_path, code, interpreter)
    assert [line["file"]["path"] for line in run.lines("file")] == named


def test_named_events_reach_the_trail_and_can_be_denied(interpreter: Interpreter, tmp_path: Path) -> None:
    """`audit:NAME` names any event that there is."""
    rules = "version: 1\ndefault: allow\nrules:\n  - {deny: 'audit:sys.settrace'}\n  - {log: 'audit:os.listdir'}\n"
    code = """\
        import os, sys
        os.listdir("/proc/self/task")
        try:
            sys.settrace(None)
        except PermissionError as error:
            print(error.errno, error.rule)
    """
    run = guarded(tmp_path, code, interpreter, rules=rules)
    assert run.stdout.startswith("13 ")
    # The import system lists folders too.
    listed = [line for line in run.lines("audit", event="os.listdir") if line["audit"] == {"args": ["/proc/self/task"]}]
    assert [line["verdict"] for line in listed] == ["log"]
    assert [line["verdict"] for line in run.lines("audit", event="sys.settrace")] == ["deny"]


#: What the documentation of CPython 3.9 to 3.14 lists ("Audit events table") and what its C and Python code raises
#: beside it, as seen by a recording hook; the Windows and macOS ones are there too.
DOCUMENTED = """
_posixsubprocess.fork_exec _thread.start_joinable_thread _thread.start_new_thread _winapi.ConnectNamedPipe
_winapi.CreateFile _winapi.CreateJunction _winapi.CreateNamedPipe _winapi.CreatePipe _winapi.CreateProcess
_winapi.OpenProcess _winapi.TerminateProcess array.__new__ builtins.breakpoint builtins.id builtins.input
builtins.input/result code.__new__ compile cpython.PyConfig_Set cpython.PyInterpreterState_Clear
cpython.PyInterpreterState_New cpython._PySys_ClearAuditHooks cpython.remote_debugger_script cpython.run_command
cpython.run_file cpython.run_interactivehook cpython.run_module cpython.run_startup cpython.run_stdin
ctypes.PyObj_FromPtr ctypes.addressof ctypes.call_function ctypes.cdata ctypes.cdata/buffer ctypes.create_string_buffer
ctypes.create_unicode_buffer ctypes.dlopen ctypes.dlsym ctypes.dlsym/handle ctypes.get_errno ctypes.get_last_error
ctypes.memoryview_at ctypes.seh_exception ctypes.set_errno ctypes.set_exception ctypes.set_last_error ctypes.string_at
ctypes.wstring_at ensurepip.bootstrap exec fcntl.fcntl fcntl.flock fcntl.ioctl fcntl.lockf ftplib.connect ftplib.sendcmd
function.__new__ gc.get_objects gc.get_referents gc.get_referrers glob.glob glob.glob/2 http.client.connect
http.client.send imaplib.open imaplib.send import marshal.dumps marshal.load marshal.loads mmap.__new__
msvcrt.get_osfhandle msvcrt.locking msvcrt.open_osfhandle object.__delattr__ object.__getattr__ object.__setattr__ open
os.add_dll_directory os.chdir os.chflags os.chmod os.chown os.exec os.fork os.forkpty os.fwalk os.getxattr os.kill
os.killpg os.link os.listdir os.listdrives os.listmounts os.listvolumes os.listxattr os.lockf os._clearenv os.mkdir
os.posix_spawn os.putenv os.remove os.removexattr os.rename os.rmdir os.scandir os.setxattr os.spawn os.startfile
os.startfile/2 os.symlink os.system os.truncate os.unsetenv os.utime os.walk pathlib.Path.glob pathlib.Path.rglob
pdb.Pdb pickle.find_class poplib.connect poplib.putline pty.spawn resource.prlimit resource.setrlimit setopencodehook
shutil.chown shutil.copyfile shutil.copymode shutil.copystat shutil.copytree shutil.make_archive shutil.move
shutil.rmtree shutil.unpack_archive signal.pthread_kill smtplib.connect smtplib.send socket.__new__ socket.bind
socket.connect socket.getaddrinfo socket.gethostbyaddr socket.gethostbyname socket.gethostname socket.getnameinfo
socket.getservbyname socket.getservbyport socket.sendmsg socket.sendto socket.sethostname sqlite3.connect
sqlite3.connect/handle sqlite3.enable_load_extension sqlite3.load_extension subprocess.Popen sys._current_exceptions
sys._current_frames sys._getframe sys._getframemodulename sys.addaudithook sys.excepthook
sys.monitoring.register_callback sys.remote_exec sys.set_asyncgen_hooks_finalizer sys.set_asyncgen_hooks_firstiter
sys.setprofile sys.settrace sys.unraisablehook syslog.closelog syslog.openlog syslog.setlogmask syslog.syslog
telnetlib.Telnet.open telnetlib.Telnet.write tempfile.mkdtemp tempfile.mkstemp time.sleep urllib.Request webbrowser.open
winreg.ConnectRegistry winreg.CreateKey winreg.OpenKey
""".split()

#: Events that neither reach anything outside, start anything, load anything, nor touch the guard: files of the guest's
#: own, its process, its terminal, another system.
IRRELEVANT = (
    "_winapi.", "array.", "builtins.", "cpython.run_", "cpython.Py", "cpython._Py", "ctypes.get_last_error",
    "ctypes.set_last_error", "ctypes.seh_exception", "ctypes.set_exception", "ensurepip.", "fcntl.", "glob.", "mmap.",
    "msvcrt.", "os.add_dll_directory", "os.ch", "os.fwalk", "os.getxattr", "os.kill", "os.link", "os.list", "os.lockf",
    "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.scandir", "os.setxattr", "os.symlink",
    "os.truncate", "os.utime", "os.walk", "pathlib.", "pdb.", "pickle.", "resource.", "setopencodehook",
    "shutil.", "signal.", "sqlite3.connect", "sys.excepthook", "sys.set_asyncgen", "sys.unraisablehook", "syslog.",
    "tempfile.", "time.", "winreg.",
)  # fmt: skip


@pytest.mark.parametrize("event", DOCUMENTED)
def test_every_documented_event_is_accounted_for(event: str) -> None:
    """Watched, left with a reason, or of a family that is none of our business; a new one must be placed by hand."""
    assert (event in WATCHED) + (event in LEFT) + (event.startswith(IRRELEVANT) and event not in LEFT) == 1
