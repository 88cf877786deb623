"""Notices that a client is gone after it has closed its sending side: nothing else would show that in time."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable

LOOK_SECONDS = 2.0
"""Between two checks."""

PROBES = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Seconds, seconds and probes. A closed socket answers no probes once its system has forgotten it, on Linux after a
minute (tcp_fin_timeout). On unix sockets the end shows at once."""


class HangUpWatch:
    """Checks every LOOK_SECONDS whether the client still exists."""

    def __init__(self, connection: socket.socket, give_up: Callable[[], None]) -> None:
        """`give_up` is called at most once."""
        self._descriptor = connection.fileno()
        self._give_up = give_up
        for name, value in PROBES.items() if connection.family != socket.AF_UNIX else ():
            if hasattr(socket, name):  # macOS lacks one of them
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self._wait()

    def end(self) -> None:
        """Stop watching."""
        self._timer.cancel()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, 0)  # no events: poll always reports that both directions are closed
        if poll.poll(0):
            self._give_up()
        else:
            self._wait()
