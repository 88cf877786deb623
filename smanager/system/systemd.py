"""systemd's conventions without its library: sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3)."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress

FIRST_DESCRIPTOR = 3  # the first of the sockets that systemd passes
EXTRA_SECONDS = 10.0  # for what has to be done beyond the time that systemd is asked for

# Removed from the environment: services would inherit them and speak in the manager's name.
_NOTIFY_SOCKET = os.environ.pop("NOTIFY_SOCKET", "")
_WATCHDOG_MICROSECONDS = os.environ.pop("WATCHDOG_USEC", "")
_WATCHDOG_PID = os.environ.pop("WATCHDOG_PID", "")


def notify(*states: str) -> None:
    """Tell systemd, if it started this process, `READY=1`, `STOPPING=1` or `STATUS=...`."""
    address = _NOTIFY_SOCKET
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        connection.setblocking(False)  # the manager does not wait for a systemd that does not read
        connection.connect("\0" + address[1:] if address[0] == "@" else address)
        connection.send("\n".join(states).encode())


def extend_timeout(seconds: float) -> None:
    """Ask systemd to wait that long, even beyond TimeoutStopSec, before it kills this process and all others."""
    notify(f"EXTEND_TIMEOUT_USEC={round((seconds + EXTRA_SECONDS) * 1_000_000)}")


def passed_sockets() -> dict[str, list[socket.socket]]:
    """The listening sockets from systemd, by name; their variables go, so that children do not claim the sockets."""
    is_for_us = os.environ.pop("LISTEN_PID", "") == str(os.getpid())
    count = os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    sockets: dict[str, list[socket.socket]] = {}
    for index in range(int(count) if is_for_us and count.isdecimal() else 0):
        name = names[index] if index < len(names) and names[index] else "unknown"  # systemd's own name for these
        sockets.setdefault(name, []).append(socket.socket(fileno=FIRST_DESCRIPTOR + index))
    return sockets


async def feed_watchdog() -> None:
    """Tell systemd, twice in each watchdog interval, that the event loop is alive; return if it has no watchdog."""
    is_for_us = _WATCHDOG_PID in ("", str(os.getpid()))
    while is_for_us and _WATCHDOG_MICROSECONDS.isdecimal() and int(_WATCHDOG_MICROSECONDS):
        notify("WATCHDOG=1")
        await asyncio.sleep(int(_WATCHDOG_MICROSECONDS) / 2_000_000)
