"""`docs/reference/filter.md`, from the table of system calls."""

from __future__ import annotations

from generators.words import cell, note
from netguard.seccomp import table
from netguard.seccomp.numbers import NEWEST, TABLE

#: How the page says each decision; any other is an errno.
DECISIONS = {
    table.ALLOW: "allowed",
    table.NOTIFY: "**goes to the supervisor**",
    table.KILL: "the process is ended",
    table.SUCCEED: "succeeds, without effect",
}

FILTER = f"""\
# System calls

{note("`netguard/seccomp/table.py`")}

The wall begins with a filter in the kernel. It sees every system call of the guest and of all that the guest starts, in
whatever language, and no process gets rid of it. Most calls it lets pass; some it refuses; and those that name a
destination or open a port it hands to the supervisor, which decides by the rules and carries them out itself. Those
that start a program go to the supervisor too; what it grants, the kernel goes on with, for nobody can start a program
for another. This page says which are which, and why.

- **The first row of a call whose condition holds decides.** A call without a row is allowed; so is one to which no
  condition applies.
- **A filter sees numbers, never what a pointer leads to.** So a call whose destination lies in memory is never decided
  here.
- **What is refused here is refused whatever the rules say**, and leaves no line in the trail: the program gets the
  error that is named, and the supervisor never hears of it.
- **Most refusals are what an ordinary user gets anyway.** They matter where the guest is root, and
  [root is not held](../explanation/threat-model.md).

## What stops working

- Programs that become somebody else as they start: `sudo`, `su`, `mount`, `crontab`. They start without their rights.
- Debuggers and tracers, on the guest's own processes too: `strace`, `gdb`, `ltrace`, `py-spy`, `sys.remote_exec`; and
  what reads the kernel's counters, `perf trace` for example. A run says so once when such a program starts.
- What makes namespaces: `unshare`, `bwrap`, containers, the sandboxes of browsers (Chromium wants `--no-sandbox`).
- `ping`, `traceroute`, packet capture, and what else builds its packets itself.
- Choosing the network interface (`curl --interface`), and joining a multicast group (mDNS, SSDP).
- 32-bit programs on x86-64, which are ended.

io_uring, MPTCP and the kernel's TLS are not there either; libraries do without them. `netguard run --wall off` runs
what cannot do without; then [less holds](../explanation/threat-model.md#without-the-wall).

## Before all rows

| calls | decision | why |
|---|---|---|
"""

ROWS = """\

## By call

| call | condition | decision | why |
|---|---|---|---|
"""

SIGNALS = """\

## Where Landlock cannot keep signals in

Landlock does that from Linux 6.12. Before, these rows come first:

| call | condition | decision | why |
|---|---|---|---|
"""

HOLD = """\

## Where no descriptor may be copied

In [tier B](../how-to/this-machine.md#the-tiers), as under Docker's default profile, these rows come first:

| call | condition | decision | why |
|---|---|---|---|
"""

CLOSED = """\

## Where nobody can be asked

In [tier C](../how-to/this-machine.md#the-tiers) nothing goes to the supervisor. What would, is allowed, and these rows
come first, each where it applies: no rule grants TCP; none grants UDP; TCP ports are limited by Landlock.

| call | condition | decision | why |
|---|---|---|---|
"""

LISTED = """\

## Where Landlock holds a list of programs

It does where [the rules name all that may start](policy.md#programs). Then these rows come first:

| call | condition | decision | why |
|---|---|---|---|
"""

LEFT = """\

## Allowed, and why

What looks as if it should be refused:

| call | why not |
|---|---|
"""

MACHINES = """\

## Machines

The table is one for x86-64 and aarch64, and a call that a machine lacks has no row there:
{alone} are x86-64's alone.
Calls up to number {newest}, the newest of Linux 6.18, have been looked at.
"""


def code(names: str, separator: str = " ", word: str = ", ") -> str:
    """Names as code, with words between them."""
    return word.join(f"`{name}`" for name in names.split(separator))


def left(names: str) -> str:
    """`call: option, option`, or calls, as code."""
    call, colon, options = names.rpartition(": ")
    return (f"`{call}`: " if colon else "") + code(options, ", ")


def term(text: str) -> str:
    """One term of a condition in words."""
    if "=" in text:
        argument, _, names = text.partition("=")
        return f"{argument} is {code(names, '|', ' or ')}"
    argument, _, names = text.partition("&")
    return f"{argument} have {code(names, '|', ' or ')}"


def decision(name: str) -> str:
    """A decision in words, or the errno."""
    return DECISIONS.get(name) or f"`{name}`"


def lines(rows: tuple[table.Row, ...]) -> list[str]:
    """Rows as a page has them."""
    return [
        f"| {code(calls)} | {', '.join(map(term, condition.split()))} | {decision(what)} | {cell(why)} |\n"
        for calls, condition, what, why in rows
    ]


def filter_page() -> str:
    """The page of the filter."""
    first = [f"| {cell(calls)} | {decision(what)} | {cell(why)} |\n" for calls, what, why in table.FIRST]
    allowed = [f"| {left(calls)} | {cell(why)} |\n" for calls, why in table.LEFT.items()]
    closed = [line for rows in table.CLOSED_ROWS.values() for line in lines(rows)]
    named = set(table.by_call(table.SIGNAL_ROWS + table.LIST_ROWS + table.ROWS))
    *most, last = sorted(call for call, numbers in TABLE.items() if call in named and None in numbers)
    alone = f"{code(' '.join(most))} and `{last}`"
    machines = MACHINES.format(alone=alone, newest=NEWEST)
    further = [SIGNALS, *lines(table.SIGNAL_ROWS), LISTED, *lines(table.LIST_ROWS)]
    tiers = [HOLD, *lines(table.HOLD_ROWS), CLOSED, *closed]
    return "".join([FILTER, *first, ROWS, *lines(table.ROWS), *further, *tiers, LEFT, *allowed, machines])
