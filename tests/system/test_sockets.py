"""Sockets that are ready are served together, and what follows from that leaves together."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from smanager.system.outbox import Outbox, Stage
from smanager.system.sockets import READ, WRITE, Sockets
from smanager.system.turns import TURN_SECONDS, Turns

DEADLINE = 10.0


class Desk:
    """Sockets on a clock that only the test moves, and what was done, in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self.outbox = Outbox()
        self.turns = Turns(lambda: self.now)
        self.sockets = Sockets(self.outbox, self.turns)
        self.done: list[str] = []

    @contextmanager
    def pair(self, ready: Callable[[int], object]) -> Iterator[tuple[socket.socket, socket.socket]]:
        """A socket that is waited for, and the other end."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self.sockets.wait(ours, 0, READ, ready)
            yield ours, theirs
            if ours.fileno() >= 0:
                self.sockets.wait(ours, READ, 0, ready)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await asyncio.sleep(0.001)


def on(work: Callable[[Desk], Coroutine[Any, Any, None]]) -> Desk:
    async def run() -> Desk:
        desk = Desk()
        await work(desk)
        return desk

    return asyncio.run(run())


def test_what_follows_from_all_that_are_ready_leaves_once_at_the_end_and_in_order() -> None:
    async def work(desk: Desk) -> None:
        def serve(name: str, one: Callable[[], socket.socket]) -> Callable[[int], None]:
            def ready(events: int) -> None:
                one().recv(10)
                desk.done.append(name)
                desk.outbox.at_end(Stage.OUTPUT, lambda: desk.done.append(f"output of {name}"))
                desk.outbox.at_end(Stage.JOURNAL, lambda: desk.done.append(f"line of {name}"))

            return ready

        with (
            desk.pair(serve("a", lambda: ours_a)) as (ours_a, theirs_a),
            desk.pair(serve("b", lambda: ours_b)) as (ours_b, theirs_b),
        ):
            theirs_a.send(b"x")
            theirs_b.send(b"x")
            await desk.until(lambda: len(desk.done) == 6)

    done = on(work).done
    assert {*done[:2]} == {"a", "b"}
    assert {*done[2:4]} == {"line of a", "line of b"}
    assert {*done[4:]} == {"output of a", "output of b"}


def test_one_that_fails_keeps_no_other_from_being_served(caplog: pytest.LogCaptureFixture) -> None:
    async def work(desk: Desk) -> None:
        def fail(events: int) -> None:
            desk.sockets.wait(bad, READ, 0, fail)
            raise ZeroDivisionError

        def ready(events: int) -> None:
            good.recv(10)
            desk.outbox.at_end(Stage.OUTPUT, lambda: desk.done.append("served"))

        with desk.pair(fail) as (bad, first), desk.pair(ready) as (good, second):
            first.send(b"x")
            second.send(b"x")
            await desk.until(lambda: desk.done)
            bad.close()

    assert on(work).done == ["served"]
    assert "internal error" in caplog.text


def test_a_socket_is_waited_for_as_was_asked_last() -> None:
    async def work(desk: Desk) -> None:
        def ready(events: int) -> None:
            desk.done.append("write" if events & WRITE else "read")
            desk.sockets.wait(ours, waited[0], 0, ready)
            waited[0] = 0

        ours, theirs = socket.socketpair()
        with ours, theirs:
            waited = [READ]
            desk.sockets.wait(ours, 0, READ, ready)
            desk.sockets.wait(ours, READ, WRITE, ready)
            waited[0] = WRITE
            await desk.until(lambda: desk.done == ["write"])
            desk.sockets.wait(ours, 0, READ, ready)
            waited[0] = READ
            theirs.send(b"x")
            await desk.until(lambda: desk.done == ["write", "read"])
            theirs.send(b"x")
            for _ in range(3):
                await asyncio.sleep(0)

    assert on(work).done == ["write", "read"]


def test_all_that_are_ready_share_a_turn_and_what_is_left_has_the_next() -> None:
    async def work(desk: Desk) -> None:
        def serve(name: str, one: Callable[[], socket.socket]) -> Callable[[int], None]:
            def ready(events: int) -> None:
                one().recv(10)
                run()

            def run() -> None:
                if desk.turns.is_over():
                    desk.done.append("later")
                    desk.turns.later(name, run)
                else:
                    desk.done.append("now")
                    desk.now += TURN_SECONDS

            return ready

        with (
            desk.pair(serve("a", lambda: ours_a)) as (ours_a, theirs_a),
            desk.pair(serve("b", lambda: ours_b)) as (ours_b, theirs_b),
        ):
            theirs_a.send(b"x")
            theirs_b.send(b"x")
            await desk.until(lambda: desk.done.count("now") == 2)

    assert on(work).done == ["now", "later", "now"]
