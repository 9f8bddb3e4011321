"""The live view at every size: what it shows, that it fits, and that no text of the guest's gets out of its cell."""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netguard.views import keys
from netguard.views.amounts import duration, millis, number, size
from netguard.views.board import Look, matching
from netguard.views.keys import State
from netguard.views.layout import destination_columns, event_columns, share
from netguard.views.live import DARK, LIGHT, Theme, painted, svg
from netguard.views.pages import screen
from netguard.views.picture import Picture
from netguard.views.rule_for import rule_for
from netguard.views.snapshot import Snapshot
from netguard.views.text import columns_of
from tests.support.guard import run_guarded
from tests.views.runs import AUDIT_RUN, COVERAGE, DRY_RUN, HOSTILE, Record, connect, hostile_record

NOW = 1_800_000_000
SGR = re.compile(r"\x1b\[[0-9;]*m")
WIDTHS, HEIGHTS = (40, 80, 120, 200), (1, 2, 3, 4, 7, 10, 16, 24, 37, 60)
PAGES = (keys.MAIN, keys.EVENT, keys.RULE, keys.HELP, keys.COVERAGE)

FIRST: Record = {
    **COVERAGE, "event": "run", "run": "01JD", "hooks": "asked for", "wall": "off: this version has no kernel wall",
    "http_view": "off: not read", "mode": "run", "command": ["/usr/bin/python3", "agent.py"],
}  # fmt: skip
LIMITS: Record = {"kind": "count", "counts": {"pypi": 3}, "limits": [
    {"rule": "openai-chat", "limit": "60/min", "key": "api.openai.com", "fill": 0.93},
    {"rule": "uploads", "limit": "lookups 20/min per run", "fill": 1.2},
]}  # fmt: skip


def of(records: list[Record]) -> Snapshot:
    shown = Picture()
    for record in records:
        shown.add({"ts": "2027-01-15T08:00:00.123456Z", **record}, 100)  # as `NOW`
    return shown.snapshot(NOW)


def text_of(snapshot: Snapshot, state: State, look: Look, **more: object) -> list[str]:
    """The lines as they are on the screen, held to its size."""
    lines = painted(screen(snapshot, state, look, **more), colour=look.colour)  # type: ignore[arg-type]
    assert len(lines) == look.height
    texts = []
    for line in lines:
        text = SGR.sub("", line) if look.colour else line
        assert columns_of(text) <= max(40, look.width), text
        assert is_plain(text), repr(text)
        assert look.utf8 or text.isascii()
        assert not look.colour or SGR.sub("", line).count("\x1b") == 0
        texts.append(text.rstrip())
    return texts


def is_plain(text: str) -> bool:
    """Nothing that a terminal obeys; marks on letters are no such thing."""
    return all(char.isprintable() for char in text)


FULL = of([FIRST, {"kind": "coverage", "event": "process"}, *AUDIT_RUN[1:-1], *DRY_RUN[1:], LIMITS])


# What is shown


def test_real_run_is_shown_with_all_its_parts() -> None:
    code = "import socket\ndef knock():\n    try: socket.create_connection(('169.254.169.254', 80), 1)\n"
    code += "    except OSError: pass\nfor _ in range(3): knock()\nsocket.getaddrinfo('127.0.0.1', 1)\n"
    run = run_guarded(["-c", code], rules="version: 1\ndefault: deny\n")
    shown = "\n".join(text_of(of(run.trail), State(), Look(80, 24)))
    assert re.search(r"netguard  python\S* -c .* +ended, exit 0 after 0:0\d", shown)
    assert re.search(r"hooks on · wall (on|partly|off) · requests off · (tier .* · )?1 process", shown)
    assert "3 decisions · 3 denied" in shown
    assert re.search(r"(?m)^ verdict  kind     destination +count  rule$", shown)
    assert re.search(r"(?m)^ denied   connect  169\.254\.169\.254:80 +3  default$", shown)
    assert (
        len(re.findall(r"(?m)^ \d\d:\d\d:\d\d  denied   connect  169\.254\.169\.254:80 +<string>:3 knock$", shown)) == 3
    )
    assert "q leave  space pause  / filter  ↑↓ select" in shown


