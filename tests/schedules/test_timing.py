"""When schedules are due: by steps, by the calendar of a zone, and in the machine's own zone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import inf
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.schedules.cron import Cron
from smanager.schedules.timing import Calendar, Every, MachineZone, cron_of_time, zone_of


@given(st.floats(1, 1e6), st.floats(0, 1e9), st.floats(0, 1e6))
def test_steps_stay_on_their_grid(seconds: float, due: float, late: float) -> None:
    every = Every(seconds)
    handled = every.handled_by(due, due + late)
    assert handled <= due + late < every.next_after(handled) + 1e-3
    assert abs((handled - due) / seconds - round((handled - due) / seconds)) < 1e-3


def test_utc_needs_no_database_of_zones() -> None:
    assert zone_of("UTC") is UTC


def test_the_calendar_goes_by_its_zone() -> None:
    calendar = Calendar(cron_of_time("2:05"), ZoneInfo("Europe/Berlin"))
    at = datetime(2026, 3, 28, 1, 5, tzinfo=UTC).timestamp()
    assert calendar.next_after(at) - at == 24 * 3600 - 5 * 60  # the clocks skip 02:05, and it runs at 03:00


def test_what_is_too_far_away_never_comes() -> None:
    never = Cron.of("0 0 29 2 *")._replace(days=frozenset([30]))
    assert Calendar(never, UTC).next_after(0) == inf


@pytest.mark.parametrize("text", ["", "2", "24:00", "02:60", "2:5", "02:30:00", "²:30", "02:30 "])
def test_a_wrong_time_is_told_with_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError, match=r'^a time of the day such as "02:30"$'):
        cron_of_time(text)


@pytest.mark.parametrize("name", ["Europe/Nowhere", "Europe", "../etc/passwd", "/etc/localtime", "a\0b", "CET-1"])
def test_a_wrong_zone_is_told_with_what_would_be_right(name: str) -> None:
    with pytest.raises(ValueError, match=re.escape('a time zone such as "Europe/Berlin" or "UTC"')):
        zone_of(name)


MONTHS_OF_CHANGES = (3, 4, 10)
"""In which the clocks are changed; of a day in another month, noon will do."""


@pytest.fixture(params=["Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3", "Australia/Lord_Howe", "UTC"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ZoneInfo]:
    """The zone that the machine is told to be in."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield ZoneInfo("Europe/Berlin" if request.param.startswith("CET") else request.param)
    monkeypatch.undo()
    time.tzset()


def test_the_machine_s_zone_is_the_one_of_the_same_name(machine: ZoneInfo) -> None:
    own, at = MachineZone(), datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(365 * 24 * 2):
        moment = at + number * timedelta(minutes=30)
        if moment.month not in MONTHS_OF_CHANGES and moment.hour != 12:
            continue
        local, named = moment.astimezone(own), moment.astimezone(machine)
        assert (local.replace(tzinfo=None), local.fold) == (named.replace(tzinfo=None), named.fold)
        assert local.utcoffset() == named.utcoffset()
        assert local.astimezone(UTC) == moment


def test_schedules_in_the_machine_s_zone_keep_to_its_changes_of_the_clocks(machine: ZoneInfo) -> None:
    for expression, at, runs in (
        ("30 2 * * *", datetime(2026, 1, 1, tzinfo=UTC), 400),
        ("45 * * * *", datetime(2026, 4, 4, tzinfo=UTC), 2 * 24),
        ("45 * * * *", datetime(2026, 10, 24, tzinfo=UTC), 2 * 24),
    ):
        cron = Cron.of(expression)
        for _ in range(runs):
            found, named = cron.next_after(at, MachineZone()), cron.next_after(at, machine)
            assert found
            assert named
            assert found.isoformat() == named.isoformat()
            at = found.astimezone(UTC)
