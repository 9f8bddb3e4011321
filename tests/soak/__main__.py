"""The soak as a program: `python -m tests.soak [--minutes M] [--connections N] [--processes N] [--seed S]`.

First the great numbers under one run, then an hour of everything at once. All of it in a network namespace of its own
where that can be had, so that nothing leaves and the machine's own tables stay its own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.soak.great import great
from tests.soak.hour import hour
from tests.support.isolation import isolated, missing

#: Says that this process is in a namespace already.
INSIDE = "NETGUARD_SOAK_INSIDE"


def told(text: str) -> None:
    """A line for who waits."""
    print(f"  {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    option = parser.add_argument
    option("--connections", type=int, default=1_000_000, help="of the first part (1,000,000); 0 leaves it out")
    option("--processes", type=int, default=100_000, help="likewise (100,000)")
    option("--minutes", type=float, default=60.0, help="of the second part (60); 0 leaves it out")
    option("--seed", type=int, default=int(time.time()), help="what chance begins with; it is in the report")
    option("--json", type=Path, help="where the report goes as JSON")
    option("--folder", type=Path, help="where trail and series are left; else they are thrown away")
    return parser.parse_args()


def main() -> int:
    """Returns 1 where something is wrong."""
    args = arguments()
    if INSIDE not in os.environ and not missing():
        os.environ[INSIDE] = "1"
        os.execvp("unshare", isolated([sys.executable, "-m", "tests.soak", *sys.argv[1:]]))
    report: dict[str, Any] = {"seed": args.seed, "isolated": INSIDE in os.environ}
    with tempfile.TemporaryDirectory(prefix="netguard-soak-") as made:
        folder = args.folder or Path(made)
        if args.connections or args.processes:
            (folder / "great").mkdir(parents=True, exist_ok=True)
            report["great"] = great(folder / "great", args.connections, args.processes, args.seed, told)
        if args.minutes:
            (folder / "hour").mkdir(parents=True, exist_ok=True)
            report["hour"] = hour(folder / "hour", args.minutes, args.seed, told)
    text = json.dumps(report, indent=1)
    if args.json:
        args.json.write_text(text + "\n")
    print(text)
    return 1 if any(part["wrong"] for part in report.values() if isinstance(part, dict)) else 0


if __name__ == "__main__":
    sys.exit(main())
