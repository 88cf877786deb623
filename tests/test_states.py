"""The states of a service: every way between them, and that there is no other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.states import Event, State, TransitionError, next_state

GRID = """
            start     ready    refused  died     stop      ended
stopped     starting  -        -        -        stopping  -
starting    -         running  failed   backoff  stopping  -
running     -         -        -        backoff  stopping  -
backoff     starting  -        -        backoff  stopping  -
stopping    -         -        -        -        -         stopped
failed      starting  -        -        failed   stopping  -
"""


def ways() -> list[tuple[State, Event, State | None]]:
    """The grid's cells; None where a state cannot take an event."""
    heading, *rows = (line.split() for line in GRID.strip().splitlines())
    return [
        (State(state), Event(event), None if then == "-" else State(then))
        for state, *cells in rows
        for event, then in zip(heading, cells, strict=True)
    ]


@pytest.mark.parametrize(("state", "event", "then"), ways())
def test_each_state_takes_exactly_its_own_events(state: State, event: Event, then: State | None) -> None:
    if then:
        assert next_state(state, event) is then
    else:
        with pytest.raises(TransitionError, match=f"^a service that is {state.value} cannot take '{event.value}'$"):
            next_state(state, event)


def test_the_grid_has_every_state_and_every_event() -> None:
    assert {(state, event) for state, event, _ in ways()} == {(state, event) for state in State for event in Event}


def after(history: list[Event]) -> State:
    """Where a new service ends up; what it cannot take at the time does not happen."""
    state = State.STOPPED
    for event in history:
        try:
            state = next_state(state, event)
        except TransitionError:
            continue
    return state


histories = st.lists(st.sampled_from(Event), max_size=30)


@given(histories)
def test_whatever_has_happened_stop_and_ended_lead_to_stopped(history: list[Event]) -> None:
    assert after([*history, Event.STOP, Event.ENDED]) is State.STOPPED


@given(histories)
def test_a_service_that_was_stopped_runs_again_only_after_a_start(history: list[Event]) -> None:
    quiet = [event for event in history if event is not Event.START]
    assert after([Event.START, Event.READY, Event.STOP, *quiet]) in (State.STOPPING, State.STOPPED)


@given(histories)
def test_a_service_runs_only_from_the_moment_that_it_is_ready(history: list[Event]) -> None:
    assert after([event for event in history if event is not Event.READY]) is not State.RUNNING


@given(histories)
def test_a_stopped_service_that_is_started_and_gets_ready_runs(history: list[Event]) -> None:
    assert after([*history, Event.STOP, Event.ENDED, Event.START, Event.READY]) is State.RUNNING
