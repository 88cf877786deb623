"""The first moments of a connection, which tell what it is.

One port serves people on telnet, people on a raw `nc`, and scripts, and most clients say nothing that
tells them apart. The first moments do. Who speaks within QUIET_BEFORE_OFFER is a script, or a telnet
client where the first byte is IAC. Who is silent is a person who waits for a prompt, and is offered
telnet; the answer, or none within ANSWER_TO_OFFER, tells which kind. The times were measured on eight
clients: a script's first byte takes up to 200 ms on a busy machine, a person's a second and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from smanager.config.listener import ListenerMode
from smanager.server.modes.person import LineMode, Terminal
from smanager.server.modes.person_login import Login
from smanager.server.modes.script import Script, text_in
from smanager.server.modes.script_login import FirstLine, is_login
from smanager.server.session import Session, Unoccupied
from smanager.server.telnet import IAC, Event, TelnetCodec, TerminalType, WindowSize

QUIET_BEFORE_OFFER = 0.3
"""Seconds of silence after which a client is taken for a person's, and offered telnet."""

EARLY_LIMIT = 64 * 1024
"""Bytes taken in while a client has not answered yet."""

ANSWER_TO_OFFER = 0.5
"""Seconds that a telnet client has to answer; a later answer still turns the session into one."""

# What a raw terminal shows of the offer is wiped out again, and a telnet client has an empty line to erase.
ERASE_OFFER = b"\r\x1b[K"


class Opening(Unoccupied):
    """The first moments of a connection, until it is known what it is."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._codec: TelnetCodec | None = None
        self._events: list[Event] = []
        self._early = 0
        self._is_telnet = session.settings.mode is ListenerMode.TELNET

    def begin(self) -> None:
        """Find out what it is, as far as its listener leaves that open."""
        if self._is_telnet:
            self._offer()
        elif self._session.settings.mode is ListenerMode.AUTO:
            self._session.set_timer(QUIET_BEFORE_OFFER, self._offer)
        elif self._session.caller is None:
            self._begin_script(b"")  # else it may yet say who it is, by what it sends first

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
        self._session.hold(self._early > EARLY_LIMIT)  # until it is known who will take it
        self._events += self._codec.receive(data)
        if not self._codec.answered:
            if not self._is_telnet:
                self._begin_script(text_in(self._events))  # slow to begin, and no telnet client
            return
        self._codec.offer()
        self._session.send(self._codec.take_output())
        if self._codec.settled or self._codec.declines:
            self._become_person(self._codec)

    def end_of_input(self) -> None:
        """Somebody who has nothing to say, such as a port scan; or who has said it all before we knew who it is."""
        if not self._events:
            self._session.finish()
            return
        self._begin_script(text_in(self._events))
        self._session.mode.end_of_input()

    def _offer(self) -> None:
        self._codec = TelnetCodec()
        self._codec.offer()
        self._session.send(self._codec.take_output() + ERASE_OFFER)
        self._wait_for_answer(self._codec)

    def _wait_for_answer(self, codec: TelnetCodec) -> None:
        self._session.set_timer(ANSWER_TO_OFFER, partial(self._become_person, codec))

    def _become_person(self, codec: TelnetCodec) -> None:
        self._session.set_timer(0, None)
        if self._session.caller:
            self._welcome(codec, self._events)
        else:
            self._session.mode = login = Login(self._session, codec, partial(self._welcome, codec))
            login.begin(self._events)

    def _welcome(self, codec: TelnetCodec, events: Sequence[Event]) -> None:
        self._session.interpret(self._session, person=True)
        person = Terminal if codec.echoes else LineMode
        self._session.mode = person(self._session, codec)
        # What kind of terminal it is comes first, since that may change the mode; then the rest, in its order.
        self._session.mode.take(event for event in events if isinstance(event, WindowSize | TerminalType))
        self._session.interpreter.greet()
        self._session.idle()
        self._session.mode.take(event for event in events if not isinstance(event, WindowSize | TerminalType))

    def _begin_script(self, data: bytes) -> None:
        self._session.set_timer(0, None)
        if self._session.caller and not is_login(data):
            self._become_script(data)
        else:
            self._log_in(data)

    def _log_in(self, data: bytes) -> None:
        self._session.mode = first = FirstLine(self._session, self._go_on)
        first.receive(data)

    def _go_on(self, data: bytes) -> None:
        """It is known who it is, and what comes next says what it is."""
        if self._is_telnet and self._codec:
            self._session.mode = self
            self._wait_for_answer(self._codec)
            self.receive(data)
        elif data[0] == IAC and self._session.settings.mode is ListenerMode.AUTO:
            self._session.mode = Opening(self._session)
            self._session.mode.receive(data)
        else:
            self._become_script(data)

    def _become_script(self, data: bytes) -> None:
        self._session.mode = script = Script(self._session, self._codec)
        self._session.interpret(script, person=False)
        if data:
            script.receive(data)
