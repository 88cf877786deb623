"""The telnet protocol (RFC 854, 855), as far as a shell needs it; bytes in, events and bytes out, no I/O.

Each option has two sides: what we do (`us`) and what the client does (`them`). A side is off, on, or requested by us
and not answered yet. A request that changes nothing is not answered (RFC 1143), and a request that was refused once is
ignored from then on, so that no answer provokes another. We never turn off an agreed option, except ECHO and SGA
together, which hands line editing back to the client.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
EOF, SUSP, ABORT, BREAK, INTERRUPT_PROCESS, ABORT_OUTPUT, ARE_YOU_THERE, ERASE_CHARACTER, ERASE_LINE = (
    236, 237, 238, 243, 244, 245, 246, 247, 248,
)  # fmt: skip

ECHO, SUPPRESS_GO_AHEAD, TIMING_MARK, TERMINAL_TYPE, WINDOW_SIZE = 1, 3, 6, 24, 31

SUBNEGOTIATION_LIMIT = 256
"""Bytes kept of one subnegotiation; a terminal's name or a window's size takes a tenth of that."""

IS, SEND = 0, 1  # RFC 1091

_TERMINAL_NAME = re.compile(rb"[A-Za-z0-9._+-]{1,40}")


class Signal(Enum):
    """What a client asks for besides the text it sends."""

    INTERRUPT = "interrupt"
    END_OF_FILE = "end of file"
    ERASE_CHARACTER = "erase character"
    ERASE_LINE = "erase line"
    ARE_YOU_THERE = "are you there"


class WindowSize(NamedTuple):
    columns: int
    rows: int


class TerminalType(NamedTuple):
    name: str


TelnetEvent = bytes | Signal | WindowSize | TerminalType
"""Text comes as bytes."""

_SIGNALS = {
    INTERRUPT_PROCESS: Signal.INTERRUPT,
    BREAK: Signal.INTERRUPT,  # Ctrl-\ in a client's line mode
    ABORT: Signal.INTERRUPT,
    SUSP: Signal.INTERRUPT,  # Ctrl-Z: nothing can be suspended, so it interrupts
    EOF: Signal.END_OF_FILE,
    ARE_YOU_THERE: Signal.ARE_YOU_THERE,
    ERASE_CHARACTER: Signal.ERASE_CHARACTER,
    ERASE_LINE: Signal.ERASE_LINE,
}


class _Side(Enum):
    OFF = 0
    ASKED = 1
    ON = 2


Option = tuple[int, int]
"""An option of one side, by the client's verb that turns it on: DO for ours, WILL for the client's."""

# We do echo and suppress go-ahead: together they put every client into character mode. BINARY is not offered, since it
# makes Enter a bare CR. LINEMODE is refused, since only one family of clients knows it.
OUR_ECHO, OUR_GO_AHEAD = (DO, ECHO), (DO, SUPPRESS_GO_AHEAD)
WINDOW, TERMINAL = (WILL, WINDOW_SIZE), (WILL, TERMINAL_TYPE)
# The client's SUPPRESS_GO_AHEAD is not requested (busybox answers it in the wrong direction), but granted.
_OPTIONS = (OUR_ECHO, OUR_GO_AHEAD, (WILL, SUPPRESS_GO_AHEAD), WINDOW, TERMINAL)

_NOTHING_REFUSED: frozenset[Option] = frozenset()  # one for all: an empty set takes 200 bytes


class TelnetCodec:
    """One connection's telnet state. Never raises, whatever the bytes are and however they are split."""

    __slots__ = ("_awaits_name", "_command", "_offered", "_output", "_refused", "_sides", "_sub", "answered")

    def __init__(self) -> None:
        self._sides = dict.fromkeys(_OPTIONS, _Side.OFF)  # one dictionary for both sides: it takes 200 bytes
        self._refused = _NOTHING_REFUSED
        self._command = b""  # an unfinished command: IAC, or IAC and a verb
        self._sub: bytearray | None = None
        self._output = b""
        self._offered = False
        self._awaits_name = False
        self.answered = False
        """Whether the client has shown that it speaks telnet."""

    @property
    def echoes(self) -> bool:
        """Whether the client leaves echo, and with it line editing, to us."""
        return self._sides[OUR_ECHO] is self._sides[OUR_GO_AHEAD] is _Side.ON

    @property
    def declines(self) -> bool:
        """Whether the client has refused our offer and wants to edit lines itself."""
        return self._offered and _Side.OFF in (self._sides[OUR_ECHO], self._sides[OUR_GO_AHEAD])

    @property
    def settled(self) -> bool:
        """Whether the client has answered all our requests, including the one for its terminal's name."""
        return self._offered and _Side.ASKED not in self._sides.values() and not self._awaits_name

    def offer(self) -> None:
        """Request, once, what character mode needs and is not agreed yet (PuTTY negotiates first)."""
        if self._offered:
            return
        self._offered = True
        for option in (OUR_ECHO, OUR_GO_AHEAD, WINDOW, TERMINAL):
            if self._sides[option] is _Side.OFF:
                self._sides[option] = _Side.ASKED
                self._agree(option)

    def hand_back(self) -> None:
        """Leave echo and line editing to the client."""
        for option in (OUR_ECHO, OUR_GO_AHEAD):
            if self._sides[option] is not _Side.OFF:
                self._sides[option] = _Side.OFF
                self._refused |= {option}
                self._refuse(option)

    def hide_typing(self, hide: bool) -> None:
        """Stop a client that edits lines itself from showing a password, or let it show lines again."""
        echo = self._sides[OUR_ECHO]
        if hide and echo is not _Side.ON:
            self._sides[OUR_ECHO] = _Side.ASKED
            self._agree(OUR_ECHO)
        elif not hide and echo is not _Side.OFF and self._sides[OUR_GO_AHEAD] is not _Side.ON:
            self._sides[OUR_ECHO] = _Side.OFF
            self._refuse(OUR_ECHO)

    def take_output(self) -> bytes:
        """The bytes to send to the client since the last call."""
        output, self._output = self._output, b""
        return output

    def receive(self, data: bytes) -> list[TelnetEvent]:
        """Take what the client has sent; returns text and other events in their order."""
        events: list[TelnetEvent] = []
        position, end = 0, len(data)
        while position < end:
            if self._sub is not None:
                position = self._receive_sub(self._sub, data, position, events)
            elif self._command:
                self._receive_command(data[position], events)
                position += 1
            else:
                iac = data.find(IAC, position)
                text = data[position : end if iac < 0 else iac]
                if text:
                    events.append(text)
                position += len(text) + 1
                self._command = b"\xff" if iac >= 0 else b""
        return events

    def _receive_command(self, byte: int, events: list[TelnetEvent]) -> None:
        """Take one byte after IAC, or after IAC and a verb."""
        command, self._command = self._command, b""
        if len(command) == 2:
            self._negotiate(command[1], byte)
        elif byte == IAC:
            events.append(b"\xff")
        else:
            self.answered = True
            if byte in (WILL, WONT, DO, DONT):
                self._command = bytes([IAC, byte])
            elif byte == SB:
                self._sub = bytearray()
            elif byte in _SIGNALS:
                events.append(_SIGNALS[byte])

    def _receive_sub(self, sub: bytearray, data: bytes, position: int, events: list[TelnetEvent]) -> int:
        """Take a subnegotiation's bytes up to IAC, or the byte after IAC; return the next position."""
        room = SUBNEGOTIATION_LIMIT - len(sub)
        if not self._command:
            iac = data.find(IAC, position)
            end = len(data) if iac < 0 else iac
            sub += data[position : min(end, position + room)]
            self._command = b"\xff" if iac >= 0 else b""
            return end + 1
        self._command = b""
        if data[position] == IAC:  # doubled, it is data, such as a window of 255 columns
            sub += b"\xff"[:room]
            return position + 1
        self._sub = None
        if data[position] == SE:
            self._subnegotiate(bytes(sub), events)
            return position + 1
        self._command = b"\xff"  # cut off by another command
        return position

    def _subnegotiate(self, sub: bytes, events: list[TelnetEvent]) -> None:
        option, body = sub[:1], sub[1:]
        if option == bytes([WINDOW_SIZE]) and len(body) == 4:
            columns, rows = int.from_bytes(body[:2]), int.from_bytes(body[2:])
            events.append(WindowSize(columns, rows))
        elif option == bytes([TERMINAL_TYPE]) and body[:1] == bytes([IS]):
            self._awaits_name = False
            if _TERMINAL_NAME.fullmatch(body[1:]):
                events.append(TerminalType(body[1:].decode("ascii").lower()))

    def _negotiate(self, verb: int, number: int) -> None:
        self.answered = True
        if number == TIMING_MARK and verb == DO:
            # inetutils and netkit drop all output after Ctrl-C until this is answered (RFC 860).
            self._say(WILL, number)
        elif verb in (DO, WILL):
            self._turn_on((verb, number))
        else:
            self._turn_off((DO if verb == DONT else WILL, number))

    def _turn_on(self, option: Option) -> None:
        """Set a side as the client wants it, and answer if that changes anything."""
        side = self._sides.get(option)
        if option in self._refused:
            return
        if side is None:
            self._refused |= {option}
            self._refuse(option)
        elif side is not _Side.ON:
            self._sides[option] = _Side.ON
            if side is _Side.OFF:
                self._agree(option)
            if option == TERMINAL:
                self._output += bytes([IAC, SB, TERMINAL_TYPE, SEND, IAC, SE])
                self._awaits_name = True

    def _turn_off(self, option: Option) -> None:
        side = self._sides.get(option)
        if side is _Side.ON:
            self._refuse(option)
        if side is not None:
            self._sides[option] = _Side.OFF

    def _agree(self, option: Option) -> None:
        verb, number = option
        self._say(WILL if verb == DO else DO, number)

    def _refuse(self, option: Option) -> None:
        verb, number = option
        self._say(WONT if verb == DO else DONT, number)

    def _say(self, verb: int, number: int) -> None:
        self._output += bytes([IAC, verb, number])


def escape(data: bytes) -> bytes:
    """Text for a telnet client, with each IAC byte doubled."""
    return data.replace(b"\xff", b"\xff\xff") if b"\xff" in data else data
