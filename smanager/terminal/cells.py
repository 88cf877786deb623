"""Text as a terminal counts it, in cells, and as a person moves through it, by characters and words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from unicodedata import category, east_asian_width

GAP = 2
"""Blank cells between the columns of a listing."""

CELL_LIMIT = 31
"""Characters of one cell: no writing puts more than 30 marks on a letter (UAX #15, stream-safe text)."""

# As readline has it, words are letters and digits; accents that stand for themselves belong to theirs.
_ACCENTS = "\u0300-\u036f"
_THROUGH_WORD = re.compile(rf"(?:[^\w{_ACCENTS}]+|_+)*(?:[^\W_]+|[{_ACCENTS}]+)*")

_WIDTHS_CACHED = 1024  # more than one person's writing has characters in use


@lru_cache(_WIDTHS_CACHED)
def cell_width(character: str) -> int:
    """How many columns a terminal gives to `character`: 0 (combining), 1 or 2 (wide)."""
    if character.isascii():
        return 1
    if category(character) in ("Mn", "Me") or "\u1160" <= character <= "\u11ff":  # Hangul: vowels, finals
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def text_width(text: str) -> int:
    """How many columns a terminal gives to `text`."""
    return len(text) if text.isascii() else sum(map(cell_width, text))


def padded(text: str, width: int, right: bool = False) -> str:
    """`text` padded with blanks to `width` columns; `right` puts the blanks on its left."""
    blanks = " " * (width - text_width(text))
    return blanks + text if right else text + blanks


def cut(text: str, width: int, mark: str) -> str:
    """`text` in at most `width` columns; a shortened text ends with `mark`."""
    if text_width(text) <= width:
        return text
    left, index = width - text_width(mark), 0
    while (left := left - cell_width(text[index])) >= 0:
        index += 1
    return text[:index] + mark


def next_cell(text: str, index: int) -> int:
    """The index right of the character at `index` and of what combines with it."""
    stop = min(index + CELL_LIMIT, len(text))
    index += 1
    while index < stop and cell_width(text[index]) == 0:
        index += 1
    return min(index, stop)


def previous_cell(text: str, index: int) -> int:
    """The index of the character left of `index`, or of the one that it combines with."""
    stop = max(index - CELL_LIMIT, 0)
    index -= 1
    while index > stop and cell_width(text[index]) == 0:
        index -= 1
    return max(index, stop)


def word_end(text: str, index: int) -> int:
    """The end of the word that `index` is in or left of."""
    through = _THROUGH_WORD.match(text, index)
    assert through is not None  # it also matches where nothing is left
    return through.end()


def word_start(text: str, index: int) -> int:
    """The beginning of the word that `index` is in or right of."""
    return index - word_end(text[:index][::-1], 0)


def common_length(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    shorter = min(len(one), len(other))
    return next((index for index in range(shorter) if one[index] != other[index]), shorter)


def columnize(words: Sequence[str], columns: int) -> list[str]:
    """The rows of a listing of `words` that reads downwards, in as many columns as fit a window."""
    width = max(map(text_width, words)) + GAP
    height = -(-len(words) // max(columns // width, 1))
    return ["".join(padded(word, width) for word in words[row::height]).rstrip() for row in range(height)]
