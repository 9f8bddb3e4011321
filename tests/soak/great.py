"""The great numbers: a million connections and a hundred thousand processes under one run, each of them on record."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.soak.trial import Trial

#: Workers that connect, and workers that start processes: a few of each.
CONNECTING, STARTING = 4, 2

#: Acts a second below which a machine is too slow to wait for.
SLOWEST = 100


def great(folder: Path, connections: int, processes: int, seed: int, told: Callable[[str], None]) -> dict[str, Any]:
    """The report; its `wrong` is empty where all is well."""
    workers = [("connect", share) for share in shares(connections, CONNECTING)]
    workers += [("start", share) for share in shares(processes, STARTING)]
    begun = time.monotonic()
    with Trial(folder, "load.py", {"workers": workers, "seed": seed}) as trial:
        trial.watch(120 + (connections + processes) / SLOWEST, told)
        seconds = time.monotonic() - begun
        found = {"seconds": round(seconds, 1), **trial.close()}
        trial.check("workers that ended", found["workers"], len(workers))
        check(trial, found)
        found["acts a second"] = round(sum(found["done"].values()) / seconds, 1)
        found["supervisor"] = trial.gauge.summary()
        found["wrong"] = trial.wrong
    return found


def shares(many: int, parts: int) -> list[int]:
    """A number in parts that differ by one at most."""
    return [many // parts + (part < many % parts) for part in range(parts)]


def check(trial: Trial, found: dict[str, Any]) -> None:
    """Every connection that was made has arrived, if it was granted, and is on record; and nothing else."""
    made: Counter[str] = Counter()
    for kind, count in found["done"].items():
        made[" ".join(kind.split()[:2])] += count
    for server, arrived in found["arrived"].items():
        trial.check(f"{server}: on record", found["on record"].get(server, 0), made[server])
        trial.check(f"{server}: arrived", arrived, 0 if "denied" in server else made[server])
