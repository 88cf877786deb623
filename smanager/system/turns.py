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


class Turns:
    """Whose commands run in this turn of the loop, and whose in the next ones."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._until: float | None = None  # when this turn is over; None before it has begun
        self._waiting: dict[str, deque[Callable[[], object]]] = {}  # by party; whose turn is next comes first

    def is_over(self) -> bool:
        """Whether no further command should begin in this turn of the loop; the first question begins the turn."""
        if self._until is None:
            self._begin()
        return self._until is not None and self._clock() >= self._until

    def later(self, party: str, go_on: Callable[[], object]) -> None:
        """Have what a party is about go on in a later turn; one party after another has its turn."""
        self._waiting.setdefault(party, deque()).append(go_on)
        if self._until is None:
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
            self._until = self._clock()  # the rest of the turn is for that task

    def _begin(self) -> None:
        self._until = self._clock() + TURN_SECONDS
        asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._until = None
        if self._waiting:
            self._begin()
        while self._waiting and not self.is_over():
            party = next(iter(self._waiting))
            waiting = self._waiting.pop(party)
            go_on = waiting.popleft()
            if waiting:
                self._waiting[party] = waiting
            go_on()
