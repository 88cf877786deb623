"""A command's output while the command runs: its beginning and its end, by reference, within a bound."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

SECRET = "(secret)"  # in place of an argument annotated as a Secret

SPLIT_LEAST = 4  # letters of a secret that is found over several lines; a shorter one would be found by chance

AsText = Callable[[Any], str]
"""The text of a value as a script would see it."""


class HeldValue(NamedTuple):
    """A value that becomes text only for a reader."""

    value: Any


class LeftOut(NamedTuple):
    """A gap in an output."""

    characters: int

    def __str__(self) -> str:
        return f"*** {self.characters} characters are left out here\n"


Piece = str | HeldValue | LeftOut


class ReadPlace(NamedTuple):
    """How far a reader has got in an output."""

    pieces: int = 0
    characters: int = 0


class HeldOutput:
    """The first and the last pieces of an output; each half holds at most one piece more than it has room for."""

    __slots__ = (
        "_head",
        "_head_room",
        "_head_size",
        "_size",
        "_tail",
        "_tail_room",
        "_tail_size",
        "followers",
        "is_over",
        "pieces",
    )

    def __init__(self, most: int) -> None:
        """Hold about `most` characters, half of them from the beginning."""
        self._head_room, self._tail_room = most // 2, most - most // 2
        self._head: list[Piece] = []
        self._head_size = 0
        self._tail: deque[tuple[Piece, int]] = deque()
        self._tail_size = 0
        self.pieces = 0
        """The number of pieces so far."""
        self._size = 0  # of all pieces
        self.followers: list[Callable[[], object]] = []
        """Are called at each piece, and at the end."""
        self.is_over = False

    def add(self, piece: Piece, size: int) -> None:
        """Take a piece of so many characters, as which a value's JSON counts."""
        self.pieces += 1
        self._size += size
        if self._head_size < self._head_room and not self._tail:
            self._head.append(piece)
            self._head_size += size
        else:
            self._tail.append((piece, size))
            self._tail_size += size
            while self._tail_size - self._tail[0][1] >= self._tail_room and len(self._tail) > 1:
                self._tail_size -= self._tail.popleft()[1]
        if self.followers:
            self._tell()

    def close(self) -> None:
        """No further pieces will come."""
        self.is_over = True
        self._tell()

    def read(self, place: ReadPlace) -> tuple[list[Piece], ReadPlace]:
        """The pieces behind a place, with a LeftOut for those that are no longer held, and the place behind them."""
        pieces = self._head[place.pieces :]
        gap = self._size - self._tail_size - max(place.characters, self._head_size)
        if gap > 0:
            pieces.append(LeftOut(gap))
        first = self.pieces - len(self._tail)
        pieces += [piece for piece, _ in islice(self._tail, max(0, place.pieces - first), None)]
        return pieces, ReadPlace(self.pieces, self._size)

    def _tell(self) -> None:
        for follower in self.followers[:]:
            follower()


def text_of_pieces(pieces: Iterable[Piece], as_text: AsText, secrets: Iterable[str] = ()) -> str:
    """Pieces as a script would see them, with a mark in place of each secret."""
    text = "".join(as_text(piece.value) if isinstance(piece, HeldValue) else str(piece) for piece in pieces)
    return masked(text, secrets)


def masked(text: str, secrets: Iterable[str]) -> str:
    """A text with a mark in place of each secret, also of one that goes on in the next line: each piece is a line."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, SECRET)
        letters = secret.replace("\n", "")
        if len(letters) >= SPLIT_LEAST and letters in text.replace("\n", ""):
            text = re.sub("\n*".join(map(re.escape, letters)), SECRET, text)
    return text


def settled(text: str, secrets: Iterable[str]) -> int:
    """How many characters of a text that goes on can be shown: with what follows, the others may be a secret."""
    length = len(text)
    for letters in (secret.replace("\n", "") for secret in secrets):
        for start in range(max(0, len(text) - 2 * len(letters)), length):
            if text[start] == letters[:1] and letters.startswith(text[start:].replace("\n", "")):
                length = start
                break
    return length


def cut_text(
    pieces: Sequence[Piece], as_text: AsText, most: int, secrets: Sequence[str] = (), goes_on: bool = False
) -> str:
    """The text of pieces with one gap at most, cut in its middle to `most` characters and the line that says so.

    Without what may be the beginning of a secret, if the output goes on.
    """
    text = _cut_text(pieces, as_text, most, secrets)
    return text[: settled(text, secrets)] if goes_on else text


def _cut_text(pieces: Sequence[Piece], as_text: AsText, most: int, secrets: Sequence[str]) -> str:
    gap = next((piece for piece in pieces if isinstance(piece, LeftOut)), None)
    behind = len(pieces) if gap is None else pieces.index(gap)
    begin = text_of_pieces(pieces[:behind], as_text, secrets)
    if gap is None and len(begin) <= most:
        return begin
    if gap is None:
        begin, end, left_out = begin[: most - most // 2], begin[len(begin) - most // 2 :], len(begin) - most
    else:
        end = text_of_pieces(pieces[behind + 1 :], as_text, secrets)
        edge = 2 * (max(map(len, secrets), default=1) - 1)  # where half a secret may stand, a letter in each line
        whole = gap.characters + len(begin) + len(end)
        begin = begin[: max(0, min(most - most // 2, len(begin) - edge))]
        end = end[max(edge, len(end) - most // 2) :]
        left_out = whole - len(begin) - len(end)
    line_end = "\n" if begin and not begin.endswith("\n") else ""
    return f"{begin}{line_end}{LeftOut(left_out)}{end}"
