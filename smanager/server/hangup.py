"""Finds out that a client is gone which has said before that it sends no more: nothing else shows that in time."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable

LOOK_SECONDS = 2.0

PROBES = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Seconds, seconds and probes. A socket that was closed does not answer any more once its system has forgotten it: on
Linux after a minute (tcp_fin_timeout). On unix sockets it shows at once."""


class HangUpWatch:
    """Looks from time to time whether there still is anybody."""

    def __init__(self, connection: socket.socket, give_up: Callable[[], None]) -> None:
        """`give_up` is called once."""
        self._descriptor = connection.fileno()
        self._give_up = give_up
        for name, value in PROBES.items() if connection.family != socket.AF_UNIX else ():
            if hasattr(socket, name):  # macOS lacks one of them
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self._wait()

    def end(self) -> None:
        """Nobody waits for it any more."""
        self._timer.cancel()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, 0)  # what is asked for is told besides: that both directions are closed
        if poll.poll(0):
            self._give_up()
        else:
            self._wait()
