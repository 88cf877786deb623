"""Cron expressions: what the five fields say, and the next minute that they match.

The fields are read as crontab(5) says: `*`, numbers, names, ranges, lists and steps; 7 is Sunday as well; where both
day fields are restricted, a day matches if either does. A field that begins with `*` counts as not restricted. Over a
change of the clocks, the rules are those of Debian's cron: an expression whose minute and hour are fixed runs once,
also where its time is skipped (then as soon as the clocks have changed) or comes twice (then the first time); one with
`*` in the minute or the hour goes by the time that passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

EXAMPLE = 'five fields, such as "30 2 * * 1-5" (minute, hour, day of the month, month, day of the week), or "@daily"'

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

SEARCHED = timedelta(days=366 * 41)
"""How far ahead to look: a 29 February on a certain day of the week may be 40 years away, around 2100."""

DIGITS = 3  # of a number; no field has more than two, and a zero may stand before them

MINUTE = timedelta(minutes=1)


class Field(NamedTuple):
    """One of the five fields."""

    name: str
    least: int
    most: int
    names: Sequence[str] = ()  # for the numbers from `least` on

    def read(self, text: str) -> frozenset[int]:
        """The numbers that the field's text stands for. Raises ValueError, which says what is wrong."""
        return frozenset(number for term in text.split(",") for number in self._term(term))

    def _term(self, term: str) -> range:
        span, slash, step = term.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            low, high = self.least, self.most
        else:
            low = self._number(first)
            high = self._number(last) if dash else self.most if slash else low
        if slash and not (step.isascii() and step.isdigit() and len(step) <= DIGITS and int(step)):
            raise ValueError(f"the step {step or 'after /'} of the {self.name} should be a whole number from 1")
        if low > high:
            raise ValueError(f"the {self.name} {span} ends before it begins")
        return range(low, high + 1, int(step) if slash else 1)

    def _number(self, word: str) -> int:
        if word.upper() in self.names:
            return self.least + self.names.index(word.upper())
        is_number = word.isascii() and word.isdigit() and len(word) <= DIGITS
        if is_number and self.least <= int(word) <= self.most:
            return int(word)
        known = f", or {self.names[0]} to {self.names[-1]}" if self.names else ""
        raise ValueError(f"the {self.name} {word!r} should be from {self.least} to {self.most}{known}")


FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of the month", 1, 31),
    Field("month", 1, 12, ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")),
    Field("day of the week", 0, 7, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")),
)


class Cron(NamedTuple):
    """When an expression matches."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    needs_both_days: bool  # or else one of the day fields is enough
    is_fixed: bool  # whether neither the minute nor the hour begins with `*`

    @classmethod
    def of(cls, expression: str) -> Cron:
        """Read an expression. Raises ValueError, which says what is wrong."""
        given = NICKNAMES.get(expression.strip().lower(), expression).split()
        if len(given) != len(FIELDS):
            if expression.strip().startswith("@"):
                raise ValueError(f"the names are {', '.join(NICKNAMES)}")
            raise ValueError(f"it has {len(given)} field{'s' * (len(given) != 1)}")
        minutes, hours, days, months, weekdays = (field.read(text) for field, text in zip(FIELDS, given, strict=True))
        minute, hour, day, _, weekday = (text.startswith("*") for text in given)
        made = cls(
            minutes, hours, days, months, frozenset(day % 7 for day in weekdays), day or weekday, not (minute or hour)
        )
        if made.next_after(datetime(2000, 1, 1, tzinfo=UTC), UTC) is None:
            raise ValueError("its day never comes")
        return made

    def next_after(self, instant: datetime, zone: tzinfo) -> datetime | None:
        """The first matching moment after an instant, in a zone; None if none is near."""
        if not self.is_fixed:
            return self._walk(instant.astimezone(zone), zone)
        local = instant.astimezone(zone).replace(tzinfo=UTC, fold=0)
        while (found := self._walk(local, UTC)) is not None:
            local = found
            moment = existing(found.replace(tzinfo=zone))
            if moment.astimezone(UTC) > instant:
                return moment
        return None

    def _walk(self, start: datetime, zone: tzinfo) -> datetime | None:
        """The first minute after `start` that matches, minute by minute in real time, in strides where none can."""
        at = (start.astimezone(UTC) + MINUTE).replace(second=0, microsecond=0)
        end = at + SEARCHED
        while at < end:
            local = at.astimezone(zone)
            of_day = local.hour * 60 + local.minute
            if not self._matches_day(local):
                at = _stride(at, local, 24 * 60 - of_day, 60 - local.minute)
            elif local.hour not in self.hours:
                at = _stride(at, local, 60 - local.minute)
            elif local.minute not in self.minutes:
                at += MINUTE
            else:
                return local
        return None

    def _matches_day(self, local: datetime) -> bool:
        if local.month not in self.months:
            return False
        day, weekday = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return (day and weekday) if self.needs_both_days else (day or weekday)


def existing(local: datetime) -> datetime:
    """The local time itself, the first of two; where the clocks skip it, the first minute behind the gap."""
    while local.astimezone(UTC).astimezone(local.tzinfo).replace(tzinfo=None) != local.replace(tzinfo=None):
        local = (local.replace(second=0) + MINUTE).replace(fold=0)
    return local


def _stride(at: datetime, local: datetime, *minutes: int) -> datetime:
    """The farthest of some steps ahead over which the clocks do not change, or a single minute."""
    for count in minutes:
        later = at + count * MINUTE
        if later.astimezone(local.tzinfo).utcoffset() == local.utcoffset():
            return later
    return at + MINUTE
