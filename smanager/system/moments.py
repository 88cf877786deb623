"""Moments by both clocks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment in the past: by the wall clock, which may be set, and how long ago it was, by the monotonic one."""

    when: float = field(default_factory=time.time)
    """Seconds since the epoch."""
    _monotonic: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """Seconds since then."""
        return round(time.monotonic() - self._monotonic, 3)
