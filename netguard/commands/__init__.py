"""The command line: a literal table of subcommands, one module each, and `main`, the only place that prints errors."""

from __future__ import annotations

import importlib
import os
import sys

from netguard.errors import NetguardError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import NoReturn, Protocol

    class Subcommand(Protocol):
        """What each module of this package has."""

        SUMMARY: str

        def add_arguments(self, parser: ArgumentParser) -> None:
            """Declares the command's options."""

        def run(self, args: Namespace) -> int:
            """Does the work; returns the exit status. Raises NetguardError."""



#: name -> what it does, in the order of the help. Each is a module of this package, loaded when it is asked for.
COMMANDS = {
    "run": "run a script, module or command under guard",
    "check": "check rule files and run their tests",
    "explain": "show which rule decides a request, and why the others do not",
    "compile": "write the compiled form of rule files",
    "watch": "show a run while it goes on",
    "show": "show one event of a trail, and the rule that would decide it",
    "verify": "check that a trail is whole",
    "env": "print the variables that put a guard into a sandbox",
    "install": "guard every Python of a virtual environment, for good",
    "uninstall": "take the guard out of a virtual environment",
    "status": "say whether this environment and this shell are guarded",
    "doctor": "say what the wall can hold on this machine, and why",
    "schema": "print the JSON Schema of rule files, for editors",
    "completion": "print the completion of commands and options for a shell",
}

HELP = "\n".join(
    [
        "usage: netguard COMMAND …",
        "",
        "See and control every network request of Python code, without changing the code.",
        "",
        "  netguard run script.py                      show what a script does",
        "  netguard run --rules rules.yaml script.py   hold it to rules",
        "  netguard run --rules agent -- pytest -q     any command, with a pack of rules",
        "",
        *[f"  {name:<11} {summary}" for name, summary in COMMANDS.items()],
        "",
        "netguard COMMAND --help tells more of each. netguard --version says which it is.",
    ]
)


def main(words: list[str] | None = None) -> int:
    """Runs one command; returns the exit status. Errors go to standard error, here and nowhere else."""
    words = sys.argv[1:] if words is None else words
    first = words[0] if words else ""
    try:
        status = invoke(first, words[1:]) if first in COMMANDS else about(first)
        if sys.stdout is not None:
            sys.stdout.flush()  # at the interpreter's end a reader that has gone would be told of as an error
        return status
    except NetguardError as error:
        from netguard.views.text import plain_lines  # a file's name may be the guest's, and be typed by a completion

        say(plain_lines(f"netguard: {error}"))
        # Only `run` has to leave the guest's own statuses alone; elsewhere a wrong command line is 2, as everywhere.
        return 2 if type(error) is UsageError and first != "run" else error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is still to be flushed
        return 141  # as a program that SIGPIPE ended: whoever read our output has gone
    except Exception:  # noqa: BLE001  # a fault of ours must not look like the guest's exit status
        import traceback

        say(traceback.format_exc() + "netguard: this is a fault in netguard itself; please report it with these lines")
        return 125 if first == "run" else 2


def about(word: str) -> int:
    """What is said when no command is named."""
    if word in ("-h", "--help", "help"):
        print(HELP)
        return 0
    if word in ("-V", "--version"):
        import netguard

        print(f"netguard {netguard.__version__}")
        return 0
    say(f"netguard: there is no command {word!r}; netguard --help lists them" if word else HELP)
    return 2


def say(text: str) -> None:
    """Prints to standard error. Where that is closed, Python would print to standard output instead."""
    if sys.stderr is not None:
        print(text, file=sys.stderr)


def invoke(name: str, words: list[str]) -> int:
    """Parses one command's options and runs it."""
    from argparse import ArgumentParser

    class Parser(ArgumentParser):
        """argparse's own, with our way of saying what is wrong, and of helping."""

        def error(self, message: str) -> NoReturn:
            raise UsageError(f"{message}; netguard {name} --help tells more")

        def format_help(self) -> str:
            from netguard.commands.manual import help_text

            return help_text(self)

    command: Subcommand = importlib.import_module(f"netguard.commands.{name}")
    parser = Parser(
        prog=f"netguard {name}",
        description=command.__doc__,
        allow_abbrev=False,  # what takes a value must be known by its whole name, or `split` would cut before the value
    )
    command.add_arguments(parser)
    # Only `run` has a guest, whose words are not ours to read.
    split = getattr(command, "split", None)
    words, guest = split(words) if split is not None else (words, [])
    args = parser.parse_args(words)
    args.words, args.guest = words, guest
    return command.run(args)
