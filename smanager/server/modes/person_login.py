"""Logging in as a person: a name, then a password that is not shown, on whatever kind of client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from smanager.access.callers import Caller
from smanager.access.secrets import SECRET_LIMIT
from smanager.access.users import NAME_LIMIT
from smanager.server.session import Session, Unoccupied
from smanager.server.telnet import Event, Signal, TelnetCodec, TerminalType, WindowSize, escape

LOGIN_SECONDS = 60.0
"""How long somebody may take to log in."""

MOST_TRIES = 3

KEYS_A_TURN = 128
"""Bytes taken before other connections have their turn."""

log = logging.getLogger("smanager")

_ENTER, _ERASE, _ERASE_LINE, _LEAVE = b"\r\n\0", b"\x7f\x08", b"\x15", b"\x03\x04"


def end_at_a_mistake(session: Session, login: asyncio.Task[None]) -> None:
    """Leave nobody waiting for a login that has met a mistake of ours."""
    if not login.cancelled() and (error := login.exception()):
        log.error("a mistake in SManager, met by a login", exc_info=error)
        session.finish()


class Login(Unoccupied):
    """The mode of a person's session before it is known whose it is. It edits lines as getty does, and no more."""

    def __init__(self, session: Session, codec: TelnetCodec, welcome: Callable[[list[Event]], None]) -> None:
        """`welcome` is given what has come besides, once the session has its caller."""
        self._session = session
        self._codec = codec
        self._welcome = welcome
        self._settings: dict[type, Event] = {}  # what the client's terminal is, the last of each kind
        self._name = ""
        self._asks_password = False
        self._typed = b""
        self._ahead = b""
        self._after_return = False
        self._tries = 0
        self._checking: asyncio.Task[None] | None = None
        session.set_timer(LOGIN_SECONDS, lambda: session.farewell("too slow"))

    def begin(self, events: Sequence[Event]) -> None:
        """Ask; `events` have come before."""
        self._show(b"login: ")
        self._take(events)

    def receive(self, data: bytes) -> None:
        events = self._codec.receive(data)
        if answer := self._codec.take_output():
            self._session.send(answer)
        self._take(events)

    def end_of_input(self) -> None:
        self._session.finish()

    def farewell(self, message: str) -> None:
        self._show(f"\r\n{message}\r\n".encode())

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, WindowSize | TerminalType):
                self._settings[type(event)] = event
            elif isinstance(event, bytes):
                self._ahead += event
            elif event in (Signal.INTERRUPT, Signal.END_OF_FILE):
                self._session.finish()
        self._work()

    def _work(self) -> None:
        keys, self._ahead = self._ahead[:KEYS_A_TURN], self._ahead[KEYS_A_TURN:]
        for index in range(len(keys)):
            if self._checking or self._session.finishing:
                self._ahead = keys[index:] + self._ahead
                break
            self._press(keys[index : index + 1])
        if self._session.finishing:
            return
        self._session.hold(len(self._ahead) > SECRET_LIMIT)  # nobody types ahead of a password by more than a line
        if self._ahead and self._checking is None:
            self._session.loop.call_soon(self._work)

    def _press(self, key: bytes) -> None:
        after_return, self._after_return = self._after_return, key == b"\r"
        if key in _ENTER:
            if key == b"\r" or not after_return:
                self._enter()
        elif key in _LEAVE:
            self._session.finish()
        elif key in _ERASE:
            shorter = self._typed.decode("utf-8", "surrogateescape")[:-1].encode("utf-8", "surrogateescape")
            self._echo(b"\b \b" if self._typed else b"")
            self._typed = shorter
        elif key in _ERASE_LINE:
            self._echo(b"\b \b" * len(self._typed))
            self._typed = b""
        elif key >= b" " and len(self._typed) < (SECRET_LIMIT if self._asks_password else NAME_LIMIT):
            self._typed += key
            self._echo(key)

    def _echo(self, text: bytes) -> None:
        if self._codec.echoes and not self._asks_password:
            self._show(text)

    def _enter(self) -> None:
        text, self._typed = self._typed.decode("utf-8", "surrogateescape"), b""
        if self._codec.echoes or self._asks_password:
            self._show(b"\r\n")
        if self._asks_password:
            self._session.set_timer(0, None)  # the queue of those who log in is not this one's time
            self._checking = asyncio.ensure_future(self._check(text))
            self._checking.add_done_callback(partial(end_at_a_mistake, self._session))
        elif text:
            self._name, self._asks_password = text, True
            self._hide_typing(True)
            self._show(b"password: " if self._codec.answered else b"password (your client shows it): ")
        else:
            self._ask_again()

    def _ask_again(self) -> None:
        self._tries += 1
        if self._tries >= MOST_TRIES:
            self._session.finish()
        else:
            self._show(b"login: ")

    def _hide_typing(self, hide: bool) -> None:
        """A telnet client that edits lines shows them, unless we say that we do; a raw one knows nothing of that."""
        if self._codec.answered and not self._codec.echoes:
            self._codec.hide_typing(hide)
            self._session.send(self._codec.take_output())

    async def _check(self, password: str) -> None:
        caller = await self._session.by_password(self._name, password)
        self._checking, self._asks_password = None, False
        if self._session.finishing:
            return
        self._hide_typing(False)  # not before: who types on has perhaps the next password on the way
        if caller:
            self._admit(caller)
            return
        self._show(b"login incorrect\r\n")
        self._session.set_timer(LOGIN_SECONDS, lambda: self._session.farewell("too slow"))
        self._ask_again()
        self._work()

    def _admit(self, caller: Caller) -> None:
        self._session.set_timer(0, None)
        self._session.hold(False)
        self._session.admit(caller)
        ahead = self._ahead.lstrip(b"\n\0") if self._after_return else self._ahead  # the rest of the Enter
        self._welcome([*self._settings.values(), *([ahead] if ahead else [])])

    def _show(self, text: bytes) -> None:
        self._session.send(escape(text))
