"""What the guard costs: start-up, connect, GET, plain Python and files, guarded against bare in one run.

Bare and guarded take turns, so that a change of the machine's speed meets both; each figure is a median of rounds.
"one CPU" pins guest and supervisor to the same one, "free" leaves them to the scheduler: where the two run decides
what a question costs, so both are shown.
"""

from __future__ import annotations

import json
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

from tests.support.web import HttpServer

HERE = Path(__file__).parent
CASES = str(HERE / "guest_cases.py")
ALLOW = "version: 1\ndefault: allow\n"
LOG = "version: 1\ndefault: log\n"

#: Says what it was started with, which its own view of its environment does not show, and waits.
KEEPER = """\
import json, sys
rows = open("/proc/self/environ").read().split(chr(0))
print(json.dumps([row.partition("=")[::2] for row in rows]), flush=True)
sys.stdin.read()
"""

#: The entry point as the console script has it, without what `python -m` adds.
ENTRY = "import sys; from netguard.commands import main; sys.exit(main())"


def bare(*words: str) -> list[str]:
    """The command without the guard."""
    return [sys.executable, *words]


def guarded(rules: str, *words: str) -> list[str]:
    """The same command under guard, with a trail on disk and a quiet screen."""
    return [sys.executable, "-c", ENTRY, "run", "--quiet", "--rules", rules, "--log", os.devnull, *words]


def wall(command: list[str]) -> float:
    """Milliseconds that a whole process takes."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1000


def printed(command: list[str]) -> float:
    """The number that a case prints."""
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def connected(command: list[str]) -> float:
    """The same for a case that connects: to a new listener, which has room for all and accepts none."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4096)
        return printed([*command, str(listener.getsockname()[1])])


def alternate(
    measure: Callable[[list[str]], float], first: list[str], second: list[str], turns: int
) -> tuple[float, float]:
    """Medians of the two commands, run in turns."""
    pairs = [(measure(first), measure(second)) for _ in range(turns + 1)][1:]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def row(name: str, unit: str, plain: float, guard: float, most: str, over: bool) -> bool:
    """Prints one line of the table; returns whether the limit holds."""
    mark = "OVER" if over else "ok"
    more, ratio = guard - plain, guard / plain
    print(f"{name:<34}{plain:>10.1f}{guard:>10.1f} {unit:<3}{more:>+9.1f}  x{ratio:<6.3f} {most:<11} {mark}")
    return not over


def shim_start(turns: int, folder: Path) -> bool:
    """A bare interpreter against one that starts the shim, under a supervisor that is there already."""
    keeper = subprocess.Popen(
        guarded(str(folder / "allow.yaml"), "-c", KEEPER),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert keeper.stdout is not None
    assert keeper.stdin is not None
    text = keeper.stdout.readline()
    started = dict(json.loads(text))
    found = {name: started[name] for name in ("PYTHONPATH", "NETGUARD_CHANNEL", "NETGUARD_RUN")}

    def start(command: list[str]) -> float:
        env = {**os.environ, **found} if command[-1] == "1" else dict(os.environ)
        begin = time.perf_counter()
        subprocess.run(command, env=env, check=True)
        return (time.perf_counter() - begin) * 1000

    plain, guard = alternate(start, bare("-c", "pass", "0"), bare("-c", "pass", "1"), turns * 4)
    keeper.communicate("")
    return row("interpreter start with the shim", "ms", plain, guard, "+5 ms", guard - plain > 5)


def pinned(cpus: set[int]) -> None:
    """Pins this process and all that it starts."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)


def main(turns: int = 7) -> int:
    """Prints the table. Returns 1 when a limit is missed."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    cpus = set(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else {0}
    print(f"Python {platform.python_version()}, {platform.system()} {platform.release()}, {len(cpus)} CPUs, medians")
    print(f"{'':<34}{'bare':>10}{'guarded':>10}")
    fine = []
    with tempfile.TemporaryDirectory() as name, HttpServer() as server:
        folder = Path(name)
        (folder / "allow.yaml").write_text(ALLOW)
        (folder / "log.yaml").write_text(LOG)
        (folder / "empty.py").write_text("")
        allow, log, empty = (str(folder / file) for file in ("allow.yaml", "log.yaml", "empty.py"))
        fine.append(shim_start(turns, folder))
        plain, guard = alternate(wall, bare(empty), guarded(allow, empty), turns * 2)
        fine.append(row("netguard run empty.py", "ms", plain, guard, "+80 ms", guard - plain > 80))
        for where, places, limit in (("one CPU", {min(cpus)}, 25), ("free", cpus, 100)):
            pinned(places)
            for rules, word in ((allow, "allow"), (log, "log")):
                plain, guard = alternate(
                    connected, bare(CASES, "connect", "2000"), guarded(rules, CASES, "connect", "2000"), turns
                )
                over = guard - plain > limit
                fine.append(row(f"connect, {word}, {where}", "us", plain, guard, f"+{limit} us", over))
            plain, guard = alternate(
                printed, bare(CASES, "get", "300", server.url), guarded(allow, CASES, "get", "300", server.url), turns
            )
            fine.append(row(f"requests GET, allow, {where}", "us", plain, guard, "x1.25", guard / plain > 1.25))
        for case, what, limit in (("start", "subprocess.run of true", 300), ("child", "a child interpreter", 6_000)):
            plain, guard = alternate(printed, bare(CASES, case, "60"), guarded(allow, CASES, case, "60"), turns)
            fine.append(row(what, "us", plain, guard, f"+{limit:,} us", guard - plain > limit))
        for case, what in (("cpu", "plain Python"), ("files", "150 file operations")):
            plain, guard = alternate(printed, bare(CASES, case, "300"), guarded(allow, CASES, case, "300"), turns)
            fine.append(row(what, "us", plain, guard, "x1.02", guard / plain > 1.02))
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main(*[int(word) for word in sys.argv[1:2]]))
