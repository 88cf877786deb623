"""The login of a person: a name, then a password that is not shown, with any kind of client."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from functools import partial

from smanager.access.secrets import SECRET_LIMIT
from smanager.access.users import NAME_LIMIT
from smanager.server.editor.keys import KeyDecoder, Paste
from smanager.server.modes.early import LOGIN_SECONDS, MOST_TRIES, Login
from smanager.server.session import Session
from smanager.server.telnet import Signal, TelnetCodec, TelnetEvent, TerminalType, WindowSize, escape
from smanager.terminal.text import as_bytes

KEYS_A_TURN = 128  # bytes worked through before other connections have their turn

_LEAVE = ("ctrl-c", "ctrl-d")


class PersonLogin(Login):
    """Asks for a name and a password; edits lines as getty does, and no more."""

    def __init__(self, session: Session, codec: TelnetCodec, welcome: Callable[[list[TelnetEvent]], None]) -> None:
        """`welcome` is called once the session has its caller, with what the client has sent besides."""
        super().__init__(session)
        self._codec = codec
        self._welcome = welcome
        self._terminal: dict[type, TelnetEvent] = {}  # the latest of each event about the client's terminal
        self._name = ""
        self._asks_password = False
        self._typed = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._keys = KeyDecoder()  # so that a terminal's answers are no part of a name or a password
        self._ahead = bytearray()
        self._after_return = False
        self._limit_time()

    def begin(self, events: Sequence[TelnetEvent]) -> None:
        self._show(b"login: ")
        self._take(events)

    def receive(self, data: bytes) -> None:
        events = self._codec.receive(data)
        if answer := self._codec.take_output():
            self._connection.send(answer)
        self._take(events)

    def end_of_input(self) -> None:
        self._connection.finish()

    def farewell(self, message: str) -> None:
        self._show(f"\r\n{message}\r\n".encode())

    def _limit_time(self) -> None:
        self._connection.set_timer(LOGIN_SECONDS, partial(self._session.farewell, "too slow"))

    def _take(self, events: Sequence[TelnetEvent]) -> None:
        for event in events:
            if isinstance(event, WindowSize | TerminalType):
                self._terminal[type(event)] = event
            elif isinstance(event, bytes):
                self._ahead += event
            elif event in (Signal.INTERRUPT, Signal.END_OF_FILE):
                self._connection.finish()
        self._work()

    def _work(self) -> None:
        for _ in range(KEYS_A_TURN):
            if not self._ahead or self._checking or self._connection.finishing:
                break
            key = bytes(self._ahead[:1])
            del self._ahead[:1]
            self._press(key)
        if self._connection.finishing:
            return
        self._connection.hold(len(self._ahead) > SECRET_LIMIT)  # people type at most a line ahead of a password
        if self._ahead and self._checking is None:
            self._connection.loop.call_soon(self._work)

    def _press(self, byte: bytes) -> None:
        self._after_return = byte == b"\r"
        for character in self._decoder.decode(byte):
            is_stray = "\ud800" <= character <= "\udfff"  # a byte outside UTF-8, which a password may have
            key = self._keys.take("\ufffd" if is_stray else character)
            if isinstance(key, Paste):
                self._type(key.text.replace("\n", ""))
            elif key is not None and len(key) == 1:
                self._type(character)
            elif key is not None:
                self._steer(key)

    def _steer(self, key: str) -> None:
        if key == "enter":
            self._enter()
        elif key in _LEAVE:
            self._connection.finish()
        elif key == "backspace":
            self._echo(b"\b \b" if self._typed else b"")
            self._typed = self._typed[:-1]
        elif key == "ctrl-u":
            self._echo(b"\b \b" * len(self._typed))
            self._typed = ""

    def _type(self, text: str) -> None:
        if len(as_bytes(self._typed + text)) <= (SECRET_LIMIT if self._asks_password else NAME_LIMIT):
            self._typed += text
            self._echo(as_bytes(text))

    def _echo(self, text: bytes) -> None:
        if self._codec.echoes and not self._asks_password:
            self._show(text)

    def _enter(self) -> None:
        text, self._typed = self._typed, ""
        if self._codec.echoes or self._asks_password:
            self._show(b"\r\n")
        if self._asks_password:
            self._connection.clear_timer()  # the wait for other logins does not count
            self._check(self._check_password(text))
        elif text:
            self._name, self._asks_password = text, True
            self._hide_typing(True)
            self._show(b"password: " if self._codec.answered else b"password (your client shows it): ")
        else:
            self._ask_again()

    def _ask_again(self) -> None:
        self._tries += 1
        if self._tries >= MOST_TRIES:
            self._connection.finish()
        else:
            self._show(b"login: ")

    def _hide_typing(self, hide: bool) -> None:
        """Have a telnet client that edits lines hide them, by claiming to echo; a raw client always shows them."""
        if self._codec.answered and not self._codec.echoes:
            self._codec.hide_typing(hide)
            self._connection.send(self._codec.take_output())

    async def _check_password(self, password: str) -> None:
        caller = await self._session.by_password(self._name, password)
        self._checking, self._asks_password = None, False
        if self._connection.finishing:
            return
        self._hide_typing(False)  # not earlier: the user may be typing the password once more
        if caller:
            self._connection.clear_timer()
            self._connection.hold(False)
            self._session.admit(caller)
            ahead = bytes(self._ahead).lstrip(b"\n\0" if self._after_return else b"")  # without the rest of the Enter
            self._welcome([*self._terminal.values(), *filter(None, [ahead])])
            return
        self._show(b"login incorrect\r\n")
        self._limit_time()
        self._ask_again()
        self._work()

    def _show(self, text: bytes) -> None:
        self._connection.send(escape(text))
