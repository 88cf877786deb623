"""One connection: how bytes get in and out, and how it ends; the session decides what the bytes mean."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from smanager.access.origin import Origin
from smanager.server.handshakes import Handshakes
from smanager.server.peers import origin_of
from smanager.server.tls import TlsCodec
from smanager.server.watches import STALL_SECONDS, watch_for_hang_up, watch_for_stall
from smanager.system.outbox import Stage
from smanager.system.sockets import Sockets
from smanager.system.transport import Transport

DRAIN_SECONDS = 1.0
"""How long a closing connection is still read: a close with unread bytes makes the kernel send a reset, and a
client such as nc.openbsd then drops the reply that it has not read yet."""

OUTPUT_LIMIT = 8 * 1024 * 1024
"""Bytes of output that may wait for a client that does not read. Commands are paused long before; what still piles
up is one page after another."""

HANDSHAKE_SECONDS = 10.0
"""How long a client may take to be through the TLS handshake: some round trips on the worst of networks, and a wait
while many others connect."""

log = logging.getLogger("smanager")


class ConnectionOwner(Protocol):
    """What a connection reports to its session."""

    def arrived(self) -> Handshakes | None: ...  # accept or abort it; for TLS, those among whom it waits for its turn
    def opened(self) -> None: ...  # ready, TLS included: bytes may come and go
    def mistrusted(self, reason: str) -> None: ...  # the client's certificate is not valid: no TLS
    def received(self, data: bytes) -> None: ...
    def ended(self) -> None: ...  # the client sends no more
    def pause(self) -> None: ...  # the client does not read: print no more for now
    def resume(self) -> None: ...
    def lost(self) -> None: ...


@dataclass(slots=True, eq=False, repr=False)
class Connection:
    """A connection and its transport."""

    _owner: ConnectionOwner
    _sockets: Sockets
    _transport: Transport = field(init=False)
    origin: Origin = field(init=False)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    finishing: bool = False  # whether the connection is being closed: no more is read or sent
    sent: int = 0  # bytes given to the transport so far
    waiting: int = 0  # bytes that will be sent at the end of this turn of the event loop
    _outgoing: list[bytes] = field(default_factory=list)
    _early: bytes = b""
    _is_open: bool = False
    _at_end: bool = False
    _is_held: bool = False
    _stall_watch: asyncio.Task[None] | None = None
    _hang_up_watch: asyncio.Task[None] | None = None
    _handshakes: Handshakes | None = None  # for TLS
    _tls: TlsCodec | None = None  # from the client's first byte on
    _timer: asyncio.TimerHandle | None = None
    _due: float = 0.0  # when `_action` is called, by the loop's clock
    _action: Callable[[], None] | None = None

    def begin(self, connection: socket.socket, address: object) -> None:
        """Take an accepted connection, whose peer has this address."""
        self.origin = origin_of(connection, address)
        self._transport = Transport(connection, self, self._sockets)
        self._handshakes = self._owner.arrived()
        self._transport.read(True)  # a client that is turned away, too, up to its end
        if self.finishing:
            return
        if self._handshakes:
            self.set_timer(HANDSHAKE_SECONDS, self._too_slow)
        else:
            self._open()
            self._transport.read_now()  # scripts send their command with the connection

    def data_received(self, data: bytes) -> None:
        if self.finishing:
            return
        if self._tls:
            self._decode(self._tls, data)
        elif self._handshakes:
            self._early += data
            self.hold(True)  # until its turn comes
            self._handshakes.enter(self)
        else:
            self._owner.received(data)

    def eof_received(self) -> bool:
        if self.finishing:
            return False
        if not self._is_open:  # it has left before or in the TLS handshake
            return False
        self._end()
        return True  # a client that has sent its last line may still read the answers

    def pause_writing(self) -> None:
        if not self.finishing:
            self._owner.pause()
        self._watch_for_stall()

    def resume_writing(self) -> None:
        if self.finishing:
            return
        if self._stall_watch:
            self._stall_watch.cancel()
            self._stall_watch = None
        self._owner.resume()

    def connection_lost(self) -> None:
        self.finishing = True
        self._outgoing.clear()
        if self._timer:
            self._timer.cancel()
        for watch in filter(None, (self._stall_watch, self._hang_up_watch)):
            watch.cancel()
        if self._handshakes:
            self._handshakes.leave(self)
            self._tls = None  # frees its memory now, not when the garbage collector finds the session
        self._owner.lost()

    def secure(self, context: ssl.SSLContext) -> None:
        """Begin the TLS handshake with what the client has sent so far."""
        self._tls = TlsCodec(context)
        early, self._early = self._early, b""
        self.hold(False)
        self._decode(self._tls, early)

    def _decode(self, tls: TlsCodec, data: bytes) -> None:
        """Take a client's bytes that are encrypted, or belong to the handshake."""
        try:
            text = tls.receive(data)
        except ssl.SSLError as error:
            self._fail(tls, error)
            return
        self._write(tls.take_output())
        if tls.is_open and not self._is_open and self._handshakes:
            self._handshakes.leave(self)
            self.clear_timer()
            self._open()
        if text and not self.finishing:
            self._owner.received(text)
        if tls.at_end and not self.finishing:
            self._end()

    def _fail(self, tls: TlsCodec, error: ssl.SSLError) -> None:
        log.info("%s: no TLS: %s", self.origin, error)
        if isinstance(error, ssl.SSLCertVerificationError):
            self._owner.mistrusted(error.verify_message)
        self.finishing = True
        self._outgoing.clear()
        self._write(tls.take_output())  # the alert, which tells the client why
        self._watch_for_stall()
        self._transport.close()

    def _too_slow(self) -> None:
        log.info("%s: no TLS: the client took longer than %g s", self.origin, HANDSHAKE_SECONDS)
        self.abort()

    @property
    def certificate(self) -> Mapping[str, Any]:
        """The client's valid certificate, as `ssl` decodes it; empty without one."""
        return self._tls.certificate if self._tls else {}

    def _open(self) -> None:
        self._is_open = True
        self._owner.opened()

    def _end(self) -> None:
        if self._at_end:
            return
        self._at_end = True
        self._owner.ended()
        if not self.finishing:
            watch = watch_for_hang_up(self._transport.socket, self.abort)
            self._hang_up_watch = self.loop.create_task(watch)

    def send(self, data: bytes) -> None:
        """Send bytes, in one write with all others of this turn of the loop (Nagle would delay a second write)."""
        if self.finishing:
            return
        if not self._outgoing:
            self._sockets.outbox.at_end(Stage.OUTPUT, self._flush)
        self._outgoing.append(data)
        self.waiting += len(data)
        if self.waiting > OUTPUT_LIMIT and len(self._outgoing) > 1:  # one piece alone is one command's output
            self._sockets.outbox.empty()

    def flush(self) -> None:
        """Send what waits now: that shows whether the client reads."""
        self._sockets.outbox.empty()

    def _flush(self) -> None:
        if not self._outgoing:
            return
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        self.waiting = 0
        if self._tls:
            self._tls.send(data)
            data = self._tls.take_output()
        self._write(data)

    def _write(self, data: bytes) -> None:
        self.sent += len(data)
        self._transport.send(data)
        if self._transport.unsent > OUTPUT_LIMIT:
            log.warning("%s: closed: the client left more than %d bytes of output unread", self.origin, OUTPUT_LIMIT)
            self.abort()

    def hold(self, hold: bool) -> None:
        """Suspend reading, or resume it."""
        if hold is not self._is_held and not self._at_end:
            self._is_held = hold
            self._transport.read(not hold)

    def set_timer(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` later, and not what was to be called before.

        A script sets the timer with each line, so the loop's own timer is kept where it goes off too early.
        """
        self._action, self._due = action, self.loop.time() + seconds
        if self._timer and self._timer.when() > self._due:
            self._timer.cancel()
            self._timer = None
        self._timer = self._timer or self.loop.call_at(self._due, self._ring)

    def clear_timer(self) -> None:
        self._action = None

    def _ring(self) -> None:
        self._timer = None
        if self._action and self.loop.time() < self._due:
            self._timer = self.loop.call_at(self._due, self._ring)
        elif self._action:
            action, self._action = self._action, None
            action()

    def finish(self) -> None:
        """Send what waits, then close so that none of it is lost."""
        if self.finishing:
            return
        self.finishing = True
        self.clear_timer()
        self._sockets.outbox.at_end(Stage.OUTPUT, self._finish)

    def _finish(self) -> None:
        self._flush()
        if self._tls:
            self._tls.close()
            self._write(self._tls.take_output())
        if self._transport.unsent:
            self._watch_for_stall()
        if self._at_end:
            self._transport.close()  # sends what is unsent first; there is nothing left to read
        else:
            self.hold(False)
            self._transport.when_sent(self._shut_down)

    def abort(self) -> None:
        self.finishing = True
        self._outgoing.clear()
        self._transport.abort()

    def _watch_for_stall(self) -> None:
        if self._stall_watch is None:
            watch = watch_for_stall(self._transport, lambda: self.sent, self._give_up)
            self._stall_watch = self.loop.create_task(watch)

    def _give_up(self) -> None:
        log.warning("%s: closed: the client read nothing for %g s", self.origin, STALL_SECONDS)
        self.abort()

    def _shut_down(self) -> None:
        if self._transport.is_closing:
            return
        if self._stall_watch:
            self._stall_watch.cancel()
        self.set_timer(DRAIN_SECONDS, self._transport.close)
        self._transport.shut_down()
