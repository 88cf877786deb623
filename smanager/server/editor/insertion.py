"""What Tab makes of the words that one could become: the same in the line editor and on the console."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from smanager.commands.line import last_word
from smanager.terminal.cells import columnize, common_length

LISTED_WORDS = 200
"""Words of a listing that are shown: about what a large window holds, so the line stays in sight."""


def typeable(words: Iterable[str]) -> list[str]:
    """Those that somebody could also type."""
    return [word for word in words if word.isprintable()]


def insertion(typed: str, words: Sequence[str]) -> str:
    """What to put in the place of what is typed: the one word that it could become, or what several have in common.

    Empty where that is not more than is typed.
    """
    if len(words) == 1:
        return shlex.quote(words[0]) + ("" if words[0].endswith("/") else " ")  # what is in a directory comes next
    first, last = min(words), max(words)  # what these two share, those between them do as well
    common = first[: common_length(first, last)]
    if len(common) <= len(last_word(typed)[1]):
        return ""
    return shlex.quote(common).removesuffix("'")  # a quotation stays open for the rest


def listing(words: Sequence[str], columns: int) -> list[str]:
    """The rows that show the words in a window of so many columns."""
    rows = columnize(words[:LISTED_WORDS], columns)
    if len(words) > LISTED_WORDS:
        rows.append(f"... and {len(words) - LISTED_WORDS} more")
    return rows
