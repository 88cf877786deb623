"""What happens now, for the open windows of one user: the manager is asked once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from smanager.service import ManagerClient, ManagerError
from smanager.web import responses
from smanager.web.calls import LOGGED_OUT, error_object
from smanager.web.logins import PageLogin
from smanager.web.outlet import ROOM, Outlet

PING_SECONDS = 15.0  # of silence after which a proxy could take the stream for dead


class LiveFeed:
    """The streams of all logins of one user that have the same roles, and what is asked for them."""

    def __init__(self) -> None:
        self._windows: dict[Outlet, PageLogin] = {}
        self._works: list[asyncio.Task[None]] = []
        self._status = b""  # the last event of that kind

    def add(self, outlet: Outlet, login: PageLogin) -> None:
        outlet.write(responses.stream_head() + self._status)
        self._windows[outlet] = login
        if not self._works:
            self._works = [asyncio.create_task(self._asking(work)) for work in (self._look, self._listen)]
            self._works.append(asyncio.create_task(self._ping()))

    def remove(self, outlet: Outlet) -> None:
        self._windows.pop(outlet, None)
        if not self._windows:
            self._rest()

    def end(self, login: PageLogin, reason: dict[str, object]) -> None:
        """End the streams of a login, with a last word."""
        for outlet in [one for one, whose in self._windows.items() if whose is login]:
            self._end_one(outlet, reason)

    def _end_one(self, outlet: Outlet, reason: dict[str, object]) -> None:
        outlet.write(responses.event("error", reason))
        outlet.end()
        self.remove(outlet)

    def _rest(self) -> None:
        self._status = b""
        works, self._works = self._works, []
        for work in works:
            work.cancel()

    def _send(self, data: bytes) -> None:
        for outlet, login in list(self._windows.items()):
            if login.visitor and login.visitor.ended:
                self._end_one(outlet, {"code": LOGGED_OUT, "message": login.visitor.ended})
            elif outlet.unsent > ROOM:
                self._end_one(outlet, {"code": 0, "message": "too slow: connect again"})
            else:
                outlet.write(data)

    async def _asking(self, work: Callable[[ManagerClient], Coroutine[Any, Any, None]]) -> None:
        """Work by one of the logins after the other; what its roles do not let it see, the streams go without."""
        while self._windows:
            login = next(iter(self._windows.values()))
            try:
                await work(login.manager)
            except ManagerError as error:
                if error.code in (0, LOGGED_OUT):
                    self.end(login, error_object(error))
                    continue
            return

    async def _look(self, manager: ManagerClient) -> None:
        async for value in manager.stream_async("status", follow=True):
            self._status = responses.event("status", value)
            self._send(self._status)

    async def _listen(self, manager: ManagerClient) -> None:
        async for value in manager.events_async():
            self._send(responses.event("event", value))

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            self._send(responses.PING)
