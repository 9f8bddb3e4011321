"""`docs/reference/policy.md`, from the schema table. Only what is not a table is written out here."""

from __future__ import annotations

from netguard.core.request import KINDS
from netguard.policy import schema
from netguard.policy.schema import ALIASES, BUILTIN, FORMATS, KIND_MEANINGS, METADATA_NAMES, PARTLY, Key

OPENING = """\
# Rule files

<!-- Made by `python docs/make_reference.py`; change `netguard/policy/schema.py` instead. -->

**What a rule can hold code to.** Behind the [wall](../explanation/threat-model.md), `connect` and `listen` rules hold
for all code in whatever language, by what the kernel says of destination, process and user; so do `exec` rules, but
[by name not always](#programs). The kinds `dns`, `http`, `native`, `file` and `audit`, and the facet `from`, are known
from what the guest's Python says of itself, and so hold Python code that does not set out to evade them; without the
wall all rules hold no more than that. `netguard check` marks grants that rest on such facets, `program` and `args`
among them, and `--strict` refuses them.

A rule file is YAML, TOML (`.toml`) or JSON (`.json`) with the same keys; any other name is read as YAML. Rules are
tried from the top, **the first that matches wins**, and if none does, `default` holds. Every key is in a table below. A
key that is not, or that this version does not build, is an error and never ignored. In YAML, values that begin with
`@`, `*` or `%` must be quoted; anchors, aliases and tags are not used. [An editor](../how-to/editor-and-shell.md)
completes and checks all of this while you type.
"""

PROGRAMS = """\
Behind the wall each start of a program is decided, whoever starts it: Python, a shell, native code. A path along `PATH`
where nothing is, is no start and has no line. What holds depends on what the rules say:

- **`deny: exec`, without a program, holds against everything.** So does a default of `deny` where no rule grants
  `exec`. What the command line itself asks for still starts, also by way of `#!/usr/bin/env`.
- **By name, one grant or denial alone is advisory.** The kernel follows the path once more after netguard has looked at
  it, and code that sets out to can put another program there in between, or start the same one under another name.
- **A list of programs holds.** Where the default denies and every rule that grants `exec` says `program`, Landlock
  lets the kernel start only the files that those rules named as the run began: a name without a slash wherever it stood
  on `PATH`, a path, a pattern with what it matched; with them the interpreters and loaders that they need, and the
  run's own program. The trail's first line says in `execute` whether it is so, and why not. A program that comes later,
  or lies elsewhere, is [denied and said so](messages.md#rule-not-listed). Name no file that the program may write to.
- **What a granted program loads is no start.** An interpreter runs any script, a loader any library: to grant `sh`,
  `python3` or anything that loads plug-ins is to grant code. It is held in what it reaches, as all code.

What a program brings along in its environment counts behind the wall as it does where Python starts it
(`unguarded`), also for what a shell starts.
"""

NATIVE = """\
With the wall, the kernel shows each `connect` and `listen` of the run, and the guard inside a Python announces those
that Python makes. What nobody announced is *native*: the connection of a library such as grpc, of another program, or
of code that evades Python's hooks. Where a rule logs or denies it, its line carries a [finding](trail.md#findings); an
`allow` leaves no line, so write `log` for what should show.

An announcement proves nothing: code that sets out to can announce what it likes, and need not announce anything. So

- `deny` with `native: true` stops what was not announced. What it lets pass was announced, and that is all: no proof
  that it was Python code, nor that it came from where it says;
- `deny` with `native: false` stops honest code alone;
- a grant with `native`, true, false or by library, rests on the guest's own word: `netguard check` marks it, `--strict`
  refuses it. Let the destination decide, and use `native` to deny or to log.

`native: {library: "*grpc*"}` asks which library made the call. It is the mapped file that the calling address lies in;
behind the C library, the first such file that the thread's stack leads back to; and where neither can be had, the
program. A call by `ctypes` or `cffi` is libffi's, `*libffi*`. On the trail it is
[`code.library`](trail.md#objects). Stack and memory are the guest's own, so this tells honest libraries apart: a `deny`
holds those, and a grant rests on the guest's word, however it is written.

Without a wall (`--wall off`, injection, another system) nothing is native: `true` never holds, and `false` always does.
`native` among the kinds is another thing: native code that is loaded.
"""

DESTINATIONS = """\
## Destinations

| form | means |
|---|---|
| `api.example.org` | this name; letter case, a trailing dot and Unicode spelling make no difference |
| `*.example.org` | every name below it, at any depth, but not `example.org` itself |
| `192.0.2.7`, `2001:db8::7` | this address, however it is spelled: decimal, octal, hex, short, IPv4 inside IPv6 |
| `10.0.0.0/8`, `2001:db8::/32` | every address of the network |
| `unix:/run/app.sock`, `unix:@name` | a unix socket, by path or abstract (`\\0` is a NUL); a `*` may stand at the end |
| `@NAME` | every destination of the list |

Behind all of them but `unix:` may stand ports: `:443`, `:443,8443`, `:8000-8100`. An IPv6 address with ports stands in
brackets: `[2001:db8::7]:443`. To speak of every destination, leave `to` out; at most {without} rules may.

At the look-up of a name no port is known yet: a grant with ports grants the look-up, and a denial with ports does not
deny it. A grant by address lets a name be looked up, and decides on the answers.

A request by URL (`http`) that no rule speaks of takes the verdict of its connection: what the rules say of a `connect`
to the same host and port. Where only its address could tell, the request goes on to the look-up and the connection,
which are decided in their turn; a test of it without an address comes to the default.
"""

