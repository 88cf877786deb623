"""systemd's conventions, without its library: sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3)."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress

FIRST_DESCRIPTOR = 3
"""Where the sockets begin that systemd hands over."""


def notify(*states: str) -> None:
    """Tell systemd, if it wants to know: `READY=1`, `STOPPING=1`, `STATUS=...`."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        connection.setblocking(False)  # a full socket is systemd's trouble, and none of ours
        connection.connect("\0" + address[1:] if address[0] == "@" else address)
        connection.send("\n".join(states).encode())


def passed_sockets() -> list[socket.socket]:
    """The listening sockets that systemd has opened for this process; children are not told of them."""
    meant = os.environ.pop("LISTEN_PID", "") == str(os.getpid())
    count = os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if not meant or not count.isdecimal():
        return []
    return [socket.socket(fileno=FIRST_DESCRIPTOR + number) for number in range(int(count))]


async def feed_watchdog() -> None:
    """Tell systemd twice in each of its watchdog's times that the event loop is alive; for ever, if it has one."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    meant = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    while meant and microseconds.isdecimal() and int(microseconds):
        notify("WATCHDOG=1")
        await asyncio.sleep(int(microseconds) / 2_000_000)
