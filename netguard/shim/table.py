"""The audit events of CPython 3.9 to 3.15: which kind of act each one is and how its arguments are read, or why it is
left.

    event -> (kind, reader)      the reader is a function of `arguments`, by name
    event -> reason              the event is known and left alone; the reason is printed in the reference

Only what reaches the network, starts a program, loads native code, opens a credential or attacks the guard is
watched. An event raised by Python code through `sys.audit` can be silenced by whoever replaces `sys.audit`, so those
never decide where an event from C follows: they are left, with that reason. An event that stands in neither table is
unknown to this version and is left as well; `tests/shim/test_table.py` compares both with what each interpreter
documents.
"""

from __future__ import annotations

#: Raised by the starter alone, to see that the hook hears what the interpreter says.
SELF_TEST = "netguard.start"

#: Raised by a starter that is found by a second way, to hear whether a hook is there already.
RUNNING = "netguard.running"

WATCHED: dict[str, tuple[str, str]] = {
    # Destinations. All from C.
    "socket.connect": ("connect", "endpoint"),
    "socket.sendto": ("connect", "endpoint"),
    "socket.sendmsg": ("connect", "endpoint"),
    "socket.bind": ("listen", "endpoint"),
    # Names. From C; the wrapped functions of `_socket` have asked before, and reach C only with what is no name.
    "socket.getaddrinfo": ("dns", "name"),
    "socket.gethostbyname": ("dns", "name"),
    "socket.gethostbyaddr": ("dns", "name"),
    "socket.getnameinfo": ("dns", "reverse"),
    # Requests. From Python code; the connection below decides again, on the address.
    "urllib.Request": ("http", "request"),
    # Programs. All from C.
    "os.system": ("exec", "shell"),
    "os.exec": ("exec", "program"),
    "os.posix_spawn": ("exec", "program"),
    "_posixsubprocess.fork_exec": ("exec", "candidates"),
    "subprocess.Popen": ("exec", "announcement"),
    # Native code.
    "ctypes.dlopen": ("native", "library"),
    "ctypes.dlsym": ("native", "symbol"),
    "ctypes.dlsym/handle": ("native", "symbol"),
    "sqlite3.load_extension": ("native", "extension"),
    "import": ("native", "module"),
    # Credential files.
    "open": ("file", "credential"),
    # Attacks on the guard: on record whatever the rules say, denied where one of them names the event.
    "sys.addaudithook": ("audit", "bare"),
    "sys.remote_exec": ("audit", "bare"),
    "cpython.remote_debugger_script": ("audit", "bare"),
    "gc.get_objects": ("audit", "bare"),
    "gc.get_referrers": ("audit", "bare"),
    "sqlite3.enable_load_extension": ("audit", "bare"),
    # What asks for the guard in a child, in case somebody takes it away around the wrapped functions.
    "os.putenv": ("audit", "variable"),
    "os.unsetenv": ("audit", "variable"),
    "os._clearenv": ("audit", "variable"),
}

_BELOW = "raised by Python code, which a guest can silence; the events of the connection below it decide"
_SEEN = "the look-up or connection that it leads to is watched"
_MEMORY = "memory of the guest's own; what loads the library or finds the symbol is watched"
_LOCAL = "asks this machine only; nothing leaves it"
_COMMON = "raised by ordinary code all the time and no defence: the wall is, not the hook"

LEFT: dict[str, str] = {
    "http.client.connect": _BELOW,
    "http.client.send": "the HTTP view reads requests where they are written, which this version does not have",
    "ftplib.connect": _BELOW,
    "ftplib.sendcmd": _BELOW,
    "smtplib.connect": _BELOW,
    "smtplib.send": _BELOW,
    "imaplib.open": _BELOW,
    "imaplib.send": _BELOW,
    "poplib.connect": _BELOW,
    "poplib.putline": _BELOW,
    "nntplib.connect": _BELOW,
    "nntplib.putline": _BELOW,
    "telnetlib.Telnet.open": _BELOW,
    "telnetlib.Telnet.write": _BELOW,
    "webbrowser.open": "the program that it starts is watched",
    "pty.spawn": "os.exec in the child decides",
    "os.spawn": "Windows only",
    "os.startfile": "Windows only",
    "os.startfile/2": "Windows only",
    "os.fork": "a fork inherits the hook; what it does is watched there",
    "os.forkpty": "a fork inherits the hook; what it does is watched there",
    "socket.__new__": "a socket reaches nothing until connect, bind, sendto or sendmsg",
    "socket.gethostname": _LOCAL,
    "socket.sethostname": _LOCAL,
    "socket.getservbyname": _LOCAL,
    "socket.getservbyport": _LOCAL,
    "ctypes.call_function": "raised for each call on 3.14 and later only; the symbol was asked for before",
    "ctypes.cdata": _MEMORY,
    "ctypes.cdata/buffer": _MEMORY,
    "ctypes.addressof": _MEMORY,
    "ctypes.create_string_buffer": _MEMORY,
    "ctypes.create_unicode_buffer": _MEMORY,
    "ctypes.get_errno": _MEMORY,
    "ctypes.set_errno": _MEMORY,
    "ctypes.string_at": _MEMORY,
    "ctypes.wstring_at": _MEMORY,
    "ctypes.PyObj_FromPtr": _MEMORY,
    "ctypes.memoryview_at": _MEMORY,
    "compile": _COMMON,
    "exec": _COMMON,
    "marshal.load": _COMMON,
    "marshal.loads": _COMMON,
    "marshal.dumps": _COMMON,
    "code.__new__": _COMMON,
    "function.__new__": _COMMON,
    "object.__getattr__": _COMMON,
    "object.__setattr__": _COMMON,
    "object.__delattr__": _COMMON,
    "sys._getframe": _COMMON,
    "sys._getframemodulename": _COMMON,
    "sys._current_frames": _COMMON,
    "sys._current_exceptions": _COMMON,
    "sys.settrace": "debuggers and coverage tools; the hook itself runs untraced",
    "sys.setprofile": "profilers; the hook itself runs untraced",
    "sys.monitoring.register_callback": "debuggers and coverage tools; the hook itself runs untraced",
    "gc.get_referents": _COMMON,
    "cpython.PyInterpreterState_New": "a sub-interpreter runs the starter again",
    "_thread.start_new_thread": "threads inherit the hook",
    "_thread.start_joinable_thread": "threads inherit the hook",
}


def watched(names: frozenset[str]) -> dict[str, tuple[str, str]]:
    """Returns the table for this run: the events above, and those that its rules name as `audit:NAME`."""
    table = dict(WATCHED)
    for name in names:
        table.setdefault(name, ("audit", "bare"))
    return table
