"""systemd's conventions, without its library: sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3)."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress

FIRST_DESCRIPTOR = 3
"""Where the sockets begin that systemd hands over."""

# Taken out of the environment, for services would inherit it and speak in the manager's name.
_NOTIFY_SOCKET = os.environ.pop("NOTIFY_SOCKET", "")
_WATCHDOG_MICROSECONDS = os.environ.pop("WATCHDOG_USEC", "")
_WATCHDOG_PID = os.environ.pop("WATCHDOG_PID", "")


def notify(*states: str) -> None:
    """Tell systemd, if it wants to know: `READY=1`, `STOPPING=1`, `STATUS=...`."""
    address = _NOTIFY_SOCKET
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        connection.setblocking(False)  # a full socket is systemd's trouble, and none of ours
        connection.connect("\0" + address[1:] if address[0] == "@" else address)
        connection.send("\n".join(states).encode())


def passed_sockets() -> dict[str, list[socket.socket]]:
    """The listening sockets that systemd has opened for this process, by name; children are not told of them."""
    meant = os.environ.pop("LISTEN_PID", "") == str(os.getpid())
    count = os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    for index in range(int(count) if meant and count.isdecimal() else 0):
        name = names[index] if index < len(names) and names[index] else "unknown"  # as systemd calls it then
        found.setdefault(name, []).append(socket.socket(fileno=FIRST_DESCRIPTOR + index))
    return found


async def feed_watchdog() -> None:
    """Tell systemd twice in each of its watchdog's times that the event loop is alive; for ever, if it has one."""
    meant = _WATCHDOG_PID in ("", str(os.getpid()))
    while meant and _WATCHDOG_MICROSECONDS.isdecimal() and int(_WATCHDOG_MICROSECONDS):
        notify("WATCHDOG=1")
        await asyncio.sleep(int(_WATCHDOG_MICROSECONDS) / 2_000_000)
