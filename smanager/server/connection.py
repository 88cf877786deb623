"""One connection: how its bytes get in and out, and how it ends; what they mean is a session's to say."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from time import monotonic  # the event loop's own clock
from typing import cast

from smanager.access.identities import network_of
from smanager.server.hangup import HangUpWatch
from smanager.server.peers import origin_of
from smanager.server.stall import STALL_SECONDS, StallWatch

DRAIN_SECONDS = 1.0
"""How long a closing connection is read to its end: a close with bytes unread makes the kernel send a reset,
upon which nc.openbsd, for one, drops the reply that it has not read yet."""

OUTPUT_LIMIT = 8 * 1024 * 1024
"""Bytes that may wait for a client that does not read. Commands are held back long before; what can still
pile up is one page after another."""

HANDSHAKE_SECONDS = 10.0
"""How long a client may take over TLS's handshake: some round trips on the worst of networks."""

log = logging.getLogger("smanager")


class Connection(asyncio.Protocol, ABC):
    """A connection and its transport."""

    __slots__ = (
        "_action",
        "_at_end",
        "_due",
        "_early",
        "_hang_up_watch",
        "_is_open",
        "_outgoing",
        "_receiving",
        "_securing",
        "_stall_watch",
        "_stalled",
        "_timer",
        "finishing",
        "held",
        "loop",
        "peer",
        "place",
        "sent",
        "since",
        "transport",
        "waiting",
    )

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.finishing = False
        self.held = False
        self.peer = ""
        """Where it comes from."""
        self.place = ""
        """The same as far as it counts for what one client may have."""
        self.since = 0.0
        self.sent = 0
        self.waiting = 0
        """Bytes that will be sent at the end of this turn of the event loop."""
        self.loop = asyncio.get_running_loop()
        self._outgoing: list[bytes] = []
        self._early = b""
        self._is_open = False
        self._at_end = False
        self._receiving = False
        self._stalled = False
        self._stall_watch: StallWatch | None = None
        self._hang_up_watch: HangUpWatch | None = None
        self._securing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._action: Callable[[], None] | None = None

    # What a session does.

    @abstractmethod
    def arrived(self) -> ssl.SSLContext | None:
        """It is there: count it, or abort it; returns what it is to be encrypted with, if it is."""

    @abstractmethod
    def opened(self) -> None:
        """Bytes may come from here on."""

    @abstractmethod
    def mistrusted(self, reason: str) -> None:
        """The client's certificate is not valid."""

    @abstractmethod
    def received(self, data: bytes) -> None:
        """Bytes have come."""

    @abstractmethod
    def ended(self) -> None:
        """The client sends no more."""

    @abstractmethod
    def pause(self) -> None:
        """The client does not read."""

    @abstractmethod
    def resume(self) -> None:
        """It reads again."""

    @abstractmethod
    def lost(self) -> None:
        """It is gone."""

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        connection = transport.get_extra_info("socket")
        self.peer = origin_of(connection, transport.get_extra_info("peername"))
        self.place = network_of(self.peer)
        self.since = monotonic()
        # Telnet's urgent data has to stay in the stream, or half a command is lost (RFC 854, Synch).
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        tls = self.arrived()
        if self.finishing:
            return
        if tls:
            self._securing = self.loop.create_task(self._secure(tls))
        else:
            self._open()

    def data_received(self, data: bytes) -> None:
        if self.finishing:
            return
        if not self._is_open:  # what comes with the end of TLS's handshake
            self._early += data
            return
        self._receiving = True
        self.received(data)
        self._receiving = False
        self.flush()

    def eof_received(self) -> bool:
        if self.finishing:
            return False
        self._at_end = True
        if self._is_open:
            self._end()
        # A client that has sent its last line is still to read the answers. TLS has no half of a close (asyncio's).
        return self._securing is None

    def pause_writing(self) -> None:
        self._stalled = True
        if not self.finishing:
            self.pause()
        self._watch_for_stall()

    def resume_writing(self) -> None:
        self._stalled = False
        if self._stall_watch:
            self._stall_watch.end()
        if self.finishing:
            self._shut_down()
        else:
            self.resume()

    def connection_lost(self, error: Exception | None) -> None:
        self.finishing = True
        self._outgoing.clear()
        self._action = None
        if self._timer:
            self._timer.cancel()
        for watch in (self._stall_watch, self._hang_up_watch):
            if watch:
                watch.end()
        self.lost()

    async def _secure(self, tls: ssl.SSLContext) -> None:
        """Go on inside TLS; nobody else waits for this client's handshake."""
        try:
            transport = await self.loop.start_tls(
                self.transport, self, tls, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except (OSError, ssl.SSLError) as error:
            log.info("%s: no TLS: %s", self.peer, error)
            if isinstance(error, ssl.SSLCertVerificationError):
                self.mistrusted(error.verify_message)
            self.connection_lost(None)
            self.transport.abort()
            return
        if transport is None:  # it was aborted meanwhile
            self.connection_lost(None)
            return
        self.transport = transport
        if not self.finishing:
            self._open()

    def _open(self) -> None:
        self._is_open = True
        self.opened()
        early, self._early = self._early, b""
        if early:
            self.data_received(early)
        if self._at_end:
            self._end()

    def _end(self) -> None:
        self.ended()
        if not self.finishing:
            self._hang_up_watch = HangUpWatch(self.transport.get_extra_info("socket"), self.abort)

    # What a session asks for.

    @property
    def is_local(self) -> bool:
        """Whether it is on a unix socket."""
        connection: socket.socket = self.transport.get_extra_info("socket")
        return connection.family == socket.AF_UNIX

    def send(self, data: bytes) -> None:
        """Send bytes, with all others of this turn of the loop in one write (two would wait for each other)."""
        if self.finishing:
            return
        if not self._outgoing and not self._receiving:
            self.loop.call_soon(self.flush)
        self._outgoing.append(data)
        self.waiting += len(data)
        if self.waiting > OUTPUT_LIMIT and len(self._outgoing) > 1:  # one piece alone is what somebody asked for
            self.flush()

    def flush(self) -> None:
        """Send now what waits."""
        if not self._outgoing:
            return
        data = self._outgoing[0] if len(self._outgoing) == 1 else b"".join(self._outgoing)
        self._outgoing.clear()
        self.waiting = 0
        self.sent += len(data)
        self.transport.write(data)
        if self._stalled and self.transport.get_write_buffer_size() > OUTPUT_LIMIT:
            log.warning("%s: closed, for it left %d bytes of output unread", self.peer, OUTPUT_LIMIT)
            self.abort()

    def hold(self, hold: bool) -> None:
        """Read no further while there is enough to do."""
        if self.transport.is_closing():  # and has none to be read, where TLS's other side is gone
            return
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
        self.flush()
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
