"""Paints lines of the live view, for a terminal or as a picture for documentation. The one owner of `rich`.

It gets lines whose texts are plain and whose widths are counted, so `rich` neither parses markup nor wraps nor cuts. It
writes nothing.
"""

from __future__ import annotations

import io
from typing import NamedTuple

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from netguard.views.line import BOLD, DIM, GREEN, HEAD, PAINTED, RED, WARN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netguard.views.line import Line

#: What each style looks like. Of the terminal's own colours only those that can be read on dark and on light.
STYLES = {
    DIM: Style(dim=True),
    BOLD: Style(bold=True),
    RED: Style(color="red", bold=True),
    GREEN: Style(color="green"),
    WARN: Style(color="magenta"),
    HEAD: Style(dim=True, underline=True),
}
NONE, CHOSEN = Style(), Style(reverse=True)


class Theme(NamedTuple):
    """A picture's colours."""

    name: str
    terminal: TerminalTheme


#: Calm, and with the contrast that WCAG asks of text (4.5:1).
DARK = Theme(
    "dark",
    TerminalTheme(
        (24, 26, 31), (218, 221, 226),
        [(24, 26, 31), (242, 109, 120), (126, 203, 132), (229, 192, 123), (122, 172, 241), (205, 147, 232),
         (96, 198, 206), (218, 221, 226)],
    ),
)  # fmt: skip
LIGHT = Theme(
    "light",
    TerminalTheme(
        (252, 252, 250), (16, 18, 24),
        [(16, 18, 24), (192, 36, 48), (28, 112, 48), (134, 92, 0), (20, 84, 178), (132, 48, 160), (0, 104, 116),
         (120, 124, 130)],
    ),
)  # fmt: skip


#: A picture as `rich` makes it, but for its fonts: those would be fetched from elsewhere by whoever looks at it.
FRAME = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
 font-size: {char_height}px; line-height: {line_height}px }}
.{unique_id}-title {{ font: bold 18px system-ui, sans-serif }}
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


def painted(lines: Sequence[Line], *, colour: bool) -> list[str]:
    """Lines as a terminal takes them: text and, where there are colours, our own SGR sequences, ended in each line."""
    system = ColorSystem.STANDARD if colour else None
    return [
        "".join([
            text if style == PAINTED else style_of(style, line.chosen).render(text, color_system=system)
            for text, style in line.parts
        ])
        for line in lines
    ]  # fmt: skip


def style_of(name: str, chosen: bool) -> Style:
    """What a style's name stands for."""
    style = STYLES.get(name, NONE)
    return style + CHOSEN if chosen else style


def svg(lines: Sequence[Line], width: int, *, title: str, theme: Theme = DARK) -> str:
    """Lines as a picture of a terminal of that width."""
    console = Console(
        file=io.StringIO(), record=True, width=width, height=max(1, len(lines)), force_terminal=True, markup=False,
        color_system="standard", emoji=False, highlight=False, legacy_windows=False, _environ={},
    )  # fmt: skip
    for line in lines:
        console.print(as_text(line), no_wrap=True, overflow="crop", crop=True)
    return console.export_svg(
        title=title, theme=theme.terminal, unique_id=f"netguard-{theme.name}", code_format=FRAME
    )


def as_text(line: Line) -> Text:
    """A line as `rich` has it."""
    text = Text()
    for part, style in line.parts:
        if style == PAINTED:
            text.append_text(Text.from_ansi(part))
        else:
            text.append(part, style_of(style, line.chosen))
    return text
