"""The first moments of a connection, which show what the client is.

One port serves people on telnet, people on a raw `nc`, and scripts, and most clients send nothing that tells them
apart. Their timing does. A client that sends something within QUIET_BEFORE_OFFER is a script, or a telnet client if
the first byte is IAC. A silent client is a person who waits for a prompt, and is offered telnet; the answer, or none
within ANSWER_TO_OFFER, shows which kind of client the person has. The times were measured with eight clients: a
script's first byte takes up to 200 ms on a busy machine, a person's a second and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

from smanager.config.listener import ListenerMode
from smanager.server.modes.character_mode import CharacterMode
from smanager.server.modes.early import EarlyMode
from smanager.server.modes.line_mode import LineMode
from smanager.server.modes.person import Person
from smanager.server.modes.person_login import PersonLogin
from smanager.server.modes.script import Script, text_in
from smanager.server.modes.script_login import ScriptLogin, is_login
from smanager.server.session import Session
from smanager.server.telnet import IAC, TelnetCodec, TelnetEvent, TerminalType, WindowSize

QUIET_BEFORE_OFFER = 0.3  # seconds of silence after which a client is taken for a person's, and offered telnet
EARLY_LIMIT = 64 * 1024  # bytes kept from a client of unknown kind; after that, reading is suspended

ANSWER_TO_OFFER = 0.5
"""Seconds that a telnet client has to answer; a later answer still turns the session into a telnet session."""

ERASE_OFFER = b"\r\x1b[K"
"""Erases what a raw terminal shows of the offer; on a telnet client the line is empty anyway."""


class Detection(EarlyMode):
    """The mode of a session until the kind of its client is known."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._codec: TelnetCodec | None = None
        self._events: list[TelnetEvent] = []
        self._early = 0
        self._is_telnet = session.settings.mode is ListenerMode.TELNET

    def begin(self) -> None:
        if self._is_telnet:
            self._offer()
        elif self._session.settings.mode is ListenerMode.AUTO:
            self._connection.set_timer(QUIET_BEFORE_OFFER, self._offer)
        elif self._session.caller is None:
            self._begin_script(b"")  # a known caller's first line may yet be a login, too

    def receive(self, data: bytes) -> None:
        if self._is_telnet and is_login(data):
            self._log_in(data)
            return
        if self._codec is None:
            if data[0] != IAC or self._session.settings.mode is not ListenerMode.AUTO:
                self._begin_script(data)
                return
            self._codec = TelnetCodec()
            self._wait_for_answer(self._codec)
        self._early += len(data)
        self._connection.hold(self._early > EARLY_LIMIT)
        self._events += self._codec.receive(data)
        if not self._codec.answered:
            if not self._is_telnet:
                self._begin_script(text_in(self._events))  # a script that was slow to begin
            return
        self._codec.offer()
        self._connection.send(self._codec.take_output())
        if self._codec.settled or self._codec.declines:
            self._become_person(self._codec)

    def end_of_input(self) -> None:
        """Close for a client that sends nothing, such as a port scanner; one that has sent something is a script."""
        if self._events:
            self._begin_script(text_in(self._events))
            self._session.mode.end_of_input()
        else:
            self._connection.finish()

    def _offer(self) -> None:
        self._codec = TelnetCodec()
        self._codec.offer()
        self._connection.send(self._codec.take_output() + ERASE_OFFER)
        self._wait_for_answer(self._codec)

    def _wait_for_answer(self, codec: TelnetCodec) -> None:
        self._connection.set_timer(ANSWER_TO_OFFER, partial(self._become_person, codec))

    def _become_person(self, codec: TelnetCodec) -> None:
        self._connection.clear_timer()
        if self._session.caller:
            self._welcome(codec, self._events)
        else:
            self._session.mode = login = PersonLogin(self._session, codec, partial(self._welcome, codec))
            login.begin(self._events)

    def _welcome(self, codec: TelnetCodec, events: Sequence[TelnetEvent]) -> None:
        choose(self._session, codec)
        current = CurrentMode(self._session)
        self._session.interpret(current, person=True)
        # The kind of terminal comes first, since it may change the mode; then the rest, in order.
        current.mode.take(event for event in events if isinstance(event, WindowSize | TerminalType))
        self._session.interpreter.greet()
        self._session.idle()
        current.mode.take(event for event in events if not isinstance(event, WindowSize | TerminalType))

    def _begin_script(self, data: bytes) -> None:
        self._connection.clear_timer()
        if self._session.caller and not is_login(data):
            self._become_script(data)
        else:
            self._log_in(data)

    def _log_in(self, data: bytes) -> None:
        self._session.mode = login = ScriptLogin(self._session, self._go_on)
        login.receive(data)

    def _go_on(self, data: bytes) -> None:
        """Detect the kind of a client that has logged in and then sent `data`."""
        if self._is_telnet and self._codec:
            self._session.mode = self
            self._wait_for_answer(self._codec)
            self.receive(data)
        elif data[0] == IAC and self._session.settings.mode is ListenerMode.AUTO:
            self._session.mode = Detection(self._session)
            self._session.mode.receive(data)
        else:
            self._become_script(data)

    def _become_script(self, data: bytes) -> None:
        self._session.mode = script = Script(self._session, self._codec)
        self._session.interpret(script, person=False)
        if data:
            script.receive(data)


def choose(session: Session, codec: TelnetCodec) -> Person:
    """Begin the mode that fits a client's telnet options as they are now."""
    kind = CharacterMode if codec.echoes else LineMode
    session.mode = mode = kind(session, codec, choose)
    return mode


class CurrentMode:
    """The output of a person's session: the mode as it is now, which changes with who edits the lines."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def mode(self) -> Person:
        return cast("Person", self._session.mode)  # a person's session has no other

    @property
    def columns(self) -> int:
        return self.mode.columns

    @property
    def has_colours(self) -> bool:
        return self.mode.has_colours

    def write(self, text: str) -> None:
        self.mode.write(text)

    def paint(self, text: str) -> None:
        self.mode.paint(text)

    def progress(self, text: str) -> None:
        self.mode.progress(text)

    def redraw(self, text: str) -> None:
        self.mode.redraw(text)
