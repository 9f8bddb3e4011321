"""The meter: exact rates, an own clock, bounded memory, and closed when in doubt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netguard.core import limits
from netguard.core.limits import Meter
from netguard.core.policy import Limit, Rule
from netguard.core.request import Code, Request

MINUTE = 60.0


def limited(*bounds: Limit, index: int = 0) -> Rule:
    return Rule(index, "allow", "limited", kinds=("connect", "dns"), limits=bounds)


def connections(amount: int, window: float = MINUTE, burst: int = 1, per: str = "run", over: str = "deny") -> Limit:
    return Limit("connections", amount, window, burst=burst, per=per, over=over)


CONNECT = Request("connect", address=(4, 1), port=443, proto="tcp")
LOOKUP = Request("dns", host="a.example")


def charge(meter: Meter, rule: Rule, now: float, request: Request = CONNECT, session: str = "", pid: int = 1) -> str:
    return meter.charge(rule, request, now, session, pid)[0]


def test_rule_without_limits_lets_through() -> None:
    assert Meter().charge(limited(), CONNECT, 0.0, "", 1) == ("ok", 0.0)


def test_rate_lets_one_through_each_interval() -> None:
    meter, rule = Meter(), limited(connections(60))
    assert charge(meter, rule, 100.0) == "ok"
    assert charge(meter, rule, 100.999) == "deny"
    assert charge(meter, rule, 101.0) == "ok"
    assert charge(meter, rule, 101.0) == "deny"


@pytest.mark.parametrize("amount", [1, 3, 7, 60, 999])
def test_burst_is_let_through_at_once_and_no_more(amount: int) -> None:
    meter, rule = Meter(), limited(connections(amount, burst=amount))
    assert [charge(meter, rule, 5.0) for _ in range(amount + 1)] == ["ok"] * amount + ["deny"]


def test_denied_acts_are_not_counted() -> None:
    meter, rule = Meter(), limited(connections(60))
    assert charge(meter, rule, 0.0) == "ok"
    assert [charge(meter, rule, 0.5) for _ in range(10)] == ["deny"] * 10
    assert charge(meter, rule, 1.0) == "ok"


def test_whole_run_is_a_plain_count() -> None:
    meter, rule = Meter(), limited(connections(3, window=0.0))
    assert [charge(meter, rule, now) for now in (0.0, 1.0, 1e6, 1e9)] == ["ok", "ok", "ok", "deny"]


def test_limit_counts_its_own_kind_only() -> None:
    meter = Meter()
    rule = limited(connections(1, window=0.0), Limit("lookups", 2, 0.0, burst=1))
    assert [charge(meter, rule, 0.0, LOOKUP) for _ in range(3)] == ["ok", "ok", "deny"]
    assert [charge(meter, rule, 0.0, CONNECT) for _ in range(2)] == ["ok", "deny"]
    assert charge(meter, rule, 0.0, Request("listen")) == "ok"


def test_all_limits_of_a_rule_hold_and_none_is_charged_for_a_denial() -> None:
    meter = Meter()
    rule = limited(connections(60), connections(2, window=0.0))
    assert charge(meter, rule, 0.0) == "ok"
    assert charge(meter, rule, 0.5) == "deny"
    assert charge(meter, rule, 1.0) == "ok"
    assert charge(meter, rule, 2.0) == "deny"


def test_rules_have_allowances_of_their_own() -> None:
    meter = Meter()
    assert charge(meter, limited(connections(1, window=0.0)), 0.0) == "ok"
    assert charge(meter, limited(connections(1, window=0.0), index=1), 0.0) == "ok"


def test_over_log_lets_through_and_says_so() -> None:
    meter, rule = Meter(), limited(connections(60, over="log"))
    assert [charge(meter, rule, 0.0) for _ in range(3)] == ["ok", "log", "log"]
    assert charge(meter, rule, 1.0) == "ok"


def test_over_delay_says_how_long_and_counts_the_act() -> None:
    meter, rule = Meter(), limited(connections(6, over="delay"))
    answers = [meter.charge(rule, CONNECT, 0.0, "", 1) for _ in range(5)]
    assert answers == [("ok", 0.0), ("delay", 10.0), ("delay", 20.0), ("delay", 30.0), ("deny", 0.0)]
    assert meter.charge(rule, CONNECT, 10.0, "", 1) == ("delay", 30.0)


def test_over_delay_of_a_whole_run_denies() -> None:
    meter, rule = Meter(), limited(connections(1, window=0.0, over="delay"))
    assert [charge(meter, rule, 0.0) for _ in range(2)] == ["ok", "deny"]


def test_strictest_limit_answers() -> None:
    slow, logged = connections(6, over="delay"), connections(6, over="log")
    meter = Meter()
    answers = [meter.charge(limited(logged, slow), CONNECT, 0.0, "", 1) for _ in range(2)]
    assert answers == [("ok", 0.0), ("delay", 10.0)]
    meter = Meter()
    assert [charge(meter, limited(logged, slow, connections(6)), 0.0) for _ in range(2)] == ["ok", "deny"]
    meter = Meter()
    assert meter.charge(limited(slow, connections(3, over="delay")), CONNECT, 0.0, "", 1) == ("ok", 0.0)
    assert meter.charge(limited(slow, connections(3, over="delay")), CONNECT, 0.0, "", 1) == ("delay", 20.0)


def test_clock_that_goes_backwards_grants_no_more() -> None:
    meter, rule = Meter(), limited(connections(60))
    assert charge(meter, rule, 100.0) == "ok"
    assert charge(meter, rule, 50.0) == "deny"
    assert charge(meter, rule, 100.5) == "deny"
    assert charge(meter, rule, 101.0) == "ok"
    assert charge(meter, rule, 0.0) == "deny"


def connect(**fields: object) -> dict[str, object]:
    return {"request": Request("connect", **fields)}  # type: ignore[arg-type]


PERS = [
    ("process", {"pid": 1}, {"pid": 2}),
    ("user", connect(user="a"), connect(user="b")),
    ("session", {"session": "a"}, {"session": "b"}),
    ("destination", connect(address=(4, 1), port=1), connect(address=(4, 1), port=2)),
    ("destination", connect(host="a"), connect(host="b")),
    ("destination", connect(path="/a"), connect(path="/b")),
    ("origin", connect(code=Code(package="a")), connect(code=Code(package="b"))),
    ("origin", connect(code=Code("a")), connect(code=Code("b"))),
    ("tag:job", connect(tags={"job": "a"}), connect(tags={"job": "b"})),
    ("tag:job", connect(tags={"job": "a"}), connect()),
]


@pytest.mark.parametrize(("per", "one", "other"), PERS)
def test_each_has_an_allowance(per: str, one: dict[str, object], other: dict[str, object]) -> None:
    meter, rule = Meter(), limited(connections(1, window=0.0, per=per))
    assert charge(meter, rule, 0.0, **one) == "ok"  # type: ignore[arg-type]
    assert charge(meter, rule, 0.0, **one) == "deny"  # type: ignore[arg-type]
    assert charge(meter, rule, 0.0, **other) == "ok"  # type: ignore[arg-type]


@pytest.mark.parametrize("per", ["run", "", "galaxy"])
def test_run_and_unknown_words_count_all_together(per: str) -> None:
    meter, rule = Meter(), limited(connections(1, window=0.0, per=per))
    assert charge(meter, rule, 0.0, pid=1, session="a") == "ok"
    assert charge(meter, rule, 0.0, pid=2, session="b") == "deny"


def test_long_texts_of_the_guest_share_an_allowance() -> None:
    meter, rule = Meter(), limited(connections(1, window=0.0, per="origin"))
    texts = [Request("connect", code=Code(package="p" * 256 + end)) for end in "ab"]
    assert [charge(meter, rule, 0.0, request) for request in texts] == ["ok", "deny"]


@pytest.mark.parametrize(
    "limit",
    [connections(0), connections(-1, window=0.0), Limit("bytes", 5, MINUTE, burst=1), connections(0, over="delay")],
    ids=["none", "negative", "unknown-counter", "none-delayed"],
)
def test_limit_that_cannot_be_met_denies(limit: Limit) -> None:
    assert charge(Meter(), limited(limit), 0.0) == "deny"


def test_unknown_over_denies() -> None:
    meter, rule = Meter(), limited(connections(1, over="shrug"))
    assert [charge(meter, rule, 0.0) for _ in range(2)] == ["ok", "deny"]


def test_burst_below_one_is_one() -> None:
    meter, rule = Meter(), limited(connections(60, burst=0))
    assert [charge(meter, rule, now) for now in (0.0, 0.0, 1.0)] == ["ok", "deny", "ok"]


def test_full_table_denies_new_keys_and_lets_expired_ones_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_KEYS", 4)
    meter, rule = Meter(), limited(connections(60, burst=2, per="process"))
    assert [charge(meter, rule, 0.0, pid=pid) for pid in range(5)] == ["ok"] * 4 + ["deny"]
    assert charge(meter, rule, 0.0, pid=0) == "ok"  # a key that is known still counts
    assert charge(meter, rule, 0.999, pid=5) == "deny"
    assert charge(meter, rule, 1.0, pid=5) == "ok"
    assert meter.size() == 2  # pid 0 used its burst and is not done
    assert charge(meter, rule, 1.0, pid=0) == "ok"


def test_full_table_is_searched_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_KEYS", 2)
    meter, rule = Meter(), limited(connections(600, per="process"))
    assert [charge(meter, rule, 10.0, pid=pid) for pid in range(3)] == ["ok", "ok", "deny"]
    assert charge(meter, rule, 10.5, pid=3) == "deny"
    assert charge(meter, rule, 11.0, pid=3) == "ok"


def test_counts_of_the_whole_run_are_never_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_KEYS", 2)
    meter, rule = Meter(), limited(connections(2, window=0.0, per="process"))
    assert [charge(meter, rule, 0.0, pid=pid) for pid in (1, 2, 3)] == ["ok", "ok", "deny"]
    assert [charge(meter, rule, 1e9, pid=pid) for pid in (3, 1, 1)] == ["deny", "ok", "deny"]


def test_memory_is_bounded() -> None:
    meter, rule = Meter(), limited(connections(1, per="process"))
    answers = [charge(meter, rule, 0.0, pid=pid) for pid in range(limits.MAX_KEYS + 100)]
    assert answers.count("ok") == meter.size() == limits.MAX_KEYS


# Fills


def told(meter: Meter) -> list[tuple[int, str, int]]:
    """(rule, key, percent) of each fill."""
    return [(fill.rule, fill.key, fill.percent) for fill in meter.fills()]


def test_fill_is_the_part_of_the_burst_that_is_in_use() -> None:
    meter, rule = Meter(), limited(connections(60, burst=10))
    for count in range(1, 11):
        assert charge(meter, rule, 0.0) == "ok"
        assert told(meter) == ([(0, "", count * 10)] if count >= 5 else [])
    assert charge(meter, rule, 0.0) == "deny"
    assert told(meter) == []  # nothing was charged


def test_fill_of_the_whole_run_is_the_part_of_the_count() -> None:
    meter, rule = Meter(), limited(connections(4, window=0.0))
    shares = []
    for now in range(4):
        charge(meter, rule, float(now))
        shares += told(meter)
    assert shares == [(0, "", 50), (0, "", 75), (0, "", 100)]
    assert charge(meter, rule, 9.0) == "deny"


def test_fill_is_the_fullest_of_the_time_and_not_what_is_left_of_it() -> None:
    """A limit by the second is empty again when anybody looks."""
    meter, rule = Meter(), limited(connections(10, window=1.0, burst=10))
    for now in [5.0] * 8 + [5.9]:
        assert charge(meter, rule, now) == "ok"
    assert told(meter) == [(0, "", 80)]
    charge(meter, rule, 6.0)
    assert told(meter) == []


def test_fill_names_the_key_that_is_nearest_to_its_limit() -> None:
    meter, rule = Meter(), limited(connections(60, burst=10, per="process"))
    for pid in [1] * 5 + [2] * 7 + [3] * 6:
        charge(meter, rule, 0.0, pid=pid)
    assert told(meter) == [(0, "2", 70)]


def test_each_limit_of_each_rule_is_told_the_fullest_first_and_so_many() -> None:
    meter = Meter()
    both = limited(connections(60, burst=4), connections(3, window=0.0), index=99)
    charge(meter, both, 0.0)
    charge(meter, both, 0.0)
    assert told(meter) == [(99, "", 66), (99, "", 50)]
    for index in range(limits.MAX_FILLS + 5):
        charge(meter, limited(connections(60, burst=1), index=index), 0.0)
    assert told(meter) == [(index, "", 100) for index in range(limits.MAX_FILLS)]


def test_fill_of_delayed_acts_is_no_more_than_full() -> None:
    meter, rule = Meter(), limited(connections(60, burst=2, over="delay"))
    assert [charge(meter, rule, 0.0) for _ in range(6)] == ["ok", "ok", "delay", "delay", "delay", "delay"]
    assert told(meter) == [(0, "", 100)]


def test_key_that_is_told_is_bounded() -> None:
    meter, rule = Meter(), limited(connections(60, burst=1, per="origin"))
    charge(meter, rule, 0.0, Request("connect", address=(4, 1), port=1, code=Code(package="p" * 9_999)))
    assert told(meter) == [(0, "p" * limits.MAX_SHOWN, 100)]


def test_what_is_remembered_is_one_key_a_limit() -> None:
    meter, rule = Meter(), limited(connections(60, burst=9, per="process"))
    for pid in range(1_000):
        charge(meter, rule, 0.0, pid=pid)
    assert len(meter.fullest) == 1


@pytest.mark.property
@given(st.integers(1, 50), st.floats(0.1, 100), st.integers(1, 20), st.lists(st.floats(0, 50), min_size=1, max_size=80))
def test_full_is_exactly_where_the_next_is_over(amount: int, window: float, burst: int, steps: list[float]) -> None:
    meter, rule = Meter(), limited(connections(amount, window, burst))
    now = 0.0
    for step in steps:
        now += step
        if charge(meter, rule, now) == "ok":
            level, key = meter.fullest[rule.limits[0]]
            meter.fullest = {}
            used = limits.used(rule.limits[0], level)
            assert 1 <= used <= burst
            assert (meter.ask(rule.limits[0], key)[0] != "ok") == (used == burst)


@pytest.mark.property
@given(
    st.integers(1, 50),
    st.floats(0.1, 100),
    st.integers(1, 20),
    st.lists(st.floats(-5, 50), min_size=1, max_size=200),
)
def test_no_window_ever_holds_more_than_the_rate_and_the_burst(
    amount: int, window: float, burst: int, steps: list[float]
) -> None:
    meter, rule = Meter(), limited(connections(amount, window, burst))
    now, clock, granted = 0.0, 0.0, []
    for step in steps:
        now += step
        clock = max(clock, now)
        if charge(meter, rule, now) == "ok":
            granted.append(clock)
    for place, start in enumerate(granted):
        for count, end in enumerate(granted[place:], 1):
            assert count <= burst + (end - start) * amount / window + 1e-6
