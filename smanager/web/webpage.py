"""The service behind `[web]`: a page that shows and runs what a user may; it is loaded where it is configured."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from smanager import ManagerError, SService, __version__
from smanager.access.origin import address_text
from smanager.web import responses
from smanager.web.assets import assets
from smanager.web.calls import LOGGED_OUT, answer_in_events, answer_whole, call_of, json_of
from smanager.web.door import Door, RefusedError, cookies, one_of
from smanager.web.http import Asked, PageServer
from smanager.web.live import LiveFeed
from smanager.web.logins import Logins, PageLogin, cookie_header, cookie_name, proof_of, shown
from smanager.web.outlet import Outlet

MOST_ANSWERS = 512  # answers under way, each with a descriptor: windows, and commands that run
SWEEP_SECONDS = 60.0  # between two looks for logins that are over


class WebPage(SService):
    """Serves a web page about the services, and their commands"""

    def start(self) -> None:
        host, port = self.options["listen"]
        needs_login = self.options["login"]
        self._door = Door("http", self.options["origins"], self.options["proxies"], needs_login)
        self._server = PageServer((host, port), assets(), self._door, self._take)
        self._visitors = None if needs_login else PageLogin(self.manager, roles=list(self.options["roles"]))
        self._logins = Logins(self._forget)
        self._feeds: dict[PageLogin, LiveFeed] = {}
        self._answers: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._server, self._server.handle_request)
        host, port, *_ = self._server.socket.getsockname()
        print(f"the page is at {self._door.scheme}://{address_text(str(host), int(port))}/")
        sweeping = asyncio.create_task(self._sweep())
        await self._ended.wait()
        sweeping.cancel()
        self._loop.remove_reader(self._server)
        self._server.close()
        for answer in self._answers:
            answer.cancel()

    async def stop(self) -> None:
        self._ended.set()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._logins.sweep()

    # Answers.

    def _take(self, asked: Asked, connection: socket.socket) -> None:
        """Take over a request, in its thread."""
        self._loop.call_soon_threadsafe(self._begin, asked, connection)

    def _begin(self, asked: Asked, connection: socket.socket) -> None:
        outlet = Outlet(connection)
        if len(self._answers) >= MOST_ANSWERS:
            outlet.write(responses.error(503, f"{MOST_ANSWERS} answers are under way; try again later"))
            outlet.end()
            return
        task = asyncio.create_task(self._answer(asked, outlet))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)
        if asked.path != "/login":  # which counts as a try, whoever waits for its answer
            outlet.when_gone = task.cancel

    async def _answer(self, asked: Asked, outlet: Outlet) -> None:
        try:
            await self._work_on(asked, outlet)
        except RefusedError as error:
            outlet.write(responses.error(error.status, str(error)))
        except ManagerError as error:
            outlet.write(responses.error(503, str(error)))
        finally:
            outlet.end()

    def _work_on(self, asked: Asked, outlet: Outlet) -> Awaitable[None]:
        works: dict[str, Callable[[Asked, Outlet], Awaitable[None]]] = {
            "/session": self._session,
            "/login": self._log_in,
            "/logout": self._log_out,
            "/live": self._live,
            "/call": self._call,
        }
        return works[asked.path](asked, outlet)

    async def _session(self, asked: Asked, outlet: Outlet) -> None:
        login = self._login_of(asked) or self._visitors
        outlet.write(responses.answer(200, self._shown(login)))

    async def _log_in(self, asked: Asked, outlet: Outlet) -> None:
        proof = proof_of(json_of(asked.body))
        try:
            visitor = await self.manager.log_in_async(asked.client, **proof)
        except ManagerError as error:
            raise RefusedError(401 if error.code == LOGGED_OUT else 503, str(error)) from None
        if before := self._login_of(asked):
            self._logins.end(before)
        login = PageLogin(visitor, visitor, visitor.user, list(visitor.roles))
        self._logins.begin(login)
        outlet.write(responses.answer(200, self._shown(login), cookie_header(asked.origin, login.token)))

    async def _log_out(self, asked: Asked, outlet: Outlet) -> None:
        if login := self._login_of(asked):
            self._require_token(asked, login)
            self._logins.end(login)
        outlet.write(responses.answer(200, self._shown(self._visitors), cookie_header(asked.origin, "")))

    async def _live(self, asked: Asked, outlet: Outlet) -> None:
        login = self._require_login(asked)
        feed = self._feeds.setdefault(login, LiveFeed(login.manager))
        login.windows += 1
        feed.add(outlet)
        try:
            await outlet.gone()
        finally:
            login.windows -= 1
            feed.remove(outlet)
            if not feed:
                self._feeds.pop(login, None)

    async def _call(self, asked: Asked, outlet: Outlet) -> None:
        login = self._require_login(asked)
        self._require_token(asked, login)
        call = call_of(asked.body)
        wants_events = "text/event-stream" in one_of(asked.headers, "Accept", "")
        await (answer_in_events if wants_events else answer_whole)(login.manager, call, outlet)

    # Logins.

    def _login_of(self, asked: Asked) -> PageLogin | None:
        return self._logins.find(cookies(asked.headers).get(cookie_name(asked.origin), ""))

    def _require_login(self, asked: Asked) -> PageLogin:
        """The login that a request has, or that of all who need none. Raises RefusedError."""
        if login := self._login_of(asked) or self._visitors:
            return login
        raise RefusedError(401, "log in first")

    def _require_token(self, asked: Asked, login: PageLogin) -> None:
        if one_of(asked.headers, "X-CSRF-Token", "") != login.csrf:
            raise RefusedError(403, "X-CSRF-Token is not the one of this login, which /session tells")

    def _forget(self, login: PageLogin) -> None:
        """End what a login that is over has open."""
        if login.visitor:
            login.visitor.log_out()
        if feed := self._feeds.pop(login, None):
            feed.end({"code": 0, "message": "you are logged out"})

    def _shown(self, login: PageLogin | None) -> dict[str, Any]:
        about = {"version": __version__, "title": socket.gethostname()}
        return shown(login, self._door.needs_login) | about
