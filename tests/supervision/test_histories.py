"""The supervision: whole histories of events, with a clock that jumps and hosts that are stand-ins."""

from __future__ import annotations

import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.supervision.states import State
from tests.supervision.stage import Settings, Stage, play

Classes = dict[Path, Settings]

CHAIN: dict[str, dict[str, object]] = {"database": {}, "app": {"needs": ["database"]}, "web": {"after": ["app"]}}


@pytest.fixture
def pair(tmp_path: Path) -> Classes:
    """A services file with two services, which share a process."""
    path = tmp_path / "pair.py"
    path.write_text("")
    return {path: {"left": {}, "right": {}}}


def lines(text: str) -> str:
    """Expected lines as they stand in a test."""
    return textwrap.dedent(text).strip()


def test_a_crash_loop_backs_off_and_a_stable_life_ends_it() -> None:
    stage = play(
        {"web": {}},
        """
        1 web exits 3
        1 web crashes
        8 web behaves
        40 web exits 1
        """,
    )
    assert stage.history(since=1) == lines(
        """
        1.00 web: exit status 3; started again at once
        1.00 web: started again
        1.25 web: running
        2.25 web: exit status 1; started again in 0.5 s
        2.75 web: started again
        3.00 web: running
        4.00 web: exit status 1; started again in 1.0 s
        5.00 web: started again
        5.25 web: running
        6.25 web: exit status 1; started again in 2.0 s
        8.25 web: started again
        8.50 web: running
        40.00 web: exit status 1; started again at once
        40.00 web: started again
        40.25 web: running
        """
    )


def test_the_backoff_grows_up_to_its_longest() -> None:
    stage = play({"web": {"longest_backoff": 3}}, "0 web crashes", until=17)
    assert stage.history(since=6) == lines(
        """
        6.75 web: exit status 1; started again in 2.0 s
        8.75 web: started again
        9.00 web: running
        10.00 web: exit status 1; started again in 3.0 s
        13.00 web: started again
        13.25 web: running
        14.25 web: exit status 1; started again in 3.0 s
        """
    )


def test_a_policy_may_give_up_and_a_start_by_a_requester_counts_anew() -> None:
    stage = play(
        {"web": {"give_up_after": 2}},
        """
        0 web crashes
        20 start web
        """,
        until=25,
    )
    assert stage.history(since=1) == lines(
        """
        1.50 web: exit status 1; started again at once
        1.50 web: started again
        1.75 web: running
        2.75 web: exit status 1; given up after 2 early ends in a row
        20.00 web: started by the console
        20.50 web: running
        21.50 web: exit status 1; started again at once
        21.50 web: started again
        21.75 web: running
        22.75 web: exit status 1; given up after 2 early ends in a row
        """
    )


def test_an_end_may_be_the_end() -> None:
    stage = play(
        {"job": {"restart": "on-failure"}, "once": {"restart": "never"}},
        """
        1 job exits 1
        2 job exits 0
        3 once exits 1
        """,
    )
    assert stage.history(since=1) == lines(
        """
        1.00 job: exit status 1; started again at once
        1.00 job: started again
        1.25 job: running
        2.00 job: exit status 0; restart is 'on-failure'
        3.00 once: exit status 1; restart is 'never'
        """
    )


def test_a_stop_in_backoff_ends_the_attempts() -> None:
    stage = play(
        {"web": {}},
        """
        0 web crashes
        3 stop web
        """,
    )
    assert stage.history(since=2) == lines(
        """
        2.75 web: exit status 1; started again in 0.5 s
        3.00 web: stopped by the console
        """
    )


def test_a_start_in_backoff_does_not_wait_for_it() -> None:
    stage = play(
        {"web": {}},
        """
        0 web crashes
        11 start web
        13.5 web behaves
        """,
        until=14,
    )
    assert stage.history(since=10) == lines(
        """
        10.00 web: exit status 1; started again in 4.0 s
        11.00 web: started by the console
        11.25 web: running
        12.25 web: exit status 1; started again at once
        12.25 web: started again
        12.50 web: running
        13.50 web: exit status 1; started again in 0.5 s
        14.00 web: started again
        """
    )


def test_a_start_during_a_stop_follows_it() -> None:
    stage = play(
        {"web": {}},
        """
        1 stop web
        1.1 start web
        """,
    )
    assert stage.history(since=1) == lines(
        """
        1.00 web: stopped by the console
        1.25 web: stopped
        1.25 web: started by the console
        1.75 web: running
        """
    )
    assert stage.reports == [
        "1.25 web: starting",
        "1.75 web: running",
    ]


