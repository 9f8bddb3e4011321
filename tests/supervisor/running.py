"""Runs in a process of their own that a test can look into, hurt and kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.guard import Result, clean_environment, read_trail, run_guarded

CLIENT = str(Path(__file__).parent / "client.py")

#: The console script's two lines; what stands between them breaks the supervisor as a test wants it.
ENTRY = "import sys\n{}\nfrom netguard.commands import main\nsys.exit(main())\n"


def run_client(folder: Path, script: str, *, rules: str = "version: 1\ndefault: allow\n", **more: Any) -> Result:
    """Runs a script of `client.py`'s names in a guest without a shim, and returns what came of the run.

    Without a wall, which would put a line of its own in the place of the client's.
    """
    path = folder / "client_script.py"
    path.write_text(script)
    command = ["--", "sh", "-c", 'exec "$@"', "sh", sys.executable, "-I", CLIENT, str(path)]
    return run_guarded(command, rules=rules, **{"wall": "off", **more})


def is_alive(pid: int) -> bool:
    """Whether a process runs: one that has ended counts as gone, even if nobody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class Running(NamedTuple):
    """A run that goes on. `trail` is where its lines are."""

    process: subprocess.Popen[str]
    trail: Path

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """The whole lines of a kind on record by now."""
        return [line for line in read_trail(self.trail) if line["kind"] == kind]


@contextmanager
def running(
    folder: Path,
    args: Sequence[str],
    *,
    rules: str = "version: 1\ndefault: log\n",
    options: Sequence[str] = (),
    fault: str = "",
    env: Mapping[str, str | None] | None = None,
    prefix: Sequence[str] = (),
    wall: str = "off",
    **popen: Any,
) -> Iterator[Running]:
    """A run; at the end everything in its session is killed.

    fault:  Python that the supervisor's process runs before it starts.
    prefix: a command that starts the command that follows it.
    wall:   "auto" where the wall is the subject, and not the channel or the trail.
    """
    (folder / "rules.yaml").write_text(rules)
    trail = folder / "trail.jsonl"
    command = [*prefix, sys.executable, "-c", ENTRY.format(fault), "run", "--rules", str(folder / "rules.yaml")]
    command += ["--log", str(trail), "--wall", wall, *options, *args]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = subprocess.Popen(
        command, env=clean_environment(str(folder), env), cwd=folder, text=True, start_new_session=True,
        **{**pipes, **popen},
    )  # fmt: skip
    with process:
        try:
            yield Running(process, trail)
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
