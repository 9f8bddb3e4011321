"""The guest of the great numbers: `load.py SPEC` starts workers that connect and workers that start processes.

Every second worker is a Python without the witness. Each adds one line of JSON to the tally: what it has done, and
what did not end as it must.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import acts

#: How often each kind is chosen among its sort.
CONNECT = {
    "tcp quiet fixed": 25, "tcp quiet": 20, "tcp told": 20, "tcp denied": 5, "udp quiet": 8, "udp told": 5,
    "udp denied": 2, "unix quiet": 5, "unix told": 4, "unix denied": 1, "abstract quiet": 2, "abstract told": 2,
    "abstract denied": 1,
}  # fmt: skip
START = {"fork": 20, "child": 20, "thread": 20, "program": 35, "daemon": 5}


def work(spec: dict, number: int) -> None:
    """One worker, to its end."""
    sort, many = spec["workers"][number]
    worker = acts.Worker(spec["where"], number + 1, f"{spec['seed']} {number}")
    weights = CONNECT if sort == "connect" else START
    for kind in worker.chance.choices(list(weights), list(weights.values()), k=many):
        worker.act(kind)
    with open(spec["tally"], "ab", buffering=0) as file:
        file.write(json.dumps({"done": worker.done, "wrong": worker.wrong}).encode() + b"\n")


def main() -> None:
    """Starts the workers, or is one."""
    with open(sys.argv[1]) as file:
        spec = json.load(file)
    if len(sys.argv) > 2:
        work(spec, int(sys.argv[2]))
        return
    started = []
    for number in range(len(spec["workers"])):
        blind = ["/usr/bin/env", sys.executable, "-I", "-S"] if number % 2 else [sys.executable]
        started.append(subprocess.Popen([*blind, __file__, sys.argv[1], str(number)]))
    sys.exit(max(one.wait() for one in started))


if __name__ == "__main__":
    main()
