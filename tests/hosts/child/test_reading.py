"""The reading: one thread has it, and whatever that thread does, another one can take it over when it should."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.hosts.child.reading import PATIENCE, Reading, ReadingState

ME, OTHER = 1, 2
ROUNDING = 1e-9


def reads() -> Reading:
    reading = Reading()
    assert reading.take_over(ME, 0.0)
    return reading


def runs() -> Reading:
    reading = reads()
    reading.begin(ME, 0.0)
    return reading


def free() -> Reading:
    reading = runs()
    assert reading.let_go(ME)
    return reading


EVENTS: dict[str, Callable[[Reading, int], object]] = {
    "begin": lambda reading, thread: reading.begin(thread, 0.0),
    "end": lambda reading, thread: reading.end(thread),
    "let go": lambda reading, thread: reading.let_go(thread),
    "look early": lambda reading, thread: reading.take_over(thread, PATIENCE / 2),
    "look late": lambda reading, thread: reading.take_over(thread, PATIENCE),
}
MINE, ANOTHERS = (ReadingState.READS, ME), (ReadingState.READS, OTHER)
RUNS, FREE = (ReadingState.RUNS, ME), (ReadingState.FREE, None)


@pytest.mark.parametrize(
    ("made", "event", "after_me", "after_other"),
    [
        (reads, "begin", RUNS, MINE),
        (reads, "end", MINE, MINE),
        (reads, "let go", MINE, MINE),
        (reads, "look early", MINE, MINE),
        (reads, "look late", MINE, MINE),
        (runs, "begin", RUNS, RUNS),
        (runs, "end", MINE, RUNS),
        (runs, "let go", FREE, RUNS),
        (runs, "look early", RUNS, RUNS),
        (runs, "look late", MINE, ANOTHERS),
        (free, "begin", FREE, FREE),
        (free, "end", FREE, FREE),
        (free, "let go", FREE, FREE),
        (free, "look early", MINE, ANOTHERS),
        (free, "look late", MINE, ANOTHERS),
    ],
)
def test_each_state_and_event(made: Callable[[], Reading], event: str, after_me: object, after_other: object) -> None:
    for thread, after in [(ME, after_me), (OTHER, after_other)]:
        reading = made()
        EVENTS[event](reading, thread)
        reader = next((candidate for candidate in (ME, OTHER) if reading.is_by(candidate)), None)
        assert (reading.state, reader) == after


@given(st.lists(st.tuples(st.sampled_from([*EVENTS, "look"]), st.integers(1, 4), st.floats(0, 2 * PATIENCE))))
def test_whatever_happens_there_is_one_reader_or_another_look_finds_one(history: list[tuple[str, int, float]]) -> None:
    reading, now = Reading(), 0.0
    for event, thread, later in history:
        now += later
        before = [candidate for candidate in range(1, 5) if reading.is_by(candidate)]
        match event:
            case "begin":
                reading.begin(thread, now)
            case "end":
                reading.end(thread)
            case "let go":
                reading.let_go(thread)
            case _ if reading.take_over(thread, now):
                before = [thread]  # which reads now, and nobody else
        readers = [candidate for candidate in range(1, 5) if reading.is_by(candidate)]
        assert readers == ([] if reading.state is ReadingState.FREE else before)
        look = reading.next_look(now)
        if reading.state is not ReadingState.READS:
            assert look is not None
            assert look <= PATIENCE + ROUNDING
            assert reading.take_over(4, now + look + ROUNDING)


def test_after_a_command_there_is_one_more_look() -> None:
    reading = runs()
    reading.end(ME)
    assert reading.next_look(1.0) == PATIENCE
    assert reading.next_look(2.0) is None
