"""A supervisor measured from outside and within, second by second, and whether what it holds stays flat."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from statistics import median
from typing import Any

#: What may come on top of the warm part's most: pages that the allocator keeps, callers that are kept for a while.
SLACK = {"rss": 6 << 20, "fds": 64, "threads": 9, "blocks": 40_000}

#: Samples below which a series is too short to tell growth from warming up.
ENOUGH = 100

#: The largest table that a bound allows for what a soak does. One may fill up to it, and no further.
MOST = 4_200


class Gauge:
    """The series of one supervisor. pid: its own. observed: the file that its observer writes."""

    def __init__(self, pid: int, observed: Path) -> None:
        self.pid = pid
        self.observed = observed
        self.begun = time.monotonic()
        self.series: list[dict[str, Any]] = []
        self._read = 0

    def sample(self) -> None:
        """Takes what is to be seen now. A supervisor that has ended leaves the series as it is."""
        try:
            self.series.append({"at": round(time.monotonic() - self.begun, 1), **seen(self.pid)})
        except OSError:
            return
        for line in self.told():
            self.series[-1].update(blocks=line["blocks"], decisions=line["decisions"], tables=line["tables"])

    def told(self) -> list[dict[str, Any]]:
        """What the observer has written since it was asked last."""
        if not self.observed.exists():
            return []
        with open(self.observed, "rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def values(self, name: str) -> list[int]:
        """One of the series."""
        return [sample[name] for sample in self.series if name in sample]

    def tables(self) -> dict[str, list[int]]:
        """The sizes of each table."""
        found: dict[str, list[int]] = {}
        for sample in self.series:
            for name, size in sample.get("tables", {}).items():
                found.setdefault(name, []).append(size)
        return found

    def grown(self) -> list[str]:
        """What did not stay flat, with its series."""
        wrong = []
        for name, slack in SLACK.items():
            if growth(self.values(name)) > slack:
                wrong.append(f"{name} grew: {thinned(self.values(name))}")
        for name, sizes in self.tables().items():
            if growth(sizes) > 64 and max(sizes) > MOST:
                wrong.append(f"{name} grew: {thinned(sizes)}")
        return wrong

    def summary(self) -> dict[str, Any]:
        """The first, middle and last of each series, and how much the larger tables have held at most."""
        found: dict[str, Any] = {"samples": len(self.series)}
        for name in (*SLACK, "cpu"):
            values = self.values(name)
            if values:
                found[name] = {
                    "first": values[0], "middle": values[len(values) // 2], "last": values[-1], "most": max(values)
                }  # fmt: skip
        found["tables"] = {name: max(sizes) for name, sizes in self.tables().items() if max(sizes) > 100}
        return found


def seen(pid: int) -> dict[str, int]:
    """What /proc says of a process: bytes of its memory, descriptors, threads, milliseconds of CPU. Raises OSError."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    rss = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    if not rss:
        raise ProcessLookupError(pid)
    fds = len(os.listdir(f"/proc/{pid}/fd"))
    return {"rss": rss, "fds": fds, "threads": int(fields[17]), "cpu": ticks * 1000 // os.sysconf("SC_CLK_TCK")}


def growth(values: list[int]) -> float:
    """By how much the last quarter's middle lies above the most of the second quarter: the first is for warming up."""
    if len(values) < ENOUGH:
        return 0
    quarter = len(values) // 4
    return median(values[-quarter:]) - max(values[quarter : 2 * quarter])


def thinned(values: list[int], most: int = 24) -> list[int]:
    """A series in few numbers."""
    step = max(1, len(values) // most)
    return values[::step]
