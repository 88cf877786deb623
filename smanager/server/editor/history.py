"""The lines that a person has entered, for browsing and searching."""

from __future__ import annotations

from collections.abc import Iterable

HISTORY_LIMIT = 1000
"""Lines kept: enough for a day's work, twice what bash keeps by default."""

HISTORY_SIZE = 131_072
"""Characters kept: generous for that many typed lines, but not for as many pasted pages."""

SEARCH_LIMIT = 256
"""Characters of a search: more than people type to find a line."""


class History:
    """The lines entered, oldest first; the row below them, `bottom`, is the line being typed.

    While browsing, any row can be changed; the changes last until the next line is begun.
    """

    __slots__ = ("_changed", "_size", "lines", "row")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._size = 0
        self.begin()

    @property
    def bottom(self) -> int:
        """The row of the line being typed."""
        return len(self.lines)

    def begin(self) -> None:
        """Go to the bottom, to an empty line."""
        self.row = self.bottom
        self._changed: dict[int, str] = {}

    def add(self, line: str) -> None:
        """Keep `line`, unless it is blank or the same as the last one."""
        if not line.strip() or self.lines[-1:] == [line]:
            return
        self.lines.append(line)
        self._size += len(line)
        while self.bottom > HISTORY_LIMIT or self._size > HISTORY_SIZE:
            self._size -= len(self.lines.pop(0))

    def move(self, row: int, line: str) -> str:
        """Leave the present row as `line`, and go to `row`; return the line there."""
        self._changed[self.row] = line
        self.row = row
        return self._changed[row] if row in self._changed else self.lines[row]


class Search:
    """An incremental search for an entered line, beginning at the history's current row.

    `extend`, `shorten`, `older` and `newer` return whether a line matches; if none does, the search stays on the last
    match.
    """

    __slots__ = ("_begin", "_history", "_sought", "_typed", "row")

    def __init__(self, history: History, typed: str) -> None:
        self._history = history
        self._begin = self.row = history.row
        self._typed = typed
        self._sought = ""

    @property
    def line(self) -> str:
        """The last match, or else the line that was being typed."""
        return self._line(self.row)

    @property
    def prompt(self) -> str:
        """The prompt during the search."""
        failed = "" if self._sought in self.line else "failed "
        return f"({failed}reverse-i-search)'{self._sought}': "

    @property
    def cursor(self) -> int:
        """The index of the match in the line; the line's end if there is none."""
        index = self.line.rfind(self._sought)
        return index if index >= 0 else len(self.line)

    def extend(self, character: str) -> bool:
        """Add a character to the search."""
        if len(self._sought) == SEARCH_LIMIT:
            return False
        self._sought += character
        return self._find(range(self.row, -1, -1))

    def shorten(self) -> bool:
        """Remove the last character, and search from the beginning again."""
        self._sought = self._sought[:-1]
        return self._find(range(self._begin, -1, -1))

    def older(self) -> bool:
        """Go to the next older match that differs."""
        return self._find_other(range(self.row - 1, -1, -1))

    def newer(self) -> bool:
        """Go back to the next newer match that differs."""
        return self._find_other(range(self.row + 1, self._history.bottom))

    def _find(self, rows: Iterable[int]) -> bool:
        match = next((row for row in rows if self._sought in self._line(row)), None)
        if match is not None:
            self.row = match
        return match is not None

    def _find_other(self, rows: Iterable[int]) -> bool:
        shown = self.line
        return self._find(row for row in rows if self._line(row) != shown)

    def _line(self, row: int) -> str:
        return self._typed if row == self._begin else self._history.lines[row]
