"""The bytes of one connected socket: read as they come, and sent as far as the client takes them.

asyncio's own transports do the same for any protocol, in more steps, which the many short connections of scripts feel,
and with 0.9 kB more for each idle connection.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from smanager.system.sockets import READ, WRITE, Sockets

READ_SIZE = 8 * 1024  # bytes read in one turn of the loop: as telnet commands, they take 10 ms

HIGH_WATER, LOW_WATER = 64 * 1024, 16 * 1024
"""Unsent bytes at which the owner is told to send no more for now, and to go on."""

log = logging.getLogger("smanager")


class TransportOwner(Protocol):
    """What a transport reports; none of it after `lost`."""

    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool: ...  # the client sends no more; returns whether it may still read
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def connection_lost(self) -> None: ...  # called once, in a later turn than what has ended the connection


class Transport:
    """A connected socket that never blocks."""

    __slots__ = (
        "_events",
        "_is_closing",
        "_is_full",
        "_is_lost",
        "_owner",
        "_read_size",
        "_sockets",
        "_unsent",
        "_when_sent",
        "socket",
    )

    def __init__(
        self, connection: socket.socket, owner: TransportOwner, sockets: Sockets, read_size: int = READ_SIZE
    ) -> None:
        """Nothing is read until `read` is called, and then so many bytes in a turn."""
        self.socket = connection
        self._owner = owner
        self._sockets = sockets
        self._read_size = read_size
        self._events = 0  # what the socket is waited for
        self._unsent: bytearray | None = None  # what the kernel does not take yet
        self._when_sent: Callable[[], None] | None = None
        self._is_full = False  # whether the owner has been told to pause
        self._is_closing = False
        self._is_lost = False

    @property
    def unsent(self) -> int:
        """The bytes that the kernel has not taken yet."""
        return len(self._unsent) if self._unsent else 0

    @property
    def is_closing(self) -> bool:
        return self._is_closing

    def read(self, reads: bool) -> None:
        """Read from now on, or suspend that."""
        if not self._is_closing:
            self._wait(self._events | READ if reads else self._events & ~READ)

    def read_now(self) -> None:
        """Read what has come already, before the socket is waited for."""
        if self._events & READ:
            self._readable()

    def send(self, data: bytes) -> None:
        if self._is_closing or not data:
            return
        if self._unsent:
            self._unsent += data
        else:
            try:
                sent = self.socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:  # the client is gone
                self.abort()
                return
            if sent == len(data):
                return
            self._unsent = bytearray(memoryview(data)[sent:])
            self._wait(self._events | WRITE)
        if not self._is_full and len(self._unsent) > HIGH_WATER:
            self._is_full = True
            self._owner.pause_writing()

    def when_sent(self, action: Callable[[], None]) -> None:
        """Call `action` once all is sent, which may be now."""
        if self._unsent:
            self._when_sent = action
        else:
            action()

    def shut_down(self) -> None:
        """Tell the client that no more comes; all is sent already."""
        with suppress(OSError):  # the client has reset the connection
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Read no more, and end the connection once all is sent."""
        self.read(False)
        self._is_closing = True
        if not self._unsent:
            self._lose()

    def abort(self) -> None:
        """End the connection now."""
        self._is_closing = True
        self._unsent = None
        self._lose()

    def _lose(self) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._when_sent = None
            self._wait(0)
            asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        try:
            self._owner.connection_lost()
        finally:
            self.socket.close()

    def _wait(self, events: int) -> None:
        if events != self._events:
            before, self._events = self._events, events
            self._sockets.wait(self.socket, before, events, self._ready)

    def _ready(self, events: int) -> None:
        if events & self._events & READ:  # it may have changed in this turn
            self._readable()
        if events & self._events & WRITE:
            self._writable()

    def _readable(self) -> None:
        try:
            data = self.socket.recv(self._read_size)
        except BlockingIOError:
            return
        except OSError:  # the client has reset the connection
            self.abort()
            return
        try:
            if data:
                self._owner.data_received(data)
            else:
                self.read(False)
                if not self._owner.eof_received():
                    self.close()
        except Exception:
            log.exception("internal error; the connection is closed")
            self.abort()

    def _writable(self) -> None:
        assert self._unsent
        try:
            del self._unsent[: self.socket.send(self._unsent)]
        except BlockingIOError:
            return
        except OSError:
            self.abort()
            return
        if not self._unsent:
            self._unsent = None
            self._wait(self._events & ~WRITE)
        if self._is_full and self.unsent <= LOW_WATER:
            self._is_full = False
            self._owner.resume_writing()
        if self._unsent:  # the owner may have sent more
            return
        if action := self._when_sent:
            self._when_sent = None
            action()
        if self._is_closing:
            self._lose()
