"""A reply and how it comes in: what is read is what was sent, once and in order, whatever the hub loses."""

from __future__ import annotations

import asyncio
import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smanager.fleet import incoming
from smanager.fleet.incoming import Incoming, Value
from smanager.fleet.messages import PIECE_COST, PIECE_LIMIT, WINDOW, PieceKind, ReplyPiece, RequestId, decode_piece
from smanager.fleet.replies import OutgoingReply, RequestKey

KEY = RequestKey("alice", RequestId("s", 1))
LARGEST = 2 * WINDOW  # bytes of a value in these tests


class Way:
    """A node and its requester, and the messages between them, some of which are lost, doubled, or late."""

    def __init__(self, chance: random.Random, loss: float, limit: int) -> None:
        self.reply = OutgoingReply(KEY, self._send, lambda: limit)
        self.incoming = Incoming()
        self.read: list[object] = []
        self._pieces: deque[bytes] = deque()
        self._unread: deque[Value] = deque()
        self._chance = chance
        self._loss = loss

    async def _send(self, data: bytes) -> None:
        for _ in range(self._chance.choices((0, 1, 2), (self._loss, 1, self._loss))[0]):
            self._pieces.append(data)

    async def carry(self, values: list[tuple[PieceKind, object]]) -> None:
        sending = asyncio.create_task(self._add(values))
        for _ in range(20_000):
            if self.incoming.is_complete and not self._unread:
                break
            await self._step()
        await asyncio.wait_for(sending, 1)

    async def _add(self, values: list[tuple[PieceKind, object]]) -> None:
        for kind, value in values:
            await self.reply.add(kind, value)

    async def _step(self) -> None:
        """One of the things that happen; chance decides which."""
        await asyncio.sleep(0)
        match self._chance.randrange(8):
            case 0 | 1 | 2 if self._pieces:
                if value := self.incoming.receive(decode_piece(self._pieces.popleft())[1]):
                    self._unread.append(value)
            case 3 | 4 if self._unread:
                self.incoming.took(value := self._unread.popleft())
                self.read.append((value.kind, value.content))
            case 5 if (following := self.incoming.to_tell()) is not None and self._chance.random() >= self._loss:
                self.reply.taken(following)
            case 6 if not self._pieces:
                await self.reply.show()
            case 7 if not self.incoming.is_complete and (self.incoming.is_missing or not self._pieces):
                await self.reply.again(self.incoming.next)


VALUES = st.lists(
    st.tuples(st.sampled_from((PieceKind.ITEM, PieceKind.PROGRESS)), st.text("ab", max_size=20)), max_size=10
)


@settings(max_examples=50)
@given(VALUES, st.integers(0, 2**32), st.sampled_from((0.0, 0.1, 0.2)), st.integers(258, 300))
def test_what_is_read_is_what_was_sent(
    values: list[tuple[PieceKind, object]], seed: int, loss: float, limit: int
) -> None:
    values = [*values, (PieceKind.RESULT, "end")]
    way = Way(random.Random(seed), loss, limit)
    asyncio.run(way.carry(values))
    assert way.read == values


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("loss", [0.0, 0.2])
def test_long_replies_come_whole_and_their_memory_is_bounded(seed: int, loss: float) -> None:
    chance = random.Random(seed)
    sizes = [chance.choice((1, 100, WINDOW // 4, WINDOW, LARGEST)) for _ in range(12)]
    values: list[tuple[PieceKind, object]] = [(PieceKind.ITEM, "x" * size) for size in sizes]
    values.append((PieceKind.RESULT, "y" * chance.choice((1, LARGEST))))
    way = Way(chance, loss, 128 * 1024)
    asyncio.run(way.carry(values))
    assert way.read == values
    assert way.reply.size <= WINDOW + 128 * 1024


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_slow_reader_stops_the_sender_which_goes_on_when_half_is_taken() -> None:
    async def run() -> None:
        sent: list[ReplyPiece] = []

        async def send(data: bytes) -> None:
            sent.append(decode_piece(data)[1])

        async def add() -> None:
            for number in range(10_000):
                await reply.add(PieceKind.ITEM, number)

        reply = OutgoingReply(KEY, send, lambda: 0)
        adding = asyncio.create_task(add())
        await settled()
        before = len(sent)
        assert WINDOW // (2 * PIECE_COST) < before <= WINDOW // PIECE_COST
        reply.taken(before // 4)
        await settled()
        assert len(sent) == before
        reply.taken(before * 3 // 4)
        await settled()
        assert len(sent) > before
        adding.cancel()

    asyncio.run(run())


def test_a_cancelled_command_whose_value_was_cut_off_ends_as_cancelled() -> None:
    reader = Incoming()
    assert reader.receive(ReplyPiece(0, PieceKind.ITEM, b'"abc', is_whole=False)) is None
    value = reader.receive(ReplyPiece(1, PieceKind.ERROR, b'[-32800,"cancelled",null]'))
    assert value
    assert value.content == [-32800, "cancelled", None]


@pytest.mark.parametrize(
    "piece",
    [
        ReplyPiece(0, PieceKind.RESULT, b"{"),
        ReplyPiece(0, PieceKind.RESULT, b""),
        ReplyPiece(0, PieceKind.RESULT, b"\xff"),
        ReplyPiece(0, PieceKind.RESULT, b"[" * 100_000),
        ReplyPiece(0, PieceKind.ERROR, b'"no"'),
        ReplyPiece(0, PieceKind.ERROR, b'[1, "no"]'),
        ReplyPiece(0, PieceKind.ERROR, b'["1", 2, 3]'),
    ],
)
def test_a_value_that_is_garbage_is_named_so(piece: ReplyPiece) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
        Incoming().receive(piece)


def test_a_value_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "VALUE_LIMIT", 10 * PIECE_COST)
    reader = Incoming()
    for number in range(10):
        reader.receive(ReplyPiece(number, PieceKind.ITEM, b"", is_whole=False))
    with pytest.raises(ValueError, match="more than 2560 bytes"):
        reader.receive(ReplyPiece(10, PieceKind.ITEM, b"", is_whole=False))


def test_a_node_that_does_not_wait_for_its_reader_is_given_up() -> None:
    reader = Incoming()
    piece = ReplyPiece(0, PieceKind.ITEM, b'"%s"' % (b"x" * (PIECE_LIMIT - 2)))
    taken = [reader.receive(piece._replace(number=number)) for number in range(3)]  # as many as a window begins
    with pytest.raises(ValueError, match="more than 131072 bytes ahead of what was taken"):
        reader.receive(piece._replace(number=3))
    assert all(taken)


def test_the_end_comes_whatever_was_taken() -> None:
    reader = Incoming()
    piece = ReplyPiece(0, PieceKind.ITEM, b'"%s"' % (b"x" * (PIECE_LIMIT - 2)))
    for number in range(3):
        reader.receive(piece._replace(number=number))
    long = b'[0,"%s",null]' % (b"x" * PIECE_LIMIT)
    assert reader.receive(ReplyPiece(3, PieceKind.ERROR, long))


def test_a_sign_of_life_has_what_was_taken_told_again() -> None:
    reader = Incoming()
    value = reader.receive(ReplyPiece(0, PieceKind.ITEM, b'"%s"' % (b"x" * WINDOW)))
    assert value
    assert reader.to_tell() is None
    reader.took(value)
    assert reader.to_tell() == 1
    assert reader.to_tell() is None
    reader.receive(ReplyPiece(1, PieceKind.ALIVE, b""))
    assert reader.to_tell() == 1
