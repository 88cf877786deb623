"""Moments by both clocks."""

from __future__ import annotations

from time import monotonic, time


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
        """Seconds since then."""
        return round(monotonic() - self._monotonic, 3)