def test_the_last_of_several_requests_counts() -> None:
    stage = play(
        {"web": {}},
        """
        1 stop web
        1.1 start web
        1.2 stop web
        """,
    )
    assert stage.history(since=1) == lines(
        """
        1.00 web: stopped by the console
        1.25 web: stopped
        """
    )
    assert stage.reports == [
        "1.25 web: stopped (by the console)",
        "1.25 web: stopped (by the console)",
        "1.25 web: stopped (by the console)",
    ]


def test_a_stop_during_a_start_ends_it() -> None:
    stage = play(
        {"web": {}},
        """
        0.1 stop web
        2 start web
        2.3 stop web
        """,
    )
    assert stage.history() == lines(
        """
        0.00 web: started by the manager
        0.10 web: stopped by the console
        0.10 web: stopped
        2.00 web: started by the console
        2.30 web: stopped by the console
        2.55 web: stopped
        """
    )
    assert stage.reports == [
        "0.10 web: stopped (by the console)",
        "2.30 web: stopping (by the console)",
        "2.55 web: stopped (by the console)",
    ]


def test_a_stop_while_its_host_is_being_made_is_followed_by_a_start() -> None:
    stage = play(
        {"web": {}},
        """
        0.1 stop web
        0.2 start web
        """,
    )
    assert stage.history() == lines(
        """
        0.00 web: started by the manager
        0.10 web: stopped by the console
        0.10 web: stopped
        0.20 web: started by the console
        0.50 web: running
        """
    )


def test_a_hung_program_is_ended_and_started_again() -> None:
    stage = play({"web": {}}, "1 web hangs")
    assert stage.history(since=1) == lines(
        """
        1.00 web: hung: no answer
        1.25 web: hung: no answer; started again at once
        1.25 web: started again
        1.50 web: running
        """
    )


def test_a_stop_of_a_hung_program_that_does_not_end_kills_it() -> None:
    stage = play(
        {"web": {}},
        """
        1 web freezes
        1 web hangs
        2 stop web
        20 start web
        """,
    )
    assert stage.history(since=1) == lines(
        """
        1.00 web: hung: no answer
        2.00 web: stopped by the console
        17.00 web: stopped; killed, because it did not stop within 5 s
        20.00 web: started by the console
        20.50 web: running
        """
    )
    assert stage.reports == [
        "7.00 web: still stopping (by the console)",
        "12.00 web: still stopping (by the console)",
        "17.00 web: still stopping (by the console)",
        "17.00 web: stopped (by the console; killed, because it did not stop within 5 s)",
        "20.50 web: running",
    ]


def test_a_hung_program_that_resists_is_killed_by_its_host() -> None:
    stage = play(
        {"web": {}},
        """
        1 web resists
        1 web hangs
        3 web behaves
        """,
    )
    assert stage.history(since=1) == lines(
        """
        1.00 web: hung: no answer
        6.00 web: hung: no answer; started again at once
        6.00 web: started again
        6.25 web: running
        """
    )


def test_a_start_that_takes_too_long_is_a_hang() -> None:
    stage = play(
        {"web": {"start_timeout": 2}},
        """
        0 web sleeps 5
        3 web behaves
        """,
    )
    assert stage.history() == lines(
        """
        0.00 web: started by the manager
        2.25 web: hung: it was not ready within 2 s
        2.50 web: hung: it was not ready within 2 s; started again at once
        2.50 web: started again
        4.50 web: hung: it was not ready within 2 s
        4.75 web: hung: it was not ready within 2 s; started again in 0.5 s
        5.25 web: started again
        5.50 web: running
        """
    )


def test_a_start_may_take_its_time() -> None:
    stage = play({"web": {}}, "0 web sleeps 50")
    assert stage.history() == lines(
        """
        0.00 web: started by the manager
        50.25 web: running
        """
    )


def test_a_stop_that_takes_too_long_is_a_kill() -> None:
    stage = play(
        {"web": {"stop_timeout": 1}},
        """
        1 web freezes
        2 stop web
        """,
    )
    assert stage.history(since=1) == lines(
        """
        2.00 web: stopped by the console
        13.00 web: stopped; killed, because it did not stop within 1 s
        """
    )


