"""A script's session: lines in, their commands' output back, and the end, without a byte more.

Many clients never say that they have sent their last line, and some send it without a newline, so quiet
times stand for both. All of them wait until the server closes.
"""

from __future__ import annotations

from collections.abc import Iterable

from smanager.server.line_reader import LineReader
from smanager.server.rpc.errors import RequestError
from smanager.server.rpc.requests import decoded
from smanager.server.session import Session
from smanager.server.telnet import Event, Signal, TelnetCodec
from smanager.terminal.text import as_bytes

QUIET_UNTERMINATED = 0.25
"""Seconds after which a last line without a newline is run: nc.openbsd and nc.traditional never end it, and
socat gives up after 0.5."""

QUIET_UNTERMINATED_LONG = 2.0
"""The same for a line that may have been cut by a lost segment, which Linux sends again after 0.2 s or more."""

UNFINISHED_SECONDS = 60.0
"""How long the rest of a program's first request may take."""

ONE_SEGMENT = 1400
"""Bytes of a line that come in one piece on any network."""

IDLE_SECONDS = 1.0
"""How long a script that has had all its answers may think before its next line."""


class Script:
    """Reads lines, runs them in order, and ends the session when there is nothing more to expect."""

    columns = 0
    """Nobody looks at a window."""

    __slots__ = ("_at_end", "_codec", "_lines", "_session", "_was_quiet")

    def __init__(self, session: Session, codec: TelnetCodec | None) -> None:
        """`codec` where telnet has been offered already: the client may yet say something about it."""
        self._session = session
        self._codec = codec
        self._lines = LineReader(session, session.accept, self.idle)
        self._at_end = False
        self._was_quiet = False

    def receive(self, data: bytes) -> None:
        if self._was_quiet:
            return  # too late: its line has been run without this
        if self._codec is not None or (b"\xff" in data and not self._is_request(data)):
            self._codec = self._codec or TelnetCodec()  # the byte is never in UTF-8: a client's telnet option
            events = self._codec.receive(data)
            data = text_in(events)
            if Signal.INTERRUPT in events:
                self._lines.drop()
                self._session.interrupt()
        self._lines.add(data)
        self.idle()

    def _is_request(self, data: bytes) -> bool:
        """Whether bytes are a program's, which speaks no telnet, whatever they are."""
        return self._session.programs is not None or (self._lines.uncut or data).startswith((b"{", b"["))

    def end_of_input(self) -> None:
        self._at_end = True
        self._lines.end()
        self.idle()

    def write(self, text: str) -> None:
        self._session.send(as_bytes(text))

    def progress(self, text: str) -> None:
        """Nobody would see it."""

    def redraw(self, text: str) -> None:
        self.write(text)

    def idle(self) -> None:
        """Go on with the lines that have come."""
        if self._lines.work():
            if not self._session.finishing:
                self._wait()
        else:
            self._session.set_timer(0, None)  # a quiet time begins anew after the command that runs

    def farewell(self, message: str) -> None:
        if self._session.interpreter.busy:
            self.write(f"*** {message}\n")

    def _wait(self) -> None:
        """All is done that could be; see how long more may come."""
        session = self._session
        if session.interpreter.ended or (self._at_end and not (session.programs and session.programs.busy)):
            session.finish()
        elif session.programs is not None:
            session.set_timer(0, None)  # a program's connection ends when the program says so
        elif self._lines.uncut.startswith((b"{", b"[")):
            session.set_timer(QUIET_UNTERMINATED, self._end_if_whole)  # cut anywhere, it is still one request
        elif not self._lines.uncut:
            session.set_timer(IDLE_SECONDS, self._end_of_patience)
        elif len(self._lines.uncut) <= ONE_SEGMENT:
            session.set_timer(QUIET_UNTERMINATED, self._end_of_patience)
        else:
            session.set_timer(QUIET_UNTERMINATED_LONG, self._end_of_patience)

    def _end_if_whole(self) -> None:
        try:
            decoded(self._lines.uncut.decode("utf-8", "surrogateescape"))
        except RequestError:
            self._session.set_timer(UNFINISHED_SECONDS, self._end_of_patience)
        else:
            self._end_of_patience()

    def _end_of_patience(self) -> None:
        self._was_quiet = True
        self.end_of_input()


def text_in(events: Iterable[Event]) -> bytes:
    """The text; a script has no use for telnet's signals."""
    return b"".join(event for event in events if isinstance(event, bytes))
