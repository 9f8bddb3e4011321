"""Writes `docs/reference/cli.md` and `docs/reference/events.md` from the code: `python docs/make_reference.py`.

Only what is no table is written out here. A test holds both pages to what this makes.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from pathlib import Path

from netguard.commands import COMMANDS
from netguard.shim.table import LEFT, WATCHED

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Made by `python docs/make_reference.py`; change {source} instead. -->"

CLI = f"""\
# Commands

{NOTE.format(source="the command's own module in `netguard/commands/`")}

`netguard COMMAND` and `python -m netguard COMMAND` are the same. Every command has `--help`; `netguard --version` says
which version it is. A rule file may also be a pack that is shipped: `agent`, `audit`, `deny-all`, `loopback`,
`metadata`, `package-install`, written so or as `netguard:agent`; a file of that name in the current folder is written
`./agent`. What each ends with is in [environment and exit statuses](environment.md#exit-statuses).

"""

#: How a command is called, where its options do not say it.
USAGES = {
    "run": "netguard run [options] script.py ARG… | -m MODULE ARG… | -c CODE ARG… | -- COMMAND ARG…",
    "show": "netguard show [options] [TRAIL|RUN|-] [LINE|last|last-denied]",
}

#: What stands below a command's options.
MORE = {
    "run": """\
Options of netguard's stand before the script; everything from the first word that is not one belongs to the guest.

- `--rules` given several times: the files' rules one after the other, in the order given.
- `--log` adds to a trail that is there, and refuses a file that is none, a symbolic link, and a file that another run
  is writing. Without it the trail is `trail.jsonl` in a folder of the run's own; the summary names it.
- `--wall auto` and `--wall off` are the same in this version, which has no wall; `--wall require` does not start.
- The table at the end has a bar for each row where there is room and the rows differ: its share of all decisions. A
  full bar is all of them, and what is there at all shows. A run of more than a second with 20 acts also shows when they
  came, and when denials did. Each of these two lines has a scale of its own, linear and from nothing, and says its
  most in numbers. What left no line is known by the second and spread over it. Limits that were at least 80 % used up
  are named.
- `--quiet` silences the summary, the lines about denials and the alarms, which then stand in the trail alone. That
  netguard could not run something is told all the same.
- `--keep-fd` names a descriptor that netguard itself was started with. `/dev/fd/N` in the guest's arguments, as a shell
  makes it of `<(command)`, is kept by itself.
- After `--`, what is not Python is run too. Only the Python that it starts is guarded then, and netguard says so.
- `--live` shows [the run below what the program writes](../how-to/watch-a-run.md#a-run-of-your-own). A program that
  reads what is typed is refused, and so is a trail that is no file. Where neither standard error nor standard output is
  a terminal, events are plain lines on standard error.
- `--run` names the run, and so the folder of its trail, for who must know that beforehand: 26 digits and capital
  letters, a [ULID](https://github.com/ulid/spec). Without it a new one is made.
""",
    "check": """\
Ends with 0 when the files can be used, with 1 when not. Findings go to standard output.

With `--injection`, [without a supervisor](environment.md#variables-that-ask-for-a-guard-without-a-supervisor), these
are found besides:

- `injection-limit`, an error: a limit that is not `per: process`, for nobody counts for several processes; each has the
  whole amount, a forked one too.
- `injection-identity`: `user`, `process` and `tags` are what the process and its variables say; with `--strict` an
  error where they grant.
- `injection-direct`: a grant by `direct`, for an address that another process looked up counts as never looked up.
- `injection-own`: a grant to `@self`, which is sockets of the process itself and of those it was forked from.
- `injection-names`: a grant by name, for only the process that looked the name up knows its addresses.
- `injection-programs`: a grant of `exec`, for nobody outside notices a Python that starts without its guard.

The last three are told once, at the first rule of several.
""",
    "explain": """\
The last word is the request, in [the words of a policy's tests](policy.md#tests). It asks the rules as they stand:
limits are shown and not charged. Of a request by URL that no rule speaks of, it shows what its connection comes to;
where only an address could tell, what its look-up comes to. Ends with 0 whatever the verdict is, for the question was
answered; with 1 when the files cannot be used, with 2 when the request cannot be read.
""",
    "compile": """\
The compiled form loads without a parser. Its SHA-256 is the `policy` in the first line of every trail that was made
under these rules. Ends with 0 when it is written, with 1 when the files cannot be used.
""",
    "env": """\
Standard output has the variables and nothing else; what was written, what a sandbox needs besides and how many warnings
the rules have goes to standard error.

- `--policy`: a compiled policy that is there is replaced by another one, and netguard says so; any other file is
  refused. It is read-only, and `NETGUARD_POLICY_SHA256` pins it: with another content no program starts.
- `--policy-at`, `--starter` say where the sandbox has what lies elsewhere here. The starter's folder is
  `netguard/starter` where a wheel is installed, and `starter` in what `--guest` makes.
- `PYTHONPATH` has the starter first. In the shell format without `--policy-at` and `--starter`, and in JSON, what
  it is here now stays behind that, without empty elements; otherwise what it is where the lines are read.
- A relative `--log` is made absolute for this machine and refused for another.

Ends with 0 when the variables are printed. With errors in the rules nothing is printed on standard output, and it ends
with 1.
""",
    "install": """\
It makes a folder `DIR/netguard` with the policy, the settings and a record of what was put there, and a file
`!netguard.pth` in site-packages with one line that starts the guard or stops the program. With `--copy` the guest part
of netguard lies in `DIR/netguard` too; without it the environment refers to where this netguard is installed. See
[guard an environment](../how-to/guard-an-environment.md). Ends with 0 when it is there, with 1 when it cannot be.
""",
    "uninstall": "Ends with 0 when nothing of it is left, with 1 when something is.\n",
    "status": """\
The first line answers the question: `guarded: …`, `not guarded: …` or `cannot tell: …`, with the reason. Where every
start would be stopped, that is `not guarded`, since nothing runs. A collector's socket is connected to and hears
nothing. `--json` has `guarded` (true, false or null), `why`, and the same with `facts` and `warnings` for `environment`
and `shell`. Ends with 0 for guarded, with 1 for not guarded, with 2 if it cannot tell.

In a shell whose variables ask for a guard, `netguard` itself starts guarded, or is stopped with the reason.
""",
    "watch": """\
On a terminal it is [a screen with keys](../how-to/watch-a-run.md#keys). Where standard output is none, or with
`TERM=dumb`, it prints one line for each event, and ends when each run in the trail is closed or the stream has ended.

The word is a file, a folder with a `trail.jsonl` in it, or a run's name or the beginning of it. A file that is not
there yet is waited for. `-` is standard input.

Ends with 0, also when you leave before the run has ended; with 2 for a trail that is not there or cannot be read; with
130 after Ctrl-C.
""",
    "show": """\
Without a trail it is the newest run in the state folder that has one; without a line it is the last denial. A run is
named by the beginning of its name, `-` is standard input. `last` is the last act that has a line of its own,
`last-denied` the last that was denied, or would have been but for a dry run.

Everything on the line is shown, a key of a later version too, and each `result` and `alert` about it. The rule below
names just this act: its destination with port and protocol, or its program with its arguments. There is none for
native code, for credential files, for the grant of an address that was asked for its name (it would let every name out
to be looked up), and where a `*`, a `?` or something redacted stands in an argument. Two acts that a rule cannot tell
apart are the same arguments split at other spaces; a denial of an address holds under any name for it.

With `--json` it prints the lines as they stand in the file, the event's own first. A trail of a million lines is looked
through in seconds, with as little memory as a short one. Ends with 0 when the event is shown, with 1 when there is
none or more than one, with 2 when the trail cannot be read.
""",
    "verify": "Ends with 0 for a whole trail, with 1 for a broken one, with 2 for a file that cannot be read.\n",
}

EVENTS = f"""\
# Audit events

{NOTE.format(source="`netguard/shim/table.py`")}

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


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of one command, as `netguard.commands.run` makes it."""
    parser = argparse.ArgumentParser(prog=f"netguard {name}", add_help=False)
    importlib.import_module(f"netguard.commands.{name}").add_arguments(parser)
    return parser


def value_of(action: argparse.Action) -> str:
    """The value that an argument takes, as people write it; "" for none."""
    if action.choices:
        return "|".join(action.choices)
    if action.nargs == 0:
        return ""
    return action.metavar if isinstance(action.metavar, str) else action.dest.upper()


def called(action: argparse.Action) -> str:
    """`--rules FILE`, `FILE…`, `--json`."""
    if action.option_strings:
        return f"{action.option_strings[-1]} {value_of(action)}".rstrip()
    more = {"+": "…", "*": "…"}.get(str(action.nargs), "")
    return f"{value_of(action)}{more}"


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", "\\|")


def first_sentences(command: object) -> str:
    """The command's summary, as a sentence."""
    summary = str(command.SUMMARY)  # type: ignore[attr-defined]
    return f"{summary[0].upper()}{summary[1:]}."


def section(name: str) -> Iterator[str]:
    """One command's part of the page."""
    parser = parser_of(name)
    shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    named = [action for action in shown if action.option_strings]
    words = [called(action) for action in shown if not action.option_strings]
    usage = USAGES.get(name) or " ".join(["netguard", name, *["[options]"][: len(named)], *words])
    yield f"## netguard {name}\n\n"
    yield f"{first_sentences(importlib.import_module(f'netguard.commands.{name}'))}\n\n"
    yield f"```text\n{usage}\n```\n\n"
    yield "| argument | meaning |\n|---|---|\n"
    for action in shown:
        yield f"| `{cell(called(action))}` | {cell(action.help or '')} |\n"
    yield f"\n{MORE.get(name, '')}\n"


def cli() -> str:
    """The page of the commands."""
    text = CLI + "".join(part for name in COMMANDS for part in section(name))
    return text.rstrip("\n") + "\n"


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


PAGES = {"cli.md": cli, "events.md": events}


def main() -> None:
    """Writes the pages."""
    for name, make in PAGES.items():
        (REFERENCE / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
