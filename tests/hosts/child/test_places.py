"""Places: whatever callers do, what is given a place leaves it, and what waits begins when its turn has come."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from smanager.hosts.child.execution import Execution
from smanager.hosts.child.places import MOST_WORKERS, Places
from tests.hosts.child.recorder import Recorder

DEEDS = st.tuples(st.sampled_from(["enter", "leave", "hold", "resume"]), st.sampled_from("abc"))


@given(st.lists(DEEDS, max_size=300))
def test_each_command_begins_once_and_each_place_is_given_back(history: list[tuple[str, str]]) -> None:
    places, entered, running = Places(), [], dict[Execution, None]()

    def begin(executions: Iterable[Execution]) -> None:
        for execution in executions:
            assert execution not in running
            assert execution in entered
            running[execution] = None

    for deed, caller in history:
        mine = [execution for execution in running if execution.caller == caller]
        if deed == "enter" and not places.refusal(caller):
            entered.append(Execution(Recorder(), 1, "web", print, [], caller=caller))
            if places.enter(entered[-1]):
                begin(entered[-1:])
        elif deed == "hold" and mine and not mine[0].held:
            begin(places.hold(mine[0]))
        elif deed == "resume" and mine:
            places.resume(mine[0])
        elif deed == "leave" and mine and not mine[-1].held:
            del running[mine[-1]]
            begin(places.leave(mine[-1]))
    while running:
        execution, _ = running.popitem()
        places.resume(execution)
        begin(places.leave(execution))
    assert not places._placed
    assert not places._beyond
    assert [places.enter(Execution(Recorder(), 1, "web", print, [])) for _ in range(MOST_WORKERS)].count(True) == 32
