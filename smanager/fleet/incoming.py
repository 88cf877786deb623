"""One node's reply as its requester puts it together from pieces, some of which may be lost."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from smanager.fleet.messages import WINDOW, PieceKind, ReplyPiece

UNTAKEN_LIMIT = 2 * WINDOW  # bytes that a node may send before they are taken: its last piece may go beyond the window
VALUE_LIMIT = 64 * 1024 * 1024  # bytes of one value: more than the manager sends


class Value(NamedTuple):
    """A whole value of a reply."""

    kind: PieceKind
    content: Any
    following: int  # the number of the piece after it
    size: int  # bytes of the reply up to its end


class Incoming:
    """A reply, as far as it has come."""

    def __init__(self) -> None:
        self.next = 0  # the number of the first piece that has not come
        self.is_complete = False
        self.is_missing = False  # whether pieces were lost that have to be asked for
        self._parts: list[bytes] = []  # of a value that is not whole
        self._kind = PieceKind.ALIVE  # of that value
        self._size = 0  # bytes that have come, of that value and of the reply
        self._total = 0
        self._waiting = 0  # values that the reader has not taken
        self._taken = 0  # the number of the first piece that has not been taken
        self._taken_size = self._told_size = 0  # bytes that were taken, and of which the node knows

    def receive(self, piece: ReplyPiece) -> Value | None:
        """Take a piece; return the value that it completes. Raises ValueError if that is garbage."""
        if piece.kind is PieceKind.ALIVE:
            self._told_size = 0  # it may not have come, and the node wait for it
        if piece.kind is PieceKind.ALIVE or piece.number != self.next:
            self.is_missing = self.is_missing or piece.number > self.next
            return None
        self.next += 1
        self.is_missing = False
        self._total += piece.size
        self._add(piece)
        if piece.is_whole:
            self._waiting += 1
            self.is_complete = piece.kind.is_last
            return Value(piece.kind, self._content(), self.next, self._total)
        if not self._waiting:
            self._take(self.next, self._total)
        return None

    def took(self, value: Value) -> None:
        """The reader has taken a value."""
        self._waiting -= 1
        if self._waiting:
            self._take(value.following, value.size)
        else:  # what has come of the next value as well, since only its end can be taken
            self._take(self.next, self._total)

    def to_tell(self) -> int | None:
        """The first piece that has not been taken, if it is time to tell the node, which waits otherwise."""
        if self.is_complete or self._taken_size - self._told_size < WINDOW // 4:
            return None
        self._told_size = self._taken_size
        return self._taken

    def _add(self, piece: ReplyPiece) -> None:
        """Raises ValueError."""
        if piece.kind is not self._kind:  # the end of a cancelled command cuts a value off
            self._parts, self._size, self._kind = [], 0, piece.kind
        self._parts.append(piece.data)
        self._size += piece.size
        if self._size > VALUE_LIMIT:
            raise ValueError(f"a value of more than {VALUE_LIMIT} bytes")
        if self._total - self._taken_size > UNTAKEN_LIMIT and piece.kind is not PieceKind.ERROR:
            raise ValueError(f"more than {UNTAKEN_LIMIT} bytes ahead of what was taken")

    def _content(self) -> Any:
        """The value that is whole now. Raises ValueError."""
        data, self._parts, self._size = b"".join(self._parts), [], 0
        try:
            content = json.loads(data)
        except RecursionError:
            raise ValueError("too many brackets") from None
        match self._kind, content:
            case PieceKind.ERROR, [int(), str(), _]:
                pass
            case PieceKind.ERROR, _:
                raise ValueError("not an error")
        return content

    def _take(self, following: int, size: int) -> None:
        self._taken, self._taken_size = following, size
