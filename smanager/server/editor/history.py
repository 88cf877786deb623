"""The lines that a person entered before, to browse in and to search."""

from __future__ import annotations

from collections.abc import Iterable

HISTORY_LIMIT = 1000
"""Lines that are kept: enough for a day's work, twice what bash keeps by default."""

HISTORY_SIZE = 131_072
"""Characters that are kept: generous for that many typed lines, but not for as many pasted pages."""

SEARCH_LIMIT = 256
"""Characters that a search takes: more than anybody types to find a line."""


class History:
    """The lines entered, oldest first; the row below them, `bottom`, is the line being typed.

    Whoever browses can change any row; changes last until the next line is begun.
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
    """An incremental search for a line as it was entered, from the row that the history stands on.

    `extend`, `shorten`, `older` and `newer` return whether there is such a line; while there is none,
    the search stays on the one found last.
    """

    __slots__ = ("_begin", "_history", "_sought", "_typed", "row")

    def __init__(self, history: History, typed: str) -> None:
        self._history = history
        self._begin = self.row = history.row
        self._typed = typed
        self._sought = ""

    @property
    def line(self) -> str:
        """The line found last, or else the one that was being typed."""
        return self._line(self.row)

    @property
    def prompt(self) -> str:
        """What stands before the line during the search."""
        failed = "" if self._sought in self.line else "failed "
        return f"({failed}reverse-i-search)'{self._sought}': "

    @property
    def cursor(self) -> int:
        """Where in the line it was found; the end, if it was not."""
        found = self.line.rfind(self._sought)
        return found if found >= 0 else len(self.line)

    def extend(self, character: str) -> bool:
        """Seek one character more."""
        if len(self._sought) == SEARCH_LIMIT:
            return False
        self._sought += character
        return self._find(range(self.row, -1, -1))

    def shorten(self) -> bool:
        """Seek one character less, from the beginning again."""
        self._sought = self._sought[:-1]
        return self._find(range(self._begin, -1, -1))

    def older(self) -> bool:
        """Go on to an older line that differs."""
        return self._find_other(range(self.row - 1, -1, -1))

    def newer(self) -> bool:
        """Go back to a newer line that differs."""
        return self._find_other(range(self.row + 1, self._history.bottom))

    def _find(self, rows: Iterable[int]) -> bool:
        found = next((row for row in rows if self._sought in self._line(row)), None)
        if found is not None:
            self.row = found
        return found is not None

    def _find_other(self, rows: Iterable[int]) -> bool:
        shown = self.line
        return self._find(row for row in rows if self._line(row) != shown)

    def _line(self, row: int) -> str:
        return self._typed if row == self._begin else self._history.lines[row]
