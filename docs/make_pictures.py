"""Draws what netguard shows at a terminal as `docs/pictures/*.svg`: `python docs/make_pictures.py`.

It shows one recorded run: `pictures/agent.jsonl`, the trail of the example agent. What is drawn comes from the same
functions as at a terminal, so a picture shows what this version shows. `--record` has the agent make its trail anew; do
that in a folder whose path may be published.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from netguard.views.board import Look
from netguard.views.denial import denial_line
from netguard.views.keys import State
from netguard.views.live import as_text
from netguard.views.pages import screen
from netguard.views.picture import Picture
from netguard.views.summary import Tally

PICTURES = Path(__file__).parent / "pictures"
TRAIL = PICTURES / "agent.jsonl"
DEMO = Path(__file__).parent.parent / "examples" / "agent" / "demo.py"

#: Columns of the terminal: a picture that is wider gets letters too small to read beside text.
WIDTH = 96
#: Rows of the live view.
HEIGHT = 24

#: The last line of a run's summary, as `netguard run` says it.
WALL = "wall: off, this version has none; what native code and other programs do is not seen"

#: Dark on every page: on light and on dark ones it reads as a terminal.
THEME = TerminalTheme(
    (22, 27, 34),
    (230, 237, 243),
    [
        (72, 79, 88), (255, 123, 114), (86, 211, 100), (227, 179, 65),
        (121, 192, 255), (210, 168, 255), (86, 212, 221), (177, 186, 196),
    ],
)  # fmt: skip

#: rich's own form, without the fonts that it has a reader's browser fetch from elsewhere.
FORM = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; \
font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 16px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def records() -> list[dict[str, Any]]:
    """The recorded run, line by line."""
    return [json.loads(line) for line in TRAIL.read_text(encoding="utf-8").splitlines()]


def terminal() -> Console:
    """A terminal that remembers what it was shown."""
    return Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")


def told() -> list[str]:
    """What the run's terminal shows of netguard: each denial, the summary, and that there is no wall."""
    tally = Tally()
    for line in records():
        tally.add(line)
    denials = [denial_line(line) for line in records() if line.get("verdict") == "deny"]
    return [*denials, *tally.render(WIDTH, colour=True, trail="trail.jsonl").splitlines(), WALL]


def summary() -> Console:
    """A whole run, the guest's own words left out."""
    shown = terminal()
    shown.print(Text("$ netguard run --rules rules.yaml --log trail.jsonl agent.py", "dim"))
    for text in told():
        # As a terminal breaks it: in the middle of a word.
        line = Text.from_ansi(text)
        shown.print(*line.divide(range(WIDTH, len(line), WIDTH)), sep="\n")
    return shown


def live() -> Console:
    """The same run in the live view, while it is still going on."""
    seen = Picture()
    lines = [line for line in records() if line["kind"] not in ("count", "close")]
    for line in lines:
        seen.add(line)
    now = datetime.fromisoformat(lines[-1]["ts"].replace("Z", "+00:00")).timestamp()
    shown = terminal()
    for row in screen(seen.snapshot(now), State(), Look(WIDTH, HEIGHT)):
        shown.print(as_text(row), no_wrap=True, overflow="crop")
    return shown


#: name of the picture -> its title and what draws it
DRAWN = {"summary": ("an agent's run under its rules", summary), "live": ("netguard watch", live)}


def picture(name: str) -> str:
    """One picture as SVG: the same bytes each time from the same trail."""
    title, draw = DRAWN[name]
    text = draw().export_svg(title=title, theme=THEME, code_format=FORM, unique_id=name)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


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
