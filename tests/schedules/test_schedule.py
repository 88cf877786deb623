"""Histories of schedules: what runs when, whatever the clocks, the manager and the machine do meanwhile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.config.schedule import schedule_of
from smanager.schedules.schedule import DAMAGES, LOST, RUNNING, Due, LastRun, Schedule
from smanager.schedules.schedules import LOOK_SECONDS, short
from smanager.system.moments import are_seconds

BERLIN = ZoneInfo("Europe/Berlin")


class Machine:
    """A machine with a schedule, a clock on the wall and one that nobody sets."""

    def __init__(self, begin: str, **table: object) -> None:
        self.given = schedule_of("night", {"run": "backup", "timezone": "Europe/Berlin", **table})
        self.wall = datetime.fromisoformat(begin).replace(tzinfo=BERLIN).timestamp()
        self.kept: Mapping[str, Any] = {}
        self.ran: list[str] = []
        self.start()

    def start(self) -> None:
        """Start the service, with what it kept."""
        self.schedule = Schedule("night", self.given, self.wall, "salt", self.kept)
        self.steady = self.wall

    def restart(self, down: str = "0") -> None:
        self.kept = json.loads(json.dumps(self.schedule.kept()))
        self.wall += span(down)
        self.start()

    def set_clock(self, by: str) -> None:
        """Set the clock of the wall forward, or with a minus back."""
        self.wall += span(by)

    def go_on(self, hours: float) -> None:
        """Let the time pass, while the service looks when something is due, and each minute."""
        end = self.steady + hours * 3600
        while self.steady < end:
            now = self.steady if self.schedule.is_steady else self.wall
            due = self.schedule.look(now)
            if due is Due.RUN or (due is Due.MISSED and self.schedule.makes_up):
                at = datetime.fromtimestamp(self.wall, BERLIN)
                self.ran.append(f"{at:%d %H:%M}{' late' if due is Due.MISSED else ''}")
            rest = self.schedule.due - now
            step = min(end - self.steady, LOOK_SECONDS, rest if rest > 0 else LOOK_SECONDS)
            self.wall += step
            self.steady += step


def span(text: str) -> float:
    sign = -1 if text.startswith("-") else 1
    units = {"m": 60, "h": 3600, "d": 86400}
    return sign * float(text.strip("-mhd")) * units.get(text[-1], 1)


def every(begin: str, text: str, **table: object) -> Machine:
    machine = Machine(begin, at="00:00")
    machine.given = schedule_of("night", {"run": "backup", "every": text, **table})
    machine.start()
    return machine


def test_a_time_of_the_day_comes_once_a_day_also_when_the_clocks_change() -> None:
    machine = Machine("2026-03-27 12:00", at="02:30")
    machine.go_on(72)
    assert machine.ran == ["28 02:30", "29 03:00", "30 02:30"]
    machine = Machine("2026-10-24 12:00", at="02:30")
    machine.go_on(72)
    assert machine.ran == ["25 02:30", "26 02:30", "27 02:30"]


def test_a_leap_day_has_its_runs() -> None:
    machine = Machine("2028-02-28 12:00", at="12:30")
    machine.go_on(49)
    assert machine.ran == ["28 12:30", "29 12:30", "01 12:30"]


def test_steps_do_not_drift_over_restarts() -> None:
    machine = every("2026-01-01 00:00", "15m")
    for _ in range(4):
        machine.go_on(0.35)
        machine.restart(down="10")
    assert machine.ran == ["01 00:15", "01 00:30", "01 00:45", "01 01:00", "01 01:15"]


@pytest.mark.parametrize(
    ("table", "ran"),
    [
        ({"missed": "run"}, ["01 00:15", "01 00:30", "01 10:40 late", "01 10:45"]),
        ({"missed": "skip"}, ["01 00:15", "01 00:30", "01 10:45"]),
        ({}, ["01 00:15", "01 00:30", "01 10:45"]),
    ],
)
@pytest.mark.parametrize("times", [{"every": "15m"}, {"cron": "*/15 * * * *"}])
def test_of_all_that_was_missed_at_most_one_is_made_up_for(
    times: dict[str, str], table: dict[str, str], ran: list[str]
) -> None:
    begin = "2026-01-01 00:00"
    machine = every(begin, times["every"], **table) if "every" in times else Machine(begin, **times, **table)
    machine.go_on(40 / 60)
    machine.restart(down="10h")
    machine.go_on(0.1)
    assert machine.ran == ran


def test_a_run_that_is_due_during_a_short_restart_is_not_late() -> None:
    machine = Machine("2026-01-01 02:29", at="02:30")
    machine.go_on(0.0165)
    machine.restart(down="20")
    machine.go_on(1)
    assert machine.ran == ["01 02:30"]
    machine.restart()
    machine.go_on(1)
    assert machine.ran == ["01 02:30"]


@pytest.mark.parametrize(
    ("by", "ran"),
    [
        ("-30m", ["01 02:30", "02 02:30"]),  # what has run does not run again
        ("-2d", ["01 02:30", "31 02:30"]),  # the clock was wrong before
        ("5h", ["01 02:30", "02 02:30"]),
        ("1d", ["01 02:30", "03 02:30"]),  # what it skips is missed
    ],
)
def test_a_clock_that_is_set_repeats_no_run(by: str, ran: list[str]) -> None:
    machine = Machine("2026-01-01 00:00", at="02:30")
    machine.go_on(2.75)
    machine.set_clock(by)
    machine.go_on(24.5)
    assert machine.ran == ran


def test_what_a_clock_that_is_set_skips_is_made_up_for_by_one_run() -> None:
    machine = Machine("2026-01-01 00:00", cron="0 * * * *", missed="run")
    machine.go_on(0.5)
    machine.set_clock("3h")
    machine.go_on(1)
    assert machine.ran == ["01 03:30 late", "01 04:00"]


@pytest.mark.parametrize("by", ["-2d", "-10m", "10m", "400d"])
def test_steps_go_by_a_clock_that_nobody_sets(by: str) -> None:
    machine = every("2026-01-01 00:00", "15m")
    machine.go_on(0.1)
    machine.set_clock(by)
    machine.go_on(1)
    assert len(machine.ran) == 4
    machine.restart()
    before = len(machine.ran)
    machine.go_on(1)
    assert len(machine.ran) - before in (3, 4, 5)  # a set clock may move the steps, but not their distance


def test_a_pause_outlasts_restarts_and_what_was_due_in_it_was_not_missed() -> None:
    machine = Machine("2026-01-01 00:00", cron="0 * * * *", missed="run")
    machine.go_on(1.5)
    machine.schedule.paused = True
    machine.go_on(2)
    machine.restart(down="5h")
    machine.go_on(2)
    assert machine.ran == ["01 01:00"]
    machine.schedule.resume(machine.wall)
    machine.go_on(1)
    assert machine.ran == ["01 01:00", "01 11:00"]


def test_what_was_due_while_a_schedule_was_not_enabled_was_not_missed() -> None:
    machine = Machine("2026-01-01 00:00", cron="0 * * * *", missed="run")
    machine.go_on(1.5)
    for enabled in (False, True):
        machine.given["enabled"] = enabled
        machine.restart()
        machine.go_on(2)
        machine.wall += 300
    assert machine.ran == ["01 01:00", "01 04:00", "01 05:00"]


def test_another_time_begins_anew() -> None:
    machine = Machine("2026-01-01 00:00", at="02:30", missed="run")
    machine.go_on(1)
    machine.given = schedule_of("night", {"run": "backup", "at": "00:30", "missed": "run"})
    machine.restart(down="1h")
    machine.go_on(0.1)
    assert machine.ran == []


@given(st.integers(1, 86400), st.integers(0, 10**6))
def test_a_run_is_put_off_by_as_long_after_a_restart_as_before(jitter: int, begin: int) -> None:
    table = schedule_of("night", {"run": "backup", "cron": "0 2 * * *", "jitter": jitter, "timezone": "UTC"})
    first = Schedule("night", table, begin, "salt", {})
    again = Schedule("night", table, begin, "salt", first.kept())
    assert first.due == again.due
    nominal = datetime.fromtimestamp(begin, UTC).replace(hour=2, minute=0, second=0)
    nominal += timedelta(days=nominal.timestamp() <= begin)
    assert 0 <= first.due - nominal.timestamp() <= jitter


def test_machines_with_one_configuration_put_runs_off_by_different_times() -> None:
    table = schedule_of("night", {"run": "backup", "at": "2:00", "jitter": "1h"})
    assert len({Schedule("night", table, 0, str(salt), {}).due for salt in range(100)}) > 90


def test_the_last_run_is_kept_and_one_that_was_under_way_has_ended() -> None:
    machine = Machine("2026-01-01 00:00", at="02:30")
    for outcome, after in (("done", "done"), (RUNNING, LOST)):
        machine.schedule.last = LastRun(5.0, outcome, "r1")
        machine.restart()
        assert machine.schedule.last == LastRun(5.0, after, "r1")


def test_the_last_success_is_kept() -> None:
    machine = Machine("2026-01-01 00:00", at="02:30")
    assert machine.schedule.succeeded is None
    machine.schedule.succeeded = 5.0
    machine.restart()
    assert machine.schedule.succeeded == 5.0


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "when": st.just("at 02:30") | st.integers(),
            "handled": st.none() | st.text() | st.floats() | st.just(1e300),
            "paused": st.booleans() | st.text(),
            "last": st.none() | st.lists(st.none() | st.text() | st.floats(), max_size=4) | st.text(),
            "succeeded": st.none() | st.text() | st.floats(),
        },
    )
)
def test_what_is_damaged_can_be_told_and_leaves_nothing_that_cannot_be_shown(kept: dict[str, Any]) -> None:
    table = schedule_of("night", {"run": "backup", "at": "02:30"})
    try:
        schedule = Schedule("night", table, 1e9, "salt", kept)
    except DAMAGES:
        return
    short(schedule.due)
    if schedule.last:
        short(schedule.last.began)
    assert schedule.succeeded is None or are_seconds(schedule.succeeded)
