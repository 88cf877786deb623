"""The service behind `[web]`: a page that shows and runs what a user may; it is loaded where it is configured."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from hmac import compare_digest
from pathlib import Path
from typing import Any

from smanager import ManagerError, SService, __version__, command
from smanager.access.origin import Origin, OriginKind, address_text
from smanager.config.listener import why_not_listening
from smanager.service import VIEW, Finished, Visitor
from smanager.web import responses
from smanager.web.assets import assets
from smanager.web.calls import LOGGED_OUT, answer_in_events, answer_whole, call_of, json_of
from smanager.web.door import Door, RefusedError, cookies, one_of
from smanager.web.http import Asked, PageServer
from smanager.web.live import LiveFeed
from smanager.web.logins import Logins, PageLogin, Rights, cookie_header, cookie_name, proof_of, shown
from smanager.web.outlet import Outlet
from smanager.web.quotas import Quotas

MOST_WINDOWS = 512  # streams of what happens, each with a descriptor
MOST_CALLS = 64  # other answers under way, each of at most 4 MiB; browsers have six connections to a host
MOST_TRIES = 32  # logins being checked, which strangers may fill, and users' answers may not wait for
SWEEP_SECONDS = 60.0  # between two looks for logins that are over


class WebPage(SService):
    """Serves a web page about the services, and their commands"""

    calls_ready = True

    def start(self) -> None:
        needs_login = self.options["login"]
        self._context = context_of(self.options["tls"])
        scheme = "https" if self._context else "http"
        self._door = Door(scheme, self.options["origins"], self.options["proxies"], needs_login)
        self._visitors = None if needs_login else PageLogin(self.manager, roles=list(self.options["roles"]))
        self._logins = Logins(self._forget)
        self._feeds: dict[Rights, LiveFeed] = {}  # of all who have looked, which are few
        self._answers: set[asyncio.Task[None]] = set()
        self._windows, self._calls = Quotas(MOST_WINDOWS, "windows"), Quotas(MOST_CALLS, "answers")
        self._tries = Quotas(MOST_TRIES, "logins")
        self._address = ""
        self._ended = asyncio.Event()

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = self._listen()
        server.begin()
        print(f"the page is at {self._address}")
        self.ready()
        sweeping = asyncio.create_task(self._sweep())
        await self._ended.wait()
        sweeping.cancel()
        server.close()
        for answer in self._answers:
            answer.cancel()

    def _listen(self) -> PageServer:
        """Bind the address. Raises Finished if that fails."""
        host, port = self.options["listen"]
        try:
            server = PageServer((host, port), assets(), self._door, self._context, self._take)
        except OSError as error:
            raise Finished(f"{address_text(host, port)}: {why_not_listening(error)}", clean=False) from None
        host, port, *_ = server.socket.getsockname()
        self._address = f"{self._door.scheme}://{address_text(host, port)}/"
        return server

    async def stop(self) -> None:
        self._ended.set()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._logins.sweep()

    @command(role=VIEW, default=True)
    def cmd_address(self) -> str:
        """Shows where the page is"""
        return self._address

    # Answers.

    def _take(self, asked: Asked, connection: socket.socket) -> None:
        """Take over a request, in its thread."""
        self._loop.call_soon_threadsafe(self._begin, asked, connection)

    def _begin(self, asked: Asked, connection: socket.socket) -> None:
        outlet = Outlet(connection)
        is_try = asked.path == "/login"  # which counts, whoever waits for its answer
        if outlet.is_gone and not is_try:
            return
        task = asyncio.create_task(self._answer(asked, outlet))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)
        if not is_try:
            outlet.when_gone = task.cancel

    async def _answer(self, asked: Asked, outlet: Outlet) -> None:
        login = self._login_of(asked)
        try:
            with self._place(asked, login), login.in_use() if login else nullcontext():
                await self._work_on(asked, outlet)
                outlet.end()
                await outlet.gone()  # what has not been read yet counts
        except RefusedError as error:
            outlet.write(responses.error(error.status, str(error)))
        except ManagerError as error:
            outlet.write(responses.error(503, str(error)))
        finally:
            outlet.end()

    def _place(self, asked: Asked, login: PageLogin | None) -> AbstractContextManager[None]:
        """A place for an answer: a user has as many as one network of strangers, whatever the number of logins."""
        network = Origin(OriginKind.TCP, asked.client).network
        if asked.path == "/login":
            return self._tries.place(network)
        places = self._windows if asked.path == "/live" else self._calls
        return places.place(login.user if login else network)

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
        login = self._login_of(asked)
        cookie = cookie_header(asked.origin, "") if self._cookie_of(asked) and not login else {}
        if login is None and asked.certificate:
            with suppress(ManagerError):  # a certificate of no user: there are other ways to log in
                visitor = await self.manager.log_in_async(asked.client, certificate=list(asked.certificate))
                login, cookie = self._admit(visitor, asked)
        outlet.write(responses.answer(200, self._shown(login or self._visitors), cookie))

    async def _log_in(self, asked: Asked, outlet: Outlet) -> None:
        proof = proof_of(json_of(asked.body))
        try:
            visitor = await self.manager.log_in_async(asked.client, **proof)
        except ManagerError as error:
            raise RefusedError(401 if error.code == LOGGED_OUT else 503, str(error)) from None
        if before := self._login_of(asked):
            self._logins.end(before)
        login, cookie = self._admit(visitor, asked)
        if outlet.is_gone:
            self._logins.end(login)
        outlet.write(responses.answer(200, self._shown(login), cookie))

    async def _log_out(self, asked: Asked, outlet: Outlet) -> None:
        if login := self._login_of(asked):
            self._require_token(asked, login)
            self._logins.end(login)
        outlet.write(responses.answer(200, self._shown(self._visitors), cookie_header(asked.origin, "")))

    async def _live(self, asked: Asked, outlet: Outlet) -> None:
        login = self._require_login(asked)
        feed = self._feeds.setdefault(login.rights, LiveFeed())
        feed.add(outlet, login)
        try:
            await outlet.gone()
        finally:
            feed.remove(outlet)

    async def _call(self, asked: Asked, outlet: Outlet) -> None:
        login = self._require_login(asked)
        self._require_token(asked, login)
        call = call_of(asked.body)
        wants_events = "text/event-stream" in one_of(asked.headers, "Accept", "")
        await (answer_in_events if wants_events else answer_whole)(login.manager, call, outlet)

    # Logins.

    def _admit(self, visitor: Visitor, asked: Asked) -> tuple[PageLogin, Mapping[str, str]]:
        """A new login, and the header that gives its cookie to the browser."""
        login = PageLogin(visitor, visitor, visitor.user, list(visitor.roles))
        self._logins.begin(login)
        return login, cookie_header(asked.origin, login.token)

    def _cookie_of(self, asked: Asked) -> str:
        return cookies(asked.headers).get(cookie_name(asked.origin), "")

    def _login_of(self, asked: Asked) -> PageLogin | None:
        return self._logins.find(self._cookie_of(asked))

    def _require_login(self, asked: Asked) -> PageLogin:
        """The login that a request has, or that of all who need none. Raises RefusedError."""
        if login := self._login_of(asked):
            return login
        if self._cookie_of(asked):  # who was logged in should know of the end, also where others may look
            raise RefusedError(401, "you are logged out: log in again")
        if self._visitors is None:
            raise RefusedError(401, "log in first")
        return self._visitors

    def _require_token(self, asked: Asked, login: PageLogin) -> None:
        if not compare_digest(one_of(asked.headers, "X-CSRF-Token", "").encode(), login.csrf.encode()):
            raise RefusedError(403, "X-CSRF-Token is not the one of this login, which /session tells")

    def _forget(self, login: PageLogin) -> None:
        """End what a login that is over has open."""
        if login.visitor:
            login.visitor.log_out()
        if feed := self._feeds.get(login.rights):
            feed.end(login, {"code": 0, "message": "you are logged out"})

    def _shown(self, login: PageLogin | None) -> dict[str, Any]:
        about = {"version": __version__, "title": socket.gethostname()}
        return shown(login, self._door.needs_login) | about


def context_of(files: Mapping[str, str] | None) -> Callable[[], ssl.SSLContext] | None:
    """What returns the context for TLS with these files; None without any."""
    if not files:
        return None
    from smanager.config.listener import Tls  # here, because most pages have no TLS of their own
    from smanager.web.secured import Secured

    return Secured(Tls(**{name: Path(path) for name, path in files.items()})).context
