"""What line mode and character mode share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable

from smanager.server.session import Session
from smanager.server.telnet import TelnetCodec, TelnetEvent, escape
from smanager.shells.output import PlainOutput
from smanager.terminal.text import as_bytes, visible

DEFAULT_COLUMNS = 80  # for a client that reports no width, or 0 (RFC 1073: unknown)


Choose = Callable[[Session, TelnetCodec], "Person"]
"""Begins and returns the mode that fits the codec."""


class Person(PlainOutput):
    """A mode that prompts, and prints for a terminal behind a telnet codec."""

    def __init__(self, session: Session, codec: TelnetCodec, choose: Choose) -> None:
        """`choose` is for when the codec has changed."""
        self._session = session
        self._connection = session.connection
        self._codec = codec
        self._choose = choose
        self._ending = False

    def receive(self, data: bytes) -> None:
        events = self._codec.receive(data)
        if answer := self._codec.take_output():
            # The answer goes first: after Ctrl-C a client drops all output before the answer to its timing mark.
            self._connection.send(answer)
        self.take(events)

    @property
    def draws(self) -> bool:
        """Whether a command draws pages in place, which any key ends."""
        interpreter = self._session.interpreter
        return interpreter.busy and interpreter.draws

    def idle(self) -> None:
        if self._session.interpreter.ended:
            self.close()
        else:
            self.ask()

    def write(self, text: str) -> None:
        self.show(for_terminal(text))

    @property
    def columns(self) -> int:
        return DEFAULT_COLUMNS

    def show(self, text: str) -> None:
        """Send text that is ready for a terminal."""
        if text:
            self._connection.send(escape(as_bytes(text)))

    def farewell(self, message: str) -> None:
        self.write(f"\n{message}\n")
        self.goodbye()

    def close(self) -> None:
        """End the session, as the person wants."""
        self.goodbye()
        self._connection.finish()

    def take_over(self, typed: bytes, events: Iterable[TelnetEvent]) -> None:
        """Go on where the other mode stopped: `typed` is its unfinished line, `events` have not been taken yet."""
        self.take([typed, *events])

    @abstractmethod
    def take(self, events: Iterable[TelnetEvent]) -> None: ...

    @abstractmethod
    def end_of_input(self) -> None: ...

    @abstractmethod
    def ask(self) -> None: ...

    @abstractmethod
    def goodbye(self) -> None:
        """Send what the terminal needs at the end of the session."""


def for_terminal(text: str) -> str:
    """Printed text as a terminal needs it: a bare newline would go down, but not to the left."""
    return visible(text).replace("\n", "\r\n")
