"""Text as a terminal counts it, in cells, and as a person moves through it, by characters and words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from unicodedata import category, east_asian_width

GAP = 2
"""Blank cells between the columns of a listing."""

CELL_LIMIT = 31
"""Characters of one cell: no writing puts more than 30 marks on a letter (UAX #15, stream-safe text)."""

# As readline has it, words are letters and digits; accents that stand for themselves belong to theirs.
_ACCENTS = "\u0300-\u036f"
_THROUGH_WORD = re.compile(rf"(?:[^\w{_ACCENTS}]+|_+)*(?:[^\W_]+|[{_ACCENTS}]+)*")

# What makes one character of several; terminals that know only each by itself are older than the sequences.
_JOINER, _AS_EMOJI, _SKINS = "\u200d", "\ufe0f", "\U0001f3fb-\U0001f3ff"
_SEQUENCE = re.compile(f"[{_JOINER}{_AS_EMOJI}{_SKINS}]")
_SKIN = re.compile(f"[{_SKINS}]")
_NEW_EMOJI = re.compile("[\U0001f300-\U0001faff]")  # also those that Python's table does not have yet

_WIDTHS_CACHED = 1024  # more than one person's writing has characters in use


@lru_cache(_WIDTHS_CACHED)
def cell_width(character: str) -> int:
    """How many columns a terminal gives to `character` by itself: 0 (combining), 1 or 2 (wide)."""
    if character.isascii():
        return 1
    kind = category(character)
    if kind in ("Mn", "Me", "Zl", "Zp") or "\u1160" <= character <= "\u11ff":  # Hangul: vowels, finals
        return 0
    if kind == "Cf":
        return 1 if character == "\u00ad" else 0  # a soft hyphen is shown, joiners are not
    if kind == "Cn":  # Python says "F" of all these; what comes to emoji and Han will be wide
        return 2 if _NEW_EMOJI.match(character) or "\U00020000" <= character <= "\U0003fffd" else 1
    return 2 if east_asian_width(character) in "WF" else 1


def text_width(text: str) -> int:
    """How many columns a terminal gives to `text`."""
    if text.isascii():
        return len(text)
    if not _SEQUENCE.search(text):
        return sum(map(cell_width, text))
    return sum(width for _, width in cells(text))


def cells(text: str) -> Iterator[tuple[str, int]]:
    """The cells of `text`, each a character with what combines with it, and its width."""
    start = 0
    while start < len(text):
        end = next_cell(text, start)
        yield text[start:end], 2 if _AS_EMOJI in text[start:end] else cell_width(text[start])
        start = end


def combines(text: str, index: int) -> bool:
    """Whether the character at `index` is shown in the cell of the character before it."""
    if cell_width(text[index]) == 0:
        return True
    if index == 0 or text[index].isascii():
        return False
    before = text[index - 1]
    if before == _JOINER:
        return _is_emoji(text[index])
    return bool(_SKIN.match(text[index])) and (before == _AS_EMOJI or _is_emoji(before))


def _is_emoji(character: str) -> bool:
    return category(character) == "So" or bool(_NEW_EMOJI.match(character))


def padded(text: str, width: int, right: bool = False) -> str:
    """`text` padded with blanks to `width` columns; `right` puts the blanks on its left."""
    blanks = " " * (width - text_width(text))
    return blanks + text if right else text + blanks


def cut(text: str, width: int, mark: str) -> str:
    """`text` in at most `width` columns; a shortened text ends with `mark`."""
    if text_width(text) <= width:
        return text
    left, kept = width - text_width(mark), []
    for piece, columns in cells(text):
        if (left := left - columns) < 0:
            break
        kept.append(piece)
    return "".join(kept) + mark


def next_cell(text: str, index: int) -> int:
    """The index right of the character at `index` and of what combines with it."""
    stop = min(index + CELL_LIMIT, len(text))
    index += 1
    while index < stop and combines(text, index):
        index += 1
    return min(index, stop)


def previous_cell(text: str, index: int) -> int:
    """The index of the character left of `index`, or of the one that it combines with."""
    stop = max(index - CELL_LIMIT, 0)
    index -= 1
    while index > stop and combines(text, index):
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
