"""Gives up a client that does not read, and not one that only reads slowly."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from collections.abc import Callable
from contextlib import suppress

STALL_SECONDS = 60.0
"""How long a client may read nothing of what waits for it."""


class StallWatch:
    """Looks every STALL_SECONDS, while output waits for a client, whether it has read any of it."""

    def __init__(self, transport: asyncio.Transport, sent: Callable[[], int], give_up: Callable[[], None]) -> None:
        """`sent` counts the bytes that the transport has been given; `give_up` is called once."""
        self._transport = transport
        self._sent = sent
        self._give_up = give_up
        self._read = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Output waits from here on."""
        if self._timer is None:
            self._read = self._bytes_read()
            self._wait()

    def end(self) -> None:
        """Nothing waits any more."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(STALL_SECONDS, self._look)

    def _look(self) -> None:
        before, self._read = self._read, self._bytes_read()
        if self._read > before:
            self._wait()
        else:
            self._timer = None
            self._give_up()

    def _bytes_read(self) -> int:
        """How much of all has left this machine; the kernel keeps megabytes for a client before we notice."""
        waiting = self._transport.get_write_buffer_size()
        with suppress(OSError):  # a socket that was reset
            in_kernel = fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0" * 4)
            waiting += struct.unpack("i", in_kernel)[0]
        return self._sent() - waiting
