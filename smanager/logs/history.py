"""What has happened: the lives of each service, the lines that it printed, and the events of all of them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

LIVES_KEPT = 10
"""Lives of a service that are remembered: enough to see whether it falls again and again, and why."""

LINES_KEPT = 1000
"""Lines of a service's output kept in memory; its file has more."""

EVENTS_KEPT = 1000
"""Events kept in memory: some days of a quiet box."""

LAST_LINES = 50
"""Lines that a life leaves behind at its end, for `why`; the stacks of a hung process take most of that."""


class Feed(Generic[T]):
    """The last things of a kind, and those who follow what comes."""

    def __init__(self, limit: int) -> None:
        self._kept: deque[T] = deque(maxlen=limit)
        self._followers: dict[object, Callable[[T], object]] = {}

    def add(self, thing: T) -> None:
        self._kept.append(thing)
        for follower in list(self._followers.values()):
            follower(thing)

    def last(self, count: int, is_meant: Callable[[T], bool] = lambda thing: True) -> list[T]:
        """The last ones, of those that are meant."""
        return list(filter(is_meant, self._kept))[-count:] if count > 0 else []

    def follow(self, follower: Callable[[T], object]) -> Callable[[], None]:
        """Have `follower` called with each thing from here on; what is returned ends that."""
        key = object()
        self._followers[key] = follower

        def unfollow() -> None:
            self._followers.pop(key, None)

        return unfollow


@dataclass(frozen=True, slots=True)
class Line:
    """What a service printed, or what happened to it, and when by the wall clock."""

    when: float
    service: str
    text: str


@dataclass(slots=True)
class Life:
    """A service's time between a start and an end. Moments are of the monotonic clock, `when` of the wall clock."""

    when: float
    asked_by: str
    begun: float
    ready: float | None = None
    ended: float | None = None
    end: str = ""
    """How it ended."""
    decision: str = ""
    """What that led to."""
    last_lines: list[Line] = field(default_factory=list)


class History:
    """One service's past."""

    def __init__(self) -> None:
        self.lives: deque[Life] = deque(maxlen=LIVES_KEPT)
        self.lines: Feed[Line] = Feed(LINES_KEPT)
        self.restarts = 0
        """Starts that nobody asked for, since the last that somebody did."""

    @property
    def life(self) -> Life | None:
        """The one that goes on, or went on last."""
        return self.lives[-1] if self.lives else None


def clock_text(when: float) -> str:
    """A moment of the wall clock, as the log shows it."""
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
    """Names in a sentence: `a`, `a and b`, `a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
