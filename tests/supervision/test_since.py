"""Moments in the past."""

from __future__ import annotations

from datetime import datetime

import pytest

from smanager.commands.record import CommandError
from smanager.supervision.commands.since import moment

NOON = datetime(2026, 11, 25, 12).timestamp()


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOON)
    monkeypatch.setattr("time.strftime", lambda form: "2026-11-25")


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("10m", 600),
        ("90", 90),
        ("2026-11-25T11:00", 3600),
        ("2026-11-25 11:00:30", 3570),
        ("2026-11-24", 36 * 3600),
        ("11:30", 1800),
        ("13:00", 23 * 3600),
    ],
)
def test_a_moment_is_a_span_ago_a_date_or_a_time_of_the_day(text: str, ago: float) -> None:
    assert moment("logs", text) == pytest.approx(NOON - ago)


@pytest.mark.parametrize("text", ["yesterday", "25:00", "2026-13-01", "-5m", "inf", "9" * 400])
def test_anything_else_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(CommandError, match=r"^logs: since is .*, and should be a time span such as 10m, or a moment"):
        moment("logs", text)
