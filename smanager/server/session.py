"""One connection: how its bytes get in and out, and how it ends; what they mean is its mode's to say."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from time import monotonic  # the event loop's own clock
from typing import Protocol, cast

from smanager.access.callers import Caller
from smanager.server.jsonrpc import Programs, is_request
from smanager.server.methods import Methods
from smanager.server.stall import STALL_SECONDS, StallWatch
from smanager.shells.interpreter import Interpreter
from smanager.shells.results import Output
from smanager.shells.root import Shells

DRAIN_SECONDS = 1.0
"""How long a closing connection is read to its end: a close with bytes unread makes the kernel send a reset,
upon which nc.openbsd, for one, drops the reply that it has not read yet."""

OUTPUT_LIMIT = 8 * 1024 * 1024
"""Bytes that may wait for a client that does not read. Commands are held back long before; what can still
pile up is one page after another."""

ONE_WRITE = 64 * 1024
"""Bytes of a program's replies that are sent in one write."""

log = logging.getLogger("smanager")


class Mode(Protocol):
    """What a session is: how it reads its client's bytes, and shows what shells print."""

    def receive(self, data: bytes) -> None: ...

    def end_of_input(self) -> None: ...

    def write(self, text: str) -> None: ...

    @property
    def columns(self) -> int: ...

    def progress(self, text: str) -> None: ...

    def redraw(self, text: str) -> None: ...

    def idle(self) -> None: ...

    def farewell(self, message: str) -> None: ...


class Registry(Protocol):
    """Who keeps count of the sessions."""

    shells: Shells

    def arrived(self, session: Session) -> bool: ...

    def spoke(self, session: Session) -> None: ...

    def left(self, session: Session) -> None: ...


