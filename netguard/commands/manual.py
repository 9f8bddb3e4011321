"""A command in words: how it is called and what its options mean, for all that tells of it.

A command's module says all of it: its docstring is what `--help` shows above the options, its first line the summary.
"""

from __future__ import annotations

import argparse
import importlib

#: A help is read on a terminal of 80 columns and 24 lines, the smallest that is still common. A test holds each to it.
COLUMNS, LINES = 80, 24


def parser_of(name: str) -> argparse.ArgumentParser:
    """The command's arguments, without its `--help`."""
    parser = argparse.ArgumentParser(prog=f"netguard {name}", add_help=False)
    importlib.import_module(f"netguard.commands.{name}").add_arguments(parser)
    return parser


def written(doc: str | None) -> str:
    """A docstring as it was written. From 3.13 on Python takes away an indent that all lines below the first have."""
    text = (doc or "").strip()
    return text if "\n  " in text else text.replace("\nnetguard ", "\n  netguard ")


def arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """What is told of: not `--help`, which whoever reads this has found, and nothing that is hidden."""
    return [
        action
        for action in parser._actions
        if action.help != argparse.SUPPRESS and not isinstance(action, argparse._HelpAction)
    ]


def value_of(action: argparse.Action) -> str:
    """The value that an argument takes, as people write it; "" for none."""
    if action.nargs == 0:
        return ""
    value = "|".join(action.choices) if action.choices else action.metavar
    value = value if isinstance(value, str) else action.dest.upper()
    return f"[{value}]" if action.nargs == "?" and action.option_strings else value


def called(action: argparse.Action) -> str:
    """`--rules FILE`, `FILE…`, `--json`."""
    if action.option_strings:
        return f"{action.option_strings[-1]} {value_of(action)}".rstrip()
    value = value_of(action) + ("…" if action.nargs in ("+", "*") else "")
    return f"[{value}]" if action.nargs in ("?", "*") else value


def usage(parser: argparse.ArgumentParser) -> str:
    """How the command is called: as it says itself, or as its arguments say."""
    if parser.usage:
        return parser.usage
    shown = arguments(parser)
    needed = [called(action) for action in shown if action.option_strings and action.required]
    optional = ["[options]"] if any([action.option_strings and not action.required for action in shown]) else []
    words = [called(action) for action in shown if not action.option_strings]
    return " ".join([parser.prog, *needed, *optional, *words])


def help_text(parser: argparse.ArgumentParser) -> str:
    """What `--help` prints. `description` is the docstring of the command's module; nothing is wrapped here."""
    rows = [(called(action), action.help or "") for action in arguments(parser)]
    width = max([len(left) for left, _ in rows], default=0)
    lines = [f"  {left:<{width}}  {right}" for left, right in rows]
    return "\n".join([f"usage: {usage(parser)}", "", written(parser.description), "", *lines]) + "\n"
