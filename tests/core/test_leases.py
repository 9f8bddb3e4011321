"""Leases: names behind addresses, for as long as they last, in bounded memory."""

from __future__ import annotations

from netguard.core import leases
from netguard.core.leases import LEASE, Leases

ADDRESS = (4, 0x5DB8D822)


def test_address_nobody_was_given_has_no_names() -> None:
    assert Leases().names(ADDRESS, 0.0) == ()


def test_names_last_for_the_lease_and_no_longer() -> None:
    held = Leases()
    held.give(ADDRESS, "a.example", 10.0)
    assert held.names(ADDRESS, 10.0 + LEASE - 0.001) == ("a.example",)
    assert held.names(ADDRESS, 10.0 + LEASE) == ()


def test_lease_lasts_as_long_as_the_name_server_says_within_bounds() -> None:
    held = Leases()
    for name, lasts in (("short.example", 1.0), ("long.example", LEASE * 2), ("endless.example", 1e12)):
        held.give(ADDRESS, name, 0.0, lasts)
    assert held.until[ADDRESS] == {
        "short.example": LEASE, "long.example": LEASE * 2, "endless.example": leases.MAX_LEASE,
    }  # fmt: skip


def test_lease_is_never_cut_short() -> None:
    held = Leases()
    held.give(ADDRESS, "a.example", 0.0, LEASE * 2)
    held.give(ADDRESS, "a.example", 1.0)
    assert held.until[ADDRESS] == {"a.example": LEASE * 2}


def test_name_given_again_is_the_latest_and_lasts_anew() -> None:
    held = Leases()
    for now, name in enumerate(("a.example", "b.example", "a.example")):
        held.give(ADDRESS, name, float(now))
    assert held.names(ADDRESS, 3.0) == ("b.example", "a.example")
    assert held.names(ADDRESS, 1.0 + LEASE) == ("a.example",)


def test_versions_of_an_address_are_two_addresses() -> None:
    held = Leases()
    held.give((6, 1), "a.example", 0.0)
    assert held.names((4, 1), 0.0) == ()


def test_oldest_name_of_an_address_goes_first() -> None:
    held = Leases()
    for number in range(leases.MAX_NAMES + 2):
        held.give(ADDRESS, f"{number}.example", 0.0)
    names = held.names(ADDRESS, 0.0)
    assert len(names) == leases.MAX_NAMES
    assert (names[0], names[-1]) == ("2.example", f"{leases.MAX_NAMES + 1}.example")


def test_address_given_longest_ago_goes_first() -> None:
    held = Leases()
    for number in range(leases.MAX_ADDRESSES):
        held.give((4, number), "a.example", 0.0)
    held.give((4, 0), "a.example", 0.0)  # given again: no longer the oldest
    held.give((4, leases.MAX_ADDRESSES), "a.example", 0.0)
    assert len(held.until) == leases.MAX_ADDRESSES
    assert held.names((4, 1), 0.0) == ()
    assert held.names((4, 0), 0.0) == ("a.example",)
