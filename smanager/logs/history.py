"""The recent past of services, in memory: their lives, the lines that they printed, and their events."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

from smanager.service import OWN_KINDS
from smanager.terminal.text import visible

LIVES_KEPT = 10  # lives kept for each service: enough to see whether the service ends again and again, and why
LINES_KEPT = 1000  # lines of output kept for each service; its log file has more
EVENTS_KEPT = 1000  # events kept for all services together: some days of a quiet box

KIND_LIMIT = 100  # characters of a reported event's kind, and of what the event is about: they are names
TEXT_LIMIT = 1000  # characters of a reported event's text: a line that a person reads

LAST_LINES = 50
"""Lines kept from the end of the last life, for `why`; the stacks of a hung process take most of them."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a service printed, or an event of a service."""

    when: float  # seconds since the epoch
    service: str
    text: str

    @property
    def services(self) -> tuple[str, ...]:
        """The services that it may be about: who may not know all of them must not see it."""
        return (self.service,)

    @property
    def shown(self) -> str:
        """What people read."""
        return self.text


class Happening(NamedTuple):
    """What has happened to a service, or to the manager."""

    kind: str
    """The state that the service has entered, `restarted`, `removed`, `login blocked`, or what a service reports."""
    text: str
    about: str = ""
    """What the event is about, if the service has several such things: the name of a schedule, say."""
    over: bool | None = None
    """False for the begin of something that lasts, True for its end."""

    @classmethod
    def reported(cls, kind: str, text: str, about: str, over: bool | None) -> Happening:
        """What a service reports of itself, within bounds."""
        return cls(
            _in_one_line(kind, KIND_LIMIT), _in_one_line(text, TEXT_LIMIT), _in_one_line(about, KIND_LIMIT), over
        )


def _in_one_line(text: str, most: int) -> str:
    text = visible(" ".join(text[: most + 1].split()))
    return text if len(text) <= most else f"{text[: most - 1]}…"


@dataclass(frozen=True, slots=True)
class EventLine(LogLine):
    """An event of a service; of the manager itself if the service's name is empty. For the rest see `Happening`."""

    kind: str = ""
    about: str = ""
    over: bool | None = None

    @classmethod
    def of(cls, when: float, service: str, happening: Happening) -> EventLine:
        return cls(when, service, happening.text, happening.kind, happening.about, happening.over)

    @property
    def services(self) -> tuple[str, ...]:
        return (self.service,) if self.service else ()

    @property
    def shown(self) -> str:
        if not self.kind or self.kind in OWN_KINDS:
            return self.text
        return ": ".join(filter(None, [f"{self.kind} is over" if self.over else self.kind, self.about, self.text]))


@dataclass(frozen=True, slots=True)
class SharedLine(LogLine):
    """A line of a process that has had several services, where nothing shows which of them printed it."""

    others: tuple[str, ...]

    @property
    def services(self) -> tuple[str, ...]:
        return (self.service, *self.others)


class Feed:
    """The last lines or events, and the followers of those to come."""

    def __init__(self, limit: int) -> None:
        self._kept: deque[LogLine] = deque(maxlen=limit)
        self._followers: dict[object, Callable[[LogLine], object]] = {}

    def add(self, line: LogLine) -> None:
        self._kept.append(line)
        for follower in list(self._followers.values()):
            follower(line)

    def latest(self) -> Iterator[LogLine]:
        """The lines, the latest first."""
        return reversed(self._kept)

    def last(self, count: int) -> list[LogLine]:
        """The last `count` lines, the oldest first."""
        return list(self._kept)[-count:] if count > 0 else []

    def follow(self, follower: Callable[[LogLine], object]) -> Callable[[], object]:
        """Call `follower` with each new line until the function that this returns is called."""
        key = object()
        self._followers[key] = follower
        return partial(self._followers.pop, key, None)


def last_of(feeds: Sequence[Feed], count: int, is_wanted: Callable[[LogLine], bool]) -> list[LogLine]:
    """The last `count` of the wanted lines of some feeds, the oldest first; no older ones are looked at."""
    latest = heapq.merge(*(feed.latest() for feed in feeds), key=lambda line: line.when, reverse=True)
    return list(islice(filter(is_wanted, latest), max(count, 0)))[::-1]


@dataclass(slots=True)
class LifeRecord:
    """One run of a service, from a start to an end. Times are seconds."""

    when: float  # the start, since the epoch
    asked_by: str
    ready_after: float | None = None
    ended_after: float | None = None
    end: str | None = None  # how the life ended; known without `ended_after` if the manager did not see it
    decision: str | None = None  # what the supervisor did next


class ServiceHistory:
    """The past of one service."""

    def __init__(self) -> None:
        self.lives: deque[LifeRecord] = deque(maxlen=LIVES_KEPT)
        self.lines = Feed(LINES_KEPT)
        self.last_lines: list[LogLine] = []
        """Those printed before the end of the last life that has ended."""
        self.restarts = 0
        """Starts by the supervisor since a requester last started the service."""
        self.all_restarts = 0
        """Starts by the supervisor since the service is known."""
