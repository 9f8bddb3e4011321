"""Which file a person means by a trail: a path, or a run of this user's state folder by its name, newest by default.

Nothing here opens a trail. The folder's names may be anybody's, so they are shown as text that no terminal obeys.
"""

from __future__ import annotations

import os

from netguard.errors import TrailError
from netguard.paths import run_dir
from netguard.trail.name import ALPHABET, LENGTH

#: What a run's own trail is called in its folder.
FILE = "trail.jsonl"
OF_NAMES = frozenset(ALPHABET)
#: A beginning that means more runs than this has only so many of them named.
NAMED = 5


def trail_of(word: str = "") -> str:
    """The path of the trail that `word` means.

    word: a file; a folder with a trail in it; a run's name or the beginning of just one; "" for the newest run.
    Raises TrailError that says what there is instead.
    """
    if not word:
        return newest()
    if os.path.isdir(word):
        return os.path.join(word, FILE)
    if os.path.exists(word) or os.path.dirname(word) or not set(word.upper()) <= OF_NAMES:
        return word  # what is wrong with it, reading it will say
    found = [name for name in runs() if name.startswith(word.upper())]
    if len(found) == 1:
        return path_of(found[0])
    if not found:
        raise TrailError(f"there is no file {word} here, and no run that begins so in {run_dir('')}")
    more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    raise TrailError(f"{len(found):,} runs begin with {word}: {', '.join(found[-1 : -NAMED - 1 : -1])}{more}")


def newest() -> str:
    """The trail of the newest run that has one in its own folder."""
    for name in reversed(runs()):
        if os.path.isfile(path_of(name)):
            return path_of(name)
    raise TrailError(f"there is no run with a trail in {run_dir('')}; name a file")


def runs() -> list[str]:
    """The runs that have a folder, oldest first."""
    try:
        names = os.listdir(run_dir(""))
    except OSError:
        return []
    return sorted([name for name in names if len(name) == LENGTH and set(name) <= OF_NAMES])


def path_of(run: str) -> str:
    """Where a run's own trail is, unless the run was told of another place."""
    return os.path.join(run_dir(run), FILE)
