"""Programs that the filter leaves nothing to do, and what a person is told who starts one: a table, no more."""

from __future__ import annotations

_TRACER = "it traces other programs, which the wall refuses: run it with --wall off, or on a process outside the run"
_EVENTS = "it reads the kernel's performance counters, which the wall refuses: run it with --wall off"
_USER = "it becomes another user as it starts, which nothing in the run can"
_PACKETS = "it builds its packets itself, which the wall refuses: what it would send has no destination to decide on"
_SPACES = "it makes namespaces, which the wall refuses: paths and addresses would mean something else there"

#: Base name -> the sentence.
UNSUITED = {
    "bpftrace": _EVENTS,
    "bwrap": _SPACES,
    "doas": _USER,
    "gdb": _TRACER,
    "gdbserver": _TRACER,
    "lldb": _TRACER,
    "ltrace": _TRACER,
    "perf": _EVENTS,
    "ping": _PACKETS,
    "py-spy": _TRACER,
    "rr": _TRACER,
    "strace": _TRACER,
    "su": _USER,
    "sudo": _USER,
    "tcpdump": _PACKETS,
    "traceroute": _PACKETS,
    "unshare": _SPACES,
}


def told(program: str) -> str:
    """What is said of a program that starts, "" for nearly all."""
    name = program[program.rfind("/") + 1 :]
    sentence = UNSUITED.get(name)
    return f"netguard: {name} will not do much here: {sentence}" if sentence else ""