def test_services_start_once_those_before_them_are_up() -> None:
    stage = play(CHAIN, "")
    assert stage.history() == lines(
        """
        0.00 database: started by the manager
        0.00 app: started by the manager
        0.00 web: started by the manager
        0.50 database: running
        0.75 app: running
        1.00 web: running
        """
    )


def test_a_needed_service_falls_and_comes_back_without_those_that_need_it() -> None:
    stage = play(CHAIN, "3 database exits 1")
    assert stage.history(since=3) == lines(
        """
        3.00 database: exit status 1; started again at once
        3.00 database: started again
        3.25 database: running
        """
    )


def test_a_service_that_falls_with_the_one_that_it_needs_waits_for_that() -> None:
    stage = play(
        CHAIN,
        """
        3 database crashes
        3 database exits 1
        4.25 database behaves
        4.3 app exits 1
        """,
    )
    assert stage.history(since=4.25) == lines(
        """
        4.25 database: exit status 1; started again in 0.5 s
        4.30 app: exit status 1; started again at once
        4.30 app: started again
        4.75 database: started again
        5.00 database: running
        5.25 app: running
        """
    )


def test_a_service_waits_for_ever_for_one_that_has_failed() -> None:
    stage = play(
        CHAIN | {"database": {"restart": "never"}},
        """
        3 database exits 1
        4 app exits 1
        30 start database
        """,
    )
    assert stage.history(since=3) == lines(
        """
        3.00 database: exit status 1; restart is 'never'
        4.00 app: exit status 1; started again at once
        4.00 app: started again
        30.00 database: started by the console
        30.25 database: running
        30.50 app: running
        """
    )


def test_a_service_that_was_stopped_while_it_waited_does_not_begin() -> None:
    stage = play(
        CHAIN | {"database": {"enabled": False}},
        """
        2 stop app
        4 start database
        """,
    )
    assert stage.history(since=1) == lines(
        """
        2.00 app: stopped by the console
        2.00 app: stopped
        4.00 database: started by the console
        4.25 database: running
        """
    )
    assert stage.manager.keepers["app"].service.condition == "stopped (by the console)"


def test_a_service_does_not_wait_for_one_before_it_that_is_not_coming() -> None:
    stage = play(CHAIN | {"app": {"enabled": False}}, "")
    assert stage.history() == lines(
        """
        0.00 database: started by the manager
        0.00 web: started by the manager
        0.50 database: running
        0.50 web: running
        """
    )


SERVER: dict[str, dict[str, object]] = {
    "migrate": {"ready_when": {"done": True}},
    "server": {"needs": ["migrate"]},
}


def test_a_need_that_is_to_end_is_met_by_its_success_and_by_nothing_before() -> None:
    stage = play(
        SERVER,
        """
        0 migrate sleeps 1000
        100 migrate exits 1
        101 migrate exits 0
        103 server exits 1
        """,
        until=110,
    )
    assert stage.history() == lines(
        """
        0.00 migrate: started by the manager
        0.00 server: started by the manager
        100.00 migrate: exit status 1; started again at once
        100.00 migrate: started again
        101.00 migrate: exit status 0; restart is 'on-failure'
        101.50 server: running
        103.00 server: exit status 1; started again at once
        103.00 server: started again
        103.25 server: running
        """
    )
    assert stage.manager.keepers["migrate"].service.condition == "done (exit status 0; restart is 'on-failure')"


def test_a_need_that_is_done_is_not_started_with_those_that_need_it_but_by_its_own_start() -> None:
    stage = play(
        SERVER,
        """
        0 migrate sleeps 1000
        1 migrate exits 0
        2 stop server
        3 start server
        4 start migrate
        5 migrate exits 0
        6 restart migrate
        7 migrate exits 0
        8 stop migrate
        9 start server
        10 migrate exits 0
        """,
        until=12,
    )
    assert stage.history(since=2) == lines(
        """
        2.00 server: stopped by the console
        2.25 server: stopped
        3.00 server: started by the console
        3.50 server: running
        4.00 migrate: started by the console
        5.00 migrate: exit status 0; restart is 'on-failure'
        6.00 server: stopped by the console
        6.25 server: stopped
        6.25 migrate: stopped by the console
        6.25 migrate: started by the console
        6.25 server: started by the console
        7.00 migrate: exit status 0; restart is 'on-failure'
        7.50 server: running
        8.00 server: stopped by the console
        8.25 server: stopped
        8.25 migrate: stopped by the console
        9.00 migrate: started by the console
        9.00 server: started by the console
        10.00 migrate: exit status 0; restart is 'on-failure'
        10.50 server: running
        """
    )


