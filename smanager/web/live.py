"""What happens now, for the open windows of one login: the manager is asked once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from smanager.service import ManagerClient, ManagerError
from smanager.web import responses
from smanager.web.calls import LOGGED_OUT, error_object
from smanager.web.outlet import ROOM, Outlet

PING_SECONDS = 15.0  # of silence after which a proxy could take the stream for dead


class LiveFeed:
    """The streams of one login, and what is asked for them while there are any."""

    def __init__(self, manager: ManagerClient) -> None:
        self._manager = manager
        self._windows: set[Outlet] = set()
        self._works: list[asyncio.Task[None]] = []
        self._status = b""  # the last event of that kind

    def __len__(self) -> int:
        return len(self._windows)

    def add(self, outlet: Outlet) -> None:
        outlet.write(responses.stream_head() + self._status)
        self._windows.add(outlet)
        if not self._works:
            self._works = [asyncio.create_task(self._asking(work)) for work in (self._look, self._listen)]
            self._works.append(asyncio.create_task(self._ping()))

    def remove(self, outlet: Outlet) -> None:
        self._windows.discard(outlet)
        if not self._windows:
            self._rest()

    def end(self, reason: dict[str, object]) -> None:
        """End all streams, with a last word."""
        windows, self._windows = self._windows, set()
        for outlet in windows:
            outlet.write(responses.event("error", reason))
            outlet.end()
        self._rest()

    def _rest(self) -> None:
        self._status = b""
        works, self._works = self._works, []
        for work in works:
            work.cancel()

    def _send(self, data: bytes) -> None:
        for outlet in list(self._windows):
            if outlet.unsent > ROOM:
                outlet.write(responses.event("error", {"code": 0, "message": "too slow: connect again"}))
                outlet.end()
                self.remove(outlet)
            else:
                outlet.write(data)

    async def _asking(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Work until the login is over; what its roles do not let it see, the streams go without."""
        try:
            await work()
        except ManagerError as error:
            if error.code in (0, LOGGED_OUT):
                self.end(error_object(error))

    async def _look(self) -> None:
        async for value in self._manager.stream_async("status", follow=True):
            self._status = responses.event("status", value)
            self._send(self._status)

    async def _listen(self) -> None:
        async for value in self._manager.events_async():
            self._send(responses.event("event", value))

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            self._send(responses.PING)
