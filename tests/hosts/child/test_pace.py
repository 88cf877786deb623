"""Pace: a method that was long is long until it has been short for a while."""

from __future__ import annotations

from smanager.hosts.child.execution import Execution
from smanager.hosts.child.pace import RUNS, Pace
from smanager.hosts.child.reading import PATIENCE
from tests.hosts.child.recorder import Recorder

BRIEF, LONG = PATIENCE / 2, PATIENCE * 2


def execution(service: str = "web", name: str = "cmd_ping") -> Execution:
    return Execution(Recorder(), 1, service, print, [], name=name)


def test_a_method_is_short_until_it_was_long_and_again_after_enough_short_runs() -> None:
    pace = Pace()
    for _ in range(2):
        assert pace.is_short(execution())
        pace.took(execution(), LONG)
        for _ in range(RUNS):
            assert not pace.is_short(execution())
            pace.took(execution(), BRIEF)


def test_a_long_run_makes_all_short_ones_count_anew() -> None:
    pace = Pace()
    for seconds in [LONG, *[BRIEF] * (RUNS - 1), LONG, BRIEF]:
        pace.took(execution(), seconds)
    assert not pace.is_short(execution())


def test_other_methods_and_services_have_paces_of_their_own() -> None:
    pace = Pace()
    pace.took(execution(), LONG)
    assert pace.is_short(execution(name="cmd_pong"))
    assert pace.is_short(execution(service="mail"))