@pytest.mark.parametrize("restart", ["on-failure", "never"])
def test_a_need_that_ends_well_by_itself_stays_met(restart: str) -> None:
    stage = play(
        {"job": {"restart": restart}, "web": {"needs": ["job"]}},
        """
        1 job exits 0
        2 web exits 1
        3 stop web
        4 start web
        """,
    )
    assert stage.history(since=1) == lines(
        f"""
        1.00 job: exit status 0; restart is '{restart}'
        2.00 web: exit status 1; started again at once
        2.00 web: started again
        2.25 web: running
        3.00 web: stopped by the console
        3.25 web: stopped
        4.00 web: started by the console
        4.50 web: running
        """
    )


def test_a_need_that_fails_for_good_is_not_met() -> None:
    stage = play(
        {"migrate": {"ready_when": {"done": True}, "give_up_after": 1}, "server": {"needs": ["migrate"]}},
        """
        0 migrate sleeps 1000
        100 migrate exits 1
        """,
        until=200,
    )
    assert stage.history(since=1) == "100.00 migrate: exit status 1; given up after 1 early end"
    assert stage.manager.keepers["server"].service.report_for(lambda name: True).condition == (
        "starting (waits for migrate, which has failed)"
    )


def test_a_neighbour_in_a_process_that_is_done_stays_done_when_the_process_is_restarted(pair: Classes) -> None:
    jobs = {path: {**settings, "right": {"restart": "on-failure"}} for path, settings in pair.items()}
    stage = play(
        {"web": {"needs": ["right"]}},
        """
        1 right exits 0
        2 restart left
        """,
        classes=jobs,
    )
    assert stage.history(since=1) == lines(
        """
        1.00 web: running
        1.00 right: exit status 0; restart is 'on-failure'
        2.00 left: stopped by the console
        2.25 left: stopped
        2.25 left: started by the console
        2.75 left: running
        """
    )


AGENT: dict[str, dict[str, object]] = {"agent": {}, "web": {"after": ["agent"]}}


def test_a_service_waits_for_one_first_attempt_of_those_before_it_and_for_no_other() -> None:
    stage = play(
        AGENT,
        """
        0 agent sleeps 50
        3 agent exits 1
        4 web exits 1
        5 restart web
        9 agent exits 1
        9.1 web exits 1
        9.2 restart web
        """,
        until=12,
    )
    assert stage.history() == lines(
        """
        0.00 agent: started by the manager
        0.00 web: started by the manager
        3.00 agent: exit status 1; started again at once
        3.00 agent: started again
        3.25 web: running
        4.00 web: exit status 1; started again at once
        4.00 web: started again
        4.25 web: running
        5.00 web: stopped by the console
        5.25 web: stopped
        5.25 web: started by the console
        5.50 web: running
        9.00 agent: exit status 1; started again in 0.5 s
        9.10 web: exit status 1; started again at once
        9.10 web: started again
        9.20 web: stopped by the console
        9.45 web: stopped
        9.45 web: started by the console
        9.50 agent: started again
        9.70 web: running
        """
    )


def test_a_service_does_not_wait_for_one_before_it_that_hangs_in_its_start_again_and_again() -> None:
    stage = play(
        AGENT,
        """
        0 agent sleeps 300
        100 restart web
        """,
        until=110,
    )
    assert stage.history() == lines(
        """
        0.00 agent: started by the manager
        0.00 web: started by the manager
        60.25 agent: hung: it was not ready within 60 s
        60.50 web: running
        60.50 agent: hung: it was not ready within 60 s; started again at once
        60.50 agent: started again
        100.00 web: stopped by the console
        100.25 web: stopped
        100.25 web: started by the console
        100.50 web: running
        """
    )


def test_a_service_does_not_wait_for_one_before_it_that_waits_for_one_in_a_crash_loop() -> None:
    stage = play(
        {"database": {}, "agent": {"needs": ["database"]}, "web": {"after": ["agent"]}},
        """
        0 database sleeps 50
        3 database exits 1
        """,
        until=10,
    )
    assert stage.history(since=3) == lines(
        """
        3.00 database: exit status 1; started again at once
        3.00 database: started again
        3.25 web: running
        """
    )


def test_services_that_fall_together_after_a_stable_life_start_in_their_order() -> None:
    stage = play(
        AGENT,
        """
        20 web exits 1
        20 agent exits 1
        """,
    )
    assert stage.history(since=20) == lines(
        """
        20.00 web: exit status 1; started again at once
        20.00 agent: exit status 1; started again at once
        20.00 web: started again
        20.00 agent: started again
        20.25 agent: running
        20.50 web: running
        """
    )