class Session(asyncio.Protocol):
    """A connection and its transport; the rest is its mode's."""

    __slots__ = (
        "_action",
        "_at_end",
        "_due",
        "_first_mode",
        "_outgoing",
        "_receiving",
        "_registry",
        "_silent",
        "_stall_watch",
        "_stalled",
        "_timer",
        "_waiting",
        "caller",
        "finishing",
        "held",
        "interpreter",
        "loop",
        "mode",
        "peer",
        "programs",
        "sent",
        "transport",
    )

    transport: asyncio.Transport
    interpreter: Interpreter
    mode: Mode

    def __init__(self, registry: Registry, first_mode: Callable[[Session], Mode]) -> None:
        self._registry = registry
        self._first_mode = first_mode
        self._outgoing: list[bytes] = []
        self.finishing = False
        self._at_end = False
        self._silent = True
        self.held = False
        self._receiving = False
        self._waiting = 0  # bytes in `_outgoing`
        self.sent = 0
        self._stalled = False
        self._stall_watch: StallWatch | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._action: Callable[[], None] | None = None
        self.programs: Programs | None = None
        self.loop = asyncio.get_running_loop()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.peer = peer_name(transport.get_extra_info("peername"))
        self.caller = Caller(self.peer)
        connection = transport.get_extra_info("socket")
        # Telnet's urgent data has to stay in the stream, or half a command is lost (RFC 854, Synch).
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._registry.arrived(self):
            self.mode = self._first_mode(self)

    def data_received(self, data: bytes) -> None:
        if self.finishing:
            return
        if self._silent:
            self._silent = False
            self._registry.spoke(self)
        self._receiving = True
        self.mode.receive(data)
        self._receiving = False
        self._flush()

    def eof_received(self) -> bool:
        if self.finishing:
            return False
        self._at_end = True
        self.mode.end_of_input()
        return True  # a client that has sent its last line is still to read the answers

    def pause_writing(self) -> None:
        self._stalled = True
        if not self.finishing:
            self.interpreter.pause()
            if self.programs:
                self.programs.pause()
        self._watch_for_stall()

    def resume_writing(self) -> None:
        self._stalled = False
        if self._stall_watch:
            self._stall_watch.end()
        if self.finishing:
            self._shut_down()
            return
        self.interpreter.resume()
        if self.programs:
            self.programs.resume()

    def connection_lost(self, error: Exception | None) -> None:
        self.finishing = True
        self._outgoing.clear()
        self._action = None
        if self._timer:
            self._timer.cancel()
        if self._stall_watch:
            self._stall_watch.end()
        self._registry.left(self)
        if hasattr(self, "interpreter"):
            self.interpreter.close()
        if self.programs:
            self.programs.cancel()

    # What modes call.

    def interpret(self, stdout: Output, person: bool) -> None:
        """Have the session's lines run from here on."""
        self.interpreter = Interpreter(self._registry.shells, stdout, self.idle, person, self.caller)

    def accept(self, line: str) -> bool:
        """Run a line, whether a person's, a script's or a program's request; whether that is done."""
        if not is_request(line):
            return self.interpreter.feed(line)
        if self.programs is None:
            self.programs = Programs(Methods(self._registry.shells, self.caller), self._reply, self.idle)
        self.programs.receive(line)
        return not self.programs.full  # else the next line need not wait for the answer

    @property
    def busy(self) -> bool:
        """Whether the next line has to wait."""
        return self.interpreter.busy or (self.programs is not None and self.programs.full)

    @property
    def columns(self) -> int:
        return self.mode.columns

    def progress(self, text: str) -> None:
        self.mode.progress(text)

    def redraw(self, text: str) -> None:
        self.mode.redraw(text)

    def write(self, text: str) -> None:
        """Show what a shell prints, as the mode does that is on now."""
        self.mode.write(text)

    def idle(self) -> None:
        """What ran has ended."""
        if not self.finishing and not self.interpreter.busy:
            self.mode.idle()

    def send(self, data: bytes) -> None:
        """Send bytes, with all others of this turn of the loop in one write (two would wait for each other)."""
        if self.finishing:
            return
        if not self._outgoing and not self._receiving:
            self.loop.call_soon(self._flush)
        self._outgoing.append(data)
        self._waiting += len(data)
        if self._waiting > OUTPUT_LIMIT and len(self._outgoing) > 1:  # one piece alone is what somebody asked for
            self._flush()

    def hold(self, hold: bool) -> None:
        """Read no further while there is enough to do."""
        self.held = hold
        if hold:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def set_timer(self, seconds: float, action: Callable[[], None] | None) -> None:
        """Have something done later; a session has one timer, and this replaces it.

        A script sets it with each line, so the event loop's own timer is left to ring too early where it
        would, which costs nothing, instead of being made anew each time.
        """
        self._action = action
        if action is None:
            return
        self._due = monotonic() + seconds
        if self._timer and self._timer.when() > self._due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self.loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._action is None:
            return
        if monotonic() < self._due:
            self._timer = self.loop.call_at(self._due, self._ring)
            return
        action, self._action = self._action, None
        action()

    def finish(self) -> None:
        """Send what is to be sent, then close so that nothing of it is lost."""
        if self.finishing:
            return
        self.finishing = True
        self.set_timer(0, None)
        self._flush()
        if self._at_end:
            self._watch_for_stall()
            self.transport.close()  # nothing is left to read; what is unsent is sent first
            return
        self.hold(False)
        if self.transport.get_write_buffer_size():
            self.transport.set_write_buffer_limits(high=0)  # `resume_writing` comes when all is sent
            self._watch_for_stall()
        else:
            self._shut_down()

    def abort(self) -> None:
        """Close at once."""
        self.finishing = True
        self._outgoing.clear()
        self.transport.abort()

    def farewell(self, message: str) -> None:
        """Say a last word and finish."""
        if not self.finishing:
            self.mode.farewell(message)
            self.finish()

    def _reply(self, line: str) -> None:
        self.mode.write(line + "\n")
        if self._waiting > ONE_WRITE:
            self._flush()  # so that it is known whether the client reads before the next one is made

    def _flush(self) -> None:
        if not self._outgoing:
            return
        data = self._outgoing[0] if len(self._outgoing) == 1 else b"".join(self._outgoing)
        self._outgoing.clear()
        self._waiting = 0
        self.sent += len(data)
        self.transport.write(data)
        if self._stalled and self.transport.get_write_buffer_size() > OUTPUT_LIMIT:
            log.warning("%s: closed, for it left %d bytes of output unread", self.peer, OUTPUT_LIMIT)
            self.abort()

    def _watch_for_stall(self) -> None:
        if self._stall_watch is None:
            self._stall_watch = StallWatch(self.transport, lambda: self.sent, self._give_up)
        self._stall_watch.begin()

    def _give_up(self) -> None:
        log.warning("%s: closed, for it read nothing for %g s", self.peer, STALL_SECONDS)
        self.abort()

    def _shut_down(self) -> None:
        if self.transport.is_closing():
            return
        self.set_timer(DRAIN_SECONDS, self.transport.close)
        with suppress(OSError):  # the client has reset the connection
            self.transport.write_eof()


def peer_name(address: object) -> str:
    """An address as `HOST:PORT` for the log, or a unix socket's path."""
    if isinstance(address, tuple):
        host, port = address[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return str(address)
