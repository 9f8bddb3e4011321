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


def run(args: Namespace) -> int:
    """Shows it; returns the exit status."""
    from netguard.commands.run import leave_folder

    leave_folder()
    from netguard.trail.follow import Follow
    from netguard.viewer.watch import watch

    try:
        trail = Follow(place(args.trail))
        try:
            return watch(trail)
        finally:
            trail.close()
    except TrailError as error:
        error.exit_code = UNREADABLE
        raise


def place(word: str) -> str:
    """The path of the trail that is meant. Raises TrailError."""
    if word == "-" or "/" in word or os.path.lexists(word):
        return word
    runs = runs_here()
    if not word:
        if not runs:
            raise TrailError("there is no run to watch yet: name a trail, or start one with netguard run")
        return trail_of(max(runs, key=started))
    found = [run for run in runs if run == word] or [run for run in runs if run.startswith(word.upper())]
    if not found and word.endswith(".jsonl"):
        return word  # not there yet
    if not found:
        raise TrailError(f"{word}: neither a trail nor the beginning of a run's name")
    if len(found) > 1:
        raise TrailError(f"{word}: {len(found)} runs begin so, from {min(found)} to {max(found)}")
    return trail_of(found[0])


def runs_here() -> list[str]:
    """The names of this user's runs."""
    from netguard.paths import state_dir

    try:
        return os.listdir(os.path.join(state_dir(), "runs"))
    except OSError:
        return []


def trail_of(run: str) -> str:
    """The trail in a run's own folder."""
    from netguard.paths import run_dir

    return os.path.join(run_dir(run), "trail.jsonl")


def started(run: str) -> tuple[float, str]:
    """When a run began, to compare: what is put into its folder is put there at its start."""
    try:
        return os.stat(os.path.dirname(trail_of(run))).st_mtime, run
    except OSError:
        return 0.0, run
