"""Prose fitted to a window."""

from __future__ import annotations

import re
from collections.abc import Iterator

from smanager.terminal.cells import text_width
from smanager.terminal.text import visible

INDENT = 4
"""Blanks by which the further lines of a broken line are indented, unless it is an entry of a list."""

_RULE = re.compile(r"-+|\*+")
_ENTRY = re.compile(r" *\S+(?:, \S+)*  +(?=\S)")  # a name, or several, and a gap before the text about it
_PIECE = re.compile(r" *[^ ]+| +$")


def wrapped(text: str, columns: int) -> str:
    """Text that is safe to show in a window of this width: lines are broken at blanks, and rules shortened.

    Without a window, which is 0 columns wide, the text stays as it is.
    """
    if not columns:
        return text
    return "\n".join(part for line in visible(text).split("\n") for part in _broken(line, columns))


def reflowed(doc: str, columns: int) -> str:
    """A docstring whose paragraphs are fitted to a window, those that are too wide for it; 0 for none.

    Lists and what is indented stay as they are laid out.
    """
    return "\n\n".join(_paragraph(text, columns) for text in doc.split("\n\n")) if columns else doc


def _paragraph(text: str, columns: int) -> str:
    lines = visible(text).split("\n")
    if max(map(text_width, lines)) <= columns or not all(line[:1].isalnum() for line in lines):
        return text
    return "\n".join(_lines(_PIECE.findall(" ".join(lines)), "", columns))


def _broken(line: str, columns: int) -> Iterator[str]:
    if text_width(line) <= columns:
        yield line
    elif _RULE.fullmatch(line):
        yield line[:columns]
    else:
        yield from _lines(_PIECE.findall(line), " " * _indent(line, columns), columns)


def _lines(pieces: list[str], indent: str, columns: int) -> Iterator[str]:
    """The pieces of a line, each a word with the blanks before it, on lines of their own where they do not fit."""
    current, width = "", 0
    for piece in pieces:
        if current.strip() and width + text_width(piece) > columns:
            yield current
            current, width = indent, len(indent)
            piece = piece.lstrip(" ")
        current += piece
        width += text_width(piece)
    yield current


def _indent(line: str, columns: int) -> int:
    entry = _ENTRY.match(line)
    own = entry.end() if entry else len(line) - len(line.lstrip(" ")) + INDENT
    return own if own <= columns // 2 else INDENT
