"""Starts and stops several services together: side by side, as far as they let each other, and in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from smanager.access.callers import Caller
from smanager.supervision.catalogue import Catalogue
from smanager.supervision.keeper import Keeper
from smanager.supervision.order import Dependencies
from smanager.supervision.states import State
from smanager.supervision.stopped import Stops

PROGRESS_SECONDS = 5.0
"""How often somebody who waits is told how things are."""

Tell = Callable[[str], object]
"""Takes a line about a service for who has asked for the change."""


class Together:
    """Does that with the keepers that there are."""

    def __init__(
        self, catalogue: Catalogue, keepers: Mapping[str, Keeper], dependencies: Dependencies, stops: Stops
    ) -> None:
        self._catalogue = catalogue
        self._keepers = keepers
        self._dependencies = dependencies
        self._stops = stops

    async def start(self, keepers: Sequence[Keeper], by: Caller, tell: Tell) -> None:
        """Start those that are to be up; returns when each is, or will not be soon."""
        in_circles = self._catalogue.circles()
        starting = [keeper for keeper in self._dependencies.start_order(keepers) if keeper.name not in self._stops]
        for keeper in starting:
            if keeper.name in in_circles:
                tell(f"{keeper.name}: needs a circle; `services` says which")
            else:
                keeper.start(str(by))
        self.look_again()
        ways = [
            with_progress(keeper, self._up(keeper, by), by, tell)
            for keeper in starting
            if keeper.name not in in_circles
        ]
        await asyncio.gather(*ways)

    async def stop(self, keepers: Sequence[Keeper], by: Caller, tell: Tell) -> None:
        """Stop these, each once those among them are down that come after it."""
        await asyncio.gather(
            *(with_progress(keeper, self.stop_one(keeper, keepers, by), by, tell) for keeper in keepers)
        )

    async def stop_one(self, keeper: Keeper, among: Sequence[Keeper], by: Caller) -> None:
        """Stop one of several; returns when it is down."""
        before = self._dependencies.stopped_before(keeper, among)
        await asyncio.gather(*(other.down.wait() for other in before))
        keeper.stop(str(by))
        await keeper.down.wait()

    def look_again(self) -> None:
        """Have those that wait for others see whether these are up."""
        for keeper in self._keepers.values():
            if keeper.state is State.STARTING:
                keeper.proceed()

    async def _up(self, keeper: Keeper, by: Caller) -> None:
        while keeper.state is State.STOPPING:  # somebody stopped it a moment ago, and now it is wanted again
            await keeper.down.wait()
            if keeper.name not in self._stops:
                keeper.start(str(by))
        await keeper.settled()


async def with_progress(keeper: Keeper, work: Coroutine[Any, Any, None], by: Caller, tell: Tell) -> None:
    """Do some work on a service, and tell who has asked for it how it is then, and while that takes long."""
    doing = asyncio.ensure_future(work)
    while not (await asyncio.wait([doing], timeout=PROGRESS_SECONDS))[0]:
        tell(f"{keeper.name}: still {keeper.service.condition_for(by.permissions.know)}")
    doing.result()
    tell(f"{keeper.name}: {keeper.service.condition_for(by.permissions.know)}")