def test_a_start_waits_for_a_needed_service_that_is_tried_again_at_once() -> None:
    stage = play(
        CHAIN | {"database": {"enabled": False}},
        """
        1 database sleeps 50
        1 start app
        2 database behaves
        2 database exits 1
        """,
    )
    assert stage.reports == ["2.25 database: running", "2.50 app: running"]


def test_a_service_that_never_gets_ready_is_given_up_however_long_it_tries() -> None:
    stage = play({"web": {"give_up_after": 2}}, "0 web sleeps 300", until=200)
    assert stage.history(since=100) == lines(
        """
        120.50 web: hung: it was not ready within 60 s
        120.75 web: hung: it was not ready within 60 s; given up after 2 early ends in a row
        """
    )


def test_a_stop_takes_along_what_needs_the_service_and_a_start_what_it_needs() -> None:
    stage = play(
        CHAIN,
        """
        3 stop database
        5 start app
        """,
    )
    assert stage.history(since=3) == lines(
        """
        3.00 app: stopped by the console
        3.25 app: stopped
        3.25 database: stopped by the console
        3.50 database: stopped
        5.00 database: started by the console
        5.00 app: started by the console
        5.25 database: running
        5.50 app: running
        """
    )
    assert stage.reports == [
        "3.25 app: stopped (by the console)",
        "3.50 database: stopped (by the console)",
        "5.25 database: running",
        "5.50 app: running",
    ]


def test_a_restart_of_a_needed_service_restarts_those_that_need_it() -> None:
    stage = play(CHAIN, "3 restart database")
    assert stage.history(since=3) == lines(
        """
        3.00 app: stopped by the console
        3.25 app: stopped
        3.25 database: stopped by the console
        3.50 database: stopped
        3.50 database: started by the console
        3.50 app: started by the console
        3.75 database: running
        4.00 app: running
        """
    )


def test_everything_stops_in_the_opposite_order_at_the_end() -> None:
    stage = play(CHAIN, "3 finish")
    assert stage.history(since=3) == lines(
        """
        3.00 web: stopped by the manager's end
        3.25 web: stopped
        3.25 app: stopped by the manager's end
        3.50 app: stopped
        3.50 database: stopped by the manager's end
        3.75 database: stopped
        """
    )


SLOW_CHAIN = CHAIN | {"app": {"needs": ["database"], "stop_timeout": 60}}


def test_at_the_end_each_service_has_its_own_time_before_those_that_it_needs_are_stopped() -> None:
    stage = play(
        SLOW_CHAIN,
        """
        1 app lingers 55
        3 finish
        """,
    )
    assert stage.history(since=3) == lines(
        """
        3.00 web: stopped by the manager's end
        3.25 web: stopped
        3.25 app: stopped by the manager's end
        58.25 app: stopped
        58.25 database: stopped by the manager's end
        58.50 database: stopped
        """
    )


@pytest.mark.parametrize("before", ["", "2.9 stop app"])
def test_a_bound_on_the_end_cuts_the_longest_times_so_that_every_service_is_asked_to_stop(before: str) -> None:
    stage = play(
        SLOW_CHAIN,
        f"""
        1 app lingers 55
        1 stop web
        {before}
        3 finish within 13
        """,
    )
    assert stage.history(since=4) == lines(
        """
        11.00 app: stopped; killed, because it may take only 8.0 s of the shutdown_timeout
        11.00 database: stopped by the manager's end
        11.25 database: stopped
        """
    )


def test_a_bound_on_the_end_counts_for_services_that_share_a_process(pair: Classes) -> None:
    stage = play(
        {"database": {}},
        """
        0 left freezes
        3 finish within 2
        """,
        classes={path: {**settings, "right": {"needs": ["left"]}} for path, settings in pair.items()},
    )
    assert stage.history(since=3) == lines(
        """
        3.00 database: stopped by the manager's end
        3.00 right: stopped by the manager's end
        3.25 right: stopped
        3.25 database: stopped
        3.25 left: stopped by the manager's end
        4.25 left: stopped; killed, because it may take only 1.0 s of the shutdown_timeout
        """
    )


