"""Replies that a node keeps: how many, how long, and what is said of those that it does not keep."""

from __future__ import annotations

import asyncio

import pytest

from smanager.fleet import replies
from smanager.fleet.messages import PieceKind, ReplyPiece, RequestId, decode_piece
from smanager.fleet.replies import NOT_KEPT, REMEMBERED_SECONDS, OutgoingReply, RecentReplies, RequestKey


def reply_of(number: int, text: str = "done") -> tuple[OutgoingReply, list[ReplyPiece]]:
    """A reply that is complete, and the pieces that it sends."""
    sent: list[ReplyPiece] = []

    async def send(data: bytes) -> None:
        sent.append(decode_piece(data)[1])

    reply = OutgoingReply(RequestKey("alice", RequestId("s", number)), send, lambda: 0)
    asyncio.run(reply.add(PieceKind.RESULT, text))
    return reply, sent


def test_a_reply_is_sent_again_from_memory() -> None:
    reply, sent = reply_of(1)
    asyncio.run(reply.again(0))
    assert sent == [ReplyPiece(0, PieceKind.RESULT, b'"done"')] * 2


def test_what_has_come_and_was_not_read_gives_no_room_for_more() -> None:
    async def run() -> None:
        async def send(data: bytes) -> None:
            sent.append(decode_piece(data)[1])

        async def add() -> None:
            for number in range(10_000):
                await reply.add(PieceKind.ITEM, number)

        sent: list[ReplyPiece] = []
        reply = OutgoingReply(RequestKey("alice", RequestId("s", 1)), send, lambda: 0)
        adding = asyncio.create_task(add())
        await asyncio.sleep(0)
        before = len(sent)
        await reply.again(before)
        await asyncio.sleep(0)
        assert [piece.kind for piece in sent[before:]] == [PieceKind.ALIVE]
        await reply.again(before - 1)
        assert sent[before + 1 :] == sent[before - 1 : before]
        adding.cancel()

    asyncio.run(run())


def test_replies_are_forgotten_by_age_and_it_is_known_from_when_on_none_are() -> None:
    recent = RecentReplies(5.0)
    recent.add(first := reply_of(1)[0], 10.0)
    recent.add(second := reply_of(2)[0], 20.0)
    assert recent.since == 5.0
    recent.add(reply_of(3)[0], 15.0 + REMEMBERED_SECONDS)
    assert (recent.get(first.key), recent.get(second.key), recent.since) == (None, second, 10.0)


def test_replies_are_forgotten_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "MOST_REMEMBERED", 2)
    recent = RecentReplies(5.0)
    kept = [reply_of(number)[0] for number in range(4)]
    for when, reply in enumerate(kept, 10):
        recent.add(reply, float(when))
    assert [recent.get(reply.key) is reply for reply in kept] == [False, False, True, True]
    assert recent.since == 11.0


def test_of_the_oldest_of_many_long_replies_only_the_end_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "KEPT_LIMIT", 5000)
    recent = RecentReplies(0.0)
    (long, sent), (longer, _) = reply_of(1, "x" * 3000), reply_of(2, "x" * 4000)
    recent.add(long, 1.0)
    recent.add(longer, 2.0)
    assert (long.size, recent.get(long.key)) == (0, long)
    asyncio.run(long.again(0))
    assert sent[-1].kind is PieceKind.ERROR
    assert NOT_KEPT[1].encode() in sent[-1].data  # type: ignore[attr-defined]
    assert longer.size > 4000
