"""Runs hostile programs that know no Python of ours: behind the wall, or without any guard to see what they can do.

A program is Python without the witness (`-I -S`, started by a program that is none), so that each call it makes is as
native as one of a C program: raw functions of libc, or machine code where that is meant.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.guard import Result, run_guarded
from tests.support.isolation import Namespace

#: Who runs a guest: the tests' own user, root as a rule; an ordinary one, who may read the files that this Python lies
#: in and has no other right.
USERS: dict[str, tuple[str, ...]] = {
    "as we are": (),
    "ordinary user": (
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
        "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
    ),
}  # fmt: skip

#: What every program has at hand.
PRELUDE = '''\
import ctypes, errno, json, os, signal, socket, struct, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def raw(name, *args):
    "A function of libc's: what it returns, or the name of its errno."
    result = libc[name](*[arg.fileno() if isinstance(arg, socket.socket) else arg for arg in args])
    return result if result >= 0 else errno.errorcode.get(ctypes.get_errno(), ctypes.get_errno())
def inet(port, host="127.0.0.1", family=2):
    return struct.pack("<H", family) + struct.pack(">H", port) + socket.inet_aton(host) + bytes(8)
def inet6(port, host="::1", scope=0):
    return struct.pack("<H", 10) + struct.pack(">HI", port, 0) + socket.inet_pton(10, host) + struct.pack("I", scope)
def udp(family=2):
    return socket.socket(family, socket.SOCK_DGRAM)
def keep(data):
    "Where the bytes lie, for ever."
    kept.append(ctypes.create_string_buffer(bytes(data), len(data)))
    return ctypes.addressof(kept[-1])
kept = []
def message(address=b"", data=b"out", control=b"", tail=b""):
    "A msghdr."
    vector = struct.pack("<QQ", keep(data), len(data))
    name, part = keep(address) if address else 0, keep(control) if control else 0
    return struct.pack("<QI4xQQQQi4x", name, len(address), keep(vector), 1, part, len(control), 0) + tail
def try_(act, *args):
    "What an act returns, or the name of its errno."
    try:
        return act(*args)
    except OSError as error:
        return errno.errorcode.get(error.errno, error.errno)
said = {}
def say(**what):
    said.update(what)
import atexit
owner = os.getpid()
atexit.register(lambda: os.getpid() == owner and print(json.dumps(said), flush=True))
'''


def lacking(user: str) -> str:
    """What this machine lacks to run as such a user; "" if nothing."""
    if not USERS[user]:
        return ""
    if os.geteuid() != 0:
        return "root, to become another user"
    if shutil.which("setpriv") is None:
        return "the program setpriv (util-linux)"
    done = subprocess.run([*USERS[user], "true"], capture_output=True, text=True, check=False, timeout=20)
    return done.stderr.strip()


def program(folder: Path, code: str, **given: Any) -> list[str]:
    """Writes a program to a folder; returns the command that runs it. given: its variables."""
    file = folder / "native.py"
    values = "".join(f"{name} = {value!r}\n" for name, value in given.items())
    file.write_text(PRELUDE + values + textwrap.dedent(code), encoding="utf-8")
    return ["/usr/bin/env", sys.executable, "-I", "-S", str(file)]


def alone(
    folder: Path, code: str, *, user: str = "as we are", within: Namespace | None = None, **given: Any
) -> subprocess.CompletedProcess[str]:
    """Runs it without any guard."""
    command = [*USERS[user], *program(folder, code, **given)]
    return subprocess.run(
        within.command(command) if within else command,
        cwd=folder, capture_output=True, text=True, errors="replace", timeout=60, check=False,
    )  # fmt: skip


def walled(
    folder: Path,
    code: str,
    rules: str,
    *,
    user: str = "as we are",
    within: Namespace | None = None,
    timeout: float = 60,
    options: Sequence[str] = (),
    around: Sequence[str] = (),
    **given: Any,
) -> Result:
    """Runs it behind the wall. rules: those of a policy that denies all else but the program itself. around: a sandbox
    that netguard is in."""
    words = ["--", *program(folder, code, **given)]
    itself = f"- {{allow: exec, program: {sys.executable}, unguarded: true}}\n"
    text = "version: 1\ndefault: deny\nrules:\n" + textwrap.indent(itself + rules, "  ")
    return run_guarded(
        words, rules=text, options=["--quiet", *options], wall="require", within=within, before=(*USERS[user], *around),
        cwd=folder, timeout=timeout,
    )  # fmt: skip


def said(done: Result | subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What a program has said at its end."""
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    found: dict[str, Any] = json.loads(lines[-1])
    return found