@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1, max_size=6), st.integers(5, 100))
def test_a_bound_on_the_end_holds_for_any_chain_and_none_is_killed_unasked(
    chain: list[tuple[int, bool]], bound: int
) -> None:
    """Each in the chain has a time to stop, and takes all of it, or stops at once."""
    programs = {
        f"p{number}": {"stop_timeout": seconds, "needs": [f"p{number - 1}"] if number else []}
        for number, (seconds, _) in enumerate(chain)
    }
    behaviours = "\n".join(f"5 p{number} lingers {time}" for number, (time, is_slow) in enumerate(chain) if is_slow)
    stage = play(programs, f"{behaviours}\n6 finish within {bound}", until=400)
    stopped = [f"p{number}: stopped by the manager's end" for number in reversed(range(len(chain)))]
    assert [event.split(maxsplit=1)[1] for event in stage.events if "manager's end" in event] == stopped
    assert "started again" not in stage.history()
    assert all(keeper.state is State.STOPPED for keeper in stage.manager.keepers.values())
    assert float(stage.events[-1].split()[0]) <= 6 + bound


def test_services_on_a_dependency_cycle_never_start() -> None:
    stage = play({"one": {"needs": ["two"]}, "two": {"after": ["one"]}, "web": {}}, "2 start one")
    assert stage.history() == lines(
        """
        0.00 web: started by the manager
        0.50 web: running
        """
    )
    assert stage.reports == [
        "2.00 one: stopped (dependency cycle; `services` shows it)",
        "2.00 two: stopped (dependency cycle; `services` shows it)",
    ]


def test_a_hang_ends_the_process_with_all_services_in_it(pair: Classes) -> None:
    stage = play({}, "2 left hangs", classes=pair)
    assert stage.history(since=2) == lines(
        """
        2.00 left: hung: no answer
        2.00 left: hung: no answer; started again at once
        2.00 right: its process was ended because of another service in it; started again at once
        2.00 left: started again
        2.00 right: started again
        2.50 left: running
        2.50 right: running
        """
    )


def test_a_killed_host_takes_its_services_with_it(pair: Classes) -> None:
    stage = play({}, "2 left dies", classes=pair)
    assert stage.history(since=2) == lines(
        """
        2.00 left: its host died: killed by SIGKILL; started again at once
        2.00 right: its host died: killed by SIGKILL; started again at once
        2.00 left: started again
        2.00 right: started again
        2.50 left: running
        2.50 right: running
        """
    )


def test_one_of_two_services_in_a_process_falls(pair: Classes) -> None:
    stage = play({}, "2 left exits 1", classes=pair)
    assert stage.history(since=2) == lines(
        """
        2.00 left: exit status 1; started again at once
        2.00 left: started again
        2.25 left: running
        """
    )


def test_one_of_two_services_in_a_process_is_stopped_and_started(pair: Classes) -> None:
    stage = play(
        {},
        """
        2 stop left
        3 start left
        """,
        classes=pair,
    )
    assert stage.history(since=2) == lines(
        """
        2.00 left: stopped by the console
        2.25 left: stopped
        3.00 left: started by the console
        3.25 left: running
        """
    )


def test_a_kill_of_one_service_is_not_held_against_its_neighbour(pair: Classes) -> None:
    strict_pair = {path: {**settings, "right": {"restart": "never"}} for path, settings in pair.items()}
    stage = play(
        {},
        """
        1 left resists
        2 stop left
        3 left behaves
        """,
        classes=strict_pair,
    )
    assert stage.history(since=1) == lines(
        """
        2.00 left: stopped by the console
        12.00 left: stopped; killed, because it did not stop within 5 s
        12.00 right: its process was ended because of another service in it; started again at once
        12.00 right: started again
        12.50 right: running
        """
    )


def test_a_restart_gives_all_services_of_a_process_a_fresh_one(pair: Classes) -> None:
    stage = play({}, "2 restart left", classes=pair)
    assert stage.history(since=2) == lines(
        """
        2.00 left: stopped by the console
        2.00 right: stopped by the console
        2.25 left: stopped
        2.25 right: stopped
        2.25 left: started by the console
        2.25 right: started by the console
        2.75 left: running
        2.75 right: running
        """
    )


