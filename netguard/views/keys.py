"""Keys as bytes in, what the view shows as state out. Pure: it reads no terminal and knows no record.

`Keyboard` turns the bytes of a terminal into names of keys; `press` turns a state and a key into the next state. What a
terminal sends by itself (answers, mouse, pasted control characters) is read as one sequence and means nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Characters of a filter; bytes of one escape sequence, after which it is taken for noise.
FILTER, SEQUENCE = 64, 32
#: Events that PgUp and PgDn go over where nobody says how many fit.
PAGE = 10

MAIN, EVENT, RULE, HELP, COVERAGE = "main", "event", "rule", "help", "coverage"
#: What the caller has to do; done with `done`.
QUIT, ALLOW, DENY, INTERRUPT, SUSPEND, ABORT = "quit", "allow", "deny", "interrupt", "suspend", "abort"

ESC = 0x1B

#: What stands behind ESC [ or ESC O.
SEQUENCES = {
    "A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end",
    "5~": "pgup", "6~": "pgdn", "1~": "home", "4~": "end", "7~": "home", "8~": "end", "3~": "delete", "M": "enter",
}  # fmt: skip

#: Bytes that are keys by themselves.
CONTROLS = {
    0x0D: "enter", 0x0A: "enter", 0x7F: "backspace", 0x08: "backspace", 0x09: "tab", 0x15: "clear",
    0x03: "interrupt", 0x1A: "suspend", 0x1C: "abort", 0x0C: "redraw",
}  # fmt: skip


class Keyboard:
    """The bytes of a terminal as keys: one character, or a name from the tables above."""

    def __init__(self) -> None:
        self.held = b""

    def feed(self, data: bytes) -> list[str]:
        """The keys that are complete. What may be the beginning of a sequence waits for more, or for `flush`."""
        data = self.held + data
        self.held = b""
        keys: list[str] = []
        at = 0
        while at < len(data):
            key, used = one_key(data[at:])
            if not used:
                self.held = data[at:]
                break
            if key:
                keys.append(key)
            at += used
        return keys

    def flush(self) -> list[str]:
        """Nothing more came: a single ESC was the Escape key. What else was held is noise."""
        held, self.held = self.held, b""
        return ["escape"] if held[:1] == b"\x1b" and len(held) == 1 else []


def one_key(data: bytes) -> tuple[str, int]:
    """(the key, the bytes it takes): ("", n) for noise, ("", 0) if more has to come."""
    first = data[0]
    if first == ESC:
        return sequence(data)
    if first < 0x20 or first == 0x7F:
        return CONTROLS.get(first, ""), 1
    if first < 0x80:
        return chr(first), 1
    length = 2 if 0xC2 <= first < 0xE0 else 3 if 0xE0 <= first < 0xF0 else 4 if 0xF0 <= first < 0xF5 else 1
    if len(data) < length and all([0x80 <= byte < 0xC0 for byte in data[1:]]):
        return "", 0
    try:
        char = data[:length].decode()
    except UnicodeDecodeError:
        return "", 1
    return (char, length) if char.isprintable() else ("", length)


def sequence(data: bytes) -> tuple[str, int]:
    """A key that the terminal sends as an escape sequence."""
    if len(data) == 1:
        return "", 0
    if data[1] == ESC:
        return "escape", 1
    if data[1] not in b"[O":
        return "", 2  # Alt with a key: none of ours
    at = 2
    while at < len(data) and at < SEQUENCE and not 0x40 <= data[at] <= 0x7E:
        if not 0x20 <= data[at] < 0x40:
            return "", at  # what follows is no part of it
        at += 1
    if at == len(data) and at < SEQUENCE:
        return "", 0
    return SEQUENCES.get(data[2 : at + 1].decode("ascii", "replace"), ""), at + 1


@dataclass(frozen=True)
class State:
    """What a person has chosen to see.

    page:     main, or one that stands in front of it: event, rule, help, coverage.
    paused:   the picture stands still while the trail is read on.
    typing:   keys go into the filter.
    filter:   shows what has it in it; "" shows everything.
    selected: number of an event; 0: none, the newest are shown.
    top:      first line shown of a page that is longer than the screen.
    wish:     what the caller is to do, "" if nothing.
    """

    page: str = MAIN
    paused: bool = False
    typing: bool = False
    filter: str = ""
    before: str = ""
    selected: int = 0
    top: int = 0
    wish: str = ""


def press(state: State, key: str, shown: Sequence[int] = (), page: int = PAGE) -> State:
    """The state after a key.

    shown: numbers of the events that the filter lets through, the newest first.
    page:  lines that a page has.
    """
    if key in ALWAYS:
        return replace(state, wish=ALWAYS[key])
    if state.typing:
        return typed(state, key)
    if state.page != MAIN:
        return turned(state, key, page)
    if key in MOVES:
        return replace(state, selected=moved(state.selected, MOVES[key](page), shown))
    if key in ("enter", "a", "d"):
        return chosen(state, key, shown)
    action = ACTIONS.get(key)
    return action(state) if action is not None else state


def done(state: State) -> State:
    """The wish was carried out."""
    return replace(state, wish="")


def typed(state: State, key: str) -> State:
    """A key while the filter is written."""
    if key == "enter":
        return replace(state, typing=False)
    if key == "escape":
        return replace(state, typing=False, filter=state.before)
    if key == "backspace":
        return replace(state, filter=state.filter[:-1], selected=0)
    if key == "clear":
        return replace(state, filter="", selected=0)
    if len(key) > 1 or len(state.filter) >= FILTER:
        return state
    return replace(state, filter=state.filter + key, selected=0)


def turned(state: State, key: str, page: int) -> State:
    """A key on a page that stands in front of the main one."""
    if key in MOVES:
        return replace(state, top=max(0, state.top + MOVES[key](page)))
    if key in ("a", "d") and state.page in (EVENT, RULE):
        return replace(state, page=RULE, top=0, wish=ALLOW if key == "a" else DENY)
    if key in ("escape", "enter", "q", "left") or (key, state.page) in (("?", HELP), ("c", COVERAGE)):
        return replace(state, page=EVENT if state.page == RULE and key == "left" else MAIN, top=0)
    if key in ("?", "c"):
        return ACTIONS[key](state)
    return state


def moved(selected: int, steps: int, shown: Sequence[int]) -> int:
    """The event that many steps down from the selected one; 0 above the newest."""
    if not shown:
        return 0
    if not selected:
        return shown[min(steps, len(shown)) - 1] if steps > 0 else 0
    # The selected one may have gone, or may not pass the filter: then its place among the others counts.
    at = sum([number > selected for number in shown]) + steps
    return shown[min(at, len(shown) - 1)] if at >= 0 else 0


def chosen(state: State, key: str, shown: Sequence[int]) -> State:
    """Opens the selected event, or the newest; asks for its rule."""
    selected = state.selected or (shown[0] if shown else 0)
    if not selected:
        return state
    wish = {"a": ALLOW, "d": DENY}.get(key, "")
    return replace(state, selected=selected, page=RULE if wish else EVENT, top=0, wish=wish)


def escaped(state: State) -> State:
    """Takes back one thing: the selection, then the filter, then the pause."""
    if state.selected:
        return replace(state, selected=0)
    if state.filter:
        return replace(state, filter="")
    return replace(state, paused=False)


#: Keys that mean the same whatever is shown.
ALWAYS = {"interrupt": INTERRUPT, "suspend": SUSPEND, "abort": ABORT, "redraw": "redraw"}

#: Steps down that a key goes, for a page of that many lines.
MOVES: dict[str, Callable[[int], int]] = {
    "up": lambda page: -1,
    "k": lambda page: -1,
    "down": lambda page: 1,
    "j": lambda page: 1,
    "pgup": lambda page: -page,
    "pgdn": lambda page: page,
    "home": lambda page: -1_000_000,
    "g": lambda page: -1_000_000,
    "end": lambda page: 1_000_000,
    "G": lambda page: 1_000_000,
}

#: What a key does on the main page.
ACTIONS: dict[str, Callable[[State], State]] = {
    "q": lambda state: replace(state, wish=QUIT),
    " ": lambda state: replace(state, paused=not state.paused),
    "p": lambda state: replace(state, paused=not state.paused),
    "/": lambda state: replace(state, typing=True, before=state.filter),
    "?": lambda state: replace(state, page=HELP, top=0),
    "c": lambda state: replace(state, page=COVERAGE, top=0),
    "escape": escaped,
}

#: Keys and what they do, for the help page and the manual.
KEYS = (
    ("q", "leave"),
    ("space, p", "pause and go on; the trail is read all the same"),
    ("/", "filter: type a text, Enter keeps it, Esc takes it back"),
    ("up, down, j, k", "select an event; also PgUp, PgDn, Home, End, g, G"),
    ("Enter", "open the selected event in full"),
    ("a, d", "copy the rule that would allow or deny the event"),
    ("c", "what is covered and what not, with the reasons"),
    ("Esc", "back; then: nothing selected, no filter, not paused"),
    ("?", "this page"),
)
