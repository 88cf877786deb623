"""What a connection is taken for: histories of bytes at their times, with a connection whose clock is moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from smanager.access.callers import Caller
from smanager.access.origin import Origin, OriginKind
from smanager.config.listener import ListenerMode, ListenerSettings
from smanager.server.modes.character_mode import CharacterMode
from smanager.server.modes.detection import ANSWER_TO_OFFER, EARLY_LIMIT, QUIET_BEFORE_OFFER, Detection
from smanager.server.modes.early import LOGIN_SECONDS
from smanager.server.modes.line_mode import LineMode
from smanager.server.modes.person_login import PersonLogin
from smanager.server.modes.script import Script
from smanager.server.modes.script_login import ScriptLogin
from smanager.server.session import Session
from smanager.shells.output import Output

# IAC and its commands, from RFC 854, 857, 858, 1073, 1091.
OFFER = bytes.fromhex("fffb01 fffb03 fffd1f fffd18")  # WILL ECHO, WILL SGA, DO NAWS, DO TERMINAL-TYPE
ACCEPTANCE = bytes.fromhex("fffd01 fffd03 fffc1f fffc18")  # DO ECHO, DO SGA, WONT NAWS, WONT TERMINAL-TYPE
REFUSAL = bytes.fromhex("fffe01 fffe03 fffc1f fffc18")
SOON, SLOW = QUIET_BEFORE_OFFER / 2, QUIET_BEFORE_OFFER + ANSWER_TO_OFFER / 2
LATE = QUIET_BEFORE_OFFER + ANSWER_TO_OFFER + 0.1

ANYBODY = Caller(Origin(OriginKind.TCP, "192.0.2.1", 40000))


@dataclass
class Wire:
    """A connection without a socket, and its clock."""

    now: float = 0.0
    sent: bytes = b""
    held: bool = False
    finishing: bool = False
    timer: tuple[float, Callable[[], None]] | None = None

    def set_timer(self, seconds: float, action: Callable[[], None]) -> None:
        self.timer = self.now + seconds, action

    def clear_timer(self) -> None:
        self.timer = None

    def send(self, data: bytes) -> None:
        assert not self.finishing
        self.sent += data

    def hold(self, hold: bool) -> None:
        self.held = hold

    def finish(self) -> None:
        self.finishing = True
        self.timer = None

    def advance(self, now: float) -> None:
        """Let time pass, and the timers due in it ring."""
        while self.timer and self.timer[0] <= now:
            (self.now, action), self.timer = self.timer, None
            action()
        self.now = now


class Shell:
    """An interpreter that does nothing."""

    busy = ended = False
    prompt = ">"

    def __init__(self, output: Output) -> None:
        self.greet = lambda: output.write("banner\n")


class Endless:
    """A turn of the loop that is never over."""

    def is_over(self) -> bool:
        return False


@dataclass
class Client:
    """A session as far as its first modes use it."""

    connection: Wire
    settings: ListenerSettings
    caller: Caller | None
    lines: list[str] = field(default_factory=list)
    person: bool | None = None
    programs: None = None
    busy: bool = False
    mode: Any = None
    interpreter: Any = None
    turns: Endless = field(default_factory=Endless)

    def interpret(self, output: Output, person: bool) -> None:
        self.person = person
        self.interpreter = Shell(output)

    def idle(self) -> None:
        self.mode.idle()

    def farewell(self, message: str) -> None:
        self.mode.farewell(message)
        self.connection.finish()

    def accept(self, line: str) -> bool:
        self.lines.append(line)
        return True


def client(
    *history: tuple[float, bytes], mode: ListenerMode = ListenerMode.AUTO, caller: Caller | None = ANYBODY
) -> Client:
    """A session after bytes have come at these times, in seconds; empty bytes are the end of the input."""
    wire = Wire()
    session = Client(wire, ListenerSettings("a", mode=mode), caller)
    session.mode = detection = Detection(cast("Session", session))
    detection.begin()
    for when, data in history:
        wire.advance(when)
        if data:
            session.mode.receive(data)
        else:
            session.mode.end_of_input()
    return session


@pytest.mark.parametrize(
    ("history", "mode"),
    [
        ([(SOON, b"help\n")], Script),
        ([(SOON, b"he"), (SOON, b"lp\n")], Script),
        ([(SOON, ACCEPTANCE[:6])], Detection),  # a client that negotiates first, and is asked for more
        ([(SOON, ACCEPTANCE[:6]), (SOON, ACCEPTANCE[6:])], CharacterMode),
        ([(SLOW, ACCEPTANCE)], CharacterMode),
        ([(SLOW, REFUSAL)], LineMode),
        ([(SLOW, ACCEPTANCE[:6])], Detection),  # not all is answered yet
        ([(SLOW, ACCEPTANCE[:6]), (LATE, b"help\r\n")], CharacterMode),
        ([(SLOW, b"help\n")], Script),  # one that is slow to begin
        ([(LATE, b"help\n")], LineMode),
        ([(LATE, ACCEPTANCE)], CharacterMode),  # a late answer still counts
    ],
)
def test_the_first_moments_decide(history: list[tuple[float, bytes]], mode: type) -> None:
    session = client(*history)
    assert type(session.mode) is mode
    assert not session.connection.finishing


def test_a_script_gets_no_byte_of_telnet() -> None:
    session = client((SOON, b"help\n"))
    assert (session.connection.sent, session.lines, session.person) == (b"", ["help"], False)


def test_a_silent_client_is_offered_telnet_and_then_prompted() -> None:
    session = client()
    session.connection.advance(QUIET_BEFORE_OFFER)
    assert session.connection.sent == OFFER + b"\r\x1b[K"
    session.connection.advance(LATE)
    assert session.connection.sent.endswith(b"banner\r\n>")
    assert session.person


def test_what_was_typed_before_the_prompt_is_run_behind_it() -> None:
    session = client((SLOW, ACCEPTANCE[:6] + b"help\r\n"))
    session.connection.advance(LATE)
    assert session.lines == ["help"]
    assert session.connection.sent.index(b"banner") < session.connection.sent.index(b">help")


def test_a_client_that_sends_nothing_is_closed_at_its_end() -> None:
    assert client((SOON, b"")).connection.finishing
    session = client((SLOW, b"\xff\xfd\x01help\n"), (SLOW, b""))
    assert (type(session.mode), session.lines) == (Script, ["help"])  # all of it came before it was known


@pytest.mark.parametrize(
    ("mode", "data", "expected"),
    [
        (ListenerMode.TELNET, b"help\n", LineMode),
        (ListenerMode.TELNET, ACCEPTANCE, CharacterMode),
        (ListenerMode.RAW, b"help\n", Script),
        (ListenerMode.RAW, ACCEPTANCE, Script),
        (ListenerMode.JSON, b"{}\n", Script),
    ],
)
def test_a_listener_may_leave_nothing_to_detect(mode: ListenerMode, data: bytes, expected: type) -> None:
    session = client((2 * LATE, data), mode=mode)
    assert type(session.mode) is expected
    assert session.connection.sent.startswith(OFFER) == (mode is ListenerMode.TELNET)


def test_an_unknown_client_logs_in_as_what_it_is() -> None:
    assert type(client((SOON, b"help\n"), caller=None).mode) is ScriptLogin
    assert type(client(caller=None, mode=ListenerMode.RAW).mode) is ScriptLogin
    session = client((LATE, b""), caller=None)
    assert session.connection.finishing
    session = client((SLOW, ACCEPTANCE), caller=None)
    assert type(session.mode) is PersonLogin
    assert session.connection.sent.endswith(b"login: ")


@pytest.mark.parametrize("history", [[], [(SOON, b"auth ")], [(SLOW, ACCEPTANCE)], [(LATE, b"anna\r\n")]])
def test_an_unknown_client_has_so_long_to_log_in(history: list[tuple[float, bytes]]) -> None:
    session = client(*history, caller=None)
    session.connection.advance(LOGIN_SECONDS)
    assert not session.connection.finishing
    session.connection.advance(LATE + LOGIN_SECONDS)
    assert session.connection.finishing


def test_early_bytes_are_bounded() -> None:
    session = client((SLOW, b"\xff\xfd\x01" + b"x" * EARLY_LIMIT))
    assert type(session.mode) is Detection
    assert session.connection.held