LIMITS = """\
A rate is a number, a slash and a unit: {units}; `500/run` counts over the whole run.
One mapping may count both; a list of mappings sets several. The one too many is denied, logged or delayed, as `over`
says; it never goes on to the next rule. `per` is
{per} or `tag:NAME`. The trail says once a second which limits are at
least half full ([`limits`](trail.md#other-keys)).
"""

TESTS = """\
Every file's tests run at `netguard check` and before every run, against that file with its includes and its own
`default`, whatever else stands on the command line. A request is written as for `netguard explain`:

```
{grammar}
```

`at` says which address the name has. Before a program may stand variables that bring code along, as in
`exec LD_PRELOAD=/tmp/x.so git push`; what they and a Python's own options (`exec python3 -I x.py`) come to is in
`unguarded` above. What is known of who asks may stand in brackets before it:
`[user=ci process=/usr/bin/python3 tags.job=7 from.package=requests own native]`; `own` says that the destination is a
socket which the run itself listens on, `native` that no witness announced it, `library=PATH` which library made it.
"""


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def rows(keys: dict[str, Key], facets: bool = False) -> str:
    """A table of keys; with `facets`, of what each applies to as well."""
    lines = ["| key | value | applies to | meaning |", "|---|---|---|---|"] if facets else []
    lines = lines or ["| key | value | meaning |", "|---|---|---|"]
    for key in keys.values():
        meaning = f"*Not in this version;* it {key.refused}." if key.refused else key.meaning
        applies = [", ".join(key.kinds) if key.kinds != KINDS else "all"] if facets else []
        lines.append("| " + " | ".join([f"`{key.name}`", key.shape, *applies, cell(meaning)]) + " |")
    return "\n".join(lines)


def words(meanings: dict[str, str], mark: str = "") -> str:
    return "\n".join(["| | |", "|---|---|", *[f"| `{mark}{word}` | {cell(text)} |" for word, text in meanings.items()]])


def kinds() -> str:
    lines = ["| kind | what it is | audit events that mean it |", "|---|---|---|"]
    for kind in KINDS:
        events = ", ".join([f"`{event}`" for event, meant in ALIASES.items() if meant == kind])
        lines.append(f"| `{kind}` | {KIND_MEANINGS[kind]} | {events} |")
    return "\n".join(lines)


def grammar() -> str:
    """The forms of a request, from the module that reads them."""
    from netguard.policy import grammar as module

    return "\n".join([line[4:] for line in (module.__doc__ or "").split("\n") if line.startswith("    ")])


def bounds() -> str:
    sizes = {
        "a rule file": f"{schema.MAX_FILE >> 20} MiB",
        "a list file": f"{schema.MAX_LIST_FILE >> 20} MiB",
        "files": f"{schema.MAX_FILES}",
        "rules": f"{schema.MAX_RULES:,}",
        "rules without `to`": f"{schema.MAX_WITHOUT_TO}",
        "destinations of a file and its lists": f"{schema.MAX_ENTRIES:,}",
        "tests in a file": f"{schema.MAX_TESTS:,}",
        "a text": f"{schema.MAX_TEXT:,} characters",
        "a rule's name": f"{schema.MAX_NAME} characters",
    }
    return "\n".join(["| what | at most |", "|---|---|", *[f"| {what} | {size} |" for what, size in sizes.items()]])


def reference() -> str:
    """The whole page."""
    units = ", ".join([f"`60/{unit}`" for unit in schema.UNITS if unit != "run"])
    partly = " ".join([f"`{event}` is none: {why}." for event, why in PARTLY.items()])
    parts = [
        OPENING,
        "## The file\n\n" + rows(schema.FILE_KEYS),
        "## A rule\n\nA rule has exactly one of `allow`, `log` and `deny`. All its facets must hold.\n\n"
        + rows(schema.RULE_KEYS, facets=True),
        "### `from`\n\n" + rows(schema.FROM_KEYS),
        "### Programs\n\n" + PROGRAMS.rstrip(),
        "### `native`\n\n" + NATIVE.rstrip(),
        rows(schema.NATIVE_KEYS),
        "### `limit`\n\n" + rows(schema.LIMIT_KEYS),
        LIMITS.format(units=units, per=", ".join([f"`{word}`" for word in schema.PER])).rstrip(),
        "## Kinds\n\n`any` is every kind to which all of the rule's facets apply.\n\n" + kinds(),
        f"Any other audit event is written `audit:NAME`; such a rule takes no destination. {partly}",
        DESTINATIONS.format(without=schema.MAX_WITHOUT_TO).rstrip(),
        "### Built-in lists\n\n" + words(BUILTIN, "@"),
        "Names in `@metadata`: " + ", ".join([f"`{name}`" for name in METADATA_NAMES]) + ".",
        "### Lists from files\n\n" + rows(schema.LIST_KEYS),
        words(FORMATS) + "\n\nComments begin with `#` or `;`. A line that cannot be read is an error.",
        "## Tests\n\n" + rows(schema.TEST_KEYS),
        TESTS.format(grammar=grammar()).rstrip(),
        "## Bounds\n\n" + bounds(),
    ]
    return "\n\n".join([part.rstrip("\n") for part in parts]) + "\n"
