"""A person whose client sends whole lines: a raw connection, or a telnet client that edits lines itself."""

from __future__ import annotations

from collections.abc import Iterable

from smanager.server.editor.keys import typed_in
from smanager.server.line_reader import LineReader
from smanager.server.modes.person import Choose, Person
from smanager.server.rpc.requests import is_request
from smanager.server.session import Session
from smanager.server.telnet import Signal, TelnetCodec, TelnetEvent

_CTRL_D = "\x04"


class LineMode(Person):
    """Runs the lines that the client sends, and prompts after each command's output."""

    def __init__(self, session: Session, codec: TelnetCodec, choose: Choose) -> None:
        super().__init__(session, codec, choose)
        self._lines = LineReader(session, self._accept, self._work)

    def take(self, events: Iterable[TelnetEvent]) -> None:
        if self._codec.echoes:  # a late answer to the telnet offer
            self._choose(self._session, self._codec).take_over(self._lines.uncut, events)
            return
        for event in events:
            match event:
                case bytes() if self.draws:
                    self._session.interrupt()
                case bytes():
                    self._lines.add(event.replace(b"\0", b""))  # a NUL does nothing (RFC 854)
                case Signal.INTERRUPT:
                    self.show("\r\n")  # after the ^C that the terminal shows
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
        if not self._connection.finishing:
            self._work()

    def idle(self) -> None:
        super().idle()
        self._work()

    def end_of_input(self) -> None:
        self._ending = True
        self._lines.at_end = True
        self._work()

    def _work(self) -> None:
        if self._lines.work() and self._ending and not self._session.busy:
            self.close()

    def ask(self) -> None:
        if not self._ending and self._session.programs is None:  # a program wants no prompt between its replies
            self.show(self._session.interpreter.prompt)

    def goodbye(self) -> None:
        # nc.openbsd and ncat notice that the connection is closed only when they next send something.
        self.write("bye; if your client stays, press Enter\n")

    def _accept(self, line: str) -> bool:
        if line == _CTRL_D:  # as inetutils sends it
            self._session.interpreter.leave()
            super().idle()
            return not self._session.busy
        if not is_request(line):
            line = typed_in(line)
        elif self._session.programs is None:
            self.show("\r\n")  # puts the first reply on a line of its own, below the prompt
        if self._session.accept(line):
            super().idle()
        return not self._session.busy
