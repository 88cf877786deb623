"""The event loop's time, which all callers share: none of them, by however many connections, keeps others waiting.

What runs commands runs them until `is_over`, and has the rest go on `later`. In between, the loop serves all else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic

TURN_SECONDS = 0.01  # for which commands run, whoever gave them, before the loop looks for input, timers and signals

SLICE_SECONDS = 0.001  # of a turn, for each of several sessions that wait, so that one that wants little waits little


class Turns:
    """Whose commands run in this turn of the loop, and whose in the next ones."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._has_begun = False
        self._is_open = False  # whether `close` ends this turn
        self._end = 0.0  # when this turn is over
        self._until = 0.0  # when it is for who has it now
        self._waiting: dict[str, deque[Callable[[], object]]] = {}  # by party; whose turn is next comes first

    def open(self) -> None:
        """Begin a turn that lasts until `close`, unless one has begun already."""
        if not self._has_begun:
            self._has_begun = self._is_open = True
            self._end = self._until = self._clock() + TURN_SECONDS

    def close(self) -> None:
        """End the turn; those who wait have the next one."""
        if self._is_open:
            self._is_open = False
            self._has_begun = bool(self._waiting)
            if self._has_begun:
                asyncio.get_running_loop().call_soon(self._next)

    def is_over(self) -> bool:
        """Whether no further command should begin in this turn of the loop; the first question begins the turn."""
        self._begin()
        return self._clock() >= self._until

    def later(self, party: str, go_on: Callable[[], object]) -> None:
        """Have what a party is about go on in a later turn; one party after another has its turn."""
        if (waiting := self._waiting.get(party)) is None:
            waiting = self._waiting[party] = deque()
        waiting.append(go_on)
        self._begin()

    async def come(self, party: str) -> None:
        """Wait for a turn that is not over."""
        if self.is_over():
            granted = asyncio.get_running_loop().create_future()
            self.later(party, partial(self._grant, granted))
            await granted

    def _grant(self, granted: asyncio.Future[None]) -> None:
        if not granted.done():  # its task could have been cancelled
            granted.set_result(None)
            self._end = self._clock()  # the rest of the turn is for that task

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._end = self._until = self._clock() + TURN_SECONDS
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._has_begun = False
        if not self._waiting:
            return
        self._begin()
        while self._waiting and self._clock() < self._end:
            party = next(iter(self._waiting))
            waiting = self._waiting.pop(party)
            go_on = waiting.popleft()
            if waiting:
                self._waiting[party] = waiting
            self._until = min(self._end, self._clock() + SLICE_SECONDS) if self._waiting else self._end
            go_on()
        self._until = self._end
