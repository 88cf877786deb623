"""A browser's connection to which the event loop writes an answer, for as long as that takes."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

CHUNK = 64 * 1024  # bytes handed to the system at a time
ROOM = 256 * 1024  # unsent bytes above which a writer waits, as much as a host sends ahead
SLOW_SECONDS = 60.0  # how long a browser may take to read what fills the room

WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Outlet:
    """Writes to a connection without blocking, and notices when the browser has gone."""

    def __init__(self, connection: socket.socket) -> None:
        """Take over a connection whose request has been read."""
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._unsent = bytearray()
        self._changed = asyncio.Event()
        self._is_ending = False
        self.is_gone = False
        self.when_gone: Callable[[], object] = lambda: None
        connection.setblocking(False)
        self._loop.add_reader(connection, self._read)
        self._read()  # what TLS has decrypted already, no selector tells of

    @property
    def unsent(self) -> int:
        return len(self._unsent)

    def write(self, data: bytes) -> None:
        if not self.is_gone and not self._is_ending:
            is_idle = not self._unsent
            self._unsent += data
            if is_idle:
                self._send()

    async def drain(self) -> bool:
        """Wait until there is room again; returns whether the browser has made some in time."""
        try:
            async with asyncio.timeout(SLOW_SECONDS):
                while len(self._unsent) > ROOM:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def gone(self) -> None:
        """Wait until the connection is closed."""
        while not self.is_gone:
            self._changed.clear()
            await self._changed.wait()

    def end(self) -> None:
        """Close the connection once all is sent, or the browser has taken too long."""
        self._is_ending = True
        if self._unsent:
            self._loop.call_later(SLOW_SECONDS, self.close)
        else:
            self.close()

    def close(self) -> None:
        if not self.is_gone:
            self.is_gone = True
            self._unsent.clear()
            self._changed.set()
            self._loop.remove_reader(self._connection)
            self._loop.remove_writer(self._connection)
            if isinstance(self._connection, ssl.SSLSocket):
                with suppress(OSError, ValueError):  # the rest of the farewell is not waited for
                    self._connection.unwrap()
            self._connection.close()
            self.when_gone()

    def _read(self) -> None:
        """Notice the end; a browser says nothing more before it has its answer."""
        try:
            self._connection.recv(CHUNK)
        except WOULD_BLOCK:
            return
        except OSError:
            pass
        self.close()

    def _send(self) -> None:
        try:
            while self._unsent:
                with memoryview(self._unsent) as unsent:
                    count = self._connection.send(unsent[:CHUNK])
                del self._unsent[:count]
        except WOULD_BLOCK:
            self._loop.add_writer(self._connection, self._send)
        except OSError:
            self.close()
            return
        else:
            self._loop.remove_writer(self._connection)
            if self._is_ending:
                self.close()
        self._changed.set()
