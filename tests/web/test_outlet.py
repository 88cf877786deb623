"""Answers on their way to browsers: slow ones, those that have gone, and streams for many windows."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from smanager.service import ManagerClient, ManagerError
from smanager.web import outlet as outlet_module
from smanager.web.calls import LOGGED_OUT, PageCall, answer_in_events, answer_whole
from smanager.web.door import RefusedError
from smanager.web.http import HEAD_LIMIT, TimedReader
from smanager.web.live import LiveFeed
from smanager.web.logins import PageLogin
from smanager.web.outlet import ROOM, Outlet

MUCH = b"x" * (4 * ROOM)


def with_browser(work: Callable[[Outlet, socket.socket], Any]) -> None:
    async def run() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.settimeout(10)
            outlet = Outlet(ours)
            await asyncio.wait_for(work(outlet, theirs), 10)
            outlet.close()

    asyncio.run(run())


async def read(theirs: socket.socket, size: int) -> bytes:
    """Read as a browser does, in another thread."""

    def read_all() -> bytes:
        data = b""
        while len(data) < size and (piece := theirs.recv(65536)):
            data += piece
        return data

    return await asyncio.to_thread(read_all)


def test_a_slow_browser_holds_its_writer_back() -> None:
    async def work(outlet: Outlet, theirs: socket.socket) -> None:
        outlet.write(MUCH)
        draining = asyncio.create_task(outlet.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        assert await read(theirs, len(MUCH)) == MUCH
        assert await draining
        assert outlet.unsent == 0

    with_browser(work)


def test_a_browser_that_takes_too_long_loses_its_stream_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet_module, "SLOW_SECONDS", 0.05)

    async def work(outlet: Outlet, theirs: socket.socket) -> None:
        manager = StandInManager(("item", "x" * 4 * ROOM), ("item", "more"), ("result", None))
        await answer_in_events(manager, CALL, outlet)
        seen = b""
        while not seen.endswith(b"\n\n") or b"event: error" not in seen:
            seen += await read(theirs, 1)
        assert b"box.work: cancelled, because nothing was read" in seen
        assert b"more" not in seen

    with_browser(work)


def test_the_end_does_not_wait_for_a_browser_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet_module, "SLOW_SECONDS", 0.05)

    async def work(outlet: Outlet, theirs: socket.socket) -> None:
        outlet.write(MUCH)
        outlet.end()
        await outlet.gone()

    with_browser(work)


def test_what_is_written_before_the_end_arrives() -> None:
    async def work(outlet: Outlet, theirs: socket.socket) -> None:
        outlet.write(MUCH)
        outlet.end()
        outlet.write(b"no more")
        assert await read(theirs, len(MUCH) + 1) == MUCH
        assert outlet.is_gone

    with_browser(work)


@pytest.mark.parametrize("last", [b"", b"GET / HTTP/1.1\r\n\r\n"])
def test_a_browser_that_goes_is_noticed(last: bytes) -> None:
    """One that sends another request before its answer has come is none."""

    async def work(outlet: Outlet, theirs: socket.socket) -> None:
        told: list[str] = []
        outlet.when_gone = lambda: told.append("gone")
        theirs.sendall(last)
        if not last:
            theirs.close()
        await outlet.gone()
        outlet.write(b"x")
        outlet.end()
        assert told == ["gone"]

    with_browser(work)


class StandInManager(ManagerClient):
    """Answers with these parts, and then waits, or raises."""

    def __init__(self, *parts: tuple[str, Any] | ManagerError, goes_on: bool = False) -> None:
        self.parts = parts
        self.goes_on = goes_on
        self.asked: list[str] = []

    async def follow_async(self, method: str, params: Any = ()) -> Any:
        self.asked.append(method)
        for part in self.parts:
            if isinstance(part, ManagerError):
                raise part
            yield part
        if self.goes_on:
            await asyncio.sleep(3600)

    async def stream_async(self, method: str, /, *arguments: object, **options: object) -> AsyncIterator[Any]:
        async for kind, value in self.follow_async(method):
            if kind == "item":
                yield value

    def events_async(self, *services: str) -> AsyncIterator[Any]:
        return self.stream_async("events")


CALL = PageCall("box.work", {}, 7)
RESULT = b'event: result\ndata: "done"\n\n'


@pytest.mark.parametrize(
    ("parts", "end"),
    [
        ([("item", 1), ("result", "done")], b"event: item\ndata: 1\n\n" + RESULT),
        ([("progress", {"done": 1}), ("result", "done")], b'event: progress\ndata: {"done": 1}\n\n' + RESULT),
        ([ManagerError("no", 5)], b'event: error\ndata: {"code": 5, "message": "no"}\n\n'),
        ([ManagerError("no", 5, {"a": 1})], b'event: error\ndata: {"code": 5, "message": "no", "data": {"a": 1}}\n\n'),
        ([], b"not answered before the page's service was stopped\"}\n\n"),
    ],
)
def test_each_stream_ends_with_a_result_or_an_error(parts: list[tuple[str, Any] | ManagerError], end: bytes) -> None:
    async def work(outlet: Outlet, theirs: socket.socket) -> None:
        await answer_in_events(StandInManager(*parts), CALL, outlet)
        outlet.end()
        assert (await read(theirs, 1_000_000)).endswith(end)

    with_browser(work)


@pytest.mark.parametrize(
    ("parts", "end"),
    [
        ([("item", 1), ("result", {"a": 1})], b'{"jsonrpc": "2.0", "id": 7, "result": {"a": 1}}'),
        ([("result", None)], b'{"jsonrpc": "2.0", "id": 7, "result": null}'),
        ([ManagerError("no", 5)], b'{"jsonrpc": "2.0", "id": 7, "error": {"code": 5, "message": "no"}}'),
        ([], b"not answered before the page's service was stopped\"}}"),
    ],
)
def test_each_call_has_a_result_or_an_error(parts: list[tuple[str, Any] | ManagerError], end: bytes) -> None:
    async def work(outlet: Outlet, theirs: socket.socket) -> None:
        await answer_whole(StandInManager(*parts), CALL, outlet)
        outlet.end()
        assert (await read(theirs, 1_000_000)).endswith(end)

    with_browser(work)


def test_many_windows_ask_the_manager_once_and_a_slow_one_is_given_up() -> None:
    async def work(outlet: Outlet, theirs: socket.socket) -> None:
        manager = StandInManager(("item", "first"), goes_on=True)
        feed, login = LiveFeed(), PageLogin(manager)
        ours, other = socket.socketpair()
        slow = Outlet(ours)
        feed.add(outlet, login)
        feed.add(slow, login)
        while len(feed._windows) > 1:
            await asyncio.sleep(0)
            feed._send(b": more\n\n" * 1000)
            with suppress(BlockingIOError):
                theirs.recv(1_000_000, socket.MSG_DONTWAIT)
        other.setblocking(False)
        while not slow.is_gone:
            await asyncio.sleep(0)
            with suppress(BlockingIOError):
                seen = other.recv(1_000_000)
        assert b"too slow" in seen
        assert not outlet.is_gone
        assert sorted(manager.asked) == ["events", "status"]
        feed.remove(outlet)
        assert not feed._works
        other.close()

    with_browser(work)


def test_a_login_that_is_over_ends_its_windows() -> None:
    async def work(outlet: Outlet, theirs: socket.socket) -> None:
        feed = LiveFeed()
        feed.add(outlet, PageLogin(StandInManager(ManagerError("logged out", LOGGED_OUT))))
        seen = await read(theirs, 1_000_000)
        assert seen.endswith(b'event: error\ndata: {"code": -32002, "message": "logged out"}\n\n')
        assert not feed._works

    with_browser(work)


def test_the_end_of_one_login_leaves_the_windows_of_the_users_others() -> None:
    async def work(outlet: Outlet, theirs: socket.socket) -> None:
        first, second = (
            StandInManager(ManagerError("logged out", LOGGED_OUT)),
            StandInManager(("item", "it"), goes_on=True),
        )
        ours, other = socket.socketpair()
        feed = LiveFeed()
        feed.add(outlet, PageLogin(first))
        feed.add(Outlet(ours), PageLogin(second))
        assert (await read(theirs, 1_000_000)).endswith(b'"message": "logged out"}\n\n')
        while len(second.asked) < 2:
            await asyncio.sleep(0)
        other.setblocking(False)
        assert b'event: status\ndata: "it"\n\n' in other.recv(1_000_000)
        feed.end(feed._windows.popitem()[1], {})
        other.close()

    with_browser(work)


def test_a_window_goes_without_what_its_roles_do_not_show() -> None:
    async def work(outlet: Outlet, theirs: socket.socket) -> None:
        feed = LiveFeed()
        feed.add(outlet, PageLogin(StandInManager(ManagerError("unknown method", -32601))))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not outlet.is_gone
        feed.remove(outlet)

    with_browser(work)


def test_a_request_has_a_deadline_and_a_limit() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader = TimedReader(ours)
        theirs.sendall(b"x" * HEAD_LIMIT)
        assert len(reader.read(HEAD_LIMIT) or b"") == HEAD_LIMIT
        with pytest.raises(RefusedError, match="the head of a request of more than"):
            reader.read(1)
        reader.allow(0.02, 10)
        with pytest.raises(TimeoutError):
            reader.read(1)
        reader.allow(0, 10)
        with pytest.raises(TimeoutError):
            reader.read(1)
