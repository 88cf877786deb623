"""A script's session: lines in, their commands' output back, then the end of the connection, and not a byte more.

Many clients never signal that they have sent their last line, and some send it without a newline; silence stands for
both. All of them wait until the server closes the connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from smanager.server.line_reader import LineReader
from smanager.server.rpc.errors import RequestError
from smanager.server.rpc.requests import begins_request, decoded
from smanager.server.session import Session
from smanager.server.telnet import Signal, TelnetCodec, TelnetEvent
from smanager.shells.output import PlainOutput
from smanager.terminal.text import as_bytes

QUIET_UNTERMINATED = 0.25
"""Seconds of silence after which a last line without a newline is run: nc.openbsd and nc.traditional never end it, and
socat gives up after 0.5."""

QUIET_UNTERMINATED_LONG = 2.0
"""The same for a line that a lost segment may have cut; Linux retransmits after 0.2 s or more."""

UNFINISHED_SECONDS = 60.0  # seconds that the rest of a program's first request may take
ONE_SEGMENT = 1400  # bytes of a line that any network delivers in one piece
IDLE_SECONDS = 1.0  # seconds of silence after which a script that has had all its answers is done


@dataclass(slots=True, eq=False, repr=False)
class Script(PlainOutput):
    """Reads lines, runs them in order, and ends the session when no more lines are expected."""

    _session: Session
    _codec: TelnetCodec | None  # given if telnet was offered: the client may still answer
    _lines: LineReader = field(init=False)
    _was_quiet: bool = False

    def __post_init__(self) -> None:
        self._lines = LineReader(self._session, self._session.accept, self.idle)

    def receive(self, data: bytes) -> None:
        if self._was_quiet:
            return  # too late: the line has been run without these bytes
        if self._codec is not None or (b"\xff" in data and not self._is_request(data)):
            self._codec = self._codec or TelnetCodec()  # 255 never occurs in UTF-8: it is telnet
            events = self._codec.receive(data)
            data = text_in(events)
            if Signal.INTERRUPT in events:
                self._lines.drop()
                self._session.interrupt()
        self._lines.add(data)
        self.idle()

    def _is_request(self, data: bytes) -> bool:
        """Whether the bytes are a program's, and so never telnet."""
        return self._session.programs is not None or begins_request(self._lines.uncut or data)

    def end_of_input(self) -> None:
        self._lines.at_end = True
        self.idle()

    def write(self, text: str) -> None:
        self._session.connection.send(as_bytes(text))

    def idle(self) -> None:
        """Go on with the lines received so far."""
        if self._lines.work():
            if not self._session.connection.finishing:
                self._wait()
        else:
            self._session.connection.clear_timer()  # silence counts from the end of the command that runs

    def farewell(self, message: str) -> None:
        if self._session.interpreter.busy:
            self.write(f"*** {message}\n")

    def _wait(self) -> None:
        """Wait for more lines, or end the session; all lines so far are done."""
        session, connection, uncut = self._session, self._session.connection, self._lines.uncut
        if session.interpreter.ended or (self._lines.at_end and not (session.programs and session.programs.busy)):
            connection.finish()
        elif session.programs is not None:
            connection.clear_timer()  # a program closes its connection itself
        elif not uncut:
            connection.set_timer(IDLE_SECONDS, self._end_of_patience)
        elif begins_request(uncut):
            connection.set_timer(QUIET_UNTERMINATED, self._end_if_whole)
        else:
            patience = QUIET_UNTERMINATED if len(uncut) <= ONE_SEGMENT else QUIET_UNTERMINATED_LONG
            connection.set_timer(patience, self._end_of_patience)

    def _end_if_whole(self) -> None:
        """Run the program's unfinished line if it is a whole request, or else wait for its rest."""
        try:
            decoded(self._lines.uncut.decode("utf-8", "surrogateescape"))
        except RequestError:
            self._session.connection.set_timer(UNFINISHED_SECONDS, self._end_of_patience)
        else:
            self._end_of_patience()

    def _end_of_patience(self) -> None:
        self._was_quiet = True
        self.end_of_input()


def text_in(events: Iterable[TelnetEvent]) -> bytes:
    return b"".join(event for event in events if isinstance(event, bytes))