def test_a_restart_of_everything_keeps_the_order(pair: Classes) -> None:
    stage = play(CHAIN, "2 restart", classes=pair)
    assert stage.history(since=2) == lines(
        """
        2.00 left: stopped by the console
        2.00 right: stopped by the console
        2.00 web: stopped by the console
        2.25 left: stopped
        2.25 web: stopped
        2.25 right: stopped
        2.25 app: stopped by the console
        2.50 app: stopped
        2.50 left: started by the console
        2.50 right: started by the console
        2.50 database: stopped by the console
        2.75 left: running
        2.75 right: running
        2.75 database: stopped
        2.75 database: started by the console
        2.75 app: started by the console
        2.75 web: started by the console
        3.25 database: running
        3.50 app: running
        3.75 web: running
        """
    )


def test_a_reload_in_the_middle_of_a_crash_loop_restarts_at_once() -> None:
    stage = play(
        {"web": {}},
        """
        0 web crashes
        11 web behaves
        11 set web stop_signal=INT
        11 reload
        """,
    )
    assert stage.history(since=9) == lines(
        """
        9.00 web: running
        10.00 web: exit status 1; started again in 4.0 s
        11.00 web: stopped by the console
        11.00 web: started by the console
        11.50 web: running
        """
    )
    assert stage.reports == [
        "11.00 restart web: other stop_signal",
        "11.50 web: running",
    ]


def test_a_reload_in_the_middle_of_a_crash_loop_changes_its_policy() -> None:
    stage = play(
        {"web": {}},
        """
        0 web crashes
        11 set web give_up_after=3
        11 reload
        """,
    )
    assert stage.history(since=9) == lines(
        """
        9.00 web: running
        10.00 web: exit status 1; started again in 4.0 s
        14.00 web: started again
        14.25 web: running
        15.25 web: exit status 1; given up after 6 early ends in a row
        """
    )
    assert stage.reports == ["11.00 change web: other give_up_after"]


def test_a_reload_in_the_middle_of_a_start_starts_anew() -> None:
    stage = play(
        {"web": {}},
        """
        0.3 set web stop_signal=INT
        0.3 reload
        """,
    )
    assert stage.history() == lines(
        """
        0.00 web: started by the manager
        0.30 web: stopped by the console
        0.55 web: stopped
        0.55 web: started by the console
        1.05 web: running
        """
    )


def test_a_reload_while_a_host_is_being_made_starts_anew() -> None:
    stage = play(
        {"web": {}},
        """
        0.1 set web stop_signal=INT
        0.1 reload
        """,
    )
    assert stage.history() == lines(
        """
        0.00 web: started by the manager
        0.10 web: stopped by the console
        0.10 web: stopped
        0.10 web: started by the console
        0.50 web: running
        """
    )


def test_a_reload_removes_a_service_in_backoff_and_brings_it_back() -> None:
    stage = play(
        {"web": {}},
        """
        0 web crashes
        3 unset web
        3 reload
        9 web behaves
        9 set web restart=always
        9 reload
        """,
    )
    assert stage.history(since=2) == lines(
        """
        2.75 web: exit status 1; started again in 0.5 s
        3.00 web: stopped by the console
        3.00 web: removed
        9.00 web: started by the console
        9.50 web: running
        """
    )
    assert stage.reports == [
        "3.00 remove web: it is not configured any more",
        "9.00 start web: it is new",
        "9.50 web: running",
    ]


def test_a_reload_that_disables_a_needed_service_has_the_others_wait() -> None:
    stage = play(
        CHAIN,
        """
        2 set database enabled=no
        2 reload
        5 set database enabled=yes
        5 reload
        """,
    )
    assert stage.history(since=2) == lines(
        """
        2.00 app: stopped by the console
        2.25 app: stopped
        2.25 database: stopped by the console
        2.50 database: stopped
        2.50 app: started by the console
        5.00 database: started by the console
        5.25 database: running
        5.50 app: running
        """
    )
    assert stage.reports == [
        "2.00 stop database: it is not enabled",
        "2.00 restart app: it needs what is stopped, or shares its process",
        "2.50 app: starting (waits for database, which is not enabled)",
        "5.00 start database: it is enabled",
        "5.25 database: running",
    ]


def test_a_reload_leaves_stopped_what_a_requester_stopped() -> None:
    stage = play(
        CHAIN,
        """
        2 stop web
        3 set web stop_signal=INT
        3 reload
        """,
    )
    assert stage.history(since=2) == lines(
        """
        2.00 web: stopped by the console
        2.25 web: stopped
        """
    )
    assert stage.reports == [
        "2.25 web: stopped (by the console)",
        "3.00 change web: other stop_signal, but stays stopped, because a user stopped it",
    ]


