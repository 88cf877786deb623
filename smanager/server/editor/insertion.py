"""What Tab inserts or lists, the same in the line editor and on the console."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from smanager.commands.line import last_word
from smanager.terminal.cells import columnize, common_length
from smanager.terminal.text import visible

LISTED_WORDS = 200
"""Words shown in a listing: about what a large window holds, so that the line stays in sight."""


def typeable(words: Iterable[str]) -> list[str]:
    """The words that a person could type."""
    return [word for word in words if visible(word) == word and not {"\t", "\n"} & {*word}]


def insertion(typed: str, words: Sequence[str]) -> str:
    """What replaces the typed word: the only match and a space, or the common beginning of several matches.

    Empty if that adds nothing to the typed word.
    """
    if len(words) == 1:
        return shlex.quote(words[0]) + ("" if words[0].endswith("/") else " ")  # a directory's entries come next
    first, last = min(words), max(words)  # what these two share, all between them share
    common = first[: common_length(first, last)]
    if len(common) <= len(last_word(typed)[1]):
        return ""
    return shlex.quote(common).removesuffix("'")  # the quotation stays open for the rest


def listing(words: Sequence[str], columns: int) -> list[str]:
    """The rows that list the words in a window of this width."""
    rows = columnize(words[:LISTED_WORDS], columns)
    if len(words) > LISTED_WORDS:
        rows.append(f"... and {len(words) - LISTED_WORDS} more")
    return rows
