"""Moments, time spans and lists of names, worded for people."""

from __future__ import annotations

import time
from collections.abc import Iterable


def clock_text(when: float) -> str:
    """A moment, in seconds since the epoch, as local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def duration_text(seconds: float) -> str:
    """A time span as people say it: `3.2 s`, `12 min 5 s`, `4 h 3 min`, `12 d 4 h`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def listed(names: Iterable[str]) -> str:
    """One or more names in a sentence: `a`, `a and b`, `a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
