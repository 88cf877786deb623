"""Gives up clients that do not read, but not those that read slowly."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from collections.abc import Callable
from contextlib import suppress

STALL_SECONDS = 60.0
"""How long a client may read none of the output that waits."""


class StallWatch:
    """While output waits, checks every STALL_SECONDS whether the client has read any of it."""

    def __init__(self, transport: asyncio.Transport, sent: Callable[[], int], give_up: Callable[[], None]) -> None:
        """`sent` returns the bytes given to the transport so far; `give_up` is called at most once."""
        self._transport = transport
        self._sent = sent
        self._give_up = give_up
        self._read = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Begin to watch: output waits."""
        if self._timer is None:
            self._read = self._bytes_read()
            self._wait()

    def end(self) -> None:
        """Stop watching: no output waits."""
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
        """The bytes that have left this machine; the kernel alone may buffer megabytes."""
        waiting = self._transport.get_write_buffer_size()
        with suppress(OSError):  # the client has reset the connection
            in_kernel = fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0" * 4)
            waiting += struct.unpack("i", in_kernel)[0]
        return self._sent() - waiting
