"""`docs/reference/events.md`, from the table of audit events."""

from __future__ import annotations

from generators.words import cell, note
from netguard.shim.table import LEFT, WATCHED

EVENTS = f"""\
# Audit events

{note("`netguard/shim/table.py`")}

Python tells a hook of what it is about to do by *audit events* (PEP 578). This page says which of them netguard
watches, as which [kind](policy.md#kinds), and why the others are left. **A hook hears Python only:** what native code
and other programs do raises no event; see [the threat model](../explanation/threat-model.md).

A rule may name an event. One that [stands for a kind](policy.md#kinds) means that kind; any other is written
`audit:NAME` and is watched from then on, also one that is left here. An event that is in neither table is left as well.

## Watched

| event | kind | what is read of its arguments |
|---|---|---|
"""

AUDIT = """\

Events of the kind `audit` are on record whatever the rules' default is: they are logged, and denied only where a rule
names them as `audit:NAME`. `os.putenv` and its like are ordinary, and so on record only where a rule names them,
or where they would change [what starts the guard](environment.md#variables-that-netguard-sets-for-the-guest) in a
program that the guest starts; that is denied whatever the rules say. `subprocess.Popen` is announced by Python code,
which a guest can silence; so it decides nothing, and the start from C that follows it, `_posixsubprocess.fork_exec` or
`os.posix_spawn`, is decided and recorded under its name. `_posixsubprocess.fork_exec` raises no event before Python
3.14; there a wrapped function asks in its name. A denied `sys.addaudithook` adds no hook, and CPython tells its caller
nothing.

Names are asked for by wrapped functions before C sees them (`socket.getaddrinfo` and its relatives, and names given to
`connect`, `bind`, `sendto` and `sendmsg` of `socket.socket`), so these events arrive with addresses.

## Left

| event | why |
|---|---|
"""


#: What each reader of the table takes from an event.
READS = {
    "endpoint": "the socket's family and transport, the address and port, or the path",
    "name": "the name; an address in any spelling is none",
    "reverse": "the address whose name is asked for",
    "request": "the URL, the method, the size of the body; no `file:` and `data:` URLs",
    "shell": "the command, as an argument of `/bin/sh`",
    "program": "the path and the arguments; a path that is not there starts nothing",
    "candidates": "the first path that is there, and the arguments",
    "announcement": "nothing: it tells the record by which name the start is known",
    "library": "the library's name",
    "symbol": "the symbol's name",
    "extension": "the extension's path",
    "module": "the path of a native module that is not installed with the interpreter or its environment",
    "credential": "the path, when it is that of a well-known credential file",
    "bare": "those that are plain text",
    "variable": "the name; on record, and denied, only where it would take the guard from what the guest starts",
}


def events() -> str:
    """The page of the audit events."""
    watched = [f"| `{event}` | `{kind}` | {READS[reader]} |\n" for event, (kind, reader) in WATCHED.items()]
    left = [f"| `{event}` | {cell(why)} |\n" for event, why in LEFT.items()]
    return "".join([EVENTS, *watched, AUDIT, *left])