@pytest.mark.parametrize("width", WIDTHS)
def test_denials_and_alarms_are_on_every_screen(width: int) -> None:
    shown = "\n".join(text_of(FULL, State(), Look(width, 30)))
    for word in (
        "169.254.169.254:80",
        "noticed: 2",
        "trail.jsonl is 12 byte",
        "limits near their edge",
        "openai",
        "93 %",
    ):
        assert word in shown


def test_red_is_what_is_denied_found_or_over() -> None:
    red = [
        SGR.sub("", line) for line in painted(screen(FULL, State(), Look(120, 40)), colour=True) if "\x1b[1;31m" in line
    ]
    assert len([line for line in red if "169.254.169.254" in line]) == 2
    assert any("TAMPER" in line for line in red)
    assert any("100 %" in line for line in red)
    assert not [line for line in red if "pkg.test" in line]


def test_without_colour_there_is_no_escape_and_the_selected_one_is_marked() -> None:
    number = FULL.events[3].number
    lines = text_of(FULL, State(selected=number), Look(80, 40, colour=False))
    assert [line[0] for line in lines if line].count("›") == 1
    lines = text_of(FULL, State(selected=number), Look(80, 40, colour=False, utf8=False))
    assert [line[0] for line in lines if line].count(">") == 1


def test_columns_do_not_move_with_what_is_in_them() -> None:
    """Only the width decides where a column begins."""
    records = [connect("a.test", "192.0.2.1", 1), connect("x" * 200, "192.0.2.1", 65535, rule="r" * 99)]
    heads = {tuple(line for line in text_of(of([one]), State(), Look(120, 30)) if "verdict" in line) for one in records}
    assert len(heads) == 1


def test_bytes_have_columns_where_there_are_any() -> None:
    act = connect("a.test", "192.0.2.1", 443, seq=1)
    result = {
        "kind": "result",
        "of": 1,
        "run": "01JD",
        "bytes_out": 2048,
        "bytes_in": 5 << 20,
        "status": 200,
        "ms": 12.3,
    }
    shown = "\n".join(text_of(of([act, result]), State(), Look(120, 24)))
    assert re.search(r"a\.test:443 \(192\.0\.2\.1\) +1 +2\.0 K +5\.0 M", shown)
    assert "200 12 ms" in shown
    assert "sent" not in "\n".join(text_of(of([act]), State(), Look(120, 24)))
    assert "sent" not in "\n".join(text_of(of([act, result]), State(), Look(50, 24)))


def test_filter_shows_what_has_it() -> None:
    state = State(filter="PASTE.evil")
    shown = text_of(FULL, state, Look(100, 30))
    body = [line for line in shown[4:-1] if "paste.evil.example" in line]
    assert len(body) == 2
    assert not [line for line in shown if "pkg.test" in line]
    assert "filter: PASTE.evil" in shown[-1]
    assert "nothing passes the filter" in "\n".join(text_of(FULL, State(filter="zzz"), Look(80, 24)))
    assert len(matching(FULL, State())) == len(FULL.events)


def test_typing_shows_what_is_typed_and_notes_take_the_last_line() -> None:
    assert text_of(FULL, State(typing=True, filter="abc"), Look(80, 24))[-1] == " filter: abc▏"
    assert text_of(FULL, State(), Look(80, 24), note="copied")[-1] == " copied"


def test_status_says_how_it_stands() -> None:
    assert "paused at" in text_of(FULL, State(paused=True), Look(80, 24))[0]
    ended = replace(FULL, ended="ended, signal 9", started=NOW - 75)
    assert "ended, signal 9 after 1:15" in text_of(ended, State(), Look(80, 24))[0]
    assert "waiting for the first line" in text_of(Picture().snapshot(NOW), State(), Look(80, 24))[0]
    many = replace(FULL, runs=3, unreadable=2)
    line = text_of(many, State(), Look(120, 24))[1]
    assert "3 runs in this trail" in line
    assert "2 lines not readable" in line


def test_selected_event_is_always_in_sight() -> None:
    records = [connect(f"h{n}.test", "192.0.2.1", n, seq=n) for n in range(300)]
    snapshot = of(records)
    for selected in (1, 2, 150, 299, 300):
        for height in (10, 24, 50):
            lines = text_of(snapshot, State(selected=selected), Look(80, height))
            assert f"h{selected - 1}.test" in next(line for line in lines if line.startswith("›"))


