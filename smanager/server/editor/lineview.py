"""A line as a terminal shows it: how it wraps, and the least that has to be sent to change it.

All that is ever sent is printing text, CR, LF, BEL and the sequences for up, down, left, right, home
and erase, which every terminal since the VT100 knows; the terminal is never asked anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from smanager.server.editor.insertion import listing
from smanager.terminal.cells import cell_width, common_length, text_width

MIN_COLUMNS = 10
"""Narrower windows are mistakes (some clients report 0 or 1), and nothing could be read in them."""

MAX_COLUMNS = 1000
"""No window is wider; a client that claims 65,535 shall not get a listing padded to that."""


class LineView:
    """A line as a terminal shows it, and the output that brings it there.

    Text is laid out by putting a space where a wide character would not fit at the end of a row. So
    each row is full before the next one begins, and a place on the screen is nothing but the width of
    the laid-out text left of it, divided by the columns of the window.
    """

    __slots__ = ("_before_cursor", "_columns", "_output", "_rings", "_shown")

    def __init__(self, columns: int) -> None:
        self._columns = _clamp(columns)
        self._shown = ""
        self._before_cursor = ""
        self._output: list[str] = []
        self._rings = False

    def show(self, text: str, cursor: int) -> None:
        """Make `text` the line that is shown, with the cursor before `text[cursor]`."""
        laid_out = self._lay_out(text)
        if laid_out != self._shown:
            same = _common_cells(laid_out, self._shown)
            self._move_cursor(laid_out[:same])
            self._output.append(laid_out[same:])
            if laid_out and text_width(laid_out) % self._columns == 0:
                # Terminals put off the wrap until something follows: this makes them do it now.
                self._output.append(" \r")
            if text_width(laid_out) < text_width(self._shown):
                self._output.append("\x1b[J")
            self._shown = self._before_cursor = laid_out
        self._move_cursor(self._lay_out(text[:cursor]))

    def leave(self, ending: str = "") -> None:
        """Let the line stand, with `ending` behind it, and go to the row below."""
        self._move_cursor(self._shown)
        self._output.append(f"{ending}\r\n")
        self._forget()

    def list_below(self, words: Sequence[str]) -> None:
        """Let the line stand, and list `words` in columns below it."""
        self.leave()
        self.write("".join(f"{row}\r\n" for row in listing(words, self._columns)))

    def wipe(self) -> None:
        """Take the line off the screen, and go to where it began."""
        if not self._shown:
            return
        row, _ = self._place(self._lay_out(self._before_cursor))
        self._output.append(f"{_steps(-row, 'B', 'A')}\r\x1b[J")
        self._forget()

    def clear_screen(self) -> None:
        """Take everything off the screen, and go to its top."""
        self._output.append("\x1b[H\x1b[2J")
        self._forget()

    def write(self, text: str) -> None:
        """Send `text`, whole lines that end with CR LF, while no line is shown."""
        self._output.append(text)

    def ring(self) -> None:
        """Ring the bell, once for all the rings until the output is taken."""
        self._rings = True

    @property
    def columns(self) -> int:
        return self._columns

    def resize(self, columns: int) -> None:
        """Take the line off a window that has now `columns` columns.

        The terminal is taken to have wrapped its rows anew before it told its size, as tmux and those
        built on VTE do; for a line that needs one row it makes no difference.
        """
        self._columns = _clamp(columns)
        self.wipe()

    def take_output(self) -> str:
        """What the terminal has to be sent since the last time."""
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
        for character in text:
            width = cell_width(character)
            if column + width > self._columns:
                laid_out.append(" ")
                column = 0
            laid_out.append(character)
            column = (column + width) % self._columns
        return "".join(laid_out)

    def _place(self, before: str) -> tuple[int, int]:
        """The row and the column right of the laid-out text `before`."""
        return divmod(text_width(before), self._columns)

    def _move_cursor(self, before: str) -> None:
        (old_row, old_column), (row, column) = self._place(self._before_cursor), self._place(before)
        self._output.append(_steps(row - old_row, "B", "A") + _steps(column - old_column, "C", "D"))
        self._before_cursor = before

    def _forget(self) -> None:
        self._shown = self._before_cursor = ""


def _clamp(columns: int) -> int:
    return min(max(columns, MIN_COLUMNS), MAX_COLUMNS)


def _steps(count: int, forwards: str, backwards: str) -> str:
    if count == 0:
        return ""
    return f"\x1b[{count}{forwards}" if count > 0 else f"\x1b[{-count}{backwards}"


def _common_cells(one: str, other: str) -> int:
    """How much of their beginning two lines share, not counting a character that combines differently."""
    length = common_length(one, other)
    while length and 0 in map(cell_width, one[length : length + 1] + other[length : length + 1]):
        length -= 1
    return length
