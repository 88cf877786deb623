"""Moments in the past, as callers give them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from smanager.commands.record import CommandError, Status
from smanager.commands.types import seconds_of

DAY_SECONDS = 24 * 3600


def moment(command: str, text: str) -> float:
    """The moment, in seconds since the epoch, that is a time span ago, or named by a date and a time, or by a time.

    Raises CommandError for any other text.
    """
    readers: tuple[Callable[[str], float], ...] = (_ago, _named, _of_the_day)
    for read in readers:
        try:
            return read(text)
        except (ValueError, OverflowError):
            pass
    right = "a time span such as 10m, or a moment such as 13:45 or 2026-11-25T13:45"
    raise CommandError(f"{command}: since is {text!r:.60}, and should be {right}", Status.UNUSABLE)


def _ago(text: str) -> float:
    return time.time() - seconds_of(text)


def _named(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _of_the_day(text: str) -> float:
    """The last time that clocks here showed this time."""
    when = datetime.fromisoformat(f"{time.strftime('%Y-%m-%d')}T{text}").timestamp()
    return when if when <= time.time() else when - DAY_SECONDS
