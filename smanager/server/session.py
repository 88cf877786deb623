"""One connection: how its bytes get in and out, and how it ends; what they mean is its mode's to say."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from time import monotonic  # the event loop's own clock
from typing import Protocol, cast

from smanager.access.callers import Caller
from smanager.access.identities import Identities
from smanager.listening import ListenerSettings
from smanager.server.hangup import HangUpWatch
from smanager.server.jsonrpc import Programs, is_request
from smanager.server.methods import Methods
from smanager.server.peers import origin_of
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

HANDSHAKE_SECONDS = 10.0
"""How long a client may take over TLS's handshake: some round trips on the worst of networks."""

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
    """Who keeps count of the sessions, and knows who may be behind them."""

    settings: ListenerSettings
    shells: Shells
    identities: Identities
    tls: ssl.SSLContext | None

    def arrived(self, session: Session) -> bool: ...

    def caller_of(self, session: Session) -> Caller | None: ...

    def settled(self, session: Session) -> None: ...

    def left(self, session: Session) -> None: ...


class Session(asyncio.Protocol):
    """A connection and its transport; the rest is its mode's."""

    __slots__ = (
        "_action",
        "_at_end",
        "_due",
        "_early",
        "_hang_up_watch",
        "_opening",
        "_outgoing",
        "_receiving",
        "_registry",
        "_securing",
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
        "number",
        "peer",
        "programs",
        "sent",
        "since",
        "transport",
    )

    transport: asyncio.Transport
    interpreter: Interpreter
    mode: Mode

    def __init__(self, registry: Registry, opening: Callable[[Session], None]) -> None:
        """`opening` gives it its first mode."""
        self._registry = registry
        self._opening = opening
        self._outgoing: list[bytes] = []
        self.finishing = False
        self._at_end = False
        self._early = b""
        self._silent = True
        self.held = False
        self._receiving = False
        self._waiting = 0  # bytes in `_outgoing`
        self.sent = 0
        self._stalled = False
        self._stall_watch: StallWatch | None = None
        self._hang_up_watch: HangUpWatch | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._action: Callable[[], None] | None = None
        self.programs: Programs | None = None
        self.caller: Caller | None = None
        self.number = 0
        self.peer = ""
        self.since = 0.0
        self._securing: asyncio.Task[None] | None = None
        self.loop = asyncio.get_running_loop()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        connection = transport.get_extra_info("socket")
        self.peer = origin_of(connection, transport.get_extra_info("peername"))
        self.since = monotonic()
        # Telnet's urgent data has to stay in the stream, or half a command is lost (RFC 854, Synch).
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if not self._registry.arrived(self):
            return
        if self._registry.tls:
            self._securing = self.loop.create_task(self._secure(self._registry.tls))
        else:
            self._begin()

    def data_received(self, data: bytes) -> None:
        if self.finishing:
            return
        if not hasattr(self, "mode"):  # what comes with the end of TLS's handshake
            self._early += data
            return
        if self._silent and self.caller:
            self._silent = False
            self._registry.settled(self)
        self._receiving = True
        self.mode.receive(data)
        self._receiving = False
        self._flush()

    def eof_received(self) -> bool:
        if self.finishing:
            return False
        self._at_end = True
        if not hasattr(self, "mode"):
            return False
        self.mode.end_of_input()
        if not self.finishing:
            self._hang_up_watch = HangUpWatch(self.transport.get_extra_info("socket"), self.abort)
        # A client that has sent its last line is still to read the answers. TLS has no half of a close (asyncio's).
        return not self._registry.tls

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
        if self._hang_up_watch:
            self._hang_up_watch.end()
        self._registry.left(self)
        if hasattr(self, "interpreter"):
            self.interpreter.close()
        if self.programs:
            self.programs.cancel()

    # How it begins.

    async def _secure(self, tls: ssl.SSLContext) -> None:
        """Go on inside TLS; nobody else waits for this client's handshake."""
        try:
            transport = await self.loop.start_tls(
                self.transport, self, tls, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except (OSError, ssl.SSLError) as error:
            log.info("%s: no TLS: %s", self.peer, error)
            self.connection_lost(None)
            self.transport.abort()
            return
        if self.finishing or transport is None:
            return
        self.transport = transport
        self._begin()
        early, self._early = self._early, b""
        if early:
            self.data_received(early)
        if self._at_end:
            self.mode.end_of_input()

    def _begin(self) -> None:
        self.caller = self._registry.caller_of(self)
        self._opening(self)

    @property
    def settings(self) -> ListenerSettings:
        """What holds where it has connected."""
        return self._registry.settings

    @property
    def is_local(self) -> bool:
        """Whether it is on a unix socket."""
        connection: socket.socket = self.transport.get_extra_info("socket")
        return connection.family == socket.AF_UNIX

    async def by_password(self, name: str, password: str) -> Caller | None:
        """Who that is."""
        return await self._registry.identities.by_password(name, password, self.peer, self.settings.given_roles)

    async def by_token(self, token: str) -> Caller | None:
        """Whose token that is."""
        return await self._registry.identities.by_token(token, self.peer, self.settings.given_roles)

    def admit(self, caller: Caller) -> None:
        """Take it for this caller's from here on."""
        self.caller = caller
        self._silent = False
        self._registry.settled(self)

    # What modes call.

    def interpret(self, stdout: Output, person: bool) -> None:
        """Have the session's lines run from here on. It has a caller."""
        assert self.caller
        if self.settings.only_programs:
            self._serve_programs()
        self.interpreter = Interpreter(self._registry.shells, stdout, self.idle, person, self.caller)

    def accept(self, line: str) -> bool:
        """Run a line, whether a person's, a script's or a program's request; whether that is done."""
        if not is_request(line) and not self.settings.only_programs:
            return self.interpreter.feed(line)
        programs = self._serve_programs()
        programs.receive(line)
        return not programs.full  # else the next line need not wait for the answer

    def _serve_programs(self) -> Programs:
        if self.programs is None:
            assert self.caller
            self.programs = Programs(Methods(self._registry.shells, self.caller), self._reply, self.idle)
        return self.programs

    @property
    def busy(self) -> bool:
        """Whether the next line has to wait."""
        return self.interpreter.busy or (self.programs is not None and self.programs.full)

    def interrupt(self) -> bool:
        """End what runs; whether anything did."""
        if self.programs and self.programs.busy:
            self.programs.cancel()
            return True
        if self.interpreter.busy:
            self.interpreter.cancel()
            return True
        return False

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
            if hasattr(self, "mode"):  # in TLS's handshake it has none yet
                self.mode.farewell(message)
            self.finish()

    @property
    def kind(self) -> str:
        """What it is, for who looks at all of them."""
        if self.programs:
            return "program"
        return "person" if hasattr(self, "interpreter") and self.interpreter.is_person else "script"

    @property
    def doing(self) -> str:
        """The command that it runs, if it runs one."""
        if self.programs and self.programs.busy:
            return f"{self.programs.count} requests"
        return self.interpreter.doing if hasattr(self, "interpreter") else ""

    def tell(self, text: str) -> None:
        """Show some lines, where a person looks."""
        if self.kind == "person" and not self.finishing:
            self.mode.write(text)

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
        if not self.transport.can_write_eof():  # TLS, whose close is one of both ways
            self.transport.close()
            return
        self.set_timer(DRAIN_SECONDS, self.transport.close)
        with suppress(OSError):  # the client has reset the connection
            self.transport.write_eof()
