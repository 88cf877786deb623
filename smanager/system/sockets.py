"""The sockets that the manager waits for: those that are ready are served together, in one turn of the event loop.

For asyncio itself each would be a callback of its own, and nothing would tell where the turn ends. So asyncio waits for
one descriptor, that of a selector, which has all of these sockets.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import socket
from collections.abc import Callable

from smanager.system.outbox import Outbox
from smanager.system.turns import Turns

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

Ready = Callable[[int], object]  # takes what a socket is ready for, which may be more than what was asked last

log = logging.getLogger("smanager")


class Sockets:
    """Waits for sockets; what comes to pass in a turn leaves at its end."""

    def __init__(self, outbox: Outbox, turns: Turns) -> None:
        self.outbox = outbox
        self._turns = turns
        self._selector: selectors.DefaultSelector | None = None  # once there is a loop

    def wait(self, one: socket.socket, before: int, events: int, ready: Ready) -> None:
        """Call `ready` as long as a socket is ready for `events`; before, it was waited for the events `before`."""
        selector = self._selector or self._open()
        if not before:
            selector.register(one, events, ready)
        elif events:
            selector.modify(one, events, ready)
        else:
            selector.unregister(one)

    def _open(self) -> selectors.DefaultSelector:
        self._selector = selectors.DefaultSelector()
        asyncio.get_running_loop().add_reader(self._selector.fileno(), self._serve)
        return self._selector

    def _serve(self) -> None:
        assert self._selector
        self.outbox.hold()
        self._turns.open()
        try:
            for key, events in self._selector.select(0):
                try:
                    key.data(events)
                except Exception:  # the others are served all the same
                    log.exception("internal error while a socket was served")
        finally:
            self.outbox.empty()
            self._turns.close()
