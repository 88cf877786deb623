"""Who is to answer, who has, and for whom to wait no longer: histories of a request, with a clock that is handed in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import pytest

from smanager.fleet import asking
from smanager.fleet.asking import (
    ASKED_AT_ONCE,
    GONE,
    LISTEN_SECONDS,
    QUIET_SECONDS,
    RETRY_SECONDS,
    SIGN_SECONDS,
    SILENT,
    Asking,
    Heard,
)
from smanager.fleet.messages import (
    GONE_SECONDS,
    KEEP_SECONDS,
    WINDOW,
    AliveRequest,
    CallRequest,
    CancelRequest,
    PieceKind,
    ReplyPiece,
    Request,
    RequestId,
    TakenRequest,
)
from smanager.fleet.subjects import to_all, to_label, to_node

REQUEST = CallRequest(RequestId("s", 1), "status", [])
ALL, LAB = to_all("alice"), to_label("alice", "site", "lab")
DONE = ReplyPiece(0, PieceKind.RESULT, b'"ok"')


class History:
    """A request to some nodes, and what was published for it."""

    def __init__(self, nodes: Iterable[str], subject: str = "") -> None:
        self.now = self.began = 1000.0
        self.published: list[tuple[str, Request]] = []
        self.asking = Asking("alice", REQUEST, subject, nodes, self._publish, lambda: self.now)

    async def _publish(self, subject: str, request: Request, node: str) -> None:
        await asyncio.sleep(0)  # as where the connection is busy
        assert (subject == to_node("alice", node)) is bool(node)
        self.published.append((node or subject, request))

    def sent(self) -> list[tuple[str, Request]]:
        """What was published since the last call."""
        published, self.published = self.published, []
        return published

    async def later(self, seconds: float) -> list[tuple[str, Request]]:
        self.now += seconds
        await self.asking.look()
        return self.sent()

    def again(self, first: int = 0) -> CallRequest:
        """The request as it is repeated now."""
        return REQUEST._replace(age=max(self.now - self.began, 0.001), first=first)

    async def hear(self, node: str, *pieces: ReplyPiece) -> None:
        for piece in pieces:
            await self.asking.receive(node, piece)

    async def heard(self) -> list[tuple[str, str]]:
        """What has come since the last call: nodes and kinds."""
        return [(one.node, one.kind) for one in await asyncio.wait_for(self.asking.some(), 1)]


def piece(number: int, kind: PieceKind = PieceKind.ITEM, data: bytes = b"1") -> ReplyPiece:
    return ReplyPiece(number, kind, data)


def with_history(*nodes: str, subject: str = "") -> Callable[[Callable[[History], Coroutine[Any, Any, None]]], Any]:
    """Makes a test of what happens to a request to these nodes, which has been sent."""

    def decorate(tell: Callable[[History], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        def test() -> None:
            async def run() -> None:
                history = History(nodes, subject)
                await history.asking.begin()
                assert history.sent() == ([(subject, REQUEST)] if subject else [(node, REQUEST) for node in nodes])
                await tell(history)

            asyncio.run(run())

        test.__name__ = tell.__name__
        return test

    return decorate


@with_history("a", "b")
async def test_it_is_over_when_all_have_answered(history: History) -> None:
    await history.hear("a", DONE)
    assert not history.asking.is_over
    await history.hear("b", piece(0), DONE._replace(number=1))
    await history.hear("b", DONE._replace(number=2))  # nobody waits for more
    await history.hear("c", DONE)  # nobody has asked
    assert await history.heard() == [("a", "result"), ("b", "item"), ("b", "result")]
    assert await history.heard() == await history.heard() == []
    assert history.asking.is_over
    await history.asking.close()
    assert history.sent() == []


@with_history()
async def test_a_request_to_no_node_is_over_at_once(history: History) -> None:
    await history.later(0.0)
    assert await history.heard() == []


def test_names_without_end_are_not_all_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST_NODES", 3)

    @with_history("a", subject=ALL)
    async def test(history: History) -> None:
        for name in ("b", "c", "d", "a"):
            await history.hear(name, DONE)
        assert history.asking.answered == ["a", "b", "c"]

    test()


@with_history("a", subject=ALL)
async def test_nodes_that_were_not_known_are_heard_until_it_is_quiet(history: History) -> None:
    await history.hear("a", DONE)
    await history.later(QUIET_SECONDS / 2)
    await history.hear("new", DONE)
    await history.later(QUIET_SECONDS / 2)
    assert not history.asking.is_over
    await history.later(QUIET_SECONDS)
    assert history.asking.is_over
    await history.hear("late", DONE)
    assert await history.heard() == [("a", "result"), ("new", "result")]
    assert history.asking.answered == ["a", "new"]


@with_history("a", "b", subject=ALL)
async def test_a_known_node_that_is_quiet_is_asked_by_name_and_then_silent(history: History) -> None:
    await history.hear("a", DONE)
    assert await history.later(QUIET_SECONDS + 0.01) == [("b", history.again())]
    assert await history.later(SIGN_SECONDS - 0.01) == []
    assert await history.later(0.02) == [("b", CancelRequest(REQUEST.id))]
    assert await history.heard() == [("a", "result"), ("b", SILENT)]
    assert history.asking.is_over


@with_history(*(f"n{number}" for number in range(3 * ASKED_AT_ONCE)), subject=ALL)
async def test_many_quiet_nodes_are_asked_little_by_little_and_not_given_up_while_others_answer(
    history: History,
) -> None:
    asked = await history.later(QUIET_SECONDS + 0.01)
    assert asked == [(f"n{number}", history.again()) for number in range(ASKED_AT_ONCE)]
    for number in range(ASKED_AT_ONCE, 2 * ASKED_AT_ONCE):
        await history.hear(f"n{number}", DONE)
    assert [name for name, _ in await history.later(0.1)] == [
        f"n{number}" for number in range(2 * ASKED_AT_ONCE, 3 * ASKED_AT_ONCE)
    ]
    for number in range(10):
        await history.later(SIGN_SECONDS - 0.2)
        await history.hear(f"n{number}", DONE)
        assert {kind for _, kind in await history.heard()} == {"result"}
    await history.later(SIGN_SECONDS + 0.1)
    assert history.asking.is_over
    assert len([kind for _, kind in await history.heard() if kind == SILENT]) == 2 * ASKED_AT_ONCE - 10


@with_history("a", "b", subject=LAB)
async def test_a_node_that_only_had_a_label_is_not_asked_by_name(history: History) -> None:
    await history.hear("a", DONE)
    assert await history.later(QUIET_SECONDS) == []
    await history.later(SIGN_SECONDS)
    assert await history.heard() == [("a", "result"), ("b", SILENT)]


@with_history("a", "b")
async def test_a_node_that_the_hub_does_not_know_is_silent_at_once(history: History) -> None:
    await history.hear("a", ReplyPiece(0, PieceKind.ALIVE, b""))
    for node in ("b", "a", "b", "c"):
        history.asking.no_one(node)
    assert await history.heard() == [("b", SILENT)]
    assert not history.asking.is_over


@with_history("a")
async def test_a_node_that_gives_signs_of_life_is_waited_for(history: History) -> None:
    for _ in range(100):
        await history.hear("a", ReplyPiece(0, PieceKind.ALIVE, b""))
        assert await history.later(KEEP_SECONDS) == [("a", AliveRequest("s"))]
    await history.hear("a", DONE)
    assert await history.heard() == [("a", "result")]


@with_history("a")
async def test_a_node_that_stops_in_the_middle_is_asked_once_more_and_then_gone(history: History) -> None:
    await history.hear("a", piece(0))
    assert await history.later(LISTEN_SECONDS - 0.01) == [("a", AliveRequest("s"))]
    assert await history.later(0.02) == [("a", history.again(1))]
    assert (await history.later(GONE_SECONDS - LISTEN_SECONDS))[-1] == ("a", CancelRequest(REQUEST.id))
    assert await history.heard() == [("a", "item"), ("a", GONE)]


@with_history("a")
async def test_a_gap_is_asked_for_once_and_again_at_a_sign_of_life(history: History) -> None:
    await history.hear("a", piece(0), piece(2), piece(3), piece(2))
    again = ("a", history.again(1))
    assert history.sent() == [again]
    await history.hear("a", ReplyPiece(4, PieceKind.ALIVE, b""))
    assert history.sent() == [again]
    await history.hear("a", piece(1), piece(2), DONE._replace(number=3))
    assert await history.heard() == [("a", "item")] * 3 + [("a", "result")]
    assert history.asking.is_over


@with_history("a", "b", "c")
async def test_after_a_lost_connection_only_what_is_missing_is_asked_for(history: History) -> None:
    await history.hear("a", DONE)
    await history.hear("b", piece(0), piece(1))
    history.now += 3600.0
    await history.asking.repeat()
    assert history.sent() == [("b", history.again(2)), ("c", history.again())]
    await history.later(0.0)
    assert await history.heard() == [("a", "result"), ("b", "item"), ("b", "item")]
    await history.hear("b", DONE._replace(number=2))
    await history.hear("c", DONE)
    assert history.asking.is_over


@with_history("a")
async def test_a_node_that_was_lost_with_the_hub_has_time_to_come_back(history: History) -> None:
    await history.hear("a", piece(0))
    history.now += 30.0
    await history.asking.repeat()
    history.sent()
    for _ in range(int((30.0 + GONE_SECONDS) / RETRY_SECONDS)):
        history.asking.no_one("a")
        sent = await history.later(RETRY_SECONDS)
        assert ("a", history.again(1)) in sent or history.asking.is_over
    await history.hear("a", DONE._replace(number=1))
    assert await history.heard() == [("a", "item"), ("a", GONE)]


@with_history("a", "b", subject=ALL)
async def test_after_a_lost_connection_all_are_asked_again_where_all_were_asked(history: History) -> None:
    await history.hear("a", piece(0))
    history.now += 1.0
    await history.asking.repeat()
    assert history.sent() == [(ALL, history.again()), ("a", history.again(1))]


@with_history("a", "b")
async def test_who_stops_reading_ends_the_command_where_it_runs(history: History) -> None:
    await history.hear("a", DONE)
    await history.asking.close()
    await history.asking.close()
    assert history.sent() == [("b", CancelRequest(REQUEST.id))]
    await history.hear("b", DONE)


@with_history("a", "b")
async def test_a_node_that_answers_garbage_fails_alone(history: History) -> None:
    for data in (b"{", b"[" * 100_000):
        await history.hear("a", piece(0, PieceKind.RESULT, data))
    await history.hear("b", DONE)
    heard = await history.asking.some()
    assert [(one.node, one.kind) for one in heard] == [("a", "error"), ("b", "result")]
    assert heard[0].value[1].startswith("its answer is not right: ")
    assert history.sent() == [("a", CancelRequest(REQUEST.id))]


@with_history("a")
async def test_a_node_is_told_what_was_read_and_not_what_has_come(history: History) -> None:
    await history.hear("a", piece(0, data=b'"%s"' % (b"x" * WINDOW)), piece(1))
    assert history.sent() == []
    assert await history.heard() == [("a", "item"), ("a", "item")]
    reading = asyncio.ensure_future(history.asking.some())
    await asyncio.sleep(0.001)
    assert history.sent() == [("a", TakenRequest(REQUEST.id, 2))]
    reading.cancel()


@with_history("a", "b")
async def test_a_reader_who_gives_up_waiting_loses_nothing(history: History) -> None:
    long = b'"%s"' % (b"x" * WINDOW)
    await history.hear("a", piece(0, data=long))
    await history.hear("b", piece(0, data=long))
    assert len(await history.heard()) == 2
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(history.asking.some(), 0)
    reading = asyncio.ensure_future(history.asking.some())
    await asyncio.sleep(0.001)
    await history.hear("a", ReplyPiece(1, PieceKind.ALIVE, b""))
    await history.hear("b", ReplyPiece(1, PieceKind.ALIVE, b""))
    assert {("a", TakenRequest(REQUEST.id, 1)), ("b", TakenRequest(REQUEST.id, 1))} <= set(history.sent())
    await history.hear("a", DONE._replace(number=1))
    assert await reading == [Heard("a", "result", "ok")]


@with_history(*(f"n{number}" for number in range(50)), subject=ALL)
async def test_nodes_may_come_while_others_are_looked_at(history: History) -> None:
    history.now += QUIET_SECONDS
    looking = asyncio.ensure_future(history.asking.look())
    for number in range(50):
        await asyncio.sleep(0)
        await history.hear(f"new{number}", DONE)
    await looking
