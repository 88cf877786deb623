"""A person's session: on telnet with the line editor, or line by line on a raw connection."""

from __future__ import annotations

import asyncio
import codecs
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from smanager.server.editor import lineedit
from smanager.server.editor.lineedit import LineEditor
from smanager.server.line_reader import LineReader
from smanager.server.rpc.requests import is_request
from smanager.server.session import Session
from smanager.server.telnet import Event, Signal, TelnetCodec, TerminalType, WindowSize, escape
from smanager.terminal.text import as_bytes, coloured, has_colours, visible

DUMB_TERMINALS = frozenset({"dumb", "emacs", "network", "unknown"})
"""Terminals that move no cursor: their client edits the line."""

PASTE_MARKS_ON, PASTE_MARKS_OFF = "\x1b[?2004h", "\x1b[?2004l"
"""Bracketed paste, so that pasted lines wait for Enter."""

KEYS_A_TURN = 128
"""Characters typed that are worked through before other connections have their turn."""

TYPED_AHEAD = 8 * 1024
"""Characters that may wait for their turn before no more are read."""

DEFAULT_COLUMNS = 80
"""For a client that tells no width, or 0 (RFC 1073: unknown)."""

log = logging.getLogger("smanager")

_ENTER = re.compile(rb"\r[\n\0]?")
_CTRL_D = "\x04"

_KEYS = {
    Signal.INTERRUPT: "\x03",
    Signal.ERASE_CHARACTER: "\x7f",
    Signal.ERASE_LINE: "\x15",
}
"""What the line editor knows these as."""


class Person(ABC):
    """What both kinds share: the telnet codec, the banner, output for a terminal."""

    def __init__(self, session: Session, codec: TelnetCodec) -> None:
        self._session = session
        self._codec = codec
        self._ending = False

    def receive(self, data: bytes) -> None:
        events = self._codec.receive(data)
        if answer := self._codec.take_output():
            # First: upon Ctrl-C a client throws away what comes before the answer to its timing mark.
            self._session.send(answer)
        self.take(events)

    def idle(self) -> None:
        if self._session.interpreter.ended:
            self.part()
            self._session.finish()
        else:
            self.ask()

    def write(self, text: str) -> None:
        self.show(for_terminal(text))

    @property
    def columns(self) -> int:
        """How wide the window is."""
        return DEFAULT_COLUMNS

    @abstractmethod
    def progress(self, text: str) -> None:
        """Show a line that goes when something else is shown."""

    def redraw(self, text: str) -> None:
        """Show a page."""
        self.write(text)

    def show(self, text: str) -> None:
        """Send text that is ready for a terminal."""
        if text:
            self._session.send(escape(as_bytes(text)))

    def farewell(self, message: str) -> None:
        self.write(f"\n{message}\n")
        self.part()

    @abstractmethod
    def take(self, events: Iterable[Event]) -> None:
        """Take in what the client sent."""

    @abstractmethod
    def end_of_input(self) -> None:
        """The client sends no more; what it has sent is still run."""

    @abstractmethod
    def ask(self) -> None:
        """Prompt for the next line."""

    @abstractmethod
    def part(self) -> None:
        """Leave the terminal as it was."""


class LineMode(Person):
    """A terminal that sends whole lines: a raw connection, or a telnet client that edits lines itself."""

    def __init__(self, session: Session, codec: TelnetCodec) -> None:
        super().__init__(session, codec)
        self._lines = LineReader(session, self._accept, self._work)
        self._after_return = False

    def take(self, events: Iterable[Event]) -> None:
        if self._codec.echoes:  # an answer to the offer that came late
            self._session.mode = terminal = Terminal(self._session, self._codec)
            terminal.take_over(self._lines.uncut, events)
            return
        for event in events:
            if isinstance(event, bytes):
                self._lines.add(self._with_newlines(event))
            elif isinstance(event, Signal):
                self._obey(event)
        if not self._session.finishing:
            self._work()

    def idle(self) -> None:
        super().idle()
        self._work()

    def progress(self, text: str) -> None:
        """There is no way back to the beginning of a line that was sent."""

    def end_of_input(self) -> None:
        self._ending = True
        self._lines.end()
        self._work()

    def _obey(self, signal: Signal) -> None:
        match signal:
            case Signal.INTERRUPT:
                self.show("\r\n")  # behind the ^C that the terminal shows
                self._lines.drop()
                if not self._session.interrupt():
                    self.ask()
            case Signal.END_OF_FILE:
                self.end_of_input()
            case Signal.ERASE_CHARACTER:
                self._lines.erase_character()
            case Signal.ERASE_LINE:
                self._lines.erase_line()
            case Signal.ARE_YOU_THERE:
                self.write("[yes]\n")

    def _work(self) -> None:
        if self._lines.work() and self._ending and not self._session.busy:
            self.part()
            self._session.finish()

    def ask(self) -> None:
        if not self._ending and self._session.programs is None:  # between a program's replies it would be in the way
            self.show(self._session.interpreter.prompt)

    def part(self) -> None:
        # nc.openbsd and ncat see a close only when they next send something.
        self.write("bye; if your client stays, press Enter\n")

    def _with_newlines(self, data: bytes) -> bytes:
        """Each way to send an Enter (CR LF, CR NUL, CR, LF) as one newline, wherever the bytes are cut; NUL is nothing
        (RFC 854)."""
        after_return, self._after_return = self._after_return, data.endswith(b"\r")
        if after_return and data[:1] in (b"\n", b"\0"):
            data = data[1:]
        return _ENTER.sub(b"\n", data).replace(b"\0", b"")

    def _accept(self, line: str) -> bool:
        if line == _CTRL_D:  # as inetutils sends it
            self._session.interpreter.leave()
            super().idle()
            return not self._session.busy
        if is_request(line) and self._session.programs is None:
            self.show("\r\n")  # so that the first reply has a line of its own, behind the prompt
        if self._session.accept(line):
            super().idle()
        return not self._session.busy


