"""Shares: nobody takes all places, and all places that are given back can be taken again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smanager.hosts.child.shares import Shares


def taken_by(shares: Shares, caller: str) -> int:
    """Have a caller take all it may; returns how many."""
    count = 0
    while shares.may_take(caller):
        shares.take(caller)
        count += 1
    return count


def test_each_takes_half_of_what_is_left() -> None:
    shares = Shares(64)
    assert [taken_by(shares, caller) for caller in "abcdefgh"] == [32, 16, 8, 4, 2, 1, 1, 0]


@given(st.integers(2, 200), st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_a_newcomer_finds_a_place_whatever_three_callers_do(places: int, history: list[tuple[str, bool]]) -> None:
    shares = Shares(places)
    has = dict.fromkeys("abc", 0)
    for caller, takes in history:
        if takes and shares.may_take(caller):
            shares.take(caller)
            has[caller] += 1
        elif not takes and has[caller]:
            shares.give_back(caller)
            has[caller] -= 1
    assert sum(has.values()) <= places
    assert shares.may_take("new") or places - sum(has.values()) == 0
    for caller, count in has.items():
        for _ in range(count):
            shares.give_back(caller)
    assert taken_by(shares, "new") == (places + 1) // 2
