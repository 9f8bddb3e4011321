"""`docs/reference/cli.md`, from the commands' own modules, and what is said of each beyond its `--help`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from generators.words import cell, note
from netguard.commands import COMMANDS
from netguard.commands.manual import arguments, called, parser_of, usage

CLI = f"""\
# Commands

{note("the command's own module in `netguard/commands/`")}

`netguard COMMAND` and `python -m netguard COMMAND` are the same. Every command has `--help`; `netguard --version` says
which version it is. A rule file may also be a pack that is shipped: `agent`, `audit`, `deny-all`, `local-services`,
`loopback`, `metadata`, `package-install`, written so or as `netguard:agent`; a file of that name in the current folder
is written `./agent`. What each ends with is in [environment and exit statuses](environment.md#exit-statuses).

"""

#: What stands below a command's options.
MORE = {
    "run": """\
Options of netguard's stand before the script; everything from the first word that is not one belongs to the guest.
Without `--rules` it only watches: everything is logged, and nothing but cloud metadata is denied. It ends with the
guest's exit status (128+N when signal N ended it). netguard's own failures are 125, a program that cannot be run is 126
and one that is not there 127; `--status-fd` says whose the status is, guest or netguard.

- `--rules` given several times: the files' rules one after the other, in the order given.
- `--max-trail`: when the trail is that long, everything is denied.
- `--log` adds to a trail that is there, and refuses a file that is none, a symbolic link, and a file that another run
  is writing. Without it the trail is `trail.jsonl` in a folder of the run's own; the summary names it.
- `--wall auto` puts up [the best wall](../how-to/this-machine.md#the-tiers) that the kernel gives; the trail's first
  line says which, and the run's last line where it is not whole. `--wall require` starts nothing unless it is.
  `--wall off` leaves alone [what no hook of Python's sees](../explanation/threat-model.md#without-the-wall): for
  programs that need what the wall [refuses](filter.md#what-stops-working).
- `--keep-stragglers`: processes that outlive the program go on being held, for as long as they run. Without it they are
  ended after 5 seconds, or at once at Ctrl-C. Where there is no wall, nobody waits for them and nobody ends them.
- The table at the end has a bar for each row where there is room and the rows differ: its share of all decisions. A
  full bar is all of them, and what is there at all shows. A run of more than a second with 20 acts also shows when they
  came, and when denials did. Each of these two lines has a scale of its own, linear and from nothing, and says its
  most in numbers. What left no line is known by the second and spread over it. Limits that were at least 80 % used up
  are named.
- `--quiet` silences the summary, the lines about denials and the alarms, which then stand in the trail alone. That
  netguard could not run something is told all the same.
- `--keep-fd` names a descriptor that netguard itself was started with. `/dev/fd/N` in the guest's arguments, as a shell
  makes it of `<(command)`, is kept by itself.
- After `--`, what is not Python is run too, and held by the wall. Where there is none, only the Python that it starts
  is guarded, and netguard says so.
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
- `injection-native`: a rule with `native`, for without a wall nobody sees what is native.
- `injection-own`: a grant to `@self`, which is sockets of the process itself and of those it was forked from.
- `injection-names`: a grant by name, for only the process that looked the name up knows its addresses.
- `injection-programs`: a grant of `exec`, for nobody outside notices a Python that starts without its guard.

The last three are told once, at the first rule of several.
""",
    "explain": """\
The last word is the request, in [the words of a policy's tests](policy.md#tests). Without rule files the pack `audit`
is asked. It asks the rules as they stand: limits are shown and not charged. Of a request by URL that no rule speaks of,
it shows what its connection comes to; where only an address could tell, what its look-up comes to. Ends with 0 whatever
the verdict is, for the question was answered; with 1 when the files cannot be used, with 2 when the request cannot be
read.
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
    "doctor": """\
The first line is the [tier](../how-to/this-machine.md#the-tiers); where it is not A, the next say what does not hold,
why, and what helps. Then each [ability](../how-to/this-machine.md#the-abilities), on or off, as the user has it who
asks. `--json` has `tier`, `decides` (whether the wall holds), `held`, `not_held`, `why`, `remedy`, `machine`,
`landlock` and `abilities`, each with `name`, `on`, `purpose`, `why` and `remedy`. Ends with 0 if the wall holds (tier
A or B), with 1 if not.
""",
    "schema": """\
The schema is JSON Schema, draft 7. Without a format, `--line` prints the line for YAML. See [editor and
shell](../how-to/editor-and-shell.md). Ends with 0 when it is printed.
""",
    "completion": "See [editor and shell](../how-to/editor-and-shell.md). Ends with 0 when it is printed.\n",
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


def summary(name: str) -> str:
    """The command's summary, as a sentence."""
    text = str(importlib.import_module(f"netguard.commands.{name}").SUMMARY)
    return f"{text[0].upper()}{text[1:]}."


def section(name: str) -> Iterator[str]:
    """One command's part of the page."""
    parser = parser_of(name)
    yield f"## netguard {name}\n\n{summary(name)}\n\n```text\n{usage(parser)}\n```\n\n"
    yield "| argument | meaning |\n|---|---|\n"
    for action in arguments(parser):
        yield f"| `{cell(called(action))}` | {cell(action.help or '')} |\n"
    yield f"\n{MORE.get(name, '')}\n"


def cli() -> str:
    """The page of the commands."""
    text = CLI + "".join(part for name in COMMANDS for part in section(name))
    return text.rstrip("\n") + "\n"
