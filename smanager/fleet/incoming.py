"""One node's reply as its requester puts it together from pieces, some of which may be lost."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from smanager.fleet.messages import WINDOW, PieceKind, ReplyPiece

VALUE_LIMIT = 64 * 1024 * 1024  # bytes of one value: more than the manager sends


class Value(NamedTuple):
    """A whole value of a reply."""

    kind: PieceKind
    content: Any
    following: int  # the number of the piece after it
    size: int  # bytes


class Incoming:
    """A reply, as far as it has come."""

    def __init__(self) -> None:
        self.next = 0  # the number of the first piece that has not come
        self.is_complete = False
        self.is_missing = False  # whether pieces were lost that have to be asked for
        self._parts: list[bytes] = []  # of a value that is not whole
        self._waiting = 0  # values that the reader has not taken
        self._taken = 0  # the number of the first piece that has not been taken
        self._untold = 0  # bytes that were taken, and of which the node does not know

    def receive(self, piece: ReplyPiece) -> Value | None:
        """Take a piece; return the value that it completes. Raises ValueError if that is garbage."""
        if piece.kind is PieceKind.ALIVE:
            self.is_missing = self.is_missing or piece.number > self.next
            return None
        if piece.number != self.next:
            self.is_missing = self.is_missing or piece.number > self.next
            return None
        self.next += 1
        self.is_missing = False
        self._parts.append(piece.data)
        size = sum(map(len, self._parts))
        if size > VALUE_LIMIT:
            raise ValueError(f"a value of more than {VALUE_LIMIT} bytes")
        if not piece.is_whole:
            if not self._waiting:
                self._take(self.next, len(piece.data))
            return None
        data, self._parts = b"".join(self._parts), []
        self.is_complete = piece.kind.is_last
        self._waiting += 1
        return Value(piece.kind, json.loads(data), self.next, len(piece.data))

    def took(self, value: Value) -> None:
        """The reader has taken a value."""
        self._waiting -= 1
        self._take(value.following, value.size)

    def _take(self, following: int, size: int) -> None:
        self._taken = following
        self._untold += size

    def to_tell(self) -> int | None:
        """The first piece that has not been taken, if it is time to tell the node, which waits otherwise."""
        if self.is_complete or self._untold < WINDOW // 4:
            return None
        self._untold = 0
        return self._taken