class Terminal(Person):
    """A telnet client in character mode: each key comes here, and the line editor shows what it does."""

    def __init__(self, session: Session, codec: TelnetCodec) -> None:
        super().__init__(session, codec)
        self._editor = LineEditor()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._typed = ""
        self._asking = False
        self._working = False
        self._marks_pastes = False
        self._has_colours = False
        self._progressing = False  # a line about that is shown, which is to go
        self._completing: asyncio.Task[None] | None = None

    def take_over(self, typed: bytes, events: Iterable[Event]) -> None:
        """Go on where the line mode was left, with its prompt on the last row and `typed` not ended yet."""
        self.show("\r\x1b[K")
        if not self._session.interpreter.busy:
            self.ask()
        self.take([typed, *events])

    def take(self, events: Iterable[Event]) -> None:
        if not self._codec.echoes:  # the client has taken line editing back
            self._session.mode = line_mode = LineMode(self._session, self._codec)
            line_mode.take(events)
            return
        events = iter(events)
        for event in events:
            if isinstance(event, bytes):
                self._typed += self._decoder.decode(event)
            elif isinstance(event, WindowSize):
                self._editor.resize(event.columns or DEFAULT_COLUMNS)
            elif isinstance(event, TerminalType):
                if event.name in DUMB_TERMINALS:
                    self._hand_back(events)
                    return
                self._mark_pastes()
                self._has_colours = has_colours(event.name)
            elif event is Signal.ARE_YOU_THERE:
                self.write("[yes]\n")
            elif event is Signal.END_OF_FILE:  # plink's, at the end of a pipe
                self._typed += "\r"
                self._ending = True
            else:
                self._typed += _KEYS[event]
        if not self._working:
            self._work()

    def progress(self, text: str) -> None:
        if not self._asking:
            self.show(f"\r{visible(text)}\x1b[K")
            self._progressing = True

    def redraw(self, text: str) -> None:
        """Show a page on the whole window."""
        self._progressing = False
        self.show(f"\x1b[H\x1b[2J{for_terminal(text)}")

    def write(self, text: str) -> None:
        text = for_terminal(text)
        if self._has_colours:
            text = coloured(text)
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
        if not self._working:
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
        """A telnet client that has hung up reads nothing more, unlike one at the end of a pipe."""
        self._session.interpreter.cancel()
        self._session.finish()

    def farewell(self, message: str) -> None:
        self._asking = False  # the line being typed stays above
        super().farewell(message)

    def part(self) -> None:
        if self._marks_pastes:
            self.show(PASTE_MARKS_OFF)

    def _work(self) -> None:
        """Act on the keys so far, some of them a turn."""
        self._working = True
        keys, self._typed = self._typed[:KEYS_A_TURN], self._typed[KEYS_A_TURN:]
        self._editor.feed(keys)
        while not self._session.finishing and (event := self._editor.next_event()) is not None:
            self._show_editing()
            if isinstance(event, lineedit.Complete):
                self._completing = asyncio.ensure_future(self._complete(event.line))
            else:
                self._asking = False
                self._act(event)
        self._working = False
        self._show_editing()
        self._session.hold(len(self._typed) > TYPED_AHEAD and not self._ending)
        if self._typed:
            self._session.loop.call_soon(self._go_on)
        elif self._ending and self._asking and not self._editor.completing:
            self.part()
            self._session.finish()

    def _go_on(self) -> None:
        if self._typed and not self._session.finishing:
            self._work()

    def _act(self, event: lineedit.Line | lineedit.Interrupt | lineedit.EndOfInput) -> None:
        interpreter = self._session.interpreter
        if isinstance(event, lineedit.Line):
            if self._session.accept(event.text):
                self.idle()
        elif isinstance(event, lineedit.EndOfInput):
            interpreter.leave()
            self.idle()
        else:
            if self._completing:
                self._completing.cancel()  # or its answer would go into another line
            if not self._session.interrupt() or not interpreter.busy:
                self.idle()

    async def _complete(self, line: str) -> None:
        try:
            found = await self._session.interpreter.complete(line)
        except Exception:
            log.exception("a mistake in SManager, met by Tab")
            found = len(line), []
        self._editor.complete(*found)
        self._work()

    def _hand_back(self, events: Iterator[Event]) -> None:
        """Leave line editing to a client whose terminal moves no cursor; `events` are those still to be taken."""
        self._codec.hand_back()
        self._session.send(self._codec.take_output())
        self._session.mode = line_mode = LineMode(self._session, self._codec)
        line_mode.take([self._typed.encode(), *events])

    def _mark_pastes(self) -> None:
        if not self._marks_pastes:
            self._marks_pastes = True
            self.show(PASTE_MARKS_ON)

    def _show_editing(self) -> None:
        self.show(self._editor.take_output())


def for_terminal(text: str) -> str:
    """Printed text as a terminal takes it: a bare newline would go down, but not to the left."""
    return visible(text).replace("\n", "\r\n")
