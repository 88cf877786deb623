"""Patience: what counts is the time in which the one who waits could run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.system.patience import SECOND_LOOK_SECONDS, Patience, is_late


def waited(seconds: float, *delays: float) -> tuple[float, bool]:
    """How long a wait lasts whose steps are delayed by so much, further ones by nothing; and whether one was late."""
    now = 0.0
    patience = Patience(seconds, lambda: now)
    late = [*delays]
    while True:
        now += patience.step + (late.pop(0) if late else 0.0)
        if not patience.lasts():
            return now, patience.was_late


@pytest.mark.parametrize("seconds", [0.04, 0.5, 1, 4, 20, 60, 61.3])
def test_on_time_a_wait_is_as_long_as_it_says(seconds: float) -> None:
    passed, was_late = waited(seconds)
    assert passed == pytest.approx(seconds, abs=1.0)
    assert passed >= seconds * 0.97
    assert not was_late


@pytest.mark.parametrize(
    ("seconds", "delays", "expected"),
    [
        (20, [25], 20 + 25),  # a pause counts as one step
        (20, [0] * 10 + [25], 20 + 25),
        (20, [0] * 19 + [3600], 20 + 3600 + SECOND_LOOK_SECONDS),  # at the end, there is a second look
        (20, [0, 25, 0, 25], 20 + 50),
        (20, [2] * 20, 20 + 40 + SECOND_LOOK_SECONDS),  # on a machine where nobody is scheduled
        (1, [0, 0, 0, 60], 1 + 60 + 1),
    ],
)
def test_time_in_which_this_process_could_not_run_does_not_count(
    seconds: float, delays: list[float], expected: float
) -> None:
    passed, was_late = waited(seconds, *delays)
    assert passed == pytest.approx(expected)
    assert was_late


def test_what_is_a_little_late_counts_and_is_not_waited_for_again() -> None:
    assert waited(20, *[0.5] * 20) == (30.0, False)


@given(st.floats(0, 100), st.lists(st.floats(0, 1000), max_size=30))
def test_nobody_is_judged_at_a_late_look_or_without_time_to_answer(seconds: float, delays: list[float]) -> None:
    now = on_time = 0.0
    patience = Patience(seconds, lambda: now)
    for delay in [*delays, *[0.0] * 110]:
        passed = patience.step + delay
        now += passed
        on_time = 0.0 if is_late(patience.step, passed) else on_time + passed
        if not patience.lasts():
            assert on_time >= min(seconds, SECOND_LOOK_SECONDS) * 0.97
            return
    pytest.fail("it never ended")
