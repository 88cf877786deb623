"""Pasted lines as one line of commands."""

from __future__ import annotations

import re
from itertools import dropwhile

from smanager.commands.line import BLANKS
from smanager.server.editor.keys import PASTE_LIMIT

_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_WHOLE = re.compile(r"""(?:[^'"\\]|\\.|'[^']*'|"(?:\\.|[^"\\])*")*+(\\?)""", re.DOTALL)


class PasteError(Exception):
    """A paste that would not be what was pasted; the text says why."""


def one_line(before: str, pasted: str, room: int) -> str:
    """What `pasted` puts behind `before`, the line so far: the pasted lines, with `;` between them.

    As in a shell, a backslash at a line's end continues the line, and comments are left out. Raises PasteError where
    quoted text holds what a line cannot, or the result has more than `room` characters.
    """
    if len(pasted) >= PASTE_LIMIT:  # it may have been cut
        raise PasteError(f"it has more than {PASTE_LIMIT} characters")
    lines, current = [], before
    *others, last = list(dropwhile(_is_nothing, pasted.split("\n"))) or [""]
    for line in others:
        current += line
        whole = _WHOLE.fullmatch("" if _is_nothing(current) else current)
        if not whole:
            raise PasteError("a quotation goes over the end of a line")
        if whole[1]:
            current = current[:-1]
            continue
        lines.append(current)
        current = ""
    lines.append(current + last)
    joined = "; ".join(line for line in lines if not _is_nothing(line)).removeprefix(before)
    if any("\t" in quoted for quoted in _QUOTED.findall(before + joined)):
        raise PasteError("a quotation holds a tab")
    if len(joined) > room:
        raise PasteError("the line would be too long")
    return joined.replace("\t", " ")


def _is_nothing(line: str) -> bool:
    """Whether a line is blank or a comment."""
    return not line.strip(BLANKS) or line.lstrip(BLANKS).startswith("#")