def test_event_in_full_and_its_rule_have_their_pages() -> None:
    event = next(event for event in FULL.events if event.word == "denied")
    shown = "\n".join(text_of(FULL, State(page=keys.EVENT, selected=event.number), Look(80, 30), event=event))
    assert "paste.evil.example" in shown or "curl" in shown
    assert "no longer kept" in "\n".join(text_of(FULL, State(page=keys.EVENT), Look(80, 30)))
    about = connect("api.test", "192.0.2.1", 443, "deny", rule="default")
    snapshot = of([about])
    rule = rule_for(snapshot.events[0].record, "allow")
    shown = "\n".join(text_of(snapshot, State(page=keys.RULE), Look(80, 30), event=snapshot.events[0], rule=rule))
    assert "- allow: [connect]" in shown
    assert "OSC 52" in shown
    shown = "\n".join(text_of(snapshot, State(page=keys.RULE), Look(80, 30), event=snapshot.events[0], rule=""))
    assert "No rule can say exactly this act." in shown


def test_long_page_scrolls_to_its_end_and_no_further() -> None:
    event = FULL.events[0]
    look = Look(80, 8)
    first = text_of(FULL, State(page=keys.HELP), look, event=event)
    last = text_of(FULL, State(page=keys.HELP, top=10_000), look, event=event)
    assert "Keys" in first[2]
    assert "itself" in last[-2]
    assert "scroll" in first[-1]


def test_coverage_page_tells_why() -> None:
    shown = " ".join(" ".join(text_of(FULL, State(page=keys.COVERAGE), Look(60, 24))).split())
    assert "off: this version has no kernel wall" in shown
    assert "1 guarded interpreter has reported" in shown


# At every size, whatever the guest says


@pytest.mark.parametrize("utf8", [True, False], ids=["utf8", "ascii"])
@pytest.mark.parametrize("colour", [True, False], ids=["colour", "no-colour"])
def test_every_page_fits_every_screen(colour: bool, utf8: bool) -> None:
    rng = random.Random(11)
    hostile = of([hostile_record(rng) for _ in range(300)])
    for snapshot in (FULL, hostile, Picture().snapshot(NOW)):
        event = snapshot.events[0] if snapshot.events else None
        for page in PAGES:
            for width in (*WIDTHS, 41, 59, 60, 79, 99, 101, 160):
                for height in HEIGHTS:
                    text_of(
                        snapshot,
                        State(page=page),
                        Look(width, height, colour, utf8),
                        event=event,
                        rule="- allow: dns\n",
                    )


def test_screen_narrower_than_any_gets_lines_of_forty_columns() -> None:
    text_of(FULL, State(), Look(10, 24))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_in_its_cell(text: str) -> None:
    """In every place that a guest's word reaches, the time of an event and the filter too."""
    record = connect(
        text, text, 80, "deny", rule=text, why=text, findings=[{"id": text, "severity": text}],
        code={"file": text, "line": 1, "func": text},
    )  # fmt: skip
    first = {**FIRST, "command": ["x", text], "hooks": text, "wall": f"off{text}: {text}", "run": text, "mode": text}
    limit = {"kind": "count", "counts": {text: 1}, "limits": [{"rule": text, "limit": text, "key": text, "fill": 0.9}]}
    tamper = {"kind": "tamper", "why": text, "ts": "2026-11-22T" + (text * 20)[:16]}
    snapshot = of([first, {**record, "ts": "2026-11-22T" + (text * 20)[:16]}, limit, tamper])
    assert snapshot.limits
    for width in WIDTHS:
        for page in PAGES:
            for state in (State(page=page), State(page=page, filter=text, typing=True)):
                look = Look(width, 40)
                text_of(snapshot, state, look, event=snapshot.events[-1], rule=rule_for(record, "deny"), note="")
    assert svg(screen(snapshot, State(), Look(80, 24)), 80, title="x").startswith("<svg")


