"""What a guard without a supervisor costs: start-up, a child, connect, fork, against bare Python in one run.

Bare and guarded take turns, so that a change of the machine's speed meets both; each figure is a median of rounds.
"""

from __future__ import annotations

import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.bench_run import ALLOW, CASES, LOG, bare, row
from tests.support.injection import asking

Measure = Callable[[list[str], dict[str, str]], float]


def wall(command: list[str], env: dict[str, str]) -> float:
    """Milliseconds that a whole process takes."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, env=env)
    return (time.perf_counter() - begin) * 1000


def printed(command: list[str], env: dict[str, str]) -> float:
    """The number that a case prints."""
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=env).stdout)


def connected(command: list[str], env: dict[str, str]) -> float:
    """The same for a case that connects: to a new listener, which has room for all and accepts none."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4096)
        return printed([*command, str(listener.getsockname()[1])], env)


def alternate(measure: Measure, command: list[str], guard: dict[str, str], turns: int) -> tuple[float, float]:
    """Medians without and with the guard, run in turns."""
    plain = dict(os.environ)
    pairs = [(measure(command, plain), measure(command, {**plain, **guard})) for _ in range(turns + 1)][1:]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def main(turns: int = 7) -> int:
    """Prints the table. Returns 1 when a limit is missed."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    print(f"Python {platform.python_version()}, {platform.system()} {platform.release()}, medians; no supervisor")
    print(f"{'':<34}{'bare':>10}{'guarded':>10}")
    fine = []
    with tempfile.TemporaryDirectory() as name:
        rules = {"allow": ALLOW, "log": LOG}
        guards: dict[str, dict[str, str]] = {}
        for word, text in rules.items():
            folder = Path(name) / word
            folder.mkdir()
            guards[word] = asking(folder, text)
        plain, guard = alternate(wall, bare("-c", "pass"), guards["allow"], turns * 4)
        fine.append(row("interpreter start", "ms", plain, guard, "+4 ms", guard - plain > 4))
        for word, limit in (("allow", 13), ("log", 30)):
            plain, guard = alternate(connected, bare(CASES, "connect", "2000"), guards[word], turns)
            fine.append(row(f"connect, {word}", "us", plain, guard, f"+{limit} us", guard - plain > limit))
        for case, what, limit in (
            ("fork", "fork", 200), ("forked", "fork, and its first act", 200), ("start", "subprocess.run of true", 300),
            ("child", "a child interpreter", 5_000),
        ):  # fmt: skip
            plain, guard = alternate(printed, bare(CASES, case, "100"), guards["allow"], turns)
            fine.append(row(what, "us", plain, guard, f"+{limit:,} us", guard - plain > limit))
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main(*[int(word) for word in sys.argv[1:2]]))
