"""The service of alerts, with clocks that are set: what it makes of events, whose times are those of the wall clock."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from smanager.alerts import alerts as module
from smanager.alerts.alerts import Alerts
from smanager.alerts.incidents import Told
from smanager.alerts.message import Note
from smanager.alerts.rules import AlertEvent
from smanager.config.alert import alert_of
from smanager.hosts.child.life import make
from smanager.service import ManagerClient

NOW, HOUR, WEEKS = 1_800_000_000.0, 3600.0, 30 * 86400.0


class Stage:
    """The service with one alert, and both clocks, of which that of the wall may be set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, on: str) -> None:
        self.wall, self.ticks = NOW, 1000.0
        monkeypatch.setattr(module, "time", self)
        table = alert_of("oncall", {"on": [on], "command": ["page"]}, Path())
        made = make(Alerts, "alerts", {"options": {"alerts": {"oncall": table}}}, ManagerClient(), None)
        assert isinstance(made, Alerts)
        self.service = made
        made.start()
        monkeypatch.setattr(made._saving, "soon", lambda: None)

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.ticks

    def wait(self, seconds: float) -> None:
        self.wall += seconds
        self.ticks += seconds

    def event(self, kind: str, **more: Any) -> None:
        self.service._take(AlertEvent(self.wall, "web", kind, kind, **more))

    @property
    def told(self) -> Told | None:
        return self.service._tellers["oncall"].incidents.next(self.service._now())

    @property
    def note(self) -> Note:
        assert self.told
        return asyncio.run(self.service._note(self.service._tellers["oncall"], self.told))


@pytest.mark.parametrize("step", [-WEEKS, -HOUR, 0.0, HOUR, WEEKS])
def test_restarts_count_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    stage = Stage(monkeypatch, "restarted more than 3 times in 10m")
    stage.wall += step
    for _ in range(4):
        assert not stage.told
        stage.wait(10)
        stage.event("restarted")
    assert stage.told


@pytest.mark.parametrize("step", [-WEEKS, WEEKS])
def test_what_a_service_reports_lasts_and_is_forgotten_whatever_the_clock_says(
    monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    stage = Stage(monkeypatch, "reported queue full")
    stage.wall += step
    stage.event("queue full", about="orders", over=False)
    assert stage.told
    stage.wait(WEEKS)
    assert not stage.told
    assert not stage.service._tellers["oncall"].incidents.open


@pytest.mark.parametrize(("before", "after"), [(WEEKS, 0.0), (-WEEKS, 0.0), (0.0, -WEEKS), (0.0, WEEKS)])
def test_a_message_ends_after_it_has_begun(monkeypatch: pytest.MonkeyPatch, before: float, after: float) -> None:
    stage = Stage(monkeypatch, "login blocked")
    stage.wall += before
    stage.event("login blocked")
    stage.wall += after
    assert stage.note.since < stage.note.ends
