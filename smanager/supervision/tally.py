"""What is counted at next to no cost: how commands go, and, while that is asked for, how late timers are."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Mapping

BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
"""Seconds: the upper bounds of the classes in which durations are counted. The last class has none."""

MOST_COMMANDS = 500
"""Commands that are counted by name: more than any box has, unless its files come and go."""

OTHERS = "(others)"
"""What further ones are counted as, and hidden ones; no command is called so."""

LAG_SECONDS = 0.5  # from one look at the loop's lateness to the next
LAG_WANTED_SECONDS = 180.0  # after the last question: more than the longest usual time between two scrapes


class Durations:
    """How often something took how long."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        """For each class, how many durations are in it."""
        self.seconds = 0.0
        """All durations together."""

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds


class CommandTally(Durations):
    """How often a command took how long, and how often it failed."""

    __slots__ = ("failed",)

    def __init__(self) -> None:
        super().__init__()
        self.failed = 0

    @property
    def done(self) -> int:
        return sum(self.counts) - self.failed


class Tally:
    """How the commands of services, and the manager's own, went since the manager's start."""

    def __init__(self) -> None:
        self._services: dict[str, dict[str, CommandTally]] = {}
        self._count = 0  # of the commands

    def add(self, service: str, command: str, has_failed: bool, seconds: float) -> None:
        """Count a command that has ended; `service` is empty for the manager's own."""
        tally = self._services.get(service, {}).get(command) or self._new(service, command)
        tally.add(seconds)
        tally.failed += has_failed

    def _new(self, service: str, command: str) -> CommandTally:
        if self._count >= MOST_COMMANDS:
            service, command = "", OTHERS
        self._count += 1
        return self._services.setdefault(service, {}).setdefault(command, CommandTally())

    def of(self, service: str) -> Mapping[str, CommandTally]:
        """The commands of a service that have run, by name."""
        return self._services.get(service, {})


class LoopLag:
    """How late the event loop is with its timers. It is measured while somebody asks: a timer wakes the process."""

    def __init__(self) -> None:
        self._durations = Durations()
        self._is_measuring = False
        self._wanted_until = 0.0

    def durations(self) -> Durations:
        """What has been measured so far; go on with that for a while."""
        loop = asyncio.get_running_loop()
        self._wanted_until = loop.time() + LAG_WANTED_SECONDS
        if not self._is_measuring:
            self._is_measuring = True
            self._look_later(loop)
        return self._durations

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + LAG_SECONDS
        loop.call_at(due, self._look, loop, due)

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        self._durations.add(max(0.0, now - due))  # a loop may be early by its clock's resolution
        self._is_measuring = now < self._wanted_until
        if self._is_measuring:
            self._look_later(loop)
