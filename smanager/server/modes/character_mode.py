"""A person whose telnet client sends each key: the line editor runs here."""

from __future__ import annotations

import asyncio
import codecs
import logging
from collections.abc import Iterable

from smanager.server.editor.events import Complete, EndOfInput, Interrupt, Line
from smanager.server.editor.lineedit import INTERRUPT, LineEditor
from smanager.server.editor.lineview import DEFAULT_ROWS
from smanager.server.modes.person import DEFAULT_COLUMNS, Choose, Person, for_terminal
from smanager.server.session import Session
from smanager.server.telnet import Signal, TelnetCodec, TelnetEvent, TerminalType, WindowSize
from smanager.terminal.text import coloured, has_colours, visible

DUMB_TERMINALS = frozenset({"dumb", "emacs", "network", "unknown"})
"""Terminals that cannot move the cursor: their client has to edit the line."""

PASTE_MARKS_ON, PASTE_MARKS_OFF = "\x1b[?2004h", "\x1b[?2004l"
"""Bracketed paste, so that pasted lines wait for Enter."""

KEYS_A_TURN = 128  # characters worked through before other connections have their turn
TYPED_AHEAD = 8 * 1024  # characters that may wait for their turn; then reading is suspended

log = logging.getLogger("smanager")

_KEYS = {Signal.INTERRUPT: "\x03", Signal.ERASE_CHARACTER: "\x7f", Signal.ERASE_LINE: "\x15"}
"""The line editor's keys for telnet's signals."""


class CharacterMode(Person):
    """Feeds each key to the line editor, and shows what the editor makes of it."""

    def __init__(self, session: Session, codec: TelnetCodec, choose: Choose) -> None:
        super().__init__(session, codec, choose)
        self._editor = LineEditor()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._typed = ""
        self._asking = False
        self._working = False
        self._is_due = False  # whether the next keys have their effect in the next turn
        self._marks_pastes = False
        self._has_colours = False
        self._progressing = False  # whether a progress line is shown, which the next output replaces
        self._completing: asyncio.Task[None] | None = None

    def take_over(self, typed: bytes, events: Iterable[TelnetEvent]) -> None:
        self.show("\r\x1b[K")  # erases the prompt of the line mode
        if not self._session.interpreter.busy:
            self.ask()
        super().take_over(typed, events)

    def take(self, events: Iterable[TelnetEvent]) -> None:
        events = iter(events)
        if not self._codec.echoes:  # the client has taken line editing back
            self._hand_over(events)
            return
        for event in events:
            if self.draws and not isinstance(event, WindowSize | TerminalType):
                self._session.interrupt()
            elif isinstance(event, bytes):
                self._typed += self._decoder.decode(event)
            elif isinstance(event, WindowSize):
                self._editor.resize(event.columns or DEFAULT_COLUMNS, event.rows or DEFAULT_ROWS)
            elif isinstance(event, TerminalType):
                if event.name in DUMB_TERMINALS:
                    self._codec.hand_back()
                    self._connection.send(self._codec.take_output())
                    self._hand_over(events)
                    return
                if not self._marks_pastes:
                    self._marks_pastes = True
                    self.show(PASTE_MARKS_ON)
                self._has_colours = has_colours(event.name)
            elif event is Signal.ARE_YOU_THERE:
                self.write("[yes]\n")
            elif event is Signal.END_OF_FILE:  # sent by plink at the end of a pipe
                self._typed += "\r"
                self._ending = True
            else:
                self._typed += _KEYS[event]
        self._work()

    @property
    def has_colours(self) -> bool:
        return self._has_colours

    def progress(self, text: str) -> None:
        if not self._asking:
            self.show(f"\r{visible(text)}\x1b[K")
            self._progressing = True

    def redraw(self, text: str) -> None:
        self._progressing = False
        self.show(f"\x1b[H\x1b[2J{for_terminal(text)}")

    def write(self, text: str) -> None:
        text = visible(text)
        self.paint(coloured(text) if self._has_colours else text)

    def paint(self, text: str) -> None:
        text = text.replace("\n", "\r\n")
        self._end_progress()
        if self._asking:
            self._editor.print_above(text)
            self._show_editing()
        else:
            self.show(text)

    @property
    def columns(self) -> int:
        return self._editor.columns

    def idle(self) -> None:
        super().idle()
        self._work()

    def _end_progress(self) -> None:
        if self._progressing:
            self._progressing = False
            self.show("\r\x1b[K")

    def ask(self) -> None:
        self._end_progress()
        if not self._asking:
            self._asking = True
            self._editor.start(self._session.interpreter.prompt)
            self._show_editing()

    def end_of_input(self) -> None:
        """A telnet client that has hung up reads no more, unlike a script at the end of a pipe."""
        self._session.interpreter.cancel()
        self._connection.finish()

    def farewell(self, message: str) -> None:
        self._asking = False  # leaves the unfinished line as it is, above the message
        super().farewell(message)

    def goodbye(self) -> None:
        if self._marks_pastes:
            self.show(PASTE_MARKS_OFF)

    def _work(self) -> None:
        """Act on the keys typed so far, some of them a turn."""
        if self._working or self._is_due:
            return
        self._working = True
        count = self._takes()
        keys, self._typed = self._typed[:count], self._typed[count:]
        self._editor.feed(keys)
        turns = self._session.turns
        is_over = turns.is_over()
        while not (self._connection.finishing or is_over) and (event := self._editor.next_event()) is not None:
            self._show_editing()
            if isinstance(event, Complete):
                self._completing = asyncio.ensure_future(self._complete(event.line))
            else:
                self._asking = False
                self._act(event)
            is_over = turns.is_over()
        self._working = False
        self._show_editing()
        self._connection.hold(len(self._typed) > TYPED_AHEAD and not self._ending)
        if self._takes() or is_over:
            self._is_due = True
            turns.later(self._session.party, self._go_on)
        elif self._ending and self._asking and not self._editor.completing:
            self.close()

    def _takes(self) -> int:
        """How many of the keys typed so far the line editor may have now: up to a Ctrl-C, if it has no more room."""
        return min(KEYS_A_TURN, self._editor.room, len(self._typed)) or self._typed.find(INTERRUPT) + 1

    def _go_on(self) -> None:
        self._is_due = False
        if not self._connection.finishing:
            self._work()

    def _act(self, event: Line | Interrupt | EndOfInput) -> None:
        interpreter = self._session.interpreter
        if isinstance(event, Line):
            if self._session.accept(event.text):
                self.idle()
        elif isinstance(event, EndOfInput):
            interpreter.leave()
            self.idle()
        else:
            if self._completing:
                self._completing.cancel()  # its answer would go into another line
            if not self._session.interrupt() or not interpreter.busy:
                self.idle()

    async def _complete(self, line: str) -> None:
        try:
            start, matches = await self._session.interpreter.complete(line)
        except Exception:
            log.exception("internal error in a completion")
            start, matches = len(line), []
        self._editor.complete(start, matches)
        self._work()

    def _hand_over(self, events: Iterable[TelnetEvent]) -> None:
        """Leave line editing to the client; `events` have not been taken yet."""
        typed, self._typed = self._typed.encode(), ""
        self._choose(self._session, self._codec).take_over(typed, events)

    def _show_editing(self) -> None:
        self.show(self._editor.take_output())
