"""One alert at work, with a stand-in for the delivery and no waits: what is tried again, and what is given up."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smanager.alerts import teller as module
from smanager.alerts.attempts import DeliveryError
from smanager.alerts.incidents import Told
from smanager.alerts.message import Note, note_of
from smanager.alerts.rules import AlertEvent
from smanager.alerts.teller import Teller
from smanager.config.alert import alert_of
from tests.conftest import SECONDS


class Stage:
    """A teller whose deliveries succeed or fail as `outcomes` say, the last of them again and again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.delivered: list[str] = []
        self.lost: list[str] = []
        self.remembered = 0
        self.now = 1000.0
        table = {"on": ["failed"], "command": ["page"], "retry": "1h"}
        self.teller = Teller("oncall", alert_of("oncall", table, Path()), lambda: self.now, self.remember)
        monkeypatch.setattr(module, "deliver", self.deliver)
        monkeypatch.setattr("asyncio.sleep", self.wait)
        self.during_a_wait: Callable[[], object] = lambda: None

    def remember(self) -> None:
        self.remembered += 1

    async def wait(self, seconds: float) -> None:
        self.now += seconds
        self.during_a_wait()

    async def deliver(self, given: Any, note: Note) -> None:
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if outcome:
            raise outcome
        self.delivered.append(note.summary)

    def fail(self, text: str = "exit status 3") -> None:
        self.teller.incidents.take(AlertEvent(self.now, "web", "failed", text), self.now)
        self.teller.look()

    def work(self) -> None:
        """Work until there is nothing more to do."""

        async def note(teller: Teller, told: Told) -> Note:
            return note_of(told.message, teller.name, "box", "", 0.0)

        async def work() -> None:
            working = asyncio.create_task(self.teller.work(note, lambda *lost: self.lost.append(str(lost[-1]))))
            for _ in itertools.repeat(None, 1000):
                await asyncio.wait([working], timeout=0)
            working.cancel()

        asyncio.run(asyncio.wait_for(work(), SECONDS))


def test_a_message_is_tried_again_until_it_is_delivered_as_things_are_then(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, DeliveryError("busy"), DeliveryError("busy"), None)
    stage.fail()
    stage.during_a_wait = lambda: stage.fail("killed by SIGKILL")
    stage.work()
    assert stage.delivered == ["[box] web failed (3 times): killed by SIGKILL"]
    assert stage.now == 1000.0 + 2 + 4
    assert (stage.teller.problem, stage.lost, stage.remembered) == ("", [], 1)


def test_a_message_is_given_up_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, DeliveryError("busy"))
    stage.fail()
    stage.work()
    assert stage.lost == ["busy; given up after 19 attempts"]
    assert stage.teller.problem == "busy"


def test_a_message_that_will_never_arrive_is_given_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, DeliveryError("no such user", is_final=True))
    stage.fail()
    stage.work()
    assert stage.lost == ["no such user; given up after 1 attempt"]


def test_an_internal_error_takes_no_other_alert_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(monkeypatch, ZeroDivisionError("s3cret"))
    stage.fail()
    stage.work()
    assert stage.lost == ["internal error: ZeroDivisionError; given up after 1 attempt"]
    assert "Traceback" in capsys.readouterr().err