def test_a_reload_with_a_dependency_cycle_changes_nothing() -> None:
    stage = play(
        CHAIN,
        """
        2 set database needs=[web]
        2 reload
        """,
    )
    assert stage.history(since=2) == ""
    assert stage.reports == ["2.00 smanager.toml: [services.app] dependency cycle: app → database → web → app"]


def test_a_reload_loads_a_changed_file_with_all_its_services(pair: Classes) -> None:
    script = """
        2 stop right
        3 edit pair.py
        3 reload
        4 reload
        """
    stage = play({}, script, classes=pair)
    assert stage.history(since=3) == lines(
        """
        3.25 left: stopped by the console
        3.50 left: stopped
        3.75 left: started by the console
        4.00 left: running
        """
    )
    assert stage.reports == [
        "2.25 right: stopped (by the console)",
        "3.25 load pair.py: it has changed",
        "4.00 left: running",
    ]


def test_attempts_are_spread_by_chance() -> None:
    stage = play({"web": {}}, "0 web crashes", until=8, chance=1.0)
    assert stage.history(since=2.5) == lines(
        """
        2.75 web: exit status 1; started again in 0.4 s
        3.15 web: started again
        3.40 web: running
        4.40 web: exit status 1; started again in 0.8 s
        5.20 web: started again
        5.45 web: running
        6.45 web: exit status 1; started again in 1.6 s
        """
    )


# Random histories.

QUIET_SECONDS = 200.0
"""Longer than any wait of the services here, so that afterwards nothing happens any more."""

SERVICES = [*CHAIN, "left", "right"]

EVENTS = st.one_of(
    st.builds("{} {}".format, st.sampled_from(["start", "stop", "restart"]), st.sampled_from(SERVICES)),
    st.builds(
        "{} {}".format,
        st.sampled_from(SERVICES),
        st.sampled_from(
            ["exits 1", "exits 0", "hangs", "dies", "crashes", "sleeps 3", "sleeps 90", "resists", "behaves"]
        ),
    ),
    st.builds(
        "set {} {}".format,
        st.sampled_from(SERVICES),
        st.sampled_from(
            [
                "restart=never",
                "restart=always",
                "give_up_after=2",
                "enabled=no",
                "enabled=yes",
                "stop_timeout=2",
                "host=own",
            ]
        ),
    ),
    st.sampled_from(
        ["restart", "reload", "reload", "edit pair.py", "set app needs=[]", "set left needs=[web]", "unset database"]
    ),
)

SCRIPTS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 1.0, 7.0]), EVENTS), max_size=25)


def script_of(steps: list[tuple[float, str]]) -> Iterator[str]:
    """Steps, each some seconds after the one before, as a script that ends in good behaviour."""
    when = 0.0
    for pause, event in steps:
        when += pause
        yield f"{when:.2f} {event}"
    for name in SERVICES:
        yield f"{when:.2f} {name} behaves"


def performed(steps: list[tuple[float, str]]) -> Stage:
    """The stage some time after a random history; no service has ever had two lives, or one while it was down."""
    script = list(script_of(steps))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "pair.py"
        path.write_text("")
        until = float(script[-1].split()[0]) + QUIET_SECONDS
        return play(CHAIN, "\n".join(script), until, classes={path: {"left": {}, "right": {}}})


@given(SCRIPTS)
def test_whatever_has_happened_each_service_is_in_the_end_as_it_should_be(steps: list[tuple[float, str]]) -> None:
    stage = performed(steps)
    wanted = stage.manager.wanted()
    for name, keeper in stage.manager.keepers.items():
        if keeper not in wanted and keeper.service.settings.enabled:  # a requester stopped the service
            assert keeper.state.down, name
        elif keeper.state is State.STARTING:
            assert keeper.service.waits_for, name
            assert not any(map(stage.manager.order.prospect, keeper.service.waits_for)), name
        else:
            assert keeper.state is State.RUNNING or keeper.state.down, name


@given(SCRIPTS)
def test_whatever_has_happened_exactly_the_running_services_live(steps: list[tuple[float, str]]) -> None:
    stage = performed(steps)
    running = [name for name, keeper in stage.manager.keepers.items() if keeper.state is State.RUNNING]
    assert sorted(stage.lives) == sorted(running)
    assert all(host.services() for host in stage.pool.hosts()), "a host without services is left"
    for keeper in stage.manager.keepers.values():
        assert keeper.down.is_set() == keeper.state.down
        assert len([life for life in keeper.service.history.lives if life.ended_after is None]) == (
            not keeper.state.down
        )
