"""The long hour: everything at once, for as long as is wished. Nothing may hang, leak, or arrive without a line."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.soak.trial import Trial

#: What the storm's guests send down the channel without knowing how. Any other tamper line is a fault.
EXPECTED = ("channel.malformed", "channel.lost", "channel.flood")


def hour(folder: Path, minutes: float, seed: int, told: Callable[[str], None]) -> dict[str, Any]:
    """The report; its `wrong` is empty where all is well."""
    spec = {"seconds": minutes * 60, "seed": seed}
    with Trial(folder, "storm.py", spec, expected=EXPECTED) as trial:
        chance = random.Random(f"{seed} hour")
        trial.watch(minutes * 60 + 120, told, lambda: disturb(trial.run.process.pid, chance))
        found = {"minutes": minutes, **trial.close()}
        for server, arrived in found["arrived"].items():
            if arrived > found["on record"].get(server, 0) and not server.startswith("udp"):
                trial.wrong.append(f"{server}: {arrived} arrived, {found['on record'].get(server, 0)} on record")
        found["supervisor"] = trial.gauge.summary()
        found["wrong"] = trial.wrong
    return found


def disturb(pid: int, chance: random.Random) -> None:
    """A second of the hour: the supervisor too is signalled, and stopped for a moment."""
    luck = chance.random()
    try:
        if luck < 0.05:
            os.kill(pid, signal.SIGSTOP)
            os.kill(pid, signal.SIGCONT)
        elif luck < 0.3:
            os.kill(pid, chance.choice((signal.SIGUSR1, signal.SIGWINCH, signal.SIGURG)))
    except ProcessLookupError:
        pass
