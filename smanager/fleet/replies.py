"""What a node owes its requesters: the replies under way, and recent ones, so that no request is carried out twice."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from smanager.fleet.messages import HEADER_SPACE, PIECE_LIMIT, WINDOW, PieceKind, ReplyPiece, RequestId, pieces_of

Send = Callable[[bytes], Awaitable[None]]

REMEMBERED_SECONDS = 600.0  # that a reply can be asked for again: as long as a lost hub may take to come back
MOST_REMEMBERED = 4096  # replies to a user: the oldest is forgotten first
KEPT_LIMIT = 4 * 1024 * 1024
"""Bytes of a user's finished replies that are kept; of older ones it is only known that they were given."""
NOT_KEPT = [0, "the command has ended, and its result is not kept any more", None]


class RequestKey(NamedTuple):
    """A request, and whose it is."""

    user: str
    id: RequestId


class OutgoingReply:
    """What goes back for one request: numbered pieces, each kept until the requester has taken it."""

    def __init__(self, key: RequestKey, send: Send, piece_limit: Callable[[], int]) -> None:
        """`piece_limit` tells how long a message may be now, in bytes."""
        self.key = key
        self.is_complete = False
        self.ended_at = 0.0
        self.size = 0  # bytes of the pieces that are kept
        self._send = send
        self._piece_limit = piece_limit
        self._kept: deque[ReplyPiece] = deque()
        self._next = 0  # the number of the next piece
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def add(self, kind: PieceKind, value: object) -> None:
        """Send a value; wait first while the requester has too much to read. Raises TypeError or ValueError."""
        most = min(PIECE_LIMIT, self._piece_limit() or PIECE_LIMIT) - HEADER_SPACE
        for piece in pieces_of(self._next, kind, value, most):
            if kind is not PieceKind.ERROR:  # which is short, and has to come whatever the requester has read
                await self._has_room.wait()
            self._next += 1
            self._keep(piece)
            self.is_complete = kind.is_last and piece.is_whole
            await self._send(piece.encode(self.key.id.number))

    async def show(self) -> None:
        """Tell that the request runs, and how far its reply has come."""
        await self._send(ReplyPiece(self._next, PieceKind.ALIVE, b"").encode(self.key.id.number))

    async def again(self, first: int) -> None:
        """Send what is kept from a piece on: those before it have come, but may wait for the requester's reader."""
        kept = [piece for piece in self._kept if piece.number >= first]
        if self.is_complete and not kept:
            kept = list(pieces_of(first, PieceKind.ERROR, NOT_KEPT, PIECE_LIMIT))
        for piece in kept:
            await self._send(piece.encode(self.key.id.number))
        if not kept:
            await self.show()

    def taken(self, following: int) -> None:
        """All before this piece were taken."""
        while self._kept and self._kept[0].number < following:
            self.size -= self._kept.popleft().size
        if self.size < WINDOW // 2:
            self._has_room.set()

    def forget(self) -> None:
        """Keep no piece any more."""
        self._kept.clear()
        self.size = 0

    def _keep(self, piece: ReplyPiece) -> None:
        self._kept.append(piece)
        self.size += piece.size
        if self.size >= WINDOW:
            self._has_room.clear()


class RecentReplies:
    """The replies to one user that are complete, and may be asked for again."""

    def __init__(self, now: float) -> None:
        self.since = now  # when the last reply ended that is forgotten: of commands before, nobody knows
        self._replies: OrderedDict[RequestKey, OutgoingReply] = OrderedDict()  # by their ends

    def add(self, reply: OutgoingReply, now: float) -> None:
        reply.ended_at = now
        self._replies[reply.key] = reply
        while self._is_too_much(now):
            self.since = self._replies.popitem(last=False)[1].ended_at
        size = sum(one.size for one in self._replies.values())
        for one in self._replies.values():
            if size <= KEPT_LIMIT:
                break
            size -= one.size
            one.forget()

    def _is_too_much(self, now: float) -> bool:
        oldest = next(iter(self._replies.values()))
        return len(self._replies) > MOST_REMEMBERED or oldest.ended_at < now - REMEMBERED_SECONDS

    def get(self, key: RequestKey) -> OutgoingReply | None:
        return self._replies.get(key)
