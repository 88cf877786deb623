"""The line editor for a person whose terminal sends every key: it behaves like readline, and does no I/O.

Its owner feeds it what was typed, asks for events until there are none, and sends its output to the terminal:

    editor.start(">")
    editor.feed("systemstatus uptime\\r")
    editor.next_event()     # Line("systemstatus uptime")
    editor.take_output()    # what the terminal has to show for it
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from smanager.server.editor.events import Complete, EndOfInput, Event, Interrupt, Line
from smanager.server.editor.history import History, Search
from smanager.server.editor.insertion import insertion, typeable
from smanager.server.editor.keys import Key, KeyDecoder, Paste
from smanager.server.editor.lineview import DEFAULT_ROWS, LineView
from smanager.server.editor.paste import PasteError, one_line
from smanager.terminal.cells import next_cell, previous_cell, word_end, word_start

LINE_LIMIT = 4096
"""Characters of a line: as many as Linux takes in a line that the terminal driver edits."""

PENDING_LIMIT = 65536
"""Characters kept that were typed ahead: a pasted script of a thousand lines or two."""

INTERRUPT = "\x03"


class LineEditor:
    """Edits one line after another as the user types them.

    After `Line`, `Interrupt` and `EndOfInput` no line is read until the next `start`. What is typed meanwhile waits,
    and Ctrl-C drops it; so it does while a completion is awaited.
    """

    __slots__ = (
        "_after_kill",
        "_completing",
        "_cursor",
        "_decoder",
        "_history",
        "_is_cut",
        "_killed",
        "_pending",
        "_prompt",
        "_reading",
        "_search",
        "_text",
        "_view",
    )

    def __init__(self, columns: int = 80, rows: int = DEFAULT_ROWS) -> None:
        self._view = LineView(columns, rows)
        self._decoder = KeyDecoder()
        self._history = History()
        self._search: Search | None = None
        self._pending = ""
        self._prompt = ""
        self._text = ""
        self._cursor = 0
        self._is_cut = False  # whether characters were typed that the line has no room for
        self._killed = ""
        self._after_kill = False
        self._reading = False
        self._completing = False

    # What the owner calls.

    @property
    def completing(self) -> bool:
        """Whether an answer to `Complete` is awaited."""
        return self._completing

    @property
    def room(self) -> int:
        """How many characters may be typed ahead; with the others the owner waits, so that none is lost."""
        return max(PENDING_LIMIT - len(self._pending), 0)

    def start(self, prompt: str) -> None:
        """Begin a new line behind `prompt` (printing characters only), at the left of an empty row."""
        self._prompt = prompt
        self._set_line("", 0)
        self._history.begin()
        self._reading = True
        self._draw()

    def feed(self, text: str) -> None:
        """Take what was typed: no more than there is `room` for, unless it ends with a Ctrl-C, which makes room."""
        self._pending += text

    def next_event(self) -> Event | None:
        """Work through what was typed, up to the next event for the owner; None if there is none."""
        if not self._reading or self._completing:
            return self._find_interrupt()
        event = self._work_through_pending()
        if self._reading:
            self._draw()
        return event

    def complete(self, start: int, matches: Sequence[str]) -> None:
        """Answer the last `Complete`; an answer after Ctrl-C is ignored.

        `matches` are candidates for the word from index `start` of the line to the cursor. A single one is inserted,
        with a space; of several their common beginning, or else they are listed.
        """
        if not self._completing:
            return
        self._completing = False
        matches = typeable(matches)
        if not matches:
            self._view.ring()
        elif inserted := insertion(self._text[start : self._cursor], matches):
            self._replace(start, self._cursor, inserted)
        else:
            self._view.list_below(matches)
        self._draw()

    def print_above(self, text: str) -> None:
        """Show `text`, whole lines that end with CR LF, above the line being typed."""
        self._view.wipe()
        self._view.write(text)
        if self._reading:
            self._draw()

    @property
    def columns(self) -> int:
        return self._view.columns

    def resize(self, columns: int, rows: int = DEFAULT_ROWS) -> None:
        """Lay the line out for a window of this size."""
        self._view.resize(columns, rows)
        if self._reading:
            self._draw()

    def take_output(self) -> str:
        """What to send to the terminal since the last call."""
        return self._view.take_output()

    # From a key to its effect.

    def _work_through_pending(self) -> Event | None:
        typed, self._pending = self._pending, ""
        for index, character in enumerate(typed, start=1):
            key = self._decoder.take(character)
            event = self._press(key) if key else None
            if event:
                self._pending = typed[index:]
                return event
        return None

    def _find_interrupt(self) -> Interrupt | None:
        """A Ctrl-C is never typed ahead: it is meant for what runs now."""
        _, interrupt, rest = self._pending.partition(INTERRUPT)
        if not interrupt:
            return None
        self._decoder.take(INTERRUPT)  # ends an unfinished escape sequence
        self._pending = rest
        return self._drop_line()

    def _press(self, key: Key) -> Event | None:
        if self._search is not None and self._steer_search(self._search, key):
            return None
        event = None
        if isinstance(key, Paste):
            self._paste(key.text)
        elif len(key) == 1:
            self._is_cut = self._is_cut or len(self._text) == LINE_LIMIT
            self._insert(key)
        elif key in _BINDINGS:
            event = _BINDINGS[key](self)
        else:
            self._view.ring()
        self._after_kill = key in _KILLS
        return event

    def _steer_search(self, search: Search, key: Key) -> bool:
        """Apply `key` to the search, if it is one for searches; any other key ends the search and edits the match."""
        if key in _SEARCH_CANCELS:
            self._search = None
            return True
        if isinstance(key, str) and len(key) == 1:
            has_match = search.extend(key)
        elif key in _SEARCH_BINDINGS:
            has_match = _SEARCH_BINDINGS[key](search)
        else:
            self._search = None
            self._history.move(search.row, self._text)
            self._set_line(search.line, search.cursor)
            return False
        if not has_match:
            self._view.ring()
        return True

    # What the keys do.

    def _enter(self) -> Line:
        self._end_line()
        self._history.add(self._text)
        if self._is_cut:
            self._view.write(f"*** the line has more than {LINE_LIMIT} characters, and is not run\r\n")
            return Line("")
        return Line(self._text)

    def _drop_line(self) -> Interrupt:
        if self._reading:
            self._end_line("^C")
        self._completing = False
        return Interrupt()

    def _delete_or_end_input(self) -> EndOfInput | None:
        if not self._text:
            self._end_line()
            return EndOfInput()
        self._delete()
        return None

    def _ask_completion(self) -> Complete:
        self._completing = True
        return Complete(self._text[: self._cursor])

    def _left(self) -> None:
        self._cursor = previous_cell(self._text, self._cursor)

    def _right(self) -> None:
        self._cursor = next_cell(self._text, self._cursor)

    def _home(self) -> None:
        self._cursor = 0

    def _end(self) -> None:
        self._cursor = len(self._text)

    def _word_left(self) -> None:
        self._cursor = word_start(self._text, self._cursor)

    def _word_right(self) -> None:
        self._cursor = word_end(self._text, self._cursor)

    def _backspace(self) -> None:
        self._replace(previous_cell(self._text, self._cursor), self._cursor, "")

    def _delete(self) -> None:
        self._replace(self._cursor, next_cell(self._text, self._cursor), "")

    def _kill_to_end(self) -> None:
        self._kill(self._cursor, len(self._text))

    def _kill_to_start(self) -> None:
        self._kill(0, self._cursor)

    def _kill_word_right(self) -> None:
        self._kill(self._cursor, word_end(self._text, self._cursor))

    def _kill_word_left(self) -> None:
        self._kill(word_start(self._text, self._cursor), self._cursor)

    def _kill_argument_left(self) -> None:
        self._kill(self._text[: self._cursor].rstrip().rfind(" ") + 1, self._cursor)

    def _yank(self) -> None:
        self._insert(self._killed)

    def _transpose(self) -> None:
        middle = min(self._cursor, previous_cell(self._text, len(self._text)))
        left, right = previous_cell(self._text, middle), next_cell(self._text, middle)
        if left < middle:
            self._replace(left, right, self._text[middle:right] + self._text[left:middle])

    def _older(self) -> None:
        self._browse(self._history.row - 1)

    def _newer(self) -> None:
        self._browse(self._history.row + 1)

    def _start_search(self) -> None:
        self._search = Search(self._history, self._text)

    def _clear_screen(self) -> None:
        self._view.clear_screen()

    # The steps that keys are made of.

    def _set_line(self, text: str, cursor: int) -> None:
        self._text = text
        self._cursor = cursor
        self._is_cut = False

    def _insert(self, text: str) -> None:
        self._replace(self._cursor, self._cursor, text)

    def _replace(self, start: int, stop: int, text: str) -> None:
        line = self._text[:start] + text + self._text[stop:]
        if len(line) > LINE_LIMIT:
            self._view.ring()
        else:
            self._set_line(line, start + len(text))

    def _paste(self, pasted: str) -> None:
        try:
            text = one_line(self._text[: self._cursor], pasted, LINE_LIMIT - len(self._text))
        except PasteError as error:
            self._view.ring()
            self.print_above(f"*** the paste is left out: {error}\r\n")
        else:
            self._insert(text)

    def _kill(self, start: int, stop: int) -> None:
        """Cut out text for Ctrl-Y to bring back; successive kills are joined as they stood in the line."""
        killed, before = self._text[start:stop], self._killed if self._after_kill else ""
        if killed:
            self._killed = killed + before if start < self._cursor else before + killed
            self._replace(start, stop, "")

    def _browse(self, row: int) -> None:
        if 0 <= row <= self._history.bottom:
            line = self._history.move(row, self._text)
            self._set_line(line, len(line))
        else:
            self._view.ring()

    def _end_line(self, mark: str = "") -> None:
        self._draw()
        self._view.leave(mark)
        self._reading = False

    def _draw(self) -> None:
        if self._search is None:
            prompt, text, cursor = self._prompt, self._text, self._cursor
        else:
            prompt, text, cursor = self._search.prompt, self._search.line, self._search.cursor
        self._view.show(prompt + text, len(prompt) + cursor)


_BINDINGS: dict[Key, Callable[[LineEditor], Event | None]] = {
    "enter": LineEditor._enter,
    "ctrl-c": LineEditor._drop_line,
    "ctrl-d": LineEditor._delete_or_end_input,
    "tab": LineEditor._ask_completion,
    "left": LineEditor._left,
    "ctrl-b": LineEditor._left,
    "right": LineEditor._right,
    "ctrl-f": LineEditor._right,
    "home": LineEditor._home,
    "ctrl-a": LineEditor._home,
    "end": LineEditor._end,
    "ctrl-e": LineEditor._end,
    "alt-b": LineEditor._word_left,
    "alt-left": LineEditor._word_left,
    "ctrl-left": LineEditor._word_left,
    "alt-f": LineEditor._word_right,
    "alt-right": LineEditor._word_right,
    "ctrl-right": LineEditor._word_right,
    "backspace": LineEditor._backspace,
    "delete": LineEditor._delete,
    "ctrl-k": LineEditor._kill_to_end,
    "ctrl-u": LineEditor._kill_to_start,
    "ctrl-w": LineEditor._kill_argument_left,
    "alt-d": LineEditor._kill_word_right,
    "alt-backspace": LineEditor._kill_word_left,
    "ctrl-y": LineEditor._yank,
    "ctrl-t": LineEditor._transpose,
    "up": LineEditor._older,
    "ctrl-p": LineEditor._older,
    "down": LineEditor._newer,
    "ctrl-n": LineEditor._newer,
    "ctrl-r": LineEditor._start_search,
    "ctrl-l": LineEditor._clear_screen,
}

_KILLS = frozenset({"ctrl-k", "ctrl-u", "ctrl-w", "alt-d", "alt-backspace"})

_SEARCH_BINDINGS: dict[Key, Callable[[Search], bool]] = {
    "ctrl-r": Search.older,
    "ctrl-s": Search.newer,
    "backspace": Search.shorten,
}

_SEARCH_CANCELS = frozenset({"ctrl-c", "ctrl-g"})
