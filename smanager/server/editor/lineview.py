"""A line on a terminal: how it wraps, and the least output that changes it.

Only printing text, CR, LF, BEL and the sequences for up, down, left, right, home and erase are ever sent, which every
terminal since the VT100 knows; the terminal is never queried.
"""

from __future__ import annotations

from collections.abc import Sequence

from smanager.server.editor.insertion import listing
from smanager.terminal.cells import cells, combines, common_length, text_width

MIN_COLUMNS = 10
"""Narrower windows are reported by mistake (some clients say 0 or 1), and would be unreadable."""

MAX_COLUMNS = 1000
"""No window is wider; a client that claims 65,535 must not get a listing padded to that width."""


DEFAULT_ROWS, MIN_ROWS = 24, 2
"""A window whose client reports no height, as a VT100's; and the least in which a line can be scrolled."""


class LineView:
    """The line that a terminal shows, and the output that changes it.

    Text is laid out with a space wherever a wide character would not fit at the end of a row. So each row is full
    before the next begins, and a position on the screen is the width of the laid-out text before it, divided by the
    columns of the window. Of a line that is taller than the window, only the rows around the cursor are shown.
    """

    __slots__ = ("_before_cursor", "_columns", "_output", "_rings", "_rows", "_shown", "_top")

    def __init__(self, columns: int, rows: int) -> None:
        self._columns = _clamp(columns)
        self._rows = max(rows, MIN_ROWS)
        self._top = 0  # the line's first row that is shown
        self._shown = ""
        self._before_cursor = ""
        self._output: list[str] = []
        self._rings = False

    def show(self, text: str, cursor: int) -> None:
        """Show `text`, with the cursor before `text[cursor]`."""
        laid_out, before_cursor = self._in_window(self._lay_out(text), self._lay_out(text[:cursor]))
        if laid_out != self._shown:
            same = _common_cells(laid_out, self._shown)
            self._move_cursor(laid_out[:same])
            self._output.append(laid_out[same:])
            if laid_out and text_width(laid_out) % self._columns == 0:
                # Terminals wrap only when another character follows: this makes them wrap now.
                self._output.append(" \r")
            if text_width(laid_out) < text_width(self._shown):
                self._output.append("\x1b[J")
            self._shown = self._before_cursor = laid_out
        self._move_cursor(before_cursor)

    def leave(self, ending: str = "") -> None:
        """Leave the line as it is, with `ending` behind it, and go to the row below."""
        self._move_cursor(self._shown)
        self._output.append(f"{ending}\r\n")
        self._forget()

    def list_below(self, words: Sequence[str]) -> None:
        """Leave the line as it is, and list `words` in columns below it."""
        self.leave()
        self.write("".join(f"{row}\r\n" for row in listing(words, self._columns)))

    def wipe(self) -> None:
        """Erase the line, and go to where it began."""
        if not self._shown:
            return
        row = min(self._place(self._lay_out(self._before_cursor))[0], self._rows - 1)
        self._output.append(f"{_steps(-row, 'B', 'A')}\r\x1b[J")
        self._forget()

    def clear_screen(self) -> None:
        """Erase the screen, and go to its top."""
        self._output.append("\x1b[H\x1b[2J")
        self._forget()

    def write(self, text: str) -> None:
        """Send `text`, whole lines that end with CR LF, while no line is shown."""
        self._output.append(text)

    def ring(self) -> None:
        """Ring the bell, once until the output is taken."""
        self._rings = True

    @property
    def columns(self) -> int:
        return self._columns

    def resize(self, columns: int, rows: int) -> None:
        """Erase the line in a window that now has this size.

        The terminal is assumed to have wrapped its rows again before it reported the size, as tmux and VTE do; for a
        line of one row it makes no difference.
        """
        self._columns = _clamp(columns)
        self._rows = max(rows, MIN_ROWS)
        self.wipe()

    def take_output(self) -> str:
        """What to send to the terminal since the last call."""
        if self._rings:
            self._output.append("\a")
            self._rings = False
        output = "".join(self._output)
        self._output.clear()
        return output

    def _lay_out(self, text: str) -> str:
        if text.isascii():
            return text
        laid_out, column = [], 0
        for cell, width in cells(text):
            if column + width > self._columns:
                laid_out.append(" ")
                column = 0
            laid_out.append(cell)
            column = (column + width) % self._columns
        return "".join(laid_out)

    def _in_window(self, laid_out: str, before_cursor: str) -> tuple[str, str]:
        """The part of a laid-out line that the window holds, and of what is before the cursor.

        A row is left for the cursor behind a row that is full.
        """
        last_row, _ = self._place(laid_out)
        if last_row < self._rows:
            self._top = 0
            return laid_out, before_cursor
        cursor_row, _ = self._place(before_cursor)
        height = self._rows - 1
        self._top = min(max(self._top, cursor_row - height + 1), cursor_row)
        start = self._row_start(laid_out, self._top)
        stop = self._row_start(laid_out, self._top + height)
        return laid_out[start:stop], before_cursor[start:]

    def _row_start(self, laid_out: str, row: int) -> int:
        """The index in a laid-out line at which a row begins, or the line's end."""
        if laid_out.isascii():
            return row * self._columns
        index = width = 0
        for cell, columns in cells(laid_out):
            if width >= row * self._columns:
                break
            index, width = index + len(cell), width + columns
        return index

    def _place(self, before: str) -> tuple[int, int]:
        """The row and column behind the laid-out text `before`."""
        return divmod(text_width(before), self._columns)

    def _move_cursor(self, before: str) -> None:
        (old_row, old_column), (row, column) = self._place(self._before_cursor), self._place(before)
        self._output.append(_steps(row - old_row, "B", "A") + _steps(column - old_column, "C", "D"))
        self._before_cursor = before

    def _forget(self) -> None:
        self._shown = self._before_cursor = ""
        self._top = 0


def _clamp(columns: int) -> int:
    return min(max(columns, MIN_COLUMNS), MAX_COLUMNS)


def _steps(count: int, forwards: str, backwards: str) -> str:
    if count == 0:
        return ""
    return f"\x1b[{count}{forwards}" if count > 0 else f"\x1b[{-count}{backwards}"


def _common_cells(one: str, other: str) -> int:
    """The length of the beginning that two lines share, without a character that combines differently."""
    length = common_length(one, other)
    while length and any(length < len(text) and combines(text, length) for text in (one, other)):
        length -= 1
    return length
