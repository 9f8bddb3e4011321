"""Whether this kernel lets a process hand its system calls to another one (seccomp notification)."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import subprocess
import sys

# linux/seccomp.h, linux/prctl.h, and the system call's number by machine (asm/unistd.h)
_NUMBERS = {"x86_64": 317, "aarch64": 277, "riscv64": 277}
_SET_MODE_FILTER, _NEW_LISTENER, _PR_SET_NO_NEW_PRIVS = 1, 8, 38
_RETURN_ALLOW = (0x06, 0, 0, 0x7FFF0000)


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


def listen_once() -> int:
    """Install a filter that allows all and has a listener; 0, or the errno. Only ever in a throw-away process."""
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(1, ctypes.pointer(_Instruction(*_RETURN_ALLOW)))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    made = libc.syscall(_NUMBERS[platform.machine()], _SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(program))
    return ctypes.get_errno() if made < 0 else 0


@functools.cache
def seccomp_missing() -> str:
    """Why the kernel offers no notification here; empty when it does.

    Asking is not enough: gVisor answers that it knows the action and refuses the listener, and a container that already
    has a listener may not add one. So a child tries it.
    """
    if not sys.platform.startswith("linux") or platform.machine() not in _NUMBERS:
        return f"no seccomp on {sys.platform} {platform.machine()}"
    tried = subprocess.run([sys.executable, "-I", __file__], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return ""
    return f"seccomp with a listener: {tried.stderr.strip() or os.strerror(tried.returncode)}"


if __name__ == "__main__":
    sys.exit(listen_once())
