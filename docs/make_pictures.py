"""Draws what netguard shows at a terminal as `docs/pictures/*.svg`: `python docs/make_pictures.py`.

It shows one recorded run: `pictures/agent.jsonl`, the trail of the example agent. What is drawn comes from the same
functions as at a terminal, so a picture shows what this version shows. `--record` has the agent make its trail anew; do
that in a folder whose path may be published.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from netguard.commands.show import rule_lines
from netguard.views.board import Look
from netguard.views.denial import denial_line
from netguard.views.event import event_lines
from netguard.views.keys import State
from netguard.views.line import DIM, PAINTED, Line
from netguard.views.live import svg
from netguard.views.pages import screen
from netguard.views.picture import Picture
from netguard.views.summary import Tally

PICTURES = Path(__file__).parent / "pictures"
TRAIL = PICTURES / "agent.jsonl"
DEMO = Path(__file__).parent.parent / "examples" / "agent" / "demo.py"

#: Columns of the terminal: a picture that is wider gets letters too small to read beside text.
WIDTH = 96
#: The line of the trail that is shown in full: the first denial.
DENIAL = 8
#: Rows of the live view.
HEIGHT = 24


def records() -> list[dict[str, Any]]:
    """The recorded run, line by line."""
    return [json.loads(line) for line in TRAIL.read_text(encoding="utf-8").splitlines()]


def denials() -> list[str]:
    """What the run's terminal shows of netguard while it goes on."""
    return [denial_line(line) for line in records() if line.get("verdict") == "deny"]


def ending(*, colour: bool = True) -> list[str]:
    """What it shows at the end: the summary."""
    tally = Tally()
    for line in records():
        tally.add(line)
    return tally.render(WIDTH, colour=colour, trail="trail.jsonl").splitlines()


def summary() -> list[Line]:
    """A whole run, the guest's own words left out; long lines as a terminal breaks them, in the middle of a word."""
    broken = [text[at : at + WIDTH] for text in denials() for at in range(0, len(text), WIDTH)]
    shown = [Line("$ netguard run --rules rules.yaml --log trail.jsonl agent.py", DIM), *map(Line, broken)]
    return [*shown, *[Line(text, PAINTED) for text in ending()]]


def shown(*, colour: bool = True) -> list[str]:
    """One of its denials in full."""
    line = records()[DENIAL]
    return [*event_lines(line, [], WIDTH, colour=colour, utf8=True), "", *rule_lines(line)]


def denial() -> list[Line]:
    """One of its denials, asked for by the number of its line."""
    return [Line(f"$ netguard show trail.jsonl {DENIAL}", DIM), *[Line(text, PAINTED) for text in shown()]]


def live() -> list[Line]:
    """The same run in the live view, while it is still going on."""
    seen = Picture()
    lines = [line for line in records() if line["kind"] not in ("count", "close")]
    for line in lines:
        seen.add(line)
    now = datetime.fromisoformat(lines[-1]["ts"].replace("Z", "+00:00")).timestamp()
    return screen(seen.snapshot(now), State(), Look(WIDTH, HEIGHT))


#: name of the picture -> its title and what draws it
DRAWN = {
    "summary": ("an agent's run under its rules", summary),
    "denial": ("one of its denials", denial),
    "live": ("netguard watch", live),
}


def picture(name: str) -> str:
    """One picture as SVG: the same bytes each time from the same trail."""
    title, draw = DRAWN[name]
    return "\n".join(line.rstrip() for line in svg(draw(), WIDTH, title=title).splitlines()) + "\n"


def record() -> None:
    """Runs the example agent under guard, and keeps its trail."""
    with TemporaryDirectory() as folder:
        env = {**os.environ, "XDG_STATE_HOME": folder}
        subprocess.run([sys.executable, str(DEMO)], env=env, check=True)
        (trail,) = Path(folder).rglob("trail.jsonl")
        shutil.copyfile(trail, TRAIL)


def main() -> None:
    """Writes the pictures that have changed."""
    if sys.argv[1:] == ["--record"]:
        record()
    for name in DRAWN:
        file, text = PICTURES / f"{name}.svg", picture(name)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
