"""Gives up clients that are gone or have stopped reading; nothing else would show that in time."""

from __future__ import annotations

import asyncio
import fcntl
import select
import socket
import struct
import termios
from collections.abc import Callable
from contextlib import suppress
from math import inf

from smanager.system.transport import Transport

STALL_SECONDS = 60.0  # how long a client may read none of the output that waits
HANG_UP_SECONDS = 2.0  # between two checks whether a client that has closed its sending side still exists

PROBES = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Seconds, seconds and probes. A closed socket answers no probes once its system has forgotten it, on Linux after a
minute (tcp_fin_timeout). On unix sockets the end shows at once."""


async def watch_for_stall(transport: Transport, sent: Callable[[], int], give_up: Callable[[], None]) -> None:
    """Give up a client that reads nothing, but not one that reads slowly; `sent` returns the bytes sent so far."""
    before = -inf
    while (read := sent() - unread(transport)) > before:
        before = read
        await asyncio.sleep(STALL_SECONDS)
    give_up()


def unread(transport: Transport) -> int:
    """The bytes that have not left this machine; the kernel alone may buffer megabytes."""
    waiting = transport.unsent
    with suppress(OSError):  # the client has reset the connection
        in_kernel = fcntl.ioctl(transport.socket.fileno(), termios.TIOCOUTQ, b"\0" * 4)
        waiting += struct.unpack("i", in_kernel)[0]
    return waiting


async def watch_for_hang_up(connection: socket.socket, give_up: Callable[[], None]) -> None:
    """Give up a client that is gone after it has closed its sending side."""
    for name, value in PROBES.items() if connection.family != socket.AF_UNIX else ():
        if hasattr(socket, name):  # macOS lacks one of them
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    poll = select.poll()
    poll.register(connection, 0)  # no events: poll always reports that both directions are closed
    await asyncio.sleep(HANG_UP_SECONDS)
    while not poll.poll(0):
        await asyncio.sleep(HANG_UP_SECONDS)
    give_up()
