"""The pages of the live view: the main one, and those that stand in front of it; below each the line with the keys."""

from __future__ import annotations

from netguard.views import keys
from netguard.views.amounts import plural
from netguard.views.board import LEAST_WIDTH, Look, board, title
from netguard.views.event import event_lines
from netguard.views.line import BOLD, DIM, NONE, PAINTED, WARN, Line
from netguard.views.subject import full_text
from netguard.views.text import columns_of, plain, wrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.views.keys import State
    from netguard.views.snapshot import Event, Snapshot

#: Columns of the names on the pages with names and texts.
NAMES = 16

ABOUT = (
    "Times are UTC, as on the trail. Red is what was denied, and what netguard noticed. The line of code, and how an "
    "act ended, are what the program says of itself."
)
SENT = "Sent to the clipboard (OSC 52). Where the terminal does not take it, copy it from here."


def screen(
    snapshot: Snapshot, state: State, look: Look, *, event: Event | None = None, rule: str = "", note: str = ""
) -> list[Line]:
    """The lines of a screen, `look.height` of them.

    event: the one that is open, on the pages about an event.
    rule:  the text of the rule that was asked for, "" if there is none.
    note:  our own words that stand in the last line instead of the keys, such as how something went.
    """
    look = look._replace(width=max(LEAST_WIDTH, look.width), height=max(1, look.height))
    if state.page == keys.MAIN:
        lines, scrolls = board(snapshot, state, look), False
    else:
        body = page(snapshot, state, look, event, rule)
        room = max(1, look.height - 2)
        top = min(state.top, max(0, len(body) - room))
        lines, scrolls = [title(snapshot, state, look), *body[top : top + room]], len(body) > room
    lines += [Line()] * (look.height - len(lines))
    if look.height < 4:
        return lines[: look.height]
    return [*lines[: look.height - 1], footer(state, look, note, scrolls)]


def page(snapshot: Snapshot, state: State, look: Look, event: Event | None, rule: str) -> list[Line]:
    """The lines of a page in front of the main one, however many they are."""
    if state.page == keys.HELP:
        return helping(look)
    if state.page == keys.COVERAGE:
        return reasons(snapshot, look)
    if event is None:
        return [Line(), *paragraph("That event is no longer kept here; the trail has it.", look)]
    if state.page == keys.RULE:
        return ruling(event, rule, look)
    margin = " " if look.width > LEAST_WIDTH else ""  # an event takes forty columns at least
    shown = event_lines(event.record, event.results, look.width - len(margin), colour=look.colour, utf8=look.utf8)
    return [Line(), *[Line(margin).add(line, PAINTED) for line in shown]]


def helping(look: Look) -> list[Line]:
    """What the keys do."""
    lines = [Line(), Line(" ").add("Keys", BOLD), Line()]
    for key, does in keys.KEYS:
        lines += item(key, does, look)
    return [*lines, Line(), *paragraph(ABOUT, look)]


def reasons(snapshot: Snapshot, look: Look) -> list[Line]:
    """What is covered and what not, in full."""
    lines = [Line(), Line(" ").add("What this run covers", BOLD), Line()]
    for name, value in snapshot.coverage:
        lines += item(name, value, look)
    reported = plural(snapshot.processes, "guarded interpreter has", "guarded interpreters have")
    lines += item("processes", f"{reported} reported", look)
    for name, value in (("mode", snapshot.mode), ("run", snapshot.run), ("command", snapshot.command)):
        lines += item(name, value or "not known yet", look)
    return lines


def ruling(event: Event, rule: str, look: Look) -> list[Line]:
    """The rule that was asked for."""
    about = plain(full_text(event.record), look.width - 2, tail=True, utf8=look.utf8)
    head = [Line(), Line(" ").add(about, DIM), Line()]
    if not rule:
        return [*head, *paragraph("No rule can say exactly this act.", look)]
    text = [Line("   ").add(plain(line, look.width - 4, utf8=look.utf8)) for line in rule.splitlines()]
    return [*head, *text, Line(), *paragraph(SENT, look)]


def item(name: str, text: str, look: Look) -> list[Line]:
    """A name with a raw text beside it, on as many lines as that needs."""
    first, *more = wrap(text, look.width - NAMES - 3, utf8=look.utf8)
    head = Line(" ").add(name.ljust(NAMES), BOLD).add(f" {first}")
    return [head, *[Line(" " * (NAMES + 2)).add(piece) for piece in more]]


def paragraph(text: str, look: Look) -> list[Line]:
    """Our own words, wrapped."""
    return [Line(" ").add(line, DIM) for line in wrap(text, look.width - 2, utf8=look.utf8)]


def footer(state: State, look: Look, note: str, scrolls: bool) -> Line:
    """The keys, or what is being typed, or how something went."""
    if note:
        return Line(" ").add(plain(note, look.width - 1, utf8=look.utf8), BOLD)
    if state.typing:
        text = plain(state.filter, look.width - 12, tail=True, utf8=look.utf8)
        return Line(" ").add("filter: ", BOLD).add(text).add(look.signs.cursor)
    line = Line(" ")
    if state.filter and state.page == keys.MAIN:
        line.add(f"filter: {plain(state.filter, look.width // 3, utf8=look.utf8)}", WARN).add("  ")
    used = columns_of(line.text)
    for at, (key, does) in enumerate(hints(state, look, scrolls)):
        used += columns_of(key) + len(does) + 1 + 2 * bool(at)
        if used > look.width:
            break
        line.add("  " * bool(at), NONE).add(key, BOLD).add(f" {does}", DIM)
    return line


def hints(state: State, look: Look, scrolls: bool) -> list[tuple[str, str]]:
    """Keys that do something now, with what they do; the ones that matter most first."""
    arrows, enter = look.signs.arrows, look.signs.enter
    if state.page == keys.MAIN:
        pause = ("space", "go on" if state.paused else "pause")
        rest = [("a d", "rule"), ("c", "coverage"), ("?", "help")]
        return [("q", "leave"), pause, ("/", "filter"), (arrows, "select"), (enter, "open"), *rest]
    about_event = state.page in (keys.EVENT, keys.RULE)
    return [("Esc", "back"), *[("a", "allow"), ("d", "deny")] * about_event, *[(arrows, "scroll")] * scrolls]
