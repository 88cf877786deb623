"""Moments by both clocks, and what there is only so much of in a span of time."""

from __future__ import annotations

from math import inf
from time import monotonic, time

LATEST = 1e11
"""Seconds since the epoch, in the year 5138: what a damaged file says beyond that is not a moment."""


def are_seconds(*values: object) -> bool:
    """Whether values that a file has are moments since the epoch, or lengths of time, and not damaged."""
    return all(isinstance(value, int | float) and 0 <= value < LATEST for value in values)


class Moment:
    """The moment of its making: by the wall clock, which may be set, and how long ago it was, by the monotonic one.

    Each command has one; a frozen dataclass would take three times as long to make.
    """

    __slots__ = ("_monotonic", "when")

    def __init__(self) -> None:
        self.when = time()
        """Seconds since the epoch."""
        self._monotonic = monotonic()

    @property
    def age(self) -> float:
        """Seconds since then, as people want to know them."""
        return round(monotonic() - self._monotonic, 3)

    @property
    def elapsed(self) -> float:
        """Seconds since then."""
        return monotonic() - self._monotonic


class Ration:
    """So many of something in each span of time, and no more."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._since = -inf
        self._taken = 0

    def has_room(self, now: float) -> bool:
        """Take one, if there is one left."""
        if now - self._since >= self._seconds:
            self._since, self._taken = now, 0
        self._taken += 1
        return self._taken <= self._most