@pytest.mark.property
@given(st.text(max_size=60), st.text(max_size=30), st.integers(40, 220), st.integers(4, 50))
def test_any_text_stays_in_its_cell(name: str, other: str, width: int, height: int) -> None:
    records: list[Record] = [
        {**FIRST, "command": [name, other]},
        connect(name, other, 80, rule=other, code={"file": name, "line": other, "func": other}),
        {"kind": "exec", "verdict": "deny", "rule": name, "exec": {"program": name, "argv": [name, other]}},
        {"kind": "tamper", "why": name},
    ]
    snapshot = of(records)
    for page in PAGES:
        look = Look(width, height, utf8=len(name) % 2 == 0)
        text_of(snapshot, State(page=page, filter=other, typing=True), look, event=snapshot.events[-1], rule="")


# Pictures and numbers


def test_picture_for_documentation_holds_the_words_and_no_script() -> None:
    lines = screen(FULL, State(), Look(100, 30))
    for theme in (DARK, LIGHT):
        found = svg(lines, 100, title="netguard watch", theme=theme)
        assert "169.254.169.254:80" in found
        for element in ElementTree.fromstring(found).iter():
            assert element.tag.rpartition("}")[2] in {"svg", "style", "defs", "clipPath", "rect", "g", "circle", "text"}
            assert not re.search(r"href|://", " ".join(element.attrib))
            assert "style" not in element.tag or not re.search("url|@|://", element.text or "")
        event = FULL.events[0]
        assert svg(screen(FULL, State(page=keys.EVENT), Look(100, 30), event=event), 100, title="one")


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_picture_can_be_read(theme: Theme) -> None:
    """The contrast of every colour that is used, and of what is dim, is the 4.5 that WCAG asks for."""

    def light(colour: tuple[int, ...]) -> float:
        parts = [part / 255 for part in colour]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05

    ground, front = tuple(theme.terminal.background_color), tuple(theme.terminal.foreground_color)
    dim = tuple(round(0.6 * a + 0.4 * b) for a, b in zip(front, ground, strict=True))
    for colour in (front, dim, *[tuple(theme.terminal.ansi_colors[at]) for at in (1, 2, 5)]):
        assert max(light(colour), light(ground)) / min(light(colour), light(ground)) >= 4.5, colour


def test_layout_gives_every_line_away_once() -> None:
    for height in range(1, 80):
        for findings in (0, 1, 50):
            for limits in (0, 2, 64):
                for reached in (0, 1, 1000):
                    rows = share(height, findings=findings, limits=limits, destinations=reached)
                    assert sum(rows) == height
                    assert min(rows) >= 0
                    assert rows.events >= 1 or height < 3


def test_columns_fill_every_width() -> None:
    for width in range(40, 240):
        for dry in (False, True):
            for columns in (
                event_columns(width, dry),
                destination_columns(width, dry, True),
                destination_columns(width, dry, False),
            ):
                assert 1 + sum(wide for _, wide in columns) + 2 * (len(columns) - 1) == width
                assert dict(columns)[""] >= 14


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (99_999, "99,999"), (999_999, "999,999"), (1_234_567, "1.2 M"), (99_999_999, "100.0 M"),
     (123_456_789, "123 M"),
     (1_234_567_890, "1.2 G"), (10**17, "100 P"), (10**30, "many")],
)  # fmt: skip
def test_numbers_fit_seven_columns(value: int, shown: str) -> None:
    assert number(value) == shown
    assert len(shown) <= 7


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, ""), (-5, ""), (1, "1 B"), (1023, "1023 B"), (1024, "1.0 K"), (1 << 20, "1.0 M"), ((1 << 30) - 1, "1024.0 M"),
     (3 << 40, "3.0 T"), (1 << 60, "many")],
)  # fmt: skip
def test_bytes_fit_their_column(value: int, shown: str) -> None:
    assert size(value) == shown
    assert len(shown) <= 8


@pytest.mark.parametrize(
    ("value", "shown"),
    [(-1, "0:00"), (42, "0:42"), (3_599, "59:59"), (3_723, "1:02:03"), (90_000, "1 d 01:00"),
     (10**18, "11574 d 01:46")],
)  # fmt: skip
def test_durations(value: int, shown: str) -> None:
    assert duration(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0 ms"), (0.148, "0.15 ms"), (12.4, "12 ms"), (3_400.0, "3.4 s"), (9e8, "900000 s")]
)
def test_milliseconds(value: float, shown: str) -> None:
    assert millis(value) == shown
