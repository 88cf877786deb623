"""One alert at work: delivers what its incidents have to tell, one message at a time, again and again if need be."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from math import inf
from typing import Any

from smanager.alerts.attempts import Attempts, DeliveryError
from smanager.alerts.delivery import deliver
from smanager.alerts.incidents import Incidents, Told
from smanager.alerts.message import Note


class Teller:
    """An alert, and how its last delivery went."""

    def __init__(
        self, name: str, given: Mapping[str, Any], clock: Callable[[], float], changed: Callable[[], object]
    ) -> None:
        """`given` is the checked table; `clock` gives seconds since 1970, and is never set back.

        `changed` is called when there is something new to remember.
        """
        self.name = name
        self.incidents = Incidents(given)
        self.problem = ""
        """Why the last attempt has failed; empty if it has not."""
        self.last: float | None = None  # when a message was delivered
        self._given = given
        self._clock = clock
        self._remember = changed
        self._changed = asyncio.Event()
        self._delivering = asyncio.Lock()

    @property
    def by(self) -> str:
        """How messages are delivered, without what may be secret."""
        return next(way for way in ("command", "webhook", "mail") if self._given[way])

    @property
    def lasts(self) -> float:
        """Seconds for which what was told counts, unless it is told again."""
        return 2.0 * float(self._given["repeat"])

    def look(self) -> None:
        """Look whether there is something to tell: an event has come."""
        self._changed.set()

    async def work(self, note_of: NoteOf, lost: Lost) -> None:
        """Deliver all that is to be told, for ever. `note_of` makes it in full, `lost` is told what is given up."""
        while True:
            self._changed.clear()
            if told := self.incidents.next(self._clock()):
                await self._tell(told, note_of, lost)
                self._remember()
                continue
            wait = self.incidents.next_look(self._clock()) - self._clock()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), None if wait == inf else max(0.0, wait))

    async def _tell(self, begun: Told, note_of: NoteOf, lost: Lost) -> None:
        attempts = Attempts(self._clock(), self._given["retry"])
        while told := self.incidents.renewed(begun):
            try:
                await self.attempt(await note_of(self, told))
            except DeliveryError as error:
                wait = attempts.wait_after(error, self._clock())
                if wait is None:
                    self.incidents.gave_up(told, self._clock())
                    lost(self, told, f"{error}; given up after {attempts.made} attempt{'s' * (attempts.made > 1)}")
                    return
                print(f"{self.name}: {error}; tried again in {wait:g} s")
                await asyncio.sleep(wait)
                attempts = attempts._replace(made=attempts.made + 1)
            else:
                self.incidents.delivered(told, self._clock())
                return

    async def idle(self) -> None:
        """Return once no delivery is under way."""
        async with self._delivering:
            pass

    async def attempt(self, note: Note) -> None:
        """Deliver a note once, after those that are on their way. Raises DeliveryError."""
        async with self._delivering:
            try:
                await deliver(self._given, note)
            except DeliveryError as error:
                self.problem = str(error)
                raise
            except Exception as error:  # of any kind: the other alerts go on
                traceback.print_exc()
                self.problem = f"internal error: {type(error).__name__}"
                raise DeliveryError(self.problem, is_final=True) from None
            self.problem, self.last = "", time.time()


NoteOf = Callable[[Teller, Told], Awaitable[Note]]
Lost = Callable[[Teller, Told, str], object]
