"""The states of a service: every transition, and that there is no other; and what the ends of lives lead to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.config.service import Policy, Restart
from smanager.supervision.states import FIRST_BACKOFF, JITTER, Ending, Ends, Event, State, next_state

GRID = """
            start     ready    hang  fall     give-up  finish   stop      end
stopped     starting  -        -     -        -        -        -         -
starting    -         running  hung  backoff  failed   done     stopping  -
running     -         -        hung  backoff  failed   done     stopping  -
backoff     starting  -        -     -        -        -        stopped   -
stopping    -         -        -     -        -        -        -         stopped
failed      starting  -        -     -        -        -        stopped   -
done        starting  -        -     -        -        -        stopped   -
hung        -         -        -     backoff  failed   -        stopping  -
"""


def ways() -> list[tuple[State, Event, State | None]]:
    """The grid's cells; None where a state does not take an event."""
    heading, *rows = (line.split() for line in GRID.strip().splitlines())
    return [
        (State(state), Event(event.replace("-", " ")), None if then == "-" else State(then))
        for state, *cells in rows
        for event, then in zip(heading, cells, strict=True)
    ]


@pytest.mark.parametrize(("state", "event", "then"), ways())
def test_each_state_takes_exactly_its_own_events(state: State, event: Event, then: State | None) -> None:
    assert next_state(state, event) is then


def test_the_grid_has_every_state_and_every_event() -> None:
    assert {(state, event) for state, event, _ in ways()} == {(state, event) for state in State for event in Event}


def after(history: list[Event]) -> State:
    """The state of a new service after these events, without those that it does not take."""
    state = State.STOPPED
    for event in history:
        state = next_state(state, event) or state
    return state


histories = st.lists(st.sampled_from(Event), max_size=30)


@given(histories)
def test_whatever_has_happened_stop_and_end_lead_to_stopped(history: list[Event]) -> None:
    assert after([*history, Event.STOP, Event.END]) is State.STOPPED


@given(histories)
def test_a_service_that_was_stopped_runs_again_only_after_a_start(history: list[Event]) -> None:
    quiet = [event for event in history if event is not Event.START]
    assert after([Event.START, Event.READY, Event.STOP, *quiet]) in (State.STOPPING, State.STOPPED)


@given(histories)
def test_a_service_is_never_started_twice(history: list[Event]) -> None:
    """Between two starts that are taken, a life has to have ended."""
    state, lives = State.STOPPED, 0
    for event in history:
        then = next_state(state, event)
        if then is None:
            continue
        if event is Event.START:
            assert lives == 0
            lives = 1
        if not then.alive:
            lives = 0
        state = then


@given(histories)
def test_a_service_runs_only_from_the_moment_that_it_is_ready(history: list[Event]) -> None:
    assert after([event for event in history if event is not Event.READY]) is not State.RUNNING


@given(histories)
def test_a_service_is_done_only_by_its_own_success(history: list[Event]) -> None:
    assert after([event for event in history if event is not Event.FINISH]) is not State.DONE


@given(histories)
def test_a_stopped_service_that_is_started_and_gets_ready_runs(history: list[Event]) -> None:
    assert after([*history, Event.STOP, Event.END, Event.START, Event.READY]) is State.RUNNING


STEADY = Policy()


def decisions(policy: Policy, *lives: tuple[float, bool]) -> list[str]:
    """What each life's end leads to: the event, or for a fall the seconds of backoff without jitter."""
    ends, decided = Ends(), []
    for lived, clean in lives:
        decision = ends.decide(policy, lived, Ending("", clean), chance=0)
        decided.append(f"{decision.delay:g}" if decision.event is Event.FALL else decision.event.value)
    return decided


EARLY, LONG = (0.1, False), (3600.0, False)
CLEAN = (0.1, True)


@pytest.mark.parametrize(
    ("policy", "lives", "decided"),
    [
        (STEADY, [EARLY] * 9, ["0", "0.5", "1", "2", "4", "8", "16", "30", "30"]),
        (STEADY, [EARLY, EARLY, LONG, EARLY], ["0", "0.5", "0", "0"]),
        (STEADY, [CLEAN, CLEAN], ["0", "0.5"]),
        (Policy(longest_backoff=1.5), [EARLY] * 5, ["0", "0.5", "1", "1.5", "1.5"]),
        (Policy(stable_after=0.05), [EARLY] * 4, ["0"] * 4),
        (Policy(give_up_after=3), [EARLY] * 3, ["0", "0.5", "give up"]),
        (Policy(give_up_after=3), [EARLY, EARLY, LONG, EARLY, EARLY], ["0", "0.5", "0", "0", "0.5"]),
        (Policy(give_up_after=1), [EARLY], ["give up"]),
        (Policy(give_up_after=1), [LONG, LONG, EARLY], ["0", "0", "give up"]),
        (Policy(restart=Restart.NEVER), [EARLY], ["give up"]),
        (Policy(restart=Restart.NEVER), [CLEAN], ["finish"]),
        (Policy(restart=Restart.ON_FAILURE), [CLEAN], ["finish"]),
        (Policy(restart=Restart.ON_FAILURE), [EARLY, LONG, CLEAN], ["0", "0", "finish"]),
    ],
)
def test_a_policy_decides_what_an_end_leads_to(
    policy: Policy, lives: list[tuple[float, bool]], decided: list[str]
) -> None:
    assert decisions(policy, *lives) == decided


def test_a_start_by_a_requester_makes_up_for_the_ends_before() -> None:
    ends = Ends()
    for _ in range(5):
        ends.decide(STEADY, 0.1, Ending("", clean=False), chance=0)
    ends.forget()
    ends.decide(STEADY, 0.1, Ending("", clean=False), chance=0)
    assert ends.backoff(STEADY, 0) == 0


@given(st.integers(2, 10**6), st.floats(0, 1))
def test_a_wait_is_never_longer_than_the_longest_nor_shorter_than_its_jitter(early: int, chance: float) -> None:
    ends = Ends()
    ends.early = early
    assert FIRST_BACKOFF * (1 - JITTER) <= ends.backoff(STEADY, chance) <= STEADY.longest_backoff


def test_an_end_because_of_another_service_does_not_count() -> None:
    ends = Ends()
    for _ in range(3):
        decision = ends.decide(Policy(restart=Restart.NEVER), 0.1, Ending("", clean=False, by_itself=False), chance=0)
        assert (decision.event, decision.delay, ends.early) == (Event.FALL, 0, 0)
