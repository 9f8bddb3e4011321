"""Show a run while it goes on, or one that has ended.

  netguard watch                    the newest run
  netguard watch RUN                a run by its name, or the beginning of it
  netguard watch trail.jsonl        a trail in a file, also one that is not there yet
  … | netguard watch -              lines from standard input

On a terminal it is a screen with keys: q leaves, ? tells the others. Without
one, or with TERM=dumb, it prints a line for each event and ends when the run
has ended. Ends with 0, with 2 for a trail that is not there or cannot be
read, and with 128+N when signal N ended it; Ctrl-C is 130.
"""

from __future__ import annotations

import os

from netguard.errors import TrailError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "show a run while it goes on"

UNREADABLE = 2


def add_arguments(parser: ArgumentParser) -> None:
    """The command's own arguments."""
    help_text = "a trail, a run's name or its beginning; without it the newest run"
    parser.add_argument("trail", nargs="?", default="", metavar="TRAIL|RUN", help=help_text)


def there(word: str, path: str) -> str:
    """The path, if it is there or may come to be: a mistyped name of a run must not be waited for."""
    if path == word != "-" and not os.path.exists(path) and not {"/", "."} & set(word):
        raise TrailError(f"there is no file {word} here, and no run of that name")
    return path


def run(args: Namespace) -> int:
    """Shows it; returns the exit status."""
    from netguard.commands.run import leave_folder

    leave_folder()
    from netguard.trail.follow import Follow
    from netguard.trail.place import trail_of
    from netguard.viewer.watch import watch

    try:
        trail = Follow(there(args.trail, trail_of(args.trail)))
        try:
            return watch(trail)
        finally:
            trail.close()
    except TrailError as error:
        error.exit_code = UNREADABLE
        raise

