"""Keys: what a terminal sends becomes keys however it is cut, and keys become states as a table says."""

from __future__ import annotations

import random

import pytest

from netguard.views import keys
from netguard.views.keys import Keyboard, State, press

#: bytes, the keys they are
BYTES = [
    (b"q", ["q"]), (b"qp", ["q", "p"]), (b"\r", ["enter"]), (b"\n", ["enter"]), (b"\x7f", ["backspace"]),
    (b"\x1b[A", ["up"]), (b"\x1bOA", ["up"]), (b"\x1b[B\x1b[5~", ["down", "pgup"]), (b"\x1b[6~", ["pgdn"]),
    (b"\x1b[H\x1b[4~", ["home", "end"]), (b"\x03", ["interrupt"]), (b"\x1a", ["suspend"]), (b"\x1c", ["abort"]),
    ("é漢".encode(), ["é", "漢"]), (b"\xc3(", ["("]), (b"\xff\xfea", ["a"]), (b"\x80x", ["x"]), (b"\xe6\xbc", []),
    (b"\x00\x01\x02a", ["a"]), ("\u202ea\u200b".encode(), ["a"]),
    (b"\x1b[200~", []), (b"\x1b[<0;10;20M", []), (b"\x1b[?1;2c", []), (b"\x1bxq", ["q"]),
    (b"\x1b[" + b"1;" * 99 + b"~q", []), (b"\x1b\x1b[A", ["escape", "up"]), (b"\x1b[\x1b[A", ["up"]),
    (b"\x1b[1\rq", ["enter", "q"]),
]  # fmt: skip


@pytest.mark.parametrize(("data", "wanted"), BYTES, ids=[repr(row[0][:12]) for row in BYTES])
def test_bytes_are_keys(data: bytes, wanted: list[str]) -> None:
    found = Keyboard().feed(data)
    assert found == wanted if len(data) < 100 else "up" not in found


@pytest.mark.parametrize(("data", "wanted"), [row for row in BYTES if len(row[0]) < 100])
def test_bytes_are_the_same_keys_one_by_one(data: bytes, wanted: list[str]) -> None:
    board = Keyboard()
    assert [key for byte in data for key in board.feed(bytes([byte]))] == wanted


def test_single_escape_is_the_key_when_nothing_follows() -> None:
    board = Keyboard()
    assert (board.feed(b"\x1b"), board.flush(), board.flush()) == ([], ["escape"], [])
    assert (board.feed(b"\x1b["), board.flush(), board.held) == ([], [], b"")


def test_what_is_held_is_bounded() -> None:
    rng = random.Random(3)
    board = Keyboard()
    for _ in range(3_000):
        for key in board.feed(bytes(rng.choice(b"\x1b[O;09~Aq\xe6\xbc\xff\x00") for _ in range(rng.randrange(9)))):
            assert len(key) == 1 or key in {*keys.SEQUENCES.values(), *keys.CONTROLS.values(), "escape"}
        assert len(board.held) < 64


SHOWN = [9, 7, 5, 3, 1]


def typed(state: State, *pressed: str) -> State:
    for key in pressed:
        state = press(state, key, SHOWN, 2)
    return state


#: keys, the fields of the state that are not as at the beginning
STATES: list[tuple[tuple[str, ...], dict[str, object]]] = [
    (("q",), {"wish": "quit"}),
    (("p",), {"paused": True}),
    ((" ", " "), {}),
    (("?",), {"page": "help"}),
    (("?", "q"), {}),
    (("?", "?"), {}),
    (("?", "c"), {"page": "coverage"}),
    (("c", "escape"), {}),
    (("down",), {"selected": 9}),
    (("down", "down"), {"selected": 7}),
    (("j", "j", "k"), {"selected": 9}),
    (("j", "k"), {}),
    (("up",), {}),
    (("pgdn",), {"selected": 7}),
    (("pgdn", "pgdn"), {"selected": 3}),
    (("G",), {"selected": 1}),
    (("G", "down"), {"selected": 1}),
    (("G", "pgup"), {"selected": 5}),
    (("G", "g"), {}),
    (("enter",), {"selected": 9, "page": "event"}),
    (("j", "j", "enter"), {"selected": 7, "page": "event"}),
    (("enter", "down", "down"), {"selected": 9, "page": "event", "top": 2}),
    (("enter", "down", "up", "up"), {"selected": 9, "page": "event"}),
    (("enter", "escape"), {"selected": 9}),
    (("enter", "escape", "escape"), {}),
    (("a",), {"selected": 9, "page": "rule", "wish": "allow"}),
    (("j", "d"), {"selected": 9, "page": "rule", "wish": "deny"}),
    (("enter", "a"), {"selected": 9, "page": "rule", "wish": "allow"}),
    (("a", "left"), {"selected": 9, "page": "event", "wish": "allow"}),
    (("?", "a"), {"page": "help"}),
    (("/", "x", "y"), {"typing": True, "filter": "xy"}),
    (("/", "q", "enter"), {"filter": "q"}),
    (("/", "q", "backspace", "enter"), {}),
    (("/", "q", "clear", "z"), {"typing": True, "filter": "z"}),
    (("/", "q", "escape"), {}),
    (("/", "q", "enter", "/", "z", "escape"), {"filter": "q", "before": "q"}),
    (("/", "up", "tab"), {"typing": True}),
    (("/", "q", "enter", "escape"), {}),
    (("p", "j", "escape"), {"paused": True}),
    (("p", "j", "escape", "escape"), {}),
    (("interrupt",), {"wish": "interrupt"}),
    (("/", "interrupt"), {"typing": True, "wish": "interrupt"}),
    (("?", "suspend"), {"page": "help", "wish": "suspend"}),
    (("x", "tab", "delete"), {}),
]


@pytest.mark.parametrize(("pressed", "wanted"), STATES, ids=[" ".join(row[0]) for row in STATES])
def test_keys_lead_to_states(pressed: tuple[str, ...], wanted: dict[str, object]) -> None:
    assert typed(State(), *pressed) == State(**wanted)  # type: ignore[arg-type]


def test_wish_is_done_once() -> None:
    assert keys.done(State(wish="quit")) == State()


def test_filter_is_bounded() -> None:
    state = typed(State(), "/", *["x"] * 500)
    assert len(state.filter) == keys.FILTER


def test_selection_stays_on_its_event_while_others_come() -> None:
    assert press(State(selected=5), "down", [11, 9, 7, 5, 3]).selected == 3
    assert press(State(selected=5), "up", [11, 9, 7, 5, 3]).selected == 7


def test_selection_that_has_gone_goes_to_its_neighbours() -> None:
    assert press(State(selected=6), "down", [9, 7, 5, 3]).selected == 3
    assert press(State(selected=2), "down", [9, 7]).selected == 7
    assert press(State(selected=2), "down", []).selected == 0


@pytest.mark.parametrize("key", ["enter", "a", "d"])
def test_nothing_opens_where_there_is_nothing(key: str) -> None:
    assert press(State(), key, []) == State()


def test_help_names_every_key() -> None:
    told = " ".join(key for key, _ in keys.KEYS)
    for key in [*keys.ACTIONS, "a", "d", "j", "k", "g", "G", "Enter", "PgUp", "PgDn"]:
        named = {" ": "space", "escape": "Esc"}.get(key, key)
        assert named in told or any(named in does for _, does in keys.KEYS)
