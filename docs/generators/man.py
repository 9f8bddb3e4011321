"""The man page, from the commands' own modules and the pages of this documentation, which say all that it says.

What a command's `--help` shows comes first, then its options, then what the reference says beyond that.
"""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import netguard
from generators.cli import MORE
from generators.roff import code, escaped, example, inline, item, markdown, paragraph, plain, section
from generators.words import NOTE
from netguard.commands import COMMANDS, HELP
from netguard.commands.manual import arguments, called, parser_of, usage, written
from netguard.policy import schema

DOCS = Path(__file__).resolve().parent.parent

#: Without hyphenation and without stretched lines: options are copied from here.
OPENING = r"""
.\" {note}
.TH NETGUARD 1 "" "netguard {version}" "User Commands"
.nh
.ad l
"""


def part(page: str, title: str) -> str:
    """What a page says under a heading, without what stands below it."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.split(r"(?m)^#+ ", text.split(f"# {title}\n", 1)[1], maxsplit=1)[0]


def argument(action: argparse.Action) -> str:
    """An argument as a term: the option in bold, its value not."""
    name, _, value = called(action).partition(" ")
    if not action.option_strings:
        name, value = "", called(action)
    shown = rf"\fI{escaped(value)}\fR" if value else ""
    return " ".join([each for each in (code(name) if name else "", shown) if each])


def command(name: str) -> Iterator[str]:
    """One command's part."""
    parser = parser_of(name)
    doc = written(importlib.import_module(f"netguard.commands.{name}").__doc__)
    yield f".SS netguard {name}\n.PP\n{code(usage(parser))}\n{plain(doc)}"
    for action in arguments(parser):
        yield item(argument(action), escaped(action.help or ""))
    more = MORE.get(name, "")
    if "Ends with" in doc:
        more = re.sub(r"Ends\s+with [^.]*\.\s*", "", more)
    yield markdown(more)


def synopsis() -> str:
    """How each command is called."""
    return ".br\n".join([f"{code(usage(parser_of(name)))}\n" for name in COMMANDS])


def rule_files() -> str:
    """What a rule file is, and its keys."""
    tables = {"The file:": schema.FILE_KEYS, "A rule:": schema.RULE_KEYS, "A limit:": schema.LIMIT_KEYS}
    found = [markdown(part("reference/policy.md", "Rule files").partition("-->")[2])]
    for title, keys in tables.items():
        told = [item(code(key.name), inline(key.meaning)) for key in keys.values() if not key.refused]
        found += [paragraph(title), *told]
    return "".join(found)


def examples() -> str:
    """What `netguard --help` shows."""
    return example("\n".join([line for line in HELP.split("\n") if line.startswith("  netguard ")]))


def man() -> str:
    """The page."""
    note = NOTE.format(source="what `docs/generators/man.py` reads")
    opening = OPENING.lstrip().format(note=escaped(note), version=netguard.__version__)
    intro = "\n\n".join(part("../README.md", "netguard").strip().split("\n\n")[:2])
    general = [("--help", "Says in short what there is; behind a command, what that takes."),
               ("--version", "Says which version this is.")]  # fmt: skip
    parts = [
        section("NAME", f"netguard \\- {escaped('see and control every network request of Python code')}\n"),
        section("SYNOPSIS", synopsis()),
        section("DESCRIPTION", markdown(intro), markdown(part("reference/cli.md", "Commands").partition("-->")[2])),
        section("COMMANDS", *[text for name in COMMANDS for text in command(name)]),
        section("OPTIONS", *[item(code(option), text) for option, text in general]),
        section("RULE FILES", rule_files()),
        section("EXIT STATUS", markdown(part("reference/environment.md", "Exit statuses"))),
        section("ENVIRONMENT", markdown(part("reference/environment.md", "Variables that netguard reads"))),
        section("FILES", markdown(part("reference/environment.md", "Files"))),
        section("EXAMPLES", examples()),
        section("SECURITY", markdown(part("explanation/threat-model.md", "Threat model"))),
        section("SEE ALSO", paragraph("python3(1), and the documentation: rule files, the trail, messages, how-tos.")),
    ]
    return opening + re.sub(r"(?m)^(\.S[HS] .*\n)\.PP\n", r"\1", "".join(parts))
