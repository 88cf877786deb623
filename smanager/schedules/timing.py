"""When a schedule is due: every so often, or by the calendar of a time zone. Instants are seconds since 1970, UTC."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from math import floor, inf
from typing import Any, NamedTuple

from smanager.schedules.cron import Cron

AT_EXAMPLE = 'a time of the day such as "02:30"'
ZONE_EXAMPLE = 'a time zone such as "Europe/Berlin" or "UTC"'

CORRECTION = 3 * 3600.0  # seconds by which a clock may be set back and no run is repeated, as with Debian's cron


class MachineZone(tzinfo):
    """The machine's own time zone, as the C library knows it."""

    def utcoffset(self, local: datetime | None) -> timedelta | None:
        return local.replace(tzinfo=None).astimezone().utcoffset() if local else None

    def dst(self, local: datetime | None) -> None:
        return None

    def tzname(self, local: datetime | None) -> str | None:
        return local.replace(tzinfo=None).astimezone().tzname() if local else None

    def fromutc(self, at: datetime) -> datetime:
        found = at.replace(tzinfo=UTC).astimezone()
        local = found.replace(tzinfo=self, fold=0)
        return local if local.utcoffset() == found.utcoffset() else local.replace(fold=1)


def zone_of(name: str) -> tzinfo:
    """The time zone of a name; empty for the machine's. Raises ValueError if there is none."""
    if name in ("", "UTC"):  # UTC needs no database
        return UTC if name else MachineZone()
    from zoneinfo import ZoneInfo  # most schedules have the machine's zone

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # an odd name, a directory, an unknown name
        raise ValueError(ZONE_EXAMPLE) from None


class Every(NamedTuple):
    """Each so many seconds, counted from the first time that the schedule was there."""

    seconds: float

    def next_after(self, handled: float) -> float:
        return handled + self.seconds

    def handled_by(self, due: float, now: float) -> float:
        """Up to which moment a run at `now` stands for all that were due: the last, so that none drifts."""
        return due + floor((now - due) / self.seconds) * self.seconds

    def was_set_back(self, handled: float, now: float) -> bool:
        """Whether the clock is so far behind what was done that the wait for it would be too long."""
        return handled > now


class Calendar(NamedTuple):
    """By a cron expression, or at a time of each day."""

    cron: Cron
    zone: tzinfo

    def next_after(self, handled: float) -> float:
        found = self.cron.next_after(datetime.fromtimestamp(handled, UTC), self.zone)
        return found.timestamp() if found else inf

    def handled_by(self, due: float, now: float) -> float:
        return now

    def was_set_back(self, handled: float, now: float) -> bool:
        return handled > now + CORRECTION


Timing = Every | Calendar


def cron_of_time(text: str) -> Cron:
    """The expression for a time of each day. Raises ValueError, which says what would be right."""
    if match := re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text, re.ASCII):
        return Cron.of(f"{match[2]} {match[1]} * * *")
    raise ValueError(AT_EXAMPLE)


def timing_of(given: Mapping[str, Any]) -> Timing:
    """The timing of a schedule's checked table."""
    if seconds := given["every"]:
        return Every(seconds)
    cron = Cron.of(given["cron"]) if given["cron"] else cron_of_time(given["at"])
    return Calendar(cron, zone_of(given["timezone"]))
