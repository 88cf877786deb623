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


_NOTHING_REFUSED: frozenset[tuple[int, int]] = frozenset()  # one for all: an empty set takes 200 bytes


class TelnetCodec:
    """One connection's telnet state. Never raises, whatever the bytes are and however they are split."""

    __slots__ = ("_awaits_name", "_command", "_offered", "_output", "_refused", "_sub", "_them", "_us", "answered")

    # We do echo and suppress go-ahead: together they put every client into character mode. BINARY is not offered, since
    # it makes Enter a bare CR. LINEMODE is refused, since only one family of clients knows it.
    _WE_DO = (ECHO, SUPPRESS_GO_AHEAD)
    # DO SUPPRESS_GO_AHEAD is not requested (busybox answers it in the wrong direction), but granted.
    _THEY_MAY = (SUPPRESS_GO_AHEAD, WINDOW_SIZE, TERMINAL_TYPE)

    def __init__(self) -> None:
        self._us = dict.fromkeys(self._WE_DO, _Side.OFF)
        self._them = dict.fromkeys(self._THEY_MAY, _Side.OFF)
        self._refused = _NOTHING_REFUSED
        self._command = b""  # an unfinished command: IAC, or IAC and a verb
        self._sub: bytearray | None = None
        self._output = bytearray()
        self._offered = False
        self._awaits_name = False
        self.answered = False
        """Whether the client has shown that it speaks telnet."""

    @property
    def echoes(self) -> bool:
        """Whether the client leaves echo, and with it line editing, to us."""
        return all(side is _Side.ON for side in self._us.values())

    @property
    def declines(self) -> bool:
        """Whether the client has refused our offer and wants to edit lines itself."""
        return self._offered and any(side is _Side.OFF for side in self._us.values())

    @property
    def settled(self) -> bool:
        """Whether the client has answered all our requests, including the one for its terminal's name."""
        asked = _Side.ASKED in self._us.values() or _Side.ASKED in self._them.values()
        return self._offered and not asked and not self._awaits_name

    def offer(self) -> None:
        """Request, once, what character mode needs and is not agreed yet (PuTTY negotiates first)."""
        if self._offered:
            return
        self._offered = True
        for option in self._WE_DO:
            if self._us[option] is _Side.OFF:
                self._us[option] = _Side.ASKED
                self._say(WILL, option)
        for option in (WINDOW_SIZE, TERMINAL_TYPE):
            if self._them[option] is _Side.OFF:
                self._them[option] = _Side.ASKED
                self._say(DO, option)

    def hand_back(self) -> None:
        """Leave echo and line editing to the client."""
        for option in self._WE_DO:
            if self._us[option] is not _Side.OFF:
                self._us[option] = _Side.OFF
                self._refused |= {(DO, option)}
                self._say(WONT, option)

    def hide_typing(self, hide: bool) -> None:
        """Stop a client that edits lines itself from showing a password, or let it show lines again."""
        if hide and self._us[ECHO] is not _Side.ON:
            self._us[ECHO] = _Side.ASKED
            self._say(WILL, ECHO)
        elif not hide and self._us[ECHO] is not _Side.OFF and self._us[SUPPRESS_GO_AHEAD] is not _Side.ON:
            self._us[ECHO] = _Side.OFF
            self._say(WONT, ECHO)

    def take_output(self) -> bytes:
        """The bytes to send to the client since the last call."""
        output, self._output = bytes(self._output), bytearray()
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

    def _negotiate(self, verb: int, option: int) -> None:
        self.answered = True
        if option == TIMING_MARK and verb == DO:
            # inetutils and netkit drop all output after Ctrl-C until this is answered (RFC 860).
            self._say(WILL, option)
        elif verb in (DO, DONT):
            self._change(self._us, verb == DO, option, agree=WILL, refuse=WONT, request=verb)
        else:
            self._change(self._them, verb == WILL, option, agree=DO, refuse=DONT, request=verb)

    def _change(
        self, sides: dict[int, _Side], wanted: bool, option: int, agree: int, refuse: int, request: int
    ) -> None:
        """Set a side as the client wants it, and answer if that changes anything."""
        side = sides.get(option, _Side.OFF)
        if not wanted:
            if side is _Side.ON:
                self._say(refuse, option)
            if option in sides:
                sides[option] = _Side.OFF
        elif option not in sides or (request, option) in self._refused:
            if (request, option) not in self._refused:
                self._refused |= {(request, option)}
                self._say(refuse, option)
        elif side is not _Side.ON:
            sides[option] = _Side.ON
            if side is _Side.OFF:
                self._say(agree, option)
            if option == TERMINAL_TYPE:
                self._output += bytes([IAC, SB, TERMINAL_TYPE, SEND, IAC, SE])
                self._awaits_name = True

    def _say(self, verb: int, option: int) -> None:
        self._output += bytes([IAC, verb, option])


def escape(data: bytes) -> bytes:
    """Text for a telnet client, with each IAC byte doubled."""
    return data.replace(b"\xff", b"\xff\xff") if b"\xff" in data else data
