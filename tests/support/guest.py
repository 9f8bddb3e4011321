"""What a guest of `tests/support/walled.py` has at hand: raw system calls, and a way to say what became of them."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

#: An interpreter that this user can run.
PYTHON = next((path for path in (sys.executable, "/usr/bin/python3") if os.access(path, os.X_OK)), "")

libc = ctypes.CDLL(None, use_errno=True)


def say(**what: Any) -> None:
    """Tell the test."""
    sys.stdout.flush()
    os.write(1, ("\nSAID " + json.dumps(what) + "\n").encode())


def became(act: Callable[[], Any]) -> Any:
    """What an act returns, or the name of its errno."""
    try:
        value = act()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error.errno) or repr(error))
    return value if isinstance(value, (int, str, list, bool, type(None))) else "ok"


def raw(name: str, *args: Any) -> Any:
    """A function of libc's: what it returns, or the name of its errno."""
    result = libc[name](*[arg.fileno() if isinstance(arg, socket.socket) else arg for arg in args])
    return result if result >= 0 else errno.errorcode.get(ctypes.get_errno(), ctypes.get_errno())


def inet(port: int, host: str = "127.0.0.1", family: int = socket.AF_INET) -> bytes:
    """A sockaddr_in, perhaps of another family."""
    return struct.pack("<H", family) + struct.pack(">H", port) + socket.inet_aton(host) + bytes(8)


def inet6(port: int, host: str = "::1", family: int = socket.AF_INET6) -> bytes:
    """A sockaddr_in6."""
    return struct.pack("<H", family) + struct.pack(">HI", port, 0) + socket.inet_pton(10, host) + bytes(4)


def server(family: int = socket.AF_INET, address: Any = ("127.0.0.1", 0), kind: int = socket.SOCK_STREAM) -> Any:
    """A socket that listens."""
    made = socket.socket(family, kind)
    made.bind(address)
    if kind != socket.SOCK_DGRAM:
        made.listen(128)
    return made
